"""What is judged and said of the search for a mechanism in simulated trials."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from immunomon.assurance.validation.statistics_mechanism import Search
from immunomon.assurance.validation.statistics_nulls import ALPHA, Judgement

__all__ = ["judged_searches", "search_text"]

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


def _cells(values: Iterable[object]) -> str:
    return " | ".join(str(value) for value in values) + " |"
