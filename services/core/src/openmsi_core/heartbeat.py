"""The heartbeat file: proof for the health check that the program's loop turns, and what waits."""

import contextlib
import dataclasses
import json
import os
import socket
from pathlib import Path

from openmsi_core.status import Status

_INTERVAL = 1.0


def heartbeat_file(state_dir: Path) -> Path:
    """The file for this machine or container: replicas of a receiver may share the state folder, and nothing else."""
    return state_dir / f"heartbeat-{socket.gethostname()}.json"


class Heartbeat:
    """Writes the heartbeat file of a program into its state folder."""

    def __init__(self, state_dir: Path, program: str) -> None:
        self._path = heartbeat_file(state_dir)
        self._program = program
        self._written: float | None = None

    def write(self, status: Status, now: float) -> None:
        """Replace the file if it is a second old; ``now`` is monotonic time, which all processes of a machine share.

        Readers see the old file or the new one, never a part. A full disk is left to age the heartbeat.
        """
        if self._written is not None and now - self._written < _INTERVAL:
            return
        self._written = now
        beat = {"program": self._program, "pid": os.getpid(), "monotonic": now, **dataclasses.asdict(status)}
        temporary = self._path.with_suffix(".tmp")
        with contextlib.suppress(OSError):
            temporary.write_text(json.dumps(beat), encoding="utf-8")
            temporary.replace(self._path)

    def remove(self) -> None:
        """Take the file away: nothing runs here."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
