"""Sweeps: many runs with other parameters, compared by a score that needs no labels."""
