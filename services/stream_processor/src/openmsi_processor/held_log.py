"""What is logged before there is a log: kept, and logged or printed as soon as it is known what comes of it."""

import contextlib
import logging
from types import TracebackType
from typing import TextIO


class HeldLog(logging.Handler):
    """Takes all log records while inside, as long as nobody else does."""

    def __init__(self) -> None:
        super().__init__()
        self._records: list[logging.LogRecord] = []
        self._level = logging.WARNING

    def __enter__(self) -> "HeldLog":
        root = logging.getLogger()
        self._level = root.level
        root.setLevel(logging.INFO)
        root.addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._level)

    def emit(self, record: logging.LogRecord) -> None:
        """As `logging.Handler.emit`."""
        self._records.append(record)

    def replay(self) -> None:
        """Log all of it now, where there is a log."""
        records, self._records = self._records, []
        for record in records:
            logging.getLogger(record.name).handle(record)

    def print(self, stream: TextIO) -> None:
        """Print what the script has printed, as it was."""
        records, self._records = self._records, []
        with contextlib.suppress(OSError):  # nobody reads it any more
            for record in records:
                match record.args:
                    case (_who, what):
                        print(what, file=stream)
                    case _:
                        print(record.getMessage(), file=stream)
            stream.flush()
