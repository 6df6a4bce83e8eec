"""Packages of the user's own: what requirements.txt beside the processor's file asks for.

They are installed once into the state folder, and only workers see them: the service runs with its own versions.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from openmsi_core.durable import in_words
from openmsi_core.errors import ConfigError
from openmsi_core.locks import try_lock
from openmsi_core.service import Service
from openmsi_processor.environment import environment_of
from openmsi_processor.pip_reason import pip_reason

_log = logging.getLogger(__name__)

PLACE = "OPENMSI_PROCESSOR_PACKAGES"
"""The variable that names the folder for packages that an image brings; where it is set, we may install more."""

_FILE = "requirements.txt"
_LOOK_SECONDS = 0.2
# What pip needs beside what user code sees: which index, through which proxy, which certificates.
_PIP_VARIABLES = re.compile(r"PIP_(?!TARGET$)|(HTTPS?_PROXY|NO_PROXY|ALL_PROXY|SSL_CERT_|REQUESTS_CA_|CURL_CA_)", re.I)
_OPTIONS = ("--no-input", "--no-cache-dir", "--disable-pip-version-check", "--no-color")
_INCLUDED = re.compile(r"(?:-r|--requirement|-c|--constraint)[ =]*(\S+)")


class _Stopped(Exception):
    """The program is to end."""


def packages_for(file: Path, state_dir: Path, environ: Mapping[str, str], service: Service) -> str | None:
    """Folders with packages for the code in ``file``, as in PYTHONPATH; installs what is missing there.

    Only where `PLACE` is set, as our image does: elsewhere the code has the packages of the Python that runs it.
    Blocks, for minutes when there is much to fetch; None when the program is to end meanwhile. What is installed is
    durable, and used until ``requirements.txt`` or Python changes. Safe with several processes of one state folder.
    Raises ConfigError.
    """
    built_in = environ.get(PLACE, "")
    wanted = file.parent / _FILE
    if not built_in or not _asks_for_something(wanted):
        return built_in
    pip = shutil.which("pip", path=environ.get("PATH"))
    if pip is None:
        raise ConfigError(f"{wanted} cannot be installed: there is no pip here; remove it, or use our image")
    place = state_dir / "packages"
    folder = place / _mark(wanted)
    folders = os.pathsep.join((str(folder), built_in))
    if folder.is_dir():
        return folders
    installing = _Installing([pip, "install", *_OPTIONS, "-r", str(wanted.absolute())], wanted, environ, place, service)
    try:
        place.mkdir(exist_ok=True)
        with installing.alone():
            if folder.is_dir():  # another process was quicker
                return folders
            if installing.is_there(built_in):
                return built_in
            installing.into(folder)
        return folders
    except OSError as error:
        raise ConfigError(f"{wanted} cannot be installed: {in_words(error, place)}") from None
    except _Stopped:
        return None


class _Installing:
    """One installation of ``wanted`` by ``command``; what is not whole yet is in ``place``, too."""

    def __init__(
        self, command: Sequence[str], wanted: Path, environ: Mapping[str, str], place: Path, service: Service
    ) -> None:
        self._command = command
        self._wanted = wanted
        self._place = place
        self._service = service
        kept = {name: value for name, value in environ.items() if _PIP_VARIABLES.match(name)}
        # What is built from source runs code of others: it sees no more than user code does.
        self._environ = {**environment_of(environ, place / "cache"), **kept}

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other process installs, and keep others out. Raises _Stopped."""
        while (lock := try_lock(self._place / "lock")) is None:
            self._wait()
        with lock:
            for left in self._place.glob("new-*"):
                shutil.rmtree(left, ignore_errors=True)
            yield

    def is_there(self, folder: str) -> bool:
        """Whether all that is wanted is in ``folder`` already, as in an image that was built with it."""
        if not any(Path(folder).glob("*.dist-info")):
            return False
        code, said = self._run("--dry-run", "--quiet", "--no-index", "--report", "-", PYTHONPATH=folder)
        with contextlib.suppress(ValueError, KeyError):
            return code == 0 and not json.loads(said)["install"]
        return False

    def into(self, folder: Path) -> None:
        """Make ``folder`` with what is wanted in it, whole or not at all."""
        new = self._place / f"new-{uuid4().hex}"
        _log.info("installing what %s asks for", self._wanted)
        try:
            (new / "tmp").mkdir(parents=True)
            code, said = self._run(
                "--progress-bar", "off", "--target", str(new / "packages"), TMPDIR=str(new / "tmp"), PYTHONPATH=""
            )
            for line in said.splitlines():
                _log.debug("pip: %s", line)
            if code != 0:
                raise ConfigError(pip_reason(said, self._wanted))
            (new / "packages").mkdir(exist_ok=True)  # nothing was asked for
            if hasattr(os, "sync"):
                os.sync()
            (new / "packages").rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        _log.info("installed what %s asks for, in %s", self._wanted, folder)

    def _run(self, *options: str, **variables: str) -> tuple[int, str]:
        with subprocess.Popen(
            [*self._command, *options],
            cwd=self._wanted.parent,
            env=self._environ | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            try:
                while True:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        said, _ = process.communicate(timeout=_LOOK_SECONDS)
                        return process.returncode, said
                    self._wait()
            finally:
                process.kill()

    def _wait(self) -> None:
        self._service.beat(self._service.status)
        if self._service.stop.wait(_LOOK_SECONDS):
            raise _Stopped


def _asks_for_something(wanted: Path) -> bool:
    lines = wanted.read_text(errors="replace").splitlines() if wanted.is_file() else []
    return any(line.strip() and not line.strip().startswith("#") for line in lines)


def _mark(wanted: Path) -> str:
    """The name of the folder for what ``wanted`` and the files that it includes say, and for this Python."""
    digest = hashlib.sha256(f"{sysconfig.get_platform()} {sysconfig.get_python_version()}".encode())
    waiting, seen = [wanted], set()
    while waiting:
        file = waiting.pop()
        if file in seen or not file.is_file():
            continue
        seen.add(file)
        text = file.read_bytes()
        digest.update(text)
        waiting += [file.parent / name for name in _INCLUDED.findall(text.decode(errors="replace"))]
    return digest.hexdigest()[:16]
