"""The state machine of a path."""

from hypothesis import given
from hypothesis import strategies as st

from openmsi_uploader.pending import Pending
from openmsi_uploader.source import FileStat

LARGE = 1000


def looks(size: int, ctime: int = 1) -> FileStat:
    return FileStat(size, 1, ctime, 7)


def pending() -> Pending:
    return Pending(1.0, LARGE, delay=lambda attempt: 10.0 * attempt)


def ready(paths: Pending, path: str, stat: FileStat, now: float = 0.0) -> None:
    paths.see(path, stat, now, told=True)
    assert path in paths.due(now + 1.0)
    assert paths.check(path, stat, now + 1.0)


def test_a_file_goes_from_sight_to_done() -> None:
    paths = pending()
    paths.see("a", looks(5), 0.0, told=False)
    assert paths.take_small() is None
    assert paths.due(1.0) == ["a"]
    assert paths.check("a", looks(5), 1.0)
    assert paths.take_small() == ("a", looks(5))
    assert paths.take_small() is None
    paths.forget("a")
    assert len(paths) == 0
    assert paths.waiting(1.0).size == 0
    assert paths.next_due() is None


def test_large_files_stand_in_a_line_of_their_own() -> None:
    paths = pending()
    ready(paths, "large", looks(LARGE + 1))
    ready(paths, "small", looks(LARGE), now=0.5)
    assert paths.take_small() == ("small", looks(LARGE))
    assert paths.take_large() == ("large", looks(LARGE + 1))
    assert paths.take_large() is None


def test_a_file_that_changed_while_it_was_sent_settles_again_with_its_new_content() -> None:
    paths = pending()
    ready(paths, "a", looks(5))
    paths.take_small()
    paths.changed("a", looks(6), 3.0)
    assert paths.due(3.9) == []
    assert paths.due(4.0) == ["a"]
    assert paths.check("a", looks(6), 4.0)
    assert paths.take_small() == ("a", looks(6))


def test_events_while_a_file_is_sent_do_not_send_it_twice() -> None:
    paths = pending()
    ready(paths, "a", looks(5))
    paths.see("a", looks(6), 1.1, told=True)
    assert paths.take_small() == ("a", looks(5))  # the reader finds out that it changed
    paths.see("a", looks(6), 1.2, told=True)
    assert paths.due(100.0) == []
    assert paths.take_small() is None


def test_a_failed_file_is_tried_again_later_and_later_and_told_of_once() -> None:
    paths = pending()
    ready(paths, "a", looks(5))
    paths.take_small()
    assert paths.failed("a", "no right", 2.0)
    assert paths.waiting(2.0).failing == 1
    assert paths.due(11.9) == []
    assert paths.due(12.0) == ["a"]
    assert paths.check("a", looks(5), 12.0)  # it has settled long ago
    assert paths.waiting(12.0).failing == 0
    assert paths.take_small() == ("a", looks(5))
    assert not paths.failed("a", "no right", 12.0)
    assert paths.due(31.9) == []
    assert paths.due(32.0) == ["a"]
    assert paths.check("a", looks(5), 32.0)
    paths.take_small()
    assert paths.failed("a", "another reason", 32.0)


def test_a_failed_file_that_changes_settles_again_at_once() -> None:
    paths = pending()
    ready(paths, "a", looks(5))
    paths.take_small()
    paths.failed("a", "no right", 2.0)
    paths.see("a", looks(5, ctime=2), 3.0, told=True)  # chmod
    assert paths.due(4.0) == ["a"]
    assert paths.check("a", looks(5, ctime=2), 4.0)
    assert paths.waiting(4.0).failing == 0
    assert paths.due(100.0) == []


def test_a_failed_file_found_changed_at_the_retry_settles_again() -> None:
    paths = pending()
    ready(paths, "a", looks(5))
    paths.take_small()
    paths.failed("a", "no right", 2.0)
    assert paths.due(12.0) == ["a"]
    assert not paths.check("a", looks(6), 12.0)
    assert paths.due(13.0) == ["a"]
    assert paths.check("a", looks(6), 13.0)


def test_a_file_that_could_not_be_looked_at_before_it_settled_must_still_settle() -> None:
    paths = pending()
    paths.see("a", looks(5), 0.0, told=True)
    assert paths.due(1.0) == ["a"]
    assert paths.failed("a", "stale handle", 1.0)
    assert paths.due(11.0) == ["a"]
    assert not paths.check("a", looks(5), 11.0)
    assert paths.due(12.0) == ["a"]
    assert paths.check("a", looks(5), 12.0)


def test_a_file_that_is_gone_and_comes_back_is_sent_once() -> None:
    paths = pending()
    ready(paths, "a", looks(5))
    paths.forget("a")
    ready(paths, "a", looks(6), now=5.0)
    assert paths.take_small() == ("a", looks(6))
    assert paths.take_small() is None


def test_what_waits_is_counted() -> None:
    paths = pending()
    paths.see("changing", looks(100), 0.0, told=True)
    for second in range(1, 100):
        paths.see("changing", looks(100, ctime=second), float(second), told=True)
    ready(paths, "a", looks(5), now=50.0)
    ready(paths, "b", looks(7), now=60.0)
    paths.take_small()
    paths.failed("a", "no right", 70.0)
    waiting = paths.waiting(99.0)
    assert (waiting.files, waiting.size) == (3, 112)
    assert waiting.oldest_since == 51.0  # a file that still changes is not overdue
    assert (waiting.failing, waiting.changing) == (1, 1)
    assert paths.crowd == 2


@given(
    st.lists(st.tuples(st.sampled_from("stcfx"), st.sampled_from("ab"), st.integers(1, 2)), min_size=20, max_size=60)
)
def test_those_that_fail_are_counted_whatever_happens_to_them(steps: list[tuple[str, str, int]]) -> None:
    paths, failing, now = pending(), set[str](), 0.0
    for what, path, version in steps:
        now += 1.0
        match what:
            case "s":
                if path in failing and paths._entries[path].stat != looks(version):
                    failing.discard(path)
                paths.see(path, looks(version), now, told=True)
            case "t":
                for due in paths.due(now):
                    paths.check(due, looks(version), now)
                    failing.discard(due)
            case "c" if path in paths:
                paths.changed(path, looks(version), now)
                failing.discard(path)
            case "f" if path in paths:
                paths.failed(path, "reason", now)
                failing.add(path)
            case "x":
                paths.forget(path)
                failing.discard(path)
        assert paths.waiting(now).failing == len(failing)


def test_whether_an_event_told_of_a_file_is_remembered() -> None:
    paths = pending()
    paths.see("a", looks(5), 0.0, told=False)
    assert not paths.was_told("a")
    paths.see("a", looks(5), 0.1, told=True)
    paths.see("a", looks(5), 0.2, told=False)
    assert paths.was_told("a")
