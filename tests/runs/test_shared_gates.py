import json
import shutil
from threading import Lock

import pandas as pd
import pytest

from immunomon.runs.controls import ControlShelf
from immunomon.runs.folder import RunFolder
from immunomon.runs.run import run_study
from immunomon.study.model.study import Role, Sample
from immunomon.study.specs.catalog import find_strategy

WITH_CONTROL = "{method: control, axis: CD25, tube: fmo, near: run, quantile: 0.99}"


@pytest.fixture(scope="module")
def agreeing(one_panel, tmp_path_factory):
    """The trial with a strategy of its own: thresholds that samples agree on, and one that a control tube sets."""
    folder = tmp_path_factory.mktemp("shared") / "trial"
    shutil.copytree(one_panel, folder)
    (folder / "gating").mkdir()
    extra = f"  - id: cd25_pos\n    parent: cd4\n    gate: {WITH_CONTROL}\n    keep: high\nreport:"
    text = find_strategy("treg").read_text(encoding="utf-8").replace("report:", extra, 1)
    (folder / "gating" / "treg.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(agreeing, tmp_path_factory):
    out = tmp_path_factory.mktemp("shared") / "run"
    assert run_study(agreeing, out, jobs=2).complete
    return out


def gates_of(run):
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted((run / "gates").iterdir())}


def test_a_threshold_says_that_other_samples_had_a_say_and_how_much_is_its_own(run):
    populations = RunFolder(run).read_table("populations")
    cd4 = populations[(populations["population"] == "cd4") & (populations["panel"] == "treg")]
    assert cd4["gate_source"].str.startswith("consensus, own weight ").all()
    everything = [p for gates in gates_of(run).values() for p in gates["populations"]]
    placed = [p for p in everything if p["population"] == "cd4" and p["own_weight"] is not None]
    assert placed
    assert all(0 <= p["own_weight"] <= 1 for p in placed)
    assert all(p["errors"] and min(p["errors"].values()) > 0 for p in placed)


def test_a_control_tube_of_the_same_run_sets_a_gate_and_is_named(run):
    populations = RunFolder(run).read_table("populations")
    found = populations[populations["population"] == "cd25_pos"]
    assert len(found) > 0
    assert found["gate_source"].str.contains("fmo").all()
    assert (found["count"] > 0).all()


def times_of(run):
    folders = ("samples", "gates", "estimates")
    return {path: path.stat().st_mtime_ns for name in folders for path in (run / name).iterdir()}


@pytest.mark.no_cover
def test_a_second_run_gates_nothing_and_looks_at_nothing(agreeing, run):
    before = times_of(run)
    summary = run_study(agreeing, run, jobs=2)
    assert summary.gated == 0
    assert times_of(run) == before


@pytest.mark.no_cover
def test_the_number_of_jobs_changes_no_shared_gate(agreeing, run, tmp_path):
    run_study(agreeing, tmp_path / "one", jobs=1)
    assert gates_of(tmp_path / "one") == gates_of(run)


@pytest.mark.no_cover
def test_gates_know_neither_the_visit_nor_the_dose(agreeing, run, tmp_path):
    """The same files with all visits and all doses exchanged: every gate lies where it lay."""
    other = tmp_path / "trial"
    shutil.copytree(agreeing, other)
    samples = pd.read_csv(other / "samples.csv", dtype=str, keep_default_na=False)
    samples["visit"] = samples["visit"].map({"D-1": "W4", "W4": "D-1", "": ""})
    samples.to_csv(other / "samples.csv", index=False)
    text = (other / "study.yaml").read_text(encoding="utf-8")
    for old, new in (("dose_group: A", "dose_group: X"), ("dose_group: B", "dose_group: A"), ("group: X", "group: B")):
        text = text.replace(old, new)
    (other / "study.yaml").write_text(text, encoding="utf-8")
    run_study(other, tmp_path / "run", jobs=2)
    assert gates_of(tmp_path / "run") == gates_of(run)


@pytest.mark.no_cover
def test_an_unreadable_control_costs_no_sample(agreeing, tmp_path):
    other = tmp_path / "trial"
    shutil.copytree(agreeing, other)
    for path in (other / "fcs").rglob("*fmo*CD25*"):
        path.write_bytes(b"FCS3.1    not a file")
    run_study(other, tmp_path / "run", jobs=2)
    populations = RunFolder(tmp_path / "run").read_table("populations")
    found = populations[(populations["panel"] == "treg") & (populations["population"] == "cd25_pos")]
    assert found["reason"].str.contains("not placed").all()
    assert populations.loc[populations["population"] == "treg", "count"].notna().all()


def test_a_control_tube_exchanged_while_it_is_read_fails_with_the_samples_that_look_at_it(
    agreeing, run, tmp_path, monkeypatch
):
    study = shutil.copytree(agreeing, tmp_path / "trial")
    victim = next(study.rglob("A-W4_fmo-CD25_treg.fcs"))
    events, alone = ControlShelf.events, Lock()
    own, foreign = victim.read_bytes(), next(study.rglob("S01_W4_treg.fcs")).read_bytes()

    def exchanging(shelf, control, scales):
        if control.file.name != victim.name:
            return events(shelf, control, scales)
        with alone:
            victim.write_bytes(foreign)
            try:
                return events(shelf, control, scales)
            finally:
                victim.write_bytes(own)

    with monkeypatch.context() as patch:
        patch.setattr(ControlShelf, "events", exchanging)
        failed = dict(run_study(study, tmp_path / "run", jobs=2).failed)
    samples = RunFolder(tmp_path / "run").read_table("samples").set_index("sample_id")
    own_row = samples.index[samples["file"].map(lambda file: file.endswith(victim.name))][0]
    about_control = failed.pop(own_row)
    assert failed
    assert set(samples.loc[list(failed), "batch"]) == {samples.loc[own_row, "batch"]}
    assert all(reason.startswith(f"control tube {samples.loc[own_row, 'file']}: ") for reason in failed.values())
    assert all("its bytes are not those that were recorded" in reason for reason in (about_control, *failed.values()))
    assert (samples.loc[samples["panel"] == "thelper", "status"] != "failed").all()
    assert run_study(study, tmp_path / "run", jobs=2).complete
    assert gates_of(tmp_path / "run") == gates_of(run)


def test_tubes_are_found_by_batch_day_and_person_never_by_visit(tmp_path):
    def tube(name, role="fmo:CD25", **more):
        return Sample(tmp_path / name, name, "treg", Role.parse(role), **more)

    sample = tube("s", "sample", subject="S1", batch="B1", visit="W4")
    own = tube("own", subject="S1", batch="B1", visit="W8")
    nobodys, anothers = tube("nobody", batch="B1"), tube("another", subject="S2", batch="B1")
    elsewhere, other_role = tube("elsewhere", batch="B2"), tube("other", "isotype", batch="B1")
    shelf = ControlShelf([elsewhere, anothers, nobodys, other_role, own, sample], tmp_path, {})
    assert shelf.found(sample, "fmo:CD25", "run") == [own, nobodys]
    assert shelf.found(sample, "fmo:CD25", "batch") == [anothers]
    assert shelf.found(sample, "fmo:CD25", "study") == [elsewhere]
    assert shelf.found(sample, "isotype", "run") == [other_role]
