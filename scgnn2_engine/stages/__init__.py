"""The stages, each usable alone: arrays in, arrays out.

Every ``iterate_…`` is a generator of events whose value is the stage's result; the function beside it (``fit_…``,
:func:`cluster`, :func:`deconvolve`) drains it.
"""

from scgnn2_engine.stages.bulk import MatchedBulk, match_bulk
from scgnn2_engine.stages.bulk_shares import SampleShares, bulk_shares
from scgnn2_engine.stages.bulk_shares import shares as shares_of
from scgnn2_engine.stages.bulk_shift import apply_shift, bulk_shift
from scgnn2_engine.stages.bulk_shift import strength as shift_strength
from scgnn2_engine.stages.cluster_ae import ClusterFit, fit_cluster_ae, iterate_cluster_ae
from scgnn2_engine.stages.cluster_profiles import cluster_profiles
from scgnn2_engine.stages.clustering import Clustering, check_method, cluster, iterate_clustering
from scgnn2_engine.stages.components import principal_components
from scgnn2_engine.stages.count_outputs import gene_dispersions, posterior_rate, root_expectation, zero_is_likely
from scgnn2_engine.stages.deconvolution import Deconvolution, deconvolve, iterate_deconvolution
from scgnn2_engine.stages.denoising import Observed, fit_denoising, iterate_denoising, observe, plan_of
from scgnn2_engine.stages.denoising_clusters import RefinedFit, iterate_denoising_clusters
from scgnn2_engine.stages.feature_ae import FeatureFit, fit_feature_ae, iterate_feature_ae
from scgnn2_engine.stages.fusion import fuse
from scgnn2_engine.stages.graph_ae import GraphFit, fit_graph_ae, iterate_graph_ae
from scgnn2_engine.stages.seen_share import fewest_neighbours, seen_by_neighbours

__all__ = [
    "ClusterFit",
    "Clustering",
    "Deconvolution",
    "FeatureFit",
    "GraphFit",
    "MatchedBulk",
    "Observed",
    "RefinedFit",
    "SampleShares",
    "apply_shift",
    "bulk_shares",
    "bulk_shift",
    "check_method",
    "cluster",
    "cluster_profiles",
    "deconvolve",
    "fewest_neighbours",
    "fit_cluster_ae",
    "fit_denoising",
    "fit_feature_ae",
    "fit_graph_ae",
    "fuse",
    "gene_dispersions",
    "iterate_cluster_ae",
    "iterate_clustering",
    "iterate_deconvolution",
    "iterate_denoising",
    "iterate_denoising_clusters",
    "iterate_feature_ae",
    "iterate_graph_ae",
    "match_bulk",
    "observe",
    "plan_of",
    "posterior_rate",
    "principal_components",
    "root_expectation",
    "seen_by_neighbours",
    "shares_of",
    "shift_strength",
    "zero_is_likely",
]
