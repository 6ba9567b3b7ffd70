"""Several samples: what they are called, by what they are joined, and what is said of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData, read_h5ad

from scgnn2_engine.errors import InputError, InsufficientMemoryError, ParameterError
from scgnn2_engine.io import read, read_dataset
from scgnn2_engine.io.conversion import convert
from scgnn2_engine.io.readers import text
from scgnn2_engine.io.samples.joining import joined
from scgnn2_engine.io.samples.sample_names import short_names
from scgnn2_engine.params import LoadParams, RunParams

CELLS = ["AAACCTGAGCATCATC-1", "AAACCTGAGCATCATG-1", "AAACGGGTCTTGTACT-1"]


def h5ad(path, genes, offset=0, ids=None, cells=CELLS, **obs):
    x = np.arange(len(cells) * len(genes)).reshape(len(cells), -1) % 5 + offset
    var = pd.DataFrame(index=genes) if ids is None else pd.DataFrame({"gene_ids": ids}, index=genes)
    AnnData(sp.csr_matrix(x.astype(np.float32)), pd.DataFrame(obs, index=cells), var).write_h5ad(path)
    return path


def csv(path, genes, values, cells=CELLS):
    pd.DataFrame(values, index=genes, columns=cells).to_csv(path)
    return path


def test_files_of_any_formats_are_joined_by_gene(tmp_path):
    one = h5ad(tmp_path / "ctrl.h5ad", ["Actb", "Gapdh", "Cd3e"])
    other = csv(tmp_path / "stim.csv", ["Cd3e", "Ms4a1", "Actb"], [[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    data = read([one, other])
    assert data.var_names.tolist() == ["Actb", "Cd3e"]
    assert data.expression.tolist() == [[0, 2], [3, 0], [1, 3], [7, 1], [8, 2], [9, 3]]
    assert data.obs["sample"].tolist() == ["ctrl"] * 3 + ["stim"] * 3
    assert data.obs_names.tolist() == [f"{cell}-{name}" for name in ("ctrl", "stim") for cell in CELLS]
    assert data.scale == "counts"
    assert data.facts["samples"] == ["ctrl", "stim"]
    assert data.notes[0].startswith("2 samples joined by the names of their genes: 6 cells (ctrl 3, stim 3) x 2 genes")
    said = " ".join((*data.notes, *data.warnings))
    assert "1 of the 3 genes of ctrl are not in every sample and were left out: Gapdh." in said
    assert "1 of the 3 genes of stim are not in every sample and were left out: Ms4a1." in said


def test_sparse_samples_stay_sparse(tmp_path):
    genes = [f"Gene{number}" for number in range(50)]
    for name in "ab":
        AnnData(
            sp.random(30, 50, 0.1, format="csr", dtype=np.float32, random_state=1).ceil(), var=pd.DataFrame(index=genes)
        ).write_h5ad(tmp_path / f"{name}.h5ad")
    data = read([tmp_path / "a.h5ad", tmp_path / "b.h5ad"])
    assert sp.issparse(data.expression)
    assert data.expression.has_canonical_format
    assert data.expression.shape == (60, 50)
    with pytest.raises(InsufficientMemoryError, match="Joining 2 samples"):
        joined({name: read(tmp_path / f"{name}.h5ad") for name in "ab"}, max_memory=3e-6)


def test_identifiers_go_before_symbols_that_changed(tmp_path):
    ids = ["ENSG00000000001", "ENSG00000000002", "ENSG00000000003"]
    old = h5ad(tmp_path / "old.h5ad", ["MARCH1", "TBCE", "TBCE-1"], ids=ids)
    new = h5ad(tmp_path / "new.h5ad", ["MARCHF1", "TBCE-1", "TBCE"], ids=[f"{one}.7" for one in ids])
    data = read([old, new])
    assert data.var_names.tolist() == ["MARCH1", "TBCE", "TBCE-1"]
    assert data.var["gene_ids"].tolist() == ids
    assert data.expression[0].tolist() == data.expression[3].tolist()
    assert data.notes[0].startswith("2 samples joined by the identifiers of their genes")


def test_a_sample_named_by_identifiers_takes_the_symbols_of_the_other(tmp_path):
    ids = ["ENSG00000000001", "ENSG00000000002"]
    plain = h5ad(tmp_path / "plain.h5ad", [f"{one}.4" for one in ids])
    named = h5ad(tmp_path / "named.h5ad", ["GAPDH", "ACTB"], ids=ids[::-1])
    assert read([plain, named]).var_names.tolist() == ["ACTB", "GAPDH"]


def test_names_go_before_identifiers_that_few_share_and_what_differs_is_said(tmp_path):
    genes = ["Actb", "Gapdh", "Cd3e"]
    one = h5ad(tmp_path / "one.h5ad", genes, ids=["ENSMUSG00000000001", "ENSMUSG00000000002", "ENSMUSG00000000003"])
    two = h5ad(tmp_path / "two.h5ad", genes, ids=["ENSMUSG00000000001", "ENSMUSG00000000008", "ENSMUSG00000000009"])
    data = read([one, two, h5ad(tmp_path / "three.h5ad", genes, ids=genes)])
    assert data.var_names.tolist() == genes
    assert data.var["gene_ids"].tolist()[1] == "ENSMUSG00000000002"
    assert "2 genes have another identifier in two than in one, whose are kept: Gapdh, Cd3e." in data.notes


def test_two_species_are_refused(tmp_path):
    human = h5ad(tmp_path / "human.h5ad", ["ACTB", "GAPDH", "CD3E", "MS4A1", "NKG7", "LYZ"])
    mouse = h5ad(tmp_path / "mouse.h5ad", ["Actb", "Gapdh", "Cd3e", "Ms4a1", "Nkg7", "Lyz2"])
    with pytest.raises(InputError, match=r"share too few genes.*0 shared; human: ACTB.*mouse: Actb") as error:
        read([human, mouse])
    assert "5 names would match but for capital letters" in error.value.advice


def test_two_scales_are_refused(tmp_path):
    counts = h5ad(tmp_path / "counts.h5ad", ["Actb", "Gapdh", "Cd3e"])
    csv(tmp_path / "logged.csv", ["Actb", "Gapdh", "Cd3e"], np.log1p([[1.5, 2.3, 0.7], [2.1, 0.4, 1.9], [3.3, 1.2, 5]]))
    with pytest.raises(InputError, match=r"different scales.*counts: counts, logged: logged"):
        read([counts, tmp_path / "logged.csv"])


def test_samples_normalised_to_different_totals_are_doubted():
    counts = np.array([[1, 2, 5], [4, 3, 2], [2, 6, 1], [3, 3, 7]], dtype=np.float32)
    genes = pd.DataFrame(index=["Actb", "Gapdh", "Cd3e"])

    def logged(total):
        return AnnData(np.log1p(counts / counts.sum(1, keepdims=True) * np.float32(total)), var=genes)

    samples, left = {"a": logged(1e4), "b": logged(1e6)}, LoadParams(recover_counts=False)
    said = [word for word in read(samples, left).warnings if "different totals" in word]
    assert said == [
        "The samples were normalised to different totals of a cell, so that all genes differ between them: "
        "a 1e+04, b 1e+06. Give the counts of all of them."
    ]
    assert not [word for word in read({"a": logged(1e4), "b": logged(1e4)}, left).warnings if "totals" in word]
    assert not [word for word in read(samples).warnings if "totals" in word]  # whose counts are the same again


def test_annotations_are_kept_and_what_is_missing_is_said(tmp_path):
    genes = ["Actb", "Gapdh"]
    one = h5ad(
        tmp_path / "one.h5ad", genes, donor=pd.Categorical(["x", "y", "x"]), age=[1, 2, 3], sample=["p", "q", "p"]
    )
    adata = AnnData(
        np.ones((1, 2), dtype=np.float32),
        pd.DataFrame({"donor": pd.Categorical(["z"])}, index=["AAAC-1"]),
        pd.DataFrame(index=genes),
        obsm={"X_pca": np.ones((1, 2))},
    )
    data = read({"first": one, "second": adata})
    assert data.obs["sample"].tolist() == ["first"] * 3 + ["second"]
    assert data.obs["donor"].tolist() == ["x", "y", "x", "z"]
    assert data.obs["donor"].dtype == "category"
    assert data.obs["age"].tolist()[:3] == [1, 2, 3]
    assert np.isnan(data.obs["age"].iloc[3])
    assert data.obs["sample_before"].tolist()[:3] == ["p", "q", "p"]
    said = " ".join(data.notes)
    assert "obs['age'] is not known of second: missing there." in said
    assert "obs['sample'] of first is kept as obs['sample_before']." in said
    assert "obsm['X_pca']" in said
    assert adata.obs_names.tolist() == ["AAAC-1"]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a.h5ad", "b.csv.gz"], ["a", "b"]),
        (["x/ctrl/outs/raw_feature_bc_matrix", "x/stim/outs/filtered_feature_bc_matrix.h5"], ["ctrl", "stim"]),
        (["p/run/one.csv", "q/run/one.csv"], ["p", "q"]),
        (["GSE1_ctrl_counts.tsv.gz", "GSE1_stim_counts.tsv.gz"], ["ctrl", "stim"]),
        (["sample_1.h5", "sample_2.h5"], ["sample_1", "sample_2"]),
        (["p/a/x.csv", "p/b/x.csv", "q/a/x.csv"], ["p_a", "p_b", "q_a"]),
    ],
)
def test_samples_are_called_by_what_tells_their_paths_apart(paths, names):
    assert short_names([Path(path) for path in paths]) == names


def test_names_may_be_given(tmp_path):
    for name in "ab":
        h5ad(tmp_path / f"{name}.h5ad", ["Actb", "Gapdh"])
    given = [f"ctrl={tmp_path / 'a.h5ad'}", f"stim={tmp_path / 'b.h5ad'}"]
    assert list(dict.fromkeys(read(given).obs["sample"])) == ["ctrl", "stim"]
    with pytest.raises(InputError, match="Two samples are called 'a'"):
        read([f"a={tmp_path / 'a.h5ad'}", f"a={tmp_path / 'b.h5ad'}"])
    with pytest.raises(InputError, match=r"There is no sample 'c'.*one of a, b"):
        read([tmp_path / "a.h5ad", tmp_path / "b.h5ad"], LoadParams(sample="c"))
    assert read([tmp_path / "a.h5ad", tmp_path / "b.h5ad"], LoadParams(sample="b")).obs_names.tolist() == CELLS
    with pytest.raises(InputError, match="names a sample of a folder"):
        read(tmp_path / "a.h5ad", LoadParams(sample="c"))


def test_one_run_read_twice_is_doubted(tmp_path):
    one = h5ad(tmp_path / "filtered.h5ad", ["Actb", "Gapdh"])
    two = h5ad(tmp_path / "raw.h5ad", ["Actb", "Gapdh"])
    assert "3 cells of filtered and raw are called the same" in read([one, two]).warnings[-1]
    plates = [h5ad(tmp_path / f"{name}.h5ad", ["Actb", "Gapdh"], cells=["A1", "A2", "A3"]) for name in "pq"]
    assert not [said for said in read(plates).warnings if "called the same" in said]


def test_a_run_names_its_data_once(tmp_path):
    one = str(h5ad(tmp_path / "a.h5ad", ["Actb", "Gapdh"]))
    two = str(h5ad(tmp_path / "b.h5ad", ["Actb", "Gapdh"]))
    assert read_dataset(RunParams(), [one, two]).n_obs == 6
    assert read_dataset(RunParams(load_dataset_dir=str(tmp_path)), ["a.h5ad", "x=b.h5ad"]).facts["samples"] == [
        "a",
        "x",
    ]
    with pytest.raises(ParameterError, match="given twice"):
        read_dataset(RunParams(load_sc_dataset="x.csv"), [one, two])
    with pytest.raises(InputError, match=r"No data is given"):
        read_dataset(RunParams(), [])


def test_convert_joins_too(tmp_path):
    one = h5ad(tmp_path / "a.h5ad", ["Actb", "Gapdh"])
    two = h5ad(tmp_path / "b.h5ad", ["Actb", "Gapdh"], offset=1)
    assert convert([one, two], tmp_path / "both.h5ad").n_obs == 6
    both = read(tmp_path / "both.h5ad")
    assert both.obs["sample"].tolist() == ["a"] * 3 + ["b"] * 3
    assert both.obs_names.tolist() == read([one, two]).obs_names.tolist()


def test_convert_brings_logarithms_of_samples_to_one_base(tmp_path):
    counts = np.array([[1, 2, 5, 7, 0], [4, 3, 2, 0, 9], [2, 6, 1, 8, 3], [3, 3, 7, 2, 1]], dtype=np.float32)
    genes = pd.DataFrame(index=["Actb", "Gapdh", "Cd3e", "Lyz2", "Nkg7"])
    normalised = counts / counts.sum(1, keepdims=True) * np.float32(1e4)
    for name, base in (("a", None), ("b", 2)):
        uns = {"log1p": {} if base is None else {"base": base}}
        x = np.log1p(normalised) / np.float32(1 if base is None else np.log(base))
        AnnData(x, var=genes, uns=uns).write_h5ad(tmp_path / f"{name}.h5ad")
    convert([tmp_path / "a.h5ad", tmp_path / "b.h5ad"], tmp_path / "out.h5ad")
    both = read_h5ad(tmp_path / "out.h5ad").X
    both = both.toarray() if sp.issparse(both) else both
    np.testing.assert_allclose(both[:4], both[4:], rtol=1e-5)


def test_a_folder_of_files_of_one_format_holds_samples(tmp_path):
    folder = tmp_path / "series"
    folder.mkdir()
    for name in ("GSM1_ctrl_counts", "GSM2_stim_counts"):
        csv(folder / f"{name}.csv", ["Actb", "Gapdh", "Cd3e"], [[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    (folder / "readme.docx").write_text("no data")
    (folder / "GSE1_metadata.csv").write_text("cell,type\na,b\n")
    data = read(folder)
    assert data.facts["samples"] == ["GSM1_ctrl", "GSM2_stim"]
    assert data.facts["format"] == text.FORMAT.title
    assert f"{folder} holds files that were not read: GSE1_metadata.csv." in data.notes
    one = read(folder, LoadParams(sample="GSM2_stim"))
    assert one.facts["source"].endswith("GSM2_stim_counts.csv")
    with pytest.raises(InputError, match="load_layer spliced names a layer"):
        read(folder, LoadParams(sample="GSM2_stim", layer="spliced"))
    h5ad(folder / "ctrl.h5ad", ["Actb", "Gapdh"])
    with pytest.raises(InputError, match=r"files of several formats.*Name those that are samples"):
        read(folder)


def test_of_filtered_and_raw_files_of_one_run_the_filtered_is_read(tmp_path):
    for name, n in (("filtered", 2), ("raw", 3)):
        csv(tmp_path / f"{name}_counts.csv", ["Actb", "Gapdh"], [[1] * n, [5] * n], CELLS[:n])
    data = read(tmp_path)
    assert data.n_obs == 2
    assert f"{tmp_path} holds files that were not read: raw_counts.csv." in data.notes


def test_each_folder_below_may_hold_a_file(tmp_path):
    for name in ("ctrl", "stim"):
        (tmp_path / name / "outs").mkdir(parents=True)
        h5ad(tmp_path / name / "outs" / "filtered_feature_bc_matrix.h5ad", ["Actb", "Gapdh"])
        h5ad(tmp_path / name / "outs" / "raw_feature_bc_matrix.h5ad", ["Actb", "Gapdh"])
    assert read(tmp_path).facts["samples"] == ["ctrl", "stim"]


def tenx(folder, prefix, counts, genes=("Actb", "Gapdh", "Cd3e"), cells=CELLS):
    """A 10x triplet of counts (genes x cells)."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{i + 1} {j + 1} {n}" for i, row in enumerate(counts) for j, n in enumerate(row) if n]
    size = f"{len(genes)} {len(cells)} {len(lines)}"
    (folder / f"{prefix}matrix.mtx").write_text(
        "\n".join(["%%MatrixMarket matrix coordinate integer general", size, *lines, ""])
    )
    (folder / f"{prefix}barcodes.tsv").write_text("".join(f"{cell}\n" for cell in cells))
    (folder / f"{prefix}features.tsv").write_text(
        "".join(f"ENSMUSG0000000000{n}\t{gene}\tGene Expression\n" for n, gene in enumerate(genes))
    )


@pytest.mark.parametrize("layout", ["prefixes", "folders"])
def test_a_series_as_geo_gives_it_is_joined_and_one_sample_can_be_named(tmp_path, layout):
    counts = {"GSM1_ctrl": [[1, 0, 2], [0, 3, 0], [4, 0, 0]], "GSM2_stim": [[0, 5, 0], [6, 0, 0], [0, 0, 7]]}
    for name, values in counts.items():
        where = (tmp_path, f"{name}_") if layout == "prefixes" else (tmp_path / name, "")
        tenx(*where, values)
    data = read(tmp_path)
    assert list(dict.fromkeys(data.obs["sample"])) == list(counts)
    assert np.asarray(data.expression.toarray() if sp.issparse(data.expression) else data.expression).tolist() == [
        *np.transpose(counts["GSM1_ctrl"]).tolist(),
        *np.transpose(counts["GSM2_stim"]).tolist(),
    ]
    assert data.var["gene_ids"].tolist() == [f"ENSMUSG0000000000{n}" for n in range(3)]
    one = read(tmp_path, LoadParams(sample="GSM2_stim"))
    assert one.obs_names.tolist() == CELLS
    assert one.facts.get("samples") is None
    assert convert(tmp_path, tmp_path.parent / f"{layout}.h5ad").n_obs == 6
    assert convert(tmp_path, tmp_path.parent / f"{layout}_one.h5ad", load=LoadParams(sample="GSM2_stim")).n_obs == 3
    with pytest.raises(InputError, match=r"no sample 'GSM3'.*one of GSM1_ctrl, GSM2_stim"):
        read(tmp_path, LoadParams(sample="GSM3"))


def test_a_folder_of_samples_may_stand_beside_others(tmp_path):
    for name in ("ctrl", "stim"):
        tenx(tmp_path / "series", f"{name}_", [[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    other = csv(tmp_path / "third.csv", ["Gapdh", "Actb"], [[1, 2, 3], [4, 5, 6]])
    assert read([tmp_path / "series", other]).facts["samples"] == ["series_ctrl", "series_stim", "third"]


def test_the_folder_of_a_run_is_told_from_samples(tmp_path: Path) -> None:
    for name in ("run.json", "result.h5ad", "imputed.csv"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"output folder of a run.*result\.h5ad holds what the run was given"):
        read(tmp_path)
