from dataclasses import replace

import numpy as np
import pytest

from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.measured import Measured
from immunomon.cytometry.model.noise import MarkerNoise, NoisyScales
from immunomon.cytometry.model.scales import Logicle
from immunomon.cytometry.model.weighed import weigh
from immunomon.cytometry.steps.gate import gate
from immunomon.cytometry.steps.weigh_border import weigh_borders
from immunomon.study.model.channels import Channel
from immunomon.study.model.reportability import Reportability
from immunomon.study.model.strategy import GateDeclaration, GatingStrategy, Population
from immunomon.study.model.trust import Doubt

SCALES = NoisyScales(
    {"viability": Logicle(), "CD3": Logicle(), "CD4": Logicle()}, {"viability": MarkerNoise(262144.0, 100.0)}
)


def strategy(**denominators):
    live = GateDeclaration("valley", {"axis": "viability", "which": "last", "fallback": 8000.0})
    populations = (
        Population("live", "Live", "root", live, "low"),
        Population("t", "T", "live", GateDeclaration("interval", {"axis": "CD3", "low": 2000.0}), "inside"),
        Population("cd4", "CD4", "t", GateDeclaration("interval", {"axis": "CD4", "low": 2000.0}), "inside"),
        Population("not4", "CD4-", "t", GateDeclaration("boolean", {"operator": "not", "of": ["cd4"]}), "inside"),
    )
    return GatingStrategy("s", "S", 1, None, populations, denominators=denominators)


def tube(dye=1500.0, *, follows=0.0, dead=300, brighter=3.0, evenly=False, seed=1, cells=6000):
    """Cells with a broad dye and no valley; follows: how much brighter in the dye CD4 cells are (log); dead,
    brighter: so many cells, times as bright, with a narrow peak of their own if they are so evenly."""
    rng = np.random.default_rng(seed)
    is_t, is_cd4 = np.arange(cells) % 10 < 6, np.arange(cells) % 10 < 3
    stain = dye * np.exp(rng.normal(0, 0.6, cells) + follows * is_cd4)
    stain[:dead] *= brighter
    stain[:dead] = np.where(evenly, dye * brighter * np.exp(rng.normal(0, 0.25, dead)), stain[:dead])
    noise = rng.normal(0, 100, (cells, 2))
    values = np.column_stack([stain if dye else rng.normal(0, 100, cells), 8000.0 * is_t, 8000.0 * is_cd4])
    values[:, 1:] += noise
    channels = tuple(Channel(f"{name}-A", name) for name in SCALES)
    shown = np.column_stack([SCALES[name].apply(values[:, place]) for place, name in enumerate(SCALES)])
    return EventTable(shown, channels, Scale.DISPLAY)


def unmoved(events, tree=None):
    declared = tree or strategy()
    placed = gate(events, declared, SCALES)
    assert [doubt.code for doubt in placed.populations[0].doubts] == ["fallback_alone"]
    return weigh_borders(placed, events, declared, scales=SCALES)


def test_shares_that_the_border_hardly_moves_do_not_rest_on_it():
    remarks = unmoved(tube())
    assert set(remarks) == {"t", "cd4", "not4"}
    assert [str(doubt) for doubt in remarks["cd4"]] == ["hardly_moved(live)"]
    assert "50 % of t, 50" in remarks["cd4"][0].detail


def test_shares_that_differ_between_bright_and_dim_cells_rest_on_it():
    # CD4 cells take up more of the dye: where the border lies says how many of them are kept.
    remarks = unmoved(tube(follows=0.8))
    assert "cd4" not in remarks
    assert "not4" not in remarks


def test_of_a_failed_stain_nothing_is_said():
    assert unmoved(tube(dye=0.0)) == {}


def test_where_many_dead_cells_may_hide_in_the_peak_nothing_is_said():
    assert unmoved(tube(dead=2400, brighter=2.5, evenly=True)) == {}


def test_a_share_of_what_lies_above_the_border_moves_with_it():
    moved = unmoved(tube(), strategy(cd4=("root",)))["cd4"]
    assert [str(doubt) for doubt in moved] == ["hardly_moved(live of t)"]
    kept = unmoved(tube(), strategy(cd4=("live",)))["cd4"]
    assert [str(doubt) for doubt in kept] == ["hardly_moved(live)"]


def test_of_few_cells_nothing_is_said():
    assert unmoved(tube(cells=150, dead=5)) == {}


def made_of(events, rare_share, *, code="weak_stain"):
    """CD4 cells in doubt, and what is made of T cells and these: all of both, and T cells without them."""
    rare = GateDeclaration("interval", {"axis": "CD4", "low": 2000.0})
    every = GateDeclaration("interval", {"axis": "CD3", "low": 2000.0})
    union = GateDeclaration("boolean", {"operator": "or", "of": ["t", "cd4"]})
    populations = (
        Population("t", "T", "root", every, "inside"),
        Population(
            "few", "Few", "root", GateDeclaration("interval", {"axis": "viability", "high": rare_share}), "inside"
        ),
        Population("cd4", "CD4", "few", rare, "inside"),
        Population("both", "Both", "root", union, "inside"),
        Population("below", "Below", "both", every, "inside"),
        Population("gone", "Gone", "cd4", every, "inside"),
    )
    declared = GatingStrategy("s", "S", 1, None, populations)
    placed = gate(events, declared, SCALES)
    doubted = tuple(replace(p, doubts=(Doubt(code, "CD4"),)) if p.id == "cd4" else p for p in placed.populations)
    return weigh_borders(replace(placed, populations=doubted), events, declared, scales=SCALES)


@pytest.mark.parametrize("code", ["weak_stain", "fallback_contradicted", "dead_detector"])
def test_whatever_is_a_small_part_of_a_value_holds_it_back_no_longer(code):
    remarks = made_of(tube(), 400.0, code=code)
    assert set(remarks) == {"both", "below"}
    assert [str(doubt) for doubt in remarks["both"]] == ["small_part(cd4)"]


def test_what_may_be_a_large_part_of_a_value_holds_it_back():
    assert "both" not in made_of(tube(), 3000.0)


def test_a_part_that_could_not_be_placed_is_weighed_by_what_it_may_keep_at_most():
    events = tube()
    blind = GateDeclaration("valley", {"axis": "CD4", "min_events": 10**6})
    for high, is_small in ((400.0, True), (3000.0, False)):
        few = GateDeclaration("interval", {"axis": "viability", "high": high})
        populations = (
            Population("t", "T", "root", GateDeclaration("interval", {"axis": "CD3", "low": 2000.0}), "inside"),
            Population("few", "Few", "root", few, "inside"),
            Population("part", "Part", "few", blind, "high"),
            Population("within", "Within", "part", few, "inside"),
            Population(
                "both", "Both", "root", GateDeclaration("boolean", {"operator": "or", "of": ["t", "within"]}), "inside"
            ),
        )
        declared = GatingStrategy("s", "S", 1, None, populations)
        placed = gate(events, declared, SCALES)
        both = placed.populations[-1]
        assert placed.size("both") == placed.size("t")
        assert both.note == "without within, which could not be placed"
        assert both.gate.of == ("t",)
        doubted = tuple(
            replace(p, doubts=(Doubt("dead_detector"),)) if p.id == "part" else p for p in placed.populations
        )
        remarks = weigh_borders(replace(placed, populations=doubted), events, declared, scales=SCALES)
        assert ("both" in remarks) == is_small


def test_a_small_part_is_forgiven_whatever_speaks_against_it():
    doubts = {"part": (Doubt("weak_stain", "CD38"),), "whole": (Doubt("small_part", "part"),)}
    measured = Measured(6000, {"part": 5, "whole": 3000}, {}, {}, doubts=doubts)
    assert weigh(measured, "whole", Reportability(), gates=["root", "part", "whole"]).reason is None
    assert weigh(measured, "part", Reportability(), gates=["root", "part"]).reason is not None


def test_what_holds_of_one_share_only_frees_no_other():
    doubts = {"part": (Doubt("weak_stain", "CD38"),), "rest": (Doubt("small_part", "part of nk"),)}
    measured = Measured(6000, {"part": 50, "rest": 3000}, {}, {}, doubts=doubts)
    about = {"limits": Reportability(), "gates": ["root", "part", "rest"]}
    assert weigh(measured, "rest", denominator="nk", **about).reason is None
    assert weigh(measured, "rest", denominator="rest_all", **about).reason is not None


@pytest.mark.parametrize(
    ("code", "withheld"), [("fallback_alone", False), ("weak_stain", True), ("fallback_contradicted", True)]
)
def test_only_the_place_of_a_fallback_is_forgiven(code, withheld):
    doubts = {"live": (Doubt(code, "viability"),), "t": (Doubt("hardly_moved", "live"),)}
    measured = Measured(6000, {"live": 5000, "t": 3000}, {}, {}, doubts=doubts)
    trust = weigh(measured, "t", Reportability(), gates=["root", "live", "t"])
    assert (trust.reason is not None) == withheld
    assert trust.columns["doubts"] == "hardly_moved(live)"
    assert weigh(measured, "live", Reportability(), gates=["root", "live"]).reason is not None
