"""What is wrong with a study's analysis plan."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from immunomon.errors import BadSpec, Problem
from immunomon.files import is_there
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.study import Study
from immunomon.trial.specs.analysis import check_against_study

__all__ = ["PLAN", "check_analysis_plan"]

PLAN = "analysis.yaml"


def _denominators(strategy: GatingStrategy) -> dict[str, set[str]]:
    """Return of each population what its percent is of: its parent, and what the strategy reports."""
    return {population.id: set(strategy.denominators_of(population.id)) for population in strategy}


def check_analysis_plan(
    study: Study, strategies: Iterable[GatingStrategy]
) -> tuple[tuple[Problem, ...], tuple[Path, ...]]:
    """Return the problems of the study's ``analysis.yaml`` and the file itself; nothing where there is no such file.

    strategies: those of the study's panels; a strategy that could not be read takes its populations along, so nothing
    is said of a panel whose strategy is missing.
    """
    path = study.folder / PLAN
    if not is_there(path):
        return (), ()
    by_name = {strategy.name: strategy for strategy in strategies}
    populations = {use.panel: _denominators(by_name[use.strategy]) for use in study.panels if use.strategy in by_name}
    try:
        check_against_study(path, visits=[visit.label for visit in study.visits], populations=populations)
    except BadSpec as error:
        unread = {use.panel for use in study.panels} - populations.keys()
        problems = [
            problem
            for problem in error.problems
            if not any(f"no panel named '{name}'" in problem.what for name in unread)
        ]
        return tuple(problems), (path,)
    return (), (path,)
