"""What samples are called: the part of each path that tells it from the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from scgnn2_engine.io.paths import expanded

_SAYS_NOTHING = re.compile(
    r"(sample_)?(filtered|raw|unfiltered)?_?(feature|gene|peak)?_?(bc|barcode|cell)?_?(matrix|matrices|counts?)?(_h5)?"
    r"|counts?_(un)?filtered|outs?|output|quant|alevin\w*|solo\.out|gene(full)?|expression|adata|data|dge|mtx"
    r"|hg19|hg38|grch3[78]|mm10|grcm3[89]|count",
    re.IGNORECASE,
)
"""What programs call the files and folders of every sample."""

_ENDING = re.compile(
    r"\.(h5ad|h5|h5mu|loom|zarr|csv|tsv|txt|tab|mtx|rds|rda|rdata|npz|parquet|feather|gz|bz2|xz|zst|zip)$",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"([_.\-\s]+)")


def short_names(paths: Sequence[Path]) -> list[str]:
    """The part of each path that tells it from the others, as the name of its sample.

    What programs call the files of every sample (``filtered_feature_bc_matrix``, ``outs``) says nothing, and neither
    do words that all have at their beginning or end.

    Examples
    --------
    >>> short_names([Path("run1/ctrl/outs/filtered_feature_bc_matrix.h5"), Path("run1/stim/outs")])
    ['ctrl', 'stim']
    >>> short_names([Path("GSM1_ctrl_counts.csv.gz"), Path("GSM2_stim_counts.csv.gz")])
    ['GSM1_ctrl', 'GSM2_stim']
    """
    in_one_folder = len(paths) > 1 and len({expanded(path).absolute().parent for path in paths}) == 1
    telling = [parts[-1:] if in_one_folder else _telling(parts) for parts in map(_parts, paths)]
    names = [parts[-1] if parts else "sample" for parts in telling]
    for depth in range(2, 1 + max((len(parts) for parts in telling), default=0)):
        if len(set(names)) == len(names):
            break
        names = ["_".join(parts[-depth:]) for parts in telling]
    return _without_common_words(names)


def _parts(path: Path) -> list[str]:
    """The folders of a path and its name, without the endings that say its format."""
    parts = [part for part in expanded(path).absolute().parts[1:] if part != ".."]
    while parts and _ENDING.search(parts[-1]):
        parts[-1] = _ENDING.sub("", parts[-1])
    return parts


def _telling(parts: list[str]) -> list[str]:
    return [part for part in parts if not _SAYS_NOTHING.fullmatch(part)] or parts[-1:]


def _without_common_words(names: list[str]) -> list[str]:
    words = [_BETWEEN.split(name) for name in names]  # words at even places, what is between them at odd ones
    if len(names) < 2 or len(set(names)) < len(names):
        return names
    while all(len(one) > 2 for one in words) and len({tuple(one[-2:]) for one in words}) == 1:
        words = [one[:-2] for one in words]
    while all(len(one) > 2 and one[2][:1].isalpha() for one in words) and len({tuple(one[:2]) for one in words}) == 1:
        words = [one[2:] for one in words]
    return ["".join(one) for one in words]
