"""Randomness that depends on what is simulated, never on the order or thread it is simulated in."""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["generator"]


def generator(seed: int, *key: str) -> np.random.Generator:
    """Return the random generator of one thing in the trial, named by a stable key.

    The same seed and key give the same numbers whatever else is simulated, before or beside it.

    >>> float(generator(1, "staining", "A-W2").random()) == float(generator(1, "staining", "A-W2").random())
    True
    >>> float(generator(1, "staining", "A-W2").random()) == float(generator(1, "staining", "A-W4").random())
    False
    """
    digest = hashlib.sha256("\x1f".join(key).encode()).digest()
    words = np.frombuffer(digest, dtype="<u4")[:4].tolist()
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, *words])))
