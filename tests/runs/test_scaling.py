"""Scales of a study: from its files together, kept, recorded, frozen by a lock, and the same wherever they are used."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.formats.write_fcs import kept_keywords, write_fcs
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.scales import scale_from_dict
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.cytometry.steps.measure_noise import pool_noise
from immunomon.runs.declared_scales import scale_warnings_of_study
from immunomon.runs.files import gate_files
from immunomon.runs.folder import RunFolder
from immunomon.runs.jobs import Crew
from immunomon.runs.journal import Journal
from immunomon.runs.lock import Reason, lock_run
from immunomon.runs.placed import placed_in_run
from immunomon.runs.plan import make_plan
from immunomon.runs.run import run_study
from immunomon.runs.scaling import book_of_run, books_of_record, panel_scales, with_placed_scales, with_scales
from immunomon.runs.single import gate_file, noise_of_file
from immunomon.study.specs.catalog import find_panel, find_strategy
from immunomon.study.specs.panel import load_panel


def planned(study):
    plan = make_plan(study)
    return replace(plan, own_keys={task.sample.id: task.key for task in plan.tasks})


def scaled(plan, folder):
    return with_scales(plan, RunFolder(folder), Crew(1, Journal()))


def treg():
    panel = load_panel(find_panel("treg"))
    return load_strategy(find_strategy("treg"), methods=GATE_METHODS, panel=panel), panel


def test_all_files_of_a_panel_are_on_the_scales_that_the_run_records(finished):
    record = json.loads((finished / "run.json").read_text(encoding="utf-8"))
    for panel in ("treg", "thelper"):
        recorded = {row["marker"]: row for row in record["scales"][panel]}
        assert recorded["CD4"]["noise"]["files"] >= 6
        gates = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((finished / "gates").glob("*.json"))]
        for tree in (tree for tree in gates if tree["strategy"] == panel):
            for name, axis in tree["axes"].items():
                if name in recorded:
                    assert axis["scale"] == recorded[name]["scale"]
                    assert axis["scale"]["t"] == axis["range"]


def test_what_is_read_from_a_run_are_the_same_scales(finished):
    strategy, panel = treg()
    record = json.loads((finished / "run.json").read_text(encoding="utf-8"))
    scales = panel_scales(strategy, panel, book_of_run(finished, "treg"))
    for row in record["scales"]["treg"]:
        assert scales[row["marker"]] == scale_from_dict(row["scale"])
    assert book_of_run(finished / "nowhere", "treg") == {}
    assert books_of_record({"study": {}}) == {}


def test_a_file_is_measured_once_and_the_run_vouches_for_it(finished, trial, tmp_path):
    out = tmp_path / "run"
    scaled(planned(trial), out)
    kept = {path: path.stat().st_mtime_ns for path in (out / "noise").iterdir()}
    again = scaled(planned(trial), out)
    assert {path: path.stat().st_mtime_ns for path in (out / "noise").iterdir()} == kept
    assert set(kept) == {out / "noise" / f"{task.sample.id}.json" for task in again.tasks if task.strategy}
    sealed = json.loads((finished / "audit-contents.json").read_text(encoding="utf-8"))
    assert any("noise/" in str(name) for name in json.dumps(sealed).split('"'))


def test_noise_changed_by_hand_is_measured_anew(trial, own_run):
    path = next((own_run / "noise").iterdir())
    right = path.read_bytes()
    path.write_bytes(right.replace(b'"spread": ', b'"spread": 9'))
    summary = run_study(trial, own_run, jobs=2)
    assert path.stem in summary.changed
    assert path.read_bytes() == right


def test_a_lock_freezes_the_scales(trial, own_run):
    lock_run(own_run, Reason("done", "A. Person"))
    lock = json.loads((own_run / "lock.json").read_text(encoding="utf-8"))
    record = json.loads((own_run / "run.json").read_text(encoding="utf-8"))
    assert lock["scales"] == record["scales"]
    for row in lock["scales"]["treg"]:
        row["noise"]["spread"] = 555.0
    (own_run / "lock.json").write_text(json.dumps(lock), encoding="utf-8")
    plan = scaled(planned(trial), own_run)
    assert {noise.spread for noise in plan.books["treg"].values()} == {555.0}


def test_files_of_one_call_share_their_scales(trial):
    strategy, panel = treg()
    files = sorted((trial / "fcs" / "treg").glob("S0*_D-1_treg.fcs"))[:2]
    rows, failures = gate_files(files, strategy, panel=panel)
    book = pool_noise([noise_of_file(file, strategy, panel=panel) for file in files])
    assert not failures
    for file in files:
        tree = gate_file(file, strategy, panel=panel, book=book)
        found = {row["population"]: row["count"] for row in rows if row["file"] == file.name}
        assert found == {name: tree.size(name) for name in strategy.ids}


@pytest.mark.parametrize("factor", [4.0, 40.0])
def test_the_same_cells_on_a_wider_cytometer_are_counted_alike(trial, tmp_path, factor):
    strategy, panel = treg()
    file = trial / "fcs" / "treg" / "S01_D-1_treg.fcs"
    header, events = read_fcs(file)
    wider = tuple(
        channel if channel.kind.value == "time" else replace(channel, range=channel.range * factor)
        for channel in events.channels
    )
    times = np.array([1.0 if channel.kind.value == "time" else factor for channel in events.channels])
    other = tmp_path / "wider.fcs"
    values = (np.asarray(events.values) * times).astype(np.float32)
    write_fcs(other, EventTable(values, wider, Scale.RAW, other.name), kept_keywords(header))
    one, two = (gate_file(path, strategy, panel=panel) for path in (file, other))
    for name in strategy.ids:
        if one.size(name) is None:
            assert two.size(name) is None
        else:
            assert abs(one.size(name) - two.size(name)) <= max(2, 0.01 * one.size(name)), name


def test_a_check_says_where_declared_scales_do_not_fit(trial, tmp_path):
    study = shutil.copytree(trial, tmp_path / "trial")
    assert scale_warnings_of_study(study) == []
    (study / "gating").mkdir()
    text = find_strategy("treg").read_text(encoding="utf-8")
    narrow = "scales:\n  fluorescence: {kind: logicle, t: 100000, w: 0.1}\npopulations:"
    (study / "gating" / "treg.yaml").write_text(text.replace("populations:", narrow, 1), encoding="utf-8")
    top, *widths = scale_warnings_of_study(study)
    assert "CD4" in top
    assert "the declared t: 100000 lies below the range of the files, 262144; leave t out" in top
    assert any("the declared w: 0.1 is too narrow for the negatives" in line for line in widths)


def test_a_run_of_before_is_shown_on_the_scales_that_it_was_gated_on(finished):
    strategy, panel = treg()
    name, placed = next((name, placed) for name, placed in placed_in_run(finished) if "treg" in name)
    as_gated = with_placed_scales(strategy, placed)
    scales = panel_scales(as_gated, panel, {})
    for axis in ("CD4", "CD25", "viability"):
        assert scales[axis] == placed.axes[axis].scale
    assert scales["CD127"].kind == "logicle", name
