"""Which consumer group: asked for, or one's own for ever."""

from pathlib import Path

import pytest

from openmsi_core.group import group_id

OPTIONS = {"group.id": "of-the-config"}


def test_the_command_line_wins_over_the_config(tmp_path: Path) -> None:
    assert group_id("asked", OPTIONS, tmp_path, "x") == "asked"
    assert group_id(None, OPTIONS, tmp_path, "x") == "of-the-config"
    assert list(tmp_path.iterdir()) == []


def test_ones_own_group_is_made_once(tmp_path: Path) -> None:
    first = group_id(None, {}, tmp_path / "a", "out\ntopic")
    assert first == group_id(None, {}, tmp_path / "a", "out\ntopic")
    others = {
        group_id(None, {}, tmp_path / "b", "out\ntopic"),
        group_id(None, {}, tmp_path / "a", "out\nanother"),
        group_id(None, {}, tmp_path / "a", "elsewhere\ntopic"),
        group_id(None, {"group.id": ""}, tmp_path / "a", "bytes that are no text \udcff"),
    }
    assert len(others | {first}) == 5


@pytest.mark.parametrize("word", ["create_new", "new"])
def test_a_fresh_group_each_run(tmp_path: Path, word: str) -> None:
    made = {group_id(word, OPTIONS, tmp_path, "x") for _ in range(5)} | {
        group_id(None, {"group.id": word}, tmp_path, "x")
    }
    assert len(made) == 6
    assert word not in made
