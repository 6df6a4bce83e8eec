"""Scripts with classes of OpenMSIStream: what they import, what is taken for them, and which options are ours."""

import importlib
from pathlib import Path

import pytest

from openmsi_core.errors import UsageError
from openmsi_processor.own_options import split
from openmsi_processor.script_kind import has_class, script_in


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("", "DataFileStreamProcessor DataFileStreamReproducer MetadataJSONReproducer UploadDataFile __version__"),
        ("data_file_io", "DataFile DownloadDataFile DownloadDataFileToMemory ReproducerMessage"),
        ("data_file_io.actor.data_file_stream_processor", "DataFileStreamProcessor"),
        ("data_file_io.actor.data_file_stream_reproducer", "DataFileStreamReproducer"),
        ("data_file_io.entity.reproducer_message", "ReproducerMessage"),
        ("data_file_io.entity.download_data_file", "DownloadDataFileToDisk DownloadDataFileToMemoryAndDisk"),
        ("metadata_extraction.metadata_json_reproducer", "MetadataJSONReproducer"),
        ("metadata_extraction.metadata_json_message", "MetadataJSONMessage"),
        ("kafka_wrapper.producible", "Producible"),
        ("utilities", "OpenMSIStreamArgumentParser"),
        ("utilities.argument_parsing", "OpenMSIStreamArgumentParser"),
    ],
)
def test_names_are_where_they_were(module: str, names: str) -> None:
    found = importlib.import_module(f"openmsi_processor.{module}".rstrip("."))
    assert [name for name in names.split() if not hasattr(found, name)] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from openmsi_processor import processor\n@processor\ndef f(file): ...", False),
        ("from openmsi_processor import processor\n@processor(files='x')\ndef f(file): ...\nclass A(Base): ...", False),
        ("import openmsi_processor as p\n@p.processor\ndef f(file): ...", False),
        ("from openmsi_processor import DataFileStreamProcessor as D", True),
        ("from openmsi_processor.data_file_io import ReproducerMessage", True),
        ("from ours import Plotter\nclass Mine(Plotter): ...", True),
        ("import openmsi_processor\nclass Mine(openmsi_processor.DataFileStreamProcessor): ...", True),
        ("class Problem(Exception): ...\nclass Plain: ...", False),
        ("from openmsi_processor import DataFile, Result\ndef f(file): ...", False),
        ("this is no Python", False),
    ],
)
def test_which_files_are_scripts(tmp_path: Path, text: str, expected: bool) -> None:
    (tmp_path / "x.py").write_text(text)
    assert has_class(tmp_path / "x.py") is expected
    found = script_in(["--a", "b", "x.py", "--c"], {}, tmp_path)
    assert found == ([f"file:{tmp_path}/x.py", "--a", "b", "--c"] if expected else None)


def test_options_that_scripts_do_not_know() -> None:
    args = ["--topic_name", "t", "--state_dir", "s", "--memory_limit=5", "--other", "x", "-v"]
    assert split(args) == ({"state_dir": "s", "memory_limit": "5"}, ["--topic_name", "t", "--other", "x", "-v"])
    with pytest.raises(UsageError, match="--state_dir"):
        split(["--state_dir"])
