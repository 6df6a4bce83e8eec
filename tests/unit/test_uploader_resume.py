"""A large upload that is cut short is continued; whatever happens meanwhile, receivers end up with what is there now.

A kill forgets all that is not on disk.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from openmsi_uploader import prefix, upload
from openmsi_uploader.at_broker import Extent
from openmsi_uploader.outcome import NotSent, Sent
from openmsi_uploader.upload_id import UploadIds
from tests.support.resuming import CHUNKS, TARGET, A, B, World, is_sent_anew, make_everything_large


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    make_everything_large(monkeypatch)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    world.write(A, 1)
    yield world
    world.close()


@pytest.fixture
def cut(world: World) -> World:
    """Six of ten chunks were acknowledged when the uploader was killed."""
    world.attempt(6)
    world.restart()
    return world


@pytest.mark.parametrize("acknowledged", range(CHUNKS + 1))
@pytest.mark.parametrize("kill", [True, False], ids=["killed", "broker error"])
def test_only_what_was_not_acknowledged_is_sent_again(
    world: World, acknowledged: int, kill: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    if acknowledged < CHUNKS:
        assert isinstance(world.attempt(acknowledged), NotSent)
    else:  # the ledger never hears that it was all
        world.uploader.upload(world.job(), TARGET)
        del world.messages[-1]
        with pytest.raises(UnboundLocalError):
            world.digest()
        kill = True
    if kill:
        world.restart()
    assert isinstance(world.attempt(), Sent)
    assert len(world.log.records) == CHUNKS
    assert len(world.ids) == 1
    assert world.log.received() == A
    assert caplog.text.count("going on with f") == (acknowledged > 0)
    world.restart()
    assert world.ledger.unfinished("f") is None
    assert [*world.ledger.find(["f"])] == ["f"]


def test_a_broker_error_costs_only_what_was_not_acknowledged_even_between_two_notes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefix, "_NOTE_BYTES", 1 << 60)
    world.attempt(6)
    assert isinstance(world.attempt(), Sent)
    assert (len(world.log.records), len(world.ids)) == (CHUNKS, 1)


def test_it_is_continued_as_often_as_it_is_cut_short(world: World) -> None:
    for _ in range(CHUNKS - 1):
        world.attempt(1)
        world.restart()
    assert isinstance(world.attempt(), Sent)
    assert (len(world.log.records), len(world.ids), world.log.received()) == (CHUNKS, 1, A)


def test_a_file_that_looks_different_is_sent_anew(cut: World) -> None:
    cut.write(A, 2)
    is_sent_anew(cut)


def test_other_content_that_looks_the_same_is_sent_anew(cut: World) -> None:
    cut.write(B, 1)
    assert isinstance(cut.attempt(), NotSent)
    cut.restart()
    assert cut.ledger.unfinished("f") is None  # gone before anything of the other content is sent
    is_sent_anew(cut)


def test_what_is_at_the_broker_already_is_read_and_held_against_the_first_reading(
    cut: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rewritten(topic: str, partition: int) -> Extent:
        cut.write(A[:500] + b"!" + A[501:], 1)
        return cut.log.extent(topic, partition)

    monkeypatch.setattr(cut.uploader, "_continuing", replace(cut.continuing, ask=rewritten))
    cut.attempt()
    assert len(cut.log.records) == 6
    monkeypatch.undo()
    make_everything_large(monkeypatch)
    is_sent_anew(cut)


@pytest.mark.parametrize("acknowledged", [0, 3, CHUNKS])
def test_after_another_content_the_first_one_never_goes_on(cut: World, acknowledged: int) -> None:
    cut.write(B, 2)
    cut.attempt(acknowledged)
    cut.restart()
    cut.write(A, 1)
    is_sent_anew(cut)
    assert cut.log.received() == A


def test_an_upload_that_was_sent_in_the_end_is_not_continued_before_the_ledger_is_on_disk(world: World) -> None:
    world.attempt(6)
    world.attempt(job=world.job(), save=False)
    world.write(B, 2)
    world.attempt(3, job=world.job(), save=False)
    world.restart()
    world.write(A, 1)
    is_sent_anew(world)


def test_without_the_ledger_all_is_sent_again(cut: World) -> None:
    cut.close()
    shutil.rmtree(cut.state)
    cut.state.mkdir()
    cut.restart()
    world_ids = cut.ids
    cut.until_sent()
    assert len(cut.log.records) == 6 + CHUNKS
    assert cut.ids[0] == world_ids[0] < cut.ids[1]


@pytest.mark.parametrize("change", [{"chunk_size": 950}, {"partitions": 5}, {"source": "x"}, {"topic_id": "x"}])
def test_an_upload_to_elsewhere_is_not_continued(cut: World, change: dict[str, object]) -> None:
    cut.target = replace(TARGET, **change)  # type: ignore[arg-type]
    cut.log.topic_id = cut.target.topic_id
    is_sent_anew(cut)


def test_after_another_program_used_the_state_folder_all_is_sent_anew(cut: World) -> None:
    later = UploadIds(cut.state, 1).next()
    cut.restart()
    is_sent_anew(cut)
    assert cut.ids[-1] > later


def test_nothing_is_sent_while_the_note_of_another_content_cannot_be_removed(
    cut: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_paths: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    cut.write(B, 2)
    with monkeypatch.context() as patch:
        patch.setattr(cut.ledger, "give_up", full)
        with pytest.raises(AssertionError, match="no job"):
            cut.job()
    cut.sending.commit_now(cut.now)  # what makes it try again
    is_sent_anew(cut)


@pytest.mark.parametrize("why", ["small", "topic unknown", "offsets unknown"])
def test_nothing_is_noted_of_what_could_not_be_continued(
    world: World, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    match why:
        case "small":
            monkeypatch.setattr(upload, "WORTH_BYTES", len(A))
        case "topic unknown":
            world.target = replace(TARGET, topic_id="")
        case _:
            world.log.offsets_known = False
    world.attempt(6)
    assert world.ledger.unfinished("f") is None
