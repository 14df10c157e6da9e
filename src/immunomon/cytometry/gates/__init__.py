"""Ways to place a gate, one family a file; importing this package registers all of them.

>>> "valley" in GATE_METHODS
True
"""

from immunomon.cytometry.gates import (
    boolean,
    cloud,
    contour,
    control,
    density,
    diagonal,
    first_of,
    fixed,
    mixture,
    quadrants,
    singlet,
    tail,
)
from immunomon.cytometry.gates.registry import GATE_METHODS, gate_method

__all__ = [
    "GATE_METHODS",
    "boolean",
    "cloud",
    "contour",
    "control",
    "density",
    "diagonal",
    "first_of",
    "fixed",
    "gate_method",
    "mixture",
    "quadrants",
    "singlet",
    "tail",
]
