"""What a run's values rest on, in numbers: the account with which a run ends."""

from __future__ import annotations

import re
from collections import Counter

import pandas as pd

from immunomon.errors import counted
from immunomon.study.model.trust import DOUBTS

__all__ = ["account_of_doubts"]

_NAMED = 3  # gates, or samples, that a line names


def account_of_doubts(frequencies: pd.DataFrame, doubts: pd.DataFrame) -> tuple[str, ...]:
    """Return how many values rest on which doubts, a line each, most first, and how many remarks there are.

    Each line says what its code means and what to do, for somebody who has never met it.

    frequencies, doubts: tables of those contracts. Nothing is said of a run without doubts.

    >>> columns = {"sample_id": ["a", "a"], "reportable": [True, False], "reason": [None, "in doubt: t: ..."]}
    >>> frequencies = pd.DataFrame({**columns, "rests_on": [None, "t: weak_stain(CD3)"]})
    >>> doubts = pd.DataFrame({"code": ["weak_stain"], "population": ["t"], "sample_id": ["a"]})
    >>> print(account_of_doubts(frequencies, doubts)[0])
    1 of 2 values rests on a doubtful gate; 1 is withheld for it (table doubts):
    """
    resting = frequencies[frequencies["rests_on"].notna()]
    lines: list[str] = []
    if len(resting):
        withheld = int(frequencies["reason"].fillna("").str.startswith("in doubt: ").sum())
        lines.append(
            f"{len(resting)} of {counted(len(frequencies), 'value')} {_rest(len(resting))} on a doubtful gate; "
            f"{withheld} {'is' if withheld == 1 else 'are'} withheld for it (table doubts):"
        )
    codes = Counter(code for text in resting["rests_on"] for code in set(_codes(str(text))))
    for code, count in codes.most_common():
        of_code = doubts[doubts["code"] == code]
        gates = [str(name) for name in of_code["population"].value_counts().index]
        samples = counted(of_code["sample_id"].nunique(), "sample")
        lines.append(f"  {counted(count, 'value')} {_rest(count)} on {code} ({_some(gates)}; {samples}):")
        lines.append(f"    {DOUBTS[code].meaning}. What to do: {DOUBTS[code].remedy}.")
    remarks = Counter(str(code) for code in doubts["code"] if not DOUBTS[str(code)].withholds)
    if remarks:
        lines.append("Remarks, which withhold nothing (table doubts):")
        lines += [f"  {number:,} {code}: {DOUBTS[code].meaning}." for code, number in remarks.most_common()]
    return tuple(lines)


def _codes(rests_on: str) -> list[str]:
    return re.findall(r": (\w+)", rests_on)


def _rest(count: int) -> str:
    return "rests" if count == 1 else "rest"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
