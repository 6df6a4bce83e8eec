"""Every mistake in a setting is one line that says where it is and what to do, with the exit code of its kind."""

from pathlib import Path

import pytest

from openmsi_core.errors import ConfigError, Fatal, UsageError
from openmsi_core.settings import load
from openmsi_downloader.settings import DownloadSettings
from openmsi_uploader.settings import WatchSettings

LEAST = ["data", "--topic_name", "T"]


def complaint(cwd: Path, argv: list[str], environ: dict[str, str] | None = None, section: str = "") -> Fatal:
    """What the uploader says when it is started so."""
    (cwd / "config.config").write_text(f"[broker]\nbootstrap.servers = b:1\n{section}")
    with pytest.raises(Fatal) as caught:
        load(WatchSettings, argv, {"HOME": "/home/u", **(environ or {})}, cwd)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ([], "upload_dir is missing: give UPLOAD_DIR on the command line, set OPENMSI_UPLOAD_DIR, or put `upload_dir"),
        (["data"], "topic_name is missing: give --topic_name TOPIC_NAME on the command line, set OPENMSI_TOPIC_NAME,"),
        ([*LEAST, "--topicname", "x"], "unrecognized arguments: --topicname x (did you mean --topic_name?)"),
        ([*LEAST, "--upload-existing"], "(did you mean --upload_existing?)"),
        ([*LEAST, "--uplod_existing"], "(did you mean --upload_existing?)"),
        ([*LEAST, "--zzz=1"], "unrecognized arguments: --zzz=1; DataFileUploadDirectory --help shows all options"),
        ([*LEAST, "more"], "unrecognized arguments: more (put a name with spaces into quotes)"),
        ([*LEAST, "--upload_existing", "true"], "unrecognized arguments: true"),
        ([*LEAST, "--chunk_size"], "argument --chunk_size: expected one argument"),
        ([*LEAST, "--chunk_size", "12"], "--chunk_size cannot be '12': input should be greater than or equal to 1024"),
        ([*LEAST, "--chunk_size", "big"], "--chunk_size cannot be 'big': input should be a valid integer"),
        ([*LEAST, "--chunk_size", "99999999"], "--chunk_size cannot be '99999999': input should be less than"),
        ([*LEAST, "--chunk_size", ""], "--chunk_size was given as an empty text"),
        (["", "--topic_name", "T"], "UPLOAD_DIR was given as an empty text"),
        ([*LEAST, "--upload_regex", "("], "--upload_regex cannot be '(': input should be a valid regular expression"),
        ([*LEAST, "--rescan_seconds", "nan"], "--rescan_seconds cannot be 'nan'"),
        ([*LEAST, "--rescan_seconds", "inf"], "--rescan_seconds cannot be 'inf'"),
        (
            [*LEAST, "--bandwidth_limit", "10"],
            "--bandwidth_limit cannot be '10': '10' is no rate, which is a number of",
        ),
        ([*LEAST, "--bandwidth_limit", "8:00,1M"], """: write "10M", or a timetable such as "08:00,512k 12:00,10M"""),
        ([*LEAST, "--priority", "small,*.csv"], "--priority cannot be 'small,*.csv': small must be the last word"),
        ([*LEAST, "--watchdog_lag_time", "-1"], "--watchdog_lag_time cannot be '-1'"),
        ([*LEAST, "--update_seconds", "-2"], "--update_seconds cannot be '-2'"),
        (
            [*LEAST, "--logger_file_level", "loud"],
            "--logger_file_level cannot be 'loud': input should be 'debug'",
        ),
        (
            ["data", "--topic_name", "my topic"],
            "--topic_name cannot be 'my topic': a topic's name has 1 to 249 letters",
        ),
    ],
)
def test_the_command_line(tmp_path: Path, argv: list[str], text: str) -> None:
    error = complaint(tmp_path, argv)
    assert text in str(error)
    assert isinstance(error, UsageError)


@pytest.mark.parametrize(
    ("environ", "section", "text"),
    [
        ({"OPENMSI_CHUNK_SIZE": "12"}, "", "OPENMSI_CHUNK_SIZE cannot be '12'"),
        (
            {"OPENMSI_UPLOAD_EXISTING": "perhaps"},
            "",
            "OPENMSI_UPLOAD_EXISTING cannot be 'perhaps': input should be a valid",
        ),
        ({"OPENMSI_N_THREADS_FILE": "nowhere"}, "", "the file named by OPENMSI_N_THREADS_FILE"),
        ({"OPENMSI_ENV_FILE": "nowhere"}, "", "the env file"),
        ({"OPENMSI_CONFIG": "nowhere"}, "", "the config file"),
        ({}, "[DataFileUploadDirectory]\nn_threads = 0\n", "n_threads in [DataFileUploadDirectory] of "),
        (
            {},
            "[upload_data_files_added_to_directory]\nn_threads = 0\n",
            "in [upload_data_files_added_to_directory] of ",
        ),
        ({}, "[DEFAULT]\nn_threads = 0\n", "n_threads in [DEFAULT] of "),
        ({}, "[DataFileUploadDirectory]\nn_thread = 1\n", "has no option 'n_thread' (did you mean n_threads?)"),
        ({}, "[DataFileUploadDirectory]\nbroker = 1\n", "has no option 'broker'"),
        ({}, "[DataFileUploadDirectory]\nn_threads = $N\n", "the environment variable N is not set, and n_threads in"),
        ({}, "[producer]\nlinger.ms = $N\n", "the environment variable N is not set, and linger.ms in [producer]"),
    ],
)
def test_everything_else(tmp_path: Path, environ: dict[str, str], section: str, text: str) -> None:
    error = complaint(tmp_path, LEAST, environ, section)
    assert text in str(error)
    assert isinstance(error, ConfigError)


def test_no_config_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.config, does not exist: name it with --config"):
        load(WatchSettings, LEAST, {}, tmp_path)


def test_old_level_spellings_are_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "config.config").write_text("[broker]\nbootstrap.servers = b:1\n")
    line = ["out", "--topic_name", "T", "--logger_stream_level", "WARNING", "--logger_file_level", "10"]
    settings = load(DownloadSettings, line, {}, tmp_path)
    assert (settings.logger_stream_level, settings.logger_file_level) == ("warning", "debug")
