"""For a processor in a notebook, where no script could be run again: the service is started beside, and serves it here.

What the service takes for its worker only passes on (`relay`) what it and this process tell each other. Nothing can be
replaced then: when user code takes too long, or the service has ended, so has `process_files_as_read`.
"""

import contextlib
import logging
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

from openmsi_processor.classes.connection import Connection
from openmsi_processor.classes.log import ToService
from openmsi_processor.worker.channel import Channel

_START_SECONDS = 60.0
_END_SECONDS = 30.0
_TOKEN_BYTES = 32


@contextlib.contextmanager
def service_beside() -> Iterator[Connection]:
    """A service of our own while inside; its log is printed here. Raises RuntimeError when it cannot be started."""
    token = secrets.token_bytes(_TOKEN_BYTES)
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(_START_SECONDS)
        target = f"here:{door.getsockname()[1]}"
        service = subprocess.Popen(
            [sys.executable, "-P", "-m", "openmsi_processor.old_class", target, token.hex()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        threading.Thread(target=_print, args=(service,), daemon=True).start()
        try:
            stream = _wait_for(door, token)
        except OSError:
            service.kill()
            raise RuntimeError("the service that is to serve this processor has not started") from None
    with stream:
        connection = Connection(Channel(stream.makefile("rb"), stream.makefile("wb")))
        handler = ToService(connection)
        logging.getLogger().addHandler(handler)
        try:
            yield connection
        finally:
            logging.getLogger().removeHandler(handler)
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)  # else the service would wait for us
            _end(service)


def relay(channel: Channel, target: str) -> int:
    """In the service's worker: pass everything on, until one side is gone; returns the exit code."""
    message = channel.receive()
    if message is None:
        return 1
    with socket.create_connection(("127.0.0.1", int(target.partition(":")[2]))) as stream:
        stream.sendall(bytes.fromhex(message[0]["args"][0]))
        other = Channel(stream.makefile("rb"), stream.makefile("wb"))
        threading.Thread(target=_pass_on, args=(channel, other), daemon=True).start()
        _pass_on(other, channel)
    with contextlib.suppress(OSError):
        channel.send({"is": "stop"})
    return 0


def _pass_on(source: Channel, target: Channel) -> None:
    with contextlib.suppress(OSError, ValueError):
        while (message := source.receive()) is not None:
            target.send(*message)


def _wait_for(door: socket.socket, token: bytes) -> socket.socket:
    """The one that knows ``token``: anybody on this machine may knock."""
    while True:
        stream, _ = door.accept()
        stream.settimeout(_START_SECONDS)
        with contextlib.suppress(OSError):
            if secrets.compare_digest(stream.recv(_TOKEN_BYTES, socket.MSG_WAITALL), token):
                stream.settimeout(None)
                return stream
        stream.close()


def _print(service: "subprocess.Popen[str]") -> None:
    assert service.stdout is not None
    with service.stdout as lines:
        for line in lines:
            print(line, end="", file=sys.stderr, flush=True)


def _end(service: "subprocess.Popen[str]") -> None:
    service.terminate()
    try:
        service.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        service.kill()
        service.wait()
