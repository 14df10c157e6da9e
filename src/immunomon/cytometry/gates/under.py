"""What a population rests on: its own gate, all above it, those that they were placed on or made of, and their axes."""

from __future__ import annotations

from collections.abc import Callable

from immunomon.cytometry.gates.registry import gate_method
from immunomon.errors import UnknownChannel
from immunomon.study.model.strategy import ROOT, GatingStrategy

__all__ = ["IMPORTED", "carried", "gates_under", "sharing_an_axis"]

# The method of populations that were gated elsewhere: no gate is known of them, only their counts.
IMPORTED = "imported"


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
        is_known = population.gate.method != IMPORTED
        waiting += [population.parent, *(gate_method(population.gate).references if is_known else ())]
        waiting += [population.gate.place_on] if population.gate.place_on else []
    return (ROOT, *(name for name in strategy.ids if name in met))


def sharing_an_axis(strategy: GatingStrategy, population: str) -> tuple[str, ...]:
    """Return a population and all others with a gate on one of its markers; if it is made of others, on one of theirs.

    >>> from immunomon.study.model.strategy import GateDeclaration, Population
    >>> gate = GateDeclaration("interval", {"axis": "CD3"})
    >>> tree = (Population("t", "T", "root", gate, "inside"), Population("non_t", "Not T", "root", gate, "outside"))
    >>> sharing_an_axis(GatingStrategy("s", "S", 1, None, tree), "t")
    ('t', 'non_t')
    """
    if strategy.population(population).gate.method == IMPORTED:
        return (population,)  # no axis is known
    method = gate_method(strategy.population(population).gate)
    own = [method, *(gate_method(strategy.population(name).gate) for name in method.references)]
    axes = {axis for made_of in own for axis in made_of.axes}
    shares = (p.id for p in strategy if p.id == population or axes & set(gate_method(p.gate).axes))
    return tuple(shares)


def carried(strategy: GatingStrategy, has: Callable[[str], bool], whose: str) -> GatingStrategy:
    """Return what of a strategy can be found on some channels; what needs others is left out, and named so.

    has: says whether a marker or channel is there; whose channels they are, for the message. Raises UnknownChannel if
    nothing of what the strategy is for can be found.

    >>> from immunomon.study.model.strategy import GateDeclaration, Population
    >>> gate = GateDeclaration("interval", {"axis": "CD3"})
    >>> strategy = GatingStrategy("s", "S", 1, None, (Population("t", "T", "root", gate, "inside"),))
    >>> carried(strategy, {"CD4"}.__contains__, "a.fcs")
    Traceback (most recent call last):
        ...
    immunomon.errors.UnknownChannel: a.fcs has no CD3: nothing that strategy 's' is for can be found; ...
    """
    lacking: dict[str, list[str]] = {}
    rests_on: dict[str, list[str]] = {}
    for population in strategy:
        method = gate_method(population.gate)
        lacking[population.id] = [axis for axis in dict.fromkeys(method.axes) if not has(axis)]
        ground = population.gate.place_on
        rests_on[population.id] = [*method.references, *([ground] if ground else [])]
    rest = strategy.without(lacking, rests_on)
    if not set(strategy.targets) & set(rest.ids):
        least = min((left.lacking for left in rest.left_out if left.population in strategy.targets), key=len)
        nothing = f"nothing that strategy '{strategy.name}' is for can be found"
        remedy = "name the panel that tells which detector carries it, or use another strategy"
        raise UnknownChannel(f"{whose} has no {' and no '.join(least)}: {nothing}; {remedy}")
    return rest
