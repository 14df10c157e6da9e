"""Coverage left off for a while, where what runs is measured in the tests of its own area."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from coverage import Coverage


@contextmanager
def untraced() -> Iterator[None]:
    """Do not measure which lines run: what is made here is the ground of a test, and measuring doubles its time."""
    measuring = Coverage.current()
    if measuring is None:
        yield
        return
    measuring.stop()
    try:
        yield
    finally:
        measuring.start()
