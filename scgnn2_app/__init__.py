"""A finished run as a page: ``view(folder)`` in a notebook, or ``panel serve scgnn2_app --args FOLDER``."""

from scgnn2_app.app import page, view

__all__ = ["page", "view"]
