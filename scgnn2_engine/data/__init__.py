"""Data sets, and what is prepared of them: cells and genes filtered, entries hidden, values normalised, LTMG states."""
