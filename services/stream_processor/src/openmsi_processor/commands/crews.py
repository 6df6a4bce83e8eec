"""User code at work, for the words here: in the same processes, with the same limits, as in the service."""

import contextlib
import functools
import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openmsi_core.env_file import load_environment
from openmsi_core.errors import BadInput, Retryable
from openmsi_core.service import Service
from openmsi_processor.crew import Crew
from openmsi_processor.packages import packages_for
from openmsi_processor.result_topic import Provenance
from openmsi_processor.script_kind import has_class
from openmsi_processor.settings import ProcessorSettings
from openmsi_processor.starting import made_by, start_worker
from openmsi_processor.worker_process import WorkerProcess

_user_log = logging.getLogger("openmsi_processor.user")

_OPTIONS = ("config", "topic_name", "producer_topic_name", "output_dir", "mode", "consumer_group_id")


@dataclass(frozen=True, slots=True)
class Code:
    """A user's file, and what its processes may take."""

    file: Path
    state_dir: Path
    seconds: float
    """For one file."""
    megabytes: int | None
    workers: int
    options: Mapping[str, str]
    """What a class as OpenMSIStream has them finds on its command line."""

    @classmethod
    def of(cls, settings: ProcessorSettings) -> "Code":
        """As ``settings`` say."""
        return cls(
            settings.processor_file,
            settings.state_dir,
            settings.processing_timeout,
            settings.memory_limit,
            settings.workers,
            {name: str(value) for name in _OPTIONS if (value := getattr(settings, name)) is not None},
        )


@dataclass(frozen=True, slots=True)
class Working:
    """Processes that run user code."""

    crew: Crew
    made_by: Provenance
    wanted: re.Pattern[str]
    """The paths that the code wants to see."""


@contextlib.contextmanager
def working(code: Code, service: Service) -> Iterator[Working]:
    """Have ``code`` ready to be called while inside. Blocks. Raises ConfigError, and BadInput when stopped."""
    environ = load_environment(os.environ, Path.cwd())
    packages = packages_for(code.file, code.state_dir, environ, service)
    if packages is None:
        raise BadInput("stopped before anything was done")
    (code.state_dir / "cache").mkdir(exist_ok=True)
    workers = 1 if has_class(code.file) else code.workers  # a class has threads in its one process
    crew = Crew(functools.partial(_worker, code, environ, packages), workers, code.seconds, service.stop)
    try:
        try:
            ready = crew.begin()
        except Retryable:
            raise BadInput("stopped before anything was done") from None
        yield Working(crew, made_by(ready, code.file, environ), re.compile(ready["files"]))
    finally:
        crew.close()


def _worker(code: Code, environ: Mapping[str, str], packages: str, name: str) -> WorkerProcess:
    old = has_class(code.file)
    target = f"file:{code.file}" if old else str(code.file)
    worker = start_worker(target, code.state_dir / "cache", code.megabytes, environ, packages, name)
    if old:
        worker.on_message = functools.partial(_answer, worker, code.options)
        worker.send({"do": "begin", "args": []})
    return worker


def _answer(worker: WorkerProcess, options: Mapping[str, str], head: Mapping[str, Any]) -> None:
    """What a script with a class asks and tells before and while it works."""
    match head:
        case {"is": "asks"}:
            worker.send({"do": "answer", "given": dict(options)})
        case {"is": "log", "level": int(level), "text": str(text)}:
            for line in text.splitlines():
                _user_log.log(level, "%s", line)
