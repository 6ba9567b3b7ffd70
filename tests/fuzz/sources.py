"""Small whole files of each format, and the ways to damage them. A reader more is a line in ``SOURCES`` more."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp
import zarr
from hdf5_mutations import HDF5
from mutations import BYTES, LINES, Mutation, in_folder
from zarr_mutations import ZARR


@dataclass(frozen=True)
class Source:
    """A format: what makes a whole file in a folder, how it is damaged, and whether its values have checksums.

    Where they have, values that are others without a word are an error of ours.
    """

    make: Callable[[Path], Path]
    mutations: tuple[Mutation, ...]
    checksums: bool = False


CELLS = [f"AAAC{letter}TGAGCATCA{other}-1" for letter in "ACGT" for other in "ACG"]
GENES = ["ACTB", "GAPDH", "CD3D", "CD3E", "MS4A1", "CD79A", "NKG7", "GNLY", "LYZ", "S100A9"]


def counts() -> np.ndarray:
    rng = np.random.default_rng(3)
    values = rng.poisson(2.0, (len(CELLS), len(GENES))) * (rng.random((len(CELLS), len(GENES))) < 0.5)
    values[:, 0] += 1
    return values.astype(np.float32)


def small_anndata() -> anndata.AnnData:
    x = sp.csr_matrix(counts())
    obs = pd.DataFrame(
        {"type": pd.Categorical(list("abc") * 4), "depth": np.arange(12), "text": list("uvwx") * 3}, CELLS
    )
    var = pd.DataFrame({"gene_ids": [f"ENSG{i:011d}" for i in range(len(GENES))]}, GENES)
    adata = anndata.AnnData(x, obs=obs, var=var, layers={"dense": counts()}, obsm={"X_umap": np.ones((12, 2))})
    adata.obsp["graph"] = sp.csr_matrix(np.eye(12))
    adata.uns["log1p"] = {"base": None}
    adata.raw = adata[:, :8].copy()
    return adata


def h5ad(folder: Path) -> Path:
    small_anndata().write_h5ad(folder / "small.h5ad")
    return folder / "small.h5ad"


def h5ad_packed(folder: Path) -> Path:
    """Every array with a checksum."""
    path = h5ad(folder)
    with h5py.File(path) as plain, h5py.File(folder / "packed.h5ad", "w") as packed:
        _copy(plain, packed)
    path.unlink()
    return folder / "packed.h5ad"


def _copy(source: h5py.Group, target: h5py.Group) -> None:
    for key, value in source.attrs.items():
        target.attrs[key] = value
    for name, item in source.items():
        if isinstance(item, h5py.Group):
            _copy(item, target.create_group(name))
            continue
        how = {"fletcher32": True, "chunks": True} if item.ndim and item.dtype.kind != "O" else {}
        made = target.create_dataset(name, data=item[()], dtype=item.dtype, **how)
        for key, value in item.attrs.items():
            made.attrs[key] = value


def tenx_h5(folder: Path) -> Path:
    x = sp.csc_matrix(counts().T)
    with h5py.File(folder / "small.h5", "w") as file:
        group = file.create_group("matrix")
        for name, values in (("data", x.data.astype("i4")), ("indices", x.indices.astype("i8")), ("indptr", x.indptr)):
            group.create_dataset(name, data=values, fletcher32=True, chunks=True)
        group["shape"] = np.array(x.shape, dtype="i4")
        group["barcodes"] = np.array(CELLS, dtype="S")
        group["features/id"] = np.array([f"ENSG{i}" for i in range(len(GENES))], dtype="S")
        group["features/name"] = np.array(GENES, dtype="S")
        group["features/feature_type"] = np.array(["Gene Expression"] * len(GENES), dtype="S")
        group["features/genome"] = np.array(["GRCh38"] * len(GENES), dtype="S")
    return folder / "small.h5"


def tenx_folder(folder: Path) -> Path:
    made = folder / "tenx"
    made.mkdir()
    x = sp.coo_matrix(counts().T.astype(int))
    entries = "".join(f"{i + 1} {j + 1} {value}\n" for i, j, value in zip(x.row, x.col, x.data, strict=True))
    sizes = f"{len(GENES)} {len(CELLS)} {x.nnz}\n"
    (made / "matrix.mtx").write_text("%%MatrixMarket matrix coordinate integer general\n%\n" + sizes + entries)
    features = (f"ENSG{i:011d}\t{gene}\tGene Expression\n" for i, gene in enumerate(GENES))
    (made / "features.tsv").write_text("".join(features))
    (made / "barcodes.tsv").write_text("".join(f"{cell}\n" for cell in CELLS))
    return made


def tenx_folder_gz(folder: Path) -> Path:
    """Every file with a checksum."""
    made = tenx_folder(folder)
    for path in sorted(made.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()
    return made


def tenx_h5_version_2(folder: Path) -> Path:
    """Of Cell Ranger 2: a group that is called as the genome."""
    x = sp.csc_matrix(counts().T)
    with h5py.File(folder / "old.h5", "w") as file:
        group = file.create_group("GRCh38")
        group["data"], group["indices"], group["indptr"] = x.data.astype("i4"), x.indices.astype("i8"), x.indptr
        group["shape"] = np.array(x.shape, dtype="i4")
        group["barcodes"], group["genes"] = np.array(CELLS, dtype="S"), np.array(GENES, dtype="S")
        group["gene_names"] = np.array(GENES, dtype="S")
    return folder / "old.h5"


def h5mu(folder: Path) -> Path:
    """The layout of MuData, text before HDF5 begins and all."""
    path = folder / "small.h5mu"
    with h5py.File(path, "w", userblock_size=512) as file:
        file.attrs["encoding-type"] = "MuData"
        for name, adata in (("rna", small_anndata()), ("prot", anndata.AnnData(np.ones((12, 2))))):
            anndata.io.write_elem(file.require_group("mod"), name, adata)
        anndata.io.write_elem(file, "obs", pd.DataFrame(index=CELLS))
        anndata.io.write_elem(file, "var", pd.DataFrame(index=[*GENES, "a", "b"]))
    with path.open("r+b") as handle:
        handle.write(b"MuData (format-version=0.1.0;creator=muon;creator-version=0.4.1)")
    return path


def loom(folder: Path) -> Path:
    text = h5py.string_dtype()
    with h5py.File(folder / "small.loom", "w") as file:
        how = {"chunks": (4, 4), "fletcher32": True}
        file.create_dataset("matrix", data=counts().T, **how)
        file.create_dataset("layers/spliced", data=counts().T, **how)
        file["row_attrs/Gene"], file["row_attrs/Start"] = np.array(GENES, dtype=text), np.arange(len(GENES))
        file["col_attrs/CellID"], file["col_attrs/Clusters"] = np.array(CELLS, dtype=text), np.arange(len(CELLS))
        for name, values in (("a", [0, 1]), ("b", [1, 2]), ("w", [0.5, 0.5])):
            file[f"col_graphs/near/{name}"] = np.array(values)
    return folder / "small.loom"


def zarr_folder(folder: Path, version: int = 2) -> Path:
    path = folder / f"small{version}.zarr"
    adata = small_anndata()
    del adata.raw
    anndata.io.write_elem(zarr.open_group(path, mode="w", zarr_format=version), "/", adata)
    return path


def zarr_folder_3(folder: Path) -> Path:
    return zarr_folder(folder, 3)


def frame() -> pd.DataFrame:
    return pd.DataFrame(counts().T.astype(int), GENES, CELLS)


def csv(folder: Path) -> Path:
    frame().to_csv(folder / "small.csv", lineterminator="\n")
    return folder / "small.csv"


def csv_gz(folder: Path) -> Path:
    """With a checksum."""
    (folder / "small.csv.gz").write_bytes(gzip.compress(frame().to_csv().encode(), mtime=0))
    return folder / "small.csv.gz"


def write_table(folder: Path) -> Path:
    """R's form: spaces, quotes, no corner."""
    header = " ".join(f'"{cell}"' for cell in CELLS)
    rows = [" ".join((f'"{gene}"', *map(str, row))) for gene, row in zip(GENES, counts().T / 3, strict=True)]
    (folder / "small.txt").write_text("\n".join((header, *rows, "")))
    return folder / "small.txt"


def feature_counts(folder: Path) -> Path:
    made = frame().rename_axis("Geneid")
    for at, name in enumerate(("Chr", "Start", "End", "Strand", "Length")):
        made.insert(at, name, "+" if name in ("Chr", "Strand") else 700)
    (folder / "small.tsv").write_text("# Program:featureCounts v2.0.3\n" + made.to_csv(sep="\t"))
    return folder / "small.tsv"


def htseq(folder: Path) -> Path:
    tallies = "".join(f"__{name}\t{'9' * 3}\n" for name in ("no_feature", "ambiguous"))
    made = folder / "wells"
    made.mkdir()
    for cell, row in zip(("A1", "A2"), counts(), strict=False):
        lines = (f"ENSG{at:011d}\t{count:.0f}\n" for at, count in enumerate(row))
        (made / f"{cell}.counts").write_text("".join(lines) + tallies)
    return made


def npz(folder: Path) -> Path:
    """A zip, whose members have checksums."""
    parts = sp.csr_matrix(counts())
    np.savez(
        folder / "small.npz", data=parts.data, indices=parts.indices, indptr=parts.indptr, shape=parts.shape,
        format=np.array(b"csr"), genes=np.array(GENES), cells=np.array(CELLS),
    )  # fmt: skip
    return folder / "small.npz"


def parquet(folder: Path) -> Path:
    frame().to_parquet(folder / "small.parquet")
    return folder / "small.parquet"


SOURCES: dict[str, Source] = {
    "h5ad": Source(h5ad, (*BYTES, *HDF5)),
    "h5ad_packed": Source(h5ad_packed, BYTES, checksums=True),
    "tenx_h5": Source(tenx_h5, (*BYTES, *HDF5), checksums=True),
    "tenx_folder": Source(tenx_folder, (in_folder(*BYTES, *LINES),)),
    "csv": Source(csv, (*BYTES, *LINES)),
    "csv_gz": Source(csv_gz, BYTES, checksums=True),
    "write_table": Source(write_table, (*BYTES, *LINES)),
    "feature_counts": Source(feature_counts, (*BYTES, *LINES)),
    "htseq": Source(htseq, (in_folder(*BYTES, *LINES),)),
    "npz": Source(npz, BYTES, checksums=True),
    "parquet": Source(parquet, BYTES),
    "tenx_folder_gz": Source(tenx_folder_gz, (in_folder(*BYTES),), checksums=True),
    "tenx_h5_version_2": Source(tenx_h5_version_2, (*BYTES, *HDF5)),
    "h5mu": Source(h5mu, (*BYTES, *HDF5)),
    "loom": Source(loom, (*BYTES, *HDF5), checksums=True),
    "zarr": Source(zarr_folder, ZARR),
    "zarr_3": Source(zarr_folder_3, ZARR),
}
