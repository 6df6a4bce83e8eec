"""The records themselves: of the same file both sides write the same, byte for byte."""

from collections import defaultdict

import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from openmsi_core.chunk import decode_value
from tests.interop.lab import Lab, our_upload, stop_theirs, their_upload, wait_for_files
from tests.interop.matrix import Matrix, facts
from tests.interop.trees import CHUNK, tree, wrong_times
from tests.support.downloading import tree as downloaded

READ_SECONDS = 30.0


@pytest.mark.parametrize("partitions", [4])
def test_the_same_files_by_both_are_the_same_records_and_arrive_once(lab: Lab, matrix: Matrix) -> None:
    files = tree(seed=500)
    chunks = sum(-(-len(content) // CHUNK) for content in files.values())
    their_uploader = their_upload(lab, files, CHUNK)
    theirs = everything(lab, chunks)
    our_uploader = our_upload(lab, files, "--chunk_size", str(CHUNK))
    ours = [message for message in everything(lab, 2 * chunks) if message.headers()]
    assert sorted((m.key(), m.value()) for m in ours) == sorted((m.key(), m.value()) for m in theirs)
    # What the other tests rest on: theirs lie scattered, ours do not.
    assert len(partitions_of(theirs)["root.dat"]) > 1
    assert all(len(places) == 1 for places in partitions_of(ours).values())
    program = lab.downloads.start()
    wait_for_files(lab.downloads.out, files, downloaded)
    stop_theirs(their_uploader)
    assert [our_uploader.stop(), program.stop()] == [0, 0]
    matrix.same({"the same tree by both": files}, "our DataFileDownloadDirectory", facts(lab.downloads.tree))
    assert wrong_times(lab.downloads.out, files) == []
    assert lab.downloads.reasons == []


def everything(lab: Lab, count: int) -> list[Message]:
    """The first ``count`` records of the topic; waits for so many."""
    consumer = Consumer({"bootstrap.servers": lab.broker.bootstrap, "group.id": "none", "enable.auto.commit": False})
    consumer.assign([TopicPartition(lab.topic, number, 0) for number in range(lab.partitions)])
    found: list[Message] = []
    while len(found) < count:
        message = consumer.poll(READ_SECONDS)
        assert message is not None, f"{len(found)} of {count} records, and no more"
        assert message.error() is None, message.error()
        found.append(message)
    consumer.close()
    return found


def partitions_of(messages: list[Message]) -> dict[str, set[int | None]]:
    """Path → where its chunks lie."""
    places = defaultdict[str, set[int | None]](set)
    for message in messages:
        places[decode_value(message.value()).path.text].add(message.partition())
    return places
