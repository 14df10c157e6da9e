"""What is said of the path from dose to platelets, of Th17/Treg, and of how much hangs on single patients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from immunomon.trial.assessments.page_parts import Section, Sheet, records, sheet
from immunomon.trial.mechanism.balance import WHOLE
from immunomon.trial.mechanism.between import PATHS
from immunomon.trial.mechanism.joined import AFTER_DAYS, Joined
from immunomon.trial.mechanism.words import interval, p_words

__all__ = ["balance_section", "leave_out_section", "path_section"]

Tables = Mapping[str, pd.DataFrame]
Row = Mapping[str, Any]
_ALL = "all"


def path_section(joined: Joined, tables: Tables) -> Section:
    """Return the section about dose, exposure, immune change and platelets."""
    rows = records(tables["path"])
    measured = sum(value == value for value in joined.exposure.tolist())
    paragraphs = [
        f"Dose and exposure in doublings, the immune change on its scale, platelets as doublings over baseline in the "
        f"{AFTER_DAYS} days after the visit, so that they come after the immune change. Every step is a straight line "
        "through patients with all of the path. The product says what a doubling of the dose does to platelets if it "
        "does so through these steps and nothing else; 'whole' is the line from dose to platelets itself.",
        f"Exposure is the area under the cells' concentration after the first infusion. It was measured in {measured} "
        f"of {len(joined.subjects)} patients; the path with exposure is of them only.",
        "The interval of a product is wide by nature, and wider than needed where two steps are near 0. An interval "
        "that holds 0 does not show that there is no path.",
    ]
    return Section(
        "From dose to platelets", tuple(paragraphs), tuple(_path_sheet(joined, rows, name) for name in PATHS)
    )


def _path_sheet(joined: Joined, rows: list[dict[str, Any]], name: str) -> Sheet:
    mine = [row for row in rows if row["path"] == name]
    steps = dict.fromkeys(row["step"] for row in mine)
    cells = {(row["label"], row["visit"], row["step"]): row for row in mine}
    places = dict.fromkeys((row["label"], row["visit"]) for row in mine)
    body = (
        (label, visit, next(cells[label, visit, step]["n"] for step in steps),
         *(_slope(cells[label, visit, step]) for step in steps))
        for label, visit in places
    )  # fmt: skip
    caption = f"Path {name}: slopes with {100 * joined.confidence:g} % intervals"
    return sheet(caption, ("population", "visit", "n", *steps), body)


def _slope(row: Row) -> str:
    if row["slope"] is None:
        return "not estimable"
    return f"{row['slope']:+.2f} ({interval(row['low'], row['high'])})"


def balance_section(joined: Joined, tables: Tables) -> Section:
    """Return the section about the balance of Th17 and regulatory T cells."""
    rows = records(tables["balance"])
    heading = "The balance of Th17 and regulatory T cells"
    if joined.balance is None:
        return Section(heading, tuple(str(row["note"]) + "." for row in rows))
    groups = [row for row in rows if row["subject"] is None]
    whole = next((row for row in groups if row["dose_group"] == _ALL and row["visit"] == WHOLE), None)
    paragraphs = [
        "Th17/Treg as a fold of baseline: below 1 the balance moved towards regulatory cells. Th17 is defined by "
        "surface markers here, and Tregs contaminate that gate; both are percent of CD4 cells, from two tubes. 'Whole' "
        "is the mean height of the change over all visits.",
        *([] if whole is None else [_over_time(whole)]),
    ]
    visits = dict.fromkeys(row["visit"] for row in groups)
    people = [row for row in rows if row["subject"] is not None]
    level = f"{100 * joined.confidence:g} %"
    sheets = (
        _folds(f"Mean of each dose group, t interval over patients ({level})", "dose group", groups, tuple(visits)),
        _folds(
            f"Each patient, interval from {_covered(people)} ({level})", "subject", people, joined.measured.facts.later
        ),
    )
    return Section(heading, tuple(paragraphs), sheets)


def _over_time(row: Row) -> str:
    if row["change"] is None:
        return "Over all visits and patients: nobody has a change."
    return (
        f"Over all visits and {row['n']} patients it is {row['fold']:.2f} times the baseline ({_fold_interval(row)}); "
        f"p {p_words(row['p'], row['p_floor'])}."
    )


def _covered(people: list[dict[str, Any]]) -> str:
    return next((str(row["covers"]) for row in people if row["covers"]), "errors of measurement")


def _folds(caption: str, first: str, rows: list[dict[str, Any]], visits: tuple[str, ...]) -> Sheet:
    whose = "dose_group" if first == "dose group" else "subject"
    names = dict.fromkeys(row[whose] for row in rows)
    cells = {(row[whose], row["visit"]): row for row in rows}
    body = ((name, *(_fold(cells[name, visit]) for visit in visits)) for name in names)
    return sheet(caption, (first, *visits), body)


def _fold(row: Row) -> str:
    if row["change"] is None:
        return "-"
    n = "" if row["subject"] else f", n = {row['n']}"
    return f"{row['fold']:.2f} ({_fold_interval(row)}{n})"


def _fold_interval(row: Row) -> str:
    from math import exp

    if row["low"] is None:
        return "no interval"
    return f"{exp(row['low']):.2f} to {exp(row['high']):.2f}"


def leave_out_section(tables: Tables) -> Section:
    """Return the section about how much hangs on single patients."""
    rows = [row for row in records(tables["leave_one_out"]) if row["estimate"] is not None]
    body = (
        (
            *(row["label"], row["headline"], row["at"], row["n"], f"{row['estimate']:+.2f}"),
            "-" if row["lowest"] is None else f"{row['lowest']:+.2f} to {row['highest']:+.2f}",
            "-" if row["moves_most"] is None else f"{row['moves_most']} (by {row['moved_by']:+.2f})",
            "-" if row["keeps_sign"] is None else "yes" if row["keeps_sign"] else "no",
            _excludes(row),
        )
        for row in rows
    )
    heads = (
        "population",
        "headline",
        "at",
        "n",
        "estimate",
        "without one",
        "moves it most",
        "keeps sign",
        "excludes 0",
    )
    paragraphs = [
        "Every headline was worked out again without each patient. One that changes its sign, or whose interval "
        "excludes 0 only with a certain patient, is that patient's story and not the treatment's.",
        *_fragile(rows),
    ]
    return Section("How much hangs on one patient", tuple(paragraphs), (sheet("Without each patient", heads, body),))


def _excludes(row: Row) -> str:
    if row["excludes_0"] is None:
        return "no interval"
    return f"{'yes' if row['excludes_0'] else 'no'}; without one: {row['excludes_0_without']} of {row['n']}"


def _fragile(rows: list[dict[str, Any]]) -> Iterator[str]:
    claims = [row for row in rows if row["excludes_0"]]
    if not claims:
        yield "No headline has an interval that excludes 0."
        return
    firm = [row for row in claims if row["excludes_0_without"] == row["n"]]
    yield (
        f"{len(claims)} of {len(rows)} headlines have an interval that excludes 0; {len(firm)} of them whoever is left "
        f"out: {', '.join(row['headline'] + ' of ' + row['label'] + ' at ' + row['at'] for row in firm) or 'none'}."
    )
