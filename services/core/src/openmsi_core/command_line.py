"""The command line of a program, made from its settings model by pydantic-settings."""

import argparse
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from pydantic_settings import BaseSettings, CliSettingsSource

from openmsi_core import __version__
from openmsi_core.errors import UsageError
from openmsi_core.programs import did_you_mean

_NO_NONE = "\0"
"""pydantic-settings wants a word that means None; no command line can hold this one, so ``null`` stays a name."""

NOT_OPTIONS = frozenset({"broker", "producer", "consumer", "heartbeat", "log", "s3", "node", "notices"})
"""Fields filled from the config file only: no secret ever stands on a command line."""

_METAVARS = {
    "str": "TEXT",
    "int": "NUMBER",
    "float": "NUMBER",
    "Path": "PATH",
    "Pattern[str]": "REGEX",
    _NO_NONE: "TEXT",  # of an option that has no effect
}


class Parser(argparse.ArgumentParser):
    """argparse whose errors are ours."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with the nearest option when one was misspelt."""
        hint = ""
        if message.startswith("unrecognized arguments:"):
            unknown = message.partition(":")[2].split()
            options = [name for action in self._actions for name in action.option_strings]
            misspelt = [word.partition("=")[0] for word in unknown if word.startswith("-")]
            hint = did_you_mean(misspelt[0], options) if misspelt else " (put a name with spaces into quotes)"
        raise UsageError(f"{message}{hint}; {self.prog} --help shows all options")


class _Join(argparse.Action):
    """Puts a repeated option together with commas, the way it is written elsewhere.

    Of several values for a tuple, some versions of pydantic-settings keep the last only.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002  # the signature is argparse's
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        before = getattr(namespace, self.dest, None)
        setattr(namespace, self.dest, f"{before},{values}" if before else values)


def parse(
    model: type[BaseSettings], argv: Sequence[str], program: str, place: str, shortcuts: Mapping[str, str]
) -> dict[str, Any]:
    """What the command line says, by field; fields that it does not name are absent. Values are text or bool.

    ``place`` is the positional argument, if any, ``shortcuts`` maps a field to a second name of its option. Raises
    UsageError; ``--help`` and ``--version`` print and raise SystemExit(0).
    """
    parser = Parser(
        prog=program,
        usage=f"{program} {place.upper()} --topic_name TOPIC [options]" if place else f"{program} [options]",
        description=model.__doc__,
        epilog="Every option may also be given as environment variable OPENMSI_<OPTION IN CAPITALS>, as a secret file"
        f" named by OPENMSI_<OPTION>_FILE, or in the section [{program}] of the config file; the command line wins.",
        allow_abbrev=True,  # scripts for OpenMSIStream may rely on it; all its options are ours, so they mean the same
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    source = CliSettingsSource[Parser](
        model,
        root_parser=parser,
        add_argument_method=_add_argument,
        cli_parse_none_str=_NO_NONE,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_implicit_flags=True,
        cli_shortcuts=shortcuts,
    )
    return dict(source(args=list(argv))())


def _add_argument(parser: Any, *names: str, **options: Any) -> None:
    """argparse's own, with what pydantic-settings says made readable."""
    if options.get("dest", names[0]) in NOT_OPTIONS:
        return
    metavar = options.get("metavar", "")
    if metavar.startswith("tuple["):
        options |= {"action": _Join, "metavar": "TEXT,…"}
    elif metavar in _METAVARS:
        options["metavar"] = _METAVARS[metavar]
    if not names[0].startswith("-"):
        options["nargs"] = "?"  # may come from the environment or the config file
    options["help"] = re.sub(rf" ?\(default: ({_NO_NONE}|\(\))?\)| ?\(required\)", "", options.get("help", ""))
    argparse.ArgumentParser.add_argument(parser, *names, **options)
