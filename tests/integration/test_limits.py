"""Limits that users set: nothing goes faster, everything arrives, and nobody waits longer than he must.

Only the least times are checked here; ``make bench-limits`` measures how well a rate is held.
"""

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.broker import Broker, unique
from tests.support.downloading import Downloads
from tests.support.reading_back import Receiver
from tests.support.running import Program, wait_for
from tests.support.sending import Sender
from tests.support.telling import Uploads
from tests.support.transferring import Transfers

K = 1024
ONCE = 0.5 + 1.0  # seconds' worth that may go at once: what was saved, and a record


@pytest.fixture
def uploads(kafka: Broker, topic: str, tmp_path: Path) -> Iterator[Uploads]:
    made = Uploads(kafka.bootstrap, topic, tmp_path)
    yield made
    made.kill()


def sent(program: Program) -> list[str]:
    """Names of files, in the order in which they were acknowledged."""
    return re.findall(r"INFO  sent (\S+) ", program.output)


def write(uploads: Uploads, **sizes: int) -> dict[str, bytes]:
    files = {name.replace("_", "."): random.randbytes(size) for name, size in sizes.items()}
    for name, content in files.items():
        (uploads.folder / "data" / name).write_bytes(content)
    return files


def test_an_upload_takes_its_time_and_tells_how_it_goes(uploads: Uploads, receiver: Receiver) -> None:
    files = write(uploads, large=9_000_000, middle=500_000, empty=0)
    began = time.monotonic()
    program = uploads.start("--upload_existing", "--bandwidth_limit", "2M", "--update_seconds", "0.5")
    receiver.until_files(files)
    assert time.monotonic() - began >= 9_500_000 / (2 * K * K) - ONCE
    assert "bandwidth limit: 2M (2,097,152 bytes a second)" in program.output
    assert program.output.count("still alive: ") >= 4
    assert program.stop() == 0


def test_a_small_file_does_not_wait_for_a_large_one(uploads: Uploads, receiver: Receiver) -> None:
    files = write(uploads, large=9_000_000)
    program = uploads.start("--upload_existing", "--bandwidth_limit", "1M")
    receiver.until(lambda: "bandwidth limit" in program.output and "reached" in program.output)
    time.sleep(1.0)
    files |= write(uploads, small=10_000)
    receiver.until_files(files)
    assert sent(program) == ["small", "large"]


@pytest.mark.parametrize("size", [9_000_000, 300_000])
def test_an_upload_that_waits_stops_when_it_is_told(uploads: Uploads, receiver: Receiver, size: int) -> None:
    files = write(uploads, large=size)
    program = uploads.start("--upload_existing", "--bandwidth_limit", "10k")
    program.says("reached")
    time.sleep(1.0)
    assert program.stop(seconds=8) == 0
    assert not sent(program)
    uploads.start()
    receiver.until_files(files)


def test_one_file_takes_its_time_too(uploads: Uploads, receiver: Receiver, topic: str) -> None:
    files = write(uploads, a=1_000_000)
    command = ("UploadDataFile", str(uploads.folder / "data" / "a"), "--topic_name", topic)
    began = time.monotonic()
    assert uploads.run("file", *command, env={"OPENMSI_BANDWIDTH_LIMIT": "300k"}).exits() == 0
    assert time.monotonic() - began >= 1_000_000 / (300 * K) - ONCE
    receiver.until_files(files)
    program = uploads.run("file", *command, config="\n[UploadDataFile]\nbandwidth_limit = 10k\n")
    program.says("bandwidth limit: 10k")
    time.sleep(1.0)
    assert program.stop(seconds=8) == 69  # it is not all there


def test_an_outage_of_the_broker_is_not_made_up_for(own_kafka: Broker, tmp_path: Path) -> None:
    topic = own_kafka.create_topic()
    uploads, receiver = Uploads(own_kafka.bootstrap, topic, tmp_path), Receiver(own_kafka.bootstrap, topic)
    try:
        files = write(uploads, large=9_000_000)
        program = uploads.start("--upload_existing", "--bandwidth_limit", "1M")
        program.says("reached")
        time.sleep(2.0)
        own_kafka.freeze()
        time.sleep(8.0)
        own_kafka.thaw()
        began = time.monotonic()
        receiver.until_files(files)
        # Before: two seconds' worth, and two that were handed over without an answer. After: all the rest, in its time.
        assert time.monotonic() - began >= 9_000_000 / (K * K) - 2 - 2 - 2 * ONCE
        assert program.stop() == 0
    finally:
        receiver.close()
        uploads.kill()


def test_a_download_takes_its_time(downloads: Downloads, sender: Sender) -> None:
    files = {name: random.randbytes(1_000_000) for name in "abcdef"}
    for name, content in files.items():
        sender.file(name, content, size=100_000)
    program = downloads.start("--bandwidth_limit", "1M")
    program.says("reading partitions")
    began = time.monotonic()
    wait_for(lambda: downloads.tree == files, "all files")
    assert time.monotonic() - began >= 6_000_000 / (K * K) - ONCE
    assert program.stop() == 0


def test_a_download_that_waits_stops_and_goes_on_where_it_was(downloads: Downloads, sender: Sender) -> None:
    group = unique("group")
    files = {name: random.randbytes(200_000) for name in "abcdef"}
    for name, content in files.items():
        sender.file(name, content, size=50_000)
    program = downloads.start("--bandwidth_limit", "150k", "--consumer_group_id", group)
    wait_for(lambda: len(downloads.tree) >= 2, "two files")
    assert program.stop(seconds=8) == 0
    assert len(downloads.tree) < 6
    assert sum(offset for offset in downloads.committed(group).values() if offset > 0) >= 4
    downloads.start("--consumer_group_id", group)
    wait_for(lambda: downloads.tree == files, "all files")
    assert downloads.reasons == []
    assert program.output.count("INFO  placed ") == 6


def test_one_who_waits_stays_in_the_group_and_others_may_join_it(downloads: Downloads, sender: Sender) -> None:
    quick = "\n[consumer]\nsession.timeout.ms = 2000\nheartbeat.interval.ms = 500\n"
    group = unique("group")
    files = {f"file {number}": random.randbytes(60_000) for number in range(12)}
    for name, content in files.items():
        sender.file(name, content, size=60_000)
    first = downloads.start("--bandwidth_limit", "10k", "--consumer_group_id", group, config=quick)
    wait_for(lambda: downloads.tree, "the first file")
    assert len(downloads.tree) < 12
    second = downloads.start("--consumer_group_id", group, name="second", config=quick)
    second.says("reading partitions")  # within the time of a record, 6 seconds, which it waits for
    wait_for(lambda: downloads.tree == files, "all files", 120)
    for each in (first, second):
        assert "lost partitions" not in each.output
        assert each.stop() == 0


def test_a_transfer_into_a_bucket_takes_its_time(transfers: Transfers, sender: Sender) -> None:
    content = random.randbytes(7_000_000)
    sender.file("a", content, size=100_000)
    program = transfers.start("--bandwidth_limit", "1M")
    program.says("reading partitions")
    began = time.monotonic()
    wait_for(lambda: transfers.tree == {"a": content}, "the file")
    assert time.monotonic() - began >= 7_000_000 / (K * K) - ONCE
    assert program.stop() == 0


def test_named_files_go_first_and_small_ones_of_the_others(uploads: Uploads, receiver: Receiver) -> None:
    files = write(uploads, c_tif=300_000, a_tif=400_000, b_csv=350_000, d_tif=100_000)
    options = ("--priority", "*.csv,small", "--n_threads", "1", "--bandwidth_limit", "400k")
    program = uploads.start("--upload_existing", *options)
    receiver.until_files(files)
    wait_for(lambda: len(sent(program)) == 4, "all acknowledgements")
    assert sent(program) == ["b.csv", "d.tif", "c.tif", "a.tif"]


def test_an_urgent_file_overtakes_those_that_wait(uploads: Uploads, receiver: Receiver) -> None:
    files = write(uploads, **{f"f{number}_tif": 100_000 for number in range(20)})
    options = ("--priority", "*.csv", "--n_threads", "1", "--bandwidth_limit", "200k")
    program = uploads.start("--upload_existing", *options)
    wait_for(lambda: sent(program), "the first file")
    files |= write(uploads, urgent_csv=1000)
    receiver.until_files(files)
    wait_for(lambda: len(sent(program)) == 21, "all acknowledgements")
    assert sent(program).index("urgent.csv") < 12  # it has to settle first
