"""Compile once what each process of the tests would compile anew in a fresh clone: ``make pytest`` begins with it.

The workers of pytest begin at the same moment, with the same: each would compile the libraries it imports, the tests,
the package with its marks, and everything that numba compiles, and what others compile meanwhile is of no use to it.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).resolve().parents[2]


def compile_all() -> int:
    """Import every test and module, and let a small trial go through what numba compiles; return the exit status."""
    said = StringIO()
    with redirect_stdout(said):
        status = int(pytest.main(["--collect-only", "-qq", str(ROOT / "tests")]))
    if status == 0:
        _let_numba_compile()
    else:
        sys.stderr.write(said.getvalue())
    return status


def _let_numba_compile() -> None:
    from immunomon.maps.clusters.mapping import MapSettings
    from immunomon.maps.clusters.run import cluster_run
    from support.small_run import small_run

    with TemporaryDirectory() as folder:
        run = small_run(Path(folder) / "trial", events=1500, panels=("treg", "thelper", "bcell", "nk"))
        cluster_run(run, settings=MapSettings(grid=(6, 6), ordering_events=5000, seed=1, jobs=1))


if __name__ == "__main__":
    sys.exit(compile_all())
