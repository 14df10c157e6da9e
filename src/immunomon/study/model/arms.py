"""Arms: whether anything is compared with patients who are treated otherwise, and what must be said if not."""

from __future__ import annotations

from collections.abc import Mapping

from immunomon.errors import listed

__all__ = ["about_control"]


def about_control(doses: Mapping[str, float | None]) -> str:
    """Return the beginning of the sentence on what a change after treatment is compared with.

    doses: group or arm -> cells per kilogram, None or not a number where none is stated; only those with patients.
    Doses that are all above 0 are no arms: everybody gets the treatment.

    >>> about_control({"A": 0.5e6, "B": 1e6})
    'Nothing is compared with a control arm'
    >>> about_control({"placebo": None, "treated": None})
    'No test compares the arms (placebo, treated) with each other'
    >>> about_control({"control": 0.0, "treated": 1e6})
    'The arm without cells (control) is compared with the others by the trend of changes over dose alone'
    """
    stated = {name: dose for name, dose in doses.items() if dose is not None and dose == dose}
    untreated = [name for name, dose in stated.items() if not dose > 0]
    if len(doses) < 2 or (len(stated) == len(doses) and not untreated):
        return "Nothing is compared with a control arm"
    if len(stated) < len(doses):
        return f"No test compares the arms ({listed(list(doses), 12)}) with each other"
    named = listed(untreated, 12)
    return f"The arm without cells ({named}) is compared with the others by the trend of changes over dose alone"
