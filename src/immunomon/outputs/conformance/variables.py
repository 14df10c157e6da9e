"""Rules of variables: those that must be there, in which order, of which type, and how they are named."""

from __future__ import annotations

import re
from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Issue, Scope
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
    lambda received: [table for table in received.cdisc if table.is_tabulation and guide_of(table.name)],
    of_cdisc=True,
)


def _lacking(table: Table, core: str) -> list[str]:
    return [
        variable.name for variable in guide_of(table.name) if variable.core == core and variable.name not in table.names
    ]


@VARIABLES.rule(
    "SD001",
    GUIDED,
    "Every variable that the guide requires of a dataset is there.",
    source="SDTMIG 3.4, 4.1 and tables of the domains; ADaMIG 1.3",
    remedy="add the variable",
)
def _required(table: Table, _: Received) -> Iterator[Issue]:
    yield from (Issue(table.name, f"required variable {name} is not there") for name in _lacking(table, "Req"))


@VARIABLES.rule(
    "SD002",
    GUIDED,
    "Every variable that the guide expects of a dataset is there, if only blank.",
    source="SDTMIG 3.4, 4.1 and tables of the domains; ADaMIG 1.3",
    remedy="add the variable, blank where nothing is known",
    severity="warning",
)
def _expected(table: Table, _: Received) -> Iterator[Issue]:
    yield from (Issue(table.name, f"expected variable {name} is not there") for name in _lacking(table, "Exp"))


@VARIABLES.rule(
    "SD003",
    _TABULATED,
    "A required variable has a value in every record.",
    source="SDTMIG 3.4, 4.1.5 [M]",
    remedy="give the value where it comes from; site and country belong into study.yaml or export/cp-map.yaml",
)
def _filled(table: Table, _: Received) -> Iterator[Issue]:
    for variable in guide_of(table.name):
        if variable.core != "Req" or variable.name not in table.names:
            continue
        blank = [
            number for number, value in enumerate(table.column(variable.name), start=1) if text_of(value).strip() == ""
        ]
        if blank:
            blank_count = "every record" if len(blank) == len(table) else f"{len(blank)} records"
            yield Issue(table.name, f"required variable {variable.name} has no value in {blank_count}", str(blank[0]))


@VARIABLES.rule(
    "SD004",
    _TABULATED,
    "A domain has no variable that the guide does not have; what else was collected is in supplemental qualifiers.",
    source="SDTMIG 3.4, 2.5, 8.4",
    remedy="move the variable to SUPP--, or correct its name",
)
def _no_other(table: Table, _: Received) -> Iterator[Issue]:
    known = {variable.name for variable in guide_of(table.name)}
    yield from (Issue(table.name, f"variable {name} is not in the guide") for name in table.names if name not in known)


@VARIABLES.rule(
    "SD005",
    _TABULATED,
    "Variables stand in the order of the guide: CP's 62 in theirs, and every other domain's.",
    source="SDTMIG 3.4, tables of the domains; SDTM 2.0",
    remedy="put the variables into the guide's order",
)
def _ordered(table: Table, _: Received) -> Iterator[Issue]:
    guided = [variable.name for variable in guide_of(table.name)]
    present = [name for name in table.names if name in guided]
    expected = [name for name in guided if name in present]
    wrong = next((pair for pair in zip(present, expected, strict=False) if pair[0] != pair[1]), None)
    if wrong:
        yield Issue(table.name, f"variable {wrong[0]} stands where {wrong[1]} belongs")


@VARIABLES.rule(
    "SD006",
    GUIDED,
    "A variable is of the guide's type: text, or numbers.",
    source="SDTMIG 3.4, tables of the domains; ADaMIG 1.3",
    remedy="deliver numbers as numbers and text as text",
)
def _typed(table: Table, _: Received) -> Iterator[Issue]:
    guided = {variable.name: variable.is_number for variable in guide_of(table.name)}
    for column in table.columns:
        is_number = guided.get(column.name)
        # CSV declares no types, and a column of digits may well be text.
        if is_number is None or is_number == column.is_number or table.form == "csv":
            continue
        yield Issue(table.name, f"variable {column.name} is {'text' if is_number else 'numbers'}, against the guide")


@VARIABLES.rule(
    "SD007",
    CDISC,
    "Datasets and variables have names of at most 8 capital letters and digits, each once.",
    source="SAS transport version 5; SDTMIG 3.4, 4.2",
    remedy="rename it",
)
def _names(table: Table, _: Received) -> Iterator[Issue]:
    if not _NAME.fullmatch(table.name):
        yield Issue(table.file, f"the dataset's name '{table.name[:60]}' is none of at most 8 capitals and digits")
    for index, name in enumerate(table.names):
        if not _NAME.fullmatch(name):
            yield Issue(table.name, f"the variable's name '{name[:60]}' is none of at most 8 capitals and digits")
        elif name in table.names[:index]:
            yield Issue(table.name, f"variable {name} is there twice")


@VARIABLES.rule(
    "SD008",
    CDISC,
    "Datasets and variables have labels of 1 to 40 plain ASCII letters.",
    source="SAS transport version 5; SDTMIG 3.4, 4.2",
    remedy="shorten the label, or write it in ASCII",
)
def _labels(table: Table, _: Received) -> Iterator[Issue]:
    if table.form == "csv":
        return  # CSV has no labels
    for name, label in ((table.name, table.label), *((column.name, column.label) for column in table.columns)):
        if not 1 <= len(label) <= 40 or not (label.isascii() and label.isprintable()):
            yield Issue(
                table.name, f"the label of {name} has {len(label)} letters, or others than ASCII: '{label[:60]}'"
            )


@VARIABLES.rule(
    "SD009",
    FINDINGS,
    "A test's short name has at most 8 capitals, digits and underscores, no digit first; its name at most 40 letters.",
    source="SDTMIG 3.4, 4.2.1",
    remedy="correct --TESTCD or --TEST",
)
def _test_names(table: Table, _: Received) -> Iterator[Issue]:
    code, name = table.own("TESTCD"), table.own("TEST")
    for (short, long), records in table.grouped((code, name)):
        if short and not _NAME.fullmatch(short):
            yield Issue.at(table.name, records[0], f"{code} '{short[:60]}' is no short name of a test")
        if len(long) > 40:
            yield Issue.at(table.name, records[0], f"{name} '{long[:60]}' has {len(long)} letters")
