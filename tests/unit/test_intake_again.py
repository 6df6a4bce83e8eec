"""What comes again: a content after another one, and the rest of a file that gave way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fake_log import Log
from tests.support.receiving import Member, MemoryDestination
from tests.support.sending import chunks, upload

A, B = b"a" * 2500, b"b" * 2500


@pytest.fixture
def member(tmp_path: Path) -> Iterator[Member]:
    made = Member(Log(1), tmp_path, MemoryDestination())
    yield made
    made.staging.close()


@pytest.mark.parametrize("size", [1000, 5000], ids=["chunks", "one chunk"])
@pytest.mark.parametrize("ours", [True, False], ids=["by us", "by others"])
@pytest.mark.parametrize("placed", [True, False], ids=["placed before", "all read at once"])
def test_the_last_of_three_wins(member: Member, size: int, ours: bool, placed: bool) -> None:
    for number, content in enumerate((A, B, A), 1):
        who = upload(content) if ours else None
        for chunk in chunks("path", content, size=size, mtime=float(number)):
            member.log.append(0, chunk, who)
        if placed and number == 1:
            member.drain()
    for _ in range(20):  # none of them is delivered meanwhile
        member.read(0)
    member.drain()
    destination = member.destination
    assert isinstance(destination, MemoryDestination)
    assert destination.tree == {"path": A}


def test_a_file_that_gave_way_holds_nothing_and_goes_on_when_the_rest_comes(member: Member) -> None:
    first, second, third = chunks("path", A, size=1000)
    member.log.append(0, first)
    member.log.append(0, second)
    member.drain()
    (file,) = member.intake.files
    member.intake.give_way(file)
    assert member.commit() == {0: 2}
    member.log.append(0, third)
    member.drain()
    assert isinstance(member.destination, MemoryDestination)
    assert member.destination.tree == {"path": A}
    assert list(member.quarantine.folder.iterdir()) == []
