"""Rules of variables: those that must be there, in which order, of which type, and how they are named."""

from __future__ import annotations

import re
from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Found, Scope
from immunomon.outputs.conformance.cells import text_of
from immunomon.outputs.conformance.guide import guide_of
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.scopes import CDISC, FINDINGS, GUIDED
from immunomon.outputs.conformance.table import Table

__all__ = ["VARIABLES"]

VARIABLES = Family("variables")
_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,7}", re.ASCII)
_TABULATED: Scope[Table] = Scope(
    "domains of SDTM",
    lambda received: [one for one in received.cdisc if one.is_tabulation and guide_of(one.name)],
    of_cdisc=True,
)


def _lacking(table: Table, core: str) -> list[str]:
    return [one.name for one in guide_of(table.name) if one.core == core and one.name not in table.names]


@VARIABLES.rule(
    "SD001",
    GUIDED,
    "Every variable that the guide requires of a dataset is there.",
    source="SDTMIG 3.4, 4.1 and tables of the domains; ADaMIG 1.3",
    remedy="add the variable",
)
def _required(table: Table, _: Received) -> Iterator[Found]:
    yield from (Found(table.name, f"required variable {name} is not there") for name in _lacking(table, "Req"))


@VARIABLES.rule(
    "SD002",
    GUIDED,
    "Every variable that the guide expects of a dataset is there, if only blank.",
    source="SDTMIG 3.4, 4.1 and tables of the domains; ADaMIG 1.3",
    remedy="add the variable, blank where nothing is known",
    severity="warning",
)
def _expected(table: Table, _: Received) -> Iterator[Found]:
    yield from (Found(table.name, f"expected variable {name} is not there") for name in _lacking(table, "Exp"))


@VARIABLES.rule(
    "SD003",
    _TABULATED,
    "A required variable has a value in every record.",
    source="SDTMIG 3.4, 4.1.5 [M]",
    remedy="give the value where it comes from; site and country belong into study.yaml or export/cp-map.yaml",
)
def _filled(table: Table, _: Received) -> Iterator[Found]:
    for one in guide_of(table.name):
        if one.core != "Req" or one.name not in table.names:
            continue
        blank = [number for number, value in enumerate(table.column(one.name), start=1) if text_of(value).strip() == ""]
        if blank:
            said = "every record" if len(blank) == len(table) else f"{len(blank)} records"
            yield Found(table.name, f"required variable {one.name} has no value in {said}", str(blank[0]))


@VARIABLES.rule(
    "SD004",
    _TABULATED,
    "A domain has no variable that the guide does not have; what else was collected is in supplemental qualifiers.",
    source="SDTMIG 3.4, 2.5, 8.4",
    remedy="move the variable to SUPP--, or correct its name",
)
def _no_other(table: Table, _: Received) -> Iterator[Found]:
    known = {one.name for one in guide_of(table.name)}
    yield from (Found(table.name, f"variable {name} is not in the guide") for name in table.names if name not in known)


@VARIABLES.rule(
    "SD005",
    _TABULATED,
    "Variables stand in the order of the guide: CP's 62 in theirs, and every other domain's.",
    source="SDTMIG 3.4, tables of the domains; SDTM 2.0",
    remedy="put the variables into the guide's order",
)
def _ordered(table: Table, _: Received) -> Iterator[Found]:
    guided = [one.name for one in guide_of(table.name)]
    found = [name for name in table.names if name in guided]
    wanted = [name for name in guided if name in found]
    wrong = next((pair for pair in zip(found, wanted, strict=False) if pair[0] != pair[1]), None)
    if wrong:
        yield Found(table.name, f"variable {wrong[0]} stands where {wrong[1]} belongs")


@VARIABLES.rule(
    "SD006",
    GUIDED,
    "A variable is of the guide's type: text, or numbers.",
    source="SDTMIG 3.4, tables of the domains; ADaMIG 1.3",
    remedy="deliver numbers as numbers and text as text",
)
def _typed(table: Table, _: Received) -> Iterator[Found]:
    guided = {one.name: one.is_number for one in guide_of(table.name)}
    for column in table.columns:
        wanted = guided.get(column.name)
        # CSV declares no types, and a column of digits may well be text.
        if wanted is None or wanted == column.is_number or table.form == "csv":
            continue
        yield Found(table.name, f"variable {column.name} is {'text' if wanted else 'numbers'}, against the guide")


@VARIABLES.rule(
    "SD007",
    CDISC,
    "Datasets and variables have names of at most 8 capital letters and digits, each once.",
    source="SAS transport version 5; SDTMIG 3.4, 4.2",
    remedy="rename it",
)
def _names(table: Table, _: Received) -> Iterator[Found]:
    if not _NAME.fullmatch(table.name):
        yield Found(table.file, f"the dataset's name '{table.name[:60]}' is none of at most 8 capitals and digits")
    for place, name in enumerate(table.names):
        if not _NAME.fullmatch(name):
            yield Found(table.name, f"the variable's name '{name[:60]}' is none of at most 8 capitals and digits")
        elif name in table.names[:place]:
            yield Found(table.name, f"variable {name} is there twice")


@VARIABLES.rule(
    "SD008",
    CDISC,
    "Datasets and variables have labels of 1 to 40 plain ASCII letters.",
    source="SAS transport version 5; SDTMIG 3.4, 4.2",
    remedy="shorten the label, or write it in ASCII",
)
def _labels(table: Table, _: Received) -> Iterator[Found]:
    if table.form == "csv":
        return  # CSV has no labels
    for name, label in ((table.name, table.label), *((one.name, one.label) for one in table.columns)):
        if not 1 <= len(label) <= 40 or not (label.isascii() and label.isprintable()):
            yield Found(
                table.name, f"the label of {name} has {len(label)} letters, or others than ASCII: '{label[:60]}'"
            )


@VARIABLES.rule(
    "SD009",
    FINDINGS,
    "A test's short name has at most 8 capitals, digits and underscores, no digit first; its name at most 40 letters.",
    source="SDTMIG 3.4, 4.2.1",
    remedy="correct --TESTCD or --TEST",
)
def _test_names(table: Table, _: Received) -> Iterator[Found]:
    code, name = table.own("TESTCD"), table.own("TEST")
    for (short, long), records in table.grouped((code, name)):
        if short and not _NAME.fullmatch(short):
            yield Found.at(table.name, records[0], f"{code} '{short[:60]}' is no short name of a test")
        if len(long) > 40:
            yield Found.at(table.name, records[0], f"{name} '{long[:60]}' has {len(long)} letters")
