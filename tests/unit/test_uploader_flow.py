"""Intake and sending together: from files to rows in the ledger. The test is the clock and the readers."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmsi_core.errors import BadFile, InternalError, Retryable
from openmsi_uploader import intake as intake_module
from openmsi_uploader.filters import select
from openmsi_uploader.intake import Intake
from openmsi_uploader.known import Known
from openmsi_uploader.lanes import Lanes
from openmsi_uploader.ledger import Ledger, open_ledger
from openmsi_uploader.outcome import Job, NotSent, Same, Sent, Stopped
from openmsi_uploader.pending import Pending
from openmsi_uploader.priority import prioritised
from openmsi_uploader.sending import Sending, Work
from openmsi_uploader.source import ContentChanged
from openmsi_uploader.target import Target
from openmsi_uploader.upload_id import UploadIds
from openmsi_uploader.walk import Tally, walk
from openmsi_uploader.watch import Batch, Place, Watcher

TARGET = Target("topic", 4, "this-uploader", 1000)
HASH = bytes(64)
SELECTION = select(None, (), ("*.left-out",))


class NoReaders(Lanes[Work]):
    """Lines up jobs; nobody takes them but the test."""

    def __init__(self) -> None:
        super().__init__(1, lambda _: None)
        self.close(1)

    def take(self) -> list[Job]:
        taken = []
        for line in (self._large, self._small):
            while (work := line.take()) is not None:
                taken.append(work[0])
        return taken


class Flow:
    """An uploader of ``folder`` without threads and broker."""

    def __init__(self, folder: Path, state: Path, ledger: Ledger) -> None:
        self.folder, self.ledger, self.now = folder, ledger, 0.0
        self.known = Known()
        self.pending = Pending(1.0, 1000, delay=lambda _: 10.0)
        self.lanes = NoReaders()
        self.watcher = Watcher(Place(folder, SELECTION, 30, False), self.known, lambda _: None, lambda _: None)
        self.intake = Intake(folder, SELECTION, ledger, self.pending, self.known, self.watcher)
        ids = UploadIds(state, 1000)
        self.sending = Sending(folder, self.pending, ledger, self.known, ids, self.lanes)
        self.sending.target = TARGET

    def walk(self, *, unannounced: bool = False) -> None:
        found = list(walk(self.folder, "", self.known, SELECTION, Tally()))
        self.intake.add(Batch(found, unannounced))
        self.intake.work_off(self.now)

    def later(self, seconds: float = 1.0) -> list[Job]:
        """Time passes; the jobs that are handed out then."""
        self.now += seconds
        self.intake.check_due(self.now)
        self.sending.hand_out(self.now)
        return self.lanes.take()

    def send(self, job: Job) -> None:
        self.sending.judge(Sent(job, HASH, 0), self.now)

    def settled(self) -> Job:
        """Walk, wait, and the one job that comes of it."""
        self.walk()
        (job,) = self.later()
        return job


@pytest.fixture
def flow(tmp_path: Path) -> Iterator[Flow]:
    (tmp_path / "folder").mkdir()
    (tmp_path / "state").mkdir()
    ledger = open_ledger(tmp_path / "state", "topic", tmp_path / "folder")
    yield Flow(tmp_path / "folder", tmp_path / "state", ledger)
    ledger.close()


def test_what_was_sent_is_not_sent_again_by_this_process_or_the_next(flow: Flow, tmp_path: Path) -> None:
    (flow.folder / "a").write_text("x")
    job = flow.settled()
    assert job.before is None
    flow.send(job)
    flow.walk()
    assert flow.later(100) == []
    assert len(flow.pending) == 0
    flow.sending.commit(flow.now)
    following = Flow(flow.folder, tmp_path / "state", flow.ledger)
    following.walk()
    assert len(following.pending) == 0
    assert len(following.known) == 1


def test_a_touched_file_is_hashed_again_and_only_its_stat_is_noted(flow: Flow) -> None:
    (flow.folder / "a").write_text("x")
    first = flow.settled()
    flow.send(first)
    os.utime(flow.folder / "a", ns=(1, 1))
    again = flow.settled()
    assert again.before == (HASH, first.upload_id)
    flow.sending.judge(Same(again, HASH, first.upload_id), flow.now)
    assert flow.sending.done.files == 1
    row = flow.ledger.find(["a"])["a"]
    assert (row.stat, row.upload_id) == (again.stat, first.upload_id)
    flow.walk()
    assert flow.later(100) == []


def test_a_file_that_would_look_again_as_it_did_two_versions_ago_is_not_known(flow: Flow) -> None:
    (flow.folder / "a").write_text("x")
    first = flow.settled()
    flow.send(first)
    assert flow.known.has("a", first.stat)
    (flow.folder / "a").write_text("xy")
    second = flow.settled()
    assert not flow.known.has("a", first.stat)
    flow.send(second)
    assert flow.known.has("a", second.stat)
    assert len(flow.known) == 1


def test_while_the_ledger_cannot_be_read_nothing_is_handed_out_and_nothing_is_lost(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    for name in "abc":
        (flow.folder / name).write_text("x")
    flow.walk()
    with monkeypatch.context() as patch:
        patch.setattr(flow.ledger, "find", fail)
        assert flow.later() == []
    assert caplog.text.count("disk I/O error") == 1
    assert (flow.pending.waiting(flow.now).failing, flow.sending.in_flight) == (3, 0)
    flow.now += 10
    flow.sending.commit(flow.now)
    assert sorted(job.path.text for job in flow.later(0)) == ["a", "b", "c"]


def test_ids_of_later_uploads_are_greater(flow: Flow) -> None:
    (flow.folder / "a").write_text("x")
    first = flow.settled()
    flow.send(first)
    (flow.folder / "a").write_text("xy")
    assert flow.settled().upload_id > first.upload_id


def test_a_file_that_changed_until_its_last_acknowledgement_is_sent_again(flow: Flow) -> None:
    (flow.folder / "a").write_text("x")
    job = flow.settled()
    (flow.folder / "a").write_text("xy")
    flow.send(job)
    assert len(flow.known) == 0
    (again,) = flow.later()
    assert again.stat.size == 2
    assert again.before == (HASH, job.upload_id)  # what is in the ledger is in the log


def test_a_file_that_changed_while_it_was_read_settles_again(flow: Flow) -> None:
    (flow.folder / "a").write_text("x")
    job = flow.settled()
    (flow.folder / "a").write_text("xy")
    flow.sending.judge(NotSent(job, ContentChanged("")), flow.now)
    assert flow.later(0.5) == []
    (again,) = flow.later(0.5)
    assert again.stat.size == 2
    assert flow.ledger.find(["a"]) == {}


def test_files_that_vanish_are_forgotten(flow: Flow) -> None:
    for name in "ab":
        (flow.folder / name).write_text("x")
    flow.walk()
    (flow.folder / "a").unlink()
    (job,) = flow.later()
    (flow.folder / "b").unlink()
    flow.sending.judge(NotSent(job, ContentChanged("")), flow.now)
    assert len(flow.pending) == 0
    assert flow.later(100) == []


def test_a_failing_file_is_said_once_and_others_go_on(flow: Flow, caplog: pytest.LogCaptureFixture) -> None:
    (flow.folder / "a").write_text("x")
    job = flow.settled()
    for _ in range(3):
        flow.sending.judge(NotSent(job, Retryable("no right")), flow.now)
        (job,) = flow.later(10)
    assert caplog.text.count("no right") == 1
    flow.sending.judge(NotSent(job, BadFile("too large")), flow.now)
    assert "too large" in caplog.text
    (flow.folder / "b").write_text("x")
    assert flow.settled().path.text == "b"


def test_a_broken_producer_ends_the_program(flow: Flow) -> None:
    (flow.folder / "a").write_text("x")
    job = flow.settled()
    with pytest.raises(InternalError):
        flow.sending.judge(NotSent(job, InternalError("fenced")), flow.now)


def test_a_stopped_upload_is_neither_failed_nor_done(flow: Flow) -> None:
    (flow.folder / "a").write_text("x")
    job = flow.settled()
    flow.sending.judge(NotSent(job, Stopped("")), flow.now)
    assert (flow.sending.in_flight, flow.sending.done.files) == (0, 0)
    assert flow.pending.waiting(flow.now).failing == 0


def test_nothing_is_handed_out_without_a_broker_and_everything_afterwards(flow: Flow) -> None:
    flow.sending.target = None
    (flow.folder / "a").write_text("x")
    flow.walk()
    assert flow.later(100) == []
    flow.sending.target = TARGET
    assert [job.path.text for job in flow.later(0)] == ["a"]


def test_events_name_files_folders_and_debris(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    folders: list[str] = []
    monkeypatch.setattr(flow.watcher, "look_below", folders.append)
    (flow.folder / "sub").mkdir()
    for name in ("a", ".hidden", "b.left-out", "sub/c"):
        (flow.folder / name).write_text("x")
    (flow.folder / "link").symlink_to("a")
    (flow.folder / ".git" / "refs").mkdir(parents=True)
    flow.intake.look(
        ["a", ".hidden", "b.left-out", "sub", "sub/c", "link", "gone", ".git", ".git/refs"], lambda: flow.now
    )
    assert folders == ["sub"]
    assert sorted(job.path.text for job in flow.later()) == ["a", "sub/c"]


def test_new_files_that_no_event_told_of_are_evidence_but_changed_ones_are_not(flow: Flow) -> None:
    (flow.folder / "changed").write_text("x")
    flow.send(flow.settled())
    for number in range(4):
        (flow.folder / "changed").write_text("x" * number)
        flow.walk(unannounced=True)
        for job in flow.later():
            flow.send(job)
    assert flow.watcher.trust.trusted
    for name in "abc":
        (flow.folder / name).write_text("x")
    flow.walk(unannounced=True)
    flow.later()
    assert not flow.watcher.trust.trusted


def test_a_walk_waits_when_too_many_files_are_pending(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    went_on: list[bool] = []
    monkeypatch.setattr(flow.watcher, "go_on", lambda: went_on.append(True))
    monkeypatch.setattr(intake_module, "_MOST_ON_THEIR_WAY", 2)
    for name in "ab":
        (flow.folder / name).write_text("x")
    flow.walk()
    (flow.folder / "c").write_text("x")
    flow.walk()
    assert (len(flow.pending), len(went_on)) == (2, 1)
    for job in flow.later():
        flow.send(job)
    flow.intake.work_off(flow.now)
    assert (len(flow.pending), len(went_on)) == (1, 2)


def test_events_beyond_the_limit_are_made_good_by_a_walk(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    walks: list[bool] = []
    monkeypatch.setattr(flow.watcher, "look_everywhere", lambda: walks.append(True))
    monkeypatch.setattr(intake_module, "_MOST_ON_THEIR_WAY", 2)
    for name in "abc":
        (flow.folder / name).write_text("x")
    flow.intake.look(["a", "b"], lambda: flow.now)
    flow.intake.look(["c"], lambda: flow.now)
    flow.intake.work_off(flow.now)
    assert (len(flow.pending), walks) == (2, [])
    for job in flow.later():
        flow.send(job)
    flow.intake.work_off(flow.now)
    assert walks == [True]


def test_files_that_others_must_wait_for_are_taken_in_although_too_many_wait(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow.intake._is_urgent = prioritised(["*.csv", "small"]).names
    monkeypatch.setattr(intake_module, "_MOST_ON_THEIR_WAY", 2)
    monkeypatch.setattr(intake_module, "_MOST_URGENT", 3)
    for name in ("a", "b", "c", "a.csv", "b.csv"):
        (flow.folder / name).write_text("x")
    for name in ("a", "b", "c", "a.csv", "b.csv"):
        flow.intake.look([name], lambda: flow.now)
    assert [name for name in ("a", "b", "c", "a.csv", "b.csv") if name in flow.pending] == ["a", "b", "a.csv"]


def test_failing_files_do_not_take_the_place_of_others(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "_MOST_ON_THEIR_WAY", 2)
    for name in "ab":
        (flow.folder / name).write_text("x")
    flow.walk()
    for job in flow.later():
        flow.sending.judge(NotSent(job, Retryable("no right")), flow.now)
    (flow.folder / "c").write_text("x")
    flow.walk()
    assert [job.path.text for job in flow.later()] == ["c"]


def test_what_is_known_does_not_grow_with_files_that_are_gone(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "_MAY_BE_GONE", 2)
    for number in range(5):
        (flow.folder / str(number)).write_text("x")
    flow.walk()
    for job in flow.later():
        flow.send(job)
    flow.intake.walked(Tally(files=5))
    assert len(flow.known) == 5
    flow.intake.walked(Tally(files=0))
    assert len(flow.known) == 0
    flow.walk()
    assert len(flow.pending) == 0  # the ledger still knows


def test_what_is_left_out_is_said_once_for_each_reason(flow: Flow, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    tally = Tally()
    tally.skip(".a", "hidden")
    tally.skip(".b", "hidden")
    flow.intake.walked(tally)
    flow.intake.walked(tally)
    assert caplog.text.count("left out") == 1
    assert flow.intake.tally.skipped == {"hidden": 2}


def test_the_ledger_is_written_in_groups(flow: Flow) -> None:
    (flow.folder / "a").write_text("x")
    flow.send(flow.settled())
    flow.sending.commit(flow.now)
    assert flow.ledger.unsaved == 1
    assert flow.sending.next_due() == pytest.approx(flow.now + 0.2)
    flow.sending.commit(flow.now + 0.21)
    assert flow.ledger.unsaved == 0
    assert flow.sending.next_due() is None


def test_while_the_ledger_cannot_be_written_nothing_more_is_sent(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full() -> None:
        raise sqlite3.OperationalError("database or disk is full")

    (flow.folder / "a").write_text("x")
    flow.send(flow.settled())
    with monkeypatch.context() as patch:
        patch.setattr(flow.ledger, "commit", full)
        flow.sending.commit(flow.now + 1)
        flow.sending.commit(flow.now + 10)
        assert caplog.text.count("disk is full") == 1
        (flow.folder / "b").write_text("x")
        flow.walk()
        assert flow.later() == []
    flow.sending.commit(flow.now + 100)
    assert flow.sending.trouble is None
    assert [job.path.text for job in flow.later(0)] == ["b"]
