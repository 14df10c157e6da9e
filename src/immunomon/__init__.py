"""immunomon: flow cytometry and immune monitoring over time.

What notebooks and scripts need is at hand here, and imported when it is first asked for: run_study, open_run,
shown_gallery, embed_run, project_run, explore_atlas, describe_region, export_cells, gate_files, analyse, read_panel,
read_strategy; plots: gating_plot, gating_tree, trajectories, spider, forest, atlas_plot, umap_panels,
density_difference, cluster_heatmap, cluster_tree.

>>> import immunomon
>>> immunomon.__version__.count(".")
2
"""

from typing import Any

__version__ = "0.1.0"

# By name only: a static import would tie the lowest layers, which read the version, to the highest ones.
_OFFERED = {
    "analyse": "immunomon.runs.single",
    "atlas_plot": "immunomon.plots.umap",
    "cluster_heatmap": "immunomon.plots.clusters",
    "cluster_tree": "immunomon.plots.clusters",
    "density_difference": "immunomon.plots.umap_density",
    "describe_region": "immunomon.maps.atlas.describe",
    "embed_run": "immunomon.maps.atlas.embed",
    "explore_atlas": "immunomon.maps.atlas.explorer",
    "explore_cells": "immunomon.maps.atlas.explorer",
    "export_cells": "immunomon.maps.anndata.export",
    "forest": "immunomon.plots.estimates",
    "gate_files": "immunomon.runs.files",
    "gating_plot": "immunomon.plots.gating",
    "gating_tree": "immunomon.plots.gating",
    "open_run": "immunomon.runs.opened",
    "platelet_course": "immunomon.plots.trajectories",
    "project_run": "immunomon.maps.atlas.project",
    "read_metaclusters": "immunomon.maps.clusters.found",
    "read_panel": "immunomon.runs.named",
    "read_strategy": "immunomon.runs.named",
    "run_study": "immunomon.runs.run",
    "shown_gallery": "immunomon.outputs.review.notebook",
    "spider": "immunomon.plots.trajectories",
    "trajectories": "immunomon.plots.trajectories",
    "umap_panels": "immunomon.plots.umap",
}

__all__ = list(_OFFERED)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - each name has a type of its own
    if name not in _OFFERED:
        raise AttributeError(f"module 'immunomon' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_OFFERED[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_OFFERED])
