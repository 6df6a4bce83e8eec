"""Other S3 servers than `tests.support.store`'s own, each of another make: what we rely on must be true of all."""

import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests.support.broker import ROOT
from tests.support.store import ACCESS, SECRET, VERSITYGW, Kind, versitygw
from tests.support.tls import Authority


@cache
def rclone() -> Path:
    """The program; ``tools/rclone`` fetches it."""
    done = subprocess.run([ROOT / "tools" / "rclone"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"tools/rclone failed:\n{done.stderr}")
    return Path(done.stdout.strip())


def _serve_by_rclone(address: str, folder: Path) -> Sequence[str]:
    login = f"{ACCESS},{SECRET}"
    return [str(rclone()), "serve", "s3", "--config", "", "--addr", address, "--auth-key", login, str(folder)]


def _serve_by_moto(address: str, _: Path) -> Sequence[str]:
    host, port = address.split(":")
    return [sys.executable, "-m", "moto.server", "-H", host, "-p", port]


RCLONE = Kind(_serve_by_rclone, "/")
MOTO = Kind(_serve_by_moto, "/moto-api/")
"""What it does with an object is what Amazon documents. It keeps all in memory, and does not look at keys."""

KINDS = {"versitygw": VERSITYGW, "moto": MOTO, "rclone": RCLONE}


def with_certificate(authority: Authority) -> Kind:
    """A versitygw that speaks https."""
    certificate, key = authority.certificate("IP:127.0.0.1", days=2)

    def command(address: str, folder: Path) -> Sequence[str]:
        shown = ["--cert", str(certificate), "--key", str(key)]
        return [str(versitygw()), *shown, "--port", address, "--health", "/health", "--quiet", "posix", str(folder)]

    return Kind(command, "/health", authority.pem)
