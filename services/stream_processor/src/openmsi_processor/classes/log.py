"""The loggers of the old classes: what is logged goes into the service's log, with its level and the file's name."""

import logging
from pathlib import Path
from typing import Any

from openmsi_processor.classes.arguments import Arguments, HasArguments
from openmsi_processor.classes.connection import Connection, path_here


class OpenMSILogger:
    """A logger as OpenMSIStream has it: `error` can raise, too."""

    def __init__(
        self,
        logger_name: str | None = None,
        streamlevel: int = logging.INFO,
        logger_filepath: Path | None = None,
        filelevel: int = logging.WARNING,
        conf_global_logger: bool = True,  # noqa: ARG002  # the signature is OpenMSIStream's
    ) -> None:
        self.level = min(streamlevel, filelevel)
        self._logger = logging.getLogger(logger_name or type(self).__name__)
        self._stream_level = streamlevel
        self._file: logging.FileHandler | None = None
        self._logger.setLevel(self.level)
        if logger_filepath is not None:
            self.add_file_handler(logger_filepath, filelevel)

    def set_level(self, level: int) -> None:
        """Nothing below ``level`` is logged any more."""
        self._logger.setLevel(level)

    def set_stream_level(self, level: int) -> None:
        """As `set_level`: there is one log here."""
        self._stream_level = level
        self._logger.setLevel(level)

    def get_stream_level(self) -> int:
        """What was set last."""
        return self._stream_level

    def set_file_level(self, level: int) -> None:
        """The same for the file that was added. Raises RuntimeError when none was."""
        if self._file is None:
            raise RuntimeError("there is no log file whose level could be set: call add_file_handler first")
        self._file.setLevel(level)

    def add_file_handler(self, filepath: Path, level: int = logging.INFO) -> None:
        """Log to this file, too."""
        filepath.parent.mkdir(parents=True, exist_ok=True)
        self._file = logging.FileHandler(filepath)
        self._file.setLevel(level)
        self._file.setFormatter(logging.Formatter("[%(name)s %(asctime)s] %(message)s"))
        self._logger.addHandler(self._file)

    def debug(self, msg: object, *args: object, **kwargs: Any) -> None:
        """As `logging.Logger.debug`."""
        self._logger.debug(msg, *args, **kwargs)

    def info(self, msg: object, *args: object, **kwargs: Any) -> None:
        """As `logging.Logger.info`."""
        self._logger.info(msg, *args, **kwargs)

    def warning(self, msg: object, *args: object, **kwargs: Any) -> None:
        """As `logging.Logger.warning`."""
        self._logger.warning(msg, *args, **kwargs)

    def error(
        self,
        msg: object,
        *args: object,
        exc_type: type[Exception] | None = None,
        reraise: bool = False,
        **kwargs: Any,
    ) -> None:
        """As `logging.Logger.error`; then raises ``exc_info`` if ``reraise``, or an ``exc_type`` with the message."""
        self._logger.error(msg, *args, **kwargs)
        exception = kwargs.get("exc_info")
        if reraise and isinstance(exception, BaseException):
            raise exception
        if exc_type is not None:
            raise exc_type(msg)

    def __getattr__(self, name: str) -> Any:
        """What else loggers can do: `critical`, `exception`, `isEnabledFor` …"""
        if name == "_logger":  # a copy that is being made
            raise AttributeError(name)
        return getattr(self._logger, name)


class LogOwner(HasArguments):
    """Anything with a `logger`."""

    def __init__(
        self,
        *args: Any,
        logger: Any = None,
        logger_name: str | None = None,
        streamlevel: int = logging.INFO,
        logger_file: Path | None = None,
        filelevel: int = logging.WARNING,
        **other_kwargs: Any,
    ) -> None:
        if logger is None:
            name = logger_name or type(self).__name__
            file = logger_file / f"{name}.log" if logger_file is not None and logger_file.is_dir() else logger_file
            logger = OpenMSILogger(name, streamlevel, file, filelevel)
        self.logger = logger
        super().__init__(*args, **other_kwargs)

    @classmethod
    def get_command_line_arguments(cls) -> Arguments:
        """See `HasArguments`."""
        names, defaults = super().get_command_line_arguments()
        return [*names, "logger_stream_level", "logger_file_path", "logger_file_level"], defaults

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: Any) -> Arguments:
        """See `HasArguments`."""
        args, kwargs = super().get_init_args_kwargs(parsed_args)
        more = {
            "streamlevel": getattr(parsed_args, "logger_stream_level", None),
            "logger_file": getattr(parsed_args, "logger_file_path", None),
            "filelevel": getattr(parsed_args, "logger_file_level", None),
        }
        return args, {**kwargs, **{name: value for name, value in more.items() if value is not None}}


class ToService(logging.Handler):
    """Takes what this process logs to the service."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def emit(self, record: logging.LogRecord) -> None:
        """As `logging.Handler.emit`."""
        try:
            text = self.format(record)
        except Exception as error:  # a mistake in user code: its message does not fit its arguments
            text = f"{record.msg} (cannot be formatted: {error})"
        self._connection.tell({"is": "log", "level": record.levelno, "text": text, "path": path_here()})
