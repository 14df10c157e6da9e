"""Rules of cell phenotypes: what percents, counts and events must keep to, and keep to together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from immunomon.outputs.conformance.book import Family, Issue
from immunomon.outputs.conformance.cells import number_text, same
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.scopes import dataset
from immunomon.outputs.conformance.table import Record, Table

__all__ = ["CELL_NUMBERS"]

CELL_NUMBERS = Family("cell phenotypes: numbers")
_CP = dataset("CP")


@CELL_NUMBERS.rule(
    "CP006",
    _CP,
    "A percent lies between 0 and 100.",
    source="arithmetic",
    remedy="correct numerator or denominator",
)
def _percents(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        value = record.number_in("CPSTRESN")
        if value is not None and record.text("CPSTRESU") == "%" and not 0 <= value <= 100:
            yield Issue.at(table.name, record, f"CPSTRESN is {value:g} %")


@CELL_NUMBERS.rule(
    "CP007",
    _CP,
    "A count of cells is not negative.",
    source="arithmetic",
    remedy="correct the count",
)
def _counts(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        value = record.number_in("CPSTRESN")
        if value is not None and value < 0 and record.text("CPRESTYP") == "NUMBER CONCENTRATION":
            yield Issue.at(table.name, record, f"CPSTRESN is {value:g}")


@CELL_NUMBERS.rule(
    "CP008",
    _CP,
    "A fraction or concentration is never delivered as 0: too few cells are below a limit, not none.",
    source="working rule [M]: below the limit of quantification there is no number",
    remedy="write <LLOQ or <LOD, leave CPSTRESN blank, and count the events in SUPPCP",
)
def _no_zero(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        number = number_text(record.text("CPSTRESC"))
        if (number == 0 or record.number_in("CPSTRESN") == 0) and record.text("CPRESTYP") in {
            "NUMBER FRACTION",
            "NUMBER CONCENTRATION",
        }:
            yield Issue.at(table.name, record, "the result is 0")


@CELL_NUMBERS.rule(
    "CP009",
    _CP,
    "A percent is 100 times the events of the population by those of the denominator, as SUPPCP counts them.",
    source="arithmetic; SUPPCP EVTCNT and DENCNT",
    remedy="work the percent out again from the counts",
    needs="SUPPCP",
)
def _from_counts(table: Table, received: Received) -> Iterator[Issue]:
    for record, events, of in _counted(table, received):
        value = record.number_in("CPSTRESN")
        if of is None or value is None or record.text("CPSTRESU") != "%":
            continue
        if not of or abs(100 * events / of - value) > 1e-6:
            yield Issue.at(
                table.name, record, f"CPSTRESN is {record.text('CPSTRESN')} %, of {events:g} in {of:g} events"
            )


def _counted(table: Table, received: Received) -> Iterator[tuple[Record, float, float | None]]:
    """Yield the records whose events SUPPCP counts, with these and the events of the denominator."""
    counts: dict[tuple[str, str, str], float] = {}
    beside = received.table("SUPPCP")
    for record in beside.records if beside else ():
        number = number_text(record.text("QVAL")) if record.text("QNAM") in {"EVTCNT", "DENCNT"} else None
        if number is not None:
            counts[record.text("USUBJID"), record.text("IDVARVAL"), record.text("QNAM")] = number
    for record in table.records:
        key = (record.text("USUBJID"), record.text("CPSEQ"))
        events = counts.get((*key, "EVTCNT"))
        if events is not None:
            yield record, events, counts.get((*key, "DENCNT"))


@CELL_NUMBERS.rule(
    "CP010",
    _CP,
    "The events of a population are whole, not more than its denominator's, and not none where there is a result.",
    source="arithmetic; SUPPCP EVTCNT and DENCNT",
    remedy="correct the counts in SUPPCP, or take the result out",
    needs="SUPPCP",
)
def _events(table: Table, received: Received) -> Iterator[Issue]:
    for record, events, of in _counted(table, received):
        if events < 0 or not events.is_integer() or (of is not None and (events > of or not of.is_integer())):
            yield Issue.at(table.name, record, f"{events:g} events of {'?' if of is None else f'{of:g}'}")
        elif events == 0 and record.number_in("CPSTRESN") is not None:
            yield Issue.at(table.name, record, "there is a number, and no event")


@CELL_NUMBERS.rule(
    "CP016",
    _CP,
    "The parts of one denominator that exclude each other do not add up to more than all of it.",
    source="arithmetic",
    remedy="look at the gates: populations that exclude each other overlap",
)
def _parts(table: Table, _: Received) -> Iterator[Issue]:
    fractions = [
        record
        for record in table.records
        if record.text("CPSTRESU") == "%" and record.number_in("CPSTRESN") is not None
    ]
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record in fractions:
        _upper, _slash, below = record.text("CPMRKSTR").partition("/")
        groups.setdefault((record.text("USUBJID"), record.text("CPSPID"), record.text("CPTSTCND"), below), []).append(
            record
        )
    for records in groups.values():
        for left, right in combinations(records[:50], 2):
            total = (left.number_in("CPSTRESN") or 0) + (right.number_in("CPSTRESN") or 0)
            if _exclude(left, right) and total > 100 and not same(total, 100.0):
                yield Issue.at(
                    table.name, right, f"{left.text('CPGATE')} and {right.text('CPGATE')} are {total:g} % together"
                )


def _exclude(left: Record, right: Record) -> bool:
    """Say whether two populations exclude each other: one marker is + in one and - in the other."""
    population, other_population = (record.text("CPMRKSTR").partition("/")[0] for record in (left, right))
    signs = [{part[:-1]: part[-1] for part in _signed(text)} for text in (population, other_population)]
    return any({signs[0][name], signs[1][name]} == {"+", "-"} for name in signs[0].keys() & signs[1].keys())


def _signed(text: str) -> list[str]:
    parts, name = [], ""
    for letter in text[:200]:
        name += letter
        if letter in "+-":
            parts.append(name)
            name = ""
    return parts
