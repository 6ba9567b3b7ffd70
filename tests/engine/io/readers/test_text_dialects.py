"""Tables of text as programs and people of the field write them: read for what they hold, or refused with the way."""

import bz2
import gzip
import json
import lzma
import zipfile
from pathlib import Path

import numpy as np
import pytest

from scgnn2_engine.errors import InputError
from scgnn2_engine.io import read
from scgnn2_engine.io.bulk import read_bulk
from scgnn2_engine.io.labels import matched_labels

GOLDEN = Path(__file__).parents[1] / "golden"
RIGHT = [[3, 0, 12], [1, 5, 0]]
CELLS, GENES = ["cell_1", "cell_2"], ["Actb", "Gapdh", "Sox2"]
PLAIN = "gene,cell_1,cell_2\nActb,3,1\nGapdh,0,5\nSox2,12,0\n"


def read_text(folder, text, name="table.txt"):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    data = read(folder / name)
    values = data.expression if isinstance(data.expression, np.ndarray) else data.expression.toarray()
    return data, values.tolist()


def right(folder, text, name="table.txt"):
    data, values = read_text(folder, text, name)
    assert values == RIGHT
    assert data.obs_names.tolist() == CELLS
    assert data.var_names.tolist() == GENES
    return data


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"cell_1" "cell_2"\n"Actb" 3 1\n"Gapdh" 0 5\n"Sox2" 12 0\n', ""),
        ("gene  cell_1  cell_2\nActb     3     1\nGapdh   0  5\nSox2 12 0 \n", ""),
        ('"";"cell_1";"cell_2"\n"Actb";3,0;1,00\n"Gapdh";0;5\n"Sox2";12,0;0\n', "decimal commas"),
        ("gene\tcell_1\tcell_2\nActb\t3\t1\t\nGapdh\t0\t5\t\nSox2\t12\t0\t\n", "end with a separator"),
        ("gene\tcell_1\tcell_2\t\nActb\t3\t1\t\nGapdh\t0\t5\t\nSox2\t12\t0\t\n", "end with a separator"),
        ("gene\tcell_1\tcell_2\t\nActb\t3\t1\nGapdh\t0\t5\nSox2\t12\t0\n", "header ends with a separator"),
        ("cell_1,cell_2\nActb,3,1,\nGapdh,0,5,\nSox2,12,0,\n", "end with a separator"),
        ("# made by a pipeline\n# on a day\n" + PLAIN, "2 lines before the header"),
        ("\n" + PLAIN, ""),
        ("#gene\tcell_1\tcell_2\nActb\t3\t1\nGapdh\t0\t5\nSox2\t12\t0\n", ""),
        (",gene,cell_1,cell_2\n0,Actb,3,1\n1,Gapdh,0,5\n2,Sox2,12,0\n", "called by the column 'gene'"),
        ("GENE\tcell_1\tcell_2\nActb\t3\t1\nGapdh\t0\t5\nSox2\t12\t0\n", "as Drop-seq tools writes it"),
        (b"\xef\xbb\xbf# made\r\n" + PLAIN.encode().replace(b"\n", b"\r\n"), "1 lines before the header"),
        (PLAIN.replace(",", "\t").encode("utf-16"), ""),
        (b"\xfe\xff" + PLAIN.encode("utf-16-be"), ""),
    ],
    ids=[
        "write.table", "aligned", "write.csv2", "trailing", "trailing, header too", "trailing header", "R, trailing",
        "comments", "blank line", "commented header", "numbered rows", "Drop-seq", "BOM, comment, CRLF", "UTF-16",
        "UTF-16, big end",
    ],
)  # fmt: skip
def test_dialects(tmp_path, text, said):
    assert said in " ".join(right(tmp_path, text).notes)


def test_packed(tmp_path):
    text = PLAIN.encode()
    for name, packed in (("a.bz2", bz2.compress(text)), ("a.xz", lzma.compress(text)), ("a.gz", gzip.compress(text))):
        right(tmp_path, packed, name)
        with pytest.raises(InputError, match="damaged or truncated"):
            read_text(tmp_path, packed[:-6], name)
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.writestr("__MACOSX/._a.csv", b"x")
        archive.writestr("a.csv", text)
    right(tmp_path, (tmp_path / "one.zip").read_bytes(), "one.zip")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", text)
        archive.writestr("b.csv", text)
    with pytest.raises(InputError, match=r"zip that holds 2 files.*a\.csv, b\.csv.*Unpack it"):
        read(tmp_path / "two.zip")


def test_packed_by_zstandard(tmp_path):
    import zstandard

    packed = zstandard.ZstdCompressor().compress(PLAIN.encode())
    right(tmp_path, packed, "a.zst")
    with pytest.raises(InputError, match="damaged or truncated"):
        read_text(tmp_path, packed[:-3], "a.zst")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('gene;c1;c2\nActb;"1,234";5\n', ["decimal comma", "thousands", "1,234"]),
        ('gene;c1;c2\nActb;"1,234,567";0,5\n', ["decimal comma", "thousands"]),
        ("gene\tcell\tcount\nActb\tA\t3\nActb\tB\t1\nSox2\tA\t5\n", ["a line for each entry", "pivot_table"]),
        ("12,3,0\n4,5,6\n7,8,9\n", ["numbers without names"]),
        ("mouse_x,0.5,1\nmouse_y,3,4\nmouse_z,0,1\n", ["no header", "first line holds values"]),
        ("a\tb\nActb\t3\t\nGapdh\t0\t\n", ["may begin with the name of a column or not"]),
        ("Status\tA1.bam\tA2.bam\nAssigned\t3\t5\n", ["summary of featureCounts"]),
        ("Barcode,Cluster\nAAAC-1,1\n", ["Cell Ranger", "filtered_feature_bc_matrix"]),
        ("Name\tLength\tEffectiveLength\tTPM\tNumReads\nENST1\t5\t4\t3\t2\n", ["salmon", "tximport"]),
        ("target_id\tlength\teff_length\test_counts\ttpm\nENST1\t5\t4\t3\t2\n", ["kallisto", "tximport"]),
        ('!Series_title\t"x"\n"ID_REF"\t"GSM1"\n"a"\t1\n', ["series matrix of GEO", "supplementary"]),
        (b"gene,c1\rActb,3\rGapdh,4\r", ["carriage returns"]),
        ("gene,zelle_ä,c2\nActb,1,2\n".encode("latin-1"), ["not UTF-8", "iconv"]),
    ],
)  # fmt: skip
def test_refused_with_the_way(tmp_path, text, words):
    with pytest.raises(InputError) as caught:
        read_text(tmp_path, text)
    for word in words:
        assert word in str(caught.value)


def test_commas_between_thousands(tmp_path):
    data, values = read_text(tmp_path, 'gene,cell_1,cell_2\nActb,"1,234","1,234,567"\nSox2,5,0\n')
    assert values == [[1234, 5], [1234567, 0]]
    assert any("separators of thousands" in note for note in data.notes)


def test_tables_without_a_header(tmp_path):
    text = "ENSG00000000001\t3\t1\nENSG00000000002\t0\t5\n__no_feature\t900\t800\n__ambiguous\t7\t9\n"
    data, values = read_text(tmp_path, text)
    assert values == [[3, 0], [1, 5]]
    assert data.obs_names.tolist() == ["cell_1", "cell_2"]
    assert "has no header" in data.warnings[0]
    assert "__no_feature, __ambiguous" in data.warnings[1]
    one, _ = read_text(
        tmp_path, "ENSG00000000001\t3\nENSG00000000002\t0\n__no_feature\t9\n__ambiguous\t7\n", "A1.counts"
    )
    assert one.obs_names.tolist() == ["A1"]


def test_columns_that_describe_genes_become_annotation(tmp_path):
    text = "Geneid\tChr\tcell_1\tLength\tcell_2\nActb\tchr1;chr1\t3\t700\t1\nGapdh\t2\t0\t80\t5\nSox2\tX\t12\t9\t0\n"
    data = right(tmp_path, text)
    assert data.var["Chr"].tolist() == ["chr1;chr1", "2", "X"]
    assert data.warnings == ("Left out of the cells, because they describe the genes: Chr, Length.",)


def test_antibodies_of_abseq_are_left_out(tmp_path):
    text = "##########\n## BD Rhapsody\nCell_Index,Actb,CD3:UCHT1|CD3E|AHS0231|pAbO,Gapdh\n17,3,99,0\n29,1,98,5\n"
    data, values = read_text(tmp_path, text)
    assert values == [[3, 0], [1, 5]]
    assert data.facts["orientation"] == "cells-by-genes"
    assert any("antibodies" in warning and "CD3:UCHT1|CD3E|AHS0231|pAbO" in warning for warning in data.warnings)


def test_bulk_and_labels_take_the_same(tmp_path):
    (tmp_path / "bulk.csv.bz2").write_bytes(bz2.compress(b'"s1";"s2"\n"Actb";1,5;2\n"Sox2";0,25;1\n'))
    bulk, _, _ = read_bulk(tmp_path / "bulk.csv.bz2", np.array(GENES))
    assert bulk.expression.tolist() == [[1.5, 0.25], [2, 1]]
    labels = "# by hand\ncell\tlabel\t\ncell_1\tT\t\ncell_2\tB\t\n"
    for name, content in (("l.xz", lzma.compress(labels.encode())), ("l.txt", labels.encode("utf-16"))):
        (tmp_path / name).write_bytes(content)
        assert matched_labels(tmp_path / name, np.array(CELLS))[0].tolist() == ["T", "B"]


GOLDEN_TABLES = [
    (folder, name)
    for folder in ("featurecounts", "htseq", "pandas", "r")
    for name in json.loads((GOLDEN / folder / "expected.json").read_text())
    if name.endswith((".txt", ".tsv", ".csv", ".counts", ".txt.gz", ".csv.gz", ".bz2", ".xz", ".zip", ".zst"))
]


@pytest.mark.parametrize(("folder", "name"), GOLDEN_TABLES)
def test_golden_tables(folder, name):
    expected = json.loads((GOLDEN / folder / "expected.json").read_text())[name]
    if "refused" in expected:
        with pytest.raises(InputError):
            read(GOLDEN / folder / name)
        return
    data = read(GOLDEN / folder / name)
    values = data.expression if isinstance(data.expression, np.ndarray) else data.expression.toarray()
    assert np.array_equal(values, np.array(expected["X"], dtype=np.float32))
    assert data.var_names.tolist() == expected["var_names"]
    if expected["obs_names"]:
        assert data.obs_names.tolist() == expected["obs_names"]
    for column in expected.get("left_out", ()):
        assert any(column in warning for warning in data.warnings)


@pytest.mark.parametrize("behind", ["", ",", ",,", ",,,,"])
def test_what_spreadsheets_write_behind_and_below_a_table(tmp_path, behind):
    text = PLAIN.replace("\n", f"{behind}\n")
    right(tmp_path, text + f",,{behind}\n" * 3)
    right(tmp_path, text.replace(",", "\t") + f",,{behind}\n".replace(",", "\t"))
    data = right(tmp_path, text.replace(f"cell_2{behind}", "cell_2"))
    assert (f"The rows end with {len(behind)} separators" in " ".join(data.notes)) == (len(behind) > 1)


def test_a_named_column_without_values_is_no_end_of_rows(tmp_path):
    with pytest.raises(InputError, match=r"an empty cell in row 'Actb'.*column 'cell_3'"):
        read_text(tmp_path, "gene,cell_1,cell_2,cell_3,\nActb,3,1,,\nSox2,0,5,,\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sep=;\n" + PLAIN.replace(",", ";"), "1 lines before the header"),
        ('"sep=,"\r\n' + PLAIN.replace("\n", "\r\n"), "1 lines before the header"),
        (PLAIN.replace(",", "|"), ""),
        (PLAIN.replace(",", " | "), ""),
        ("'gene','cell_1','cell_2'\n'Actb',3,1\n'Gapdh',0,5\n'Sox2',12,0\n", ""),
        ("#1.2\n3\t2\nName\tDescription\tcell_1\tcell_2\nActb\ta\t3\t1\nGapdh\tb\t0\t5\nSox2\tc\t12\t0\n", "as GCT"),
    ],
    ids=["sep=;", "quoted sep=,", "|", "spaces around |", "single quotes", "GCT"],
)
def test_more_dialects(tmp_path, text, said):
    assert said in " ".join(right(tmp_path, text).notes)


def test_a_single_column_of_r(tmp_path):
    data, values = read_text(tmp_path, '"cell_1"\n"Actb" 3\n"Gapdh" 0\n"Sox2" 12\n')
    assert values == RIGHT[:1]
    assert data.var_names.tolist() == GENES


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tracking_id\tclass_code\tnearest_ref_id\tgene_id\tFPKM\nActb\t-\t-\tActb\t3.5\n", ["Cufflinks", "cuffnorm"]),
        ("## BD\nCell_Index\tGene\tRSEC_Reads\tRaw_Molecules\n17\tActb\t3\t1\n", ["Expression_Data.st", "MolsPerCell"]),
        ("#1.3\n1\t2\t1\t0\nid\tsymbol\tc1\tc2\na\tActb\t3\t1\n", ["GCT of version 1.3", "cmapPy"]),
    ],
)
def test_tables_that_are_no_matrices_are_named(tmp_path, text, words):
    test_refused_with_the_way(tmp_path, text, words)


def test_counts_by_dbec_are_read_without_comments_and_antibodies(tmp_path: Path) -> None:
    (tmp_path / "S1_DBEC_MolsPerCell.csv").write_text(
        "##########\n## BD Rhapsody Targeted Analysis Pipeline 1.11\n## Reads: S1\n##########\n"
        "Cell_Index,ACTB|NM_001101|Reference_end,CD4|SK3|CD4|AHS0032|pAbO,GAPDH|NM_002046|Reference_end\n"
        "96,5,40,0\n1024,0,2,7\n"
    )
    data = read(tmp_path / "S1_DBEC_MolsPerCell.csv")
    assert data.facts["orientation"] == "cells-by-genes"
    assert np.asarray(data.expression).tolist() == [[5, 0], [0, 7]]
    assert data.obs_names.tolist() == ["96", "1024"]
    assert data.var_names.tolist() == ["ACTB|NM_001101|Reference_end", "GAPDH|NM_002046|Reference_end"]
    assert any("1 antibodies of AbSeq are left out" in warning for warning in data.warnings)
