"""Methods × data sets × seeds, scored alike: the numbers behind every claim about what the method is worth.

A benchmark is a folder of cells, one file for each score of one method on one data set with one seed. Cells that are
there are not computed again, so a benchmark can be stopped, continued and added to; tables and the figure are made
from the cells.
"""

from scgnn2_engine.benchmark.data_sets import DataSet, find_data_sets, read_data_set
from scgnn2_engine.benchmark.methods import PROTOCOLS, Method, choose_methods, read_variants
from scgnn2_engine.benchmark.report import write_report
from scgnn2_engine.benchmark.suite import Plan, Question, compute, plan

__all__ = [
    "PROTOCOLS",
    "DataSet",
    "Method",
    "Plan",
    "Question",
    "choose_methods",
    "compute",
    "find_data_sets",
    "plan",
    "read_data_set",
    "read_variants",
    "write_report",
]
