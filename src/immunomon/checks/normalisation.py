"""Whether what a study declares about normalisation is there: batches, markers, cell types."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from immunomon.errors import Problem, nearest
from immunomon.study.model.panel import Panel
from immunomon.study.model.steadiness import MEAN, Normalisation, PanelNormalisation
from immunomon.study.model.strategy import GatingStrategy

__all__ = ["check_normalisation_names"]


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
