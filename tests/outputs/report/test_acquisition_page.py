"""Acquisitions in the report: what did not pass is listed, and every sample has its picture."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from outputs.report.fake_run import fake_run
from support.browser import opened_browser, opened_page

from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.populations import SAMPLES
from immunomon.cytometry.steps.quality_control import check_quality
from immunomon.outputs.report import write_report
from immunomon.outputs.report.acquisition import page_acquisition, read_acquisitions
from immunomon.study.model.channels import Channel
from immunomon.study.model.quality import QualityLimits

NASTY = "</script><script>document.documentElement.dataset.broken='yes'</script>"


def stored(name: str = "CD25") -> dict:
    rng = np.random.default_rng(3)
    values = np.column_stack([rng.lognormal(6, 1, 6000), rng.lognormal(6, 1, 6000), np.arange(6000) // 5])
    values[5000:5600, 0] *= 3
    table = EventTable(values, (Channel("PE-A", name), Channel("APC-A", "CD127"), Channel("Time")))
    return {"quality": json.loads(json.dumps(check_quality(table, QualityLimits()).quality.to_dict()))}


def samples(*rows) -> pd.DataFrame:
    columns = ("sample_id", "quality", "flagged_percent", "quality_reason")
    return pd.DataFrame([dict(zip(columns, row, strict=True)) for row in rows], columns=list(SAMPLES.names)).astype(
        SAMPLES.dtypes
    )


def test_samples_that_did_not_pass_are_listed_the_worst_first():
    found = read_acquisitions(
        samples(("a", "pass", 0.2, None), ("b", "warn", 3.0, "x"), ("c", "fail", 1.0, "y"), ("d", "warn", 9.0, "z"))
    )
    assert found.sentence == "Acquisitions: 1 pass, 2 warn, 1 fail."
    assert [(one.sample_id, one.verdict, one.reason) for one in found.remarks] == [
        ("c", "fail", "y"),
        ("d", "warn", "z"),
        ("b", "warn", "x"),
    ]


def test_samples_that_cannot_be_judged_for_one_reason_are_one_line():
    few = [(name, "cannot be judged", 0.0, "fewer than 2000 events") for name in "cab"]
    found = read_acquisitions(samples(*few, ("d", "cannot be judged", 0.0, None), ("e", "warn", 3.0, "x")))
    assert [one.sample_id for one in found.remarks] == ["e"]
    assert [(one.reason, one.count) for one in found.unjudged] == [
        ("fewer than 2000 events", 3),
        ("no reason was given", 1),
    ]
    assert [one.sample_id for one in found.unjudged[0].samples] == ["a", "b", "c"]


def test_a_run_that_judged_nothing_says_nothing():
    assert read_acquisitions(samples(("a", None, None, None))) is None
    assert page_acquisition({}) is None
    assert page_acquisition({"quality": None}) is None
    assert page_acquisition({"quality": {"course": 5}}) is None


def test_the_picture_has_the_channel_that_moved_first_and_the_flagged_stretch():
    found = page_acquisition(stored())
    assert [channel["name"] for channel in found["channels"]] == ["CD25", "CD127"]
    assert found["channels"][0]["shift"] > 0.08 >= found["channels"][1]["shift"]
    assert [stretch[:3] for stretch in found["stretches"]] == [[5000, 5600, "step"]]
    assert len(found["edges"]) - 1 == len(found["channels"][0]["levels"]) <= 60


def test_a_browser_draws_it_and_runs_nothing_that_a_file_says(tmp_path):
    run = fake_run(tmp_path / "run")
    sample = run / "samples" / "S01__W2__thelper.json"
    data = json.loads(sample.read_text(encoding="utf-8"))
    sample.write_text(json.dumps(data | stored(NASTY)), encoding="utf-8")
    report = write_report(run)
    with opened_browser() as browser:
        page, faults = opened_page(browser, report, state="#tab=samples&sample=S01__W2__thelper")
        content = page.content()
    assert 'class="chart run"' in content
    assert 'class="stretch step"' in content
    assert "data-broken" not in content[: content.index("<head>")]
    assert faults == []
