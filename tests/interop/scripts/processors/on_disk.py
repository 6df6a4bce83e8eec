# ruff: noqa: ARG002  # the signatures are those of OpenMSIStream
"""A processor that is constructed by hand, keeps files on disk, and has a file type of its own."""

import re
import sys
from pathlib import Path

from openmsistream import DataFileStreamProcessor
from openmsistream.data_file_io.entity.download_data_file import DownloadDataFileToDisk


class Table(DownloadDataFileToDisk):
    """A file of numbers."""

    @property
    def numbers(self):
        """All of them."""
        return [int(each) for each in self.full_filepath.read_text().split()]


class OnDisk(DataFileStreamProcessor):
    """Writes the sum of each file beside it, in its folder of logs."""

    def _process_downloaded_data_file(self, datafile, lock):
        place = self._output_dir / datafile.subdir_str / f"{datafile.filename}.sum"
        place.write_text(f"{sum(datafile.numbers)} {len(datafile.bytestring)} {self.consumer_topic_name}")

    @classmethod
    def run_from_command_line(cls, args=None):
        """Not used."""


if __name__ == "__main__":
    topic, folder, config = sys.argv[1:4]
    processor = OnDisk(
        Path(config),
        topic,
        output_dir=Path(folder),
        mode="disk",
        datafile_type=Table,
        n_threads=1,
        consumer_group_id="create_new",
        filepath_regex=re.compile(r".*\.CSV$", re.IGNORECASE),
    )
    processor.process_files_as_read()
    processor.close()
