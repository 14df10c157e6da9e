"""What becomes of a coordinate of a gate once other samples had their say, and what is to be said of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median, median_high, median_low
from typing import NamedTuple

from immunomon.cytometry.kernels.consensus import Consensus
from immunomon.cytometry.model.settled import Estimate
from immunomon.study.model.trust import Doubt, PlacedBy

__all__ = ["Border", "View", "standing_alone", "standing_apart"]

# A sample's own events put the gate so nearly where the others say that it need not be spoken of, display scale.
_UNSPOKEN = 0.05
# A fallback is confirmed by others that place the border within so many standard errors of it, or as near as above.
_CONFIRMED = 2.0
# Of three estimates or fewer none can be called out of line. They disagree if so far apart: a fifth of the brightness
# (display scale, as for a weak stain), and so many of their own standard errors.
_TOO_FEW, _APART, _BEYOND = 3, 0.15, 4.0
# A border lies between two peaks: where one of them has moved that far, the border has moved half as far.
_HALF_APART = _APART / 2


@dataclass(frozen=True)
class View:
    """What became of one coordinate of one sample's gate: what set it, and what is to be said of it.

    is_seen: whether the sample's own events show it.
    """

    name: str
    axis: str
    origin: PlacedBy
    is_seen: bool = True
    note: str = ""
    doubts: tuple[Doubt, ...] = ()

    @classmethod
    def of(cls, name: str, axis: str, own: Estimate, agreed: Consensus, index: int) -> View:
        """Return what became of a coordinate of the sample at a place among those that agreed."""
        value, origin = float(agreed.values[index]), own.placed_by.get(name, "data")
        on = f"{axis}: " if axis else ""
        if name not in own.errors:
            reason = _reason(own, axis)
            doubt = _unseen(own, name, axis, value, float(agreed.errors[index]), reason)
            note = f"{on}placed where the other samples of its subject and batch say: {reason}"
            return cls(name, axis, "consensus", is_seen=False, note=note, doubts=(doubt,))
        moved = f"{name} {own.facts[name]:.3f} -> {value:.3f}"
        if bool(agreed.outlier[index]):
            note = f"{on}out of line with the other samples of its subject and batch, not followed: {moved}"
            doubt = Doubt("not_followed", axis, moved)
            return cls(name, axis, "consensus", note=note, doubts=(doubt,))
        far = abs(own.facts[name] - value) > _UNSPOKEN
        note = f"{on}drawn to the other samples of its subject and batch: {moved}" if far else ""
        return cls(name, axis, origin, note=note)


def _unseen(own: Estimate, name: str, axis: str, value: float, error: float, reason: str) -> Doubt:
    """Return what a coordinate is called that the sample's own events do not show, by what its fallback says."""
    if own.placed_by.get(name) != "fallback" or name not in own.facts:
        return Doubt("borrowed", axis, reason)
    distance = abs(own.facts[name] - value)
    is_near = distance <= max(_CONFIRMED * error, _UNSPOKEN)
    code = "fallback_confirmed" if is_near else "fallback_contradicted"
    return Doubt(code, axis, f"fallback {own.facts[name]:.3f}, other samples {value:.3f} +- {error:.3f}")


def _reason(own: Estimate, axis: str) -> str:
    """Return why the sample's own events do not show a border on an axis: notes speak of one axis after the other."""
    if own.failure:
        return own.failure
    parts = re.split(r"; (?=[^;:]+: )", own.note) if own.note else []
    about = [part for part in parts if axis and part.startswith((f"{axis}:", f"{axis}+:", f"{axis}-:"))]
    return "; ".join(about or parts) or "no estimate of its own"


def standing_alone(name: str, axis: str, estimates: Mapping[str, Estimate]) -> dict[str, Doubt]:
    """Return a doubt for each sample that shows a border where no other has one, if too few show it for a consensus.

    name: the coordinate, on ``axis``; estimates: by sample. An estimate stands alone if no other one is near, and it
    lies far from the middle of all places that the others have, their fallbacks among them: of two that contradict each
    other both, unless the fallbacks of other files confirm one.

    >>> found = Estimate("b", {"offset": 0.68}, {"offset": 0.02})
    >>> others = {str(n): Estimate("b", {"offset": 0.35}, placed_by={"offset": "fallback"}) for n in range(2)}
    >>> list(standing_alone("offset", "CD38", {"a": found, **others}))
    ['a']
    """
    placed = {
        sample: own.facts[name]
        for sample, own in estimates.items()
        if name in own.facts and (name in own.errors or own.placed_by.get(name) == "fallback")
    }
    estimated = [sample for sample in placed if name in estimates[sample].errors]
    doubts: dict[str, Doubt] = {}
    for sample in estimated if len(estimated) <= _TOO_FEW else ():
        far = max(_APART, _BEYOND * estimates[sample].errors[name])
        elsewhere = {neighbour: position for neighbour, position in placed.items() if neighbour != sample}
        is_confirmed = any(
            abs(elsewhere[neighbour] - placed[sample]) <= far for neighbour in estimated if neighbour != sample
        )
        if elsewhere and not is_confirmed and abs(median(elsewhere.values()) - placed[sample]) > far:
            listed = ", ".join(f"{position:.3f}" for position in sorted(elsewhere.values()))
            detail = f"{name} {placed[sample]:.3f}, others {listed}"
            doubts[sample] = Doubt("files_disagree", axis, detail)
    return doubts


class Border(NamedTuple):
    """Where one sample has a border, or the peak below it, in the end; its own standard error (display scale)."""

    subject: str
    position: float
    error: float


def standing_apart(name: str, axis: str, borders: Mapping[str, Border]) -> dict[str, Doubt]:
    """Return a doubt for each sample whose border lies far from the middle of where all other subjects have theirs.

    borders: by sample, of those whose own events show one. Where the files fall into two groups, such as dim cells that
    sank into the negatives in one and not in the other, the variance between subjects is large and no estimate is out
    of line with it; the same stain on one scale does not differ that much between people. Three files or fewer are left
    to ``standing_alone``, and so is a border that fewer than two files of other subjects show.

    >>> borders = {f"{s}{n}": Border(s, x, 0.01) for s, x in (("A", 0.30), ("B", 0.31), ("C", 0.55)) for n in "12"}
    >>> list(standing_apart("threshold", "CD56", borders))
    ['C1', 'C2']
    """
    doubts: dict[str, Doubt] = {}
    for sample, own in borders.items() if len(borders) > _TOO_FEW else ():
        elsewhere = [border.position for border in borders.values() if border.subject != own.subject]
        if len(elsewhere) < 2:
            continue
        # Of an even number the nearer one of the two in the middle: their mean may be where no file has a border.
        middle = min(median_low(elsewhere), median_high(elsewhere), key=lambda position: abs(position - own.position))
        if abs(middle - own.position) > max(_HALF_APART, _BEYOND * own.error):
            detail = f"{name} {own.position:.3f}, other subjects' files {middle:.3f} in the middle"
            doubts[sample] = Doubt("files_disagree", axis, detail)
    return doubts
