"""Their S3TransferStreamProcessor and ours on one topic: the same objects, also when ours goes on in their bucket."""

from collections.abc import Mapping

import pytest

from tests.interop.lab import ARRIVAL_SECONDS, Lab, our_upload, stop_theirs, their_upload
from tests.interop.matrix import Matrix, all_of, facts
from tests.interop.openmsistream import Theirs
from tests.interop.trees import CHUNK, Tree, full_tree, tree
from tests.support.downloading import reasons
from tests.support.running import Program, wait_for
from tests.support.store import Inside, Store
from tests.support.transferring import below

# As their documentation has it.
SECTION = """
[s3]
access_key_id = $ACCESS_KEY_ID
secret_key_id = $SECRET_KEY_ID
endpoint_url = $ENDPOINT_URL
region = $REGION
"""


@pytest.fixture
def partitions() -> int:
    return 4


@pytest.fixture(autouse=True)
def _login(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in store.login.items():
        monkeypatch.setenv(name, value)  # theirs take the environment of this process


def their_transfer(lab: Lab, bucket: Inside, *options: str) -> Theirs:
    return lab.theirs("S3TransferStreamProcessor", bucket.name, *options, config=SECTION)


def our_transfer(lab: Lab, bucket: Inside, theirs: Theirs, store: Store, *options: str) -> Program:
    """Ours with the config file of theirs, as it stands."""
    config = str(theirs.folder / "omsi.config")
    return lab.ours("S3TransferStreamProcessor", bucket.name, "--config", config, *options, env=store.login)


def wait_for_objects(bucket: Inside, lab: Lab, expected: Tree) -> None:
    wait_for(lambda: len(bucket.keys) >= len(expected) and below(bucket, lab.topic) == expected, "all", ARRIVAL_SECONDS)


def written(bucket: Inside) -> Mapping[str, object]:
    """Key → when."""
    return {key: (bucket.head(key) or {})["LastModified"] for key in bucket.keys}


def test_the_same_keys_and_bytes_and_one_goes_on_where_the_other_was(lab: Lab, store: Store, matrix: Matrix) -> None:
    """Files in the root, nested, empty, with spaces and letters of any script: theirs has no trouble with one of them.

    Only empty files of their own uploader are missing, because that one does not send them.
    """
    sent = {
        "our DataFileUploadDirectory": full_tree(seed=400),
        "their DataFileUploadDirectory": {f"theirs/{path}": content for path, content in tree(seed=401).items()},
    }
    every = all_of(sent)
    bucket, other = store.bucket(), store.bucket()
    options = ("--mode", "both", "--output_dir", "work", "--n_threads", "2", "--download_regex", ".*")
    theirs = their_transfer(lab, bucket, *options, "--consumer_group_id", f"theirs-{lab.topic}")
    ours = our_transfer(lab, other, theirs, store, *options, "--consumer_group_id", f"ours-{lab.topic}")
    our_uploader, their_uploader = (
        our_upload(lab, sent["our DataFileUploadDirectory"], "--chunk_size", str(CHUNK)),
        their_upload(lab, sent["their DataFileUploadDirectory"], CHUNK),
    )
    wait_for_objects(other, lab, every)
    wait_for_objects(bucket, lab, every)
    stop_theirs(theirs, their_uploader)
    assert [ours.stop(), our_uploader.stop()] == [0, 0]
    for name, inside in (("their S3 transfer", bucket), ("our S3 transfer", other)):
        matrix.same(sent, name, facts(below(inside, lab.topic)))

    before = written(bucket)
    again = our_transfer(lab, bucket, theirs, store, "--consumer_group_id", "create_new", "--update_seconds", "0.5")
    again.says(f"repeat: {len(every)}")
    assert again.stop() == 0
    assert written(bucket) == before
    assert reasons(again.state / "work") == []
