"""Plots: axes in, axes out. Nothing here opens a window or writes a file."""

from immunomon.plots.gating import gating_plot
from immunomon.plots.trajectories import trajectories
from immunomon.plots.umap import atlas_plot, umap_panels

__all__ = ["atlas_plot", "gating_plot", "trajectories", "umap_panels"]
