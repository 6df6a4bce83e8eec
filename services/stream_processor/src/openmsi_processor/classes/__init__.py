"""The classes of OpenMSIStream that stream processors are made of.

A processor written for OpenMSIStream runs with only its import lines changed: they import from `openmsi_processor`.
"""

from openmsi_processor.classes import old_paths
from openmsi_processor.classes.arguments import OpenMSIArgumentParser, OpenMSIStreamArgumentParser
from openmsi_processor.classes.files import DataFile as OldDataFile
from openmsi_processor.classes.files import (
    DownloadDataFile,
    DownloadDataFileToDisk,
    DownloadDataFileToMemory,
    DownloadDataFileToMemoryAndDisk,
)
from openmsi_processor.classes.handler import DataFileStreamHandler
from openmsi_processor.classes.log import LogOwner, OpenMSILogger
from openmsi_processor.classes.messages import MetadataJSONMessage, Producible, ReproducerMessage
from openmsi_processor.classes.programs import (
    DataFileDownloadDirectory,
    DataFileUploadDirectory,
    S3TransferStreamProcessor,
    UploadDataFile,
)
from openmsi_processor.classes.reproducer import DataFileStreamReproducer, MetadataJSONReproducer
from openmsi_processor.classes.runnable import Runnable
from openmsi_processor.classes.stream_processor import DataFileStreamProcessor

__all__ = [
    "DataFileDownloadDirectory",
    "DataFileStreamHandler",
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
    "OldDataFile",
    "OpenMSIArgumentParser",
    "OpenMSILogger",
    "OpenMSIStreamArgumentParser",
    "Producible",
    "ReproducerMessage",
    "Runnable",
    "S3TransferStreamProcessor",
    "UploadDataFile",
]

old_paths.make("openmsi_processor", globals())
