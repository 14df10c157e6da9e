"""Cells without gates: clusters, maps of samples, and AnnData at the edge."""
