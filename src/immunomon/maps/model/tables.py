"""The column contracts of what clusters and atlases leave beside the tables of gated populations."""

from __future__ import annotations

from immunomon.cytometry.model.populations import Column, Table

__all__ = ["CLUSTER_TABLES", "EXPLORATORY", "METACLUSTERS", "PROJECTED_SAMPLES"]

METACLUSTERS = Table(
    "metaclusters",
    "one metacluster",
    ("metacluster",),
    tuple(
        Column(*row)
        for row in (
            ("metacluster", "string", "id, numbered by size: mc01 is the largest; it means nothing in another run"),
            ("phenotype", "string", "markers above (+), below (-) or far above (hi) or below (lo) the border"),
            ("cells", "Int64", "cells of all samples together"),
            ("percent_of_parent", "Float64", "100 x cells / cells of the population that was clustered"),
            ("samples", "Int64", "samples with at least one of its cells"),
            ("nodes", "Int64", "nodes of the map"),
            ("steadiness", "Float64", "how often two of its nodes stayed together in the consensus, 0 to 1"),
            ("population", "string", "gated population that it overlaps most, by F1; missing if there is none"),
            ("f1", "Float64", "F1 of metacluster and that population: 1 if they are the same cells"),
            ("percent_inside", "Float64", "percent of its cells that are in that population"),
            ("percent_gated", "Float64", "percent of its cells in any population below the clustered one"),
            ("covered", "boolean", "whether half of its cells are in some population below the clustered one"),
            ("note", "string", "'no gate covers it' where none does; missing otherwise"),
        )
    ),
)
EXPLORATORY = Table(
    "exploratory",
    "one metacluster x visit x quantity, the strongest first",
    ("metacluster", "visit", "quantity", "marker"),
    tuple(
        Column(*row)
        for row in (
            ("rank", "Int64", "place in the list, from 1: by false discovery rate, then by score"),
            ("listed", "boolean", "whether the false discovery rate is 0.05 or less"),
            ("metacluster", "string", "metacluster id"),
            ("phenotype", "string", "its phenotype"),
            ("visit", "string", "visit compared with the baseline"),
            ("quantity", "string", "percent (of the clustered population) or median_intensity"),
            ("marker", "string", "state marker; missing for percent"),
            ("subjects", "Int64", "subjects with both samples"),
            ("changed_up", "Int64", "subjects more than 3 standard deviations above their baseline"),
            ("changed_down", "Int64", "subjects more than 3 standard deviations below their baseline"),
            (
                "median_change",
                "Float64",
                "median over subjects of the change: log-odds, or on the display scale for intensities",
            ),
            ("largest_change", "Float64", "the subject's change that is largest, in the same unit"),
            ("score", "Float64", "mean squared change in standard deviations; about 1 where nothing happens"),
            ("p", "Float64", "chance of such a score by fluctuation; an ordering, not evidence"),
            ("fdr", "Float64", "Benjamini-Hochberg false discovery rate within this table"),
            ("subjects_changes", "string", "each subject's change in standard deviations: JSON object"),
            ("status", "string", "always exploratory"),
        )
    ),
)
CLUSTER_TABLES = {table.name: table for table in (METACLUSTERS, EXPLORATORY)}


# The column contract of what a projection says of each sample.

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
