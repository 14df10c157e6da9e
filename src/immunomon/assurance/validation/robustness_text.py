"""What was measured of robustness, in Markdown and in lines for the terminal."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from immunomon.assurance.validation.sections import Section, markdown_table

if TYPE_CHECKING:
    from immunomon.assurance.validation.robustness import Outcome, WholeTrial

__all__ = ["text_of"]

_NOTES = """A value is one population in one patient's file. Wrong: F1 of its events below 0.8, or a frequency off
by more than 40 % of the truth, or none at all. Said: it is wrong, but not reportable, or its gate or one above it
has a note or a doubt, or its interval holds the truth. **Silent**: wrong, reportable, without a note, and with an
interval that does not hold the truth. Reported: wrong and reportable, noted or not. Withheld: of the right values
of 100 events or more, the percent that is not reportable. Targets: no silent value; where range, gain or voltage
alone differ, no population's median F1 more than 0.03 below that of ordinary files; on ordinary files, and in a
whole ordinary trial, at most 3 % withheld."""
_NOT_SHOWN = """What this does not show: conditions come one at a time, two patients at two visits, and the same in
all their files unless it says otherwise. The cells are the simulator's, as far apart as a good panel's (`other-
laboratory` moves them nearer)."""
_MOST_SHOWN = 60


def text_of(
    values: pd.DataFrame,
    outcomes: Sequence[Outcome],
    missed: Sequence[str],
    *,
    whole: WholeTrial,
    command: str,
    seconds: float,
) -> Section:
    """Return the section: what is met, a row a condition, a row a condition and panel, and every silent value."""
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    ordinary = outcomes[0]
    silent = values[values["silent"]]
    parts = [
        "## Other instruments and hard samples",
        f"Written by `{command}` on {day} in {seconds:.0f} s.",
        _NOTES,
        "**Every target is met.**" if not missed else _listed("Not met:", missed),
        f"A whole ordinary trial ({whole.files} files of patients at all visits), where what a subject's other visits "
        f"say withholds values, too: of {whole.right:,} right values of 100 events or more {whole.withheld} are "
        f"withheld ({whole.withheld_percent:.2f} %).",
        markdown_table(
            ("condition", "what it is", "values", "wrong", "said", "silent", "reported", "withheld, %"),
            [_row(outcome) for outcome in outcomes],
        ),
        "Median F1 over the populations of a panel, the lowest of their medians, and the median error in percent of "
        "the truth, each beside that of ordinary files:",
        markdown_table(
            ("condition", "panel", "F1", "ordinary", "lowest F1", "ordinary", "error, %", "ordinary", *_COUNTS),
            [
                (outcome.condition.name, str(panel), *_figures(outcome, ordinary, str(panel)), *_counts(rows))
                for outcome in outcomes
                for panel, rows in values[values["condition"] == outcome.condition.name].groupby("panel", sort=False)
            ],
        ),
        *([_silent_table(silent)] if len(silent) else []),
        _NOT_SHOWN,
    ]
    return Section("\n\n".join(parts), tuple(_lines(outcomes, missed, whole)), not missed)


_COUNTS = ("wrong", "said", "silent")


def _row(outcome: Outcome) -> tuple[str, ...]:
    counts = (outcome.judged, outcome.wrong, outcome.said, outcome.silent, outcome.reported)
    return (
        outcome.condition.name,
        outcome.condition.meaning,
        *(str(count) for count in counts),
        f"{outcome.withheld_percent:.1f}",
    )


def _figures(outcome: Outcome, ordinary: Outcome, panel: str) -> Iterator[str]:
    """Yield the median F1, the lowest with its population, and the median error, each beside the ordinary one."""
    own, usual = (_of_panel(which.f1_median, panel) for which in (outcome, ordinary))
    yield from (f"{pd.Series(medians).median():.3f}" for medians in (own, usual))
    lowest = min(own, key=lambda name: own[name], default="")
    yield f"{own[lowest]:.3f} {lowest}" if lowest else "-"
    yield f"{usual[lowest]:.3f}" if lowest in usual else "-"
    for which in (outcome, ordinary):
        yield f"{pd.Series(_of_panel(which.error_median_percent, panel)).median():.1f}"


def _of_panel(medians: dict[str, float], panel: str) -> dict[str, float]:
    return {name.partition("/")[2]: value for name, value in medians.items() if name.partition("/")[0] == panel}


def _counts(rows: pd.DataFrame) -> tuple[str, ...]:
    return tuple(str(int(rows[name].sum())) for name in _COUNTS)


def _silent_table(silent: pd.DataFrame) -> str:
    whose = ("condition", "seed", "panel", "population", "subject", "visit")
    rows = [
        (*(str(row[name]) for name in whose), *(f"{row[name]:.2f}" for name in ("f1", "percent", "true_percent")))
        for row in silent.head(_MOST_SHOWN).to_dict("records")
    ]
    shown = f"Silent values{'' if len(silent) <= _MOST_SHOWN else f', the first {_MOST_SHOWN} of {len(silent)}'}:"
    return f"{shown}\n\n{markdown_table((*whose, 'F1', 'percent', 'true percent'), rows)}"


def _lines(outcomes: Sequence[Outcome], missed: Sequence[str], whole: WholeTrial) -> Iterator[str]:
    for outcome in outcomes:
        yield (
            f"{outcome.condition.name:<30} {outcome.judged:>5} values, {outcome.wrong:>4} wrong, "
            f"{outcome.said:>4} said, {outcome.silent:>3} silent; {outcome.withheld_percent:.1f} % of right withheld"
        )
    yield f"a whole trial: {whole.withheld} of {whole.right} right values withheld ({whole.withheld_percent:.2f} %)"
    for reason in missed:
        yield f"NOT met  {reason}"
    if not missed:
        yield "met      every target"


def _listed(head: str, lines: Sequence[str]) -> str:
    shown = [f"- {line}" for line in lines[:_MOST_SHOWN]]
    more = [f"- and {len(lines) - _MOST_SHOWN} more"] if len(lines) > _MOST_SHOWN else []
    return "\n".join([f"**{head}**", "", *shown, *more])
