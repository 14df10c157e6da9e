"""Cross-check: what a study measures more than once is held against itself, and values against what is expected."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from immunomon.cytometry.gates.under import gates_under, sharing_an_axis
from immunomon.cytometry.kernels.outliers import Rule, standing_alone
from immunomon.cytometry.kernels.proportions import counting_error, log_odds, wilson
from immunomon.cytometry.model.absolute_counts import beads_agree, beads_of
from immunomon.cytometry.model.measured import SampleResult
from immunomon.cytometry.model.settled import MOVED_BY
from immunomon.cytometry.model.weighed import resting_on
from immunomon.study.model.reportability import Reportability
from immunomon.study.model.strategy import ROOT, GatingStrategy
from immunomon.study.model.study import RoleKind, Sample
from immunomon.study.model.trust import Doubt

__all__ = ["cross_check"]

T = TypeVar("T")
# (sample id, population, doubt)
Remark = tuple[str, str, Doubt]

# Log-odds. The smallest distances that are spoken of: a threefold change of the odds between visits, a twofold one
# between tubes (67 against 50 %).
_BETWEEN_VISITS = Rule(others=2, least=1.1, floor=0.15, usual=0.3)
_BETWEEN_TUBES = Rule(others=1, least=0.7, floor=0.1, usual=0.12)
_FEW_BEADS = 400  # their counting error is 5 %
_MATTERS = 1.1  # times as large as at other visits: less moves neither the value much, nor any below it
# Populations that make up another, each by any of these names.
_PARTS = {"lymphocytes": ("t_cells", "b_cells", "nk"), "t_cells": ("cd4", "cd8")}
# What they add up to at least and at most, in percent: no gate on scatter lets in so many other cells, and T cells with
# neither CD4 nor CD8, most of them gamma-delta, are seldom more than a tenth of all T cells.
_POSSIBLE = {"lymphocytes": (70.0, 125.0), "t_cells": (80.0, 115.0)}


@dataclass(frozen=True)
class _Value:
    """A population's events, and its parent's, in one tube.

    is_suspect: whether it rests on a doubtful gate or one that a person moved: no evidence against what does not.
    is_moved: whether a person put its own gate, or one that it is made of, where it is. is_unjudged: whether the noise
    at its own gate could not be judged.
    """

    sample: Sample
    population: str
    parent: str
    count: int
    total: int
    is_suspect: bool
    is_moved: bool
    is_unjudged: bool


def cross_check(
    results: Sequence[SampleResult], strategies: Mapping[str, GatingStrategy], limits: Reportability
) -> list[SampleResult]:
    """Return the results with what speaks against their values when they are held against each other.

    A value far outside its subject's other visits (three or more are needed), a population that one tube of a visit
    measures otherwise than the others, parts that do not make up the whole, values outside what the strategy expects or
    says is possible, one tube under several names, beads that list and gate count differently.
    No number is changed. limits: how few events of a parent are no evidence, and what parts must add up to.
    """
    values = list(_values(results, strategies, limits))
    remarks = [
        *_visits(values),
        *_of_whole_tube(values, [*_tubes(values), *_wholes(values, results, limits)]),
        *_unexpected(values, results, strategies),
        *_same_tubes(results),
        *_beads(results, strategies, limits),
    ]
    by_sample = _grouped(remarks, lambda remark: remark[0])
    return [_with(result, by_sample.get(result.sample.id, [])) for result in results]


def _with(result: SampleResult, remarks: Sequence[Remark]) -> SampleResult:
    if result.measured is None or not remarks:
        return result
    doubts = dict(result.measured.doubts)
    for _, population, doubt in remarks:
        doubts[population] = (*doubts.get(population, ()), doubt)
    return replace(result, measured=replace(result.measured, doubts=doubts))


def _values(
    results: Iterable[SampleResult], strategies: Mapping[str, GatingStrategy], limits: Reportability
) -> Iterator[_Value]:
    under = {
        panel: {name: gates_under(strategy, name) for name in (ROOT, *strategy.ids)}
        for panel, strategy in strategies.items()
    }
    for result in results:
        measured = result.measured
        if measured is None or result.strategy is None or result.sample.role.kind is not RoleKind.SAMPLE:
            continue
        gates_of = under[result.sample.panel]
        for population in strategies[result.sample.panel]:
            count = measured.counts.get(population.id)
            total = measured.events if population.parent == ROOT else measured.counts.get(population.parent)
            if count is not None and total is not None and total >= limits.min_parent_events:
                gates = gates_of[population.id]
                moved = {gate for gate in gates if measured.sources.get(gate, "").startswith(MOVED_BY)}
                is_suspect = bool(moved) or any(resting_on(measured, population.id, gates))
                is_moved = bool(moved.difference(gates_of[population.parent]))
                is_unjudged = any(d.code == "noise_not_judged" for d in measured.doubts.get(population.id, ()))
                of_whom = (result.sample, population.id, population.parent)
                yield _Value(*of_whom, count, total, is_suspect, is_moved, is_unjudged)


def _visits(values: Sequence[_Value]) -> Iterator[Remark]:
    for group in _grouped(values, lambda value: (value.sample.panel, value.population)).values():
        for value, distance in _contradicted(group, lambda value: value.sample.subject, _BETWEEN_VISITS):
            if _times(value, distance) < _MATTERS:
                continue
            detail = f"{_percent(value)} of {value.parent}, log-odds {distance:+.1f} from the subject's other visits"
            yield value.sample.id, value.population, Doubt("visit_outlier", "", detail)


def _times(value: _Value, distance: float) -> float:
    """Return how many times as large as the others a value is, or as small: 98.9 % is nearly 99.9 %."""
    share = (value.count + 0.5) / (value.total + 1)
    others = share / (share + (1 - share) * np.exp(distance))
    return float(max(share / others, others / share))


def _tubes(values: Sequence[_Value]) -> Iterator[Remark]:
    # What is left of all events depends on how each tube was run.
    within = [value for value in _once_a_tube(values) if value.parent != ROOT]
    for group in _grouped(within, lambda value: (value.population, value.parent)).values():
        for value, distance in _contradicted(group, lambda value: _visit(value.sample), _BETWEEN_TUBES):
            detail = f"{_percent(value)} of {value.parent}, log-odds {distance:+.1f} from the visit's other tubes"
            yield value.sample.id, value.population, Doubt("tubes_disagree", "", detail)


def _once_a_tube(values: Iterable[_Value]) -> list[_Value]:
    """Return the values without those that a further strategy gives of a tube: the same cells are no second witness."""
    first: dict[tuple[str, str, str], _Value] = {}
    for value in values:
        first.setdefault((value.sample.tube_id, value.population, value.parent), value)
    return list(first.values())


def _of_whole_tube(values: Sequence[_Value], remarks: Iterable[Remark]) -> Iterator[Remark]:
    """Yield remarks on tubes for every strategy that gives the value: it is one measurement, in doubt or not."""
    tube_of_sample = {value.sample.id: value.sample.tube_id for value in values}
    samples = _grouped(values, lambda value: (value.sample.tube_id, value.population))
    for sample_id, population, doubt in remarks:
        of_tube = samples.get((tube_of_sample[sample_id], population), [])
        for name in dict.fromkeys([sample_id, *(value.sample.id for value in of_tube)]):
            yield name, population, doubt


def _visit(sample: Sample) -> str:
    return f"{sample.subject}\n{sample.visit}"


def _contradicted(
    values: Sequence[_Value], label: Callable[[_Value], str], rule: Rule
) -> Iterator[tuple[_Value, float]]:
    """Yield the suspect values that the others contradict, and of the rest those that the rest contradicts."""
    yield from ((value, distance) for value, distance in _alone(values, label, rule) if value.is_suspect)
    yield from _alone([value for value in values if not value.is_suspect], label, rule)


def _alone(values: Sequence[_Value], label: Callable[[_Value], str], rule: Rule) -> Iterator[tuple[_Value, float]]:
    counts = np.array([value.count for value in values], dtype=np.float64)
    totals = np.array([value.total for value in values], dtype=np.float64)
    groups = np.unique(np.array([label(value) for value in values], dtype=str), return_inverse=True)[1]
    alone, distances = standing_alone(log_odds(counts, totals), counting_error(counts, totals), groups, rule)
    return ((values[row], float(distances[row])) for row in np.flatnonzero(alone).tolist())


def _percent(value: _Value) -> str:
    return f"{100 * value.count / value.total:.3g} %"


def _wholes(values: Sequence[_Value], results: Sequence[SampleResult], limits: Reportability) -> Iterator[Remark]:
    """Hold the parts that a visit's tubes measure against their whole: T, B and NK cells, CD4 and CD8 cells."""
    low, high = limits.parts_percent
    counts = {result.sample.id: result.measured.counts for result in results if result.measured is not None}
    for visit in _grouped(_once_a_tube(values), lambda value: _visit(value.sample)).values():
        for whole, parts in _PARTS.items():
            shares = {part: _shares(visit, part, whole, counts, limits) for part in parts}
            if not all(shares.values()):
                continue
            total = sum(float(np.median(list(by_sample.values()))) for by_sample in shares.values())
            if low <= total <= high:
                continue
            detail = f"{' + '.join(parts)} are {total:.0f} % of {whole}"
            for sample in dict.fromkeys(name for by_sample in shares.values() for name in by_sample):
                yield sample, whole, Doubt("lineages_incomplete", "", detail)
            least, most = _POSSIBLE[whole]
            if not least <= total <= most:
                for part, by_sample in shares.items():
                    yield from ((sample, part, Doubt("implausible", "", detail)) for sample in by_sample)


def _shares(
    visit: Sequence[_Value],
    part: str,
    whole: str,
    counts: Mapping[str, Mapping[str, int | None]],
    limits: Reportability,
) -> dict[str, float]:
    """Return a part in percent of the whole, by sample, in the tubes that have both; suspects only if all are."""
    tubes = [value for value in visit if value.population == part]
    tubes = [value for value in tubes if not value.is_suspect] or tubes
    totals = ((value, counts[value.sample.id].get(whole)) for value in tubes)
    return {
        value.sample.id: 100.0 * value.count / total
        for value, total in totals
        if total is not None and total >= max(1, limits.min_parent_events)
    }


def _unexpected(
    values: Iterable[_Value], results: Iterable[SampleResult], strategies: Mapping[str, GatingStrategy]
) -> Iterator[Remark]:
    expected = {
        result.sample.id: strategies[result.sample.panel].expected for result in results if result.strategy is not None
    }
    for value in values:
        expectation = expected[value.sample.id].get(value.population)
        percent = 100.0 * value.count / value.total
        if expectation is None or expectation.low <= percent <= expectation.high:
            continue
        source = f" ({expectation.source})" if expectation.source else ""
        expected_range = f"{expectation.low:g} to {expectation.high:g} % of {value.parent} are expected{source}"
        yield value.sample.id, value.population, Doubt("unexpected", "", f"{percent:.3g} %; {expected_range}")
        # An unexpected value by a border that may lie in the noise has two things against it.
        is_unjudged = value.is_unjudged and _is_impossible(value, (expectation.low, expectation.high))
        if (is_unjudged or _is_impossible(value, expectation.possible)) and not value.is_moved:
            least, most = expectation.possible
            detail = f"{percent:.3g} % of {value.parent}; {least:g} to {most:g} % are possible"
            if is_unjudged:
                detail = f"{percent:.3g} %; {expected_range}, and whether the border lies beyond the noise is not known"
            # Where one population cannot be so, nothing that its markers part is to be trusted.
            for name in sharing_an_axis(strategies[value.sample.panel], value.population):
                yield value.sample.id, name, Doubt("implausible", "", f"{value.population}: {detail}")


def _is_impossible(value: _Value, possible: tuple[float, float]) -> bool:
    """Say whether a share lies outside a range by more than counting error."""
    ends = wilson(np.array([value.count], dtype=np.float64), np.array([value.total], dtype=np.float64))
    low, high = (100.0 * float(end[0]) for end in ends)
    return high < possible[0] or low > possible[1]


def _same_tubes(results: Iterable[SampleResult]) -> Iterator[Remark]:
    """Name what is listed as two bloods, but is one: the same file, or the same acquisition in another file.

    A tube that several strategies or panels look at is one blood.
    """
    gated = [result for result in results if result.measured is not None]
    for group in _grouped(gated, _events_of).values():
        for result in group:
            others = [other.sample for other in group if _blood(other.sample) != _blood(result.sample)]
            if others:
                detail = ", ".join(sorted({f"{sample.file.as_posix()} ({sample.id})" for sample in others}))
                yield result.sample.id, ROOT, Doubt("same_tube", "", f"it has the events of {detail}")


def _beads(
    results: Iterable[SampleResult], strategies: Mapping[str, GatingStrategy], limits: Reportability
) -> Iterator[Remark]:
    for result in (result for result in results if result.measured is not None and result.strategy is not None):
        strategy = strategies[result.sample.panel]
        name, sample = strategy.beads or "lymphocytes", result.sample
        gates = gates_under(strategy, name) if strategy.beads else ()
        beads = beads_of(result.measured, name, limits, gates=gates) if strategy.beads else None
        number = sample.beads_counted or beads
        if not beads_agree(sample, beads):
            yield sample.id, name, Doubt("beads_disagree", "", f"{number:g} in the sample list, {beads} gated")
        elif number and number < _FEW_BEADS and sample.beads_added and name in strategy.ids:
            yield sample.id, name, Doubt("few_beads", "", f"{number:g} beads: {100 / number**0.5:.0f} %")


def _blood(sample: Sample) -> Hashable:
    return sample.subject, sample.visit, sample.role, sample.batch if not sample.subject else ""


def _events_of(result: SampleResult) -> Hashable:
    fingerprint = result.measured.fingerprint if result.measured is not None else ""
    return fingerprint or (result.sha256 or result.sample.tube_id, result.sample.data_set)


def _grouped(items: Iterable[T], key: Callable[[T], Hashable]) -> dict[Hashable, list[T]]:
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
