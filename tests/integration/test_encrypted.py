"""Files through an encrypted topic: readable at both ends, and nowhere between."""

import os
import shutil
import time
from pathlib import Path

from tests.perf.watching import peak_memory
from tests.support.broker import Broker, unique
from tests.support.downloading import Downloads
from tests.support.encrypted_lab import Lab
from tests.support.encrypting import Nodes, section
from tests.support.reports import records
from tests.support.running import QUICK_SESSION, wait_for

MB = 1_000_000


def test_files_travel_and_nobody_else_reads_them(kafka: Broker, topic: str, lab: Lab, downloads: Downloads) -> None:
    files = {f"secret-{number}.txt": f"the secret {number} ".encode() * 100_000 for number in range(4)}
    uploader = lab.start("up")
    lab.drop("up", files)
    downloader = downloads.start(config=section(lab.down))
    wait_for(lambda: downloads.tree == files, "all files")
    for message in records(kafka.bootstrap, topic):
        assert b"secret" not in (message.value() or b"")
        assert b"secret" not in (message.key() or b"")
    assert downloader.stop() == 0
    assert uploader.stop() == 0


def test_what_strangers_send_under_another_root_is_never_a_file(
    topic: str, lab: Lab, downloads: Downloads, tmp_path: Path
) -> None:
    stranger = Nodes(tmp_path / "strangers").make("stranger", "producer", topic)
    lab.start("stranger", stranger)
    lab.drop("stranger", {"forged": b"from a stranger"})
    lab.start("up")
    lab.drop("up", {"good": b"from us"})
    downloads.start("--max_wait_per_decrypt", "8", config=section(lab.down))
    wait_for(lambda: len(downloads.reasons) == 1, "the record of the stranger in quarantine", 60)
    assert downloads.tree == {"good": b"from us"}
    assert "its key did not come" in str(downloads.reasons[0]["reason"])


def test_state_folders_that_are_lost_lose_no_file(lab: Lab, downloads: Downloads, tmp_path: Path) -> None:
    uploader = lab.start("up")
    files = {f"file-{number}": os.urandom(MB) for number in range(3)}
    lab.drop("up", files)
    downloader = downloads.start(config=section(lab.down))
    wait_for(lambda: downloads.tree == files, "all files")
    uploader.kill()
    downloader.kill()
    shutil.rmtree(uploader.state)
    shutil.rmtree(downloader.state)
    shutil.rmtree(downloads.out)
    uploader = lab.start("up")
    lab.drop("up", {"later": b"later"})
    downloads.start(config=section(lab.down))
    wait_for(lambda: downloads.tree == {**files, "later": b"later"}, "all files, and one more", 60)
    assert downloads.reasons == []


def test_more_than_may_wait_pauses_the_member_and_nothing_else(lab: Lab, downloads: Downloads) -> None:
    files = {f"file-{number}": os.urandom(5 * MB) for number in range(24)}
    uploader = lab.start("up")
    lab.drop("up", files)
    wait_for(lambda: uploader.output.count("sent file") == len(files), "all files to be sent", 120)
    assert uploader.stop() == 0
    group = unique("group")
    options = ("--consumer_group_id", group, "--update_seconds", "1")
    downloader = downloads.start(*options, config=section(lab.down) + QUICK_SESSION)
    downloader.says("records that wait for a key: ", 60)
    time.sleep(6.0)  # three times as long as the group waits for a member that says nothing
    assert "lost partitions" not in downloader.output
    assert downloads.tree == {}
    lab.start("up")
    wait_for(lambda: downloads.tree == files, "all files", 90)
    memory = peak_memory(downloader.process.pid)
    print(f"peak memory {memory / MB:.0f} MB")
    assert memory < 300 * MB
    assert downloads.reasons == []
