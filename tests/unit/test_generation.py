"""Which of two uploads of a path wins: the four rules of the wire format, in their order."""

import dataclasses

import pytest

from openmsi_core.chunk import Upload
from openmsi_core.generation import Generation, Verdict, Version, judge, unfinished, version_of
from tests.support.sending import chunks

PLACED = Version(b"placed", "id-5", "source", 100.0, (50, 5))


def arriving(
    upload_id: str = "id-5", source: str = "source", mtime: float = 100.0, logged: tuple[int, int] = (50, 5)
) -> Version:
    return Version(b"arriving", upload_id, source, mtime, logged)


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        (arriving("id-6"), Verdict.NEWER),
        (arriving("id-6", mtime=1.0, logged=(1, 1)), Verdict.NEWER),  # the source says so, whatever the times
        (arriving("id-4", mtime=999.0, logged=(99, 9)), Verdict.OLDER),
        (arriving("id-4", "another", mtime=101.0), Verdict.NEWER),  # ids of two sources say nothing
        (arriving("id-6", "another", mtime=99.0, logged=(99, 9)), Verdict.OLDER),
        (arriving("", "", mtime=100.25), Verdict.NEWER),
        (arriving("", "", mtime=99.75, logged=(99, 9)), Verdict.OLDER),
        (arriving("", "", logged=(51, 1)), Verdict.NEWER),  # equal times: the log
        (arriving("", "", logged=(50, 6)), Verdict.NEWER),
        (arriving("", "", logged=(50, 4)), Verdict.OLDER),
        (arriving("", "", mtime=0.0, logged=(51, 0)), Verdict.NEWER),  # an unknown time: the log
        (arriving("", "", mtime=0.0, logged=(49, 9)), Verdict.OLDER),
        (arriving("id-6", "another", mtime=0.0, logged=(49, 9)), Verdict.OLDER),
    ],
)
def test_who_wins(version: Version, verdict: Verdict) -> None:
    assert judge(version, PLACED) is verdict
    same_content = dataclasses.replace(version, file_hash=PLACED.file_hash)
    assert judge(same_content, PLACED) is Verdict.REPEAT


def test_anything_wins_over_nothing() -> None:
    assert judge(arriving(mtime=0.0, logged=(0, 0)), None) is Verdict.NEWER


def test_two_unmarked_versions_without_source_are_not_of_one_source() -> None:
    placed = dataclasses.replace(PLACED, source="", upload_id="")
    assert judge(arriving("id-9", "", mtime=1.0), placed) is Verdict.OLDER


def test_an_unfinished_version_loses_by_time_but_not_by_the_log() -> None:
    assert judge(unfinished(arriving("", "", logged=(1, 1))), PLACED) is Verdict.NEWER
    assert judge(unfinished(arriving("", "", mtime=99.0)), PLACED) is Verdict.OLDER
    assert judge(unfinished(arriving("id-4")), PLACED) is Verdict.OLDER


def test_what_makes_two_chunks_pieces_of_one_file() -> None:
    by, again = Upload("id-1", "source", 5), Upload("id-2", "source", 5)
    first, second = chunks("a/b", b"hello", size=3)
    (other_size,) = chunks("a/b", b"hello", size=9)
    (other_place,) = chunks("a_b", b"hello", size=9)
    assert Generation.of(first, by) == Generation.of(second, by)
    generations = {Generation.of(chunk, None) for chunk in (first, other_size, other_place)}
    generations |= {Generation.of(first, by), Generation.of(first, again)}
    assert len(generations) == 5


def test_a_version_carries_what_the_headers_say() -> None:
    (chunk,) = chunks("a", b"x", mtime=7.5)
    assert version_of(chunk, None, (1, 2)) == Version(chunk.file_hash, "", "", 7.5, (1, 2))
    assert version_of(chunk, Upload("id", "s", 1), (1, 2)) == Version(chunk.file_hash, "id", "s", 7.5, (1, 2))
