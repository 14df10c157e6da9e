from pathlib import Path

import pytest
from support.small_run import copied_run, shared_run

from immunomon.outputs.review import open_desk


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    """A finished run in its study. Not to be changed."""
    return shared_run(tmp_path_factory, events=3000)


@pytest.fixture
def own_run(run, tmp_path) -> Path:
    """A copy of the run with its study, to be changed."""
    return copied_run(run, tmp_path / "study")


@pytest.fixture
def blind():
    """Whether the reviewer must not know whose the samples are."""
    return False


@pytest.fixture
def desk(own_run, blind):
    """A desk of one reviewer at a run of one's own."""
    desk = open_desk(own_run, reviewer="A. Nurse", blind=blind)
    yield desk
    desk.close()
