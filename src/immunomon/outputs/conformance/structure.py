"""Rules of the delivery as a whole: files that can be read, datasets that belong together."""

from __future__ import annotations

from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Issue
from immunomon.outputs.conformance.guide import guide_of
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.scopes import CDISC, FILES, SDTM
from immunomon.outputs.conformance.table import Table

__all__ = ["STRUCTURE"]

STRUCTURE = Family("files and datasets")


@STRUCTURE.rule(
    "FL001",
    FILES,
    "Every file of data can be read: transport files, Dataset-JSON, Define-XML, CSV, workbooks, the manifest.",
    source="working rule",
    remedy="take the file from its archive again, or deliver again",
)
def _readable(received: Received, _: Received) -> Iterator[Issue]:
    yield from (Issue(file.path, file.fault) for file in received.files if file.fault)


@STRUCTURE.rule(
    "FL002",
    FILES,
    "A dataset lies in one file of a form, not in two.",
    source="SDTMIG 3.4, 3.2 [M]",
    remedy="keep one of the files",
)
def _once(received: Received, _: Received) -> Iterator[Issue]:
    file_by_dataset: dict[tuple[str, str], str] = {}
    for table in received.tables:
        if not table.is_cdisc:
            continue
        first_file = file_by_dataset.setdefault((table.name, table.form), table.file)
        if first_file != table.file:
            yield Issue(table.file, f"holds dataset {table.name}, which {first_file} holds, too")


@STRUCTURE.rule(
    "FL003",
    CDISC,
    "A file is named as the dataset that it holds, in small letters.",
    source="FDA Study Data Technical Conformance Guide, names of files [M]",
    remedy="name the file as the dataset",
)
def _named(table: Table, _: Received) -> Iterator[Issue]:
    stem = table.file.rpartition("/")[2].rpartition(".")[0]
    if table.form in {"xpt", "json"} and stem != table.name.lower():
        yield Issue(table.file, f"holds dataset '{table.name}'")


@STRUCTURE.rule(
    "FL004",
    CDISC,
    "A delivered dataset has records; one without any is left out and said to be absent.",
    source="SDTMIG 3.4, 3.2 [M]",
    remedy="leave the empty dataset out, and say why it is absent",
)
def _not_empty(table: Table, _: Received) -> Iterator[Issue]:
    if not len(table):
        yield Issue(table.name, "has no records")


@STRUCTURE.rule(
    "FL005",
    SDTM,
    "Datasets about subjects come with DM, datasets with visits with TV and SV.",
    source="SDTMIG 3.4, DM, TV, SV [M]",
    remedy="deliver DM, TV and SV with them",
)
def _accompanied(table: Table, received: Received) -> Iterator[Issue]:
    companions = ["DM"] * table.has("USUBJID") + ["TV", "SV"] * (
        table.has("USUBJID", "VISITNUM") and table.name != "SV"
    )
    missing = [name for name in companions if received.table(name) is None]
    if missing:
        yield Issue(table.name, f"comes without {', '.join(missing)}")


@STRUCTURE.rule(
    "FL006",
    CDISC,
    "A dataset is one that the guides name: a domain, its supplemental qualifiers, ADSL, or an analysis dataset AD....",
    source="SDTMIG 3.4; ADaMIG 1.3",
    remedy="correct the dataset's name; the checker knows the domains of this kind of trial only",
    severity="warning",
)
def _known(table: Table, _: Received) -> Iterator[Issue]:
    supplement = table.name.removeprefix("SUPP")
    if not guide_of(table.name) or (supplement != table.name and not guide_of(supplement)):
        yield Issue(table.name, "is no dataset that is checked against a guide")


@STRUCTURE.rule(
    "FL007",
    CDISC,
    "Supplemental qualifiers come with their domain, analysis datasets with ADSL.",
    source="SDTMIG 3.4, 8.4; ADaMIG 1.3, ADSL",
    remedy="deliver the dataset that is missing",
)
def _parents(table: Table, received: Received) -> Iterator[Issue]:
    parent = table.name.removeprefix("SUPP") if table.name.startswith("SUPP") else ""
    parent = "ADSL" if table.is_analysis and table.name != "ADSL" else parent
    if parent and received.table(parent) is None:
        yield Issue(table.name, f"comes without {parent}")
