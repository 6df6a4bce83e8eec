"""`S3TransferStreamProcessor` with a real broker and a real S3 server: what was sent is in the bucket, or nowhere."""

import hashlib
import random

from tests.support.broker import Broker, unique
from tests.support.downloading import committed, reasons
from tests.support.running import wait_for
from tests.support.sending import Sender, chunks, upload
from tests.support.store import Store
from tests.support.transferring import Transfers


def test_trees_arrive_byte_for_byte_and_carry_what_they_are(
    transfers: Transfers, sender: Sender, kafka: Broker
) -> None:
    sent = {
        "root.txt": b"hello",
        "empty": b"",
        "a/b/c/deep file.csv": random.randbytes(12_345),
        "ünï/紙 – 1+&?#%.tif": random.randbytes(1000),
        "table.csv.gz": random.randbytes(3000),
    }
    by = {path: upload(content, "lab ü") for path, content in sent.items()}
    for path, content in sent.items():
        sender.file(path, content, mtime=1_700_000_000.25, by=by[path])
    group = unique("group")
    program = transfers.start("--consumer_group_id", group)
    wait_for(lambda: transfers.tree == sent, "all files")
    assert program.stop() == 0
    head = transfers.inside.head(f"{transfers.topic}/a/b/c/deep file.csv")
    assert head is not None
    assert head["ContentType"] == "text/csv"
    facts = head["Metadata"]
    assert facts["sha512"] == hashlib.sha512(sent["a/b/c/deep file.csv"]).hexdigest()
    assert facts["mtime"] == "1700000000.25"
    assert facts["openmsi-upload"] == by["a/b/c/deep file.csv"].upload_id
    assert facts["openmsi-topic"] == transfers.topic
    assert facts["openmsi-partition"] == str(sender.partition("a/b/c/deep file.csv"))
    kinds = {path: (transfers.inside.head(f"{transfers.topic}/{path}") or {})["ContentType"] for path in sent}
    assert kinds["root.txt"] == "text/plain"
    assert kinds["empty"] == kinds["table.csv.gz"] == "application/octet-stream"
    ends = committed(kafka.bootstrap, transfers.topic, group)
    assert sum(end for end in ends.values() if end > 0) == 1 + 1 + 13 + 1 + 3
    assert not list((program.state / "work" / ".openmsi" / "staging").iterdir())


def test_a_new_group_finds_all_and_puts_nothing_twice(transfers: Transfers, sender: Sender) -> None:
    sender.file("small", b"1")
    sender.file("staged", b"2" * 5000)
    first = transfers.start("--consumer_group_id", "create_new")
    wait_for(lambda: len(transfers.tree) == 2, "both files")
    assert first.stop() == 0
    before = {key: (transfers.inside.head(key) or {})["LastModified"] for key in transfers.inside.keys}
    sender.file("last", b"3")
    options = ("--consumer_group_id", "create_new", "--verify", "full", "--update_seconds", "0.5")
    again = transfers.start(*options, name="again")
    again.says("; repeat: 2")
    wait_for(lambda: len(transfers.tree) == 3, "the last file")
    assert again.stop() == 0
    assert {key: (transfers.inside.head(key) or {})["LastModified"] for key in before} == before


def test_a_newer_version_replaces_and_an_older_never_does(transfers: Transfers, sender: Sender) -> None:
    first, second = upload(b"first version"), upload(b"second")
    sender.file("f", b"second", mtime=1.6e9, by=second)
    program = transfers.start()
    wait_for(lambda: transfers.tree == {"f": b"second"}, "the second")
    sender.file("f", b"first version", by=first)
    program.says("dropped an older upload of f")
    sender.file("f", b"third" * 1000, by=upload(b"third" * 1000))
    wait_for(lambda: transfers.tree == {"f": b"third" * 1000}, "the third")
    assert program.stop() == 0


def test_objects_of_others_are_kept(transfers: Transfers, sender: Sender) -> None:
    inside, topic = transfers.inside, transfers.topic
    inside.client.put_object(Bucket=inside.name, Key=f"{topic}/theirs", Body=b"precious")
    inside.client.put_object(Bucket=inside.name, Key=f"{topic}/same", Body=b"same bytes")
    sender.file("theirs", b"ours!!!!")
    sender.file("same", b"same bytes")
    program = transfers.start()
    wait_for(lambda: reasons(program.state / "work"), "quarantine")
    program.says("put theirs in quarantine: an object that is not ours is at its place")
    sender.file("last", b"x")
    wait_for(lambda: "last" in transfers.tree, "the last file")
    assert program.stop() == 0
    assert transfers.tree == {"theirs": b"precious", "same": b"same bytes", "last": b"x"}
    assert len(reasons(program.state / "work")) == 1


def test_names_that_no_store_takes_go_to_quarantine(transfers: Transfers, sender: Sender) -> None:
    sender.file("/".join(["k" * 200] * 6), b"long")
    sender.file("a", b"file")
    program = transfers.start()
    wait_for(lambda: transfers.tree == {"a": b"file"}, "the file")
    sender.file("a/b", b"below a file")  # versitygw keeps objects as files
    wait_for(lambda: len(reasons(program.state / "work")) == 2, "two entries in quarantine")
    assert program.stop() == 0
    told = [str(entry["reason"]) for entry in reasons(program.state / "work")]
    assert any("S3 allows 1024" in each for each in told)
    assert any("another object at a part of its path" in each for each in told)


def test_an_unfinished_file_holds_its_offset_and_is_not_seen(
    transfers: Transfers, sender: Sender, kafka: Broker
) -> None:
    group, content = unique("group"), random.randbytes(10_000)
    pieces, by = list(chunks("big", content)), upload(content)
    sender.chunks(pieces[:6], by)
    same = next(f"small{i}" for i in range(99) if sender.partition(f"small{i}") == sender.partition("big"))
    sender.file(same, b"small")
    program = transfers.start("--consumer_group_id", group)
    wait_for(lambda: transfers.tree == {same: b"small"}, "the small file")
    assert program.stop() == 0
    assert committed(kafka.bootstrap, transfers.topic, group)[sender.partition("big")] <= 0
    transfers.start("--consumer_group_id", group)
    sender.chunks(pieces[6:], by)
    wait_for(lambda: transfers.tree.get("big") == content, "the big file")


def test_a_missing_bucket_is_a_mistake_unless_it_may_be_made(
    transfers: Transfers, sender: Sender, store: Store
) -> None:
    name = unique("missing")
    refused = transfers.start(bucket=name)
    assert refused.exits() == 78
    assert f"there is no bucket {name} at {store.endpoint}: make it, or let --create_bucket make it" in refused.output
    sender.file("f", b"content")
    transfers.start("--create_bucket", bucket=name, name="second")
    wait_for(lambda: store.inside(name).head(f"{transfers.topic}/f"), "the file")


def test_wrong_keys_are_named_and_waited_for(transfers: Transfers, sender: Sender) -> None:
    sender.file("f", b"content")
    for name, wrong in (("secret", {"SECRET_KEY_ID": "wrong-secret"}), ("access", {"ACCESS_KEY_ID": "nobody"})):
        program = transfers.start(name=name, env=wrong)
        program.says("refuses these keys")
        assert "correct access_key_id and secret_key_id in [s3]" in program.output
        assert "wrong-secret" not in program.output
        assert program.stop() == 0
    assert transfers.inside.keys == []


def test_keys_may_stand_in_the_config_file_and_in_files(transfers: Transfers, sender: Sender, store: Store) -> None:
    sender.file("f", b"content")
    folder = transfers.folder / "transfer"
    folder.mkdir()
    (folder / "secret").write_text(store.login["SECRET_KEY_ID"] + "\n")
    given = {
        "SECRET_KEY_ID": "",
        "SECRET_KEY_ID_FILE": "secret",
        "ACCESS_KEY_ID": "",
        "LAB_KEY": store.login["ACCESS_KEY_ID"],
    }
    section = "[s3]\naccess_key_id = $LAB_KEY\nsecret_key_id = $SECRET_KEY_ID\n"
    program = transfers.start(env=given, config=section)
    wait_for(lambda: transfers.tree == {"f": b"content"}, "the file")
    assert store.login["SECRET_KEY_ID"] not in program.output
    assert "s3.secret_key_id=***" in program.output


def test_the_probe_leaves_nothing(transfers: Transfers) -> None:
    program = transfers.start()
    program.says("reading partitions")
    assert transfers.inside.keys == []
