"""Loads a user's file, and says in one line what is wrong with it."""

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from openmsi_processor.function import Processor
from openmsi_processor.mistake import Mistake


def load_module(file: Path) -> ModuleType:
    """Run the user's file as a module named after it, with its folder first on the path. Raises Mistake."""
    if not file.is_file():
        raise Mistake(f"there is no file {file}")
    folder = str(file.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise Mistake(f"{file} is no Python file: its name must end with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except Mistake:
        raise
    except BaseException as error:  # also SystemExit: a script that ends itself
        raise Mistake(in_words(error, file)) from error
    return module


def functions_in(module: ModuleType) -> list[Processor]:
    """What a module announces with ``@processor``, imported ones left out."""
    found = {id(each): each for each in vars(module).values() if isinstance(each, Processor)}
    return [each for each in found.values() if each.__module__ == module.__name__]


def in_words(error: BaseException, file: Path) -> str:
    """One line for the author: the innermost place in ``file``'s folder that ``error`` comes from, and what it is."""
    what = f"{type(error).__name__}: {error}".replace("\n", " ")
    if isinstance(error, ModuleNotFoundError):
        what += f" (put {error.name} into requirements.txt, or correct the name)"
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    if isinstance(error, SystemExit):
        what = f"it ended itself while it was loaded (exit {error.code})"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).parent == file.parent:
            return f"{frame.filename}, line {frame.lineno}: {what}"
    return f"{file}: {what}"
