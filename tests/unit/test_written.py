"""What transactions have written is remembered with the offsets, so that nothing is written twice."""

import hashlib
import random
from dataclasses import dataclass, field

import pytest

from openmsi_core.generation import Version
from openmsi_core.paths import RelativePath
from openmsi_core.watermark import Watermark
from openmsi_core.written import MOST, Written

METADATA_BYTES = 4096  # Kafka's offset.metadata.max.bytes


def version(text: str, mtime: float = 1.0) -> Version:
    """A version with this content, without headers."""
    return Version(hashlib.sha512(text.encode()).digest(), "", "", mtime, (0, 0))


def path(number: int) -> RelativePath:
    return RelativePath(f"run/{number}")


def test_what_was_written_is_known_until_none_of_it_is_read_again() -> None:
    written = Written("target")
    written.add(path(1), version("a"), 0)
    assert written.has(path(1), version("a"))
    written.close_batch({0: 10, 1: 20})
    written.forget({0: 10, 1: 19})
    assert written.has(path(1), version("a"))
    written.forget({0: 10})
    assert written.has(path(1), version("a")), "of partition 1 nothing is known"
    written.forget({0: 11, 1: 20})
    assert not written.has(path(1), version("a"))


@pytest.mark.parametrize(
    ("where", "what", "purpose"),
    [
        (path(2), version("a"), "target"),
        (path(1), version("b"), "target"),
        (path(1), version("a", mtime=2.0), "target"),
        (path(1), version("a"), "another target"),
    ],
)
def test_other_versions_paths_and_targets_are_not_known(where: RelativePath, what: Version, purpose: str) -> None:
    before, after = Written("target"), Written(purpose)
    before.add(path(1), version("a"), 0)
    before.close_batch({0: 10})
    after.restore(before.texts({0: 10}))
    assert not after.has(where, what)


def test_all_that_can_be_remembered_fits_into_the_metadata_of_an_offset() -> None:
    written = Written("target")
    for number in range(MOST):
        written.add(path(number), version("a"), 3)
    assert written.most == MOST
    written.close_batch({3: 2**62})
    (text,) = written.texts({3: 2**62}).values()
    assert len(text.encode()) <= METADATA_BYTES
    restored = Written("target")
    assert restored.restore({3: text}) == MOST
    assert all(restored.has(path(number), version("a")) for number in range(MOST))
    restored.forget({3: 2**62})
    assert restored.most == 0


@pytest.mark.parametrize(
    "text", [None, "", "somebody else's", "a:b:c", "openmsi1:x:AAAA", "openmsi1:1:no base64!", "::"]
)
def test_what_others_keep_there_says_nothing(text: str | None) -> None:
    assert Written("target").restore({0: text}) == 0


@dataclass
class Kafka:
    """What survives a crash: committed together, or not at all."""

    offsets: dict[int, int] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    files: list[int] = field(default_factory=list)
    aside: dict[int, set[int]] = field(default_factory=dict)
    """Chunks of files that gave way: not in Kafka, but on the disk of whoever reads."""


def live(logs: list[list[tuple[int, int]]], total: dict[int, int], kafka: Kafka, chance: random.Random) -> bool:
    """One life of a relay, by the rules of `Intake` and `Transaction`; True when it has read everything."""
    next_to_read = {p: kafka.offsets.get(p, 0) for p in range(len(logs))}
    watermark, written = Watermark[int](), Written("target")
    written.restore({p: kafka.texts.get(p) for p in next_to_read})
    opened: dict[int, set[int]] = {}
    fresh: list[int] = []

    def commit() -> None:
        reached = watermark.reached()
        offsets = watermark.committables(reached)
        written.close_batch(reached)
        written.forget(dict.fromkeys(next_to_read, 0) | kafka.offsets | offsets)
        kafka.texts |= written.texts(reached)
        kafka.offsets |= offsets
        kafka.files += fresh
        for file in fresh:
            watermark.release(file)
            kafka.aside.pop(file, None)
            opened.pop(file)
        fresh.clear()

    while chance.random() > 0.02:
        if not (left := [p for p, offset in next_to_read.items() if offset < len(logs[p])]):
            commit()
            return True
        partition = chance.choice(left)
        offset = next_to_read[partition]
        next_to_read[partition] += 1
        file, chunk = logs[partition][offset]
        if file in opened or not written.has(path(file), version("a")):
            watermark.hold(partition, offset, file)
            chunks = opened.setdefault(file, set(kafka.aside.get(file, ())))
            chunks.add(chunk)
            if len(chunks) == total[file] and file not in fresh:
                written.add(path(file), version("a"), partition)
                fresh.append(file)
        watermark.done(partition, offset)
        if chance.random() < 0.1:
            commit()
        if chance.random() < 0.02:
            for waiting in [file for file in opened if file not in fresh]:
                kafka.aside[waiting] = opened.pop(waiting)
                watermark.release(waiting)
    return False


@pytest.mark.parametrize("seed", range(60))
def test_however_often_it_dies_every_file_is_written_once(seed: int) -> None:
    chance = random.Random(seed)
    total = {file: chance.choice([1, 1, 2, 5, 12]) for file in range(60)}
    chunks = [(file, chunk) for file, count in total.items() for chunk in range(count)]
    chunks.sort(key=lambda each: each[0] + chance.uniform(0, 25))  # files begun at about the same time are mixed
    logs: list[list[tuple[int, int]]] = [[] for _ in range(chance.choice([1, 3, 7]))]
    for each in chunks:
        chance.choice(logs).append(each)
    kafka = Kafka()
    while not live(logs, total, kafka, chance):
        pass
    assert sorted(kafka.files) == sorted(total)
