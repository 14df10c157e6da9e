"""Manual gates of a published experiment, transcribed to YAML, against the memberships its authors' software stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from immunomon.assurance.validation.real import REFERENCES
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.formats.memberships import read_memberships
from immunomon.cytometry.formats.spillover import spillover_of
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.cytometry.steps.compensate import compensate
from immunomon.runs.single import analyse
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.specs.panel import load_panel

HERE = REFERENCES / "activation"
FILES = [f"Activation_{number}.fcs" for number in (1, 2, 3, 4, 9, 13)]
BY_SCATTER = ("Cells", "Single Cells")
BY_FLUORESCENCE = (
    "Dead Cells",
    "Live Cells",
    "T Cells",
    "CD8 T Cells",
    "CD69+ CD8 T Cells",
    "CD4 T Cells",
    "CD69+ CD4 T Cells",
    "Dendritic Cells",
)
pytestmark = pytest.mark.real_data
Masks = dict[str, NDArray[np.bool_]]


@pytest.fixture(scope="module")
def panel() -> Panel:
    return load_panel(HERE / "panel.yaml")


@pytest.fixture(scope="module")
def strategy(panel: Panel) -> GatingStrategy:
    return load_strategy(HERE / "strategy.yaml", methods=GATE_METHODS, panel=panel)


@pytest.fixture(scope="module", params=FILES)
def ours_and_theirs(
    request: pytest.FixtureRequest, real_data: Path, panel: Panel, strategy: GatingStrategy
) -> tuple[GateTree, Masks]:
    folder = real_data / "activation"
    tree = analyse(folder / request.param, strategy, panel=panel, with_plots=False).tree
    stored = read_memberships(folder / f"Activation-GatingSet__{request.param}.event_labels.npz")
    theirs = {path.rpartition("/")[2]: mask for path, mask in stored.items()}
    # A boolean gate has no stored membership of its own.
    theirs["Live Cells"] = theirs["Single Cells"] & ~theirs["Dead Cells"]
    return tree, theirs


def mask_of(tree: GateTree, label: str) -> NDArray[np.bool_]:
    found = next(population for population in tree.populations if population.label == label)
    assert not found.failure
    return tree.memberships[found.id]


def test_every_population_of_the_published_template_is_in_the_strategy(strategy: GatingStrategy) -> None:
    assert {population.label for population in strategy.populations} == {*BY_SCATTER, *BY_FLUORESCENCE}


@pytest.mark.parametrize("label", BY_SCATTER)
def test_scatter_gates_hold_the_stored_events_and_no_others(ours_and_theirs, label) -> None:
    tree, theirs = ours_and_theirs
    np.testing.assert_array_equal(mask_of(tree, label), theirs[label])


@pytest.mark.parametrize("label", BY_FLUORESCENCE)
def test_gates_on_compensated_logicle_axes_hold_the_stored_events_and_no_others(ours_and_theirs, label) -> None:
    tree, theirs = ours_and_theirs
    np.testing.assert_array_equal(mask_of(tree, label), theirs[label])


def test_the_fitted_logicle_widths_are_what_the_negative_values_ask_for(
    real_data: Path, panel: Panel, strategy: GatingStrategy
) -> None:
    # The widths were fitted, one a channel: had they made up for another fault, they would not be near the estimate
    # that flowCore made from all the experiment's files. Only six of those are here, hence not the same.
    pooled: dict[str, list[NDArray[np.floating]]] = {name: [] for name in strategy.scales}
    for name in FILES:
        header, raw = read_fcs(real_data / "activation" / name)
        events = compensate(raw.labelled(panel.label_channels(raw.channels)), spillover_of(header), names=list(pooled))
        for marker, values in pooled.items():
            values.append(events.column(marker))
    for marker, declared in strategy.scales.items():
        fitted = dict(declared.parameters)["w"]
        values = np.concatenate(pooled[marker])
        low = abs(float(np.quantile(values[values < 0], 0.05)))
        estimated = (4.5 - np.log10(262144 / low)) / 2  # Parks, Roederer & Moore 2006, as flowCore has it
        assert fitted == pytest.approx(estimated, abs=0.01), marker
