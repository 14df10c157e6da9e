from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.gates.under import gates_under
from immunomon.cytometry.model.measured import Measured
from immunomon.cytometry.model.weighed import weigh
from immunomon.study.model.reportability import Reportability
from immunomon.study.model.strategy import GateDeclaration, GatingStrategy, Population
from immunomon.study.model.trust import DOUBTS, Doubt

SIDE = GateDeclaration("interval", {"axis": "CD3", "low": 0.5})
ON_CD4 = GateDeclaration("valley", {"axis": "CD25"}, place_on="cd4")
NEITHER = GateDeclaration("boolean", {"operator": "not", "of": ["b_cells"]})


def population(name, parent, gate=SIDE, keep="inside"):
    return Population(name, name, parent, gate, keep)


TREE = GatingStrategy(
    "s",
    "S",
    1,
    None,
    (
        population("live", "root"),
        population("lymphocytes", "live"),
        population("b_cells", "lymphocytes"),
        population("t_cells", "lymphocytes"),
        population("cd4", "t_cells"),
        population("treg", "t_cells", ON_CD4, "high"),
        population("rest", "live", NEITHER),
    ),
)


def measured(**doubts):
    return Measured(100, {}, {}, {}, doubts={name: (Doubt(code, "CD3"),) for name, code in doubts.items()})


def test_a_value_rests_on_the_population_its_gate_was_placed_on_and_all_above_that():
    assert gates_under(TREE, "treg") == ("root", "live", "lymphocytes", "t_cells", "cd4", "treg")


def test_a_boolean_population_rests_on_its_operands_and_all_above_them():
    assert gates_under(TREE, "rest") == ("root", "live", "lymphocytes", "b_cells", "rest")


def test_a_value_rests_on_its_denominators_gates():
    assert "cd4" not in gates_under(TREE, "t_cells")
    assert gates_under(TREE, "b_cells", "cd4")[-1] == "cd4"


@given(st.sampled_from(sorted(DOUBTS)), st.sampled_from(["treg", "cd4", "b_cells", "live", "root"]))
def test_a_value_is_withheld_exactly_if_a_gate_on_or_above_it_is_in_a_doubt_that_withholds(code, where):
    gates = gates_under(TREE, "treg")
    trust = weigh(measured(**{where: code}), "treg", Reportability(), gates=gates)
    rests = DOUBTS[code].withholds and where in gates
    assert (trust.reason is not None) == rests
    assert trust.columns["rests_on"] == (f"{where}: {code}(CD3)" if rests else None)


def test_what_the_study_accepts_or_reports_is_still_said_but_withholds_nothing():
    gates = gates_under(TREE, "treg")
    for limits in (Reportability(accepted_doubts=("weak_stain",)), Reportability(doubts="report")):
        trust = weigh(measured(cd4="weak_stain"), "treg", limits, gates=gates)
        assert (trust.reason, trust.columns["rests_on"]) == (None, "cd4: weak_stain(CD3)")


def test_the_reason_names_the_gate_the_axis_and_what_is_meant():
    trust = weigh(measured(cd4="weak_stain"), "cd4", Reportability(), gates=gates_under(TREE, "cd4"))
    assert trust.reason is not None
    assert trust.reason.startswith("in doubt: cd4: CD3: the positive peak lies far below")
