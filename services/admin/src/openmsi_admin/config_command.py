"""`openmsi config`: what a program would run with, and whether that is right."""

import argparse
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from openmsi_admin.common import parser
from openmsi_admin.config_origin import Setting, load_incomplete, settings_of
from openmsi_admin.installed import program, programs
from openmsi_admin.printing import say, show_json, show_table
from openmsi_core.errors import ConfigError, Fatal
from openmsi_core.kafka import Troubles, make_consumer, make_producer
from openmsi_core.settings import ProgramSettings

_JSON = "--json"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found out about the settings of one program."""

    program: str
    wrong: str | None
    """The first mistake, in one line; None = there is none."""
    not_given: tuple[str, ...]
    """What it needs and is not given here: it was not checked."""
    remarks: tuple[str, ...]


def config(argv: Sequence[str]) -> int:
    """Show the settings of a program and where each comes from, or check those of all programs.

    Asks no broker and makes no folder. `check` returns 78 when a program would not start. Raises Fatal.
    """
    given = _arguments().parse_args(argv)
    if given.verb == "show":
        # Whatever follows PROGRAM is its own, but people put --json last.
        rest = [word for word in given.arguments if word != _JSON]
        shown, settings = settings_of(program(given.program), rest, os.environ, Path.cwd())
        (_show_json if given.json or rest != given.arguments else _show_table)(shown, settings)
        return 0
    results = _check(given.programs, ["--config", given.config] if given.config else [])
    (_check_json if given.json else _check_table)(results)
    return ConfigError.exit_code if any(result.wrong for result in results) else 0


def _arguments() -> argparse.ArgumentParser:
    words = parser("config", "Settings: what a program would run with, and whether that is right.")
    verbs = words.add_subparsers(dest="verb", required=True, metavar="show|check")
    show = verbs.add_parser(
        "show",
        help="every setting of one program, and where it comes from",
        description="Show what PROGRAM would run with if it were started here with these arguments. Secrets read ***.",
        allow_abbrev=False,
    )
    show.add_argument("program", metavar="PROGRAM", help=f"one of {', '.join(programs())}")
    show.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ITS ARGUMENTS", help="as on its command line")
    check = verbs.add_parser(
        "check",
        help="say ok or what is wrong, for each program",
        description="Check the settings that programs started here would find, without asking a broker.",
        allow_abbrev=False,
    )
    check.add_argument("programs", nargs="*", metavar="PROGRAM", help="default: every program that is installed")
    check.add_argument("--config", metavar="FILE", help="the config file (default: as the programs find it)")
    for verb in (show, check):
        verb.add_argument(_JSON, action="store_true", help="print JSON instead of a table")
    return words


def _show_json(shown: Sequence[Setting], settings: ProgramSettings) -> None:
    facts = {"program": settings.program, "config": str(settings.config), "settings": [asdict(each) for each in shown]}
    show_json(facts | {"remarks": settings.remarks()})


def _show_table(shown: Sequence[Setting], settings: ProgramSettings) -> None:
    rows = [(each.name, "–" if each.value is None else each.value, each.where) for each in shown]
    show_table(("setting", "value", "where"), rows, long=("value", "where"))
    say(f"[sections] are those of {settings.config}")
    for remark in settings.remarks():
        say(f"note: {remark}")


def _check_json(results: Iterable[Checked]) -> None:
    show_json([asdict(result) for result in results])


def _check_table(results: Iterable[Checked]) -> None:
    show_table(("program", "result"), [(result.program, _in_words(result)) for result in results], long=["result"])
    for remark in dict.fromkeys(remark for result in results for remark in result.remarks):
        say(f"note: {remark}")


def _check(names: Sequence[str], argv: Sequence[str]) -> list[Checked]:
    models = {name: program(name) for name in names} if names else programs()
    return [_checked(name, model, argv) for name, model in models.items()]


def _checked(name: str, model: type[ProgramSettings], argv: Sequence[str]) -> Checked:
    try:
        settings, _, missing = load_incomplete(model, argv, os.environ, Path.cwd())
        _try_clients(settings)
    except Fatal as error:
        return Checked(name, str(error), (), ())
    return Checked(name, None, missing, settings.remarks())


def _try_clients(settings: ProgramSettings) -> None:
    """See whether librdkafka takes its options: without an address, it talks to nobody. Raises ConfigError."""
    troubles = Troubles(lambda _: None)
    if "producer" in type(settings).clients:
        options = _without_address(settings.producer)
        make_producer(options, max_message_bytes=1_000_000, queue_bytes=1_000_000, troubles=troubles)
    if "consumer" in type(settings).clients:
        options = _without_address(settings.consumer)
        make_consumer(options, group_id="unused", queue_bytes=1_000_000, troubles=troubles)


def _without_address(options: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in options.items() if key not in ("bootstrap.servers", "metadata.broker.list")}


def _in_words(result: Checked) -> str:
    if result.wrong:
        return result.wrong
    return f"ok (not given here and not checked: {', '.join(result.not_given)})" if result.not_given else "ok"
