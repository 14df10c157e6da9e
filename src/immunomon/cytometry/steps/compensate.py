"""Compensate: from what the detectors saw to what each fluorochrome gave off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from immunomon.arrays import Floats
from immunomon.cytometry.kernels.spillover import inverse_of
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.lazy import CompensatedTable, Recipe
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.errors import BadSpillover, SingularSpillover, WrongScale, nearest
from immunomon.study.model.channels import about_compensated, compensated_channels

__all__ = ["compensate"]


def compensate(events: EventTable, spillover: SpilloverMatrix | None, names: Iterable[str] | None = None) -> EventTable:
    """Return compensated events, of all channels or of those named (markers or detectors).

    events: on the raw scale. spillover: None leaves the numbers as they are. Scatter and time pass unchanged. Result:
    float64, in the order of the names, each computed when it is first asked for. Raises WrongScale,
    BadSpillover for a detector that the file lacks, SingularSpillover for a matrix without inverse.

    >>> from immunomon.study.model.channels import Channel
    >>> raw = EventTable(np.array([[10.0, 1.0]]), (Channel("A"), Channel("B")))
    >>> matrix = SpilloverMatrix(("A", "B"), ((1.0, 0.1), (0.0, 1.0)))
    >>> compensate(raw, matrix, names=["B"]).values
    array([[0.]])
    """
    if events.scale is not Scale.RAW:
        raise WrongScale(f"{events.source}: compensate needs raw events, got {events.scale} ones")
    columns = list(range(len(events.channels))) if names is None else [events.index(name) for name in names]
    columns = list(dict.fromkeys(columns))
    sources = [] if spillover is None else _columns_of(events, spillover)
    direct = tuple(-1 if column in sources else column for column in columns)
    inverse = _inverse(events, spillover) if spillover is not None and -1 in direct else np.zeros((0, 0))
    weights = np.zeros((len(columns), len(sources)))
    for row, column in enumerate(columns):
        if column in sources:
            weights[row] = inverse[:, sources.index(column)]
    channels = tuple(replace(events.channels[column]) for column in columns)
    return CompensatedTable(events, Recipe(direct, tuple(sources), weights), channels)


def _inverse(events: EventTable, spillover: SpilloverMatrix) -> Floats:
    try:
        return inverse_of(spillover.array)
    except SingularSpillover as error:
        raise SingularSpillover(f"{events.source}: {error}") from error


def _columns_of(events: EventTable, spillover: SpilloverMatrix) -> list[int]:
    places = {channel.detector: index for index, channel in enumerate(events.channels)}
    missing = [name for name in spillover.detectors if name not in places]
    if missing:
        compensated = compensated_channels(places)
        if missing[0] in compensated:
            problem, remedy = about_compensated(compensated.values())
            raise BadSpillover(f"{events.source}: {problem}, and the spillover matrix is of the raw ones; {remedy}")
        raise BadSpillover(
            f"{events.source}: the spillover matrix has the detector '{missing[0]}', which the file lacks; "
            f"{nearest(missing[0], places)}"
        )
    return [places[name] for name in spillover.detectors]
