"""A class whose method is called with every file."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

from openmsi_processor.classes.arguments import Arguments
from openmsi_processor.classes.handler import DataFileStreamHandler
from openmsi_processor.classes.serving import NotProcessed
from openmsi_processor.result import Result


class DataFileStreamProcessor(DataFileStreamHandler):
    """Calls `_process_downloaded_data_file` with every file of ``topic_name``.

    Keyword arguments: ``output_dir``, ``mode``, ``datafile_type``, ``n_threads``, ``consumer_group_id``,
    ``filepath_regex``, ``update_secs``, ``streamlevel``, ``filelevel``, ``logger_file``, ``logger``.
    """

    def __init__(self, config_file: Any, topic_name: Any = None, **kwargs: Any) -> None:
        """``config_file`` is the path of an INI file."""
        topic = topic_name or kwargs.pop("consumer_topic_name", None)
        super().__init__(config_file, {"topic_name": topic}, **kwargs)

    def process_files_as_read(self) -> tuple[int, int, int, list[Path]]:
        """Work on files until the program is stopped; blocks.

        Gives the numbers of messages read and messages processed, the number of files processed, and the paths of up
        to `N_RECENT_FILES` of those.
        """
        self._openmsi_serve()
        return self.n_msgs_read, self.n_msgs_processed, self.n_processed_files, list(self.recent_processed_filepaths)

    @abstractmethod
    def _process_downloaded_data_file(self, datafile: Any, lock: Any) -> Any:
        """Do something with ``datafile``; return None, or the exception that kept it from being done.

        Called by several threads at the same time; ``lock`` (a `threading.Lock`) keeps the others out. A file that
        fails is tried again, three times in all, and is put into quarantine then.
        """

    def _failed_processing_callback(self, datafile: Any, lock: Any) -> None:
        """Called once for a file that has failed for good, before it goes to quarantine; override it."""

    def _openmsi_outcome(self, datafile: Any) -> Result:
        returned = self._process_downloaded_data_file(datafile, self.lock)
        if returned is None:
            return Result()
        if isinstance(returned, BaseException):
            raise returned
        raise NotProcessed(
            f"_process_downloaded_data_file returned {returned!r}: return None when the file was processed, and the"
            " exception when it was not"
        )

    def _openmsi_give_up(self, datafile: Any) -> None:
        self._failed_processing_callback(datafile, self.lock)

    @classmethod
    def get_command_line_arguments(cls) -> Arguments:
        """See `HasArguments`."""
        names, defaults = super().get_command_line_arguments()
        return names, {**defaults, "n_threads": 2}

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: Any) -> Arguments:
        """See `HasArguments`."""
        args, kwargs = super().get_init_args_kwargs(parsed_args)
        return [*args, parsed_args.consumer_topic_name], kwargs

    @classmethod
    def run_from_command_line(cls, args: list[str] | None = None) -> None:
        """Construct one with what the command line says, and process files with it."""
        init_args, init_kwargs = cls.get_init_args_kwargs(cls.get_argument_parser().parse_args(args=args))
        made = cls(*init_args, **init_kwargs)
        read, processed, files, _ = made.process_files_as_read()
        made.close()
        made.logger.info("%d messages read, %d processed, %d files processed", read, processed, files)
