"""`ReproduceUndecryptableMessages`, as users of OpenMSIStream know it: encrypted records back to their topics."""

import argparse
import configparser
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from openmsi_admin.common import kafka_options
from openmsi_admin.printing import say
from openmsi_admin.quarantine_entries import Entry, UndecryptableFacts, entries, entry_at
from openmsi_admin.quarantine_retry import retry_encrypted
from openmsi_admin.send_again import Kept, send_again, value_beside
from openmsi_core import encrypted
from openmsi_core.command_line import Parser
from openmsi_core.errors import BadInput, ConfigError, Fatal
from openmsi_core.paths import RESERVED

PROGRAM = "ReproduceUndecryptableMessages"

_NAMES: Final = {
    "bootstrap_servers": "bootstrap.servers",
    "client_id": "client.id",
    "security_protocol": "security.protocol",
    "sasl_mechanism": "sasl.mechanism",
    "sasl_plain_username": "sasl.username",
    "sasl_plain_password": "sasl.password",
    "ssl_cafile": "ssl.ca.location",
    "ssl_certfile": "ssl.certificate.location",
    "ssl_keyfile": "ssl.key.location",
    "ssl_crlfile": "ssl.crl.location",
    "ssl_password": "ssl.key.password",
    "ssl_ciphers": "ssl.cipher.suites",
}
"""What kafka-python calls librdkafka's options; KafkaCrypto's own files have either."""


def main(argv: Sequence[str] | None = None) -> int:
    """Write encrypted records that were put aside to their topics again; returns the exit code, 65 when some stay."""
    try:
        return _run(_arguments().parse_args(sys.argv[1:] if argv is None else argv))
    except Fatal as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return error.exit_code
    except SystemExit as ended:  # --help, after printing
        return int(ended.code or 0)


def _arguments() -> argparse.ArgumentParser:
    words = Parser(
        prog=PROGRAM,
        description="Write encrypted records that a receiver could not decrypt to the topic that they came from.",
        allow_abbrev=False,
    )
    words.add_argument(
        "config", type=Path, metavar="CONFIG", help="the config file, or KafkaCrypto's own with a section [NODE-kafka]"
    )
    words.add_argument(
        "folder", type=Path, metavar="FOLDER", help="an output folder, or one with the files of OpenMSIStream"
    )
    return words


def _run(given: argparse.Namespace) -> int:
    folder: Path = given.folder.absolute()
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder: give the one in which the encrypted records are")
    ours, theirs = _entries(folder), _pairs(folder)
    if not ours and not theirs:
        say(f"{folder}: there are no encrypted records")
        return 0
    options = options_of(given.config)
    stays = 0
    for entry, outcome in retry_encrypted(ours, options):
        stays += not outcome.done
        say(outcome.text if outcome.done else f"stays: {entry.folder.name}: {outcome.text}")
    for kept, refused in send_again(theirs, options):
        stays += refused is not None
        name = kept.key.name.removesuffix(encrypted.KEY)
        say(f"stays: {name}: {refused}" if refused else f"sent {name} to {kept.place} again")
    if theirs:
        say(f"the files in {folder} are still there: remove them when their receivers have everything")
    return BadInput.exit_code if stays else 0


def _entries(folder: Path) -> list[Entry]:
    if (folder / RESERVED).is_dir():
        found = entries(folder)
    elif folder.parent.name == RESERVED:
        found = entries(folder.parents[1])
    elif folder.parent.parent.name == RESERVED:
        found = [entry_at(folder)]
    else:
        return []
    return [entry for entry in found if isinstance(entry.facts, UndecryptableFacts)]


def _pairs(folder: Path) -> list[Kept]:
    """As OpenMSIStream leaves them, oldest first. It keeps neither headers nor partition."""
    if folder.parent.parent.name == RESERVED:
        return []
    keys = [each for each in folder.glob(f"{encrypted.BEGINNING}*{encrypted.KEY}") if value_beside(each).is_file()]
    found = [(each.stat().st_mtime, each, encrypted.topic_in(each.name)) for each in keys]
    return [Kept(topic, None, key, value_beside(key)) for _, key, topic in sorted(found) if topic]


def options_of(path: Path) -> dict[str, str]:
    """All librdkafka options of a producer, from our config file or from KafkaCrypto's own. Raises ConfigError."""
    config = configparser.RawConfigParser(delimiters=(":",), comment_prefixes=(";",))
    try:
        config.read_string((Path.cwd() / path).read_text(encoding="utf-8"))
        node = config.defaults().get("node_id")
    except (OSError, ValueError, configparser.Error):
        node = None
    if node is None:
        return kafka_options(path, "producer")
    options: dict[str, str] = {}
    for section in (f"{node}-kafka", f"{node}-kafka-producer"):
        if config.has_section(section):
            options |= {name: text for name, text in config[section].items() if name not in config.defaults()}
    known = {_NAMES.get(name, name): text for name, text in options.items() if text and "." in _NAMES.get(name, name)}
    if "bootstrap.servers" not in known:
        raise ConfigError(f"{path} names no broker: give a config file with [broker], or add [{node}-kafka] to it")
    return known
