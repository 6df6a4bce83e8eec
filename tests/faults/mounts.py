"""Mounts that come and go; root alone can make them."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def small_disk(where: Path, *options: str) -> Iterator[Path]:
    """A disk of its own (tmpfs with these ``options``) at ``where``; afterwards it is gone, with all that is on it."""
    where.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", where)
    try:
        yield where
    finally:
        _run("umount", "--lazy", where)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing new can be written below ``folder`` while inside. What is open for writing stays so.

    The kernel refuses to make a mount read-only that has files open for writing, so another is put on top.
    """
    _run("mount", "--bind", folder, folder)
    try:
        _run("mount", "-o", "remount,bind,ro", folder)
        yield
    finally:
        _run("umount", "--lazy", folder)


@contextlib.contextmanager
def bound(disk: Path, where: Path) -> Iterator[None]:
    """What is in folder ``disk`` is also at ``where`` while inside."""
    _run("mount", "--bind", disk, where)
    try:
        yield
    finally:
        _run("umount", "--lazy", where)


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, timeout=30)
