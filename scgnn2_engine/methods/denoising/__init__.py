"""The method of the preset ``default``: seen entries are hidden from the autoencoders and asked for again."""

from scgnn2_engine.methods.denoising.clusters import RefinedFit, iterate_denoising_clusters
from scgnn2_engine.methods.denoising.observed import Observed, observe
from scgnn2_engine.methods.denoising.training import fit_denoising, iterate_denoising

__all__ = ["Observed", "RefinedFit", "fit_denoising", "iterate_denoising", "iterate_denoising_clusters", "observe"]
