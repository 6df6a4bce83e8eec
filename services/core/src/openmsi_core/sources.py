"""Where a setting was found: the layers that `settings.load` lays over one another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from openmsi_core import old_service
from openmsi_core.command_line import parse
from openmsi_core.config_file import ConfigFile, program_section, resolve
from openmsi_core.env_file import variable
from openmsi_core.errors import ConfigError, Fatal, UsageError
from openmsi_core.programs import OPTIONS, nearest

PREFIX = "OPENMSI_"
_OTHER_VARIABLES = frozenset(
    {
        *("OPENMSI_ENV_FILE", "OPENMSI_HEALTH_MAX_PENDING_SECONDS"),
        *("OPENMSI_IMAGE_DIGEST", "OPENMSI_PROCESSOR_PACKAGES"),
    }
)

Spellings = Mapping[str, str]
"""Every name that an option may be given by, with the name of its field."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value as somebody gave it, unchecked, and where, in words that an error message can use."""

    value: object
    where: str
    on_command_line: bool = False
    own: bool = True
    """Said to this program alone: not by a variable or in `[DEFAULT]`, which serve all programs."""


Translate = Callable[[dict[str, Given]], dict[str, Given]]
"""Puts what one source says under names of earlier systems under today's."""


@dataclass(frozen=True, slots=True)
class Found:
    """All that was found before any value is looked at."""

    given: Mapping[str, Given]
    """The options that somebody gave, by field; the others have their defaults."""
    config: ConfigFile
    environ: Mapping[str, str]
    """The process environment over the env file."""


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
            found[field] = Given(value, PREFIX + name.upper(), own=False)
    return found


def from_config(
    config: ConfigFile, sections: Sequence[str], spellings: Spellings, environ: Mapping[str, str], translate: Translate
) -> dict[str, Given]:
    """What the program's own section (under any of the names ``sections``) and `[DEFAULT]` say. Raises ConfigError."""
    known = spellings.keys() | (
        old_service.KEYS if old_service.SERVICE in sections and old_service.SERVICE in config.sections else set()
    )
    options = program_section(config, sections, frozenset(known))
    found: dict[str, Given] = {}
    for section in ("DEFAULT", *sections):
        layer = {key: value for key, (value, source) in options.items() if source == section}
        found |= translate(_from_section(config.path, section, layer, spellings, environ))
    return found


def _from_section(
    path: Path, section: str, options: Mapping[str, str], spellings: Spellings, environ: Mapping[str, str]
) -> dict[str, Given]:
    where = {key: f"{key} in [{section}] of {path}" for key in options}
    texts = {key: text for key, value in options.items() if (text := resolve(value, environ, where[key]))}
    found: dict[str, Given] = {}
    for key, text in texts.items():
        now = old_service.today(key, text, texts) if section == old_service.SERVICE else (key, text)
        if now and (field := spellings[now[0]]) in found:
            raise ConfigError(f"{where[key]} and {found[field].where} are one option: keep one of the two")
        if now:
            found[field] = Given(now[1], where[key], own=section != "DEFAULT")
    return found


def stands_for(layer: dict[str, Given], name: str, field: str) -> dict[str, Given]:
    """``layer`` where ``name``, when it is given, says what ``field`` is, and wins over it, as in OpenMSIStream."""
    return layer | {field: layer[name]} if name in layer else layer


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


def without_effect(model: type[BaseSettings], given: Mapping[str, Given]) -> list[str]:
    """A line for each option that was given to this program although its description says that it has no effect."""
    described = (
        (each, model.model_fields[name].description or "") for name, each in given.items() if name in model.model_fields
    )
    return [
        f"{each.where} has {description}"
        for each, description in described
        if each.own and description.startswith("no effect")
    ]


def explain(error: ValidationError, found: Mapping[str, Given]) -> Fatal:
    """The first complaint of pydantic in one line that says where the value came from."""
    first = error.errors(include_url=False, include_context=False)[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    reason = first["msg"].removeprefix("Value error, ")
    if (given := found.get(field)) is None:
        return ConfigError(f"{field}: {reason}" if field else reason)
    kind = UsageError if given.on_command_line else ConfigError
    return kind(f"{given.where} cannot be {str(given.value)!r}: {reason[:1].lower()}{reason[1:]}")
