"""Loads a user's file, and says in one line what is wrong with it."""

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from openmsi_processor.function import Processor
from openmsi_processor.mistake import Mistake, place_of

_LONGEST = 1000
_LONGEST_TRACE = 20_000


def load_module(file: Path) -> ModuleType:
    """Run the user's file as a module named after it, with its folder first on the path. Raises Mistake."""
    if not file.is_file():
        raise Mistake(f"there is no file {file}: name the Python file with the function")
    if file.stem in sys.modules:
        raise Mistake(f"{file} has the name of a module of Python ({file.stem}): call it something else")
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
    except Mistake as mistake:
        place = "" if mistake.has_place else _place_of(mistake, file)
        raise Mistake(f"{place}: {mistake}") if place else mistake from None
    except BaseException as error:  # also SystemExit: a script that ends itself
        raise Mistake(in_words(error, file)) from error
    return module


def functions_in(module: ModuleType) -> list[Processor]:
    """What a module announces with ``@processor``, imported ones left out."""
    found = {id(each): each for each in vars(module).values() if isinstance(each, Processor)}
    return [each for each in found.values() if each.__module__ == module.__name__]


def digest_of(file: Path) -> str:
    """Tells one state of the user's file from others; empty when it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


def in_words(error: BaseException, file: Path, function: Callable[..., Any] | None = None) -> str:
    """One line for the author: the innermost place in ``file``'s folder that ``error`` comes from, and what it is.

    ``function`` is what was called: its place is given when the error has none there.
    """
    what = f"{type(error).__name__}: {_text(error)}".removesuffix(": ")
    if isinstance(error, ModuleNotFoundError):
        what += f" (put {error.name} into requirements.txt, or correct the name)"
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_file():
        return f"{error.filename}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    if isinstance(error, SystemExit):
        what = f"it ended itself (exit {_text(error)})"
    if isinstance(error, MemoryError):
        what += " (there is no more memory, or --memory_limit is too low)"
    return f"{_place_of(error, file) or place_of(function) or file}: {what}"


def trace_of(error: BaseException) -> str:
    """Its traceback, of a very long one the beginning and the end."""
    text = "".join(traceback.format_exception(error))
    half = _LONGEST_TRACE // 2
    return text if len(text) <= _LONGEST_TRACE else f"{text[:half]}\n…\n{text[-half:]}"


def _place_of(error: BaseException, file: Path) -> str:
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).parent == file.parent:
            return f"{frame.filename}, line {frame.lineno}"
    return ""


def _text(error: BaseException) -> str:
    """One line of moderate length, whatever the author has made of it."""
    try:
        text = " ".join(str(error).split())
    except BaseException as second:  # it is user code that writes this text
        text = f"(and it cannot say why: {type(second).__name__})"
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
