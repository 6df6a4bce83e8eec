"""The built images, once for all end-to-end tests."""

import pytest

from tests.support.containers import Images, build


@pytest.fixture(scope="session")
def images() -> Images:
    """The images of this tree; building them is part of the test run."""
    return build()
