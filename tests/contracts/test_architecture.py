"""docs/architecture.md names files that are there, and its drawing is the code's."""

import re
from pathlib import Path

import pytest

from immunomon.cli.docs import WINGS, refreshed
from immunomon.cytometry.gates import GATE_METHODS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "immunomon"
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w./-]+/[\w./-]*)`", TEXT)))


@pytest.mark.parametrize("name", NAMED)
def test_every_file_that_is_named_is_there(name):
    assert (PACKAGE / name).exists() or (ROOT / name).exists()


def test_the_drawing_is_of_the_code_as_it_is():
    """If not: make docs."""
    assert refreshed(TEXT, methods=GATE_METHODS) == TEXT


def test_every_wing_is_drawn_and_there_is_no_other():
    assert set(WINGS) == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def test_twelve_changes_need_at_most_three_files_each():
    table = TEXT.partition("## Where do I change")[2].partition("##")[0]
    rows = [row.split("|")[2] for row in table.splitlines() if row.startswith("| ") and "files |" not in row]
    assert len(rows) == 12
    assert all(1 <= row.count("`") / 2 <= 3 for row in rows)


def test_what_is_checked_before_a_run_knows_no_run():
    """The checks stand below the other modules of ``runs`` and import none of them."""
    files = sorted((PACKAGE / "runs" / "checks").glob("*.py"))
    imported = {name for path in files for name in re.findall(r"immunomon\.runs[\w.]*", path.read_text("utf-8"))}
    assert len(files) > 10
    assert {name for name in imported if not name.startswith("immunomon.runs.checks")} == set()
