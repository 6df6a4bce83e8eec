"""Old and new programs on the two ends of one topic at the same time."""

from tests.interop.lab import Lab, our_upload, stop_theirs, their_upload, wait_for_files
from tests.interop.matrix import Matrix, facts
from tests.interop.openmsistream import delivered
from tests.interop.trees import CHUNK, tree, wrong_times
from tests.support.downloading import tree as downloaded


def test_half_of_a_tree_from_each_and_both_read_all(lab: Lab, matrix: Matrix) -> None:
    whole = tree(seed=200 + lab.partitions)
    names = sorted(whole)
    theirs, ours = ({path: whole[path] for path in names[start::2]} for start in (0, 1))
    our_downloader, out = lab.downloads.start(), lab.new_folder()
    their_downloader = lab.theirs("DataFileDownloadDirectory", str(out))
    their_uploader, our_uploader = their_upload(lab, theirs, CHUNK), our_upload(lab, ours)
    wait_for_files(lab.downloads.out, whole, downloaded)
    wait_for_files(out, whole)
    stop_theirs(their_uploader, their_downloader)
    assert [our_uploader.stop(), our_downloader.stop()] == [0, 0]
    sent = {"half by theirs, half by ours": whole}
    matrix.same(sent, "our DataFileDownloadDirectory", facts(lab.downloads.tree))
    matrix.same(sent, "their DataFileDownloadDirectory", facts(delivered(out)))
    assert wrong_times(lab.downloads.out, whole) == []
    assert lab.downloads.reasons == []
