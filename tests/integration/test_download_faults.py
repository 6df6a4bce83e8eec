"""`DataFileDownloadDirectory` when disks, folders and uploads fail: it says so, waits, and goes on by itself."""

import dataclasses
import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from tests.support.broker import USER, Broker, unique
from tests.support.downloading import Downloads
from tests.support.running import POWERLESS, Program, wait_for
from tests.support.sending import Sender, chunks, upload

QUICK = "\n[consumer]\nsession.timeout.ms = 6000\nheartbeat.interval.ms = 500\n"


@pytest.fixture
def small_disk(downloads: Downloads) -> Iterator[Path]:
    """The output folder, on a disk of 4 MB."""
    downloads.out.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", downloads.out], check=True)
    yield downloads.out
    downloads.kill()
    subprocess.run(["umount", "--lazy", downloads.out], check=True)


def beat(program: Program) -> dict[str, Any]:
    """Its newest heartbeat."""
    (file,) = program.state.glob("heartbeat-*.json")
    status: dict[str, Any] = json.loads(file.read_text())
    return status


@pytest.mark.parametrize("records", [10, 1])
def test_a_full_disk_is_waited_for(downloads: Downloads, sender: Sender, small_disk: Path, records: int) -> None:
    group = unique("group")
    filler = small_disk / "filler"
    filler.write_bytes(bytes(3_000_000))
    sent = {f"d{i}/file": random.randbytes(400_000) for i in range(5)}
    for path, content in sent.items():
        sender.file(path, content, size=400_000 // records)
    program = downloads.start("--consumer_group_id", group)
    program.says(f"the disk of {small_disk}")
    wait_for(lambda: "is full" in (beat(program)["waiting_for"] or ""), "the heartbeat to say so")
    there = sent.keys() & downloads.tree.keys()
    assert sum(max(0, offset) for offset in downloads.committed(group).values()) <= records * len(there) < 5 * records
    filler.unlink()
    wait_for(lambda: downloads.tree == sent, "all files", 60)
    wait_for(lambda: beat(program)["waiting_for"] is None, "the heartbeat to say that nothing is wrong any more")
    assert program.stop() == 0
    assert program.output.count("is full: free some space") < 5
    assert downloads.reasons == []


def test_a_folder_that_may_not_be_written_holds_up_nobody_else(downloads: Downloads, sender: Sender) -> None:
    theirs = downloads.out / "theirs"
    theirs.mkdir(parents=True)
    theirs.chmod(0o555)
    sender.file("theirs/big", b"big" * 1000)
    program = downloads.start(prefix=POWERLESS)
    program.says(f"may not write to {theirs}: give it the right")
    sender.file("ours", b"x")
    wait_for(lambda: downloads.tree == {"ours": b"x"}, "the other file")
    theirs.chmod(0o755)
    wait_for(lambda: len(downloads.tree) == 2, "the file that waited")
    assert program.stop() == 0


def test_staging_that_is_wiped_is_read_again(downloads: Downloads, sender: Sender) -> None:
    content, more = random.randbytes(30_000), random.randbytes(30_000)
    sent = {"first": upload(content), "second": upload(more)}
    pieces = {"first": list(chunks("first", content)), "second": list(chunks("second", more))}
    for path, by in sent.items():
        sender.chunks(pieces[path][:20], by)
    program = downloads.start()
    wait_for(lambda: sum(path.stat().st_size for path in downloads.staged) == 40_000, "both halves")
    shutil.rmtree(downloads.out / ".openmsi")
    for path, by in sent.items():
        sender.chunks(pieces[path][20:], by)
    sender.file("small", b"small")
    wait_for(lambda: downloads.tree == {"first": content, "second": more, "small": b"small"}, "all files", 60)
    assert program.stop() == 0


def test_an_upload_that_stops_is_put_aside_and_taken_up_again(downloads: Downloads, sender: Sender) -> None:
    group, content = unique("group"), random.randbytes(9_500)
    pieces, by = list(chunks("big", content)), upload(content)
    options = ("--consumer_group_id", group, "--idle_quarantine_hours", "0.0001")
    sender.chunks(pieces[:4], by)
    program = downloads.start(*options, config=QUICK)
    program.says("put the unfinished file big in quarantine: 6 of 10 chunks have not come")
    wait_for(lambda: downloads.committed(group)[sender.partition("big")] == 4, "the offset to go on")
    sender.chunks(pieces[4:6], by)
    program.says("took big up again")
    program.kill()
    sender.chunks(pieces[6:], by)
    again = downloads.start(*options, config=QUICK, name="again")
    wait_for(lambda: downloads.tree == {"big": content}, "the file", 40)
    assert again.stop() == 0
    assert downloads.reasons == []


@pytest.mark.parametrize("policy", ["stop", "continue"])
def test_records_that_were_deleted_before_they_were_read(
    downloads: Downloads, sender: Sender, kafka: Broker, policy: str
) -> None:
    group, where = unique("group"), sender.partition("a")
    sender.file("a", b"1")
    first = downloads.start("--consumer_group_id", group)
    wait_for(lambda: downloads.tree, "the first version")
    assert first.stop() == 0
    sender.file("a", b"2" * 5000)
    end = TopicPartition(downloads.topic, where, 6)
    admin = kafka.admin()  # the result is lost when the client goes first
    admin.delete_records([end])[end].result(20)
    sender.file("a", b"3")
    second = downloads.start("--consumer_group_id", group, "--on_lost_offsets", policy, name="second")
    second.says(f"offset 1 of partition {where} is gone, the broker has 6 to 7: records 1 to 5 were deleted")
    if policy == "stop":
        assert second.exits() == 78
        assert "--on_lost_offsets continue" in second.output.splitlines()[-1]
        assert downloads.tree == {"a": b"1"}
    else:
        wait_for(lambda: downloads.tree == {"a": b"3"}, "the last version")
        assert second.stop() == 0
        assert "records lost to retention: 5" in second.output


def test_ones_own_group_resumes_and_a_new_one_recognises_repeats(downloads: Downloads, sender: Sender) -> None:
    sent = {"small": b"small", "large": random.randbytes(5000)}
    for path, content in sent.items():
        sender.file(path, content)
    first = downloads.start()
    wait_for(lambda: downloads.tree == sent, "both files")
    assert first.stop() == 0
    (downloads.out / "large").rename(downloads.out.parent / "moved away")
    sender.file("later", b"later")
    resumed = downloads.start()
    wait_for(lambda: "later" in downloads.tree, "the later file")
    assert resumed.stop() == 0
    assert "large" not in downloads.tree, "what was fetched once is not fetched again"
    inode = (downloads.out / "small").stat().st_ino
    fresh = downloads.start("--consumer_group_id", "create_new", "--download_regex", "(?!later)", name="fresh")
    wait_for(lambda: "large" in downloads.tree, "the file that is missing")
    wait_for(lambda: len(beat(fresh)["notes"]) == 2, "all to be read")
    assert fresh.stop() == 0
    assert (downloads.out / "small").stat().st_ino == inode
    assert "placed small" not in fresh.output
    assert "; repeat: 1; skipped: download_regex does not match: 1" in fresh.output


def test_a_wrong_password(downloads: Downloads, kafka: Broker) -> None:
    downloads.bootstrap = kafka.sasl_bootstrap
    login = {"CONFLUENT_USERNAME": USER, "CONFLUENT_PASSWORD": "wrong-password"}
    config = "security.protocol = SASL_PLAINTEXT\n"
    program = downloads.start(env=login, config=config)
    assert program.exits() == 78
    assert "refused the user name or password" in program.output.splitlines()[-1]
    assert "wrong-password" not in program.output
    assert "Traceback" not in program.output


def test_a_topic_that_does_not_exist(downloads: Downloads) -> None:
    downloads.topic = unique("misspelt")
    program = downloads.start()
    assert program.exits() == 78
    assert f"kafka-topics.sh --create --topic {downloads.topic}" in program.output.splitlines()[-1]


def test_hostile_records_hold_up_nobody(downloads: Downloads, sender: Sender) -> None:
    """An offset beyond any file, and a source too long for an extended attribute: both looked like a full disk."""
    far, _ = chunks("far", bytes(2000))
    sender.chunks([dataclasses.replace(far, offset=2**60)], upload(b""))
    sender.file("long", b"long", by=dataclasses.replace(upload(b"long"), source="s" * 5000))
    sent = {f"good{i}": b"good" for i in range(8)}
    for path, content in sent.items():
        sender.file(path, content)
    program = downloads.start()
    wait_for(lambda: downloads.tree == sent | {"long": b"long"}, "all files")
    assert program.stop() == 0


def test_a_damaged_record_among_many_is_put_aside_and_a_good_one_completes_the_file(
    downloads: Downloads, sender: Sender
) -> None:
    """All are there before the program starts, so that it is behind, and the damage shows in the whole file only."""
    content = random.randbytes(30_000_000)
    pieces, by = list(chunks("big", content, size=500_000)), upload(content)
    damaged = dataclasses.replace(pieces[40], data=bytes(500_000))
    sender.chunks([*pieces[:40], damaged, *pieces[41:]], by)
    program = downloads.start()
    program.says("its SHA-512 is not the one that its sender gave: reading it once more")
    program.says(f"partition {sender.partition('big')} offset 40 in quarantine: the chunk's data")
    assert downloads.tree == {}
    sender.chunks([pieces[40]], by)
    wait_for(lambda: downloads.tree == {"big": content}, "the file", 60)
    assert program.stop() == 0
    (reason,) = downloads.reasons
    assert reason["offset"] == 40
