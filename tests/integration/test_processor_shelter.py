"""User code can neither look into the service nor outlive it, nor its own worker. No Kafka."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from openmsi_processor.died import Died
from tests.support.crew import Start, value
from tests.support.running import POWERLESS, wait_for


def test_user_code_sees_no_credentials(tmp_path: Path) -> None:
    code = """
import os
@processor
def code(file):
    found = {"own": dict(os.environ)}
    for number in (os.getppid(), "self"):
        for name in ("environ", "mem"):
            try:
                path = f"/proc/{number}/{name}"
                found[f"{number}/{name}"] = open(path, "rb").read(9).hex()
            except OSError as error:
                found[f"{number}/{name}"] = error.strerror
    return {"parent": os.getppid(), **found}
"""
    (tmp_path / "run.py").write_text(
        "import json, sys\nfrom pathlib import Path\nfrom tests.support.crew import Start, Workers, value\n"
        f"workers = Workers(Path({str(tmp_path)!r}), {code!r})\nworkers.crew.begin()\n"
        "answer, blobs = workers.call('a')\nprint(blobs[answer['value']].decode())\nworkers.close()\n"
    )
    secrets = {"CONFLUENT_PASSWORD": "s3cret", "OPENMSI_ANYTHING": "s3cret", "AWS_SECRET_ACCESS_KEY": "s3cret"}
    environment = {**os.environ, **secrets, "PYTHONPATH": os.pathsep.join(sys.path), "PROCESSOR_LEVEL": "7"}
    done = subprocess.run(
        [*POWERLESS, sys.executable, str(tmp_path / "run.py")],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "s3cret" not in done.stdout
    seen = json.loads(done.stdout)
    assert seen["own"]["PROCESSOR_LEVEL"] == "7"
    assert {seen[f"{seen['parent']}/{name}"] for name in ("environ", "mem")} == {"Permission denied"}


def test_workers_end_with_a_service_that_is_killed(tmp_path: Path) -> None:
    code = """
import os, pathlib
@processor
def code(file):
    pathlib.Path(__file__).with_name("pid").write_text(str(os.getpid()))
    while True: pass
"""
    (tmp_path / "run.py").write_text(
        "from pathlib import Path\nfrom tests.support.crew import Start, Workers, value\n"
        f"workers = Workers(Path({str(tmp_path)!r}), {code!r})\nworkers.crew.begin()\nworkers.call('a')\n"
    )
    service = subprocess.Popen(
        [sys.executable, str(tmp_path / "run.py")], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "the worker")
    worker = int((tmp_path / "pid").read_text())
    assert Path(f"/proc/{worker}/oom_score_adj").read_text().strip() == "1000"
    service.kill()
    service.wait()
    wait_for(lambda: not runs(worker), "its end", 5)


def runs(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def test_what_a_worker_has_started_ends_with_it(start: Start) -> None:
    code = """
import os, subprocess
@processor
def code(file):
    if os.fork() == 0:  # one more of us, in a session of its own, which holds on to all that we have
        os.setsid()
        if os.fork() == 0:
            while True: pass
        os._exit(0)
    others = [subprocess.Popen(["sleep", "600"], start_new_session=apart).pid for apart in (False, True)]
    (file.scratch.parent.parent / "others").write_text(" ".join(map(str, others)))
    if file.name == "end": os._exit(1)
    return others
"""
    workers = start(code)
    with pytest.raises(Died, match="exit code 1"):
        workers.call("end")
    others = [int(number) for number in (workers.folder / "others").read_text().split()]
    wait_for(lambda: not any(runs(each) for each in others), "their end", 5)
    others = value(workers, "a")
    workers.close()
    wait_for(lambda: not any(runs(each) for each in others), "their end", 5)
    left = [each for each in Path("/proc").glob("[0-9]*/cmdline") if str(workers.file).encode() in read(each)]
    assert not left


def read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
