"""Programs that write files in every way that makes a mover of files take too early, too late, twice or never.

Each writer has a folder of its own and ends with contents that stay. What must be sent in the end, and what may be
seen before, the judge hears from its `Pen`.
"""

import mmap
import os
import shutil
import time
from collections.abc import Callable
from uuid import uuid4

from tests.faults.pen import Hand, Pen

Writer = Callable[[Hand], None]


def drips(hand: Hand) -> None:
    """Comes in pieces, with pauses below the settle time: taken whole and never before."""
    _drip(hand, hand.pen("drip"), hand.below)


def drips_slowly(hand: Hand) -> None:
    """The same with pauses about the settle time: some halves may be taken."""
    _drip(hand, hand.pen("slow drip"), hand.about)


def kept_open(hand: Hand) -> None:
    """The same with long pauses: each half is a generation."""
    _drip(hand, hand.pen("log"), hand.above)


def _drip(hand: Hand, pen: Pen, pause: Callable[[], None]) -> None:
    pen.create()
    for _ in range(hand.random.randrange(2, 6)):
        pause()
        pen.append(hand.piece())
    pause()
    pen.append(hand.piece(), last=True)
    if hand.random.random() < 0.5:
        hand.above()
    pen.close()


def cuts_and_rewrites(hand: Hand) -> None:
    """Opened with "w" again and again, as many programs save."""
    pen = hand.pen("saved.csv")
    pen.replace(hand.piece())
    for _ in range(hand.random.randrange(1, 4)):
        hand.about()
        pen.create()
        hand.below()
        pen.append(hand.piece())
    hand.about()
    pen.cut(0)
    hand.below()
    pen.append(hand.piece(), last=True)
    pen.close()


def restores_the_time(hand: Hand) -> None:
    """Other bytes, same size, and the old mtime put back: only the ctime tells."""
    pen, size = hand.pen("disguised"), hand.random.randrange(2, 20_000)
    pen.create()
    pen.append(hand.random.randbytes(size))
    before = os.fstat(pen.file).st_mtime_ns
    for last in (False, False, True):
        hand.about()
        pen.overwrite(hand.random.randrange(size), hand.random.randbytes(1), last=last)
        os.utime(pen.file, ns=(before, before))
    pen.close()


def renames_into_place(hand: Hand) -> None:
    """A new file over the old one, sometimes while that is being read."""
    pen = hand.pen("state.json")
    for _ in range(hand.random.randrange(1, 8)):
        pen.replace(hand.piece())
        hand.about()
    pen.replace(hand.piece(), last=True)


def renames_while_read(hand: Hand) -> None:
    """A large file gets other names while it is read and sent."""
    pen = hand.pen("0.raw")
    pen.replace(hand.large())
    for number in range(1, 3):
        time.sleep(hand.random.uniform(0.3, 0.5))
        pen = _rename(hand, pen, f"{number}.raw", last=number == 2)


def _rename(hand: Hand, old: Pen, name: str, *, last: bool) -> Pen:
    new = hand.pen(name)
    with old.making(None), new.making(old.content, last=last):
        old.paths[0].rename(new.paths[0])
    return new


def deletes(hand: Hand) -> None:
    """Before, while and after it is sent; sometimes another one follows."""
    pen = hand.pen("fleeting")
    for pause in (hand.below, hand.about, hand.above):
        pen.replace(hand.piece(200_000))
        pause()
        pen.remove()
    if hand.random.random() < 0.5:
        pen.replace(hand.piece(), last=True)


def grows_holes(hand: Hand) -> None:
    """Made long at once and filled here and there."""
    pen, size = hand.pen("sparse.h5"), hand.random.randrange(10_000, 1_000_000)
    pen.create()
    pen.cut(size)
    for last in (False, False, False, True):
        hand.about()
        pen.overwrite(hand.random.randrange(size), hand.piece(), last=last)
    pen.close()


def creates_empty(hand: Hand) -> None:
    """Born empty, filled much later; another stays empty."""
    pen = hand.pen("born empty")
    pen.create()
    hand.pen("stays empty").create(last=True)
    hand.above()
    pen.append(hand.piece(), last=True)
    pen.close()


def copies_old_times(hand: Hand) -> None:
    """A copy that brings its mtime along, over another one."""
    pen, original = hand.pen("copy"), hand.way.world.folder / "spare" / uuid4().hex
    for age, last in ((1e6, False), (1e9, False), (1e8, True)):
        original.write_bytes(content := hand.piece())
        os.utime(original, (time.time() - age,) * 2)
        pen.create()  # as shutil.copy2 begins
        pen.append(content, last=last)
        pen.close()
        shutil.copystat(original, pen.paths[0])
        hand.about()


def maps(hand: Hand) -> None:
    """Written through a mapping that stays: no event tells of it. (Each page once: Linux dates but the first write.)"""
    pen, pages = hand.pen("mapped"), list(range(hand.random.randrange(2, 6)))
    pen.create()
    pen.cut(len(pages) * mmap.PAGESIZE)
    hand.keep.append(view := mmap.mmap(pen.file, len(pages) * mmap.PAGESIZE))
    hand.random.shuffle(pages)
    for page in pages:
        hand.about()
        at, piece = page * mmap.PAGESIZE, hand.random.randbytes(mmap.PAGESIZE)
        assert pen.content is not None
        content = pen.content[:at] + piece + pen.content[at + len(piece) :]
        with pen.making(content, last=page == pages[-1]):
            view[at : at + len(piece)] = piece
    pen.close()


def grows_while_sent(hand: Hand) -> None:
    """Goes on growing after it stood still, while it is read and sent."""
    pen = hand.pen("growing.raw")
    pen.create()
    pen.append(hand.large())
    for last in (False, False, True):
        time.sleep(hand.random.uniform(0.3, 0.5))
        pen.append(hand.piece(), last=last)
    pen.close()


def overwrites_while_read(hand: Hand) -> None:
    """Stands still just long enough to be taken, and is written to here and there while it is read."""
    pen = hand.pen("table.db")
    pen.replace(hand.random.randbytes(4_000_000))
    pen.open()
    time.sleep(hand.random.uniform(0.30, 0.33))
    for number in range(60):
        pen.overwrite(hand.random.randrange(3_999_000), hand.random.randbytes(100), last=number == 59)
        time.sleep(0.002)
    pen.close()


def writes_without_end(hand: Hand) -> None:
    """Never still until all others are done."""
    pen = hand.pen("without end")
    pen.create()
    while not hand.others_done.wait(0.05):
        pen.append(b"on and on ")
    pen.append(b"the end", last=True)
    pen.close()


WRITERS: tuple[Writer, ...] = (
    drips, drips_slowly, kept_open, cuts_and_rewrites, restores_the_time, renames_into_place, renames_while_read,
    deletes, grows_holes, creates_empty, copies_old_times, maps, grows_while_sent,
    overwrites_while_read,
)  # fmt: skip
"""All but `writes_without_end`."""
