"""What a processor's code imports: a file that has arrived, what it may give back, and how a function is announced.

And the classes that processors are made of which were written for OpenMSIStream. All of it needs nothing but Python
itself, so user code can be tested anywhere.
"""

from openmsi_processor.classes import (
    DataFileDownloadDirectory,
    DataFileStreamProcessor,
    DataFileStreamReproducer,
    DataFileUploadDirectory,
    DownloadDataFile,
    DownloadDataFileToDisk,
    DownloadDataFileToMemory,
    DownloadDataFileToMemoryAndDisk,
    LogOwner,
    MetadataJSONMessage,
    MetadataJSONReproducer,
    OpenMSIArgumentParser,
    OpenMSILogger,
    OpenMSIStreamArgumentParser,
    Producible,
    ReproducerMessage,
    Runnable,
    S3TransferStreamProcessor,
    UploadDataFile,
)
from openmsi_processor.data_file import DataFile
from openmsi_processor.function import processor
from openmsi_processor.result import Result, ResultFile, Retry

__all__ = [
    "DataFile",
    "DataFileDownloadDirectory",
    "DataFileStreamProcessor",
    "DataFileStreamReproducer",
    "DataFileUploadDirectory",
    "DownloadDataFile",
    "DownloadDataFileToDisk",
    "DownloadDataFileToMemory",
    "DownloadDataFileToMemoryAndDisk",
    "LogOwner",
    "MetadataJSONMessage",
    "MetadataJSONReproducer",
    "OpenMSIArgumentParser",
    "OpenMSILogger",
    "OpenMSIStreamArgumentParser",
    "Producible",
    "ReproducerMessage",
    "Result",
    "ResultFile",
    "Retry",
    "Runnable",
    "S3TransferStreamProcessor",
    "UploadDataFile",
    "processor",
]


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415  # takes longer than all else here

        return version("openmsi-stream-processor")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
