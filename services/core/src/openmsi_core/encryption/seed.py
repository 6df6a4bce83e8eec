"""The seed of a node: durable before anything is encrypted with a key made from it, and never taken twice.

All data keys of a node come from its seed, which counts on at each start and each day. A seed that went back in time
(a restored backup, a copy in an image) makes keys that were used before: two records would be encrypted alike, and
who has both reads both. So the counter is also kept in the program's state folder, which lies on another volume; and
the keys that the node has used lie in its `.config`.
"""

import errno
import hashlib
import io
import os
from collections.abc import Collection
from pathlib import Path

import msgpack

from openmsi_core.durable import write_file
from openmsi_core.encryption.node import Node
from openmsi_core.errors import ConfigError

_LOOK_AHEAD = 4096  # starts and days


class SeedFile(io.FileIO):
    """The seed on disk, as KafkaCrypto writes it; what was written is durable when `flush` returns.

    Raises ConfigError, and leaves the file alone, when it is behind the mark in the state folder. Without a state
    folder, or when that was lost, there is no mark.
    """

    def __init__(self, node: Node, identity: bytes, state_dir: Path | None) -> None:
        self._node = node
        self._mark = state_dir / f"node-{hashlib.sha256(identity).hexdigest()[:16]}" if state_dir else None
        self._least = _read_mark(self._mark)
        self._next: int | None = None
        super().__init__(node.seed, "rb+")

    def write(self, content: bytes) -> int:  # type: ignore[override]
        """Replace the seed by the one after it."""
        counter = counter_of(content)
        if counter - 1 < self._least:
            raise went_back(self._node)
        written = super().write(content)
        if written != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._next = counter
        return written

    def flush(self) -> None:
        """The seed first: a mark ahead of it would say that it has gone back."""
        super().flush()
        if self._next is None:
            return
        os.fsync(self.fileno())
        if self._mark:
            write_file(self._mark, str(self._next).encode())
        self._least, self._next = self._next, None

    @property
    def replaced(self) -> bool:
        """Whether another file lies at its place now. Raises OSError."""
        return not os.path.samestat(self._node.seed.stat(), os.fstat(self.fileno()))


def counter_of(content: bytes) -> int:
    """Number of the next key. Raises ValueError when ``content`` is no seed."""
    counter = msgpack.unpackb(content, raw=True)[0]
    if not isinstance(counter, int):
        raise ValueError("no counter in the seed")  # noqa: TRY004  # it is the file that is wrong
    return counter


def check_unused(node: Node, identity: bytes, counter: int, used: Collection[bytes | int]) -> None:
    """Raise ConfigError when ``used`` has the index of a key that the seed is still to make.

    The index of a key is a hash of the node's public key and the counter (KafkaCrypto, `Ratchet`).
    """
    for number in range(counter, counter + _LOOK_AHEAD) if used else ():
        if hashlib.blake2b(identity + number.to_bytes(16), digest_size=32).digest() in used:
            raise went_back(node)


def went_back(node: Node) -> ConfigError:
    """What to do about a seed that was used before."""
    return ConfigError(
        f"{node.seed} has gone back in time (a restored backup, or a copy?), and its keys were used before: delete the"
        f" node {node.name}, and provision a new one"
    )


def _read_mark(path: Path | None) -> int:
    try:
        return int(path.read_bytes()) if path else 0
    except FileNotFoundError:
        return 0
    except ValueError:
        raise ConfigError(
            f"{path}, which tells how far the node's seed has counted, is damaged: delete it if the node's files were"
            " never restored from a backup, else provision a new node"
        ) from None
