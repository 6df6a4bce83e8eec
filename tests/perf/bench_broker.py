"""A broker of its own for one benchmark."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.broker import Broker, jars_folder


@contextlib.contextmanager
def bench_broker() -> Iterator[tuple[Path, Broker]]:
    """A folder (in BENCH_DIR, if that is set) and a broker that runs inside; both are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=os.environ.get("BENCH_DIR")))
    broker = Broker(folder / "kafka", jars_folder())
    try:
        broker.start()
        yield folder, broker
    finally:
        broker.stop()
        shutil.rmtree(folder)
