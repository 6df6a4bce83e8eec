"""Programs with a node of their own: what happens when it breaks, ends or is taken away, and that nothing is lost."""

import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest
from confluent_kafka import Producer

from openmsi_core.encryption.node import Node
from tests.support.broker import Broker
from tests.support.downloading import Downloads
from tests.support.encrypting import Nodes, section
from tests.support.running import Program, Programs, wait_for
from tests.support.telling import Uploads

GRACE = 20.0
"""Seconds in which a program must have ended; Docker Compose gives ours 30."""


@pytest.fixture
def programs(kafka: Broker, tmp_path: Path) -> Iterator[Programs]:
    made = Programs(kafka.bootstrap, tmp_path / "programs")
    yield made
    made.kill()


def drop(uploads: Uploads, name: str, content: bytes = b"the secret ") -> None:
    (uploads.folder / "data" / name).write_bytes(content * 1000)


def patched(folder: Path, *lines: str) -> tuple[str, ...]:
    """A command: the uploader of ``data`` after some changes to it; its arguments follow."""
    script = folder / "patched.py"
    script.write_text(
        "import sys, threading, time\n"
        "from openmsi_core.encryption import crypto, opening, watch\n"
        "from openmsi_uploader.watch_command import main\n" + "\n".join(lines) + "\nsys.exit(main())\n"
    )
    return sys.executable, str(script)


def run_patched(programs: Programs, topic: str, node: Node, *lines: str) -> Program:
    folder = programs.folder / "patched"
    (folder / "data").mkdir(parents=True)
    command = (*patched(folder, *lines), str(folder / "data"), "--topic_name", topic)
    return programs.run("patched", *command, config=section(node))


def test_killed_just_after_the_first_record(uploads: Uploads, downloads: Downloads, topic: str, nodes: Nodes) -> None:
    up, down = nodes.make("up", "producer", topic), nodes.make("down", "consumer", topic)
    uploader = uploads.start(config=section(up))
    uploader.says("records are encrypted")
    drop(uploads, "first")
    uploader.says("sent first")
    uploader.kill()
    downloader = downloads.start(config=section(down))
    downloader.says("reading partitions")
    again = uploads.start(config=section(up))
    wait_for(lambda: "first" in downloads.tree, "the file whose key only the killed process had in memory", 60)
    assert again.stop(seconds=GRACE) == 0
    assert downloader.stop(seconds=GRACE) == 0


def test_keys_change_every_second(uploads: Uploads, downloads: Downloads, topic: str, nodes: Nodes) -> None:
    up = nodes.make("up", "producer", topic)
    up.config.write_text(up.config.read_text().replace("[up]\n", "[up]\ncrypto_ratchet_interval : 1\n"))
    uploader = uploads.start(config=section(up))
    uploader.says("records are encrypted")
    downloads.start(config=section(nodes.make("down", "consumer", topic)))
    names = {f"file{number}" for number in range(24)}
    for name in sorted(names):
        drop(uploads, name, name.encode())
        time.sleep(0.25)
    wait_for(lambda: downloads.tree.keys() == names, "all files", 60)
    late = Downloads(downloads.bootstrap, topic, uploads.folder / "late")
    try:
        late.start(config=section(nodes.make("late", "consumer", topic)))
        wait_for(lambda: late.tree == downloads.tree, "all files with old keys", 60)
    finally:
        late.kill()
    assert msgpack.unpackb(up.seed.read_bytes())[0] >= 5
    assert uploader.stop(seconds=GRACE) == 0


def test_the_node_s_folder_goes_and_comes_back(
    uploads: Uploads, downloads: Downloads, topic: str, nodes: Nodes
) -> None:
    up, down = nodes.make("up", "producer", topic), nodes.make("down", "consumer", topic)
    uploader = uploads.start(config=section(up))
    uploader.says("records are encrypted")
    away = up.folder.rename(up.folder.with_name("away"))
    drop(uploads, "meanwhile")
    assert uploader.exits(GRACE) == 78
    log = (uploader.state / "DataFileUploadDirectory.log").read_text()
    for text in (uploader.output, log):
        assert f"{up.folder} is gone, or is not what it was: bring back the files of node up" in text
    away.rename(up.folder)
    uploads.start(config=section(up)).says("records are encrypted")
    downloads.start(config=section(down))
    wait_for(lambda: "meanwhile" in downloads.tree, "the file", 60)


_HOLD = """
real = crypto.KafkaCryptoCipher.prime
def prime(self, topics):
    real(self, topics)
    threading.Thread(target=lambda: (self._keys._lock.acquire(), time.sleep(600)), daemon=True).start()
crypto.KafkaCryptoCipher.prime = prime
"""
_DIE = """
real = crypto.KafkaCryptoCipher.prime
def prime(self, topics):
    real(self, topics)
    def fail(): raise OSError(28, "No space left on device")
    self._keys._seed.increment, self._keys.CRYPTO_RATCHET_INTERVAL = fail, 0
crypto.KafkaCryptoCipher.prime = prime
"""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_HOLD, "of node up hangs; ending at once"),
        (_DIE, "of node up has died ([Errno 28] No space left on device): see"),
    ],
)
def test_a_lock_that_is_never_given_back_ends_the_program(
    programs: Programs, topic: str, nodes: Nodes, change: str, words: str
) -> None:
    program = run_patched(programs, topic, nodes.make("up", "producer", topic), "watch._STUCK_TURNS = 2", change)
    assert program.exits(GRACE) == 70
    for text in (program.output, (program.state / "DataFileUploadDirectory.log").read_text()):
        assert f"the exchange of keys {words}" in text
        assert text.endswith("so that a restart mends it\n")


def test_a_certificate_ends_and_another_is_renewed_over_its_topic(
    programs: Programs, kafka: Broker, topic: str, nodes: Nodes
) -> None:
    from openmsi_core.encryption.certificates import sign, standing_of
    from openmsi_core.encryption.making import make_root

    up = nodes.make("up", "producer", topic, days=9 / 86_400)
    program = run_patched(programs, topic, up, "opening._LEAST_DAYS = 0")
    program.says("records are encrypted")
    public = standing_of(up).public
    newer = sign(make_root(nodes.folder / "root"), public, "producer", [topic], 15 / 86_400)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce("chains", newer, bytes.fromhex(public), partition=0)
    assert producer.flush(10) == 0
    program.says("the certificate of node up was renewed, it is good until")
    renewed = time.monotonic()
    assert program.exits(40) == 78
    assert time.monotonic() - renewed > 6  # the first one ended before
    assert "certificate of node up has ended, nobody takes its keys now: renew it with openmsi provision" in (
        program.output
    )
    assert "Traceback" not in program.output


def test_no_broker_at_the_start(topic: str, nodes: Nodes, tmp_path: Path, kafka: Broker) -> None:
    nowhere = Programs("127.0.0.1:1", tmp_path / "nowhere")
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "data").mkdir()
    one = ("UploadDataFile", str(tmp_path / "file"), "--topic_name", topic)
    watch = ("DataFileUploadDirectory", str(tmp_path / "data"), "--topic_name", topic)
    short, stopped, long = (section(nodes.make(name, "producer", topic)) for name in ("one", "two", "three"))
    try:
        impatient = nowhere.run("one", *one, "--timeout_seconds", "3", config=short)
        patient = nowhere.run("two", *one, config=stopped)
        watching = nowhere.run("three", *watch, config=long)
        patient.says("does not answer")
        assert patient.stop(seconds=GRACE) == 69  # nothing was sent
        watching.says("does not answer")
        assert (
            "does not answer" in next(watching.state.glob("heartbeat-*.json")).read_text()
        )  # the health check says so
        assert watching.stop(seconds=GRACE) == 0
        assert impatient.exits(GRACE) == 69
        assert "the broker 127.0.0.1:1 did not answer within 3 s" in impatient.output
    finally:
        nowhere.kill()


def test_a_wrong_password_is_said(kafka: Broker, topic: str, nodes: Nodes, tmp_path: Path) -> None:
    secure = Programs(kafka.sasl_bootstrap, tmp_path / "secure")
    (tmp_path / "file").write_bytes(b"x")
    try:
        program = secure.run(
            "one",
            *("UploadDataFile", str(tmp_path / "file"), "--topic_name", topic),
            config=section(nodes.make("up", "producer", topic)) + "[DEFAULT]\nsecurity.protocol = SASL_PLAINTEXT\n",
            env={"CONFLUENT_USERNAME": "lab", "CONFLUENT_PASSWORD": "wrong-password"},
        )
        assert program.exits(GRACE) == 78
        assert "the broker refused the user name or password" in program.output
        assert "wrong-password" not in program.output
    finally:
        secure.kill()


def test_a_broker_that_is_frozen_at_the_start_and_at_the_end(own_kafka: Broker, nodes: Nodes, tmp_path: Path) -> None:
    topic = own_kafka.create_topic()
    uploads = Uploads(own_kafka.bootstrap, topic, tmp_path / "lab")
    downloads = Downloads(own_kafka.bootstrap, topic, tmp_path)
    try:
        own_kafka.freeze()
        uploader = uploads.start(config=section(nodes.make("up", "producer", topic)))
        uploader.says("does not answer", 60)
        drop(uploads, "first")  # while nothing can be encrypted yet: new, not "there before the first start"
        own_kafka.thaw()
        downloader = downloads.start(config=section(nodes.make("down", "consumer", topic)))
        wait_for(lambda: "first" in downloads.tree, "the first file", 60)
        own_kafka.freeze()
        drop(uploads, "second")
        for program in (uploader, downloader):
            program.process.send_signal(signal.SIGTERM)
        assert (uploader.exits(GRACE), downloader.exits(GRACE)) == (0, 0)
    finally:
        own_kafka.thaw()
        uploads.kill()
        downloads.kill()


def test_nothing_secret_in_any_log(uploads: Uploads, downloads: Downloads, topic: str, nodes: Nodes) -> None:
    up, down = nodes.make("up", "producer", topic), nodes.make("down", "consumer", topic)
    loud = ("--logger_file_level", "debug", "--logger_stream_level", "debug")
    uploader = uploads.start(*loud, config=section(up))
    uploader.says("records are encrypted")
    drop(uploads, "first", b"the plain text of it")
    downloader = downloads.start(*loud, config=section(down))
    wait_for(lambda: "first" in downloads.tree, "the file", 60)
    assert (uploader.stop(seconds=GRACE), downloader.stop(seconds=GRACE)) == (0, 0)
    secrets = [b"the plain text of it"]
    for node in (up, down):
        secrets.append(msgpack.unpackb(node.seed.read_bytes())[1])
        _version, signing, wrapping, *_ = msgpack.unpackb(node.crypto.read_bytes(), raw=True)
        secrets += [signing[0], wrapping]
    logs = [path for path in uploads.folder.parent.rglob("*") if path.suffix in (".txt", ".log") and path.is_file()]
    logs = [path for path in logs if "kafka" not in path.name and "data" not in path.parts]
    assert len(logs) >= 4
    for path in logs:
        content = path.read_bytes()
        for secret in secrets:
            for form in (secret, secret.hex().encode(), repr(secret)[2:-1].encode()):
                assert form not in content, path


def test_a_node_is_used_by_one_program(uploads: Uploads, programs: Programs, topic: str, nodes: Nodes) -> None:
    up = nodes.make("up", "producer", topic)
    uploads.start(config=section(up)).says("records are encrypted")
    (programs.folder / "two" / "data").mkdir(parents=True)
    command = ("DataFileUploadDirectory", str(programs.folder / "two" / "data"), "--topic_name", topic)
    program = programs.run("two", *command, config=section(up))
    assert program.exits(GRACE) == 78
    assert "is in use by DataFileUploadDirectory (node up) (process" in program.output
    shutil.rmtree(programs.folder)
