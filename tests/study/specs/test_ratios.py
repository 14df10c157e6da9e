"""Ratios that a study declares: what they mean, and every name that is not there, with the nearest that is."""

import pytest

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_in_use
from immunomon.errors import BadSpec
from immunomon.study.model.ratios import RATIOS, RatioTerm, all_ratios
from immunomon.study.specs.ratios import ratio_problems
from immunomon.study.specs.study import load_study

STUDY = """\
schema: immunomon.study/2
name: DEMO
visits: [{label: once}]
panels:
  - {panel: treg, strategy: treg}
  - {panel: thelper, strategy: thelper}
  - {panel: tbnk, strategy: tbnk}
ratios:
"""
CD4_CD8 = "  - {name: cd4_cd8, label: CD4/CD8, panel: tbnk, numerator: cd4, denominator: cd8, of: t_cells}\n"


def read(write, *lines):
    return load_study(write(STUDY + "".join(lines), "study.yaml"))


def faults(write, *lines):
    """Return what is said of ratios, by the strategies in use as well."""
    study = read(write, *lines)
    _, strategies = load_in_use(study, methods=GATE_METHODS)
    problems = ratio_problems(study, strategies, study.folder / "study.yaml")
    return [f"{problem.line}: {problem.path}: {problem.what}; {problem.remedy}" for problem in problems]


def test_a_ratio_is_of_one_tube_or_of_two(write):
    two = "  - {name: th1_treg, panel: [thelper, treg], numerator: th1, denominator: treg, of: cd4}\n"
    first, second = read(write, CD4_CD8, two).ratios
    assert (first.label, first.upper, first.lower) == (
        "CD4/CD8",
        RatioTerm("tbnk", "cd4", "t_cells"),
        RatioTerm("tbnk", "cd8", "t_cells"),
    )
    assert (second.upper, second.lower) == (RatioTerm("thelper", "th1", "cd4"), RatioTerm("treg", "treg", "cd4"))
    assert all_ratios((first,)) == (first, *RATIOS)
    assert faults(write, CD4_CD8, two) == []


def test_every_population_that_is_not_there_is_named_at_once_with_the_nearest(write):
    said = faults(
        write,
        "  - {name: a, panel: tbnk, numerator: CD4, denominator: cd_8, of: t_cells}\n",
        "  - {name: b, panel: [thelper, treg], numerator: th1, denominator: treg, of: lymphocites}\n",
        "  - {name: c, panel: treg, numerator: treg_memory, denominator: treg, of: cd4}\n",
    )
    assert said == [
        "9: ratios[0].numerator: no population named 'CD4' in strategy tbnk (panel tbnk); did you mean 'cd4'?",
        "9: ratios[0].denominator: no population named 'cd_8' in strategy tbnk (panel tbnk); did you mean 'cd8'?",
        "10: ratios[1].of: 'th1' is not reported in percent of 'lymphocites' (panel thelper); its percent is of: cd4, "
        "lymphocytes",
        "10: ratios[1].of: 'treg' is not reported in percent of 'lymphocites' (panel treg); its percent is of: cd4, "
        "lymphocytes",
        "11: ratios[2]: 'treg_memory' is a part of 'treg', and a percent, whose error a ratio would not have; report "
        "it so, in a strategy of your own: report: {treg_memory: [treg]}",
    ]


def test_a_population_that_the_panel_cannot_show_has_no_ratio(write, tmp_path):
    (tmp_path / "panels").mkdir()
    markers = ", ".join(
        f"{{marker: {name}, detector: {name}-A, fluorochrome: F{name}, kind: type, fmo: false}}"
        for name in ("CD3", "CD4", "CD25", "CD127", "HLA-DR")
    )
    head = "schema: immunomon.panel/1\nname: treg\nlabel: T\nscatter: [FSC-A, FSC-H, SSC-A]\ntime: Time\n"
    panel = f"{head}markers: [{markers}, "
    viability = "{marker: viability, detector: V-A, fluorochrome: V, kind: viability, fmo: false}]\n"
    (tmp_path / "panels" / "treg.yaml").write_text(panel + viability, encoding="utf-8")
    line = "  - {name: m_a, panel: treg, numerator: treg_memory, denominator: treg_activated, of: treg}\n"
    assert faults(write, line) == [
        "9: ratios[0].numerator: 'treg_memory' is left out, for want of CCR4, CD45RO (panel treg); remove the ratio, "
        "or add the marker"
    ]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([CD4_CD8.replace("tbnk", "tbnks")], "no panel in use named 'tbnks'; did you mean 'tbnk'?"),
        ([CD4_CD8, CD4_CD8.replace("r: cd8", "r: nk")], "'cd4_cd8' is the name of a ratio already; choose another"),
        ([CD4_CD8, CD4_CD8.replace("name: cd4_cd8", "name: x")], "the same ratio as cd4_cd8; remove it"),
        ([CD4_CD8.replace("denominator: cd8", "denominator: cd4")], "a population over itself is always 1"),
        ([CD4_CD8.replace("cd4_cd8", "th17_treg")], "'th17_treg' is th17 of cd4 (thelper) over treg of cd4 (treg)"),
        (
            ["  - {name: mine, panel: [thelper, treg], numerator: th17, denominator: treg, of: cd4}\n"],
            "the same ratio as th17_treg; call it th17_treg, or remove it: it is there",
        ),
    ],
)
def test_a_ratio_that_means_nothing_or_is_there_already_is_refused(write, lines, said):
    with pytest.raises(BadSpec) as refused:
        read(write, *lines)
    assert said in str(refused.value)
