"""Heartbeats and log lines on topics, for as long as a program runs."""

import contextlib
import functools
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from openmsi_core.counters import Counters
from openmsi_core.encryption.cipher import Cipher
from openmsi_core.errors import ConfigError
from openmsi_core.heartbeat_topic import count_names, heartbeat, heartbeat_key
from openmsi_core.log_topic import MOST_LINES, LogLines, log_key
from openmsi_core.logs import also_to
from openmsi_core.report_options import SEPARATE
from openmsi_core.reporter import MAX_BYTES, STOP_SECONDS, Reporter, Route
from openmsi_core.settings import ProgramSettings
from openmsi_core.settings_types import Level
from openmsi_core.state import instance_id

T = TypeVar("T")

_MOST_LINES, _LEVEL = "max.logs.per.message", "log.level"
_DEFAULT_MAX_BYTES = 1_000_000
_LAST_WORDS_SECONDS = 1.0  # to say that something was left
_FRAME_BYTES = 200  # what Kafka adds to a message, generously
_SEAL_BYTES = 160  # what encryption adds to key and value, generously


@contextlib.contextmanager
def reporting(settings: ProgramSettings, cipher: Future[Cipher]) -> Iterator[Counters]:
    """Send what ``settings`` ask for while inside; gives the counters that heartbeats tell of.

    Connects in the background, and sends nothing before ``cipher`` is there. At the end, what is left is sent; that
    takes a moment, `STOP_SECONDS` at most when no broker answers. Raises ConfigError for options that cannot be used,
    and when a topic is the one of the files.
    """
    counters = Counters()
    with contextlib.ExitStack() as stack:
        reporters: list[Reporter] = []
        if settings.long_running and settings.heartbeat_topic_name:
            reporters.append(_heartbeats(settings, cipher, counters))
        if settings.long_running and settings.log_topic_name:
            reporters.append(_log_lines(settings, cipher, stack))
        for reporter in reporters:
            reporter.thread.start()
        try:
            yield counters
        finally:
            _stop(reporters)


def _stop(reporters: list[Reporter]) -> None:
    for reporter in reporters:
        reporter.stop()
    deadline = time.monotonic() + STOP_SECONDS + _LAST_WORDS_SECONDS
    for reporter in reporters:
        reporter.thread.join(max(0.1, deadline - time.monotonic()))


def _heartbeats(settings: ProgramSettings, cipher: Future[Cipher], counters: Counters) -> Reporter:
    key = heartbeat_key(settings.heartbeat_program_id or _program_id(settings))
    route = _route(settings, "heartbeat", settings.heartbeat_topic_name or "", key)
    beat = functools.partial(heartbeat, count_names(settings.clients), counters)
    return Reporter(route, cipher, settings.heartbeat_interval_secs, beat)


def _log_lines(settings: ProgramSettings, cipher: Future[Cipher], stack: contextlib.ExitStack) -> Reporter:
    key = log_key(settings.log_program_id or _program_id(settings))
    route = _route(settings, "log", settings.log_topic_name or "", key)
    level = _option(settings.log, _LEVEL, TypeAdapter(Level).validate_python, "debug")
    most = _option(settings.log, _MOST_LINES, _whole, MOST_LINES)
    added = _FRAME_BYTES + (_SEAL_BYTES if settings.node else 0)
    lines = LogLines(level.upper(), route.max_bytes - len(route.key.encode()) - added, most)
    reporter = Reporter(route, cipher, settings.log_interval_secs, lines.compose)
    lines.sender = reporter.thread
    stack.enter_context(also_to(lines, settings))
    return reporter


def _route(settings: ProgramSettings, section: str, topic: str, key: str) -> Route:
    given: Mapping[str, str] = getattr(settings, section)
    if topic == settings.topic_name and given.get("bootstrap.servers") == settings.broker.get("bootstrap.servers"):
        raise ConfigError(f"{section}_topic_name is {topic!r}, the topic of the files: give it a topic of its own")
    options = {key: value for key, value in given.items() if key not in (_MOST_LINES, _LEVEL, SEPARATE)}
    return Route(section, topic, key, options, _option(given, MAX_BYTES, _whole, _DEFAULT_MAX_BYTES))


def _option(options: Mapping[str, str], key: str, read: Callable[[str], T], default: T) -> T:
    if key not in options:
        return default
    try:
        return read(options[key])
    except (ValueError, ValidationError):
        raise ConfigError(f"{key} cannot be {options[key]!r} in the config file") from None


def _whole(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def _program_id(settings: ProgramSettings) -> str:
    return f"{socket.gethostname()}-{settings.program}-{instance_id(settings.state_dir)[:8]}"
