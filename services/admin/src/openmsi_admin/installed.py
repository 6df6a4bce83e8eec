"""The programs that are installed here, by what they say of themselves; no service is imported by name."""

from collections.abc import Callable, Sequence
from importlib.metadata import entry_points

from openmsi_core.errors import UsageError
from openmsi_core.programs import did_you_mean
from openmsi_core.settings import ProgramSettings

_GROUP = "openmsi.settings"
_COMMANDS = "openmsi.commands"
_PROCESSORS = frozenset({"processor", "replay"})

Command = Callable[[Sequence[str]], int]
"""Runs with the arguments after its word and returns the exit code. The first line of its docstring is its help.

It may raise Fatal, whose text is one line for the user, and SystemExit (of ``--help``).
"""


def programs() -> dict[str, type[ProgramSettings]]:
    """Name → settings model of every program that is installed here, in the order of the names."""
    return {entry.name: entry.load() for entry in sorted(entry_points(group=_GROUP), key=lambda entry: entry.name)}


def program(name: str) -> type[ProgramSettings]:
    """The settings model of one program. Raises UsageError when it is not installed here."""
    models = programs()
    if name not in models:
        here = ", ".join(models) or "none"
        raise UsageError(f"there is no program {name!r} here{did_you_mean(name, models)}; installed: {here}")
    return models[name]


def commands() -> dict[str, Command]:
    """Word → command, of those that services bring along, in the order of the words."""
    return {entry.name: entry.load() for entry in sorted(entry_points(group=_COMMANDS), key=lambda entry: entry.name)}


def command(word: str, group: str = _COMMANDS) -> Command | None:
    """The command that a service here has for ``word``; None when there is none.

    Raises UsageError when it has to do with processors, which are not installed here.
    """
    for entry in entry_points(group=group, name=word):
        found: Command = entry.load()
        return found
    if word in _PROCESSORS:
        raise UsageError(
            "processors are not installed here: run this in the image openmsi/stream_processor, or"
            " pip install ./services/stream_processor"
        )
    return None
