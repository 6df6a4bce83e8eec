"""The list of revoked nodes that stands beside the nodes, so that those that are made later refuse them, too."""

import re
import time
from pathlib import Path

from openmsi_core.durable import write_file
from openmsi_core.errors import ConfigError

FILE = "revoked.txt"
_FINGERPRINT = re.compile(r"[0-9a-f]{64}([0-9a-f]{2})*")  # longer ones are of keys that withstand quantum computers


def revoked_in(out: Path) -> dict[str, str]:
    """Fingerprint → since when and under which name, of the nodes that were revoked in ``out``.

    Raises ConfigError when the list is damaged, and OSError.
    """
    path = out / FILE
    if not path.exists():
        return {}
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        public, _, what = line.strip().partition(" ")
        if public and not is_fingerprint(public):
            raise ConfigError(f"{path} is damaged, it must have a fingerprint in each line: bring it back or mend it")
        if public:
            found[public] = what
    return found


def note_revoked(out: Path, public: str, name: str) -> None:
    """Add a node to the list in ``out``; durable on return. Raises ConfigError and OSError."""
    there = revoked_in(out)
    if public not in there:
        there[public] = f"{time.strftime('%Y-%m-%d')} {name}".rstrip()
        lines = "".join(f"{each} {what}\n" for each, what in there.items())
        write_file(out / FILE, lines.encode())


def is_fingerprint(text: str) -> bool:
    """Whether ``text`` is one: 64 hexadecimal digits or more."""
    return _FINGERPRINT.fullmatch(text) is not None
