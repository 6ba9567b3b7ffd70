"""Bulk expression beside the cells, usable alone: arrays in, arrays out."""

from scgnn2_engine.bulk.cluster_profiles import cluster_profiles
from scgnn2_engine.bulk.deconvolution import Deconvolution, deconvolve, iterate_deconvolution
from scgnn2_engine.bulk.fusion import fuse
from scgnn2_engine.bulk.matching import MatchedBulk, match_bulk
from scgnn2_engine.bulk.shares import SampleShares, bulk_shares
from scgnn2_engine.bulk.shift import apply_shift, bulk_shift

__all__ = [
    "Deconvolution",
    "MatchedBulk",
    "SampleShares",
    "apply_shift",
    "bulk_shares",
    "bulk_shift",
    "cluster_profiles",
    "deconvolve",
    "fuse",
    "iterate_deconvolution",
    "match_bulk",
]
