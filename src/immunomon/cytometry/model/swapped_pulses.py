"""Height and width of a scatter pulse under each other's names."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from immunomon.cytometry.kernels.quantiles import rank_agreement
from immunomon.cytometry.kernels.selection import evenly
from immunomon.cytometry.model.events import EventTable
from immunomon.study.model.channels import ChannelKind, kind_of

__all__ = ["swapped_pulses"]

_ENOUGH, _MOST = 200, 20_000
_FOLLOWS, _FAR = 0.8, 0.25  # rank correlations: how well a height goes with its area; how far below a width lies
_LOW, _TOP = 0.02, 0.98  # of the range: below, the threshold sets the height; at the top, the end of the scale


def swapped_pulses(events: EventTable) -> tuple[str, ...]:
    """Return what speaks for a height and a width of scatter being under each other's names, one sentence a pulse.

    The height of a pulse goes with its area; its width hardly does. events: on the raw scale; detectors named alike up
    to ``-A``, ``-H``, ``-W``. Events near the threshold (2 % of the range) and at the top are left out, as are
    pulses of fewer than 200 others.

    >>> from immunomon.study.model.channels import Channel
    >>> area = np.linspace(1e4, 1e5, 500)
    >>> noise = np.random.default_rng(1).normal(size=500)
    >>> names = tuple(Channel(f"FSC-{letter}") for letter in "AHW")
    >>> print(swapped_pulses(EventTable(np.column_stack([area, noise, area]), names))[0].partition(":")[0])
    FSC-H and FSC-W seem to be under each other's name
    """
    return tuple(sentence for pulse in _pulses(events) if (sentence := _about(pulse, events)))


def _pulses(events: EventTable) -> list[dict[str, int]]:
    pulses: dict[str, dict[str, int]] = {}
    for column, channel in enumerate(events.channels):
        stem, dash, letter = channel.detector.rpartition("-")
        if dash and letter.upper() in "AHW" and kind_of(channel.detector) is ChannelKind.SCATTER:
            pulses.setdefault(stem, {})[letter.upper()] = column
    return [pulse for pulse in pulses.values() if len(pulse) == len("AHW")]


def _about(pulse: Mapping[str, int], events: EventTable) -> str:
    rows = evenly(events.count, _MOST)
    values = np.column_stack([events.values[rows, pulse[letter]].astype(np.float64) for letter in "AHW"])
    ranges = np.array([events.channels[pulse[letter]].range for letter in "AH"])
    kept = np.isfinite(values).all(axis=1) & (values[:, 0] > _LOW * ranges[0])
    kept &= (values[:, :2] < _TOP * ranges).all(axis=1)
    if np.count_nonzero(kept) < _ENOUGH:
        return ""
    area, height, width = values[kept].T
    with_height, with_width = rank_agreement(area, height), rank_agreement(area, width)
    if not (with_width > _FOLLOWS and with_width - with_height > _FAR):
        return ""
    names = [events.channels[pulse[letter]].detector for letter in "AHW"]
    return (
        f"{names[1]} and {names[2]} seem to be under each other's name: {names[2]} goes with {names[0]} "
        f"(rank correlation {with_width:.2f}) as a height does, {names[1]} does not ({with_height:.2f}); "
        "correct the parameters in the cytometer's settings, or the panel"
    )
