"""Plots: axes in, axes out. Nothing here opens a window or writes a file."""

from immunomon.plots.clinical import concentration_time, platelet_change, platelet_waterfall, swimmer
from immunomon.plots.clusters import cluster_heatmap, cluster_tree
from immunomon.plots.estimates import apart, arrows, forest
from immunomon.plots.gating import gating_plot, gating_tree
from immunomon.plots.matrix import change_heatmap, events_by_grade
from immunomon.plots.trajectories import platelet_course, spider, trajectories
from immunomon.plots.umap import atlas_plot, umap_panels
from immunomon.plots.umap_density import density_difference

__all__ = [
    "apart",
    "arrows",
    "atlas_plot",
    "change_heatmap",
    "cluster_heatmap",
    "cluster_tree",
    "concentration_time",
    "density_difference",
    "events_by_grade",
    "forest",
    "gating_plot",
    "gating_tree",
    "platelet_change",
    "platelet_course",
    "platelet_waterfall",
    "spider",
    "swimmer",
    "trajectories",
    "umap_panels",
]
