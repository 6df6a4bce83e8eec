"""A fixed part of what the campaign does to the network."""

from random import Random

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.faults.arriving import CHUNK, all_arrives, start
from tests.faults.scenarios.network import SCENARIOS
from tests.faults.toxiproxy import link
from tests.faults.world import World, route
from tests.support.running import wait_for


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_scenario(world: World, name: str) -> None:
    SCENARIOS[name](world, Random(name))


def records_in(bootstrap: str, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none"})
    ends = [consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=20) for number in range(4)]
    consumer.close()
    return sum(high - low for low, high in ends)


def until_records(bootstrap: str, topic: str, count: int) -> None:
    wait_for(lambda: records_in(bootstrap, topic) >= count, f"{count} records", 60)


def test_records_that_are_sent_again_because_answers_were_lost_are_in_the_topic_once(world: World) -> None:
    with link(world.broker, world.folder) as network, route(world, bootstrap=network.bootstrap) as way:
        up, down = start(way)
        way.put("before", b"before")
        up.says("sent before")
        for number in range(3):
            network.spoil("timeout", "downstream", timeout=0)
            way.put(f"lost-{number}", Random(number).randbytes(4 * CHUNK))
            until_records(world.broker.bootstrap, way.topic, 1 + 4 * (number + 1))
            assert f"sent lost-{number}" not in up.output
            network.mend()
            up.says(f"sent lost-{number}", 60)
        all_arrives(way, [up, down])
        assert records_in(world.broker.bootstrap, way.topic) == 1 + 3 * 4 + 1
