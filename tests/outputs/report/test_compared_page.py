"""The page of the primary analysis: first after the overview, of this run, with the caveats that its tests call for."""

from __future__ import annotations

import hashlib
import json
import re

import pandas as pd
import pytest
from outputs.report.fake_run import fake_run

from immunomon.errors import BadSpec
from immunomon.outputs.report import write_report
from immunomon.outputs.report.compared import read_compared
from immunomon.outputs.report.run_folder import read_run
from immunomon.trial.model.tables import ESTIMATES, FAMILIES

EVIL = "<b onload=x>"
SUMMARY = f"""# What changed: S

No plan was given. Digest of the plan: `ab`.

## Primary endpoints

Change from D-1.

- **Treg** (percent of cd4, W4, log-odds): mean +0.50 in 3 patients. {EVIL}
  - dose group A: mean +0.50 (3 patients)

## What this cannot say

- There is no control arm.
"""


def estimate(group, n, mean, p):
    row = {"endpoint": "treg", "role": "primary", "label": "Treg", "scale": "log-odds", "quantity": "percent"}
    row |= {"denominator": "cd4", "dose_group": group, "measure": "change", "at": "W4", "n": n, "mean": mean}
    return row | {
        "t_low": mean - 0.7,
        "t_high": mean + 0.7,
        "p_sign_flip": p,
        "note": None if p else "no p: 3 patients",
    }


def compared(run, digest=None):
    folder = run / "statistics"
    folder.mkdir(exist_ok=True)
    (folder / "summary.md").write_text(SUMMARY, encoding="utf-8")
    of_run = digest or hashlib.sha256((run / "run.json").read_bytes()).hexdigest()
    (folder / "analysis.json").write_text(json.dumps({"run_digest": of_run}), encoding="utf-8")
    rows = [estimate("all", 9, 0.5, 0.0039), estimate("A", 3, 0.5, None)]
    other = estimate("all", 9, 0.1, 0.5) | {"role": "exploratory", "label": "Other"}
    pd.DataFrame([*rows, other]).reindex(columns=list(ESTIMATES.names)).to_parquet(folder / "estimates.parquet")
    family = {"family": "primary", "declared": True, "endpoint": "treg", "visit": "W4", "p_max_t": 0.012}
    pd.DataFrame([family]).reindex(columns=list(FAMILIES.names)).to_parquet(folder / "families.parquet")
    return run


@pytest.fixture
def run(tmp_path):
    return fake_run(tmp_path / "run", subjects=3, visits=2, panels=("treg",))


def body_of(run):
    return write_report(run).read_text(encoding="utf-8").split("</style>")[1]


def test_a_run_that_was_not_compared_has_no_such_page_and_says_that_no_p_is_given(run):
    assert read_compared(read_run(run)) is None
    body = body_of(run)
    assert 'id="tab-compare"' not in body
    assert "No p-values are given" in body


def test_the_page_stands_first_after_the_overview_with_its_numbers(run):
    body = body_of(compared(run))
    assert re.findall(r'id="tab-(\w+)"', body)[:3] == ["overview", "compare", "samples"]
    page = read_compared(read_run(run))
    assert [section.heading for section in page.sections] == [
        "How it was compared",
        "Primary endpoints",
        "What this cannot say",
    ]
    assert page.sections[1].sheets[0].rows == (
        ("Treg (percent of cd4)", "W4", "all", "9", "+0.50", "-0.20 to +1.20", "x1.65 (0.82 to 3.32)",
         "0.0039", "0.012"),
        ("Treg (percent of cd4)", "W4", "A", "3", "+0.50", "-0.20 to +1.20", "x1.65 (0.82 to 3.32)",
         "no p: 3 patients", "-"),
    )  # fmt: skip
    assert EVIL not in body
    assert "made of an earlier run" not in body


def test_the_caveats_say_where_p_values_stand(run):
    body = body_of(compared(run))
    assert "No p-values are given" not in body
    assert "p-values stand on &#34;What changed&#34; only" in body


def test_a_comparison_of_an_earlier_run_says_so(run):
    body = body_of(compared(run, digest="cd" * 32))
    assert "made of an earlier run" in body
    assert "Make it again with immunomon compare." in body
    assert "comparison: not of the run as it is now" in body.split("Files: subjects")[0]


def test_every_panel_of_what_is_stale_is_named_in_the_order_in_which_to_make_it_anew(run):
    (run / "atlas").mkdir()
    for panel in ("treg", "nk"):
        (run / "atlas" / f"{panel}.json").write_text(json.dumps({"run_digest": "before"}), encoding="utf-8")
        (run / "atlas" / f"{panel}.html").write_text("<!-- immunomon: made of before -->", encoding="utf-8")
    first_screen = body_of(run).split("Files: subjects")[0]
    assert re.findall(r"immunomon (?:embed|explore)[^<]*", first_screen) == [
        "immunomon embed run --panel nk --refit",
        "immunomon embed run --panel treg --refit",
        "immunomon explore run --panel nk",
        "immunomon explore run --panel treg",
    ]


def test_a_comparison_that_cannot_be_read_names_the_remedy(run):
    (compared(run) / "statistics" / "analysis.json").write_text("[]", encoding="utf-8")
    with pytest.raises(BadSpec, match="make it again: immunomon compare"):
        read_compared(read_run(run))
