"""One file for each format that is read: how it is recognised, and how a matrix is taken from it."""
