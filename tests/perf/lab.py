"""Where runs take place: a broker, topics and folders that are gone after each run."""

import itertools
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka.admin import AdminClient

from tests.perf import bare
from tests.perf.workloads import Files, equal, write
from tests.support.broker import Broker
from tests.support.running import wait_for

_SMALL = 4096


class Lab:
    """One broker, and a folder on the disk that is measured."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self._folder = folder
        self._serial = itertools.count(1)
        self._admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 2})
        self.broker = broker

    @contextmanager
    def room(self) -> Iterator[Path]:
        """A new folder for one run, once the disk is at rest: nobody pays for what the one before has left to write."""
        folder = self._folder / f"room{next(self._serial)}"
        folder.mkdir()
        os.sync()
        try:
            yield folder
        finally:
            empty(folder)

    @contextmanager
    def topic(self, partitions: int) -> Iterator[str]:
        """A new topic; its records have left the disk afterwards."""
        name = self.broker.create_topic(partitions=partitions)
        try:
            yield name
        finally:
            self._admin.delete_topics([name])[name].result(timeout=60)
            logs = self._folder / "kafka" / "data"
            wait_for(lambda: not any(logs.glob(f"{name}*")), "the records to be deleted", 60)

    @contextmanager
    def source(self, files: Files) -> Iterator[Path]:
        """A folder with such files."""
        folder = self._folder / f"source{next(self._serial)}"
        write(folder, files)
        try:
            yield folder
        finally:
            empty(folder)

    def warm_up(self, size: int) -> None:
        """Have the broker compiled by its virtual machine, which makes its first GB slower than all later ones."""
        those = bare.records(equal(1, size), 1)
        with self.topic(1) as topic:
            bare.produce_in_window(self.broker.bootstrap, topic, those)
            bare.consume(self.broker.bootstrap, topic, those)


def empty(folder: Path) -> None:
    """Free the disk, but leave the names, which go when all is done. Files that are linked keep their bytes.

    Ext4 without a journal does not give an inode away for a minute or more after it was deleted, and to make a file
    looks at all of those one by one. After 20,000 files of one run, those of the next cost five times what they should.
    """
    for each in folder.rglob("*"):
        found = each.lstat()
        if not stat.S_ISREG(found.st_mode):
            continue
        if found.st_nlink > 1:  # its bytes are those of a source
            each.unlink()
        elif found.st_size > _SMALL:
            os.truncate(each, 0)
