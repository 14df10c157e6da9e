"""Plots: axes in, axes out. Nothing here opens a window or writes a file."""

from immunomon.plots.clusters import cluster_heatmap, cluster_tree
from immunomon.plots.estimates import forest
from immunomon.plots.gating import gating_plot, gating_tree
from immunomon.plots.trajectories import platelet_course, spider, trajectories
from immunomon.plots.umap import atlas_plot, umap_panels
from immunomon.plots.umap_density import density_difference

__all__ = [
    "atlas_plot",
    "cluster_heatmap",
    "cluster_tree",
    "density_difference",
    "forest",
    "gating_plot",
    "gating_tree",
    "platelet_course",
    "spider",
    "trajectories",
    "umap_panels",
]
