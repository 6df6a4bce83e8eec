"""`openmsi quarantine retry --processor`: files that code could not cope with, run again after it was mended.

What is true after ``kill -9`` at each step:

1. ``trying.json`` in the entry says where the result topic ended before anything of this file could be written to it.
2. The code runs, result files are in place, the result is in a transaction: the next call gives that up.
3. The transaction is committed: the next call finds the result behind that place, and does not run the code again.
4. The service's memory knows the file; the entry is moved out of quarantine in one step.
"""

import argparse
import fnmatch
import functools
import re
from collections.abc import Sequence
from pathlib import Path

from openmsi_core.command_line import Parser
from openmsi_core.errors import BadInput, BrokerUnreachable, ConfigError, Retryable, Undone, UsageError
from openmsi_core.service import Service, run
from openmsi_processor.commands.crews import Code, working
from openmsi_processor.commands.entries import Entry, entries
from openmsi_processor.commands.opening import tell_of_keys
from openmsi_processor.commands.options import OneShotSettings, add_settings, settings_arguments
from openmsi_processor.commands.retrying import retry_all
from openmsi_processor.commands.saying import say
from openmsi_processor.settings import ProcessorSettings

_PASSED_ON = (
    "producer_topic_name",
    "topic_name",
    "mode",
    "n_threads",
    "processing_timeout",
    "memory_limit",
    "config",
    "state_dir",
    "consumer_group_id",
    "logger_stream_level",
)


def retry(argv: Sequence[str]) -> int:
    """Run files again that code could not cope with, after it was mended.

    Returns 65 when something stays in quarantine. Raises Fatal.
    """
    given = _arguments().parse_args(argv)
    found = [entry for folder in given.folders for entry in entries(folder)]
    roots, topics = {entry.root for entry in found}, {entry.topic for entry in found}
    if len(roots) > 1:
        raise UsageError("give one output folder at a time, or entries of one")
    if not found:
        say("there is nothing that code could not cope with")
        return 0
    topic = given.topic_name or next(iter(topics))
    if len(topics) > 1 and given.topic_name is None:
        raise UsageError(
            f"files of several topics are there: say which one, --topic_name {' or '.join(sorted(topics))}"
        )
    given.topic_name = topic
    rest = [str(given.processor), *settings_arguments(given, _PASSED_ON), f"--output_dir={roots.pop()}"]
    chosen = [entry for entry in found if entry.topic == topic and _matches(given.path, entry)]
    return run("quarantine-retry", OneShotSettings, functools.partial(_retry, chosen), rest)


def _arguments() -> argparse.ArgumentParser:
    words = Parser(
        prog="openmsi quarantine retry",
        description="Run files again that the code of a processor could not cope with, after it was mended; also while"
        " the service runs. What goes well leaves quarantine.",
        allow_abbrev=False,
    )
    words.add_argument("--processor", type=Path, required=True, metavar="CODE.py", help="the mended code")
    words.add_argument("--path", default="*", metavar="GLOB", help="which paths (* also matches /; default: all)")
    words.add_argument(
        "folders", type=Path, nargs="+", metavar="FOLDER", help="the output folder of the service, or entries of it"
    )
    add_settings(words, _PASSED_ON)
    return words


def _matches(glob: str, entry: Entry) -> bool:
    return re.match(fnmatch.translate(glob), entry.path) is not None


def _retry(found: Sequence[Entry], settings: ProcessorSettings, service: Service) -> None:
    with working(Code.of(settings), service) as work:
        mine = [entry for entry in found if entry.processor == work.made_by.name]
        if len(mine) < len(found):
            others = ", ".join(sorted({entry.processor for entry in found} - {work.made_by.name}))
            say(f"left alone: {len(found) - len(mine)} files of other processors ({others})")
        try:
            stays = retry_all(mine, settings, service, work)
        except Undone as error:
            raise BrokerUnreachable(f"{error}: the same command goes on where this one was") from None
        except Retryable as error:
            raise ConfigError(str(error)) from None
    tell_of_keys(settings)
    if stays:
        raise BadInput(f"{stays} of {len(mine)} files stay in quarantine")
