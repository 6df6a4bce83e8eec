"""All checks of a program that has a `[kafkacrypto]` section."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from openmsi_admin.doctor.asked import DOWNLOADER, UPLOADER, Asked
from openmsi_admin.doctor.exchange import check_exchange, check_keeping, keep_seconds
from openmsi_admin.doctor.finding import Finding, bad, unsure
from openmsi_admin.doctor.keys import judge, look
from openmsi_admin.doctor.network import SECONDS
from openmsi_core.encryption.opening import MISSING
from openmsi_core.encryption.rights import needed

if TYPE_CHECKING:
    from openmsi_core.encryption.certificates import Standing


class Encrypted:
    """The node, and the keys of the topic. Changes nothing."""

    def __init__(self, asked: Asked) -> None:
        """``asked`` names a node."""
        assert asked.node is not None
        self._asked, self._node = asked, asked.node
        self._standing: Standing | None = None

    def check_node(self) -> Iterator[Finding]:
        """Files, certificate and use of the node."""
        try:
            from openmsi_admin.doctor import node as checks  # noqa: PLC0415  # optional
        except (ImportError, OSError, ValueError) as error:  # the last is what a missing libsodium raises
            yield bad("node", f"{MISSING} ({error})")
            return
        self._standing = yield from checks.check_node(self._node, self._asked.program, self._asked.topic)

    def check_topic(
        self, admin: AdminClient, consumer: Consumer, partitions: int, settings: Mapping[str, str]
    ) -> Iterator[Finding]:
        """The exchange topics of the topic asked for, and who can answer for its keys."""
        if self._standing is None:
            yield unsure("keys", "not looked at, because the node cannot be used")
            return
        topic = self._asked.topic or ""
        reads, writes = self._uses(self._standing, topic)
        yield from check_exchange(admin, consumer.list_topics(timeout=SECONDS), needed(reads, writes))
        if writes:
            with contextlib.suppress(OSError, ValueError):  # the node's files were good a moment ago
                yield from check_keeping(settings, keep_seconds(self._node))
        yield from judge(look(consumer, topic, partitions, self._standing.allowed), topic, time.time())

    def _uses(self, standing: "Standing", topic: str) -> tuple[list[str], list[str]]:
        """The topics it is looked at for as a reader, and as a writer."""
        program = self._asked.program
        reads = program == DOWNLOADER if program else standing.may("read", topic)
        writes = program == UPLOADER if program else standing.may("write", topic)
        return [topic] if reads else [], [topic] if writes else []
