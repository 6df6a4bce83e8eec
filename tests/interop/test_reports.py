"""Heartbeats and log lines of both sides on the same topics: one reader takes all, and the same work counts alike."""

import pytest

from tests.interop.lab import Lab, our_upload, stop_theirs
from tests.interop.trees import CHUNK, tree
from tests.support.reports import Heartbeat, heartbeats, log_messages, total
from tests.support.running import wait_for


def telling(beats: str, log: str, name: str) -> tuple[str, ...]:
    """The options of both sides for a heartbeat and a log message every second."""
    heartbeat = ("--heartbeat_topic_name", beats, "--heartbeat_program_id", name, "--heartbeat_interval_secs", "1")
    lines = ("--log_topic_name", log, "--log_program_id", name, "--log_interval_secs", "1")
    return (*heartbeat, *lines, "--update_seconds", "1")


def of(told: list[Heartbeat], name: str) -> dict[str, int]:
    return total(beat for beat in told if beat.program == name)


@pytest.mark.parametrize("partitions", [4])
def test_the_same_work_is_told_in_the_same_way(lab: Lab) -> None:
    beats, log = (lab.broker.create_topic(partitions=1) for _ in range(2))
    files = tree(seed=900)

    def told() -> list[Heartbeat]:
        return heartbeats(lab.broker.bootstrap, beats)

    out = str(lab.new_folder())
    theirs = lab.theirs("DataFileDownloadDirectory", out, *telling(beats, log, "their receiver"))
    ours = lab.downloads.start(*telling(beats, log, "our receiver"))
    upload = ("DataFileUploadDirectory", str(lab.source(files)), "--upload_existing", "--chunk_size", str(CHUNK))
    their_upload = lab.theirs(*upload, *telling(beats, log, "their sender"))
    wait_for(lambda: len(lab.downloads.tree) == len(files), "their files", 60)
    upload_of_ours = our_upload(lab, files, "--chunk_size", str(CHUNK), *telling(beats, log, "our sender"))
    chunks = sum(-(-len(data) // CHUNK) for data in files.values())
    names = ("their receiver", "our receiver")
    wait_for(lambda: [of(told(), name)["n_messages_processed"] for name in names] == [2 * chunks] * 2, "all counts", 60)
    stop_theirs(theirs, their_upload)
    assert ours.stop() == upload_of_ours.stop() == 0
    assert of(told(), "our sender") == of(told(), "their sender")
    assert of(told(), "our receiver") == of(told(), "their receiver")
    assert of(told(), "our sender")["n_messages_produced"] == chunks
    assert of(told(), "our receiver")["n_bytes_read"] == 2 * sum(map(len, files.values()))
    assert {each.program for each in log_messages(lab.broker.bootstrap, log)} == {
        *names,
        *("their sender", "our sender"),
    }
