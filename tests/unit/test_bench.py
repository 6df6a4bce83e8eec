"""What the bench computes and compares, without running anything."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.perf import system_calls
from tests.perf.bare import RECORD, records
from tests.perf.lab import empty
from tests.perf.plot import plot
from tests.perf.ratios import DOWN_SLOWER, TWO, UP_BOUND, to_theirs
from tests.perf.report import compared, compared_verdicts, tables, verdict_table
from tests.perf.results import Calls, Results, Who, load, save
from tests.perf.runs import Lines, Run, percentile
from tests.perf.wanted import FIRST_NEW, QUIET, verdicts
from tests.perf.workloads import FULL, Different, check_same, deep, delivered, equal, instrument_day, write


def _run(seconds: float, size: int = 1000, files: int = 1) -> Run:
    return Run(seconds, files, size, 0.0, 1_000_000, {"own": seconds, "broker": 1.0})


@pytest.fixture
def results() -> Results:
    made = Results(
        "v1", "2026-11-29T00:00:00+00:00", False, {"cores": "2"}, {"large": "1 × 4 GiB"}, {"large": (1, 1000)}
    )
    for who, line in {
        Who.HASH: (1.0, 2.0, 4.0),
        Who.PRODUCE: (1.0, 2.0, 4.0),
        Who.UP: (4.0, 4.0, 8.0),
        Who.CONSUME: (1.0, 1.0, 1.0),
        Who.WRITE: (3.0, 3.0, 3.0),
        Who.DOWN: (4.0, 4.0, 4.0),
    }.items():
        for seconds in line:
            made.keep("large", who, _run(seconds))
    made.keep("large", Who.THEIR_UP, _run(10.0, 250, 0))
    made.latencies[QUIET] = [0.010, 0.020, 0.2]
    made.figures[FIRST_NEW] = 31.0
    made.calls["large"] = {Who.UP: Calls(1, 1_000_000, {"read": 3, "write": 4})}
    made.costs = {count: {who: _run(count, count, count) for who in (Who.UP, Who.DOWN)} for count in (1000, 100_000)}
    return made


def test_ratios_are_formed_within_rounds(results: Results) -> None:
    assert UP_BOUND.median(results, "large") == 1.0  # of 0.5, 1 and 1
    assert DOWN_SLOWER.median(results, "large") == 0.75
    assert TWO.median(results, "large") is None
    assert to_theirs(results, "large", Who.UP, Who.THEIR_UP) == 10.0


def test_what_is_wanted_is_held_against_what_was_measured(results: Results) -> None:
    found = {verdict.what: verdict.met for verdict in verdicts(results)}
    assert found == {
        "1 × 4 GiB: up ÷ (SHA-512, then bare produce)": True,
        "1 × 4 GiB: down ÷ slower of bare consume and write": True,
        "1 × 4 GiB: up ÷ OpenMSIStream": True,
        "close to visible, 2 files/s: p50, s": True,
        "close to visible, 2 files/s: p95, s": False,
        FIRST_NEW: False,
        "our uploader: CPU for one of 100,000 files ÷ one of 1,000": True,
        "our downloader: CPU for one of 100,000 files ÷ one of 1,000": True,
    }


def test_results_come_back_from_their_file(results: Results, tmp_path: Path) -> None:
    save(results, tmp_path / "r.json")
    assert load(tmp_path / "r.json") == results


def test_reports_and_plot_of_all_there_is(results: Results, tmp_path: Path) -> None:
    text = tables(results)
    assert "| our uploader " in text
    assert "uploader: only 0 of 1 files in 10 s" in text
    assert "| NO  |" in verdict_table(verdicts(results))
    assert "v1 → v1" in compared(results, results)
    assert compared_verdicts(verdicts(results), verdicts(results)).count("\n") == len(verdicts(results)) + 1
    plot(results, tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_percentiles() -> None:
    assert [percentile(range(1, 101), share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([7.0], 0.5) == 7.0


def test_lines_are_counted_once_also_when_they_come_in_pieces(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("a sent b\n")
    lines = Lines(log, " sent ")
    assert lines.count() == 0  # it was there before
    with log.open("a") as file:
        for piece, count in (("a se", 0), ("nt b\na sent", 1), (" c\n", 2), ("", 2), ("x sent y sent z", 4)):
            file.write(piece)
            file.flush()
            assert lines.count() == count


def test_trees_are_the_same_at_every_run() -> None:
    day = instrument_day(3000)
    assert day == instrument_day(3000)
    assert 1_000_000_000 < sum(size for _, size in day) < 2_000_000_000
    assert all(path.count("/") >= 12 for path, _ in deep(600))
    for workload in FULL:
        assert len({path for path, _ in workload.files}) == len(workload.files)
        assert workload.size < 5 << 30


def test_records_of_a_file_stay_in_one_partition() -> None:
    assert records([("a", RECORD + 1), ("b", 0), ("c", RECORD)], 2) == [(RECORD, 0), (1, 0), (0, 1), (RECORD, 0)]


def _changed(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1] + b"?")


def _longer(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"?")


def _removed(file: Path) -> None:
    file.unlink()


def _accompanied(file: Path) -> None:
    (file.parent / "one more").touch()


@pytest.mark.parametrize("spoil", [_changed, _longer, _removed, _accompanied])
@pytest.mark.parametrize("path", ["d0/f1", "x/empty", "x/large"])
def test_every_difference_is_found(tmp_path: Path, spoil: Callable[[Path], None], path: str) -> None:
    if path == "x/empty" and spoil is _changed:
        spoil = _longer
    files = [*equal(3, 5000), ("x/empty", 0), ("x/large", (2 << 20) + 3)]
    write(tmp_path / "one", files)
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    check_same(tmp_path / "one", tmp_path / "other", files)
    spoil(tmp_path / "other" / path)
    with pytest.raises(Different):
        check_same(tmp_path / "one", tmp_path / "other", files)


def test_what_is_delivered_is_counted_without_what_belongs_to_the_program(tmp_path: Path) -> None:
    write(tmp_path, [("a/b", 8192), ("c", 0), (".openmsi/staging/x", 5), ("LOGS/l", 7)])
    assert delivered(tmp_path) == (2, 8192)
    assert delivered(tmp_path / "nothing") == (0, 0)


def test_calls_are_read_from_what_strace_prints(tmp_path: Path) -> None:
    (tmp_path / "s").write_text(
        """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 90.00    0.400000          40     10000        20 openat
 10.00    0.044444           4      1111           read
------ ----------- ----------- --------- --------- ----------------
100.00    0.444444          40     11111        20 total
"""
    )
    assert system_calls.read(tmp_path / "s") == {"openat": 10000, "read": 1111}


def test_an_emptied_folder_keeps_names_and_takes_nothing_from_a_source(tmp_path: Path) -> None:
    source, room = tmp_path / "source", tmp_path / "room"
    source.mkdir()
    (room / "deep").mkdir(parents=True)
    (source / "linked").write_bytes(bytes(10_000))
    (room / "linked").hardlink_to(source / "linked")
    (room / "deep" / "large").write_bytes(bytes(10_000))
    (room / "small").write_bytes(bytes(4096))
    empty(room)
    assert {path.name: path.stat().st_size for path in room.rglob("*") if path.is_file()} == {"large": 0, "small": 4096}
    assert (source / "linked").stat().st_size == 10_000
