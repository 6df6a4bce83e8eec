"""Log lines for a topic: in order, in messages below the limit, a bounded number of them, none lost silently."""

import json
import logging
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from openmsi_core.log_topic import LogLines, log_key
from openmsi_core.logs import also_to, logging_to
from openmsi_core.reporter import Parcel
from openmsi_downloader.settings import DownloadSettings

log = logging.getLogger("openmsi_core.test")


def kept(texts: Iterable[str], max_bytes: int, most_lines: int = 10_000) -> LogLines:
    lines = LogLines("DEBUG", max_bytes, most_lines)
    for text in texts:
        lines.put(text)
    return lines


def messages(parcels: Iterable[Parcel]) -> list[list[str]]:
    found = [json.loads(parcel.value) for parcel in parcels]
    assert all(type(each["timestamp"]) is float and each.keys() == {"timestamp", "messages"} for each in found)
    return [each["messages"] for each in found]


def flat(parcels: Iterable[Parcel]) -> list[str]:
    return [line for message in messages(parcels) for line in message]


@hypothesis_settings(deadline=None)
@given(texts=st.lists(st.text(max_size=100)), max_bytes=st.integers(700, 3000), most=st.integers(1, 9))
def test_every_line_arrives_in_order_in_messages_below_the_limit(texts: list[str], max_bytes: int, most: int) -> None:
    parcels = kept([text[:50] for text in texts], max_bytes, most).compose()
    assert flat(parcels) == [text[:50] for text in texts]
    assert all(len(parcel.value) <= max_bytes for parcel in parcels)
    assert all(1 <= len(message) <= most for message in messages(parcels))


def test_a_message_is_filled_before_the_next_is_begun() -> None:
    parcels = kept(["x" * 98] * 100, 1050).compose()
    assert [len(message) for message in messages(parcels)] == [9] * 11 + [1]


@hypothesis_settings(deadline=None)
@given(text=st.text(min_size=2000, max_size=4000), max_bytes=st.integers(300, 1500))
def test_a_line_too_long_for_a_message_is_cut_and_says_so(text: str, max_bytes: int) -> None:
    (parcel,) = kept([text], max_bytes).compose()
    ((line,),) = messages([parcel])
    beginning, mark, _ = line.rpartition(f" … ({len(text)} characters, cut here)")
    assert mark
    assert text.startswith(beginning)
    assert len(parcel.value) <= max_bytes
    assert max_bytes - len(parcel.value) < 20, "no more is cut than must be"


def test_nothing_to_say_is_no_message() -> None:
    lines = kept(["a"], 1000)
    assert flat(lines.compose()) == ["a"]
    assert lines.compose() == []


def test_of_too_many_lines_the_oldest_are_dropped_and_counted() -> None:
    lines = kept((f"{number} {'x' * 990}" for number in range(10_000)), 1_000_000)
    parcels = lines.compose()
    said, *rest = flat(parcels)
    assert sum(len(parcel.value) for parcel in parcels) < 2 << 20
    assert len(rest) > 1500
    assert said == f"WARNING: {10_000 - len(rest)} log lines before this one were dropped"
    assert [int(line.split()[0]) for line in rest] == list(range(10_000 - len(rest), 10_000))
    lines.put("after")
    assert flat(lines.compose()) == ["after"], "it is said once"


def test_what_was_refused_comes_first_the_next_time() -> None:
    lines = kept("abc", 1000, most_lines=1)
    for parcel in reversed(lines.compose()):
        lines.put("d")
        parcel.give_back()
    assert flat(lines.compose()) == ["a", "b", "c", "d", "d", "d"]


def test_what_was_too_large_is_counted() -> None:
    lines = kept("abc", 1000)
    (parcel,) = lines.compose()
    parcel.drop()
    lines.put("d")
    assert flat(lines.compose()) == ["WARNING: 3 log lines before this one were dropped", "d"]


def test_refusals_do_not_add_up_beyond_the_bound() -> None:
    lines = kept(("x" * 1000 for _ in range(10_000)), 1_000_000)
    parcels = lines.compose()
    for _ in range(10_000):
        lines.put("y" * 1000)
    for parcel in reversed(parcels):
        parcel.give_back()
    assert sum(len(parcel.value) for parcel in lines.compose()) < 2 << 20


def shipped(tmp_path: Path, level: str = "DEBUG") -> tuple[LogLines, DownloadSettings]:
    options = {"bootstrap.servers": "b:1", "sasl.password": "hunter22"}
    values = {"output_dir": tmp_path / "out", "topic_name": "T", "state_dir": tmp_path, "log": options}
    return LogLines(level, 10_000), DownloadSettings.model_validate(values)


def test_lines_are_bare_text_without_secrets_and_the_serious_ones_say_so(tmp_path: Path) -> None:
    lines, settings = shipped(tmp_path)
    with logging_to("P", settings), also_to(lines, settings):
        log.debug("looked at %s", "a")
        log.info("sent %s\n", "a")
        log.warning("the password is %s", "hunter22")
        try:
            raise ValueError("hunter22 is wrong")
        except ValueError:
            log.critical("end", exc_info=True)
    *said, end = flat(lines.compose())
    assert said == ["looked at a", "sent a\\x0a", "WARNING: the password is ***"]
    assert end.startswith("CRITICAL: end\nTraceback")
    assert end.endswith("ValueError: *** is wrong")


def test_what_is_sent_does_not_depend_on_what_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, settings = shipped(tmp_path)
    quiet = settings.model_copy(update={"logger_stream_level": "critical", "logger_file_level": "critical"})
    watchdog, before = logging.getLogger("watchdog"), log.getEffectiveLevel()
    with logging_to("P", quiet), also_to(lines, quiet):
        log.debug("ours")
        watchdog.info("theirs")
        watchdog.warning("theirs, serious")
        assert not watchdog.isEnabledFor(logging.INFO), "records that nobody wants are not even made"
    assert flat(lines.compose()) == ["ours", "WARNING: theirs, serious"]
    assert capsys.readouterr().err == ""
    assert log.getEffectiveLevel() == before


def test_a_level_may_be_set(tmp_path: Path) -> None:
    lines, settings = shipped(tmp_path, "WARNING")
    with logging_to("P", settings), also_to(lines, settings):
        log.info("not this")
        log.warning("this")
    assert flat(lines.compose()) == ["WARNING: this"]


def test_what_the_sender_says_itself_is_not_sent(tmp_path: Path) -> None:
    lines, settings = shipped(tmp_path)
    lines.sender = threading.Thread(target=log.warning, args=("the broker does not answer",))
    with logging_to("P", settings), also_to(lines, settings):
        log.info("before")
        lines.sender.start()
        lines.sender.join()
    assert flat(lines.compose()) == ["before"]
    assert "the broker does not answer" in (tmp_path / "P.log").read_text()


def test_the_key_is_the_program_id_with_a_suffix() -> None:
    assert log_key("UP") == "UP_log"
