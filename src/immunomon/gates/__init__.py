"""Ways to place a gate, one family a file; importing this package registers all of them.

>>> "valley" in GATE_METHODS
True
"""

from immunomon.gates import boolean, density, diagonal, fixed, quadrants, singlet
from immunomon.gates.registry import GATE_METHODS, gate_method

__all__ = ["GATE_METHODS", "boolean", "density", "diagonal", "fixed", "gate_method", "quadrants", "singlet"]
