"""How sure a share of so few subjects is: the exact interval."""

from __future__ import annotations

__all__ = ["clopper_pearson"]


def clopper_pearson(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the lower and the upper end of the exact interval of ``count / total``, as fractions.

    count, total: subjects with an event, and all; not-a-number for a total of 0. Its coverage is never below the
    confidence. Raises ValueError if a count is negative or above its total. Clopper & Pearson, Biometrika 1934;26:404.

    >>> [round(end, 4) for end in clopper_pearson(0, 9)]
    [0.0, 0.3363]
    """
    from scipy.special import betaincinv

    if not 0 <= count <= total:
        raise ValueError(f"a count lies between 0 and its total, got {count} of {total}")
    if total == 0:
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else float(betaincinv(count, total - count + 1, tail))
    high = 1.0 if count == total else float(betaincinv(count + 1, total - count, 1 - tail))
    return low, high
