"""A broker of its own for one benchmark."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.broker import Broker, jars_folder


@contextlib.contextmanager
def bench_broker(properties: str = "") -> Iterator[tuple[Path, Broker]]:
    """A folder (in BENCH_DIR, if that is set) and a broker that runs inside; both are gone afterwards.

    ``properties`` are lines for the broker's configuration.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that all that runs is ended, too
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=os.environ.get("BENCH_DIR")))
    broker = Broker(folder / "kafka", jars_folder())
    with (folder / "kafka" / "server.properties").open("a") as file:
        file.write(properties)
    try:
        broker.start()
        yield folder, broker
    finally:
        broker.stop()
        shutil.rmtree(folder)
