"""What rules look at: the parts of a delivery, by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from immunomon.outputs.conformance.book import Scope
from immunomon.outputs.conformance.defined import Define
from immunomon.outputs.conformance.guide import guide_of
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.table import Table

__all__ = [
    "ANALYSES",
    "CDISC",
    "DEFINES",
    "FILES",
    "FINDINGS",
    "GUIDED",
    "JSONS",
    "MANIFESTS",
    "PEOPLE",
    "SDTM",
    "SUBJECTS",
    "SUPPLEMENTS",
    "TRANSPORTS",
    "WORKBOOKS",
    "dataset",
    "people_table",
]


def _tables(words: str, belongs: Callable[[Table], bool]) -> Scope[Table]:
    return Scope(words, lambda received: [table for table in received.cdisc if belongs(table)], of_cdisc=True)


def _has_value_structure(table: Table) -> bool:
    return table.is_analysis and table.has("PARAMCD")


CDISC = _tables("datasets of SDTM or ADaM", lambda _: True)
SDTM = _tables("datasets of SDTM", lambda table: table.is_tabulation)
SUBJECTS = _tables("datasets about subjects", lambda table: table.has("USUBJID"))
FINDINGS = _tables("domains of findings", lambda table: table.is_finding)
GUIDED = _tables("datasets of the guides", lambda table: bool(guide_of(table.name)))
SUPPLEMENTS = _tables("supplemental qualifiers", lambda table: table.name.startswith("SUPP"))
ANALYSES = _tables("datasets of parameters (BDS)", _has_value_structure)
TRANSPORTS: Scope[Table] = Scope(
    "SAS transport files", lambda received: [table for table in received.tables if table.form == "xpt"], of_cdisc=True
)
JSONS: Scope[Table] = Scope(
    "Dataset-JSON files", lambda received: [table for table in received.tables if table.form == "json"], of_cdisc=True
)
PEOPLE: Scope[Table] = Scope(
    "tables for people (CSV)",
    lambda received: [table for table in received.tables if table.form == "csv" and not table.is_cdisc],
)
WORKBOOKS: Scope[Table] = Scope(
    "workbooks", lambda received: [table for table in received.tables if table.form == "xlsx"]
)
DEFINES: Scope[Define] = Scope("Define-XML", lambda received: received.defines, of_cdisc=True)
FILES: Scope[Received] = Scope("files", lambda received: [received] if received.files else [])


def _manifest(received: Received) -> Sequence[Mapping[str, Any]]:
    return [] if received.manifest is None else [received.manifest]


MANIFESTS: Scope[Mapping[str, Any]] = Scope("manifest", _manifest)


def dataset(name: str) -> Scope[Table]:
    """Return the scope of one dataset of SDTM or ADaM."""

    def select(received: Received) -> list[Table]:
        table = received.table(name)
        return [] if table is None else [table]

    return Scope(f"dataset {name}", select, of_cdisc=True)


def people_table(name: str) -> Scope[Table]:
    """Return the scope of one table for people."""

    def select(received: Received) -> list[Table]:
        table = received.people_table(name)
        return [] if table is None else [table]

    return Scope(f"table {name}.csv", select)
