"""What the report remarks on: how acquisition went, and what speaks against gates and values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunomon.study.model.quality import Quality, Verdict
from immunomon.study.model.trust import DOUBTS

__all__ = [
    "Acquisitions",
    "DoubtLine",
    "Doubtful",
    "Remark",
    "Unjudged",
    "page_acquisition",
    "read_acquisitions",
    "read_doubts",
    "tube_name",
]

_MOST_LINES = 200
_MOST_CHANNELS = 5


@dataclass(frozen=True)
class Remark:
    """A sample whose acquisition did not pass: what the page says of it."""

    sample_id: str
    tube: str
    verdict: str
    flagged: str
    reason: str


@dataclass(frozen=True)
class Unjudged:
    """Samples that cannot be judged for one and the same reason: how many, and the first of them."""

    reason: str
    count: int
    samples: tuple[Remark, ...]


@dataclass(frozen=True)
class Acquisitions:
    """What the page shows of a study: a sentence, samples that did not pass, the worst first, and what is not known."""

    sentence: str
    remarks: tuple[Remark, ...]
    unsaid: int
    unjudged: tuple[Unjudged, ...] = ()


def read_acquisitions(samples: pd.DataFrame) -> Acquisitions | None:
    """Return what the table ``samples`` says of acquisitions, or None if it says nothing.

    >>> row = {"sample_id": "a", "subject": "S01", "visit": "W4", "panel": "nk", "quality": "warn",
    ...        "flagged_percent": 3.2, "quality_reason": "drift of CD56", "role": "sample"}
    >>> read_acquisitions(pd.DataFrame([row])).sentence
    'Acquisitions: 1 warn.'
    """
    judged = samples[samples["quality"].notna()]
    if judged.empty:
        return None
    order = [str(verdict) for verdict in reversed(Verdict)]
    counts = judged["quality"].value_counts()
    counts_text = ", ".join(f"{counts[word]} {word}" for word in reversed(order) if word in counts)
    rows = judged[~judged["quality"].isin([str(Verdict.PASS), str(Verdict.UNJUDGED)])].to_dict("records")
    rows.sort(key=lambda row: (order.index(row["quality"]), -(row["flagged_percent"] or 0), row["sample_id"]))
    remarks = tuple(_remark(row) for row in rows[:_MOST_LINES])
    return Acquisitions(f"Acquisitions: {counts_text}.", remarks, max(0, len(rows) - _MOST_LINES), _unjudged(judged))


def _unjudged(judged: pd.DataFrame) -> tuple[Unjudged, ...]:
    """Return the samples that cannot be judged by reason, the commonest first: dozens often share one."""
    rows = judged[judged["quality"] == str(Verdict.UNJUDGED)].sort_values("sample_id")
    groups = rows.groupby(rows["quality_reason"].fillna("no reason was given"))
    unjudged = [
        Unjudged(str(reason), len(own), tuple(_remark(row) for row in own.head(_MOST_LINES).to_dict("records")))
        for reason, own in groups
    ]
    return tuple(sorted(unjudged, key=lambda group: (-group.count, group.reason)))


def tube_name(row: Mapping[Any, Any]) -> str:
    """Return what people call a tube: subject, visit and panel; of a control or bridge sample its id.

    >>> tube_name({"sample_id": "a", "subject": "S01", "visit": "W4", "panel": "nk"})
    'S01 W4 nk'
    """
    if pd.isna(row["visit"]):  # a bridge sample: its panel alone would name dozens
        return str(row["sample_id"])
    return " ".join(str(row[name]) for name in ("subject", "visit", "panel") if not pd.isna(row[name]))


def _remark(row: Mapping[Any, Any]) -> Remark:
    reason = "" if pd.isna(row["quality_reason"]) else str(row["quality_reason"])
    return Remark(str(row["sample_id"]), tube_name(row), str(row["quality"]), f"{row['flagged_percent']:.1f}", reason)


def page_acquisition(stored: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a sample's acquisition for the page's picture, or None if it was not judged or cannot be read.

    stored: ``samples/<sample_id>.json``. Levels are mean ranks in percent; channels that moved most come first.
    """
    try:
        quality = Quality.from_dict(stored["quality"])
    except (KeyError, TypeError, ValueError):
        return None
    course = quality.course
    shift = {check.channel: check.value or 0.0 for check in quality.checks if check.check == "signal"}
    channels = sorted(
        ({"name": name, "levels": [round(100 * level) for level in levels], "shift": round(shift.get(name, 0.0), 3)}
         for name, levels in zip(course.channels, course.levels, strict=True)),
        key=lambda channel: -float(str(channel["shift"])),
    )  # fmt: skip
    return {
        "verdict": str(quality.verdict),
        "reason": quality.reason,
        "percent": round(quality.flagged_percent, 2),
        "events": quality.events,
        "edges": list(course.edges),
        "channels": channels[:_MOST_CHANNELS],
        "rate_edges": list(course.rate_edges),
        "rates": [float(f"{rate:.2g}") for rate in course.rates],
        "stretches": [[stretch.start, stretch.stop, stretch.check, stretch.reason] for stretch in quality.stretches],
    }


# What speaks against gates and values, for the report's first page: one line a kind of doubt, with its samples.

_MOST_SAMPLES = 60


@dataclass(frozen=True)
class DoubtLine:
    """One kind of doubt: its meaning, what to do, whether it withholds values here, and where it was found.

    places: sample id, who it is, and which populations with what was seen.
    """

    code: str
    meaning: str
    remedy: str
    withholds: bool
    samples: int
    places: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Doubtful:
    """All kinds of doubt of a run, withholding ones first, and a sentence about the values that rest on them."""

    sentence: str
    lines: tuple[DoubtLine, ...]


def read_doubts(doubts: pd.DataFrame, frequencies: pd.DataFrame) -> Doubtful | None:
    """Return what the tables ``doubts`` and ``frequencies`` say; None if there is no doubt, or the run is of before."""
    if doubts.empty:
        return None
    is_a_patients = (frequencies["role"] == "sample").fillna(False)
    resting = frequencies[is_a_patients & frequencies["rests_on"].notna()]
    withheld = int((~resting["reportable"].fillna(True)).sum())
    sentence = (
        f"{len(resting)} of {int(is_a_patients.sum())} percents of patients rest on a gate that something speaks "
        f"against; {withheld} of these are not reportable."
    )
    order = {code: index for index, code in enumerate(DOUBTS)}
    lines = [_line(str(code), rows) for code, rows in doubts.groupby("code")]
    lines.sort(key=lambda line: (not line.withholds, order.get(line.code, len(order))))
    return Doubtful(sentence, tuple(lines))


def _line(code: str, rows: pd.DataFrame) -> DoubtLine:
    kind = DOUBTS.get(code)
    samples = [(str(name), own) for name, own in rows.groupby("sample_id", sort=True)]
    return DoubtLine(
        code=code,
        meaning=kind.meaning if kind else str(rows["sentence"].iloc[0]),
        remedy=kind.remedy if kind else str(rows["remedy"].iloc[0]),
        withholds=bool(rows["withholds"].fillna(False).any()),
        samples=len(samples),
        places=tuple((name, tube_name(own.iloc[0].to_dict()), _what(own)) for name, own in samples[:_MOST_SAMPLES]),
    )


def _what(rows: pd.DataFrame) -> str:
    parts = []
    for row in rows.to_dict("records"):
        axis = "" if pd.isna(row["axis"]) else f" ({row['axis']})"
        detail = "" if pd.isna(row["detail"]) else f": {row['detail']}"
        parts.append(f"{row['population']}{axis}{detail}")
    return "; ".join(parts)
