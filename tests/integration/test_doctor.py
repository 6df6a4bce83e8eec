"""`openmsi doctor` from the settings to the login: a green line for what works, what to do for what does not."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.broker import PASSWORD, USER, Broker
from tests.support.operating import DOWNLOADER, LOGIN, UPLOADER, doctor, lines, openmsi
from tests.support.tls import Authority, serving


def test_all_is_well(kafka: Broker, topic: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    ran = doctor(tmp_path, kafka.sasl_bootstrap, "in", "--topic_name", topic, *UPLOADER, broker=LOGIN)
    assert ran.code == 0
    assert lines(ran, "!!") == ""
    for about in ("settings", "address", "login", "topic", "rights", "watched", "state"):
        assert f"ok  {about}" in ran.out
    assert f"user {USER} (SASL_PLAINTEXT, PLAIN); cluster MkU3OEVBNTcwNTJENDM2Qk" in ran.out
    assert PASSWORD not in ran.out


def test_what_programs_get(kafka: Broker, topic: str, tmp_path: Path) -> None:
    ran = openmsi(tmp_path, kafka.bootstrap, "doctor", "missing", "--topic_name", topic, "--json")
    found: dict[str, Any] = json.loads(ran.out)
    assert (ran.code, found["ok"]) == (1, False)
    assert {"level": "bad", "about": "watched"}.items() <= next(
        f for f in found["findings"] if f["level"] == "bad"
    ).items()
    assert {f["level"] for f in found["findings"]} <= {"ok", "bad", "unsure"}
    assert all(f.keys() == {"level", "about", "text", "todo"} for f in found["findings"])


def test_nothing_is_left_behind(kafka: Broker, topic: str, tmp_path: Path) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    for program, folder in ((UPLOADER, "in"), (DOWNLOADER, "out")):
        doctor(tmp_path, kafka.bootstrap, folder, "--topic_name", topic, *program)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["config.config", "in", "out"]
    listed = kafka.admin()
    assert "openmsi-bystander" not in {group.group_id for group in listed.list_consumer_groups().result(10).valid or []}


def test_addresses_that_do_not_answer(tmp_path: Path) -> None:
    ran = doctor(tmp_path, "127.0.0.1:9,nosuch.invalid:9092,kafka:port")
    bad = lines(ran, "!!", "address")
    assert "127.0.0.1:9 (127.0.0.1) cannot be connected to: Connection refused" in bad
    assert "nosuch.invalid cannot be found" in bad
    assert "'kafka:port' is no address" in bad
    assert "not looked at, because no broker answers" in lines(ran, "--", "topic")


def test_a_broker_that_is_frozen(own_kafka: Broker, tmp_path: Path) -> None:
    own_kafka.freeze()
    ran = doctor(tmp_path, own_kafka.bootstrap)
    assert "can be connected to" in lines(ran, "ok", "address")
    assert "the broker does not answer" in lines(ran, "!!", "login")


def test_a_password_that_is_wrong(kafka: Broker, tmp_path: Path) -> None:
    ran = doctor(tmp_path, kafka.sasl_bootstrap, broker=LOGIN.replace(PASSWORD, "wrong-password"))
    assert "refused the user name or password" in lines(ran, "!!", "login")
    assert "wrong-password" not in ran.out


def test_a_login_that_is_missing(kafka: Broker, tmp_path: Path) -> None:
    ran = doctor(tmp_path, kafka.sasl_bootstrap)
    assert "set sasl.username and sasl.password" in lines(ran, "!!", "login")


def test_a_broker_that_gives_an_address_where_it_is_not(kafka: Broker, tmp_path: Path) -> None:
    door = kafka.doors.get()  # nobody listens at its outside
    ran = doctor(tmp_path, door.inside)
    kafka.doors.put(door)
    assert f"{door.outside} (127.0.0.1) cannot be connected to" in lines(ran, "!!", "broker 1")
    assert "advertised.listeners" in lines(ran, "!!", "broker 1")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def tls(authority: Authority | None) -> str:
    return "security.protocol = SSL\n" + (f"ssl.ca.location = {authority.pem}\n" if authority else "")


def test_a_certificate_that_is_good(authority: Authority, tmp_path: Path) -> None:
    with serving(authority.certificate("IP:127.0.0.1", 60)) as address:
        ran = doctor(tmp_path, address, broker=tls(authority))
    assert "its certificate is good until" in lines(ran, "ok", "TLS")


def test_a_certificate_that_expires_soon(authority: Authority, tmp_path: Path) -> None:
    with serving(authority.certificate("IP:127.0.0.1", 5)) as address:
        ran = doctor(tmp_path, address, broker=tls(authority))
    assert "its certificate expires on" in lines(ran, "--", "TLS")


@pytest.mark.parametrize(
    ("names", "days", "known", "words"),
    [
        ("IP:127.0.0.1", -1, True, "has expired -> check this machine's clock"),
        ("DNS:kafka.example.org", 60, True, "is not for the name 127.0.0.1"),
        ("IP:127.0.0.1", 60, False, "name the authority's certificate with ssl.ca.location"),
    ],
)
def test_certificates_that_are_refused(
    authority: Authority, tmp_path: Path, names: str, days: int, known: bool, words: str
) -> None:
    with serving(authority.certificate(names, days)) as address:
        ran = doctor(tmp_path, address, broker=tls(authority if known else None))
    assert words in lines(ran, "!!", "TLS")


def test_a_certificate_that_is_not_to_be_checked(authority: Authority, tmp_path: Path) -> None:
    options = f"{tls(None)}enable.ssl.certificate.verification = false\n"
    with serving(authority.certificate("DNS:elsewhere", -1)) as address:
        ran = doctor(tmp_path, address, broker=options)
    assert "is not checked, as the config file asks" in lines(ran, "ok", "TLS")


def test_authorities_that_cannot_be_read(kafka: Broker, tmp_path: Path) -> None:
    ran = doctor(tmp_path, kafka.bootstrap, broker="security.protocol = SSL\nssl.ca.location = /nowhere/ca.pem\n")
    assert "ssl.ca.location = /nowhere/ca.pem" in lines(ran, "!!", "TLS")


def test_a_broker_that_speaks_no_tls(kafka: Broker, tmp_path: Path) -> None:
    ran = doctor(tmp_path, kafka.bootstrap, broker=tls(None))
    assert "does not speak TLS" in lines(ran, "!!", "TLS")


def test_a_port_that_never_says_a_word(tmp_path: Path) -> None:
    with serving(None) as address:
        ran = doctor(tmp_path, address, broker=tls(None))
    assert "does not answer in TLS within 5 s" in lines(ran, "!!", "TLS")


def test_a_broker_that_wants_tls(authority: Authority, tmp_path: Path) -> None:
    with serving(authority.certificate("IP:127.0.0.1", 60)) as address:
        ran = doctor(tmp_path, address)
    assert "the broker wants an encrypted connection" in lines(ran, "!!", "login")
