"""The folder of each process: made, made again, cleared away when its process is dead."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmsi_core import locks, staging_folder
from openmsi_core.chunk import Chunk
from openmsi_core.errors import Retryable
from openmsi_core.generation import Generation
from openmsi_core.staging import Staging
from tests.support.sending import chunks


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Staging]:
    made = Staging(tmp_path)
    made.folder.start()
    yield made
    made.close()


def cut(content: bytes = b"content" * 1500, path: str = "a") -> tuple[Generation, list[Chunk]]:
    pieces = list(chunks(path, content))
    return Generation.of(pieces[0], None), pieces


def write(stage: Staging, generation: Generation, pieces: list[Chunk]) -> None:
    for piece in pieces:
        stage.write(generation, piece)


def test_a_wiped_folder_is_made_again(stage: Staging, tmp_path: Path) -> None:
    generation, pieces = cut()
    write(stage, generation, pieces[:5])
    shutil.rmtree(tmp_path / ".openmsi")
    new = cut(b"new" * 1000, "b")
    with pytest.raises(Retryable):
        write(stage, *new)
    stage.folder.heal()
    write(stage, *new)
    assert stage.seal(new[0]).path.read_bytes() == b"new" * 1000
    assert locks.try_lock(stage.own / "lock") is None, "it is locked again"


def test_a_missing_root_is_not_made(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    stage = Staging(root)
    stage.folder.start()
    shutil.rmtree(root)
    with pytest.raises(Retryable, match="bring the folder back"):
        stage.folder.heal()
    assert not root.exists()
    stage.close()


def test_another_disk_at_the_place_of_the_root_is_left_alone(stage: Staging, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / ".openmsi")
    stage.folder._device += 1
    stage.folder.heal()
    assert list(tmp_path.iterdir()) == []


def test_folders_of_dead_processes_are_removed_and_those_of_living_ones_are_not(tmp_path: Path) -> None:
    alive, dead = Staging(tmp_path), Staging(tmp_path)
    alive.folder.start()
    dead.folder.start()
    write(dead, *cut())
    assert dead.folder._lock is not None
    for file in dead._files.values():
        os.close(file)
    dead.folder._lock.close()  # as the operating system does when a process ends
    newcomer = Staging(tmp_path)
    newcomer.folder.start()
    assert {folder.name for folder in alive.own.parent.iterdir()} == {alive.own.name, newcomer.own.name}
    for each in (alive, newcomer):
        each.close()
    assert list(alive.own.parent.iterdir()) == []


def test_a_folder_that_is_taken_for_dead_while_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = iter([True])

    def lock_late(path: Path) -> object:
        file = locks.try_lock(path)
        if next(first, False):
            shutil.rmtree(path.parent)
        return file

    monkeypatch.setattr(staging_folder, "try_lock", lock_late)
    stage = Staging(tmp_path)
    stage.folder.start()
    write(stage, *cut())
    stage.close()


def test_a_file_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(_file: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks, "lock", no_locks)
    stage = Staging(tmp_path)
    with pytest.raises(Retryable, match="No locks available"):
        stage.folder.start()
    stage.close()


def test_closing_removes_everything(stage: Staging) -> None:
    write(stage, *cut())
    stage.close()
    assert not stage.own.exists()
