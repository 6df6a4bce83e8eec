"""`openmsi processor new NAME`: a folder that works as it is, to be changed from there."""

import keyword
import re
import shutil
import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from openmsi_core.durable import in_words
from openmsi_core.errors import BadInput, ConfigError, UsageError
from openmsi_processor.commands.saying import say

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_ENDING = ".txt"  # of the templates, which are no code before their name is filled in


def new(name: str, where: Path) -> None:
    """Write the folder ``name`` into ``where``, whole or not at all.

    Raises UsageError for a name that Python does not allow, BadInput when there is such a folder, ConfigError.
    """
    taken = keyword.iskeyword(name) or name in sys.stdlib_module_names
    if taken or not _NAME.fullmatch(name):  # images may be called so, too
        why = "Python has something of that name" if taken else "use small letters and digits, with single _ between"
        raise UsageError(f"{name!r} cannot be the name of a processor: {why}, as in my_analysis")
    folder = where / name
    beside = where / f".{name}.new"
    try:
        if folder.exists():
            raise BadInput(f"{folder} is there already, and nothing in it was changed: choose another name")
        shutil.rmtree(beside, ignore_errors=True)
        _write(name, beside)
        beside.rename(folder)
    except OSError as error:
        raise ConfigError(in_words(error, where)) from None
    say(f"{name}/ is made. Its README.md says how to go on; first of all:")
    say(f"openmsi processor test {name}/{name}.py {name}/example.csv", "  ")


def _write(name: str, folder: Path) -> None:
    ours = version("openmsi-stream-processor")
    (folder / "results").mkdir(parents=True)
    (folder / "results" / ".gitignore").write_text("*\n!.gitignore\n", encoding="utf-8")
    for template in files("openmsi_processor.commands").joinpath("template").iterdir():
        if template.name.endswith(_ENDING):
            text = template.read_text(encoding="utf-8").replace("@NAME@", name).replace("@VERSION@", ours)
            target = folder / template.name.removesuffix(_ENDING).replace("NAME", name)
            target.write_text(text, encoding="utf-8", newline="\n")
