"""An atlas: cells of all patients and visits laid out in a plane, to look at. Exploratory: no number is tested here."""

from immunomon.maps.atlas.embed import embed_run
from immunomon.maps.atlas.project import project_run
from immunomon.plots.umap import atlas_plot

__all__ = ["atlas_plot", "embed_run", "project_run"]
