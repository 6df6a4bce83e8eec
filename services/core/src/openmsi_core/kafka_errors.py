"""librdkafka's errors in words, sorted by what to do about them."""

from confluent_kafka import KafkaError

from openmsi_core.errors import BadFile, ConfigError, Fatal, InternalError, OpenMSIError, Retryable, TakenOver, Undone

_FORBIDDEN = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)
_FENCED = (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED)


def translate(error: KafkaError, topic: str = "") -> OpenMSIError:
    """The error of ours that says what to do about ``error``."""
    code, text = error.code(), error.str()
    if code in (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED):
        return ConfigError(f"the broker refused the user name or password, check both in your env file ({text})")
    if code == KafkaError._SSL:
        return ConfigError(f"TLS with the broker failed, check security.protocol and certificates ({text})")
    if code == KafkaError.GROUP_AUTHORIZATION_FAILED:
        return ConfigError(f"this user may not use its consumer group, ask for the right READ on that group ({text})")
    if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return ConfigError(f"this user may not use the topic {topic or '…'}, ask for the right on the broker ({text})")
    if code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION):
        name = topic or "…"
        return ConfigError(
            f"topic '{name}' does not exist on the broker: make it first, for example with "
            f"kafka-topics.sh --create --topic {name} --partitions 4 --bootstrap-server ADDRESS"
        )
    if code == KafkaError.TOPIC_EXCEPTION:
        return ConfigError(f"'{topic}' is not a valid topic name: use letters, digits, '.', '_' and '-'")
    if code == KafkaError.MSG_SIZE_TOO_LARGE:
        return BadFile("the broker refuses messages this large, use a smaller --chunk_size")
    if code == KafkaError.INVALID_TIMESTAMP:
        return Retryable(
            "the broker refuses records of this machine's clock: set the clock, or give the topic"
            f" message.timestamp.type=LogAppendTime ({text})"
        )
    if code == KafkaError._RESOLVE:
        return Retryable(f"the broker's host name cannot be found, check bootstrap.servers ({text})")
    if error.fatal():
        return InternalError(f"the Kafka client cannot go on and must be restarted ({text})")
    return Retryable(f"the broker does not answer ({text})")


def translate_in_transaction(error: KafkaError) -> OpenMSIError:
    """As `translate`, for an error that ends the transactions of a producer."""
    if error.code() in _FENCED:
        return TakenOver("another process has taken over the same work (same topics, same group): keep one of the two")
    if error.code() in (*_FORBIDDEN, KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED):
        return ConfigError(
            "this user may not do all that a transaction needs, ask for the rights WRITE on the target topic and on the"
            f" transactional id, and READ on the group ({error.str()})"
        )
    if error.code() == KafkaError.INVALID_TRANSACTION_TIMEOUT:
        return ConfigError(
            "the broker allows no transaction as long as transaction.timeout.ms in [producer], which is 900000 unless"
            " given: give what transaction.max.timeout.ms of the broker allows"
        )
    return Undone(f"a transaction could not be ended, its files are read again ({error.str()})")


def raise_fatal(error: OpenMSIError) -> None:
    """Raise ``error`` if it must end the program, else return."""
    if isinstance(error, Fatal):
        raise error
