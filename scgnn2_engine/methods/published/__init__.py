"""The published method: autoencoders that reconstruct what they are given (Gu et al., Bioinformatics 2022)."""

from scgnn2_engine.methods.published.cluster_ae import ClusterFit, fit_cluster_ae, iterate_cluster_ae
from scgnn2_engine.methods.published.feature_ae import FeatureFit, fit_feature_ae, iterate_feature_ae

__all__ = ["ClusterFit", "FeatureFit", "fit_cluster_ae", "fit_feature_ae", "iterate_cluster_ae", "iterate_feature_ae"]
