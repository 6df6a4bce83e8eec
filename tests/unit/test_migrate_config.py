"""`openmsi migrate-config`: both new files together mean what the old one meant, and secrets are in one of them."""

import stat
from pathlib import Path

import pytest

from openmsi_admin.main import main
from openmsi_admin.migrated import _SET_BY_US as SET_BY_US
from openmsi_core.config_file import read_config
from openmsi_core.env_file import parse_env_file
from openmsi_core.errors import ConfigError
from openmsi_core.kafka import _PRODUCER_ALIASES as PRODUCER_ALIASES
from openmsi_core.kafka import _SAFE_CONSUMER as SAFE_CONSUMER
from openmsi_core.kafka import _SAFE_PRODUCER as SAFE_PRODUCER
from openmsi_core.kafka_options import SERIALIZERS
from openmsi_core.settings import ProgramSettings, load
from openmsi_downloader.settings import DownloadSettings
from openmsi_uploader.settings import FileSettings, WatchSettings
from tests.support import old_files
from tests.support.old_files import CLUSTER, ENVIRON, KAFKACRYPTO, OPENMSISTREAM, SERVICE, Sections

LITERAL: Sections = {
    **CLUSTER,
    "cluster": {**CLUSTER["cluster"], "ssl.key.password": "$$dollar ${x}", "client.id": "lab"},
    "heartbeat": {"bootstrap.servers": "other:1", "sasl.username": "hb", "sasl.password": "beats!"},
    "log": {"sasl.password": "literal%pass#word"},
    "s3": {"access_key_id": "AK", "secret_key_id": "s/k", "endpoint_url": "https://s3", "region": "r"},
    "DEFAULT": {"update_seconds": "30", "socket.timeout.ms": "5000"},
    "upload_data_file": {"chunk_size": "16384"},
    "reconstruct_data_files": {"consumer_group_ID": "lab group", "n_threads": "5"},
    "upload_data_files_added_to_directory": {"upload_regex": "$REGEX", "new_files_only": "true"},
    "S3TransferStreamProcessor": {"mode": "both", "bucket_name": "b"},
}
LITERALS = ("literal%pass#word", "LITERALUSER", "pkc-1.example.org", "dollar", "beats!", "s/k", "AK", "https://s3")
NO_USE = {*SERIALIZERS, "retries", "enable.auto.commit"}
KINDS: dict[str, Sections] = {
    **{name: sections for name, sections in OPENMSISTREAM.items() if "kafkacrypto" not in sections},
    "openmsipython": CLUSTER,
    "literal": LITERAL,
    "service": SERVICE,
}


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An old file that is to be written, in the folder where the command runs; the cluster's file is there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cluster.config").write_text(old_files.text(CLUSTER))
    return tmp_path / "old.config"


def settings_in(model: type[ProgramSettings], folder: Path, environ: dict[str, str], *argv: str) -> dict[str, object]:
    """What a program started in ``folder`` works with; what has no use for it is left out."""
    found = load(model, ["place", "--topic_name", "T", "--state_dir", "/state", *argv], environ, folder).model_dump()
    for client in ("broker", "producer", "consumer", "heartbeat", "log"):
        found[client] = {key: value for key, value in found[client].items() if key not in NO_USE}
    same = {key: value for key, value in found.items() if key not in ("config", "notices", model.place)}
    return same | {"new_files_only": None}  # has done its work


@pytest.mark.parametrize("model", [WatchSettings, FileSettings, DownloadSettings])
@pytest.mark.parametrize("kind", KINDS)
def test_the_new_files_mean_what_the_old_one_meant(old: Path, kind: str, model: type[ProgramSettings]) -> None:
    old.write_text(old_files.text(KINDS[kind]))
    assert main(["migrate-config", "old.config", "--out", "new"]) == 0
    environ = {**ENVIRON, "HOME": "/home/u", "REGEX": "^x"}
    reports = [] if model is FileSettings else ["--heartbeat_topic_name", "H", "--log_topic_name", "L"]
    before = settings_in(model, old.parent, environ, "--config", "old.config", *reports)
    assert settings_in(model, old.parent / "new", environ, *reports) == before
    assert load(model, ["p", "--topic_name", "T"], environ, old.parent / "new").remarks() == ()


@pytest.mark.parametrize("kind", OPENMSISTREAM)
def test_no_section_of_any_kind_is_lost(old: Path, kind: str) -> None:
    old.write_text(old_files.text(OPENMSISTREAM[kind]))
    assert main(["migrate-config", "old.config", "--out", "new"]) == 0
    sections = read_config(old.parent / "new" / "config.config").sections
    expected = {
        name: {key: value for key, value in options.items() if key not in NO_USE}
        for name, options in OPENMSISTREAM[kind].items()
    }
    assert {name: dict(options) for name, options in sections.items()} == expected


def test_a_file_of_kafkacryptos_own_is_named(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old.write_text(old_files.text(KAFKACRYPTO))
    assert main(["migrate-config", "old.config"]) == 0
    assert f"[kafkacrypto]\nconfig_file = {old}\n" in capsys.readouterr().out


def test_secrets_and_addresses_are_in_the_env_file_alone(old: Path) -> None:
    old.write_text(old_files.text(LITERAL))
    assert main(["migrate-config", "old.config", "--out", "new"]) == 0
    config, env = (old.parent / "new" / name for name in ("config.config", "openmsi.env"))
    values = parse_env_file(env.read_text(), "env")
    for literal in LITERALS:
        assert literal not in config.read_text()
        assert any(literal in value for value in values.values())
    assert values["CONFLUENT_PASSWORD"] == values["LOG_SASL_PASSWORD"] == "literal%pass#word"
    assert values["SSL_KEY_PASSWORD"] == "$dollar ${x}"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert "sections are above" not in config.read_text()


def test_variables_keep_their_names_and_their_values_are_never_shown(
    old: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    old.write_text(old_files.text(OPENMSISTREAM["test"]))
    assert main(["migrate-config", "old.config"]) == 0
    out, err = capfd.readouterr()
    assert "sasl.password = $KAFKA_TEST_CLUSTER_PASSWORD\n" in out
    assert "\n#KAFKA_TEST_CLUSTER_PASSWORD=\n" in out
    assert not any(value in out for value in ENVIRON.values())
    assert err == ""


def test_what_holds_a_password_says_so_beside_it(old: Path, capfd: pytest.CaptureFixture[str]) -> None:
    old.write_text(old_files.text(CLUSTER))
    assert main(["migrate-config", "old.config"]) == 0
    out, err = capfd.readouterr()
    assert "\nCONFLUENT_PASSWORD=literal%pass#word\n" in out
    assert err == "openmsi migrate-config: what follows holds passwords in plain text\n"


def test_a_variable_that_means_something_else_here_is_not_taken(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFLUENT_PASSWORD", "of another cluster")
    monkeypatch.setenv("CONFLUENT_USERNAME_FILE", "/run/secrets/user")
    old.write_text(old_files.text({"broker": {**CLUSTER["cluster"], "bootstrap.servers": "$BROKER_SASL_PASSWORD"}}))
    assert main(["migrate-config", "old.config", "--out", "new"]) == 0
    values = parse_env_file((old.parent / "new" / "openmsi.env").read_text(), "env")
    assert values["BROKER_SASL_PASSWORD_2"] == "literal%pass#word"
    assert values["BROKER_SASL_USERNAME"] == "LITERALUSER"


def test_what_is_left_out_is_named_with_the_reason(old: Path) -> None:
    old.write_text(old_files.text(SERVICE))
    assert main(["migrate-config", "old.config", "--out", "new"]) == 0
    text = (old.parent / "new" / "config.config").read_text()
    assert "# left out: retries = 2 (the programs set it themselves" in text
    assert "# left out: value.serializer = DataFileChunkSerializer (files always travel in chunks)" in text
    assert "# left out: cluster_producer_config = cluster.config (its sections are above)" in text
    assert "[DataFileUploadDirectory]\nupload_dir = watched\n" in text


def test_nothing_is_left_out_that_the_programs_do_not_set_themselves() -> None:
    assert not SET_BY_US - SAFE_PRODUCER.keys() - PRODUCER_ALIASES - SAFE_CONSUMER.keys() - {"auto.commit.enable"}


def test_nothing_is_overwritten(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old.write_text(old_files.text(CLUSTER))
    (old.parent / "openmsi.env").write_text("mine")
    assert main(["migrate-config", "old.config", "--out", "."]) == ConfigError.exit_code
    assert "openmsi.env is there already and is left as it is" in capsys.readouterr().err
    assert (old.parent / "openmsi.env").read_text() == "mine"
    assert not (old.parent / "config.config").exists()
    assert main(["migrate-config", "old.config", "--out", "old.config"]) == ConfigError.exit_code
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[cluster]\nbootstrap_servers = s3cret\n", "Kafka has no such option (did you mean bootstrap.servers?)"),
        ("[clusters]\nx = s3cret\n", "nobody knows the section [clusters]"),
        ("[cluster]\n[broker]\n", "[cluster] is the old name of [broker]"),
        ("[upload_data_file]\nchunks = 5\n", "has no option 'chunks'"),
        ("[DEFAULT]\nchunks = 5\n", "[DEFAULT] has no option 'chunks'"),
        ("[upload_data_file]\n[UploadDataFile]\n", "are one program: keep one of the two"),
        ("[s3]\nkey = s3cret\n", "[s3] has no 'key'"),
        ("[broker]\nssl.key.pem = s3cret\n  s3cret\n", "ssl.key.pem in [broker] of"),
        (
            "[openmsi_directory_stream_service]\nqueue_max_size = $N\n[broker]\nbootstrap.servers = b:1\n",
            "counts messages: write whole numbers",
        ),
        (
            "[DataFileUploadDirectory]\nupload_existing = true\nnew_files_only = true\n",
            "new_files_only in [DataFileUploadDirectory] of",
        ),
        ("[openmsi_directory_stream_service]\ntopic_name = T\n", "names no cluster"),
        ("s3cret", "line 1: this stands before the first [section]"),
    ],
)
def test_a_mistake_is_one_line(old: Path, text: str, complaint: str, capfd: pytest.CaptureFixture[str]) -> None:
    old.write_text(text)
    assert main(["migrate-config", "old.config", "--out", "new"]) == ConfigError.exit_code
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert complaint in err
    assert "s3cret" not in err
    assert not (old.parent / "new").exists()


def test_a_mistake_on_the_command_line(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate-config"]) == 64
    assert "OLD" in capsys.readouterr().err
    assert main(["migrate-config", "nowhere.config"]) == ConfigError.exit_code
    assert "nowhere.config, does not exist" in capsys.readouterr().err
