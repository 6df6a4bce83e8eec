"""Where a member of a group begins to read, and what is lost when the broker has deleted too early."""

from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from openmsi_core.beginning import start_of
from openmsi_core.errors import ConfigError
from tests.support.membership import FakeConsumer, Group


@pytest.mark.parametrize("start", ["earliest", "smallest", "beginning", "error"])
def test_a_new_group_begins_at_the_first_record(start: str) -> None:
    group = Group(FakeConsumer(low=3, high=9))
    assert group.find(start) == 0
    assert (group.consumer.begun, group.consumer.commits) == ([(0, 3)], [])


@pytest.mark.parametrize("start", ["latest", "largest", "end"])
def test_a_new_group_that_begins_at_the_end_does_so_once(start: str) -> None:
    """A restart before the first commit would find another end, and what came between would be lost."""
    group = Group(FakeConsumer(low=3, high=9))
    assert group.find(start) == 0
    assert (group.consumer.begun, group.consumer.commits) == ([(0, 9)], [{0: 9}])


@pytest.mark.parametrize("start", ["earliest", "latest"])
def test_records_that_are_gone_are_counted(start: str, caplog: pytest.LogCaptureFixture) -> None:
    group = Group(FakeConsumer(low=30, high=90, offset=10))
    assert group.find(start) == 20
    assert group.consumer.begun == [(0, 30)]
    assert "records 10 to 29 were deleted before they were read" in caplog.text


def test_a_log_that_was_made_anew_is_read_from_its_beginning() -> None:
    group = Group(FakeConsumer(low=0, high=5, offset=10))
    assert group.find() == 0
    assert group.consumer.begun == [(0, 0)]


@pytest.mark.parametrize(("low", "offset"), [(30, 10), (0, 100)])
def test_who_wants_to_stop_is_told_how_to_go_on(low: int, offset: int) -> None:
    group = Group(FakeConsumer(low=low, high=90, offset=offset))
    with pytest.raises(ConfigError, match="--on_lost_offsets continue"):
        group.find(on_lost="stop")
    assert (group.consumer.begun, group.consumer.commits) == ([], [])


def test_without_an_answer_it_is_asked_again() -> None:
    group = Group(FakeConsumer(low=3, high=9, away=True))
    with pytest.raises(KafkaException):
        group.find()
    group.consumer.away = False
    assert group.membership.find_offsets("earliest", "continue") == 0
    assert group.consumer.begun == [(0, 3)]
    assert group.membership.homeless == set()


def test_a_partition_that_is_no_longer_ours_needs_no_beginning() -> None:
    group = Group(FakeConsumer(low=3, high=9))
    group.happens("revoke", 0)
    assert group.find() == 0
    assert group.consumer.begun == []


@pytest.mark.parametrize(
    ("committed", "begins", "lost"), [(-1001, 3, 0), (3, 3, 0), (7, 7, 0), (9, 9, 0), (1, 3, 2), (12, 3, 0)]
)
def test_where_to_begin_is_known_before_anything_is_read(committed: int, begins: int, lost: int) -> None:
    consumer = FakeConsumer(low=3, high=9, offset=committed)
    place = TopicPartition("topic", 0)
    assert start_of(cast(Consumer, consumer), place, "earliest", "continue") == (begins, lost)


def test_a_partition_begins_where_it_is_told_to() -> None:
    group = Group(FakeConsumer(), lambda place: 40 + place.partition)
    group.begin = {1: 7}
    group.happens("assign", 0, 1)
    assert group.consumer.begun == [(0, 40), (1, 7)]


def test_what_is_given_while_leaving_is_not_begun() -> None:
    group = Group(FakeConsumer())
    group.membership.commit_at_end()
    group.happens("assign", 2)
    assert (group.consumer.begun, group.membership.assigned) == ([], {0, 1})


def test_a_topic_that_is_made_anew_begins_anew() -> None:
    group = Group(FakeConsumer(low=0, high=5, offset=900))
    group.watermark.done(0, 899)
    assert group.find() == 0
    group.watermark.done(0, 0)
    assert group.watermark.committable(0) == 1


@pytest.mark.parametrize(
    ("committed", "away", "untouched"), [(-1001, False, {0, 1}), (5, False, set()), (-1001, True, set())]
)
def test_partitions_of_which_nothing_was_committed(committed: int, away: bool, untouched: set[int]) -> None:
    """Nobody answers: they may have offsets, which librdkafka will find, or say that there are none."""
    group = Group(FakeConsumer(offset=committed))
    group.consumer.away = away
    assert group.membership.untouched({0, 1}) == untouched
