"""Transform: from intensities to display coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import lru_cache

import numpy as np

from immunomon.arrays import Floats, Floats32, Ints
from immunomon.cytometry.kernels.scales import asinh_decades, logicle_width
from immunomon.cytometry.kernels.tables import Table, tabulate
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.fast_columns import FastColumns
from immunomon.cytometry.model.lazy import CompensatedTable, DisplayTable, LazyTable
from immunomon.cytometry.model.noise import MarkerNoise, NoiseBook, NoisyScales
from immunomon.cytometry.model.scales import SCALES, AnyScale, Asinh, Hyperlog, Logicle
from immunomon.errors import WrongScale
from immunomon.study.model.channels import Channel, ChannelKind
from immunomon.study.model.strategy import GatingStrategy, ScaleDeclaration

__all__ = ["resolve_scales", "transform", "undeclared"]


def _declared(strategy: GatingStrategy, axis: str, channel: Channel) -> ScaleDeclaration:
    for name in (axis, channel.marker, channel.detector, channel.kind.value):
        if name and name in strategy.scales:
            return strategy.scales[name]
    return ScaleDeclaration("logicle" if channel.kind is ChannelKind.FLUORESCENCE else "identity")


def resolve_scales(
    strategy: GatingStrategy, axes: Iterable[str], events: EventTable, book: NoiseBook | None = None
) -> NoisyScales:
    """Return the display scale of each axis, as declared for it, its detector or its kind, with the noise on it.

    events: compensated. book: what the files of the panel have in common; what is not declared comes from there: the
    top from the range, the width (of an asinh the decades) from the noise of the negatives. Without it the range of
    the file holds and an ordinary width. Raises UnknownChannel for an axis that the events lack.

    >>> events = EventTable(np.array([[1.0]]), (Channel("PE-A", "CD25", 1e7),), Scale.COMPENSATED)
    >>> strategy = GatingStrategy("s", "S", 1, None, ())
    >>> resolve_scales(strategy, ["CD25"], events)["CD25"]
    Logicle(t=10000000.0, w=0.5, m=4.5, a=0.0)
    >>> resolve_scales(strategy, ["CD25"], events, {("CD25", 1e7): MarkerNoise(1e7, 7000.0, files=3)})["CD25"]
    Logicle(t=10000000.0, w=0.85, m=4.5, a=0.0)
    """
    scales: dict[str, AnyScale] = {}
    noise: dict[str, MarkerNoise] = {}
    for axis in axes:
        channel = events.channels[events.index(axis)]
        known = (book or {}).get((channel.name, channel.range))
        scales[axis] = _scale(_declared(strategy, axis, channel), known or MarkerNoise(channel.range))
        if known is not None:
            noise[axis] = known
    return NoisyScales(scales, noise)


def _scale(declared: ScaleDeclaration, noise: MarkerNoise) -> AnyScale:
    parameters = {name: value for name, value in declared.parameters if value is not None}
    if declared.kind in ("logicle", "asinh", "linear"):
        parameters.setdefault("t", noise.top)
    decades = parameters.get("m", Logicle().m)
    if declared.kind == "logicle" and "w" not in parameters and noise.spread:
        parameters["w"] = logicle_width(noise.spread, t=parameters["t"], m=decades)
    if declared.kind == "asinh" and "m" not in parameters and noise.spread:
        parameters["m"] = asinh_decades(noise.spread, t=parameters["t"])
    return SCALES[declared.kind](**parameters)


def undeclared(strategy: GatingStrategy, axis: str, channel: Channel) -> tuple[str, ...]:
    """Return which parameters of an axis's scale come from files and their data, since nobody declared them.

    >>> undeclared(GatingStrategy("s", "S", 1, None, ()), "CD25", Channel("PE-A", "CD25"))
    ('t', 'w')
    """
    declared = _declared(strategy, axis, channel)
    parameters = {name for name, value in declared.parameters if value is not None}
    needed = {"logicle": ("t", "w"), "asinh": ("t", "m"), "linear": ("t",)}.get(declared.kind, ())
    return tuple(name for name in needed if name not in parameters)


def transform(events: EventTable, scales: Mapping[str, AnyScale], *, fast: bool = True) -> EventTable:
    """Return the axes of ``scales`` on their display scale, in its order.

    events: compensated. The coordinates are exact, float64, and each column is computed when it is first asked for.
    fast: of events that ``compensate`` made there are fast coordinates too, through tables with a proven bound; they
    need compiled code, which takes longer to load than a few files take without it. Raises WrongScale for events on
    another scale, UnknownChannel for an axis that they lack.

    >>> from immunomon.cytometry.model.scales import Linear
    >>> events = EventTable(np.array([[50.0]]), (Channel("FSC-A"),), Scale.COMPENSATED)
    >>> transform(events, {"FSC-A": Linear(t=100.0)}).values
    array([[0.5]])
    """
    if events.scale is not Scale.COMPENSATED:
        raise WrongScale(f"{events.source}: transform needs compensated events, got {events.scale} ones")
    places = [events.index(axis) for axis in scales]
    applied = list(scales.values())
    channels = tuple(replace(events.channels[column]) for column in places)

    def exact(column: int, rows: Ints | None) -> Floats:
        if isinstance(events, LazyTable):
            return applied[column].apply(events.cells(places[column], rows))
        values = events.values[:, places[column]]
        return applied[column].apply(np.array(values if rows is None else values[rows], dtype=np.float64))

    if fast and isinstance(events, CompensatedTable):
        quick = _fast(events, places, applied)
        return DisplayTable(channels, events.source, count=events.count, compute=exact, fast=quick)
    return LazyTable(channels, Scale.DISPLAY, events.source, count=events.count, compute=exact)


def _fast(events: CompensatedTable, places: Sequence[int], scales: Sequence[AnyScale]) -> FastColumns:
    """Return fast coordinates of the columns that can have them: tabulated scales, and float32 values left as they are.

    The others are asked for exactly.
    """
    from immunomon.cytometry.kernels.fused import Plan, locate  # what is exact needs no compiled code

    raw, recipe = events.raw, events.recipe
    tables = [_table(scale) for scale in scales]
    as_it_is = {
        number: recipe.direct[column]
        for number, (column, scale) in enumerate(zip(places, scales, strict=True))
        if scale.kind == "identity" and recipe.direct[column] >= 0 and raw.stored([]).dtype == np.float32
    }
    chosen = [number for number, table in enumerate(tables) if table is not None or number in as_it_is]
    plan = Plan(
        np.array([recipe.direct[column] for column in places], dtype=np.int64),
        np.array(recipe.sources, dtype=np.int64),
        recipe.weights[places],
        tables,
    )
    unmixed = replace(plan, direct=np.array(places), sources=plan.sources[:0], weights=plan.weights[:, :0])

    def compute(axes: Sequence[int], rows: Ints | None, pool: Executor | None) -> Floats32:
        if (columns := events.at_hand) is not None:
            return locate(columns.T, unmixed, axes=axes, rows=rows, pool=pool)
        needed = (*recipe.sources, *(int(plan.direct[axis]) for axis in axes))
        return locate(raw.stored(needed), plan, axes=axes, rows=rows, pool=pool)

    bounds = {number: table.bound if (table := tables[number]) else 0.0 for number in chosen}
    return FastColumns(bounds, compute, cheap=tuple(as_it_is))


@lru_cache(maxsize=256)
def _table(scale: AnyScale) -> Table | None:
    if not isinstance(scale, Logicle | Asinh | Hyperlog):
        return None
    try:
        return tabulate(scale.apply, scale.t)
    except ValueError:  # parameters at the edge of what float64 resolves: asked for exactly
        return None
