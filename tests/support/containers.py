"""The built images and compose, as users have them. Everything made here has a name that begins with `PREFIX`.

::

    images = build()                     Images(uploader, …): tags, built when they were not up to date
    stack = Stack(folder, images)        a fresh clone's compose files in folder, a compose project of its own
    stack.compose("up", "--detach")      any compose command; returns its output
    stack.settings(NAME="value")         openmsi.env
    stack.data, stack.downloads          the two folders; stack.results with the profile processor
    BundledStore(stack)                  the store of the profile s3
    stack.down()                         containers, networks and volumes go
    Container(folder, IMAGE, …)          one docker run
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from openmsi_core import __version__
from tests.support.broker import ROOT, unique
from tests.support.store import Inside

PREFIX = "openmsi-e2e"
_SHIPPED = ("compose.yaml", "compose", "processors", ".env", "openmsi.env.example", "config.config")


@dataclass(frozen=True, slots=True)
class Images:
    """Tags of what was built and of what it was built on."""

    uploader: str
    downloader: str
    s3_transfer: str
    stream_processor: str
    python: str
    kafka: str
    versitygw: str


def run(*command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None, check: bool = True) -> str:
    """Run a command with ``env`` added to the environment; its standard output. ``check``: failure fails the test."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    said = f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    assert not check or done.returncode == 0, said
    return done.stdout


def build() -> Images:
    """Build the images of this tree as ``make images`` does, starting an engine when there is none."""
    run("tools/build", "--profile=s3", "--profile=processor")
    return Images(
        uploader=f"openmsi/uploader:{__version__}",
        downloader=f"openmsi/downloader:{__version__}",
        s3_transfer=f"openmsi/s3_transfer:{__version__}",
        stream_processor=f"openmsi/stream_processor:{__version__}",
        python=run("tools/bases", "python").strip(),
        kafka=run("tools/bases", "kafka").strip(),
        versitygw=run("tools/bases", "versitygw").strip(),
    )


class Stack:
    """One ``docker compose`` project in a folder of its own, as after a fresh clone."""

    def __init__(self, folder: Path, images: Images) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.downloads = folder / "downloads"
        self.results = folder / "results"
        folder.mkdir(parents=True, exist_ok=True)
        for name in _SHIPPED:
            run("cp", "--archive", ROOT / name, folder)
        self.project = unique(PREFIX)
        self._env = {"COMPOSE_PROJECT_NAME": self.project, "KAFKA_IMAGE": images.kafka}
        self._env |= {"VERSITYGW_IMAGE": images.versitygw}
        if os.getuid():
            self._env |= {"OPENMSI_UID": str(os.getuid()), "OPENMSI_GID": str(os.getgid())}

    @property
    def environment(self) -> dict[str, str]:
        """That of a shell in which commands concern this project."""
        return {**os.environ, **self._env}

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run ``docker compose`` here; returns its standard output."""
        return run("docker", "compose", *arguments, cwd=self.folder, env=self._env, check=check)

    def settings(self, **lines: str) -> None:
        """Write ``openmsi.env``: the example with more ``lines``."""
        example = (self.folder / "openmsi.env.example").read_text()
        (self.folder / "openmsi.env").write_text(
            example + "".join(f"{name}={value}\n" for name, value in lines.items())
        )

    def running(self) -> set[str]:
        """The services that have a running container."""
        return set(self.compose("ps", "--services", "--status=running").split())

    def drop(self, name: str, content: bytes) -> None:
        """Write a file into the watched folder."""
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def delivered(self) -> dict[str, bytes]:
        """All delivered files by their path below the output folder."""
        paths = (path for path in self.downloads.rglob("*") if path.is_file())
        names = ((path.relative_to(self.downloads), path) for path in paths)
        return {str(name): path.read_bytes() for name, path in names if name.parts[0] != ".openmsi"}

    def down(self) -> None:
        """Remove all but the images and the folder."""
        self.compose("--profile=*", "down", "--volumes", "--timeout=5", "--remove-orphans")


class BundledStore:
    """The S3 store of a running ``stack``, as other programs on this machine see it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    @property
    def address(self) -> str:
        """Its URL; another one after each start."""
        return "http://" + self._stack.compose("port", "s3", "7070").strip()

    @property
    def keys(self) -> tuple[str, str]:
        """Access key and secret key, as a user reads them."""
        access, secret = (
            self._stack.compose("exec", "-T", "s3", "cat", f"/run/s3-keys/{name}") for name in ("access", "secret")
        )
        return access, secret

    def client(self, access: str, secret: str) -> Any:
        """A client with these keys; nothing is sent."""
        return boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id=access,
            aws_secret_access_key=secret,
        )

    def bucket(self, name: str = "openmsi-data") -> Inside:
        """One of its buckets."""
        return Inside(self.client(*self.keys), name)


class Container:
    """One detached ``docker run``, started in ``folder``. ``arguments`` begin with options and the image."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.name = unique(PREFIX)
        run("docker", "run", "-d", "--name", self.name, *arguments, cwd=folder)

    @property
    def output(self) -> str:
        """All that it has printed."""
        command = ["docker", "logs", self.name]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout

    def exits(self) -> int:
        """Wait for its end; the exit code."""
        return int(run("docker", "wait", self.name))

    def stop(self) -> int:
        """``docker stop``, as a user does; the exit code (137 = it had to be killed)."""
        run("docker", "stop", self.name)
        return self.exits()

    def remove(self) -> None:
        """End it, if it runs, and remove it with its volumes."""
        run("docker", "rm", "--force", "--volumes", self.name, check=False)


def lab_folder(folder: Path, bootstrap: str) -> Path:
    """A folder with ``config.config``, a filled-in ``openmsi.env`` and an empty ``downloads`` anyone may write to."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "config.config", folder)
    example = (ROOT / "openmsi.env.example").read_text()
    key = "CONFLUENT_BOOTSTRAP_SERVERS="
    (folder / "openmsi.env").write_text(example.replace(f"\n{key}\n", f"\n{key}{bootstrap}\n"))
    (folder / "downloads").mkdir()
    (folder / "downloads").chmod(0o777)
    return folder
