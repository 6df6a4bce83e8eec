"""`DataFileDownloadDirectory` when its broker goes, and when members of its group come, go, die and freeze."""

import os
import random
import signal
import time
from pathlib import Path

from tests.support.broker import Broker, unique
from tests.support.downloading import Downloads
from tests.support.running import Program, wait_for
from tests.support.sending import Sender, chunks, upload

QUICK = "\n[consumer]\nsession.timeout.ms = 6000\nheartbeat.interval.ms = 500\n"


def test_a_broker_that_is_away_is_waited_for(own_kafka: Broker, tmp_path: Path) -> None:
    topic = own_kafka.create_topic()
    own_kafka.stop()
    downloads = Downloads(own_kafka.bootstrap, topic, tmp_path)
    program = downloads.start()
    try:
        program.says("the broker does not answer")
        own_kafka.start()
        sender = Sender(own_kafka.bootstrap, topic)
        sender.file("first", b"1" * 3000)
        wait_for(lambda: "first" in downloads.tree, "the first file", 60)
        own_kafka.kill()
        time.sleep(5)
        assert program.process.poll() is None
        own_kafka.start()
        sender.file("second", b"2" * 3000)
        wait_for(lambda: "second" in downloads.tree, "the second file", 60)
        own_kafka.stop()
        asked = time.monotonic()
        assert program.stop() == 0
        assert time.monotonic() - asked < 9, "Docker kills after 10 s"
        assert program.output.count("does not answer") < 8, program.output
    finally:
        downloads.kill()


def test_members_come_and_die_while_large_files_are_under_way(downloads: Downloads, sender: Sender) -> None:
    group = unique("group")
    sent = {f"run/{i}": random.randbytes(random.randrange(200_000, 900_000)) for i in range(12)}
    pieces = {path: list(chunks(path, content, size=20_000)) for path, content in sent.items()}
    by = {path: upload(content) for path, content in sent.items()}

    def send(part: int) -> None:
        """One fifth of each file."""
        for path, all_of_it in pieces.items():
            fifth = -(-len(all_of_it) // 5)
            sender.chunks(all_of_it[part * fifth : (part + 1) * fifth], by[path])

    def join(name: str) -> Program:
        program = downloads.start("--consumer_group_id", group, name=name, config=QUICK)
        program.says("reading partitions")
        return program

    members = [join("one")]
    send(0)
    members += [join("two"), join("three")]
    send(1)
    wait_for(lambda: len(downloads.staged) >= len(sent), "all files to be begun")
    members.pop(0).kill()
    send(2)
    send(3)
    send(4)
    wait_for(lambda: downloads.tree == sent, "all files", 60)
    assert [program.stop() for program in members] == [0, 0]
    assert downloads.reasons == []
    assert sum(downloads.committed(group).values()) == sum(len(all_of_it) for all_of_it in pieces.values())


def test_a_member_that_was_frozen_undoes_nothing(downloads: Downloads, sender: Sender) -> None:
    """It holds half of an old version when it freezes; the others go on; it thaws when all is over."""
    group, where = unique("group"), sender.partition("file")
    versions = [random.randbytes(50_000) for _ in range(3)]
    ids = [upload(content) for content in versions]
    frozen = downloads.start("--consumer_group_id", group, name="frozen", config=QUICK)
    frozen.says("reading partitions [0, 1, 2, 3]")
    sender.chunks(list(chunks("file", versions[0]))[:30], ids[0])
    wait_for(lambda: downloads.staged, "the first half")
    frozen.process.send_signal(signal.SIGSTOP)
    sender.chunks(list(chunks("file", versions[0]))[30:], ids[0])
    for content, by in zip(versions[1:], ids[1:], strict=True):
        sender.file("file", content, by=by, mtime=1.0)
    other = downloads.start("--consumer_group_id", group, name="other", config=QUICK)
    wait_for(lambda: downloads.tree == {"file": versions[2]}, "the newest version", 40)
    inode = (downloads.out / "file").stat().st_ino
    wait_for(lambda: downloads.committed(group)[where] == 150, "all offsets to be committed")
    os.kill(frozen.process.pid, signal.SIGCONT)
    frozen.says("lost partitions")
    sender.file("later", b"later")
    wait_for(lambda: "later" in downloads.tree, "a later file")
    assert downloads.tree == {"file": versions[2], "later": b"later"}
    assert (downloads.out / "file").stat().st_ino == inode
    assert [frozen.stop(), other.stop()] == [0, 0]
    expected = dict.fromkeys(range(4), 0)
    expected[where] += 150
    expected[sender.partition("later")] += 1
    assert {p: max(0, offset) for p, offset in downloads.committed(group).items()} == expected
