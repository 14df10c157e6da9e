from dataclasses import replace

import pandas as pd
import pytest

from immunomon.assurance.validation import subsets
from immunomon.assurance.validation.agreement import Agreement
from immunomon.assurance.validation.sections import Settings
from immunomon.assurance.validation.subsets import Elsewhere, elsewhere, section
from immunomon.assurance.validation.targets import target_of
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.study.specs.catalog import find_panel, find_strategy
from immunomon.study.specs.panel import load_panel

NONE = float("nan")
TREG = Agreement("treg", "treg", "cd4", 3, 5.0, *[0.1] * 3, 0.0, 1.0, 0.98, 3, 0, NONE, NONE, ())


def test_a_population_of_another_tube_stands_beside_the_panel_whose_strategy_gates_it():
    ten = replace(TREG, panel="treg10", f1=0.95)
    twenty = replace(TREG, panel="blood20~treg", f1=0.97)
    another = replace(TREG, panel="blood20~thelper", f1=0.5)
    assert list(elsewhere([TREG, ten, twenty, another])) == [
        Elsewhere("treg10", "treg", 0.98, 0.95),
        Elsewhere("blood20~treg", "treg", 0.98, 0.97),
    ]
    assert [pair.met for pair in elsewhere([TREG, ten, twenty])] == [False, True]


@pytest.mark.parametrize("name", ["tmemory", "monocyte-dc"])
def test_each_population_that_these_strategies_report_has_a_target(name):
    panel = load_panel(find_panel({"monocyte-dc": "nk"}.get(name, name)))
    strategy = load_strategy(find_strategy(name), methods=GATE_METHODS, panel=panel)
    reported = {"cd4_naive", "cd8_temra", "monocytes", "mono_intermediate", "pdc"} & set(strategy.ids)
    assert len(reported) >= 2
    assert all(target_of(population) for population in reported)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The section over a small trial with three of the tubes, and the trial."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subsets, "FURTHER", ("tbnk", "thelper-ics"))
        patch.setattr(subsets, "SHIPPED", ("treg",))
        patch.setattr(subsets, "WIDE", ("treg10",))
        settings = Settings(events=4000, seed=2, folder=tmp_path_factory.mktemp("subsets"), jobs=2, quick=True)
        return section(settings), subsets._trial(settings)


def test_the_section_states_its_command_and_a_verdict_on_each_part(measured):
    written, _ = measured
    assert "`immunomon validate --subsets --events 4000 --seed 2`" in written.text
    assert [line.partition("  ")[2].partition(":")[0] for line in written.lines] == [
        "frequencies",
        "tubes of other dyes",
        "cells per uL by beads",
    ]
    assert written.met == all(line.startswith("met") for line in written.lines)
    assert "| tbnk | cd4 | t_cells | 3 |" in written.text
    assert "| thelper-ics | th1_ifng | cd3pos_cd8neg | 3 |" in written.text  # the unstimulated twins are no samples
    assert "| treg10 | treg |" in written.text


def test_an_error_of_a_count_by_beads_is_that_of_the_run_against_what_was_drawn(measured):
    _, trial = measured
    before = subsets.bead_errors(trial)
    populations = trial.tables["populations"]
    doubled = populations.assign(cells_per_ul=2 * populations["cells_per_ul"])
    after = subsets.bead_errors(replace(trial, tables={**trial.tables, "populations": doubled}))
    pd.testing.assert_series_equal(after, 100 + 2 * before)
    assert before.abs().median() < 10
