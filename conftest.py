"""What all tests share: the same examples in every run, no deadline on a busy machine, and the long files first."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

ROOT = Path(__file__).parent

# What takes longest begins first, lest one worker is still at it when the others have nothing left to do. Folders whose
# files stand on the same run come one after another; all else follows in its own order.
LONGEST = (
    "tests/assurance/validation/test_robustness.py",
    "tests/runs/",
    "tests/outputs/database/",
    "tests/notebooks/",
    "tests/maps/",
    "tests/cli/",
    "tests/assurance/validation/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; within a file nothing changes its place."""
    gone = [begin for begin in LONGEST if not (ROOT / begin).exists()]
    if gone:
        raise pytest.UsageError(f"conftest.py: LONGEST names what is not there: {', '.join(gone)}")
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    return next((place for place, begin in enumerate(LONGEST) if item.nodeid.startswith(begin)), len(LONGEST))
