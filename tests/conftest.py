from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    named = os.environ.get("IMMUNOMON_REAL_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real FCS data in {folder}; name their folder in IMMUNOMON_REAL_DATA")
    return folder.resolve()
