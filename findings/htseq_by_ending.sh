#!/bin/sh
# What htseq-count counts depends on the ending of the file it writes to: turned round, other numbers' text, or lost
#
# HTSeq 2.1.2 (with anndata 0.12.19, loompy 3.0.8, scipy 1.17.1): htseq-count -c counts.ENDING, three genes, two samples.
# Expected: the same table in each format, or an error before the reads are counted.
# Seen: .tsv has genes in rows, .mtx has samples in rows, and is a dense Matrix Market "array" in which 12 is 1.2E1 (no
# reader of 10x-like files takes that; --counts-output-sparse writes coordinates); the five counters (__no_feature ...)
# are genes 4 to 8 in all of them.
# With --additional-attr gene_name, .h5ad has NaN as the counters' name, and .loom fails once all reads are counted
# (ValueError of loompy: the attribute has 3 names, the matrix 8 rows); nothing is left of the counts.
#
#   counts.tsv 8 rows x 2; counts.mtx "array real general", 2 x 8; counts.loom: not the same length (3) as ... (8)
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv env # 3.11 or newer
env/bin/pip install -q HTSeq==2.1.2 pysam==0.24.1 anndata==0.12.19 'pandas<3' loompy==3.0.8 numpy==2.4.6 scipy==1.17.1
gene() {
    printf 'chr1\tx\texon\t%s\t%s\t.\t+\t.\tgene_id "%s"; gene_name "%s"; transcript_id "%s.1";\n' "$2" "$3" "$1" "$4" "$1"
}
{ gene E1 1 500 ACTB && gene E2 1001 1500 CD3E && gene E3 2001 2500 LYZ; } > genes.gtf
bases=$(printf 'A%.0s' $(seq 50)) good=$(printf 'I%.0s' $(seq 50))
sample() { # READS POSITION
    printf '@HD\tVN:1.4\n@SQ\tSN:chr1\tLN:3000\n'
    for i in $(seq "$1"); do printf 'r%s\t0\tchr1\t%s\t60\t50M\t*\t0\t0\t%s\t%s\n' "$i" "$2" "$bases" "$good"; done
}
sample 12 101 > a.sam
sample 7 1101 > b.sam
count() { env/bin/htseq-count -s no "$@" a.sam b.sam genes.gtf > log 2>&1; }
count -c counts.tsv
count -c counts.mtx
count -c names.h5ad --additional-attr gene_name
count -c counts.loom
count -c names.loom --additional-attr gene_name || true
grep -o "Row attribute.*" log
grep -q "'gene_name' is not the same length (3) as number of rows in main matrix (8)" log
test ! -s names.loom
head -n 3 counts.tsv
head -n 4 counts.mtx
env/bin/python - << 'PYTHON'
import anndata as ad
import scipy.io

lines = open("counts.tsv").read().split("\n")[:-1]
assert len(lines) == 8 and lines[0] == "E1\t12\t0" and lines[7].startswith("__alignment_not_unique")
text = open("counts.mtx").read()
assert text.startswith("%%MatrixMarket matrix array real general") and "\n1.2E1\n" in text
assert scipy.io.mmread("counts.mtx").shape == (2, 8)
adata = ad.read_h5ad("names.h5ad")
print("h5ad", adata.shape, list(adata.var_names), list(adata.var["gene_name"]))
assert list(adata.var["gene_name"][:3]) == ["ACTB", "CD3E", "LYZ"] and adata.var["gene_name"][3:].isna().all()
PYTHON
