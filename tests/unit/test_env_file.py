"""The env file means exactly what ``docker run --env-file`` makes of it."""

from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from openmsi_core.env_file import load_environment, parse_env_file, variable
from openmsi_core.errors import ConfigError

ANY_VALUE = st.text(st.characters(exclude_characters="\0\n\r", codec="utf-8"))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=plain", "plain"),
        ("A=", ""),
        ('A="quoted"', '"quoted"'),
        ("A='single'", "'single'"),
        ("A=$HOME ${HOME} $$", "$HOME ${HOME} $$"),
        ("A=x # not a comment", "x # not a comment"),
        ("A=#x", "#x"),
        ("A= spaces count ", " spaces count "),
        ("  A=indented", "indented"),
        ("A=b=c==", "b=c=="),
        ("A=back\\nslash", "back\\nslash"),
        ("A=00123", "00123"),
        ("A=100%", "100%"),
        ("A=windows\r", "windows"),
        ("\ufeffA=marked", "marked"),
    ],
)
def test_a_value_is_everything_after_the_first_equals_sign(line: str, value: str) -> None:
    assert parse_env_file(f"{line}\n", "openmsi.env") == {"A": value}


@hypothesis_settings(deadline=None)
@given(ANY_VALUE)
def test_no_value_is_ever_changed(value: str) -> None:
    text = f"# before\nA={value}\n\nB=after"
    assert parse_env_file(text, "openmsi.env") == {"A": value, "B": "after"}


def test_comments_empty_lines_and_bare_names_say_nothing() -> None:
    assert parse_env_file("# A=1\n\n   # B=2\n\t\nC\nD=4", "openmsi.env") == {"D": "4"}


@pytest.mark.parametrize("line", ["export A=secret", "A =secret", "=secret", "A secret = x"])
def test_a_broken_line_is_named_by_its_number_and_never_shown(line: str) -> None:
    with pytest.raises(ConfigError, match=r"^line 2 of openmsi\.env is not NAME=value") as caught:
        parse_env_file(f"# first\n{line}\n", "openmsi.env")
    assert "secret" not in str(caught.value)


def test_the_file_beside_the_program_is_read_and_the_real_environment_wins(tmp_path: Path) -> None:
    (tmp_path / "openmsi.env").write_text("A=file\nB=file\n")
    assert load_environment({"B": "real"}, tmp_path) == {"A": "file", "B": "real"}


def test_without_a_file_there_is_the_environment_only(tmp_path: Path) -> None:
    assert load_environment({"B": "real"}, tmp_path) == {"B": "real"}


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "other.env").write_text("A=other\n")
    assert load_environment({"OPENMSI_ENV_FILE": "other.env"}, tmp_path)["A"] == "other"
    with pytest.raises(ConfigError, match=r"missing\.env, does not exist"):
        load_environment({"OPENMSI_ENV_FILE": "missing.env"}, tmp_path)


@pytest.mark.parametrize(
    ("content", "value"),
    [(b"s3cret\n", "s3cret"), (b"s3cret\r\n", "s3cret"), (b" two\n\n", " two\n"), (b"none", "none"), (b"", "")],
)
def test_a_secret_file_gives_its_content_without_one_last_newline(tmp_path: Path, content: bytes, value: str) -> None:
    (tmp_path / "secret").write_bytes(content)
    environ = load_environment({"PASSWORD_FILE": "secret"}, tmp_path)
    assert variable("PASSWORD", environ) == value


def test_variable_or_file_but_not_both(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from file")
    named = str(tmp_path / "secret")
    assert variable("P", {"P": "", "P_FILE": named}) == "from file"
    assert variable("P", {"P": "direct", "P_FILE": ""}) == "direct"
    assert variable("P", {}) is None
    with pytest.raises(ConfigError, match=r"^P and P_FILE are both set"):
        variable("P", {"P": "direct", "P_FILE": named})


def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the file named by P_FILE, .*gone, does not exist"):
        variable("P", {"P_FILE": str(tmp_path / "gone")})
    with pytest.raises(ConfigError, match="is a folder: Docker makes one"):
        variable("P", {"P_FILE": str(tmp_path)})
    (tmp_path / "latin").write_bytes("Schlüssel".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"is not UTF-8 text \(byte 5\)"):
        variable("P", {"P_FILE": str(tmp_path / "latin")})


def test_a_folder_that_may_not_be_entered_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refuse)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ConfigError, match=r"the env file, .*openmsi.env, cannot be read \(Permission denied\): give"):
        load_environment({}, tmp_path)
