"""The program `DataFileDownloadDirectory`: every file of a topic, in a folder."""

import logging
from pathlib import Path

from openmsi_core.carry import carry, prepare
from openmsi_core.folder_destination import FolderDestination
from openmsi_core.placing import Folder
from openmsi_core.service import Service, run
from openmsi_core.staging import Staging
from openmsi_downloader.settings import DownloadSettings

_log = logging.getLogger(__name__)


def main() -> int:
    """Run the program; returns its exit code."""
    return run("DataFileDownloadDirectory", DownloadSettings, _download)


def _download(settings: DownloadSettings, service: Service) -> None:
    staging, folder = _prepare(settings.output_dir)
    try:
        destination = FolderDestination(folder, staging.own)
        carry(settings, service, destination, staging, settings.output_dir, str(settings.output_dir))
    finally:
        staging.close()


def _prepare(output: Path) -> tuple[Staging, Folder]:
    """Make the output folder and see that files can be staged and placed. Raises ConfigError."""
    staging, folder = prepare(output), Folder(output)
    folder.check(staging.own)
    if not folder.has_times:
        _log.warning("%s cannot keep the times of files: they get the time of their arrival", output)
    if not folder.has_marks:
        _log.warning("%s cannot keep extended attributes: versions are told apart by their times only", output)
    return staging, folder
