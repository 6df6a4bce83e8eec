"""A bad network: toxiproxy between the programs of a test and the broker, or the store (`link_to_store`).

::

    with link(world.broker, world.folder) as network, route(world, bootstrap=network.bootstrap) as way:
        network.spoil("latency", latency=300, jitter=200)             # toxiproxy's own words and units
        network.spoil("limit_data", "upstream", bytes=70_000)         # upstream: from the programs to the broker
        network.freeze()                                              # nothing comes through, nothing is closed
        network.cut()                                                 # connections are closed, new ones refused
        network.mend()                                                # all of it is over
"""

import contextlib
import http.client
import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.broker import ROOT, Broker
from tests.support.doors import Door, make_doors
from tests.support.store import Store

_START_SECONDS = 30
_ANSWER_SECONDS = 30
_PROXY = "/proxies/kafka"


class Link:
    """The network to the broker; made by `link`."""

    def __init__(self, bootstrap: str, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.bootstrap = bootstrap
        """Where programs find the broker through it."""
        self._port = port
        self._process = process
        self._toxics: list[str] = []

    def spoil(self, kind: str, stream: str = "downstream", **attributes: int) -> None:
        """Add a toxic of this ``kind`` to all connections, old and new; upstream = towards the broker."""
        name = f"{kind}-{stream}"
        self._ask("POST", f"{_PROXY}/toxics", name=name, type=kind, stream=stream, attributes=attributes)
        self._toxics.append(name)

    def mend(self) -> None:
        """Take away all that is wrong. What a toxic held back is lost, and its connections are closed."""
        self.thaw()
        while self._toxics:
            self._ask("DELETE", f"{_PROXY}/toxics/{self._toxics.pop()}")
        self._ask("POST", _PROXY, enabled=True)

    def cut(self) -> None:
        """As if the broker were not running."""
        self._ask("POST", _PROXY, enabled=False)

    def freeze(self) -> None:
        """As if a cable were pulled: what is on its way arrives after `thaw`."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo `freeze`."""
        self._process.send_signal(signal.SIGCONT)

    def listen(self, door: Door) -> None:
        """Begin to pass on; blocks until the program answers."""
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._ask("POST", "/proxies", name="kafka", listen=door.outside, upstream=door.inside)
            except ConnectionRefusedError:
                assert self._process.poll() is None, "toxiproxy did not start"
                assert time.monotonic() < until, "toxiproxy does not answer"
                time.sleep(0.05)
            else:
                return

    def _ask(self, method: str, path: str, **body: Any) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_ANSWER_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, json.dumps(body))
            answer = connection.getresponse()
            text = answer.read().decode()
        assert answer.status < 300, f"toxiproxy refuses {method} {path} {body}: {text}"


@contextlib.contextmanager
def link(broker: Broker, folder: Path) -> Iterator[Link]:
    """A network of one's own to ``broker``; waits while too many others have one. Its log goes to ``folder``."""
    door = broker.doors.get()
    try:
        with _through(door, folder) as made:
            yield made
    finally:
        broker.doors.put(door)


@contextlib.contextmanager
def link_to_store(store: Store, folder: Path) -> Iterator[Link]:
    """The same to ``store``, which transfers find at its ``bootstrap``."""
    (door,) = make_doors([int(store.endpoint.rpartition(":")[2])])
    with _through(door, folder) as made:
        yield made


@contextlib.contextmanager
def _through(door: Door, folder: Path) -> Iterator[Link]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = _start(port, folder / "toxiproxy.log")
    try:
        made = Link(door.outside, port, process)
        made.listen(door)
        yield made
    finally:
        process.kill()
        process.wait()


def _start(port: int, log: Path) -> "subprocess.Popen[bytes]":
    found = sorted((ROOT / ".cache" / "toxiproxy").glob("*/server"))
    assert found, "toxiproxy is not there: run tools/setup faults"
    # The kernel ends it when the thread that started it ends, even after SIGKILL.
    prefix = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    with log.open("ab") as output:
        return subprocess.Popen(
            [*prefix, found[-1], "-host", "127.0.0.1", "-port", str(port)],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
