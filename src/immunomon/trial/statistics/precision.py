"""Precision of the assay: how much repeats of one specimen differ, within a run, between runs, days and operators."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from immunomon.trial.kernels.nested import nested_components

__all__ = ["FACTORS", "Precision", "Repeat", "precision_of"]

FACTORS = ("operator", "day", "run")


@dataclass(frozen=True)
class Repeat:
    """A tube of a precision study: its sample id, the specimen it is of, and when and by whom it was made."""

    sample_id: str
    specimen: str
    operator: str = ""
    day: str = ""
    run: str = ""


@dataclass(frozen=True)
class Precision:
    """The precision of one quantity; coefficients of variation in percent of the specimen's mean.

    repeatability: within a run; its upper limit is one-sided, 95 %. between: by factor, as far as the repeats can tell
    it. within_laboratory: of all of these together. left_out: repeats without a value that may be reported.
    """

    panel: str
    quantity: str
    population: str
    denominator: str
    specimens: int
    repeats: int
    left_out: int
    mean_low: float
    mean_high: float
    repeatability: float
    repeatability_upper: float
    degrees: int
    between: Mapping[str, float]
    within_laboratory: float


def precision_of(repeats: Sequence[Repeat], values: Sequence[Mapping[str, Any]]) -> tuple[list[Precision], list[str]]:
    """Return the precision of each quantity of the repeats, and why others have none.

    values: rows with sample_id, panel, quantity, population, denominator, and value, None where it may not be
    reported. Each value is taken in percent of its specimen's mean, so that specimens of different levels are pooled.
    Factors are nested in the order operator, day, run, or day, operator, run where several operators worked on a day.
    """
    by_sample = {repeat.sample_id: repeat for repeat in repeats}
    groups: dict[tuple[str, ...], list[tuple[Repeat, float | None]]] = {}
    for row in values:
        if (repeat := by_sample.get(str(row["sample_id"]))) is not None:
            key = tuple(str(row[name] or "") for name in ("panel", "quantity", "population", "denominator"))
            groups.setdefault(key, []).append((repeat, row["value"]))
    found, without = [], []
    for key, measured in groups.items():
        result = _precision(key, measured)
        if isinstance(result, str):
            without.append(f"{key[0]}: {key[1]} {key[2]}{f' of {key[3]}' if key[3] else ''}: {result}")
        else:
            found.append(result)
    return found, without


def _precision(key: tuple[str, ...], measured: Sequence[tuple[Repeat, float | None]]) -> Precision | str:
    usable = [(repeat, value) for repeat, value in measured if value is not None]
    counts = {repeat.specimen: sum(other.specimen == repeat.specimen for other, _ in usable) for repeat, _ in usable}
    usable = [(repeat, value) for repeat, value in usable if counts[repeat.specimen] > 1]
    if not usable:
        return "no specimen has two repeats with a value"
    kept = [repeat for repeat, _ in usable]
    specimens = _labels([(repeat.specimen,) for repeat in kept])
    numbers = np.array([value for _, value in usable], dtype=float)
    means = np.bincount(specimens, weights=numbers) / np.bincount(specimens)
    if (means <= 0).any():
        return "a specimen's mean is 0: a coefficient of variation has no meaning"
    if len({(repeat.specimen, *(getattr(repeat, name) for name in FACTORS)) for repeat in kept}) == len(kept):
        return "no run has two repeats: what differs within a run cannot be told"
    factors = tuple(_estimable(kept))
    components, degrees = nested_components(100 * numbers / means[specimens], [specimens, *_levels(kept, factors)])
    within, freedom = float(components[-1]), int(degrees[-1])
    panel, quantity, population, denominator = key
    return Precision(
        panel,
        quantity,
        population,
        denominator,
        specimens=len(means),
        repeats=len(usable),
        left_out=len(measured) - len(usable),
        mean_low=float(means.min()),
        mean_high=float(means.max()),
        repeatability=math.sqrt(within),
        repeatability_upper=math.sqrt(within * freedom / float(stats.chi2.ppf(0.05, freedom))),
        degrees=freedom,
        between={name: math.sqrt(float(part)) for name, part in zip(factors, components, strict=False)},
        within_laboratory=math.sqrt(float(components.sum())),
    )


def _labels(keys: Sequence[tuple[str, ...]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], dtype=np.int64)


def _levels(repeats: Sequence[Repeat], factors: Sequence[str]) -> Iterator[np.ndarray[Any, np.dtype[np.int64]]]:
    for depth in range(1, len(factors) + 1):
        yield _labels([(repeat.specimen, *(getattr(repeat, name) for name in factors[:depth])) for repeat in repeats])


def _estimable(repeats: Sequence[Repeat]) -> Iterator[str]:
    """Yield the factors of which some group above has several levels, in the order in which they are nested."""
    on_a_day: dict[tuple[str, str], set[str]] = {}
    for repeat in repeats:
        on_a_day.setdefault((repeat.specimen, repeat.day), set()).add(repeat.operator)
    shared = len({repeat.day for repeat in repeats}) > 1 and any(len(names) > 1 for names in on_a_day.values())
    above: tuple[str, ...] = ()
    for name in ("day", "operator", "run") if shared else FACTORS:
        outer = {(repeat.specimen, *(getattr(repeat, other) for other in above)) for repeat in repeats}
        inner = {(repeat.specimen, *(getattr(repeat, other) for other in (*above, name))) for repeat in repeats}
        if len(outer) < len(inner) < len(repeats):
            yield name
            above = (*above, name)
