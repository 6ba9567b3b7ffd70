"""A genome of one small chromosome, its genes, and reads of 8 cells: ``python simulate.py FOLDER``.

Writes genome.fa, genes.gtf, whitelist.txt, R1.fastq and R2.fastq (10x version 3: barcode 16, UMI 12), and for each of
4 wells well_A1.fastq (plain reads, as Smart-seq has). Gene 9 is a copy of gene 8, so that its reads map twice; a third
of the reads lie in the intron. Needs numpy only.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

SYMBOLS = ["ACTB", "CD3D", "CD3E", "MS4A1", "LYZ", "NKG7", "PPBP", "HBA1", "HBA2", "TSIX"]
GENES = [(f"ENSG{1000 + i:011d}", name) for i, name in enumerate(SYMBOLS)]
READ, EXON, INTRON, STEP = 91, 300, 300, 1200
generator = np.random.default_rng(17)


def bases(length: int) -> str:
    """Random DNA."""
    return "".join(generator.choice(list("ACGT"), length))


def reverse(text: str) -> str:
    """The other strand."""
    return text[::-1].translate(str.maketrans("ACGT", "TGCA"))


genome = list(bases(STEP * len(GENES) + 400))
starts = [200 + STEP * i for i in range(len(GENES))]
genome[starts[8] : starts[8] + 2 * EXON + INTRON] = genome[starts[7] : starts[7] + 2 * EXON + INTRON]
sequence = "".join(genome)
folder = Path(sys.argv[1])
folder.mkdir(exist_ok=True)
(folder / "genome.fa").write_text(f">chr1\n{sequence}\n")

lines = []
for i, ((identifier, name), start) in enumerate(zip(GENES, starts, strict=True)):
    strand = "-" if i == 9 else "+"
    version = f'gene_id "{identifier}"; gene_version "{i % 3 + 1}"; '
    given = f'gene_name "{name}"; ' if i != 5 else ""  # one without a symbol, as annotations have
    of_gene = f'{version}{given}gene_biotype "protein_coding";'
    of_transcript = (
        f'{version}transcript_id "ENST{2000 + i:011d}"; transcript_version "1"; {given}gene_biotype "protein_coding";'
    )
    spans = [(start, start + EXON), (start + EXON + INTRON, start + 2 * EXON + INTRON)]
    row = "chr1\tmade_up\t{}\t{}\t{}\t.\t" + strand + "\t.\t{}"
    lines.append(row.format("gene", start + 1, spans[1][1], of_gene))
    lines.append(row.format("transcript", start + 1, spans[1][1], of_transcript))
    lines += [row.format("exon", a + 1, b, of_transcript) for a, b in spans]
(folder / "genes.gtf").write_text("\n".join(lines) + "\n")

whitelist = [bases(16) for _ in range(12)]
(folder / "whitelist.txt").write_text("\n".join(sorted(whitelist)) + "\n")


def read_of(gene: int) -> str:
    """A read of a gene: two thirds spliced, one third out of the intron or over its border."""
    start = starts[gene]
    whole = sequence[start : start + 2 * EXON + INTRON]
    spliced = whole[:EXON] + whole[-EXON:]
    if generator.random() < 2 / 3:
        at = int(generator.integers(0, len(spliced) - READ))
        found = spliced[at : at + READ]
    else:
        at = int(generator.integers(EXON - 60, EXON + INTRON - 30))
        found = whole[at : at + READ]
    return reverse(found) if gene == 9 else found


def fastq(name: str, reads: list[str]) -> str:
    """Reads with the same good quality throughout."""
    return "".join(f"@{name}{i}\n{read}\n+\n{'I' * len(read)}\n" for i, read in enumerate(reads))


first, second = [], []
for cell in range(8):
    for gene, molecules in enumerate(generator.poisson(generator.gamma(1.2, 4.0, len(GENES)))):
        for _ in range(molecules):
            umi, read = bases(12), read_of(gene)
            for _ in range(int(generator.integers(1, 3))):  # molecules are read once or twice
                first.append(whitelist[cell] + umi)
                second.append(read)
(folder / "R1.fastq").write_text(fastq("r", first))
(folder / "R2.fastq").write_text(fastq("r", second))
for well in ("A1", "A2", "B1", "B2"):
    reads = [read_of(gene) for gene, n in enumerate(generator.poisson(6.0, len(GENES))) for _ in range(n)]
    reads += [bases(READ) for _ in range(5)]  # of no genome we know
    (folder / f"well_{well}.fastq").write_text(fastq(f"{well}_", reads))
