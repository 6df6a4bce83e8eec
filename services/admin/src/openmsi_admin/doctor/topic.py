"""What the broker does with the records of the topic, and what this user may do there."""

from collections.abc import Iterator, Mapping, Sequence

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient, ConfigResource, ResourceType, TopicDescription

from openmsi_admin.doctor.asked import DOWNLOADER, UPLOADER, Asked
from openmsi_admin.doctor.finding import Finding, bad, duration, ok, unsure
from openmsi_admin.doctor.network import SECONDS
from openmsi_core.status import size
from openmsi_core.topic import RECORD_OVERHEAD

_SHORT_RETENTION_MS = 86_400_000


def check_topic(admin: AdminClient, asked: Asked, topic: str, settings: Mapping[str, str]) -> Iterator[Finding]:
    """Copies, limits, retention and rights; ``settings`` are those of `topic_settings`."""
    try:
        asking = admin.describe_topics(
            TopicCollection([topic]), include_authorized_operations=True, request_timeout=SECONDS
        )
        described = asking[topic].result(SECONDS)
    except (KafkaException, TimeoutError) as error:
        yield unsure("topic", f"the broker does not describe {topic} ({error})", "ask for the right DESCRIBE on it")
        return
    yield from _copies(described, topic, settings.get("min.insync.replicas"))
    yield from check_settings(asked, topic, settings)
    yield from _rights(described, asked.program, topic)


def topic_settings(admin: AdminClient, topic: str) -> dict[str, str]:
    """The settings of the topic; empty when this user may not read them. Blocks up to 5 s."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        entries = admin.describe_configs([resource], request_timeout=SECONDS)[resource].result(SECONDS)
    except (KafkaException, TimeoutError):
        return {}
    return {name: entry.value for name, entry in entries.items() if entry.value is not None}


def check_settings(asked: Asked, topic: str, settings: Mapping[str, str]) -> Iterator[Finding]:
    """Whether files get through, and how long they stay."""
    if not settings:
        todo = "ask for the right DESCRIBE_CONFIGS on it to have them checked"
        yield unsure("topic", f"its settings (size limit, retention) cannot be read by this user: {topic}", todo)
        return
    needed, allowed = asked.chunk_size + RECORD_OVERHEAD, int(settings.get("max.message.bytes", 0))
    if needed > allowed:
        todo = f"use --chunk_size {max(1024, allowed - RECORD_OVERHEAD)} or raise max.message.bytes of the topic"
        yield bad(
            "topic", f"it takes messages of {allowed} bytes, and chunks of {asked.chunk_size} need {needed}", todo
        )
    else:
        yield ok("topic", f"it takes messages of {allowed} bytes: chunks of {asked.chunk_size} bytes fit")
    if "compact" in settings.get("cleanup.policy", ""):
        todo = f"set cleanup.policy=delete for {topic}"
        yield bad("topic", "cleanup.policy=compact deletes records that have the same key: files lose chunks", todo)
    yield _retention(settings)


def _retention(settings: Mapping[str, str]) -> Finding:
    millis, most = int(settings.get("retention.ms", -1)), int(settings.get("retention.bytes", -1))
    limits = [f"for {duration(millis / 1000)}"] if millis >= 0 else []
    limits += [f"up to {size(most)} in each partition"] if most >= 0 else []
    text = f"records are kept {' and '.join(limits) or 'for ever'}: a receiver may be away that long"
    if 0 <= millis < _SHORT_RETENTION_MS:
        return unsure("topic", text, "raise retention.ms above the longest outage of a receiver")
    return ok("topic", text)


def _copies(described: TopicDescription, topic: str, needed: str | None) -> Iterator[Finding]:
    partitions = described.partitions
    leaderless = [p.id for p in partitions if p.leader is None or p.leader.id < 0]
    if leaderless:
        todo = "see that all brokers run"
        yield bad("topic", f"partitions {_list(leaderless)} of {topic} have no broker that leads them", todo)
    copies = min(len(p.replicas) for p in partitions)
    text = f"{topic}: {len(partitions)} partitions, {copies} {'copy' if copies == 1 else 'copies'} of each record"
    if needed is None or not needed.isdecimal() or copies == int(needed) == 1:
        yield ok("topic", text)
        return
    few = [p.id for p in partitions if len(p.isr) < int(needed)]
    text += f", and {needed} must answer (min.insync.replicas)"
    if few:
        todo = "see that all brokers run, or lower min.insync.replicas"
        yield bad("topic", f"{text}: too few do for partitions {_list(few)}, so nothing can be sent there", todo)
    elif copies == int(needed):
        yield unsure(
            "topic", f"{text}: nothing can be sent when one broker is away", "lower min.insync.replicas by one"
        )
    else:
        yield ok("topic", text)


def _rights(described: TopicDescription, program: str | None, topic: str) -> Iterator[Finding]:
    allowed = set(described.authorized_operations or ())
    if not allowed:
        yield unsure("rights", f"the broker does not say what this user may do with {topic}")
        return
    needs = {UPLOADER: (AclOperation.WRITE, "write to"), DOWNLOADER: (AclOperation.READ, "read")}
    for user, (operation, verb) in needs.items():
        if program not in (None, user):
            continue
        if operation in allowed:
            yield ok("rights", f"this user may {verb} {topic}")
        elif program:
            todo = f"ask whoever runs the broker for the right {operation.name} on the topic {topic}"
            yield bad("rights", f"this user may not {verb} {topic}", todo)
        else:
            yield unsure("rights", f"this user may not {verb} {topic}, as {user} must")


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:10])) + (" …" if len(numbers) > 10 else "")
