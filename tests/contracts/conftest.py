"""What several contracts are run on."""

from collections.abc import Iterator

import pytest

from tests.s3 import SERVERS, serving


@pytest.fixture(
    scope="module",
    params=["folder", *(pytest.param(name, marks=pytest.mark.slow) for name in SERVERS)],
)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A place of checkpoints: a folder, or a bucket of a real server."""
    folder = tmp_path_factory.mktemp("place")
    if request.param == "folder":
        yield str(folder / "checkpoints")
        return
    with serving(request.param, folder) as found:
        yield found
