"""The quality of an acquisition: thresholds, what was checked with what verdict, and which events are flagged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from immunomon.arrays import Mask

__all__ = ["NO_COURSE", "Check", "Course", "Flagged", "Judged", "Quality", "QualityLimits", "Verdict", "worst"]


class Verdict(StrEnum):
    """What is said of a check or of a sample."""

    PASS = "pass"
    UNJUDGED = "cannot be judged"
    WARN = "warn"
    FAIL = "fail"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict that decides: fail before warn, before cannot be judged, before pass.

    >>> str(worst([Verdict.PASS, Verdict.WARN, Verdict.UNJUDGED]))
    'warn'
    """
    order = list(Verdict)
    return max(verdicts, key=order.index, default=Verdict.UNJUDGED)


@dataclass(frozen=True)
class QualityLimits:
    """When an acquisition is remarked on, and when it fails.

    signal_shift: mean rank (0 to 1) by which a channel must leave its usual level; rate_factor: times faster or slower
    than usual; margin_percent: of the events, in one channel, at the end of its range; warn_percent, fail_percent: of
    the events, off the usual course; exclude_flagged: whether flagged events are left out of every population.
    """

    min_events: int = 500
    signal_shift: float = 0.08
    rate_factor: float = 2.5
    margin_percent: float = 5.0
    warn_percent: float = 2.0
    fail_percent: float = 30.0
    exclude_flagged: bool = False

    def of_percent(self, percent: float) -> Verdict:
        """Return the verdict on a percentage of events off the usual course.

        >>> str(QualityLimits().of_percent(12.0))
        'warn'
        """
        if percent > self.fail_percent:
            return Verdict.FAIL
        return Verdict.WARN if percent > self.warn_percent else Verdict.PASS


@dataclass(frozen=True)
class Check:
    """One thing that was checked, in one channel or in the whole file, with its value beside its threshold."""

    check: str
    channel: str | None
    verdict: Verdict
    value: float | None
    threshold: float | None
    flagged_events: int = 0
    reason: str | None = None


@dataclass(frozen=True)
class Flagged:
    """A stretch of events, first (included) to stop (not included) in the file's order, flagged by a check."""

    start: int
    stop: int
    check: str
    reason: str


@dataclass(frozen=True)
class Course:
    """How the acquisition went, for a picture: bins by their first events, and what was measured in each.

    edges: (bins + 1,); levels: (channels, bins), mean rank from 0 to 1; rate_edges: (rate bins + 1,); rates: events a
    second or a tick, relative to the usual.
    """

    edges: tuple[int, ...] = ()
    channels: tuple[str, ...] = ()
    levels: tuple[tuple[float, ...], ...] = ()
    rate_edges: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()


NO_COURSE = Course()


@dataclass(frozen=True)
class Quality:
    """What is known of one file's acquisition: what was checked, which stretches are flagged, how it went."""

    events: int
    flagged_events: int
    checks: tuple[Check, ...]
    stretches: tuple[Flagged, ...] = ()
    course: Course = NO_COURSE

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all checks."""
        return worst(check.verdict for check in self.checks)

    @property
    def flagged_percent(self) -> float:
        """The flagged events, in percent of all."""
        return 100 * self.flagged_events / self.events if self.events else 0.0

    @property
    def reason(self) -> str | None:
        """Why the sample did not pass, without repetitions; None if it did."""
        mine = [check for check in self.checks if check.verdict is self.verdict and check.reason]
        # What the course says of all stretches together holds what rate and signals say one by one.
        whole = any(check.check == "course" for check in mine)
        reasons = [check.reason for check in mine if not (whole and check.check in ("rate", "signal"))]
        return None if self.verdict is Verdict.PASS else "; ".join(dict.fromkeys(map(str, reasons))) or None

    def to_dict(self) -> dict[str, Any]:
        """Return the quality as plain data, with its verdict and reason."""
        of_parts = {name: tuple(dict(vars(part)) for part in getattr(self, name)) for name in ("checks", "stretches")}
        numbers = {"events": self.events, "flagged_events": self.flagged_events}
        return {
            "verdict": str(self.verdict),
            "reason": self.reason,
            **numbers,
            **of_parts,
            "course": dict(vars(self.course)),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Quality:
        """Return the quality that ``to_dict`` wrote, whether or not it has been through JSON.

        >>> one = Quality(10, 2, (Check("events", None, Verdict.FAIL, 10.0, 500.0, 0, "too few"),), (), Course((0, 10)))
        >>> Quality.from_dict(one.to_dict()) == one
        True
        """
        course = data["course"]
        return cls(
            data["events"],
            data["flagged_events"],
            tuple(Check(**{**check, "verdict": Verdict(check["verdict"])}) for check in data["checks"]),
            tuple(Flagged(**stretch) for stretch in data["stretches"]),
            Course(
                tuple(course["edges"]),
                tuple(course["channels"]),
                tuple(tuple(row) for row in course["levels"]),
                tuple(course["rate_edges"]),
                tuple(course["rates"]),
            ),
        )


@dataclass(frozen=True, eq=False)
class Judged:
    """A file's quality with the events it flags: in stretches of the acquisition, and at the margins of a channel.

    strays, margins: (events,) each.
    """

    quality: Quality
    strays: Mask
    margins: Mask

    @cached_property
    def flagged(self) -> Mask:
        """The events that are flagged for any reason."""
        return self.strays | self.margins
