"""Logging in, and what the cluster says of itself and of the topic."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import ClusterMetadata

from openmsi_admin.doctor.finding import Finding, Level, bad, ok, unsure
from openmsi_admin.doctor.network import SECONDS, Address, check_address, is_encrypted, parse, speaks_tls
from openmsi_core.bystander import bystander
from openmsi_core.errors import ConfigError
from openmsi_core.kafka import Troubles
from openmsi_core.kafka_errors import translate
from openmsi_core.programs import did_you_mean

_MOST_BROKERS = 6
_NUMBERED = re.compile(r"(?:^|[\s(/])\[?([^\s()/\[\]]+)\]?:(\d+)/(\d+): ")
QUEUE_BYTES = 1 << 20
_NOTHING_NEW = "brokers are down"
"""librdkafka says so after it has said why."""


@dataclass(slots=True)
class Cluster:
    """A connection to a cluster, and what was heard over it."""

    options: Mapping[str, str]
    addresses: dict[Address, bool] = field(default_factory=dict)
    """Those that the config file names, and whether they can be connected to."""
    consumer: Consumer | None = None
    metadata: ClusterMetadata | None = None
    """None when nobody has answered."""
    told: list[str] = field(default_factory=list)
    """What librdkafka had to say beside its answers."""

    def close(self) -> None:
        """Let go of it."""
        if self.consumer is not None:
            self.consumer.close()

    def partitions(self, topic: str | None) -> int:
        """How many partitions the topic has; 0 when there is none, or nobody has said."""
        if self.metadata is None or topic not in self.metadata.topics:
            return 0
        return len(self.metadata.topics[topic].partitions)


def check_cluster(cluster: Cluster, topic: str | None) -> Iterator[Finding]:
    """Every address, the login, the brokers behind it, and whether ``topic`` exists. Fills ``cluster``."""
    for text in cluster.options["bootstrap.servers"].split(","):
        if (address := parse(text)) is None:
            yield bad("address", f"{text!r} is no address", "write bootstrap.servers as HOST:PORT")
            continue
        found = list(check_address(address, cluster.options))
        cluster.addresses[address] = found[0].level is Level.OK
        yield from found
    yield from _login(cluster, topic)
    if cluster.metadata is not None:
        brokers = cluster.metadata.brokers.items()
        yield from _brokers(cluster, {number: Address(each.host or "", each.port) for number, each in brokers})
        if not brokers:
            yield unsure("broker", "the cluster names no brokers")
        if topic:
            yield from _topic(cluster, cluster.metadata, topic)


def _login(cluster: Cluster, topic: str | None) -> Iterator[Finding]:
    troubles = Troubles(cluster.told.append)
    who = _who(cluster.options)
    try:
        consumer = cluster.consumer = bystander(cluster.options, troubles, QUEUE_BYTES)
    except ConfigError as error:
        yield bad("login", str(error))
        return
    try:
        cluster.metadata = (
            consumer.list_topics(topic, timeout=SECONDS) if topic else consumer.list_topics(timeout=SECONDS)
        )
    except KafkaException as error:
        consumer.poll(0)  # delivers what librdkafka knows better to `troubles`
        told = [text for text in cluster.told if _NOTHING_NEW not in text]
        yield _refused(cluster, who, str(troubles.refused or (told or [str(translate(error.args[0]))])[-1]))
        # It may have heard where the brokers say that they are, and have gone on to there.
        yield from _brokers(cluster, {int(number): Address(host, int(port)) for host, port, number in heard(told)})
        return
    yield ok("login", f"{who}; cluster {cluster.metadata.cluster_id}")


def _refused(cluster: Cluster, who: str, reason: str) -> Finding:
    if not is_encrypted(cluster.options) and any(
        open_ and speaks_tls(address) for address, open_ in cluster.addresses.items()
    ):
        todo = "set security.protocol in [broker] to SASL_SSL (with a user name) or SSL"
        return bad("login", "the broker wants an encrypted connection, and the config file asks for none", todo)
    todo = ""
    if not cluster.options.get("sasl.username") and any(cluster.addresses.values()):
        todo = "see that it is a broker's port; if it wants a login, set sasl.username and sasl.password in [broker]"
    return bad("login", f"{who}: {reason}", todo)


def _who(options: Mapping[str, str]) -> str:
    protocol = options.get("security.protocol", "PLAINTEXT").upper()
    user = options.get("sasl.username")
    mechanism = options.get("sasl.mechanisms") or options.get("sasl.mechanism") or "PLAIN"
    return f"user {user} ({protocol}, {mechanism})" if user else f"without a user name ({protocol})"


def heard(told: Iterable[str]) -> set[tuple[str, str, str]]:
    """Host, port and number of each broker that librdkafka names: it knows the number from a broker's answer only."""
    return {match for text in told for match in _NUMBERED.findall(text)}


def _brokers(cluster: Cluster, brokers: Mapping[int, Address]) -> Iterator[Finding]:
    """Clients go on to the addresses that the brokers give themselves, which may mean nothing here."""
    unknown = [(number, address) for number, address in sorted(brokers.items()) if address not in cluster.addresses]
    for number, address in unknown[:_MOST_BROKERS]:
        for finding in check_address(address, cluster.options):
            todo = finding.todo and f"{finding.todo}; the broker's advertised.listeners says this address"
            yield Finding(finding.level, f"broker {number}", finding.text, todo)


def _topic(cluster: Cluster, metadata: ClusterMetadata, topic: str) -> Iterator[Finding]:
    error = metadata.topics[topic].error
    if error is None:
        return
    hint = ""
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART and cluster.consumer is not None:
        try:
            others = cluster.consumer.list_topics(timeout=SECONDS).topics
            hint = did_you_mean(topic, [name for name in others if name != topic and not name.startswith("__")])
        except KafkaException:
            pass
    yield bad("topic", f"{translate(error, topic)}{hint}")
