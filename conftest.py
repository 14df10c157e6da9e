"""What all tests share: the same examples in every run, no deadline on a busy machine, and the long files first."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

# What takes longest begins first, lest one worker is still at it when the others have nothing left to do. Folders whose
# files stand on the same run come one after another; all else follows in its own order.
LONGEST = (
    "tests/validation/test_robustness.py",
    "tests/pipeline/",
    "tests/clusters/",
    "tests/cli/test_commands.py",
    "tests/validation/",
    "tests/cli/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; within a file nothing changes its place."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    return next((place for place, begin in enumerate(LONGEST) if item.nodeid.startswith(begin)), len(LONGEST))
