"""Config files of earlier systems do what they did, and a mistake in one is one line."""

from pathlib import Path

import pytest

from openmsi_core.config_file import read_config
from openmsi_core.encryption.node import Node
from openmsi_core.errors import ConfigError
from openmsi_core.settings import ProgramSettings, load
from openmsi_downloader.settings import DownloadSettings
from openmsi_uploader.settings import FileSettings, WatchSettings
from tests.support import old_files
from tests.support.old_files import ENVIRON, KAFKACRYPTO, OPENMSISTREAM, SERVICE, refusal

LEAST = ["place", "--topic_name", "T"]
NAMES = ENVIRON | {"HOME": "/home/u"}


def started(model: type[ProgramSettings], folder: Path, *argv: str) -> ProgramSettings:
    """The settings of a program started in ``folder``."""
    return load(model, argv or LEAST, NAMES, folder)


def test_there_are_as_many_kinds_as_in_openmsistream() -> None:
    assert len(OPENMSISTREAM) + 1 == 24


@pytest.mark.parametrize("model", [WatchSettings, FileSettings, DownloadSettings])
@pytest.mark.parametrize("kind", OPENMSISTREAM)
def test_every_kind_of_config_file(tmp_path: Path, kind: str, model: type[ProgramSettings]) -> None:
    sections = OPENMSISTREAM[kind]
    (tmp_path / "config.config").write_text(old_files.text(sections))
    assert dict(read_config(tmp_path / "config.config").sections) == sections
    node = None
    if "kafkacrypto" in sections:
        node = Node(tmp_path / (name := sections["kafkacrypto"]["node_id"]), name)
        with pytest.raises(ConfigError, match=f"the node {name} has no {name}.config"):
            started(model, tmp_path)
        node.folder.mkdir()
        node.config.touch()
    settings = started(model, tmp_path)
    assert settings.node == node
    (client,) = model.clients
    expected = {key: old_files.ENVIRON.get(value[1:], value) for key, value in sections["broker"].items()}
    assert settings.broker == expected
    own = {key: value for key, value in sections.get(client, {}).items() if "serializer" not in key}
    assert getattr(settings, client) == expected | own
    strings = "String" in sections.get(client, {}).get(f"value.{'de' * (client == 'consumer')}serializer", "")
    assert [remark.partition(" of ")[0] for remark in settings.remarks()] == (
        [f"value.{'de' * (client == 'consumer')}serializer in [{client}]"] if strings else []
    )


def test_a_file_of_kafkacryptos_own(tmp_path: Path) -> None:
    path = tmp_path / "node.config"
    path.write_text(old_files.text(KAFKACRYPTO).replace(" = ", " : "))
    assert read_config(path).sections == {"kafkacrypto": {"config_file": str(path)}}
    with pytest.raises(ConfigError, match="no broker is named"):
        started(WatchSettings, tmp_path, *LEAST, "--config", str(path))
    path.write_text(old_files.text({**KAFKACRYPTO, "some-nodes": {}}))
    with pytest.raises(ConfigError, match=r"nobody knows the section \[some-node\]"):
        read_config(path)


def test_keys_of_sections_that_are_not_kafkas(tmp_path: Path) -> None:
    text = "[broker]\nbootstrap.servers = b:1\n"
    assert "[s3] has no 'acces_key_id' (did you mean access_key_id?)" in refusal(
        tmp_path, f"{text}[s3]\nacces_key_id=x"
    )
    assert "[kafkacrypto] has no 'node'" in refusal(tmp_path, f"{text}[kafkacrypto]\nnode = x\n")


def test_a_serializer_that_openmsistream_did_not_have(tmp_path: Path) -> None:
    text = "[broker]\nbootstrap.servers = b:1\n[producer]\nvalue.serializer = AvroSerializer\n"
    assert "works with DataFileChunkSerializer only" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{'broker': 's3cret'}", "line 1: this stands before the first [section]"),
        ("# µm\n[broker]\nbootstrap.servers = b:1\n".encode("cp1252"), "is not UTF-8 text (byte 3): save it as UTF-8"),
        ("[broker]\nbootstrap.servers = b:1\n".encode("utf-16"), "is not UTF-8 text (byte 1): save it as UTF-8"),
        (b"\x00\xff\xfe\x00", "is not UTF-8 text"),
        ("", "no broker is named"),
    ],
)
def test_what_is_no_config_file(tmp_path: Path, content: str | bytes, complaint: str) -> None:
    assert complaint in refusal(tmp_path, content)
    (tmp_path / "config.config").write_text(old_files.text(SERVICE))
    if content:
        assert complaint in refusal(tmp_path, content, "cluster.config")


def test_a_folder_in_place_of_the_clusters_file(tmp_path: Path) -> None:
    (tmp_path / "cluster.config").mkdir()
    assert "cluster.config, is a folder" in refusal(tmp_path, old_files.text(SERVICE))
