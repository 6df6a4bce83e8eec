"""What a class was constructed with: what the service is to use, and what has no effect."""

import re
from pathlib import Path
from typing import Any, ClassVar

from openmsi_processor.classes.arguments import OpenMSIStreamArgumentParser
from openmsi_processor.classes.files import (
    DownloadDataFile,
    DownloadDataFileToDisk,
    DownloadDataFileToMemory,
    DownloadDataFileToMemoryAndDisk,
)
from openmsi_processor.mistake import Mistake

_KEYWORDS = {
    "consumer_group_id": "consumer_group_id",
    "filepath_regex": "download_regex",
    "update_secs": "update_seconds",
    "mode": "mode",
    "output_dir": "output_dir",
    "streamlevel": "logger_stream_level",
    "filelevel": "logger_file_level",
    "logger_file": "logger_file_path",
    "n_threads": "n_threads",
    "n_consumer_threads": "n_consumer_threads",
    "heartbeat_topic_name": "heartbeat_topic_name",
    "heartbeat_program_id": "heartbeat_program_id",
    "heartbeat_interval_secs": "heartbeat_interval_secs",
    "log_topic_name": "log_topic_name",
    "log_program_id": "log_program_id",
    "log_interval_secs": "log_interval_secs",
    "max_wait_per_decrypt": "max_wait_per_decrypt",
    "max_initial_wait_per_decrypt": "max_initial_wait_per_decrypt",
    "treat_undecryptable_as_plaintext": "treat_undecryptable_as_plaintext",
}
"""Keyword arguments of the constructors, and the options that they are."""
_IGNORED = {
    "n_producer_threads",
    "kafkacrypto",
    "producer_topic_name",
}
_OF_LOG_OWNERS = ("logger", "logger_name", "streamlevel", "filelevel")
_TYPES = {
    "memory": DownloadDataFileToMemory,
    "disk": DownloadDataFileToDisk,
    "both": DownloadDataFileToMemoryAndDisk,
}
_FLAGS = {re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s", re.VERBOSE: "x", re.ASCII: "a"}
_MOST_THREADS = 64
_DEFAULT_THREADS = 2


class Options:
    """Of one object of class ``name``. What its constructor was not given is what the command line said."""

    ARGUMENTS: ClassVar[tuple[str, ...]] = (
        "update_seconds",
        "heartbeat_topic_name",
        "heartbeat_program_id",
        "heartbeat_interval_secs",
        "log_topic_name",
        "log_program_id",
        "log_interval_secs",
        "config",
        "topic_name",
        "consumer_topic_name",
        "consumer_group_id",
        "producer_topic_name",
        "treat_undecryptable_as_plaintext",
        "max_wait_per_decrypt",
        "max_initial_wait_per_decrypt",
        "download_regex",
        "mode",
    )
    """Names of the arguments that all of the old classes have."""

    def __init__(self, name: str, config_file: Any, topics: dict[str, Any], kwargs: dict[str, Any]) -> None:
        """Raises Mistake when something is missing or cannot be."""
        self._name = name
        self.config = Path(config_file).absolute() if config_file else None
        self.topics = topics
        for option, topic in topics.items():
            if not topic:
                raise Mistake(f"{name}: {option} is missing: give --{option} on the command line")
        if len(set(topics.values())) < len(topics):
            raise Mistake(
                f"{name}: producer_topic_name is missing, or the topic that the files come from: results need another,"
                " so give --producer_topic_name on the command line"
            )
        said = vars(OpenMSIStreamArgumentParser.last) if OpenMSIStreamArgumentParser.last else {}
        self._values: dict[str, Any] = {}
        for keyword, option in _KEYWORDS.items():
            value = kwargs.get(keyword)
            self._values[keyword] = said.get(option) if value is None else value
        self.mode: str = self._values["mode"] or "memory"
        if self.mode not in _TYPES:
            raise Mistake(f"{name}: mode is {self.mode!r}, and can be {', '.join(_TYPES)}")
        self.output_dir = Path(self._values["output_dir"] or f"{name}_output").absolute()
        self.group: str | None = self._values["consumer_group_id"]
        self.regex = self._values["filepath_regex"]
        threads = self._values["n_consumer_threads"] or self._values["n_threads"] or _DEFAULT_THREADS
        self.n_threads = min(int(threads), _MOST_THREADS)
        self.datafile_type = self._datafile_type(kwargs.get("datafile_type"))
        logs = {**self._values, **kwargs}
        self._logs = {key: logs[key] for key in _OF_LOG_OWNERS if logs.get(key) is not None}
        known = {*_KEYWORDS, *_IGNORED, *_OF_LOG_OWNERS, "datafile_type"}
        self._unknown = {key: value for key, value in kwargs.items() if key not in known}
        self.ignored = (_IGNORED & kwargs.keys()) | self._unknown.keys()

    def for_others(self, cls: type) -> dict[str, Any]:
        """What the constructors of other base classes of ``cls`` get: what is not ours, if there are any."""
        ours = cls.__mro__.index(_first_of_ours(cls))
        others = [
            each
            for each in cls.__mro__[ours:]
            if "__init__" in vars(each) and each is not object and not each.__module__.startswith(__package__)
        ]
        if others:
            self.ignored -= self._unknown.keys()
        return self._logs | (self._unknown if others else {})

    def announcement(self) -> dict[str, Any]:
        """What the service needs to know, and the options that it is to use, as on a command line."""
        values = {**self._values, "mode": self.mode, "output_dir": self.output_dir, "n_threads": self.n_threads}
        values["filepath_regex"] = _pattern(self.regex)
        values["treat_undecryptable_as_plaintext"] = values["treat_undecryptable_as_plaintext"] or None
        del values["n_consumer_threads"]
        given = {_KEYWORDS[keyword]: str(value) for keyword, value in values.items() if value not in (None, "")}
        if self.config is not None:
            given["config"] = str(self.config)
        return {"name": self._name, "version": "", "files": "", "options": {**given, **self.topics}}

    @staticmethod
    def keywords(parsed_args: Any) -> dict[str, Any]:
        """The constructor's keyword arguments out of a command line; None = not given."""
        options = {**_KEYWORDS, **{name: name for name in _IGNORED - {"kafkacrypto", "producer_topic_name"}}}
        return {key: getattr(parsed_args, option) for key, option in options.items() if hasattr(parsed_args, option)}

    def _datafile_type(self, given: Any) -> type[DownloadDataFile]:
        needed = _TYPES[self.mode]
        if given is None:
            return needed
        if not (isinstance(given, type) and issubclass(given, needed)):
            raise Mistake(f"{self._name}: with mode {self.mode}, datafile_type must be a subclass of {needed.__name__}")
        return given


def _first_of_ours(cls: type) -> type:
    return next(each for each in cls.__mro__ if each.__module__.startswith(__package__))


def _pattern(given: Any) -> str | None:
    """The text of a regular expression with its flags."""
    if not isinstance(given, re.Pattern):
        return given or None
    flags = "".join(letter for flag, letter in _FLAGS.items() if given.flags & flag)
    return f"(?{flags}){given.pattern}" if flags else str(given.pattern)
