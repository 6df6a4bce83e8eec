"""What is wrong with user code is said in one line with its place: at the start, or of the file it was called for."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openmsi_core.errors import ConfigError
from tests.support.crew import Workers
from tests.support.running import Program

Say = Callable[[str], str]

FILE = "user_code.py"


@pytest.fixture
def says(tmp_path: Path) -> Iterator[Say]:
    made: list[Workers] = []

    def what_is_wrong(code: str) -> str:
        made.append(Workers(tmp_path, code))
        with pytest.raises(ConfigError) as caught:
            made[-1].crew.begin()
        return str(caught.value).replace(f"{tmp_path}/", "")

    yield what_is_wrong
    for each in made:
        each.close()


MISTAKES = {
    "x = (": f"{FILE}, line 2: SyntaxError: '(' was never closed",
    "\0": "source code string cannot contain null bytes",
    "\nimport no_such": f"{FILE}, line 3: ModuleNotFoundError: No module named 'no_such' (put no_such into"
    " requirements.txt, or correct the name)",
    "\nimport beside": "beside.py, line 2: ZeroDivisionError: division by zero",
    "raise SystemExit(3)": f"{FILE}, line 2: it ended itself (exit 3)",
    "import os; os._exit(3)": "the processor cannot be started: it ended itself (exit code 3)",
    "import ctypes; ctypes.string_at(0)": "it crashed (segmentation fault)",
    "def code(file): pass": f"{FILE}: there is no processor in it: put @processor above the function",
    "@processor\ndef a(file): pass\n@processor\ndef b(file): pass": f"{FILE}: there are 2 processors in it (a at"
    " line 2, b at line 4)",
    "@processor\ndef code(): pass": f"{FILE}, line 2: code must take one argument, the file: def code(file)",
    "@processor\ndef code(file, more): pass": f"{FILE}, line 2: code must take one argument",
    "@processor\ndef code(file, *, more): pass": f"{FILE}, line 2: code must take one argument",
    "@processor\nasync def code(file): pass": f"{FILE}, line 2: code must be a plain function",
    "@processor\ndef code(file): yield 1": f"{FILE}, line 2: code must be a plain function",
    "@processor\nclass Code: pass": f"{FILE}, line 2: @processor belongs above a function",
    "@processor(files='*.csv')\ndef code(file): pass": f"{FILE}, line 2: files='*.csv' is no regular expression",
    "@processor(files=b'x')\ndef code(file): pass": f"{FILE}, line 2: files=b'x' must be text",
    "@processor(version=1.0)\ndef code(file): pass": f"{FILE}, line 2: version=1.0 must be text: write version='1.0'",
}


@pytest.mark.parametrize("code", MISTAKES)
def test_at_the_start(says: Say, tmp_path: Path, code: str) -> None:
    (tmp_path / "beside.py").write_text("\n1 / 0")
    line = says(code)
    assert MISTAKES[code] in re.sub(r"<class '.*'>", "", line)
    assert "\n" not in line


def test_the_program_ends_with_one_line(tmp_path: Path) -> None:
    for name, content, words in [
        ("none.py", None, "there is no file "),
        ("notes.txt", "text", "notes.txt is no Python file: its name must end with .py"),
        ("json.py", "", "json.py has the name of a module of Python (json)"),
        ("code.py", "import nothing_there", "code.py, line 1: ModuleNotFoundError: No module named 'nothing_there'"),
    ]:
        if content is not None:
            (tmp_path / name).write_text(content)
        program = Program(tmp_path, "localhost:1", "StreamProcessor", name, "--topic_name", "t")
        assert program.exits() == 78
        lines = [line for line in program.output.splitlines() if "CRITICAL" in line]
        assert words in lines[-1]
        assert "Traceback" not in program.output


RESULTS = {
    "float('nan')": "line 2: ValueError: the result cannot be written as JSON: Out of range float values are not JSON"
    " compliant (NaN and infinity: give None instead)",
    "{'a': {1}}": "line 2: TypeError: the result cannot be written as JSON: it holds a set",
    "{(1, 2): 3}": "line 2: TypeError: the result cannot be written as JSON: keys must be",
    "object()": "line 2: TypeError: a function must return a dict, list, number, text, bytes, Result",
    "'\\udcff'": "line 2: ValueError: the result is no text",
    "Result": "not type",
    "Result(key=1)": "line 2: TypeError: the key must be text or bytes, not int",
    "Result(headers=[1])": "line 2: TypeError: headers must be a dict of texts, not list",
    "Result(headers={1: 'a'})": "line 2: TypeError: the name of a header must be text, not int",
    "Result(headers={'a': 1})": "line 2: TypeError: header a must be text or bytes, not int",
    "Result(headers={'a': 'x' * 2_000_000})": "line 2: ValueError: the key and the headers have more than",
    "Result(files='a')": "line 2: TypeError: files must be a list: files=['a']",
    "Result(files=[1])": "line 2: TypeError: a result file must be a path or a ResultFile, not int",
    "Result(files=['/none'])": "line 2: ValueError: there is no result file /none",
    "Result(files=['/dev/null'])": "line 2: ValueError: the result file /dev/null is no file",
    "Result(files=[ResultFile('a', 1)])": "line 2: TypeError: result file a: its content must be bytes, text or a Path",
    "Result(files=[ResultFile('a', ''), ResultFile('a', '')])": "line 2: ValueError: two result files are called a",
    "Retry(after=float('inf'))": "line 10: ValueError: Retry(after=inf): give a number of seconds, up to a day",
    "int('x\\ny' * 9000)": "line 10: ValueError: invalid literal for int() with base 10",
}


def test_of_a_file(tmp_path: Path) -> None:
    code = "@processor\ndef code(file):\n    return eval(file.bytes)"
    lines = "".join(f"# {number}\n" for number in range(6))
    workers = Workers(tmp_path, code.replace("def code(file):\n", f"def code(file):\n{lines}"))
    workers.crew.begin()
    try:
        for expression, words in RESULTS.items():
            answer, _ = workers.call("f", expression.encode())
            assert answer["is"] == "failed", expression
            assert words in answer["text"], expression
            assert FILE in answer["text"], expression
            assert len(answer["text"]) < 1500
            assert "\n" not in answer["text"]
            assert "Traceback" in answer["traceback"]
    finally:
        workers.close()
