"""Starts the processes that run a user's file, and says what their results are made by."""

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openmsi_processor.environment import environment_of
from openmsi_processor.result_topic import Provenance
from openmsi_processor.worker_process import WorkerProcess

MB = 1_000_000


def start_worker(
    target: str, cache: Path, megabytes: int | None, environ: Mapping[str, str], packages: str, name: str
) -> WorkerProcess:
    """Start a worker called ``name`` for ``target`` (a path, or ``file:PATH`` and ``module:NAME`` of scripts).

    It may take ``megabytes`` of memory (None = any), sees the part of ``environ`` that user code may see, and ``cache``
    and ``packages`` as `environment_of` says. Does not wait until it is ready. Raises OSError.
    """
    limit = [] if megabytes is None else [f"memory={megabytes * MB}"]
    # -P: a json.py in the current folder must not take the place of Python's.
    command = [sys.executable, "-P", "-m", "openmsi_processor.worker", target, *limit]
    return WorkerProcess(command, environment_of(environ, cache, packages), name)


def made_by(ready: Mapping[str, Any], file: Path, environ: Mapping[str, str]) -> Provenance:
    """What results say of the code in ``file``, of which a worker has said ``ready``."""
    version = ready["version"] or ready.get("code", "")[:12] or hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    return Provenance(ready["name"], version, environ.get("OPENMSI_IMAGE_DIGEST", ""))
