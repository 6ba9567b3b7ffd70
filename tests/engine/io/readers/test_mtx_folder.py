"""Names beside a matrix as tools and people write them, and which files of a folder belong together."""

import gzip
import json

import pytest

from scgnn2_engine.errors import InputError
from scgnn2_engine.io import read
from scgnn2_engine.params import RunParams

CELLS = ["AAACCCAAGGAGAGTA-1", "AAACGCTTCAGCCCAG-1"]
IDS, SYMBOLS = ["ENSG00000075624", "ENSG00000111640", "ENSG00000204287"], ["ACTB", "GAPDH", "HLA-DRA"]
DENSE = [[5, 0, 9], [0, 7, 0]]
GENES_IN_ROWS = "%%MatrixMarket matrix coordinate integer general\n3 2 3\n1 1 5\n2 2 7\n3 1 9\n"
CELLS_IN_ROWS = "%%MatrixMarket matrix coordinate integer general\n2 3 3\n1 1 5\n2 2 7\n1 3 9\n"


def lines(*columns, separator="\t", end="\n"):
    return "".join(separator.join(fields) + end for fields in zip(*columns, strict=True))


FEATURES, BARCODES = lines(IDS, SYMBOLS), lines(CELLS)


def make(folder, **files):
    """Files by name; ``__`` stands for a dot, and a name that ends in ``gz`` is packed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        path = folder / name.replace("__", ".")
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return folder


def tenx(folder, prefix="", matrix=GENES_IN_ROWS):
    files = {f"{prefix}matrix__mtx": matrix, f"{prefix}features__tsv": FEATURES, f"{prefix}barcodes__tsv": BARCODES}
    return make(folder, **files)


def dense(data):
    x = data.expression
    return (x.toarray() if hasattr(x, "toarray") else x).tolist()


def check(data, names=SYMBOLS):
    assert dense(data) == DENSE
    assert data.obs_names.tolist() == CELLS
    assert data.var_names.tolist() == names
    return data


def load(**choice):
    return RunParams(**{f"load_{name}": value for name, value in choice.items()}).load


@pytest.mark.parametrize(
    "features",
    [
        FEATURES,
        "\ufeff" + FEATURES,
        FEATURES.encode("utf-16"),
        FEATURES.replace("\n", "\r\n") + "\r\n\r\n",
        lines([f'"{one}"' for one in IDS], [f'"{one}"' for one in SYMBOLS]),
        lines(IDS, SYMBOLS, separator=" "),
        lines(IDS, SYMBOLS, separator=","),
        lines(IDS, SYMBOLS, separator=";"),
        lines(IDS, SYMBOLS, ["Gene", "Gene", "Gene"], ["Expression"] * 3, separator=" "),
        lines(IDS, SYMBOLS, ["chr7", "chr12", "chr6"]),
        lines(IDS, SYMBOLS, ["Gene Expression"] * 3, ["chr7", "chr12", "chr6"], ["1", "2", "3"], ["4", "5", "6"]),
        lines(SYMBOLS, IDS),
        "gene_id\tgene_name\n" + FEATURES,
        '"V1" "V2"\n'
        + lines(['"1"', '"2"', '"3"'], [f'"{one}"' for one in IDS], [f'"{one}"' for one in SYMBOLS], separator=" "),
    ],
)
def test_features_are_named_however_they_are_written(tmp_path, features):
    data = check(read(make(tmp_path, matrix__mtx=GENES_IN_ROWS, features__tsv=features, barcodes__tsv=BARCODES)))
    assert data.var["gene_ids"].tolist() == IDS


@pytest.mark.parametrize(
    ("barcodes", "columns"),
    [
        ("\ufeff" + BARCODES, []),
        (BARCODES.replace("\n", "\r\n") + "\n\n", []),
        (lines([f'"{one}"' for one in CELLS]), []),
        ("x\n" + BARCODES, []),
        ('"x"\n' + lines(['"1"', '"2"'], [f'"{one}"' for one in CELLS], separator=" "), []),
        (lines(CELLS, ["a", "b"]), ["barcodes_2"]),
        ("barcode\tsample\n" + lines(CELLS, ["a", "b"]), ["sample"]),
        ("sample\tbarcode\n" + lines(["a", "b"], CELLS), ["sample"]),
    ],
)
def test_the_first_column_names_cells_and_others_are_kept(tmp_path, barcodes, columns):
    data = check(read(make(tmp_path, matrix__mtx=GENES_IN_ROWS, genes__tsv=FEATURES, barcodes__tsv=barcodes)))
    assert ([] if data.obs is None else data.obs.columns.tolist()) == columns
    if columns:
        assert data.obs[columns[0]].tolist() == ["a", "b"]
        assert any(columns[0] in note for note in data.notes)


@pytest.mark.parametrize(
    "said",
    [
        ["True", "False", "True"],
        ["700", "80", "9"],
        ["0.5", "1e-05", "-2.1"],
        ["chr7", "chr12", "chr6"],
        ["1", "X", "MT"],
        ["protein_coding"] * 3,
        ["+", "-", "+"],
        ["actin beta", "a dehydrogenase", "an antigen"],
        ["NM_001101", "NM_002046", "NM_019111"],
    ],
)
@pytest.mark.parametrize(("name", "header", "mark"), [("var.csv", ",what\n", ","), ("features.tsv", "", "\t")])
def test_a_second_column_that_is_no_symbols_leaves_the_names(tmp_path, said, name, header, mark):
    (tmp_path / name).write_text(header + lines(SYMBOLS, said, separator=mark))
    data = check(read(make(tmp_path, matrix__mtx=GENES_IN_ROWS, barcodes__tsv=BARCODES)))
    assert data.var["what" if header else "features_2"].tolist() == said
    assert any("was not taken for symbols" in note for note in data.notes)


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        (",gene_ids,feature_types,n_cells", [SYMBOLS, IDS, ["Gene Expression"] * 3, ["2", "1", "1"]]),
        ("gene,gene_ids", [SYMBOLS, IDS]),
        (",symbol", [IDS, SYMBOLS]),
        (",feature_is_filtered,feature_name", [IDS, ["False"] * 3, SYMBOLS]),
        (",n_cells,feature_id,feature_name", [["0", "1", "2"], ["2", "1", "1"], IDS, SYMBOLS]),
        ("gene_id,mgi_symbol,chr", [IDS, SYMBOLS, ["chr7", "chr12", "chr6"]]),
    ],
)
def test_var_as_pandas_writes_it(tmp_path, header, columns):
    table = header + "\n" + lines(*columns, separator=",")
    data = check(read(make(tmp_path, matrix__mtx=GENES_IN_ROWS, var__csv=table, barcodes__tsv=BARCODES)))
    assert data.var["gene_ids"].tolist() == IDS
    assert not any(column.startswith("features_") for column in data.var.columns)


@pytest.mark.parametrize("barcodes", [lines(["s1", "s1"], CELLS), ",batch\n" + lines(CELLS, ["1", "1"], separator=",")])
def test_a_first_column_of_samples_names_no_cells(tmp_path, barcodes):
    data = check(read(make(tmp_path, matrix__mtx=GENES_IN_ROWS, genes__tsv=FEATURES, barcodes__tsv=barcodes)))
    assert len(data.obs.columns) == 1


def test_genes_without_symbol_are_called_by_their_identifiers(tmp_path):
    features = lines(IDS, ["ACTB", "", "ACTB"])
    data = read(make(tmp_path, matrix__mtx=GENES_IN_ROWS, genes__tsv=features, barcodes__tsv=BARCODES))
    assert data.var_names.tolist() == ["ACTB", IDS[1], "ACTB-1"]
    assert data.var["gene_ids"].tolist() == IDS
    assert any("1 features without a symbol" in note for note in data.notes)


def test_what_is_no_gene_is_left_out_or_refused_by_name(tmp_path):
    kinds = ["Gene Expression", "Antibody Capture", "Antibody Capture"]
    mixed = lines(IDS, SYMBOLS, kinds)
    data = read(make(tmp_path / "a", matrix__mtx=GENES_IN_ROWS, features__tsv=mixed, barcodes__tsv=BARCODES))
    assert data.var_names.tolist() == ["ACTB"]
    alone = lines(IDS, SYMBOLS, ["Peaks"] * 3)
    make(tmp_path / "b", matrix__mtx=GENES_IN_ROWS, features__tsv=alone, barcodes__tsv=BARCODES)
    with pytest.raises(InputError, match=r"holds no gene expression.*3 features of the kind Peaks"):
        read(tmp_path / "b")


@pytest.mark.parametrize(
    "names",
    [
        ("GSM1_a_matrix.mtx", "GSM1_a_barcodes.tsv", "GSM1_a_genes.tsv"),
        ("GSM1_matrix_a.mtx", "GSM1_barcodes_a.tsv", "GSM1_features_a.tsv"),
        ("GSM1-a.counts.mtx", "GSM1-a.barcodes.tsv", "GSM1-a.genes.txt"),
        ("counts.mtx", "counts_barcodes.tsv", "counts_genes.tsv"),
        ("counts.mtx", "cells.txt", "gene_names.txt"),
        ("matrix.mtx", "barcodes.txt", "genes.txt"),
        ("counts.mtx", "colnames.txt", "rownames.txt"),
        ("E-1.counts.mtx", "E-1.counts.mtx_cols", "E-1.counts.mtx_rows"),
        ("T_cells_matrix.mtx", "T_cells_barcodes.tsv", "GSE1_features.tsv"),
        ("gene_counts.mtx", "GSE1_cells.txt", "GSE1_genes.txt"),
        ("GSE1_UMI.mtx", "GSE1_barcodes_filtered.tsv", "GSE1_genes.tsv"),
    ],
)
def test_a_matrix_alone_is_read_with_what_stands_beside_it(tmp_path, names):
    matrix, barcodes, features = names
    (tmp_path / matrix).write_text(GENES_IN_ROWS)
    (tmp_path / barcodes).write_text(BARCODES)
    (tmp_path / features).write_text(lines(SYMBOLS))
    check(read(tmp_path / matrix))
    check(read(tmp_path))


@pytest.mark.parametrize(
    ("matrix", "barcodes", "features"),
    [
        ("S1_matrix.mtx", "S10_barcodes.tsv", "S10_genes.tsv"),
        ("S1_matrix.mtx", "S1_barcodes.tsv", "S10_genes.tsv"),
        ("S1_matrix.mtx", "S10_barcodes.tsv", "genes.tsv"),
        ("S_matrix.mtx", "S_2_barcodes.tsv", "S_2_genes.tsv"),
        ("S-1.mtx", "S-2_barcodes.tsv", "genes.tsv"),
        ("S1_matrix.mtx", "stim_barcodes.tsv", "stim_genes.tsv"),
    ],
)
def test_names_of_another_sample_are_not_taken(tmp_path, matrix, barcodes, features):
    (tmp_path / matrix).write_text(GENES_IN_ROWS)
    (tmp_path / barcodes).write_text(BARCODES)
    (tmp_path / features).write_text(FEATURES)
    stem = matrix.removesuffix(".mtx").removesuffix("_matrix")
    with pytest.raises(InputError, match=rf"lacks .*{stem}_barcodes.tsv and {stem}_features.tsv"):
        read(tmp_path / matrix)


def test_a_matrix_without_names_says_what_is_missing(tmp_path):
    make(tmp_path, counts__mtx=GENES_IN_ROWS, readme__txt="x")
    with pytest.raises(InputError, match=r"lacks barcodes.tsv and features.tsv.*counts_barcodes.tsv.*readme.txt"):
        read(tmp_path / "counts.mtx")


def test_cells_in_rows_are_told_by_the_numbers_of_names(tmp_path):
    data = check(read(tenx(tmp_path, matrix=CELLS_IN_ROWS)))
    assert data.facts["orientation"] == "cells-by-genes"
    make(tmp_path, barcodes__tsv="\n".join(f"AAACCCAAGGAGAG{a}" for a in ("TA", "TC", "TG", "TT")))
    with pytest.raises(InputError, match=r"does not fit the names beside it.*3 genes .* x 4 cells.*2 x 3"):
        read(tmp_path)


def test_square_matrices_are_taken_by_who_writes_them(tmp_path):
    square = "%%MatrixMarket matrix coordinate integer general\n2 2 2\n1 1 5\n1 2 7\n"
    genes = lines(SYMBOLS[:2])
    make(tmp_path / "tenx", matrix__mtx=square, genes__tsv=genes, barcodes__tsv=BARCODES)
    kb = {"cells_x_genes__mtx": square, "cells_x_genes__genes__txt": genes, "cells_x_genes__barcodes__txt": BARCODES}
    make(tmp_path / "kb", **kb)
    assert dense(read(tmp_path / "tenx")) == [[5, 0], [7, 0]]
    assert dense(read(tmp_path / "kb")) == [[5, 7], [0, 0]]
    asked = read(tmp_path / "tenx", load(orientation="cells-by-genes"))
    assert dense(asked) == [[5, 7], [0, 0]]


def test_samples_of_one_folder_are_joined_or_picked(tmp_path):
    tenx(tmp_path, "GSM1_ctrl_")
    tenx(tmp_path, "GSM2_stim_", GENES_IN_ROWS.replace("1 1 5", "1 1 6"))
    both = read(tmp_path)
    assert both.obs["sample"].unique().tolist() == ["GSM1_ctrl", "GSM2_stim"]
    assert both.n_obs == 4
    one = read(tmp_path, load(sample="GSM2_stim"))
    assert dense(one)[0] == [6, 0, 9]
    with pytest.raises(InputError, match="GSM1_ctrl"):
        read(tmp_path, load(sample="GSM3"))
    check(read(tmp_path / "GSM1_ctrl_matrix.mtx"))


@pytest.mark.parametrize("inside", ["", "outs/filtered_feature_bc_matrix", "count/sample_filtered_feature_bc_matrix"])
def test_folders_below_are_samples(tmp_path, inside):
    for name in ("ctrl", "stim"):
        tenx(tmp_path / name / inside)
    assert read(tmp_path).obs["sample"].unique().tolist() == ["ctrl", "stim"]
    check(read(tmp_path, load(sample="stim")))


@pytest.mark.parametrize(
    ("read_first", "other"),
    [
        ("filtered_feature_bc_matrix", "raw_feature_bc_matrix"),
        ("outs/filtered_feature_bc_matrix", "outs/raw_feature_bc_matrix"),
        ("counts_filtered", "counts_unfiltered"),
        ("DGE_filtered", "DGE_unfiltered"),
        ("Gene/filtered", "Gene/raw"),
        ("Gene/raw", "GeneFull/raw"),
        ("Gene/raw", "Velocyto/raw"),
        ("umi_count", "read_count"),
        ("per_sample_outs/s1/count/sample_filtered_feature_bc_matrix", "multi/count/raw_feature_bc_matrix"),
        ("all-sample/DGE_filtered", "s1/DGE_filtered"),
    ],
)
def test_versions_of_one_sample_are_not_two(tmp_path, read_first, other):
    tenx(tmp_path / read_first)
    tenx(tmp_path / other, matrix=GENES_IN_ROWS.replace("1 1 5", "1 1 6"))
    data = check(read(tmp_path))
    assert any(f"{other}/matrix.mtx" in note for note in data.notes)


def test_genomes_of_one_run_are_picked(tmp_path):
    for genome in ("hg19", "mm10"):
        tenx(tmp_path / "filtered_gene_bc_matrices" / genome)
    with pytest.raises(InputError, match=r"each of 2 genomes.*hg19, mm10"):
        read(tmp_path)
    check(read(tmp_path, load(genome="mm10")))
    with pytest.raises(InputError, match="no genome 'dm6'"):
        read(tmp_path, load(genome="dm6"))


def test_several_matrices_over_the_same_names_are_layers(tmp_path):
    tenx(tmp_path)
    other = GENES_IN_ROWS.replace("integer", "real").replace("1 1 5", "1 1 5.5")
    (tmp_path / "UniqueAndMult-EM.mtx").write_text(other)
    assert any("UniqueAndMult-EM" in note for note in check(read(tmp_path)).notes)
    for data in (read(tmp_path, load(layer="UniqueAndMult-EM")), read(tmp_path / "UniqueAndMult-EM.mtx")):
        assert data.expression[0, 0] == 5.5
    with pytest.raises(InputError, match=r"no matrix 'EM'.*UniqueAndMult-EM"):
        read(tmp_path, load(layer="EM"))
    (tmp_path / "matrix.mtx").rename(tmp_path / "one.mtx")
    with pytest.raises(InputError, match=r"2 matrices over the same cells.*--load_layer"):
        read(tmp_path)


def test_a_layer_that_is_not_there_is_refused(tmp_path):
    tenx(tmp_path)
    for layer in ("spliced", "unspliced", "scaled"):
        with pytest.raises(InputError, match=f"no matrix '{layer}'"):
            read(tmp_path, load(layer=layer))


def test_velocyto_in_one_matrix(tmp_path):
    text = GENES_IN_ROWS.replace("1 1 5", "1 1 5 1 2").replace("2 2 7", "2 2 7 0 0").replace("3 1 9", "3 1 9 3 4")
    tenx(tmp_path, matrix=text)
    assert any("unspliced and ambiguous left out" in said for said in check(read(tmp_path)).warnings)
    assert dense(read(tmp_path, load(layer="unspliced"))) == [[1, 0, 3], [0, 0, 0]]


@pytest.mark.parametrize("by", ["quant.json", "names"])
def test_usa_mode_of_alevin_fry_is_never_three_times_the_genes(tmp_path, by):
    text = "%%MatrixMarket matrix coordinate real general\n2 9 5\n1 1 5\n1 3 8\n1 9 1\n2 2 7\n2 4 3\n"
    names = [*IDS, *(f"{one}-U" for one in IDS), *(f"{one}-A" for one in IDS)]
    folder = tmp_path / "af_quant"
    files = {"quants_mat__mtx": text, "quants_mat_rows__txt": BARCODES}
    make(folder / "alevin", **files, quants_mat_cols__txt=lines(IDS if by == "quant.json" else names))
    make(folder, gene_id_to_name__tsv=FEATURES)
    if by == "quant.json":
        (folder / "quant.json").write_text(json.dumps({"usa_mode": True, "num_genes": 9}))
    for path in (folder, folder / "alevin", folder / "alevin" / "quants_mat.mtx"):
        check(read(path))
    unspliced = read(folder, load(layer="unspliced"))
    assert dense(unspliced) == [[0, 0, 0], [3, 0, 0]]
    with pytest.raises(InputError, match="names nothing that alevin-fry counts"):
        read(folder, load(layer="mature"))


def test_parse(tmp_path):
    genes = "gene_id,gene_name,genome\n" + lines(IDS, SYMBOLS, ["hg38"] * 3, separator=",")
    cells = "bc_wells,sample,gene_count\n" + lines(CELLS, ["s1", "s2"], ["2", "1"], separator=",")
    for matrix in ("DGE__mtx", "count_matrix__mtx"):
        files = {matrix: CELLS_IN_ROWS, "all_genes__csv": genes, "cell_metadata__csv": cells}
        data = check(read(make(tmp_path / matrix, **files)))
        assert data.obs.columns.tolist() == ["sample", "gene_count"]
        assert data.obs["gene_count"].tolist() == [2, 1]
        assert data.var["genome"].tolist() == ["hg38"] * 3


def test_what_counts_no_genes_says_what_to_read_instead(tmp_path):
    tenx(tmp_path / "SJ" / "raw")
    with pytest.raises(InputError, match=r"splice junctions.*folder Gene"):
        read(tmp_path / "SJ" / "raw")
    make(
        tmp_path / "tcc",
        cells_x_tcc__mtx=CELLS_IN_ROWS,
        cells_x_tcc__barcodes__txt=BARCODES,
        cells_x_tcc__ec__txt="0\t0\n",
    )
    with pytest.raises(InputError, match=r"classes of transcripts.*without --tcc"):
        read(tmp_path / "tcc")
    make(tmp_path / "kite", cells_x_features__mtx=CELLS_IN_ROWS, cells_x_features__barcodes__txt=BARCODES)
    with pytest.raises(InputError, match=r"counts tags.*kite.*no gene expression"):
        read(tmp_path / "kite")
    make(tmp_path / "alevin", quants_mat__gz=b"\x01\x02", quants_mat_rows__txt=BARCODES)
    with pytest.raises(InputError, match=r"salmon alevin.*--dumpMtx"):
        read(tmp_path / "alevin")


def test_the_folder_of_bd_rhapsody_is_read_without_antibodies(tmp_path):
    ids, kinds = [*SYMBOLS[:2], "CD4|pAbO"], ["Gene Expression", "Gene Expression", "Antibody Capture"]
    make(
        tmp_path / "S1_RSEC_MolsPerCell_MEX",
        matrix__mtx__gz=GENES_IN_ROWS,
        features__tsv__gz=lines(ids, ids, kinds),
        barcodes__tsv__gz=lines(["96", "1024"]),
    )
    data = read(tmp_path / "S1_RSEC_MolsPerCell_MEX")
    assert dense(data) == [[5, 0], [0, 7]]
    assert (data.obs_names.tolist(), data.var_names.tolist()) == (["96", "1024"], SYMBOLS[:2])
    assert any("1 features that are not gene expression were left out: CD4|pAbO." in note for note in data.notes)


def test_the_matrix_of_dropest_takes_its_names_by_the_prefix(tmp_path):
    make(
        tmp_path,
        cell__counts__matrices__mtx=GENES_IN_ROWS,
        cell__counts__cells__tsv=lines(CELLS),
        cell__counts__genes__tsv=lines(SYMBOLS),
    )
    check(read(tmp_path))
    check(read(tmp_path / "cell.counts.matrices.mtx"))
