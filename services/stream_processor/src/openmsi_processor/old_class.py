"""Programs made of the old classes: the user's script runs in a worker, and tells from there what is to be done.

The script has its own command line, and may construct its processor with whatever it likes; so it is started first, and
what it asks for becomes the settings. Run as ``python -m openmsi_processor.old_class TARGET ARGS…`` by the script
itself, when its user has started it; TARGET is ``file:PATH`` or ``module:NAME``.
"""

import contextlib
import functools
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from openmsi_core.env_file import load_environment
from openmsi_core.errors import ConfigError, Fatal
from openmsi_core.service import Service, run
from openmsi_core.settings import find
from openmsi_core.sources import from_environment
from openmsi_processor.crew import Crew
from openmsi_processor.died import Died
from openmsi_processor.held_log import HeldLog
from openmsi_processor.own_options import split
from openmsi_processor.packages import PLACE, packages_for
from openmsi_processor.processing import process
from openmsi_processor.settings import ProcessorSettings
from openmsi_processor.shelter import close_to_others
from openmsi_processor.starting import MB, start_worker
from openmsi_processor.worker_process import WorkerProcess

_PROGRAM = "StreamProcessor"
_user_log = logging.getLogger("openmsi_processor.user")

Message = dict[str, Any]


def main(arguments: Sequence[str]) -> int:
    """Run the script; returns the exit code of the program."""
    close_to_others()
    try:
        environ = load_environment(os.environ, Path.cwd())
        own, rest = split(arguments[1:])
        script = _Script(arguments[0], rest, own, environ)
        with HeldLog() as held:
            return script.run(held)
    except Fatal as error:
        print(f"{_PROGRAM}: {error}", file=sys.stderr)
        return error.exit_code


class _Script:
    """The user's script, and the worker that runs it."""

    def __init__(self, target: str, args: Sequence[str], own: Mapping[str, str], environ: Mapping[str, str]) -> None:
        """``own`` are options that only the service knows."""
        self._target = target
        self._args = list(args)
        self._own = dict(own)
        self._environ = environ
        self._packages = environ.get(PLACE, "")
        self._state = self._own.get("state_dir") or environ.get("OPENMSI_STATE_DIR", "")
        self._cache = Path.cwd() / self._state / "cache"
        self._megabytes: int | None = None
        self._error: Fatal | None = None

    def run(self, held: HeldLog) -> int:
        """Until it has ended; returns the exit code. Raises Fatal."""
        with contextlib.ExitStack() as stack:
            if not self._state:
                self._cache = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            return self._run(held)

    def _run(self, held: HeldLog) -> int:
        self._find_packages()
        worker = self._start("worker 1")
        try:
            hello, _ = worker.hello()
            if hello["is"] == "mistake":
                worker.wait()  # so that all it has printed is here
            if "exit" in hello:  # it has ended, as after --help
                held.print(sys.stderr if hello["exit"] else sys.stdout)
                return int(hello["exit"])
            if hello["is"] == "mistake":
                held.print(sys.stderr)
                raise ConfigError(hello["text"])
            options = {**hello["options"], **self._own}
            argv = [hello["file"], *(f"--{name}={value}" for name, value in options.items())]
            return run(hello["name"], ProcessorSettings, functools.partial(self._process, held, worker), argv)
        except Died as died:
            held.print(sys.stderr)
            raise self._error or ConfigError(f"{self._target.partition(':')[2]}: it {died}") from None
        finally:
            worker.kill("was not needed")
            worker.wait()

    def _process(self, held: HeldLog, first: WorkerProcess, settings: ProcessorSettings, service: Service) -> None:
        held.replay()
        self._cache = settings.state_dir / "cache"
        if settings.memory_limit is not None:
            self._megabytes = settings.memory_limit
            first.send({"do": "limit", "memory": settings.memory_limit * MB})
        waiting = [first]

        def start(name: str) -> WorkerProcess:
            worker = waiting.pop() if waiting else self._start(name)
            worker.on_message = functools.partial(self._on_message, worker, service.stop.set)
            return worker

        process(settings, service, Crew(start, 1, settings.processing_timeout, service.stop), self._environ)

    def _find_packages(self) -> None:
        """Those of requirements.txt, where the image has a place for them; it names the state folder, too."""
        kind, _, name = self._target.partition(":")
        if self._packages and self._state and kind == "file":
            state = Path.cwd() / self._state
            self._packages = packages_for(Path(name), state, self._environ, Service()) or self._packages

    def _start(self, name: str) -> WorkerProcess:
        worker = start_worker(self._target, self._cache, self._megabytes, self._environ, self._packages, name)
        worker.on_message = functools.partial(self._on_message, worker, lambda: None)
        worker.send({"do": "begin", "args": self._args})
        return worker

    def _on_message(self, worker: WorkerProcess, stop: Callable[[], None], head: Message) -> None:
        match head:
            case {"is": "asks", "config": str(config), "named": bool(named)}:
                try:
                    worker.send({"do": "answer", "given": self._given(config, named)})
                except Fatal as error:
                    self._error = error
                    worker.kill("was not needed")
            case {"is": "log", "level": int(level), "text": str(text), "path": str(path)}:
                for line in text.splitlines():
                    _user_log.log(level, "%s: %s" if path else "%s%s", path, line.expandtabs(4))
            case {"is": "stop"}:
                stop()

    def _given(self, config: str, named: bool) -> dict[str, str]:
        """What environment and config file say. Raises Fatal when the file that the user has named cannot be used."""
        try:
            given = find(ProcessorSettings, ["--config", config] if config else [], self._environ, Path.cwd()).given
        except Fatal:
            if named:
                raise
            names = {name: name for name in ProcessorSettings.model_fields}
            given = ProcessorSettings.translate(from_environment(names, self._environ))
        return {name: str(each.value) for name, each in given.items() if not (name == "config" and config)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
