"""A live line at a terminal: files, bytes, rate, what is pending."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from openmsi_core.status import Status, size

_INTERVAL = 0.5


@contextlib.contextmanager
def progress_display(program: str, log_format: str) -> Iterator[Callable[[Status], None] | None]:
    """Show a live line on standard error while inside, if that is a terminal and the log is plain text.

    Gives the function that takes each new status, or None where there is nothing to show. Whatever else is written to
    ``sys.stderr`` meanwhile appears above the line.
    """
    if log_format != "plain" or not sys.stderr.isatty():
        yield None
        return
    # Imported here: a service without a terminal has no use for its memory.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn  # noqa: PLC0415

    columns = (SpinnerColumn(), BarColumn(20), TransferSpeedColumn(), TextColumn("{task.description}", markup=False))
    # Refreshed by the program's own loop: a display that moves while the loop hangs would lie.
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as bar:
        task = bar.add_task(program, total=None)
        shown = 0.0

        def show(status: Status) -> None:
            nonlocal shown
            if time.monotonic() - shown < _INTERVAL:
                return
            shown = time.monotonic()
            bar.update(task, completed=status.bytes_done, total=status.bytes_done + status.bytes_pending)
            bar.update(task, description=_line(status), refresh=True)

        yield show


def _line(status: Status) -> str:
    done = f"{status.files_done} files, {size(status.bytes_done)}"
    pending = f"{status.files_pending} pending, {size(status.bytes_pending)}"
    return f"{done} | {pending}" + (f" | waiting for {status.waiting_for}" if status.waiting_for else "")
