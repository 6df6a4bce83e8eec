"""OpenMSIStream spreads the chunks of a file over all partitions: one process of ours completes it, several cannot."""

import signal

import pytest

from tests.interop.lab import Group, Lab, stop_theirs, wait_for_files
from tests.interop.matrix import Matrix, facts
from tests.interop.trees import SMALL_CHUNK, large_files, wrong_times
from tests.support.downloading import tree as downloaded
from tests.support.running import QUICK_SESSION, wait_for

OURS = "our DataFileDownloadDirectory"


@pytest.mark.parametrize("partitions", [12])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_ends_with_half_of_the_chunks_loses_nothing(
    lab: Lab, matrix: Matrix, end: signal.Signals
) -> None:
    files = large_files(seed=302)
    out, large = lab.downloads.out, len(files) - 1
    sender = lab.theirs("send_in_two_parts.py", str(lab.source(files)), str(SMALL_CHUNK))
    sender.says("first part sent")
    ended = lab.downloads.start(config=QUICK_SESSION)
    wait_for(lambda: len(lab.downloads.staged) == large and (out / "small").exists(), "half of the large files")
    ended.stop(end)
    assert lab.downloads.tree == {"small": files["small"]}
    sender.hears("go on")
    program = lab.downloads.start(config=QUICK_SESSION)
    wait_for_files(out, files, downloaded)
    sender.exits()
    assert program.stop() == 0
    matrix.same({"theirs, scattered, a restart in between": files}, OURS, facts(lab.downloads.tree))
    assert wrong_times(out, files) == []
    assert lab.downloads.reasons == []
    assert lab.downloads.staged == []


def test_a_group_of_two_says_what_to_do_and_one_of_them_completes_all(group: Group, matrix: Matrix) -> None:
    files, out = group.files, group.lab.downloads.out
    large = set(files) - {"small"}

    def advice() -> str:
        """What the members say to do, and about which files."""
        lines = (line for member in group.members for line in member.output.splitlines())
        return "\n".join(line for line in lines if "one process" in line)

    wait_for(lambda: all(path in advice() for path in large), "every large file to be named", 120)
    assert downloaded(out) == {"small": files["small"]}
    assert group.members.pop().stop() == 0
    wait_for_files(out, files, downloaded)
    stop_theirs(group.uploader)
    assert group.members.pop().stop() == 0
    matrix.same({"theirs, scattered, a group made one": files}, OURS, facts(downloaded(out)))
    assert group.lab.downloads.reasons == []
