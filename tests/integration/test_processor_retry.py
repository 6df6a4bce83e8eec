"""`openmsi quarantine retry --processor`: files that code could not cope with are run again, each result once."""

import subprocess
import sys
from pathlib import Path

import pytest

from openmsi_core.generation import Generation, version_of
from openmsi_core.quarantine import Quarantine
from tests.support.processing import Processors
from tests.support.running import Program, wait_for
from tests.support.sending import Sender, chunks, upload

BROKEN = """
@processor(files=r".*\\.csv$", name="sizes", version="1")
def sizes(file: DataFile):
    assert b"bad" not in file.bytes, "it is bad"
    return Result(value={"size": file.size}, files=[ResultFile(f"{file.relative_path}.txt", f"{file.size}")])
"""
MENDED = BROKEN.replace('    assert b"bad" not in file.bytes, "it is bad"\n', "").replace('"1"', '"2"')
LARGE = b"bad" * 300_000


def quarantine(processors: Processors) -> list[Path]:
    return sorted((processors.output / ".openmsi" / "quarantine").glob("*/reason.json"))


def retry(processors: Processors, code: Path, *options: str, prefix: tuple[str, ...] = ()) -> Program:
    """Start it with the state folder of the service."""
    command = ("openmsi", "quarantine", "retry", "--processor", str(code), "--producer_topic_name", processors.results)
    state = {"OPENMSI_STATE_DIR": str(processors.folder / "processor" / "state")}
    return processors.run("retry", *command, *options, str(processors.output), env=state, prefix=prefix)


def sizes(processors: Processors) -> dict[str, list[tuple[int, str]]]:
    """Path → size and version of the code, of each result."""
    return {
        path: [(each.json["size"], each.headers["openmsi-processor-version"]) for each in results]
        for path, results in processors.read().items()
    }


def test_files_are_run_again_with_mended_code_while_the_service_runs(processors: Processors, sender: Sender) -> None:
    content = b"bad 12345"
    sender.file("run/a.csv", content)
    sender.file("run/large.csv", LARGE, size=100_000)
    sender.file("other/c.csv", b"bad")
    sender.file("good.csv", b"12")
    service = processors.start(processors.code(BROKEN), "--n_threads", "3")
    wait_for(lambda: len(quarantine(processors)) == 3, "three entries", 60)
    wait_for(lambda: "good.csv" in processors.read(), "the good one")
    listed = _openmsi("list", processors.output)
    assert "it is bad" in listed
    shown = _openmsi("show", quarantine(processors)[0].parent)
    assert 'assert b"bad" not in file.bytes, "it is bad"\n' in shown
    assert "openmsi quarantine retry --processor CODE.py" in " ".join(shown.split())
    assert "sizes 1" in shown

    half = MENDED.replace("    return", "    assert file.subdir == 'run', 'too bad'\n    return")
    done = retry(processors, processors.code(half, "mended.py"))
    assert done.exits() == 65, done.output
    assert "run/a.csv: processed" in done.output
    assert "stays: other/c.csv: " in done.output
    assert "1 of 3 files stay in quarantine" in done.output
    assert sizes(processors) == {
        "good.csv": [(2, "1")],
        "run/a.csv": [(9, "2")],
        "run/large.csv": [(len(LARGE), "2")],
    }
    assert (processors.output / "run" / "large.csv.txt").read_text() == str(len(LARGE))
    (entry,) = quarantine(processors)
    assert "too bad" in _openmsi("show", entry.parent)
    assert service.stop() == 0
    service = processors.start(processors.code(MENDED))
    sender.file("run/a.csv", content)  # a repeat: the service knows that it has been processed
    sender.file("run/a.csv", b"newer")
    wait_for(lambda: (5, "2") in sizes(processors)["run/a.csv"], "the newer version")
    assert service.stop() == 0
    assert sizes(processors)["run/a.csv"] == [(9, "2"), (5, "2")]

    others = retry(processors, processors.code(MENDED.replace('"sizes"', '"other"'), "other.py"))
    assert others.exits() == 0
    assert "left alone: 1 files of other processors (sizes)" in others.output
    assert len(quarantine(processors)) == 1


@pytest.mark.parametrize("at", ["commit", "remember"])
def test_a_call_that_is_killed_around_its_commit_is_followed_by_one_that_doubles_nothing(
    processors: Processors, at: str
) -> None:
    content = b"bad 12345"
    (chunk,) = chunks("a.csv", content)
    by = upload(content)
    processors.output.mkdir()
    facts = {"processor": "sizes", "processor_version": "1", "traceback": ""}
    Quarantine(processors.output, processors.topic).file(
        Generation.of(chunk, by), content, 0, version_of(chunk, by, (1, 2)), "it is bad", facts
    )
    killed = _killed_at(processors, at)
    assert killed.exits() == -9, killed.output
    assert len(quarantine(processors)) == 1
    assert sizes(processors) == ({"a.csv": [(9, "2")]} if at == "remember" else {})
    done = retry(processors, processors.code(MENDED, "mended.py"))
    assert done.exits() == 0, done.output
    assert ("its result was sent by an earlier call" in done.output) == (at == "remember")
    assert sizes(processors) == {"a.csv": [(9, "2")]}
    assert quarantine(processors) == []


_PATCHED = """
import os, signal, sys, openmsi_admin.main
from openmsi_core.transaction import Transaction
from openmsi_processor.commands.attempts import Attempts
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
{}
sys.exit(openmsi_admin.main.main())
"""
_AT = {"commit": "Transaction._commit = die", "remember": "Attempts._remember = die"}


def _killed_at(processors: Processors, at: str) -> Program:
    code = processors.code(MENDED, "mended.py")
    command = ("quarantine", "retry", "--processor", str(code), "--producer_topic_name", processors.results)
    state = {"OPENMSI_STATE_DIR": str(processors.folder / "processor" / "state")}
    patched = ("python", "-c", _PATCHED.format(_AT[at]))
    return processors.run("retry", *patched, *command, str(processors.output), env=state)


def _openmsi(verb: str, place: Path) -> str:
    command = [str(Path(sys.executable).with_name("openmsi")), "quarantine", verb, str(place)]
    env = {"COLUMNS": "250", "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout
