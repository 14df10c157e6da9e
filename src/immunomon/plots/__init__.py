"""Plots: axes in, axes out. Nothing here opens a window or writes a file."""

from immunomon.plots.gating import gating_plot
from immunomon.plots.trajectories import trajectories

__all__ = ["gating_plot", "trajectories"]
