"""The column contract of what a projection says of each sample."""

from __future__ import annotations

from immunomon.cytometry.model.populations import Column, Table

__all__ = ["PROJECTED_SAMPLES"]

PROJECTED_SAMPLES = Table(
    "projected_samples",
    "one sample that was projected onto an atlas",
    ("sample_id",),
    tuple(
        Column(*row)
        for row in (
            ("sample_id", "string", "sample id"),
            ("subject", "string", "subject id"),
            ("visit", "string", "visit label"),
            ("dose_group", "string", "dose group; missing if the subject has none"),
            ("batch", "string", "batch; missing if none was said"),
            ("in_atlas", "boolean", "whether the atlas was fitted on cells of this sample, too"),
            ("population_cells", "Int64", "cells of the population that the atlas is of"),
            ("cells", "Int64", "of these, cells that were projected, drawn by chance or all"),
            ("fitted", "Int64", "of these, cells that the atlas was fitted on: they are where they were"),
            ("beyond", "Int64", "of the cells, those beyond the atlas' 99th percentile of out_of_reference"),
            ("percent_beyond", "Float64", "100 x beyond / cells; 1 is what the atlas' own cells have"),
            ("percent_beyond_low", "Float64", "lower end of its 95 % Wilson interval: counting only"),
            ("percent_beyond_high", "Float64", "upper end of its 95 % Wilson interval: counting only"),
            ("median_out_of_reference", "Float64", "median over the cells of out_of_reference"),
        )
    ),
)
