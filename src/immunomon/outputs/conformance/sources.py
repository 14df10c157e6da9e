"""Rules of analysis datasets (ADaM): the way back to SDTM, and that nothing is lost on it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Issue
from immunomon.outputs.conformance.cells import date_of, number_text, same, sas_date
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.scopes import ANALYSES, dataset
from immunomon.outputs.conformance.table import Record, Table

__all__ = ["SOURCES"]

SOURCES = Family("analysis datasets: sources")


def _sources(table: Table, received: Received) -> Iterator[tuple[Record, Record | None]]:
    """Yield the records that name a source, each with that record of SDTM, None if there is none."""
    known: dict[str, dict[tuple[str, str], Record]] = {}
    for record in table.records:
        name = record.text("SRCDOM")
        source = received.table(name)
        if not name or not record.has("SRCSEQ"):
            continue
        if name not in known:
            records = source.records if source is not None else ()
            known[name] = {(record.text("USUBJID"), record.text(f"{name}SEQ")): record for record in records}
        yield record, known[name].get((record.text("USUBJID"), record.text("SRCSEQ")))


@SOURCES.rule(
    "AD018",
    ANALYSES,
    "SRCDOM, SRCVAR and SRCSEQ lead to a record that there is, and a value that is not derived is the one there.",
    source="ADaMIG 1.3, traceability",
    remedy="correct the source, or take the value from it again",
)
def _traced(table: Table, received: Received) -> Iterator[Issue]:
    for record, source in _sources(table, received):
        name = record.text("SRCVAR")
        if source is None or name not in source.values:
            where = f"{record.text('SRCDOM')[:10]}.{name[:10]} {record.text('SRCSEQ')[:10]}"
            yield Issue.at(table.name, record, f"there is no {where} of the subject")
        elif record.text("PARAMTYP") != "DERIVED" and not same(record.number_in("AVAL"), source.number_in(name)):
            yield Issue.at(
                table.name,
                record,
                f"AVAL is {record.shown('AVAL')}, {name} {source.shown(name)}",
            )


@SOURCES.rule(
    "AD019",
    ANALYSES,
    "ADT and VISITNUM are those of the source record.",
    source="ADaMIG 1.3, traceability",
    remedy="take date and visit from the source again",
)
def _dated(table: Table, received: Received) -> Iterator[Issue]:
    for record, source in _sources(table, received):
        if source is None:
            continue
        date = date_of(source.text(f"{record.text('SRCDOM')}DTC"))
        # A value made of two tubes that were not drawn on one day has no date of its own.
        undated = record.text("PARAMTYP") == "DERIVED" and not record.has("ADT")
        if table.has("ADT") and not undated and sas_date(record.number_in("ADT")) != date:
            yield Issue.at(table.name, record, f"ADT is {record.shown('ADT')}, the source is of {date or 'no day'}")
        number = record.text("VISITNUM") if record.text("VISITNUM") != "0" else ""
        if table.has("VISITNUM") and number != source.text("VISITNUM"):
            yield Issue.at(
                table.name,
                record,
                f"VISITNUM is {record.text('VISITNUM')[:20]}, of the source {source.text('VISITNUM')[:20]}",
            )


@SOURCES.rule(
    "AD020",
    ANALYSES,
    "A record without a source record is said to be derived (PARAMTYP or DTYPE).",
    source="ADaMIG 1.3, BDS",
    remedy="name the source record, or say that the value is derived",
)
def _derived(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        if not record.has("SRCSEQ") and record.text("PARAMTYP") != "DERIVED" and not record.has("DTYPE"):
            yield Issue.at(table.name, record, "SRCSEQ is missing, and nothing says that the value is derived")


@SOURCES.rule(
    "AD021",
    ANALYSES,
    "Log-odds are those of the events that SUPPCP counts: ln((n + 0.5) / (N - n + 0.5)).",
    source="arithmetic; SUPPCP EVTCNT and DENCNT",
    remedy="work the log-odds out again",
    needs="SUPPCP",
)
def _log_odds(table: Table, received: Received) -> Iterator[Issue]:
    extra = received.table("SUPPCP")
    counts = {
        (record.text("USUBJID"), record.text("IDVARVAL"), record.text("QNAM")): number_text(record.text("QVAL"))
        for record in (extra.records if extra else ())
        if record.text("QNAM") in {"EVTCNT", "DENCNT"}
    }
    for record in table.records:
        value = record.number_in("AVAL")
        if record.text("PARCAT1") != "LOG-ODDS" or value is None:
            continue
        key = (record.text("USUBJID"), record.text("SRCSEQ"))
        events, of = counts.get((*key, "EVTCNT")), counts.get((*key, "DENCNT"))
        if events is None or of is None or not 0 <= events <= of:
            yield Issue.at(table.name, record, "SUPPCP has no counts of its source")
        elif not same(value, math.log((events + 0.5) / (of - events + 0.5))):
            yield Issue.at(table.name, record, f"AVAL is {value:g}, of {events:g} in {of:g} events")


@SOURCES.rule(
    "AD022",
    dataset("ADCP"),
    "Every result of CP is the source of a record of ADCP, but those of unstimulated control tubes.",
    source="ADaMIG 1.3, traceability; nothing is lost on the way",
    remedy="make ADCP from CP again",
    needs="CP",
)
def _nothing_lost(table: Table, received: Received) -> Iterator[Issue]:
    used = {record.texts(("USUBJID", "SRCSEQ")) for record in table.records if record.text("SRCDOM") == "CP"}
    source = received.table("CP")
    for record in source.records if source else ():
        counts = record.has("CPSTRESC") and record.text("CPTSTCND") != "WITHOUT STIMULATING AGENT"
        if counts and record.texts(("USUBJID", "CPSEQ")) not in used:
            yield Issue.at("CP", record, "is the source of no record of ADCP")
