"""Which cells and genes are kept, how values are normalised, and the LTMG states."""

from __future__ import annotations

import param

from scgnn2_engine.params.fields import ESSENTIAL, StageParams, choice, count, share, switch, text


class PreprocessParams(StageParams):
    """Which cells and genes are kept, and how they are scaled."""

    group, title = "preprocess", "Preprocess"

    cell_cutoff = share(
        0.9, "Largest share of zeros among the kept genes that a kept cell may have.", precedence=ESSENTIAL
    )
    gene_cutoff = share(0.9, "Largest share of zeros among the cells that a kept gene may have.", precedence=ESSENTIAL)
    top_gene_select = param.Integer(
        2000,
        bounds=(-1, None),
        softbounds=(200, 5000),
        precedence=ESSENTIAL,
        doc="Number of genes of highest variance to keep; -1 keeps all.",
    )
    min_genes = count(
        0, "Fewest genes that a kept cell may express, of all that were read; 0 keeps all.", low=0, soft=(0, 2000),
        precedence=ESSENTIAL,
    )  # fmt: skip
    min_counts = count(
        0, "Fewest counts that a kept cell may have, over all genes that were read; 0 keeps all.", low=0,
        soft=(0, 10_000), precedence=ESSENTIAL,
    )  # fmt: skip
    max_mito = share(
        1.0,
        "Largest share of a kept cell's counts that may be of mitochondrial genes (MT-, mt-); 1 keeps all.",
        precedence=ESSENTIAL,
    )
    gene_column = text(
        "True/False column of var that names the genes to keep, such as highly_variable; gene_cutoff and "
        "top_gene_select then do not choose."
    )
    library_size = switch(
        "Divide every cell by its library size over the median library size before the logarithm; the factor is "
        "put back on output. Without it cells differ by sequencing depth first (the published program's largest "
        "single loss of accuracy)."
    )


class LTMGParams(StageParams):
    """The left-truncated mixture Gaussian states that weigh the feature autoencoder's loss."""

    group, title = "LTMG", "LTMG"

    mode = choice(
        "reference",
        ["reference", "per_gene"],
        "reference reproduces the published R package entry by entry, its shrinking number of components "
        "included; per_gene tries 2 to 5 components for every gene.",
        ESSENTIAL,
    )
