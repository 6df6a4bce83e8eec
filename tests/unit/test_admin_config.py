"""`openmsi config`: what a program would run with and where that comes from, and whether it would start."""

import json
from pathlib import Path
from typing import Any

import pytest

from openmsi_admin.main import main

UPLOADER, DOWNLOADER = "DataFileUploadDirectory", "DataFileDownloadDirectory"
BROKER = "[broker]\nbootstrap.servers = $SERVERS\nsasl.username = user\nsasl.password = $PASSWORD\n"
SECRET = "the-secret-word"


@pytest.fixture
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a config file and an env file, in which commands run with an environment of their own."""
    for name in ("OPENMSI_ENV_FILE", "OPENMSI_STATE_DIR", "OPENMSI_TOPIC_NAME", "SERVERS", "PASSWORD", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.config").write_text(BROKER)
    (tmp_path / "password").write_text(SECRET)
    (tmp_path / "openmsi.env").write_text("SERVERS=b:1\nPASSWORD_FILE=password\n")
    return tmp_path


def openmsi(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """`openmsi config …`: exit code, and all that it printed."""
    code = main(["config", *arguments])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, tuple[str | None, str]]:
    """Setting → value and where it comes from."""
    code, printed = openmsi(capsys, "show", *arguments, "--json")
    assert code == 0, printed
    return {each["name"]: (each["value"], each["where"]) for each in json.loads(printed)["settings"]}


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code, and program → what was found."""
    code, printed = openmsi(capsys, "check", *arguments, "--json")
    return code, {each["program"]: each for each in json.loads(printed)}


def test_every_setting_says_where_it_comes_from(
    cwd: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (cwd / "config.config").write_text(
        f"{BROKER}linger.ms = 5\n[producer]\nlinger.ms = 7\n[{UPLOADER}]\nwatchdog_lag_time = 9\n"
    )
    with (cwd / "openmsi.env").open("a") as file:
        file.write("OPENMSI_RESCAN_SECONDS=11\nOPENMSI_N_THREADS=3\nOPENMSI_EXCLUDE_FILE=globs\n")
    (cwd / "globs").write_text("*.tmp")
    monkeypatch.setenv("OPENMSI_N_THREADS", "4")
    found = shown(capsys, UPLOADER, "data", "--topic_name", "T")
    expected = {
        "upload_dir": (str(cwd / "data"), "command line"),
        "topic_name": ("T", "command line"),
        "n_threads": ("4", "OPENMSI_N_THREADS (environment)"),
        "rescan_seconds": ("11.0", "OPENMSI_RESCAN_SECONDS (openmsi.env)"),
        "exclude": ("('*.tmp',)", "OPENMSI_EXCLUDE_FILE (openmsi.env)"),
        "watchdog_lag_time": ("9.0", f"[{UPLOADER}]"),
        "chunk_size": ("524288", "default"),
        "upload_regex": (None, "default"),
        "producer.bootstrap.servers": ("b:1", "[broker] SERVERS (openmsi.env)"),
        "producer.linger.ms": ("7", "[producer]"),
        "producer.sasl.username": ("user", "[broker]"),
        "producer.sasl.password": ("***", "[broker] PASSWORD_FILE (openmsi.env)"),
        "producer.security.protocol": ("SASL_SSL", "goes with a user name"),
    }
    assert found.items() >= expected.items()


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_no_secret_is_shown(cwd: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    code, printed = openmsi(capsys, "show", DOWNLOADER, "out", "--topic_name", "T", *arguments)
    assert code == 0
    assert "***" in printed
    assert SECRET not in printed


def test_the_table_says_the_same(
    cwd: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENMSI_TOPC_NAME", "x")
    _, printed = openmsi(capsys, "show", DOWNLOADER, "out", "--topic_name", "T")
    rows = {line.split()[0]: line.split()[1:] for line in printed.splitlines()}
    assert rows["topic_name"] == ["T", "command", "line"]
    assert rows["download_regex"] == ["–", "default"]
    assert str(cwd / "config.config") in printed
    assert "did you mean OPENMSI_TOPIC_NAME?" in printed


def test_show_says_what_the_program_itself_would_say(cwd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = openmsi(capsys, "show", DOWNLOADER, "--topic_name", "T")
    assert (code, len(printed.splitlines())) == (64, 1)
    assert "output_dir is missing" in printed


def test_check_of_all_programs_says_what_it_could_not_check(
    cwd: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENMSI_OUTPUT_DIR", "out")
    code, found = checked(capsys)
    assert code == 0
    assert found.keys() >= {UPLOADER, DOWNLOADER, "UploadDataFile"}
    assert found[UPLOADER]["not_given"] == ["upload_dir", "topic_name"]
    assert found[DOWNLOADER]["not_given"] == ["topic_name"]
    _, printed = openmsi(capsys, "check", DOWNLOADER)
    assert "ok (not given here and not checked: topic_name)" in printed
    assert {path.name for path in cwd.iterdir()} == {"config.config", "openmsi.env", "password"}


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        (f"{BROKER}[{UPLOADER}]\nn_thread = 2\n", "has no option 'n_thread' (did you mean n_threads?)"),
        (f"{BROKER}[{UPLOADER}]\nn_threads = 0\n", f"n_threads in [{UPLOADER}]"),
        (f"{BROKER}[{UPLOADER}]\ntopic_name = a b\n", "a topic's name has 1 to 249"),
        (f"{BROKER}[producer]\nlinger.mss = 2\n", 'No such configuration property: "linger.mss"'),
        (f"{BROKER}[producer]\nlinger.ms = -2\n", "value -2 is outside allowed range 0..900000"),
        ("[broker]\nbootstrap.servers = $NOBODY_SET_THIS\n", "NOBODY_SET_THIS is not set"),
        ("[broker]\n", "no broker is named"),
    ],
)
def test_check_names_the_mistake_of_one_program_and_goes_on(
    cwd: Path, capsys: pytest.CaptureFixture[str], config: str, wrong: str
) -> None:
    (cwd / "config.config").write_text(config)
    code, found = checked(capsys)
    assert code == 78
    assert wrong in found[UPLOADER]["wrong"]
    assert len(found[UPLOADER]["wrong"].splitlines()) == 1
    assert (found[DOWNLOADER]["wrong"] is None) == (UPLOADER in config or "[producer]" in config)
    _, printed = openmsi(capsys, "check", UPLOADER)
    assert wrong in printed


def test_check_of_another_config_file(cwd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (cwd / "other.config").write_text("[brokr]\n")
    code, found = checked(capsys, UPLOADER, "--config", "other.config")
    assert code == 78
    assert list(found) == [UPLOADER]
    assert "[brokr] (did you mean broker?)" in found[UPLOADER]["wrong"]
    assert checked(capsys, UPLOADER)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "show|check"),
        (["shw"], "shw"),
        (["show"], "PROGRAM"),
        (["show", "DataFileUploadDirektory"], "did you mean DataFileUploadDirectory?"),
        (
            ["check", "Nothing"],
            "installed: DataFileDownloadDirectory, DataFileUploadDirectory, S3TransferStreamProcessor",
        ),
        (["check", "--confg", "x"], "--confg"),
    ],
)
def test_mistakes_on_the_command_line(
    cwd: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    code, printed = openmsi(capsys, *arguments)
    assert (code, len(printed.splitlines())) == (64, 1)
    assert says in printed
