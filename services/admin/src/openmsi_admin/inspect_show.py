"""How the contents of a topic are shown: a table for people, one JSON object for programs."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from openmsi_admin.inspect_contents import Bad, Contents, Sent, State
from openmsi_admin.inspect_read import Extent
from openmsi_core.printable import printable
from openmsi_core.records import Record
from openmsi_core.status import size

_COLOURS = {
    State.CURRENT: "green",
    State.SUPERSEDED: "dim",
    State.REPEAT: "dim",
    State.INCOMPLETE: "yellow",
    State.BEGINNING_DELETED: "red",
}
_ID_DIGITS = 8


def as_json(topic: str, extents: Iterable[Extent], contents: Contents, why: str = "") -> Mapping[str, object]:
    """One object; its fields are described in docs/operations.md."""
    extents = list(extents)
    return {
        "topic": topic,
        "records": contents.records,
        "bytes": contents.bytes,
        "partitions": [
            {"partition": e.partition, "begin": e.low, "end": e.end, "open_transactions": e.high - e.end}
            for e in extents
        ],
        "uploads": [_as_json(sent, state) for sent, state in contents.uploads(_deleted(extents))],
        "encrypted": {
            "records": contents.locked,
            "bytes": contents.locked_bytes,
            "reason": why if contents.locked else None,
        },
        "bad": [{"reason": bad.reason, "records": bad.records, "first": _place(bad.first)} for bad in contents.bad],
    }


def show_table(console: Console, topic: str, extents: Iterable[Extent], contents: Contents, why: str = "") -> None:
    """The uploads as a table, below it what else there is to say; ``why`` some records may have stayed encrypted."""
    extents = list(extents)
    uploads = contents.uploads(_deleted(extents))
    if uploads:
        console.print(_table(uploads))
        console.print()
    for text, colour in _remarks(topic, extents, contents, uploads, why):
        console.print(Text(text, colour))


def _table(uploads: Iterable[tuple[Sent, State]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("file", overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("state", min_width=12)
    table.add_column("when (UTC)", min_width=10)
    table.add_column("by", min_width=_ID_DIGITS, overflow="fold")
    table.add_column("part.", no_wrap=True)
    for sent, state in uploads:
        table.add_row(
            Text(printable(sent.file.generation.path.text)),
            size(sent.file.size),
            Text(_in_words(sent, state), _COLOURS[state]),
            Text(_minute(sent.last)),
            Text(printable(sent.file.version.source[:_ID_DIGITS]) or "OpenMSIStream"),
            _ranges(sent.partitions),
        )
    return table


def _in_words(sent: Sent, state: State) -> str:
    missing = f"{sent.chunks} of {sent.file.generation.total} chunks"
    match state:
        case State.CURRENT:
            text = "complete"
        case State.SUPERSEDED:
            text = "complete, superseded"
        case State.REPEAT:
            text = "complete, a repeat"
        case State.INCOMPLETE:
            text = missing
        case State.BEGINNING_DELETED:
            text = f"{missing}: its beginning has been deleted by retention"
    if len(sent.partitions) > 1:
        text += ", scattered"
    return text + (f", {sent.repeated_chunks} chunks came again" if sent.repeated_chunks else "")


def _remarks(
    topic: str, extents: Sequence[Extent], contents: Contents, uploads: Sequence[tuple[Sent, State]], why: str
) -> list[tuple[str, str]]:
    """Lines below the table, each with its colour."""
    counts = Counter(state for _, state in uploads)
    rest = len(uploads) - counts[State.CURRENT]
    text = f"topic {topic}: {counts[State.CURRENT]} complete files, {rest} other uploads"
    text += f"; {contents.records} records, {size(contents.bytes)}; partitions: {len(extents)}"
    lines = [(text, "bold")]
    if not any(e.high > e.low for e in extents):
        lines.append(("the topic is empty", "yellow"))
    elif contents.records > contents.locked and not uploads:
        lines.append(("none of its records is a piece of a file: this topic carries something else", "yellow"))
    if contents.locked:
        text = f"{contents.locked} records ({size(contents.locked_bytes)}) are encrypted, and what is in them is not"
        lines.append((f"{text} known here: {why}", "yellow"))
    lines += [(_bad_in_words(bad), "red") for bad in contents.bad]
    for e in extents:
        if e.low:
            lines.append((f"partition {e.partition}: what was before offset {e.low} has been deleted", "yellow"))
        if e.high > e.end:
            waiting = f"{e.high - e.end} offsets from {e.end} on are not shown: a transaction has not ended"
            lines.append((f"partition {e.partition}: {waiting}", "yellow"))
    return lines


def _bad_in_words(bad: Bad) -> str:
    where = f"the first: partition {bad.first.partition}, offset {bad.first.offset}"
    return f"bad records: {bad.records} × {printable(bad.reason)} ({where})"


def _as_json(sent: Sent, state: State) -> Mapping[str, object]:
    file, version = sent.file, sent.file.version
    return {
        "path": file.generation.path.text,
        "state": state.value,
        "size": sent.size if sent.size is not None or file.missing else file.size,
        "bytes": file.size,
        "chunks": sent.chunks,
        "total_chunks": file.generation.total,
        "repeated_chunks": sent.repeated_chunks,
        "sha512": version.file_hash.hex(),
        "mtime": version.mtime or None,
        "source": version.source or None,
        "upload": version.upload_id or None,
        "partitions": sorted(sent.partitions),
        "first": _place(sent.first),
        "last": _place(sent.last),
    }


def _place(record: Record) -> Mapping[str, object]:
    time = _time(record) if record.timestamp else None
    return {"partition": record.partition, "offset": record.offset, "time": time}


def _time(record: Record) -> str:
    try:
        moment = datetime.fromtimestamp(record.timestamp // 1000, UTC)
    except (OverflowError, ValueError, OSError):  # senders may write any time
        return f"{record.timestamp} ms"
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _minute(record: Record) -> str:
    return _time(record).replace("T", " ").removesuffix("Z")[:16] if record.timestamp else "unknown"


def _deleted(extents: Iterable[Extent]) -> dict[int, bool]:
    return {extent.partition: extent.low > 0 for extent in extents}


def _ranges(numbers: Iterable[int]) -> str:
    """``{0, 1, 2, 5}`` as ``0-2,5``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
