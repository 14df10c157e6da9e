"""Every shipped strategy through a FlowJo workspace and a Gating-ML document and back: the same counts."""

import re
from dataclasses import replace

import numpy as np
import pytest
from support.fcs_files import write_fcs

from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.formats.flowjo_writing import write_flowjo
from immunomon.cytometry.formats.gatingml import read_gatingml
from immunomon.cytometry.formats.gatingml_writing import write_gatingml
from immunomon.cytometry.formats.spillover import spillover_of
from immunomon.cytometry.formats.workspaces import read_workspace
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.model.gatetree import PlacedPopulation
from immunomon.cytometry.model.geometry import Interval, Polygon, Rectangle
from immunomon.cytometry.model.placed import UNCOMPENSATED, GateAxis, PlacedStrategy, WorkspaceSample, placed_from_run
from immunomon.cytometry.model.scales import Asinh, Logicle
from immunomon.cytometry.model.spillover import SpectrumMatrix
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.cytometry.steps.compensate import compensate
from immunomon.errors import ExportFailed
from immunomon.runs.fitting import in_flowjo_units
from immunomon.runs.placed import apply_to_file
from immunomon.runs.single import analyse
from immunomon.runs.workspaces import gate_with_workspace
from immunomon.study.specs.catalog import find_panel, find_strategy
from immunomon.study.specs.panel import load_panel

SHIPPED = ("treg", "thelper", "thelper-ics", "nk", "bcell")
NAMES = {  # how fluorescence channels are called, and whether the file is compensated already
    "plain": (lambda marker: marker.detector, False),
    "comp": (lambda marker: f"Comp-{marker.detector}", True),
    "unmixed": (lambda marker: f"{marker.fluorochrome} unmixed-A", True),
    "unicode": (lambda marker: f"β-{marker.detector} µ/é", False),
}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shipped") / "trial"
    return simulate_trial(
        folder, events=2500, visits=["D-1"], subjects=1, subjects_per_group=1, panels=list(SHIPPED), seed=3
    )


def renamed(path, panel, folder, called, *, compensated):
    """Write a file again with other names on its fluorescence channels, and return it with the panel that fits it."""
    header, raw = read_fcs(path)
    names = {marker.detector: called(marker) for marker in panel.markers}
    matrix = spillover_of(header)
    events = compensate(raw, matrix) if compensated else raw
    detectors = [names.get(channel.detector, channel.detector) for channel in raw.channels]
    keywords = {}
    if not compensated:
        size, values = len(matrix.detectors), [repr(value) for row in matrix.values for value in row]
        keywords["spill"] = ",".join([str(size), *(names.get(name, name) for name in matrix.detectors), *values])
    values = np.column_stack([events.column(channel.detector) for channel in raw.channels])
    markers = [channel.marker for channel in raw.channels]
    written = write_fcs(folder / path.name, values, detectors, markers, **keywords)
    markers = tuple(replace(marker, detector=names[marker.detector]) for marker in panel.markers)
    return written, replace(panel, markers=markers)


def placed_sample(path, placed, counts=None, total=None):
    sample = WorkspaceSample("1", path.name, path.as_uri(), placed, placed.ids, counts or {}, total)
    return in_flowjo_units(sample, path)


def through_flowjo(path, placed, folder):
    """Return the counts, by path, of a file through its own gates written as a workspace."""
    (folder / "w.wsp").write_bytes(write_flowjo([placed_sample(path, placed)]))
    result = gate_with_workspace([path], read_workspace(folder / "w.wsp"))
    assert result.failures == ()
    return {row["path"]: row["count"] for row in result.rows}


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("shipped", SHIPPED)
def test_a_shipped_strategy_comes_back_with_its_counts(simulated, tmp_path, shipped, names):
    called, compensated = NAMES[names]
    tube = next(path for path in sorted((simulated / "fcs").rglob(f"S01*_{shipped}*.fcs")) if "unstim" not in path.name)
    path, panel = renamed(tube, load_panel(find_panel(shipped)), tmp_path, called, compensated=compensated)
    strategy = load_strategy(find_strategy(shipped), methods=GATE_METHODS, panel=panel)
    result = analyse(path, strategy, panel=panel, with_plots=False)
    placed = placed_from_run(result.tree.gates_to_dict(), result.spillover)
    counts = {p.id: result.tree.size(p.id) for p in placed.populations if p.id in result.tree.memberships}
    paths = {p.path: counts[p.id] for p in placed.populations if p.id in counts}
    assert len(paths) >= 6
    assert bool(placed.matrices) is not compensated
    written = through_flowjo(path, placed, tmp_path)
    assert {key: written.get(key) for key in paths} == paths
    (tmp_path / "g.xml").write_bytes(write_gatingml(placed))
    again = apply_to_file(path, read_gatingml(tmp_path / "g.xml"))
    assert {name: again.size(name) for name in counts} == counts


RNG = np.random.default_rng(8)
TICKS = np.sort(RNG.uniform(0, 9000, 3000)).round()
CLOCK = {"$timestep": "0.01", "$btim": "10:00:00", "$etim": "10:01:33"}
SEEN = {"FSC-A": RNG.uniform(0, 2e5, 3000), "A": RNG.lognormal(6, 2, 3000), "B": RNG.lognormal(5, 2, 3000)}
SPILL = SpectrumMatrix(("A", "B"), ("A", "B"), ((1.0, 0.3), (0.1, 1.0)))


def population(name, gate):
    return PlacedPopulation(name, name, "root", f"/{name}", gate.kind, gate)


def timed(time="Time"):
    """Gates on time, and on channels whose numbers are amplified."""
    axes = {
        "t": GateAxis(time),
        "x": GateAxis("A", "m", Logicle(w=0.7)),
        "y": GateAxis("B", "m", Asinh(262144, 4, 0.5)),
        "size": GateAxis("FSC-A"),
    }
    gates = [
        population("early", Interval("t", 3.0, 47.0)),
        population("box", Rectangle((Interval("t", low=20.0), Interval("size", 3e4, 1.2e5)))),
        population("drift", Polygon("t", "x", ((0.0, 0.3), (90.0, 0.2), (80.0, 0.9), (0.0, 0.8)))),
        population("both", Rectangle((Interval("x", low=0.4), Interval("y", high=0.6)))),
    ]
    return PlacedStrategy("s", axes, tuple(gates), {"m": SPILL})


@pytest.mark.parametrize(
    "keywords",
    [
        CLOCK,
        CLOCK | {"$p1g": "4", "$p2g": "8", "$p3g": "0.5", "$p4g": "0.01"},
        {"$timestep": "0.01"},
        {"$btim": "10:00:00", "$etim": "10:01:33"},
        {},
    ],
    ids=["clock", "gains", "step", "times of day", "nothing"],
)
def test_time_and_amplified_channels_come_back_with_their_counts(tmp_path, keywords):
    columns = {**SEEN, "Time": TICKS}
    path = write_fcs(tmp_path / "a.fcs", np.column_stack(list(columns.values())), list(columns), **keywords)
    placed = timed()
    before = apply_to_file(path, placed)
    assert before.size("both")
    counts = through_flowjo(path, placed, tmp_path)
    assert counts == {p.path: before.size(p.id) for p in placed.populations}


def test_time_is_written_in_flowjos_seconds(tmp_path):
    columns = {**SEEN, "Time": TICKS}
    path = write_fcs(tmp_path / "a.fcs", np.column_stack(list(columns.values())), list(columns), **CLOCK)
    document = write_flowjo([placed_sample(path, timed())]).decode("utf-8")
    gain = 93.0 / float(np.ptp(TICKS))
    gains = [float(value) for value in re.findall(r'gain="([0-9.]+)"', document)]
    low = float(re.findall(r'gating:min="(3\.[0-9]+)"', document)[0])
    assert gains == pytest.approx([gain, 1.0], rel=1e-6)
    assert low == pytest.approx(3.0 * gain / 0.01, rel=1e-6)


def test_a_gate_on_time_needs_the_file(tmp_path):
    with pytest.raises(ExportFailed, match=r"FlowJo's unit of 'Time' is told by the file.*export Gating-ML"):
        placed_sample(tmp_path / "gone.fcs", timed())


def test_compensated_names_that_the_file_has_itself_are_not_taken(tmp_path):
    columns = {**SEEN, "Comp-A": SEEN["A"] * 2, "Time": TICKS}
    path = write_fcs(tmp_path / "a.fcs", np.column_stack(list(columns.values())), list(columns), **CLOCK)
    placed = timed()
    axes = {**placed.axes, "own": GateAxis("Comp-A", UNCOMPENSATED, Logicle())}
    placed = replace(placed, axes=axes, populations=(*placed.populations, population("own", Interval("own", low=0.5))))
    before = apply_to_file(path, placed)
    assert through_flowjo(path, placed, tmp_path) == {p.path: before.size(p.id) for p in placed.populations}


def test_a_name_that_xml_forbids_is_refused(tmp_path):
    placed = replace(timed(), name="a\x0b")
    with pytest.raises(ExportFailed, match="a character that XML forbids; rename it"):
        write_flowjo([WorkspaceSample("1", "a.fcs", "file:a.fcs", placed)])
