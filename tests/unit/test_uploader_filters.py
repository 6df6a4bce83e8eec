"""Which files are wanted, and why the others are not."""

import re

import pytest

from openmsi_uploader import filters
from openmsi_uploader.filters import Selection, select, why_not_folder

EVERYTHING = select(None, (), ())

WANTED = """log.txt catalog.csv analog_01.tif geology/map.tif a b/c/d/e.dat temp.tmp data.bak notes.swp core 1 -x lock
file.lock image.tif.partial1 part archive.part1.rar Thumbs.dbx desktop.init README~1.TXT x#1 #1 ~a a~b $x"""
DEBRIS = """~$report.docx a/~WRL0001.tmp text~ #text# Thumbs.db THUMBS.DB Desktop.ini f.crdownload f.tif.part f.partial
f.filepart f.!sync"""


@pytest.mark.parametrize("path", [*WANTED.split(), "a b c.txt", "Übergröße/日本語.tif", "a\nb", "x" * 255])
def test_everything_that_is_not_debris_is_sent(path: str) -> None:
    assert EVERYTHING.why_not_with_folders(path) is None


@pytest.mark.parametrize("path", [".hidden", ".DS_Store", "a/.x.swp", "._photo.tif", ".nfs0001", "b/.~lock.a.ods#"])
def test_hidden_files_are_left_out(path: str) -> None:
    assert EVERYTHING.why_not(path) == filters.HIDDEN


@pytest.mark.parametrize("path", DEBRIS.split())
def test_debris_is_left_out(path: str) -> None:
    assert EVERYTHING.why_not(path) == filters.DEBRIS


@pytest.mark.parametrize("name", ["@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found"])
def test_debris_folders_are_left_out_with_all_that_is_in_them(name: str) -> None:
    assert why_not_folder(name) == filters.DEBRIS
    assert EVERYTHING.why_not_with_folders(f"a/{name}/b/c.tif") == filters.DEBRIS


def test_hidden_folders_are_left_out_with_all_that_is_in_them() -> None:
    assert why_not_folder(".git") == filters.HIDDEN
    assert EVERYTHING.why_not_with_folders("a/.git/config") == filters.HIDDEN


def test_names_that_are_not_unicode_and_paths_too_long_have_reasons_of_their_own() -> None:
    odd = b"caf\xe9.txt".decode(errors="surrogateescape")
    assert EVERYTHING.why_not(odd) == filters.NOT_UTF8
    assert why_not_folder(odd) == filters.NOT_UTF8
    assert EVERYTHING.why_not("/".join(["d" * 200] * 16)) == filters.UNUSABLE
    assert EVERYTHING.why_not("ü" * 128) == filters.UNUSABLE


def rules(regex: str | None = None, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> Selection:
    return select(re.compile(regex) if regex else None, include, exclude)


def test_the_regex_is_held_against_the_beginning_of_the_relative_path() -> None:
    only = rules(regex=r"run_\d+/.*\.tif")
    assert only.why_not("run_1/a.tif") is None
    assert only.why_not("run_1/a.tiff") is None
    assert only.why_not("x/run_1/a.tif") == filters.NO_REGEX_MATCH


def test_globs_without_a_slash_are_held_against_the_name_others_against_the_path() -> None:
    only = rules(include=("*.tif", "raw/*"), exclude=("raw/old/*", "test_*"))
    assert only.why_not("a/b.tif") is None
    assert only.why_not("raw/x/y.dat") is None
    assert only.why_not("a/b.dat") == filters.NOT_INCLUDED
    assert only.why_not("a/raw/b.dat") == filters.NOT_INCLUDED
    assert only.why_not("raw/old/b.tif") == filters.EXCLUDED
    assert only.why_not("a/test_1.tif") == filters.EXCLUDED
    assert only.why_not("test_a/1.tif") is None


def test_included_debris_is_still_left_out() -> None:
    assert rules(include=("*",)).why_not(".hidden") == filters.HIDDEN
