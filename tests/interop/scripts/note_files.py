"""Runs in the venv of OpenMSIStream: a stream processor that notes every file it is given as a line of JSON.

Its options are those of OpenMSIStream's processors; the lines go to ``notes.jsonl`` in its working folder.
"""

import hashlib
import json
from pathlib import Path

from openmsistream import DataFileStreamProcessor

NOTES = Path("notes.jsonl").resolve()


class NoteFiles(DataFileStreamProcessor):
    """Notes path, size and hash of what it is given."""

    def _process_downloaded_data_file(self, datafile, lock):
        content = datafile.bytestring
        note = {
            "name": datafile.filename,
            "subdir": datafile.subdir_str,
            "size": len(content),
            "sha512": hashlib.sha512(content).hexdigest(),
        }
        with lock, NOTES.open("a") as notes:
            print(json.dumps(note), file=notes, flush=True)

    @classmethod
    def run_from_command_line(cls, args=None):
        """Run until ``q`` is typed."""
        arguments, words = cls.get_init_args_kwargs(cls.get_argument_parser().parse_args(args))
        processor = cls(*arguments, **words)
        processor.process_files_as_read()
        processor.close()


NoteFiles.run_from_command_line()
