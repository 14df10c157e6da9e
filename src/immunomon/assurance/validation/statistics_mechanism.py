"""The simulator's trials with platelets and kinetics: what the search for a mechanism recovers, and invents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from immunomon.arrays import Floats, Mask
from immunomon.assurance.simulate.biology import visit_frequencies
from immunomon.assurance.simulate.protocol import VISITS, Patient, Scenario, draw_patients
from immunomon.assurance.validation.assessments import concentrations_of, platelets_of
from immunomon.assurance.validation.statistics_nulls import ALPHA, Rate, rate_over_trials
from immunomon.assurance.validation.statistics_trials import PRIMARY, measured_log_odds, place_of
from immunomon.study.model.endpoints import KineticRules, PlateletRules
from immunomon.trial.assessments.kinetics import parameters_of
from immunomon.trial.assessments.platelets import courses
from immunomon.trial.kernels.path import PathSteps, path_steps
from immunomon.trial.kernels.repeated import repeated_correlation, swapped_courses, swapped_lags
from immunomon.trial.kernels.two_groups import difference_of_means
from immunomon.trial.mechanism.joined import after_visit, at_visits, log2_counts
from immunomon.trial.mechanism.within import correlation, patients_interval

__all__ = ["Search", "searched"]

_AT = 2  # week 4


@dataclass(frozen=True)
class Search:
    """What came of one scenario: coverage by name of the interval, how often it excludes 0, and the truth it had.

    truth: by name of the estimate, where it is one for all trials; rejected: how often the exact tests reject.
    """

    scenario: Scenario
    trials: int
    coverage: dict[str, Rate]
    excluded: dict[str, Rate]
    truth: dict[str, float]
    rejected: dict[str, Rate]


@dataclass(frozen=True, eq=False)
class _Trial:
    """Nine patients: log-odds and built-in effect (patients, visits, populations), and what stands beside them."""

    log_odds: Floats
    built: Floats
    platelets: Floats
    responder: Mask
    after: Floats
    dose: Floats
    exposure: Floats

    def path(self, *, exposure: bool) -> Floats:
        """Return what stands on the path of Treg, (patients with all of it, stations)."""
        change = self.log_odds[:, _AT, 0] - self.log_odds[:, 0, 0]
        columns = np.column_stack([self.dose, *([self.exposure] if exposure else []), change, self.after])
        return columns[np.isfinite(columns).all(axis=1)]


def searched(scenario: Scenario, trials: int, seed: int) -> Search:
    """Return what the mechanism's estimates recover over so many trials of nine patients, on frequencies.

    The truth of a difference by response is the built-in one of the trial's patients. That of a correlation or a line
    is not built in: it is what as many trials of other seeds give together, and 0 where nothing happens to the cells.
    """
    first = seed * 100_000
    drawn = [_trial(scenario, number) for number in range(first, first + trials)]
    pooled = _pooled([_trial(scenario, number) for number in range(first + 50_000, first + 50_000 + trials)])
    if scenario is Scenario.NULL:  # nothing happens to the cells: there the truth is known
        pooled = {name: value if name == "slope, dose -> exposure" else 0.0 for name, value in pooled.items()}
    rng = np.random.default_rng([seed, 11])
    intervals = [_intervals(trial, rng, pooled) for trial in drawn]
    names = {name: None for by_name in intervals for name in by_name}
    ends = {name: np.array([by_name.get(name, np.full((1, 3), np.nan)) for by_name in intervals]) for name in names}
    return Search(
        scenario,
        trials,
        {name: _rate((low <= true) & (true <= high), low) for name, (low, high, true) in _columns(ends)},
        {name: _rate((low > 0) | (high < 0), low) for name, (low, high, _) in _columns(ends)},
        pooled,
        _rejected(drawn, rng),
    )


def _columns(ends: dict[str, Floats]) -> list[tuple[str, Floats]]:
    return [(name, np.moveaxis(values, -1, 0)) for name, values in ends.items()]


def _rate(hits: Mask, known: Floats) -> Rate:
    values = np.where(np.isfinite(known), hits, np.nan).reshape(len(hits), -1)
    return rate_over_trials(values[np.isfinite(values).any(axis=1)])


def _trial(scenario: Scenario, seed: int) -> _Trial:
    rng = np.random.default_rng([seed, 8])
    places = [place_of(name) for name in PRIMARY]
    rows = [_patient(patient, seed, rng, places) for patient in draw_patients(scenario, 3, seed=seed)]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return _Trial(*columns)


def _patient(
    patient: Patient, seed: int, rng: np.random.Generator, places: list[int]
) -> tuple[Floats, Floats, Floats, bool, float, float, float]:
    drawn = [visit_frequencies(patient.donor, visit.label, rng) for visit in VISITS]
    values = np.array([measured_log_odds(frequencies, rng)[places] for frequencies, _ in drawn])
    built = np.array([[effect[name] for name in PRIMARY] for _, effect in drawn])
    rules = PlateletRules()
    course = courses(platelets_of(patient, seed), rules)[patient.id]
    counted = [row for row in course.rows if not row["after_rescue"]]
    days = np.array([row["study_day"] for row in counted], dtype=np.float64)
    counts = log2_counts(np.array([row["platelets_1e9_per_l"] for row in counted], dtype=np.float64))
    planned = np.array([visit.planned_day for visit in VISITS], dtype=np.float64)
    platelets = at_visits(days, counts, planned, baseline=0)
    after = after_visit(days, counts, planned[_AT]) - float(np.log2(course.baseline or np.nan))
    samples = concentrations_of(patient, seed)
    area = parameters_of(samples, KineticRules())["AUCLST"][0] if samples else None
    dose, exposure = np.log2(patient.group.cells_per_kg), float(np.log2(area)) if area else float("nan")
    return values, built, platelets, bool(course.responses), after, float(dose), exposure


def _intervals(trial: _Trial, rng: np.random.Generator, pooled: dict[str, float]) -> dict[str, Floats]:
    """Return low, high and truth of each kind of interval, (estimates, 3)."""
    change = trial.log_odds[:, _AT] - trial.log_odds[:, 0]
    by_response = [_difference(trial, change[:, k], trial.built[:, _AT, k], rng) for k in range(len(PRIMARY))]
    out = {
        "difference by response, Welch": np.array([[d[0], d[1], d[4]] for d in by_response]),
        "difference by response, exact": np.array([[d[2], d[3], d[4]] for d in by_response]),
    }
    for name, k in (("Treg", 0), ("Th17", 2)):
        pair = (trial.log_odds[..., k], trial.platelets)
        within = repeated_correlation(*pair)
        true = pooled[f"r within patients, {name}"]
        ends = patients_interval(correlation, pair, 1 - ALPHA)
        out[f"r within patients, {name}, by visits"] = np.array([[within.low, within.high, true]])
        out[f"r within patients, {name}, by patients"] = np.array([[*ends, true]])
    for exposure in (True, False):
        out |= _path_ends(path_steps(trial.path(exposure=exposure), rng), pooled, exposure=exposure)
    return out


def _difference(trial: _Trial, x: Floats, built: Floats, rng: np.random.Generator) -> tuple[float, ...]:
    known = np.isfinite(x)
    yes, no = known & trial.responder, known & ~trial.responder
    difference = difference_of_means(x[yes], x[no], rng)
    true = float(built[yes].mean() - built[no].mean()) if yes.any() and no.any() else float("nan")
    return difference.low, difference.high, difference.exact_low, difference.exact_high, true


def _names(*, exposure: bool) -> tuple[tuple[str, ...], str]:
    if exposure:
        steps = ("slope, dose -> exposure", "slope, exposure -> Treg", "slope, Treg -> platelets (exposure known)")
        return steps, "product of the path with exposure"
    return ("slope, dose -> Treg", "slope, Treg -> platelets"), "product of the path without exposure"


def _path_ends(steps: PathSteps, pooled: dict[str, float], *, exposure: bool) -> dict[str, Floats]:
    names, product = _names(exposure=exposure)
    out = {
        name: np.array([[low, high, pooled[name]]])
        for name, low, high in zip(names, steps.low, steps.high, strict=True)
    }
    return out | {product: np.array([[steps.product_low, steps.product_high, pooled[product]]])}


def _pooled(trials: list[_Trial]) -> dict[str, float]:
    """Return what correlations and lines are over all patients of many trials, each trial around its own mean."""
    out = {}
    for name, k in (("Treg", 0), ("Th17", 2)):
        together = (
            np.vstack([trial.log_odds[..., k] for trial in trials]),
            np.vstack([trial.platelets for trial in trials]),
        )
        out[f"r within patients, {name}"] = correlation(together)
    for exposure in (True, False):
        paths = [trial.path(exposure=exposure) for trial in trials]
        centred = np.vstack([path - path.mean(axis=0) for path in paths if len(path)])
        slopes = (centred[:, :-1] * centred[:, 1:]).sum(axis=0) / (centred[:, :-1] ** 2).sum(axis=0)
        names, product = _names(exposure=exposure)
        out |= dict(zip(names, slopes.tolist(), strict=True)) | {product: float(slopes.prod())}
    return out


def _rejected(trials: list[_Trial], rng: np.random.Generator) -> dict[str, Rate]:
    responses, swaps, leads = [], [], []
    for trial in trials:
        change = trial.log_odds[:, _AT] - trial.log_odds[:, 0]
        p = []
        for k in range(len(PRIMARY)):
            known = np.isfinite(change[:, k])
            difference = difference_of_means(
                change[known & trial.responder, k], change[known & ~trial.responder, k], rng
            )
            p.append(difference.p)
        responses.append(p)
        swaps.append([swapped_courses(trial.log_odds[..., k], trial.platelets, rng).p for k in (0, 2)])
        leads.append([swapped_lags(trial.log_odds[..., k], trial.platelets, rng).p for k in (0, 2)])
    return {
        "difference by response, permutation test": rate_over_trials((np.array(responses) <= ALPHA).astype(float)),
        "swapped courses, Treg and Th17": rate_over_trials((np.array(swaps) <= ALPHA).astype(float)),
        "difference of lags among swapped courses": rate_over_trials((np.array(leads) <= ALPHA).astype(float)),
    }
