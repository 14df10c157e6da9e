"""Mapping: a self-organising map trained on batches of events, and its nodes brought together into metaclusters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Ints
from immunomon.errors import ImmunomonError
from immunomon.maps.clusters.workers import workers
from immunomon.maps.kernels.metaclusters import average_linkage, consensus, distances_between, groups_apart
from immunomon.maps.kernels.som import Sums, grid_start, radii, settle, sum_by_node, sum_parts

__all__ = ["APART", "MapSettings", "TrainedMap", "cluster_events", "communities", "metaclusters_of", "train_map"]

# Leiden communities among the nodes of a map, for those who prefer them to average linkage.

# Two nodes at the distance ``reach`` are as near as the members of a community must be on average.
_RESOLUTION = float(np.exp(-1.0))


def communities(distances: Floats, *, reach: float, seed: int) -> Ints:
    """Return the community of each node, (nodes,), numbered from 0 by their first node.

    distances: (nodes, nodes); reach: the distance at which nodes still belong together. The graph's weights are
    ``exp(-(distance / reach)^2)``, the quality is the constant Potts model's, which does not swallow small
    communities as modularity does (Traag, Van Dooren & Nesterov 2011; Leiden: Traag, Waltman & van Eck 2019). Raises
    ImmunomonError if leidenalg is not installed.

    >>> apart = np.abs(np.subtract.outer([0.0, 0.1, 5.0, 5.1], [0.0, 0.1, 5.0, 5.1]))
    >>> communities(apart, reach=0.4, seed=1).tolist()
    [0, 0, 1, 1]
    """
    try:
        import igraph
        import leidenalg
    except ImportError:
        raise ImmunomonError(
            'Leiden needs leidenalg, which is not installed; pip install "immunomon[leiden]", or take --method som'
        ) from None
    weights = np.exp(-((distances / reach) ** 2))
    low, high = np.nonzero(np.triu(weights > 1e-6, k=1))
    graph = igraph.Graph(n=len(distances), edges=list(zip(low.tolist(), high.tolist(), strict=True)))
    partition = leidenalg.find_partition(
        graph,
        leidenalg.CPMVertexPartition,
        weights=weights[low, high].tolist(),
        resolution_parameter=_RESOLUTION,
        seed=seed,
        n_iterations=-1,
    )
    group = np.array(partition.membership, dtype=np.int64)
    _, first, index = np.unique(group, return_index=True, return_inverse=True)
    rank = np.empty_like(first)
    rank[np.argsort(first, kind="stable")] = np.arange(first.size)
    return np.asarray(rank[index], dtype=np.int64)


# Groups of nodes are metaclusters of their own while they are farther apart than this, in units of a marker's range.
APART = 0.4
_FEWEST, _MOST = 2, 60
_CHUNK = 65_536

Events = NDArray[np.float32]
Part = Callable[[], Events]


@dataclass(frozen=True)
class MapSettings:
    """How a map is made: its grid, epochs of ordering on a sample of events and of settling on all, seed, workers.

    jobs: threads of this machine; scheduler: a Dask cluster's address, which then does the work instead.
    """

    grid: tuple[int, int] = (14, 14)
    ordering_epochs: int = 10
    ordering_events: int = 100_000
    settling_epochs: int = 3
    clusters: int | None = None
    method: Literal["som", "leiden"] = "som"
    seed: int = 1
    jobs: int = 1
    scheduler: str | None = None


@dataclass(frozen=True, eq=False)
class TrainedMap:
    """A trained map: nodes (nodes, markers), the metacluster of each from 0, events of each, and how steady they are.

    error: root mean squared distance of an event from its node; steadiness: (metaclusters,), how often two of its nodes
    were together in the rounds of the consensus, 0 to 1; not-a-number where there was none.
    """

    codes: Events
    metaclusters: Ints
    counts: Ints
    error: float
    steadiness: Floats = field(default_factory=lambda: np.zeros(0))

    @property
    def count(self) -> int:
        """The number of metaclusters."""
        return int(self.metaclusters.max()) + 1


def train_map(parts: Sequence[Part], settings: MapSettings = MapSettings()) -> TrainedMap:
    """Return a map trained on all events of all parts, with its metaclusters; at most a part a worker is in memory.

    parts: functions that return (events, markers) float32, finite and scaled, such as the files of a study; each is
    called several times. The nodes are ordered on every n-th event of each part, with a shrinking neighbourhood, and
    then settle on all events, each node for itself. Sums over events are exact, so that neither the order of the parts
    after the ordering nor the number of workers changes a bit. Raises ImmunomonError for fewer events than nodes.
    """
    return _train(parts, settings, keep_nodes=False)[0]


def _train(
    parts: Sequence[Part], settings: MapSettings, *, keep_nodes: bool
) -> tuple[TrainedMap, list[NDArray[np.int16]]]:
    with workers(settings.jobs, settings.scheduler) as pool:
        total = sum(pool.map(lambda part: len(part()), parts))
        codes = _ordered(parts, total, settings, pool)
        for _ in range(settings.settling_epochs):
            codes = settle(sum_parts(pool.map(partial(_sums, codes), parts)), codes)
        results = list(pool.map(partial(_sums_and_nodes, codes, keep_nodes), parts))
    sums = sum_parts(own for own, _ in results)
    group, steadiness = _by_size(*metaclusters_of(codes, settings), sums.counts)
    error = float(np.sqrt(sums.squares.sum() / total))
    return TrainedMap(codes, group, sums.counts, error, steadiness), [nodes for _, nodes in results]


def _ordered(parts: Sequence[Part], total: int, settings: MapSettings, pool: Executor) -> Events:
    """Return the nodes in order on every n-th event of each part, first and n by the seed and the number of events."""
    rows, columns = settings.grid
    if total < rows * columns:
        raise ImmunomonError(
            f"{total} events are too few for a map of {rows * columns} nodes; take a smaller grid or more cells"
        )
    step = max(1, total // settings.ordering_events)
    first = int(np.random.default_rng(settings.seed).integers(step))
    sample = np.concatenate(list(pool.map(lambda part: part()[first::step], parts)))
    codes, apart = grid_start(sample, rows, columns)
    chunks = [sample[begin : begin + _CHUNK // 4] for begin in range(0, len(sample), _CHUNK // 4)]
    for radius in radii(rows, columns, settings.ordering_epochs).tolist():
        sums = sum_parts(pool.map(lambda chunk, now=codes: sum_by_node(chunk, now)[0], chunks))
        codes = settle(sums, codes, np.exp(-apart / (2 * radius**2)))
    return codes


def _sums(codes: Events, part: Part) -> Sums:
    return sum_by_node(part(), codes)[0]


def _sums_and_nodes(codes: Events, keep_nodes: bool, part: Part) -> tuple[Sums, NDArray[np.int16]]:
    sums, nodes = sum_by_node(part(), codes)
    return sums, nodes if keep_nodes else nodes[:0]


def metaclusters_of(codes: Events, settings: MapSettings) -> tuple[Ints, Floats]:
    """Return the metacluster of each node, from 0, and how steady each is.

    The number of metaclusters, where none is given, is that of the groups of nodes that lie farther than APART from
    each other (average linkage). Leiden finds its own number.
    """
    if settings.method == "leiden":
        assigned = communities(distances_between(codes), reach=APART, seed=settings.seed)
        return assigned, np.full(int(assigned.max()) + 1, np.nan)
    number = settings.clusters
    if number is None:
        _, heights = average_linkage(distances_between(codes))
        number = int(np.clip(groups_apart(heights, APART), _FEWEST, _MOST))
    group, rates = consensus(codes, min(number, len(codes)), np.random.default_rng(settings.seed))
    steadiness = [float(rates[np.ix_(group == k, group == k)].mean()) for k in range(int(group.max()) + 1)]
    return group, np.array(steadiness)


def _by_size(group: Ints, steadiness: Floats, counts: Ints) -> tuple[Ints, Floats]:
    """Number metaclusters by how many events they have, the largest first."""
    order = np.argsort(-np.bincount(group, weights=counts), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    return np.asarray(rank[group], dtype=np.int64), steadiness[order]


def cluster_events(events: Events, settings: MapSettings = MapSettings()) -> tuple[Ints, TrainedMap]:
    """Return the metacluster of each event of one array, from 0 by size, and the map.

    events: (events, markers), scaled and finite.

    >>> rng = np.random.default_rng(1)
    >>> two = np.concatenate([rng.normal(0.2, 0.05, (900, 3)), rng.normal(0.9, 0.05, (300, 3))]).astype(np.float32)
    >>> found, _ = cluster_events(two, MapSettings(grid=(4, 4)))
    >>> np.bincount(found).tolist()
    [900, 300]
    """
    chunks = [partial(_piece, events, begin) for begin in range(0, len(events), _CHUNK)]
    trained, nodes = _train(chunks, settings, keep_nodes=True)
    return trained.metaclusters[np.concatenate(nodes)], trained


def _piece(events: Events, begin: int) -> Events:
    return events[begin : begin + _CHUNK]
