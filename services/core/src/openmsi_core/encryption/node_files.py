"""The files of a node on disk: made whole or not at all, and changed whole or not at all."""

import configparser
import io
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from openmsi_core.durable import create_file, sync_folder
from openmsi_core.encryption.node import Node, held

Owner = tuple[int, int]
"""User id and group id."""

SECRET = 0o600
"""Mode of a file that its owner alone can read."""

_MAKING = ".making"


def install(
    node: Node, contents: Mapping[str, bytes], check: Callable[[Node], None], owner: Owner | None = None
) -> None:
    """Make the files of a new node from ``contents`` (by suffix), readable by ``owner`` (or this user) only.

    ``check`` sees them before they get their names. What an interrupted call left is never used: it is removed, and all
    is made anew. Durable on return. Raises FileExistsError when a file is there, OSError, ConfigError when another
    process is at it, and what ``check`` raises.
    """
    make_private_folder(node.folder, owner)
    with held(node, "openmsi provision"):
        give(node.lock, owner)
        _clear_unfinished(node)
        for path in node.files:
            if os.path.lexists(path):
                raise FileExistsError(path)
        staged = Node(node.folder / _MAKING, node.name)
        staged.folder.mkdir(mode=0o700)
        sync_folder(node.folder)  # from here on, what has a name without a .config is known to be unfinished
        for path in staged.files:
            create_file(path, contents[path.suffix], SECRET)
            give(path, owner)
        check(staged)
        for made, path in reversed(list(zip(staged.files, node.files, strict=True))):  # nobody uses it without .config
            made.rename(path)
            sync_folder(node.folder)
        staged.folder.rmdir()


def is_whole(node: Node) -> bool:
    """Whether all files of ``node`` are there."""
    return all(path.is_file() for path in node.files)


def _clear_unfinished(node: Node) -> None:
    """Remove what an interrupted `install` left; a node that was whole by then stays."""
    making = node.folder / _MAKING
    if not making.is_dir():
        return
    if not node.config.exists():
        for path in (node.crypto, node.seed):
            path.unlink(missing_ok=True)
        sync_folder(node.folder)  # else these might come back without what marks them as unfinished
    shutil.rmtree(making)


def make_private_folder(folder: Path, owner: Owner | None) -> None:
    """Make ``folder``, which may be there, and let ``owner`` (or this user) alone into it. Raises OSError."""
    missing = [each for each in folder.parents if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    for made in (folder, *missing):
        give(made, owner)
        sync_folder(made.parent)


def replace(path: Path, content: bytes) -> None:
    """Put ``content`` in the place of what ``path`` has; owner and mode stay. Durable on return. Raises OSError.

    One process at a time.
    """
    before = path.stat()
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    create_file(beside, content, SECRET)
    give(beside, (before.st_uid, before.st_gid))
    beside.chmod(before.st_mode & 0o7777)
    beside.replace(path)
    sync_folder(path.parent)


def give(path: Path, owner: Owner | None) -> None:
    """Let ``path`` belong to ``owner``, if it does not yet. Raises OSError."""
    if owner and hasattr(os, "chown"):
        now = path.stat()
        if (now.st_uid, now.st_gid) != owner:
            os.chown(path, *owner)


def read_node_config(path: Path) -> configparser.ConfigParser:
    """The library's own file of a node, as it reads it. Raises OSError and configparser.Error."""
    config = new_node_config()
    config.read_string(path.read_text(encoding="utf-8"))
    return config


def new_node_config(sections: Mapping[str, Mapping[str, str]] | None = None) -> configparser.ConfigParser:
    """A file of a node with these sections, not yet on disk."""
    config = configparser.ConfigParser(delimiters=(":",), comment_prefixes=(";",))
    config.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep the case of keys
    config.read_dict(sections or {})
    return config


def text_of(config: configparser.ConfigParser) -> bytes:
    """``config`` as it stands in a file."""
    text = io.StringIO()
    config.write(text)
    return text.getvalue().encode()


def values_of(config: configparser.ConfigParser, section: str, decode: Callable[[str], Any]) -> dict[str, Any]:
    """What stands in ``section`` itself, decoded; nothing when there is no such section."""
    if not config.has_section(section):
        return {}
    return {name: decode(text) for name, text in config[section].items() if name not in config.defaults()}
