"""A file for each cell: names of files are cells, tallies are none, strands are told or asked."""

import numpy as np
import pytest

from scgnn2_engine.errors import InputError
from scgnn2_engine.io import read
from scgnn2_engine.io.formats import format_of
from scgnn2_engine.params import LoadParams

GENES = ["ENSG00000000001", "ENSG00000000002"]


def star(folder, name, rows):
    (folder / name).parent.mkdir(exist_ok=True, parents=True)
    tallies = [(f"N_{what}", 5, 5, 5) for what in ("unmapped", "multimapping", "noFeature", "ambiguous")]
    lines = [
        "\t".join(map(str, row)) for row in [*tallies, *((gene, *row) for gene, row in zip(GENES, rows, strict=True))]
    ]
    (folder / name).write_text("\n".join(lines) + "\n")


def values(data):
    return (data.expression if isinstance(data.expression, np.ndarray) else data.expression.toarray()).tolist()


@pytest.mark.parametrize(
    ("rows", "strand", "right"),
    [
        ([(9, 9, 0), (4, 4, 0)], "forward", [9, 4]),
        ([(9, 1, 8), (4, 0, 4)], "reverse", [8, 4]),
        ([(9, 5, 4), (4, 2, 2)], "unstranded", [9, 4]),
    ],
)
def test_the_strand_is_told_by_the_counts(tmp_path, rows, strand, right):
    star(tmp_path, "A1_ReadsPerGene.out.tab", rows)
    star(tmp_path, "A2.ReadsPerGene.out.tab", rows)
    data = read(tmp_path)
    assert data.obs_names.tolist() == ["A1", "A2"]
    assert data.var_names.tolist() == GENES
    assert values(data) == [right, right]
    assert any(f"Counts of STAR: {strand}" in note for note in data.notes)
    assert "N_unmapped" in data.warnings[0]


def test_the_strand_is_asked_where_the_counts_do_not_tell(tmp_path):
    star(tmp_path, "A1/ReadsPerGene.out.tab", [(9, 7, 3), (10, 7, 3)])
    with pytest.raises(InputError, match="--load_layer unstranded, forward or reverse"):
        read(tmp_path)
    data = read(tmp_path, LoadParams(layer="reverse"))
    assert values(data) == [[3, 3]]
    assert data.obs_names.tolist() == ["A1"]
    with pytest.raises(InputError, match="no counts called 'both'"):
        read(tmp_path, LoadParams(layer="both"))
    assert values(read(tmp_path / "A1/ReadsPerGene.out.tab", LoadParams(layer="forward"))) == [[7, 7]]


def test_a_folder_of_htseq_files(tmp_path):
    for name, counts in (("A1.counts", (3, 0)), ("A2.txt", (1, 5))):
        lines = [f"{gene}\t{count}" for gene, count in zip(GENES, counts, strict=True)]
        (tmp_path / name).write_text("\n".join([*lines, "__no_feature\t90", "__ambiguous\t3"]) + "\n")
    data = read(tmp_path)
    assert values(data) == [[3, 0], [1, 5]]
    assert data.obs_names.tolist() == ["A1", "A2"]
    assert "__no_feature, __ambiguous" in data.warnings[0]
    (tmp_path / "A3.txt").write_text("ENSG00000000009\t4\n__no_feature\t90\n__ambiguous\t3\n")
    with pytest.raises(InputError, match=r"A3\.txt counts other genes than A1\.counts"):
        read(tmp_path)


def test_a_folder_of_rsem(tmp_path):
    header = "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count\tTPM\tFPKM\n"
    for name, counts in (("A1", (3, 0.5)), ("A2", (1, 5))):
        lines = [
            f"{gene}\tt1,t2\t100.00\t90.00\t{count}\t1.0\t2.0\n" for gene, count in zip(GENES, counts, strict=True)
        ]
        (tmp_path / f"{name}.genes.results").write_text(header + "".join(lines))
    assert values(read(tmp_path)) == [[3, 0.5], [1, 5]]
    with pytest.raises(InputError, match=r"one sample's genes or transcripts by RSEM.*rsem-generate-data-matrix"):
        read(tmp_path / "A1.genes.results")


def test_damaged_and_transcripts(tmp_path):
    star(tmp_path, "A1.ReadsPerGene.out.tab", [(9, 9, 0), (4, "x", 0)])
    with pytest.raises(InputError, match=r"Line 6 of .*no line of counts.*Found: 'x'"):
        read(tmp_path)
    star(tmp_path, "A1.ReadsPerGene.out.tab", [(9, "", 0), (4, 1, 0)])
    with pytest.raises(InputError, match=r"Line 5 of .*no line of counts.*Found: ''"):
        read(tmp_path)
    (tmp_path / "salmon/A1").mkdir(parents=True)
    (tmp_path / "salmon/A1/quant.sf").write_text("Name\tLength\n")
    with pytest.raises(InputError, match=r"transcripts of 1 samples by salmon.*tximport"):
        format_of(tmp_path / "salmon")


@pytest.mark.parametrize("suffix", [".counts", ".txt", ".htseq.tsv", "_counts.txt"])
@pytest.mark.parametrize(
    ("header", "names"),
    [("", ()), ("gene\tcell_{0}\n", ()), ("\tgene_name\tcell_{0}.bam\n", ("Actb", "Sox2")), ("", ("Actb", "Sox2"))],
)
def test_htseq_files_with_a_header_or_names(tmp_path, suffix, header, names):
    for cell, counts in enumerate(((3, 0), (1, 5))):
        fields = zip(GENES, *([names] if names else []), map(str, counts), strict=True)
        between = "\t" * bool(names)
        lines = ["\t".join(row) for row in fields]
        lines += [f"__no_feature\t{between}90", f"__ambiguous\t{between}3"]
        (tmp_path / f"A{cell}{suffix}").write_text(header.format(cell) + "\n".join(lines) + "\n")
    data = read(tmp_path)
    assert values(data) == [[3, 0], [1, 5]]
    assert data.obs_names.tolist() == ["A0", "A1"]
    assert data.var_names.tolist() == GENES
    if names:
        assert data.var["gene_name" if header else "additional_attr"].tolist() == list(names)


def test_a_folder_of_feature_counts(tmp_path):
    for cell, counts in (("Account", (3, 0)), ("A2", (1, 5))):
        header = f"# Program:featureCounts v2.0.3\nGeneid\tChr\tStart\tEnd\tStrand\tLength\t/data/{cell}.bam\n"
        rows = [f"{gene}\t1\t1\t9\t+\t9\t{count}\n" for gene, count in zip(GENES, counts, strict=True)]
        (tmp_path / f"{cell}.txt").write_text(header + "".join(rows))
        (tmp_path / f"{cell}.txt.summary").write_text(f"Status\t/data/{cell}.bam\nAssigned\t3\n")
    data = read(tmp_path)
    assert values(data) == [[1, 5], [3, 0]]
    assert data.obs_names.tolist() == ["A2", "Account"]
    assert data.var["Length"].tolist() == ["9", "9"]
