"""The classes of OpenMSIStream: command lines and constructors."""

import logging
import re
from pathlib import Path
from typing import Any, ClassVar

import pytest

from openmsi_processor import DataFileStreamProcessor, MetadataJSONReproducer, OpenMSIStreamArgumentParser, Runnable
from openmsi_processor.classes.options import Options


class Plotter(DataFileStreamProcessor):
    """Does nothing."""

    def _process_downloaded_data_file(self, datafile: Any, lock: Any) -> None:
        """Does nothing."""


class Metadata(MetadataJSONReproducer):
    """Does nothing."""

    def _get_metadata_dict_for_file(self, datafile: Any) -> dict[str, Any]:  # noqa: ARG002
        return {}


@pytest.fixture(autouse=True)
def _nothing_parsed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(OpenMSIStreamArgumentParser, "last", None)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("args", "topics"),
    [
        ("--topic_name a", ("a", "a", "a")),
        ("--consumer_topic_name a", ("a", "a", "a")),
        ("--topic_name a --consumer_topic_name b", ("a", "b", "a")),
        ("--topic_name a --producer_topic_name c", ("a", "a", "c")),
        ("--consumer_topic_name=b --producer_topic_name=c", ("b", "b", "c")),
        ("", (None, None, None)),
    ],
)
def test_topics(args: str, topics: tuple[Any, ...]) -> None:
    parsed = Metadata.get_argument_parser().parse_args(args.split())
    assert (parsed.topic_name, parsed.consumer_topic_name, parsed.producer_topic_name) == topics


def test_constructor_gets_what_the_command_line_says(tmp_path: Path) -> None:
    (tmp_path / "own.config").touch()
    text = "--config own --topic_name a --producer_topic_name b --n_consumer_threads 3 --mode both --output_dir o"
    text += " --download_regex .*x --update_seconds -1 --logger_stream_level debug --consumer_group_id g"
    args, kwargs = Metadata.get_init_args_kwargs(Metadata.get_argument_parser().parse_args(text.split()))
    made = Metadata(*args, **kwargs)
    assert args == [tmp_path / "own.config", "a", "b"]
    assert (made.n_threads, made.n_consumer_threads, made.consumer_group_id) == (3, 3, "g")
    assert made._output_dir == tmp_path / "o"
    assert made._logs_subdir == tmp_path / "o/LOGS"
    assert made.logger.get_stream_level() == logging.DEBUG


def test_what_the_constructor_is_not_given_is_what_the_command_line_says(tmp_path: Path) -> None:
    parsed = Plotter.get_argument_parser().parse_args(["--topic_name", "a", "--output_dir", "o", "--n_threads", "5"])
    made = Plotter(parsed.config, parsed.topic_name, n_threads=4)
    assert (made.n_threads, made._output_dir) == (4, tmp_path / "o")


def test_defaults(tmp_path: Path) -> None:
    made = Plotter(tmp_path / "c.config", "topic")
    assert (made.n_threads, made._output_dir) == (2, tmp_path / "Plotter_output")
    assert made._output_dir.is_dir()
    assert made.N_RECENT_FILES == 50
    assert made.LOG_SUBDIR_NAME == "LOGS"


def test_own_arguments() -> None:
    class Parser(OpenMSIStreamArgumentParser):
        ARGUMENTS: ClassVar = {
            **OpenMSIStreamArgumentParser.ARGUMENTS,
            "scale": ["optional", {"type": float, "default": 1.0}],
        }

    class Own(Plotter, Runnable):
        ARGUMENT_PARSER_TYPE = Parser

        @classmethod
        def get_command_line_arguments(cls) -> tuple[list[Any], dict[str, Any]]:
            names, defaults = super().get_command_line_arguments()
            return [*names, "filepath", "scale"], {**defaults, "scale": 2.0, "topic_name": "own"}

    parser = Own.get_argument_parser()
    parser.add_argument("--more", "-m", action="store_true")
    parsed = parser.parse_args([__file__, "-m"])
    assert (parsed.scale, parsed.more, parsed.topic_name, parsed.consumer_topic_name) == (2.0, True, "own", "own")
    assert parsed.filepath == Path(__file__).resolve()
    with pytest.raises(ValueError, match="nonsense"):
        parser.add_arguments("nonsense")
    with pytest.raises(SystemExit) as ended:
        parser.parse_args([str(Path(__file__)), "--scale", "x"])
    assert ended.value.code == 64


def test_all_arguments_of_theirs_are_taken(tmp_path: Path) -> None:
    made = Plotter(
        "c",
        "t",
        kafkacrypto=None,
        treat_undecryptable_as_plaintext=True,
        max_wait_per_decrypt=1.0,
        max_initial_wait_per_decrypt=1.0,
        producer_topic_name="t",
        update_secs=-1,
        streamlevel=logging.ERROR,
        filelevel=logging.DEBUG,
        logger_file=tmp_path,
        logger=logging.getLogger("own"),
        nobody_knows_this=5,
    )
    assert made.logger is logging.getLogger("own")


def test_other_base_classes_get_the_rest() -> None:
    class Mixin:
        def __init__(self, *, colour: str = "red") -> None:
            self.colour = colour

    class After(Plotter, Mixin):
        pass

    class Before(Mixin, Plotter):
        def __init__(self, *args: Any, colour: str, **kwargs: Any) -> None:
            Plotter.__init__(self, *args, **kwargs)
            self.colour = colour

    assert [made("c", "t", colour="blue").colour for made in (After, Before)] == ["blue", "blue"]


def test_what_the_service_is_told(tmp_path: Path) -> None:
    given = {"filepath_regex": re.compile("a.*b", re.IGNORECASE | re.DOTALL), "output_dir": Path("o"), "update_secs": 5}
    told = Options("Plotter", "c.config", {"topic_name": "t"}, {**given, "streamlevel": 10}).announcement()
    assert told["name"] == "Plotter"
    assert told["options"] == {
        "config": str(tmp_path / "c.config"),
        "topic_name": "t",
        "output_dir": str(tmp_path / "o"),
        "download_regex": "(?is)a.*b",
        "update_seconds": "5",
        "logger_stream_level": "10",
        "mode": "memory",
        "n_threads": "2",
    }
