import re

import pytest
from typer.testing import CliRunner

import immunomon.cli.cluster
from immunomon.cli.main import app

PLAIN = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "160"}


def called(*arguments):
    return CliRunner().invoke(app, ["cluster", *map(str, arguments)], env=PLAIN)


@pytest.fixture
def asked(monkeypatch, clustering):
    """Put a finished clustering in the place of the work, and keep what was asked for."""
    seen = {}

    def instead(run, panel, *, within, settings, study, out, progress):
        seen.update(run=run, panel=panel, within=within, settings=settings, out=out)
        return clustering

    monkeypatch.setattr(immunomon.cli.cluster, "cluster_run", instead)
    return seen


def test_the_command_prints_each_metacluster_and_what_no_gate_covers(asked, clustering, novel_run):
    result = called(novel_run, "--panel", "treg", "--seed", 3, "--clusters", 9, "--side", 8)
    assert result.exit_code == 0
    assert len(re.findall(r"^  mc\d\d ", result.output, flags=re.MULTILINE)) >= clustering.record["metaclusters"]
    assert "no gate covers it" in result.output
    assert "Exploratory changes" in result.output
    assert asked["panel"] == "treg"
    assert (asked["settings"].seed, asked["settings"].clusters, asked["settings"].grid) == (3, 9, (8, 8))


def test_leiden_with_a_given_number_is_refused_before_any_work(asked, novel_run):
    result = called(novel_run, "--method", "leiden", "--clusters", 5)
    assert result.exit_code == 2
    assert "leave out --clusters" in result.output
    assert not asked
