"""What names of genes and of cells look like."""

from __future__ import annotations

import re

_SURE_GENES = (
    # databases
    r"ENS[A-Z]{0,6}[GTP]\d{11}(?:[._].*)?|[NX][MRP]_\d{6,9}(?:\.\d+)?|LOC\d{5,9}|uc\d{3}[a-z]{3}\.\d|KIAA\d{4}",
    r"Gm\d{3,5}|\d{7}[A-Z]\d{2}Rik\d?|RGD\d{6,}|ERCC[-_]\d{5}|SIRV\d+",
    r"ILMN_\d{5,}|AFFX-.+|\d{3,}(?:_[agsxi])*_at|A_\d\d_P\d{5,}",
    # fly, worm, yeasts and other fungi
    r"FBgn\d{7}|C[GR]\d{4,5}|WBGene\d{8}|Y[A-P][LR]\d{3}[CW](?:-[A-Z])?",
    r"SP(?:AC|BC|CC|APB|BPB|NCRNA|MTR|RRNA)[\w.]*\d[\w.]*|(?:NCU|CNAG_|MGG_)\d{5}|orf19\.[\d.]+|CAALFM_\w+|DDB_G\d{7}",
    # plants: a species, a chromosome, g and a number
    r"(?:LOC_)?[A-Z][A-Za-z]{1,8}[._]?[\dA-Z]{0,5}?[._]?[gG]\d{5,7}(?:\.[\w.]+)?",
    r"Zm\d{5}[a-z]{1,2}\d{6}|GRMZM\dG\d{6}|PGSC\w+\d{9}",
    # parasites, bacteria, and what else has a genome of its own
    r"(?:PF3D7|PBANKA|PVX|PKNH|PY17X|TGME49|TGGT1|NCLIV|CpIV|TVAG|EHI)_\w+",
    r"(?:Tb|LmjF|LdBPK|LINF|TcCLB)\w*\.[\w.]*\d+|Rv\d{4}[A-Dc]?|(?:BSU|SAOUHSC_)\d{5}",
    r"(?:AGAP|AAEL|CPIJ|SPU_|AMEX60DD)\d{5,}.*|dd_Smed_\w+|SMESG\d+.*|t\d+aep|KH\.C\d+\.\d+.*",
    # assemblies of transcripts, and genes that were numbered
    r"TRINITY_DN\d+_c\d+.*|comp\d+_c\d+.*|(?:MSTRG|STRG|XLOC|TCONS|CUFF|PB|isotig|contig|unigene)[-_.]\d+(?:\.\d+)*",
    r".*(?:evm\.(?:TU|model)|maker-|augustus[-_]).*|(?:gene|Gene|GENE|orf|ORF|unigene|Unigene)[-_. ]?\d+",
    # symbols of a form that cells do not have: mitochondrial and ribosomal genes, clones, antisense and small RNA
    r"si:[a-z]{2,5}\d*-\d+[a-z]\d+(?:\.\d+)*|(?:zgc|wu|im):\w+|(?:MT|mt|Mt|HLA)-[A-Za-z]\w*(?:-\w+)*|LINC\d{5}",
    r"R[Pp][LlSs](?:\d+|[PpAa]\d*)[A-Za-z]?\d*|(?:RP|CTD|CTC|CTA|CTB|KB|XXbac)\d*-[\w.]+\.\d+|A[CFJLP]\d{6}\.\d+",
    r"AABR\d{8}\.\d|C(?:\d+|X)orf\d+|(?:lncRNA|asRNA|snoRNA|tRNA|snRNA|mir)[:-][\w:-]+|[a-z]{3}-(?:mir|miR|let)-[\w-]+",
    r"M[iI][rR]\d+[A-Za-z]?\d*(?:-\d+|HG|hg)?|[A-Z0-9]{2,}-AS\d",
    # what htseq-count and STAR count beside the genes
    r"__(?:no_feature|ambiguous|too_low_aQual|not_aligned|alignment_not_unique)",
    r"N_(?:unmapped|multimapping|noFeature|ambiguous)",
)
SURE_GENE = re.compile(
    rf"(?:(?:hg19|hg38|mm9|mm10|GRCh3[78]|GRCm3[89]|gene|transcript|rna)[-_:]+)?(?:{'|'.join(_SURE_GENES)})"
)
"""Accessions and names that only genes carry, whatever else stands on their axis."""

GENE_FORM = re.compile(
    r"[A-Z]{1,2}\d{1,4}(?:[A-Z]{1,2}\d{1,2}[A-Z]?)?\.\d{1,2}[a-z]?"  # sequences of the worm: F35G12.2, ZK1236.3
    r"|[a-z]{3,4}-\d{1,3}(?:\.\d+)?|[A-Z]{3}\d{1,3}|[a-z]{3}[A-Z]\d?"  # unc-22, TDH3, lacZ
    r"|[A-Z][a-z][A-Z]{2,5}\d{1,3}[a-z]?"  # OsMADS1
)
"""Of the form of symbols, as cells may be, too: they count where they are many and various."""

UNIPROT = re.compile(r"[OPQ]\d[A-Z\d]{3}\d|[A-NR-Z]\d(?:[A-Z][A-Z\d]{2}\d){1,2}")
"""Accessions of UniProt; P01T03, a patient and a time point, has their form."""

TAG = re.compile(r"[A-Za-z][A-Za-z\d]*[._]?(?:0\d{3,}|\d{5,})(?!\d).{0,6}|.+:\d{5,}\D.*|g\d+")
"""Of the form of a tag of a locus, of a place in a genome, or of a gene that Augustus predicted."""

PADDED = re.compile(r"[A-Za-z]{1,8}_?(\d{4,})c?")
"""Letters and a number: where all numbers have one width, and some begin with 0, they may be tags of loci."""

COUNTED_ALIKE = re.compile(
    r"[GgXVv]\d+|b\d{4}|[A-Za-z]{2,9}_?\d{4,}c?|(?:feature|id|peak)[-_. ]?\d+",
    re.IGNORECASE,
)
"""Running numbers by which genes are called as often as cells."""

SURE_CELL = re.compile(
    r"(?:.*[-_.:#])?[ACGTN]{8,}(?:[-_.:x#].*|\d{1,2})?"  # a barcode, alone or beside a library
    r"|.*\b(?:[SED]R[RXS]|GSM|SAM[NED]A?)\d{4,}.*|(?:TCGA|GTEX|TARGET)-[\w-]+.*|(?:NA|HG)\d{5}\b.*"
    r"|.*\.(?:bam|sam|cram|fastq|fq|txt|counts?|htseq|RPKM\.?|FPKM\.?|TPM\.?)"
    r"|[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}|[A-Za-z]{0,4}(?=\d*[a-f])(?=[a-f]*\d)[\da-f]{10,}"
    r"|.*(?<![A-Za-z])cells?(?![a-z]).*|c\d+"
)
"""Barcodes, runs, samples of archives, files, random identifiers."""

_CELL_WORDS = """
cell cells ctrl ctl control stim stimulated sample samples donor patient plate well batch lane library lib rep replicate
day week hour hr hrs dpi dpf hpf embryo zygote oocyte blastocyst morula epiblast trophoblast bead nucleus nuclei barcode
treated untreated treatment vehicle dmso lps mock infected uninfected tumor tumour normal healthy disease wt ko het mut
mutant wildtype knockout pbmc hsc mpp cmp gmp esc ipsc mef mesc hesc npc organoid neuron neurons astrocyte astrocytes
microglia oligodendrocyte endothelial epithelial fibroblast pericyte monocyte macrophage tcell bcell hepatocyte
keratinocyte cardiomyocyte brain liver heart kidney lung spleen muscle blood skin retina cortex hippocampus male female
young adult fetal sorted bulk exp expt experiment cond condition group timepoint
"""
CELL_WORDS = frozenset(_CELL_WORDS.split())
"""Words, in small letters, by which cells and samples are called."""

WELL = re.compile(r"(?:.*[-_.])?([A-P])(?:0?[1-9]|1\d|2[0-4])")
"""A well of a plate, with its row: A1, P24, plate2_B07."""
