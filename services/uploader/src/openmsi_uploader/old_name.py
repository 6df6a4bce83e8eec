"""`upload_data_files_added_to_directory`: the watching uploader with the name and the meaning of openmsipython 0.0.1.

It keeps its state where `DataFileUploadDirectory` does, so either may go on where the other stopped.
"""

from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from openmsi_core.old_service import megabytes
from openmsi_core.service import run
from openmsi_uploader.settings import Layer, WatchSettings
from openmsi_uploader.watch_command import watch


class AddedToDirectorySettings(WatchSettings):
    """Send the files in a folder and below it, and those added later. New scripts call DataFileUploadDirectory."""

    program: ClassVar = WatchSettings.program

    upload_existing: bool = Field(True, description="also send what is in the folder at the first start")
    queue_max_size: float = Field(
        48, gt=0, description="messages that may wait for the broker (elsewhere than on this command line: megabytes)"
    )

    @classmethod
    def translate(cls, layer: Layer) -> Layer:
        """As `ProgramSettings` says; `queue_max_size` counted messages."""
        queue, chunk = layer.get("queue_max_size"), layer.get("chunk_size")
        if queue and queue.on_command_line:
            size = megabytes(str(queue.value), str(chunk.value) if chunk else None)
            layer = layer | {"queue_max_size": replace(queue, value=size)}
        return super().translate(layer)


def main() -> int:
    """The program; returns its exit code."""
    return run(WatchSettings.program, AddedToDirectorySettings, watch)
