"""Where cells lie more densely at one visit than at another: smoothed densities on the plane of an atlas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunomon.arrays import Floats32
from immunomon.errors import UnknownName, nearest
from immunomon.plots.figures import as_plane, scale_bar

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["DIFFERENCE_STOPS", "Densities", "densities_of", "density_difference"]

BINS = 96
_SMOOTH = 2.5  # bins
# Blue: less than before, orange: more; white: the same. Okabe & Ito's pair, told apart with any colour blindness.
DIFFERENCE_STOPS = ("#00446b", "#0072b2", "#8fc3e0", "#ffffff", "#f2bf85", "#d55e00", "#7f3300")


@dataclass(frozen=True, eq=False)
class Densities:
    """Sums of patients' densities on one grid, so that every patient speaks equally however many cells there are.

    sums: (visit, dose group) -> (BINS rows along umap2, BINS columns along umap1), each patient's sums to 1000 (per
    mille of the cells); patients: (visit, dose group) -> how many; extent: left, right, bottom, top.
    """

    extent: tuple[float, float, float, float]
    sums: Mapping[tuple[str, str], Floats32]
    patients: Mapping[tuple[str, str], int]

    def of(self, visit: str, dose_group: str | None = None) -> Floats32:
        """Return the mean density of a visit's patients, per mille of the cells a bin.

        Raises UnknownName for a visit or dose group that no cell is of.
        """
        keys = [key for key in self.sums if key[0] == visit and dose_group in (None, key[1])]
        if not keys:
            visits = list(dict.fromkeys(name for name, _ in self.sums))
            if visit not in visits:
                raise UnknownName(f"no cell of visit '{visit}'; {nearest(visit, visits, in_order=True)}")
            groups = [group for name, group in self.sums if name == visit]
            named = nearest(str(dose_group), groups)
            raise UnknownName(f"no cell of dose group '{dose_group}' at visit '{visit}'; {named}")
        whole = np.sum([self.sums[key] for key in keys], axis=0) / sum(self.patients[key] for key in keys)
        return np.asarray(whole, dtype=np.float32)


def densities_of(atlas: pd.DataFrame, *, bins: int = BINS) -> Densities:
    """Return the densities of an atlas' cells by visit and dose group, each as many cells as its ``weight`` says.

    >>> import pandas as pd
    >>> cells = pd.DataFrame({"umap1": [0.0, 1.0], "umap2": [0.0, 1.0], "visit": "W4", "dose_group": "A",
    ...     "subject": "S1"})
    >>> float(densities_of(cells).of("W4").sum().round())
    1000.0
    """
    from scipy.ndimage import gaussian_filter

    extent = _extent(atlas)
    sums: dict[tuple[str, str], Floats32] = {}
    patients: dict[tuple[str, str], int] = {}
    for (visit, group, _), own in atlas.groupby(["visit", "dose_group", "subject"], sort=False, observed=True):
        counts, _, _ = np.histogram2d(
            own["umap2"], own["umap1"], bins=bins, range=[extent[2:], extent[:2]], weights=own.get("weight")
        )
        smooth = gaussian_filter(counts, _SMOOTH, mode="constant")
        key = (str(visit), str(group))
        sums[key] = sums.get(key, np.float32(0)) + (1000 * smooth / smooth.sum()).astype(np.float32)
        patients[key] = patients.get(key, 0) + 1
    return Densities(extent, sums, patients)


def _extent(atlas: pd.DataFrame) -> tuple[float, float, float, float]:
    low = atlas[["umap1", "umap2"]].min().to_numpy(dtype=float)
    high = atlas[["umap1", "umap2"]].max().to_numpy(dtype=float)
    edge = 0.06 * np.maximum(high - low, 1e-6)
    (left, bottom), (right, top) = low - edge, high + edge
    return float(left), float(right), float(bottom), float(top)


def density_difference(
    ax: Axes, atlas: pd.DataFrame, visits: tuple[str, str], *, dose_group: str | None = None
) -> Axes:
    """Draw where cells are denser at the second visit than at the first (orange) and where less (blue).

    visits: before and after; dose_group: of its patients only. The scale is the same in both directions, in per mille
    of the cells a bin of the plane. Raises UnknownName if a visit has no cell.

    >>> import matplotlib.figure, pandas as pd
    >>> cells = pd.DataFrame({"umap1": [0.0, 1.0], "umap2": [0.0, 1.0], "visit": ["D-1", "W4"], "dose_group": "A",
    ...     "subject": "S1"})
    >>> density_difference(matplotlib.figure.Figure().subplots(), cells, ("D-1", "W4")).get_title()
    'W4 against D-1'
    """
    from matplotlib.colors import LinearSegmentedColormap

    known = densities_of(atlas)
    before, after = (known.of(visit, dose_group) for visit in visits)
    change = after - before
    top = max(float(np.abs(change).max()), 1e-9)
    colours = LinearSegmentedColormap.from_list("difference", list(DIFFERENCE_STOPS))
    style: dict[str, Any] = {"origin": "lower", "aspect": "auto", "interpolation": "bilinear"}
    drawn = ax.imshow(change, cmap=colours, vmin=-top, vmax=top, extent=known.extent, **style)
    ax.contour(
        before + after,
        levels=[0.08 * float((before + after).max())],
        extent=known.extent,
        colors="0.55",
        linewidths=0.7,
    )
    scale_bar(ax, drawn, {-top: "fewer", 0: "same", top: "more"})
    as_plane(ax)
    ax.set_title(f"{visits[1]} against {visits[0]}")
    return ax
