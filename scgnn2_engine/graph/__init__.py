"""The cell graph and its autoencoder, usable alone: arrays in, arrays out."""

from scgnn2_engine.graph.components import principal_components
from scgnn2_engine.graph.graph_ae import GraphFit, fit_graph_ae, iterate_graph_ae
from scgnn2_engine.graph.neighbours import build_graph

__all__ = ["GraphFit", "build_graph", "fit_graph_ae", "iterate_graph_ae", "principal_components"]
