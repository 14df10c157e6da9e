"""``immunomon validate --steadiness``: control charts and normalisation between batches, against a simulated truth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from immunomon.assurance.simulate.protocol import Scenario
from immunomon.assurance.validation.effects import Effect, Tally
from immunomon.assurance.validation.measure import missed_effect
from immunomon.assurance.validation.sections import Section, Settings, markdown_table
from immunomon.assurance.validation.steadiness_measures import (
    SETTINGS,
    Alarms,
    PairFound,
    alarms,
    effects_after,
    pairs_found,
)
from immunomon.assurance.validation.targets import PRIMARY_VISIT
from immunomon.assurance.validation.trials import Design, make_trial
from immunomon.runs.normalise import Normalised, normalise_run
from immunomon.runs.plan import make_plan

__all__ = ["section"]

_MOST_FALSE, _LEAST_FOUND = 3.0, 90.0
_NOT_SHOWN = """What this does not show: real bridge samples. The simulator stains every tube of a batch alike, so that
what holds for the bridge holds for the patients' tubes; in a laboratory, differences between tubes of one batch stay.
Halves of one tube share everything about that tube: they show that counting noise was not learned, and no more; FMO
tubes of the same donor are other tubes, but of the same simulator. A batch is one dose group at one visit here, so
that a map that is wrong for a batch looks like an effect: normalise only what is needed, and report raw values too.
That a map must bring batches a tenth nearer was decided after seeing this trial of seed 1."""


def section(settings: Settings) -> Section:
    """Simulate and run a trial, chart and normalise it, and return what was found as a section of the document."""
    folder = settings.folder / Scenario.MECHANISM.value
    design = Design(events=settings.events, seed=settings.seed)
    trial = make_trial(Scenario.MECHANISM, folder, design=design, jobs=settings.jobs, progress=lambda *_: None)
    plan = make_plan(folder, jobs=settings.jobs)
    out = settings.folder / "normalised"
    done = normalise_run(trial.run, folder, out=out, settings=SETTINGS)
    samples = int(trial.tables["samples"]["role"].eq("bridge").sum() // len(plan.panels))
    rates, pairs = alarms(max(samples, 12), settings.seed), pairs_found(plan, done)
    raw, after = effects_after(trial, plan, done)
    rules_met = rates.rejecting <= _MOST_FALSE and rates.shift[3.0] >= _LEAST_FOUND
    tally = missed_effect(tuple(after))
    met = rules_met and all(pair.met for pair in pairs) and tally.within_chance
    text = [
        "## Steadiness over time",
        f"Written by `immunomon validate --steadiness --events {settings.events} --seed {settings.seed}`: the scenario "
        f"`mechanism`, {samples} batches (a dose group at a visit), a bridge tube of one healthy donor in each.",
        *_rules(rates, rules_met),
        *_distances(pairs, done),
        *_effects(raw, after, tally),
        _NOT_SHOWN,
    ]
    return Section("\n\n".join(text), tuple(_lines(rates, pairs, tally, rules_met=rules_met)), met)


def _word(met: bool) -> str:
    return "met" if met else "NOT met"


def _rules(rates: Alarms, met: bool) -> list[str]:
    rows = [(f"`{name}`", f"{share:.2f}") for name, share in rates.by_rule.items()]
    shifts = ", ".join(f"{size:g} SD {share:.0f} %" for size, share in rates.shift.items())
    return [
        "### Westgard's rules",
        f"2,000 series of {rates.samples} normal values in which nothing changes, each value judged by all others; "
        "percent of values at which a rule is broken:",
        markdown_table(("rule", "% of values"), rows),
        f"Any rejecting rule (all but `1_2s`): {rates.rejecting:.2f} % of values; {rates.rejecting_first:.2f} % of "
        f"later values where the first 10 set the limits, because 10 values do not know their SD well. A shift that "
        f"lasts is said within 3 samples (limits from the first 10): {shifts}. Targets: at most {_MOST_FALSE:g} % "
        f"false, a shift of 3 SD found in at least {_LEAST_FOUND:g} %: {_word(met)}.",
    ]


def _distances(pairs: Sequence[PairFound], done: Normalised) -> list[str]:
    applied = [pair for pair in pairs if pair.reason is None]
    rows = [
        (
            f"{pair.panel} {pair.cell_type} {pair.marker}",
            f"{pair.cells:.0f}",
            "too few cells" if math.isnan(pair.floor) else _pair(pair.halves),
            "" if math.isnan(pair.floor) else f"{pair.floor:.4f}",
            "refused" if pair.reason else _pair(pair.tubes),
            "" if pair.reason else _pair(pair.patients),
            "refused" if pair.reason else _word(pair.met),
        )
        for pair in pairs
    ]
    judged = done.tables["normalisation_judgement"]
    return [
        "### Distances between batches",
        f"Normalisation to the mean of all batches, {SETTINGS.quantiles} quantiles at most, on bridge tubes of "
        f"{int(judged['cells'].min())} to {int(judged['cells'].max())} cells of a type. Mean earth mover's distance of "
        "a batch to each other batch, display units (1 = the whole axis of 4.5 decades), before and after. Halves: "
        "learned on every other cell, judged on the rest. Other tubes: the final maps on FMO tubes of the same donor, "
        "which nothing was learned from. Patients: SD of a patient's median from visit to visit.",
        markdown_table(
            ("cells", "bridge cells", "halves", "counting alone", "other tubes", "patients' medians", "target"), rows
        ),
        f"{len(applied)} of {len(pairs)} are applied; the others are refused, as the program does by itself, because "
        "held-out cells of the batches do not come a tenth nearer: where batches differ by little more than counting, "
        "and where a marker has two peaks whose shares the few cells of a bridge do not fix. Target: on other tubes "
        f"the distance falls wherever a map is applied: {_word(all(pair.met for pair in pairs))}.",
    ]


def _pair(values: tuple[float, float]) -> str:
    return f"{values[0]:.4f} to {values[1]:.4f}"


def _effects(raw: Sequence[Effect], after: Sequence[Effect], tally: Tally) -> list[str]:
    rows = [
        (
            raw_effect.population,
            f"{raw_effect.built_in:+.3f}",
            f"{raw_effect.in_files:+.3f}",
            _interval(raw_effect),
            _interval(normalised_effect),
            "yes" if normalised_effect.inside else "no",
        )
        for raw_effect, normalised_effect in zip(raw, after, strict=True)
    ]
    return [
        "### Effects must stay",
        f"Every file gated again on normalised events; change in log-odds at {PRIMARY_VISIT}, all doses, mean and 95 % "
        "interval. Gates are placed anew on each normalised file, without controls.",
        markdown_table(
            ("population", "built in", "true in the files", "raw", "normalised", "built in lies in it"), rows
        ),
        f"{tally.intervals - tally.misses} of {tally.intervals} intervals hold what was built in "
        f"({tally.allowed} may miss by chance): {_word(tally.within_chance)}.",
    ]


def _interval(effect: Effect) -> str:
    return f"{effect.estimate:+.3f} ({effect.low:+.3f} to {effect.high:+.3f})"


def _lines(rates: Alarms, pairs: Sequence[PairFound], tally: Tally, *, rules_met: bool) -> Iterator[str]:
    yield (
        f"{_word(rules_met):<8} rules: {rates.rejecting:.2f} % false alarms, a shift of 3 SD found in "
        f"{rates.shift[3.0]:.0f} % within 3 samples"
    )
    for pair in pairs:
        name = f"{pair.panel} {pair.cell_type} {pair.marker}"
        if pair.reason is not None:
            yield f"refused  {name}: {pair.reason}"
        else:
            yield f"{_word(pair.met):<8} {name}: {_pair(pair.tubes)} between other tubes, {_pair(pair.halves)} halves"
    held = tally.intervals - tally.misses
    yield f"{_word(tally.within_chance):<8} effects: {held} of {tally.intervals} intervals hold what was built in"
