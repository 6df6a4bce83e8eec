"""Variables: the process environment, the env file beside it, and secrets kept in files of their own."""

from collections.abc import Mapping
from pathlib import Path

from openmsi_core.durable import this_user
from openmsi_core.errors import ConfigError

DEFAULT_NAME = "openmsi.env"


def parse_env_file(text: str, name: str) -> dict[str, str]:
    """Read the format of ``docker run --env-file``: everything after the first ``=`` is the value, as it stands.

    No quotes are taken off, no ``$`` and no ``#`` inside a value means anything, spaces at the end count; lines
    that begin with ``#`` are comments. (python-dotenv reads another language and would change secrets.)
    Raises ConfigError with the line's number in the file ``name``; never shows its text, which may be a secret.
    """
    variables: dict[str, str] = {}
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        line = raw.removesuffix("\r").lstrip(" \t")
        if not line or line.startswith("#"):
            continue
        variable, equals, value = line.partition("=")
        if not variable or " " in variable or "\t" in variable:
            raise ConfigError(f"line {number} of {name} is not NAME=value (no spaces before the =, no `export`)")
        if equals:  # a bare NAME passes the real variable on, which happens anyway
            variables[variable] = value
    return variables


def load_environment(environ: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """``environ`` over the env file: the file that ``OPENMSI_ENV_FILE`` names, else ``openmsi.env`` in ``cwd``.

    Relative paths in ``NAME_FILE`` variables are taken from ``cwd``. Raises ConfigError as `parse_env_file` does.
    """
    named = environ.get("OPENMSI_ENV_FILE", "")
    path = cwd / (named or DEFAULT_NAME)
    from_file = parse_env_file(read_text(path, "the env file"), str(path)) if named or _is_there(path) else {}
    everything = {**from_file, **environ}
    files = {name: str(cwd / file) for name, file in everything.items() if name.endswith("_FILE") and file}
    return everything | files


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder that may not be entered: reading says so
        return True


def variable(name: str, environ: Mapping[str, str]) -> str | None:
    """The value of ``NAME``, or the content of the file that ``NAME_FILE`` names (one newline at its end left out).

    None when neither is set. Raises ConfigError when both have a value or the file cannot be read.
    """
    value, file = environ.get(name), environ.get(f"{name}_FILE")
    if not file:
        return value
    if value:
        raise ConfigError(f"{name} and {name}_FILE are both set: keep one of them")
    return read_text(Path(file), f"the file named by {name}_FILE").removesuffix("\n").removesuffix("\r")


def read_text(path: Path, what: str, hint: str = "make it, or correct its name") -> str:
    """The UTF-8 text of a small file, newlines as they are. Raises ConfigError that says what to mend."""
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        raise ConfigError(f"{what}, {path}, does not exist: {hint}") from None
    except IsADirectoryError:
        raise ConfigError(
            f"{what}, {path}, is a folder: Docker makes one when the file to mount is missing on the host;"
            " remove that folder and put the file there"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{what}, {path}, cannot be read ({error.strerror}): give {this_user()} the right to"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{what}, {path}, is not UTF-8 text (byte {error.start + 1}): save it as UTF-8") from None
