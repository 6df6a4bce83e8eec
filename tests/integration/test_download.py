"""`DataFileDownloadDirectory` against a real broker: what was sent is in the folder, whole, or not at all."""

import dataclasses
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openmsi_core.chunk import Chunk
from tests.support.broker import Broker, unique
from tests.support.downloading import committed, reasons, tree
from tests.support.running import POWERLESS, Program, wait_for
from tests.support.sending import Sender, chunks, upload

Start = Callable[..., Program]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def start(kafka: Broker, topic: str, tmp_path: Path, out: Path) -> Iterator[Start]:
    """Starts downloaders of ``topic`` into ``out``; those still running at the end are killed."""
    running: list[Program] = []

    def start(*options: str, name: str = "downloader", prefix: tuple[str, ...] = ()) -> Program:
        command = ("DataFileDownloadDirectory", str(out), "--topic_name", topic, *options)
        program = Program(tmp_path / name, kafka.bootstrap, *command, prefix=prefix)
        running.append(program)
        return program

    yield start
    for program in running:
        program.kill()


def test_trees_arrive_byte_for_byte(start: Start, sender: Sender, out: Path) -> None:
    sent = {
        "root.txt": b"hello",
        "empty": b"",
        "a/b/c/deep file.dat": random.randbytes(12_345),
        "ünï/紙 – 1.csv": random.randbytes(1000),
        "exact.bin": random.randbytes(3000),
        "a_b/c.txt": b"ambiguous 1",
        "a/b_c.txt": b"ambiguous 2",
    }
    for path, content in sent.items():
        sender.file(path, content, mtime=1_700_000_000.25)
    program = start()
    wait_for(lambda: tree(out) == sent, "all files")
    assert (out / "a/b/c/deep file.dat").stat().st_mtime == 1_700_000_000.25
    assert program.stop() == 0
    assert list((out / ".openmsi" / "staging").iterdir()) == []


def test_restart_resumes_and_places_nothing_twice(start: Start, sender: Sender, out: Path, kafka: Broker) -> None:
    group = unique("group")
    sender.file("one", b"1" * 5000)
    first = start("--consumer_group_id", group)
    wait_for(lambda: tree(out), "the first file")
    assert first.stop() == 0
    assert sum(offset for offset in committed(kafka.bootstrap, sender.topic, group).values() if offset > 0) == 5
    inode = (out / "one").stat().st_ino
    sender.file("two", b"2")
    second = start("--consumer_group_id", group, name="second")
    wait_for(lambda: "two" in tree(out), "the second file")
    assert second.stop() == 0
    assert (out / "one").stat().st_ino == inode
    assert "placed one" not in second.output


def test_offsets_never_pass_an_unfinished_file(start: Start, sender: Sender, out: Path, kafka: Broker) -> None:
    group = unique("group")
    content = random.randbytes(10_000)
    pieces, by = list(chunks("big", content)), upload(content)
    sender.chunks(pieces[:6], by)
    same_partition = next(f"small{i}" for i in range(99) if sender.partition(f"small{i}") == sender.partition("big"))
    sender.file(same_partition, b"small")
    program = start("--consumer_group_id", group)
    wait_for(lambda: same_partition in tree(out), "the small file")
    program.kill()
    assert committed(kafka.bootstrap, sender.topic, group)[sender.partition("big")] <= 0
    again = start("--consumer_group_id", group, name="again")
    again.says("reading partitions")
    sender.chunks(pieces[6:], by)
    wait_for(lambda: tree(out).get("big") == content, "the big file")
    assert again.stop() == 0
    assert committed(kafka.bootstrap, sender.topic, group)[sender.partition("big")] == 11


def test_newest_generation_wins_however_chunks_interleave(start: Start, sender: Sender, out: Path) -> None:
    old, new = random.randbytes(9500), random.randbytes(7100)
    first, second = upload(old), upload(new)
    for pair in zip(chunks("f", old), chunks("f", new, mtime=1.6e9), strict=False):
        sender.chunks(pair[:1], first)
        sender.chunks(pair[1:], second)
    sender.chunks(list(chunks("f", old))[8:], first)
    sender.file("after", b"x", by=upload(b"x"))
    program = start()
    wait_for(lambda: len(tree(out)) == 2, "both files")
    assert program.stop() == 0
    assert tree(out)["f"] == new


def test_poison_is_put_aside_and_passed(start: Start, sender: Sender, out: Path, tmp_path: Path) -> None:
    sender.record(b"k", b"garbage")
    sender.record(b"k", None)
    (evil,) = chunks("x", b"evil")
    for name in ("../evil", "/etc/evil", "a/../../evil", "nul\0", "x" * 300, ".openmsi/x"):
        subdir, _, filename = name.rpartition("/")
        sender.chunks([_renamed(evil, subdir, filename)], None)
    sender.file("good", b"good")
    program = start()
    wait_for(lambda: tree(out) == {"good": b"good"}, "the good file")
    wait_for(lambda: len(reasons(out)) == 8, "eight entries in quarantine")
    assert program.stop() == 0
    assert all({"topic", "partition", "offset", "reason"} <= entry.keys() for entry in reasons(out))
    assert not (tmp_path / "evil").exists()
    assert not Path("/etc/evil").exists()


def _renamed(chunk: Chunk, subdir: str, filename: str) -> Chunk:
    return dataclasses.replace(chunk, subdir=subdir, filename=filename)


def test_wrong_whole_hash_goes_to_quarantine_with_its_bytes(start: Start, sender: Sender, out: Path) -> None:
    content = random.randbytes(3000)
    sender.chunks([dataclasses.replace(c, file_hash=bytes(64)) for c in chunks("bad", content)], upload(content))
    start()
    wait_for(lambda: reasons(out), "quarantine")
    (entry,) = (out / ".openmsi" / "quarantine").iterdir()
    assert (entry / "content").read_bytes() == content
    assert tree(out) == {}


def test_scattered_chunks_of_openmsistream_complete_in_one_process(start: Start, sender: Sender, out: Path) -> None:
    content = random.randbytes(50_500)
    pieces = list(chunks("scattered", content))
    random.shuffle(pieces)
    sender.chunks(pieces, None)
    start()
    wait_for(lambda: tree(out).get("scattered") == content, "the file")


def test_a_group_shares_the_work(start: Start, sender: Sender, out: Path) -> None:
    group = unique("group")
    programs = [start("--consumer_group_id", group, name=f"member{i}") for i in range(3)]
    sent = {f"f{i}": random.randbytes(2500) for i in range(200)}
    for path, content in sent.items():
        sender.file(path, content)
    wait_for(lambda: tree(out) == sent, "all files", 60)
    assert [program.stop() for program in programs] == [0, 0, 0]


def test_links_below_the_root_are_not_followed(start: Start, sender: Sender, out: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    out.mkdir()
    (out / "link").symlink_to(outside)
    sender.file("link/file", b"x")
    start()
    wait_for(lambda: reasons(out), "quarantine")
    assert list(outside.iterdir()) == []


def test_a_newer_file_of_somebody_else_is_not_overwritten(start: Start, sender: Sender, out: Path) -> None:
    out.mkdir()
    (out / "notes").write_text("mine")
    sender.file("notes", b"theirs")
    start()
    wait_for(lambda: reasons(out), "quarantine")
    assert (out / "notes").read_text() == "mine"


def test_folder_that_cannot_be_written_names_uid_and_right(start: Start, out: Path) -> None:
    out.mkdir()
    os.chown(out, 12345, 12345)
    program = start(prefix=POWERLESS)
    assert program.exits() == 78
    last = program.output.splitlines()[-1]
    assert f"user id {os.getuid()} may not write to {out}" in last
