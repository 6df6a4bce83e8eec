"""Files through an encrypted topic: readable at both ends, and nowhere between."""

from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.downloading import Downloads
from tests.support.encrypting import Nodes, section
from tests.support.reports import records
from tests.support.running import wait_for
from tests.support.telling import Uploads


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    return Nodes(tmp_path / "nodes")


def test_files_travel_and_nobody_else_reads_them(
    kafka: Broker, topic: str, nodes: Nodes, downloads: Downloads, tmp_path: Path
) -> None:
    up, down = nodes.make("up", "producer", topic), nodes.make("down", "consumer", topic)
    uploads = Uploads(kafka.bootstrap, topic, tmp_path / "lab")
    data = tmp_path / "lab" / "data"
    files = {f"secret-{number}.txt": f"the secret {number} ".encode() * 100_000 for number in range(4)}
    try:
        uploader = uploads.start(config=section(up))
        uploader.says("records are encrypted")
        for name, content in files.items():
            (data / name).write_bytes(content)
        downloader = downloads.start(config=section(down))
        wait_for(lambda: downloads.tree == files, "all files")
        for message in records(kafka.bootstrap, topic):
            assert b"secret" not in (message.value() or b"")
            assert b"secret" not in (message.key() or b"")
        assert downloader.stop() == 0
        assert uploader.stop() == 0
    finally:
        uploads.kill()
