import numpy as np
import pytest

from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.gatetree import GateTree, PlacedAxis, PlacedPopulation
from immunomon.cytometry.model.geometry import Interval
from immunomon.cytometry.model.scales import Logicle
from immunomon.cytometry.steps.doubt_kinds import doubt_kinds
from immunomon.study.model.channels import Channel

MARKERS = ("CD3", "CD19", "CD20", "IgD", "CD27", "HLA-DR", "CXCR3", "CCR6")
CHANNELS = tuple(Channel(f"D{number}-A", marker) for number, marker in enumerate(MARKERS))
BORDER = 1_000.0


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def cells(rng, events=12_000):
    """Seven tenths T cells, two tenths B cells, a third of these memory cells, half of which are switched; NK cells."""
    kind = rng.choice(3, events, p=[0.7, 0.2, 0.1])
    t, b = kind == 0, kind == 1
    memory, switched = b & (rng.random(events) < 0.35), rng.random(events) < 0.5
    has = {
        "CD3": t,
        "CD19": b,
        "CD20": b,
        "IgD": b & ~(memory & switched),
        "CD27": memory | (t & (rng.random(events) < 0.8)),
        "HLA-DR": b | (t & (rng.random(events) < 0.06)),
        "CXCR3": t & (rng.random(events) < 0.35),
        "CCR6": (b & (rng.random(events) < 0.9)) | (t & (rng.random(events) < 0.2)),
    }
    bright = {"HLA-DR": np.where(b, 10.0, 8.0)}
    columns = {
        name: np.where(has[name], rng.lognormal(bright.get(name, 9.0), 0.4, events), rng.normal(0, 60, events))
        for name in MARKERS
    }
    return columns, kind


def placed(marker, origin="data"):
    gate = Interval(marker, low=float(Logicle().apply(np.array([BORDER]))[0]))
    return PlacedPopulation(marker, marker, "lymphocytes", f"/{marker}", "valley", gate, origins={"threshold": origin})


def doubted(columns, *, gated=MARKERS, origin="data"):
    events = EventTable(np.column_stack([columns[name] for name in MARKERS]), CHANNELS, Scale.COMPENSATED)
    axes = {name: PlacedAxis(events.channels[events.index(name)].detector, Logicle()) for name in MARKERS}
    masks = {name: np.ones(events.count, dtype=bool) for name in ("live", "lymphocytes")}
    masks |= {name: columns[name] > BORDER for name in gated}
    tree = GateTree("s", events.count, axes, tuple(placed(name, origin) for name in gated), masks)
    return {name: {str(doubt) for doubt in doubts} for name, doubts in doubt_kinds(tree, events).items()}


def unstained(columns, marker, share, rng):
    missed = rng.random(columns[marker].size) < share
    return columns | {marker: np.where(missed, rng.normal(0, 60, missed.size), columns[marker])}


def test_well_stained_cells_are_not_doubted(rng):
    columns, _ = cells(rng)
    assert doubted(columns) == {}


@pytest.mark.parametrize("marker", ["CD19", "IgD", "CD27", "CCR6"])
def test_a_stain_that_half_of_the_cells_missed_is_doubted_and_no_other(rng, marker):
    columns, _ = cells(rng)
    assert doubted(unstained(columns, marker, 0.5, rng)) == {marker: {f"unlike_its_kind({marker})"}}
    assert doubted(unstained(columns, marker, 0.03, rng)) == {}


def test_exchanged_stains_are_doubted_with_all_that_no_order_of_brightness_speaks_for(rng):
    columns, _ = cells(rng)
    exchanged = columns | {"CXCR3": columns["HLA-DR"], "HLA-DR": columns["CXCR3"]}
    found = doubted(exchanged)
    assert {"CXCR3", "HLA-DR"} <= set(found)
    assert all("unlike_its_kind(CXCR3)" in codes for codes in found.values())
    assert not {"CD3", "CD19"} & set(found)


def test_what_a_treatment_takes_away_is_not_doubted(rng):
    columns, kind = cells(rng)
    few = ~((kind == 1) & (rng.random(kind.size) < 0.99))
    depleted = {name: column[few] for name, column in columns.items()}
    assert doubted(depleted) == {}
    # Basophils bind IgD, and what is brighter than nearly all T cells is noise: after depletion they are all there is.
    basophils = (kind == 2) & (rng.random(kind.size) < 0.15)
    bound = columns | {"IgD": np.where(basophils, rng.lognormal(8.0, 0.4, kind.size), columns["IgD"])}
    assert doubted({name: column[kind != 1] for name, column in bound.items()}) == {}
    # CD27 goes from T cells with age, and from switched B cells in lupus: one of the two alone is a patient's.
    old = columns | {"CD27": np.where((kind == 0) & (rng.random(kind.size) < 0.6), 0.0, columns["CD27"])}
    assert doubted(old) == {}


def test_neither_brightness_nor_the_order_of_events_matters(rng):
    columns, _ = cells(rng)
    columns = unstained(columns, "IgD", 0.45, rng)
    order = rng.permutation(columns["IgD"].size)
    assert doubted({name: column[order] for name, column in columns.items()}) == doubted(columns)


def test_a_border_that_a_person_moved_is_not_doubted(rng):
    columns, _ = cells(rng)
    assert doubted(unstained(columns, "IgD", 0.45, rng), origin="person") == {}
