"""The config file: an INI whose values come out as they stand.

The only thing that is replaced is a ``$NAME`` or ``${NAME}`` at the *beginning* of a value, by an environment variable;
``$$`` there is a plain ``$``. ``%``, ``#`` inside a value, leading zeros and the case of keys survive.
"""

import configparser
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from openmsi_core.env_file import read_text, variable
from openmsi_core.errors import ConfigError
from openmsi_core.programs import FIXED_KEYS, OPTIONS, SECTIONS, did_you_mean

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_LOST_KEY = re.compile(r"\n\s*[A-Za-z0-9]+(?:[._][A-Za-z0-9]+)+\s*[=:]")
_OLD_SECTIONS = {"cluster": "broker"}
_SUFFIX = ".config"
_HINT = "name it with --config, or mount it into the container"


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What a config file says, variables not yet replaced."""

    path: Path
    sections: Mapping[str, Mapping[str, str]]
    """Sections by name, `[DEFAULT]` among them and not merged into the others; old names replaced by new ones."""


def config_path(path: Path) -> Path:
    """The file that a user means by ``path``: a bare name may stand for ``name.config``, as in OpenMSIStream.

    ``path`` itself when neither is there.
    """
    whole = path.parent / (path.name + _SUFFIX)
    if "." in path.name or os.path.isfile(path):  # noqa: PTH113  # Path.is_file() raises for folders that are locked
        return path
    return whole if os.path.isfile(whole) else path  # noqa: PTH113


def read_config(path: Path) -> ConfigFile:
    """Read and check ``path``. Raises ConfigError: one line that names the file and the line or section.

    A file of KafkaCrypto's own is taken for a config file whose `[kafkacrypto]` names it.
    """
    parser = configparser.RawConfigParser(default_section="\0", strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep the case of keys
    try:
        parser.read_string(read_text(path, "the config file", _hint(path)).removeprefix("\ufeff"))
    except configparser.Error as error:
        raise ConfigError(f"{path}, {_explain(error)}") from None
    if _is_kafkacrypto(parser):
        return ConfigFile(path, {"kafkacrypto": {"config_file": str(path)}})
    sections: dict[str, Mapping[str, str]] = {}
    for given in parser.sections():
        if given not in SECTIONS:
            raise ConfigError(f"{path}: nobody knows the section [{given}]{did_you_mean(given, SECTIONS)}")
        name = _OLD_SECTIONS.get(given, given)
        if name in sections:
            raise ConfigError(f"{path}: [cluster] is the old name of [broker]: keep one of the two sections")
        sections[name] = dict(parser[given])
        _check_indentation(path, given, sections[name])
        for key in sorted(sections[name].keys() - FIXED_KEYS.get(name, sections[name].keys())):
            raise ConfigError(f"{path}: [{given}] has no {key!r}{did_you_mean(key, FIXED_KEYS[name])}")
    return ConfigFile(path, sections)


def program_section(config: ConfigFile, names: Sequence[str], known: frozenset[str]) -> dict[str, tuple[str, str]]:
    """The options in the program's own section (under its present or an old name) over those of `[DEFAULT]`.

    Gives for each option its value and the section that has it.

    Raises ConfigError for an option that is not among ``known``, for one in `[DEFAULT]` that no program has and that,
    without a dot, is none of Kafka's, and when two names of the program are both there.
    """
    present = [name for name in names if name in config.sections]
    if len(present) > 1:
        raise ConfigError(f"{config.path}: [{present[0]}] and [{present[1]}] are one program: keep one of the two")
    own = config.sections[present[0]] if present else {}
    for key in sorted(own.keys() - known):
        raise ConfigError(f"{config.path}: [{present[0]}] has no option {key!r}{did_you_mean(key, known)}")
    common = config.sections.get("DEFAULT", {})
    for key in sorted(common.keys() - OPTIONS):
        if "." not in key:
            raise ConfigError(f"{config.path}: [DEFAULT] has no option {key!r}{did_you_mean(key, OPTIONS)}")
    found = {key: (value, "DEFAULT") for key, value in common.items() if key in known}
    return found | {key: (value, present[0]) for key, value in own.items()}


def resolve(value: str, environ: Mapping[str, str], where: str) -> str | None:
    """``value`` with the variable at its beginning replaced; None when that variable is empty (= option not given).

    Raises ConfigError naming the variable when it is not set; ``where`` says which option of which file asks for it.
    """
    if value.startswith("$$"):
        return value[1:]
    if (name := variable_in(value)) is None:
        return value
    replacement = variable(name, environ)
    if replacement is None:
        raise ConfigError(
            f"the environment variable {name} is not set, and {where} needs it:"
            " put it into openmsi.env (or write $$ for a value that begins with a plain $)"
        )
    return _VARIABLE.sub(lambda _: replacement, value, count=1) if replacement else None


def variable_in(value: str) -> str | None:
    """The name of the variable at the beginning of ``value``; None when it is plain text."""
    match = _VARIABLE.match(value)
    return (match[1] or match[2]) if match else None


def _hint(path: Path) -> str:
    if "." in path.name:
        return _HINT
    return f"OpenMSIStream had files by such names inside: put {path.name}{_SUFFIX} here, or name another with --config"


def _is_kafkacrypto(parser: configparser.RawConfigParser) -> bool:
    """KafkaCrypto's files call each section after the node: `[NODE]`, `[NODE-kafka]`, `[NODE-crypto]` …"""
    node = parser.get("DEFAULT", "node_id", fallback="")
    others = [section for section in parser.sections() if section != "DEFAULT"]
    return bool(node and others) and all(name == node or name.startswith(f"{node}-") for name in others)


def _explain(error: configparser.Error) -> str:
    """What is wrong with an INI file and where; never the line itself, which may hold a secret."""
    match error:
        case configparser.MissingSectionHeaderError():
            return f"line {error.lineno}: this stands before the first [section]"
        case configparser.DuplicateSectionError():
            return f"line {error.lineno}: the section [{error.section}] is there twice"
        case configparser.DuplicateOptionError():
            return f"line {error.lineno}: [{error.section}] has {error.option!r} twice"
        case configparser.ParsingError():
            return f"line {error.errors[0][0]}: this is neither a [section] nor `key = value`"
        case _:
            return "this is not a config file of [sections] with `key = value` lines"


def _check_indentation(path: Path, section: str, options: Mapping[str, str]) -> None:
    for key, value in options.items():
        if _LOST_KEY.search(value):
            raise ConfigError(
                f"{path}: in [{section}], the lines after {key!r} are indented further and so belong to its value:"
                " let all keys of a section begin in the same column"
            )
