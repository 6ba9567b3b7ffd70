"""Loom: names wherever the tools put them, the main matrix unless a layer is asked for, blocks as the whole."""

import anndata
import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from scgnn2_engine.errors import InputError, InsufficientMemoryError
from scgnn2_engine.io import convert, read
from scgnn2_engine.io.readers import loom
from scgnn2_engine.params import RunParams

COUNTS = np.array([[1, 0], [0, 2], [3, 0]])  # genes x cells


def make(path, rows=None, columns=None, matrix=COUNTS, layers=None, **how):
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        file.create_dataset("matrix", data=matrix, **how)
        file.create_group("layers")
        for name, values in (layers or {}).items():
            file["layers"][name] = values
        for place, attributes in (("row_attrs", rows), ("col_attrs", columns)):
            file.create_group(place)
            for name, values in (attributes or {}).items():
                given = np.asarray(values)
                file[place].create_dataset(name, data=given.astype(text) if given.dtype.kind == "U" else given)
    return path


@pytest.mark.parametrize("gene", ["Gene", "var_names", "gene_name", "target_name", "Accession", "anything"])
@pytest.mark.parametrize("cell", ["CellID", "obs_names", "barcode"])
def test_names_stand_under_many_names(tmp_path, gene, cell):
    data = read(make(tmp_path / "a.loom", {"Chromosome": ["1", "1", "2"], gene: ["A", "B", "C"]}, {cell: ["x", "y"]}))
    assert (data.var_names.tolist(), data.obs_names.tolist()) == (["A", "B", "C"], ["x", "y"])
    assert np.array_equal(data.expression, COUNTS.T)
    assert data.facts["orientation"] == "genes-by-cells"


def test_names_that_are_nowhere_are_made_and_said(tmp_path):
    data = read(make(tmp_path / "a.loom", {"Start": [5, 6, 7]}, {"CellID": ["x", "y"]}))
    assert data.var_names.tolist() == ["gene_1", "gene_2", "gene_3"]
    assert any("No attribute names the genes (Start)" in note for note in data.notes)


def test_old_text_is_unescaped_and_identifiers_are_kept(tmp_path):
    rows = {"Gene": np.array([b"A&#228;", b"B", b"C"]), "Accession": np.array([b"ENSG1", b"ENSG2", b"ENSG3"])}
    data = read(make(tmp_path / "a.loom", rows, {"CellID": ["x", "y"], "age": [1, 2]}))
    assert data.var_names.tolist() == ["Aä", "B", "C"]
    assert data.var["gene_ids"].tolist() == ["ENSG1", "ENSG2", "ENSG3"]
    assert data.obs["age"].tolist() == [1, 2]


def test_layers_are_taken_where_they_are_asked_for(tmp_path):
    layers = {"spliced": COUNTS * 10, "counts": COUNTS * 100}
    path = make(tmp_path / "a.loom", {"Gene": ["A", "B", "C"]}, {"CellID": ["x", "y"]}, COUNTS + 0.5, layers)
    main = read(path)
    assert (main.facts["matrix"], main.expression[0, 0]) == ("X", 1.5)
    assert any("layers['counts'] holds whole numbers" in said for said in main.warnings)
    assert read(path, RunParams(load_layer="spliced").load).expression[0, 0] == 10
    assert read(path, RunParams(load_layer="matrix").load).warnings == ()
    with pytest.raises(InputError, match=r"no layer 'unspliced'\. Expected: one of counts, spliced, X"):
        read(path, RunParams(load_layer="unspliced").load)


@pytest.mark.parametrize("density", [0.05, 0.9])
def test_blocks_make_the_whole(tmp_path, monkeypatch, density):
    values = sp.random(30, 70, density=density, random_state=1, format="csr").toarray().astype(np.float32)
    rows, columns = {"Gene": [f"g{i}" for i in range(30)]}, {"CellID": [f"c{i}" for i in range(70)]}
    path = make(tmp_path / "a.loom", rows, columns, values, chunks=(8, 8))
    whole = read(path).expression
    monkeypatch.setattr(loom, "_BLOCK", 1000)
    blocks = read(path).expression
    assert type(whole) is type(blocks)
    assert isinstance(blocks, sp.csr_matrix) == (density < 0.4)
    for found in (whole, blocks):
        assert np.array_equal(found.toarray() if sp.issparse(found) else found, values.T)


def test_everything_is_converted(tmp_path):
    columns = {"CellID": ["x", "y"], "pca": [[1.0, 2.0], [3.0, 4.0]], "type": ["T", "B"]}
    path = make(tmp_path / "a.loom", {"Gene": ["A", "B", "C"]}, columns, COUNTS, {"spliced": COUNTS * 10})
    with h5py.File(path, "r+") as file:
        for name, values in (("a", [0, 1]), ("b", [1, 0]), ("w", [0.5, 0.25])):
            file[f"col_graphs/near/{name}"] = np.array(values)
        for name, values in (("a", [0, 9]), ("b", [1, 0]), ("w", [0.5, 0.25])):
            file[f"col_graphs/damaged/{name}"] = np.array(values)
    done = convert(path, tmp_path / "out.h5ad")
    adata = anndata.read_h5ad(tmp_path / "out.h5ad")
    assert np.array_equal(adata.X, COUNTS.T)
    assert np.array_equal(adata.layers["spliced"], COUNTS.T * 10)
    assert adata.obsm["pca"].tolist() == [[1, 2], [3, 4]]
    assert adata.obsp["near"].toarray().tolist() == [[0, 0.5], [0.25, 0]]
    assert adata.obs["type"].tolist() == ["T", "B"]
    assert any("col_graphs/damaged" in phrase for phrase in done.lost)


def test_damaged_parts_are_refused_or_left_out(tmp_path):
    path = make(tmp_path / "a.loom", {"Gene": ["A", "B", "C"]}, {"CellID": ["x", "y"], "age": [1, 2, 3]})
    data = read(path)
    assert "age" not in data.obs
    assert any("col_attrs/age" in said for said in data.warnings)
    with h5py.File(path, "r+") as file:
        del file["matrix"]
        file["matrix"] = np.array(["a", "b"], dtype="S")
    with pytest.raises(InputError, match=r"\(matrix\) is no matrix of numbers"):
        read(path)
    big = make(tmp_path / "b.loom", {"Gene": ["A", "B", "C"]}, {"CellID": ["x", "y"]}, np.ones((3, 2)))
    with pytest.raises(InsufficientMemoryError):
        read(big, max_memory=1e-8)


def test_genes_without_a_symbol_are_called_by_their_identifiers(tmp_path):
    identifiers = ["ENSG00000000001", "ENSG00000000002", "ENSG00000000003"]
    rows = {"Gene": ["A", "", "C"], "Accession": identifiers}
    data = read(make(tmp_path / "a.loom", rows, {"CellID": ["x", "y"]}))
    assert data.var_names.tolist() == ["A", "ENSG00000000002", "C"]
    assert any("1 genes without a name are called by their identifiers: ENSG00000000002." in s for s in data.notes)
    data = read(make(tmp_path / "b.loom", {"Gene": identifiers, "Symbol": ["A", "B", "C"]}, {"CellID": ["x", "y"]}))
    assert data.var_names.tolist() == ["A", "B", "C"]
    assert data.var["gene_ids"].tolist() == identifiers
    data = read(make(tmp_path / "c.loom", {"Gene": identifiers}, {"CellID": ["x", "y"]}))
    assert data.var_names.tolist() == identifiers


def test_a_matrix_that_does_not_fit_its_names_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"does not fit.*3 cells, as col_attrs/CellID has\. Found: 2"):
        read(make(tmp_path / "a.loom", {"Gene": ["A", "B", "C"]}, {"CellID": ["x", "y", "z"]}))
    with pytest.raises(InputError, match=r"does not fit.*2 genes, as row_attrs/Gene has\. Found: 3"):
        read(make(tmp_path / "a.loom", {"Gene": ["A", "B"]}, {"CellID": ["x", "y"]}))
