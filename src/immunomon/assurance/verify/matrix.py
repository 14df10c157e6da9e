"""The spillover matrix that a run used, beside the one in the file as flowutils reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flowio
import numpy as np
from flowutils.compensate import get_spill

from immunomon.errors import BadSpillover
from immunomon.files import open_input

__all__ = ["matrix_in_file"]

_KEYWORDS = ("spillover", "spill")


def matrix_in_file(path: Path, used: Mapping[str, Any] | None) -> str:
    """Return in words that the matrix a run used is the file's own; raises BadSpillover if it is another one.

    used: ``detectors`` and ``values``, None for no compensation. The keyword is parsed by flowutils, not by immunomon.
    Keywords in other forms ($COMP, numbers for names) flowutils cannot read: then the words say so.
    """
    try:
        with open_input(path) as file:
            text = flowio.FlowData(file, only_text=True).text
    except Exception as error:  # FlowIO raises whatever its parts raise; the events are read by the other reader
        return f"not compared: FlowIO cannot read the keywords ({type(error).__name__})"
    own = next((text[name] for name in _KEYWORDS if text.get(name)), None)
    if own is None:
        return "not compared: the file has no SPILLOVER keyword" if used else "none in the file, none used"
    try:
        values, detectors = get_spill(own)
    except (ValueError, IndexError):
        return "not compared: flowutils cannot read the file's SPILLOVER keyword"
    if used is None:
        raise BadSpillover(f"{path}: the file carries a spillover matrix, but the run used none")
    if detectors != list(used["detectors"]):
        return "not compared: the file's matrix names its detectors in another way"
    if not np.array_equal(np.asarray(values), np.asarray(used["values"])):
        raise BadSpillover(f"{path}: the run used another spillover matrix than the file carries")
    return "equal to the file's own"
