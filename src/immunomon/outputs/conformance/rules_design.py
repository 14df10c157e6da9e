"""Rules of the trial's design and of subjects' ways through it: what must be there, and that the parts fit together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from immunomon.outputs.conformance.book import CHECKS, Issue
from immunomon.outputs.conformance.cells import date_of, is_iso_date
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.table import Table

# What a reviewer opens first, beside DM; and what a trial that treats has besides.
_ALWAYS, _OF_TREATMENT = ("TS", "TV", "SV"), ("TA", "TE", "SE")
_LOOKED_FOR = ("CM", "DS", "TI", "VS")
# Parameters that reviewers expect of every trial.
_ASKED = (
    "ACTSUB ADAPT ADDON AGEMAX AGEMIN DCUTDESC DCUTDTC FCNTRY HLTSUBJI INDIC INTMODEL INTTYPE LENGTH NARMS OBJPRIM"
    " OUTMSPRI PCLAS PLANSUB RANDOM REGID SDTIGVER SDTMVER SENDTC SEXPOP SPONSOR SSTDTC STOPRULE STYPE TBLIND TCNTRL"
    " TDIGRP TINDTP TITLE TPHASE TRT TTYPE"
)


@CHECKS.register("FL008")
def _submission(table: Table, received: Received) -> Iterator[Issue]:
    is_treated = received.table("EX") is not None and any(record.has("ARMCD") for record in table.records)
    for name in (*_ALWAYS, *(_OF_TREATMENT if is_treated else ())):
        if received.table(name) is None:
            yield Issue(name, f"is required and absent{_why(name, received)}")


@CHECKS.register("FL009")
def _looked_for(_: Table, received: Received) -> Iterator[Issue]:
    for name in _LOOKED_FOR:
        if received.table(name) is None:
            yield Issue(name, f"is absent{_why(name, received)}")


def _why(name: str, received: Received) -> str:
    absent = (received.manifest or {}).get("absent")
    reason = str(absent.get(name) or "") if isinstance(absent, dict) else ""
    return f": {reason[:150]}" if reason else ""


@CHECKS.register("TS001")
def _study_start(table: Table, _: Received) -> Iterator[Issue]:
    starts = [record for record in table.records if record.text("TSPARMCD") == "SSTDTC"]
    dated = [record for record in starts if record.has("TSVAL") and is_iso_date(record.text("TSVAL"))]
    if len(dated) != 1 or len(starts) != 1:
        shown = ", ".join(record.shown("TSVAL") for record in starts) or "missing"
        yield Issue(table.name, f"SSTDTC, the study's start, is {shown}")


@CHECKS.register("TS002")
def _asked(table: Table, _: Received) -> Iterator[Issue]:
    stated = set(table.texts("TSPARMCD"))
    for code in _ASKED.split():
        if code not in stated:
            yield Issue(table.name, f"says nothing of {code}")


@CHECKS.register("TA001")
def _arms(table: Table, received: Received) -> Iterator[Issue]:
    elements = received.table("TE")
    known = {record.texts(("ETCD", "ELEMENT")) for record in (elements.records if elements else ())}
    for record in table.records:
        if record.texts(("ETCD", "ELEMENT")) not in known:
            yield Issue.at(table.name, record, f"element {record.shown('ETCD')} is not in TE under this name")
    for (arm,), records in table.grouped(("ARMCD",)):
        orders = [record.number_in("TAETORD") for record in records]
        if orders != [float(number) for number in range(1, len(records) + 1)]:
            yield Issue.at(table.name, records[0], f"TAETORD of arm {arm[:20]} does not count 1, 2, 3, ...")


@CHECKS.register("TA002")
def _planned_arms(table: Table, received: Received) -> Iterator[Issue]:
    planned = received.table("TA")
    known = {record.texts(("ARMCD", "ARM")) for record in (planned.records if planned else ())}
    for (code, name), records in table.grouped(("ARMCD", "ARM")):
        if code and (code, name) not in known:
            yield Issue.at(table.name, records[0], f"arm {code[:20]} '{name[:60]}' is not in TA")


@CHECKS.register("SE001")
def _entered(table: Table, received: Received) -> Iterator[Issue]:
    elements = received.table("TE")
    known = set(elements.texts("ETCD")) if elements else set()
    for (_subject,), records in table.grouped(("USUBJID",)):
        for record in records:
            start, end = date_of(record.text("SESTDTC")), date_of(record.text("SEENDTC"))
            if record.text("ETCD") not in known:
                yield Issue.at(table.name, record, f"element {record.shown('ETCD')} is not in TE")
            if start and end and end < start:
                yield Issue.at(table.name, record, f"the element ends on {end}, before it starts on {start}")
        for earlier, later in pairwise(records):
            end, start = date_of(earlier.text("SEENDTC")), date_of(later.text("SESTDTC"))
            if end and start and start < end:
                yield Issue.at(table.name, later, f"starts on {start}, before the element before it ends on {end}")


@CHECKS.register("DS001")
def _ended(table: Table, received: Received) -> Iterator[Issue]:
    events = received.table("DS")
    ended = {
        record.text("USUBJID")
        for record in (events.records if events else ())
        if record.text("DSCAT") == "DISPOSITION EVENT" and record.text("DSSCAT") != "STUDY TREATMENT"
    }
    for record in table.records:
        if record.text("USUBJID") not in ended:
            yield Issue.at("DS", record, f"says nothing of how {record.text('USUBJID')[:60]} ended the trial")


@CHECKS.register("DM004")
def _consented(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        consent, first = date_of(record.text("RFICDTC")), date_of(record.text("RFXSTDTC"))
        if consent and first and consent > first:
            yield Issue.at(table.name, record, f"informed consent is of {consent}, the first exposure of {first}")


@CHECKS.register("RR001")
def _related(table: Table, received: Received) -> Iterator[Issue]:
    for record in table.records:
        related = received.table(record.text("RDOMAIN"))
        if related is None or record.text("IDVAR") not in related.names:
            where = f"{record.text('RDOMAIN')[:10]}.{record.text('IDVAR')[:10]}"
            yield Issue.at(table.name, record, f"there is no {where}")
    for (relation,), records in table.grouped(("RELID",)):
        if len(records) < 2:
            yield Issue.at(table.name, records[0], f"relation {relation[:20]} has one side only")
