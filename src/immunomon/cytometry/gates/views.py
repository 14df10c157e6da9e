"""What becomes of a coordinate of a gate once other samples had their say, and what is to be said of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from immunomon.cytometry.kernels.consensus import Consensus
from immunomon.cytometry.model.settled import Estimate
from immunomon.study.model.trust import Doubt, PlacedBy

__all__ = ["View"]

# A sample's own events put the gate so nearly where the others say that it need not be spoken of, display scale.
_UNSPOKEN = 0.05
# A fallback is confirmed by others that place the border within so many standard errors of it, or as near as above.
_CONFIRMED = 2.0


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
    def of(cls, name: str, axis: str, own: Estimate, agreed: Consensus, place: int) -> View:
        """Return what became of a coordinate of the sample at a place among those that agreed."""
        value, origin = float(agreed.values[place]), own.placed_by.get(name, "data")
        on = f"{axis}: " if axis else ""
        if name not in own.errors:
            reason = _reason(own, axis)
            doubt = _unseen(own, name, axis, value, float(agreed.errors[place]), reason)
            note = f"{on}placed where the other samples of its subject and batch say: {reason}"
            return cls(name, axis, "consensus", is_seen=False, note=note, doubts=(doubt,))
        moved = f"{name} {own.facts[name]:.3f} -> {value:.3f}"
        if bool(agreed.outlier[place]):
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
