"""The command line of the old classes: a table of arguments, and a parser that adds those a class names."""

import argparse
import contextlib
import re
import sys
from abc import ABC
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from openmsi_processor.classes import argument_types as types
from openmsi_processor.classes.connection import current

Arguments = tuple[list[Any], dict[str, Any]]

_USAGE = 64  # EX_USAGE, as all our programs exit
_EPILOG = (
    "Also: --state_dir, --processing_timeout, --memory_limit, --log_format, --on_lost_offsets, --idle_quarantine_hours"
    " (StreamProcessor --help tells of them). What all stream processors have may also be given as environment variable"
    " OPENMSI_<OPTION IN CAPITALS>, or in the section [StreamProcessor] of the config file; the command line wins."
)
_TOPICS = ("topic_name", "consumer_topic_name", "producer_topic_name")


class HasArguments(ABC):  # noqa: B024  # classes of users have abstract methods of ours
    """Anything whose constructor can be called with what stands on a command line."""

    @classmethod
    def get_command_line_arguments(cls) -> Arguments:
        """Names of arguments, and names of others with their defaults. Add your own to those of ``super()``."""
        others = getattr(super(), "get_command_line_arguments", None)
        return others() if others else ([], {})

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: argparse.Namespace) -> Arguments:
        """What the constructor is called with. Add your own to those of ``super()``."""
        others = getattr(super(), "get_init_args_kwargs", None)
        return others(parsed_args) if others else ([], {})


def _optional(**keywords: Any) -> list[Any]:
    return ["optional", keywords]


def _positional(**keywords: Any) -> list[Any]:
    return ["positional", keywords]


class OpenMSIArgumentParser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` that knows common arguments by their names.

    `ARGUMENTS` has for each name ``["positional" or "optional", keywords of argparse's add_argument]``.
    """

    ARGUMENTS: ClassVar[dict[str, list[Any]]] = {
        "logger_stream_level": _optional(
            type=types.level, default="info", help="least level of messages on the terminal"
        ),
        "logger_file_level": _optional(
            type=types.level, default="info", help="least level of messages in the log file"
        ),
        "logger_file_path": _optional(type=Path, help="the log file, or a folder for it"),
        "filepath": _positional(type=types.existing_file, help="the file"),
        "output_dir": _positional(type=types.create_dir, help="the folder for output"),
        "optional_output_dir": _optional(type=types.create_dir, help="the folder for output"),
        "n_threads": _optional(type=types.positive_int, help="files worked on at the same time"),
        "update_seconds": _optional(type=int, default=60, help="seconds between two 'still alive' lines; -1 = none"),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._added: set[str] = set()

    def add_arguments(self, *args: str, **kwargs: Any) -> None:
        """Add arguments by their names in `ARGUMENTS`; those in ``kwargs`` get a default of their own.

        What was added before stays as it is. Raises ValueError for a name that is not there.
        """
        for name in [*(name for name in args if name not in kwargs), *kwargs]:
            if name not in self.ARGUMENTS:
                raise ValueError(f"{name} is none of the arguments in {type(self).__name__}.ARGUMENTS")
            kind, keywords = self.ARGUMENTS[name]
            flag = name if kind == "positional" else f"--{name.removeprefix('optional_')}"
            if flag in self._added:
                continue
            self._added.add(flag)
            own = {"default": kwargs[name]} if kwargs.get(name) is not None else {}
            self.add_argument(flag, **{**keywords, **own})

    def error(self, message: str) -> NoReturn:
        """Say it in one line and exit, as our programs do."""
        print(f"{self.prog}: {message}; {self.prog} --help shows all options", file=sys.stderr)
        raise SystemExit(_USAGE)


class OpenMSIStreamArgumentParser(OpenMSIArgumentParser):
    """The same with the arguments of stream processors.

    What the command line does not say comes from the environment and the config file, then from the class's defaults.
    """

    ARGUMENTS: ClassVar[dict[str, list[Any]]] = {
        **OpenMSIArgumentParser.ARGUMENTS,
        "config": _optional(type=types.config_path, default=Path("config.config"), help="the config file (INI)"),
        "topic_name": _optional(help="the Kafka topic"),
        "consumer_topic_name": _optional(help="the topic that files come from (default: topic_name)"),
        "producer_topic_name": _optional(help="the topic for results"),
        "consumer_group_id": _optional(
            help="processes with the same group share the work; create_new = a fresh one that gets every file again"
            " (default: one that is made once and kept)"
        ),
        "download_regex": _optional(type=types.regex, help="take only files whose path matches this"),
        "mode": _optional(
            choices=["memory", "disk", "both"],
            default="memory",
            help="disk and both also keep the files of the topic in the output folder",
        ),
        "n_consumer_threads": _optional(type=types.positive_int, default=2, help="files worked on at the same time"),
        "n_producer_threads": _optional(type=types.positive_int, default=1, help="no effect: one producer sends all"),
        "treat_undecryptable_as_plaintext": _optional(
            action="store_true", help="with [kafkacrypto]: take messages that are not encrypted, too"
        ),
        "max_wait_per_decrypt": _optional(
            type=types.positive_float,
            help="seconds that an encrypted message waits for its key before it is put aside; others go on"
            " (default: 600)",
        ),
        "max_initial_wait_per_decrypt": _optional(
            type=types.positive_float, help="the same: the longer of the two counts"
        ),
        "heartbeat_topic_name": _optional(help="topic for heartbeats (default: none are sent)"),
        "heartbeat_program_id": _optional(help="the name in the keys of heartbeats"),
        "heartbeat_interval_secs": _optional(type=types.positive_float, help="seconds between two heartbeats"),
        "log_topic_name": _optional(help="topic for log lines (default: none are sent)"),
        "log_program_id": _optional(help="the name in the keys of log messages"),
        "log_interval_secs": _optional(type=types.positive_float, help="seconds between two messages of log lines"),
        # Those of other programs, for classes that name them.
        "upload_dir": _positional(type=types.existing_dir, help="the folder to watch"),
        "bucket_name": _positional(help="the bucket"),
        "upload_regex": _optional(type=types.regex, default=re.compile(r"^((?!(\.|.*.log))).*$"), help="files to send"),
        "chunk_size": _optional(type=types.power_of_two, default=524288, help="bytes of a message"),
        "queue_max_size": _optional(type=types.positive_int, default=500, help="MB that wait to be sent"),
        "upload_existing": _optional(action="store_true", help="send what is there already, too"),
        "watchdog_lag_time": _optional(type=int, default=3, help="seconds that a file must not have changed"),
        "use_polling_observer": _optional(action="store_true", help="look for changes instead of waiting for events"),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"epilog": _EPILOG, **kwargs})

    last: ClassVar[argparse.Namespace | None] = None
    """What a command line was understood as last."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As argparse does (`parse_args` comes here, too), after asking the service for what stands elsewhere."""
        said = _said(sys.argv[1:] if args is None else args)
        elsewhere = self._elsewhere(said)
        for action in self._actions:
            if action.dest in elsewhere and action.dest not in _TOPICS:
                text = elsewhere[action.dest]
                action.default = text.casefold() in ("1", "true", "yes", "on") if action.nargs == 0 else text
        parsed, unknown = super().parse_known_args(args, namespace)
        if hasattr(parsed, "topic_name"):
            self._agree_on_topics(parsed, said, elsewhere)
            OpenMSIStreamArgumentParser.last = parsed
        return parsed, unknown

    def _elsewhere(self, said: argparse.Namespace) -> dict[str, str]:
        connection = current()
        if connection is None:
            return {}
        config = said.config or self.get_default("config")
        with contextlib.suppress(argparse.ArgumentTypeError):  # the parser will say so
            config = types.config_path(config) if config else config
        answer = connection.ask({"is": "asks", "config": str(config) if config else "", "named": bool(said.config)})
        return dict(answer.get("given", {}))

    def _agree_on_topics(self, parsed: Any, said: argparse.Namespace, elsewhere: dict[str, str]) -> None:
        """The nearest of all that name a topic; results go to the same one unless another is named, as there."""
        default = self.get_default("consumer_topic_name") or self.get_default("topic_name")
        consumer = said.consumer_topic_name or said.topic_name or elsewhere.get("topic_name") or default
        parsed.consumer_topic_name = consumer
        parsed.topic_name = said.topic_name or consumer
        named = said.producer_topic_name or elsewhere.get("producer_topic_name")
        parsed.producer_topic_name = named or self.get_default("producer_topic_name") or parsed.topic_name


def _said(args: Sequence[str]) -> argparse.Namespace:
    """What the command line itself says of the config file and of topics."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in ("config", *_TOPICS):
        parser.add_argument(f"--{name}")
    try:
        return parser.parse_known_args(list(args))[0]
    except argparse.ArgumentError:  # an option without its value: the real parser will say so
        return parser.parse_args([])
