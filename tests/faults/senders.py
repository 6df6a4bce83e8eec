"""Senders that write to a topic what receivers do not expect. The judge hears what must arrive."""

import dataclasses
import hashlib
from collections.abc import Callable
from random import Random

from openmsi_core.chunk import Chunk, encode_headers
from tests.faults.load import Headers, Load, Raw, other_hash
from tests.faults.poison import unusable
from tests.support.sending import chunks, upload

Send = Callable[[Load, str], None]
"""Of records about the path that is given."""


def good(load: Load, path: str) -> None:
    """In order or not, some or all chunks twice."""
    load.judge.owe(path, content := load.content())
    pieces = load.pieces(path, content)
    match load.random.randrange(4):
        case 0:
            load.random.shuffle(pieces)
        case 1:
            pieces = [each for each in pieces for _ in range(load.random.randrange(1, 3))]
        case 2:
            pieces *= 2
    load.add(load.raws(pieces, load.sender(content)))


def spoilt_headers(load: Load, path: str) -> None:
    """Not ours then, but a file all the same."""
    load.judge.owe(path, content := load.content())
    headers: Headers = [*encode_headers(upload(content))]
    at = load.random.randrange(len(headers))
    name = headers[at][0]
    wrong = (None, b"", b"\xff\xfe", b"-1", b"9" * 5000, b"x" * 300, b"1e9", b"not-a-uuid", b"\0")
    match load.random.randrange(4):
        case 0:
            del headers[at]
        case 1:
            headers += [(name, load.random.choice(wrong))] * load.random.randrange(1, 200)
        case 2:
            headers.append(("", b""))
        case 3:
            headers[at] = (name, load.random.choice(wrong))
    load.add(load.raws(load.pieces(path, content), None, headers))


def one_source(load: Load, path: str) -> None:
    """Several versions of one source, mixed, with any mtime: the latest upload wins. Earlier ones may stop half-way."""
    versions = [(content := load.content(), upload(content)) for _ in range(load.random.randrange(2, 5))]
    for content, by in versions:
        pieces = load.pieces(path, content, load.random.choice((0.0, -5.0, 1.0, 1.6e9, 1.8e9)))
        if by is versions[-1][1]:
            load.judge.owe(path, content)
        elif len(pieces) > 1 and load.random.random() < 0.4:
            del pieces[load.random.randrange(len(pieces))]
        else:
            load.judge.allow(path, content)
        load.random.shuffle(pieces)
        load.add(load.raws(pieces, by))


def newest_time(load: Load, path: str) -> None:
    """Versions of several sources, or of OpenMSIStream, scattered and mixed: the newest mtime wins."""
    times = load.random.sample(range(1_600_000_000, 1_700_000_000), load.random.randrange(2, 5))
    for time in times:
        content = load.content()
        (load.judge.owe if time == max(times) else load.judge.allow)(path, content)
        by = load.random.choice((upload(content, f"source-{time}"), None))
        load.add(load.raws(load.pieces(path, content, time), by))


def latest_in_log(load: Load, path: str) -> None:
    """Two sources and no times: the one that came later wins."""
    earlier, later = load.content(), load.content()
    load.judge.allow(path, earlier)
    load.judge.owe(path, later)
    stream = load.raws(chunks(path, earlier, size=len(earlier), mtime=0.0), upload(earlier, "source-a"))
    load.add(stream + load.raws(load.pieces(path, later, 0.0), upload(later, "source-b")))


def other_totals(load: Load, path: str) -> None:
    """The same content cut in several ways: complete each, placed once."""
    load.judge.owe(path, content := load.random.randbytes(5000))
    for size in (700, 1000, 5000):
        load.add(load.raws(chunks(path, content, size=size), load.sender(content)))


def poison(load: Load, _path: str) -> None:
    """Four records that are none."""
    random = load.random
    for _ in range(4):
        key = random.choice((None, b"", random.randbytes(20), b"_good_chunk_1_of_1"))
        ours: Headers = [*encode_headers(upload(b""))]
        strange: Headers = [("ü", None)]
        headers = random.choice((ours, ours[:1], strange, strange[:0]))
        load.add([Raw(key, unusable(random), random.randrange(4), headers, poison=True)])


def wrong_whole(load: Load, path: str) -> None:
    """All chunks right, whole wrong."""
    load.bad_file(other_hash(load.pieces(path, load.content())))


def misfits(load: Load, path: str) -> None:
    """Chunks that overlap, leave a gap, lie far out, changed places or lie inside each other."""
    pieces = load.several(path)
    at = load.random.randrange(1, len(pieces))
    offset = pieces[at].offset + load.random.choice((-999, -1, 1, 1000, 1 << 40))
    match load.random.randrange(3):
        case 0:
            pieces[at] = dataclasses.replace(pieces[at], offset=offset)
        case 1:
            pieces[0], pieces[at] = (
                dataclasses.replace(pieces[0], offset=pieces[at].offset),
                dataclasses.replace(pieces[at], offset=0),
            )
        case 2:
            pieces = _whole_but(pieces, load.random)
    load.random.shuffle(pieces)
    load.bad_file(pieces)


def _whole_but(pieces: list[Chunk], random: Random) -> list[Chunk]:
    """A file of one chunk that lies elsewhere, or one more chunk inside the others."""
    if random.random() < 0.5:
        content = b"".join(bytes(each.data) for each in pieces)
        (whole,) = chunks(pieces[0].path.text, content, size=len(content))
        return [dataclasses.replace(whole, offset=random.randrange(1, 1 << 40))]
    data = b"more"
    total = len(pieces) + 1
    more = dataclasses.replace(pieces[0], offset=500, index=total, data=data, chunk_hash=hashlib.sha512(data).digest())
    return [dataclasses.replace(each, total=total) for each in (*pieces, more)]


def through_a_link(load: Load, path: str) -> None:
    """A folder on the way is a link to the canary's or no folder, or a folder has the name."""
    place = load.random.choice(("linked", "dir/linked", "pipe"))
    name = f"{place}/{path}" if load.random.random() < 0.8 else "dir"
    load.bad_file(load.pieces(name, load.content()))


GOOD: tuple[Send, ...] = (good, good, spoilt_headers, one_source, newest_time, latest_in_log, other_totals)
BAD: tuple[Send, ...] = (poison, poison, poison, wrong_whole, misfits, through_a_link)
