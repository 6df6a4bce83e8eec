"""Upload ids only ever grow."""

from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmsi_core.errors import ConfigError
from openmsi_uploader.upload_id import UploadIds


class Clock:
    def __init__(self, ms: int = 1_700_000_000_000) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return self.ms


def test_an_id_is_a_uuid_of_version_7_with_the_time_in_front(tmp_path: Path) -> None:
    uuid = UUID(UploadIds(tmp_path, 1000, Clock(1_700_000_000_123)).next())
    assert uuid.version == 7
    assert uuid.variant == "specified in RFC 4122"
    assert uuid.int >> 80 == 1_700_000_000_123


def test_ten_thousand_ids_of_one_millisecond_grow(tmp_path: Path) -> None:
    ids = UploadIds(tmp_path, 1000, Clock())
    made = [ids.next() for _ in range(10_000)]
    assert made == sorted(set(made))


@given(st.lists(st.one_of(st.integers(-100_000, 100_000), st.just("restart"), st.just("another program")), max_size=40))
def test_ids_grow_whatever_the_clock_does_and_however_often_the_program_is_killed(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int | str]
) -> None:
    state, clock = tmp_path_factory.mktemp("state"), Clock()
    ids, last = UploadIds(state, 1000, clock), ""
    for step in steps:
        if step == "restart":
            ids = UploadIds(state, 1000, clock)
        elif step == "another program":
            ids = UploadIds(state, 1, clock)
        elif isinstance(step, int):
            clock.ms += step
        for _ in range(3):
            new = ids.next()
            assert new > last
            last = new


def test_beyond_its_bound_a_program_begins_after_the_ids_of_others_with_the_same_state_folder(tmp_path: Path) -> None:
    clock = Clock()
    ids = UploadIds(tmp_path, 1000, clock)
    ids.next()
    for _ in range(20):
        bound = int((tmp_path / "upload-ids").read_text())
        other = UploadIds(tmp_path, 1, clock).next()
        clock.ms = bound
        assert ids.next() > other


def test_the_disk_is_asked_once_in_a_reserve(tmp_path: Path) -> None:
    clock = Clock()
    ids = UploadIds(tmp_path, 1000, clock)
    ids.next()
    before = (tmp_path / "upload-ids").stat().st_mtime_ns
    clock.ms += 999
    ids.next()
    assert (tmp_path / "upload-ids").stat().st_mtime_ns == before
    clock.ms += 1
    ids.next()
    assert int((tmp_path / "upload-ids").read_text()) == clock.ms + 1000


@pytest.mark.parametrize("text", ["?", "", "-5", str(1 << 48)])
def test_a_damaged_bound_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "upload-ids").write_text(text)
    with pytest.raises(ConfigError, match="upload-ids is damaged"):
        UploadIds(tmp_path, 1000, Clock())
