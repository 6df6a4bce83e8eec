"""User code that hurts itself, its process and whatever it can reach: one file is lost to quarantine, no other."""

import json
from pathlib import Path

from tests.support.processing import Processors
from tests.support.running import wait_for
from tests.support.sending import Sender


def reasons(processors: Processors) -> dict[str, dict[str, str]]:
    """What is in quarantine, by path."""
    found = [json.loads(file.read_text()) for file in processors.output.glob(".openmsi/quarantine/*/reason.json")]
    return {each["path"]: each for each in found}


HOSTILE = """
import ctypes, gc, os, resource, signal, subprocess, sys, threading, time
from pathlib import Path

class Odd(BaseException):
    def __str__(self):
        raise RuntimeError("not even that")

class Lazy(dict):
    def items(self):
        raise KeyError("too late")

def segfault(file): ctypes.string_at(0)
def leave_at_once(file): os._exit(7)
def leave(file): sys.exit("enough")
def hang(file):
    while True: pass
def hang_in_c(file): ctypes.PyDLL(None).sleep(60)  # with the GIL
def odd(file): raise Odd
def recursion(file): return recursion(file)
def lazy(file): return Lazy(a=1)
def memory(file): return len(bytearray(10**13))
def no_sense(file): os.write(CHANNEL, b"x" * 4096)
def no_message(file): os.write(CHANNEL, b"\\0\\0\\0\\2[]" + b"\\0\\0\\0\\2{}")
def cut_off(file): os.closerange(3, 256)
def real_time_signal(file): os.kill(os.getpid(), signal.SIGRTMIN + 3)
def huge(file): return b"x" * 40_000_000
def folder(file): return Result(files=[file.scratch])
def missing(file): return Result(files=[file.scratch / "none"])
def outside(file): return Result(files=[ResultFile("../x", "x")])
def reserved(file): return Result(files=[ResultFile("good", "x"), ResultFile(".openmsi/x", "x")])
def no_text(file): return Result(files=[ResultFile("\\udcff", "x")])

CHANNEL = 4

@processor
def code(file: DataFile):
    print("looking at", file.name)
    action = globals().get(file.name)
    return action(file) if action else {"pid": os.getpid(), "bytes": len(file.bytes)}
"""

WORDS = {
    "segfault": "crashed (segmentation fault), in ",
    "leave_at_once": "ended itself (exit code 7)",
    "leave": "it ended itself (exit enough)",
    "hang": "took longer than 1 s (--processing_timeout), in ",
    "hang_in_c": "took longer than 1 s (--processing_timeout), in ",
    "odd": "Odd: (and it cannot say why: RuntimeError)",
    "recursion": "RecursionError",
    "lazy": "KeyError: 'too late'",
    "memory": "MemoryError",
    "no_sense": "sent what is no answer",
    "no_message": "sent what is no answer",
    "cut_off": "was cut off from the service",
    "real_time_signal": "was ended by signal",
    "huge": "the result has 40000000 bytes",
    "folder": "is no file: name each file in it",
    "missing": "there is no result file",
    "outside": "'../x' is not a plain relative path",
    "reserved": "reserved folder",
    "no_text": "is no text",
}


def test_each_costs_one_file(processors: Processors, sender: Sender) -> None:
    good = {f"good {number}" for number in range(len(WORDS) + 1)}
    for number, name in enumerate(WORDS):
        sender.file(f"good {number}", b"12345")
        sender.file(name, b"12345")
    sender.file(f"good {len(WORDS)}", b"12345")
    program = processors.start(processors.code(HOSTILE), "--n_threads", "4", "--processing_timeout", "1")
    wait_for(lambda: reasons(processors).keys() >= WORDS.keys(), "quarantine", 90)
    wait_for(lambda: processors.read().keys() >= good, "the others")
    assert reasons(processors).keys() == WORDS.keys()
    for name, words in WORDS.items():
        line = next(each for each in program.output.splitlines() if f"put {name} in quarantine" in each)
        assert words in line
        assert words in reasons(processors)[name]["reason"]
    for name in ("odd", "recursion", "segfault", "hang", "hang_in_c"):
        trace = reasons(processors)[name]["traceback"]
        assert "code.py" in trace, name
        assert name in trace
    assert program.stop() == 0
    assert [path.name for path in processors.output.iterdir()] == [".openmsi"]
    assert "fault of the program itself" not in program.output


def test_a_file_leaves_nothing_behind_for_the_next(processors: Processors, sender: Sender) -> None:
    code = """
    import os, pathlib, sys
    def folder(file): os.chdir(file.scratch)
    def prints(file): sys.stdout.close(); sys.stderr.close()
    def numbers(file): os.close(1); os.close(2)
    def output(file): sys.stdout = None
    def forked(file): return None if os.fork() else {"child": True}
    def thread(file):
        import threading, time
        threading.Thread(target=time.sleep, args=(600,)).start()
    def at_exit(file):
        import atexit, time
        atexit.register(time.sleep, 600)
    def children(file):
        import subprocess
        pids = [subprocess.Popen(["sleep", "600"], start_new_session=bool(n)).pid for n in (0, 1)]
        return {"children": pids}

    @processor
    def code(file: DataFile):
        os.write(1, b"written below Python\\n")
        print("looked at", file.name, end="")
        found = {"pid": os.getpid(), "folder": os.getcwd()}
        return globals().get(file.name, lambda _: None)(file) or found
    """
    hurts = ["folder", "prints", "numbers", "output", "forked", "thread", "at_exit", "children"]
    program = processors.start(processors.code(code), "--n_threads", "1")
    for number, name in enumerate(hurts):
        for path in (name, f"after {number}"):
            sender.file(path, b"1")
            program.says(f"processed {path} ")
    assert program.stop() == 0
    results = {path: [each.json for each in found] for path, found in processors.read().items()}
    assert {len(each) for each in results.values()} == {1}
    assert len({each[0]["pid"] for each in results.values() if "pid" in each[0]}) == 1, "the worker stayed warm"
    assert results["after 0"][0]["folder"] == str(processors.folder / "processor")
    for number in range(len(hurts)):
        assert f"after {number}: written below Python" in program.output
        assert f"after {number}: looked at after {number}" in program.output
    for child in results["children"][0]["children"]:
        assert not _runs(child), "it has outlived its worker"


def _runs(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def test_paths_in_parallel_versions_in_order(processors: Processors, sender: Sender) -> None:
    code = """
    import pathlib, time
    here = pathlib.Path(__file__).parent

    @processor
    def code(file: DataFile):
        if file.name == "versions":
            with (here / "order").open("a") as order:
                order.write(f"{file.size} ")
            return None
        (here / f"{file.name}.here").touch()
        while len(list(here.glob("*.here"))) < 3:
            time.sleep(0.01)
        return True
    """
    for number in range(1, 9):
        sender.file("versions", b"x" * number)
    for name in ("a", "b", "c"):
        sender.file(name, b"1")
    program = processors.start(processors.code(code), "--n_threads", "3", "--processing_timeout", "10")
    for name in ("a", "b", "c", "versions"):
        program.says(f"processed {name} ")
    wait_for(lambda: (processors.folder / "order").read_text().endswith("8 "), "the last version")
    assert program.stop() == 0
    sizes = [int(size) for size in (processors.folder / "order").read_text().split()]
    assert sizes == sorted(set(sizes))
