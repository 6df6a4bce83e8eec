"""How much of an upload the broker has, without a gap, and when that is worth a note."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmsi_uploader import prefix as prefix_module
from openmsi_uploader.prefix import Prefix
from openmsi_uploader.source import FileStat
from openmsi_uploader.target import Target
from openmsi_uploader.unfinished import Unfinished

MIB = 1024 * 1024
BEGUN = Unfinished(FileStat(1, 2, 3, 4), bytes(64), "id", Target("t", 4, "us", MIB, "topic-id"), 0, 0, 0, 1.0, 0.0)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_note_is_due_every_32_mib_but_not_more_than_ten_times_a_second() -> None:
    clock = Clock()
    prefix = Prefix(BEGUN, clock)
    clock.now = 1.0
    notes = [prefix.landed(index, index + 99) for index in range(1, 97)]
    assert [index for index, note in enumerate(notes, 1) if note] == [32]
    note = notes[31]
    assert note
    assert (note.prefix, note.first_offset, note.last_offset) == (32, 100, 131)
    clock.now = 1.1
    assert prefix.landed(97, 196)
    assert prefix.landed(98, 197) is None
    rest = prefix.rest()
    assert rest
    assert (rest.prefix, rest.last_offset) == (98, 197)
    assert prefix.rest() is None


@given(st.permutations(range(1, 11)), st.sets(st.integers(2, 10)), st.integers(0, 10))
def test_only_what_has_no_gap_and_a_known_end_counts(order: list[int], unknown: set[int], many: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prefix_module, "_NOTE_BYTES", 1 << 60)
        prefix = Prefix(BEGUN)
        for index in order[:many]:
            prefix.landed(index, None if index in unknown else 100 + index)
    came = set(order[:many])
    whole = next(n for n in range(11) if n + 1 not in came)
    known = max((n for n in range(1, whole + 1) if n not in unknown), default=0)
    rest = prefix.rest()
    assert (rest.prefix if rest else 0) == known
    if rest:
        assert (rest.first_offset, rest.last_offset) == (101, 100 + known)


def test_without_the_place_of_its_first_record_nothing_is_noted() -> None:
    prefix = Prefix(BEGUN)
    for index in range(1, 100):
        assert prefix.landed(index, None if index == 1 else index) is None
    assert prefix.rest() is None


def test_what_was_there_before_counts_and_keeps_its_beginning() -> None:
    before = replace(BEGUN, prefix=5, first_offset=7, last_offset=12)
    prefix = Prefix(before)
    assert prefix.rest() is None
    prefix.landed(6, 20)
    rest = prefix.rest()
    assert rest
    assert (rest.prefix, rest.first_offset, rest.last_offset, rest.began) == (6, 7, 20, 1.0)
