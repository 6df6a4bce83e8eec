"""Which files need no further look."""

from hypothesis import given
from hypothesis import strategies as st

from openmsi_uploader.known import Known
from openmsi_uploader.source import FileStat

looks = st.builds(FileStat, st.integers(0, 2), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))
files = st.tuples(st.sampled_from(["a", "b", "b/a"]), looks)


@given(st.lists(st.tuples(st.sampled_from(["add", "drop", "clear"]), files), max_size=60), st.lists(files))
def test_it_is_a_set_of_paths_with_their_stat(
    steps: list[tuple[str, tuple[str, FileStat]]], asked: list[tuple[str, FileStat]]
) -> None:
    known, model = Known(), set[tuple[str, FileStat]]()
    for what, file in steps:
        match what:
            case "add":
                known.add(*file)
                model.add(file)
            case "drop":
                known.drop(*file)
                model.discard(file)
            case _:
                known.clear()
                model.clear()
    assert len(known) == len(model)
    assert all(known.has(*file) == (file in model) for file in asked)


def test_a_hundred_thousand_files_that_were_made_in_a_row_are_told_apart() -> None:
    known = Known()
    for number in range(100_000):
        known.add(f"run/scan_{number}.tif", FileStat(4096, number, number, number))
    assert len(known) == 100_000
    assert not any(
        known.has(f"run/scan_{number}.tif", FileStat(4096, number + 1, number + 1, number)) for number in range(100_000)
    )
