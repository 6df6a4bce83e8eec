"""Worker processes: warm, limited, replaced, hidden from, and gone with the service. No Kafka."""

import json
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from openmsi_core.errors import ConfigError, Retryable
from openmsi_processor.died import Died
from tests.support.crew import Start, Workers, value


def test_a_worker_is_warm(start: Start) -> None:
    workers = start("import os\nprint('imported')\n@processor\ndef code(file): return os.getpid()")
    assert len({value(workers, f"{number}") for number in range(5)}) == 1


def test_as_many_work_at_once_as_there_are(start: Start) -> None:
    code = """
import time, pathlib
here = pathlib.Path(__file__).parent
@processor
def code(file):
    (here / f"{file.name}.here").touch()
    while len(list(here.glob("*.here"))) < 3: time.sleep(0.01)
    return True
"""
    workers = start(code, size=3)
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(lambda name: value(workers, name), "abc")) == [True] * 3


def test_a_leak_costs_nothing_but_its_own_try(start: Start) -> None:
    code = "kept = []\n@processor\ndef code(file): kept.append(bytearray(30_000_000)); return len(kept)"
    workers = start(code, "memory=200000000")
    counts = []
    failed = 0
    for number in range(15):
        answer, blobs = workers.call(f"{number}")
        if answer["is"] == "failed":
            failed += 1
            assert "MemoryError" in answer["text"]
            answer, blobs = workers.call(f"{number}")  # a new worker has room
        counts.append(json.loads(blobs[answer["value"]]))
    assert failed >= 2
    assert max(counts) <= 7


def test_a_spoiled_worker_is_replaced(start: Start) -> None:
    code = """
state = {"ok": True}
@processor
def code(file):
    if file.name == "poison": state.clear()
    return state["ok"]
"""
    workers = start(code)
    assert [workers.call("poison")[0]["is"], workers.call("good")[0]["is"]] == ["failed", "failed"]
    assert value(workers, "good") is True


def test_code_that_was_changed_since_the_start_is_not_run(start: Start) -> None:
    workers = start("import os\n@processor\ndef code(file): return os._exit(1) if file.name == 'end' else 1")
    before = workers.file.read_text()
    workers.file.write_text(f"{before}\n# changed\n")
    assert value(workers, "a") == 1
    with pytest.raises(Died, match=r"ended itself \(exit code 1\)"):
        workers.call("end")
    with pytest.raises(Retryable, match="the code was changed since the start"):
        workers.call("b")


def test_a_stop_does_not_wait_for_imports(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never")
    workers = Workers(tmp_path, f"open({str(tmp_path / 'never')!r})")
    threading.Timer(0.3, workers.stop.set).start()
    begun = time.monotonic()
    with pytest.raises(Retryable):
        workers.crew.begin()
    workers.close()
    assert time.monotonic() - begun < 10


def test_temporary_files_go_with_the_worker(start: Start) -> None:
    code = "import os, tempfile\n@processor\ndef code(file): return [tempfile.mkstemp()[1]]"
    workers = start(code)
    [name] = value(workers, "a")
    left = Path(name)
    assert left.exists()
    workers.close()
    assert not left.parent.exists()


def test_what_is_printed_is_in_the_log_with_its_file(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    code = r"""
import os, sys, subprocess
@processor
def code(file):
    print("one\ntwo")
    os.write(1, b"three \xff\0\n")
    os.write(2, b"\r10%\r20%\r30%")
    print()
    subprocess.run(["echo", "four"])
    if file.name == "much":
        for _ in range(100): os.write(1, b"line\n" * 10_000)
        os.write(1, b"x" * 1_000_000)
    sys.stdout.write("five")
"""
    workers = start(code)
    with caplog.at_level(logging.INFO, "openmsi_processor.user"):
        workers.call("a")
        few = [record.getMessage() for record in caplog.records]
        caplog.clear()
        workers.call("much")
        workers.call("b")
    assert few == ["a: one", "a: two", "a: three \ufffd\0", "a: 30%", "a: four", "a: five"]
    many = [record.getMessage() for record in caplog.records]
    assert [line for line in many if line.startswith("b: ")] == [line.replace("a:", "b:") for line in few]
    assert len(many) == 1000 + 1 + len(few)
    assert any(line.startswith("much: and 99") and line.endswith("lines more") for line in many)


def test_only_what_is_the_code_s_own_is_moved(start: Start, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        (tmp_path / "data" / name).write_text("mine")
    code = f"""
import os
data = {str(tmp_path / "data")!r}
@processor
def code(file):
    os.symlink(data, file.scratch / "link")
    os.link(data + "/b", file.scratch / "hard")
    os.symlink(data + "/a", file.scratch / "soft")
    (file.scratch / "own").write_text("own")
    files = [file.scratch / name for name in ("link/a", "hard", "soft", "own")] + [data + "/b"]
    return Result(files=[*files, ResultFile("environment", file.scratch.__class__("/proc/self/environ"))])
"""
    workers = start(code)
    answer, _ = workers.call("run/x")
    assert [each["name"] for each in answer["files"]] == [
        "run/link/a", "run/hard", "run/soft", "run/own", "run/b", "environment",
    ]  # fmt: skip
    texts = [Path(each["path"]).read_text() for each in answer["files"]]
    assert texts[:5] == ["mine", "mine", "mine", "own", "mine"]
    assert [(tmp_path / "data" / name).read_text() for name in ("a", "b")] == ["mine", "mine"]
    assert not any(Path(each["path"]).stat().st_nlink > 1 for each in answer["files"])


def test_a_processor_that_cannot_start(start: Start) -> None:
    with pytest.raises(ConfigError, match=r"MemoryError.*--memory_limit is too low"):
        start("x = bytearray(100_000_000)\n@processor\ndef code(file): pass", "memory=64000000")
