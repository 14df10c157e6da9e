"""Transform: from intensities to display coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from immunomon.errors import WrongScale
from immunomon.kernels.scales import logicle_width
from immunomon.model.events import Channel, ChannelKind, EventTable, Scale
from immunomon.model.scales import SCALES, AnyScale, Logicle
from immunomon.model.strategy import GatingStrategy, ScaleDeclaration

__all__ = ["resolve_scales", "transform"]


def _declared(strategy: GatingStrategy, axis: str, channel: Channel) -> ScaleDeclaration:
    for name in (axis, channel.marker, channel.detector, channel.kind.value):
        if name and name in strategy.scales:
            return strategy.scales[name]
    return ScaleDeclaration("logicle" if channel.kind is ChannelKind.FLUORESCENCE else "identity")


def resolve_scales(strategy: GatingStrategy, axes: Iterable[str], events: EventTable) -> dict[str, AnyScale]:
    """Return the display scale of each axis, as declared for it, its detector or its kind; ``auto`` widths from data.

    events: compensated. Raises UnknownChannel for an axis that the events lack.

    >>> events = EventTable(np.array([[1.0]]), (Channel("PE-A", "CD25"),), Scale.COMPENSATED)
    >>> resolve_scales(GatingStrategy("s", "S", 1, None, ()), ["CD25"], events)["CD25"]
    Logicle(t=262144.0, w=0.5, m=4.5, a=0.0)
    """
    found: dict[str, AnyScale] = {}
    for axis in axes:
        channel = events.channels[events.index(axis)]
        declared = _declared(strategy, axis, channel)
        parameters: dict[str, Any] = dict(declared.parameters)
        if "w" in parameters and parameters["w"] is None:
            defaults = Logicle()
            top, decades = parameters.get("t") or defaults.t, parameters.get("m") or defaults.m
            parameters["w"] = logicle_width(events.column(axis), t=top, m=decades)
        found[axis] = SCALES[declared.kind](**parameters)
    return found


def transform(events: EventTable, scales: Mapping[str, AnyScale]) -> EventTable:
    """Return the axes of ``scales`` on their display scale, in its order, float64.

    events: compensated. Raises WrongScale for events on another scale, UnknownChannel for an axis that they lack.

    >>> from immunomon.model.scales import Linear
    >>> events = EventTable(np.array([[50.0]]), (Channel("FSC-A"),), Scale.COMPENSATED)
    >>> transform(events, {"FSC-A": Linear(t=100.0)}).values
    array([[0.5]])
    """
    if events.scale is not Scale.COMPENSATED:
        raise WrongScale(f"{events.source}: transform needs compensated events, got {events.scale} ones")
    values = np.empty((events.count, len(scales)), dtype=np.float64, order="F")
    channels = []
    for place, (axis, scale) in enumerate(scales.items()):
        values[:, place] = scale.apply(events.column(axis))
        channels.append(replace(events.channels[events.index(axis)]))
    return EventTable.adopt(values, tuple(channels), Scale.DISPLAY, events.source)
