"""Figures: pure functions from arrays to charts, two canvases that draw them, and their files.

What draws is imported when it is needed; it comes with ``pip install "scgnn2[app]"``.
"""

from scgnn2_engine.plots.cell_graph import cell_graph, edge_widths
from scgnn2_engine.plots.chart import Chart, Figure
from scgnn2_engine.plots.curves import curves
from scgnn2_engine.plots.diagnostics import diagnostics
from scgnn2_engine.plots.heatmap import error_heatmap
from scgnn2_engine.plots.layout import umap_positions
from scgnn2_engine.plots.on_matplotlib import to_matplotlib
from scgnn2_engine.plots.sankey import sankey
from scgnn2_engine.plots.saving import draw_figures, save_both, save_figure, sets_of_iterations
from scgnn2_engine.plots.style import cluster_colours, palette

__all__ = [
    "Chart",
    "Figure",
    "cell_graph",
    "cluster_colours",
    "curves",
    "diagnostics",
    "draw_figures",
    "edge_widths",
    "error_heatmap",
    "palette",
    "sankey",
    "save_both",
    "save_figure",
    "sets_of_iterations",
    "to_matplotlib",
    "umap_positions",
]
