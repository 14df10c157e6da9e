"""Clusters: a map of all cells of a panel, its metaclusters named, counted and followed over time. Exploratory."""

from immunomon.maps.clusters.run import Clustering, cluster_run

__all__ = ["Clustering", "cluster_run"]
