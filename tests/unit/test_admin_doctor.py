"""The parts of `openmsi doctor` that need no broker."""

import os
import threading
from pathlib import Path

import pytest

from openmsi_admin.doctor import filesystem
from openmsi_admin.doctor.asked import DOWNLOADER, UPLOADER, Arguments, Asked, read_settings
from openmsi_admin.doctor.cluster import heard
from openmsi_admin.doctor.filesystem import Mount, check_events, mount_of
from openmsi_admin.doctor.finding import Finding, Level, bounded, duration
from openmsi_admin.doctor.folders import check_folder, check_state
from openmsi_admin.doctor.network import Address, parse
from openmsi_admin.doctor.topic import check_settings
from openmsi_core.state import default_state_dir, lock_state_dir

MOUNTS = """\
22 1 259:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:40 / /data rw,relatime - tmpfs tmpfs rw
41 22 0:41 / /data/lab\\040share rw,relatime - nfs4 server:/export rw
42 40 0:42 / /data rw,relatime - virtiofs mac rw
43 22 0:43 / /database rw,relatime - fuseblk /dev/sdb1 rw
a line that cannot be read
"""


def levels(findings: list[Finding]) -> list[Level]:
    return [finding.level for finding in findings]


def texts(findings: list[Finding], level: Level) -> str:
    return "\n".join(f"{finding.text} -> {finding.todo}" for finding in findings if finding.level is level)


def asked(folder: Path, config: str, program: str | None = None, **environ: str) -> tuple[Asked, list[Finding]]:
    (folder / "config.config").write_text(config)
    given = Arguments(Path("config.config"), program, None, None, (), folder, {"HOME": "/home/lab"} | environ)
    return read_settings(given)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("kafka:9092", Address("kafka", 9092)),
        (" kafka ", Address("kafka", 9092)),
        ("SASL_SSL://pkc-1.example.org:443", Address("pkc-1.example.org", 443)),
        ("[::1]:9093", Address("::1", 9093)),
        ("kafka:90920", None),
        ("kafka:port", None),
        ("", None),
    ],
)
def test_addresses(text: str, address: Address | None) -> None:
    assert parse(text) == address


@pytest.mark.parametrize(
    ("path", "kind", "remote"),
    [
        ("/etc", "ext4", False),
        ("/data", "virtiofs", True),
        ("/data/run7", "virtiofs", True),
        ("/data/lab share/run7", "nfs4", True),
        ("/database", "fuseblk", False),
        ("/datab", "ext4", False),
    ],
)
def test_the_mount_that_a_folder_lies_on(path: str, kind: str, remote: bool) -> None:
    mount = mount_of(path, MOUNTS)
    assert mount is not None
    assert (mount.kind, mount.is_remote) == (kind, remote)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (119, "119 s"), (120, "2 minutes"), (7200, "2 hours"), (86400, "24 hours"), (604800, "7 days")],
)
def test_lengths_of_time(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_never_answers_is_not_waited_for() -> None:
    for_ever = threading.Event()
    with pytest.raises(TimeoutError):
        bounded(for_ever.wait, 0.05)
    for_ever.set()
    assert bounded(lambda: 7, 5) == 7
    with pytest.raises(ZeroDivisionError):
        bounded(lambda: 1 // 0, 5)


def test_every_variable_that_is_missing_is_named(tmp_path: Path) -> None:
    config = "[broker]\nbootstrap.servers = $ADDRESS\nsasl.username = ${USER_NAME}\n[consumer]\nclient.id = $CLIENT\n"
    found, findings = asked(tmp_path, config, ADDRESS="kafka:9092")
    missing = texts(findings, Level.BAD)
    assert "USER_NAME" in missing
    assert "CLIENT" in missing
    assert "ADDRESS is not set" not in missing
    assert not found.options


@pytest.mark.parametrize(
    ("config", "word"),
    [("[brok]\n", "did you mean broker"), ("[broker]\n", "no broker is named"), ("[broker]\nno equals\n", "line 2")],
)
def test_a_config_file_that_cannot_be_used_ends_nothing(tmp_path: Path, config: str, word: str) -> None:
    found, findings = asked(tmp_path, config)
    assert word in texts(findings, Level.BAD)
    assert not found.options


def test_an_env_file_with_a_mistake_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "openmsi.env").write_text("A=1\nexport B=secret\n")
    _, findings = asked(tmp_path, "[broker]\nbootstrap.servers = kafka:9092\n")
    assert "line 2" in texts(findings, Level.BAD)
    assert "secret" not in str(findings)


def test_what_to_look_at_is_found_as_the_programs_find_it(tmp_path: Path) -> None:
    config = f"""
[DEFAULT]
topic_name = from-config
[broker]
bootstrap.servers = kafka:9092
[consumer]
group.id = lab-group
[{DOWNLOADER}]
output_dir = $OUT
[{UPLOADER}]
chunk_size = 4096
upload_dir = in
"""
    found, _ = asked(tmp_path, config, DOWNLOADER, OUT="out")
    assert (found.topic, found.group, found.folders) == ("from-config", "lab-group", (tmp_path / "out",))
    assert found.state_of(tmp_path / "out") == default_state_dir(
        DOWNLOADER, tmp_path / "out", "from-config", {"HOME": "/home/lab"}
    )
    found, _ = asked(tmp_path, config, UPLOADER, OPENMSI_TOPIC_NAME="from-env", OUT="out")
    assert (found.topic, found.chunk_size, found.folders) == ("from-env", 4096, (tmp_path / "in",))


def test_an_output_folder_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    found, _ = asked(tmp_path, "[broker]\nbootstrap.servers = kafka:9092\n")
    (tmp_path / "out" / ".openmsi").mkdir(parents=True)
    (tmp_path / "in").mkdir()
    assert (found.role(tmp_path / "out"), found.role(tmp_path / "in")) == (DOWNLOADER, UPLOADER)


TOPIC = {"max.message.bytes": "1048588", "cleanup.policy": "delete", "retention.ms": "604800000"}


@pytest.mark.parametrize(
    ("settings", "level", "words"),
    [
        (TOPIC, Level.OK, "7 days"),
        (TOPIC | {"retention.ms": "-1"}, Level.OK, "for ever"),
        (TOPIC | {"retention.bytes": "5000000"}, Level.OK, "up to 5.0 MB"),
        (TOPIC | {"retention.ms": "3600000"}, Level.UNSURE, "60 minutes"),
        (TOPIC | {"max.message.bytes": "100000"}, Level.BAD, "--chunk_size 89760"),
        (TOPIC | {"max.message.bytes": str(524_288 + 10_239)}, Level.BAD, "--chunk_size"),
        (TOPIC | {"cleanup.policy": "compact,delete"}, Level.BAD, "cleanup.policy=delete"),
        ({}, Level.UNSURE, "DESCRIBE_CONFIGS"),
    ],
)
def test_settings_of_a_topic(tmp_path: Path, settings: dict[str, str], level: Level, words: str) -> None:
    found, _ = asked(tmp_path, "[broker]\nbootstrap.servers = kafka:9092\n")
    findings = list(check_settings(found, "t", settings))
    assert words in texts(findings, level)
    assert (Level.BAD in levels(findings)) == (level is Level.BAD)


@pytest.mark.parametrize("role", [UPLOADER, DOWNLOADER])
def test_a_folder_that_is_a_file(tmp_path: Path, role: str) -> None:
    (tmp_path / "file").touch()
    assert levels(list(check_folder(tmp_path / "file", role))) == [Level.BAD]


def test_folders_that_are_missing(tmp_path: Path) -> None:
    assert levels(list(check_folder(tmp_path / "in", UPLOADER))) == [Level.BAD]
    assert levels(list(check_folder(tmp_path / "out", DOWNLOADER))) == [Level.OK]
    assert levels(list(check_state(tmp_path / "a" / "state"))) == [Level.OK]
    assert list(tmp_path.iterdir()) == []


def test_an_output_folder_is_left_as_it_was(tmp_path: Path) -> None:
    findings = list(check_folder(tmp_path, DOWNLOADER))
    assert Level.BAD not in levels(findings)
    assert "in one step" in texts(findings, Level.OK)
    assert list(tmp_path.iterdir()) == []


def test_an_output_folder_that_is_in_use_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / ".openmsi" / "staging" / "live").mkdir(parents=True)
    assert Level.BAD not in levels(list(check_folder(tmp_path, DOWNLOADER)))
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == [".openmsi", "staging", "live"]


def test_a_state_folder_that_another_uses(tmp_path: Path) -> None:
    with lock_state_dir(tmp_path, "the uploader of /data"):
        findings = list(check_state(tmp_path))
    assert f"in use by the uploader of /data (process {os.getpid()}" in texts(findings, Level.OK)
    assert "in use" not in texts(list(check_state(tmp_path)), Level.OK)


def test_more_folders_than_may_be_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "max_user_watches").write_text("8\n")
    monkeypatch.setattr(filesystem, "_INOTIFY", tmp_path)
    assert Level.BAD not in levels(list(check_events("watched", tmp_path, 8)))
    assert "sysctl fs.inotify.max_user_watches=18" in texts(list(check_events("watched", tmp_path, 9)), Level.BAD)


def test_a_folder_where_events_do_not_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "mounted", lambda _: Mount("/data", "9p", "host"))
    assert "every 30 s" in texts(list(check_events("watched", tmp_path, 1)), Level.UNSURE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "the broker does not answer (127.0.0.1:24462/1: Connect to ipv4#127.0.0.1:24462 failed)",
            ("127.0.0.1", "24462", "1"),
        ),
        ("check bootstrap.servers (sasl_ssl://kafka:9093/12: Failed to resolve 'kafka:9093')", ("kafka", "9093", "12")),
        ("the broker does not answer (ssl://[::1]:9093/2: Connect to ipv6#[::1]:9093 failed)", ("::1", "9093", "2")),
        ("the broker does not answer (kafka:9092/bootstrap: Connect to ipv4#10.0.0.1:9092 failed)", None),
        ("the broker does not answer (GroupCoordinator: kafka:9092: Connect failed)", None),
    ],
)
def test_brokers_that_librdkafka_has_heard_of(text: str, expected: tuple[str, str, str] | None) -> None:
    assert heard([text]) == ({expected} if expected else set())
