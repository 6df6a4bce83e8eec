"""An instrument's text log to Avro records by the schema beside this file, and a plot of every number in it.

With PROCESSOR_SCHEMA_REGISTRY_URL the message is what Confluent's clients write, otherwise an Avro container file.
"""

import base64
import io
import json
import os
import re
import urllib.error
import urllib.request
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from openmsi_processor import DataFile, Result, Retry, processor

SCHEMA = json.loads(Path(__file__).with_suffix(".avsc").read_text())
LINE = re.compile(r"(\d{4}-\d\d-\d\d[T ][\d:.,]+(Z|[+-]\d\d:?\d\d)?)\s+([A-Z]+)\s+([^\s:]+):?\s+(.*)")
LEVELS = {"TRACE": "DEBUG", "WARNING": "WARN", "CRITICAL": "ERROR", "FATAL": "ERROR"}
NUMBER = re.compile(r"([A-Za-z_]\w*)=([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(?![\w.])")


@processor(files=r"(?i).*\.log$", name="instrument_log")
def process(file: DataFile) -> Result:
    """One Avro record for the file; the plot beside where the log belongs."""
    lines = read(file.bytes.decode("utf-8", "replace"))
    record = {"file": file.relative_path, "sha512": file.sha512, "lines": lines}
    url = os.environ.get("PROCESSOR_SCHEMA_REGISTRY_URL", "")
    value = confluent(record, url) if url else container(record)
    plot = file.scratch / f"{file.name}.png"
    draw(plot, file.name, lines)
    return Result(value=value, files=[plot])


def read(text: str) -> list[dict[str, Any]]:
    """The lines as the schema has them. Raises ValueError for what cannot be the beginning of a log."""
    found: list[dict[str, Any]] = []
    for number, text_line in enumerate(text.splitlines(), start=1):
        match = LINE.match(text_line)
        if match:
            time, zone, level, component, message = match.groups()
            if not zone:
                raise ValueError(
                    f"line {number}: a time without a zone; let the instrument write UTC and a Z behind it"
                )
            values = {name: float(value) for name, value in NUMBER.findall(message)}
            line = {"time": datetime.fromisoformat(time.replace(",", ".")), "level": LEVELS.get(level, level)}
            found.append({**line, "component": component, "message": message, "values": values})
        elif found:
            found[-1]["message"] += f"\n{text_line}"
        elif text_line.strip():
            raise ValueError(f"line {number} is not: time, level, component, message")
    return found


def container(record: dict[str, Any]) -> bytes:
    """A file that holds its schema, so that every Avro library can read it."""
    stream = io.BytesIO()
    marker = bytes.fromhex(record["sha512"])[:16]  # not at random: the same log gives the same bytes
    fastavro.writer(stream, SCHEMA, [record], codec="deflate", sync_marker=marker)
    return stream.getvalue()


def confluent(record: dict[str, Any], url: str) -> bytes:
    """Confluent's wire format: a zero, the number of the schema in the registry in four bytes, then the record."""
    stream = io.BytesIO()
    stream.write(b"\0" + registered(url).to_bytes(4, "big"))
    fastavro.schemaless_writer(stream, SCHEMA, record)
    return stream.getvalue()


@cache  # once in each worker process
def registered(url: str) -> int:
    """The number that the registry gives to our schema; it knows the schema by the name of its record."""
    subject = f"{SCHEMA['namespace']}.{SCHEMA['name']}"
    body = json.dumps({"schema": json.dumps(SCHEMA)}).encode()
    headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
    if login := os.environ.get("PROCESSOR_SCHEMA_REGISTRY_LOGIN"):  # KEY:SECRET
        headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    request = urllib.request.Request(f"{url.rstrip('/')}/subjects/{subject}/versions", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(json.load(answer)["id"])
    except urllib.error.HTTPError as error:
        if error.code < 500 and error.code != 429:  # 409: the schema does not fit to its earlier versions
            raise RuntimeError(
                f"the schema registry refused the schema: {error.code} {error.read(300).decode()}"
            ) from None
        raise Retry(after=30, reason=f"the schema registry answered {error.code}") from None
    except OSError as error:
        raise Retry(after=30, reason=f"the schema registry cannot be reached: {error}") from None


def draw(place: Path, title: str, lines: list[dict[str, Any]]) -> None:
    """Each number over time, and a line where something went wrong."""
    names = sorted({name for line in lines for name in line["values"]}) or [""]
    figure = Figure(figsize=(8, 1 + 1.3 * len(names)), layout="constrained")
    figure.suptitle(title)
    for axes, name in zip(figure.subplots(len(names), sharex=True, squeeze=False)[:, 0], names, strict=True):
        points = [(line["time"], line["values"][name]) for line in lines if name in line["values"]]
        axes.plot([time for time, _ in points], [value for _, value in points], marker=".", linewidth=1)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(AutoDateLocator()))
        axes.set_ylabel(name)
        for line in lines:
            if line["level"] in ("WARN", "ERROR"):
                axes.axvline(line["time"], color="red" if line["level"] == "ERROR" else "orange", linewidth=1)
    figure.savefig(place, dpi=90)
