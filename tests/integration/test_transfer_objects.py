"""What users wish of every object reaches the store from the command line: keys and tags, of small files and large."""

import random

from tests.support.running import wait_for
from tests.support.sending import Sender
from tests.support.transferring import Transfers


def test_keys_and_tags(transfers: Transfers, sender: Sender) -> None:
    inside, prefix = transfers.inside, f"raw/{transfers.topic}"
    large = random.randbytes(17 << 20)
    sender.file("sub/small", b"content")
    sender.file("large", large, size=512 << 10)
    program = transfers.start("--key_template", "raw/{topic}/{path}", "--tags", "project=steel", "--tags", "who=me")
    wait_for(lambda: set(inside.keys) == {f"{prefix}/sub/small", f"{prefix}/large"}, "both files")
    assert program.stop() == 0
    assert inside.tree == {f"{prefix}/sub/small": b"content", f"{prefix}/large": large}
    for key in inside.keys:
        tags = inside.client.get_object_tagging(Bucket=inside.name, Key=key)["TagSet"]
        assert {tag["Key"]: tag["Value"] for tag in tags} == {"project": "steel", "who": "me"}


def test_what_a_store_cannot_do_ends_the_program_with_one_line(transfers: Transfers) -> None:
    refused = transfers.start("--server_side_encryption", "AES256")
    assert refused.exits() == 78
    *_, last = refused.output.splitlines()
    assert f"{transfers.store.endpoint} does not encrypt with AES256: leave out server_side_encryption" in last
    assert "Traceback" not in refused.output
    assert transfers.inside.keys == []
