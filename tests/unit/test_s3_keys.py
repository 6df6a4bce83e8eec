"""Keys of objects: templates for them, and what can never be one."""

import re
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from openmsi_core.errors import BadFile, UsageError
from openmsi_core.paths import RESERVED, RelativePath
from openmsi_s3_transfer.keys import DEFAULT_TEMPLATE, check_template, key_of, prefix_of
from openmsi_s3_transfer.multipart import part_size
from tests.support.transferring import settings_for

GIB = 1 << 30
LINE = ("bucket", "--topic_name", "T", "--key_template")
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=12)


def relative(text: str) -> RelativePath:
    try:
        return RelativePath.parse(text)
    except BadFile:
        assume(False)
        raise


def is_template(text: str) -> bool:
    try:
        check_template(text)
    except ValueError:
        return False
    return True


PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join).map(relative)
TEMPLATES = st.lists(st.sampled_from(["{topic}", "/", ".", "..", "raw", "-", "{", "ü"]), max_size=6).map(
    lambda parts: "".join([*parts, "{path}"])
)


@pytest.mark.parametrize(
    ("template", "key", "prefix"),
    [
        (DEFAULT_TEMPLATE, "T/a/b.tif", "T/"),
        ("{path}", "a/b.tif", ""),
        ("raw/{topic}/{path}", "raw/T/a/b.tif", "raw/T/"),
        ("lab 7/x-{path}", "lab 7/x-a/b.tif", "lab 7/x-"),
    ],
)
def test_templates(tmp_path: Path, template: str, key: str, prefix: str) -> None:
    template = settings_for(tmp_path, *LINE, template).key_template
    assert key_of("T", RelativePath.parse("a/b.tif"), template) == key
    assert prefix_of("T", template) == prefix


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{topic}/{subdir}/{name}", "there is no {subdir}: it is made of {topic}, {path} and plain text"),
        ("{topic}", "it must have {path} once, at its end, so that no two files get one key"),
        ("{path}{path}", "it must have {path} once"),
        ("{path}/x", "it must have {path} once, at its end"),
        ("{topic/{path}", "braces stand only around {topic} and {path}"),
        ("/{path}", "a key does not begin with /"),
        ("a//{path}", "no empty part"),
        ("a/../{path}", "no . and no .."),
        ("./{path}", "no . and no .."),
        ("a\n/{path}", "no control characters"),
        ("x" * 600 + "/{path}", "at most 512 bytes"),
    ],
)
def test_templates_that_cannot_be(tmp_path: Path, template: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)) as caught:
        settings_for(tmp_path, *LINE, template)
    assert "--key_template cannot be" in str(caught.value)


@settings(deadline=None)
@given(TEMPLATES.filter(is_template), PATHS, PATHS)
def test_no_two_files_get_one_key(template: str, one: RelativePath, other: RelativePath) -> None:
    keys = [key_of("T", path, template) for path in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)
    for key in keys:
        assert not {"", ".", ".."} & set(key.split("/"))
        assert not key.startswith(f"{prefix_of('T', template)}{RESERVED}/"), "where stores are tried out"


@pytest.mark.parametrize("bad", ["\x01", "\x1f", "\x0b", "\ufffe", "\uffff"])
def test_characters_that_no_listing_can_hold_are_refused(bad: str) -> None:
    with pytest.raises(BadFile, match=f"cannot list a key with the character U\\+{ord(bad):04X}: rename the file"):
        key_of("T", RelativePath.parse(f"a/b{bad}"))


def test_what_looks_odd_but_can_be_a_key_is_kept() -> None:
    odd = "a b/+%2F&=?#;:@$,'\"()[]{}<>^`~|\\/\u0085\x7f\t/…/-/..."
    assert key_of("T", RelativePath.parse(odd)) == f"T/{odd}"


def test_the_prefix_counts_for_the_longest_key() -> None:
    path = RelativePath.parse("/".join(["k" * 200] * 5))
    assert key_of("T", path, "x" * 19 + "{path}")
    with pytest.raises(BadFile, match="1025 bytes long, and S3 allows 1024"):
        key_of("T", path, "x" * 21 + "{path}")


@pytest.mark.parametrize("size", [16 << 20, 5 * GIB, 5 * GIB + 1, 5 << 40, 9000 * 5 * GIB])
def test_parts_stay_within_the_limits_of_s3(size: int) -> None:
    step = part_size(size)
    assert 5 << 20 <= step <= 5 * GIB
    assert -(-size // step) <= 10_000


def test_a_file_that_no_object_can_hold_is_refused() -> None:
    with pytest.raises(BadFile, match="send it in pieces"):
        part_size(9000 * 5 * GIB + 1)
