"""Which broker heartbeats and log lines go to, and with which login."""

from pathlib import Path

import pytest

from openmsi_core.errors import ConfigError
from openmsi_core.settings import load, masked, secrets
from openmsi_downloader.settings import DownloadSettings
from openmsi_uploader.settings import FileSettings, WatchSettings

BROKER = "[broker]\nbootstrap.servers = b:1\nsasl.username = u\nsasl.password = of-broker\nclient.id = c\n"
LOGIN = {"sasl.username": "u", "security.protocol": "SASL_SSL", "sasl.mechanisms": "PLAIN"}
BOTH = ("--heartbeat_topic_name", "H", "--log_topic_name", "L")


def watch(cwd: Path, config: str, *argv: str) -> WatchSettings:
    (cwd / "config.config").write_text(config)
    return load(WatchSettings, ["data", "--topic_name", "T", *argv], {}, cwd)


def test_without_a_section_they_go_to_the_broker_of_the_files(tmp_path: Path) -> None:
    settings = watch(tmp_path, BROKER, *BOTH)
    assert settings.heartbeat == settings.log == settings.producer


def test_a_section_is_laid_over_the_broker(tmp_path: Path) -> None:
    settings = watch(tmp_path, BROKER + "[heartbeat]\nclient.id = beats\n[log]\nlinger.ms = 100\n", *BOTH)
    assert settings.heartbeat == {**settings.broker, **LOGIN, "client.id": "beats"}
    assert settings.log == {**settings.broker, **LOGIN, "linger.ms": "100"}


def test_the_login_of_the_producer_counts_but_not_its_tuning(tmp_path: Path) -> None:
    producer = "[producer]\nsasl.password = of-producer\nmessage.max.bytes = 5\nlinger.ms = 9\n"
    settings = watch(tmp_path, BROKER + producer, *BOTH)
    assert settings.log["sasl.password"] == "of-producer"
    assert not settings.log.keys() & {"message.max.bytes", "linger.ms"}
    settings = watch(tmp_path, BROKER + producer + "[log]\nprefer.separate.producer = True\n", *BOTH)
    assert settings.log["sasl.password"] == "of-broker"
    assert settings.heartbeat["sasl.password"] == "of-producer"


def test_a_section_with_a_broker_of_its_own_gets_nothing_of_the_other(tmp_path: Path) -> None:
    own = "[producer]\nssl.ca.location = x\n[heartbeat]\nbootstrap.servers = other:2\n"
    settings = watch(tmp_path, BROKER + own, *BOTH)
    assert settings.heartbeat == {"bootstrap.servers": "other:2"}
    assert settings.log["bootstrap.servers"] == "b:1"


def test_a_broker_whose_variable_is_empty_is_none(tmp_path: Path) -> None:
    (tmp_path / "openmsi.env").write_text("OTHER=\n")
    settings = watch(tmp_path, BROKER + "[heartbeat]\nbootstrap.servers = $OTHER\n", *BOTH)
    assert settings.heartbeat["bootstrap.servers"] == "b:1"


def test_secrets_of_the_sections_are_kept(tmp_path: Path) -> None:
    login = "bootstrap.servers = other:2\nsasl.username = u\nsasl.password = "
    config = f"{BROKER}[heartbeat]\n{login}beat-secret\n[log]\n{login}log-secret\n"
    settings = watch(tmp_path, config, *BOTH)
    assert secrets(settings) >= {"beat-secret", "log-secret"}
    assert masked(settings)["heartbeat.sasl.password"] == masked(settings)["log.sasl.password"] == "***"
    assert "-secret" not in str(masked(settings)) + repr(settings)


def test_serializers_of_old_files_are_checked(tmp_path: Path) -> None:
    text = "key.serializer = StringSerializer\nvalue.serializer = StringSerializer\n"
    settings = watch(tmp_path, f"{BROKER}[heartbeat]\n{text}[log]\n{text}", *BOTH)
    assert "value.serializer" not in settings.heartbeat
    with pytest.raises(ConfigError, match=r"value.serializer in \[log\].*works with StringSerializer only"):
        watch(tmp_path, f"{BROKER}[log]\nvalue.serializer = DataFileChunkSerializer\n", *BOTH)


def test_without_a_topic_the_sections_are_not_looked_at(tmp_path: Path) -> None:
    settings = watch(tmp_path, BROKER + "[heartbeat]\nsasl.password = $MISSING\n", "--log_topic_name", "L")
    assert settings.heartbeat == {}
    with pytest.raises(ConfigError, match="MISSING is not set"):
        watch(tmp_path, BROKER + "[heartbeat]\nsasl.password = $MISSING\n", *BOTH)


def test_receivers_have_them_and_a_program_that_is_soon_over_has_not(tmp_path: Path) -> None:
    (tmp_path / "config.config").write_text(BROKER)
    assert load(DownloadSettings, ["out", "--topic_name", "T", *BOTH], {}, tmp_path).log["bootstrap.servers"] == "b:1"
    assert load(FileSettings, ["file", "--topic_name", "T", *BOTH], {}, tmp_path).log == {}
