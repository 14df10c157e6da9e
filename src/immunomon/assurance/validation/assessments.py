"""How well the other assessments are worked out: hand-judged courses, published kinetics, simulated trials."""

from __future__ import annotations

import dataclasses
import datetime
import math
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immunomon.assurance.simulate.assessments import msc_rows, platelet_rows
from immunomon.assurance.simulate.protocol import Patient, Scenario, draw_patients
from immunomon.assurance.simulate.seeding import generator
from immunomon.assurance.validation.sections import Section, Settings
from immunomon.study.model.endpoints import KineticRules, PlateletRules
from immunomon.trial.assessments.kinetics import parameters_of
from immunomon.trial.assessments.people import People, Person
from immunomon.trial.assessments.platelets import course_of, courses, response_row, visit_rows
from immunomon.trial.kernels.intervals import clopper_pearson
from immunomon.trial.kernels.noncompartmental import area_to_last, last_slope, power_model
from immunomon.yamlfile import read_yaml

__all__ = [
    "Trials",
    "concentrations_of",
    "counts_of",
    "disagreements",
    "hand_judged",
    "kinetic_deviation",
    "least_coverage",
    "platelets_of",
    "section",
    "simulated_trials",
    "theophylline",
]

# Platelet courses that a person judged, each for one rule, beside what the program makes of them.

_FILE = Path(__file__).parent / "reference" / "platelet-courses.yaml"
_COUNT = re.compile(r"(-?\d+):(-|\d+)([br?]*)")
_WHO = "S01"
_PEOPLE = People({_WHO: Person(_WHO, "A", 1e6, infusions=(datetime.date(2025, 1, 13),))}, {"A": 1e6})


def hand_judged() -> list[dict[str, Any]]:
    """Return the courses: ``rule``, ``counts``, ``expect``, and ``rules`` that differ from the defaults."""
    courses: list[dict[str, Any]] = read_yaml(_FILE).data["courses"]
    return courses


def counts_of(text: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a course written as ``DAY:COUNT``, with b for bleeding, r for rescue therapy, ? for unknown.

    >>> [row["platelets_1e9_per_l"] for row in counts_of("-1:10 8:-b")]
    [10.0, None]
    """
    for word in text.split():
        match = _COUNT.fullmatch(word)
        if match is None:
            raise ValueError(f"'{word}' is not DAY:COUNT")
        day, count, marks = match.groups()
        yield {
            "subject": _WHO,
            "visit": f"day {day}",
            "study_day": int(day),
            "platelets_1e9_per_l": None if count == "-" else float(count),
            "bleeding": None if "?" in marks else "b" in marks,
            "rescue_therapy": "r" in marks,
        }


def disagreements(course: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the rule and what differs, for everything that the program judges otherwise than the person did."""
    rules = dataclasses.replace(PlateletRules(), **course.get("rules", {}))
    course_found = course_of(list(counts_of(course["counts"])), rules)
    visits = [row for row in visit_rows(_PEOPLE, _WHO, course_found) if row["state"] != "baseline"]
    summary = {
        **response_row(_PEOPLE, _WHO, course_found, rules=rules),
        "states": " ".join(str(row["state"]) for row in visits),
    }
    for name, expected in course["expect"].items():
        if summary.get(name) != expected:
            yield course["rule"], f"{name} is {summary.get(name)}, a person says {expected}"
    for day, note in course.get("notes", {}).items():
        actual = next(row["note"] for row in visits if row["study_day"] == int(day))
        if note not in actual:
            yield course["rule"], f"day {day} is noted '{actual}', a person says '{note}'"


_REFERENCE = Path(__file__).parent / "reference"
_TRIALS = 200
_MOST_DEVIATION, _LEAST_RIGHT, _CONFIDENCE = 1e-6, 0.95, 0.9


def theophylline() -> list[dict[str, Any]]:
    """Return the twelve subjects with what is published of them."""
    subjects: list[dict[str, Any]] = read_yaml(_REFERENCE / "theophylline.yaml").data["subjects"]
    return subjects


def kinetic_deviation(subjects: Sequence[Mapping[str, Any]]) -> float:
    """Return the largest relative deviation from the published areas and half-lives."""
    worst = 0.0
    for subject in subjects:
        hours, values = subject["hours"], subject["mg_per_l"]
        area, slope = area_to_last(hours, values), last_slope(hours, values)
        rate = math.nan if slope is None else slope.rate
        computed = (area, area + values[-1] / rate, math.log(2) / rate)
        published = (subject["area_to_last"], subject["area_to_infinity"], subject["half_life"])
        off = [abs(value / known - 1) for value, known in zip(computed, published, strict=True)]
        worst = max(worst, *(math.inf if math.isnan(deviation) else deviation for deviation in off))
    return worst


def least_coverage(total: int, steps: int = 400) -> float:
    """Return the least coverage of the exact 95 % interval over shares from 0 to 1.

    >>> least_coverage(9) >= 0.95
    True
    """
    ends = [clopper_pearson(count, total) for count in range(total + 1)]
    shares = (step / steps for step in range(1, steps))
    return min(
        sum(
            math.comb(total, count) * share**count * (1 - share) ** (total - count)
            for count, (low, high) in enumerate(ends)
            if low <= share <= high
        )
        for share in shares
    )


@dataclass(frozen=True)
class Trials:
    """What came of simulated trials: responders found, others not called so, kinetics against what was built in."""

    trials: int
    responders: tuple[int, int]
    others: tuple[int, int]
    half_life_error: float
    area_error: float
    slopes_covered: tuple[int, int]


def simulated_trials(trials: int, seed: int) -> Trials:
    """Return what is found in so many simulated trials of nine patients, seeds from ``seed`` on."""
    right = {True: [0, 0], False: [0, 0]}
    half_lives, areas, covered = [], [], []
    for number in range(seed, seed + trials):
        patients = draw_patients(Scenario.NULL, 3, seed=number)
        for patient in patients:
            course = courses(platelets_of(patient, number), PlateletRules())[patient.id]
            tally = right[patient.responder]
            tally[0] += bool(course.responses) == patient.responder
            tally[1] += 1
        doses, values = [], []
        for patient in (person for person in patients if person.sex == "F"):
            parameters = parameters_of(concentrations_of(patient, number), KineticRules())
            half_life, area = parameters["LAMZHL"][0], parameters["AUCIFO"][0]
            if half_life is None or area is None:
                continue
            half_lives.append(half_life / (9 * math.log(2)) - 1)
            areas.append(area / _true_area(patient, number) - 1)
            doses.append(patient.group.cells_per_kg)
            values.append(area)
        model = power_model(doses, values, _CONFIDENCE)
        if model is not None:
            covered.append(model.low <= 1 <= model.high)
    return Trials(
        trials,
        (right[True][0], right[True][1]),
        (right[False][0], right[False][1]),
        statistics.median(half_lives),
        statistics.median(areas),
        (sum(covered), len(covered)),
    )


def platelets_of(patient: Patient, seed: int) -> Iterator[dict[str, Any]]:
    """Yield a simulated patient's platelet counts as the product reads them."""
    for row in platelet_rows(patient, seed):
        yield {
            "subject": row["subject"],
            "visit": row["visit"],
            "study_day": int(row["study_day"]),
            "platelets_1e9_per_l": float(row["platelets_1e9_per_l"]),
            "bleeding": row["bleeding"] == "true",
            "rescue_therapy": row["rescue_therapy"] == "true",
        }


def concentrations_of(patient: Patient, seed: int) -> list[dict[str, Any]]:
    """Return a simulated patient's concentrations of the cells as the product reads them; none of a man."""
    return [
        {
            "hours": float(row["actual_time_h"]),
            "concentration_cells_per_ml": float(row["concentration_cells_per_ml"] or "nan"),
            "below_quantification": row["below_quantification"] == "true",
            "lloq": float(row["lloq"]),
        }
        for row in msc_rows(patient, seed)
    ]


def _true_area(patient: Patient, seed: int) -> float:
    """Return the area under the course that the simulator draws: two falling exponentials from time 0."""
    person = math.exp(0.3 * float(generator(seed, "msc", patient.id).standard_normal()))
    return person * patient.group.cells_per_kg / 1e6 * (900 * 0.8 + 160 * 9)


def section(settings: Settings) -> Section:
    """Return the section: courses, kinetics, intervals, simulated trials; the seed is the first trial's."""
    judged = hand_judged()
    wrong = [disagreement for course in judged for disagreement in disagreements(course)]
    deviation = kinetic_deviation(theophylline())
    coverage = {total: least_coverage(total) for total in (3, 6, 9, 18)}
    none_of_nine = 100 * clopper_pearson(0, 9)[1]
    trials = simulated_trials(_TRIALS, settings.seed)
    slack = 1.96 * math.sqrt(_CONFIDENCE * (1 - _CONFIDENCE) / trials.slopes_covered[1])
    share = trials.slopes_covered[0] / trials.slopes_covered[1]
    agreed = len(judged) - len({rule for rule, _ in wrong})
    rows = [
        ("platelet courses judged as a person judged them", f"{agreed} of "
         f"{len(judged)}", "all, at least 30", not wrong and len(judged) >= 30),
        ("theophylline, 12 subjects: largest deviation of areas and half-life from WinNonlin's", f"{deviation:.1e}",
         f"{_MOST_DEVIATION:.0e}", deviation < _MOST_DEVIATION),
        ("exact interval of 0 of 9, upper end", f"{none_of_nine:.1f} %", "33.6 %", round(none_of_nine, 1) == 33.6),
        *((f"least coverage of the exact interval, n = {total}", f"{100 * least:.1f} %", "at least 95 %", least >= 0.95)
          for total, least in coverage.items()),
        ("simulated responders called so", _of(trials.responders), "95 %", _right(trials.responders)),
        ("simulated others not called so", _of(trials.others), "95 %", _right(trials.others)),
        ("power model: intervals that hold the true exponent 1", _of(trials.slopes_covered),
         f"90 % within {100 * slack:.1f}", abs(share - _CONFIDENCE) <= slack),
    ]  # fmt: skip
    return _written(rows, trials, settings, wrong=wrong)


def _of(pair: tuple[int, int]) -> str:
    return f"{pair[0]} of {pair[1]} ({100 * pair[0] / pair[1]:.1f} %)"


def _right(pair: tuple[int, int]) -> bool:
    return pair[0] >= _LEAST_RIGHT * pair[1]


def _written(
    rows: Sequence[tuple[str, str, str, bool]], trials: Trials, settings: Settings, *, wrong: Sequence[tuple[str, str]]
) -> Section:
    word = {True: "met", False: "NOT met"}
    table = [f"| {criterion} | {value} | {target} | {word[met]} |" for criterion, value, target, met in rows]
    text = "\n".join([
        "## Other assessments",
        "",
        f"Written by `immunomon validate --assessments --seed {settings.seed}`; {trials.trials} simulated trials of "
        f"nine patients from seed {settings.seed} on, definitions as a study has them by default.",
        "",
        "| what | found | target | verdict |",
        "| --- | --- | --- | --- |",
        *table,
        "",
        *(f"- {rule}: {criterion}" for rule, criterion in wrong),
        f"Half-life against the simulator's: {100 * trials.half_life_error:+.1f} % in the median. Area to infinity "
        f"against the simulator's: {100 * trials.area_error:+.1f} % in the median, as the simulated course is highest "
        "at time 0 and the first sample is taken half an hour later: what came before, they do not show.",
        "",
        "What this does not show: the courses were judged by the people who wrote the program, by the published "
        "definitions; the simulated platelets rise and fall smoothly, without other therapy; the simulator makes no "
        "positive virus, boosted antibody or dose-limiting toxicity: these are tested on made-up files.",
    ])  # fmt: skip
    lines = tuple(f"{word[met]:8} {criterion}: {value} (target {target})" for criterion, value, target, met in rows)
    return Section(text, lines, all(met for *_, met in rows))
