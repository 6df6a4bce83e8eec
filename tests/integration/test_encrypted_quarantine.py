"""Records that cannot be decrypted: kept, explained, brought back once their key is to be had; and plain ones."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from openmsi_core.encryption.cipher import is_encrypted
from openmsi_core.encryption.node import Node
from tests.support.broker import Broker, unique
from tests.support.downloading import Downloads
from tests.support.encrypting import Nodes, section
from tests.support.reports import records
from tests.support.running import wait_for
from tests.support.sending import Sender
from tests.support.telling import Uploads

OPENMSI = Path(sys.executable).with_name("openmsi")
REPRODUCE = (sys.executable, "-c", "import sys; from openmsi_admin.reproduce import main; sys.exit(main())")
FILES = {"large": bytes(range(256)) * 2000, "small": b"small", "empty": b""}
NAME = re.compile(
    r"encrypted_message_from_(.+)_received_on_[A-Z][a-z]{2}_\d\d_\d{4}_at_\d\d_\d\d_\d\d_\d{6}_(key|value)\.bin"
)


@pytest.fixture
def nodes(tmp_path: Path, topic: str) -> Nodes:
    made = Nodes(tmp_path / "nodes")
    made.make("up", "producer", topic)
    made.make("down", "consumer", topic)
    return made


def config(nodes: Nodes, name: str) -> str:
    return section(Node(nodes.folder / name, name))


def send(uploads: Uploads, nodes: Nodes, files: dict[str, bytes]) -> None:
    """Send ``files`` encrypted, and stop the uploader."""
    for name, content in files.items():
        (uploads.folder / "data" / name).write_bytes(content)
    uploader = uploads.start("--chunk_size", "100000", "--upload_existing", config=config(nodes, "up"))
    wait_for(lambda: uploader.output.count("sent ") >= len(files), "all files to be sent")
    assert uploader.stop() == 0


def run(kafka: Broker, *command: object) -> tuple[int, str]:
    done = subprocess.run(
        [str(each) for each in command], capture_output=True, text=True, env={"PATH": os.environ["PATH"]}, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_what_nobody_gives_the_key_of_is_kept_and_comes_back_whole(
    kafka: Broker, topic: str, nodes: Nodes, uploads: Uploads, downloads: Downloads, tmp_path: Path
) -> None:
    send(uploads, nodes, FILES)
    sent = len(records(kafka.bootstrap, topic))
    group = unique("group")
    options = ("--consumer_group_id", group)
    downloader = downloads.start(*options, "--max_wait_per_decrypt", "0.5", config=config(nodes, "down"))
    wait_for(lambda: len(downloads.reasons) == sent, "all records in quarantine")
    assert "because nobody gave their key" in downloader.output
    wait_for(lambda: sum(max(0, at) for at in downloads.committed(group).values()) == sent, "their offsets")
    assert downloads.tree == {}
    assert downloader.stop() == 0
    kept = sorted((downloads.out / ".openmsi" / "quarantine").iterdir())
    assert [len(list(entry.iterdir())) for entry in kept] == [3] * sent
    for file in (file for entry in kept for file in entry.glob("*.bin")):
        found = NAME.fullmatch(file.name)
        assert found
        assert found[1] == topic
        assert is_encrypted(file.read_bytes())
    code, listed = run(kafka, OPENMSI, "quarantine", "list", downloads.out, "--json")
    assert code == 0
    assert {entry["kind"] for entry in json.loads(listed)} == {"encrypted"}
    (tmp_path / "ours.config").write_text(f"[broker]\nbootstrap.servers = {kafka.bootstrap}\n")
    flat = tmp_path / "flat"
    flat.mkdir()
    for entry in kept:
        shutil.copytree(entry, tmp_path / "copies" / entry.name)
        for file in entry.glob("*.bin"):
            if not (flat / file.name).exists():  # several have one millisecond: OpenMSIStream keeps the last of them
                shutil.copy(file, flat)

    uploads.start(config=config(nodes, "up")).says("records are encrypted")  # the node answers again
    downloader = downloads.start(*options, config=config(nodes, "down"))
    code, said = run(kafka, OPENMSI, "quarantine", "retry", "--config", tmp_path / "ours.config", *kept)
    assert (code, said.count("sent partition")) == (0, sent), said
    wait_for(lambda: downloads.tree == FILES, "all files")
    assert list((downloads.out / ".openmsi" / "quarantine").iterdir()) == []
    before = {name: (downloads.out / name).stat().st_ino for name in FILES}

    for copy in (tmp_path / "copies").iterdir():  # as after kill -9 before an entry was removed
        shutil.copytree(copy, downloads.out / ".openmsi" / "quarantine" / copy.name)
    theirs = nodes.folder / "up" / "theirs.config"
    theirs.write_text(f"[DEFAULT]\nnode_id : up\n[up-kafka]\nbootstrap_servers : {kafka.bootstrap}\n")
    code, said = run(kafka, *REPRODUCE, tmp_path / "ours.config", downloads.out)
    assert (code, said.count("again")) == (0, sent), said
    code, said = run(kafka, *REPRODUCE, theirs, flat)
    assert code == 0
    assert f"to topic {topic} again" in said
    sent = len(records(kafka.bootstrap, topic))
    wait_for(lambda: sum(max(0, at) for at in downloads.committed(group).values()) == sent, "the repeats")
    assert downloader.stop() == 0
    assert downloads.tree == FILES
    assert {name: (downloads.out / name).stat().st_ino for name in FILES} == before
    assert [reason["reason"] for reason in downloads.reasons] == []


def test_plain_changed_and_repeated_records(
    kafka: Broker, topic: str, nodes: Nodes, uploads: Uploads, downloads: Downloads, sender: Sender
) -> None:
    send(uploads, nodes, FILES)
    sender.file("plain", b"plain")
    (plain,) = [each for each in records(kafka.bootstrap, topic) if not is_encrypted(each.value() or b"")]
    for message in [each for each in records(kafka.bootstrap, topic) if is_encrypted(each.value() or b"")]:
        key, value, partition = message.key(), message.value(), message.partition() or 0
        assert isinstance(key, bytes)
        assert isinstance(value, bytes)
        headers = cast(list[tuple[str, bytes]], message.headers() or [])
        sender.record(key, value, partition, headers)  # a hostile broker does that
        sender.record(key, value[:-1] + bytes([value[-1] ^ 1]), partition, headers)
    sender.record(b"key", b"\x01\x93 and no more", 0)
    changed = len(records(kafka.bootstrap, topic)) // 2 - 1
    uploads.start(config=config(nodes, "up")).says("records are encrypted")
    downloader = downloads.start(config=config(nodes, "down"))
    wait_for(lambda: downloads.tree == FILES, "the encrypted files")
    wait_for(lambda: len(downloads.reasons) > 5, "the others")
    assert downloader.stop() == 0
    reasons = [str(reason["reason"]) for reason in downloads.reasons]
    assert sum("it was changed on its way" in reason for reason in reasons) >= 1, (reasons, changed)
    assert sum("--treat_undecryptable_as_plaintext" in reason for reason in reasons) == 1
    assert sum("it is not in KafkaCrypto's format" in reason for reason in reasons) == 1
    assert downloader.output.count("skipped") or "repeat" in downloader.output
    entry = next(
        p for p in (downloads.out / ".openmsi" / "quarantine").iterdir() if "changed" in (p / "reason.json").read_text()
    )
    assert "of no use" in run(kafka, OPENMSI, "quarantine", "retry", entry)[1]

    both = downloads.start(
        "--treat_undecryptable_as_plaintext", "--consumer_group_id", unique("group"), config=config(nodes, "down")
    )
    wait_for(lambda: downloads.tree == FILES | {"plain": b"plain"}, "the plain file, too")
    assert "RECORDS THAT ARE NOT ENCRYPTED ARE TAKEN, TOO" in both.output
    assert both.stop() == 0
    assert plain.partition() == sender.partition("plain")
