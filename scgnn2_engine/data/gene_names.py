"""Gene names: which of them mean the same gene."""

from __future__ import annotations

import re

ENSEMBL_GENE = re.compile(r"(ENS[A-Z]*G\d{6,})(\.\d+)?", re.ASCII)


def plain_name(name: object) -> str:
    """A gene's name in upper case, an Ensembl identifier without its version.

    Examples
    --------
    >>> plain_name("Actb"), plain_name("ensmusg00000029580.14"), plain_name("AC118549.1")
    ('ACTB', 'ENSMUSG00000029580', 'AC118549.1')
    """
    upper = str(name).strip().upper()
    ensembl = ENSEMBL_GENE.fullmatch(upper)
    return ensembl[1] if ensembl else upper
