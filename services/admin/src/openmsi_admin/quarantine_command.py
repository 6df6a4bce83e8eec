"""`openmsi quarantine`: what a receiver could not use, what it is, and bringing it back."""

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from openmsi_admin.common import add_config, kafka_options, parser
from openmsi_admin.installed import command
from openmsi_admin.printing import say, show_facts, show_json, show_table
from openmsi_admin.quarantine_entries import (
    Entry,
    FileFacts,
    PartialFacts,
    RecordFacts,
    UndecryptableFacts,
    entries,
    entry_at,
)
from openmsi_admin.quarantine_retry import AGAIN, Outcome, in_words, record_of, retry, retry_encrypted
from openmsi_core.errors import BadFile, BadInput, Retryable
from openmsi_core.quarantine import KEY
from openmsi_core.status import size


def quarantine(argv: Sequence[str]) -> int:
    """Say what a receiver could not use and why, and bring files back whose obstacle is gone.

    `retry` returns 65 when something stays in quarantine. Raises Fatal.
    """
    if argv[:1] == ["retry"] and any(word.partition("=")[0] == "--processor" for word in argv):
        run_again = command("processor", "openmsi.quarantine_retry")
        assert run_again is not None
        return run_again(argv[1:])
    given = _arguments().parse_args(argv)
    match given.verb:
        case "list":
            (_list_json if given.json else _list)(given.folder)
        case "show":
            facts = dict(_known(entry_at(given.entry)))
            (show_json if given.json else _show)(facts)
        case _:
            return _retry([entry_at(folder) for folder in given.entries], given.config)
    return 0


def _arguments() -> argparse.ArgumentParser:
    words = parser("quarantine", "What a downloader or a processor could not use, kept below its output folder.")
    verbs = words.add_subparsers(dest="verb", required=True, metavar="list|show|retry")
    listing = verbs.add_parser("list", help="all entries of an output folder", allow_abbrev=False)
    listing.add_argument("folder", type=Path, metavar="FOLDER", help="the output folder of a downloader or a processor")
    show = verbs.add_parser("show", help="all that is known of one entry, and what to do", allow_abbrev=False)
    show.add_argument("entry", type=Path, metavar="ENTRY", help="the folder of the entry, as list prints it")
    for verb in (listing, show):
        verb.add_argument("--json", action="store_true", help="print JSON")
    again = verbs.add_parser(
        "retry",
        help="bring back files whose obstacle is gone",
        description="Place files whose obstacle is gone, also while a downloader runs. Nothing newer is replaced."
        " Encrypted records whose key is to be had by now are written to their topic again: --config names the broker."
        " With --processor CODE.py, which has options of its own, files are run again that its code could not cope"
        " with: openmsi quarantine retry --processor CODE.py --help",
        allow_abbrev=False,
    )
    again.add_argument("entries", type=Path, nargs="+", metavar="ENTRY", help="folders of entries, as list prints them")
    add_config(again)
    return words


def _show(facts: dict[str, object]) -> None:
    lines = str(facts.pop("traceback", "")).splitlines()
    show_facts((name, str(value)) for name, value in facts.items())
    for line in ["", *lines] if lines else []:
        say(line)


def _list(root: Path) -> None:
    found = entries(root)
    if not found:
        say(f"{root}: nothing is in quarantine")
        return
    rows = [
        (str(number), _time(entry.when), entry.kind, entry.what, size(entry.size), entry.reason)
        for number, entry in enumerate(found, 1)
    ]
    show_table(("", "when (UTC)", "kind", "what", "size", "reason"), rows, long=("what", "reason"))
    print()
    for number, entry in enumerate(found, 1):
        say(f"{number} {entry.folder}")


def _list_json(root: Path) -> None:
    show_json([dict(_known(entry)) for entry in entries(root)])


def _retry(found: Sequence[Entry], config: Path) -> int:
    stays = 0
    for entry, outcome in _outcomes(found, config):
        stays += not outcome.done
        say(outcome.text if outcome.done else f"stays: {entry.folder.name}: {outcome.text}")
    return BadInput.exit_code if stays else 0


def _outcomes(found: Sequence[Entry], config: Path) -> Iterator[tuple[Entry, Outcome]]:
    encrypted = [entry for entry in found if isinstance(entry.facts, UndecryptableFacts)]
    yield from ((entry, retry(entry)) for entry in found if entry not in encrypted)
    if encrypted:
        yield from retry_encrypted(encrypted, kafka_options(config, "producer"))


def _known(entry: Entry) -> Iterator[tuple[str, object]]:
    """All that is known of an entry, by name, and what a person can do about it."""
    yield "entry", str(entry.folder)
    yield "when", f"{_time(entry.when)} UTC"
    yield "kind", entry.kind
    if entry.facts is not None:
        yield "topic", entry.facts.topic
    match entry.facts:
        case FileFacts() as facts:
            yield from {"path": facts.path, "partition": facts.partition, "offset": facts.offset}.items()
            yield from {"sha512": facts.sha512, "upload": facts.upload or "none: sent by OpenMSIStream"}.items()
            if facts.processor:
                yield "processor", " ".join((facts.processor, facts.processor_version)).rstrip()
        case PartialFacts() as facts:
            yield from {"path": facts.path, "chunks": facts.prefix + len(facts.beyond)}.items()
        case UndecryptableFacts() as facts:
            yield from {"partition": facts.partition, "offset": facts.offset, "key index": facts.key_index}.items()
        case RecordFacts() as facts:
            yield from {"partition": facts.partition, "offset": facts.offset, "key": _key(entry)}.items()
            yield "record", _decoded(entry)
    yield "size", entry.size
    yield "reason", entry.reason
    yield "what to do", _advice(entry)
    if isinstance(entry.facts, FileFacts) and entry.facts.traceback:
        yield "traceback", entry.facts.traceback


def _key(entry: Entry) -> str:
    try:
        return (entry.folder / KEY).read_bytes().decode(errors="backslashreplace")
    except FileNotFoundError:
        return "none"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _decoded(entry: Entry) -> str:
    try:
        return in_words(record_of(entry))
    except (BadFile, Retryable) as error:
        return str(error)


def _advice(entry: Entry) -> str:
    delete = "delete the entry when you have seen it"
    match entry.facts:
        case FileFacts() if entry.elsewhere:
            return entry.elsewhere
        case FileFacts():
            return "remove what the reason names, then: openmsi quarantine retry; or send the file again"
        case PartialFacts():
            return "nothing: it goes on by itself when the rest comes; else delete the entry and send the file again"
        case UndecryptableFacts():
            return (
                "see that the uploader that sent it runs, or start openmsi key-server for its node; then:"
                f" openmsi quarantine retry --config CONFIG {entry.folder}"
            )
        case RecordFacts():
            try:
                record_of(entry)
            except (BadFile, Retryable):
                return f"find out from its key who sent it; a file that is missing must be sent again. Then {delete}"
            return f"{AGAIN}; then: openmsi quarantine retry"
        case None:
            return f"{delete}; the downloader needs nothing of it"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
