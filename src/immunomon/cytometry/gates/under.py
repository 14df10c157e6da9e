"""Which gates decide what is in a population: its own, all above it, and those that they were placed on or made of."""

from __future__ import annotations

from immunomon.cytometry.gates.registry import gate_method
from immunomon.study.model.strategy import ROOT, GatingStrategy

__all__ = ["gates_under"]


def gates_under(strategy: GatingStrategy, *populations: str) -> tuple[str, ...]:
    """Return the populations whose gates decide what is in some populations, ``root`` first, parents before children.

    Those are their own gates and all above them, the populations that these were placed on, the operands of boolean
    gates, and all above those.

    >>> from immunomon.study.model.strategy import GateDeclaration, Population
    >>> gate = GateDeclaration("interval", {"axis": "CD3"})
    >>> tree = (Population("live", "Live", "root", gate, "inside"), Population("t", "T", "live", gate, "inside"))
    >>> gates_under(GatingStrategy("s", "S", 1, None, tree), "t")
    ('root', 'live', 't')
    """
    met: set[str] = set()
    waiting = list(populations)
    while waiting:
        name = waiting.pop()
        if name in met or name == ROOT:
            continue
        met.add(name)
        population = strategy.population(name)
        waiting += [population.parent, *gate_method(population.gate).references]
        waiting += [population.gate.place_on] if population.gate.place_on else []
    return (ROOT, *(name for name in strategy.ids if name in met))
