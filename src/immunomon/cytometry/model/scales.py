"""Display scales as values: which function, with which parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats
from immunomon.cytometry.kernels import scales as kernels
from immunomon.cytometry.kernels import scales_log
from immunomon.errors import UnknownName, nearest

__all__ = [
    "SCALES",
    "AnyScale",
    "Asinh",
    "Biex",
    "DisplayScale",
    "Hyperlog",
    "Identity",
    "Linear",
    "Log",
    "Logicle",
    "Tabulated",
    "scale_from_dict",
    "scale_to_dict",
]


class DisplayScale(Protocol):
    """A monotone function from intensity to display coordinate, with its inverse."""

    kind: ClassVar[str]

    def apply(self, values: NDArray[np.floating]) -> Floats:
        """Return display coordinates of intensities, in float64."""
        ...

    def inverse(self, coordinates: NDArray[np.floating]) -> Floats:
        """Return intensities of display coordinates."""
        ...


@dataclass(frozen=True)
class Identity:
    """The coordinate is the intensity itself: scatter and time."""

    kind: ClassVar[str] = "identity"

    def apply(self, values: NDArray[np.floating]) -> Floats:
        """Return the values in float64.

        >>> Identity().apply(np.array([3.0]))
        array([3.])
        """
        return np.asarray(values, dtype=np.float64)

    def inverse(self, coordinates: NDArray[np.floating]) -> Floats:
        """Return the coordinates in float64."""
        return np.asarray(coordinates, dtype=np.float64)


@dataclass(frozen=True)
class Linear:
    """Gating-ML's linear scale, 1.0 at ``t``."""

    t: float = 262144.0
    a: float = 0.0
    kind: ClassVar[str] = "linear"

    def apply(self, values: NDArray[np.floating]) -> Floats:
        """Return display coordinates.

        >>> Linear(t=100).apply(np.array([50.0]))
        array([0.5])
        """
        return kernels.linear(values, self.t, self.a)

    def inverse(self, coordinates: NDArray[np.floating]) -> Floats:
        """Return intensities."""
        return kernels.linear_inverse(coordinates, self.t, self.a)


@dataclass(frozen=True)
class Logicle:
    """The logicle scale; raises ValueError for parameters that describe none."""

    t: float = 262144.0
    w: float = 0.5
    m: float = 4.5
    a: float = 0.0
    kind: ClassVar[str] = "logicle"

    def __post_init__(self) -> None:
        kernels.logicle_inverse(np.zeros(1), self.t, self.w, self.m, self.a)

    def apply(self, values: NDArray[np.floating]) -> Floats:
        """Return display coordinates.

        >>> Logicle(w=0.5).apply(np.array([262144.0])).round(6)
        array([1.])
        """
        return kernels.logicle(values, self.t, self.w, self.m, self.a)

    def inverse(self, coordinates: NDArray[np.floating]) -> Floats:
        """Return intensities."""
        return kernels.logicle_inverse(coordinates, self.t, self.w, self.m, self.a)


@dataclass(frozen=True)
class Asinh:
    """Gating-ML's inverse hyperbolic sine, 1.0 at ``t``."""

    t: float = 262144.0
    m: float = 4.5
    a: float = 0.0
    kind: ClassVar[str] = "asinh"

    def apply(self, values: NDArray[np.floating]) -> Floats:
        """Return display coordinates.

        >>> Asinh(t=1000, m=4, a=1).apply(np.array([1000.0]))
        array([1.])
        """
        return kernels.asinh(values, self.t, self.m, self.a)

    def inverse(self, coordinates: NDArray[np.floating]) -> Floats:
        """Return intensities."""
        return kernels.asinh_inverse(coordinates, self.t, self.m, self.a)


@dataclass(frozen=True)
class Log:
    """Gating-ML's logarithmic scale of ``m`` decades, 1.0 at ``t``; what is not positive lies at minus infinity."""

    t: float = 262144.0
    m: float = 4.5
    kind: ClassVar[str] = "log"

    def __post_init__(self) -> None:
        if not (self.t > 0 and self.m > 0):
            raise ValueError(f"log needs t > 0 and m > 0; got {self.t=} {self.m=}")

    def apply(self, values: NDArray[np.floating]) -> Floats:
        """Return display coordinates.

        >>> Log(t=100, m=2).apply(np.array([1.0, 100.0]))
        array([0., 1.])
        """
        return scales_log.log(values, self.t, self.m)

    def inverse(self, coordinates: NDArray[np.floating]) -> Floats:
        """Return intensities."""
        return scales_log.log_inverse(coordinates, self.t, self.m)


@dataclass(frozen=True)
class Hyperlog:
    """The hyperlog scale; raises ValueError for parameters that describe none."""

    t: float = 262144.0
    w: float = 0.5
    m: float = 4.5
    a: float = 0.0
    kind: ClassVar[str] = "hyperlog"

    def __post_init__(self) -> None:
        scales_log.hyperlog_inverse(np.zeros(1), self.t, self.w, self.m, self.a)

    def apply(self, values: NDArray[np.floating]) -> Floats:
        """Return display coordinates.

        >>> Hyperlog(w=0.5).apply(np.array([262144.0])).round(6)
        array([1.])
        """
        return scales_log.hyperlog(values, self.t, self.w, self.m, self.a)

    def inverse(self, coordinates: NDArray[np.floating]) -> Floats:
        """Return intensities."""
        return scales_log.hyperlog_inverse(coordinates, self.t, self.w, self.m, self.a)


@dataclass(frozen=True)
class Biex:
    """FlowJo's biexponential table, 1.0 at its end; raises ValueError for parameters that describe none.

    Intensities beyond the table lie on its ends, as they do in FlowJo.
    """

    max_range: float = 262144.0
    pos: float = 4.418539922
    neg: float = 0.0
    width: float = -10.0
    kind: ClassVar[str] = "biex"

    def __post_init__(self) -> None:
        scales_log.biex_table(self.max_range, self.pos, self.neg, self.width)

    def apply(self, values: NDArray[np.floating]) -> Floats:
        """Return display coordinates.

        >>> Biex().apply(np.array([1e9])).round(6)
        array([1.])
        """
        return scales_log.biex(values, self.max_range, self.pos, self.neg, self.width)

    def inverse(self, coordinates: NDArray[np.floating]) -> Floats:
        """Return intensities."""
        return scales_log.biex_inverse(coordinates, self.max_range, self.pos, self.neg, self.width)


@dataclass(frozen=True)
class Tabulated:
    """A display scale that a program stored as a table: the intensities at evenly spaced coordinates from 0 to 1.

    Between them it is linear; intensities beyond the table lie on its ends. Raises ValueError if the intensities are
    not numbers that rise.
    """

    intensities: tuple[float, ...]
    kind: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        nodes = np.asarray(self.intensities, dtype=np.float64)
        if nodes.ndim != 1 or nodes.size < 2 or not np.isfinite(nodes).all() or not nodes[0] < nodes[-1]:
            raise ValueError("a table needs at least two intensities, all of them numbers, the last above the first")
        falls = np.flatnonzero(np.diff(nodes) < 0)
        if falls.size:
            step = int(falls[0])
            raise ValueError(f"the table falls from {nodes[step]:g} to {nodes[step + 1]:g} at step {step + 1}")

    def apply(self, values: NDArray[np.floating]) -> Floats:
        """Return display coordinates.

        >>> Tabulated((0.0, 10.0, 1000.0)).apply(np.array([-1.0, 5.0, 10.0, 505.0, 1e6]))
        array([0.  , 0.25, 0.5 , 0.75, 1.  ])
        """
        nodes = np.asarray(self.intensities, dtype=np.float64)
        return np.asarray(np.interp(values, nodes, np.linspace(0.0, 1.0, nodes.size)), dtype=np.float64)

    def inverse(self, coordinates: NDArray[np.floating]) -> Floats:
        """Return intensities."""
        nodes = np.asarray(self.intensities, dtype=np.float64)
        return np.asarray(np.interp(coordinates, np.linspace(0.0, 1.0, nodes.size), nodes), dtype=np.float64)


AnyScale = Identity | Linear | Logicle | Asinh | Log | Hyperlog | Biex | Tabulated
SCALES: dict[str, Callable[..., AnyScale]] = {
    cls.kind: cls for cls in (Identity, Linear, Logicle, Asinh, Log, Hyperlog, Biex, Tabulated)
}


def scale_to_dict(scale: AnyScale) -> dict[str, Any]:
    """Return a scale as plain data.

    >>> scale_to_dict(Linear(t=100.0))
    {'kind': 'linear', 't': 100.0, 'a': 0.0}
    """
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(scale).items()}
    return {"kind": scale.kind, **plain}


def scale_from_dict(data: Mapping[str, Any]) -> AnyScale:
    """Return the scale that ``scale_to_dict`` wrote.

    Raises UnknownName for a kind that does not exist.

    >>> scale_from_dict({"kind": "linear", "t": 100.0, "a": 0.0})
    Linear(t=100.0, a=0.0)
    """
    kind = str(data["kind"])
    if kind not in SCALES:
        raise UnknownName(f"no scale named '{kind}'; {nearest(kind, SCALES)}")
    parameters = {
        key: tuple(map(float, value)) if isinstance(value, list | tuple) else float(value)
        for key, value in data.items()
        if key != "kind"
    }
    return SCALES[kind](**parameters)
