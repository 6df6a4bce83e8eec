"""What we send, OpenMSIStream rebuilds and processes: on topics of one and of many partitions."""

import random

from tests.interop.lab import ARRIVAL_SECONDS, Lab, our_upload, stop_theirs, wait_for_files
from tests.interop.matrix import Matrix, all_of, facts
from tests.interop.openmsistream import delivered, noted
from tests.interop.trees import CHUNK, Tree, full_tree
from tests.support.running import wait_for

SINGLE: Tree = {
    "single.dat": random.Random(5).randbytes(1_300_000),
    "two default chunks.bin": random.Random(6).randbytes(2 * 524_288),
    "Über 紙.csv": b"",
}
MODES = ("memory", "disk", "both")


def test_whole_trees_and_single_files(lab: Lab, matrix: Matrix) -> None:
    watched = full_tree(seed=100 + lab.partitions)
    uploader = our_upload(lab, watched, "--chunk_size", str(CHUNK))
    single = [lab.ours("UploadDataFile", str(path)) for path in lab.source(SINGLE).iterdir()]
    out = lab.new_folder()
    downloader = lab.theirs("DataFileDownloadDirectory", str(out))
    outputs = {mode: lab.new_folder() for mode in MODES}
    processors = {
        mode: lab.theirs("note_files.py", "--mode", mode, "--output_dir", str(output))
        for mode, output in outputs.items()
    }
    assert [program.exits() for program in single] == [0] * len(single)
    sent = {"our DataFileUploadDirectory": watched, "our UploadDataFile": SINGLE}
    wait_for_files(out, all_of(sent))
    every = list(processors.values())
    wait_for(lambda: all(len(noted(each)) >= len(all_of(sent)) for each in every), "all notes", ARRIVAL_SECONDS)
    stop_theirs(downloader, *processors.values())
    assert uploader.stop() == 0
    matrix.same(sent, "their DataFileDownloadDirectory", facts(delivered(out)))
    for mode, processor in processors.items():
        matrix.same(sent, f"their processor, {mode}", noted(processor))
        on_disk = {} if mode == "memory" else all_of(sent)
        assert facts(delivered(outputs[mode])) == facts(on_disk)
