"""The simulator's trials on frequencies alone: what the comparison recovers of the effect that was built in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from immunomon.arrays import Floats
from immunomon.assurance.simulate.biology import PARENTS, TRAITS, visit_frequencies
from immunomon.assurance.simulate.protocol import Patient, Scenario, draw_patients
from immunomon.assurance.validation.statistics_nulls import ALPHA, Rate, rate_over_trials
from immunomon.cytometry.kernels.proportions import log_odds
from immunomon.trial.kernels.hodges_lehmann import hodges_lehmann
from immunomon.trial.kernels.moderated import moderated_t
from immunomon.trial.kernels.student import mean_change
from immunomon.trial.kernels.trend import jonckheere_terpstra

__all__ = ["PRIMARY", "SCENARIOS", "Recovery", "measured_log_odds", "place_of", "recovered"]

SCENARIOS = (Scenario.MECHANISM, Scenario.RESPONDERS, Scenario.NULL)
# The default plan's primary populations at week 4, and the dose trend of the first.
PRIMARY = ("treg", "th1", "th17", "b_cells", "nk")
_VISIT = "W4"
_LYMPHOCYTES = 12_000  # events of a file
_FEWEST = 20  # events of a parent below which a value is not reported


@dataclass(frozen=True)
class Recovery:
    """What came of one scenario over its trials.

    coverage: how often each 95 % interval of the primary populations holds the mean effect of those patients;
    bias: mean of estimate minus built in, log-odds, by population; excluded: how often an interval of a primary
    population excludes no change; trend: how often the one-sided trend of Treg over dose reaches 5 %.
    """

    scenario: Scenario
    trials: int
    coverage: dict[str, Rate]
    bias: dict[str, float]
    excluded: Rate
    trend: Rate


def recovered(scenario: Scenario, trials: int, seed: int) -> Recovery:
    """Return what the comparison's kernels recover over so many trials of nine patients, at week 4.

    Frequencies come from the simulator's biology, counts are binomial; no event is simulated.
    """
    outcomes = [_trial(scenario, number) for number in range(seed * 100_000, seed * 100_000 + trials)]
    held: dict[str, list[Floats]] = {}
    for outcome in outcomes:
        for name, inside in _intervals(*outcome):
            held.setdefault(name, []).append(inside)
    places = [place_of(name) for name in PRIMARY]
    differences = np.array([np.nanmean(change - built, axis=0)[places] for change, built in outcomes])
    excludes = np.array([_excludes(change[:, places]) for change, _ in outcomes])
    treg = place_of(PRIMARY[0])
    rising = [jonckheere_terpstra(change[:, treg], np.repeat(np.arange(3), 3)).p_rising for change, _ in outcomes]
    return Recovery(
        scenario,
        trials,
        {name: rate_over_trials(np.array(inside, dtype=np.float64)) for name, inside in held.items()},
        dict(zip(PRIMARY, differences.mean(axis=0).tolist(), strict=True)),
        rate_over_trials(excludes),
        rate_over_trials(np.array([p <= ALPHA for p in rising], dtype=np.float64)),
    )


def place_of(population: str) -> int:
    """Return the place of a population among the simulator's traits."""
    return next(position for position, trait in enumerate(TRAITS) if trait.population == population)


def _trial(scenario: Scenario, seed: int) -> tuple[Floats, Floats]:
    """Return changes in log-odds at week 4 and what was built in, both (patients, populations)."""
    patients = draw_patients(scenario, 3, seed=seed)
    rng = np.random.default_rng([seed, 7])
    rows = [_patient(patient, rng) for patient in patients]
    return np.array([change for change, _ in rows]), np.array([built for _, built in rows])


def _patient(patient: Patient, rng: np.random.Generator) -> tuple[Floats, Floats]:
    (before, _), (after, effect) = (visit_frequencies(patient.donor, visit, rng) for visit in ("D-1", _VISIT))
    measured = [measured_log_odds(drawn, rng) for drawn in (before, after)]
    return measured[1] - measured[0], np.array([effect[trait.population] for trait in TRAITS])


def measured_log_odds(drawn: dict[str, float], rng: np.random.Generator) -> Floats:
    """Return the log-odds of each population from binomial counts; not-a-number where the parent has too few events."""
    sizes = {"lymphocytes": _LYMPHOCYTES}
    for name, parent in PARENTS.items():
        # A parent stands before its children; a plasmablast or transitional cell is counted among B cells.
        sizes[name] = int(rng.binomial(sizes[parent], min(drawn[name], 1.0)))
    counts = np.array([sizes[trait.population] for trait in TRAITS], dtype=np.float64)
    totals = np.array([sizes[trait.parent] for trait in TRAITS], dtype=np.float64)
    return np.where(totals >= _FEWEST, log_odds(counts, np.maximum(totals, 1)), np.nan)


def _intervals(change: Floats, built: Floats) -> Iterator[tuple[str, Floats]]:
    """Yield of each kind of interval whether it holds the mean effect, (populations,) or (groups x populations,)."""
    places = [place_of(name) for name in PRIMARY]
    x, true = change[:, places], built[:, places]
    known = np.isfinite(x)
    true_means = np.array([true[known[:, k], k].mean() for k in range(len(PRIMARY))])
    columns = [x[known[:, k], k] for k in range(len(PRIMARY))]
    means = [mean_change(column) for column in columns]
    yield "t interval, all nine", np.array([m.low <= w <= m.high for m, w in zip(means, true_means, strict=True)])
    ends = [hodges_lehmann(column) for column in columns]
    yield (
        "Hodges-Lehmann interval, all nine",
        np.array([e.low <= w <= e.high for e, w in zip(ends, true_means, strict=True)]),
    )
    test = moderated_t(change)
    half = stats.t.ppf(0.975, test.freedom) * test.standard_error
    yield "moderated t interval, all nine", np.abs(test.mean[places] - true_means) <= half[places]
    groups = [slice(first, first + 3) for first in (0, 3, 6)]
    inside = []
    for group in groups:
        for k in range(len(PRIMARY)):
            is_known = np.isfinite(x[group, k])
            if is_known.sum() >= 2:
                mean = mean_change(x[group, k][is_known])
                inside.append(mean.low <= true[group, k][is_known].mean() <= mean.high)
            else:
                inside.append(np.nan)
    yield "t interval, three of one dose", np.array(inside, dtype=np.float64)


def _excludes(x: Floats) -> Floats:
    means = [mean_change(column[np.isfinite(column)]) for column in x.T]
    return np.array([mean.low > 0 or mean.high < 0 for mean in means], dtype=np.float64)
