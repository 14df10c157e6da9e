"""Result tables: from what was measured on each file to tidy tables, with what may be reported and what may not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from immunomon.arrays import Floats
from immunomon.cytometry.gates.under import IMPORTED, gates_under
from immunomon.cytometry.kernels.proportions import logit_interval, wilson
from immunomon.cytometry.model.absolute_counts import beads_of, cells_per_ul
from immunomon.cytometry.model.measured import Measured, SampleResult
from immunomon.cytometry.model.populations import DOUBTS, FREQUENCIES, MEDIANS, POPULATIONS, SAMPLES
from immunomon.cytometry.model.weighed import weigh
from immunomon.study.model.quality import Quality, Verdict
from immunomon.study.model.reportability import Reportability
from immunomon.study.model.strategy import ROOT, GatingStrategy, Population
from immunomon.study.model.study import Sample
from immunomon.study.model.trust import merged

__all__ = ["columns_of_sample", "tabulate_results"]

Row = dict[str, Any]
_CONTRACTS = {table.name: table for table in (SAMPLES, POPULATIONS, FREQUENCIES, MEDIANS, DOUBTS)}


class _Judge(NamedTuple):
    """What a panel's values are judged by; gates: population, denominator -> the gates that the value rests on."""

    strategy: GatingStrategy
    limits: Reportability
    gates: Callable[[str, str], tuple[str, ...]]


def tabulate_results(
    results: Iterable[SampleResult],
    strategies: Mapping[str, GatingStrategy],
    limits: Reportability,
    *,
    qualities: Mapping[str, Quality] | None = None,
) -> dict[str, pd.DataFrame]:
    """Return the tables samples, populations, frequencies, medians and doubts, each by its column contract.

    results: one per file of the sample list, in its order; strategies: by panel in use. A failed sample has all its
    rows, without values and with the reason. qualities: sample id -> its acquisition's; of a sample whose acquisition
    failed no value may be reported.
    """
    rows: dict[str, list[Row]] = {name: [] for name in _CONTRACTS}
    # The gates of a value are looked up once, not in every sample.
    judges = {name: _Judge(own, limits, cache(partial(_gates, own))) for name, own in strategies.items()}
    for result in results:
        quality = (qualities or {}).get(result.sample.id)
        rows["samples"].append({**_sample_row(result), **_quality(quality)})
        if result.status == "control" or result.strategy is None:
            continue
        judge = judges[result.sample.panel]
        rows["populations"].extend(_judged(_population_rows(result, judge), quality))
        rows["frequencies"].extend(_judged(_frequency_rows(result, judge), quality))
        rows["medians"].extend(_judged(_median_rows(result, judge), quality))
        rows["doubts"].extend(_doubt_rows(result, limits))
    _add_intervals(rows["populations"], "parent_count", "percent_of_parent", "percent_of_parent_{}")
    _add_intervals(rows["frequencies"], "denominator_count", "percent", "percent_{}")
    _add_total_intervals(rows["frequencies"])
    return {name: contract.frame(rows[name]) for name, contract in _CONTRACTS.items()}


def columns_of_sample(sample: Sample) -> Row:
    """Return the columns that every row about a sample begins with."""
    return {
        "sample_id": sample.id,
        "subject": sample.subject or None,
        "visit": sample.visit or None,
        "panel": sample.panel,
        "role": str(sample.role),
        "batch": sample.batch or None,
    }


def _sample_row(result: SampleResult) -> Row:
    sample = result.sample
    return {
        **columns_of_sample(sample),
        "file": sample.file.as_posix(),
        "sha256": result.sha256,
        "collection_date": sample.collection_date.isoformat() if sample.collection_date else None,
        "strategy": result.strategy,
        "events": result.events,
        "status": result.status,
        "reason": result.reason,
        "lymphocytes_per_ul": sample.lymphocytes_per_ul,
    }


def _quality(quality: Quality | None) -> Row:
    if quality is None:
        return {"quality": None, "flagged_percent": None, "quality_reason": None}
    return {
        "quality": str(quality.verdict),
        "flagged_percent": quality.flagged_percent,
        "quality_reason": quality.reason,
    }


def _judged(rows: Iterable[Row], quality: Quality | None) -> Iterator[Row]:
    """Yield the rows, none of them reportable if the acquisition failed."""
    failed = None if quality is None or quality.verdict is not Verdict.FAIL else f"acquisition failed: {quality.reason}"
    for row in rows:
        yield {**row, "reportable": False, "reason": failed} if failed and row["reportable"] else row


def _count(result: SampleResult, population: str) -> int | None:
    measured = result.measured
    if measured is None:
        return None
    return measured.events if population == ROOT else measured.counts.get(population)


def _gates(strategy: GatingStrategy, population: str, denominator: str) -> tuple[str, ...]:
    return gates_under(strategy, population, *(() if denominator == ROOT else (denominator,)))


def _verdict(result: SampleResult, judge: _Judge, population: str, denominator: str) -> Row:
    """Return whether a value may be reported, why not, and what its trust rests on."""
    gates = judge.gates(population, denominator)
    trust = weigh(result.measured, population, judge.limits, gates=gates, denominator=denominator)
    parent = judge.strategy.population(population).parent
    reason = _why_not(result, population, denominator, parent=parent, limits=judge.limits) or trust.reason
    return {"reportable": reason is None, "reason": reason, **trust.columns}


def _stated(result: SampleResult, population: str, denominator: str, parent: str) -> float | None:
    """Return the percent that was imported without counts; None of another denominator, or where there are counts."""
    if result.measured is None or denominator != parent or _count(result, population) is not None:
        return None
    return result.measured.percents.get(population)


def _why_not(
    result: SampleResult, population: str, denominator: str, *, parent: str, limits: Reportability
) -> str | None:
    if result.measured is None:
        return f"sample {result.status}: {result.reason}"
    is_bare = _stated(result, population, denominator, parent) is not None
    for name in (population, denominator):
        if name in result.measured.failures and (name == population or not is_bare):
            is_imported = result.measured.methods.get(name) == IMPORTED
            return f"{name}{'' if is_imported else ' not placed'}: {result.measured.failures[name]}"
    if is_bare:
        return None  # of what nobody counted here no limit of counts can be judged
    return limits.of(population).verdict(_count(result, population), _count(result, denominator))


def _population_rows(result: SampleResult, judge: _Judge) -> Iterator[Row]:
    strategy, of_sample = judge.strategy, columns_of_sample(result.sample)
    lymphocytes, name = _count(result, "lymphocytes"), strategy.beads
    beads = beads_of(result.measured, name, judge.limits, gates=judge.gates(name, ROOT)) if name else None
    for population in strategy.populations:
        count = _count(result, population.id)
        # Only lymphocytes and what lies in them: the haematology count says nothing of other cells.
        among = "lymphocytes" in (population.id, *strategy.ancestors(population.id))
        absolute, platform = cells_per_ul(result.sample, count if among else None, lymphocytes, beads)
        yield {
            **of_sample,
            "population": population.id,
            "label": population.label,
            "parent": population.parent,
            "path": strategy.path(population.id),
            "count": count,
            "parent_count": _count(result, population.parent),
            "percent_of_parent": _stated(result, population.id, population.parent, population.parent),
            "cells_per_ul": absolute,
            "cells_per_ul_method": platform,
            "gate_method": population.gate.method,
            **_gate(result, population),
            **_verdict(result, judge, population.id, population.parent),
        }


def _gate(result: SampleResult, population: Population) -> Row:
    measured, name = result.measured, population.id
    if measured is None:
        return {"gate_source": None, "gate_note": None, "gate_outlier": None, "gate_se_percent": None}
    return {
        "gate_source": measured.sources.get(name),
        "gate_note": measured.notes.get(name),
        "gate_outlier": name in measured.outliers,
        "gate_se_percent": _gate_se_percent(result, population),
    }


def _gate_se_percent(result: SampleResult, population: Population) -> float | None:
    """Return the standard error of the percent of the parent that goes with that of its log-odds."""
    gate_se, _ = _gate_se(result, population.id, population.parent)
    count, total = _count(result, population.id), _count(result, population.parent)
    if gate_se is None or count is None or not total:
        return None
    fraction = (count + 0.5) / (total + 1)
    return 100 * gate_se * fraction * (1 - fraction)


def _gate_se(result: SampleResult, population: str, denominator: str) -> tuple[float | None, float | None]:
    """Return standard errors of the log-odds from the gates that a fraction rests on (``estimate_gate_errors``).

    The first from the gates' places, the second from how finely their borders can be told.
    """
    if result.measured is None:
        return None, None
    both = result.measured.gate_errors, result.measured.border_errors
    gate, border = (errors.get(population, {}).get(denominator) for errors in both)
    return gate, border


def _frequency_rows(result: SampleResult, judge: _Judge) -> Iterator[Row]:
    of_sample = columns_of_sample(result.sample)
    for population in judge.strategy.populations:
        for denominator in judge.strategy.denominators_of(population.id):
            gate_se, border_se = _gate_se(result, population.id, denominator)
            yield {
                **of_sample,
                "population": population.id,
                "label": population.label,
                "denominator": denominator,
                "is_parent": denominator == population.parent,
                "count": _count(result, population.id),
                "denominator_count": _count(result, denominator),
                "percent": _stated(result, population.id, denominator, population.parent),
                "gate_se": gate_se,
                "border_se": border_se,
                **_verdict(result, judge, population.id, denominator),
            }


def _median_rows(result: SampleResult, judge: _Judge) -> Iterator[Row]:
    measured, of_sample = result.measured or Measured(0, {}, {}, {}), columns_of_sample(result.sample)
    for population in judge.strategy.populations:
        # The same for every marker.
        judged, count = _verdict(result, judge, population.id, population.parent), _count(result, population.id)
        medians = measured.medians.get(population.id, {})
        for marker, detector in measured.detectors.items():
            yield {
                **of_sample,
                "population": population.id,
                "label": population.label,
                "marker": marker,
                "detector": detector,
                "count": count,
                "median_intensity": medians.get(marker),
                **judged,
            }


def _doubt_rows(result: SampleResult, limits: Reportability) -> Iterator[Row]:
    for population, doubts in (result.measured.doubts if result.measured else {}).items():
        for doubt in merged(doubts):
            yield {
                **columns_of_sample(result.sample),
                "population": population,
                "code": doubt.code,
                "axis": doubt.axis or None,
                "detail": doubt.detail or None,
                "sentence": doubt.sentence,
                "remedy": doubt.kind.remedy,
                "withholds": limits.withholds(doubt.code),
            }


def _add_intervals(rows: list[Row], total: str, percent: str, ends: str) -> None:
    counts, totals = _numbers(rows, "count"), _numbers(rows, total)
    totals[np.isnan(counts)] = np.nan
    counts[np.isnan(totals)] = np.nan
    # A denominator that does not hold the population (a sibling, say) gives a ratio, but no interval of a fraction.
    inside = ~(counts > totals)
    low, high = wilson(np.where(inside, counts, np.nan), np.where(inside, totals, np.nan))
    with np.errstate(invalid="ignore", divide="ignore"):
        fraction = np.where(totals > 0, counts / totals, np.nan)
    for row, value, bottom, top in zip(rows, fraction, low, high, strict=True):
        row[percent] = row[percent] if np.isnan(value) else _percent(value)
        row[ends.format("low")], row[ends.format("high")] = _percent(bottom), _percent(top)


def _numbers(rows: list[Row], name: str) -> Floats:
    return np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=np.float64)


def _percent(fraction: float) -> float | None:
    return None if np.isnan(fraction) else 100.0 * float(fraction)


def _add_total_intervals(rows: list[Row]) -> None:
    number = {name: _numbers(rows, name) for name in ("count", "denominator_count", "gate_se", "border_se")}
    inside = (number["count"] <= number["denominator_count"]) & (number["denominator_count"] > 0)
    counts, totals = (np.where(inside, number[name], np.nan) for name in ("count", "denominator_count"))
    low, high = logit_interval(counts, totals, np.hypot(number["gate_se"], number["border_se"]))
    for row, bottom, top in zip(rows, low, high, strict=True):
        row["percent_total_low"], row["percent_total_high"] = _percent(bottom), _percent(top)
