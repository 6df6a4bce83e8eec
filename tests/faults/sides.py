"""One program of a route that is struck by faults at chosen steps, held against the judge, and started again."""

import shutil
import signal
import time
from itertools import count
from random import Random

from tests.faults import strace
from tests.faults.strace import KILL, Log, Step
from tests.faults.world import Route
from tests.support.running import QUICK_SESSION, Program, wait_for

_READY = {"uploader": "reached: topic", "downloader": "reading partitions"}
_MENDABLE = (69, 78)
_NOTED_SECONDS = 1.3
"""After a file is in place, the ledger and the offsets follow within a second."""


class Side:
    """One program of a route: struck, held against the judge, started again."""

    def __init__(self, way: Route, which: str, random: Random) -> None:
        self._way = way
        self._which = which
        self._random = random
        self._numbers = count()
        self._sent: dict[str, bytes] = {}
        self._heard = 0
        self._program: Program | None = None

    @property
    def program(self) -> Program:
        """The one that runs, or ran last."""
        assert self._program is not None, "never started"
        return self._program

    def start(self, prefix: tuple[str, ...] = ()) -> None:
        """Start it, with the state of the last time; returns when it is ready or has ended."""
        if self._program is not None:
            self._program.kill()
            self._heard = len(self._program.output)
        one = ("--n_threads", "1")  # so that steps have the same numbers each time
        if self._which == "uploader":
            self._program = self._way.uploader(*one, prefix=prefix)
        else:
            self._program = self._way.downloader(*one, prefix=prefix, config=QUICK_SESSION)
        ended = self._program.process.poll
        wait_for(lambda: ended() is not None or _READY[self._which] in self.said, f"the {self._which} to be ready", 60)

    def see_through(self) -> None:
        """All that was left undone comes to its end, and a fresh file is carried. The other side must run."""
        self._way.judge.settle(90)
        self._put("fresh", 1000)
        self._way.judge.settle(90)

    def strike(self, step: Step, effect: str, *, on: bool = False) -> bool:
        """Send files with ``effect`` at ``step`` on their way; whether it was hit. Everything is right on return."""
        log = Log(self._way.world.folder)
        self._sent.clear()
        with strace.at(self.program.process.pid, step, effect, log, on=on):
            self._put_files()
            self._wait(log)
            if on:
                time.sleep(1)
        self._wait_on()
        hit = self._judge(log, effect, f"{self._which}, {step}, {effect}")
        if self.program.process.poll() is not None:
            self.start()
            self.see_through()
        self._way.judge.settle(90)
        return hit

    def outlast(self, step: Step, error: str) -> bool:
        """Send files, of which ``step`` and all after it fail, and kill the program once it had time to note too much.

        Returns whether there was such a step. Everything is right on return.
        """
        log = Log(self._way.world.folder)
        self._sent.clear()
        with strace.at(self.program.process.pid, step, f"error={error}", log, on=True):
            self._put_files()
            self._wait(log)
            time.sleep(_NOTED_SECONDS)
            self.program.kill()
        self._way.world.tally["kills"] += 1
        self._way.world.tally["injected errors"] += log.hits
        self.start()
        self.see_through()
        return log.hits > 0

    def strike_start(self, call: str, number: int, effect: str) -> bool:
        """Start it with ``effect`` at a step of its start; whether it was hit. Everything is right on return."""
        log = Log(self._way.world.folder)
        self.start(strace.from_start(call, log, strace.injection(call, effect, number)))
        hit = self._judge(log, effect, f"{self._which}, start, {call} {number}, {effect}")
        self.start()  # without strace
        self.see_through()
        return hit

    def forget_all(self) -> None:
        """Lose the state folder: the next start is a first one."""
        self.program.kill()
        shutil.rmtree(self.program.state)

    def first_open(self) -> int:
        """The number of the first ``openat`` of its start that is the program's own, not the interpreter's."""
        log = Log(self._way.world.folder)
        self.start(strace.from_start("openat", log))
        lines = [line for line in log.text.splitlines() if " openat(" in line]
        main = [line for line in lines if line.split()[0] == lines[0].split()[0]]
        return next(number for number, line in enumerate(main, 1) if str(self._way.world.folder) in line)

    @property
    def said(self) -> str:
        """What it has printed since it was started."""
        return self.program.output[self._heard :]

    def _put_files(self) -> None:
        for name, size in (("again", 700_000), ("run {}/small", 3000), ("run {}/deep/staged", 1_300_000)):
            self._put(name, size)

    def _put(self, name: str, size: int) -> None:
        path, content = f"{self._which}/{name}".format(next(self._numbers)), self._random.randbytes(size)
        self._sent[path] = content
        self._way.put(path, content)

    def _wait(self, log: Log) -> None:
        """Until the fault was met, or can no longer be."""
        until = time.monotonic() + 60
        arrived = False
        while self.program.process.poll() is None and not log.hits and time.monotonic() < until:
            if not arrived and all(self._is_there(path) for path in self._sent):
                arrived, until = True, time.monotonic() + _NOTED_SECONDS
            time.sleep(0.02)

    def _wait_on(self) -> None:
        """Until all that was sent is in place, or the program has ended."""
        ended = self.program.process.poll
        everything = lambda: ended() is not None or all(self._is_there(path) for path in self._sent)  # noqa: E731
        wait_for(everything, f"the files after a fault of the {self._which}", 90)

    def _is_there(self, path: str) -> bool:
        try:
            return (self._way.outs[0] / path).read_bytes() == self._sent[path]
        except OSError:
            return False

    def _judge(self, log: Log, effect: str, what: str) -> bool:
        """Whether the fault was met; what the program may never do then."""
        self._way.judge.check()
        if effect == KILL and log.hits:
            self.program.exits()  # strace knows a moment earlier than we do
        code = self.program.process.poll()
        killed = effect == KILL and code == -signal.SIGKILL  # by strace: nobody else has touched it yet
        if killed or log.hits:
            self._way.world.tally["kills" if killed else "injected errors"] += 1
        assert "Traceback" not in self.said, f"{what}:\n{self.said}"
        assert killed or code is None or code in _MENDABLE, f"{what}: exit {code}:\n{self.said}"
        return killed or log.hits > 0
