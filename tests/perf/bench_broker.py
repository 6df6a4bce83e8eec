"""A broker of its own for one benchmark."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.broker import Broker, jars_folder

# Topics of earlier runs leave the disk before the next run; members of a group that start at the same time get their
# partitions at the same time.
_BESIDES = "log.segment.delete.delay.ms=500\ngroup.initial.rebalance.delay.ms=1000\n"


@contextlib.contextmanager
def bench_broker() -> Iterator[tuple[Path, Broker]]:
    """A folder (in BENCH_DIR, if that is set) and a broker that runs inside; both are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=os.environ.get("BENCH_DIR")))
    broker = Broker(folder / "kafka", jars_folder())
    with (folder / "kafka" / "server.properties").open("a") as properties:
        properties.write(_BESIDES)
    try:
        broker.start()
        yield folder, broker
    finally:
        broker.stop()
        shutil.rmtree(folder)
