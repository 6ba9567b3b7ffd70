"""Clusters of cells, usable alone: arrays in, arrays out."""

from scgnn2_engine.clusters.clustering import Clustering, cluster, iterate_clustering

__all__ = ["Clustering", "cluster", "iterate_clustering"]
