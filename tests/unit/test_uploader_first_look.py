"""What becomes of the files that are there at the first start."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmsi_core.status import Status
from openmsi_uploader.ledger import Ledger, open_ledger
from openmsi_uploader.settings import WatchSettings
from openmsi_uploader.watch_command import first_look


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data" / "sub").mkdir(parents=True)
    return tmp_path / "data"


@pytest.fixture
def ledger(tmp_path: Path, folder: Path) -> Iterator[Ledger]:
    ledger = open_ledger(tmp_path, "t", folder)
    yield ledger
    ledger.close()


def settings(folder: Path, **options: object) -> WatchSettings:
    return WatchSettings.model_validate({"upload_dir": folder, "topic_name": "t", "state_dir": folder.parent} | options)


def wait_for_a_tick(folder: Path) -> None:
    """Return when the clock of the file system has moved on."""
    began = time.time_ns()
    while True:
        (folder.parent / "tick").write_text("x")
        if (folder.parent / "tick").stat().st_ctime_ns > began:
            return


def test_files_of_before_are_not_wanted_but_those_that_come_while_we_look_are(folder: Path, ledger: Ledger) -> None:
    (folder / "sub" / "before").write_text("x")
    (folder / "filtered out at present").write_text("x")
    wait_for_a_tick(folder)
    began = time.time_ns()
    wait_for_a_tick(folder)
    (folder / "meanwhile").write_text("x")
    first_look(settings(folder, upload_regex="sub/"), ledger, began)
    paths = ["sub/before", "filtered out at present", "meanwhile"]
    assert ledger.find(paths).keys() == set(paths[:2])
    assert not ledger.is_new


def test_at_a_later_start_nothing_is_noted(folder: Path, ledger: Ledger) -> None:
    first_look(settings(folder), ledger, time.time_ns())
    (folder / "added while stopped").write_text("x")
    wait_for_a_tick(folder)
    first_look(settings(folder), ledger, time.time_ns())
    assert ledger.find(["added while stopped"]) == {}


def test_upload_existing_wants_all_at_the_first_start_and_later(folder: Path, ledger: Ledger) -> None:
    (folder / "a").write_text("x")
    wait_for_a_tick(folder)
    first_look(settings(folder), ledger, time.time_ns())
    assert ledger.find(["a"]).keys() == {"a"}
    first_look(settings(folder, upload_existing=True), ledger, time.time_ns())
    assert ledger.find(["a"]) == {}
    first_look(settings(folder), ledger, time.time_ns())
    assert ledger.find(["a"]) == {}


def test_upload_existing_at_the_first_start_is_remembered(folder: Path, ledger: Ledger) -> None:
    (folder / "a").write_text("x")
    wait_for_a_tick(folder)
    first_look(settings(folder, upload_existing=True), ledger, time.time_ns())
    first_look(settings(folder), ledger, time.time_ns())
    assert ledger.find(["a"]) == {}


def test_while_many_files_are_looked_at_the_program_shows_that_it_is_alive(folder: Path, ledger: Ledger) -> None:
    for number in range(2500):
        (folder / str(number)).touch()
    told: list[Status] = []
    first_look(settings(folder), ledger, time.time_ns(), told.append)
    assert [status.waiting_for for status in told] == [
        f"the first look at the folder ({count} files so far)" for count in (0, 1000, 2000)
    ]
