"""Names of OpenMSIStream that are programs here. They can be imported, so that import lines of several names work."""

from typing import Any, NoReturn

_ADVICE = "is a program here, not a class: run it from the command line"


class _Program:
    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        self._refuse()

    @classmethod
    def run_from_command_line(cls, args: Any = None) -> None:  # noqa: ARG003
        """Say what to do instead."""
        cls._refuse()

    @classmethod
    def _refuse(cls) -> NoReturn:
        raise NotImplementedError(f"{cls.__name__} {_ADVICE}")


class UploadDataFile(_Program):
    """The program `UploadDataFile`."""


class DataFileUploadDirectory(_Program):
    """The program `DataFileUploadDirectory`."""


class DataFileDownloadDirectory(_Program):
    """The program `DataFileDownloadDirectory`."""


class S3TransferStreamProcessor(_Program):
    """The program `S3TransferStreamProcessor`."""
