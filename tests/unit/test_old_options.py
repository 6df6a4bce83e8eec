"""Every option of OpenMSIStream 1.8.8 and openmsipython is taken, with its meaning or a line that says it has none."""

from pathlib import Path

import pytest

from openmsi_core.errors import UsageError
from openmsi_core.settings import ProgramSettings, load
from openmsi_downloader.settings import DownloadSettings
from openmsi_uploader.old_name import AddedToDirectorySettings
from openmsi_uploader.settings import FileSettings, WatchSettings

BROKER = "[broker]\nbootstrap.servers = b:1\n"
LEAST = ["place", "--topic_name", "T"]

FLAG = ""
ALL = {
    "logger_stream_level": "20",
    "logger_file_path": "some.log",
    "logger_file_level": "WARNING",
    "config": "config.config",
    "topic_name": "T",
    "n_threads": "5",
}
LONG_RUNNING = {
    "consumer_topic_name": "T",
    "consumer_group_id": "create_new",
    "producer_topic_name": "T",
    "treat_undecryptable_as_plaintext": FLAG,
    "max_wait_per_decrypt": "5.0",
    "max_initial_wait_per_decrypt": "60.0",
    "update_seconds": "300",
    "heartbeat_topic_name": "H",
    "heartbeat_program_id": "me",
    "heartbeat_interval_secs": "900",
    "log_topic_name": "L",
    "log_program_id": "me",
    "log_interval_secs": "60",
}
UPLOAD_DIRECTORY = {
    "upload_regex": r"^((?!(\.|.*.log))).*$",
    "chunk_size": "524288",
    "queue_max_size": "100",
    "upload_existing": FLAG,
    "watchdog_lag_time": "3",
    "use_polling_observer": FLAG,
}
OPTIONS: list[tuple[type[ProgramSettings], dict[str, str]]] = [
    (FileSettings, {**ALL, "chunk_size": "524288"}),
    (WatchSettings, {**ALL, **LONG_RUNNING, **UPLOAD_DIRECTORY}),
    (DownloadSettings, {**ALL, **LONG_RUNNING, "download_regex": ".*"}),
    # openmsipython
    (WatchSettings, {"new_files_only": FLAG}),
    (DownloadSettings, {"consumer_group_ID": "new"}),
    (AddedToDirectorySettings, {**ALL, "chunk_size": "16384", "queue_max_size": "3000", "update_seconds": "30"}),
    (AddedToDirectorySettings, {"new_files_only": FLAG}),
]
EACH = [(model, option, value) for model, options in OPTIONS for option, value in options.items()]

UPLOADERS_READ_NOTHING = {
    "consumer_topic_name",
    "consumer_group_id",
    "treat_undecryptable_as_plaintext",
    "max_wait_per_decrypt",
    "max_initial_wait_per_decrypt",
}
WITHOUT_EFFECT = {
    "UploadDataFile": {"n_threads"},
    "DataFileUploadDirectory": UPLOADERS_READ_NOTHING,
    "DataFileDownloadDirectory": {
        "producer_topic_name",
    },
}


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    (tmp_path / "config.config").write_text(BROKER)
    return tmp_path


@pytest.mark.parametrize(("model", "option", "value"), EACH)
def test_an_old_option_is_taken_and_said_to_have_no_effect_where_it_has_none(
    cwd: Path, model: type[ProgramSettings], option: str, value: str
) -> None:
    given = [f"--{option}", value] if value else [f"--{option}"]
    settings = load(model, [*LEAST, *given], {"HOME": "/home/u"}, cwd)
    remarks = settings.remarks()
    if option in WITHOUT_EFFECT[model.program]:
        (remark,) = remarks
        assert remark.startswith(f"--{option} has no effect: ")
    else:
        assert remarks == ()


@pytest.mark.parametrize(("model", "options"), OPTIONS)
def test_all_old_options_at_once(cwd: Path, model: type[ProgramSettings], options: dict[str, str]) -> None:
    given = [word for option, value in options.items() for word in (f"--{option}", value) if word]
    assert load(model, [*LEAST, *given], {"HOME": "/home/u"}, cwd).topic_name == "T"


def test_an_option_may_be_shortened_while_it_is_the_only_one_that_begins_so(cwd: Path) -> None:
    settings = load(FileSettings, ["place", "--topic", "T", "--chunk=2048"], {}, cwd)
    assert (settings.topic_name, settings.chunk_size) == ("T", 2048)
    with pytest.raises(UsageError, match="ambiguous option: --logger_file could match"):
        load(FileSettings, [*LEAST, "--logger_file", "x"], {}, cwd)
