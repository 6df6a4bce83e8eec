"""Stands between a transfer and its store, knows each request by its name, and can strike at any one of them.

::

    with between(store) as middle:
        middle.endpoint                                       # where the transfer finds the store through it
        middle.strike("UploadPart", key, "before", program.kill)   # the next one: it never reaches the store
        middle.strike("PutObject", key, "after")                   # the store has done it, its answer is lost
        middle.answer = lambda asked: SLOW_DOWN if ... else None
"""

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.store import Store

When = Literal["before", "after"]
"""The request reaches the store, or it has done what was asked and its answer is not passed on."""
_HOP = {"connection", "keep-alive", "transfer-encoding", "expect", "content-length"}
_NAMES = {
    "PUT": (("partNumber", "UploadPart"), ("", "PutObject")),
    "POST": (("uploads", "CreateMultipartUpload"), ("uploadId", "CompleteMultipartUpload")),
    "DELETE": (("uploadId", "AbortMultipartUpload"), ("", "DeleteObject")),
    "GET": (("uploads", "ListMultipartUploads"), ("", "GetObject")),
    "HEAD": (("", "HeadObject"),),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    operation: str
    key: str
    at: float
    """Clock reading."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One of our own."""

    status: int
    code: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """As S3 words it; of a good answer nothing."""
        if self.status == 200:
            return b""
        return f"<Error><Code>{self.code}</Code><Message>as the test wants it</Message></Error>".encode()


class Between:
    """A proxy of HTTP; made by `between`."""

    def __init__(self, store: Store) -> None:
        self._store = urlsplit(store.endpoint).netloc
        self._strikes: dict[tuple[str, str, When], Callable[[], object]] = {}
        self._lock = threading.Lock()
        self.seen: list[Asked] = []
        """All that was asked, but not of the object that a transfer tries the store with."""
        self.answer: Callable[[Asked], Answer | None] = lambda _asked: None
        """Called with each request; what it returns is answered in place of the store."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def strike(self, operation: str, key: str, when: When, effect: Callable[[], object] = lambda: None) -> None:
        """At the next request of this name about ``key`` call ``effect``, and cut its connection."""
        with self._lock:
            self._strikes[operation, key, when] = effect

    @property
    def armed(self) -> bool:
        """Whether a strike was not met yet."""
        return bool(self._strikes)

    def close(self) -> None:
        """No more connections."""
        self._server.shutdown()
        self._server.server_close()

    def passes(self, asked: Asked, when: When) -> bool:
        """Whether ``asked`` goes on."""
        with self._lock:
            effect = self._strikes.pop((asked.operation, asked.key, when), None)
        if effect is None:
            return True
        effect()
        return False

    def forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        """Ask the store the same."""
        connection = http.client.HTTPConnection(self._store, timeout=60)
        with contextlib.closing(connection):
            connection.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
            for name, value in handler.headers.items():
                if name.lower() not in _HOP:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer, answer.read()


@contextlib.contextmanager
def between(store: Store) -> Iterator[Between]:
    """One for a while."""
    made = Between(store)
    try:
        yield made
    finally:
        made.close()


def asked_of(method: str, target: str) -> Asked:
    """What a request is called, and the key that it is about, without its bucket."""
    url = urlsplit(target)
    query = parse_qs(url.query, keep_blank_values=True)
    name = next((name for word, name in _NAMES.get(method, ()) if not word or word in query), method)
    return Asked(name, unquote(url.path).lstrip("/").partition("/")[2], time.monotonic())


def _handler(middle: Between) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            asked = asked_of(self.command, self.path)
            if "/.openmsi/" in asked.key:  # tries the store: not what a test is about
                asked = Asked("probe", asked.key, asked.at)
            else:
                middle.seen.append(asked)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if own := middle.answer(asked):
                self._reply(own.status, {"Content-Type": "application/xml", **own.headers}, own.body)
                return
            if not middle.passes(asked, "before"):
                self._cut()
                return
            try:
                answer, content = middle.forward(self, body)
            except OSError:  # the store is away
                self._cut()
                return
            if not middle.passes(asked, "after"):
                self._cut()
                return
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self._reply(answer.status, headers, content, length)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815 - names that http.server wants

        def _reply(self, status: int, headers: dict[str, str], body: bytes, length: str | None = None) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", length or str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _cut(self) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()

        def handle_one_request(self) -> None:
            with contextlib.suppress(OSError, ValueError):  # who asked has gone
                super().handle_one_request()
                return
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
