"""What `openmsi inspect` makes of the records of a topic, and how it shows it."""

import io
import itertools
import tracemalloc
from collections.abc import Iterable
from dataclasses import replace

import pytest
from rich.console import Console

from openmsi_admin.inspect_contents import Contents, State
from openmsi_admin.inspect_read import Extent
from openmsi_admin.inspect_show import as_json, show_table
from openmsi_core.chunk import Chunk, Upload, encode_value
from tests.support.fake_log import arrival
from tests.support.sending import chunks, upload

OLD, NEW = b"a" * 3000, b"b" * 3000
NOTHING_DELETED = {0: False, 1: False}


class Topic:
    """Contents, filled record by record; each is a millisecond later than the one before."""

    def __init__(self) -> None:
        self.contents = Contents()
        self._time = itertools.count(1_800_000_000_000)

    def add(self, pieces: Iterable[Chunk | bytes | None], by: Upload | None = None, partition: int = 0) -> None:
        for piece in pieces:
            now = next(self._time)
            self.contents.add(arrival(piece, by, partition=partition, offset=now - 1_800_000_000_000, time=now))

    def states(self, deleted: dict[int, bool] | None = None) -> list[tuple[str, State]]:
        return [
            (sent.file.generation.path.text, state) for sent, state in self.contents.uploads(deleted or NOTHING_DELETED)
        ]

    def shown(self, width: int = 120, low: int = 0) -> str:
        out = io.StringIO()
        show_table(Console(file=out, width=width), "t", [Extent(0, low, 9, 9)], self.contents)
        return out.getvalue()


@pytest.fixture
def topic() -> Topic:
    return Topic()


def test_a_later_upload_of_the_same_source_supersedes_the_earlier_one(topic: Topic) -> None:
    for content, mtime in ((OLD, 2e9), (NEW, 1e9)):
        topic.add(chunks("a", content, mtime=mtime), upload(content))
    assert topic.states() == [("a", State.SUPERSEDED), ("a", State.CURRENT)]


def test_an_older_file_that_comes_late_does_not_win(topic: Topic) -> None:
    topic.add(chunks("a", NEW, mtime=2e9))
    topic.add(chunks("a", OLD, mtime=1e9))
    assert topic.states() == [("a", State.CURRENT), ("a", State.SUPERSEDED)]


def test_the_same_content_again_is_a_repeat(topic: Topic) -> None:
    topic.add(chunks("a", OLD), upload(OLD))
    topic.add(chunks("a", OLD), upload(OLD))
    assert topic.states() == [("a", State.CURRENT), ("a", State.REPEAT)]


def test_an_upload_that_was_broken_off_does_not_supersede(topic: Topic) -> None:
    topic.add(chunks("a", OLD), upload(OLD))
    topic.add(list(chunks("a", NEW))[:2], upload(NEW))
    assert topic.states() == [("a", State.CURRENT), ("a", State.INCOMPLETE)]
    assert "2 of 3 chunks" in topic.shown()


def test_uploads_that_came_interleaved_are_told_apart(topic: Topic) -> None:
    by = upload(OLD), upload(NEW)
    for one, other in zip(chunks("a", OLD), chunks("b", NEW), strict=True):
        topic.add([one], by[0])
        topic.add([other], by[1])
    assert topic.states() == [("a", State.CURRENT), ("b", State.CURRENT)]


def test_chunks_in_any_order_complete_a_file(topic: Topic) -> None:
    topic.add(reversed(list(chunks("a", OLD))))
    assert topic.states() == [("a", State.CURRENT)]


def test_chunks_that_came_twice_are_counted_and_complete_nothing(topic: Topic) -> None:
    first, second, _ = chunks("a", OLD)
    topic.add([first, second, second])
    assert topic.states() == [("a", State.INCOMPLETE)]
    assert "1 chunks came again" in topic.shown()
    assert topic.contents.records == 3


@pytest.mark.parametrize(
    ("there", "deleted", "state"),
    [
        ([1, 2], {0: True, 1: False}, State.BEGINNING_DELETED),
        ([1, 2], {0: False, 1: True}, State.INCOMPLETE),
        ([0, 1], {0: True, 1: False}, State.INCOMPLETE),
    ],
)
def test_the_beginning_of_our_upload_was_deleted_only_in_its_own_partition(
    topic: Topic, there: list[int], deleted: dict[int, bool], state: State
) -> None:
    pieces = list(chunks("a", OLD))
    topic.add([pieces[index] for index in there], upload(OLD))
    assert topic.states(deleted) == [("a", state)]


def test_a_scattered_file_may_have_lost_chunks_in_any_partition(topic: Topic) -> None:
    first, second, _ = chunks("a", OLD)
    topic.add([first])
    topic.add([second], partition=1)
    assert topic.states({0: False, 1: False, 2: True}) == [("a", State.BEGINNING_DELETED)]
    assert topic.states({0: False, 1: False, 2: False}) == [("a", State.INCOMPLETE)]
    assert "scattered" in topic.shown()
    assert "deleted by retention" in topic.shown(low=4)


def test_bad_records_are_counted_by_reason(topic: Topic) -> None:
    damaged = bytearray(encode_value(next(iter(chunks("a", OLD)))))
    damaged[-20] ^= 1
    topic.add([b'{"json": 1}', None, b'{"json": 2}', bytes(damaged)])
    assert [bad.records for bad in topic.contents.bad] == [2, 1, 1]
    assert "none of its records is a piece of a file" in topic.shown()


def test_a_topic_full_of_different_mistakes_takes_no_memory(topic: Topic) -> None:
    (good,) = chunks("a", b"")
    for index in range(1000):
        topic.add([replace(good, filename="..", subdir=f"{index}")])
    bad = topic.contents.bad
    assert len(bad) == 101
    assert sum(each.records for each in bad) == 1000


def test_the_data_of_chunks_is_not_kept(topic: Topic) -> None:
    topic.add(chunks("warm-up", b"1"))
    tracemalloc.start()
    for index in range(40):
        topic.add(chunks("a", index.to_bytes(1, "big") * 1_000_000, size=100_000))
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 1_000_000


def test_names_cannot_reach_the_terminal(topic: Topic) -> None:
    by = Upload(upload(b"").upload_id, "\x1b[2J", 0)
    topic.add(chunks("\x1b[31m[red]\n", b""), by)
    shown = topic.shown()
    assert "\x1b" not in shown
    assert "\\x1b[31m[red]\\n" in shown


def test_a_table_of_80_columns_loses_nothing_of_a_long_name(topic: Topic) -> None:
    name = "2026-11-21/sample-42/" + "x" * 60 + ".tif"
    topic.add(chunks(name, OLD))
    shown = topic.shown(width=80)
    first_column = [line[: line.index("  ") if "  " in line else None] for line in shown.splitlines()[1:]]
    assert name in "".join(first_column).replace(" ", "")
    assert max(map(len, shown.splitlines())) <= 80


def test_times_that_cannot_be(topic: Topic) -> None:
    piece = next(iter(chunks("a", b"")))
    topic.contents.add(arrival(piece, time=2**62))
    assert str(2**62)[:14] in topic.shown()
    assert f"{2**62} ms" in str(as_json("t", [], topic.contents))


def test_what_programs_get(topic: Topic) -> None:
    by = upload(OLD, "lab-source")
    topic.add(list(chunks("run7/a.tif", OLD))[:2], by)
    topic.add([None])
    assert as_json("t", [Extent(0, 4, 10, 12)], topic.contents) == {
        "topic": "t",
        "records": 3,
        "bytes": 2000,
        "partitions": [{"partition": 0, "begin": 4, "end": 10, "open_transactions": 2}],
        "uploads": [
            {
                "path": "run7/a.tif",
                "state": "incomplete",
                "size": 3000,
                "bytes": 2000,
                "chunks": 2,
                "total_chunks": 3,
                "repeated_chunks": 0,
                "sha512": next(iter(chunks("run7/a.tif", OLD))).file_hash.hex(),
                "mtime": 1.7e9,
                "source": "lab-source",
                "upload": by.upload_id,
                "partitions": [0],
                "first": {"partition": 0, "offset": 0, "time": "2027-01-15T08:00:00Z"},
                "last": {"partition": 0, "offset": 1, "time": "2027-01-15T08:00:00Z"},
            }
        ],
        "encrypted": {"records": 0, "bytes": 0, "reason": None},
        "bad": [
            {
                "reason": "the record is a tombstone (it has no value)",
                "records": 1,
                "first": {"partition": 0, "offset": 2, "time": "2027-01-15T08:00:00Z"},
            }
        ],
    }


def test_what_is_not_shown_is_said(topic: Topic) -> None:
    out = io.StringIO()
    show_table(Console(file=out, width=100), "t", [Extent(0, 7, 9, 12), Extent(1, 0, 0, 0)], topic.contents)
    assert "the topic is empty" not in out.getvalue()
    assert "what was before offset 7 has been deleted" in out.getvalue()
    assert "3 offsets from 9 on are not shown: a transaction has not ended" in out.getvalue()
    assert "partition 1:" not in out.getvalue()
