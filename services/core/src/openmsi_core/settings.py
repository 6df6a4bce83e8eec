"""Settings: one frozen model per program, filled from the command line, the environment and the config file.

In that order of precedence, then the defaults. Nothing here looks at the process: tests hand in arguments, environment
and working directory. pydantic-settings makes the command line; its environment source is not used, because it reads
the process's environment only and takes values that look like JSON for JSON.
"""

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from openmsi_core import sources
from openmsi_core.command_line import NOT_OPTIONS
from openmsi_core.config_file import ConfigFile
from openmsi_core.encryption.node import Node, node_of
from openmsi_core.encryption.opening import Encryption
from openmsi_core.env_file import load_environment
from openmsi_core.errors import ConfigError, UsageError
from openmsi_core.kafka_options import client_options, is_secret, section_options, unused_serializers
from openmsi_core.old_service import read_config
from openmsi_core.programs import sections_of
from openmsi_core.report_options import report_options
from openmsi_core.settings_types import Level, Seconds, TopicName
from openmsi_core.state import default_state_dir

S = TypeVar("S", bound="ProgramSettings")

DEFAULT_CONFIG = "config.config"
_REPORTS = ("heartbeat", "log")
_DEFAULT_ID = "(default: host name, program and the beginning of the state folder's id)"


class ProgramSettings(BaseSettings):
    """What all programs share. A program's own model adds its options and says in class variables what it is called."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    program: ClassVar[str]
    """The program's name: on the command line, in messages, of its log file, of its section in the config file."""
    place: ClassVar[str]
    """The field of the positional argument: the folder or file it is all about. Empty for none, and for no topic."""
    long_running: ClassVar[bool] = True
    """Whether the program runs until it is stopped, and so has a heartbeat that can be checked."""
    clients: ClassVar[tuple[str, ...]] = ()
    """Which of `producer` and `consumer` the program makes; the other section is not looked at."""
    aliases: ClassVar[Mapping[str, str]] = {}
    """Second names of options, accepted everywhere."""

    config: Path = Field(Path(DEFAULT_CONFIG), description="the config file (INI) that says which broker to use")
    topic_name: TopicName = Field(description="the Kafka topic")
    state_dir: Path = Field(
        description="folder for log file, lock and what must survive a restart (default: one per folder and topic)"
    )
    logger_stream_level: Level = Field("info", description="least level of messages on the terminal")
    logger_file_level: Level = Field("info", description="least level of messages in the log file")
    logger_file_path: Path | None = Field(
        None, description="the log file, or a folder for it (default: in the state folder)"
    )
    log_format: Literal["plain", "json"] = Field(
        "plain", description="how messages are written: plain text, or one JSON object a line"
    )
    update_seconds: float = Field(60, ge=-1, description="seconds between two 'still alive' lines; -1 = none")
    heartbeat_topic_name: TopicName | None = Field(None, description="topic for heartbeats (default: none are sent)")
    heartbeat_program_id: str | None = Field(None, description=f"the name in the keys of heartbeats {_DEFAULT_ID}")
    heartbeat_interval_secs: Seconds = Field(900, description="seconds between two heartbeats")
    log_topic_name: TopicName | None = Field(None, description="topic for log lines (default: none are sent)")
    log_program_id: str | None = Field(None, description=f"the name in the keys of log messages {_DEFAULT_ID}")
    log_interval_secs: Seconds = Field(60, description="seconds between two messages of log lines")

    broker: Mapping[str, str] = Field({}, repr=False)
    """librdkafka options of `[broker]`."""
    producer: Mapping[str, str] = Field({}, repr=False)
    """All librdkafka options of a producer: `[broker]` and over it `[producer]`. Empty if the program makes none."""
    consumer: Mapping[str, str] = Field({}, repr=False)
    """All librdkafka options of a consumer: `[broker]` and over it `[consumer]`. Empty if the program makes none."""
    heartbeat: Mapping[str, str] = Field({}, repr=False)
    log: Mapping[str, str] = Field({}, repr=False)
    """The same of the producers for heartbeats and log lines (`report_options`). Empty if none are to be sent."""
    node: Node | None = Field(None, repr=False)
    """Who we are in encrypted topics, from `[kafkacrypto]`; None = nothing is encrypted."""
    notices: tuple[str, ...] = Field((), repr=False)
    """What `load` has to say about what it found: options without effect, variables that nobody knows."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # the signature is pydantic-settings'
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed in; `load` brings the sources together."""
        return (init_settings,)

    @classmethod
    def translate(cls, layer: dict[str, sources.Given]) -> dict[str, sources.Given]:
        """One source's options, those of earlier systems under today's names. Raises Fatal when two contradict."""
        return layer

    @classmethod
    def folder_of(cls, place: Path) -> Path:
        """The folder that decides, with the topic, which state folder is the default."""
        return place

    @classmethod
    def more(cls, config: ConfigFile, environ: Mapping[str, str]) -> dict[str, Any]:  # noqa: ARG003  # for others
        """Fields that a program fills from sections of its own. Raises ConfigError."""
        return {}

    def encryption(self) -> Encryption | None:
        """What to do with `node`, for all topics of the program. Raises ConfigError."""
        if self.node is None:
            return None
        for report in _REPORTS:
            own: Mapping[str, str] = getattr(self, report)
            if own and own.get("bootstrap.servers") != self.broker.get("bootstrap.servers"):
                raise ConfigError(f"[{report}] names a broker of its own: encrypted topics must all be on one cluster")
        reports = (self.heartbeat_topic_name, self.log_topic_name) if self.long_running else ()
        return Encryption(
            self.node,
            self.consumer or self.producer,
            self.reads,
            (*self.writes, *filter(None, reports)),
            self.takes_plain,
            self.state_dir,
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """Topics whose records it reads."""
        return (self.topic_name,) if "consumer" in self.clients else ()

    @property
    def writes(self) -> tuple[str, ...]:
        """Topics that it writes records to, beside reports."""
        return () if "consumer" in self.clients else (self.topic_name,)

    @property
    def patience(self) -> float:
        """Seconds for which the program waits for a broker at its start."""
        return math.inf

    @property
    def takes_plain(self) -> bool:
        """Whether records that are not encrypted are taken although others are."""
        return False

    def remarks(self) -> tuple[str, ...]:
        """Lines to log once at the start."""
        return self.notices


def load(model: type[S], argv: Sequence[str], environ: Mapping[str, str], cwd: Path) -> S:
    """All settings of a program that is started with the arguments ``argv`` in ``cwd`` (absolute).

    Reads the env file, the config file and files named by ``*_FILE`` variables, nothing else. Paths in the result are
    absolute. Raises UsageError for a mistake on the command line and ConfigError for every other; the text is one line
    that says what to do. ``--help`` and ``--version`` raise SystemExit(0).
    """
    found = find(model, argv, environ, cwd)
    config, environ = found.config, found.environ
    values: dict[str, Any] = {name: given.value for name, given in found.given.items()} | {"config": config.path}
    values = _complete(model, values, environ, cwd) | {"broker": section_options(config, ["broker"], environ)}
    values |= {client: client_options(config, ["broker", client], environ) for client in model.clients}
    values |= {"node": node_of(config, environ, cwd)} | model.more(config, environ)
    for report in _REPORTS:
        if model.long_running and f"{report}_topic_name" in found.given:
            values[report] = report_options(config, report, environ)
    unused = unused_serializers(config, model.clients, environ)
    values["notices"] = (*sources.without_effect(model, found.given), *unused, *sources.misspelt_variables(environ))
    try:
        return model(**values)
    except ValidationError as error:
        raise sources.explain(error, found.given) from None


def find(model: type[ProgramSettings], argv: Sequence[str], environ: Mapping[str, str], cwd: Path) -> sources.Found:
    """What `load` finds before it looks at any value: every option that is given, and where. Raises as `load` does."""
    spellings = {option: option for option in model.model_fields.keys() - NOT_OPTIONS} | dict(model.aliases)
    given = model.translate(sources.from_command_line(model, argv, model.program, model.place, spellings))
    environ = load_environment(environ, cwd)
    given = {**model.translate(sources.from_environment(spellings, environ)), **given}
    config = read_config(_absolute(given["config"].value if "config" in given else DEFAULT_CONFIG, cwd), environ)
    sections = sections_of(model.program)
    given = {**sources.from_config(config, sections, spellings, environ, model.translate), **given}
    return sources.Found(given, config, environ)


def _complete(
    model: type[ProgramSettings], values: dict[str, Any], environ: Mapping[str, str], cwd: Path
) -> dict[str, Any]:
    """Paths made absolute, the state folder filled in. Raises UsageError when the folder or the topic is missing."""
    for name, option in ((model.place, model.place.upper()), ("topic_name", "--topic_name TOPIC_NAME")):
        if model.place and name not in values:
            raise UsageError(
                f"{name} is missing: give {option} on the command line, set"
                f" OPENMSI_{name.upper()}, or put `{name} = …` into [{model.program}] of the config file"
            )
    for name, field in model.model_fields.items():
        if name in values and field.annotation in (Path, Path | None):
            values[name] = _absolute(values[name], cwd)
    place = model.folder_of(values[model.place or "config"])
    values.setdefault("state_dir", default_state_dir(model.program, place, values.get("topic_name", ""), environ))
    return values


def _absolute(path: object, cwd: Path) -> Path:
    # Not resolve(): a link that comes to point to another disk is still the same folder to its users.
    # os.path, because Path.expanduser() fails for a user without a home, as in a container with --user.
    return Path(os.path.abspath(cwd / os.path.expanduser(str(path))))  # noqa: PTH100, PTH111


def masked(settings: ProgramSettings) -> dict[str, str]:
    """Every setting that has a value, as text for the log; what is secret reads ``***``."""
    fields, clients = type(settings).model_fields.keys(), type(settings).clients or ("broker",)
    shown: dict[str, str] = {}
    for name in fields - NOT_OPTIONS | {*clients, *_REPORTS} | fields & {"s3"}:
        match getattr(settings, name):
            case None | ():
                continue
            case Mapping() as options:
                shown |= {f"{name}.{key}": "***" if is_secret(key) else value for key, value in options.items()}
            case re.Pattern(pattern=pattern):
                shown[name] = pattern
            case value:
                shown[name] = str(value)
    return dict(sorted(shown.items()))


def secrets(settings: ProgramSettings) -> frozenset[str]:
    """The values that must never be shown, so that they can be struck out of any text."""
    options = (pair for _, each in settings if isinstance(each, Mapping) for pair in each.items())
    return frozenset(value for key, value in options if is_secret(key) and value)
