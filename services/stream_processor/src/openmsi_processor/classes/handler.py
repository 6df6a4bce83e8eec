"""What the old stream processors and reproducers have in common: their constructor, and the files that come to them.

The script runs in a process of its own, with as many threads as it asks for, so what a class keeps on ``self`` and
under its ``lock`` is there for all files. The service, which has started the process, hands it the files.

(Inheritance, because users inherit from these classes; our own names begin with _openmsi, so that theirs are free.)
"""

import queue
import threading
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from openmsi_processor.classes.arguments import Arguments, OpenMSIStreamArgumentParser
from openmsi_processor.classes.connection import current
from openmsi_processor.classes.embedded import service_beside
from openmsi_processor.classes.files import DownloadDataFile
from openmsi_processor.classes.log import LogOwner
from openmsi_processor.classes.options import Options
from openmsi_processor.classes.runnable import Runnable
from openmsi_processor.classes.script import hand_over
from openmsi_processor.classes.serving import serve
from openmsi_processor.mistake import Mistake
from openmsi_processor.result import Result


class DataFileStreamHandler(LogOwner, Runnable):
    """The common base of the old classes; not for users' own."""

    ARGUMENT_PARSER_TYPE: ClassVar[Any] = OpenMSIStreamArgumentParser
    LOG_SUBDIR_NAME: ClassVar[str] = "LOGS"
    N_RECENT_FILES: ClassVar[int] = 50

    def __init__(self, config_file: Any, topics: dict[str, Any], **kwargs: Any) -> None:
        hand_over()
        connection = current()
        if connection is not None:
            connection.constructed = True
        self.__options = Options(type(self).__name__, config_file, topics, kwargs)
        self._output_dir: Path = self.__options.output_dir
        self._output_dir.mkdir(parents=True, exist_ok=True)
        self.datafile_type: type[DownloadDataFile] = self.__options.datafile_type
        self.consumer_topic_name = self.topic_name = str(self.__options.topics["topic_name"])
        self.consumer_group_id: str | None = self.__options.group
        self.filepath_regex: Any = self.__options.regex
        self.n_threads: int = self.__options.n_threads
        self.lock = threading.Lock()
        self.control_command_queue: queue.Queue[str] = queue.Queue()
        self.alive = False
        self.n_msgs_read = self.n_msgs_processed = self.n_processed_files = 0
        self.files_in_progress_by_path: dict[Path, DownloadDataFile] = {}
        self.recent_processed_filepaths: list[Path] = []
        super().__init__(**self.__options.for_others(type(self)))
        if self.__options.ignored:
            self.logger.debug("these have no effect: %s", ", ".join(sorted(self.__options.ignored)))

    @property
    def other_datafile_kwargs(self) -> dict[str, Any]:
        """More keyword arguments for the constructor of ``datafile_type``; override it."""
        return {}

    @property
    def _logs_subdir(self) -> Path:
        place = self._output_dir / self.LOG_SUBDIR_NAME
        place.mkdir(parents=True, exist_ok=True)
        return place

    @property
    def progress_msg(self) -> str:
        """The files that are being worked on and those that were done last."""
        with self.lock:
            lines = [f"{path} (in progress)" for path in list(self.files_in_progress_by_path)]
            lines += [f"{path} (completed)" for path in self.recent_processed_filepaths]
        return "\n\t".join([f"Files (up to {self.N_RECENT_FILES} of those that are completed):", *lines])

    def _mismatched_hash_callback(self, datafile: Any, lock: Any) -> None:
        """Called when a file's bytes are not those of its source: it was put into quarantine, from where it is read."""

    def _undecryptable_message_callback(self, msg: Any) -> None:
        """Called when the key of an encrypted message has not come: it was put into quarantine.

        ``msg`` is an `UndecryptableMessage`. After a crash it may be called again, or not at all.
        """

    def _on_check(self) -> None:
        """Called when ``check`` is put into `control_command_queue`."""
        self.logger.info("%d files processed so far", self.n_processed_files)

    def _on_shutdown(self) -> None:
        """Called when no more files will come."""

    def shutdown(self) -> None:
        """Have the service stop; returns at once."""
        self.control_command_queue.put("q")

    def close(self) -> None:
        """Nothing is left to be closed: the service has the connections."""

    @abstractmethod
    def _openmsi_outcome(self, datafile: Any) -> Result:
        """What came of it. Anything that it raises means that the file was not processed."""

    @abstractmethod
    def _openmsi_give_up(self, datafile: Any) -> None:
        """The last try has failed."""

    def _openmsi_note(self, datafile: DownloadDataFile) -> None:
        """It was processed."""
        with self.lock:
            self.n_msgs_read += datafile.n_total_chunks
            self.n_msgs_processed += datafile.n_total_chunks
            self.n_processed_files += 1
            self.recent_processed_filepaths.append(datafile.relative_filepath)
            del self.recent_processed_filepaths[: -self.N_RECENT_FILES]

    def _openmsi_serve(self) -> None:
        """Work on files until the service stops."""
        connection = current()
        if connection is not None and connection.serving:
            raise Mistake(f"{type(self).__name__}: only one processor at a time can run in a script")
        about = self.__options.announcement()
        self.alive = True
        if connection is not None:
            serve(self, connection, about)
        else:
            place = {"file": str(self._output_dir / type(self).__name__), "version": "not in a file"}
            with service_beside() as connection:
                serve(self, connection, {**about, **place})
        self.alive = False
        self._on_shutdown()

    @classmethod
    def get_argument_parser(cls, *args: Any, **kwargs: Any) -> Any:
        """See `Runnable`."""
        hand_over()
        return super().get_argument_parser(*args, **kwargs)

    @classmethod
    def _get_auto_output_dir(cls) -> Path:
        return Path.cwd() / f"{cls.__name__}_output"

    @classmethod
    def get_command_line_arguments(cls) -> Arguments:
        """See `HasArguments`."""
        names, defaults = super().get_command_line_arguments()
        own = Options.ARGUMENTS
        return [*names, *own], {**defaults, "optional_output_dir": cls._get_auto_output_dir()}

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: Any) -> Arguments:
        """See `HasArguments`."""
        args, kwargs = super().get_init_args_kwargs(parsed_args)
        return [*args, getattr(parsed_args, "config", None)], {**kwargs, **Options.keywords(parsed_args)}
