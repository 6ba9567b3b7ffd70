"""Several samples in one data set: which are given, what they are called, and how their genes are matched."""
