"""Annotated: a run's cells as AnnData, for the people who go on in scanpy. Made at the edge; no inner model."""

from immunomon.maps.anndata.export import Exported, export_cells

__all__ = ["Exported", "export_cells"]
