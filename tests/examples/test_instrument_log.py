"""The example's records can be read by others: as a container file, and with the schema of a registry."""

import io
import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import fastavro
import pytest

from openmsi_processor import DataFile, Retry
from tests.support.examples import example, maker, results

instrument_log = example("instrument_log")
make = maker("instrument_log")


class Registry(HTTPServer):
    """The two calls of Confluent's schema registry that matter: register a schema, and get it by its number."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Calls)
        self.schemas: dict[int, str] = {}
        self.subjects: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.refusal = 0
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Calls(BaseHTTPRequestHandler):
    server: Registry

    def do_POST(self) -> None:
        _, subjects, subject, versions = self.path.split("/")
        assert (subjects, versions) == ("subjects", "versions")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.headers.append(dict(self.headers))
        if self.server.refusal:
            return self._answer(self.server.refusal, {"error_code": self.server.refusal, "message": "no"})
        self.server.subjects.append(subject)
        self.server.schemas[70000] = body["schema"]
        return self._answer(200, {"id": 70000})

    def do_GET(self) -> None:
        self._answer(200, {"schema": self.server.schemas[int(self.path.removeprefix("/schemas/ids/"))]})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    server = Registry()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("PROCESSOR_SCHEMA_REGISTRY_URL", server.url + "/")
    instrument_log.registered.cache_clear()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROCESSOR_SCHEMA_REGISTRY_URL", raising=False)


def log(folder: Path, text: str) -> DataFile:
    place = folder / "furnace.log"
    place.write_text(text, encoding="utf-8")
    return DataFile.local(place, "oven/furnace.log")


def contained(value: bytes) -> Any:
    """The only record of a container file, read with nothing but what is in it."""
    [record] = fastavro.reader(io.BytesIO(value))
    return record


@pytest.mark.usefixtures("alone")
def test_every_line_is_in_the_record(tmp_path: Path) -> None:
    value, files = results(instrument_log, log(tmp_path, make.log()))
    lines = contained(value)["lines"]
    heater = [line for line in lines if line["component"] == "heater" and line["level"] == "INFO"]
    assert [line["time"] for line in heater] == [make.START + timedelta(minutes=minute) for minute in range(80)]
    expected = [{"set_point": 850.0, "temperature": make.temperature(minute)} for minute in range(80)]
    assert [line["values"] for line in heater] == expected
    assert lines[0]["message"] == "firmware 4.2 started, recipe=anneal_7"
    assert lines[0]["values"] == {}, "no number behind the ="
    [warning] = [line for line in lines if line["level"] == "WARN"]
    assert warning["time"] == make.START + timedelta(minutes=make.NOISY, seconds=10)
    assert warning["values"] == {}, "4.2.1 is no number"
    [error] = [line for line in lines if line["level"] == "ERROR"]
    assert error["message"] == "no reading\n  at sensor.read (slot=2)\n  retried"
    pressures = [line["values"]["pressure"] for line in lines if line["component"] == "vacuum"]
    assert (len(pressures), pressures[0]) == (16, 1e-3)
    assert files["oven/furnace.log.png"].startswith(b"\x89PNG")


@pytest.mark.usefixtures("alone")
def test_the_same_log_gives_the_same_bytes(tmp_path: Path) -> None:
    file = log(tmp_path, make.log())
    value, _ = results(instrument_log, file)
    assert results(instrument_log, file)[0] == value
    assert contained(value)["sha512"] == file.sha512
    assert contained(value)["file"] == "oven/furnace.log"


def test_with_a_registry_others_decode_it_by_the_number_in_front(tmp_path: Path, registry: Registry) -> None:
    value, _ = results(instrument_log, log(tmp_path, make.log()))
    magic, number, body = value[0], int.from_bytes(value[1:5], "big"), value[5:]
    assert (magic, number) == (0, 70000)
    with urlopen(f"{registry.url}/schemas/ids/{number}") as answer:
        schema = json.loads(json.load(answer)["schema"])
    record: Any = fastavro.schemaless_reader(io.BytesIO(body), schema, None)
    assert len(record["lines"]) == 99
    assert record["lines"][1]["values"] == {"set_point": 850.0, "temperature": 20.0}
    results(instrument_log, log(tmp_path, make.log()))
    assert registry.subjects == ["openmsi.examples.InstrumentLog"], "asked once"
    assert registry.headers[0]["Content-Type"] == "application/vnd.schemaregistry.v1+json"
    assert "Authorization" not in registry.headers[0]


def test_the_registry_gets_the_login(tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSOR_SCHEMA_REGISTRY_LOGIN", "key:se%cret")
    results(instrument_log, log(tmp_path, make.log()))
    assert registry.headers[0]["Authorization"] == "Basic " + b64encode(b"key:se%cret").decode()


@pytest.mark.parametrize(("status", "expected"), [(503, Retry), (429, Retry), (409, RuntimeError), (401, RuntimeError)])
def test_a_refusal_is_asked_again_only_where_that_helps(
    tmp_path: Path, registry: Registry, status: int, expected: type[Exception]
) -> None:
    registry.refusal = status
    with pytest.raises(expected, match=str(status)):
        results(instrument_log, log(tmp_path, make.log()))
    registry.refusal = 0
    assert results(instrument_log, log(tmp_path, make.log()))[0][:1] == b"\0"


def test_a_registry_that_is_away_is_asked_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Registry()
    gone.server_close()
    monkeypatch.setenv("PROCESSOR_SCHEMA_REGISTRY_URL", gone.url)
    instrument_log.registered.cache_clear()
    with pytest.raises(Retry, match="cannot be reached"):
        results(instrument_log, log(tmp_path, make.log()))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-11-20 09:15:00,250 INFO a: b\n", "line 1: a time without a zone"),
        ("\nhello\n", "line 2 is not: time, level, component, message"),
    ],
)
def test_what_is_no_log_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        instrument_log.process(log(tmp_path, text))


def test_an_unknown_level_is_refused_and_an_empty_log_is_not(tmp_path: Path, alone: None) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the words are the library's
        instrument_log.process(log(tmp_path, "2026-11-20T09:15:00Z PANIC a: b\n"))
    assert contained(results(instrument_log, log(tmp_path, ""))[0])["lines"] == []
