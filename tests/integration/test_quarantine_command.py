"""`openmsi quarantine` on what real downloaders put there: seen, explained, brought back, also while one runs."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from openmsi_core.chunk import encode_value
from openmsi_core.generation import Generation, version_of
from openmsi_core.quarantine import Quarantine
from openmsi_core.records import Record
from tests.support.broker import unique
from tests.support.downloading import Downloads
from tests.support.running import POWERLESS, wait_for
from tests.support.sending import Sender, chunks, upload

OPENMSI = Path(sys.executable).with_name("openmsi")
LARGE = bytes(range(256)) * 20


def openmsi(*arguments: object, prefix: tuple[str, ...] = ()) -> tuple[int, str]:
    """`openmsi quarantine …` in a terminal of 80 columns: exit code, and all that it printed."""
    command = [*prefix, str(OPENMSI), "quarantine", *(str(each) for each in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={"COLUMNS": "80", "PATH": "/usr/bin:/bin"})
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    """An entry, with a complete file, of a downloader of another user."""
    (chunk,) = chunks("a", LARGE, size=len(LARGE))
    quarantine = Quarantine(tmp_path, "topic")
    quarantine.file(Generation.of(chunk, None), LARGE, 0, version_of(chunk, None, (1, 2)), "something was in the way")
    (entry,) = quarantine.folder.iterdir()
    os.chown(entry, 12345, 12345)
    return entry


def entries(downloads: Downloads) -> dict[str, dict[str, object]]:
    """Kind → the only entry of it."""
    code, printed = openmsi("list", downloads.out, "--json")
    assert code == 0, printed
    return {entry["kind"]: entry for entry in json.loads(printed)}


@pytest.fixture
def stopped(downloads: Downloads, sender: Sender) -> Downloads:
    """A file below a folder's name, half a file, and garbage: all in quarantine, and the downloader stopped."""
    (downloads.out / "run7" / "a.tif").mkdir(parents=True)
    sender.file("run7/a.tif", LARGE)
    sender.chunks(list(chunks("half", LARGE))[:4], upload(LARGE))
    sender.record(b"_notes_chunk_1_of_1", b"no MessagePack")
    program = downloads.start("--idle_quarantine_hours", "0.0001", "--consumer_group_id", unique("group"))
    program.says("put the unfinished file half in quarantine", 40)
    wait_for(lambda: len(downloads.reasons) == 3, "three entries")
    assert program.stop() == 0
    return downloads


def test_what_is_there_is_listed_and_explained(stopped: Downloads) -> None:
    code, printed = openmsi("list", stopped.out)
    print(printed)
    assert code == 0
    for known in ("run7/a.tif", "half", "5.1 kB", "4.0 kB", "partition"):
        assert known in printed
    found = entries(stopped)
    assert found.keys() == {"file", "partial", "record"}
    for kind, told in {
        "file": ["run7/a.tif", hashlib.sha512(LARGE).hexdigest()[:10], "is in the way"],
        "partial": ["half", "2 of 6 chunks have not come"],
        "record": ["_notes_chunk_1_of_1", "not MessagePack", "partition", "offset"],
    }.items():
        code, printed = openmsi("show", found[kind]["entry"])
        print(printed)
        assert code == 0
        for known in (*told, stopped.topic[:10], "what to do"):
            assert known in printed


def test_a_file_whose_obstacle_is_gone_is_brought_back_while_a_downloader_runs(
    stopped: Downloads, sender: Sender
) -> None:
    file = entries(stopped)["file"]["entry"]
    code, printed = openmsi("retry", file)
    assert (code, Path(str(file)).exists()) == (65, True)
    assert "a.tif is in the way" in printed
    (stopped.out / "run7" / "a.tif").rmdir()
    running = stopped.start("--consumer_group_id", unique("group"), name="running")
    running.says("group")
    code, printed = openmsi("retry", file)
    assert code == 0, printed
    assert not Path(str(file)).exists()
    wait_for(lambda: stopped.tree == {"run7/a.tif": LARGE}, "the file")
    sender.file("run7/a.tif", b"newer")
    wait_for(lambda: stopped.tree == {"run7/a.tif": b"newer"}, "its next version")
    assert running.stop() == 0


def test_what_cannot_be_brought_back_stays_and_says_why(stopped: Downloads) -> None:
    found = entries(stopped)
    code, printed = openmsi("retry", found["partial"]["entry"], found["record"]["entry"])
    print(printed)
    assert code == 65
    partial, record = printed.splitlines()
    assert "goes on by itself" in partial
    assert "not MessagePack" in record
    assert entries(stopped) == found


def test_a_damaged_record_stays(downloads: Downloads, sender: Sender) -> None:
    (chunk,) = chunks("bad", b"good")
    sender.record(b"_bad_chunk_1_of_1", encode_value(dataclasses.replace(chunk, data=b"dogo")))
    program = downloads.start()
    wait_for(lambda: downloads.reasons, "the entry")
    assert program.stop() == 0
    code, printed = openmsi("retry", entries(downloads)["record"]["entry"])
    assert code == 65
    assert "damaged on the way" in printed


def test_a_record_that_an_older_version_refused_comes_with_a_new_group(downloads: Downloads, sender: Sender) -> None:
    (chunk,) = chunks("good", b"good")
    sender.chunks([chunk], upload(b"good"))
    refused = Record(sender.partition("good"), 0, 0, b"_good_chunk_1_of_1")
    downloads.out.mkdir()
    Quarantine(downloads.out, downloads.topic).record(
        refused, encode_value(chunk), "not understood by an older version"
    )
    entry = entries(downloads)["record"]["entry"]
    code, printed = openmsi("retry", entry)
    assert code == 65
    assert "by itself it is good, chunk 1 of 1 of good: a downloader with --consumer_group_id create_new" in printed
    program = downloads.start("--consumer_group_id", "create_new")
    wait_for(lambda: downloads.tree == {"good": b"good"}, "the file")
    assert program.stop() == 0
    code, printed = openmsi("retry", entry)
    assert code == 0
    assert "good is in place as a whole by now" in printed
    assert entries(downloads) == {}


def test_another_user_makes_nothing_there(entry: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    code, printed = openmsi("retry", entry)
    assert (code, len(printed.splitlines())) == (78, 1)
    assert f"{entry} belongs to user id 12345, who runs the downloader: run this as that user" in printed
    assert sorted(tmp_path.rglob("*")) == before


def test_what_may_not_be_read_is_one_line(entry: Path, tmp_path: Path) -> None:
    entry.chmod(0o700)
    for verb, place in (("list", tmp_path), ("show", entry), ("retry", entry)):
        code, printed = openmsi(verb, place, prefix=POWERLESS)
        assert (code, len(printed.splitlines())) == (78, 1)
        assert f"{entry} cannot be read (Permission denied): give user id" in printed
