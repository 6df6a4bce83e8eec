"""The classes of OpenMSIStream: what they do with a file, without a service."""

from pathlib import Path
from typing import Any

import pytest

from openmsi_processor import DataFileStreamProcessor, Retry
from openmsi_processor.classes.serving import answer_to
from tests.support.handed import handed


class Worker(DataFileStreamProcessor):
    """Does what its ``way`` says."""

    way: Any = None

    def _process_downloaded_data_file(self, datafile: Any, lock: Any) -> Any:
        assert not lock.locked()
        assert datafile.relative_filepath in self.files_in_progress_by_path
        self.seen = datafile
        if isinstance(self.way, type):
            raise self.way("as asked")
        return self.way

    def _failed_processing_callback(self, datafile: Any, lock: Any) -> None:
        with lock:
            self.given_up = datafile.relative_filepath


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker("c.config", "topic", output_dir=tmp_path / "out")


def test_what_a_class_sees_of_a_file(worker: Worker, tmp_path: Path) -> None:
    answer, blobs = answer_to(worker, handed(tmp_path))
    assert (answer["is"], answer["value"], blobs) == ("done", None, [])
    seen = worker.seen
    assert seen.bytestring == b"123"
    assert seen.full_filepath == seen.filepath == tmp_path / "out/run/1/ä.csv"
    assert (seen.relative_filepath, seen.subdir_str, seen.filename) == (Path("run/1/ä.csv"), "run/1", "ä.csv")
    assert (seen.n_total_chunks, len(seen.check_file_hash)) == (3, 64)
    assert seen.logger is worker.logger
    assert (worker.n_msgs_read, worker.n_msgs_processed, worker.n_processed_files) == (3, 3, 1)
    assert worker.recent_processed_filepaths == [Path("run/1/ä.csv")]
    assert "run/1/ä.csv (completed)" in worker.progress_msg
    answer_to(worker, handed(tmp_path, "top"))
    assert (worker.seen.relative_filepath, worker.seen.subdir_str) == (Path("top"), "")


def test_only_the_last_files_are_remembered(worker: Worker, tmp_path: Path) -> None:
    for number in range(60):
        answer_to(worker, handed(tmp_path, f"{number}"))
    assert worker.recent_processed_filepaths == [Path(f"{number}") for number in range(10, 60)]
    assert worker.n_processed_files == 60


@pytest.mark.parametrize("way", [ValueError("as asked"), ValueError, SystemExit, KeyboardInterrupt])
def test_an_exception_that_is_returned_or_raised_is_a_failure(worker: Worker, tmp_path: Path, way: Any) -> None:
    worker.way = way
    answer, _ = answer_to(worker, handed(tmp_path))
    assert answer["is"] == "failed"
    assert "as asked" in answer["text"]
    assert worker.n_processed_files == worker.n_msgs_processed == 0
    assert not hasattr(worker, "given_up")
    assert worker.files_in_progress_by_path == {}


def test_what_is_no_exception_and_not_none_is_a_failure(worker: Worker, tmp_path: Path) -> None:
    worker.way = True
    answer, _ = answer_to(worker, handed(tmp_path))
    assert answer["is"] == "failed"
    assert "returned True: return None when the file was processed" in answer["text"]


def test_the_callback_comes_with_the_last_try(worker: Worker, tmp_path: Path) -> None:
    worker.way = ValueError
    answer_to(worker, handed(tmp_path, last=False))
    assert not hasattr(worker, "given_up")
    assert answer_to(worker, handed(tmp_path, last=True))[0]["is"] == "failed"
    assert worker.given_up == Path("run/1/ä.csv")
    assert (worker.n_msgs_read, worker.n_msgs_processed) == (3, 0)
    worker.way = None
    del worker.given_up
    answer_to(worker, handed(tmp_path, last=True))
    assert not hasattr(worker, "given_up")


def test_a_callback_that_fails_changes_nothing(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "_failed_processing_callback", None)
    worker.way = ValueError
    answer, _ = answer_to(worker, handed(tmp_path, last=True))
    assert "ValueError: as asked" in answer["text"]
    assert "the callback for a failed file has failed, too" in caplog.text


def test_retry(worker: Worker, tmp_path: Path) -> None:
    worker.way = Retry(5, "not yet")
    assert answer_to(worker, handed(tmp_path))[0] == {"is": "retry", "after": 5.0, "text": "not yet"}


@pytest.mark.parametrize(("mode", "kept"), [("memory", b"123"), ("disk", b"changed"), ("both", b"123")])
def test_modes(tmp_path: Path, mode: str, kept: bytes) -> None:
    worker = Worker("c.config", "topic", output_dir=tmp_path, mode=mode)
    message = handed(tmp_path, "a.csv", content=str(tmp_path / "a.csv"))
    (tmp_path / "a.csv").write_bytes(b"123")
    answer_to(worker, message)
    (tmp_path / "a.csv").write_bytes(b"changed")
    assert worker.seen.bytestring == kept


def test_large_files_are_read_from_where_they_are(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "staged").write_bytes(b"large")
    head, _ = handed(tmp_path, content=str(tmp_path / "staged"))
    answer_to(worker, (head, []))
    assert worker.seen.bytestring == b"large"
    worker.seen.bytestring = b"other"
    assert worker.seen.bytestring == b"other"
