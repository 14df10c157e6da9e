import pytest

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_in_use
from immunomon.runs.overriding import read_overrides
from immunomon.study.specs.samples import load_samples
from immunomon.study.specs.study import load_study

WHO = ", reason: clotted, by: A. Analyst, when: 2025-02-12T14:05:00Z}\n"
DROPPED = "  - {action: drop-sample, sample: fcs__w2" + WHO
MOVED = "  - {action: move-gate, sample: fcs__w4, population: cd4, gate: {method: interval, axis: CD4, low: 900}" + WHO
DECISIONS = f"schema: immunomon.overrides/1\noverrides:\n{DROPPED}{MOVED}"


def test_decisions_that_fit_the_study_have_no_problems(study):
    path = study.write("overrides.yaml", DECISIONS)
    assert study.problems() == []
    assert study.problems(path) == []


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("fcs__w2", "fcs__w3", "line 3: overrides[0].sample: no sample in the sample list named 'fcs__w3'; did you"),
        ("fcs__w4", "fcs__fmo", "line 4: overrides[1].sample: a control tube is not gated"),
        ("population: cd4", "population: cd44", "overrides[1].population: no population named 'cd44'; did you mean"),
        ("axis: CD4", "axis: CD44", "overrides[1].gate: no axis of strategy 'treg' named 'CD44'; did you mean 'CD4'?"),
        ("method: interval", "method: valley", "overrides[1].gate.method: a person's gate has declared borders"),
        ("clotted, by: A. Analyst", "clotted", "overrides[0].by: is missing"),
        ("2025-02-12T14:05:00Z", "yesterday", "overrides[0].when"),
    ],
)
def test_what_a_decision_names_and_the_study_lacks_is_told_with_its_line_and_the_nearest(study, before, after, told):
    assert before in DECISIONS
    study.write("overrides.yaml", DECISIONS.replace(before, after, 1))
    assert [one for one in study.problems() if "overrides.yaml" in one and told in one]


def test_a_decision_is_not_blamed_for_a_strategy_that_cannot_be_read(study):
    study.write("overrides.yaml", DECISIONS)
    study.write("gating/treg.yaml", "schema: immunomon.strategy/1\n")
    assert not any("overrides.yaml" in one for one in study.problems())


def test_decisions_that_no_run_would_read_are_said_to_be_in_the_wrong_place(study):
    path = study.write("decisions.yaml", DECISIONS)
    assert study.problems(path) == [
        "decisions.yaml: decisions are read only beside their study.yaml; name it overrides.yaml, there"
    ]


OWN = """schema: immunomon.strategy/1
name: own
label: Own
version: 1
populations:
  - {id: cd3, parent: root, gate: {method: interval, axis: CD3, low: 900}}
"""


@pytest.fixture
def two_strategies(study):
    study.write("gating/own.yaml", OWN)
    text = (study.folder / "study.yaml").read_text(encoding="utf-8")
    study.write("study.yaml", text.replace("strategy: treg", "strategy: [treg, own]"))
    return study


def test_a_decision_on_a_tube_is_one_for_all_strategies_that_look_at_it(two_strategies):
    two_strategies.write("overrides.yaml", f"schema: immunomon.overrides/1\noverrides:\n{DROPPED}")
    assert two_strategies.problems() == []
    folder = two_strategies.folder
    study = load_study(folder)
    samples = load_samples(folder / "samples.csv", study)
    overrides = read_overrides(study, samples, load_in_use(study, methods=GATE_METHODS)[1])
    assert [override.sample for override in overrides] == ["fcs__w2~treg", "fcs__w2~own"]


def test_a_gate_of_a_tube_belongs_to_one_of_its_strategies(two_strategies):
    two_strategies.write("overrides.yaml", f"schema: immunomon.overrides/1\noverrides:\n{MOVED}")
    problem = (
        "several strategies look at 'fcs__w4', and a gate belongs to one of them; name one of fcs__w4~treg, fcs__w4~own"
    )
    assert any(problem in one for one in two_strategies.problems())


def test_a_tube_and_one_of_its_strategies_cannot_be_decided_on_twice(two_strategies):
    twice = DROPPED + DROPPED.replace("fcs__w2", "fcs__w2~own")
    two_strategies.write("overrides.yaml", f"schema: immunomon.overrides/1\noverrides:\n{twice}")
    assert any("the same decision is taken in overrides[0] already" in one for one in two_strategies.problems())
