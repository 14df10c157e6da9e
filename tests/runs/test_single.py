from pathlib import Path

import numpy as np
import pytest
from support.fcs_files import some_values, write_fcs

from immunomon.cytometry.formats.memberships import read_memberships
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.errors import BadSpillover, UnknownChannel
from immunomon.runs.files import COLUMNS, gate_files
from immunomon.runs.plan import make_plan
from immunomon.runs.single import Compensation, analyse
from immunomon.study.model.trust import withholding
from immunomon.study.specs.catalog import find_panel, find_strategy
from immunomon.study.specs.panel import load_panel


@pytest.fixture(scope="module")
def treg():
    panel = load_panel(find_panel("treg"))
    return load_strategy(find_strategy("treg"), methods=GATE_METHODS, panel=panel), panel


def test_counts_medians_and_plots_belong_together(trial, treg):
    strategy, panel = treg
    result = analyse(trial / "fcs" / "treg" / "S01_D-1_treg.fcs", strategy, panel=panel)
    for population in strategy.ids:
        assert result.measured.counts[population] == int(result.tree.memberships[population].sum())
        assert set(result.measured.medians[population]) == {marker.name for marker in panel.markers}
    shown = [p for plot in result.plots for p in plot["populations"]]
    assert sorted(shown) == sorted(strategy.ids)


def test_a_child_holds_no_event_that_its_parent_does_not(trial, treg):
    strategy, panel = treg
    tree = analyse(trial / "fcs" / "treg" / "S02_W4_treg.fcs", strategy, panel=panel).tree
    for population in strategy.populations:
        parent = tree.mask(population.parent)
        assert not (tree.memberships[population.id] & ~parent).any()


def test_a_matrix_of_ones_own_replaces_the_files(trial, treg):
    strategy, panel = treg
    path = trial / "fcs" / "treg" / "S01_D-1_treg.fcs"
    own = analyse(path, strategy, panel=panel)
    same = analyse(path, strategy, panel=panel, compensation=Compensation(from_file=False, matrix=own.spillover))
    none = analyse(path, strategy, panel=panel, compensation=Compensation(from_file=False, matrix=None))
    assert same.measured == own.measured
    assert none.measured.medians != own.measured.medians
    assert none.spillover is None


def test_a_matrix_for_other_detectors_names_the_file_and_the_detector(trial, treg):
    strategy, panel = treg
    matrix = SpilloverMatrix(("XYZ-A",), ((1.0,),))
    with pytest.raises(BadSpillover, match=r"S01_D-1_treg\.fcs.*'XYZ-A', which the file lacks"):
        analyse(
            trial / "fcs" / "treg" / "S01_D-1_treg.fcs",
            strategy,
            panel=panel,
            compensation=Compensation(from_file=False, matrix=matrix),
        )


def test_a_file_of_another_panel_is_refused_by_name(tmp_path, treg):
    strategy, panel = treg
    path = write_fcs(tmp_path / "other.fcs", some_values())
    with pytest.raises(UnknownChannel, match=r"other\.fcs.*panel treg: the file has no detector"):
        analyse(path, strategy, panel=panel)


def test_without_a_panel_the_files_own_names_hold(trial, treg):
    strategy, panel = treg
    path = trial / "fcs" / "treg" / "S01_D-1_treg.fcs"
    assert analyse(path, strategy).measured.counts == analyse(path, strategy, panel=panel).measured.counts


def test_files_are_gated_without_a_study_and_one_bad_file_costs_itself(trial, treg, tmp_path):
    strategy, panel = treg
    good = trial / "fcs" / "treg" / "S01_D-1_treg.fcs"
    bad = tmp_path / "bad.fcs"
    bad.write_bytes(b"no FCS")
    rows, failures = gate_files([good, bad], strategy, panel=panel, memberships=tmp_path / "m", jobs=2)
    assert [row["population"] for row in rows] == list(strategy.ids)
    assert set(rows[0]) == set(COLUMNS)
    assert len(failures) == 1
    assert "bad.fcs" in failures[0]
    masks = read_memberships(tmp_path / "m" / "S01_D-1_treg.npz")
    assert {row["path"]: row["count"] for row in rows} == {path: int(mask.sum()) for path, mask in masks.items()}
    assert masks["/singlets"].size == 4000
    first = rows[0]
    assert first["percent_of_parent"] == pytest.approx(100 * first["count"] / first["parent_count"])


def test_files_of_one_name_in_two_folders_keep_both_memberships(trial, treg, tmp_path):
    strategy, panel = treg
    source = (trial / "fcs" / "treg" / "S01_D-1_treg.fcs").read_bytes()
    files = []
    for folder in ("a", "b"):
        files.append(tmp_path / folder / "x.fcs")
        files[-1].parent.mkdir()
        files[-1].write_bytes(source)
    rows, _ = gate_files(files, strategy, panel=panel, memberships=tmp_path / "m")
    assert {row["file"] for row in rows} == {file.as_posix() for file in files}
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["a__x.npz", "b__x.npz"]


@pytest.mark.parametrize("name", ["treg", "thelper"])
def test_gated_frequencies_are_near_the_simulated_truth(trial, name):
    panel = load_panel(find_panel(name))
    strategy = load_strategy(find_strategy(name), methods=GATE_METHODS, panel=panel)
    errors = {}
    for path in sorted((trial / "fcs" / name).glob("S0*.fcs")):
        tree = analyse(path, strategy, panel=panel, with_plots=False).tree
        truth = read_memberships(Path(trial) / "truth" / f"{path.stem}.npz")
        # A file by itself, and a small one: where it shows no border, the fallback is doubted, and not near the truth.
        doubted = {placed.id for placed in tree.populations if withholding(placed.doubts)}
        wanted = {"lymphocytes", "t_cells", "cd4", "treg", "th1", "th17"} - doubted
        for population in wanted & set(tree.memberships):
            found, true = int(tree.memberships[population].sum()), int(truth[population].sum())
            errors.setdefault(population, []).append(abs(found - true) / true)
    assert {"lymphocytes", "t_cells", "cd4"} <= set(errors)
    assert all(
        np.median(found) < (0.03 if pop in {"lymphocytes", "t_cells", "cd4"} else 0.12) for pop, found in errors.items()
    )


def test_a_study_that_says_nothing_of_compensation_needs_every_files_own_matrix(own_trial):
    assert make_plan(own_trial).compensation == Compensation(needed=True)
    study = own_trial / "study.yaml"
    text = study.read_text(encoding="utf-8")
    assert "source: file" in text
    study.write_text(text.replace("source: file", "source: none"), encoding="utf-8", newline="\n")
    assert make_plan(own_trial).compensation == Compensation(from_file=False)
