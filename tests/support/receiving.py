"""The receiver's parts without Kafka: a destination in memory, and a member that reads a `Log` step by step."""

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from openmsi_core.deliveries import CompleteFile
from openmsi_core.delivering import Delivering
from openmsi_core.destination import Destination
from openmsi_core.errors import StagedBytesLost
from openmsi_core.generation import Generation, Verdict, Version, judge
from openmsi_core.intake import Intake
from openmsi_core.journal import JOURNAL
from openmsi_core.paths import RelativePath
from openmsi_core.quarantine import Quarantine
from openmsi_core.records import Holder, Piece
from openmsi_core.resume import Resume
from openmsi_core.staging import NotYet, Staging
from openmsi_core.watermark import Watermark
from tests.support.fake_log import Log


class MemoryDestination:
    """Obeys `judge` to the letter, and remembers everything."""

    def __init__(self) -> None:
        self.placed: dict[str, tuple[Version, bytes]] = {}
        self.history: list[Generation] = []
        """Generations in the order in which they were placed."""
        self.delivered: Counter[Generation] = Counter()

    def verdict(self, path: RelativePath, version: Version) -> Verdict:
        return judge(version, self.placed[path.text][0] if path.text in self.placed else None)

    def deliver(self, file: CompleteFile) -> Verdict:
        content = bytes(file.data) if file.staged is None and file.data is not None else b""
        if file.staged is not None:
            if not file.staged.exists():
                raise StagedBytesLost("gone")
            content = file.staged.read_bytes()
            file.staged.unlink()
        assert hashlib.sha512(content).digest() == file.generation.file_hash
        assert len(content) == file.size
        verdict = self.verdict(file.generation.path, file.version)
        self.delivered[file.generation] += 1
        if verdict is Verdict.NEWER:
            self.placed[file.generation.path.text] = (file.version, content)
            self.history.append(file.generation)
        return verdict

    @property
    def tree(self) -> Mapping[str, bytes]:
        """Path → content."""
        return {path: content for path, (_, content) in self.placed.items()}


class Member:
    """A receiver in slow motion: each method is one step of the loop."""

    def __init__(
        self, log: Log, root: Path, destination: Destination, partitions: Collection[int] | None = None
    ) -> None:
        ours = set(log.committed) if partitions is None else set(partitions)
        self.log = log
        self.root = root
        self.now = 0.0
        self.destination = destination
        self.staging = Staging(root)
        self.staging.folder.start()
        self.quarantine = Quarantine(root, "topic")
        self.watermark = Watermark[Holder]()
        self.intake = Intake(
            destination, self.staging, self.quarantine, self.watermark, lambda _: True, lambda: self.now
        )
        self.resume = Resume(self.intake, self.staging, self.watermark, "topic and group")
        self.position = {partition: log.committed[partition] for partition in ours}
        self.position |= self.resume.begin(ours, lambda _: log.committed)
        self.waiting: list[CompleteFile] = []
        self.finished: list[tuple[CompleteFile, Verdict | None]] = []

    def read(self, partition: int) -> bool:
        """Take in the next record; False at the end of the partition. Raises Retryable."""
        records, at = self.log.partitions[partition], self.position[partition]
        if at >= len(records):
            return False
        self.now += 1
        try:
            complete = self.intake.take(records[at])
        except StagedBytesLost:
            lost = records[at]
            assert isinstance(lost, Piece)
            self._read_again(lost.generation)
            return True
        except NotYet:
            return True
        self.position[partition] += 1
        self.watermark.done(partition, at)
        if complete is not None:
            self.waiting.append(complete)
        return True

    def deliver(self, number: int = 0) -> None:
        """Let a thread work on a waiting file: the oldest of the path of the ``number``-th. Raises Retryable."""
        if self.waiting:
            path = self.waiting[number % len(self.waiting)].generation.path
            file = next(each for each in self.waiting if each.generation.path == path)
            try:
                verdict = Delivering(self.destination, self.quarantine, self.resume.wait).deliver(file)
            except StagedBytesLost:
                self._read_again(file.generation)
            else:
                self.finished.append((file, verdict))
            self.waiting.remove(file)

    def collect(self) -> None:
        """Hear of all that the threads have done."""
        for file, verdict in self.finished:
            self.intake.settled(file, verdict)
        self.finished.clear()

    def commit(self) -> dict[int, int]:
        """Commit what is allowed; returns all that is committed."""
        advanced = self.watermark.advanced()
        self.log.committed |= advanced
        self.watermark.committed(advanced)
        return self.log.committed

    def leave(self, partition: int) -> None:
        """Give a partition away and get it back."""
        self.resume.hand_over({partition})
        gone = self.intake.forget([partition])
        self.waiting = [file for file in self.waiting if file.generation not in gone]
        begin = self.resume.begin({partition}, lambda _: self.log.committed)
        self.position[partition] = begin.get(partition, self.log.committed[partition])

    def note(self) -> None:
        """Write the journal, if enough has come."""
        for _ in range(2):
            for generation in self.resume.note():
                self._read_again(generation)
            if self.resume._writing is not None:
                self.resume._writing.lost.result()

    def park(self) -> None:
        """Find that nothing comes any more."""
        self.now += 1000
        for file in self.intake.stalled(500):
            try:
                self.intake.park(file, 500)
            except StagedBytesLost:
                self._read_again(file.generation)

    def wipe(self) -> None:
        """Somebody removes all staged files."""
        for file in self.staging.own.iterdir():
            if file.name not in ("lock", JOURNAL):
                file.unlink()

    def stop(self) -> None:
        """An orderly end; nothing more happens when it was called before."""
        self.commit()
        self.resume.keep()
        self.resume.close()
        self.staging.close()

    def drain(self) -> None:
        """Go on until there is nothing to do. Raises Retryable: then again."""
        while sum(self.read(partition) for partition in self.position) or self.waiting:
            while self.waiting:
                self.deliver()
            self.collect()
        self.collect()

    def _read_again(self, generation: Generation) -> None:
        self.position |= self.intake.lost(generation)

    def kill(self) -> None:
        """End as kill -9 does: the operating system closes files and drops locks, nothing else happens."""
        self.resume.close()
        for file in self.staging._files.values():
            os.close(file)
        assert self.staging.folder._lock is not None
        self.staging.folder._lock.close()
