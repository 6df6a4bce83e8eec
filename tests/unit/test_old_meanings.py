"""What an option of an earlier system means is what it meant there."""

from pathlib import Path

import pytest

from openmsi_core.errors import ConfigError, UsageError
from openmsi_core.settings import load
from openmsi_downloader.settings import DownloadSettings
from openmsi_uploader.old_name import AddedToDirectorySettings
from openmsi_uploader.settings import FileSettings, WatchSettings

BROKER = "[broker]\nbootstrap.servers = b:1\n"
LEAST = ["place", "--topic_name", "T"]


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    (tmp_path / "config.config").write_text(BROKER)
    return tmp_path


def watch(cwd: Path, *argv: str, section: str = "", **environ: str) -> WatchSettings:
    """Settings of the uploader with the arguments ``argv`` after the least that it needs."""
    (cwd / "config.config").write_text(BROKER + section)
    return load(WatchSettings, [*LEAST, *argv], {"HOME": "/home/u", **environ}, cwd)


@pytest.mark.parametrize(
    "argv",
    [["--topic_name", "T", "--producer_topic_name", "other"], ["--producer_topic_name", "other", "--topic_name", "T"]],
)
def test_the_more_exact_name_of_the_topic_wins_as_in_openmsistream(cwd: Path, argv: list[str]) -> None:
    for sender in (WatchSettings, FileSettings):
        assert load(sender, ["place", *argv], {}, cwd).topic_name == "other"
    argv = [word.replace("producer", "consumer") for word in argv]
    assert load(DownloadSettings, ["place", *argv], {}, cwd).topic_name == "other"


def test_the_topic_of_another_kind_of_program_is_not_taken_for_our_own(cwd: Path) -> None:
    assert watch(cwd, "--consumer_topic_name", "other").topic_name == "T"
    download = load(DownloadSettings, [*LEAST, "--producer_topic_name", "other"], {}, cwd)
    assert download.topic_name == "T"
    shared = {"OPENMSI_TOPIC_NAME": "T", "OPENMSI_PRODUCER_TOPIC_NAME": "of-a-reproducer", "HOME": "/home/u"}
    settings = load(WatchSettings, ["place"], shared, cwd)
    assert (settings.topic_name, settings.remarks()) == ("T", ())


def test_the_programs_own_section_over_what_all_share(cwd: Path) -> None:
    common = "[DEFAULT]\nconsumer_topic_name = common\n"
    (cwd / "config.config").write_text(f"{BROKER}{common}[DataFileDownloadDirectory]\ntopic_name = own\n")
    assert load(DownloadSettings, ["place"], {}, cwd).topic_name == "own"
    (cwd / "config.config").write_text(f"{BROKER}{common}")
    assert load(DownloadSettings, ["place"], {}, cwd).topic_name == "common"


def test_a_variable_for_another_program_is_no_reason_for_a_remark(cwd: Path) -> None:
    assert watch(cwd, OPENMSI_CONSUMER_GROUP_ID="lab").remarks() == ()
    assert watch(cwd, section="[DEFAULT]\nconsumer_group_id = lab\n").remarks() == ()
    (remark,) = watch(cwd, section="[DataFileUploadDirectory]\nconsumer_group_id = lab\n").remarks()
    assert remark.startswith("consumer_group_id in [DataFileUploadDirectory] of ")


@pytest.mark.parametrize(
    ("written", "level"),
    [("20", "info"), ("25", "warning"), ("0", "debug"), ("notset", "debug"), ("51", "critical"), ("Error", "error")],
)
def test_levels_may_be_numbers(cwd: Path, written: str, level: str) -> None:
    assert watch(cwd, "--logger_stream_level", written).logger_stream_level == level


@pytest.mark.parametrize("written", ["-5", "loud", "²"])
def test_what_is_no_level(cwd: Path, written: str) -> None:
    with pytest.raises(UsageError, match="logger_stream_level"):
        watch(cwd, f"--logger_stream_level={written}")


def test_more_threads_than_can_do_any_good(cwd: Path) -> None:
    assert watch(cwd, "--n_threads", "100").n_threads == 64
    with pytest.raises(UsageError, match="--n_threads cannot be '0'"):
        watch(cwd, "--n_threads", "0")


@pytest.mark.parametrize("size", ["-1", "0", "512", "99999999", "16k"])
def test_a_size_of_chunks_that_is_none(cwd: Path, size: str) -> None:
    with pytest.raises(UsageError, match=f"--chunk_size cannot be '{size}': input should be"):
        watch(cwd, f"--chunk_size={size}")


def test_new_files_only_is_the_opposite_of_upload_existing(cwd: Path) -> None:
    assert watch(cwd, "--new_files_only").upload_existing is False
    assert watch(cwd, "--new_files_only", OPENMSI_UPLOAD_EXISTING="true").upload_existing is False
    assert watch(cwd, "--upload_existing", OPENMSI_NEW_FILES_ONLY="true").upload_existing is True
    assert watch(cwd, OPENMSI_NEW_FILES_ONLY="False").upload_existing is True
    with pytest.raises(UsageError, match="--new_files_only and --upload_existing contradict each other"):
        watch(cwd, "--new_files_only", "--upload_existing")
    with pytest.raises(ConfigError, match="OPENMSI_NEW_FILES_ONLY and OPENMSI_UPLOAD_EXISTING contradict"):
        watch(cwd, OPENMSI_NEW_FILES_ONLY="yes", OPENMSI_UPLOAD_EXISTING="yes")
    with pytest.raises(ConfigError, match="OPENMSI_NEW_FILES_ONLY must be True or False, not 'perhaps'"):
        watch(cwd, OPENMSI_NEW_FILES_ONLY="perhaps")


def test_the_old_watching_program_sends_what_is_there_unless_told_otherwise(cwd: Path) -> None:
    def old(*argv: str, **environ: str) -> AddedToDirectorySettings:
        return load(AddedToDirectorySettings, [*LEAST, *argv], {"HOME": "/home/u", **environ}, cwd)

    assert old().upload_existing is True
    assert old("--new_files_only").upload_existing is False
    assert old(OPENMSI_UPLOAD_EXISTING="false").upload_existing is False
    assert old().state_dir == watch(cwd).state_dir, "either may go on where the other stopped"


def test_the_old_watching_program_counted_messages_on_its_command_line(cwd: Path) -> None:
    def queue(*argv: str, **environ: str) -> int:
        settings = load(AddedToDirectorySettings, [*LEAST, *argv], {"HOME": "/home/u", **environ}, cwd)
        return settings.queue_bytes

    assert queue("--queue_max_size", "3000") == 3000 * 16384
    assert queue("--queue_max_size", "100", "--chunk_size", "65536") == 6_553_600
    assert queue(OPENMSI_QUEUE_MAX_SIZE="10") == 10_000_000
    with pytest.raises(UsageError, match="--queue_max_size cannot be 'many'"):
        queue("--queue_max_size", "many")


def test_a_bare_name_of_a_config_file(cwd: Path) -> None:
    with pytest.raises(ConfigError, match=r"OpenMSIStream had files by such names inside: put test\.config here"):
        watch(cwd, "--config", "test")
    (cwd / "test.config").write_text("[cluster]\nbootstrap.servers = test:1\n")
    assert watch(cwd, "--config", "test").producer == {"bootstrap.servers": "test:1"}
    (cwd / "test").write_text("[cluster]\nbootstrap.servers = exact:1\n")
    assert watch(cwd, "--config", "test").producer == {"bootstrap.servers": "exact:1"}
