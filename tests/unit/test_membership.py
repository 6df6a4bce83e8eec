"""A member of a group: what it commits and when, what it reads again."""

import pytest
from confluent_kafka import KafkaError, TopicPartition

from openmsi_core.records import Record
from tests.support.membership import FakeConsumer, Group

FIRST = Record(partition=0, offset=0, timestamp=0, key=b"", stamped="consumed")


def test_what_is_done_is_committed_before_it_is_given_away() -> None:
    group = Group(FakeConsumer())
    group.watermark.done(0, 6)
    group.watermark.done(1, 8)
    group.happens("revoke", 0)
    assert group.consumer.commits == [{0: 7}]
    assert group.told == [("leaving", {0}), ("forget", {0})]
    assert group.membership.assigned == {1}


def test_what_is_lost_is_not_committed() -> None:
    group = Group(FakeConsumer())
    group.watermark.done(0, 6)
    group.happens("lost", 0, 1)
    assert (group.consumer.commits, group.told) == ([], [("forget", {0, 1})])


def test_the_last_commit() -> None:
    group = Group(FakeConsumer())
    group.watermark.done(0, 6)
    group.membership.commit_at_end()
    group.happens("revoke", 0, 1)
    assert group.consumer.commits == [{0: 7}]


def test_a_broker_that_is_away_is_not_waited_for_at_the_end() -> None:
    group = Group(FakeConsumer(away=True))
    group.watermark.done(0, 6)
    group.membership.commit_at_end()
    group.happens("revoke", 0, 1)
    assert group.consumer.commits == []


def test_commits_of_the_day_are_made_once_a_second_and_never_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    group = Group(FakeConsumer())
    for offset in range(40):
        group.watermark.done(0, min(offset, 30))
        group.membership.commit_when_due()
        now += 0.125
    assert [commit[0] for commit in group.consumer.commits] == [1, 9, 17, 25, 31]


def test_the_first_records_of_a_partition_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the group has committed something, a process that dies leaves nothing to go on with."""
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    group = Group(FakeConsumer())
    group.membership.commit_when_due()  # nothing has come
    for partition in (0, 1):
        for offset in range(3):
            group.watermark.hold(partition, 0, FIRST)
            group.watermark.done(partition, offset)
            group.membership.commit_when_due()
    assert group.consumer.commits == [{0: 0}, {1: 0}]


def test_what_was_committed_at_the_end_is_known() -> None:
    group = Group(FakeConsumer())
    group.watermark.hold(0, 0, FIRST)
    group.watermark.done(0, 6)
    group.membership.commit_at_end()
    assert group.watermark.state() == {0: (0, 7, {FIRST: 0})}


def test_a_commit_that_was_refused_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in mid-rebalance: nothing more may ever come in that partition."""
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    group = Group(FakeConsumer())
    group.watermark.done(0, 4)
    group.watermark.done(1, 5)
    group.membership.commit_when_due()
    group.commits(KafkaError(KafkaError.REBALANCE_IN_PROGRESS), [TopicPartition("topic", 0, 5)])
    group.commits(None, [TopicPartition("topic", 1, 6)])
    for _ in range(3):
        now += 1.0
        group.membership.commit_when_due()
    assert group.consumer.commits == [{0: 5, 1: 6}, {0: 5}]


def test_the_earliest_of_several_rewinds_counts() -> None:
    """Two files lost their staged bytes: the later one must not keep the records of the earlier one from coming."""
    group = Group(FakeConsumer())
    group.membership.rewind({0: 5, 1: 7})
    group.membership.rewind({0: 9, 1: 3})
    assert not group.membership.in_sequence(0)
    group.membership.seek_back()
    assert sorted(group.consumer.seeks) == [(0, 5), (1, 3)]
    assert group.membership.in_sequence(0)
    group.membership.seek_back()
    assert len(group.consumer.seeks) == 2


def test_a_rewind_that_is_refused_is_asked_for_again() -> None:
    group = Group(FakeConsumer(away=True))
    group.membership.rewind({0: 5})
    group.membership.seek_back()
    assert not group.membership.in_sequence(0)
    group.consumer.away = False
    group.membership.seek_back()
    assert group.consumer.seeks == [(0, 5)]


def test_a_rewind_ends_with_the_partition() -> None:
    group = Group(FakeConsumer())
    group.membership.rewind({0: 5})
    group.happens("revoke", 0)
    group.membership.seek_back()
    assert group.consumer.seeks == []
    assert not group.membership.in_sequence(0)
