"""Leiden communities among the nodes of a map, for those who prefer them to average linkage."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from immunomon.errors import ImmunomonError

__all__ = ["communities"]

# Two nodes at the distance ``reach`` are as near as the members of a community must be on average.
_RESOLUTION = float(np.exp(-1.0))


def communities(distances: NDArray[np.float64], *, reach: float, seed: int) -> NDArray[np.int64]:
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
