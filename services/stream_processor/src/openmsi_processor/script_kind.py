"""Whether a user's file has a function, or is a script with a class as OpenMSIStream has them. The file is not run."""

import ast
import builtins
from collections.abc import Mapping, Sequence
from pathlib import Path

_PACKAGE = "openmsi_processor"
_NEW = frozenset({"DataFile", "Result", "ResultFile", "Retry", "processor"})


def script_in(arguments: Sequence[str], environ: Mapping[str, str], cwd: Path) -> list[str] | None:
    """The script and its arguments, where the command line names one with a class; else None."""
    named = next((each for each in arguments if each.endswith(".py") and (cwd / each).is_file()), None)
    place = named or environ.get("OPENMSI_PROCESSOR_FILE", "")
    if not place or not has_class(cwd / place):
        return None
    rest = list(arguments)
    if named:
        rest.remove(named)
    return [f"file:{(cwd / place).absolute()}", *rest]


def has_class(file: Path) -> bool:
    """Whether ``file`` has no function under ``@processor``, but a class of others, or imports one of the old names."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False  # who loads it says what is wrong
    nodes = list(ast.walk(tree))
    if any(_is_processor(each) for node in nodes if isinstance(node, ast.FunctionDef) for each in node.decorator_list):
        return False
    return any(_imports_old(node) or (isinstance(node, ast.ClassDef) and _has_foreign_base(node)) for node in nodes)


def _is_processor(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return getattr(called, "id", getattr(called, "attr", "")) == "processor"


def _imports_old(node: ast.AST) -> bool:
    if not isinstance(node, ast.ImportFrom) or node.module is None:
        return False
    below = node.module.startswith(f"{_PACKAGE}.")
    return below or (node.module == _PACKAGE and not _NEW.issuperset(each.name for each in node.names))


def _has_foreign_base(node: ast.ClassDef) -> bool:
    return any(not (isinstance(base, ast.Name) and hasattr(builtins, base.id)) for base in node.bases)
