"""What a study declares beside its samples: the analysis plan, overrides, and normalisation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from immunomon.cytometry.specs.gatecall import Methods
from immunomon.cytometry.specs.overrides import load_overrides
from immunomon.errors import BadSpec, Problem, nearest
from immunomon.files import is_there
from immunomon.study.model.panel import Panel
from immunomon.study.model.steadiness import MEAN, Normalisation, PanelNormalisation
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.study import Sample, Study
from immunomon.trial.specs.analysis import check_against_study

__all__ = ["OVERRIDES_FILE", "PLAN", "check_analysis_plan", "check_decisions", "check_normalisation_names"]

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


# What is wrong with a study's file of overrides, before it is run.

OVERRIDES_FILE = "overrides.yaml"


def check_decisions(
    study: Study, samples: Sequence[Sample], strategies: Sequence[GatingStrategy], *, methods: Methods
) -> tuple[tuple[Problem, ...], tuple[Path, ...]]:
    """Return the problems of the study's ``overrides.yaml`` and the file itself; nothing where there is no such file.

    Nothing is said as long as there are no samples, or a strategy could not be read: these are to be mended first.
    """
    path = study.folder / OVERRIDES_FILE
    if not is_there(path):
        return (), ()
    by_name = {strategy.name: strategy for strategy in strategies}
    if not samples or any(use.strategy not in by_name for use in study.panels):
        return (), (path,)
    used = {use.panel: by_name[use.strategy] for use in study.panels}
    gated = {sample.id: used.get(sample.panel) if sample.role.is_gated else None for sample in samples}
    try:
        load_overrides(path, methods=methods, samples=gated)
    except BadSpec as error:
        return error.problems, (path,)
    return (), (path,)


# Whether what a study declares about normalisation is there: batches, markers, cell types.


def check_normalisation_names(
    declared: Normalisation,
    *,
    panels: Mapping[str, Panel],
    strategies: Mapping[str, GatingStrategy],
    batches: Collection[str],
    file: Path,
) -> Iterator[Problem]:
    """Yield what of a declared normalisation is not there, or would give a cell two maps.

    strategies: by panel; batches: of the sample list; file: the study's. A panel that could not be read is passed over.

    >>> none = {"panels": {}, "strategies": {}, "batches": ()}
    >>> list(check_normalisation_names(Normalisation(()), file=Path("study.yaml"), **none))
    []
    """
    if declared.goal != MEAN and declared.goal not in batches:
        remedy = nearest(declared.goal, {MEAN, *batches})
        yield Problem(str(file), None, "normalisation.goal", f"no batch named '{declared.goal}'", remedy)
    for number, of_panel in enumerate(declared.panels):
        key = f"normalisation.panels[{number}]"
        panel, strategy = panels.get(of_panel.panel), strategies.get(of_panel.panel)
        for name in of_panel.markers if panel else ():
            if panel and name not in panel.names:
                message = f"no marker '{name}' in the panel"
                yield Problem(str(file), None, f"{key}.markers", message, nearest(name, panel.names))
        if strategy:
            for message, remedy in _cell_types(of_panel, strategy):
                yield Problem(str(file), None, f"{key}.cell_types", message, remedy)


def _cell_types(of_panel: PanelNormalisation, strategy: GatingStrategy) -> Iterator[tuple[str, str]]:
    for name in of_panel.cell_types:
        if name not in strategy.ids:
            yield f"no population '{name}' in the strategy {strategy.name}", nearest(name, strategy.ids)
            continue
        above = [ancestor for ancestor in of_panel.cell_types if ancestor in strategy.ancestors(name)]
        if above:
            yield f"'{name}' lies in '{above[0]}': its cells would have two maps", "keep one of them"
