"""The config file: what is written is what comes out, and every mistake is one line that says where."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from openmsi_core.config_file import program_section, read_config, resolve
from openmsi_core.errors import ConfigError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.config"


def options(path: Path, text: str) -> dict[str, str]:
    """The options of the section [broker] in a config file with this text."""
    path.write_text(text, encoding="utf-8")
    return dict(read_config(path).sections["broker"])


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("00123", "00123"),
        ("50%", "50%"),
        ("%(name)s", "%(name)s"),
        ("a#b", "a#b"),
        ("a # b ; c", "a # b ; c"),
        ("#starts", "#starts"),
        ("a=b:c", "a=b:c"),
        ('"quoted"', '"quoted"'),
        ("  in  the  middle  ", "in  the  middle"),
        ("", ""),
    ],
)
def test_values_come_out_as_written(config: Path, written: str, value: str) -> None:
    assert options(config, f"[broker]\nSome.Key ={written}\n") == {"Some.Key": value}


def test_a_value_may_go_on_in_indented_lines(config: Path) -> None:
    pem = "-----BEGIN-----\n  MIIB+/abc==\n  -----END-----"
    assert options(config, f"[broker]\nssl.ca.pem = {pem}\nx.y = 1\n") == {
        "ssl.ca.pem": "-----BEGIN-----\nMIIB+/abc==\n-----END-----",
        "x.y": "1",
    }


def test_the_old_name_of_the_broker_section(config: Path) -> None:
    assert options(config, "[cluster]\na.b = 1\n") == {"a.b": "1"}
    with pytest.raises(ConfigError, match=r"\[cluster\] is the old name of \[broker\]"):
        options(config, "[cluster]\na.b = 1\n[broker]\na.b = 2\n")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a = secret\n", "line 1: this stands before the first [section]"),
        ("[broker]\na = 1\n[broker]\nb = secret\n", "line 3: the section [broker] is there twice"),
        ("[broker]\na = 1\nb = 2\na = secret\n", "line 4: [broker] has 'a' twice"),
        ("[broker]\na = 1\nsecret\n", "line 3: this is neither a [section] nor `key = value`"),
        ("[brokr]\na = secret\n", "nobody knows the section [brokr] (did you mean broker?)"),
        ("[Broker]\na = secret\n", "nobody knows the section [Broker] (did you mean broker?)"),
        ("[DataFileUpload]\na = secret\n", "[DataFileUpload] (did you mean DataFileUploadDirectory?)"),
        (
            "[broker]\nbootstrap.servers = x\n  sasl.password = secret\n",
            "in [broker], the lines after 'bootstrap.servers' are indented",
        ),
    ],
)
def test_a_broken_file_is_one_line_that_says_where_and_shows_no_value(config: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options(config, text)
    message = str(caught.value)
    assert message.startswith(str(config))
    assert complaint in message
    assert "\n" not in message
    assert "secret" not in message


def test_a_file_that_is_missing_or_a_folder(config: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.config, does not exist: name it with --config"):
        read_config(config)
    config.mkdir()
    with pytest.raises(ConfigError, match="is a folder: Docker makes one"):
        read_config(config)


def test_a_program_reads_its_own_section_over_the_default(config: Path) -> None:
    config.write_text(
        "[DEFAULT]\nn_threads = 1\nclient.id = x\nmode = disk\n[Other]\n[UploadDataFile]\nn_threads = 2\n"
    )
    config.write_text(config.read_text().replace("[Other]\n", "[PDVPlotMaker]\nanything = goes\n"))
    known = frozenset({"n_threads", "chunk_size"})
    found = program_section(read_config(config), ["UploadDataFile", "upload_data_file"], known)
    assert found == {"n_threads": ("2", "UploadDataFile")}
    assert program_section(read_config(config), ["Absent"], known) == {"n_threads": ("1", "DEFAULT")}


def test_an_unknown_option_is_an_error_with_the_nearest(config: Path) -> None:
    config.write_text("[UploadDataFile]\nchunksize = 5\n")
    with pytest.raises(
        ConfigError, match=r"\[UploadDataFile\] has no option 'chunksize' \(did you mean chunk_size\?\)"
    ):
        program_section(read_config(config), ["UploadDataFile"], frozenset({"chunk_size"}))
    config.write_text("[DEFAULT]\ntopicname = T\n")
    with pytest.raises(ConfigError, match=r"\[DEFAULT\] has no option 'topicname' \(did you mean topic_name\?\)"):
        program_section(read_config(config), ["UploadDataFile"], frozenset({"chunk_size"}))


def test_two_names_of_one_program_are_one_too_many(config: Path) -> None:
    config.write_text("[UploadDataFile]\n[upload_data_file]\n")
    with pytest.raises(ConfigError, match=r"\[UploadDataFile\] and \[upload_data_file\] are one program"):
        program_section(read_config(config), ["UploadDataFile", "upload_data_file"], frozenset())


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("$NAME", "it"),
        ("${NAME}", "it"),
        ("$NAME:9092", "it:9092"),
        ("${NAME}x$NAME", "itx$NAME"),
        ("$$NAME", "$NAME"),
        ("$$", "$"),
        ("a$NAME", "a$NAME"),
        ("$5", "$5"),
        ("$", "$"),
        ("$TRICKY", "$NAME %s ${NAME}"),
        ("$EMPTY", None),
        ("${EMPTY}:9092", None),
    ],
)
def test_only_a_variable_at_the_beginning_is_replaced(written: str, value: str | None) -> None:
    environ = {"NAME": "it", "EMPTY": "", "TRICKY": "$NAME %s ${NAME}"}
    assert resolve(written, environ, "here") == value


def test_an_unset_variable_is_named() -> None:
    with pytest.raises(ConfigError, match=r"variable NAME is not set, and x in \[broker\] needs it"):
        resolve("${NAME}", {}, "x in [broker]")


@hypothesis_settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")).filter(lambda text: not text.startswith("$")))
def test_no_other_value_is_ever_changed(text: str) -> None:
    assert resolve(text, {}, "here") == text
    assert resolve("$NAME", {"NAME": text}, "here") == (text or None)
