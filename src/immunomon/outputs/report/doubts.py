"""What speaks against gates and values, for the report's first page: one line a kind of doubt, with its samples."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from immunomon.outputs.report.acquisition import tube_name
from immunomon.study.model.trust import DOUBTS

__all__ = ["DoubtLine", "Doubtful", "read_doubts"]

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
