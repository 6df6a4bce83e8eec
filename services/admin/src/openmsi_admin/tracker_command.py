"""`openmsi tracker`: checks, shows and fills in the file that documents a deployment."""

import argparse
import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from openmsi_admin.common import parser
from openmsi_admin.printing import say, show_facts, show_json
from openmsi_admin.tracker import FOUND_OUT, Document, Tracker, empty, mistakes, read_tracker
from openmsi_core.durable import this_user, write_file
from openmsi_core.errors import BadInput, ConfigError


def tracker(argv: Sequence[str]) -> int:
    """Check, show or fill in tracker.json, which documents what is installed here and whom to ask.

    `validate` returns 65 when there is a mistake. Raises Fatal.
    """
    given = _arguments().parse_args(argv)
    match given.verb:
        case "schema":
            show_json(Tracker.model_json_schema())
            return 0
        case "validate":
            return _validate(given.file, read_tracker(given.file))
        case "show":
            show_facts(_rows(read_tracker(given.file).data))
            return 0
        case _:
            return _fill(given.file, read_tracker(given.file))


def _arguments() -> argparse.ArgumentParser:
    words = parser("tracker", "The file that documents a deployment: what is installed, where, and whom to ask.")
    verbs = words.add_subparsers(dest="verb", required=True, metavar="validate|show|fill|schema")
    for verb, text in {
        "validate": "name every mistake in FILE",
        "show": "print FILE for reading",
        "fill": f"write what can be found out into FILE, as {FOUND_OUT}; all else stays as it is",
    }.items():
        added = verbs.add_parser(verb, help=text, description=f"{text[:1].upper()}{text[1:]}.", allow_abbrev=False)
        added.add_argument("file", type=Path, metavar="FILE", help="such as tracker.json")
    verbs.add_parser("schema", help="print the JSON schema of such a file", allow_abbrev=False)
    return words


def _validate(path: Path, document: Document) -> int:
    wrong = mistakes(document.data)
    for line in wrong:
        say(f"{path}: {line}")
    for line in _remarks(document):
        say(f"note: {line}")
    if not wrong:
        say(f"{path}: ok")
    return BadInput.exit_code if wrong else 0


def _remarks(document: Document) -> Iterator[str]:
    yield from document.remarks
    if missing := empty(document.data):
        yield f"empty: {', '.join(missing)}"


def _fill(path: Path, document: Document) -> int:
    # Imported here: the other verbs need neither Kafka's client nor the services.
    from openmsi_admin.tracker_facts import find_out  # noqa: PLC0415

    facts = find_out(path.absolute().parent, os.environ)
    _replace(path, {**document.data, FOUND_OUT: facts.found})
    say(f"{path}: filled in {', '.join(name for name in facts.found)}")
    for line in facts.missing:
        say(f"not found: {line}")
    return 0


def _replace(path: Path, data: Mapping[str, Any]) -> None:
    """Write the file whole or not at all; it goes on belonging to whom it belonged, a link stays a link."""
    target = path.resolve()
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    try:
        before = target.stat()
        write_file(target, text.encode(errors="surrogatepass"))
        target.chmod(before.st_mode & 0o7777)
        if hasattr(os, "chown"):
            with contextlib.suppress(PermissionError):
                os.chown(target, before.st_uid, before.st_gid)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}): give {this_user()} the right to write in its folder"
        ) from None


def _rows(value: Mapping[str, object], depth: int = 0) -> Iterator[tuple[str, str]]:
    """Names and values, what lies inside an object indented below its name."""
    for key, inner in value.items():
        name = "  " * depth + key
        match inner:
            case dict():
                yield name, ""
                yield from _rows(inner, depth + 1)
            case list():
                yield name, ", ".join(each if isinstance(each, str) else json.dumps(each) for each in inner)
            case "" | None:
                yield name, "–"
            case _:
                yield name, str(inner)
