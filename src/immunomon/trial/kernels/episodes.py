"""Confirmed responses in a course of visits: from when to when, and what is confirmed by how much later a visit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Episode", "confirmed_episodes"]


@dataclass(frozen=True)
class Episode:
    """A confirmed response: places of its first visit and of the first one of its loss; None: not lost.

    last: place of the last visit that belongs to it.
    """

    start: int
    last: int
    loss: int | None


def confirmed_episodes(
    days: Sequence[int], good: Sequence[bool], *, confirm_days: int, loss_days: int
) -> tuple[Episode, ...]:
    """Return the confirmed responses, one after another.

    days: rising days of the visits; good: which meet the criterion. A response begins with the first of good visits in
    a row of which one is at least ``confirm_days`` later; it is lost with the first of bad visits in a row of which one
    is at least ``loss_days`` later. Single bad visits within a response do not end it. Rodeghiero et al., Blood
    2009;113:2386.

    >>> confirmed_episodes([7, 14, 21, 28, 35], [True, True, False, True, True], confirm_days=7, loss_days=1)
    (Episode(start=0, last=4, loss=None),)
    >>> confirmed_episodes([7, 14, 21, 28], [True, True, False, False], confirm_days=7, loss_days=1)
    (Episode(start=0, last=1, loss=2),)
    """
    episodes: list[Episode] = []
    visit = 0
    while visit < len(days):
        if not good[visit] or not _confirmed(days, good, visit, confirm_days):
            visit += 1
            continue
        start, last, loss = visit, visit, None
        while visit < len(days):
            if good[visit]:
                last = visit
            elif _confirmed(days, [not is_good for is_good in good], visit, loss_days):
                loss = visit
                break
            else:
                last = visit  # a single bad visit, of which another says that it was none or nothing follows
            visit += 1
        episodes.append(Episode(start, last, loss))
    return tuple(episodes)


def _confirmed(days: Sequence[int], good: Sequence[bool], start: int, apart: int) -> bool:
    """Say whether, in the unbroken row of good visits from ``start``, one is so many days later."""
    visit = start + 1
    while visit < len(days) and good[visit]:
        if days[visit] - days[start] >= apart:
            return True
        visit += 1
    return False
