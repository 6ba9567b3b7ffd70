"""Objects exchanged with a running R. Tests that start R do it in a process of their own: R cannot be stopped again."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

import scgnn2_engine as sc2
from scgnn2_engine.errors import InputError, MissingPackageError, ParameterError, ScgnnError
from scgnn2_engine.io import result_to_anndata
from scgnn2_engine.io.r import from_r, seurat_bytes, to_sce, to_seurat
from scgnn2_engine.io.r import values as r
from scgnn2_engine.io.r.build import data_frame, dgcmatrix, matrix, strings
from scgnn2_engine.io.r.into_experiment import into_experiment
from scgnn2_engine.io.r.matrices import dimnames
from scgnn2_engine.io.r.reading import read_r
from scgnn2_engine.io.r.serialisation import parse, to_bytes

GOLDEN = Path(__file__).resolve().parent / "golden"
GENES, CELLS = ["Actb", "Gapdh", "MT-CO1"], ["cell_1", "cell_2"]
VALUES = np.array([[1.0, 4.0], [0.0, 5.0], [3.0, 6.0]])
NEEDED = ("SeuratObject", "SingleCellExperiment")


@pytest.fixture(scope="module")
def result() -> sc2.Result:
    params = sc2.RunParams(
        total_epoch=1,
        feature_AE_epoch=[3, 3],
        feature_AE_count_weight=0,  # the imputed values alone
        device="cpu",
        preprocess_top_gene_select=25,
    )
    return sc2.fit(sc2.simulate(n_obs=60, n_vars=40, n_types=2, seed=0), params)


@pytest.fixture
def in_python(tmp_path: Path) -> Callable[..., str]:
    """Run code in another Python, where warnings are errors, and give what it prints; it must print no errors."""
    if importlib.util.find_spec("rpy2") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)('rpy2 is not here: pip install "scgnn2[r]"')

    def run(code: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=tmp_path,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(sc2.__file__).parents[1]), **environment},
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    return run


# ------------------------------------------------------------------------------------------ bytes: no R needed


def as_genes_by_cells(adata: AnnData) -> None:
    assert list(adata.obs_names) == CELLS
    assert list(adata.var_names) == GENES
    x = adata.X.toarray() if sp.issparse(adata.X) else adata.X
    np.testing.assert_array_equal(x, VALUES.T)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_serialize_are_read_without_r(kind: Callable[[bytes], object]) -> None:
    as_genes_by_cells(from_r(kind(to_bytes(matrix(VALUES, GENES, CELLS)))))
    as_genes_by_cells(from_r(kind(to_bytes(data_frame(pd.DataFrame(VALUES.T, index=CELLS, columns=GENES))))))


def test_a_sparse_matrix_stays_sparse() -> None:
    mostly_zero = sp.csc_matrix(np.diag([1.0, 2.0, 0.0]))
    adata = from_r(to_bytes(dgcmatrix(mostly_zero, GENES, ["cell_1", "cell_2", "cell_3"])))
    assert sp.issparse(adata.X)
    np.testing.assert_array_equal(adata.X.toarray(), np.diag([1.0, 2.0, 0.0]))


def test_the_orientation_can_be_said() -> None:
    square = to_bytes(matrix(np.array([[1.0, 2.0], [3.0, 4.0]]), ["a", "b"], ["c", "d"]))
    with pytest.raises(InputError, match="its names do not tell"):
        from_r(square)
    assert list(from_r(square, orientation="genes-by-cells").var_names) == ["a", "b"]
    assert list(from_r(square, orientation="cells-by-genes").var_names) == ["c", "d"]
    with pytest.raises(ParameterError, match="Expected: auto, cells-by-genes, genes-by-cells"):
        from_r(square, orientation="up")


def test_repeated_names_are_made_unique_with_a_warning() -> None:
    repeated = to_bytes(matrix(VALUES, ["Actb", "Actb", "Gapdh"], CELLS))
    with pytest.warns(UserWarning, match="1 duplicated gene name made unique"):
        adata = from_r(repeated)
    assert list(adata.var_names) == ["Actb", "Actb-1", "Gapdh"]


def test_what_is_not_carried_over_is_warned_of() -> None:
    data = (GOLDEN / "seurat_v4.rds").read_bytes()
    with pytest.warns(UserWarning, match=r"Not carried over from R: .*commands"):
        adata = from_r(data)
    assert adata.shape == (30, 50)


def test_a_result_comes_back_from_its_bytes(result: sc2.Result) -> None:
    expected = result_to_anndata(result)
    with pytest.warns(UserWarning, match=r'Not carried over to R: "_" and "\|" in the names of 40 genes'):
        data = seurat_bytes(result)
    with pytest.warns(UserWarning, match=r"Not carried over from R: misc \(scgnn2\)"):
        adata = from_r(data)
    np.testing.assert_array_equal(adata.layers["counts"].toarray(), expected.raw.X.toarray())
    np.testing.assert_array_equal(adata.obsm["scGNN2_data"], expected.layers["scgnn2_imputed"])
    np.testing.assert_array_equal(adata.obsm["X_scgnn2.graph"], expected.obsm["X_scgnn2_graph"])
    np.testing.assert_array_equal(adata.obsp["scGNN2_snn"].toarray(), expected.obsp["scgnn2_connectivities"].toarray())
    assert list(adata.obs["scgnn2_cluster"]) == list(expected.obs["scgnn2_cluster"])


@pytest.mark.parametrize("obj", [3, None, ["object"], pd.DataFrame()])
def test_what_is_not_of_r_is_refused(obj: object) -> None:
    with pytest.raises(InputError, match=r"This is no object of R.*the bytes of R's serialize\(object, NULL\)"):
        from_r(obj)
    for function in (seurat_bytes, to_seurat, to_sce):
        with pytest.raises(InputError, match=r"cannot be handed to R.*a Result or an AnnData"):
            function(obj)  # type: ignore[arg-type]


def test_bytes_that_are_not_of_r_are_refused() -> None:
    with pytest.raises(InputError):
        from_r(b"not R")
    with pytest.raises(InputError):
        from_r(to_bytes(strings(["a", "b"])))


# ------------------------------------------------------------------------------------------ the pieces of an experiment


def pieces_of(adata: AnnData) -> tuple[dict[str, dict[str, list[str]]], list[str]]:
    """Of the experiment itself and each alternative one the assays and the genes."""
    made, lost = into_experiment(adata)
    pieces = r.elements(parse(to_bytes(made))[""])
    parts = {"": pieces["main"], **r.elements(pieces["others"])}
    found = {}
    for name, part in parts.items():
        assays = r.elements(r.elements(part)["assays"])
        found[name] = {assay: dimnames(values)[0] or [] for assay, values in assays.items()}
    return found, lost


MATRICES = ("scgnn2_imputed", "scgnn2_value", "scgnn2_zeros_kept")


def test_a_results_imputed_genes_are_an_alternative_experiment(result: sc2.Result) -> None:
    adata = result_to_anndata(result)
    found, lost = pieces_of(adata)
    assert found == {
        "": {"counts": list(adata.raw.var_names)},
        "scGNN2": {name: list(adata.var_names) for name in MATRICES},
    }
    assert lost == []


def test_with_all_genes_kept_it_is_an_assay_beside_the_counts(result: sc2.Result) -> None:
    adata = result_to_anndata(result)
    adata.raw = None
    found, _ = pieces_of(adata)
    genes = list(adata.var_names)
    assert found == {"": dict.fromkeys((*MATRICES, "counts"), genes)}
    adata.uns["scgnn2"]["scale_of_X"] = "logged"
    del adata.layers["counts"]
    assert set(pieces_of(adata)[0][""]) == {*MATRICES, "logcounts"}


def test_assays_of_a_seurat_object_become_alternative_experiments() -> None:
    adata = read_r(GOLDEN / "seurat_v4.rds").value
    assert isinstance(adata, AnnData)
    found, lost = pieces_of(adata)
    assert {name: list(assays) for name, assays in found.items()} == {
        "": ["counts", "logcounts"],
        "ADT": ["counts", "logcounts"],
    }
    assert len(found["ADT"]["counts"]) < len(found[""]["counts"])
    assert any("scale.data of assay RNA" in phrase for phrase in lost)


def test_raw_of_another_program_is_the_measured_expression() -> None:
    adata = AnnData(np.array([[0.5, 1.0], [2.0, 0.0]]), var=pd.DataFrame(index=["a", "b"]))
    adata.raw = adata
    adata = adata[:, ["b"]].copy()
    adata.X = adata.X - 1
    assert pieces_of(adata)[0] == {"": {"logcounts": ["a", "b"]}, "selected": {"scaled": ["b"]}}
    with pytest.raises(InputError, match="nothing to put into a SingleCellExperiment"):
        into_experiment(AnnData(obs=pd.DataFrame(index=["a"]), var=pd.DataFrame(index=["b"])))


# ------------------------------------------------------------------------------------------ without R or rpy2


def test_without_rpy2_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, result: sc2.Result) -> None:
    monkeypatch.setitem(sys.modules, "rpy2", None)
    monkeypatch.setitem(sys.modules, "rpy2.rinterface", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for call in (lambda: from_r("object"), lambda: to_seurat(result), lambda: to_sce(result)):
            with pytest.raises(MissingPackageError, match=r'pip install "scgnn2\[r\]"'):
                call()


def test_another_thread_is_told_of_the_main_one() -> None:
    said: list[ScgnnError] = []

    def ask() -> None:
        try:
            from_r("object")
        except ScgnnError as error:
            said.append(error)

    thread = threading.Thread(target=ask, name="a worker")
    thread.start()
    thread.join()
    assert "from the main thread only. Found: the thread a worker" in str(said[0])


def test_without_r_it_is_said_what_to_install_and_nothing_is_printed(
    in_python: Callable[..., str], tmp_path: Path
) -> None:
    code = """
from scgnn2_engine.errors import MissingPackageError
from scgnn2_engine.io.r import from_r
for attempt in range(2):
    try:
        from_r("object")
    except MissingPackageError as error:
        print(error)
"""
    printed = in_python(code, PATH=str(tmp_path), R_HOME="").splitlines()
    assert len(printed) == 2
    for line in printed:
        assert line.startswith("rpy2 is installed, but finds no R that it can start.")
        assert "apt-get install r-base-core" in line


# ------------------------------------------------------------------------------------------ a running R

ROUND = """
import warnings
import anndata, numpy as np
from scgnn2_engine.errors import ScgnnError
from scgnn2_engine.io.r import from_r, to_sce, to_seurat

adata = anndata.read_h5ad("result.h5ad")
made = to_seurat(adata)
from rpy2 import rinterface, robjects  # after it, because rpy2 says on import what it tries
R = robjects.r
before = list(R("search()"))
robjects.globalenv["object"] = made
print(R("class(object)")[0], *R("dim(object[['scGNN2']])"), *R("levels(SeuratObject::Idents(object))"))
for obj in ("object", made, rinterface.globalenv["object"]):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        again = from_r(obj)
    print(again.shape, np.array_equal(again.layers["counts"].toarray(), adata.raw.X.toarray()), said[0].message)

sce = to_sce(adata)
robjects.globalenv["sce"] = sce
print(R("class(sce)")[0], *R("dim(sce)"), *R("SummarizedExperiment::assayNames(sce)"))
print(*R("class(SummarizedExperiment::assay(sce))"), *R("SingleCellExperiment::reducedDimNames(sce)"))
R("other <- SingleCellExperiment::altExp(sce)")
print(*R("dim(other)"), *R("SummarizedExperiment::assayNames(other)"))
with warnings.catch_warnings(record=True):
    warnings.simplefilter("always")
    again = from_r("sce")
print(np.array_equal(again.layers["counts"].toarray(), adata.raw.X.toarray()),
      np.array_equal(again.obsm["scGNN2_scgnn2_imputed"], adata.layers["scgnn2_imputed"]),
      np.array_equal(again.obsm["X_scgnn2_graph"], adata.obsm["X_scgnn2_graph"]),
      (again.obsp["scgnn2_connectivities"] != adata.obsp["scgnn2_connectivities"]).nnz,
      list(again.obs["scgnn2_cluster"]) == list(adata.obs["scgnn2_cluster"]),
      list(again.obs.columns) == list(adata.obs.columns))

R('m <- matrix(c(1, 0, 3, 4, 5, 6), 3, dimnames = list(c("Actb", "Gapdh", "MT-CO1"), c("cell_1", "cell_2")))')
print(from_r("m").to_df().T.to_numpy().tolist(), from_r(R("as.data.frame(m)")).shape)
R("f <- function(x) x")
for wrong in ("nowhere", "f"):
    try:
        from_r(wrong)
    except ScgnnError as error:
        print(error)
print(list(R("search()")) == before, *R("list.files(tempdir())"))
"""


def test_objects_go_to_r_and_come_back(
    require_r: Callable[..., None], in_python: Callable[..., str], tmp_path: Path, result: sc2.Result
) -> None:
    require_r(*NEEDED)
    adata = result_to_anndata(result)
    adata.var_names = [name.replace("_", "-") for name in adata.var_names]
    raw = anndata.AnnData(adata.raw.X, obs=adata.obs[[]], var=adata.raw.var)
    raw.var_names = [name.replace("_", "-") for name in raw.var_names]
    adata.raw = raw
    adata.write_h5ad(tmp_path / "result.h5ad")
    clusters = " ".join(adata.obs["scgnn2_cluster"].cat.categories)
    lines = in_python(ROUND).splitlines()
    assert lines == [
        f"Seurat 25 60 {clusters}",
        *["(60, 40) True Not carried over from R: misc (scgnn2)."] * 3,
        "SingleCellExperiment 40 60 counts",
        f"{'dgCMatrix' if sp.issparse(adata.X) else 'matrix array'} scgnn2_feature scgnn2_graph",
        "25 60 scgnn2_imputed scgnn2_value scgnn2_zeros_kept",
        "True True True 0 True True",
        "[[1.0, 4.0], [0.0, 5.0], [3.0, 6.0]] (2, 3)",
        "R has no variable 'nowhere'. Expected: the name of a variable in R's global environment, or the object "
        "itself. Found: f, m, object, other, sce.",
        lines[10],
        "True",
    ]
    assert "holds no expression" in lines[10]


LACKING = """
import warnings
import anndata, numpy as np
from scgnn2_engine.errors import MissingPackageError
from scgnn2_engine.io.r import to_sce, to_seurat

adata = anndata.AnnData(np.eye(2))
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    made = to_seurat(adata)
print(said[0].message)
print(made.rclass[0])
try:
    to_sce(adata)
except MissingPackageError as error:
    print(error)
"""


def test_packages_that_r_lacks_are_named(
    require_r: Callable[..., None], in_python: Callable[..., str], tmp_path: Path
) -> None:
    require_r()
    bare = str(tmp_path / "no packages")
    seurat, kind, experiment = in_python(LACKING, R_LIBS_SITE=bare, R_LIBS_USER=bare).splitlines()
    assert kind == "Seurat"
    assert 'install.packages("SeuratObject")' in seurat
    assert 'BiocManager::install("SingleCellExperiment")' in experiment


RETICULATE = """
Sys.setenv(RETICULATE_PYTHON = commandArgs(trailingOnly = TRUE)[1], OMP_NUM_THREADS = "1")
suppressMessages({library(reticulate); library(SeuratObject)})
py_run_string(sprintf("import sys; sys.path.insert(0, %s)", deparse(commandArgs(trailingOnly = TRUE)[2])))
scgnn2 <- import("scgnn2_engine.io.r")
object <- CreateSeuratObject(matrix(c(1, 0, 2, 5, 3, 0), 3, dimnames = list(c("A", "B", "C"), c("c1", "c2"))))
adata <- scgnn2$from_r(serialize(object, NULL))
again <- unserialize(scgnn2$seurat_bytes(adata))
cat(class(adata)[1], identical(again, object), "")
for (slot in slotNames(object)) if (!identical(slot(again, slot), slot(object, slot))) cat(slot, "")
"""


def test_r_hands_objects_over_through_reticulate(require_r: Callable[..., None], rscript: Callable[..., str]) -> None:
    require_r("Seurat")  # which brings reticulate
    printed = rscript(RETICULATE, sys.executable, str(Path(sc2.__file__).parents[1]))
    assert printed.split() == ["anndata._core.anndata.AnnData", "TRUE"]
