"""Order in a graph of names: what has to come before what, and where that is impossible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["cycle_in", "parents_first"]


def parents_first(needs: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the names so that what each one needs comes before it, else in the order given.

    needs: name -> names that come before it; names that are no keys are taken as there. Raises ValueError for a cycle.

    >>> parents_first({"treg": ["cd4"], "live": ["root"], "cd4": ["live"]})
    ('live', 'cd4', 'treg')
    """
    done: dict[str, None] = {}
    while len(done) < len(needs):
        waiting = (name for name in needs if name not in done)
        ready = next((name for name in waiting if all(b in done or b not in needs for b in needs[name])), None)
        if ready is None:
            raise ValueError("the names need each other in a circle")
        done[ready] = None
    return tuple(done)


def cycle_in(needs: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    """Return each circle of names that need each other, where every name needs at most one other.

    >>> cycle_in({"a": ["b"], "b": ["a"], "c": ["a"]})
    [('a', 'b')]
    """
    cycles: list[tuple[str, ...]] = []
    settled: set[str] = set()
    for start in needs:
        way: list[str] = []
        name = start
        while name in needs and name not in settled and name not in way:
            way.append(name)
            name = next(iter(needs[name]), "")
        if name in way:
            cycles.append(tuple(way[way.index(name) :]))
        settled.update(way)
    return cycles
