"""A run as files: figures, tables, objects of R, one report."""
