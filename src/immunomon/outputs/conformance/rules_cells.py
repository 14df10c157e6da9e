"""Rules of cell phenotypes: terms, numbers, marker strings and gates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

from immunomon.outputs.conformance.book import CHECKS, Issue
from immunomon.outputs.conformance.cells import number_text, same
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.table import Record, Table
from immunomon.outputs.delivery.terminology import cp_terms

__all__ = ["parsed"]


@CHECKS.register("CP001")
def _terms(table: Table, _: Received) -> Iterator[Issue]:
    for (code, name), records in table.grouped(("CPTESTCD", "CPTEST")):
        term = cp_terms().get(code)
        if term is None:
            yield Issue.at(table.name, records[0], f"CPTESTCD '{code[:40]}' is not in the terminology")
        elif term.name != name:
            yield Issue.at(
                table.name, records[0], f"CPTEST of {code} is '{name[:60]}', in the terminology '{term.name}'"
            )


@CHECKS.register("CP002")
def _subsets(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        narrowed = record.has("CPSBMRKS") or record.has("CPCELSTA") or record.has("CPCSMRKS")
        first = record.text("CPTEST").partition("/")[0]
        if narrowed != (" Sub" in first):
            problem = "is narrowed, and no 'Sub' term" if narrowed else "is a 'Sub' term, and nothing narrows it"
            yield Issue.at(table.name, record, f"CPTEST '{record.text('CPTEST')[:60]}' {problem}")


@CHECKS.register("CP004")
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


# Rules of cell phenotypes: what percents, counts and events must keep to, and keep to together.


@CHECKS.register("CP008")
def _no_zero(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        number = number_text(record.text("CPSTRESC"))
        if (number == 0 or record.number_in("CPSTRESN") == 0) and record.text("CPRESTYP") in {
            "NUMBER FRACTION",
            "NUMBER CONCENTRATION",
        }:
            yield Issue.at(table.name, record, "the result is 0")


@CHECKS.register("CP009")
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


@CHECKS.register("CP010")
def _events(table: Table, received: Received) -> Iterator[Issue]:
    for record, events, of in _counted(table, received):
        if events < 0 or not events.is_integer() or (of is not None and (events > of or not of.is_integer())):
            yield Issue.at(table.name, record, f"{events:g} events of {'?' if of is None else f'{of:g}'}")
        elif events == 0 and record.number_in("CPSTRESN") is not None:
            yield Issue.at(table.name, record, "there is a number, and no event")


@CHECKS.register("CP016")
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


# Rules of marker strings and gate definitions in CP. The grammar is read here once more, not by what wrote it.

# A name of letters and digits, then its level. A level in letters ends where the next name begins, with a capital.
_MARKER = re.compile(r"([A-Za-z0-9]+?)(?:([+-])|(lo|mid|hi)(?=[A-Z]|$))", re.ASCII)
_LIGHT = {"FSC", "SSC", "FSCA", "SSCA"}


def parsed(text: str) -> list[tuple[str, str]] | None:
    """Return a marker string's names and levels; None if it is none.

    >>> parsed("CD3+HLADRhiViability-"), parsed("HLA DR+"), parsed("CD3")
    ([('CD3', '+'), ('HLADR', 'hi'), ('Viability', '-')], None, None)
    """
    markers, end = [], 0
    while end < len(text):
        match = _MARKER.match(text, end)
        if match is None:
            return None
        markers.append((match[1], match[2] or match[3]))
        end = match.end()
    return markers or None


def _strings(text: str) -> list[str]:
    """Return the marker strings of CPMRKSTR: numerator and denominator, without marker and unit of an intensity."""
    return [part.rpartition(" ")[2] for part in text.split("/")]


@CHECKS.register("CP020")
def _grammar(table: Table, _: Received) -> Iterator[Issue]:
    for (text, kind), records in table.grouped(("CPMRKSTR", "CPRESTYP")):
        blanks = text.count(" ")
        if (
            not text
            or blanks != (2 if kind == "INTENSITY" else 0)
            or any(parsed(string) is None for string in _strings(text))
        ):
            yield Issue.at(table.name, records[0], f"CPMRKSTR '{text[:80]}' is no marker string")


@CHECKS.register("CP021")
def _narrowing(table: Table, _: Received) -> Iterator[Issue]:
    for name in ("CPSBMRKS", "CPCSMRKS"):
        for (own, whole), records in table.grouped((name, "CPMRKSTR")):
            markers = parsed(own)
            around = parsed(_strings(whole)[0]) or []
            if own and (markers is None or not set(markers) <= set(around)):
                yield Issue.at(table.name, records[0], f"{name} '{own[:40]}' is no part of CPMRKSTR '{whole[:80]}'")


@CHECKS.register("CP022")
def _slash(table: Table, _: Received) -> Iterator[Issue]:
    for (text, kind), records in table.grouped(("CPMRKSTR", "CPRESTYP")):
        if text.count("/") != (1 if kind == "NUMBER FRACTION" else 0):
            yield Issue.at(
                table.name, records[0], f"CPMRKSTR '{text[:80]}' of {kind or 'no type'} has {text.count('/')} /"
            )


@CHECKS.register("CP023")
def _order(table: Table, _: Received) -> Iterator[Issue]:
    for (text,), records in table.grouped(("CPMRKSTR",)):
        for string in _strings(text):
            names = [marker for marker, _level in parsed(string) or ()]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                yield Issue.at(table.name, records[0], f"marker {twice[0][:20]} stands twice in '{string[:80]}'")
            if "Viability" in names[:-1]:
                yield Issue.at(table.name, records[0], f"viability does not stand last in '{string[:80]}'")


@CHECKS.register("CP024")
def _hierarchy(table: Table, _: Received) -> Iterator[Issue]:
    for (text,), records in table.grouped(("CPMRKSTR",)):
        if text.count("/") != 1:
            continue
        upper, lower = (parsed(string) or [] for string in _strings(text))
        names = [name for name, _level in upper if name != "Viability"]
        below = [(name, level) for name, level in lower if name != "Viability" and name not in _LIGHT]
        levels = dict(upper)
        # A finer level narrows a coarser one: CD56hi lies within CD56+.
        wrong = [
            n
            for n, level in below
            if not (levels.get(n) == level or (level == "+" and levels.get(n) in {"lo", "mid", "hi"}))
        ]
        if wrong:
            yield Issue.at(table.name, records[0], f"marker {wrong[0]} of the denominator is not so in '{text[:100]}'")
        elif names[: len(below)] != [name for name, _ in below]:
            yield Issue.at(table.name, records[0], f"the denominator's markers do not come first in '{text[:100]}'")


@CHECKS.register("CP025")
def _intensities(table: Table, _: Received) -> Iterator[Issue]:
    for (text, kind, name), records in table.grouped(("CPMRKSTR", "CPRESTYP", "CPTEST")):
        marker, _blank, rest = text.partition(" ")
        unit = rest.partition(" ")[0]
        if kind == "INTENSITY" and (name != f"{marker} Expression" or unit not in {"MdFI", "gMFI"}):
            yield Issue.at(table.name, records[0], f"CPMRKSTR '{text[:60]}' does not fit CPTEST '{name[:40]}'")


@CHECKS.register("CP026")
def _gates(table: Table, _: Received) -> Iterator[Issue]:
    for (text,), records in table.grouped(("CPGATDEF",)):
        steps = text.split("|")
        if text and any(not step or step != step.strip() for step in steps):
            yield Issue.at(table.name, records[0], f"CPGATDEF '{text[:100]}' has an empty step, or blanks around |")


@CHECKS.register("CP027")
def _gated(table: Table, _: Received) -> Iterator[Issue]:
    for (steps, text), records in table.grouped(("CPGATDEF", "CPMRKSTR")):
        gated = dict(pair for step in steps.split("|") for pair in parsed(step) or ())
        whole = parsed(_strings(text)[0])
        if whole is None:
            continue
        wrong = [f"{name}{level}" for name, level in gated.items() if dict(whole).get(name) != level]
        if wrong and steps:
            yield Issue.at(
                table.name, records[0], f"gate {wrong[0][:30]} of CPGATDEF is not so in CPMRKSTR '{text[:80]}'"
            )


@CHECKS.register("CP028")
def _one_definition(table: Table, _: Received) -> Iterator[Issue]:
    for (panel, gate), records in table.grouped(("CPTSTPNL", "CPGATE")):
        definitions = {record.text("CPGATDEF") for record in records}
        if gate and len(definitions) > 1:
            yield Issue.at(
                table.name, records[-1], f"'{gate[:40]}' of panel {panel[:20]} has {len(definitions)} definitions"
            )
