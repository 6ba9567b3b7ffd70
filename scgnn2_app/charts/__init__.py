"""Figures on the screen: charts that grow, cell graphs as pixels, heat maps, violins, Sankey diagrams."""
