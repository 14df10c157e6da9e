from pathlib import Path

from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.runs.checks.plan import check_normalisation_names
from immunomon.runs.checks.study import StudyCheck
from immunomon.study.model.steadiness import Normalisation, PanelNormalisation
from immunomon.study.specs.catalog import find_panel, find_strategy
from immunomon.study.specs.panel import load_panel

NOWHERE = Path("study.yaml")


def said(*panels, goal="mean", batches=("A-W4",)):
    panel = load_panel(find_panel("treg"))
    strategy = load_strategy(find_strategy("treg"), methods=GATE_METHODS, panel=panel)
    problems = check_normalisation_names(
        Normalisation(panels, goal),
        panels={"treg": panel},
        strategies={"treg": strategy},
        batches=batches,
        file=NOWHERE,
    )
    return [str(problem) for problem in problems]


def test_names_that_are_there_are_no_problem():
    assert said(PanelNormalisation("treg", ("cd4",), ("CD25", "HLA-DR")), goal="A-W4") == []


def test_every_name_that_is_not_there_is_said_with_the_nearest():
    assert said(PanelNormalisation("treg", ("cd8", "cd4"), ("HLADR",)), goal="A-W5") == [
        "study.yaml: normalisation.goal: no batch named 'A-W5'; did you mean 'A-W4'?",
        "study.yaml: normalisation.panels[0].markers: no marker 'HLADR' in the panel; did you mean 'HLA-DR'?",
        "study.yaml: normalisation.panels[0].cell_types: no population 'cd8' in the strategy treg; did you mean 'cd4'?",
    ]


def test_a_cell_type_within_another_is_refused():
    (problem,) = said(PanelNormalisation("treg", ("treg", "cd4"), ("HLA-DR",)))
    assert "'treg' lies in 'cd4': its cells would have two maps; keep one of them" in problem


def test_a_check_of_a_study_reads_the_section(tmp_path):
    trial = simulate_trial(tmp_path / "trial", events=300, visits=["D-1"], subjects_per_group=1, panels=["treg"])
    file = trial / "study.yaml"
    section = "normalisation:\n  panels:\n    - {panel: treg, cell_types: [cd44], markers: [HLA-DR]}\n"
    file.write_text(file.read_text(encoding="utf-8") + section, encoding="utf-8")
    check = StudyCheck(file, GATE_METHODS)
    check.run()
    assert any("no population 'cd44'" in str(problem) for problem in check.problems)
