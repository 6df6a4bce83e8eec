"""`openmsi replay`: old files of a topic again, under new code, beside the service and without its group.

A replay has a group of its own, named after what was asked for, and keeps what it is to read in a folder of the state
folder. So the same command after ``kill -9`` goes on where the first one was: results and the offsets of that group are
committed in one transaction.
"""

import argparse
import fnmatch
import functools
import hashlib
import logging
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openmsi_core.carry import begin_anew_when_undone
from openmsi_core.command_line import Parser
from openmsi_core.durable import disk_errors, make_folder
from openmsi_core.errors import BadInput, ConfigError, Retryable
from openmsi_core.locks import try_lock
from openmsi_core.service import Service, run
from openmsi_processor.commands.crews import Code, Working, working
from openmsi_processor.commands.opening import tell_of_keys
from openmsi_processor.commands.options import OneShotSettings, add_settings, settings_arguments
from openmsi_processor.commands.plan import Order
from openmsi_processor.commands.replaying import Replaying
from openmsi_processor.commands.span import moment
from openmsi_processor.settings import ProcessorSettings

_log = logging.getLogger(__name__)

_PASSED_ON = (
    "producer_topic_name",
    "output_dir",
    "mode",
    "n_threads",
    "processing_timeout",
    "memory_limit",
    "max_wait_per_decrypt",
    "bandwidth_limit",
    "config",
    "state_dir",
    "logger_stream_level",
)


@dataclass(frozen=True, slots=True)
class _Asked:
    path: str
    since: str
    until: str


def replay(argv: Sequence[str]) -> int:
    """Run old files of a topic again, under new code, without touching what the service has done.

    Returns 65 when the code fails for a file, or when it is stopped before the end. Raises UsageError.
    """
    given = _arguments().parse_args(argv)
    for each in (given.since, *([given.until] if given.until else [])):
        moment(each, time.time())
    asked = _Asked(given.path, given.since, given.until)
    rest = [str(given.processor), f"--topic_name={given.topic}", *settings_arguments(given, _PASSED_ON)]
    return run("replay", OneShotSettings, functools.partial(_replay, asked), rest)


def _arguments() -> argparse.ArgumentParser:
    words = Parser(
        prog="openmsi replay",
        description="Run old files of a topic again, under new code. The newest whole version of each path counts. The"
        " same command again goes on with what was not finished.",
        allow_abbrev=False,
    )
    words.add_argument("topic", metavar="TOPIC", help="the Kafka topic with the files")
    words.add_argument("--processor", type=Path, required=True, metavar="CODE.py", help="the code to run")
    words.add_argument("--since", required=True, metavar="WHEN", help="7d, 12h, or a time: 2026-11-20T14:30 (UTC)")
    words.add_argument("--until", default="", metavar="WHEN", help="the same (default: where the topic ends now)")
    words.add_argument("--path", default="*", metavar="GLOB", help="which paths (* also matches /; default: all)")
    add_settings(words, _PASSED_ON)
    return words


def _replay(asked: _Asked, settings: ProcessorSettings, service: Service) -> None:
    try:
        _run(asked, settings, service)
    except Retryable as error:  # of a disk, before anything is read
        raise ConfigError(str(error)) from None


def _run(asked: _Asked, settings: ProcessorSettings, service: Service) -> None:
    with working(Code.of(settings), service) as work:
        order = _order(asked, settings, work)
        _log.info("%s calls %s, version %s", settings.processor_file, work.made_by.name, work.made_by.version)
        with disk_errors(order.folder):
            make_folder(order.folder, settings.state_dir)
            lock = try_lock(order.folder / "lock")
        if lock is None:
            raise ConfigError("this replay is running already: wait for its end, or stop it")
        with lock:
            replaying = Replaying(order, settings, service, work)
            begin_anew_when_undone(replaying.run, service.stop)
        if not replaying.finished:
            raise BadInput("stopped before the end: the same command goes on where this one was")
        shutil.rmtree(order.folder, ignore_errors=True)
        tell_of_keys(settings)
    if replaying.failed:
        raise BadInput(
            f"{replaying.failed} files are in quarantine by now: openmsi quarantine list {settings.output} says why"
        )


def _order(asked: _Asked, settings: ProcessorSettings, work: Working) -> Order:
    now = time.time()
    glob = re.compile(fnmatch.translate(asked.path))
    said = (settings.topic_name, asked.path, asked.since, asked.until, work.made_by.name, work.made_by.version)
    where = (settings.producer_topic_name or "", str(settings.output), settings.consumer.get("bootstrap.servers", ""))
    key = hashlib.sha256("\n".join((*said, *where)).encode(errors="surrogateescape")).hexdigest()[:16]
    return Order(
        group=f"openmsi-replay-{key}",
        folder=settings.state_dir / f"replay-{key}",
        since=moment(asked.since, now),
        until=moment(asked.until, now) if asked.until else None,
        wanted=lambda path: all(
            pattern is None or pattern.match(path.text) for pattern in (glob, work.wanted, settings.download_regex)
        ),
    )
