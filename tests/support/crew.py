"""Workers without a service, for tests of what goes on between the two."""

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openmsi_processor.crew import Crew
from openmsi_processor.environment import environment_of
from openmsi_processor.worker_process import WorkerProcess
from tests.support.processing import HEAD


class Workers:
    """A crew that runs ``code`` in ``folder``."""

    def __init__(self, folder: Path, code: str, *options: str, size: int = 1, seconds: float = 60.0) -> None:
        self.folder = folder
        self.file = folder / "user_code.py"
        self.file.write_text(HEAD + code)
        self.stop = threading.Event()
        self.crew = Crew(self._start, size, seconds, self.stop)
        self._options = options

    def _start(self, name: str) -> WorkerProcess:
        command = [sys.executable, "-P", "-m", "openmsi_processor.worker", str(self.file), *self._options]
        return WorkerProcess(command, environment_of(os.environ, self.folder), name)

    def call(self, path: str, content: bytes = b"1") -> tuple[dict[str, Any], list[bytes]]:
        """What the code answers for a file."""
        facts: dict[str, Any] = {"path": path, "sha512": "", "size": len(content), "mtime": 0.0, "upload_id": ""}
        facts |= {"topic": "t", "partition": 0, "offset": 0}
        desk = self.folder / f"desk of {path.replace('/', '_')}"
        head = {"do": "file", "facts": facts, "scratch": str(desk), "content": None, "folder": None}
        return self.crew.call(head, [content], path)

    def close(self) -> None:
        """End all."""
        self.crew.close()


Start = Callable[..., Workers]
"""Takes code, and as `Workers` does."""


def value(workers: Workers, path: str, content: bytes = b"1") -> Any:
    """The result of the code for a file that it must be able to deal with."""
    answer, blobs = workers.call(path, content)
    assert answer["is"] == "done", answer
    return json.loads(blobs[answer["value"]])
