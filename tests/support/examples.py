"""The examples, as tests call them."""

import importlib.util
import json
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from openmsi_processor import DataFile, Result, ResultFile
from openmsi_processor.function import Processor
from openmsi_processor.worker.answer import encode

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> ModuleType:
    """The processor of ``examples/NAME``: its function is ``process``."""
    return _load(name, name)


def maker(name: str) -> ModuleType:
    """What makes its data."""
    return _load(name, "make_data")


def results(module: ModuleType, file: DataFile) -> tuple[bytes, dict[str, bytes]]:
    """The value of the message and the files that the service would get from the example for ``file``."""
    assert isinstance(module.process, Processor)
    assert module.process.name == Path(str(module.__file__)).stem, "quarantine and results should tell examples apart"
    assert module.process.wants(file.relative_path), "its pattern leaves this file out"
    result = module.process(file)
    assert isinstance(result, Result)
    files = [Path(each) for each in result.files if not isinstance(each, ResultFile)]
    assert len(files) == len(result.files)
    names = [str(PurePosixPath(file.subdir, *each.relative_to(file.scratch).parts)) for each in files]
    return encode(result.value), {name: each.read_bytes() for name, each in zip(names, files, strict=True)}


def message(module: ModuleType, file: DataFile) -> Any:
    """The value of the message, which is JSON."""
    return json.loads(results(module, file)[0])


def _load(folder: str, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{folder}_{name}", EXAMPLES / folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
