"""Names, places and kinds of files that programs do not expect, and what lies about but must not be sent."""

import contextlib
import os
import socket
import unicodedata
from pathlib import Path
from uuid import uuid4

from openmsi_uploader.filters import DEBRIS, HIDDEN, LINK, NOT_UTF8, SPECIAL, UNUSABLE
from tests.faults.pen import Hand, Pen
from tests.faults.writers import Writer

NAMES = (
    "a\nb", "\r\n", "\t", "\x01\x02\x7f", "\x1b[31mred\x1b[0m", " ", " blank ", "-rf", "--help", "*", "?", "%s%n",
    "$HOME", "`id`", "'\"", "back\\slash", "a:b", "CON", "nul.txt", "COM1", "dot.", "x.tmp", "~tmp", "lock",
    "journal.json", "reason.json", "probe-0123", "0123456789abcdef0123456789abcdef", "openmsi", "catalog.csv",
    "log.txt", "\u202egnp.exe", "\ufeffbom", "\u2028", "🔬🧪", "日本語", "x" * 255, "あ" * 85, "é" * 127,
    "a_chunk_1_of_1", "ﬁ", "\u0130", "ß", "SS",
)  # fmt: skip


def links_hard(hand: Hand) -> None:
    """Two names of one file, written through the first."""
    pen = hand.pen("name", "other name")
    pen.create()
    pen.append(hand.piece())
    hand.about()
    pen.append(hand.piece())
    hand.about()
    pen.append(hand.piece(), last=True)
    pen.close()


def moves_folders(hand: Hand) -> None:
    """A folder with files is moved in, out, in again, and gets another name."""
    elsewhere = hand.way.world.folder / "spare" / uuid4().hex
    contents = {name: hand.piece() for name in ("a", "b/c", "b/d/e")}
    for name, content in contents.items():
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / name).write_bytes(content)
    hand.here.mkdir(parents=True)
    inside, final = hand.here / "tree", hand.here / "tree of another name"
    pens = {name: Pen(hand.way, f"{hand.folder}/tree/{name}") for name in contents}
    for source, target in ((elsewhere, inside), (inside, elsewhere), (elsewhere, inside)):
        with contextlib.ExitStack() as stack:
            for name, pen in pens.items():
                stack.enter_context(pen.making(contents[name] if target == inside else None))
            source.rename(target)
        hand.about()
    last = {name: Pen(hand.way, f"{hand.folder}/{final.name}/{name}") for name in contents}
    with contextlib.ExitStack() as stack:
        for name, pen in pens.items():
            stack.enter_context(pen.making(None))
            stack.enter_context(last[name].making(contents[name], last=True))
        inside.rename(final)


def names_oddly(hand: Hand) -> None:
    """Four names that are text, each in a folder of such a name."""
    for name in hand.random.sample(NAMES, 4):
        pen = hand.pen(f"{hand.random.choice(NAMES)}/{name}")
        pen.replace(hand.piece())
        hand.below()
        pen.replace(hand.piece(), last=True)


def names_alike(hand: Hand) -> None:
    """Names that look the same, or whose keys on the topic are the same."""
    composed = "Mörbräu Ångström"
    for name in (composed, unicodedata.normalize("NFD", composed), "a/b_c", "a_b/c", "Case", "case"):
        hand.pen(name).replace(hand.piece(), last=True)
        hand.below()


def goes_deep(hand: Hand) -> None:
    """A path of up to 3,000 bytes."""
    depth = hand.random.randrange(30, 120)
    hand.pen("/".join(["d" * hand.random.randrange(1, 24)] * depth + ["leaf"])).replace(hand.piece(), last=True)


def litters(hand: Hand) -> None:
    """What is left out on purpose, and what can have no name on the topic: all of it is counted, none is sent."""
    folder = os.fsencode(hand.here)
    hand.pen("wanted").replace(b"wanted", last=True)
    for name, reason in (
        (b".hidden", HIDDEN),
        (b".openmsi", HIDDEN),
        (b"scan.tif.part", DEBRIS),
        (b"report~", DEBRIS),
        (b"caf\xe9.txt", NOT_UTF8),
        (b"\xff\xfe", NOT_UTF8),
        (b"\xed\xa0\x80", NOT_UTF8),  # a surrogate
    ):
        _write(folder + b"/" + name)
        hand.left_out[reason] += 1
    for name, reason in ((b".git", HIDDEN), (b"\xe9t\xe9", NOT_UTF8), (b"lost+found", DEBRIS)):
        (path := Path(os.fsdecode(folder + b"/" + name))).mkdir()
        _write(os.fsencode(path / "inside"))
        hand.left_out[reason] += 1
    far = hand.here / "/".join(["f" * 250] * 13)
    far.mkdir(parents=True)
    _write(os.fsencode(far / "too far"))
    hand.left_out[UNUSABLE] += 1


def links_and_pipes(hand: Hand) -> None:
    """None is followed, none is waited for; a file that takes the place of one is sent."""
    secret = hand.way.world.folder / "secret"
    (secret / "folder").mkdir(parents=True, exist_ok=True)
    for name in ("file", "folder/file"):
        (secret / name).write_bytes(b"nobody must see this")
    pens = [hand.pen(name) for name in ("pipe", "link", "socket")]
    pens[0].replace(hand.large())
    hand.above()
    with pens[0].making(None):
        os.mkfifo(hand.here / "beside")
        (hand.here / "beside").rename(pens[0].paths[0])
    targets: dict[str, Path | str] = {"link": secret / "file", "folder link": secret / "folder"}
    targets |= {"dead": "nowhere", "loop": ".", "self": "self"}
    for name, target in targets.items():
        (hand.here / name).symlink_to(target)
    _make_socket(pens[2].paths[0])
    os.mkfifo(hand.here / "pipe that stays")
    hand.above()
    for pen in pens:
        pen.replace(hand.piece(), last=True)
    hand.left_out.update({LINK: 4, SPECIAL: 1})


def swaps_folder_for_link(hand: Hand) -> None:
    """A folder is moved away and a link to another one takes its place, while a file in it is about to be sent."""
    secret = hand.way.world.folder / "secret" / "folder"
    secret.mkdir(parents=True, exist_ok=True)
    (secret / "file").write_bytes(b"nobody must see this")
    pen = hand.pen("folder/file")
    pen.replace(hand.piece())
    hand.below()
    with pen.making(None):
        (hand.here / "folder").rename(hand.way.world.folder / "spare" / f"{hand.folder.replace('/', '-')}")
        (hand.here / "folder").symlink_to(secret)
    hand.left_out[LINK] += 1


def _make_socket(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{folder}/{path.name}")  # a socket's path may be but 107 bytes long
    os.close(folder)


def _write(path: bytes) -> None:
    Path(os.fsdecode(path)).write_bytes(b"not to be sent")


ODD: tuple[Writer, ...] = (
    links_hard,
    moves_folders,
    names_oddly,
    names_alike,
    goes_deep,
    litters,
    links_and_pipes,
    swaps_folder_for_link,
)
