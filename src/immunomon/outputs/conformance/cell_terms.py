"""Rules of cell phenotypes: which terms, units and conditions a record has, and that it leads back to its tube."""

from __future__ import annotations

from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Issue
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.scopes import dataset
from immunomon.outputs.conformance.table import Table
from immunomon.outputs.delivery.terminology import cp_terms

__all__ = ["CELL_TERMS"]

CELL_TERMS = Family("cell phenotypes: terms")
_CP = dataset("CP")
_UNITS = {"NUMBER FRACTION": {"%"}, "NUMBER CONCENTRATION": {"10^6/L"}, "INTENSITY": {"MdFI", "gMFI"}}
_SUMMARIES = {"MdFI": "MEDIAN", "gMFI": "GEOMETRIC MEAN"}


@CELL_TERMS.rule(
    "CP001",
    _CP,
    "CPTESTCD is in CDISC's cell phenotype terminology, and CPTEST is its name there.",
    source="CDISC terminology 2026-03-27, C181173, C181174",
    remedy="take a term of the terminology; immunomon check names the nearest ones",
)
def _terms(table: Table, _: Received) -> Iterator[Issue]:
    for (code, name), records in table.grouped(("CPTESTCD", "CPTEST")):
        term = cp_terms().get(code)
        if term is None:
            yield Issue.at(table.name, records[0], f"CPTESTCD '{code[:40]}' is not in the terminology")
        elif term.name != name:
            yield Issue.at(
                table.name, records[0], f"CPTEST of {code} is '{name[:60]}', in the terminology '{term.name}'"
            )


@CELL_TERMS.rule(
    "CP002",
    _CP,
    "A test with CPSBMRKS, CPCELSTA or CPCSMRKS is a 'Sub' term, and a 'Sub' term has one of them.",
    source="SDTMIG 3.4, CP",
    remedy="take the 'Sub' term, or say what narrows it",
)
def _subsets(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        narrowed = record.has("CPSBMRKS") or record.has("CPCELSTA") or record.has("CPCSMRKS")
        first = record.text("CPTEST").partition("/")[0]
        if narrowed != (" Sub" in first):
            problem = "is narrowed, and no 'Sub' term" if narrowed else "is a 'Sub' term, and nothing narrows it"
            yield Issue.at(table.name, record, f"CPTEST '{record.text('CPTEST')[:60]}' {problem}")


@CELL_TERMS.rule(
    "CP003",
    _CP,
    "CPCELSTA and CPCSMRKS go together.",
    source="SDTMIG 3.4, CP, assumption 4",
    remedy="give both, or neither",
)
def _states(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        if record.has("CPCELSTA") != record.has("CPCSMRKS"):
            lacking = "CPCSMRKS" if record.has("CPCELSTA") else "CPCELSTA"
            yield Issue.at(table.name, record, f"{lacking} is missing")


@CELL_TERMS.rule(
    "CP004",
    _CP,
    "CPRESTYP says what the term is: a ratio NUMBER FRACTION, an 'Expression' INTENSITY, a count NUMBER CONCENTRATION.",
    source="SDTMIG 3.4, CP; CDISC terminology, C179588",
    remedy="correct CPRESTYP or the term",
)
def _types(table: Table, _: Received) -> Iterator[Issue]:
    for (name, kind), records in table.grouped(("CPTEST", "CPRESTYP")):
        expected_kind = (
            "INTENSITY"
            if name.endswith(" Expression")
            else "NUMBER FRACTION"
            if "/" in name
            else "NUMBER CONCENTRATION"
        )
        if kind != expected_kind:
            yield Issue.at(table.name, records[0], f"CPRESTYP of '{name[:60]}' is '{kind[:40]}', not {expected_kind}")


@CELL_TERMS.rule(
    "CP005",
    _CP,
    "Units fit CPRESTYP: % of a fraction, 10^6/L of a concentration, MdFI or gMFI of an intensity.",
    source="SDTMIG 3.4, CP; CDISC terminology, C71620",
    remedy="correct the unit; 10^6/L is cells per microlitre",
)
def _units(table: Table, _: Received) -> Iterator[Issue]:
    for name in ("CPORRESU", "CPSTRESU"):
        for (kind, unit), records in table.grouped(("CPRESTYP", name)):
            if unit and kind in _UNITS and unit not in _UNITS[kind]:
                yield Issue.at(table.name, records[0], f"{name} of {kind} is '{unit[:40]}' ({len(records)} records)")


@CELL_TERMS.rule(
    "CP011",
    _CP,
    "CPCOLSRT says how cells were summed up: MEDIAN for MdFI, GEOMETRIC MEAN for gMFI, and nothing for counts.",
    source="SDTMIG 3.4, CP; CDISC terminology, C177908 [M]",
    remedy="correct CPCOLSRT",
)
def _summaries(table: Table, _: Received) -> Iterator[Issue]:
    for (kind, unit, summary), records in table.grouped(("CPRESTYP", "CPSTRESU", "CPCOLSRT")):
        expected_summary = _SUMMARIES.get(unit, summary) if kind == "INTENSITY" else ""
        if summary != expected_summary or (kind == "INTENSITY" and not summary):
            yield Issue.at(
                table.name, records[0], f"CPCOLSRT of {kind or 'no type'} in {unit or 'no unit'} is '{summary[:40]}'"
            )


@CELL_TERMS.rule(
    "CP012",
    _CP,
    "CPCAT is IMMUNOPHENOTYPING or CELL FUNCTION.",
    source="SDTMIG 3.4, CP",
    remedy="correct CPCAT",
)
def _categories(table: Table, _: Received) -> Iterator[Issue]:
    for (category,), records in table.grouped(("CPCAT",)):
        if category not in {"IMMUNOPHENOTYPING", "CELL FUNCTION"}:
            yield Issue.at(table.name, records[0], f"CPCAT is '{category[:40]}'")


@CELL_TERMS.rule(
    "CP013",
    _CP,
    "CPTSTCND is WITH or WITHOUT STIMULATING AGENT; WITH has its agent, and nothing else has one.",
    source="SDTMIG 3.4, CP; CDISC terminology, C181175",
    remedy="name the agent, or correct the condition",
)
def _conditions(table: Table, _: Received) -> Iterator[Issue]:
    for (condition, agent), records in table.grouped(("CPTSTCND", "CPCNDAGT")):
        if condition not in {"", "WITH STIMULATING AGENT", "WITHOUT STIMULATING AGENT"}:
            yield Issue.at(table.name, records[0], f"CPTSTCND is '{condition[:40]}'")
        elif (condition == "WITH STIMULATING AGENT") != bool(agent):
            yield Issue.at(table.name, records[0], f"CPTSTCND is '{condition}', CPCNDAGT '{agent[:40]}'")


@CELL_TERMS.rule(
    "CP014",
    _CP,
    "Cells that were stimulated, or are the unstimulated control, are CELL FUNCTION by intracellular cytokine stain.",
    source="SDTMIG 3.4, CP",
    remedy="correct CPCAT and CPMETHOD",
)
def _functions(table: Table, _: Received) -> Iterator[Issue]:
    for (condition, category, method), records in table.grouped(("CPTSTCND", "CPCAT", "CPMETHOD")):
        stain = method == "INTRACELLULAR CYTOKINE STAIN FLOW CYTOMETRIC ASSAY"
        if bool(condition) != (category == "CELL FUNCTION") or (condition and not stain):
            yield Issue.at(
                table.name, records[0], f"CPTSTCND '{condition}', CPCAT '{category[:40]}', CPMETHOD '{method[:60]}'"
            )


@CELL_TERMS.rule(
    "CP015",
    _CP,
    "A result names the specimen and the tube that it is of (CPREFID, CPSPID), and the day.",
    source="working rule: every value leads back to its tube",
    remedy="give the specimen, the tube and the date of collection",
)
def _traced(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        lacking = [name for name in ("CPREFID", "CPSPID", "CPDTC") if not record.has(name)]
        if record.has("CPSTRESC") and lacking:
            yield Issue.at(table.name, record, f"a result without {', '.join(lacking)}")
