"""scGNN 2.0 as a library: imputation, clustering and a cell-cell graph from single-cell expression."""
