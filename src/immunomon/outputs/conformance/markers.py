"""Rules of marker strings and gate definitions in CP. The grammar is read here once more, not by what wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Issue
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.scopes import dataset
from immunomon.outputs.conformance.table import Table

__all__ = ["MARKERS", "parsed"]

MARKERS = Family("cell phenotypes: markers and gates")
_CP = dataset("CP")
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


@MARKERS.rule(
    "CP020",
    _CP,
    "CPMRKSTR is made of markers: names without blanks, commas or hyphens, each with one of -, lo, mid, +, hi.",
    source="SDTMIG 3.4, CP, marker strings",
    remedy="write markers like CD3+CD4+CD25hiCD127loViability-",
)
def _grammar(table: Table, _: Received) -> Iterator[Issue]:
    for (text, kind), records in table.grouped(("CPMRKSTR", "CPRESTYP")):
        blanks = text.count(" ")
        if (
            not text
            or blanks != (2 if kind == "INTENSITY" else 0)
            or any(parsed(string) is None for string in _strings(text))
        ):
            yield Issue.at(table.name, records[0], f"CPMRKSTR '{text[:80]}' is no marker string")


@MARKERS.rule(
    "CP021",
    _CP,
    "CPSBMRKS and CPCSMRKS are marker strings, and their markers are in CPMRKSTR with the same levels.",
    source="SDTMIG 3.4, CP",
    remedy="make them part of CPMRKSTR",
)
def _narrowing(table: Table, _: Received) -> Iterator[Issue]:
    for name in ("CPSBMRKS", "CPCSMRKS"):
        for (own, whole), records in table.grouped((name, "CPMRKSTR")):
            markers = parsed(own)
            around = parsed(_strings(whole)[0]) or []
            if own and (markers is None or not set(markers) <= set(around)):
                yield Issue.at(table.name, records[0], f"{name} '{own[:40]}' is no part of CPMRKSTR '{whole[:80]}'")


@MARKERS.rule(
    "CP022",
    _CP,
    "A / stands in CPMRKSTR between numerator and denominator of a fraction, once, and nowhere else.",
    source="SDTMIG 3.4, CP, marker strings",
    remedy="write numerator/denominator for a fraction only",
)
def _slash(table: Table, _: Received) -> Iterator[Issue]:
    for (text, kind), records in table.grouped(("CPMRKSTR", "CPRESTYP")):
        if text.count("/") != (1 if kind == "NUMBER FRACTION" else 0):
            yield Issue.at(
                table.name, records[0], f"CPMRKSTR '{text[:80]}' of {kind or 'no type'} has {text.count('/')} /"
            )


@MARKERS.rule(
    "CP023",
    _CP,
    "A marker stands once in a marker string, and viability last.",
    source="SDTMIG 3.4, CP, marker strings",
    remedy="take the doubled marker out, and put viability last",
)
def _order(table: Table, _: Received) -> Iterator[Issue]:
    for (text,), records in table.grouped(("CPMRKSTR",)):
        for string in _strings(text):
            names = [marker for marker, _level in parsed(string) or ()]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                yield Issue.at(table.name, records[0], f"marker {twice[0][:20]} stands twice in '{string[:80]}'")
            if "Viability" in names[:-1]:
                yield Issue.at(table.name, records[0], f"viability does not stand last in '{string[:80]}'")


@MARKERS.rule(
    "CP024",
    _CP,
    "Markers stand in the order of the hierarchy: those of the denominator first, as there, then those that narrow it.",
    source="SDTMIG 3.4, CP, marker strings",
    remedy="order the markers as the gates follow each other; write levels as in the denominator or finer",
)
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


@MARKERS.rule(
    "CP025",
    _CP,
    "An intensity's CPMRKSTR is its marker, its unit and the population's markers, and CPTEST is of that marker.",
    source="SDTMIG 3.4, CP",
    remedy="write CPMRKSTR like CD25 MdFI CD3+CD4+Viability-",
)
def _intensities(table: Table, _: Received) -> Iterator[Issue]:
    for (text, kind, name), records in table.grouped(("CPMRKSTR", "CPRESTYP", "CPTEST")):
        marker, _blank, rest = text.partition(" ")
        unit = rest.partition(" ")[0]
        if kind == "INTENSITY" and (name != f"{marker} Expression" or unit not in {"MdFI", "gMFI"}):
            yield Issue.at(table.name, records[0], f"CPMRKSTR '{text[:60]}' does not fit CPTEST '{name[:40]}'")


@MARKERS.rule(
    "CP026",
    _CP,
    "CPGATDEF has the gates from the first to the last, joined by | without blanks around it.",
    source="SDTMIG 3.4, CP",
    remedy="join the steps by |",
)
def _gates(table: Table, _: Received) -> Iterator[Issue]:
    for (text,), records in table.grouped(("CPGATDEF",)):
        steps = text.split("|")
        if text and any(not step or step != step.strip() for step in steps):
            yield Issue.at(table.name, records[0], f"CPGATDEF '{text[:100]}' has an empty step, or blanks around |")


@MARKERS.rule(
    "CP027",
    _CP,
    "Every marker that CPGATDEF gates on is in CPMRKSTR, with the level of its last gate.",
    source="SDTMIG 3.4, CP [M]",
    remedy="bring CPMRKSTR and CPGATDEF to say the same",
)
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


@MARKERS.rule(
    "CP028",
    _CP,
    "The same population of a panel has the same gates and markers throughout: definitions are never pooled.",
    source="working rule",
    remedy="give each definition a name of its own",
)
def _one_definition(table: Table, _: Received) -> Iterator[Issue]:
    for (panel, gate), records in table.grouped(("CPTSTPNL", "CPGATE")):
        definitions = {record.text("CPGATDEF") for record in records}
        if gate and len(definitions) > 1:
            yield Issue.at(
                table.name, records[-1], f"'{gate[:40]}' of panel {panel[:20]} has {len(definitions)} definitions"
            )
