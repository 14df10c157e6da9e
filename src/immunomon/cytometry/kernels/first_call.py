"""What the first call of compiled code costs a process, paid when this module is imported.

The compiler's own tables of functions are filled then, which takes longer than loading all kernels. A process that
others are forked from imports this, and they have it.
"""

from __future__ import annotations

import numpy as np

from immunomon.cytometry.kernels.compiled import numbers_and_tops

__all__: list[str] = []

numbers_and_tops(np.zeros((1, 1), dtype=np.float32))
