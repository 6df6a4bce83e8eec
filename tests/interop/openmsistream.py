"""Runs the programs of OpenMSIStream 1.8.8 as their users run them. They are GPL-3: processes only, never imported.

They log to files in the folders that they write or watch (`delivered` leaves them out), and stop in order on
a ``q`` typed to them. On SIGINT their threads run on after a traceback, and SIGTERM ends them at once.
"""

import json
import subprocess
from pathlib import Path

import msgpack

from openmsi_core.encryption.node import Node
from openmsi_core.encryption.node_files import read_node_config
from tests.interop.matrix import Facts, fact
from tests.support.broker import ROOT
from tests.support.downloading import tree as all_files
from tests.support.running import wait_for_output

VERSION = "1.8.8"
_FOLDER = ROOT / ".cache" / "openmsistream" / VERSION
_SCRIPTS = Path(__file__).parent / "scripts"
_STOP_SECONDS = 40
_LOGS = {"DataFileDownloadDirectory.log"}

_CONFIG = """\
[broker]
bootstrap.servers = {bootstrap}

[producer]
key.serializer = StringSerializer
value.serializer = DataFileChunkSerializer

[consumer]
group.id = create_new
auto.offset.reset = earliest
enable.auto.commit = False
key.deserializer = StringDeserializer
value.deserializer = DataFileChunkDeserializer
"""


def install() -> None:
    """See that it is installed (``tools/setup openmsistream``); at once where it is."""
    done = subprocess.run([ROOT / "tools" / "setup", "openmsistream"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"tools/setup openmsistream failed:\n{done.stderr}")


def delivered(folder: Path) -> dict[str, bytes]:
    """Path → content of what their programs made of a topic, without the logs that they keep beside."""
    found = all_files(folder)
    return {path: data for path, data in found.items() if path not in _LOGS and not path.startswith("LOGS/")}


def noted(program: "Theirs") -> Facts:
    """What note_files.py was given so far; a file may come to it again, but must be the same."""
    assert program.process.poll() in (None, 0), program.output
    found: dict[str, set[str]] = {}
    notes = program.folder / "notes.jsonl"
    for line in notes.read_text().splitlines(keepends=True) if notes.exists() else ():
        if line.endswith("\n"):
            note = json.loads(line)
            path = f"{note['subdir']}/{note['name']}" if note["subdir"] else note["name"]
            found.setdefault(path, set()).add(fact(note["size"], note["sha512"]))
    return {path: " or ".join(sorted(each)) for path, each in found.items()}


class Theirs:
    """One run of a program of theirs, or of a script of ours in their venv, in ``folder``, with its config there."""

    def __init__(self, folder: Path, bootstrap: str, *command: str, config: str = "") -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        (folder / "omsi.config").write_text(_CONFIG.format(bootstrap=bootstrap) + config)
        self._log = folder / "output.txt"
        program = _FOLDER / "bin" / command[0]
        call = [_FOLDER / "bin" / "python", _SCRIPTS / command[0]] if command[0].endswith(".py") else [program]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*call, *command[1:], "--config", "omsi.config"],
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )

    @property
    def output(self) -> str:
        """All that it has printed."""
        return self._log.read_text(errors="replace")

    def says(self, text: str, seconds: float = 30.0) -> None:
        """Wait until it prints ``text``."""
        wait_for_output(self.process, lambda: self.output, text, seconds)

    def hears(self, line: str) -> None:
        """Type ``line``; no more can be typed then."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.close()

    def exits(self) -> None:
        """Wait for its end, which must be a good one."""
        assert self.process.wait(_STOP_SECONDS) == 0, self.output

    def kill(self) -> None:
        """End it at once, if it still runs."""
        self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


def as_they_provision(node: Node) -> None:
    """Write the files of ``node`` as the scripts of KafkaCrypto leave them: its first start changes that."""
    config, name = read_node_config(node.config), node.name
    config[f"{name}-crypto"].update({"chain": config[f"{name}-chains"]["chain0"], "maxage": "316224000"})
    del config[f"{name}-chains"]
    config[f"{name}-allowlist"]["rot"] = config[f"{name}-allowlist"].pop("rot0")
    config[name].update({"cryptokey": f"file#{name}.crypto", "ratchet": f"file#{name}.seed"})
    with node.config.open("w") as file:
        config.write(file)
    _, (secret, *_), wrapping, *_ = msgpack.unpackb(node.crypto.read_bytes())
    node.crypto.write_bytes(msgpack.packb([secret, wrapping]))
