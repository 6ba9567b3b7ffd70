"""Widgets made from the engine's declarations, the values being edited, and the words for them."""
