"""Counts what a client gets from the broker, by standing in one of the broker's doors."""

import contextlib
import socket
import threading
from collections.abc import Iterator

from tests.support.doors import Door


class Relay:
    """Passes everything on; made by `relay`."""

    def __init__(self, door: Door) -> None:
        host, port = door.outside.split(":")
        self._listener = socket.create_server((host, int(port)))
        self._inside = door.inside
        self._sockets = [self._listener]
        self._lock = threading.Lock()
        self.bootstrap = door.outside
        self.received = 0
        """Bytes that went from the broker to clients."""
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Cut all connections."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client = self._listener.accept()[0]
                host, port = self._inside.split(":")
                broker = socket.create_connection((host, int(port)))
                self._sockets += [client, broker]
                threading.Thread(target=self._pass, args=(client, broker, False), daemon=True).start()
                threading.Thread(target=self._pass, args=(broker, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 20):
                target.sendall(data)
                if counted:
                    with self._lock:
                        self.received += len(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def relay(door: Door) -> Iterator[Relay]:
    """A relay in ``door`` while inside."""
    made = Relay(door)
    try:
        yield made
    finally:
        made.close()
