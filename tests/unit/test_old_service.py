"""The file of openmsipython's Windows service, and the cluster's file that it names, run unchanged."""

from pathlib import Path

import pytest

from openmsi_core.errors import ConfigError
from openmsi_core.settings import load
from openmsi_downloader.settings import DownloadSettings
from openmsi_uploader.settings import WatchSettings
from tests.support import old_files
from tests.support.old_files import CLUSTER, SERVICE, refusal

LEAST = ["place", "--topic_name", "T"]


def service(folder: Path, **changes: str | None) -> None:
    """Write the service's file, changed, as config.config of ``folder``."""
    options = {**SERVICE["openmsi_directory_stream_service"], **changes}
    kept = {key: value for key, value in options.items() if value is not None}
    (folder / "config.config").write_text(old_files.text({"openmsi_directory_stream_service": kept}))


def test_the_services_config_alone_says_everything(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    service(tmp_path)
    (tmp_path / "cluster.config").write_text(old_files.text(CLUSTER))
    settings = load(WatchSettings, ["--config", "../config.config"], {"HOME": "/home/u"}, tmp_path / "elsewhere")
    assert settings.upload_dir == tmp_path / "elsewhere" / "watched"
    assert (settings.topic_name, settings.n_threads, settings.chunk_size) == ("lecroy_files", 5, 16384)
    assert settings.queue_bytes == 3000 * 16384
    assert settings.upload_existing is True
    assert settings.producer["sasl.password"] == "literal%pass#word"
    assert settings.remarks() == ()
    received = load(DownloadSettings, LEAST, {"HOME": "/home/u"}, tmp_path)
    assert received.consumer["group.id"] == "new"


@pytest.mark.parametrize(("given", "existing"), [(None, False), ("True", False), ("False", True), ("false", True)])
def test_which_files_the_service_sends(tmp_path: Path, given: str | None, existing: bool) -> None:
    service(tmp_path, new_files_only=given)
    (tmp_path / "cluster.config").write_text(old_files.text(CLUSTER))
    settings = load(WatchSettings, [], {"HOME": "/home/u"}, tmp_path)
    assert settings.upload_existing is existing


def test_the_services_queue_is_counted_in_messages_of_its_own_size(tmp_path: Path) -> None:
    (tmp_path / "cluster.config").write_text(old_files.text(CLUSTER))
    for size, expected in ((None, 100 * 16384), ("65536", 6_553_600)):
        service(tmp_path, queue_max_size="100", chunk_size=size)
        assert load(WatchSettings, [], {"HOME": "/home/u"}, tmp_path).queue_bytes == expected
    service(tmp_path, queue_max_size="many")
    with pytest.raises(ConfigError, match=r"queue_max_size in \[openmsi_directory_stream_service\] of .* cannot be"):
        load(WatchSettings, [], {"HOME": "/home/u"}, tmp_path)


@pytest.mark.parametrize(
    ("named", "place"),
    [
        ("cluster.config", "cluster.config"),
        ("cluster", "cluster.config"),
        ("sub/cluster.config", "sub/cluster.config"),
        ("{}/anywhere", "anywhere"),
        ("$WHERE", "from-a-variable.config"),
        # as openmsipython kept them, both with the same name
        ("config.config", "../../my_kafka/config_files/config.config"),
    ],
)
def test_where_the_clusters_file_may_be(tmp_path: Path, named: str, place: str) -> None:
    folder = tmp_path / "services" / "config_files"
    (folder / place).parent.resolve().mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / place).resolve().write_text(old_files.text(CLUSTER))
    service(folder, cluster_producer_config=named.format(folder))
    settings = load(WatchSettings, [], {"HOME": "/home/u", "WHERE": "from-a-variable"}, folder)
    assert settings.producer["bootstrap.servers"] == "pkc-1.example.org:9092"


@pytest.mark.parametrize("named", ["nowhere.config", "test", "config.config", "/nowhere/test.config"])
def test_a_service_without_its_clusters_file(tmp_path: Path, named: str) -> None:
    service(tmp_path, cluster_producer_config=named)
    text = (tmp_path / "config.config").read_text()
    assert f"names {named}, which is not there: put that file beside it" in refusal(tmp_path, text)


def test_a_service_that_names_no_cluster_at_all(tmp_path: Path) -> None:
    service(tmp_path, cluster_producer_config=None)
    line = refusal(tmp_path, (tmp_path / "config.config").read_text())
    assert "names no cluster: add [cluster] and [producer], or `cluster_producer_config = FILE`" in line


def test_two_files_that_both_say_which_cluster(tmp_path: Path) -> None:
    (tmp_path / "cluster.config").write_text(old_files.text(CLUSTER))
    for both in ("[broker]\nbootstrap.servers = b:1\n", "[producer]\nlinger.ms = 5\n"):
        line = refusal(tmp_path, old_files.text(SERVICE) + both)
        assert f"is in {tmp_path}/config.config and in cluster.config, which it names: keep one of the two" in line


def test_a_clusters_file_without_a_cluster(tmp_path: Path) -> None:
    (tmp_path / "cluster.config").write_text("[producer]\nlinger.ms = 5\n")
    assert "names cluster.config, which has no [cluster]" in refusal(tmp_path, old_files.text(SERVICE))


def test_encryption_in_the_clusters_file_is_not_forgotten(tmp_path: Path) -> None:
    sections = {**CLUSTER, "kafkacrypto": {"node_id": "n"}}
    (tmp_path / "cluster.config").write_text(old_files.text(sections))
    assert "the node n has no n.config" in refusal(tmp_path, old_files.text(SERVICE))


def test_what_is_common_in_the_clusters_file_counts_there(tmp_path: Path) -> None:
    (tmp_path / "cluster.config").write_text("[DEFAULT]\nclient.id = lab\n" + old_files.text(CLUSTER))
    service(tmp_path)
    assert load(WatchSettings, [], {"HOME": "/home/u"}, tmp_path).producer["client.id"] == "lab"


BAD = {
    "a key nobody knows": ("file_dir = x\n", "has no option 'file_dir' (did you mean file_directory?)"),
    "a key of another section": ("bootstrap.servers = x\n", "has no option 'bootstrap.servers'"),
    "a key twice": ("topic_name = a\n", "has 'topic_name' twice"),
    "two keys for one thing": ("upload_dir = b\n", "upload_dir in "),
    "contradictory": ("upload_existing = no\n", "contradict each other: keep one of the two"),
    "the program twice": ("[DataFileUploadDirectory]\nn_threads = 1\n", "are one program: keep one of the two"),
    "a section twice": ("[openmsi_directory_stream_service]\n", "is there twice"),
}


@pytest.mark.parametrize("mistake", BAD)
def test_a_mistake_in_the_services_section(tmp_path: Path, mistake: str) -> None:
    (tmp_path / "cluster.config").write_text(old_files.text(CLUSTER))
    added, complaint = BAD[mistake]
    assert complaint in refusal(
        tmp_path, old_files.text(SERVICE).rstrip() + "\n" + added, "config.config", "--n_t", "1"
    )


def test_old_names_of_options_belong_to_the_services_section_alone(tmp_path: Path) -> None:
    text = "[broker]\nbootstrap.servers = b:1\n[{}]\nfile_directory = x\n"
    assert "has no option 'file_directory'" in refusal(tmp_path, text.format("DataFileUploadDirectory"))
    assert "has no option 'file_directory'" in refusal(tmp_path, text.format("DEFAULT"))
    (tmp_path / "cluster.config").write_text(old_files.text(CLUSTER))
    common = old_files.text(SERVICE) + "[DEFAULT]\nfile_directory = x\n"
    assert "[DEFAULT] has no option 'file_directory'" in refusal(tmp_path, common)
