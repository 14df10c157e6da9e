"""Rules of analysis datasets (ADaM): the way back to SDTM, and that nothing is lost on it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Found
from immunomon.outputs.conformance.cells import date_of, number_text, same, sas_date
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.scopes import ANALYSES, dataset
from immunomon.outputs.conformance.table import Record, Table

__all__ = ["SOURCES"]

SOURCES = Family("analysis datasets: sources")


def _sources(table: Table, received: Received) -> Iterator[tuple[Record, Record | None]]:
    """Yield the records that name a source, each with that record of SDTM, None if there is none."""
    known: dict[str, dict[tuple[str, str], Record]] = {}
    for one in table.records:
        name = one.text("SRCDOM")
        source = received.table(name)
        if not name or not one.has("SRCSEQ"):
            continue
        if name not in known:
            found = source.records if source is not None else ()
            known[name] = {(record.text("USUBJID"), record.text(f"{name}SEQ")): record for record in found}
        yield one, known[name].get((one.text("USUBJID"), one.text("SRCSEQ")))


@SOURCES.rule(
    "AD018",
    ANALYSES,
    "SRCDOM, SRCVAR and SRCSEQ lead to a record that there is, and a value that is not derived is the one there.",
    source="ADaMIG 1.3, traceability",
    remedy="correct the source, or take the value from it again",
)
def _traced(table: Table, received: Received) -> Iterator[Found]:
    for one, source in _sources(table, received):
        name = one.text("SRCVAR")
        if source is None or name not in source.values:
            where = f"{one.text('SRCDOM')[:10]}.{name[:10]} {one.text('SRCSEQ')[:10]}"
            yield Found.at(table.name, one, f"there is no {where} of the subject")
        elif one.text("PARAMTYP") != "DERIVED" and not same(one.number_in("AVAL"), source.number_in(name)):
            yield Found.at(
                table.name,
                one,
                f"AVAL is {one.shown('AVAL')}, {name} {source.shown(name)}",
            )


@SOURCES.rule(
    "AD019",
    ANALYSES,
    "ADT and VISITNUM are those of the source record.",
    source="ADaMIG 1.3, traceability",
    remedy="take date and visit from the source again",
)
def _dated(table: Table, received: Received) -> Iterator[Found]:
    for one, source in _sources(table, received):
        if source is None:
            continue
        date = date_of(source.text(f"{one.text('SRCDOM')}DTC"))
        # A value made of two tubes that were not drawn on one day has no date of its own.
        undated = one.text("PARAMTYP") == "DERIVED" and not one.has("ADT")
        if table.has("ADT") and not undated and sas_date(one.number_in("ADT")) != date:
            yield Found.at(table.name, one, f"ADT is {one.shown('ADT')}, the source is of {date or 'no day'}")
        number = one.text("VISITNUM") if one.text("VISITNUM") != "0" else ""
        if table.has("VISITNUM") and number != source.text("VISITNUM"):
            yield Found.at(
                table.name,
                one,
                f"VISITNUM is {one.text('VISITNUM')[:20]}, of the source {source.text('VISITNUM')[:20]}",
            )


@SOURCES.rule(
    "AD020",
    ANALYSES,
    "A record without a source record is said to be derived (PARAMTYP or DTYPE).",
    source="ADaMIG 1.3, BDS",
    remedy="name the source record, or say that the value is derived",
)
def _derived(table: Table, _: Received) -> Iterator[Found]:
    for one in table.records:
        if not one.has("SRCSEQ") and one.text("PARAMTYP") != "DERIVED" and not one.has("DTYPE"):
            yield Found.at(table.name, one, "SRCSEQ is missing, and nothing says that the value is derived")


@SOURCES.rule(
    "AD021",
    ANALYSES,
    "Log-odds are those of the events that SUPPCP counts: ln((n + 0.5) / (N - n + 0.5)).",
    source="arithmetic; SUPPCP EVTCNT and DENCNT",
    remedy="work the log-odds out again",
    needs="SUPPCP",
)
def _log_odds(table: Table, received: Received) -> Iterator[Found]:
    extra = received.table("SUPPCP")
    counts = {
        (one.text("USUBJID"), one.text("IDVARVAL"), one.text("QNAM")): number_text(one.text("QVAL"))
        for one in (extra.records if extra else ())
        if one.text("QNAM") in {"EVTCNT", "DENCNT"}
    }
    for one in table.records:
        value = one.number_in("AVAL")
        if one.text("PARCAT1") != "LOG-ODDS" or value is None:
            continue
        key = (one.text("USUBJID"), one.text("SRCSEQ"))
        events, of = counts.get((*key, "EVTCNT")), counts.get((*key, "DENCNT"))
        if events is None or of is None or not 0 <= events <= of:
            yield Found.at(table.name, one, "SUPPCP has no counts of its source")
        elif not same(value, math.log((events + 0.5) / (of - events + 0.5))):
            yield Found.at(table.name, one, f"AVAL is {value:g}, of {events:g} in {of:g} events")


@SOURCES.rule(
    "AD022",
    dataset("ADCP"),
    "Every result of CP is the source of a record of ADCP, but those of unstimulated control tubes.",
    source="ADaMIG 1.3, traceability; nothing is lost on the way",
    remedy="make ADCP from CP again",
    needs="CP",
)
def _nothing_lost(table: Table, received: Received) -> Iterator[Found]:
    used = {one.texts(("USUBJID", "SRCSEQ")) for one in table.records if one.text("SRCDOM") == "CP"}
    source = received.table("CP")
    for one in source.records if source else ():
        counts = one.has("CPSTRESC") and one.text("CPTSTCND") != "WITHOUT STIMULATING AGENT"
        if counts and one.texts(("USUBJID", "CPSEQ")) not in used:
            yield Found.at("CP", one, "is the source of no record of ADCP")
