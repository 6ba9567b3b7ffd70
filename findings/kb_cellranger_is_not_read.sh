#!/bin/sh
# kb count --cellranger ("cellranger-compatible") makes a folder that scanpy cannot find, other cells than its own h5ad,
# and a gene without a name
#
# kb-python 0.30.2, scanpy 1.11.5. Three genes, one without gene_name in its GTF; two cells.
# Expected: the folder is read by whatever reads Cell Ranger's, with the names that kb gives in its other files.
# Seen: (1) genes.tsv.gz belongs to neither layout: version 2 has genes.tsv unpacked, version 3 features.tsv.gz; scanpy looks
# for the second and says FileNotFoundError. (2) barcodes end in -1 here and nowhere else in kb's output, so that
# labels made for one fit no cell of the other. (3) the gene without a symbol has its identifier in
# cells_x_genes.genes.names.txt, in the same run, and nothing here: unpacked, scanpy calls it NaN.
#
#   cells_x_genes: barcodes ['A...', 'G...'], names ['ACTB', 'ENSG2.1', 'LYZ']
#   cellranger:    barcodes ['A...-1', 'G...-1'], names ['ACTB', nan, 'LYZ'], after gunzip
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv env # 3.11 or newer
env/bin/pip install -q kb-python==0.30.2 scanpy==1.11.5 anndata==0.12.19 'pandas<3' numpy==2.4.6 scipy==1.17.1
cat > reads.py << 'PYTHON'
import random

random.seed(1)
sequence = lambda n: "".join(random.choices("ACGT", k=n))
genome, names = sequence(3600), ["ACTB", "", "LYZ"]
with open("genome.fa", "w") as file:
    file.write(f">chr1\n{genome}\n")
with open("genes.gtf", "w") as file:
    for i, name in enumerate(names, start=1):
        symbol = f' gene_name "{name}";' if name else ""
        about = f'gene_id "ENSG{i}"; gene_version "1";{symbol} transcript_id "ENST{i}"; transcript_version "1";'
        for kind in ("gene", "transcript", "exon"):
            file.write(f"chr1\tx\t{kind}\t{i * 1000}\t{i * 1000 + 499}\t.\t+\t.\t{about}\n")
cells = ["A" * 8 + "CGCGTATC", "G" * 8 + "TACATGCA"]
with open("whitelist.txt", "w") as file:
    file.write("".join(f"{cell}\n" for cell in cells))
with open("R1.fastq", "w") as first, open("R2.fastq", "w") as second:
    for i in range(60):
        at = 1000 * (i % 3 + 1) + random.randrange(390)
        first.write(f"@{i}\n{cells[i % 2]}{sequence(12)}\n+\n{'I' * 28}\n")
        second.write(f"@{i}\n{genome[at : at + 90]}\n+\n{'I' * 90}\n")
PYTHON
env/bin/python reads.py
env/bin/kb ref -i index -g t2g.txt -f1 cdna.fa genome.fa genes.gtf > log 2>&1
env/bin/kb count -t 2 -i index -g t2g.txt -x 10XV3 -w whitelist.txt -o out --cellranger R1.fastq R2.fastq > log 2>&1
env/bin/python -W ignore - << 'PYTHON'
import gzip
from pathlib import Path

import scanpy as sc

counts = Path("out/counts_unfiltered")
folder = counts / "cellranger"
assert sorted(path.name for path in folder.iterdir()) == ["barcodes.tsv.gz", "genes.tsv.gz", "matrix.mtx.gz"]
lines = lambda name: (counts / f"cells_x_genes.{name}.txt").read_text().split()
print("cells_x_genes:", lines("barcodes"), lines("genes.names"))
assert lines("genes.names") == ["ACTB", "ENSG2.1", "LYZ"]
try:
    sc.read_10x_mtx(folder)
except FileNotFoundError as error:
    print("FileNotFoundError:", Path(error.filename).name)
else:
    raise SystemExit("scanpy reads it now")
for path in folder.iterdir():
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
adata = sc.read_10x_mtx(folder)
print("cellranger:   ", list(adata.obs_names), list(adata.var_names))
assert list(adata.obs_names) == [f"{barcode}-1" for barcode in lines("barcodes")]
assert adata.var_names.isna().tolist() == [False, True, False]
PYTHON
