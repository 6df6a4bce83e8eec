"""What has come of each file, and which offsets may be committed: against models of a few obvious lines."""

from hypothesis import given, settings
from hypothesis import strategies as st

from openmsi_core.assembly import Assembly, OpenFile
from openmsi_core.chunk import Chunk
from openmsi_core.generation import Generation, version_of
from openmsi_core.watermark import Watermark
from tests.support.sending import chunks

quick = settings(deadline=None, max_examples=200)


def opened(path: str, count: int = 5) -> tuple[OpenFile, list[Chunk]]:
    pieces = list(chunks(path, bytes(count * 10), size=10))
    generation = Generation.of(pieces[0], None)
    return OpenFile(generation, version_of(pieces[0], None, (0, 0)), touched=0.0), pieces


@quick
@given(st.lists(st.integers(1, 12)))
def test_a_file_knows_which_chunks_have_come(indices: list[int]) -> None:
    file, _ = opened("a", 12)
    come: set[int] = set()
    for index in indices:
        assert file.has(index) == (index in come)
        if index not in come:
            file.note(index)
        come.add(index)
        assert file.missing == 12 - len(come)
        assert file.prefix == next(n for n in range(13) if n + 1 not in come)
    assert [file.has(index) for index in range(1, 13)] == [index in come for index in range(1, 13)]


def test_chunks_in_order_take_no_memory() -> None:
    file, _ = opened("a", 12)
    for index in range(1, 13):
        file.note(index)
    assert (file.prefix, file.beyond, file.missing) == (12, set(), 0)


def test_open_files_are_found_counted_and_forgotten() -> None:
    assembly = Assembly()
    (one, pieces), (two, _), (elsewhere, _) = opened("a"), opened("a", 6), opened("b")
    for file in (one, two, elsewhere):
        assembly.open(file)
    assembly.add(one, pieces[0], now=5.0)
    assembly.add(one, pieces[4], now=6.0)
    assert (len(assembly), assembly.bytes, one.size, one.touched) == (3, 20, 20, 6.0)
    assert assembly.find(one.generation) is one
    assert assembly.others(one.generation) == [two]
    assert assembly.close(one.generation) is one
    assert assembly.close(one.generation) is None
    assert assembly.find(one.generation) is None
    assert (len(assembly), assembly.bytes, assembly.others(two.generation)) == (2, 0, [])


def test_an_adopted_file_brings_its_bytes() -> None:
    assembly, (file, _) = Assembly(), opened("a")
    file.size = 30
    assembly.open(file)
    assert assembly.bytes == 30


def test_idle_files_are_incomplete_ones_that_nothing_came_for() -> None:
    assembly = Assembly()
    (stalled, some), (moving, more), (complete, all_of_it) = opened("a"), opened("b"), opened("c")
    for file, pieces, now in ((stalled, some[:2], 1.0), (moving, more[:2], 9.0), (complete, all_of_it, 1.0)):
        assembly.open(file)
        for piece in pieces:
            assembly.add(file, piece, now)
    assert assembly.idle(5.0) == [stalled]
    assert assembly.idle(1.0) == []


STEPS = st.tuples(
    st.sampled_from(["hold", "done", "done", "release", "forget", "rewind", "commit"]),
    st.integers(0, 1),
    st.integers(0, 20),
    st.sampled_from("AB"),
)


class Model:
    """The same as `Watermark`, said in another way: two plain dictionaries."""

    def __init__(self) -> None:
        self.holds: dict[tuple[int, str], int] = {}
        self.next: dict[int, int] = {}

    def committable(self, partition: int) -> int | None:
        limits = [offset for (where, _), offset in self.holds.items() if where == partition]
        limits += [offset for where, offset in self.next.items() if where == partition]
        return min(limits, default=None)


@quick
@given(st.lists(STEPS, min_size=15, max_size=40))
def test_watermark(steps: list[tuple[str, int, int, str]]) -> None:
    watermark, model, committed = Watermark[str](), Model(), dict[int, int]()
    for what, partition, offset, token in steps:
        match what:
            case "hold":
                watermark.hold(partition, offset, token)
                model.holds[partition, token] = min(offset, model.holds.get((partition, token), offset))
            case "done":
                watermark.done(partition, offset)
                model.next[partition] = max(offset + 1, model.next.get(partition, 0))
            case "release":
                watermark.release(token)
                model.holds = {key: at for key, at in model.holds.items() if key[1] != token}
            case "forget":
                before = {token for where, token in model.holds if where == partition}
                model.holds = {key: at for key, at in model.holds.items() if key[0] != partition}
                model.next.pop(partition, None)
                committed.pop(partition, None)
                assert watermark.forget([partition]) == before - {token for _, token in model.holds}
            case "rewind":
                held = {where: at for (where, whose), at in model.holds.items() if whose == token}
                again = {where: min(at, model.next.get(where, at)) for where, at in held.items()}
                assert watermark.rewind(token) == again
                model.next |= again
            case "commit":
                for where, at in watermark.advanced().items():
                    assert at > committed.get(where, -1)
                    assert at == model.committable(where)
                    committed[where] = at
                watermark.committed(dict(committed))
                assert watermark.advanced() == {}
        assert [watermark.committable(where) for where in (0, 1)] == [model.committable(where) for where in (0, 1)]
        assert watermark.holders([0, 1]) == {token for _, token in model.holds}


def test_offsets_of_a_partition_that_comes_back_are_told_again() -> None:
    watermark = Watermark[str]()
    watermark.done(0, 9)
    watermark.committed(watermark.advanced())
    watermark.forget([0])
    watermark.done(0, 4)
    assert watermark.advanced() == {0: 5}


def test_what_is_to_be_read_again_is_not_done() -> None:
    watermark = Watermark[str]()
    watermark.hold(0, 3, "file")
    watermark.done(0, 9)
    assert watermark.rewind("file") == {0: 3}
    watermark.hold(0, 5, "later")
    assert watermark.rewind("later") == {0: 3}, "it must not jump over what is being read again"
    watermark.release("file")
    assert watermark.committable(0) == 3
    watermark.release("later")
    assert watermark.committable(0) == 3
