"""Drafts of the reviewer's guides: the templates' sections, numbers of the delivery, and blanks that are named."""

from __future__ import annotations

import html
import json
import re

import pytest

from immunomon.outputs.conformance.check import Breach, Report
from immunomon.outputs.delivery.adam import adam_datasets
from immunomon.outputs.delivery.guide_page import Guide
from immunomon.outputs.delivery.guides import analysis_guide, tabulation_guide

TABULATION = """1. Introduction|1.1 Purpose|1.2 Acronyms|1.3 Study Data Standards and Dictionary Inventory
2. Protocol Description|2.1 Protocol Number and Title|2.2 Protocol Design|2.3 Trial Design Datasets
3. Subject Data Description|3.1 Overview|3.2 Annotated CRFs|3.3 SDTM Subject Domains
4. Data Conformance Summary|4.1 Conformance Inputs|4.2 Issues Summary|4.3 Additional Conformance Details
Appendix I: Inclusion/Exclusion Criteria|Appendix II: Conformance Issues Details"""
ANALYSIS = """1. Introduction|1.1 Purpose|1.2 Acronyms|1.3 Study Data Standards and Dictionary Inventory
1.4 Source Data Used for Analysis Dataset Creation
2. Protocol Description|2.1 Protocol Number and Title|2.2 Protocol Design in Relation to ADaM Concepts
3. Analysis Considerations Related to Multiple Analysis Datasets|3.1 Core Variables|3.2 Treatment Variables
3.3 Subject Issues that Require Special Analysis Rules
3.4 Use of Visit Windowing, Unscheduled Visits, and Record Selection|3.5 Imputation/Derivation Methods
4. Analysis Data Creation and Processing Issues|4.1 Split Datasets|4.2 Data Dependencies|4.3 Intermediate Datasets
4.4 Variable Conventions|5. Analysis Dataset Descriptions|5.1 Overview|5.2 Analysis Datasets
6. Data Conformance Summary|6.1 Conformance Inputs|6.2 Issues Summary
7. Submission of Programs|7.1 ADaM Programs|7.2 Analysis Output Programs|7.3 Macro Programs|8. Appendix
Appendix II: Conformance Issues Details"""


@pytest.fixture(scope="module")
def pages(delivered):
    folder = delivered("adam")
    return {
        name: (folder / name).read_text(encoding="utf-8") for name in ("sdtm/csdrg-draft.html", "adam/adrg-draft.html")
    }


@pytest.mark.parametrize(
    ("file", "sections"), [("sdtm/csdrg-draft.html", TABULATION), ("adam/adrg-draft.html", ANALYSIS)]
)
def test_the_sections_are_the_templates_in_their_order(pages, file, sections):
    heads = [html.unescape(head) for head in re.findall(r"<h[2-4]>(.*?)</h", pages[file])]
    assert [head for head in heads if not re.match(r"\d\.\d\.\d", head)] == re.split(r"[|\n]", sections)


def test_every_blank_is_marked_listed_and_in_the_manifest(pages, delivered):
    guides = json.loads((delivered("adam") / "manifest.json").read_text(encoding="utf-8"))["guides"]
    assert guides.keys() == pages.keys()
    for file, page in pages.items():
        marked = re.findall(r"<mark>\[FILL IN (\d+): (.*?)\]</mark>", page)
        assert [int(number) for number, _ in marked] == list(range(1, len(guides[file]) + 1))
        for (_, what), entry in zip(marked, guides[file], strict=True):
            assert entry.endswith(f": {html.unescape(what)}")
        assert page.count("<li>") == len(marked) > 5
    assert "version of MedDRA" in pages["sdtm/csdrg-draft.html"]


def test_the_numbers_are_those_of_the_datasets(pages, received, content):
    for name, dataset in received("adam").items():
        if (
            dataset.keys
            and not name.startswith("SUPP")
            and name not in {"links", "annotated_mapping", *("TA", "TE", "TI", "TV", "TS")}
        ):
            page = pages["adam/adrg-draft.html" if name.startswith("AD") else "sdtm/csdrg-draft.html"]
            assert re.search(rf"<td>{name}</td><td>[^<]*</td>(<td>[^<]*</td>)?<td>{len(dataset)}</td>", page), name
    reasons = [one for one in received("adam")["ADCP"].column("ANLREAS") if str(one).startswith("below LOD")]
    if reasons:
        assert f"<td>ADCP</td><td>below LOD</td><td>{len(reasons)}</td>" in pages["adam/adrg-draft.html"]


def test_an_issue_is_told_and_asks_for_its_explanation(content, sdtm, tmp_path):
    breach = Breach("SD003", "error", "DM", "record 1", "SITEID is <missing>", "give it")
    report = Report(tmp_path, (breach,), ("SD003",), {}, 10, 1)
    guide = tabulation_guide(content, sdtm.datasets, absent=sdtm.absent, report=report)
    assert ("4.2 Issues Summary", "explanation of SD003 in DM") in guide.blanks
    assert "<td>record 1</td><td>SITEID is &lt;missing&gt;</td>" in guide.text()
    assert "SD003" not in analysis_guide(content, adam_datasets(content, sdtm), report).text()


def test_texts_of_a_study_are_no_markup():
    guide = Guide("<script>")
    guide.head("1.", "<b>")
    guide.say("<i>", guide.blank("who & when"))
    guide.table(("<u>",), [("]</p>",), ("dose [mg]",)])
    assert not re.search(r"<(script|b|i|u)>", guide.text())
    assert "<mark>[FILL IN 1: who &amp; when]</mark>" in guide.text()
    assert guide.text().count("</mark>") == 1
