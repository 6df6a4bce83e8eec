"""The classes of OpenMSIStream that make messages of files, their log, and what they print."""

import io
import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from openmsi_processor import DataFileStreamReproducer, MetadataJSONReproducer, OpenMSILogger, ReproducerMessage
from openmsi_processor.classes.connection import working_on
from openmsi_processor.classes.printing import Printed
from openmsi_processor.classes.serving import answer_to
from openmsi_processor.mistake import Mistake
from tests.support.handed import handed


class Sender(DataFileStreamReproducer):
    """Returns its ``message``."""

    message: Any = None

    def _get_processing_result_message_for_file(self, datafile: Any, lock: Any) -> Any:  # noqa: ARG002
        return self.message(datafile) if self.message else None

    def _failed_computing_processing_result(self, datafile: Any, lock: Any) -> None:  # noqa: ARG002
        self.given_up = datafile.filename


class Meta(MetadataJSONReproducer):
    """Returns its ``content``."""

    content: Any = None

    def _get_metadata_dict_for_file(self, datafile: Any) -> Any:  # noqa: ARG002
        return self.content


class Message(ReproducerMessage):
    """Has a value only."""

    msg_value = "text"


class Keyed(Message):
    """Has both."""

    msg_key = "mine"
    msg_value = b"\x00\xff"  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("message", "path", "key", "value"),
    [
        (Message, "run/1/ä.csv", "run_1_ä.csv_chunk_processing_result", b"text"),
        (Message, "top", "_top_chunk_processing_result", b"text"),
        (Keyed, "top", "mine", b"\x00\xff"),
    ],
)
def test_reproducer(tmp_path: Path, message: Any, path: str, key: str, value: bytes) -> None:
    sender = Sender("c.config", "topic", "results", output_dir=tmp_path)
    sender.message = message
    answer, blobs = answer_to(sender, handed(tmp_path, path))
    assert (blobs[answer["key"]].decode(), blobs[answer["value"]]) == (key, value)
    assert (sender.n_results_produced_files, sender.recent_results_produced) == (1, [Path(path)])
    assert (sender.consumer_topic_name, sender.producer_topic_name) == ("topic", "results")


def test_reproducer_without_a_message(tmp_path: Path) -> None:
    sender = Sender("c.config", "topic", "results", output_dir=tmp_path)
    answer, _ = answer_to(sender, handed(tmp_path, last=True))
    assert "returned None: no message could be made of the file" in answer["text"]
    assert sender.given_up == "ä.csv"
    sender.message = lambda _: 5
    assert "return a ReproducerMessage" in answer_to(sender, handed(tmp_path))[0]["text"]
    assert sender.n_results_produced_files == 0


def test_metadata(tmp_path: Path) -> None:
    meta = Meta("c.config", "topic", "results", output_dir=tmp_path)
    meta.content = {"a": [1, None, "ü"]}
    answer, blobs = answer_to(meta, handed(tmp_path))
    assert blobs[answer["value"]].decode() == json.dumps(meta.content)
    meta.content = [1]
    assert "returned list: return a dictionary" in answer_to(meta, handed(tmp_path))[0]["text"]
    meta.content = {"a": object()}
    assert "not JSON serializable" in answer_to(meta, handed(tmp_path))[0]["text"]


@pytest.mark.parametrize(
    ("topics", "text"),
    [(("t",), "producer_topic_name is missing"), (("t", "t"), "results need another"), ((None, "r"), "topic_name is")],
)
def test_topics_of_a_reproducer(topics: tuple[Any, ...], text: str) -> None:
    with pytest.raises(Mistake, match=text):
        Sender("c.config", *topics)


def test_logger(caplog: pytest.LogCaptureFixture) -> None:
    logger = OpenMSILogger("test_old_classes")
    error = ValueError("why")
    logger.error("only said", exc_info=error)
    with pytest.raises(ValueError, match="why"):
        logger.error("said and raised", exc_info=error, reraise=True)
    with pytest.raises(KeyError, match="raised"):
        logger.error("raised %d", 5, exc_type=KeyError)
    assert re.findall("only said|said and raised|raised 5", caplog.text) == ["only said", "said and raised", "raised 5"]
    logger.critical("also")
    assert "also" in caplog.text


def test_each_line_that_is_printed_belongs_to_the_file_of_its_thread() -> None:
    told: list[tuple[str, str]] = []

    class Connection:
        def tell(self, head: dict[str, Any]) -> None:
            told.append((head["path"], head["text"]))

    real = io.StringIO()
    printed = Printed(real, Connection())  # type: ignore[arg-type]  # all that it needs of one
    with working_on("a"):
        print("one", "line", file=printed)
        print("50 %\r100 %", end="", file=printed)
        other = threading.Thread(target=lambda: print("of no file", file=printed))
        other.start()
        other.join()
        printed.done()
    assert told == [("a", "one line"), ("a", "100 %")]
    assert real.getvalue() == "of no file\n"
    told.clear()
    with working_on("b"):
        for number in range(5000):
            print(number, file=printed)
    assert (len(told), told[-1]) == (1000, ("b", "(it prints more, which is not logged)"))
