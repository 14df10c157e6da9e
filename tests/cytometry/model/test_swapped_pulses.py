"""Height goes with area, width does not: names that say otherwise are said."""

import numpy as np
import pytest
from support.fcs_files import write_fcs
from typer.testing import CliRunner

from immunomon.cli.main import app
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.swapped_pulses import swapped_pulses
from immunomon.study.model.channels import Channel


def pulses(count=3000, doublets=0.1, seed=5):
    """Area, height, width of cells, some of them two at a time: as wide again, hardly higher."""
    rng = np.random.default_rng(seed)
    height = rng.lognormal(np.log(50_000), 0.4, count)
    width = rng.normal(65_000, 4000, count) * np.where(rng.random(count) < doublets, 1.8, 1.0)
    return np.column_stack([height * width / 65_000, height, width])


def table(values, letters="AHW", name="FSC"):
    return EventTable(values, tuple(Channel(f"{name}-{letter}") for letter in letters))


@pytest.mark.parametrize("doublets", [0.0, 0.1, 0.4])
def test_height_and_width_under_their_own_names_are_not_mentioned(doublets):
    values = pulses(doublets=doublets)
    assert swapped_pulses(table(values)) == ()
    assert swapped_pulses(table(values[:, [0, 2, 1]], "AWH")) == ()


@pytest.mark.parametrize("doublets", [0.0, 0.1, 0.3])
def test_height_and_width_under_each_others_names_are_said(doublets):
    (said,) = swapped_pulses(table(pulses(doublets=doublets), "AWH"))
    assert said.startswith("FSC-W and FSC-H seem to be") or said.startswith("FSC-H and FSC-W seem to be")


def test_noise_at_the_threshold_few_events_and_other_channels_say_nothing():
    values = pulses()[:, [0, 2, 1]]
    assert swapped_pulses(table(values / 50)) == ()
    assert swapped_pulses(table(values[:150])) == ()
    assert swapped_pulses(table(values, name="FITC")) == ()
    assert swapped_pulses(table(np.ones((500, 3)) * 5e4)) == ()


def test_check_and_gate_say_it(tmp_path):
    file = write_fcs(tmp_path / "a.fcs", pulses(), ("FSC-A", "FSC-W", "FSC-H"))
    (tmp_path / "s.yaml").write_text(
        "schema: immunomon.strategy/1\nname: s\nlabel: s\nversion: 1\npopulations:\n"
        "  - {id: big, parent: root, gate: {method: rectangle, sides: [{axis: FSC-A, low: 50000}]}}\n",
        encoding="utf-8",
    )
    for command in (["check", str(file)], ["gate", str(tmp_path / "s.yaml"), str(file)]):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
        assert "FSC-H and FSC-W seem to be under each other's name" in " ".join(result.output.split())
