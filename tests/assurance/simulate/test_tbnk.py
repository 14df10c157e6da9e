"""T, B and NK cells of whole blood with counting beads: what a tube holds, what is found in it, absolute counts."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immunomon.assurance.simulate.biology import healthy_donor
from immunomon.assurance.simulate.layouts import EXTRA_LAYOUTS
from immunomon.assurance.simulate.populations import lymphocyte_mixture, truth_populations
from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.assurance.validation.agreement import f1
from immunomon.cytometry.formats.memberships import read_memberships
from immunomon.cytometry.model.measured import SampleResult
from immunomon.errors import BadSpec
from immunomon.maps.clusters.abundance import Counted, tables_of
from immunomon.maps.clusters.samples import source_of
from immunomon.outputs.trace.of_run import RunRecords
from immunomon.outputs.trace.trace import Asked, trace
from immunomon.runs.checks.rows import unusable_beads
from immunomon.runs.folder import RunFolder
from immunomon.runs.gated import read_gated
from immunomon.runs.opened import open_run
from immunomon.runs.plan import make_plan
from immunomon.runs.run import run_study
from immunomon.runs.single import analyse
from immunomon.study.model.quality import QualityLimits
from immunomon.study.specs.catalog import find_panel
from immunomon.study.specs.panel import load_panel

LINEAGES = ("t_cells", "cd4", "cd8", "b_cells", "nk")
STRATEGY = Path(__file__).resolve().parents[3] / "gating" / "tbnk.yaml"


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tbnk")
    simulate_trial(folder, events=20000, visits=["D-1"], subjects_per_group=1, panels=["tbnk"], seed=5, controls=False)
    assert run_study(folder, jobs=2).complete
    return folder


def tables(trial):
    run = RunFolder(trial / "run")
    return run.read_table("populations"), run.read_table("samples").set_index("sample_id")


def truths(trial):
    for task in make_plan(trial).tasks:
        yield task, read_memberships(trial / "truth" / f"{task.sample.file.stem}.npz")


def test_a_tube_is_that_of_the_shipped_panel_and_holds_what_was_drawn():
    layout, panel = EXTRA_LAYOUTS["tbnk"], load_panel(find_panel("tbnk"))
    assert [marker.name for marker in panel.markers] == list(layout.markers)
    assert [marker.detector for marker in panel.markers] == list(layout.optics.detectors)
    frequencies = healthy_donor("D").frequencies()
    shares = lymphocyte_mixture("tbnk", frequencies)
    assert sum(shares.values()) == pytest.approx(1)
    held = {p.id: sum(shares.get(kind, 0) for kind in p.kinds) for p in truth_populations("tbnk")}
    for population in truth_populations("tbnk"):
        assert held[population.id] / held.get(population.parent, 1) == pytest.approx(frequencies[population.id])


def test_the_shipped_strategy_finds_every_lineage(trial):
    plan, run = make_plan(trial), RunFolder(trial / "run")
    scores = [
        (name, f1(read_gated(run, plan, task).tree.mask(name), truth[name]))
        for task, truth in truths(trial)
        for name in ("lymphocytes", *LINEAGES)
    ]
    medians = pd.DataFrame(scores, columns=["population", "f1"]).groupby("population")["f1"].median()
    assert medians.drop("nk").min() > 0.97
    assert medians["nk"] > 0.93


def test_absolute_counts_by_beads_are_within_3_percent_of_the_truth(trial):
    populations, samples = tables(trial)
    counts = populations.set_index(["sample_id", "population"])
    errors = []
    for task, truth in truths(trial):
        per_ul = samples.loc[task.sample.id, "lymphocytes_per_ul"] / truth["lymphocytes"].sum()
        for name in LINEAGES:
            row = counts.loc[(task.sample.id, name)]
            assert row["cells_per_ul_method"] == "beads"
            errors.append(row["cells_per_ul"] / (per_ul * truth[name].sum()) - 1)
    assert abs(np.mean(errors)) < 0.03


def test_trace_works_a_count_by_beads_out_again_and_says_if_the_table_says_otherwise(trial, monkeypatch):
    records = RunRecords(trial / "run", trial)
    subject = next(row["subject"] for row in records.rows("samples"))
    number = trace(records, Asked(subject, "D-1", "nk"))["numbers"][0]
    assert number["absolute"]["agrees"] is True
    assert "lymphocytes/uL (by beads) x" in number["absolute"]["formula"]
    rows = records.rows

    def changed(table, **equal):
        return [
            {**row, "cells_per_ul": 1.01 * row["cells_per_ul"]}
            if table == "populations" and row["population"] == "nk"
            else row
            for row in rows(table, **equal)
        ]

    monkeypatch.setattr(records, "rows", changed)
    assert trace(records, Asked(subject, "D-1", "nk"))["numbers"][0]["absolute"]["agrees"] is False


def test_beads_that_may_not_be_reported_count_nothing_and_nothing_takes_their_place(trial, tmp_path):
    study = Path(shutil.copytree(trial, tmp_path / "study", ignore=shutil.ignore_patterns("run")))
    text = STRATEGY.read_text(encoding="utf-8").replace(
        "label: Counting beads, parent: cd3_cd19_cd8", "label: B, parent: root"
    )
    (study / "gating").mkdir()
    unlikely = "  beads: {percent_of_parent: [0.1, 0.2], possible: [0, 0.5]}\n"
    (study / "gating" / "tbnk.yaml").write_text(text + unlikely, encoding="utf-8")
    run_study(study, jobs=2)
    populations, _ = tables(study)
    assert populations["cells_per_ul"].isna().all()
    assert not populations.set_index("population").loc["beads", "reportable"].any()


def test_clusters_are_counted_by_the_beads_that_the_run_gated(trial):
    run = open_run(trial / "run", trial)
    source = source_of(run, "tbnk", None)
    populations = run.table("populations").set_index(["sample_id", "population"])
    name, beads = next(iter(source.beads.items()))
    assert beads == populations.loc[(name, "beads"), "count"]
    sample = next(job.sample for job in source.jobs if job.sample.id == name)
    whole = populations.loc[(name, "lymphocytes")]
    held = Counted(
        SampleResult(sample, "gated"), int(whole["count"]), {"mc01": int(whole["count"])}, {"mc01": {}}, None
    )
    about = {"within": source.within, "study": source.study, "strategy": source.strategy, "panel": source.panel}
    row = tables_of([held], {"mc01": "all"}, **about, beads=source.beads)["populations"].iloc[0]
    assert (row["cells_per_ul"], row["cells_per_ul_method"]) == (whole["cells_per_ul"], "beads")


def test_beads_that_nobody_counts_are_said(trial, tmp_path):
    study = Path(shutil.copytree(trial, tmp_path / "study", ignore=shutil.ignore_patterns("run")))
    (study / "gating").mkdir()
    text = STRATEGY.read_text(encoding="utf-8").replace("\nbeads: beads\n", "\n")
    (study / "gating" / "tbnk.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(BadSpec, match="line 2: beads_counted: beads were added, but nobody counts them"):
        make_plan(study)
    (study / "gating" / "tbnk.yaml").write_text(f"{text}beads: bead\n", encoding="utf-8")
    with pytest.raises(BadSpec, match="did you mean 'beads'"):
        make_plan(study)


def test_beads_counted_of_the_whole_file_do_not_go_with_cells_of_a_part_of_it(trial):
    plan = make_plan(trial)
    samples = [replace(task.sample, beads_counted=1500.0) for task in plan.tasks]
    assert not list(unusable_beads(plan.study, samples, plan.strategies))
    cleaned = replace(plan.study, quality=QualityLimits(exclude_flagged=True))
    assert "the beads are of the whole file" in str(next(unusable_beads(cleaned, samples, plan.strategies)))


def test_beads_without_a_population_of_lymphocytes_are_said(trial):
    plan = make_plan(trial)
    strategy = plan.strategies["tbnk"]
    ids = strategy.ids[: strategy.ids.index("lymphocytes")]
    without = replace(strategy, populations=tuple(p for p in strategy if p.id in ids))
    samples = [task.sample for task in plan.tasks]
    problems = [str(problem) for problem in unusable_beads(plan.study, samples, {"tbnk": without})]
    assert len(problems) == len(samples)
    assert "gates beads and no 'lymphocytes'" in problems[0]


def test_beads_at_the_top_of_the_range_stay_in_where_margins_are_left_out(trial):
    plan = make_plan(trial)
    task, strategy, panel = plan.tasks[0], plan.strategies["tbnk"], plan.panels["tbnk"]
    limits = QualityLimits(exclude_flagged=True)
    analysis = analyse(task.path, strategy, panel=panel, quality=limits, with_plots=False)
    assert analysis.judged.margins.any()
    assert analysis.measured.events == np.count_nonzero(~analysis.judged.strays)
