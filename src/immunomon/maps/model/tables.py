"""The column contracts of what clusters and atlases leave beside the tables of gated populations."""

from __future__ import annotations

from immunomon.cytometry.model.populations import contract

__all__ = ["CLUSTER_TABLES", "EXPLORATORY", "METACLUSTERS", "PROJECTED_SAMPLES"]

METACLUSTERS = contract("metaclusters", "one metacluster", "metacluster")
EXPLORATORY = contract(
    "exploratory",
    "one metacluster x visit x quantity, the strongest first",
    "metacluster",
    "visit",
    "quantity",
    "marker",
)
CLUSTER_TABLES = {table.name: table for table in (METACLUSTERS, EXPLORATORY)}


# The column contract of what a projection says of each sample.

PROJECTED_SAMPLES = contract("projected_samples", "one sample that was projected onto an atlas", "sample_id")
