import pytest

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.runs.checks.paths import check_paths
from immunomon.trial.specs.analysis import load_analysis

PLAN = """\
schema: immunomon.analysis/1
name: week-4
declared_on: 2025-01-02
primary: {visit: W4, endpoints: [treg_of_cd4]}
endpoints:
  - {name: treg_of_cd4, panel: treg, population: treg, of: cd4, expected: up}
compositions:
  - {name: helpers, panel: treg, parent: cd4, parts: [treg_memory, treg_activated]}
windows:
  - {name: all, first: D-1, last: W4}
"""


def problems(study, *paths):
    found = check_paths(paths or [study.folder], methods=GATE_METHODS, readers={"immunomon.analysis": load_analysis})
    return [str(one) for one in found.problems]


def test_a_plan_that_fits_its_study_has_no_problems(study):
    study.write("analysis.yaml", PLAN)
    assert problems(study) == []
    assert problems(study, study.folder / "analysis.yaml") == []


@pytest.mark.parametrize(
    ("before", "after", "place", "remedy"),
    [
        ("visit: W4", "visit: W5", "primary.visit: no visit named 'W5'", "W4"),
        ("last: W4", "last: W12", "windows[0].last: no visit named 'W12'", "W2"),
        ("panel: treg, population", "panel: tregs, population", "endpoints[0].panel: no panel named 'tregs'", "treg"),
        ("population: treg,", "population: tregg,", "endpoints[0].population: no population named 'tregg'", "treg"),
        ("treg_activated]", "activated]", "compositions[0].parts[1]: no population named 'activated'", ""),
        (
            "parts: [treg_memory",
            "parts: [cd4",
            "compositions[0].parts[0]: 'cd4' is not reported as a percent",
            "t_cells",
        ),
        ("endpoints: [treg_of_cd4]", "endpoints: [treg]", "primary.endpoints[0]: no endpoint named 'treg'", "treg_of"),
        ("of: cd4, ", "", "endpoints[0].of: is missing", "of: ..."),
        ("name: week-4\n", "name: week-4\nalpah: 0.1\n", "alpah", "alpha"),
    ],
)
def test_what_a_plan_names_and_the_study_lacks_is_told_with_its_place_and_remedy(study, before, after, place, remedy):
    assert before in PLAN
    study.write("analysis.yaml", PLAN.replace(before, after))
    told = [one for one in problems(study) if "analysis.yaml line" in one]
    assert len(told) == 1
    assert place in told[0]
    assert remedy in told[0]


def test_a_plan_is_not_blamed_for_a_strategy_that_cannot_be_read(study):
    study.write("analysis.yaml", PLAN)
    study.write("gating/treg.yaml", "schema: immunomon.strategy/1\n")
    assert not any("analysis.yaml" in one for one in problems(study))
