"""Which genes tell groups of cells apart, tested on what was observed."""

from scgnn2_engine.markers.genes import COLUMNS, by_sample, rank_genes

__all__ = ["COLUMNS", "by_sample", "rank_genes"]
