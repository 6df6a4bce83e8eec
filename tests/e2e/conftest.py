"""The built images, once for all end-to-end tests."""

import pytest

from tests.support.containers import Images, build

_BUILD_SECONDS = 1200
"""For the first of these tests, which builds the images: that takes long where processor or network are slow."""


@pytest.fixture(scope="session")
def images() -> Images:
    """The images of this tree; building them is part of the test run."""
    return build()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Allow the build its time."""
    for item in items:
        if "images" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(_BUILD_SECONDS))
