"""An S3 server in this process that can be told to answer oddly, as some stores do, and proxies before them.

It knows only what a transfer asks for, and keeps all in memory. `tests.support.stores` has real ones.
"""

import base64
import dataclasses
import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

_NAMES = {"HEAD": "HeadObject", "GET": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
_OF_UPLOADS = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for."""

    name: str
    """As S3 calls it."""
    key: str
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytes
    upload: str = ""
    part: int = 0

    def without(self, *names: str) -> "Request":
        """The same, as a store sees it that does not know these headers."""
        return dataclasses.replace(self, headers={name: self.headers[name] for name in self.headers.keys() - names})


@dataclass(frozen=True, slots=True)
class Reply:
    """What the client gets."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


LOST = Reply(0)
"""The connection ends instead of an answer."""


def refusal(status: int, code: str, **headers: str) -> Reply:
    """An error of S3; ``headers`` with _ for -."""
    body = f"<Error><Code>{code}</Code><Message>told to</Message></Error>"
    return Reply(status, body.encode(), {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass(frozen=True, slots=True)
class Thing:
    """An object, or an upload of one."""

    key: str
    metadata: Mapping[str, str]
    parts: dict[int, bytes]

    @property
    def content(self) -> bytes:
        """All of it."""
        return b"".join(self.parts[number] for number in sorted(self.parts))

    @property
    def tag(self) -> str:
        """Its ETag."""
        return f'"{hashlib.md5(self.content, usedforsecurity=False).hexdigest()}"'


class OddStore:
    """One bucket, of any name. ``odd`` is asked first, in the thread of its request; None = as S3 does."""

    def __init__(self) -> None:
        self.forget()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), type("Bound", (_Handler,), {"store": self}))
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def forget(self) -> None:
        """Be empty, and do as S3 does."""
        self.odd: Callable[[Request], Reply | None] = lambda _: None
        self.asked: list[str] = []  # the names of all requests
        self.objects: dict[str, Thing] = {}
        self.uploads: dict[str, Thing] = {}

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: Request) -> Reply:
        """The odd answer, or the usual one."""
        self.asked.append(request.name)
        return self.odd(request) or self.do(request)

    def do(self, request: Request) -> Reply:
        """As S3 does."""
        with self._lock:
            if request.name in ("HeadObject", "GetObject"):
                return self._show(request.key)
            if request.name in ("DeleteObject", "AbortMultipartUpload"):
                self.objects.pop("" if request.upload else request.key, None)
                self.uploads.pop(request.upload, None)
                return Reply(204)
            if request.name in ("PutObject", "CreateMultipartUpload"):
                return self._begin(request)
            if request.name in ("UploadPart", "CompleteMultipartUpload"):
                return self._go_on(request)
            return Reply(200) if request.name == "CreateBucket" else refusal(501, "NotImplemented")

    def _show(self, key: str) -> Reply:
        thing = self.objects.get(key)
        if thing is None:
            return refusal(404, "NoSuchKey")
        return Reply(200, thing.content, {"ETag": thing.tag, **thing.metadata})

    def _begin(self, request: Request) -> Reply:
        metadata = {name: value for name, value in request.headers.items() if name.startswith("x-amz-meta-")}
        if request.name == "CreateMultipartUpload":
            upload = uuid4().hex
            self.uploads[upload] = Thing(request.key, metadata, {})
            begun = f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            return Reply(200, begun.encode())
        return self._damage(request) or self._place(request, Thing(request.key, metadata, {1: request.body}))

    def _go_on(self, request: Request) -> Reply:
        upload = self.uploads.get(request.upload)
        if upload is None:
            return refusal(404, "NoSuchUpload")
        if request.name == "UploadPart":
            upload.parts[request.part] = request.body
            return self._damage(request) or Reply(200, headers={"ETag": f'"{request.part}"'})
        reply = self._place(request, upload)
        if reply.status == 200:
            del self.uploads[request.upload]
        return reply

    def _damage(self, request: Request) -> Reply | None:
        given = request.headers.get("x-amz-checksum-sha256")
        right = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
        return None if given in (None, right) else refusal(400, "BadDigest")

    def _place(self, request: Request, thing: Thing) -> Reply:
        placed = self.objects.get(request.key)
        tag = request.headers.get("if-match")
        if (placed and "if-none-match" in request.headers) or (tag and (placed is None or placed.tag != tag)):
            return refusal(412, "PreconditionFailed")
        self.objects[request.key] = thing
        whole = f"<CompleteMultipartUploadResult><ETag>{thing.tag}</ETag></CompleteMultipartUploadResult>"
        return Reply(200, whole.encode() if request.upload else b"", {"ETag": thing.tag})


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that went away is what tests want."""


class _Handler(BaseHTTPRequestHandler):
    store: OddStore
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def _answer(self) -> None:
        reply = self.store.answer(self._request())
        if not reply.status:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in ({"Content-Length": str(len(reply.body))} | dict(reply.headers)).items():
            if value:  # an empty one is left out
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def _request(self) -> Request:
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query, keep_blank_values=True).items()}
        key = unquote(address.path).lstrip("/").partition("/")[2]
        name = _NAMES.get(self.command, "") if key else {"PUT": "CreateBucket"}.get(self.command, "HeadBucket")
        if "uploads" in query:
            name = "CreateMultipartUpload" if key else "ListMultipartUploads"
        elif "uploadId" in query:
            name = _OF_UPLOADS[self.command]
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        return Request(name, key, headers, body, query.get("uploadId", ""), int(query.get("partNumber", 0)))


for _command in ("GET", "HEAD", "PUT", "POST", "DELETE"):
    setattr(_Handler, f"do_{_command}", _Handler._answer)


class Answers:
    """Answers requests of that ``name`` one after the other as told; the last answer again and again."""

    def __init__(self, name: str, *answers: Reply | Callable[[Request], Reply | None] | None) -> None:
        self._name = name
        self._answers = list(answers)

    def __call__(self, request: Request) -> Reply | None:
        if request.name != self._name:
            return None
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return answer(request) if callable(answer) else answer
