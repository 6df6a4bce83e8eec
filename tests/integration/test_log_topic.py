"""Log lines on a topic: all of them, once, in order, in messages below the limit, without secrets."""

from pathlib import Path

import pytest

from tests.support.broker import PASSWORD, USER, Broker, unique
from tests.support.downloading import Downloads
from tests.support.reports import log_messages, records
from tests.support.running import Program, wait_for
from tests.support.telling import Watch


def logging(topic: str, program_id: str = "UP", interval: str = "0.2") -> tuple[str, ...]:
    """The options that switch log lines on."""
    return ("--log_topic_name", topic, "--log_program_id", program_id, "--log_interval_secs", interval)


def lines(broker: Broker, topic: str, program: str = "UP") -> list[str]:
    return [line for each in log_messages(broker.bootstrap, topic) if each.program == program for line in each.lines]


def shown(program: Program) -> list[str]:
    """What the program has printed, as its log messages should have it: no time, no level below WARNING."""
    said = [line.split(" ", 1)[1] for line in program.output.splitlines()]
    return [
        line.removeprefix("INFO").strip() if line.startswith("INFO") else line.replace(" ", ": ", 1) for line in said
    ]


def test_every_line_of_both_programs_arrives_once_in_order(
    kafka: Broker, tmp_path: Path, watch: Watch, downloads: Downloads
) -> None:
    log = kafka.create_topic()
    uploader = watch(*logging(log))
    downloader = downloads.start(*logging(log, "DOWN"))
    uploader.says("reached", 60)
    for number in range(20):
        (tmp_path / "data" / f"füle {number}").write_bytes(b"x")
    wait_for(lambda: len(downloads.tree) == 20, "the files")
    assert uploader.stop() == downloader.stop() == 0
    for program, name in ((uploader, "UP"), (downloader, "DOWN")):
        info = [line for line in lines(kafka, log, name) if line in shown(program)]
        assert info == shown(program)
        assert info[0].startswith("DataFile")
        assert "has stopped: 20 files" in info[-1]
    times = [each.at for each in log_messages(kafka.bootstrap, log) if each.program == "UP"]
    assert len(times) > 2
    assert times == sorted(times)


def test_many_lines_are_split_to_fit_the_limit_of_the_section(kafka: Broker, tmp_path: Path, watch: Watch) -> None:
    log = kafka.create_topic(partitions=1, config={"max.message.bytes": "2500"})
    uploader = watch(*logging(log, interval="3"), config="[log]\nmessage.max.bytes = 2000\nlog.level = INFO\n")
    uploader.says("reached", 60)
    stem = unique("x" * 100)
    for number in range(300):
        (tmp_path / "data" / f"{stem} {number:03}").write_bytes(b"x")
    wait_for(lambda: uploader.output.count("sent x") == 300, "the files")
    assert uploader.stop() == 0
    found = log_messages(kafka.bootstrap, log)
    assert [line for each in found for line in each.lines] == shown(uploader)
    assert max(each.size for each in found) <= 2000
    assert max(len(each.lines) for each in found) > 5


def test_messages_that_the_topic_refuses_are_counted_and_the_next_ones_arrive(
    kafka: Broker, tmp_path: Path, watch: Watch
) -> None:
    log = kafka.create_topic(partitions=1, config={"max.message.bytes": "600"})
    uploader = watch(*logging(log), config="[log]\nmax.logs.per.message = 1\nlinger.ms = 0\n")
    uploader.says("reached", 60)
    (tmp_path / "data" / ("y" * 200)).mkdir()
    (tmp_path / "data" / ("y" * 200) / ("z" * 255)).write_bytes(b"x")
    uploader.says("sent y", 60)
    uploader.says(f"WARNING log topic {log}: a message was too large and is left out: give it a smaller message.max")
    wait_for(lambda: any("log lines before this one were dropped" in line for line in lines(kafka, log)), "the count")
    assert uploader.stop() == 0
    assert "has stopped" in lines(kafka, log)[-1]


def test_lines_wait_for_their_broker_and_its_trouble_brings_no_lines(
    kafka: Broker, own_kafka: Broker, tmp_path: Path, watch: Watch
) -> None:
    log = own_kafka.create_topic(partitions=1)
    login = (
        f"bootstrap.servers = {own_kafka.sasl_bootstrap}\nsecurity.protocol = SASL_PLAINTEXT\nsasl.username = {USER}"
    )
    uploader = watch(*logging(log), config=f"[log]\n{login}\nsasl.password = {PASSWORD}\n")
    uploader.says("reached", 60)
    wait_for(lambda: any("reached" in line for line in lines(own_kafka, log)), "the first lines")
    own_kafka.kill()
    (tmp_path / "data" / "meanwhile").write_bytes(b"x")
    uploader.says("sent meanwhile")
    uploader.says(f"WARNING log topic {log}: ")
    own_kafka.start()
    wait_for(lambda: any("sent meanwhile" in line for line in lines(own_kafka, log)), "the line", 60)
    (tmp_path / "data" / "afterwards").write_bytes(b"x")
    uploader.says("sent afterwards")
    assert uploader.stop() == 0
    assert uploader.output.count("WARNING") == 1, uploader.output
    found = lines(own_kafka, log)
    assert [line.split()[1] for line in found if line.startswith("sent")] == ["meanwhile", "afterwards"]
    assert [line for line in found if line.startswith("WARNING")] == []
    assert "log.sasl.password=***" in "".join(found)
    assert PASSWORD not in "".join(found) + uploader.output


def test_lines_wait_for_their_topic_in_order(kafka: Broker, tmp_path: Path, watch: Watch) -> None:
    log = unique("made-later")
    uploader = watch(*logging(log), config="[log]\nmax.logs.per.message = 1\nlog.level = INFO\n")
    uploader.says(f"WARNING log topic {log}: topic '{log}' does not exist on the broker: make it first", 60)
    for number in range(5):
        (tmp_path / "data" / f"file {number}").write_bytes(b"x")
    wait_for(lambda: uploader.output.count("sent file") == 5, "the files")
    uploader.says("WARNING")
    kafka.create_topic(log, partitions=1)
    wait_for(lambda: len(lines(kafka, log)) > 5, "the lines", 60)
    assert uploader.stop() == 0
    assert lines(kafka, log) == [line for line in shown(uploader) if not line.startswith("WARNING: log topic")]
    assert uploader.output.count("does not exist") == 1


def test_what_a_program_dies_of_is_told(kafka: Broker, tmp_path: Path, watch: Watch) -> None:
    log = kafka.create_topic(partitions=1)
    (tmp_path / "data").rmdir()
    assert watch(*logging(log)).exits() == 78
    assert lines(kafka, log)[-1].startswith(f"CRITICAL: the upload folder {tmp_path / 'data'} does not exist")


@pytest.mark.parametrize(
    "wrong", ["log.level = loud", "max.logs.per.message = 0", "message.max.bytes = much", "a.b = c"]
)
def test_an_option_that_cannot_be_is_one_line(kafka: Broker, watch: Watch, wrong: str) -> None:
    log = kafka.create_topic(partitions=1)
    uploader = watch(*logging(log), config=f"[log]\n{wrong}\n")
    assert uploader.exits() == 78
    (line,) = uploader.output.splitlines()
    assert "CRITICAL" in line
    assert wrong.split(maxsplit=1)[0] in line
    assert records(kafka.bootstrap, log) == []
