from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.assurance.verify.run import verify_run
from immunomon.runs.placed import apply_to_file, placed_in_run
from immunomon.runs.run import run_study


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("judged") / "trial"
    return simulate_trial(folder, events=3000, visits=["D-1"], subjects_per_group=1, panels=["treg"], seed=5)


def with_quality(study: Path, section: str) -> Path:
    path = study / "strict.yaml"
    path.write_text((study / "study.yaml").read_text(encoding="utf-8") + f"\nquality: {section}\n", encoding="utf-8")
    return path


def tables(run: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(run / "tables" / f"{name}.parquet") for name in ("samples", "frequencies", "quality")}


@pytest.fixture(scope="module")
def run(study) -> Path:
    run_study(study, study / "run", jobs=2)
    return study / "run"


def test_every_gated_sample_has_its_verdict_in_the_tables_and_in_its_own_record(run):
    found = tables(run)
    gated = found["samples"][found["samples"]["status"] == "gated"]
    assert gated["quality"].notna().all()
    assert set(found["quality"]["sample_id"]) == set(gated["sample_id"])
    assert set(found["quality"]["check"]) >= {"events", "time", "rate", "course", "signal", "margin"}
    assert not found["quality"].duplicated(["sample_id", "check", "channel"]).any()
    for name, verdict in zip(gated["sample_id"], gated["quality"], strict=True):
        stored = json.loads((run / "samples" / f"{name}.json").read_text(encoding="utf-8"))
        assert stored["quality"]["verdict"] == verdict
    assert json.loads((run / "run.json").read_text(encoding="utf-8"))["parameters"]["quality"]["rate_factor"] == 2.5


def test_controls_are_not_judged(run):
    samples = tables(run)["samples"]
    assert samples.loc[samples["status"] == "control", "quality"].isna().all()


def test_other_thresholds_make_other_results_and_a_failed_acquisition_reports_nothing(study, run):
    run_study(with_quality(study, "{min_events: 1000000}"), study / "strict", jobs=2)
    found = tables(study / "strict")
    assert not found["frequencies"]["reportable"].any()
    assert found["frequencies"]["reason"].str.startswith("acquisition failed: too few events").any()
    before, after = tables(run)["frequencies"], found["frequencies"]
    assert before["reportable"].any()
    assert before["percent"].equals(after["percent"])


def test_flagged_events_left_out_are_in_no_population_and_a_second_computation_finds_the_same(study):
    run_study(with_quality(study, "{exclude_flagged: true}"), study / "cleaned", jobs=2)
    found = tables(study / "cleaned")
    samples = found["samples"].set_index("sample_id")
    some = 0
    for name in found["quality"]["sample_id"].unique():
        stored = json.loads((study / "cleaned" / "samples" / f"{name}.json").read_text(encoding="utf-8"))
        left_out = sum(stop - start for start, stop in stored["gates"]["excluded"])
        assert left_out == stored["quality"]["flagged_events"]
        assert stored["measured"]["events"] == samples.loc[name, "events"] - left_out
        some += left_out
    assert some > 0
    assert verify_run(study / "cleaned").equal


def test_gates_applied_again_leave_out_what_the_run_left_out(study):
    run = study / "cleaned"
    if not run.is_dir():
        run_study(with_quality(study, "{exclude_flagged: true}"), run, jobs=2)
    samples = tables(run)["samples"].set_index("sample_id")
    name, placed = next(placed_in_run(run))
    tree = apply_to_file(study / samples.loc[name, "file"], placed)
    stored = json.loads((run / "samples" / f"{name}.json").read_text(encoding="utf-8"))
    assert tree.size("root") == stored["measured"]["events"]
    assert {one.id: tree.size(one.id) for one in tree.populations} == stored["measured"]["counts"]
