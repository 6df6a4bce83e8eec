"""What a script with an old class survives, and where it finds what it does not say itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.old_processors import OldProcessors
from tests.support.sending import Sender

HOSTILE = """
import os, sys, time
from openmsi_processor import DataFileStreamProcessor

class Hostile(DataFileStreamProcessor):
    seen = 0

    def _process_downloaded_data_file(self, datafile, lock):
        with lock:
            self.seen += 1
        print("at", datafile.filename)
        match datafile.filename:
            case "hangs":
                time.sleep(600)
            case "exits":
                os._exit(7)
            case "eats":
                bytearray(4 << 30)
            case "leaves":
                sys.exit(4)
            case "returns":
                return "something"
            case "last":
                self.control_command_queue.put("c")
                self.control_command_queue.put("q")

    def _on_check(self):
        self.logger.error("asked how it goes")

Hostile.run_from_command_line()
"""


@pytest.fixture
def old(kafka: Broker, topic: str, tmp_path: Path) -> Iterator[OldProcessors]:
    made = OldProcessors(kafka.bootstrap, topic, kafka.create_topic(), tmp_path)
    yield made
    made.kill()


def test_hostile_code_costs_its_own_file_only(old: OldProcessors, sender: Sender) -> None:
    good = [f"good {number}" for number in range(12)]
    bad = ["hangs", "exits", "leaves", "returns", "eats"]
    for path in [*good[:6], *bad, *good[6:]]:
        sender.file(path, b"x")
    (old.folder / "hostile.py").write_text(HOSTILE)
    program = old.old(
        old.folder / "hostile.py", "--processing_timeout", "1", "--n_threads", "4", "--memory_limit", "900"
    )
    for path in good:
        program.says(f"processed {path} ", 60)
    for path in bad:
        program.says(f"put {path} in quarantine", 60)
    sender.file("last", b"x")
    assert program.exits(60) == 0
    output = program.output
    assert "put hangs in quarantine: the process that ran the code took longer than 1 s" in output
    assert "put exits in quarantine: the process that ran the code ended itself (exit code 7)" in output
    assert "hostile.py, line 20: it ended itself (exit 4)" in output
    assert "_process_downloaded_data_file returned 'something'" in output
    assert "line 18: MemoryError (there is no more memory, or --memory_limit is too low)" in output
    assert all(f"INFO  {path}: at {path}" in output for path in good)
    assert "ERROR asked how it goes" in output
    assert output.count("in quarantine: ") == len(bad)


METADATA = """
from openmsi_processor.metadata_extraction import MetadataJSONReproducer

class Sizes(MetadataJSONReproducer):
    def _get_metadata_dict_for_file(self, datafile):
        return {"size": len(datafile.bytestring), "group": self.consumer_group_id}
"""


def test_environment_and_config_file_say_the_rest(old: OldProcessors, sender: Sender) -> None:
    sender.file("a_1.csv", b"1")
    (old.folder / "sizes.py").write_text(METADATA)
    env = {"OPENMSI_OUTPUT_DIR": "from environment", "OPENMSI_TOPIC_NAME": "another"}
    config = f"\n[StreamProcessor]\nproducer_topic_name = {old.results}\nconsumer_group_id = {old.results}\n"
    command = ("StreamProcessor", "../sizes.py", "--consumer_topic_name", old.topic)
    program = old.run("processor", *command, env=env, config=config)
    program.says("processed a_1.csv")
    assert program.stop() == 0
    assert [each.json for each in old.read()["a_1.csv"]] == [{"size": 1, "group": old.results}]
    assert (old.folder / "processor/from environment/.openmsi").is_dir()
    assert "1 messages read, 1 processed, 1 files read, 1 results produced" in program.output


def test_a_module_of_a_package(old: OldProcessors, sender: Sender) -> None:
    sender.file("a_1.csv", b"1\n2")
    package = old.folder / "processor" / "ours"
    package.mkdir(parents=True)
    old.changed("plotter.py").rename(package / "plots.py")
    (package / "of_ours.py").write_text("NAME = 'of ours'\n")
    with (package / "plots.py").open("a") as script:
        script.write("    from .of_ours import NAME\n    print('ran', NAME)\n")
    more = ("--topic_name", old.topic, "--config", "config.config", "--output_dir", str(old.output))
    program = old.run("processor", "python", "-m", "ours.plots", *more)
    program.says("processed a_1.csv")
    assert program.stop() == 0
    assert "ran of ours" in program.output


NOTEBOOK = """
import pathlib, sys, threading, time
exec(open("../hostile.py").read().replace("Hostile.run_from_command_line()", ""))
made = Hostile("config.config", sys.argv[1], output_dir=pathlib.Path("out"), n_threads=2)
thread = threading.Thread(target=made.process_files_as_read)
thread.start()
while made.n_processed_files < 2:
    time.sleep(0.02)
made.logger.warning("seen %s", sorted(str(path) for path in made.recent_processed_filepaths))
made.control_command_queue.put("q")
thread.join()
print("went on after", made.seen)
"""


def test_where_there_is_no_script(old: OldProcessors, sender: Sender) -> None:
    for path in ("one", "two"):
        sender.file(path, b"x")
    (old.folder / "hostile.py").write_text(HOSTILE)
    program = old.run("processor", "python", "-c", NOTEBOOK, old.topic)
    assert program.exits() == 0
    assert "WARNING seen ['one', 'two']" in program.output
    assert "Hostile has stopped: 2 files" in program.output
    assert "went on after 2" in program.output
