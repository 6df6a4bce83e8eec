"""Records are deleted from the topic before the downloader has read them."""

from random import Random

from confluent_kafka import OFFSET_END, TopicPartition

from tests.faults.sending_on import send_on
from tests.faults.world import Route, World, route
from tests.support.running import QUICK_SESSION, wait_for

_PARTITIONS = 4


def offsets_lost(world: World, random: Random) -> None:
    """Retention was shorter than the downloader's absence: loud, counted, and as the option says."""
    policy = random.choice(("continue", "stop"))
    with route(world, partitions=_PARTITIONS) as way:
        way.uploader()
        downloader = way.downloader(config=QUICK_SESSION)
        send_on(way, random)
        assert downloader.stop() == 0
        for number in range(8):
            way.put(f"lost {number}", random.randbytes(1000))
        _wait_until_sent(way, 8)
        _delete_records(way)
        for number in range(8):
            way.judge.release(f"lost {number}")
        world.tally["records deleted"] += 8
        again = way.downloader("--on_lost_offsets", policy, config=QUICK_SESSION, name="again")
        again.says("were deleted before they were read")
        if policy == "stop":
            assert again.exits() == 78
            assert "--on_lost_offsets continue" in again.output.splitlines()[-1]
            again = way.downloader(config=QUICK_SESSION, name="again")
        send_on(way, random)
        assert again.stop() == 0
        assert "records lost to retention: " in again.output
        assert not list(way.outs[0].glob("lost *"))


def _wait_until_sent(way: Route, count: int) -> None:
    log = way.world.folder / "uploader" / "output.txt"
    wait_for(lambda: log.read_text().count("sent lost ") == count, "the files to be sent")


def _delete_records(way: Route) -> None:
    admin = way.world.broker.admin()  # the results are lost when the client goes first
    places = [TopicPartition(way.topic, partition, OFFSET_END) for partition in range(_PARTITIONS)]
    for result in admin.delete_records(places).values():
        result.result(20)
