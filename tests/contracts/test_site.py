"""The documentation site is built without a warning, a dead link or anything that it would fetch from a network."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import immunomon

BUILD = Path(__file__).resolve().parents[2] / "site" / "build.py"


def test_the_site_is_built_without_a_complaint(tmp_path):
    for name in ("sphinx", "myst_parser", "furo", "nbconvert"):
        pytest.importorskip(name, reason="the site's packages are not installed: pip install -e '.[site]'")
    command = [sys.executable, str(BUILD), "--out", str(tmp_path / "site")]
    built = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert (built.returncode, built.stderr) == (0, "")
    assert (tmp_path / "site" / "searchindex.js").is_file()


def test_the_reference_has_everything_that_is_offered(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(BUILD.parent)  # what it imports lies beside it
    described = importlib.util.spec_from_file_location("site_build", BUILD)
    build = importlib.util.module_from_spec(described)
    described.loader.exec_module(build)
    build.add_reference(tmp_path)
    written = (tmp_path / "reference.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\.\. auto(?:class|function):: immunomon\.(\w+)", written, re.M)) == sorted(
        immunomon.__all__
    )
