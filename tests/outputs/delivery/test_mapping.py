"""Which test a population is delivered as."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from immunomon.cli.main import app
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.errors import BadSpec
from immunomon.outputs.delivery.mapping import Quantity, load_cp_map, read_map
from immunomon.outputs.delivery.terminology import cp_terms
from immunomon.study.model.strategy import ROOT
from immunomon.study.specs.catalog import shipped_strategies
from immunomon.yamlfile import read_yaml

REPOSITORY = Path(__file__).resolve().parents[3]

HEAD = "schema: immunomon.cp-map/1\npopulations:\n"
POPULATIONS = """\
  - {panels: [p], population: a, step: CD3+, markers: CD3+Viability-}
  - {panels: [p], population: b, step: CD4+, markers: CD3+CD4+Viability-}
tests:
"""


def own_map(folder, tests, populations=POPULATIONS):
    path = folder / "export" / "cp-map.yaml"
    path.parent.mkdir()
    path.write_text(HEAD + populations + "".join(f"  - {{{test}}}\n" for test in tests), encoding="utf-8", newline="\n")
    return folder


def problem(folder, test):
    with pytest.raises(BadSpec) as caught:
        load_cp_map(own_map(folder, [test]))
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(shipped_strategies()))
def test_the_shipped_map_knows_all_that_the_shipped_strategies_report(name):
    strategy = load_strategy(shipped_strategies()[name], methods=GATE_METHODS)
    pairs = {(one.id, one.parent) for one in strategy}
    pairs |= {(one, denominator) for one, below in strategy.denominators.items() for denominator in below}
    quantities = {Quantity(name, one, "percent", denominator) for one, denominator in pairs}
    cells = {
        one.id for one in strategy if one.parent != ROOT and "lymphocytes" in (one.id, *strategy.ancestors(one.id))
    }
    quantities |= {Quantity(name, one, "cells_per_ul") for one in cells}
    load_cp_map().refuse_unmapped(quantities)


def test_the_terms_of_the_domain_are_there():
    assert len(cp_terms()) == 938
    tests = load_cp_map().tests
    assert tests[Quantity("thelper", "th17", "percent", "cd4")].cptestcd == "TH17TH"
    assert tests[Quantity("nk", "nk_bright", "percent", "nk")].cpsbmrks == "CD56hiCD16-"


def test_a_studys_own_map_is_read_instead_of_the_shipped_one(tmp_path):
    test = "panel: p, population: b, denominator: a, cptestcd: TLYHTLY, paramcd: X"
    assert list(load_cp_map(own_map(tmp_path, [test])).tests) == [Quantity("p", "b", "percent", "a")]


def test_a_population_without_a_test_is_refused_with_the_nearest_terms():
    with pytest.raises(BadSpec) as caught:
        load_cp_map().refuse_unmapped([Quantity("treg", "treg_naive", "percent", "treg")])
    assert "no test for treg: percent treg_naive of treg" in str(caught.value)
    assert "TLHRNTHR (TLym Help Reg Naive/TLymHR)" in str(caught.value)


def test_leaving_out_one_denominator_leaves_the_others_in():
    shipped = load_cp_map()
    assert shipped.reason_left_out(Quantity("treg", "cd4", "percent", "lymphocytes"))
    assert not shipped.reason_left_out(Quantity("treg", "cd4", "percent", "t_cells"))
    assert not shipped.reason_left_out(Quantity("treg", "cd4", "cells_per_ul"))


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("cptestcd: TLYHTLX", "no CPTESTCD 'TLYHTLX' in CDISC's terminology; the nearest are TLYHTLY"),
        ("cptestcd: TLYHTLY, cptest: Helpers", "'Helpers' is not the name of TLYHTLY; write 'TLym Help/TLym'"),
        ("cptestcd: TLYHTLY, cpsbmrks: CD25+", "is no 'Sub' term"),
        ("cptestcd: TLHSP", "needs markers or a state"),
        ("cptestcd: TLHSP, cpcelsta: ACTIVATED", "cpcelsta and cpcsmrks go together"),
        ("cptestcd: TLHSP, cpsbmrks: HLA-DR+", "names have no hyphen"),
        ("cptestcd: CD25X", "'Expression' terms are those of median intensities"),
        ("cptestcd: TLYHTLY, statistic: cells_per_ul", "a percent has a denominator, and nothing else has"),
    ],
)
def test_what_the_standard_does_not_allow_is_refused(tmp_path, test, said):
    message = problem(tmp_path, f"panel: p, population: b, denominator: a, {test}, paramcd: X")
    assert said in message
    assert "cp-map.yaml line 6" in message


def test_a_code_of_a_parameter_is_given_once(tmp_path):
    same = "panel: p, population: b, {}, cptestcd: {}, paramcd: X"
    tests = [same.format("denominator: a", "TLYHTLY"), same.format("statistic: cells_per_ul", "TLYH")]
    with pytest.raises(BadSpec, match="paramcd X is that of tests"):
        load_cp_map(own_map(tmp_path, tests))


def test_a_population_that_is_not_described_is_named(tmp_path):
    assert "population 'c' of panel 'p' is not under populations" in problem(
        tmp_path, "panel: p, population: c, denominator: a, cptestcd: TLYHTLY, paramcd: X"
    )


def test_check_reads_a_studys_map_with_the_study(tmp_path):
    init = CliRunner().invoke(app, ["init", str(tmp_path / "study")])
    assert init.exit_code == 0
    own_map(tmp_path / "study", ["panel: p, population: b, denominator: a, cptestcd: NOTHING, paramcd: X"])
    said = CliRunner().invoke(app, ["check", str(tmp_path / "study")])
    assert said.exit_code == 1
    assert "cp-map.yaml line 6: tests[0].cptestcd: no CPTESTCD 'NOTHING'" in said.output


def test_check_finds_no_problem_in_the_shipped_map():
    said = CliRunner().invoke(app, ["check", load_cp_map().file])
    assert said.exit_code == 0, said.output


def test_the_example_in_the_documents_is_a_map(tmp_path):
    text = (REPOSITORY / "docs" / "file-formats.md").read_text(encoding="utf-8")
    example = next(
        one[1] for one in re.finditer(r"```yaml\n(.*?)```", text, re.DOTALL) if "immunomon.cp-map/1" in one[1]
    )
    (tmp_path / "cp-map.yaml").write_text(example, encoding="utf-8")
    assert len(read_map(tmp_path / "cp-map.yaml").tests) == 2


def test_the_shipped_map_fits_its_json_schema():
    schema = json.loads((REPOSITORY / "docs" / "schemas" / "cp-map.schema.json").read_text(encoding="utf-8"))
    data = read_yaml(Path(load_cp_map().file)).data
    assert not list(Draft202012Validator(schema).iter_errors(data))
