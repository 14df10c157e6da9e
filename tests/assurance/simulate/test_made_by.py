"""The command that a simulated study says it was made by makes the same files again."""

from __future__ import annotations

import re
import shlex

import pytest
from typer.testing import CliRunner

from immunomon.api.simulating import simulate
from immunomon.assurance.simulate.conditions import condition_named
from immunomon.assurance.simulate.layouts import LAYOUTS, layout_named
from immunomon.assurance.simulate.plan import Plan
from immunomon.assurance.simulate.protocol import Scenario, draw_patients, visits_named
from immunomon.assurance.simulate.study_files import study_yaml
from immunomon.cli.main import app


def made_by(text):
    """Return the words of the command in the head of study.yaml."""
    return shlex.split(re.search(r"^# Made by: immunomon (.+)$", text, re.MULTILINE)[1])


def planned(panels=LAYOUTS, condition="ordinary"):
    patients = draw_patients(Scenario.NULL, 1, seed=4)
    layouts = tuple(layout_named(name) for name in panels)
    return Plan(patients, visits_named(["D-1", "W4"]), layouts, 500, 4, condition_named(condition))


@pytest.mark.parametrize(
    ("panels", "condition", "options"),
    [
        (LAYOUTS, "ordinary", []),
        (["nk"], "ordinary", ["--panel", "nk"]),
        (["tbnk", "treg"], "dead-40", ["--panel", "tbnk", "--panel", "treg", "--condition", "dead-40"]),
    ],
)
def test_every_option_that_is_not_the_default_is_named(panels, condition, options):
    written = made_by(study_yaml(planned(panels, condition), Scenario.NULL))
    assert written == ["simulate", "--scenario", "null", "--events", "500", "--seed", "4", *options]


def test_the_command_in_the_file_makes_the_same_trial_again(tmp_path):
    first = simulate(tmp_path / "first", "null", events=500, seed=4, panels=["nk"], expansion=2, jobs=2)
    name, *options = made_by((first / "study.yaml").read_text(encoding="utf-8"))
    assert options[-2:] == ["--expansion", "2"]
    said = CliRunner().invoke(app, [name, str(tmp_path / "second"), *options, "--jobs", "2"])
    assert said.exit_code == 0, said.output
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) > 50
    for file in files:
        assert (tmp_path / "second" / file).read_bytes() == (first / file).read_bytes(), file
