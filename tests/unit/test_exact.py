"""Which records are done is kept with the offsets, so that nothing is done twice."""

import random
from dataclasses import dataclass, field

import pytest

from openmsi_core.exact import MOST_BYTES, ExactWatermark

METADATA_BYTES = 4096  # Kafka's offset.metadata.max.bytes


def read(watermark: ExactWatermark[str], partition: int, offset: int, token: str = "") -> None:
    """One record, of an unfinished file when there is a ``token``."""
    assert not watermark.is_done(partition, offset)
    if token:
        watermark.hold(partition, offset, token)
    watermark.done(partition, offset)


def again(before: ExactWatermark[str], purpose: str = "target", *finished: str) -> ExactWatermark[str]:
    """Who begins anew with what ``before`` would commit."""
    after = ExactWatermark[str](purpose)
    for partition, (offset, text) in before.places(finished).items():
        assert len(text.encode()) <= MOST_BYTES < METADATA_BYTES
        after.restore(partition, offset, text)
    return after


@pytest.fixture
def watermark() -> ExactWatermark[str]:
    """Partition 0: a file that is not finished at 10, 13; one that is at 11, 14; records that are no piece of one."""
    made = ExactWatermark[str]("target")
    for offset, token in enumerate(("held", "whole", "", "held", "whole", ""), 10):
        read(made, 0, offset, token)
    made.release("whole")
    return made


def done(watermark: ExactWatermark[str], *offsets: int) -> list[bool]:
    return [watermark.is_done(0, offset) for offset in offsets]


def test_what_is_done_is_known_before_and_after_a_restart(watermark: ExactWatermark[str]) -> None:
    for each in (watermark, again(watermark), again(again(watermark))):
        assert done(each, 10, 11, 12, 13, 14, 15, 16) == [False, True, True, False, True, True, False]
        assert each.committable(0) == 10


def test_what_is_about_to_be_done_goes_with_the_rest(watermark: ExactWatermark[str]) -> None:
    read(watermark, 0, 16, "other")
    assert done(again(watermark, "target", "other"), 10, 13, 15, 16, 17) == [False, False, True, True, False]
    assert watermark.committable(0) == 10
    assert watermark.places(["held", "other"])[0][0] == 17
    assert not watermark.is_done(0, 16), "only when it was committed"


def test_what_was_done_for_another_purpose_is_not_done(watermark: ExactWatermark[str]) -> None:
    assert done(again(watermark, "another"), 10, 11, 12) == [False, False, False]


def test_a_restart_goes_on_with_what_was_left(watermark: ExactWatermark[str]) -> None:
    after = again(watermark)
    assert after.advanced() == {}
    read(after, 0, 10, "held")
    assert done(again(after), 10, 11, 13) == [False, True, False], "13 was not read again"
    read(after, 0, 13)
    after.release("held")
    assert after.advanced() == {0: 16}
    assert again(after).places([])[0] == after.places([])[0]


def test_records_that_retention_has_deleted_hold_nothing(watermark: ExactWatermark[str]) -> None:
    after = again(watermark)
    read(after, 0, 20)
    assert after.committable(0) == 21
    assert done(after, 10, 13, 21) == [True, True, False]


def test_what_is_lost_is_read_again_without_the_rest(watermark: ExactWatermark[str]) -> None:
    assert watermark.rewind("held") == {0: 10}
    assert watermark.committable(0) == 10
    assert done(watermark, 10, 11, 12, 13) == [False, True, True, False]
    read(watermark, 0, 10, "held")
    watermark.release("held")
    assert watermark.committable(0) == 13, "it gave way, and this one has not come yet"
    read(watermark, 0, 13, "held")
    watermark.release("held")
    assert watermark.committable(0) == 16


def test_a_partition_that_went_is_known_no_more(watermark: ExactWatermark[str]) -> None:
    read(watermark, 1, 5, "held")
    assert watermark.forget([0]) == set()
    assert watermark.places([]).keys() == {1}
    assert watermark.forget([1]) == {"held"}
    assert watermark.places([]) == {}
    assert done(watermark, 11) == [False]


@pytest.mark.parametrize("records", [1, 24_000])
def test_the_worst_of_24000_records_fit_into_the_metadata_of_an_offset(records: int) -> None:
    watermark, chance = ExactWatermark[str]("target"), random.Random(1)
    for offset in range(records):
        read(watermark, 0, offset, "held" if not offset or chance.random() < 0.5 else "")
    after = again(watermark)
    assert done(after, *range(records + 1)) == done(watermark, *range(records + 1))


@pytest.mark.parametrize(
    "text",
    [None, "", "somebody else's", "a:b:c:d", ":::", "openmsi1:{}:9:c$", "openmsi1:{}:x:", "openmsi1:{}:-1:", "{}"],
)
def test_what_others_keep_there_says_nothing(watermark: ExactWatermark[str], text: str | None) -> None:
    purpose = watermark.places([])[0][1].split(":")[1]
    after = ExactWatermark[str]("target")
    assert after.restore(0, 10, text and text.format(purpose)) == 0
    assert done(after, 10, 11) == [False, False]
    assert after.committable(0) == 10


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
    watermark = ExactWatermark[int]("target")
    for partition, offset in kafka.offsets.items():
        watermark.restore(partition, offset, kafka.texts[partition])
    next_to_read = {p: kafka.offsets.get(p, 0) for p in range(len(logs))}
    opened: dict[int, set[int]] = {}
    fresh: list[int] = []

    def commit() -> None:
        places = watermark.places(fresh)
        kafka.offsets |= {p: offset for p, (offset, _) in places.items()}
        kafka.texts |= {p: text for p, (_, text) in places.items()}
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
        if not watermark.is_done(partition, offset):
            watermark.hold(partition, offset, file)
            chunks = opened.setdefault(file, set(kafka.aside.get(file, ())))
            chunks.add(chunk)
            if len(chunks) == total[file] and file not in fresh:
                fresh.append(file)
        watermark.done(partition, offset)
        if chance.random() < 0.1:
            commit()
        if chance.random() < 0.02:
            for waiting in [file for file in opened if file not in fresh]:
                kafka.aside[waiting] = opened.pop(waiting)
                watermark.release(waiting)
        if chance.random() < 0.02 and (losing := [file for file in opened if file not in fresh]):
            lost = chance.choice(losing)  # the disk has lost what was staged of it
            opened.pop(lost)
            next_to_read |= watermark.rewind(lost)
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


def test_of_another_topic_with_the_same_name_nothing_is_known(watermark: ExactWatermark[str]) -> None:
    assert watermark.goes_on(0, 3)
    assert done(watermark, 2, 3, 10, 11, 12) == [True, False, False, False, False]
    assert watermark.committable(0) == 3
    read(watermark, 0, 3, "new")
    read(watermark, 0, 4)
    assert watermark.committable(0) == 3
    watermark.release("held")
    watermark.release("new")
    assert watermark.advanced() == {0: 5}


def test_who_held_a_record_before_its_partition_went_lets_go_of_nothing_that_is_held_now() -> None:
    watermark = ExactWatermark[str]("target")
    read(watermark, 0, 5, "of two partitions")
    read(watermark, 1, 5, "of two partitions")
    watermark.forget([0])
    read(watermark, 0, 5, "read by then")
    watermark.release("of two partitions")
    assert watermark.committable(0) == 5
    assert not watermark.is_done(0, 5)
