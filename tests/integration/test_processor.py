"""`StreamProcessor`: a function is called with every file, and what it returns is a result, once."""

import hashlib
import random

from tests.support.processing import Processors
from tests.support.running import wait_for
from tests.support.sending import Sender

COUNT = """
import hashlib

@processor
def count(file: DataFile):
    assert hashlib.sha512(file.bytes).hexdigest() == file.sha512
    return {"size": len(file.bytes), "name": file.name}
"""


def test_each_file_gives_one_result(processors: Processors, sender: Sender) -> None:
    files = {f"run/ä {number}.dat": random.randbytes(random.randrange(1, 9000)) for number in range(40)}
    files |= {"empty": b"", "large": random.randbytes(3_000_000)}
    for path, content in files.items():
        sender.file(path, content)
    program = processors.start(processors.code(COUNT))
    wait_for(lambda: processors.read().keys() >= files.keys(), "all results", 60)
    assert program.stop() == 0
    read = processors.read()
    assert {path: [each.json["size"] for each in results] for path, results in read.items()} == {
        path: [len(content)] for path, content in files.items()
    }
    one = read["run/ä 7.dat"][0]
    assert one.key == "run_ä 7.dat_chunk_processing_result"
    assert one.headers["openmsi-sha512"] == hashlib.sha512(files["run/ä 7.dat"]).hexdigest()
    assert one.headers["openmsi-processor"] == "count"
    again = processors.start(processors.code(COUNT))
    again.says("reading partitions")
    sender.file("empty", b"")
    sender.file("new", b"12")
    wait_for(lambda: "new" in processors.read(), "the new result")
    assert again.stop() == 0
    assert {path: len(results) for path, results in processors.read().items()} == dict.fromkeys([*files, "new"], 1)
