"""Runs `openmsi WORD …` as whoever runs the services does."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import TopicPartition

from tests.support.broker import PASSWORD, USER, Broker

OPENMSI = Path(sys.executable).with_name("openmsi")


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of it."""

    code: int
    out: str
    err: str


def openmsi(
    folder: Path, bootstrap: str, *command: str, broker: str = "", prefix: Sequence[str] = (), columns: str = ""
) -> Ran:
    """Run it in ``folder`` with a config file there; ``broker`` are more lines of `[broker]`. Into a pipe."""
    (folder / "config.config").write_text(f"[broker]\nbootstrap.servers = {bootstrap}\n{broker}")
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)} | ({"COLUMNS": columns} if columns else {})
    words = [*prefix, str(OPENMSI), *command]
    done = subprocess.run(words, capture_output=True, text=True, cwd=folder, env=env, timeout=60, check=False)
    return Ran(done.returncode, done.stdout, done.stderr)


UPLOADER = ("--program", "DataFileUploadDirectory")
DOWNLOADER = ("--program", "DataFileDownloadDirectory")
LOGIN = f"security.protocol = SASL_PLAINTEXT\nsasl.username = {USER}\nsasl.password = {PASSWORD}\n"
"""More lines of `[broker]`, for `Broker.sasl_bootstrap`."""


def doctor(folder: Path, bootstrap: str, *options: str, broker: str = "", prefix: Sequence[str] = ()) -> Ran:
    """`openmsi doctor`: it ends soon, and its exit code says whether anything is to be mended."""
    began = time.monotonic()
    ran = openmsi(folder, bootstrap, "doctor", *options, broker=broker, prefix=prefix)
    assert time.monotonic() - began < 30
    assert ran.err == ""
    assert ran.code == (1 if lines(ran, "!!") else 0), ran.out
    return ran


def lines(ran: Ran, level: str, about: str = "") -> str:
    """The lines that begin so."""
    return "\n".join(line for line in ran.out.splitlines() if line.startswith(f"{level}  {about}"))


def delete(kafka: Broker, cut: TopicPartition) -> None:
    """All before ``cut``, as retention would."""
    admin = kafka.admin()  # the result is lost when the client goes first
    admin.delete_records([cut])[cut].result(10)
