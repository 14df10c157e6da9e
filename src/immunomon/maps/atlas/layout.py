"""Layout: marker values scaled, laid out in a plane by UMAP, grouped by k-means, and how far to trust the plane."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Floats32, Ints
from immunomon.maps.kernels.neighbours import index_of, nearest

__all__ = ["Layout", "lay_out", "scale_of", "trust"]

NEIGHBOURS = 15
MIN_DISTANCE = 0.25
EPOCHS = 300
CLUSTERS = 12
TRUST_CELLS = 2000
# The field's custom (1st to 99th percentile): the brightest and the dimmest cells do not set a marker's weight, and a
# marker that is bright on few cells keeps its distance, as it would not with the interquartile range.
PERCENTILES = (1.0, 99.0)
# About two decades of a display scale. A marker that no cell here carries is narrower: it is not stretched into one.
NARROWEST = 0.4


@dataclass(frozen=True, eq=False)
class Layout:
    """Cells in a plane: positions (cells, 2), clusters (cells,) from 1 by size, and the markers' centre and scale.

    scaled: (cells, markers), what was laid out: display values, less the centre, over the scale. trustworthiness: of a
    cell's 15 neighbours in the plane, how far they are neighbours in the markers, too: 0 to 1.
    """

    scaled: Floats32
    positions: Floats32
    clusters: Ints
    centre: Floats
    scale: Floats
    trustworthiness: float


def lay_out(values: NDArray[np.floating], *, seed: int, threads: int = 1) -> Layout:
    """Return cells laid out once, all together: the same values and seed give the same, by any number of threads.

    values: (cells, markers), display scale. Markers are scaled as ``scale_of`` says, neighbours are exact, the start is
    PCA, which keeps the large-scale order better than chance does (Kobak & Linderman 2021). UMAP: McInnes, Healy &
    Melville 2018. Raises ValueError for fewer than 16 cells.
    """
    if values.shape[0] <= NEIGHBOURS:
        raise ValueError(f"{values.shape[0]} cells cannot be laid out; at least {NEIGHBOURS + 1} are needed")
    with _quiet(), _one_thread():
        centre, scale = scale_of(values)
        scaled = np.ascontiguousarray((values - centre) / scale, dtype=np.float32)
        positions = _umap(scaled, seed, threads)
        clusters = _clusters(scaled.astype(np.float64), seed)
        trusted = trust(scaled, positions, seed=seed)
    return Layout(scaled, positions, clusters, centre, scale, trusted)


def scale_of(values: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Return each marker's median, and its 1st to 99th percentile's distance or NARROWEST if that is more.

    values: (cells, markers), display scale.
    """
    low, middle, high = np.percentile(
        np.asarray(values, dtype=np.float64), [PERCENTILES[0], 50, PERCENTILES[1]], axis=0
    )
    return middle, np.maximum(high - low, NARROWEST)


def _umap(scaled: Floats32, seed: int, threads: int) -> Floats32:
    from umap import UMAP

    _keep_compiled()
    known = nearest(index_of(scaled), scaled, NEIGHBOURS, threads=threads)
    reducer = UMAP(
        n_neighbors=NEIGHBOURS,
        min_dist=MIN_DISTANCE,
        n_epochs=EPOCHS,
        init="pca",
        random_state=seed,
        n_jobs=1,
        precomputed_knn=known,
    )
    return np.asarray(reducer.fit_transform(scaled), dtype=np.float32)


def _keep_compiled() -> None:
    """Have numba keep on disk what it compiles for UMAP, whose functions do not ask for it: some 7 s a process."""
    from numba.core.dispatcher import Dispatcher
    from umap import layouts, umap_

    for module in (layouts, umap_):
        for function in vars(module).values():
            if isinstance(function, Dispatcher) and function.__module__ == module.__name__:
                function.enable_caching()


def _clusters(scaled: Floats, seed: int) -> Ints:
    from sklearn.cluster import KMeans

    labels = KMeans(min(CLUSTERS, len(scaled)), n_init=5, random_state=seed).fit_predict(scaled)
    sizes = np.bincount(labels)
    rank = np.empty_like(sizes)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(1, sizes.size + 1)
    return np.asarray(rank[labels], dtype=np.int64)


def trust(scaled: NDArray[np.floating], positions: NDArray[np.floating], *, seed: int) -> float:
    """Return the trustworthiness of positions on at most 2,000 cells, from 0 to 1 (Venna & Kaski 2001).

    scaled: (cells, markers); positions: (cells, 2). It is low where cells lie side by side that are not alike.
    """
    from sklearn.manifold import trustworthiness

    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(scaled), min(TRUST_CELLS, len(scaled)), replace=False))
    neighbours = min(NEIGHBOURS, (chosen.size - 1) // 2)
    return float(trustworthiness(scaled[chosen], positions[chosen], n_neighbors=neighbours))


@contextmanager
def _quiet() -> Iterator[None]:
    # What umap says of TensorFlow and of later transforms concerns nobody here.
    with warnings.catch_warnings():
        for category in (ImportWarning, UserWarning, FutureWarning, DeprecationWarning):
            warnings.simplefilter("ignore", category)
        yield


@contextmanager
def _one_thread() -> Iterator[None]:
    # Sums in another order differ in the last bit, and a layout in more than that.
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield
