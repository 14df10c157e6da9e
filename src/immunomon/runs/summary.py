"""How a run ended, in numbers: one that did something, and one that found that nothing has changed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunomon.errors import counted
from immunomon.runs.folder import read_record
from immunomon.runs.unchanged import Memory
from immunomon.study.model.study import Study
from immunomon.study.model.trust import DOUBTS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NO_FILES", "RunSummary", "account_of_doubts", "as_it_stands", "study_section"]


NO_FILES = "the sample list names no files yet; add them, one row for each FCS file"


@dataclass(frozen=True)
class RunSummary:
    """How a run ended: how many files were gated now, kept from before, kept as controls, and failed.

    changed: samples whose kept results were not as the last run sealed them, and were made anew. doubts: what the
    values rest on, in numbers, a line each. warnings: where declared scales do not fit the files, and which populations
    are left out because a panel lacks their markers. remarks: what else was asked to be said of the study.
    unchanged_since: when the run ended that is as it would be now, so that nothing was written; None if there was
    something to do. files_read: how many FCS files were read to know that. dropped: samples that a person left out.
    """

    folder: Path
    gated: int
    kept: int
    controls: int
    failed: tuple[tuple[str, str], ...]
    changed: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    unchanged_since: str | None = None
    files_read: int = 0
    dropped: int = 0

    @property
    def files(self) -> str:
        """How many files went how, in a sentence."""
        dropped = f", {self.dropped} dropped" if self.dropped else ""
        controls = counted(self.controls, "control")
        kept = f"{self.gated} gated, {self.kept} kept from before, {controls}"
        return f"Files: {kept}, {len(self.failed)} failed{dropped}."

    @property
    def complete(self) -> bool:
        """Whether no file failed."""
        return not self.failed

    @property
    def is_empty(self) -> bool:
        """Whether there was no file at all."""
        return not (self.gated or self.kept or self.controls or self.failed or self.dropped)


def as_it_stands(memory: Memory, asked: str) -> RunSummary:
    """Return the summary of a finished run that is as it would be now."""
    record = read_record(memory.root)[0]
    summary = RunSummary(
        memory.root,
        gated=0,
        kept=memory.gated,
        controls=sum(file["status"] == "control" for file in record["files"]),
        failed=tuple((file["sample_id"], file["reason"]) for file in record["files"] if file["status"] == "failed"),
        doubts=memory.said("doubts"),
        warnings=tuple(record["warnings"]),
        remarks=memory.said("remarks"),
        unchanged_since=record["finished_utc"],
        files_read=memory.inputs.read,
        dropped=sum(file["status"] == "dropped" for file in record["files"]),
    )
    memory.keep(asked, summary)
    return summary


def study_section(study: Study) -> Iterator[tuple[str, Any]]:
    """Yield what a run's record says of its study, name by name."""
    yield "name", study.name
    yield "title", study.title
    yield "site", study.site
    yield "country", study.country
    yield "dose_groups", [asdict(group) for group in study.dose_groups]
    yield "cohorts", [asdict(cohort) for cohort in study.cohorts]
    for_json = [asdict(subject) for subject in study.subjects]
    for subject in for_json:
        subject["infusion_dates"] = [date.isoformat() for date in subject["infusion_dates"]]
    yield "subjects", for_json
    yield "visits", [asdict(visit) for visit in study.visits]
    if study.donors:
        yield "donors", [asdict(donor) for donor in study.donors]
    yield "panels", [asdict(use) for use in study.panels]
    if study.ratios:
        yield "ratios", [asdict(ratio) for ratio in study.ratios]


# What a run's values rest on, in numbers: the account with which a run ends.

_NAMED = 3  # gates, or samples, that a line names


def account_of_doubts(frequencies: pd.DataFrame, doubts: pd.DataFrame) -> tuple[str, ...]:
    """Return how many values rest on which doubts, a line each, most first, and how many remarks there are.

    Each line says what its code means and what to do, for somebody who has never met it.

    frequencies, doubts: tables of those contracts. Nothing is said of a run without doubts.

    >>> import pandas as pd
    >>> columns = {"sample_id": ["a", "a"], "reportable": [True, False], "reason": [None, "in doubt: t: ..."]}
    >>> frequencies = pd.DataFrame({**columns, "rests_on": [None, "t: weak_stain(CD3)"]})
    >>> doubts = pd.DataFrame({"code": ["weak_stain"], "population": ["t"], "sample_id": ["a"]})
    >>> print(account_of_doubts(frequencies, doubts)[0])
    1 of 2 values rests on a doubtful gate: 1 is withheld for it (table doubts):
    """
    resting = frequencies[frequencies["rests_on"].notna()]
    lines: list[str] = []
    if len(resting):
        lines.append(
            f"{len(resting)} of {counted(len(frequencies), 'value')} {_rest(len(resting))} on a doubtful gate: "
            f"{_what_became_of(resting)} (table doubts):"
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


def _what_became_of(resting: pd.DataFrame) -> str:
    """Return how many values in doubt are withheld for it, for another reason first, or reported: they add up."""
    reasons = resting["reason"].fillna("")
    withheld = int(reasons.str.startswith("in doubt: ").sum())
    reported = int(resting["reportable"].fillna(False).astype(bool).sum())
    otherwise = len(resting) - withheld - reported
    parts = [f"{withheld} {_are(withheld)} withheld for it"]
    parts += [f"{otherwise} for another reason first, such as too few events"] if otherwise else []
    parts += [f"{reported} {_are(reported)} reported, as the study accepts the doubt"] if reported else []
    return ", ".join(parts)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _codes(rests_on: str) -> list[str]:
    return re.findall(r": (\w+)", rests_on)


def _rest(count: int) -> str:
    return "rests" if count == 1 else "rest"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
