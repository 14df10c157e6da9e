"""How a file counts time, and what unit another program's time axis is in.

FlowJo counts in seconds that it takes from $BTIM and $ETIM: ticks x ($ETIM - $BTIM) / (last tick - first), a factor
that its workspaces hold as the axis' gain. Of some instruments it takes $TIMESTEP instead and writes a gain of 1: then
only the axis' range says what it counts in or, where the range is one that any channel may have, what its gates cut.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from immunomon.study.model.channels import ChannelKind
from immunomon.study.model.fcs import FcsHeader

__all__ = ["CLOCK", "Clock", "axis_gain", "clock_of", "seconds_between"]

CLOCK = ("$BTIM", "$ETIM", "$TIMESTEP")
_DAY = 86400.0
# A person zooms in or out by less than this; the units that an axis may have lie farther apart.
_ZOOM = 5.0
_LEAST_GENERIC = 256.0  # the least range of a channel
_AT_THE_TOP = 0.99  # of the axis: a border there is open
_MARGIN, _LEAST_KEPT = 0.002, 0.05  # of a recording: less at its ends nobody cuts off, and less nobody keeps
_REMEDY = "set the axis of Time to its full range in FlowJo and save the workspace again"
_UNLIKE = 1.05  # a gain farther from $TIMESTEP than this is worth a word


@dataclass(frozen=True)
class Clock:
    """Seconds a tick ($TIMESTEP), seconds of acquisition, ticks from first to last event, $PnR; None: not known."""

    step: float | None = None
    seconds: float | None = None
    ticks: float | None = None
    limit: float | None = None

    @property
    def flowjo_gain(self) -> float | None:
        """FlowJo's own seconds a tick: of the times of day, else $TIMESTEP; None if neither is known.

        >>> Clock(step=0.01, seconds=72.0, ticks=7139.0).flowjo_gain
        0.010085446140916094
        """
        return self.seconds / self.ticks if self.seconds and self.ticks else self.step


def seconds_between(begin: str, end: str) -> float | None:
    """Return the seconds between two times of day as $BTIM and $ETIM have them, over midnight if need be.

    Whole seconds, as FlowJo takes them. None if a time is malformed.

    >>> seconds_between("17:03:22.06", "17:04:15.89"), seconds_between("23:59:50", "00:00:10:30")
    (53.0, 20.0)
    """
    clocks = [re.fullmatch(r"(\d{1,2}):(\d{2}):(\d{2})([:.]\d{1,6})?", text.strip()) for text in (begin, end)]
    if clocks[0] is None or clocks[1] is None:
        return None
    first, last = (3600.0 * int(c[1]) + 60.0 * int(c[2]) + int(c[3]) for c in clocks if c)
    return (last - first) % _DAY


def clock_of(header: FcsHeader, decisions: Mapping[str, str], ticks: float) -> Clock:
    """Return how time was counted in a file.

    decisions: what a workspace says of the file, keyword -> value, where its own keyword wins for the time of day;
    ticks: between the first and the last event.
    """
    begin, end = (decisions.get(name) or header.keyword(name) for name in ("$BTIM", "$ETIM"))
    limits = [channel.range for channel in header.channels if channel.kind is ChannelKind.TIME]
    return Clock(
        _positive(header.keyword("$TIMESTEP")) or _positive(decisions.get("$TIMESTEP", "")),
        seconds_between(begin, end) or None,
        ticks if math.isfinite(ticks) and ticks > 0 else None,
        limits[0] if len(limits) == 1 and limits[0] > 0 else None,
    )


def _positive(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def axis_gain(gain: float, top: float, clock: Clock, spans: Sequence[tuple[float, float]] = ()) -> tuple[float, str]:
    """Return the units a tick of a FlowJo time axis, and what should be said of it ('' if nothing).

    gain: as the workspace has it; top: the axis' upper end; spans: from where to where its gates reach. Raises
    ValueError, with the remedy, for a gain of 1 whose unit neither the range nor the gates tell. A range that is the
    file's $PnR or a power of two, as that of any channel, tells nothing.

    >>> axis_gain(0.0100853049, 72.0, Clock(step=0.01))
    (0.0100853049, '')
    >>> axis_gain(1.0, 28.135, Clock(step=0.0001, seconds=28.0, ticks=281354.0))[0]
    0.0001
    """
    if gain != 1.0:
        if clock.step is None or 1 / _UNLIKE < gain / clock.step < _UNLIKE:
            return gain, ""
        return gain, f"counts {gain:g} a tick, the workspace's gain, where $TIMESTEP is {clock.step:g}"
    if clock.step == 1.0 or (clock.step is None and clock.seconds is None):
        return 1.0, ""
    if _is_generic(top, clock):
        return _told_by_gates(top, clock, spans)
    units = sorted(_units(clock), key=lambda unit: abs(math.log(top / unit[1])) if top > 0 else math.inf)
    if not units or not top > 0 or not 1 / _ZOOM < top / units[0][1] < _ZOOM:
        raise ValueError(
            f"its gain is 1 and its range ends at {top:g}, which is neither seconds nor ticks of this file; {_REMEDY}"
        )
    name, _, per_tick = units[0]
    return per_tick, f"is taken to be in {_said(name, per_tick, clock)}: its gain is 1 and its range ends at {top:g}"


def _said(name: str, per_tick: float, clock: Clock) -> str:
    source = "$TIMESTEP" if clock.step else "$ETIM - $BTIM"
    return name if name == "ticks" else f"{name} ({per_tick:g} a tick, of {source})"


def _is_generic(top: float, clock: Clock) -> bool:
    """Say whether an axis ends where axes of any channel do."""
    return top == clock.limit or (top >= _LEAST_GENERIC and math.frexp(top)[0] == 0.5)


def _told_by_gates(top: float, clock: Clock, spans: Sequence[tuple[float, float]]) -> tuple[float, str]:
    """Return the only unit in which the gates cut the recording and keep some of it, and what should be said of it."""
    reaching = [(low, math.inf if high >= _AT_THE_TOP * top else high) for low, high in spans]
    fitting = {(name, per_tick) for name, end, per_tick in _units(clock) if _do_cut(reaching, end)}
    if len(fitting) != 1:
        names = sorted({name for name, _ in fitting}) or ["no unit"]
        raise ValueError(
            f"its gain is 1, its range ends at {top:g}, as that of any channel may, and its gates fit "
            f"{' and '.join(names)} of this file; {_REMEDY}"
        )
    ((name, per_tick),) = fitting
    statement = _said(name, per_tick, clock)
    return (
        per_tick,
        f"is taken to be in {statement}: its gain is 1, and in no other unit do its gates divide the recording",
    )


def _do_cut(spans: Sequence[tuple[float, float]], end: float) -> bool:
    """Say whether gates have a border inside a recording that ends at ``end``, and one of them keeps part of it."""
    inside = any(_MARGIN * end < border < (1 - _MARGIN) * end for span in spans for border in span)
    return inside and any(min(high, end) - max(low, 0.0) >= _LEAST_KEPT * end for low, high in spans)


def _units(clock: Clock) -> list[tuple[str, float, float]]:
    """Return the units that an axis may be in: name, where the axis would end, units a tick."""
    per_tick = clock.step or clock.flowjo_gain
    ticks = [ticks for ticks in (clock.ticks or clock.limit,) if ticks]  # $PnR only where nothing better is known
    if per_tick is None:
        return [("ticks", end, 1.0) for end in ticks]
    # The times of day and $TIMESTEP may contradict each other: the recording is as long as either says.
    seconds = [*([clock.seconds] if clock.seconds else []), *(end * per_tick for end in ticks)]
    return [
        *(("seconds", end, per_tick) for end in seconds),
        *(("milliseconds", 1000.0 * end, 1000.0 * per_tick) for end in seconds),
        *(("ticks", end, 1.0) for end in ticks or [end / per_tick for end in seconds]),
    ]
