"""Runs in the venv of OpenMSIStream: sends files with its classes, as the users of its documentation do.

``send_selected.py JOBS --config FILE --topic_name TOPIC``; JOBS is a JSON list of objects: ``file``, ``root``,
``append`` (between stem and suffix of the name), ``ranges`` (start and stop of the bytes to send; empty = all) and
``chunk_size``.
"""

import argparse
import json
from pathlib import Path

from openmsistream import UploadDataFile


class SelectedBytes(UploadDataFile):
    """A file of which only some ranges are sent."""

    ranges: list[tuple[int, int]]

    @property
    def select_bytes(self) -> list[tuple[int, int]]:
        """What the class asks its subclasses for."""
        return self.ranges


def main() -> None:
    """Send all; returns when the broker has them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("jobs", type=json.loads)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--topic_name")
    options = parser.parse_args()
    for job in options.jobs:
        file = SelectedBytes(Path(job["file"]), rootdir=Path(job["root"]), filename_append=job["append"])
        file.ranges = [(start, stop) for start, stop in job["ranges"]]
        file.upload_whole_file(options.config, options.topic_name, chunk_size=job["chunk_size"])


main()
