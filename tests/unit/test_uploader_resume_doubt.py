"""When a note of an upload is too old, or the broker does not have what it counts on; and everything at random."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openmsi_core.errors import Retryable
from openmsi_uploader.at_broker import Extent
from openmsi_uploader.outcome import CannotContinue, NotSent, Sent
from openmsi_uploader.upload_id import UploadIds
from tests.support.resuming import CHUNKS, A, B, World, is_sent_anew, make_everything_large


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    make_everything_large(monkeypatch)


@pytest.fixture
def cut(tmp_path: Path) -> Iterator[World]:
    """Six of ten chunks were acknowledged when the uploader was killed."""
    world = World(tmp_path)
    world.write(A, 1)
    world.attempt(6)
    world.restart()
    yield world
    world.close()


@pytest.mark.parametrize("hours", [-0.1, 0.51, 6.1])
def test_a_note_is_believed_for_half_an_hour(cut: World, monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    real = time.time
    monkeypatch.setattr("time.time", lambda: real() + hours * 3600)
    is_sent_anew(cut)


def test_an_upload_is_continued_for_six_hours_after_it_began(cut: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real, hours = time.time, 0.0
    monkeypatch.setattr("time.time", lambda: real() + hours * 3600)
    for _ in range(3):
        hours += 0.4
        cut.attempt(1)
        cut.restart()
    assert len(cut.ids) == 1
    begun = cut.ledger.unfinished("f")
    assert begun
    cut.ledger.note("f", replace(begun, began=begun.began - 5 * 3600))
    is_sent_anew(cut)


@pytest.mark.parametrize("lost", ["another topic", "its beginning", "its end", "will not say"])
def test_what_the_broker_has_lost_is_sent_anew(cut: World, monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    def ask(topic: str, partition: int) -> Extent:
        extent = Extent("topic-id", 0, 6)
        match lost:
            case "another topic":
                return replace(extent, topic_id="another")
            case "its beginning":
                return replace(extent, low=1)
            case "its end":
                return replace(extent, end=5)
            case _:
                raise CannotContinue("no right")

    monkeypatch.setattr(cut.uploader, "_continuing", replace(cut.continuing, ask=ask))
    is_sent_anew(cut)


def test_a_broker_that_does_not_answer_is_asked_again(cut: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(topic: str, partition: int) -> Extent:
        raise Retryable("away")

    with monkeypatch.context() as patch:
        patch.setattr(cut.uploader, "_continuing", replace(cut.continuing, ask=away))
        assert isinstance(cut.attempt(), NotSent)
    assert isinstance(cut.attempt(), Sent)
    assert (len(cut.log.records), len(cut.ids)) == (CHUNKS, 1)


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["restart", "write A", "write B", "another program", "unsaved"]),
        st.integers(0, CHUNKS),
        st.integers(-3, 3).map(lambda hours: f"clock {hours}"),
    ),
    max_size=25,
)


@given(STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_receivers_end_up_with_what_is_there_now(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, steps: list[str | int]
) -> None:
    """Whatever is written, restored with its old times, killed half-way, or done to the clock."""
    real, hours = time.time, 0
    monkeypatch.setattr("time.time", lambda: real() + hours * 3600)
    world, save = World(tmp_path_factory.mktemp("world")), True
    world.write(A, 1)
    for step in steps:
        match step:
            case int():
                world.attempt(step, save=save)
                save = True
            case "unsaved":
                save = False
            case "restart":
                world.restart()
            case "write A":
                world.write(A, 1)
            case "write B":
                world.write(B, 2)
            case "another program":
                UploadIds(world.state, 1).next()
            case clock:
                hours += int(clock.split()[1])
    world.until_sent()
    assert world.log.received() == (world.folder / "f").read_bytes()
    world.close()
