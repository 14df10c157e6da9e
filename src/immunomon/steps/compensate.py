"""Compensate: from what the detectors saw to what each fluorochrome gave off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from immunomon.errors import BadSpillover, SingularSpillover, WrongScale, nearest
from immunomon.kernels.spillover import unmix
from immunomon.model.events import EventTable, Scale
from immunomon.model.spillover import SpilloverMatrix

__all__ = ["compensate"]


def compensate(
    events: EventTable, spillover: SpilloverMatrix | None, wanted: Iterable[str] | None = None
) -> EventTable:
    """Return compensated events, of all channels or of the wanted ones (markers or detectors).

    events: on the raw scale. spillover: None leaves the numbers as they are. Scatter and time pass unchanged. Result:
    float64, in the order of the wanted channels. Raises WrongScale, BadSpillover for a detector that the file lacks,
    SingularSpillover for a matrix without inverse.

    >>> from immunomon.model.events import Channel
    >>> raw = EventTable(np.array([[10.0, 1.0]]), (Channel("A"), Channel("B")))
    >>> matrix = SpilloverMatrix(("A", "B"), ((1.0, 0.1), (0.0, 1.0)))
    >>> compensate(raw, matrix, wanted=["B"]).values
    array([[0.]])
    """
    if events.scale is not Scale.RAW:
        raise WrongScale(f"{events.source}: compensate needs raw events, got {events.scale} ones")
    columns = list(range(len(events.channels))) if wanted is None else [events.index(name) for name in wanted]
    columns = list(dict.fromkeys(columns))
    values = np.asfortranarray(events.values[:, columns], dtype=np.float64)
    if values is events.values:
        values = values.copy(order="F")
    if spillover is not None and spillover.detectors:
        sources = _columns_of(events, spillover)
        places = [(sources.index(column), target) for target, column in enumerate(columns) if column in sources]
        if places:
            try:
                true = unmix(events.values[:, sources], spillover.array, [source for source, _ in places])
            except SingularSpillover as error:
                raise SingularSpillover(f"{events.source}: {error}") from error
            values[:, [target for _, target in places]] = true
    channels = tuple(replace(events.channels[column]) for column in columns)
    return EventTable.adopt(values, channels, Scale.COMPENSATED, events.source)


def _columns_of(events: EventTable, spillover: SpilloverMatrix) -> list[int]:
    places = {channel.detector: index for index, channel in enumerate(events.channels)}
    missing = [name for name in spillover.detectors if name not in places]
    if missing:
        raise BadSpillover(
            f"{events.source}: the spillover matrix has the detector '{missing[0]}', which the file lacks; "
            f"{nearest(missing[0], places)}"
        )
    return [places[name] for name in spillover.detectors]
