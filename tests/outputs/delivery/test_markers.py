"""Marker strings: what is one, and what is not."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.outputs.delivery.mapping import load_cp_map
from immunomon.outputs.delivery.marker_strings import below, marker_problem, markers_of, step_of
from immunomon.study.model.strategy import GateDeclaration, Population
from immunomon.study.specs.catalog import shipped_strategies

NAMES = st.from_regex(r"[A-Z][A-Z0-9]{0,7}", fullmatch=True)
LEVELS = st.sampled_from(["-", "lo", "mid", "+", "hi"])


@given(st.lists(st.tuples(NAMES, LEVELS), min_size=1, max_size=8))
def test_a_string_of_names_and_levels_is_read_as_these(markers):
    assert list(markers_of("".join(name + level for name, level in markers))) == markers


@given(st.text(max_size=200))
def test_no_text_crashes_the_grammar(text):
    assert isinstance(marker_problem(text), str)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("CD3+ CD4+", "' ' stands in"),
        ("HLA-DR+", "names have no hyphen"),
        ("CD3+CD4", "'CD4' has no level"),
        ("CD3+CD3-", "stands twice"),
        ("Viability-CD3+", "viability does not stand last"),
        ("+CD3", "without a marker"),
        ("", "empty"),
    ],
)
def test_what_breaks_the_grammar_is_said(text, said):
    assert said in marker_problem(text)


def as_delivered_so_far():
    with Path(__file__).with_name("shipped_markers.csv").open(encoding="utf-8", newline="") as file:
        return {(row["panel"], row["population"]): (row["step"], row["markers"]) for row in csv.DictReader(file)}


def test_what_the_strategies_say_of_their_populations_is_what_was_delivered_when_the_map_said_all_of_it():
    cp_map, written = load_cp_map(), {}
    for name, path in shipped_strategies().items():
        for population in load_strategy(path, methods=GATE_METHODS):
            if cp_map.knows(name, population.id):
                described = cp_map.population(name, population.id)
                written[name, population.id] = (described.step, described.markers)
    assert written == as_delivered_so_far()


def test_the_map_repeats_nothing_that_a_strategy_says():
    cp_map = load_cp_map()
    trees = {name: load_strategy(path, methods=GATE_METHODS) for name, path in shipped_strategies().items()}
    for entry in cp_map.spec.populations:
        for panel in entry.panels:
            declared = trees[panel].population(entry.population)
            assert entry.step is None or entry.step != step_of(declared), entry
            if entry.markers and cp_map.knows(panel, declared.parent):
                parent = cp_map.population(panel, declared.parent).markers
                assert marker_problem(entry.step) or below(parent, entry.step) != entry.markers, entry


@pytest.mark.parametrize(
    "gate",
    [
        {"method": "tail", "arguments": {"axis": "CD27"}},
        {"method": "valley", "arguments": {"axis": "IFN-\u03b3"}},
        {"method": "valley", "arguments": {"axis": "perforin"}},
        {"method": "valley", "arguments": {"axis": "--"}},
        {"method": "valley", "arguments": {"axis": "CD3/CD3"}},
        {"method": "boolean", "arguments": {"operator": "not", "of": ["a"]}},
    ],
)
def test_a_gate_that_does_not_say_what_it_keeps_has_no_step(gate):
    assert not step_of(Population("p", "P", "root", GateDeclaration(**gate), "high"))


@pytest.mark.parametrize(("keep", "step"), [("x+ y+", "CD4+CD8+"), ("x- y+", "CD4-CD8+"), ("x+", ""), ("", "")])
def test_regions_of_quadrants_are_both_markers_with_their_signs(keep, step):
    gate = GateDeclaration("quadrants", {"x": "CD4", "y": "CD8"})
    assert step_of(Population("p", "P", "root", gate, keep)) == step
