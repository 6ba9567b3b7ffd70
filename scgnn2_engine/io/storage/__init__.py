"""AnnData in HDF5 and zarr, element by element: checked where it is read, made storable where it is written."""
