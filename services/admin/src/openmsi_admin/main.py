"""`openmsi`: one command with a word for each task of whoever runs the services."""

import sys
from collections.abc import Mapping, Sequence

from openmsi_admin.config_command import config
from openmsi_admin.doctor.command import doctor
from openmsi_admin.inspect import inspect
from openmsi_admin.installed import Command, command, commands
from openmsi_admin.key_server import key_server
from openmsi_admin.migrate import migrate_config
from openmsi_admin.provision import provision
from openmsi_admin.quarantine_command import quarantine
from openmsi_admin.relay import relay
from openmsi_admin.tracker_command import tracker
from openmsi_core import __version__
from openmsi_core.errors import Fatal, UsageError
from openmsi_core.programs import did_you_mean

COMMANDS: Mapping[str, Command] = {
    "config": config,
    "doctor": doctor,
    "inspect": inspect,
    "key-server": key_server,
    "migrate-config": migrate_config,
    "provision": provision,
    "quarantine": quarantine,
    "relay": relay,
    "tracker": tracker,
}
"""The words that are everywhere; services that are installed may bring more (`commands`)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``openmsi WORD …``; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        return _run(arguments)
    except Fatal as error:
        print(f"openmsi: {error}", file=sys.stderr)
        return error.exit_code
    except SystemExit as ended:  # --help, after printing
        return int(ended.code or 0)
    except BrokenPipeError:  # `openmsi inspect … | head`: nobody reads on
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


def _run(arguments: Sequence[str]) -> int:
    match arguments:
        case [] | ["-h" | "--help"]:
            print(_help())
            return 0
        case ["--version"]:
            print(f"openmsi {__version__}")
            return 0
        case [word, *rest] if word in COMMANDS:
            return COMMANDS[word](rest)
        case [word, *rest] if brought := command(word):
            return brought(rest)
        case _:
            words = COMMANDS.keys() | commands().keys()
            raise UsageError(f"there is no {arguments[0]!r}{did_you_mean(arguments[0], words)}; see openmsi --help")


def _help() -> str:
    words = sorted((dict(COMMANDS) | commands()).items())
    lines = [f"  {word:<15} {(runs.__doc__ or '').splitlines()[0]}" for word, runs in words]
    return "\n".join(["usage: openmsi WORD [arguments]", "", *lines, "", "openmsi WORD --help says more."])
