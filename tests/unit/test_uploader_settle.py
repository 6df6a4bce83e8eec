"""When a file has settled."""

from hypothesis import given
from hypothesis import strategies as st

from openmsi_uploader.agenda import Agenda
from openmsi_uploader.settle import Settling
from openmsi_uploader.source import FileStat


def looks(size: int, mtime: int = 1, ctime: int = 1, inode: int = 7) -> FileStat:
    return FileStat(size, mtime, ctime, inode)


def test_settled_only_after_the_whole_time_seen_by_us() -> None:
    settling = Settling(3.0)
    settling.observe("a", looks(10, mtime=-(10**18)), now=100.0)  # copied with a mtime of long ago
    assert settling.next_due() == 103.0
    assert settling.due(102.9) == []
    assert settling.due(103.0) == ["a"]
    assert settling.check("a", looks(10, mtime=-(10**18)), 103.0)
    assert len(settling) == 0
    assert settling.next_due() is None


def test_each_difference_starts_the_time_again() -> None:
    first = looks(10)
    for other in (looks(11), looks(10, mtime=2), looks(10, ctime=2), looks(10, inode=8)):
        settling = Settling(3.0)
        settling.observe("a", first, 0.0)
        settling.observe("a", other, 2.0)
        assert settling.due(3.0) == []
        assert settling.due(5.0) == ["a"]
        assert settling.check("a", other, 5.0)


def test_seeing_the_same_again_does_not_start_the_time_again() -> None:
    settling = Settling(3.0)
    settling.observe("a", looks(10), 0.0)
    settling.observe("a", looks(10), 2.0)
    assert settling.due(3.0) == ["a"]


def test_a_change_found_when_due_is_not_settled() -> None:
    settling = Settling(3.0)
    settling.observe("a", looks(10), 0.0)
    assert settling.due(3.0) == ["a"]
    assert not settling.check("a", looks(11), 3.0)
    due = settling.next_due()
    assert due is not None
    assert due >= 6.0
    assert settling.due(due) == ["a"]
    assert settling.check("a", looks(11), due)


def test_a_change_told_between_due_and_check_is_not_settled() -> None:
    settling = Settling(3.0)
    settling.observe("a", looks(10), 0.0)
    assert settling.due(3.0) == ["a"]
    settling.observe("a", looks(11), 3.0)
    assert not settling.check("a", looks(11), 3.0)
    assert settling.due(6.0) == ["a"]
    assert settling.check("a", looks(11), 6.0)


def test_a_file_that_never_settles_stays_and_is_looked_at_less_and_less_often_up_to_10_s() -> None:
    settling = Settling(0.1)
    settling.observe("a", looks(0), 0.0)
    waits, now = [], 0.0
    for size in range(1, 200):
        due = settling.next_due()
        assert due is not None
        waits.append(due - now)
        now = due
        assert settling.due(now) == ["a"]
        assert not settling.check("a", looks(size), now)
    assert waits == sorted(waits)
    assert waits[0] == 0.1
    assert abs(waits[-1] - 10.0) < 0.001
    assert len(settling) == 1


def test_an_event_ends_the_back_off() -> None:
    settling = Settling(1.0)
    settling.observe("a", looks(0), 0.0)
    now = 0.0
    for size in range(1, 20):
        now = settling.next_due() or 0.0
        settling.due(now)
        settling.check("a", looks(size), now)
    settling.observe("a", looks(99), now + 0.5)
    assert settling.due(now + 1.5) == ["a"]
    assert settling.check("a", looks(99), now + 1.5)


def test_forgotten_paths_are_not_due() -> None:
    settling = Settling(1.0)
    settling.observe("a", looks(0), 0.0)
    settling.forget("a")
    settling.forget("never seen")
    assert settling.due(10.0) == []
    settling.observe("a", looks(0), 20.0)
    assert settling.due(20.9) == []


def test_how_many_have_been_there_for_long_is_counted_whatever_they_do_meanwhile() -> None:
    settling = Settling(1.0)
    for number in range(5):
        settling.observe(str(number), looks(0), float(number))
    settling.observe("0", looks(1), 100.0)
    assert [settling.came_before(when) for when in (0.0, 0.5, 3.0, 101.0)] == [0, 1, 3, 5]
    settling.forget("1")
    assert settling.due(100.0)
    assert settling.check("2", looks(0), 100.0)
    assert settling.came_before(101.0) == 3
    settling.observe("1", looks(0), 101.0)
    assert settling.came_before(101.0) == 3


@given(st.lists(st.tuples(st.sampled_from("wol"), st.floats(0.01, 2.0)), max_size=60))
def test_never_settled_while_a_write_lies_within_the_settle_time(steps: list[tuple[str, float]]) -> None:
    """Model: w = somebody writes, o = an event makes us look, l = time passes and we do what is due."""
    settling, now, version, written = Settling(1.0), 0.0, 0, 0.0
    settling.observe("a", looks(version), now)
    for kind, pause in steps:
        now += pause
        if kind == "w":
            version, written = version + 1, now
        elif kind == "o":
            settling.observe("a", looks(version), now)
        for path in settling.due(now):
            if settling.check(path, looks(version), now):
                assert now - written >= 1.0 or version == 0
                settling.observe("a", looks(version), now)


@given(st.lists(st.tuples(st.sampled_from("pdt"), st.sampled_from("abc"), st.integers(0, 20)), max_size=80))
def test_the_agenda_is_a_plain_dictionary_of_times(steps: list[tuple[str, str, int]]) -> None:
    agenda, model, now = Agenda(), dict[str, float](), 0.0
    for kind, path, amount in steps:
        if kind == "p":
            agenda.put(path, now + amount)
            model[path] = now + amount
        elif kind == "d":
            agenda.drop(path)
            model.pop(path, None)
        else:
            now += amount
            due = {path for path, when in model.items() if when <= now}
            nearest = agenda.next_due()
            assert not model or (nearest is not None and nearest <= min(model.values()))
            taken = agenda.due(now)
            assert sorted(taken) == sorted(due)
            model = {path: when for path, when in model.items() if when > now}
        assert len(agenda) == len(model)
