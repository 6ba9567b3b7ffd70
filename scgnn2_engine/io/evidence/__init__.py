"""What names and values tell of a matrix: which way round it is, on which scale, and what of it is no expression."""
