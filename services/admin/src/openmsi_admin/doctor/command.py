"""The command line of `openmsi doctor`, and the way through all checks."""

import argparse
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from openmsi_admin.common import add_config, parser
from openmsi_admin.doctor.asked import DOWNLOADER, UPLOADER, Arguments, Asked, read_settings
from openmsi_admin.doctor.clock import check_clock, check_newest
from openmsi_admin.doctor.cluster import Cluster, check_cluster
from openmsi_admin.doctor.encrypted import Encrypted
from openmsi_admin.doctor.finding import Finding, Level, bad, bounded, unsure
from openmsi_admin.doctor.folders import SECONDS, check_folder, check_state
from openmsi_admin.doctor.groups import check_groups
from openmsi_admin.doctor.topic import check_topic, topic_settings
from openmsi_admin.printing import console, show_json
from openmsi_core.kafka import make_admin
from openmsi_core.printable import printable

_COLOURS = {Level.OK: "green", Level.BAD: "bold red", Level.UNSURE: "yellow"}
_ABOUT_WIDTH = 8


def doctor(argv: Sequence[str]) -> int:
    """Look at settings, broker, topic, folders and clock, and say what to do.

    Prints a line for each thing; the exit code is 0 when nothing must be mended, else 1. Raises UsageError.
    """
    given = _arguments(argv)
    findings = _everything(
        Arguments(
            given.config, given.program, given.topic_name, given.group, tuple(given.folders), Path.cwd(), os.environ
        )
    )
    levels = _as_json(findings) if given.json else _as_lines(findings)
    return 1 if Level.BAD in levels else 0


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    made = parser("doctor", "Look at everything between the settings and the files, and say what to do.")
    made.add_argument("folders", metavar="FOLDER", nargs="*", type=Path, help="a watched folder or an output folder")
    add_config(made)
    made.add_argument("--topic_name", metavar="TOPIC", help="the Kafka topic (default: as the programs find it)")
    made.add_argument(
        "--program", choices=(UPLOADER, DOWNLOADER), help="whose settings, rights and folder are to be looked at"
    )
    made.add_argument(
        "--consumer_group_id", dest="group", metavar="GROUP", help="the downloaders' group (default: all groups)"
    )
    made.add_argument("--json", action="store_true", help="print one JSON object")
    return made.parse_args(argv)


def _everything(given: Arguments) -> Iterator[Finding]:
    asked, findings = read_settings(given)
    yield from findings
    encryption = Encrypted(asked) if asked.node else None
    if encryption:
        yield from encryption.check_node()
    if asked.options:
        yield from _broker(asked, encryption)
    else:
        yield unsure("broker", "not looked at, because the settings do not say how")
    if not asked.folders:
        yield unsure("folders", "not looked at", "name them: openmsi doctor FOLDER …")
    for folder in asked.folders:
        yield from _in_time(folder, partial(_folder, asked, folder))
    yield from check_clock()


def _broker(asked: Asked, encryption: Encrypted | None) -> Iterator[Finding]:
    cluster = Cluster(asked.options)
    try:
        yield from check_cluster(cluster, asked.topic)
        partitions = cluster.partitions(asked.topic)
        if cluster.metadata is None:
            yield unsure("topic", "not looked at, because no broker answers")
        elif asked.topic is None:
            yield unsure("topic", "not looked at", "name it with --topic_name")
        elif partitions and cluster.consumer is not None:
            admin = make_admin(asked.options)
            settings = topic_settings(admin, asked.topic)
            yield from check_topic(admin, asked, asked.topic, settings)
            yield from check_groups(admin, cluster.consumer, asked, asked.topic, partitions, settings)
            yield from check_newest(admin, asked.topic, partitions, settings)
            if encryption:
                yield from encryption.check_topic(admin, cluster.consumer, partitions, settings)
    finally:
        cluster.close()


def _folder(asked: Asked, folder: Path) -> Iterator[Finding]:
    yield from check_folder(folder, asked.role(folder))
    if state := asked.state_of(folder):
        yield from check_state(state)


def _in_time(folder: Path, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return bounded(lambda: list(check()), SECONDS)
    except TimeoutError:
        todo = "look at the network share or the disk behind it"
        return [bad("folder", f"{folder}, or its state folder, does not answer within {SECONDS:.0f} s", todo)]
    except OSError as error:
        return [
            bad("folder", f"{folder} cannot be looked at ({error.strerror or error})", "look at the disk behind it")
        ]


def _as_json(findings: Iterable[Finding]) -> list[Level]:
    """Print one object; its fields are described in docs/operations.md."""
    found = list(findings)
    lines = [{"level": f.level.name.lower(), "about": f.about, "text": f.text, "todo": f.todo} for f in found]
    show_json({"ok": all(f.level is not Level.BAD for f in found), "findings": lines})
    return [finding.level for finding in found]


def _as_lines(findings: Iterable[Finding]) -> list[Level]:
    # Imported here: other words have no use for it.
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    out = console()
    levels: list[Level] = []
    for finding in findings:
        line = Table.grid(padding=(0, 2, 0, 0))
        line.add_column(no_wrap=True)
        line.add_column(min_width=_ABOUT_WIDTH, no_wrap=True)
        line.add_column(overflow="fold")
        text = printable(f"{finding.text} -> {finding.todo}" if finding.todo else finding.text)
        line.add_row(Text(finding.level, _COLOURS[finding.level]), finding.about, Text(text))
        out.print(line)
        levels.append(finding.level)
    return levels
