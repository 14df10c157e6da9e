from pathlib import Path

import pytest
from support.small_run import small_run


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory) -> Path:
    """A run of six samples. Not to be changed, but for its atlas."""
    return small_run(tmp_path_factory.mktemp("atlas") / "trial")
