"""The same processors under OpenMSIStream and under ours, only their import lines changed: the same comes of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from tests.interop import openmsistream
from tests.interop.lab import Lab, our_upload, stop_theirs, wait_for_files
from tests.interop.openmsistream import delivered
from tests.support.old_processors import OldProcessors
from tests.support.running import wait_for

FILES = {"run/1/a_1.csv": b"1\n2\n3\n", "a_2.csv": b"4\n5\n" * 3000, "run/ü 1.csv": b"6\n"}


@pytest.fixture
def _text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Theirs serialize what the config file says; the documentation of their reproducers has this."""
    config = openmsistream._CONFIG.replace("DataFileChunkSerializer", "StringSerializer")
    monkeypatch.setattr(openmsistream, "_CONFIG", config)


@pytest.fixture
def old(lab: Lab, tmp_path: Path) -> Iterator[OldProcessors]:
    made = OldProcessors(lab.broker.bootstrap, lab.topic, lab.broker.create_topic(partitions=1), tmp_path / "old")
    yield made
    made.kill()


def records(lab: Lab, topic: str) -> dict[bytes | None, bytes | None]:
    """Key → value of all that is committed there."""
    consumer = Consumer({"bootstrap.servers": lab.broker.bootstrap, "group.id": "none", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    found: dict[bytes | None, bytes | None] = {}
    while (message := consumer.poll(10.0)) is not None and message.error() is None:
        assert message.key() not in found
        found[message.key()] = message.value()
    consumer.close()
    return found


@pytest.mark.usefixtures("_text")
@pytest.mark.parametrize("partitions", [4])
def test_same_results(lab: Lab, old: OldProcessors) -> None:
    their_results = {name: lab.broker.create_topic(partitions=1) for name in ("metadata.py", "own_message.py")}
    theirs = [lab.theirs(f"processors/{name}", "--producer_topic_name", topic) for name, topic in their_results.items()]
    plotter = lab.theirs("processors/plotter.py", "--output_dir", str(lab.folder / "plots"))
    uploader = our_upload(lab, FILES)
    for name, topic in their_results.items():
        old.results = lab.broker.create_topic(partitions=1)
        program = old.old(old.changed(name), "--producer_topic_name", old.results, name=f"with {name}")
        for path in FILES:
            program.says(f"processed {path} ")
        assert program.stop() == 0
        wait_for(lambda topic=topic: len(records(lab, topic)) == len(FILES), f"their results of {name}")  # type: ignore[misc]
        assert records(lab, old.results) == records(lab, topic)
    program = old.old(old.changed("plotter.py"), name="plotter")
    for path in FILES:
        program.says(f"processed {path} ")
    assert program.stop() == 0
    plots = {path: content for path, content in delivered(old.output).items() if path.endswith(".txt")}
    assert sorted(plots) == ["a_2_plot.txt", "run/1/a_1_plot.txt", "run/ü 1_plot.txt"]
    wait_for_files(lab.folder / "plots", plots)
    assert delivered(lab.folder / "plots") == plots
    stop_theirs(plotter, *theirs)
    assert uploader.stop() == 0
