"""The programs that are installed here, by what they say of themselves; no service is imported by name."""

from importlib.metadata import entry_points

from openmsi_core.errors import UsageError
from openmsi_core.programs import did_you_mean
from openmsi_core.settings import ProgramSettings

_GROUP = "openmsi.settings"


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
