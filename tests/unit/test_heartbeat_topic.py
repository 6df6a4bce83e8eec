"""Heartbeats have the shape of those recorded from OpenMSIStream 1.8.8."""

import json
from datetime import datetime, timedelta

import pytest

from openmsi_core.counters import Counters
from openmsi_core.heartbeat_topic import count_names, heartbeat, heartbeat_key

UPLOADER = (
    '{"timestamp": "2026-11-21T15:24:57.421179+00:00", "n_messages_produced": 13, "n_bytes_produced": 14559}',
    ("producer",),
)
DOWNLOADER = (
    '{"timestamp": "2026-11-21T15:24:57.473228+00:00", "n_messages_read": 13, "n_messages_processed": 13,'
    ' "n_bytes_read": 12500, "n_bytes_processed": 12500}',
    ("consumer",),
)


def counted() -> Counters:
    counters = Counters()
    for size in (1000, 24):
        counters.produced(size)
        counters.read(size)
    counters.processed(1000)
    return counters


@pytest.mark.parametrize(("theirs", "clients"), [UPLOADER, DOWNLOADER])
def test_the_same_fields_in_the_same_order_with_the_same_types(theirs: str, clients: tuple[str, ...]) -> None:
    (parcel,) = heartbeat(count_names(clients), counted())
    ours, expected = json.loads(parcel.value), json.loads(theirs)
    assert list(ours) == list(expected)
    assert [type(value) for value in ours.values()] == [type(value) for value in expected.values()]
    assert datetime.fromisoformat(ours["timestamp"]).utcoffset() == timedelta(0)
    assert ours["timestamp"].endswith("+00:00")


def test_the_counts_are_those_since_the_one_before() -> None:
    counters, names = counted(), count_names(("consumer", "producer"))
    (first,), (second,) = heartbeat(names, counters), heartbeat(names, counters)
    told = json.loads(first.value)
    assert (told["n_messages_read"], told["n_messages_processed"], told["n_bytes_produced"]) == (2, 1, 1024)
    assert {json.loads(second.value)[name] for name in names} == {0}


def test_a_refused_one_is_told_with_the_next() -> None:
    counters = counted()
    (refused,) = heartbeat(count_names(("producer",)), counters)
    counters.produced(1)
    refused.give_back()
    (after,) = heartbeat(count_names(("producer",)), counters)
    assert json.loads(after.value)["n_messages_produced"] == 3


def test_the_key_is_the_program_id_with_a_suffix() -> None:
    assert heartbeat_key("UP") == "UP_heartbeat"
