"""A story of a receiver, told once for each call to the operating system in it: that call fails, or is the last one.

The story: a file stops half-way, is put aside and taken up again; poison; a file with a wrong hash; a small file; a
file below a link. Whatever fails, and wherever the process is killed, at the end all is as if nothing had happened,
and at no time is a part of a file to be seen.
"""

import contextlib
import errno
import functools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from openmsi_core.errors import Retryable
from openmsi_core.folder_destination import FolderDestination
from openmsi_core.placing import Folder
from tests.support.disk_faults import Faults, Killed
from tests.support.fake_log import Log
from tests.support.receiving import Member
from tests.support.sending import chunks, upload

CONTENT = bytes(range(256)) * 12
SMALL = b"small"
HALF = 3


def story() -> tuple[Log, dict[str, bytes]]:
    """The topic, and what is to be in the folder at the end."""
    log, by = Log(1), upload(CONTENT)
    pieces = list(chunks("deep/er/a", CONTENT))
    for piece in pieces[:HALF]:
        log.append(0, piece, by)
    log.append(0, b"poison")
    for piece in chunks("bad", CONTENT):
        log.append(0, replace(piece, file_hash=bytes(64)))
    for path, content in (("small", SMALL), ("link/a", CONTENT)):
        for piece in chunks(path, content):
            log.append(0, piece)
    for piece in pieces[HALF:]:
        log.append(0, piece, by)
    return log, {"deep/er/a": CONTENT, "small": SMALL}


def start(log: Log, root: Path) -> Member:
    folder = Folder(root)
    member = Member(log, root, FolderDestination(folder, root))
    member.destination = FolderDestination(folder, member.staging.own)
    folder.check(member.staging.own)
    return member


def tell(member: Member, again: Callable[[], object]) -> None:
    """Go through the story; ``again`` is called before a step is tried again."""
    half = len(member.log.partitions[0]) - 1

    def until_half() -> None:
        while member.position[0] < half and member.read(0):
            pass
        while member.waiting:
            member.deliver()
        member.collect()

    for step in (until_half, member.park, member.commit, member.drain, member.commit):
        while True:
            try:
                step()
                break
            except Retryable:
                again()


def visible(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and ".openmsi" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def check_end(root: Path, member: Member, expected: dict[str, bytes]) -> None:
    assert visible(root) == expected
    reasons = [path.read_text() for path in (root / ".openmsi" / "quarantine").glob("*/reason.json")]
    assert sum("not MessagePack" in reason for reason in reasons) == 1
    assert sum("SHA-512" in reason for reason in reasons) == 1
    assert sum("in the way" in reason for reason in reasons) == 1
    kept = [path.read_bytes() for path in (root / ".openmsi" / "quarantine").glob("*/content")]
    assert kept == [CONTENT, CONTENT]
    assert member.commit() == {0: len(member.log.partitions[0])}


def prepare(disk: Path, number: int) -> Path:
    root = disk / str(number)
    (root / "elsewhere").mkdir(parents=True)
    (root / "link").symlink_to(root / "elsewhere")
    return root


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a real disk takes its time for thousands of syncs."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield Path(folder)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_each_call_fails_once(disk: Path, code: int) -> None:
    for number in range(1000):
        root = prepare(disk, number)
        log, expected = story()
        member = start(log, root)
        tries = iter(range(20))
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(patch, number, code)
            tell(member, functools.partial(next, tries))
        check_end(root, member, expected)
        member.staging.close()
        if not faults.happened:
            assert number > 100, "the story is longer than that"
            return
    pytest.fail("the story does not end")


def test_each_call_is_the_last(disk: Path) -> None:
    for number in range(1000):
        root = prepare(disk, number)
        log, expected = story()
        member = start(log, root)
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(patch, number, None)
            with contextlib.suppress(Killed):
                tell(member, lambda: pytest.fail("nothing fails"))
        member.kill()
        assert visible(root).items() <= expected.items(), f"a part is to be seen after call {number}"
        again = start(log, root)
        tell(again, lambda: pytest.fail("nothing fails"))
        check_end(root, again, expected)
        again.staging.close()
        assert [path.name for path in (root / ".openmsi" / "staging").iterdir()] == []
        if not faults.happened:
            return
    pytest.fail("the story does not end")
