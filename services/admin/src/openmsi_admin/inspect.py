"""`openmsi inspect TOPIC`: what files are in a topic."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence

from openmsi_admin.common import add_config, kafka_options, parser
from openmsi_admin.inspect_contents import Contents
from openmsi_admin.inspect_keys import Keys, keys_for, node_in
from openmsi_admin.inspect_read import ASK_SECONDS, QUEUE_BYTES, Reading, extents
from openmsi_admin.inspect_show import as_json, show_table
from openmsi_admin.printing import console, show_json
from openmsi_core.bystander import bystander
from openmsi_core.errors import BrokerUnreachable, Retryable
from openmsi_core.kafka import Troubles, make_admin
from openmsi_core.topic import topic_info


def inspect(argv: Sequence[str]) -> int:
    """Say what files are in a topic: sizes, whole or not, when, by whom.

    Reads the whole topic, as a bystander: in no group, and nothing is committed. Of an encrypted topic it says as much
    with a node that may read it and is not in use; without, how many records there are. Raises Fatal.
    """
    arguments = parser("inspect", "Say what files are in a topic. Reads all of it, changes nothing.")
    arguments.add_argument("topic", metavar="TOPIC", help="the Kafka topic")
    add_config(arguments)
    arguments.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    given = arguments.parse_args(argv)
    options = kafka_options(given.config, "consumer")
    with keys_for(node_in(given.config), options, given.topic) as keys:
        reading, contents = _read(options, given.topic, keys)
    if given.json:
        show_json(as_json(given.topic, reading.extents.values(), contents, keys.why))
    else:
        show_table(console(), given.topic, reading.extents.values(), contents, keys.why)
    return 0


def _read(options: dict[str, str], topic: str, keys: Keys) -> tuple[Reading, Contents]:
    troubles = Troubles(lambda text: print(f"openmsi inspect: {text}", file=sys.stderr))
    consumer = bystander(options, troubles, QUEUE_BYTES)
    try:
        partitions = topic_info(consumer, topic, ASK_SECONDS, troubles).partitions
        admin = make_admin(options)
        reading = Reading(consumer, admin, topic, extents(admin, topic, partitions), troubles, keys.cipher)
        contents = Contents()
        with _progress(reading) as tick:
            reading.run(contents.add, tick)
        return reading, contents
    except Retryable as error:
        raise BrokerUnreachable(
            f"{options['bootstrap.servers']}: {error}; openmsi doctor looks for the cause"
        ) from None
    finally:
        consumer.close()


@contextlib.contextmanager
def _progress(reading: Reading) -> Iterator[Callable[[], None]]:
    """A bar on standard error, with how long it will take yet; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (BarColumn(20), MofNCompleteColumn(), TextColumn("records read"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=reading.total)
        yield lambda: bar.update(task, completed=reading.done, total=reading.total)
