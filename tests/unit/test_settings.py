"""Loading a program's settings: precedence, values, mistakes."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from openmsi_core.command_line import NOT_OPTIONS
from openmsi_core.encryption.node import Node
from openmsi_core.errors import ConfigError, UsageError
from openmsi_core.settings import load, masked, secrets
from openmsi_downloader.settings import DownloadSettings
from openmsi_uploader.settings import FileSettings, WatchSettings

BROKER = "[broker]\nbootstrap.servers = b:1\n"


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    (tmp_path / "config.config").write_text(BROKER)
    return tmp_path


def watch(cwd: Path, *argv: str, config: str = "", **environ: str) -> WatchSettings:
    """Settings of the uploader, started in ``cwd`` with ``config`` added to its config file."""
    if config:
        (cwd / "config.config").write_text(BROKER + config)
    return load(WatchSettings, argv or ["data", "--topic_name", "T"], {"HOME": "/home/u", **environ}, cwd)


def test_the_least_that_is_needed(cwd: Path) -> None:
    settings = watch(cwd)
    assert (settings.upload_dir, settings.topic_name) == (cwd / "data", "T")
    assert settings.config == cwd / "config.config"
    assert settings.producer == settings.broker == {"bootstrap.servers": "b:1"}
    assert settings.consumer == {}
    assert settings.chunk_size == 524_288
    assert settings.remarks() == ()


def test_command_line_over_environment_over_config_over_default(cwd: Path) -> None:
    section = "[DataFileUploadDirectory]\nn_threads = 3\nrescan_seconds = 7\nwatchdog_lag_time = 0.25\n"
    settings = watch(
        cwd,
        *("data", "--topic_name", "T", "--n_threads", "5"),
        config=section,
        OPENMSI_N_THREADS="4",
        OPENMSI_RESCAN_SECONDS="8",
        OPENMSI_CHUNK_SIZE="",
    )
    assert settings.n_threads == 5
    assert settings.rescan_seconds == 8
    assert settings.watchdog_lag_time == 0.25
    assert settings.chunk_size == 524_288


def test_everything_may_come_from_the_environment(cwd: Path) -> None:
    (cwd / "topic").write_text("T9\n")
    (cwd / "other.config").write_text(BROKER)
    (cwd / "openmsi.env").write_text(
        "OPENMSI_UPLOAD_DIR=in\nOPENMSI_CONFIG=other.config\nOPENMSI_TOPIC_NAME_FILE=topic\n"
    )
    settings = load(WatchSettings, [], {"HOME": "/home/u"}, cwd)
    assert (settings.upload_dir, settings.topic_name) == (cwd / "in", "T9")
    assert settings.config == cwd / "other.config"


def test_a_tilde_is_the_home_folder(cwd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/u")
    settings = watch(cwd, OPENMSI_STATE_DIR="~/state", OPENMSI_LOGGER_FILE_PATH="~nobody-has-this-name/x")
    assert settings.state_dir == Path("/home/u/state")
    assert settings.logger_file_path == cwd / "~nobody-has-this-name/x"


def test_flags_and_lists(cwd: Path) -> None:
    line = ("data", "--topic_name", "T", "--upload_existing", "--include", "[ab]*.tif", "--include", "x, y/*")
    settings = watch(cwd, *line, OPENMSI_EXCLUDE="*.tmp,{a}", OPENMSI_USE_POLLING_OBSERVER="yes")
    assert settings.upload_existing is True
    assert settings.use_polling_observer is True
    assert settings.include == ("[ab]*.tif", "x", "y/*")
    assert settings.exclude == ("*.tmp", "{a}")
    assert watch(cwd, *line[:3], "--no-upload_existing", OPENMSI_UPLOAD_EXISTING="true").upload_existing is False


def test_regular_expressions_are_compiled(cwd: Path) -> None:
    settings = watch(cwd, "data", "--topic_name", "T", "--upload_regex", r"^raw/.*\.tif$")
    assert settings.upload_regex == re.compile(r"^raw/.*\.tif$")


def test_each_folder_and_topic_has_a_state_folder_of_its_own(cwd: Path) -> None:
    def state(*argv: str, **environ: str) -> Path:
        return watch(cwd, *argv, **environ).state_dir

    first = state("data", "--topic_name", "T")
    assert first.parent == Path("/home/u/.local/state/openmsi")
    assert first.name.startswith("DataFileUploadDirectory-")
    assert first == state("./data/", "--topic_name", "T")
    assert len({first, state("data2", "--topic_name", "T"), state("data", "--topic_name", "T2")}) == 3
    assert state("data", "--topic_name", "T", OPENMSI_STATE_DIR="s") == cwd / "s"
    one = load(FileSettings, ["data/a", "--topic_name", "T"], {}, cwd).state_dir
    assert one == load(FileSettings, ["data/b", "--topic_name", "T"], {}, cwd).state_dir


def test_the_services_own_section_of_openmsipython(cwd: Path) -> None:
    section = "[openmsi_directory_stream_service]\nfile_directory = in\ntopic_name = T\nnew_files_only = False\n"
    (cwd / "config.config").write_text(BROKER + section)
    settings = load(WatchSettings, [], {"HOME": "/home/u"}, cwd)
    assert (settings.upload_dir, settings.upload_existing) == (cwd / "in", True)
    (cwd / "config.config").write_text(BROKER + section.replace("False", "perhaps"))
    with pytest.raises(ConfigError, match=r"new_files_only in .* must be True or False, not 'perhaps'"):
        load(WatchSettings, [], {"HOME": "/home/u"}, cwd)


def test_receivers_know_a_second_name_of_the_topic(cwd: Path) -> None:
    for argv, environ in ((["--consumer_topic_name", "T"], {}), ([], {"OPENMSI_CONSUMER_TOPIC_NAME": "T"})):
        assert load(DownloadSettings, ["out", *argv], environ, cwd).topic_name == "T"
    given = {"OPENMSI_TOPIC_NAME": "other"}
    assert load(DownloadSettings, ["out", "--consumer_topic_name", "T"], given, cwd).topic_name == "T"


def test_a_queue_too_large_for_memory_is_limited_and_said(cwd: Path) -> None:
    assert watch(cwd, OPENMSI_QUEUE_MAX_SIZE="0.5").queue_bytes == 500_000
    settings = watch(cwd, OPENMSI_QUEUE_MAX_SIZE="3000")
    assert settings.queue_bytes == 256_000_000
    assert settings.remarks() == ("queue_max_size = 3000 MB is too much for memory: 256 MB are used",)


def test_what_has_no_effect_and_what_is_misspelt_is_said(cwd: Path) -> None:
    given = {"OPENMSI_TOPICNAME": "x", "OPENMSI_DOWNLOAD_REGEX": "a", "OPENMSI_DATA_DIR": "x"}
    settings = load(FileSettings, ["file", "--topic_name", "T", "--log_topic_name", "L"], given, cwd)
    assert settings.remarks() == (
        "--log_topic_name has no effect: this program is over too soon for it",
        "nobody knows the variable OPENMSI_TOPICNAME (did you mean OPENMSI_TOPIC_NAME?)",
    )


def test_settings_are_frozen_and_keep_secrets_to_themselves(cwd: Path) -> None:
    settings = watch(cwd, config="sasl.username = u\nsasl.password = $P\n", P="s3cret!")
    assert settings.producer["sasl.password"] == "s3cret!"
    assert secrets(settings) == {"s3cret!"}
    assert "s3cret!" not in f"{settings!r} {settings} {masked(settings)}"
    assert masked(settings)["producer.sasl.password"] == "***"
    assert masked(settings)["producer.sasl.username"] == "u"
    with pytest.raises(ValidationError, match="frozen"):
        settings.n_threads = 3  # type: ignore[misc]  # that it is refused is what is tested


def test_our_own_files_stay_out_of_the_watched_folder(cwd: Path) -> None:
    with pytest.raises(ConfigError, match="name a place outside it with --state_dir"):
        watch(cwd, "data", "--topic_name", "T", "--state_dir", "data/state")
    with pytest.raises(ConfigError, match="name a place outside it with --logger_file_path"):
        watch(cwd, "data", "--topic_name", "T", "--logger_file_path", "data/x.log")


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ("node_id = n", "the node n has no n.config in .*: make the node with openmsi provision$"),
        ("config_file = no.config", r"the node's file .*/no.config, named in \[kafkacrypto\] of .*, is not there$"),
        ("node_id = $EMPTY", "names no node: give node_id or config_file a value$"),
        ("", "names no node: give node_id or config_file a value$"),
    ],
)
def test_a_node_that_cannot_be_found_never_means_plain_text(cwd: Path, section: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        watch(cwd, config=f"[kafkacrypto]\n{section}\n", EMPTY="")


@pytest.mark.parametrize("section", ["node_id = n", "config_file = n/n.config", "config_file = file#n/n.config"])
def test_the_node_of_a_program(cwd: Path, section: str) -> None:
    (cwd / "n").mkdir()
    (cwd / "n" / "n.config").touch()
    assert watch(cwd, config=f"[kafkacrypto]\n{section}\n").node == Node(cwd / "n", "n")


def test_a_program_does_not_mind_variables_of_other_programs(cwd: Path) -> None:
    settings = watch(
        cwd, config="[consumer]\ngroup.id = $UNSET\n[s3]\naccess_key_id = $UNSET\n[PDVPlotMaker]\nx = $UNSET\n"
    )
    assert settings.producer == {"bootstrap.servers": "b:1"}


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["--version"]])
def test_help_and_version(cwd: Path, argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        load(WatchSettings, argv, {}, cwd)
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    assert "DataFileUploadDirectory" in printed
    if argv != ["--version"]:
        assert "Watch a folder" in printed
        options = WatchSettings.model_fields.keys() - NOT_OPTIONS - {"upload_dir"}
        assert all(f"--{option}" in printed for option in options)
        assert "--broker" not in printed


def test_no_secret_can_stand_on_the_command_line(cwd: Path) -> None:
    with pytest.raises(UsageError, match="unrecognized arguments: --broker"):
        watch(cwd, "data", "--topic_name", "T", "--broker", "sasl.password=x")
