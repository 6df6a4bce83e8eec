"""A real S3 server for tests: versitygw (``tools/setup versitygw``), with its objects in a folder.

Through fixtures (``tests/conftest.py``): ``store`` is shared by all tests (use a bucket of your own, see
`Store.bucket`), ``own_store`` is for one test alone, which may stop, kill or freeze it. It dies with the test process.
`tests.support.stores` has other servers.
"""

import http.client
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.broker import ROOT, free_ports

ACCESS = "test-access-key"
SECRET = "test-secret-key"

_START_SECONDS = 30


def versitygw() -> Path:
    """The program; ``tools/setup versitygw`` builds it."""
    found = sorted((ROOT / ".cache" / "versitygw").glob("*/versitygw"))
    if not found:
        raise RuntimeError("there is no versitygw: run tools/setup versitygw")
    return found[-1]


@dataclass(frozen=True, slots=True)
class Kind:
    """What serves."""

    command: Callable[[str, Path], Sequence[str]]
    """From the address to listen at, and the folder for objects."""
    health: str
    """A path that it answers at once, whoever asks."""
    authority: Path | None = None
    """Of its certificate; None = it speaks http."""


def _versitygw(address: str, folder: Path) -> Sequence[str]:
    return [str(versitygw()), "--port", address, "--health", "/health", "--quiet", "posix", str(folder)]


VERSITYGW = Kind(_versitygw, "/health")


class Store:
    """One server with its data in ``folder``; made stopped. `start` may be called again after `stop` or `kill`."""

    def __init__(self, folder: Path, kind: Kind = VERSITYGW) -> None:
        (port,) = free_ports(1)
        self._kind = kind
        self.folder = folder / "data"
        """Its buckets are folders in here, and each object is a file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "store.log"
        self._address = f"127.0.0.1:{port}"
        self.endpoint = f"{'https' if kind.authority else 'http'}://{self._address}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, secret: str = SECRET) -> None:
        """Return when it answers, to those who know ``secret``. Raises RuntimeError with its log when it does not."""
        prefix = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*prefix, *self._kind.command(self._address, self.folder)],
                env={"ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": secret},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise RuntimeError(f"the store did not start:\n{self._log.read_text(errors='replace')}")

    def kill(self) -> None:
        """End it at once; nothing to do is fine."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Connections stay open and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo `freeze`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def login(self) -> dict[str, str]:
        """The variables that programs need."""
        return {"ENDPOINT_URL": self.endpoint, "REGION": "us-east-1", "ACCESS_KEY_ID": ACCESS, "SECRET_KEY_ID": SECRET}

    @cached_property
    def _client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS,
            aws_secret_access_key=SECRET,
            verify=str(self._kind.authority) if self._kind.authority else None,
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )

    def client(self) -> Any:
        """A client with all rights."""
        return self._client

    def bucket(self) -> "Inside":
        """A new bucket."""
        inside = self.inside(f"bucket-{uuid4().hex[:12]}")
        inside.client.create_bucket(Bucket=inside.name)
        return inside

    def inside(self, name: str) -> "Inside":
        """A bucket, which may be missing."""
        return Inside(self.client(), name)

    def _answers(self) -> bool:
        if self._kind.authority:
            context = ssl.create_default_context(cafile=self._kind.authority)
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._address, timeout=1, context=context
            )
        else:
            connection = http.client.HTTPConnection(self._address, timeout=1)
        try:
            connection.request("GET", self._kind.health)
            return connection.getresponse().status < 500
        except OSError:
            time.sleep(0.05)
            return False
        finally:
            connection.close()


class Inside:
    """What is in a bucket, seen by somebody else."""

    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.name = name

    @property
    def keys(self) -> list[str]:
        """All keys."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [str(each["Key"]) for page in pages for each in page.get("Contents", ())]

    @property
    def tree(self) -> dict[str, bytes]:
        """Every object: key → content; not what a transfer tries the store with, which comes and goes."""
        return {key: self.content(key) for key in self.keys if "/.openmsi/" not in key}

    def content(self, key: str) -> bytes:
        """What is in an object."""
        return bytes(self.client.get_object(Bucket=self.name, Key=key)["Body"].read())

    def head(self, key: str) -> Mapping[str, Any] | None:
        """What the store says of an object; None when there is none."""
        try:
            found: Mapping[str, Any] = self.client.head_object(Bucket=self.name, Key=key)
        except ClientError:
            return None
        return found

    @property
    def uploads(self) -> list[str]:
        """Keys of multipart uploads that are neither completed nor aborted; not those that a store is tried with."""
        return [key for key in self.all_uploads if "/.openmsi/" not in key]

    @property
    def all_uploads(self) -> list[str]:
        """As `uploads`, with those that a store is tried with."""
        try:
            found = self.client.list_multipart_uploads(Bucket=self.name)
        except self.client.exceptions.NoSuchUpload:  # so says rclone of a bucket without any
            return []
        return [str(each["Key"]) for each in found.get("Uploads", ())]
