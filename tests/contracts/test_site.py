"""The documentation site is built without a warning, a dead link or anything that it would fetch from a network."""

import subprocess
import sys
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[2] / "site" / "build.py"


def test_the_site_is_built_without_a_complaint(tmp_path):
    for name in ("sphinx", "myst_parser", "furo", "nbconvert"):
        pytest.importorskip(name, reason="the site's packages are not installed: pip install -e '.[site]'")
    command = [sys.executable, str(BUILD), "--out", str(tmp_path / "site")]
    built = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert (built.returncode, built.stderr) == (0, "")
    assert (tmp_path / "site" / "searchindex.js").is_file()
