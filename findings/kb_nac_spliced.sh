#!/bin/sh
# "spliced" of kb-python's nac workflow is a third of STARsolo's "spliced" for the same reads, and its X is not the cells'
# messenger RNA but everything, introns included
#
# kb-python 0.30.2, STAR 2.7.10b (Debian's rna-star). Three genes of two exons, one cell: 60 reads inside exons, 30 over the
# junction, 30 inside the intron, each its own molecule.
# Expected: spliced is spliced: exons and junctions, 90 in both; X of the h5ad as without nac: 90.
# Seen: kb's folder spliced/ (--cellranger) has the junction reads only; what lies inside an exon is "ambiguous", two thirds
# of all messenger RNA, in a third folder. STAR calls the same reads spliced and nothing ambiguous. X of kb's h5ad is
# mature + ambiguous + nascent: STARsolo's GeneFull. Velocity tools that take spliced and unspliced by name get something
# else from each.
#
#                 spliced  unspliced  ambiguous
#   kb nac             30         30         60     X of --h5ad: 120
#   STARsolo           90         30          0     Gene: 90, GeneFull: 120
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv env # 3.11 or newer
env/bin/pip install -q kb-python==0.30.2 anndata==0.12.19 'pandas<3' numpy==2.4.6 scipy==1.17.1
apt-get download -qq rna-star=2.7.10b+dfsg-2+b2 libhts3 libhtscodecs2 libdeflate0 2> /dev/null
for package in *.deb; do dpkg -x "$package" debian; done
cat > reads.py << 'PYTHON'
import random

random.seed(3)
sequence = lambda n: "".join(random.choices("ACGT", k=n))
genome, starts = sequence(5000), [500, 2000, 3500]  # exon 300, intron 300, exon 300
with open("genome.fa", "w") as file:
    file.write(f">chr1\n{genome}\n")
with open("genes.gtf", "w") as file:
    for i, start in enumerate(starts):
        about = f'gene_id "E{i}"; gene_name "G{i}"; transcript_id "T{i}"; gene_version "1"; transcript_version "1";'
        spans = [("gene", 0, 900), ("transcript", 0, 900), ("exon", 0, 300), ("exon", 600, 900)]
        for kind, a, b in spans:
            file.write(f"chr1\tx\t{kind}\t{start + a + 1}\t{start + b}\t.\t+\t.\t{about}\n")
cell = sequence(16)
with open("whitelist.txt", "w") as file:
    file.write(f"{cell}\n{sequence(16)}\n")
reads = []
for i in range(120):
    gene = genome[starts[i % 3] :][:900]
    if i < 60:
        at = random.choice([0, 600]) + random.randrange(210)
        reads.append(gene[at : at + 90])
    elif i < 90:
        left = random.randrange(35, 55)
        reads.append(gene[300 - left : 300] + gene[600 : 690 - left])
    else:
        at = 300 + random.randrange(5, 205)
        reads.append(gene[at : at + 90])
with open("R1.fastq", "w") as first, open("R2.fastq", "w") as second:
    for i, read in enumerate(reads):
        first.write(f"@{i}\n{cell}{sequence(12)}\n+\n{'I' * 28}\n")
        second.write(f"@{i}\n{read}\n+\n{'I' * 90}\n")
PYTHON
env/bin/python reads.py
env/bin/kb ref --workflow nac -i index -g t2g -f1 f1 -f2 f2 -c1 c1 -c2 c2 genome.fa genes.gtf > log 2>&1
common="-t 2 -i index -g t2g -c1 c1 -c2 c2 --workflow nac -x 10XV3 -w whitelist.txt"
env/bin/kb count $common -o out --h5ad --cellranger R1.fastq R2.fastq > log 2>&1
star="$work/debian/usr/lib/rna-star/bin/STAR-plain"
LD_LIBRARY_PATH=$(echo "$work"/debian/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH
mkdir genome
$star --runMode genomeGenerate --genomeDir genome --genomeFastaFiles genome.fa --sjdbGTFfile genes.gtf \
    --genomeSAindexNbases 5 --sjdbOverhang 89 > log
$star --genomeDir genome --readFilesIn R2.fastq R1.fastq --soloType CB_UMI_Simple --soloCBwhitelist whitelist.txt \
    --soloUMIlen 12 --soloFeatures Gene GeneFull Velocyto --outSAMtype None > log
unset LD_LIBRARY_PATH
env/bin/python -W ignore - << 'PYTHON'
import anndata as ad
import scipy.io

total = lambda path: int(scipy.io.mmread(path).sum())
kb = [total(f"out/counts_unfiltered/{part}/matrix.mtx.gz") for part in ("spliced", "unspliced", "cellranger_ambiguous")]
whole = int(ad.read_h5ad("out/counts_unfiltered/adata.h5ad").X.sum())
star = [total(f"Solo.out/Velocyto/raw/{part}.mtx") for part in ("spliced", "unspliced", "ambiguous")]
genes = [total(f"Solo.out/{kind}/raw/matrix.mtx") for kind in ("Gene", "GeneFull")]
print("kb nac  ", kb, "X", whole)
print("STARsolo", star, "Gene, GeneFull", genes)
assert (kb, whole) == ([30, 30, 60], 120)
assert (star, genes) == ([90, 30, 0], [90, 120])
PYTHON
