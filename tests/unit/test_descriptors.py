"""A program raises its own limit of open files, never beyond what the system allows, and never lowers it."""

import resource
import subprocess
import sys

import pytest

_CODE = """\
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
from openmsi_core.descriptors import make_room
make_room()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("soft", "hard", "then"), [(256, 1024, 1024), (64, 64, 64), (1000, 1000, 1000)])
def test_the_limit(soft: int, hard: int, then: int) -> None:
    command = [sys.executable, "-c", _CODE, str(soft), str(hard)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(then), str(hard)]


def test_no_more_is_taken_than_is_of_use() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    command = [sys.executable, "-c", _CODE, "256", str(hard)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[0]) == (4096 if hard < 0 else min(4096, hard))
