"""Where a setting was found: the layers that `settings.load` lays over one another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from openmsi_core.command_line import parse
from openmsi_core.config_file import ConfigFile, program_section, resolve
from openmsi_core.env_file import variable
from openmsi_core.errors import ConfigError, Fatal, UsageError
from openmsi_core.programs import OPTIONS, nearest

PREFIX = "OPENMSI_"
_OTHER_VARIABLES = frozenset({"OPENMSI_ENV_FILE", "OPENMSI_HEALTH_MAX_PENDING_SECONDS"})

Spellings = Mapping[str, str]
"""Every name that an option may be given by, with the name of its field."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value as somebody gave it, unchecked, and where, in words that an error message can use."""

    value: object
    where: str
    on_command_line: bool = False


def from_command_line(
    model: type[BaseSettings], argv: Sequence[str], program: str, place: str, spellings: Spellings
) -> dict[str, Given]:
    """What the command line says; ``place`` is the positional argument.

    Raises UsageError, also for an empty value: no option has use for one.
    """
    shortcuts = {field: name for name, field in spellings.items() if name != field}
    found: dict[str, Given] = {}
    for field, value in parse(model, argv, program, place, shortcuts).items():
        where = field.upper() if field == place else f"--{field}"
        if value == "":
            raise UsageError(f"{where} was given as an empty text: give a value or leave it out")
        found[field] = Given(value, where, on_command_line=True)
    return found


def from_environment(spellings: Spellings, environ: Mapping[str, str]) -> dict[str, Given]:
    """What ``OPENMSI_…`` variables say; an empty one counts as not given. Raises ConfigError as `variable` does."""
    found: dict[str, Given] = {}
    for name, field in spellings.items():
        if value := variable(PREFIX + name.upper(), environ):
            found[field] = Given(value, PREFIX + name.upper())
    return found


def from_config(
    config: ConfigFile, sections: Sequence[str], spellings: Spellings, environ: Mapping[str, str]
) -> dict[str, Given]:
    """What the program's own section (under any of the names ``sections``) and `[DEFAULT]` say. Raises ConfigError."""
    found: dict[str, Given] = {}
    for key, (value, section) in program_section(config, sections, frozenset(spellings)).items():
        where = f"{key} in [{section}] of {config.path}"
        if resolved := resolve(value, environ, where):
            found[spellings[key]] = Given(resolved, where)
    return found


def misspelt_variables(environ: Mapping[str, str]) -> list[str]:
    """A line for each ``OPENMSI_…`` variable that is no option of any program but looks very much like one."""
    lines: list[str] = []
    for name in sorted(environ):
        option = name.removeprefix(PREFIX).removesuffix("_FILE").casefold()
        if not name.startswith(PREFIX) or option in OPTIONS or name in _OTHER_VARIABLES:
            continue
        if meant := nearest(option, OPTIONS, likeness=0.85):
            lines.append(f"nobody knows the variable {name} (did you mean {PREFIX}{meant.upper()}?)")
    return lines


def explain(error: ValidationError, found: Mapping[str, Given]) -> Fatal:
    """The first complaint of pydantic in one line that says where the value came from."""
    first = error.errors(include_url=False, include_context=False)[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    reason = first["msg"].removeprefix("Value error, ")
    if (given := found.get(field)) is None:
        return ConfigError(f"{field}: {reason}" if field else reason)
    kind = UsageError if given.on_command_line else ConfigError
    return kind(f"{given.where} cannot be {str(given.value)!r}: {reason[:1].lower()}{reason[1:]}")
