from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from immunomon.errors import BadSpec

Write = Callable[..., Path]
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    named = os.environ.get("IMMUNOMON_REAL_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real FCS data in {folder}; name their folder in IMMUNOMON_REAL_DATA")
    return folder.resolve()


@pytest.fixture
def write(tmp_path) -> Write:
    """Write text to a file of a name and return its path."""

    def to_file(text: str, name: str = "file.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        return path

    return to_file


@pytest.fixture
def problems_of() -> Callable[[Callable[[], object]], list[str]]:
    """Return what a loader complains of, without the path of the file."""

    def complaints(load: Callable[[], object]) -> list[str]:
        with pytest.raises(BadSpec) as caught:
            load()
        return [str(problem).partition(Path(problem.file).name + " ")[2] for problem in caught.value.problems]

    return complaints
