from pathlib import Path

import numpy as np
import pytest
from support.small_run import copied_run, shared_run
from support.untraced import untraced

from immunomon.maps.atlas.layout import lay_out


@pytest.fixture(scope="session")
def compiled() -> None:
    """Compile what UMAP runs by a first layout: measuring the compiler's own lines doubles its time."""
    with untraced():
        lay_out(np.random.default_rng(1).normal(size=(450, 6)), seed=1)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory) -> Path:
    """A run of six samples. Not to be changed, but for its atlas."""
    return copied_run(shared_run(tmp_path_factory, events=3000), tmp_path_factory.mktemp("atlas") / "trial")
