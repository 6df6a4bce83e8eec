"""Runs the real programs as users run them, each as a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_BIN = Path(sys.executable).parent

CONFIG = """\
[broker]
bootstrap.servers = $CONFLUENT_BOOTSTRAP_SERVERS
sasl.username = $CONFLUENT_USERNAME
sasl.password = $CONFLUENT_PASSWORD
"""

QUICK_SESSION = "\n[consumer]\nsession.timeout.ms = 2000\nheartbeat.interval.ms = 500\n"
"""``config`` of a downloader that is to be killed: the rest of its group waits so long for it, not 15 s."""


def wait_for(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Poll ``condition`` until it is true; fails naming ``what``."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"waited {seconds:g} s for {what}"
        time.sleep(0.02)


def wait_for_output(process: "subprocess.Popen[bytes]", output: Callable[[], str], text: str, seconds: float) -> None:
    """Poll ``output`` until it has ``text``; fails when ``process`` ends without, or when it takes too long."""
    until = time.monotonic() + seconds
    while text not in output():
        ended = process.poll()
        assert ended is None or text in output(), f"exit {ended} without {text!r}:\n{output()}"
        assert time.monotonic() < until, f"no {text!r} within {seconds:g} s:\n{output()}"
        time.sleep(0.02)


class Program:
    """One run of a program in ``folder``, with its own config file, environment and state folder."""

    def __init__(
        self,
        folder: Path,
        bootstrap: str,
        *command: str,
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        config: str = "",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.config").write_text(CONFIG + config)
        self.state = folder / "state"
        self.log = folder / "output.txt"
        """Where all that it prints goes."""
        environment = {
            "PATH": os.environ["PATH"],
            "CONFLUENT_BOOTSTRAP_SERVERS": bootstrap,
            "CONFLUENT_USERNAME": "",
            "CONFLUENT_PASSWORD": "",
            "OPENMSI_STATE_DIR": str(self.state),
        } | dict(env or {})
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*prefix, str(_BIN / command[0]), *command[1:]],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def output(self) -> str:
        """All that it has printed; also by earlier runs in the same folder."""
        return self.log.read_text(errors="replace")

    def says(self, text: str, seconds: float = 30.0) -> None:
        """Wait until it prints ``text``."""
        wait_for_output(self.process, lambda: self.output, text, seconds)

    def exits(self, seconds: float = 30.0) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(seconds)

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 30.0) -> int:
        """Ask it to stop; the exit code."""
        self.process.send_signal(number)
        return self.exits(seconds)

    def kill(self) -> None:
        """End it at once, if it still runs."""
        self.process.kill()
        self.process.wait()


POWERLESS = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")
"""Prefix that takes from root what makes it more than the owner of its files."""


class Programs:
    """Programs on one broker that are ended together, each in a folder of its own below ``folder``."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.folder = folder
        self._running: list[Program] = []

    def run(
        self,
        name: str,
        *command: str,
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        config: str = "",
    ) -> Program:
        """Start one more; with the ``name`` of an earlier one it gets the same state folder."""
        program = Program(self.folder / name, self.bootstrap, *command, env=env, prefix=prefix, config=config)
        self._running.append(program)
        return program

    def kill(self) -> None:
        """End all that still run."""
        for program in self._running:
            program.kill()
