"""What a route must still be able to do after a fault."""

from random import Random

from tests.faults.world import Route


def send_on(way: Route, random: Random) -> None:
    """Everything that is owed arrives, and so do ``rewritten``, once more, and new files in all partitions."""
    way.put("rewritten", random.randbytes(5000))
    for name in range(8):
        way.put(f"on {random.getrandbits(32):x} {name}", random.randbytes(1000))
    way.judge.settle(90)
