"""What pip says when it fails, in one line for the author of requirements.txt."""

import re
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PLACE = re.compile(r"-r \S+ \(line (\d+)\)")


def pip_reason(said: str, wanted: Path) -> str:
    """Why pip, which has ``said`` so much, did not install ``wanted``: one line that names the line to mend."""
    lines = [line.strip() for line in said.splitlines()]
    errors = [line for line in lines if line.upper().startswith("ERROR:")] or lines[-1:] or ["pip says nothing"]
    what = errors[0].partition(":")[2].strip() or errors[0]
    if what == "subprocess-exited-with-error":
        what = next((line for line in lines if line.startswith("×")), what).removeprefix("×").strip()
    what = re.sub(r"\(from versions: .*, (\S+)\)", r"(the newest is \1)", what)
    if "after connection broken by" in said or "getaddrinfo" in said:
        what += " (the package index could not be reached: check the network and PIP_INDEX_URL)"
    number = _line_of(what, said, wanted)
    where = f"{wanted}, line {number}" if number else str(wanted)
    return f"{where}: {what[:400]}"


def _line_of(what: str, said: str, wanted: Path) -> str:
    if named := re.search(r"\(from line (\d+) of ", said) or _PLACE.search(what):
        return named[1]
    words = {_normal(word) for word in _NAME.findall(what)}
    for number, line in enumerate(wanted.read_text(errors="replace").splitlines(), 1):
        name = _NAME.match(line.strip())
        if name and _normal(name[0]) in words:
            return str(number)
    places = _PLACE.findall(said)
    return places[-1] if places else ""  # what it was busy with


def _normal(name: str) -> str:
    """Source: the specification of names of packages, packaging.python.org."""
    return re.sub(r"[-_.]+", "-", name).casefold().rstrip("-")
