"""Which of the shipped strategies a proposed panel carries."""

from __future__ import annotations

from collections import Counter

from immunomon.cytometry.specs.gatecall import Methods
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.errors import BadSpec
from immunomon.runs.checks.proposed_panel import ProposedPanel
from immunomon.shape import BLANK
from immunomon.study.model.panel import Marker, MarkerKind, Panel
from immunomon.study.specs.catalog import shipped_strategies

__all__ = ["propose_strategies"]


def propose_strategies(panel: ProposedPanel, *, methods: Methods) -> tuple[list[str], str]:
    """Return the strategies that a panel carries and a remark; none where a marker lacks for all.

    Whole ones first; where there is none, those that leave out less than half of what they report. One that would show
    nothing of its own, but T cells, say, as others do, is not spoken of.
    """
    model = _model_of(panel)
    shipped = {name: load_strategy(path, methods=methods) for name, path in sorted(shipped_strategies().items())}
    reported_by = Counter(target for strategy in shipped.values() for target in strategy.targets)
    whole: list[str] = []
    partly: list[tuple[float, str, str]] = []
    for name, declared in shipped.items():
        own = [target for target in declared.targets if reported_by[target] == 1] or declared.targets
        try:
            carried = load_strategy(shipped_strategies()[name], methods=methods, panel=model)
        except BadSpec:
            continue
        if not carried.left_out:
            whole.append(name)
            continue
        if not set(own) & set(carried.ids):
            continue
        left = [target for target in declared.targets if target not in carried.ids]
        lacking = sorted({axis for item in carried.left_out for axis in item.lacking})
        share = len(left) / len(declared.targets)
        partly.append((share, name, f"{name} without {', '.join(left)} (no {', '.join(lacking)})"))
    partly.sort()
    others = "; ".join(text for _, _, text in partly)
    if whole:
        return whole, f"could be added: {others}" if others else ""
    best = [(name, text) for share, name, text in partly if share < 0.5]
    if best:
        return [best[0][0]], f"guess: {best[0][1]}"
    return [], f"no shipped strategy has its markers here{f'; {others}' if others else ''}: write one, docs/gating.md"


def _model_of(panel: ProposedPanel) -> Panel:
    """Return the panel as it will be when a person has said which detector carries what two may carry."""
    named = {marker.marker if marker.marker != BLANK else marker.may_be: marker for marker in reversed(panel.markers)}
    stained = tuple(
        Marker(name, marker.detector, marker.fluorochrome, MarkerKind(marker.kind))
        for name, marker in named.items()
        if name and marker.detector != BLANK
    )
    return Panel(panel.name, panel.name, stained, panel.scatter, panel.time)
