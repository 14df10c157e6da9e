"""Cells in the tube: which kind each event is, what it carries, and whether it is dead, a doublet or off the scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats32, Mask
from immunomon.assurance.simulate.appearance import AS_DESCRIBED, Appearance
from immunomon.assurance.simulate.biology import Frequencies
from immunomon.assurance.simulate.cells import KINDS
from immunomon.assurance.simulate.instrument import SCATTER, autofluorescence
from immunomon.assurance.simulate.layouts import Layout
from immunomon.assurance.simulate.populations import lymphocyte_mixture

__all__ = ["Suspension", "Yield", "draw_yield", "suspend"]


_STAINED_DEBRIS = 0.25  # share of debris that takes up the viability dye
_HEIGHT_OF_AREA = 0.84
_OFF_SCALE = 1e12  # beyond the top of any range
_LN10 = np.float32(np.log(10.0))


@dataclass(frozen=True)
class Yield:
    """What a preparation of blood cells holds besides lymphocytes: shares of all events.

    monocytes: of which the share ``intermediate`` is CD14+ CD16+, and the share ``small_cd16`` is small, with CD16 and
    little CD14. Eosinophils, erythrocytes that were not lysed and counting beads are there only where a condition asks
    for them.
    """

    debris: float
    dead: float
    doublets: float
    margin: float
    monocytes: float
    dendritic: float
    basophils: float
    granulocytes: float
    intermediate: float = 0.0
    small_cd16: float = 0.0
    eosinophils: float = 0.0
    erythrocytes: float = 0.0
    beads: float = 0.0

    @property
    def lymphocytes(self) -> float:
        """The share that is left for lymphocytes, before some of them die or stick together."""
        usual = 1 - self.debris - self.monocytes - self.dendritic - self.basophils - self.granulocytes
        return usual - self.eosinophils - self.erythrocytes - self.beads

    def with_beads(self, per_lymphocyte: float) -> Yield:
        """Return the same with so many counting beads for each lymphocyte.

        >>> contents = draw_yield(np.random.default_rng(1)).with_beads(0.5)
        >>> round(contents.beads / contents.lymphocytes, 9)
        0.5
        """
        both = replace(self, beads=0.0).lymphocytes
        return replace(self, beads=both * per_lymphocyte / (1 + per_lymphocyte))

    def expected(self) -> Frequencies:
        """Return the expected fractions of parent of singlets, live, lymphocytes, monocytes and dendritic cells.

        >>> Yield(0.06, 0.04, 0.04, 0.003, 0.15, 0.01, 0.007, 0.012).expected()["singlets"].__round__(3)
        0.957
        """
        cells = 1 - self.debris
        single, alive = 1 - self.doublets / cells, 1 - self.dead / cells
        singlets = self.debris + cells * single
        live = self.debris * (1 - _STAINED_DEBRIS) + (cells - self.beads) * single * alive
        return {
            "singlets": singlets * (1 - self.margin),
            "live": live / singlets,
            "lymphocytes": self.lymphocytes * single * alive / live,
            "monocytes": self.monocytes * single * alive / live,
            "mono_classical": 0.88 - self.intermediate,
            "mono_intermediate": self.intermediate,
            "mono_nonclassical": 0.12,
            "dc": self.dendritic * single * alive / live,
            "mdc": 0.6,
            "pdc": 0.4,
        }

    def mixture(self, panel: str, frequencies: Frequencies) -> dict[str, float]:
        """Return every kind's share of all events."""
        lymphocytes = lymphocyte_mixture(panel, frequencies)
        added = {
            "monocyte_intermediate": self.intermediate * self.monocytes,
            "monocyte_small": self.small_cd16 * self.monocytes,
            "eosinophil": self.eosinophils,
            "erythrocyte": self.erythrocytes,
            "bead": self.beads,
        }
        return {
            **{kind: self.lymphocytes * share for kind, share in lymphocytes.items()},
            "monocyte": (0.88 - self.intermediate) * self.monocytes,
            "monocyte_cd16": (0.12 - self.small_cd16) * self.monocytes,
            "cdc": 0.6 * self.dendritic,
            "pdc": 0.4 * self.dendritic,
            "basophil": self.basophils,
            "granulocyte": self.granulocytes,
            "debris": self.debris,
            **{kind: share for kind, share in added.items() if share > 0},
        }


def draw_yield(rng: np.random.Generator) -> Yield:
    """Return one preparation's yield; lymphocytes come out near 62 to 75 % of all events.

    >>> 0.62 < draw_yield(np.random.default_rng(1)).lymphocytes < 0.80
    True
    """
    low_high = (
        (0.05, 0.08),
        (0.03, 0.06),
        (0.03, 0.05),
        (0.002, 0.004),
        (0.12, 0.18),
        (0.008, 0.014),
        (0.004, 0.01),
        (0.01, 0.02),
    )
    return Yield(*(float(rng.uniform(low, high)) for low, high in low_high))


@dataclass(frozen=True, eq=False)
class Suspension:
    """Events as they are, before the cytometer: kind, light sent, scatter, and what spoils them.

    kind: (events,) index into kinds; fluorescence: (events, fluorochromes); own_light: (events, detectors);
    scatter: (events, 3), FSC-A, FSC-H, SSC-A.
    """

    kinds: tuple[str, ...]
    kind: NDArray[np.intp]
    fluorescence: Floats32
    own_light: Floats32
    scatter: Floats32
    dead: Mask
    doublet: Mask
    margin: Mask

    def is_kind(self, names: tuple[str, ...]) -> Mask:
        """Return which events are one of these kinds, whatever their state."""
        is_member = np.array([kind in names for kind in self.kinds])
        return is_member[self.kind]


def suspend(
    layout: Layout,
    contents: Yield,
    *,
    frequencies: Frequencies,
    events: int,
    rng: np.random.Generator,
    appearance: Appearance = AS_DESCRIBED,
) -> Suspension:
    """Return the stained cells of one tube.

    >>> from immunomon.assurance.simulate.biology import healthy_donor
    >>> from immunomon.assurance.simulate.layouts import LAYOUTS
    >>> rng = np.random.default_rng(1)
    >>> healthy = healthy_donor("D").frequencies()
    >>> cells = suspend(LAYOUTS["nk"], draw_yield(rng), frequencies=healthy, events=500, rng=rng)
    >>> cells.fluorescence.shape, cells.scatter.shape
    ((500, 8), (500, 3))
    """
    shares = contents.mixture(layout.name, frequencies)
    kinds = tuple(shares)
    chances = np.array([shares[name] for name in kinds])
    edges = np.cumsum(chances / chances.sum())
    kind = np.minimum(np.searchsorted(edges, rng.random(events), side="right"), len(kinds) - 1)
    debris = kind == kinds.index("debris")
    cells = 1 - contents.debris
    dead = rng.random(events) < np.where(debris, _STAINED_DEBRIS, contents.dead / cells)
    bead = kind == kinds.index("bead") if "bead" in kinds else np.zeros(events, dtype=np.bool_)
    if not layout.beads_per_ul:  # the viability gate takes them out with the dead
        dead |= bead
    doublet = (rng.random(events) < contents.doublets / cells) & ~debris
    margin = rng.random(events) < contents.margin
    size = rng.standard_normal(events, dtype=np.float32)
    fluorescence = _stain(layout, kinds, kind=kind, size=size, rng=rng, appearance=appearance)
    _kill(layout, fluorescence, dead, rng)
    light = np.array([KINDS[name].light for name in kinds], dtype=np.float32)[kind]
    light *= np.where(dead, np.float32(2.2), np.float32(1)) * np.exp(
        0.18 * rng.standard_normal(events, dtype=np.float32)
    )
    scatter = _scatter(kinds, kind=kind, size=size, dead=dead, rng=rng, spread=appearance.scatter_spread)
    _join(np.flatnonzero(doublet), fluorescence, light, scatter=scatter, rng=rng)
    _push_off_scale(scatter, np.flatnonzero(margin), rng)
    own_light = light[:, None] * autofluorescence(1.0, layout.optics)
    return Suspension(kinds, kind, fluorescence, own_light, scatter, dead | bead, doublet, margin)


def _stain(
    layout: Layout,
    kinds: tuple[str, ...],
    *,
    kind: NDArray[np.intp],
    size: Floats32,
    rng: np.random.Generator,
    appearance: Appearance,
) -> Floats32:
    out = np.empty((kind.size, len(layout.markers)), dtype=np.float32)
    for column, marker in enumerate(layout.markers):
        levels = [appearance.level(name, marker) for name in kinds]
        median = _logs([level.median for level in levels])[kind]
        spread = np.array([level.spread for level in levels], dtype=np.float32)[kind]
        share = np.array([level.share for level in levels], dtype=np.float32)
        if (share < 1).any():
            lower = rng.random(kind.size, dtype=np.float32) >= share[kind]
            median = np.where(lower, _logs([level.otherwise for level in levels])[kind], median)
            spread = np.where(
                lower, np.array([level.otherwise_spread for level in levels], dtype=np.float32)[kind], spread
            )
        spread *= _heavy_tailed(rng.standard_normal(kind.size, dtype=np.float32))
        median += spread + np.float32(0.03) * size  # larger cells carry more of everything
        out[:, column] = median
    out *= _LN10
    return np.exp(out, out=out)


def _heavy_tailed(z: Floats32) -> Floats32:
    """Real populations have more stragglers than a normal curve."""
    return z * (1 + np.float32(0.03) * z * z)


def _logs(values: list[float]) -> Floats32:
    return np.log10(np.array(values, dtype=np.float32))


def _kill(layout: Layout, fluorescence: Floats32, dead: Mask, rng: np.random.Generator) -> None:
    """Dead cells take up the viability dye, lose antigen, and bind antibodies that they should not."""
    places = np.flatnonzero(dead)
    fluorescence[places] *= np.float32(0.6)
    fluorescence[places] += 120 * np.exp(0.6 * rng.standard_normal((places.size, 1), dtype=np.float32))
    if "viability" in layout.markers:
        column = layout.markers.index("viability")
        fluorescence[places, column] = 13_000 * np.exp(0.5 * rng.standard_normal(places.size, dtype=np.float32))


def _scatter(
    kinds: tuple[str, ...],
    *,
    kind: NDArray[np.intp],
    size: Floats32,
    dead: Mask,
    rng: np.random.Generator,
    spread: float,
) -> Floats32:
    out = np.empty((kind.size, len(SCATTER)), dtype=np.float32)
    z = rng.standard_normal((3, kind.size), dtype=np.float32)
    wider = np.array([1, spread], dtype=np.float32)
    fsc = wider * np.array([KINDS[name].fsc for name in kinds], dtype=np.float32)[kind]
    ssc = wider * np.array([KINDS[name].ssc for name in kinds], dtype=np.float32)[kind]
    area = fsc[:, 0] * np.exp(_LN10 * fsc[:, 1] * (0.8 * size + 0.6 * z[0]))
    area *= np.where(dead, np.float32(0.68), np.float32(1))
    out[:, 0] = area
    out[:, 1] = _HEIGHT_OF_AREA * area * (1 + 0.025 * z[1]) + 500 * z[1]
    out[:, 2] = ssc[:, 0] * np.exp(_LN10 * ssc[:, 1] * z[2]) * np.where(dead, np.float32(1.25), np.float32(1))
    return out


def _join(
    places: NDArray[np.intp], fluorescence: Floats32, light: Floats32, *, scatter: Floats32, rng: np.random.Generator
) -> None:
    """Two cells in one pulse: areas add, the height grows by less."""
    partners = rng.integers(0, light.size, places.size)
    grown = rng.uniform(1.3, 1.6, places.size).astype(np.float32)
    heights = 0.5 * (scatter[places, 1] + scatter[partners, 1])
    fluorescence[places] += fluorescence[partners]
    light[places] += light[partners]
    scatter[places] += scatter[partners]
    scatter[places, 1] = grown * heights


def _push_off_scale(scatter: Floats32, places: NDArray[np.intp], rng: np.random.Generator) -> None:
    """Air, clumps and dust reach the end of the range in one scatter detector or in all."""
    whole = rng.random(places.size) < 0.5
    scatter[places, 2] = _OFF_SCALE
    scatter[places[whole], 0] = _OFF_SCALE
    scatter[places[whole], 1] = _OFF_SCALE
