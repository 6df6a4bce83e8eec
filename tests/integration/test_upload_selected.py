"""A program of one's own that sends only parts of files."""

import random
import sys
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.downloading import Downloads
from tests.support.running import Program, wait_for

# Every other kilobyte of an export, and of one that has no end yet nothing.
_SELECTOR = """\
def every_other_kilobyte(path, file):
    data = file.read()
    if not data.endswith(b"END"):
        raise ValueError("it has no end yet")
    return [(start, min(start + 1000, len(data))) for start in range(0, len(data), 2000)]
"""
_PROGRAM = """\
import sys
from openmsi_uploader.{module} import main
{selector}
sys.exit(main(selector=every_other_kilobyte))
"""


def selected(data: bytes) -> bytes:
    return b"".join(data[start : start + 1000] for start in range(0, len(data), 2000))


def write_program(folder: Path, module: str) -> Path:
    """A program that sends with `_SELECTOR`."""
    program = folder / "my_upload.py"
    program.write_text(_PROGRAM.format(module=module, selector=_SELECTOR))
    return program


@pytest.fixture
def files() -> dict[str, bytes]:
    """Small and large ones, the large larger than what is kept in memory."""
    sizes = {"small.trc": 5_500, "run/large.trc": 20_000_500, "tiny.trc": 3}
    return {path: random.randbytes(size - 3) + b"END" for path, size in sizes.items()}


def test_a_folder(kafka: Broker, topic: str, downloads: Downloads, tmp_path: Path, files: dict[str, bytes]) -> None:
    watched = tmp_path / "scope"
    (watched / "run").mkdir(parents=True)
    for path, data in files.items():
        (watched / path).write_bytes(data)
    (watched / "growing.trc").write_bytes(b"no end")
    options = ("--topic_name", topic, "--upload_existing", "--watchdog_lag_time", "0.2", "--rescan_seconds", "1")
    script = str(write_program(tmp_path, "watch_command"))
    uploader = Program(tmp_path / "uploader", kafka.bootstrap, sys.executable, script, str(watched), *options)
    downloads.start()
    expected = {path: selected(data) for path, data in files.items()}
    try:
        wait_for(lambda: downloads.tree == expected, "what was selected", 60)
        uploader.says("growing.trc (the selector failed: ValueError: it has no end yet)")
        with (watched / "growing.trc").open("ab") as growing:
            growing.write(b"END")
        wait_for(lambda: downloads.tree == expected | {"growing.trc": b"no endEND"}, "the one that grew", 60)
        assert uploader.stop() == 0
    finally:
        uploader.kill()


def test_one_file(kafka: Broker, topic: str, downloads: Downloads, tmp_path: Path, files: dict[str, bytes]) -> None:
    (tmp_path / "one.trc").write_bytes(files["small.trc"])
    script = str(write_program(tmp_path, "file_command"))
    options = ("--topic_name", topic, "--chunk_size", "1024")
    sending = Program(
        tmp_path / "sending", kafka.bootstrap, sys.executable, script, str(tmp_path / "one.trc"), *options
    )
    assert sending.exits() == 0, sending.output
    downloads.start()
    wait_for(lambda: downloads.tree == {"one.trc": selected(files["small.trc"])}, "what was selected", 60)


def test_one_file_that_the_selector_refuses(kafka: Broker, topic: str, tmp_path: Path) -> None:
    (tmp_path / "one.trc").write_bytes(b"no end")
    script = str(write_program(tmp_path, "file_command"))
    sending = Program(
        *(tmp_path / "sending", kafka.bootstrap, sys.executable, script, str(tmp_path / "one.trc")),
        *("--topic_name", topic),
    )
    assert sending.exits() == 65
    assert "the selector failed: ValueError: it has no end yet" in sending.output
