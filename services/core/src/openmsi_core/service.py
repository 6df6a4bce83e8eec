"""The frame around every program: settings, log, signals, keys, heartbeat, exit code."""

import contextlib
import logging
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import TypeVar

from openmsi_core import __version__
from openmsi_core.counters import Counters
from openmsi_core.descriptors import make_room
from openmsi_core.encryption.cipher import PLAIN, Cipher
from openmsi_core.encryption.opening import opened
from openmsi_core.errors import BrokerUnreachable, Fatal, InternalError
from openmsi_core.heartbeat import Heartbeat
from openmsi_core.logs import logging_to
from openmsi_core.progress import progress_display
from openmsi_core.reporting import reporting
from openmsi_core.settings import ProgramSettings, load, masked
from openmsi_core.state import make_state_dir
from openmsi_core.status import Status
from openmsi_core.terminal import read_keys

__all__ = ["Service", "Status", "run"]

S = TypeVar("S", bound=ProgramSettings)
Main = Callable[[S, "Service"], None]
_log = logging.getLogger(__name__)
_END = ""


class Service:
    """What a program's main function gets beside its settings: when to stop, and whom to tell how it goes."""

    def __init__(
        self,
        heartbeat: Heartbeat | None = None,
        *,
        update_seconds: float = -1,
        display: Callable[[Status], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        counts: Counters | None = None,
        cipher: Cipher = PLAIN,
    ) -> None:
        self.stop = threading.Event()
        """Set when the program is to end: finish or drop cleanly what is in flight, then return."""
        self.status = Status()
        """The last one that `beat` was told."""
        self.counts = counts or Counters()
        """What heartbeats on a topic tell of: count every message here."""
        self.cipher = cipher
        """What records go through on their way to and from Kafka."""
        self.began_ns = time.time_ns()
        """When the program began, nanoseconds since the epoch: until there was a `cipher` may have taken long."""
        self._heartbeat = heartbeat
        self._update_seconds = update_seconds
        self._display = display
        self._clock = clock
        self._said = clock()

    def beat(self, status: Status) -> None:
        """Tell that the loop turned and what it has done. Call it at least every 30 seconds, from one thread.

        Cheap enough for every turn; writes the heartbeat file at most once a second. Never raises for want of disk.
        """
        self.status = status
        now = self._clock()
        if self._heartbeat:
            self._heartbeat.write(status, now)
        if self._display:
            self._display(status)
        if 0 < self._update_seconds <= now - self._said:
            self._said = now
            _log.info("still alive: %s", status)


def run(program: str, model: type[S], main: Main[S], argv: Sequence[str] | None = None) -> int:
    """Load the settings, run ``main`` until it returns or raises, and give the exit code of the process.

    Call it from the main thread. SIGTERM, SIGINT and ``q`` at a terminal set `Service.stop`; a second SIGINT ends the
    process at once. An error that the user can mend is one line; any other is logged with its traceback.
    """
    try:
        settings = load(model, sys.argv[1:] if argv is None else argv, os.environ, Path.cwd())
        make_state_dir(settings.state_dir)
    except Fatal as error:
        print(f"{program}: {error}", file=sys.stderr)
        return error.exit_code
    except SystemExit:  # --help and --version, after printing
        return 0
    with logging_to(program, settings):
        return _guarded(program, lambda: _report_and_run(program, settings, main))


def _guarded(program: str, work: Callable[[], int | None]) -> int:
    try:
        return work() or 0
    except Fatal as error:
        _log.critical("%s", error)
        return error.exit_code
    except Exception:
        _log.critical("%s stops: this is a fault of the program itself, please report it", program, exc_info=True)
        return InternalError.exit_code


def _report_and_run(program: str, settings: S, main: Main[S]) -> int:
    commands: SimpleQueue[str] = SimpleQueue()
    cipher: Future[Cipher] = Future()
    with (
        _signals_into(commands),
        contextlib.ExitStack() as stack,  # keys are handed out until the last report is sent
        reporting(settings, cipher) as counts,  # what it dies of is reported, too
    ):
        return _guarded(program, lambda: _run_main(program, settings, main, commands, counts, cipher, stack))


def _run_main(
    program: str,
    settings: S,
    main: Main[S],
    commands: "SimpleQueue[str]",
    counts: Counters,
    cipher: "Future[Cipher]",
    stack: contextlib.ExitStack,
) -> None:
    make_room()
    system = f"Python {platform.python_version()} on {platform.platform(terse=True)}"
    _log.info("%s %s starts, %s", program, __version__, system)
    _log.info("settings: %s", ", ".join(f"{name}={value}" for name, value in masked(settings).items()))
    for remark in settings.remarks():
        _log.warning("%s", remark)
    heartbeat = Heartbeat(settings.state_dir, program) if settings.long_running else None
    failures: list[BaseException] = []
    with progress_display(program, settings.log_format) as display:
        update_seconds = -1 if display else settings.update_seconds
        service = Service(heartbeat, update_seconds=update_seconds, display=display, counts=counts)
        with _thread_failures(failures, service), _obeying(commands, service):
            read_keys(commands.put)
            try:
                if begun := stack.enter_context(_opened(program, settings, service)):
                    service.cipher = begun
                    cipher.set_result(begun)
                    main(settings, service)
                elif not settings.long_running:
                    raise BrokerUnreachable("stopped before anything was sent")
            except Exception:
                if not failures:  # else what main says is only what came of a thread's death
                    raise
    if failures:
        raise failures[0]
    if heartbeat:
        heartbeat.remove()
    _log.info("%s has stopped: %s", program, service.status)


def _opened(program: str, settings: S, service: Service) -> contextlib.AbstractContextManager[Cipher | None]:
    return opened(settings.encryption(), program, service.stop, service.beat, settings.patience)


@contextlib.contextmanager
def _signals_into(commands: "SimpleQueue[str]") -> Iterator[None]:
    """Turn signals into commands.

    A handler runs between any two steps of the main thread, which may just then hold the lock inside the stop event or
    the log: so it only puts into a queue, which is safe there, and another thread does the rest.
    """
    interrupts = 0

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal interrupts
        interrupts += number == signal.SIGINT
        if interrupts > 1:
            if os.isatty(2):
                os.write(2, b"\x1b[?25h\n")  # the progress display hides the cursor
            os._exit(128 + number)
        commands.put(signal.Signals(number).name)

    names = ("SIGTERM", "SIGINT", "SIGBREAK")  # the last is Ctrl-Break and "close" on Windows
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _obeying(commands: "SimpleQueue[str]", service: Service) -> Iterator[None]:
    def obey() -> None:
        for command in iter(commands.get, _END):
            match command:
                case "c" | "check":
                    _log.info("status: %s", service.status)
                case "q" | "quit" | "SIGTERM" | "SIGINT" | "SIGBREAK":
                    _log.info("stopping (%s): finishing what is in flight", command)
                    service.stop.set()
                case _:
                    _log.info("type c (check) for the status, q (quit) to stop")

    thread = threading.Thread(target=obey, name="commands", daemon=True)
    thread.start()
    try:
        yield
    finally:
        commands.put(_END)
        thread.join()


@contextlib.contextmanager
def _thread_failures(failures: list[BaseException], service: Service) -> Iterator[None]:
    """A thread that dies of an exception stops the program, instead of leaving it half alive."""

    def note(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_value is not None:
            failures.append(failed.exc_value)
            service.stop.set()

    before, threading.excepthook = threading.excepthook, note
    try:
        yield
    finally:
        threading.excepthook = before
