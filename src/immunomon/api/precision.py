"""Precision: what the repeats of a precision study say of the assay, population by population."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from immunomon.csvfile import read_csv_table
from immunomon.errors import BadSpec, ImmunomonError, Problem, counted, nearest
from immunomon.outputs.delivery.source import records_of
from immunomon.runs.named import find_run
from immunomon.runs.opened import Run
from immunomon.trial.statistics.precision import FACTORS, Precision, Repeat, precision_of

__all__ = ["PrecisionStudy", "read_repeats", "study_precision"]

_MOST_BYTES = 5_000_000


@dataclass(frozen=True, eq=False)
class PrecisionStudy:
    """What repeats of specimens say of the assay: one result a quantity, and what could not be estimated, with why.

    most_cv: what differs by more than so many percent within the laboratory is marked.
    """

    results: tuple[Precision, ...]
    not_estimated: tuple[str, ...]
    most_cv: float

    @property
    def table(self) -> pd.DataFrame:
        """One row a quantity: coefficients of variation in percent, specimens, repeats, range of means."""
        return pd.DataFrame([_row(result, self.most_cv) for result in self.results])

    @property
    def above_limit(self) -> int:
        """How many quantities differ by more than ``most_cv`` percent within the laboratory."""
        return sum(result.within_laboratory > self.most_cv for result in self.results)

    @property
    def lines(self) -> tuple[str, ...]:
        """A line a quantity, as ``immunomon precision`` prints it."""
        return tuple(_line(result, self.most_cv) for result in self.results)

    def __repr__(self) -> str:
        without = [f"Not estimated: {reason}" for reason in self.not_estimated]
        return "\n".join([*self.lines, *without, self.summary])

    @property
    def summary(self) -> str:
        """How many quantities were estimated, and how many of them differ by more than the limit, in a sentence."""
        estimated = counted(len(self.results), "quantity", "quantities")
        return f"{estimated}; {self.above_limit} above {self.most_cv:g} % within the laboratory."


def study_precision(run: str | Path | Run, repeats: str | Path, *, most_cv: float = 25) -> PrecisionStudy:
    """Say how much repeats of a specimen differ: within a run, between runs, days and operators (CV in percent).

    repeats: CSV with sample_id, specimen, and operator, day, run where there are any. most_cv: mark what differs by
    more than so many percent within the laboratory. Raises BadRun, BadSpec with every problem of the list.
    """
    if not math.isfinite(most_cv):
        raise ImmunomonError(f"--most-cv {most_cv}: a limit is a number of percent")
    of_run = find_run(run)
    samples = {str(row["sample_id"]): row for row in records_of(of_run.table("samples"))}
    listed = read_repeats(Path(repeats), samples)
    values = [*_percents(of_run.table("frequencies")), *_counts(of_run.table("populations"))]
    results, without = precision_of(listed, values)
    return PrecisionStudy(tuple(results), (*without, *_unused(listed, values)), most_cv)


def read_repeats(path: Path, samples: Mapping[str, Mapping[str, Any]]) -> list[Repeat]:
    """Read a list of repeats; samples: the run's, by id. Raises BadSpec with every problem.

    Tubes of one specimen are of one subject and visit. A factor is given for all repeats or for none, and a label that
    differs from another one in capitals or blanks alone is none of its own.
    """
    written = read_csv_table(path, _MOST_BYTES)
    problems = list(written.problems)
    columns = ("sample_id", "specimen", *FACTORS)
    missing = [name for name in columns[:2] if name not in written.columns]
    if missing:
        problem = Problem(str(path), written.header_line, "", f"has no column {', '.join(missing)}", "add it")
        raise BadSpec([*problems, problem])
    for name in filter(None, written.columns):
        if name not in columns:
            what = f"no column named '{name[:60]}'"
            problems.append(Problem(str(path), written.header_line, "header", what, nearest(name[:80], columns)))
    repeats: dict[str, Repeat] = {}
    lines: dict[str, int] = {}
    for line, cells in written.rows:
        sample = cells.get("sample_id", "")
        if sample not in samples or sample in repeats:
            what = "is there twice" if sample in repeats else "is no sample of the run"
            remedy = "keep one of the rows" if sample in repeats else nearest(sample[:80], samples)
            problems.append(Problem(str(path), line, "sample_id", f"'{sample[:80]}' {what}", remedy))
            continue
        if not cells.get("specimen"):
            problems.append(Problem(str(path), line, "specimen", "is blank", "say which specimen it is of"))
        repeats[sample] = Repeat(*(cells.get(name, "") for name in columns))
        lines[sample] = line
    for name, repeat, what, remedy in (*_mixed(repeats, samples), *_unlike(repeats)):
        problems.append(Problem(str(path), lines[repeat.sample_id], name, what, remedy))
    if problems:
        raise BadSpec(problems)
    return list(repeats.values())


_Complaint = tuple[str, Repeat, str, str]


def _mixed(repeats: Mapping[str, Repeat], samples: Mapping[str, Mapping[str, Any]]) -> Iterator[_Complaint]:
    """Yield tubes that the run knows as blood of another subject or visit than the specimen's first tube."""
    first: dict[str, Repeat] = {}
    for repeat in repeats.values():
        other = first.setdefault(repeat.specimen, repeat)
        for name in ("subject", "visit"):
            own, others = (str(samples[tube.sample_id].get(name) or "none") for tube in (repeat, other))
            if own != others:
                what = f"'{repeat.specimen[:60]}' is of {name} {others} ({other.sample_id}), and this tube of {own}"
                yield "specimen", repeat, what, "give the blood of each subject and visit a name of its own"


def _unlike(repeats: Mapping[str, Repeat]) -> Iterator[_Complaint]:
    """Yield labels that are blank where others are not, and labels that are written in two ways."""
    for name in ("specimen", *FACTORS):
        spellings: dict[str, str] = {}
        is_given = any(getattr(repeat, name) for repeat in repeats.values())
        for repeat in repeats.values():
            label = getattr(repeat, name)
            if name in FACTORS and is_given and not label:
                yield name, repeat, "is blank, and is given for other repeats", "give it for all, or for none"
            same = spellings.setdefault(" ".join(label.split()).casefold(), label)
            if same != label:
                yield name, repeat, f"'{label[:60]}' is written '{same[:60]}' elsewhere", "write it in one way"


def _unused(repeats: Sequence[Repeat], values: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the listed repeats that have no value at all: tubes that failed, or are not gated."""
    measured = {str(row["sample_id"]) for row in values if row["value"] is not None}
    unused = [repeat.sample_id for repeat in repeats if repeat.sample_id not in measured]
    return [f"{name}: no value of this tube may be reported" for name in unused]


def _percents(frequencies: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for row in records_of(frequencies):
        yield _value(row, "percent", str(row["denominator"]))


def _counts(populations: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield the absolute counts of populations that have one in some tube."""
    rows = records_of(populations)
    known = {(row["panel"], row["population"]) for row in rows if row["cells_per_ul"] is not None}
    for row in rows:
        if (row["panel"], row["population"]) in known:
            yield _value(row, "cells_per_ul", "")


def _value(row: Mapping[str, Any], quantity: str, denominator: str) -> dict[str, Any]:
    common = {name: row[name] for name in ("sample_id", "panel", "population")}
    value = row[quantity] if row["reportable"] else None
    return {**common, "quantity": quantity, "denominator": denominator, "value": value}


def _row(result: Precision, most: float) -> dict[str, Any]:
    of = {name: getattr(result, name) for name in ("panel", "quantity", "population", "denominator")}
    counts = {name: getattr(result, name) for name in ("specimens", "repeats", "left_out", "mean_low", "mean_high")}
    return {
        **of,
        **counts,
        "repeatability_cv_percent": result.repeatability,
        "repeatability_upper_percent": result.repeatability_upper,
        "degrees_of_freedom": result.degrees,
        **{f"between_{name}_cv_percent": result.between.get(name) for name in FACTORS},
        "within_laboratory_cv_percent": result.within_laboratory,
        "above_limit": result.within_laboratory > most,
    }


def _line(result: Precision, most: float) -> str:
    name = f"{result.panel} {result.population} {f'of {result.denominator}' if result.denominator else 'per uL'}"
    between = "".join(f", between {factor}s {cv:.1f}" for factor, cv in result.between.items())
    above = " ABOVE" if result.within_laboratory > most else ""
    left_out = f", {result.left_out} left out" if result.left_out else ""
    return (
        f"{name}: within a run {result.repeatability:.1f} % (to {result.repeatability_upper:.1f}){between}, "
        f"within the laboratory {result.within_laboratory:.1f} %{above} ({counted(result.specimens, 'specimen')}, "
        f"{counted(result.repeats, 'repeat')}{left_out}; {result.mean_low:.3g} to {result.mean_high:.3g})"
    )
