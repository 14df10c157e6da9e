"""What all tests share: the same examples in every run, no deadline on a busy machine, and the long files first."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

ROOT = Path(__file__).parent
MEASURED = None
if "IMMUNOMON_MEASURE_LINES" in os.environ:  # before anything of the package is imported
    from support.measured_lines import MeasuredLines

    MEASURED = MeasuredLines(kept=ROOT / "build" / "marked")

# What takes longest begins first, lest one worker is still at it when the others have nothing left to do. Folders whose
# files stand on the same run come one after another; all else follows in its own order.
LONGEST = (
    "tests/assurance/validation/test_robustness.py",
    "tests/runs/",
    "tests/maps/atlas/",
    "tests/notebooks/",
    "tests/cli/test_study_just_begun.py",
    "tests/outputs/database/",
    "tests/maps/",
    "tests/cli/",
    "tests/assurance/validation/",
)
# One worker does all of these: in a fresh clone the first compiles UMAP, and the others find what it kept on disk.
TOGETHER = ("tests/maps/atlas/", "tests/notebooks/", "tests/cli/test_study_just_begun.py")


class ByFile(LoadFileScheduling):
    """Files go to workers whole, and those of TOGETHER to the same one."""

    def _split_scope(self, nodeid: str) -> str:
        return "together" if nodeid.startswith(TOGETHER) else str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile | None:
    """Where files are handed out whole, keep together what belongs together."""
    return ByFile(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; within a file nothing changes its place."""
    gone = [begin for begin in (*LONGEST, *TOGETHER) if not (ROOT / begin).exists()]
    if gone:
        raise pytest.UsageError(f"conftest.py names what is not there: {', '.join(gone)}")
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    return next((place for place, begin in enumerate(LONGEST) if item.nodeid.startswith(begin)), len(LONGEST))


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over modules and tests, which stay until the end: a million objects each time."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Leave coverage.py the lines that this process executed."""
    if MEASURED is not None:
        MEASURED.write(ROOT, ROOT / "src" / MEASURED.package, os.environ.get("PYTEST_XDIST_WORKER", "main"))
