"""The topics over which nodes exchange keys, and for how long keys live."""

from collections.abc import Iterator, Mapping, Sequence

from confluent_kafka.admin import AdminClient, ClusterMetadata

from openmsi_admin.doctor.finding import Finding, bad, duration, ok, unsure
from openmsi_admin.doctor.network import SECONDS
from openmsi_admin.doctor.topic import topic_settings
from openmsi_core.encryption.node import Node
from openmsi_core.encryption.node_files import read_node_config
from openmsi_core.encryption.rights import CONTROL_TOPICS, Rights, is_exchange, topic_rights
from openmsi_core.errors import Retryable

_ABOUT = "exchange"
_KEEP_SECONDS = "604800"  # KafkaCrypto's own
_LEAST_MS = 600_000
_CHANGE_SECONDS = 86_400.0  # for which a producer uses one key: the last record is that much younger than it


def check_exchange(admin: AdminClient, metadata: ClusterMetadata, wanted: Rights) -> Iterator[Finding]:
    """Whether the exchange topics are there and this user may do what is ``wanted``."""
    try:
        rights = topic_rights(admin, wanted, SECONDS)
    except Retryable as error:
        yield unsure(_ABOUT, str(error))
        return
    exchange = [name for name in rights if is_exchange(name)]
    if absent := [name for name in exchange if rights[name] is None]:
        todo = "a program makes them at its start if it may, or have them made, with one partition each"
        yield unsure(_ABOUT, f"topics {_list(absent)} do not exist yet", todo)
    lacks = [
        f"{right.name} on topic {name}"
        for name in exchange
        if (allowed := rights[name]) is not None
        for right in sorted(wanted[name] - allowed, key=str)
    ]
    if lacks:
        yield bad(_ABOUT, f"this user lacks {_list(lacks)}", "ask whoever runs the broker for these rights")
    elif not absent:
        yield ok(_ABOUT, "the topics for keys are there, and this user has its rights there")
    yield from _settings(admin, metadata, [name for name in exchange if rights[name]])


def check_keeping(settings: Mapping[str, str], keep_seconds: float) -> Iterator[Finding]:
    """Compare how long records are kept with how long the node hands out their keys."""
    if "retention.ms" not in settings:
        return
    retention = int(settings["retention.ms"]) / 1000
    text = f"the node hands out its keys for {duration(keep_seconds)}"
    if 0 <= retention + _CHANGE_SECONDS <= keep_seconds:
        yield ok(_ABOUT, f"{text}, longer than the topic keeps records")
        return
    kept = duration(retention) if retention >= 0 else "for ever"
    todo = "make nodes with more --keep_keys_days, or shorten retention.ms: what is older can no longer be decrypted"
    yield unsure(_ABOUT, f"{text}, and the topic keeps records {kept}", todo)


def keep_seconds(node: Node) -> float:
    """For how long ``node`` hands out a key, from its first use. Raises OSError and ValueError."""
    config = read_node_config(node.config)
    return float(config.get(node.name, "crypto_max_pgen_age", fallback=_KEEP_SECONDS))


def _settings(admin: AdminClient, metadata: ClusterMetadata, topics: Sequence[str]) -> Iterator[Finding]:
    for name in topics:
        if name in metadata.topics and len(metadata.topics[name].partitions) != 1:
            yield unsure(_ABOUT, f"{name} has several partitions", "only the first is used: one is enough")
        settings = topic_settings(admin, name)
        policy, kept = settings.get("cleanup.policy", ""), int(settings.get("retention.ms", -1))
        if name in CONTROL_TOPICS and settings and "compact" not in policy:
            yield unsure(_ABOUT, f"{name} forgets: renewals and revocations", f"set cleanup.policy=compact for {name}")
        elif name not in CONTROL_TOPICS and 0 <= kept < _LEAST_MS:
            text = f"{name} keeps messages for {duration(kept / 1000)} only"
            yield unsure(_ABOUT, f"{text}: answers may be gone before they are read", "set retention.ms=3600000")


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)
