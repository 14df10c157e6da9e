from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from immunomon.assurance.simulate.layouts import EXTRA_LAYOUTS
from immunomon.assurance.simulate.study_files import panel_yaml
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.errors import BadSpec
from immunomon.study.model.strategy import Expectation, ScaleDeclaration
from immunomon.study.specs.catalog import find_panel, shipped_strategies
from immunomon.study.specs.panel import load_panel

STRATEGY = """\
schema: immunomon.strategy/1
name: treg
label: Regulatory T cells
version: 1
panel: treg
scales:
  fluorescence: {kind: logicle, t: 262144, w: auto, m: 4.5, a: 0}
  CD25: {kind: asinh, t: 262144, m: 4.5, a: 0}
gates:
  memory: {method: quadrants, x: CCR4, y: CD45RO}
populations:
  - {id: rest, parent: cd4, gate: {method: boolean, operator: not, of: [cd4_memory]}}
  - {id: cd4_memory, parent: cd4, gate: memory, keep: x+ y+}
  - {id: cd4_naive, parent: cd4, gate: memory, keep: x- y-}
  - {id: cd4, label: CD4 T cells, parent: live, gate: {method: valley, axis: CD4}, keep: high}
  - {id: live, parent: root, gate: {method: interval, axis: viability, high: 5000}}
report: {cd4: [live, root], cd4_memory: []}
"""


def load(path: Path):
    return load_strategy(path, methods=GATE_METHODS, panel=load_panel(find_panel("treg")))


def test_populations_come_parents_first_and_operands_before_what_is_made_of_them(write):
    assert load(write(STRATEGY)).ids == ("live", "cd4", "cd4_memory", "rest", "cd4_naive")


def test_a_strategy_is_read_as_written(write):
    strategy = load(write(STRATEGY))
    assert strategy.population("cd4").label == "CD4 T cells"
    assert strategy.population("rest").label == "rest"
    assert strategy.population("live").keep == "inside"
    assert strategy.path("cd4_memory") == "/live/cd4/cd4_memory"
    assert strategy.denominators == {"cd4": ("live", "root"), "cd4_memory": ()}
    assert dict(strategy.population("cd4").gate.arguments) == {"axis": "CD4"}


def test_what_is_expected_is_a_range_or_one_with_its_source(write):
    more = "expect:\n  cd4: [15, 90]\n  live: {percent_of_parent: [50, 100], source: our blood donors}\n"
    assert load(write(STRATEGY + more)).expected == {
        "cd4": Expectation(15, 90),
        "live": Expectation(50, 100, "our blood donors"),
    }


@pytest.mark.parametrize(
    ("expect", "problem"),
    [
        ("{cd44: [15, 90]}", "line 18: expect.cd44: no population named 'cd44'; did you mean 'cd4'?"),
        ("{cd4: [90, 15]}", "line 18: expect.cd4: from 90 to 15 % is no range; write the smaller percent first"),
        (
            "{cd4: {percent_of_parent: [15, 90], possible: [20, 95]}}",
            "line 18: expect.cd4: 15 to 90 % is expected, but only 20 to 95 % is possible; "
            "let 'possible' hold 'percent_of_parent'",
        ),
        ("{cd4: [15, 900]}", "line 18: expect.cd4"),
    ],
)
def test_an_expectation_that_cannot_be_met_is_a_mistake(write, problems_of, expect, problem):
    problems = problems_of(lambda: load(write(f"{STRATEGY}expect: {expect}\n")))
    assert [one for one in problems if one.startswith(problem)] == problems


def test_a_panel_carries_a_strategy_that_spells_its_markers_otherwise(write):
    text = STRATEGY.replace("axis: CD4}", "axis: T4X}").replace("x: CCR4", "x: CD194").replace("  CD25:", "  IL2RA:")
    strategy = load(write(text.replace("T4X", "cd4")))
    gate = strategy.population("cd4_memory").gate
    assert (gate.arguments["x"], "CD25" in strategy.scales, strategy.left_out) == ("CCR4", True, ())
    assert strategy.population("cd4_naive").gate == gate


def test_populations_that_share_a_gate_have_equal_declarations(write):
    strategy = load(write(STRATEGY))
    assert strategy.population("cd4_memory").gate == strategy.population("cd4_naive").gate


def test_the_width_auto_of_a_scale_is_left_to_the_data(write):
    scales = load(write(STRATEGY)).scales
    assert scales["fluorescence"] == ScaleDeclaration("logicle", (("t", 262144.0), ("w", None), ("m", 4.5), ("a", 0.0)))
    assert scales["CD25"].parameters == (("t", 262144.0), ("m", 4.5), ("a", 0.0))


def panel_of(strategy, write):
    """Return the panel that a strategy names; for those without one the simulator's of twenty colours for T cells."""
    simulated = write(panel_yaml(EXTRA_LAYOUTS["tcell20"]), "tcell20.yaml")
    return load_panel(find_panel(strategy.panel) if strategy.panel else simulated)


@pytest.mark.parametrize("name", sorted(shipped_strategies()))
def test_every_shipped_strategy_loads_with_the_panel_it_names(name, write):
    strategy = load_strategy(shipped_strategies()[name], methods=GATE_METHODS)
    panel = panel_of(strategy, write)
    assert load_strategy(shipped_strategies()[name], methods=GATE_METHODS, panel=panel).name == name


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("strategy/1", "strategi/1", "line 1: schema: 'immunomon.strategi/1' is not one of 'immunomon.strategy/1'"),
        ("version: 1\n", "", "line 1: version: is missing; add 'version: ...'"),
        ("version: 1", "version: 0", "line 4: version: should be greater than or equal to 1, not 0"),
        ("version: 1", "version: 1.5", "line 4: version: should be a whole number, not 1.5"),
        ("report:", "reports:", "line 17: reports: no such key here; did you mean 'report'?"),
        # scales
        (
            "kind: asinh",
            "kind: arcsinh",
            "line 8: scales.CD25.kind: 'arcsinh' is not one of 'logicle', 'asinh', 'linear'",
        ),
        ("w: auto", "w: broad", "line 7: scales.fluorescence.w: should be a number, not 'broad'"),
        ("w: auto", "w: 3", "line 7: scales.fluorescence: no such scale: logicle needs"),
        ("m: 4.5, a: 0}\ngates", "m: -1}\ngates", "line 8: scales.CD25.m: should be greater than 0.0, not -1"),
        ("  CD25:", "  CD250:", "line 8: scales.CD250: no channel of panel 'treg' named 'CD250'; did you mean 'CD25'?"),
        (
            "kind: asinh, ",
            "kind: asinh, w: 1, ",
            "line 8: scales.CD25.w: the scale 'asinh' has no parameter 'w'; remove it",
        ),
        ("  fluorescence:", "  fluorescense:", "line 7: scales.fluorescense: no channel of panel 'treg' named"),
        # gates
        (
            "method: valley",
            "method: vally",
            "line 15: populations[3].gate.method: no gate method named 'vally'; did you mean",
        ),
        ("axis: CD4}", "axes: CD4}", "line 15: populations[3].gate.axes: no such key here; did you mean 'axis'?"),
        ("axis: CD4}", "which: last}", "line 15: populations[3].gate.axis: is missing; add 'axis: ...'"),
        ("axis: CD4}", "axis: [CD4]}", "line 15: populations[3].gate.axis: should be text, not a list"),
        (
            "axis: CD4}",
            "axis: CD4, which: best}",
            "line 15: populations[3].gate.which: 'best' is not one of 'deepest', 'first'",
        ),
        (
            "axis: CD4}",
            "axis: CD8}",
            "line 11: populations: panel 'treg' has no CD8, which all that is reported rests on; correct the panel or",
        ),
        ("method: valley, ", "", "line 15: populations[3].gate: a gate needs 'method: ...', the name of a gate method"),
        ("{method: quadrants, x", "{x", "line 10: gates.memory: a gate needs 'method: ...', the name of a gate method"),
        (
            "gate: memory, keep: x+",
            "gate: memry, keep: x+",
            "line 13: populations[1].gate: no gate named 'memry'; did you mean",
        ),
        (
            "gate: memory, keep: x+",
            "gate: 5, keep: x+",
            "line 13: populations[1].gate: should be a mapping {key: value}, not 5",
        ),
        (
            "populations:",
            "  other: {method: valley, axis: CD3}\npopulations:",
            "line 11: gates.other: no population uses this",
        ),
        (
            "axis: CD4}",
            "axis: CD4, place_on: cd44}",
            "line 15: populations[3].gate: no population named 'cd44'; did you",
        ),
        (
            "{method: interval, axis: viability, high: 5000}",
            "{method: rectangle, sides: [{axis: CD4, hihg: 5}]}",
            "line 16: populations[4].gate.sides[0].hihg: no such key here; did you mean 'high'?",
        ),
        (
            "{method: interval, axis: viability, high: 5000}",
            "{method: polygon, x: CD4, y: CD3, vertices: [[1, 2], [3, 4]]}",
            "line 16: populations[4].gate: a polygon needs at least 3 vertices, got 2; correct the value",
        ),
        # regions
        (
            "keep: high",
            "keep: hihg",
            "line 15: populations[3].keep: no region of this gate named 'hihg'; did you mean 'high'?",
        ),
        (
            ", keep: high",
            "",
            "line 15: populations[3].keep: is missing, and the gate has the regions low, high; add 'keep",
        ),
        (
            "keep: x+ y+",
            "keep: x+y+",
            "line 13: populations[1].keep: no region of this gate named 'x+y+'; did you mean 'x+ y+'?",
        ),
        # the tree
        (
            "parent: live",
            "parent: alive",
            "line 15: populations[3].parent: no population named 'alive'; did you mean 'live'?",
        ),
        (
            "parent: root",
            "parent: cd4",
            "line 15: populations[3].parent: a population cannot descend from itself: cd4 -> live",
        ),
        (
            "parent: root",
            "parent: live",
            "line 16: populations[4].parent: a population cannot descend from itself: live -> live",
        ),
        ("parent: root, ", "", "line 16: populations[4].parent: is missing; add 'parent: ...'"),
        (
            "id: cd4_naive",
            "id: rest",
            "line 14: populations[2].id: 'rest' is the id of populations[0] already; choose another",
        ),
        (
            "id: cd4_naive",
            "id: root",
            "line 14: populations[2].id: 'root' means all events of the file; choose another id",
        ),
        (
            "id: cd4_naive",
            "id: CD4 naive",
            "line 14: populations[2].id: should be small letters, digits and underscores, a letter first, not",
        ),
        # made of others
        (
            "of: [cd4_memory]",
            "of: [cd4_mem]",
            "line 12: populations[0].gate: no population named 'cd4_mem'; did you mean",
        ),
        (
            "of: [cd4_memory]",
            "of: [rest]",
            "line 12: populations[0].gate: 'rest' cannot be made of 'rest', which is itself or",
        ),
        (
            "gate: memory, keep: x- y-",
            "gate: {method: boolean, operator: or, of: [cd4_naive]}",
            "line 14: populations[2].gate",
        ),
        # what is reported
        ("report: {cd4:", "report: {cd44:", "line 17: report.cd44: no population named 'cd44'; did you mean 'cd4'?"),
        ("[live, root]", "[liv, root]", "line 17: report.cd4[0]: no population named 'liv'; did you mean 'live'?"),
        ("[live, root]", "[live, cd4]", "line 17: report.cd4[1]: a population is always 100 % of itself; name another"),
        ("[live, root]", "[live, cd4_memory]", "line 17: report.cd4[1]: 'cd4_memory' does not hold 'cd4', so that no"),
        ("[live, root]", "[live, live]", "line 17: report.cd4[1]: 'live' is in the list twice; remove one"),
    ],
)
def test_each_mistake_is_told_with_line_place_and_remedy(write, problems_of, old, new, expected):
    assert old in STRATEGY
    told = problems_of(lambda: load(write(STRATEGY.replace(old, new, 1))))
    assert any(one.startswith(expected) for one in told), told


def test_a_population_cannot_be_made_of_its_own_descendant(write, problems_of):
    gate = "{method: boolean, operator: or, of: [cd4_memory]}"
    text = STRATEGY.replace("gate: {method: valley, axis: CD4}, keep: high", f"gate: {gate}")
    assert problems_of(lambda: load(write(text))) == [
        "line 15: populations[3].gate: 'cd4' cannot be made of 'cd4_memory', which is itself or made from it; "
        "name another population"
    ]


def test_one_mistake_does_not_bring_others_with_it(write, problems_of):
    """A population that lost its shape is still somebody's parent."""
    text = STRATEGY.replace("{id: cd4, label: CD4 T cells,", "{id: cd4, label: 5,")
    assert len(problems_of(lambda: load(write(text)))) == 1


def test_mistakes_all_over_the_file_are_told_at_once_in_the_order_of_lines(write, problems_of):
    text = STRATEGY
    for old, new in [
        ("label: R", "lable: R"),
        ("kind: asinh", "kind: x"),
        ("keep: high", "keep: hi"),
        ("[live,", "[liv,"),
    ]:
        text = text.replace(old, new, 1)
    lines = [int(one.split(":")[0].removeprefix("line ")) for one in problems_of(lambda: load(write(text)))]
    assert lines == [1, 3, 8, 15, 17]


def test_without_a_panel_the_axes_are_not_checked(write):
    strategy = load_strategy(write(STRATEGY.replace("CD45RO", "ANYTHING")), methods=GATE_METHODS)
    assert "cd4_memory" in strategy.ids


PIECES = ["id", "parent", "gate", "keep", "root", "a", "b", "method", "valley", "boolean", "of", "axis", "CD3", "x+ y-"]
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(PIECES)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(PIECES), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(section=st.sampled_from(["populations", "scales", "gates", "report", "version", "panel"]), value=VALUES)
def test_whatever_a_section_holds_it_is_read_or_refused_as_a_bad_spec(write, section, value):
    import json

    lines = [line for line in STRATEGY.splitlines() if not line.startswith((" ", section))]
    path = write("\n".join([*(line for line in lines if not line.endswith(":")), f"{section}: {json.dumps(value)}"]))
    try:
        load(path)
    except BadSpec as error:
        told = error.problems
    else:
        told = ()
    assert all(problem.what for problem in told)


def left_out_of(strategy):
    return {left.population: left.lacking for left in strategy.left_out}


def test_a_panel_of_another_name_carries_a_strategy_whose_markers_it_has(write):
    whole, elsewhere = load(write(STRATEGY)), load(write(STRATEGY.replace("panel: treg", "panel: nk")))
    assert (elsewhere.populations, elsewhere.left_out) == (whole.populations, ())


def test_populations_that_need_a_missing_marker_are_left_out_with_what_is_made_of_them(write):
    strategy = load(write(STRATEGY.replace("x: CCR4", "x: CCR44")))
    assert strategy.ids == ("live", "cd4")
    assert left_out_of(strategy) == dict.fromkeys(["cd4_memory", "rest", "cd4_naive"], ("CCR44",))
    assert strategy.denominators == {"cd4": ("live", "root")}


def test_what_is_placed_on_a_population_that_is_left_out_is_left_out_too(write):
    placed = "{method: valley, axis: CD25, place_on: cd4_memory}"
    more = f"  - {{id: bright, parent: cd4, gate: {placed}, keep: high}}\nreport:"
    strategy = load(write(STRATEGY.replace("x: CCR4", "x: CCR44").replace("report:", more)))
    assert left_out_of(strategy)["bright"] == ("CCR44",)


@pytest.mark.parametrize("name", sorted(shipped_strategies()))
def test_whatever_marker_is_missing_what_is_left_is_as_it_was_and_what_is_gone_is_named(name, write):
    path = shipped_strategies()[name]
    whole = load_strategy(path, methods=GATE_METHODS)
    panel = panel_of(whole, write)
    refused: list[bool] = []
    for marker in panel.markers:
        rest = replace(panel, name="other", markers=tuple(m for m in panel.markers if m != marker))
        nothing_left = f"panel 'other' has no {marker.name}, which all that is reported rests on"
        try:
            strategy = load_strategy(path, methods=GATE_METHODS, panel=rest)
        except BadSpec as error:
            refused.append(nothing_left in str(error))
            continue
        assert all(whole.population(name) == strategy.population(name) for name in strategy.ids)
        assert {*strategy.ids, *left_out_of(strategy)} == set(whole.ids)
        assert set(left_out_of(strategy).values()) <= {(marker.name,)}
        assert set(strategy.denominators) == set(whole.denominators) & set(strategy.ids)
    assert refused  # by the want of viability, for one
    assert all(refused)


def test_a_treg_panel_without_ccr4_still_gives_treg():
    panel = load_panel(find_panel("treg"))
    rest = replace(panel, name="flow7", markers=tuple(m for m in panel.markers if m.name != "CCR4"))
    strategy = load_strategy(shipped_strategies()["treg"], methods=GATE_METHODS, panel=rest)
    assert {"treg", "treg_activated"} < set(strategy.ids)
    assert strategy.about_left_out("panel 'flow7'") == (
        "panel 'flow7' has no CCR4: strategy 'treg' leaves out treg_memory",
    )
