"""How a function says that it processes files."""

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, overload

from openmsi_processor.data_file import DataFile
from openmsi_processor.mistake import Mistake

Function = Callable[[DataFile], Any]


class Processor:
    """A function that is called for each file whose path its pattern matches. It can be called as before."""

    def __init__(self, function: Function, files: str, name: str, version: str) -> None:
        _check_signature(function)
        self.function = function
        for option, value in (("files", files), ("name", name), ("version", version)):
            if not isinstance(value, str):
                raise Mistake(f"{option}={value!r} must be text: write {option}={str(value)!r}", function)
        self.name = name or function.__name__
        """What results and quarantine call it."""
        self.version = version
        """What results say of it; empty = the hash of its file."""
        try:
            self.files = re.compile(files)
        except (re.error, RecursionError, OverflowError) as error:
            raise Mistake(f"files={files!r} is no regular expression: {error}", function) from None
        functools.update_wrapper(self, function)

    def wants(self, relative_path: str) -> bool:
        """Whether it is called for a file with this path; the pattern must match from the beginning of the path."""
        return self.files.match(relative_path) is not None

    def __call__(self, file: DataFile) -> Any:
        return self.function(file)


@overload
def processor(files: Function, /) -> Processor: ...


@overload
def processor(files: str = ..., *, name: str = ..., version: str = ...) -> Callable[[Function], Processor]: ...


def processor(
    files: str | Function = "", *, name: str = "", version: str = ""
) -> Processor | Callable[[Function], Processor]:
    r"""Announce the function below: it is called with each file whose path ``files`` matches (default: all).

    ``files`` is a regular expression, ``r".*\.csv$"`` for instance, matched from the beginning of the relative path.
    ``name`` (default: that of the function) and ``version`` (default: a hash of its file) go with every result.
    """
    if callable(files):  # @processor without parentheses
        return Processor(files, "", name, version)
    pattern = files
    return lambda function: Processor(function, pattern, name, version)


def _check_signature(function: Function) -> None:
    if not inspect.isroutine(function):
        raise Mistake(f"@processor belongs above a function, and {function!r} is none")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise Mistake(f"{function.__name__} must be a plain function: not async, and without yield", function)
    parameters = list(inspect.signature(function).parameters.values())
    needed = [
        each
        for each in parameters
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if len(needed) > 1 or not positional or any(each not in positional for each in needed):
        raise Mistake(f"{function.__name__} must take one argument, the file: def {function.__name__}(file)", function)
