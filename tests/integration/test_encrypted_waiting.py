"""Records whose key is not to be had hold up nobody: others go on, nothing is passed over, nothing grows."""

import os
import time

from tests.support.broker import Broker, unique
from tests.support.downloading import Downloads
from tests.support.encrypted_lab import Lab
from tests.support.encrypting import section
from tests.support.reports import records
from tests.support.running import QUICK_SESSION, wait_for

MB = 1_000_000


def test_a_dead_producer_delays_nobody_and_loses_nothing(
    kafka: Broker, topic: str, lab: Lab, downloads: Downloads
) -> None:
    dead = {f"dead-{number}": os.urandom(MB) for number in range(10)}
    lab.drop("dead", dead)
    uploader = lab.start("dead")
    wait_for(lambda: uploader.output.count("sent dead") == len(dead), "the files of the dead one to be sent")
    assert uploader.stop() == 0
    at_first = dict.fromkeys(range(4), 0)
    for message in records(kafka.bootstrap, topic):
        at_first[message.partition() or 0] += 1

    group, config = unique("group"), section(lab.down) + QUICK_SESSION
    options = ("--consumer_group_id", group, "--update_seconds", "1")
    lab.start("live")
    downloader = downloads.start(*options, config=config)
    lab.drop("live", {"first": b"first"})
    wait_for(lambda: "first" in downloads.tree, "the key of the live one")
    slowest = 0.0
    for number in range(10):
        path, began = f"live-{number}", time.monotonic()
        lab.drop("live", {path: os.urandom(MB // 4)})
        wait_for(lambda path=path: path in downloads.tree, "a file of the live one")  # type: ignore[misc]
        slowest = max(slowest, time.monotonic() - began)
    print(f"beside 10 MB of a dead producer a file takes {slowest:.2f} s at most")
    assert slowest < 5.0
    downloader.says("records that wait for a key: ")
    assert downloader.stop() == 0
    assert all(at <= 0 for p, at in downloads.committed(group).items() if at_first[p]), "they hold their offsets"
    assert downloads.reasons == []

    downloader = downloads.start(*options, config=config)
    seen = downloader.output.count("records that wait for a key")
    wait_for(lambda: downloader.output.count("records that wait for a key") > seen, "the records to wait again")
    downloader.kill()  # nothing of it is said to anybody
    lab.start("dead")
    downloads.start(*options, name="another", config=config)
    wait_for(lambda: dead.keys() <= downloads.tree.keys(), "the files of the dead one", 60)
    assert downloads.reasons == []
