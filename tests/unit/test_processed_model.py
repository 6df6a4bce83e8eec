"""Members of a group that die and freeze at any step: each file that is to be processed has one result, in order."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from openmsi_core.deliveries import CompleteFile
from openmsi_core.errors import Retryable
from openmsi_core.exact import ExactWatermark
from openmsi_core.generation import Generation, Verdict, Version, judge
from openmsi_core.paths import RelativePath
from openmsi_processor.processed import Processed

PARTITIONS = 2
CONTENTS = (b"a", b"b", b"c", b"bad")


def upload(random: Random, partition: int, offset: int) -> CompleteFile:
    """Of one of few paths; of a source, or of nobody and with a time that may lie behind that of the last."""
    path, content = RelativePath(f"{partition}/{random.randrange(3)}"), random.choice(CONTENTS)
    source, number = random.choice((("source", f"{offset:05}"), ("", "")))
    version = Version(content, number, source, float(random.randrange(1, 4)), (offset // 3, offset))
    return CompleteFile(Generation(path, content, offset, number), version, 1, content, None, partition, offset)


@dataclass
class Log:
    """A topic, what its group has committed, and the results: all in one transaction."""

    records: dict[int, list[CompleteFile]]
    committed: dict[int, tuple[int, str]] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), (0, "")))
    results: list[CompleteFile] = field(default_factory=list)
    owner: "dict[int, Member]" = field(default_factory=dict)

    def due(self) -> dict[str, list[int]]:
        """Offsets of the files that must have a result, by path."""
        due: dict[str, list[int]] = defaultdict(list)
        for records in self.records.values():
            placed: dict[str, Version] = {}
            for file in records:
                path = file.generation.path.text
                if judge(file.version, placed.get(path)) is Verdict.NEWER and file.data != b"bad":
                    due[path].append(file.offset)
                    placed[path] = file.version
        return due

    def there(self) -> dict[str, list[int]]:
        """What has a result."""
        there: dict[str, list[int]] = defaultdict(list)
        for file in self.results:
            there[file.generation.path.text].append(file.offset)
        return there


class Member:
    """A process of the group in slow motion."""

    def __init__(self, log: Log, database: Path, name: str) -> None:
        self.log = log
        self.watermark = ExactWatermark[Generation]("results")
        self.processed = Processed(str(database), name)
        self.processed.begin()
        self.at: dict[int, int] = {}
        self.waiting: dict[str, list[CompleteFile]] = defaultdict(list)
        self.written: list[CompleteFile] = []
        self.step = 0

    def take(self, partition: int) -> None:
        self.log.owner[partition] = self
        offset, text = self.log.committed[partition]
        self.watermark.restore(partition, offset, text)
        self.processed.settle({partition}, self.watermark.is_done)
        self.at[partition] = offset

    def lose(self, partition: int) -> bool:
        """Another takes it; False when this one must begin anew, for it has written files of it."""
        del self.at[partition]
        lost = self.watermark.forget({partition})
        for path, files in self.waiting.items():
            self.waiting[path] = [file for file in files if file.generation not in lost]
        return not any(file.partition == partition for file in self.written)

    def read(self, partition: int) -> None:
        at = self.at[partition]
        if at >= len(self.log.records[partition]):
            return
        self.at[partition] += 1
        file = self.log.records[partition][at]
        if not self.watermark.is_done(partition, at):
            self.watermark.hold(partition, at, file.generation)
            self.waiting[file.generation.path.text].append(file)
        self.watermark.done(partition, at)

    def deliver(self, path: str) -> None:
        """The next file of ``path``; two of them are never in one transaction."""
        if self.step or not self.waiting[path] or any(each.generation.path.text == path for each in self.written):
            return
        file = self.waiting[path].pop(0)
        newer = judge(file.version, self.processed.version(file.generation.path)) is Verdict.NEWER
        if newer and file.data != b"bad":
            self.written.append(file)
            self.processed.note(file)
        else:
            self.watermark.release(file.generation)

    def commit(self) -> bool:
        """One step of a commit; False when it cannot go on."""
        ours = self.log.owner
        match self.step:
            case 0:
                try:
                    self.processed.flush()
                except Retryable:
                    return False
            case 1:
                if any(ours.get(partition) is not self for partition in self.watermark._end):
                    return False
                places = self.watermark.places({each.generation for each in self.written})
                self.log.committed |= places
                self.log.results += self.written
            case 2:
                self.processed.confirm()
            case _:
                for each in self.written:
                    self.watermark.release(each.generation)
                self.written = []
        self.step = (self.step + 1) % 4
        return True


class Model:
    """Three members at most, who work in any order."""

    def __init__(self, random: Random, database: Path, name: str) -> None:
        self.random = random
        self.log = Log({p: [upload(random, p, offset) for offset in range(25)] for p in range(PARTITIONS)})
        self.database = database
        self.name = name
        self.members: list[Member] = []
        self.frozen: list[Member] = []

    def turn(self) -> None:
        """Anything may happen; what was taken over is always read by somebody."""
        random = self.random
        if random.random() < 0.03 and self.members:
            gone = self.members.pop(random.randrange(len(self.members)))
            if random.random() < 0.5:
                self.frozen.append(gone)
            else:
                gone.processed.close()
        if random.random() < 0.03 and self.frozen:
            self._thaw(self.frozen.pop())
        if not self.members or (len(self.members) < 3 and random.random() < 0.03):
            self.members.append(Member(self.log, self.database, self.name))
        if len(self.members) > 1 and random.random() < 0.05:
            self._move(*random.sample(self.members, 2))
        for partition in range(PARTITIONS):
            if self.log.owner.get(partition) not in self.members:
                self._begin_anew(random.choice(self.members), partition)
        member = random.choice(self.members)
        match random.randrange(4):
            case 0 if member.at:
                member.read(random.choice(list(member.at)))
            case 1 if member.waiting:
                member.deliver(random.choice(list(member.waiting)))
            case _:
                assert member.commit(), "those who live hear of what they have lost"

    def _move(self, one: Member, other: Member) -> None:
        for partition in list(one.at)[:1]:
            if not one.lose(partition):
                self.members.remove(one)
                one.processed.close()
            self._begin_anew(other, partition)

    def _thaw(self, member: Member) -> None:
        """It goes on until it hears that its partitions are gone."""
        while member.step != 0 and member.commit():
            pass
        if member.step == 0:
            member.commit()
        member.processed.close()

    def _begin_anew(self, member: Member, partition: int) -> None:
        """A partition more: into a member that is between commits."""
        while member.step or member.written:
            assert member.commit()
        member.take(partition)


@pytest.mark.parametrize("seed", range(40))
def test_each_file_has_one_result_whoever_dies(tmp_path: Path, seed: int) -> None:
    for number in range(4):
        model = Model(Random(seed * 1000 + number), tmp_path / "processed.sqlite", f"log {number}")
        for _ in range(400):
            model.turn()
        for frozen in model.frozen:
            model._thaw(frozen)
        model.frozen = []
        last = Member(model.log, model.database, model.name)
        for partition in range(PARTITIONS):
            last.take(partition)
            for _ in model.log.records[partition]:
                last.read(partition)
        while any(last.waiting.values()):
            for path in last.waiting:
                last.deliver(path)
            for _ in range(4):
                assert last.commit()
        assert model.log.there() == model.log.due()
