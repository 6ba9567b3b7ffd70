"""A run from data to result: the loop, its context, its record, the choice of the iteration, the output folder."""
