"""Validation of the statistics: error rates, coverage and power of tests and intervals, over thousands of trials."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np

from immunomon.assurance.validation.sections import Section, Settings
from immunomon.assurance.validation.statistics_mechanism import Search, searched
from immunomon.assurance.validation.statistics_nulls import ALPHA, Judgement, Rate, every, patient_coverages
from immunomon.assurance.validation.statistics_trials import SCENARIOS, Recovery, recovered

__all__ = ["TRIALS", "judged_searches", "search_text", "section"]

# What is judged and said of the search for a mechanism in simulated trials.

_LEAST = 0.93


def judged_searches(searches: list[Search]) -> Iterator[Judgement]:
    """Yield each interval's coverage, and where nothing happens to the cells how often something is found."""
    for search in searches:
        for name, rate in search.coverage.items():
            held = rate.value + 3 * rate.error >= _LEAST
            yield Judgement(f"{name}, scenario {search.scenario}", 9, rate, f"at least {_LEAST}", held)
        if search.scenario == "null":
            for name, rate in search.excluded.items():
                if search.truth.get(name, 0.0) == 0:
                    criterion = f"0 excluded by {name}, scenario null"
                    yield Judgement(criterion, 9, rate, f"at most {ALPHA}", rate.at_most(ALPHA))
            for name, rate in search.rejected.items():
                yield Judgement(f"{name}, scenario null", 9, rate, f"at most {ALPHA}", rate.at_most(ALPHA))


def search_text(searches: list[Search]) -> Iterator[str]:
    """Yield the paragraphs and tables about them."""
    head = " | ".join(str(search.scenario) for search in searches)
    trials = searches[0].trials
    yield (
        f"`immunomon mechanism` on {trials} trials of nine patients a scenario, with platelets and kinetics as the "
        "simulator makes them. The truth of a difference by response is what was built into the trial's patients; of "
        f"correlations and lines what {trials} other trials give together; 0 where nothing happens to the cells."
    )
    rule = "| --- |" + " --- |" * len(searches)
    rows = [f"| how often a 95 % interval holds the truth | {head} |", rule]
    rows += [f"| {name} | {_cells(search.coverage[name] for search in searches)}" for name in searches[0].coverage]
    yield "\n".join(rows)
    rows = [f"| how often it excludes 0, or an exact test rejects at 5 % | {head} |", rule]
    rows += [f"| {name} | {_cells(search.excluded[name] for search in searches)}" for name in searches[0].excluded]
    rows += [f"| {name} | {_cells(search.rejected[name] for search in searches)}" for name in searches[0].rejected]
    yield "\n".join(rows)
    rows = [f"| the truth that it is measured by | {head} |", rule]
    rows += [f"| {name} | {_cells(f'{search.truth[name]:+.2f}' for search in searches)}" for name in searches[0].truth]
    yield "\n".join(rows)
    yield (
        "The interval of a product is wide: where both steps are near 0 it holds 0 nearly always, and nine patients "
        "seldom show a path that is there. In the simulator the cells' effect depends on dose and response and not on "
        "a patient's own exposure, and platelets do not depend on the cells: a correlation within patients is there "
        "because both follow the treatment in responders. The search finds it and cannot know that; this is what its "
        "page says at its end. A visit's scatter is independent of the visit before here; where it is not, intervals "
        "'by visits' are too narrow. The jackknife over nine patients, whose weights differ, is somewhat too narrow "
        "too; the difference of lags has no interval, and is asked of swapped courses."
    )


TRIALS = 2_000
_SCENARIO_TRIALS = 200
_COVERAGE = (0.93, 0.97)
_POWER_WITHIN = 0.03
# Power at an odds ratio of 1.5 that the design of the trial was reckoned with, by patients.
_DESIGNED = {
    "t": {3: 0.20, 6: 0.61, 9: 0.84, 15: 0.98},
    "moderated t": {6: 0.76, 9: 0.91, 15: 0.99},  # with 3 patients the setting was another: see the text
    "sign-flip": {3: 0.0, 6: 0.43, 9: 0.83, 15: 0.98},
}
# Tests that hold their level exactly or from above; the others only on average.
_EXACT = ("sign-flip", "Jonckheere-Terpstra, two-sided", "Jonckheere-Terpstra, one-sided", "Page, two-sided")
_WARNING = "pooled chi-square (not in the product)"

Rates = dict[tuple[int, str, str], Rate]  # patients, kind, what -> rate


def section(settings: Settings, trials: int = TRIALS) -> Section:
    """Return the section of the validation document."""
    began = time.monotonic()
    rates: Rates = {
        (n, kind, name): rate
        for n, kind, rates in every(trials, settings.seed, lambda _: None)
        for name, rate in rates.items()
    }
    alone = patient_coverages(trials, np.random.default_rng([settings.seed, 99]))
    rates |= {(1, "coverage", name): rate for name, rate in alone.items()}
    scenarios = [recovered(scenario, min(_SCENARIO_TRIALS, trials), settings.seed) for scenario in SCENARIOS]
    # A trial with platelets, kinetics and all visits takes ten times as long as one without.
    searches = [
        searched(scenario, max(min(_SCENARIO_TRIALS, trials // 10), 2), settings.seed) for scenario in SCENARIOS
    ]
    judged = [*_judged(rates), *_judged_scenarios(scenarios), *judged_searches(searches)]
    unmet = [judgement for judgement in judged if not judgement.met]
    seconds = time.monotonic() - began
    text = "\n\n".join(_text(rates, (scenarios, searches), judged, trials, settings.seed, seconds))
    lines = [f"statistics: {len(judged) - len(unmet)} of {len(judged)} rates as they should be"]
    lines += [
        f"NOT met  {criterion}, n = {n}: {rate}; should be {designed}" for criterion, n, rate, designed, _ in unmet
    ]
    return Section(text, tuple(lines), not unmet)


def _judged(rates: Rates) -> Iterator[Judgement]:
    for (n, kind, name), rate in rates.items():
        if kind in ("null", "trend") and name in _EXACT:
            yield Judgement(name, n, rate, f"at most {ALPHA}", rate.at_most(ALPHA))
        elif kind == "null" and name != _WARNING:
            yield Judgement(name, n, rate, f"{ALPHA} within 3 Monte Carlo errors", rate.near(ALPHA))
        elif kind == "coverage":
            low, high = _COVERAGE
            held = low - 3 * rate.error <= rate.value <= high + 3 * rate.error
            yield Judgement(name, n, rate, f"{low} to {high}", held)
        elif kind == "adjusted":
            yield Judgement(name, n, rate, f"at most {ALPHA}", rate.at_most(ALPHA))
        elif kind == "power" and n in _DESIGNED.get(name, {}):
            designed = _DESIGNED[name][n]
            near = abs(rate.value - designed) <= _POWER_WITHIN
            yield Judgement(f"power of {name}", n, rate, f"{designed} +- {_POWER_WITHIN}", near)


def _judged_scenarios(scenarios: list[Recovery]) -> Iterator[Judgement]:
    for scenario in scenarios:
        for name, rate in scenario.coverage.items():
            low = _COVERAGE[0]
            held = rate.value + 3 * rate.error >= low
            yield Judgement(f"{name}, scenario {scenario.scenario}", 9, rate, f"at least {low}", held)
        if scenario.scenario == "null":
            most = scenario.excluded.at_most(ALPHA)
            yield Judgement("no change excluded, scenario null", 9, scenario.excluded, f"at most {ALPHA}", most)


def _text(
    rates: Rates,
    simulated: tuple[list[Recovery], list[Search]],
    judged: list[Judgement],
    trials: int,
    seed: int,
    seconds: float,
) -> Iterator[str]:
    scenarios, searches = simulated
    met = sum(judgement.met for judgement in judged)
    yield "## Statistics"
    yield (
        f"`immunomon validate --statistics --seed {seed}`, {seconds:.0f} s. {trials:,} trials of each size: 12 "
        "populations of 0.8 to 20 % of 20,000 cells, log-odds scattering by 0.25 from visit to visit; effect for "
        f"power and coverage: odds ratio 1.5. A rate is judged within three of its own Monte Carlo errors. **{met} of "
        f"{len(judged)} rates are as they should be.**"
    )
    yield "### How often a test rejects at 5 %"
    yield _table(rates, ("null", "trend"), "without any effect")
    yield (
        "The pooled chi-square counts cells as if they were patients. It is no part of the program; it stands here "
        "to show why. A sign-flip test of three patients and a trend over three doses with one patient each cannot "
        "reach 5 %: the program prints the smallest possible p instead."
    )
    yield _table(rates, ("power",), "with an odds ratio of 1.5 (power)")
    yield (
        "The trial was designed with 0.41 for the moderated t at three patients. That is what a prior fixed at 8 "
        "degrees of freedom gives here; estimated from the twelve variances by Smyth's formula, as limma does and "
        "the program does to 1e-8, the prior is mostly worth more, and the power is higher at nearly the same error. "
        "With three patients it rejects a little too often, as twelve variances of two degrees of freedom tell the "
        "prior badly; the program prints no p there, only the smallest that a sign-flip test could reach."
    )
    yield "### How often a 95 % interval holds the truth"
    yield _table(rates, ("coverage",), "odds ratio 1.5; the last two: one patient's own change")
    yield "### Many tests together"
    yield _table(rates, ("adjusted",), "a family of five that goes together within patients")
    yield "### The simulator's scenarios"
    yield _scenario_table(scenarios)
    yield "### Mechanism"
    yield from search_text(searches)
    unmet = [judgement for judgement in judged if not judgement.met]
    if unmet:
        yield "Not as they should be:\n\n" + "\n".join(
            f"- {criterion}, {n} patients: {rate} ({rate.error:.4f}); should be {designed}"
            for criterion, n, rate, designed, _ in unmet
        )
    yield (
        "What this does not show: patients here differ by normal log-odds and visits scatter alike in all "
        "populations but for counting; a real trial has outliers, missing visits that are not missing by chance, and "
        "other therapies."
    )


def _table(rates: Rates, kinds: tuple[str, ...], caption: str) -> str:
    names = dict.fromkeys(name for _, kind, name in rates if kind in kinds)
    columns = sorted({n for n, kind, _ in rates if kind in kinds})
    head = "".join(f" n = {n} |" for n in columns)
    rows = [f"| {caption} |{head}", "| --- |" + " --- |" * len(columns)]
    for name in names:
        cells = (next((rates[n, kind, name] for kind in kinds if (n, kind, name) in rates), None) for n in columns)
        rows.append(f"| {name} |" + "".join(f" {rate or ''} |" for rate in cells))
    return "\n".join(rows)


def _scenario_table(scenarios: list[Recovery]) -> str:
    names = list(scenarios[0].coverage)
    head = " | ".join(f"{scenario.scenario}" for scenario in scenarios)
    rows = [f"| {scenarios[0].trials} trials each, nine patients, week 4 | {head} |"]
    rows.append("| --- |" + " --- |" * len(scenarios))
    for name in names:
        rows.append(
            f"| {name}: holds the mean effect of its patients | "
            + _cells(scenario.coverage[name] for scenario in scenarios)
        )
    for name in scenarios[0].bias:
        rows.append(f"| bias of {name}, log-odds | " + _cells(f"{scenario.bias[name]:+.3f}" for scenario in scenarios))
    rows.append("| t interval excludes no change (five primary populations) | " + _cells(s.excluded for s in scenarios))
    rows.append("| trend of Treg over dose, one-sided p <= 0.05 | " + _cells(scenario.trend for scenario in scenarios))
    words = (
        "Where doses, or responders and others, have different effects, an interval of their mean counts those "
        "differences as scatter and holds the mean more often than 95 times of 100."
    )
    return "\n".join(rows) + "\n\n" + words


def _cells(values: Iterable[object]) -> str:
    return " | ".join(str(value) for value in values) + " |"
