"""A class whose method makes a message of every file."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

from openmsi_processor.classes.arguments import Arguments
from openmsi_processor.classes.files import DownloadDataFile
from openmsi_processor.classes.handler import DataFileStreamHandler
from openmsi_processor.classes.messages import MetadataJSONMessage
from openmsi_processor.classes.serving import NotProcessed
from openmsi_processor.result import Result


class DataFileStreamReproducer(DataFileStreamHandler):
    """Calls `_get_processing_result_message_for_file` with every file of one topic; the message goes to another.

    Keyword arguments are those of `DataFileStreamProcessor`, with ``n_consumer_threads`` instead of ``n_threads``.
    """

    def __init__(
        self, config_file: Any, consumer_topic_name: Any = None, producer_topic_name: Any = None, **kwargs: Any
    ) -> None:
        """``config_file`` is the path of an INI file."""
        topics = {"topic_name": consumer_topic_name, "producer_topic_name": producer_topic_name}
        super().__init__(config_file, topics, **kwargs)
        self.producer_topic_name = str(producer_topic_name)
        self.n_consumer_threads = self.n_threads
        self.n_producer_threads = 1
        self.n_results_produced_files = self.n_msgs_produced = 0
        self.recent_results_produced: list[Path] = []

    def produce_processing_results_for_files_as_read(self) -> tuple[int, int, int, int, list[Path]]:
        """Work on files until the program is stopped; blocks.

        Gives the numbers of messages read and messages processed, the numbers of files read and of files with a
        result, and the paths of up to `N_RECENT_FILES` of the latter.
        """
        self._openmsi_serve()
        files, results = self.n_processed_files, self.n_results_produced_files
        return self.n_msgs_read, self.n_msgs_processed, files, results, list(self.recent_results_produced)

    @abstractmethod
    def _get_processing_result_message_for_file(self, datafile: Any, lock: Any) -> Any:
        """A `ReproducerMessage` made of ``datafile``; None when that failed.

        Called by several threads at the same time; ``lock`` (a `threading.Lock`) keeps the others out. A file that
        fails is tried again, three times in all, and is put into quarantine then.
        """

    def _failed_computing_processing_result(self, datafile: Any, lock: Any) -> None:
        """Called once for a file that has failed for good, before it goes to quarantine; override it."""

    def _failed_processing_callback(self, datafile: Any, lock: Any) -> None:
        """The same, by the name that it has in `DataFileStreamProcessor`."""

    def _openmsi_outcome(self, datafile: Any) -> Result:
        message = self._get_processing_result_message_for_file(datafile, self.lock)
        if message is None:
            raise NotProcessed(
                "_get_processing_result_message_for_file returned None: no message could be made of the file"
            )
        if not (hasattr(message, "msg_key") and hasattr(message, "msg_value")):
            raise NotProcessed(
                f"_get_processing_result_message_for_file returned {message!r}: return a ReproducerMessage, which has"
                " msg_key and msg_value"
            )
        value = message.msg_value
        if value is None:
            raise NotProcessed("the message has no value: its msg_value is None")
        return Result(key=message.msg_key, value=value)

    def _openmsi_give_up(self, datafile: Any) -> None:
        self._failed_computing_processing_result(datafile, self.lock)
        self._failed_processing_callback(datafile, self.lock)

    def _openmsi_note(self, datafile: DownloadDataFile) -> None:
        super()._openmsi_note(datafile)
        with self.lock:
            self.n_msgs_produced += 1
            self.n_results_produced_files += 1
            self.recent_results_produced.append(datafile.relative_filepath)
            del self.recent_results_produced[: -self.N_RECENT_FILES]

    @classmethod
    def get_command_line_arguments(cls) -> Arguments:
        """See `HasArguments`."""
        names, defaults = super().get_command_line_arguments()
        return [*names, "n_consumer_threads", "n_producer_threads"], defaults

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: Any) -> Arguments:
        """See `HasArguments`."""
        args, kwargs = super().get_init_args_kwargs(parsed_args)
        return [*args, parsed_args.consumer_topic_name, parsed_args.producer_topic_name], kwargs

    @classmethod
    def run_from_command_line(cls, args: list[str] | None = None) -> None:
        """Construct one with what the command line says, and produce results with it."""
        init_args, init_kwargs = cls.get_init_args_kwargs(cls.get_argument_parser().parse_args(args=args))
        made = cls(*init_args, **init_kwargs)
        read, processed, files, results, _ = made.produce_processing_results_for_files_as_read()
        made.close()
        made.logger.info(
            "%d messages read, %d processed, %d files read, %d results produced", read, processed, files, results
        )


class MetadataJSONReproducer(DataFileStreamReproducer):
    """Calls `_get_metadata_dict_for_file` with every file of one topic; the dictionary goes to another, as JSON."""

    @abstractmethod
    def _get_metadata_dict_for_file(self, datafile: Any) -> dict[str, Any]:
        """The metadata of ``datafile``. Raise an exception when there are none: the file has failed then."""

    def _get_processing_result_message_for_file(self, datafile: Any, lock: Any) -> Any:  # noqa: ARG002
        content = self._get_metadata_dict_for_file(datafile)
        if not isinstance(content, dict):
            raise NotProcessed(f"_get_metadata_dict_for_file returned {type(content).__name__}: return a dictionary")
        return MetadataJSONMessage(datafile, json_content=content)
