"""Faults at chosen system calls of a real program, put there by strace(1) without a change to the program.

A `Step` is counted in each thread by itself, from the moment at which strace looks: `at` takes hold of a running
program, so that step 1 is the first of what comes next; `from_start` counts from the program's beginning. A killed
program dies just before the step. Needs the right to trace other processes (root).
"""

import contextlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

Part = Literal["main", "rest", "kafka"]
"""Which threads: the main one, the program's others, or librdkafka's."""

KILL = "signal=KILL"
_ATTACHED = re.compile(r"Process (\d+) attached")


@dataclass(frozen=True, slots=True)
class Step:
    """The ``number``-th ``call`` of a thread of ``part``; ``call`` may be several names with commas."""

    part: Part
    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.part} {self.call} {self.number}"


class Log:
    """What strace has seen; one for each use."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"strace-{uuid4().hex[:8]}.txt"

    @property
    def text(self) -> str:
        """All of it; "" before anything happened."""
        return self.path.read_text(errors="replace") if self.path.exists() else ""

    @property
    def hits(self) -> int:
        """How many faults really happened."""
        text = self.text
        return text.count("(INJECTED)") + min(1, text.count("+++ killed by SIGKILL +++"))


def names(call: str) -> str:
    """For strace: each call that this processor has."""
    return ",".join(f"?{name}" for name in call.split(","))


def threads(process: int, part: Part) -> list[int]:
    """Those of a running program that are ``part`` of it."""
    found: dict[Part, list[int]] = {"main": [process], "rest": [], "kafka": []}
    for thread in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(OSError):  # it ended meanwhile
            kafka = (thread / "comm").read_text().startswith("rdk:")
            if int(thread.name) != process:
                found["kafka" if kafka else "rest"].append(int(thread.name))
    return found[part]


def from_start(call: str, log: Log, inject: str | None = None) -> tuple[str, ...]:
    """Prefix of a command that is traced from its beginning, in all threads; ``inject`` as `injection` makes it.

    The program is the direct child of who starts it (``-D``), so that signals and exit codes are its own. Not with
    ``--seccomp-bpf``, which is quicker: it loses the signal that is to kill.
    """
    what = ("-e", inject) if inject else ()
    return ("strace", "-D", "-f", "-qq", "-o", str(log.path), "-e", f"trace={names(call)}", *what)


def injection(call: str, effect: str, number: int, *, on: bool = False) -> str:
    """``effect`` (`KILL` or "error=EIO") at the ``number``-th ``call`` of a thread; when ``on``, at later ones too."""
    return f"inject={names(call)}:{effect}:when={number}{'+' * on}"


@contextlib.contextmanager
def at(process: int, step: Step, effect: str, log: Log, *, on: bool = False) -> Iterator[None]:
    """Have ``effect`` at ``step`` of a running program (and at all later ones when ``on``) while inside."""
    inject = injection(step.call, effect, step.number, on=on)
    traced = threads(process, step.part)
    command = ["strace", "-o", str(log.path), "-e", f"trace={names(step.call)}", "-e", inject]
    command += [word for thread in traced for word in ("-p", str(thread))]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        _wait_until_attached(tracer, len(traced))
        yield
    finally:
        tracer.terminate()  # it lets go of what still runs
        tracer.communicate()


def _wait_until_attached(tracer: "subprocess.Popen[str]", count: int) -> None:
    assert tracer.stderr is not None
    said = []
    while count:
        line = tracer.stderr.readline()
        said.append(line)
        assert line, f"strace cannot trace: {''.join(said)}"
        count -= _ATTACHED.search(line) is not None
