"""What OpenMSIStream sends, our downloader rebuilds while it comes: on topics of one and of many partitions."""

import json
import random

from tests.interop.lab import Lab, stop_theirs, their_upload, wait_for_files
from tests.interop.matrix import Matrix, all_of, facts
from tests.interop.trees import CHUNK, Tree, tree, write, wrong_times
from tests.support.downloading import tree as downloaded

SINGLE: Tree = {
    "single.dat": random.Random(1).randbytes(1_300_000),
    "two default chunks.bin": random.Random(2).randbytes(2 * 524_288),
    "Über 紙.csv": b"1;2\n",
}
DEEP = random.Random(3).randbytes(600_000)
EXPORT = random.Random(4).randbytes(10 * CHUNK)


def test_whole_trees_and_single_files(lab: Lab, matrix: Matrix) -> None:
    watched = tree(seed=lab.partitions)
    program = lab.downloads.start()
    uploader = their_upload(lab, watched, CHUNK)
    single, deep = lab.source(SINGLE), lab.source({"some/deeper/folder/deep.dat": DEEP})
    # Of a single file they send the name alone: it arrives in the root.
    paths = [*single.iterdir(), deep / "some/deeper/folder/deep.dat"]
    sending = [lab.theirs("UploadDataFile", str(path)) for path in paths]
    for each in sending:
        each.exits()
    alone = SINGLE | {"deep.dat": DEEP}
    wait_for_files(lab.downloads.out, watched | alone, downloaded)
    stop_theirs(uploader)
    assert program.stop() == 0
    sent = {"their DataFileUploadDirectory": watched, "their UploadDataFile": alone}
    matrix.same(sent, "our DataFileDownloadDirectory", facts(lab.downloads.tree))
    assert wrong_times(lab.downloads.out, watched | SINGLE) == []
    assert lab.downloads.reasons == []


def test_selected_ranges_and_appended_names(lab: Lab, matrix: Matrix) -> None:
    """Chunks are shorter than the chunk size in the middle of a file, and their offsets are those in the result."""
    source = write({"scope/run.tar.trc": EXPORT, "run": EXPORT}, lab.new_folder())
    # Their first range must begin at byte 0: they read it from there wherever it begins, and then refuse to send it.
    ranges = [(5 * CHUNK, 5 * CHUNK + 1), (0, 3 * CHUNK - 7), (3 * CHUNK - 7, 3 * CHUNK), (9 * CHUNK + 5, 10 * CHUNK)]
    joined = b"".join(EXPORT[start:stop] for start, stop in sorted(ranges))
    jobs = [
        job("scope/run.tar.trc", str(source)),
        job("scope/run.tar.trc", str(source), "_ch1", [(0, 1)]),
        job("scope/run.tar.trc", str(source), "_ch2", ranges),
        job("run", str(source), " ü"),
        job("run", str(source), "", ranges),
    ]
    expected = {
        "their UploadDataFile in a script": {"scope/run.tar.trc": EXPORT},
        "their filename_append": {"run ü": EXPORT},
        "their select_bytes": {"run": joined},
        "their select_bytes and filename_append": {
            "scope/run.tar_ch1.trc": EXPORT[:1],
            "scope/run.tar_ch2.trc": joined,
        },
    }
    program = lab.downloads.start()
    lab.theirs("send_selected.py", json.dumps(jobs)).exits()
    wait_for_files(lab.downloads.out, all_of(expected), downloaded)
    assert program.stop() == 0
    matrix.same(expected, "our DataFileDownloadDirectory", facts(lab.downloads.tree))
    assert lab.downloads.reasons == []


def job(path: str, root: str, append: str = "", ranges: list[tuple[int, int]] | None = None) -> dict[str, object]:
    """One file for send_selected.py."""
    return {"file": f"{root}/{path}", "root": root, "append": append, "ranges": ranges or [], "chunk_size": CHUNK}
