"""The modules of OpenMSIStream that processors import from, under the name of this package.

So ``openmsistream`` may be replaced by ``openmsi_processor`` in every import line, whatever follows it.
"""

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

_FILES = ("DownloadDataFile", "DownloadDataFileToDisk", "DownloadDataFileToMemory", "DownloadDataFileToMemoryAndDisk")
_MODULES: Mapping[str, tuple[str, ...]] = {
    "data_file_io": ("OldDataFile", "ReproducerMessage", *_FILES),
    "data_file_io.actor": (),
    "data_file_io.actor.data_file_stream_handler": ("DataFileStreamHandler",),
    "data_file_io.actor.data_file_stream_processor": ("DataFileStreamProcessor",),
    "data_file_io.actor.data_file_stream_reproducer": ("DataFileStreamReproducer",),
    "data_file_io.actor.data_file_upload_directory": ("DataFileUploadDirectory",),
    "data_file_io.actor.data_file_download_directory": ("DataFileDownloadDirectory",),
    "data_file_io.entity": (),
    "data_file_io.entity.data_file": ("OldDataFile",),
    "data_file_io.entity.download_data_file": _FILES,
    "data_file_io.entity.reproducer_message": ("ReproducerMessage",),
    "data_file_io.entity.upload_data_file": ("UploadDataFile",),
    "kafka_wrapper": ("Producible",),
    "kafka_wrapper.producible": ("Producible",),
    "metadata_extraction": ("MetadataJSONReproducer",),
    "metadata_extraction.metadata_json_message": ("MetadataJSONMessage",),
    "metadata_extraction.metadata_json_reproducer": ("MetadataJSONReproducer",),
    "s3_buckets": (),
    "s3_buckets.s3_transfer_stream_processor": ("S3TransferStreamProcessor",),
    "utilities": ("OpenMSIStreamArgumentParser",),
    "utilities.argument_parsing": ("OpenMSIStreamArgumentParser",),
}
"""Module below the package → names in it; `OldDataFile` is called DataFile there."""


def make(package: str, names: Mapping[str, Any]) -> None:
    """Make all of them importable below ``package``, with what ``names`` has."""
    for path, held in _MODULES.items():
        module = ModuleType(f"{package}.{path}", f"{path} of OpenMSIStream.")
        module.__path__ = []
        for name in held:
            setattr(module, "DataFile" if name == "OldDataFile" else name, names[name])
        sys.modules[module.__name__] = module
        parent, _, last = module.__name__.rpartition(".")
        setattr(sys.modules[parent], last, module)
