"""The programs by their names in openmsipython 0.0.1, and old config files, against a real broker with a login."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import old_files
from tests.support.broker import PASSWORD, USER, Broker
from tests.support.downloading import tree
from tests.support.reading_back import Receiver
from tests.support.running import Program, wait_for

QUICK = {"OPENMSI_WATCHDOG_LAG_TIME": "0.1", "OPENMSI_RESCAN_SECONDS": "0.5"}
NO_VARIABLES = tuple(
    word for name in ("BOOTSTRAP_SERVERS", "USERNAME", "PASSWORD") for word in ("-u", f"CONFLUENT_{name}")
)


class Lab:
    """A folder with the old config files, in which programs are started."""

    def __init__(self, folder: Path, kafka: Broker, topic: str) -> None:
        self.folder = folder
        self.topic = topic
        self.running: list[Program] = []
        login = {"security.protocol": "SASL_PLAINTEXT", "sasl.username": USER, "sasl.password": PASSWORD}
        cluster = {**old_files.CLUSTER["cluster"], "bootstrap.servers": kafka.sasl_bootstrap, **login}
        self.write("cluster.config", {**old_files.CLUSTER, "cluster": cluster})
        (folder / "watched").mkdir()
        (folder / "watched" / "before.dat").write_bytes(b"was there")

    def write(self, name: str, sections: old_files.Sections) -> None:
        """A config file."""
        (self.folder / name).write_text(old_files.text(sections))

    def service(self, **options: str) -> None:
        """The service's file with other ``options``."""
        (name,) = old_files.SERVICE
        own = {"file_directory": "watched", "cluster_producer_config": "cluster", "topic_name": self.topic}
        self.write("service.config", {name: own | options})

    def run(self, *command: str, **environ: str) -> Program:
        """Start a program in the lab, without any variable for the broker."""
        variables = QUICK | {"OPENMSI_STATE_DIR": str(self.folder / f"state of {command[0]}")} | environ
        prefix = ("env", *NO_VARIABLES)
        program = Program(self.folder, "127.0.0.1:9", *command, env=variables, prefix=prefix)
        self.running.append(program)
        return program

    def old(self, *command: str, **environ: str) -> Program:
        """The same with the cluster's file and the topic on the command line."""
        return self.run(*command, "--config", "cluster.config", "--topic_name", self.topic, **environ)


@pytest.fixture
def lab(tmp_path: Path, kafka: Broker, topic: str) -> Iterator[Lab]:
    """A lab whose programs are ended with the test."""
    lab = Lab(tmp_path, kafka, topic)
    yield lab
    for program in lab.running:
        program.kill()


def test_the_old_watching_program_sends_what_is_there_and_what_comes(lab: Lab, receiver: Receiver) -> None:
    options = ("--n_threads", "5", "--chunk_size", "16384", "--queue_max_size", "3000", "--update_seconds", "30")
    program = lab.old("upload_data_files_added_to_directory", "watched", *options)
    receiver.until_files({"before.dat": b"was there"})
    (lab.folder / "watched" / "new.dat").write_bytes(b"x" * 40_000)
    receiver.until_files({"before.dat": b"was there", "new.dat": b"x" * 40_000})
    (big,) = [arrived for arrived in receiver.uploads if arrived.path == "new.dat"]
    assert len(big.chunks) == 3
    assert program.stop() == 0


def test_todays_name_goes_on_where_the_old_one_stopped(lab: Lab, receiver: Receiver) -> None:
    state = {"OPENMSI_STATE_DIR": str(lab.folder / "state")}
    program = lab.old("upload_data_files_added_to_directory", "watched", **state)
    receiver.until_files({"before.dat": b"was there"})
    assert program.stop() == 0
    (lab.folder / "watched" / "meanwhile.dat").write_bytes(b"meanwhile")
    program = lab.old("DataFileUploadDirectory", "watched", **state)
    receiver.until_files({"before.dat": b"was there", "meanwhile.dat": b"meanwhile"})
    assert program.stop() == 0
    assert receiver.versions("before.dat") == [b"was there"]


def test_the_old_watching_program_can_be_told_to_send_new_files_only(lab: Lab, receiver: Receiver) -> None:
    program = lab.old("upload_data_files_added_to_directory", "watched", "--new_files_only")
    program.says("1 files that are there already are not sent")
    (lab.folder / "watched" / "new.dat").write_bytes(b"new")
    receiver.until_files({"new.dat": b"new"})
    assert program.stop() == 0


def test_one_file_there_and_back(lab: Lab) -> None:
    assert lab.old("upload_data_file", "watched/before.dat", "--n_threads", "5", "--chunk_size", "1024").exits() == 0
    line = ("reconstruct_data_files", "rebuilt", "--n_threads", "5", "--update_seconds", "-1")
    program = lab.old(*line)
    wait_for(lambda: tree(lab.folder / "rebuilt") == {"before.dat": b"was there"}, "the file")
    assert program.stop() == 0
    assert "group openmsi-" in program.output, "group.id = new is a group of its own"


@pytest.mark.parametrize("existing", [True, False])
def test_the_services_config_is_all_the_uploader_needs(lab: Lab, receiver: Receiver, existing: bool) -> None:
    lab.service(new_files_only=str(not existing), n_threads="5", chunk_size="16384", queue_max_size="3000")
    program = lab.run("DataFileUploadDirectory", "--config", "service.config")
    program.says("starts")
    before = {"before.dat": b"was there"} if existing else {}
    program.says("before.dat" if existing else "1 files that are there already are not sent")
    (lab.folder / "watched" / "new.dat").write_bytes(b"new")
    receiver.until_files({**before, "new.dat": b"new"})
    assert program.stop() == 0
    assert " WARN" not in program.output


def test_an_uploader_runs_on_migrated_files(lab: Lab, receiver: Receiver) -> None:
    lab.service(new_files_only="False")
    assert lab.run("openmsi", "migrate-config", "service.config", "--out", "new").exits() == 0
    for path in ("service.config", "cluster.config"):
        (lab.folder / path).unlink()
    assert PASSWORD not in (lab.folder / "new" / "config.config").read_text()
    program = lab.run("DataFileUploadDirectory", "--config", "new/config.config", OPENMSI_ENV_FILE="new/openmsi.env")
    receiver.until_files({"before.dat": b"was there"})
    assert program.stop() == 0
    assert PASSWORD not in program.output
