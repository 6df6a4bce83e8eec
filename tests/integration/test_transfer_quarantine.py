"""A file that could not become an object comes back as `openmsi quarantine` says; nothing is placed in its folder."""

import subprocess
import sys
from pathlib import Path

from tests.support.downloading import reasons
from tests.support.running import wait_for
from tests.support.sending import Sender
from tests.support.transferring import Transfers

OPENMSI = Path(sys.executable).parent / "openmsi"


def quarantine(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([OPENMSI, "quarantine", *words], capture_output=True, text=True, timeout=60, check=False)


def test_retry_says_how_and_that_works(transfers: Transfers, sender: Sender) -> None:
    inside, key = transfers.inside, f"{transfers.topic}/f"
    inside.client.put_object(Bucket=inside.name, Key=key, Body=b"somebody else's")
    sender.file("f", b"ours")
    program = transfers.start()
    work = program.state / "work"
    wait_for(lambda: reasons(work), "quarantine")
    assert program.stop() == 0
    (entry,) = (work / ".openmsi" / "quarantine").iterdir()
    how = f"it belongs into the bucket {inside.name}, not into this folder: mend what the reason names, move the entry"
    done = quarantine("retry", str(entry))
    assert done.returncode == 65
    assert how in done.stdout
    assert how in quarantine("show", "--json", str(entry)).stdout
    assert [each.name for each in work.iterdir()] == [".openmsi"]

    inside.client.delete_object(Bucket=inside.name, Key=key)
    entry.rename(transfers.folder / "kept")
    again = transfers.start("--consumer_group_id", "create_new")
    wait_for(lambda: inside.tree == {key: b"ours"}, "the file")
    assert again.stop() == 0
    assert (transfers.folder / "kept" / "content").read_bytes() == b"ours"
