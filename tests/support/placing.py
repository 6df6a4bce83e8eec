"""A destination folder for tests of placing, with files staged beside it."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from openmsi_core.generation import Version
from openmsi_core.paths import RelativePath
from openmsi_core.placing import Folder

CONTENT = b"content"
VERSION = Version(
    hashlib.sha512(CONTENT).digest(), "upload-7", "source ü", 1_700_000_000.123456, (1_690_000_000_000, 7)
)


def checked_folder(tmp_path: Path) -> Folder:
    """``tmp_path/root``, for files staged in ``tmp_path/scratch``."""
    for name in ("root", "scratch"):
        (tmp_path / name).mkdir()
    folder = Folder(tmp_path / "root")
    folder.check(scratch_of(folder))
    return folder


def scratch_of(folder: Folder) -> Path:
    return folder.root.parent / "scratch"


def path(text: str) -> RelativePath:
    return RelativePath.parse(text)


def put(folder: Folder, text: str, content: bytes = CONTENT, version: Version = VERSION) -> Path:
    """Stage a file and place it, all the way."""
    staged = scratch_of(folder) / "staged"
    staged.unlink(missing_ok=True)
    staged.write_bytes(content)
    folder.finish(staged, version)
    folder.place(staged, path(text))
    assert not staged.exists()
    return folder.root / text


def fail(monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    """Let a function of `os` fail."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, name, refuse)
