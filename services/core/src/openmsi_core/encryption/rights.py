"""What a user must be allowed on the broker for its node to exchange keys; asked before anything is sent."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

from openmsi_core.errors import ConfigError, Retryable

_READ, _WRITE = AclOperation.READ, AclOperation.WRITE
_DOUBT_SECONDS = 2.0
CONTROL_TOPICS = ("chains", "allowlist", "denylist")
EXCHANGE_SUFFIXES = (".reqs", ".keys", ".subs")
Rights = Mapping[str, set[AclOperation]]
"""Topic → what is allowed, or needed, there."""


def needed(reads: Iterable[str], writes: Iterable[str]) -> Rights:
    """What the user of a node needs that reads and writes these topics."""
    rights: defaultdict[str, set[AclOperation]] = defaultdict(set)
    for topic in CONTROL_TOPICS:
        rights[topic].add(_READ)
    for topic in reads:
        root = topic.partition(".")[0]
        rights[topic].add(_READ)
        rights[f"{root}.keys"].add(_READ)
        rights[f"{root}.reqs"].add(_WRITE)
        rights[f"{root}.subs"].add(_WRITE)
    for topic in writes:
        rights[topic].add(_WRITE)
        for name, allowed in needed_to_hand_out([topic.partition(".")[0]]).items():
            rights[name] |= allowed
    return rights


def needed_to_hand_out(roots: Iterable[str]) -> Rights:
    """What is needed beside `CONTROL_TOPICS` to hand out the keys of these beginnings of topics."""
    return {name: {right} for root in roots for name, right in ((f"{root}.keys", _WRITE), (f"{root}.reqs", _READ))}


def check_rights(admin: AdminClient, wanted: Rights, seconds: float) -> None:
    """Ask the broker whether this user may do what is ``wanted``.

    Blocks up to ``seconds``, and some more when topics seem to be missing. Raises ConfigError that names every
    right and every exchange topic that is missing, Retryable when the broker does not answer. Of a broker that does not
    tell rights the best is thought.
    """
    until = time.monotonic() + _DOUBT_SECONDS
    while True:
        rights = topic_rights(admin, wanted, seconds)
        # Who looks for a data topic says it better.
        absent = sorted(name for name, allowed in rights.items() if allowed is None and is_exchange(name))
        if not absent or time.monotonic() > until:
            break
        time.sleep(_DOUBT_SECONDS / 10)  # not every broker knows yet of a topic that was just made
    missing = [
        f"{right.name} on topic {name}"
        for name, allowed in rights.items()
        for right in sorted(wanted[name] - (wanted[name] if allowed is None else allowed), key=str)
    ]
    if missing:
        raise ConfigError(
            f"this user lacks rights on the broker, ask whoever runs it for {', '.join(missing)}"
            " (docs/encryption-rights.md)"
        )
    if absent:
        raise ConfigError(
            f"the topics {', '.join(absent)} are missing, and we may not make them: have them made, with one"
            " partition each (docs/encryption-operations.md)"
        )


def is_exchange(topic: str) -> bool:
    """Whether a topic of this name carries keys, not files."""
    return topic in CONTROL_TOPICS or topic.endswith(EXCHANGE_SUFFIXES)


def topic_rights(admin: AdminClient, wanted: Rights, seconds: float) -> dict[str, set[AclOperation] | None]:
    """Topic → which of ``wanted`` this user may; None where there is no such topic. Raises Retryable."""
    found: dict[str, set[AclOperation] | None] = {}
    topics = TopicCollection(sorted(wanted))
    asked = admin.describe_topics(topics, include_authorized_operations=True, request_timeout=seconds)
    for name, answer in asked.items():
        try:
            told = set(answer.result(seconds).authorized_operations or ())
            found[name] = told & wanted[name] if told else wanted[name]
        except KafkaException as error:
            code = error.args[0].code()
            if code not in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART):
                raise Retryable(f"the broker does not describe topic {name} ({error.args[0].str()})") from None
            found[name] = set() if code == KafkaError.TOPIC_AUTHORIZATION_FAILED else None
        except TimeoutError:
            raise Retryable("the broker does not answer") from None
    return found
