"""``immunomon compare`` and ``immunomon power``: what they write and print beside the tables' own tests."""

from __future__ import annotations

import json
import re

import pandas as pd

from immunomon.files import file_digest
from immunomon.trial.model.tables import STATISTICS_TABLES

PLAN = """\
schema: immunomon.analysis/1
name: two
primary: {{visit: {visit}, endpoints: [treg]}}
endpoints:
  - {{name: treg, panel: treg, population: treg, of: cd4}}
  - {{name: plasma, panel: bcell, population: plasmablasts, of: b_cells}}
"""


def test_a_comparison_is_written_with_its_plan_its_pictures_and_its_page(made_up_run, command):
    status, out, _ = command("compare", made_up_run)
    assert status == 0
    assert "NOT IN THIS RUN: b" in out
    folder = made_up_run / "statistics"
    record = json.loads((folder / "analysis.json").read_text(encoding="utf-8"))
    assert record["run_digest"] == file_digest(made_up_run / "run.json")
    assert f"Plan: default plan, digest {record['plan_digest'][:12]}; 2 endpoints of it in this run." in out
    for name in set(STATISTICS_TABLES) - {"power"}:
        table = pd.read_parquet(folder / f"{name}.parquet")
        assert list(table.columns) == list(STATISTICS_TABLES[name].names)
        assert set(table["plan_digest"]) <= {record["plan_digest"]}
        assert (folder / f"{name}.csv").is_file()
    for visit in ("W2", "W4", "W8", "W12"):
        assert (folder / f"forest_log-odds_{visit}.png").read_bytes().startswith(b"\x89PNG")
    assert list(folder.glob("trajector*.png"))
    assert "nobody declared" in " ".join((folder / "summary.md").read_text(encoding="utf-8").split())


def test_the_plan_beside_the_study_is_used_and_what_the_run_lacks_is_said(made_up_run, command):
    beside = made_up_run.parent / "analysis.yaml"
    beside.write_text(PLAN.format(visit="W4"), encoding="utf-8")
    status, out, _ = command("power", made_up_run, "--patients", 3, "--patients", 9)
    assert status == 0
    assert re.search(r"^Plan: \S*analysis\.yaml, [0-9a-f]{64}\.$", out, flags=re.MULTILINE)
    assert "NOT IN THIS RUN: plasma" in out
    three, nine = (next(line for line in out.splitlines() if line.startswith(f"  {n:>3}  ")) for n in (3, 9))
    assert three.rstrip().endswith("not possible")  # sign-flip: its floor is above alpha
    assert "not possible" not in nine
    beside.write_text(PLAN.format(visit="W5"), encoding="utf-8")
    for name in ("compare", "power"):
        status, _, err = command(name, made_up_run)
        assert status == 1
        assert "the study has no visit W5; it has D-1, W2, W4" in err


def test_the_table_of_power_is_written_on_demand(made_up_run, command):
    path = made_up_run / "power.csv"
    status, out, _ = command("power", made_up_run, "--patients", 3, "--out", path)
    assert (status, out.splitlines()[-1]) == (0, f"Written: {path}")
    table = pd.read_csv(path)
    assert list(table.columns) == list(STATISTICS_TABLES["power"].names)
    assert set(table["n"].dropna()) == {3}
