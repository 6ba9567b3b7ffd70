"""The sentences of a run: what a code and its values say on a terminal, in a log and on the page.

Whoever computes yields data (:class:`scgnn2_engine.events.Notice`); the words stand here and nowhere else. A code has a
level, the stage it speaks of, and a text, in which ``str.format`` puts the values, or a function of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

Stage = Literal[
    "load",
    "preprocess",
    "LTMG",
    "feature_AE",
    "graph",
    "graph_AE",
    "clustering",
    "cluster_AE",
    "deconvolution",
    "evaluate",
    "output",
]
Level = Literal["info", "warning"]
Text = str | Callable[..., str]

DE_WARNING = (
    "Tests of differential expression on imputed values are not valid: imputation makes cells alike, so differences "
    "look surer than they are. Test the {observed}, which are kept beside the imputed {values}."
)


class Wording(NamedTuple):
    """How one code is put into words."""

    stage: Stage
    level: Level
    text: Text


def sentence(code: str, values: Mapping[str, Any] | None = None) -> str:
    """What to say; a code without words of its own is a sentence already.

    Examples
    --------
    >>> sentence("clusters_merged", {"before": 7, "after": 5})
    '7 clusters: the smallest were merged, 5 remain.'
    >>> sentence("12 genes dropped")
    '12 genes dropped'
    """
    if code not in NOTICES:
        return code
    text, known = NOTICES[code].text, dict(values or {})
    try:
        return text.format(**known) if isinstance(text, str) else text(**known)
    except (KeyError, TypeError, ValueError):  # a damaged line of a log, or one of another version
        return f"{code}: {known}" if known else code


def _genes_dropped(n: int, of: int, cutoff: float) -> str:
    keep = " Markers of rare types can be among them: to keep more raise preprocess_gene_cutoff (1 keeps all)."
    return f"Dropped {n} of {of} genes: zero in more than {cutoff:.0%} of the cells.{keep * (cutoff < 1)}"


def _cells_of_quality(n: int, of: int, dropped: Mapping[str, tuple[int, float]]) -> str:
    words = {
        "min_genes": "with fewer than {:g} genes",
        "min_counts": "with fewer than {:g} counts",
        "max_mito": "with more than {:.0%} of their counts in mitochondrial genes",
    }
    why = ", ".join(f"{cells} {words[name].format(cutoff)}" for name, (cells, cutoff) in dropped.items())
    return f"Dropped {n} of {of} cells by their quality: {why}."


def _bulk_matched(genes: int, of: int, samples: int, library: float | None) -> str:
    scaled = "" if library is None else f", every sample scaled to {library:.4g} over them as the cells are"
    return (
        f"The bulk data holds {genes} of the {of} single-cell genes ({100 * genes / of:.1f} %){scaled}; its "
        f"profile is the mean of ln(1 + bulk) over {samples} sample{'s' if samples > 1 else ''}."
    )


def _consensus(clusters: int, graphs: int, sure: float, pieces: int, separated: int, finer: int = 0) -> str:
    more = finer > max(clusters, separated)
    return (
        f"{clusters} clusters by consensus of {graphs} graphs: of the pairs of similar cells {sure:.0%} are nearly "
        f"always, or nearly never, together. {separated} are separated"
        + (f", and if cut finer {finer}: scgnn2 recluster RUN --n_clusters {finer} shows them" if more else "")
        + f"; the tree has {pieces} pieces."
    )


def _by_depth(pairs: Sequence[tuple[int, int, float]]) -> str:
    named = ", ".join(f"{deep} and {shallow} ({deeper:.0%})" for deep, shallow, deeper in pairs)
    return (
        "Neighbouring clusters that the number of genes seen alone tells apart, the deeper first, and in how many of "
        f"the pairs of cells: {named}. They may be one type in cells of unlike depth or quality: look for markers "
        "before you believe them."
    )


def _few_cells(clusters: int, communities: int) -> str:
    found = f"{communities} communities" if communities > 1 else "one community"
    return (
        f"{clusters} clusters by k-means: of so few cells they are better separated than the {found} of the cell graph."
    )


def _zeros_left(share: float, fewest: int, k: int, keep_zeros: float) -> str:
    if fewest == 0:
        lost = f"more than {keep_zeros:.2%} of the seen entries have no neighbour that sees the gene"
        return f"No zero is left at 0: {lost}."
    return (
        f"{share:.1%} of the zeros are left at 0: fewer than {fewest} of the {k} neighbours of the cell see the "
        f"gene (keep_zeros = {keep_zeros:g})."
    )


def _no_rates(scale: str, median: float | None, limit: float) -> str:
    why = f"the median non-zero count is {median:g}, above feature_AE_count_limit = {limit:g}" if median else ""
    return f"No rates are trained, so there is no output rate: {why or f'the data are {scale}'}."


def _expected(has_rates: bool) -> str:
    more = " For sums and means take the output rate." if has_rates else ""
    return (
        "The imputed expression is what to expect of a gene, zeros included: a third or more of the non-zero entries "
        "share one value, so the value of a gene where it is seen says no more than that it is seen. It is the output "
        f"value (imputation_target = value takes it for the imputed expression).{more}"
    )


def _batches(key: str, found: Mapping[str, float]) -> str:
    named = ", ".join(f"{name} (Cramér's V {v:.2f})" for name, v in found.items())
    return (
        f"The clusters divide by {named}. If that says which sample or batch a cell is of, and not what it was taken "
        f"from, load_batch_key = {key} corrects for it."
    )


def _cut_short(missing: int, of: int, diagnostics: bool, null_genes: bool) -> str:
    parts = [f"{'the' if missing == of else f'{missing} of {of}'} baselines"] if missing else []
    parts += ["the diagnostics"] if diagnostics else []
    said = [f"{' and '.join(parts)} were not computed (scgnn2 evaluate gives them)"] if parts else []
    if null_genes:
        said.append("the null genes were not computed (a run with --evaluate_null_genes gives them)")
    return f"Scoring was stopped: {'; '.join(said)}."


def _another_preset(preset: str, other: str, n: int, of: int, key: str, value: Any) -> str:
    what = "all but the name is" if n == of else f"{n} of {of} values are"
    return (
        f"The preset is {preset}, but {what} of preset {other} ({key} = {value} and so on): values that are set win "
        f"over the preset. Leave them out of the file of parameters to have {preset}."
    )


_WORDS: Mapping[tuple[Stage, Level], Mapping[str, Text]] = {
    ("load", "warning"): {
        "another_preset": _another_preset,
        "iterations_kept": "{error} The iterations before it are kept.",
        "first_cut_short": "Stopped before the first iteration was complete: its trainings were cut short.",
    },
    ("load", "info"): {
        "iteration_given_up": "Stopped during iteration {iteration}: it is given up for the earlier ones.",
    },
    ("preprocess", "info"): {
        "genes_named": "Kept the {n} expressed genes of {of} that {column} names.",
        "genes_dropped": _genes_dropped,
        "cells_of_quality": _cells_of_quality,
        "cells_dropped": "Dropped {n} of {of} cells: zero in more than {cutoff:.0%} of the {genes} kept genes.",
        "genes_of_variance": "Kept the {n} genes of highest variance (not logged) of {of}.",
        "empty": "{n} of the kept {what} have no expression at all; they stay, with LTMG state 0.",
        "held_out": "Held out {n} non-zero entries for early stops and the choice of the iteration.",
        "normalised_already": (
            "The data came logged and so normalised already: cells are not divided by their library sizes again."
        ),
        "size_factors": (
            "Cells were divided by their library size over the median ({median:g}); the factors go from "
            "{smallest:.3g} to {largest:.3g} and are put back on output."
        ),
    },
    ("preprocess", "warning"): {
        "many_cells_dropped": (
            "Dropped {n} of {of} cells: zero in more than {cutoff:.0%} of the {genes} kept genes. To keep more of "
            "them raise preprocess_cell_cutoff (1 keeps all)."
        ),
        "logged_counts": (
            "The data came as logarithms of counts that were never normalised: it was brought back to counts, so that"
            " cells can be divided by their library sizes."
        ),
        "benchmark": (
            "Benchmark: {n} non-zero entries ({share:g} of them) are hidden to score the imputation. For results of "
            "your own data set dropout_prob = 0."
        ),
    },
    ("LTMG", "info"): {
        "states_loaded": lambda asked: (
            "LTMG states were loaded, not computed." + " run_LTMG is on, but states that are given win." * asked
        ),
        "states_hidden": (
            "{n} loaded states belonged to hidden entries and were set to 0, because they would have given away that "
            "something is there."
        ),
        "states": "LTMG states go from 0 to {most}; {silent:.1%} of the expressed entries have state 0.",
    },
    ("LTMG", "warning"): {
        "states_written": (
            "The LTMG states in preprocessed_data are those of the training: the {n} held-out entries count as "
            "unexpressed and have state 0. For states of the whole matrix run scgnn2 ltmg, or set validation_share = "
            "0, selection = last and the patiences to 0."
        ),
        "states_empty": "All LTMG states are 0: nothing is expressed.",
        "states_of_ones": (
            "{ones:.0%} of the expressed entries are a count of 1. LTMG cuts each gene at its smallest positive "
            "value, which in counts is 1, and noise decides on which side of the cut a value of exactly 1 falls: "
            "about half of the ones get state 0, so they weigh as little as zeros in the feature autoencoder's loss. "
            "In sparse UMI data that can be more than half of all expressed entries. feature_AE_regu_strength 0 "
            "weighs all entries alike."
        ),
        "states_below_one": (
            "{below:.0%} of the expressed entries are below 1 in the data's unit, and LTMG gives those state 0. "
            "Counts, or values normalised to a larger total, carry more."
        ),
    },
    ("feature_AE", "warning"): {
        "task_lost": "No worker trained member {iteration} ({why}): it is trained here.",
        "no_effect": "{key} has no effect here: {why}.",
    },
    ("feature_AE", "info"): {
        "rates_trained": "The rate of every gene is trained beside its value: the median non-zero count is {median:g}.",
        "no_rates": _no_rates,
    },
    ("graph", "info"): {
        "graph_neighbours": "Cell graph: {n} neighbours of each cell",
        "batches_mixed": (
            "Batches among the {n} neighbours of a cell (iLISI): {after:.2f} with the correction, {before:.2f} without "
            "it, {by_chance:.2f} if cells of all batches were dealt out at random."
        ),
    },
    ("graph", "warning"): {
        "batches_apart": (
            "Nothing shows that these batches share types with the larger ones, whose cells do not vary as theirs do: "
            "{names}. They stay apart, as types would."
        ),
    },
    ("cluster_AE", "warning"): {
        "regu_strength_idle": (
            "cluster_AE_regu_strength has no effect, as in the published program: cluster_AE_reconstruction_weight, "
            "graph_weight, cell_type_weight and l1_weight are the weights of the loss."
        ),
    },
    ("clustering", "warning"): {
        "batches_undeclared": _batches,
        "clusters_by_depth": _by_depth,
        "no_convergence": "Affinity propagation did not converge; k-means is used instead.",
        "fewer_pieces": (
            "The tree of clusters has {most} pieces: clustering_n_clusters = {k} cannot be had. A larger "
            "clustering_resolution gives more."
        ),
        "fewer_clusters": "k-means was to make {k} clusters of {most} distinct cells; it makes {most}.",
    },
    ("clustering", "info"): {
        "clusters_merged": "{before} clusters: the smallest were merged, {after} remain.",
        "consensus": _consensus,
        "clusters_of_few_cells": _few_cells,
    },
    ("deconvolution", "info"): {
        "bulk_matched": _bulk_matched,
        "bulk_repeats": "{n} genes stand more than once in the bulk data, {first} for one; their values were averaged.",
        "bulk_every_gene": "Shares of clusters rest on all {n} genes that both have.",
    },
    ("deconvolution", "warning"): {
        "bulk_case": (
            "{n} of the {of} shared genes are written in another case in the bulk data than in the cells ({first} for"
            " one), as the symbols of human and mouse are: make sure that both are of one species."
        ),
        "bulk_without_held_out": (
            "Without held-out entries (validation_share 0) nothing says how far the bulk may be followed: the shares "
            "of the clusters are estimated, and the imputation stays as it is."
        ),
        "bulk_left_out": "{error} The bulk is left out of this iteration.",
        "bulk_stopped": "Stopped: the bulk samples are left out of this iteration.",
        "bulk_unlike": lambda samples: (
            f"Bulk samples that the clusters explain much worse than the others: {', '.join(samples)}. They "
            "may hold cell types that are not among the cells; do not read their shares as proportions."
        ),
        "bulk_cut_short": (
            "The bulk deconvolution was cut short: what it had not finished keeps the single-cell values."
        ),
    },
    ("output", "info"): {
        "zeros_left": _zeros_left,
        "imputed_is_expected": _expected,
        "csv_left_out": (
            "imputed.csv is not written for its size ({n:,} values): result.h5ad has them, and output_csv = yes "
            "writes it."
        ),
        "renamed_for_seurat": (
            "Seurat does not allow _ and | in names of genes: in seurat.rds the {n} genes that have them, {first} for"
            " one, have - instead."
        ),
        "figures_left_out": "Stopped: figures that were not drawn by then are left out (scgnn2 plot draws them).",
    },
    ("output", "warning"): {
        "bulk_in_value": (
            "The bulk expression is in the output value, not in the imputed expression, which is the expected one. "
            "imputation_target = value takes the other."
        ),
        "normalised_counts": (
            "A third or more of the non-zero entries of a cell share one value, as the ones of counts do once "
            "normalised. The imputed expression is the value of a gene where it is seen, which of such data says "
            "little more than that it is seen. Give the counts themselves, or take imputation_target = expected."
        ),
        "no_map": "No map of the cells: {error}",
        "no_figures": "No figures: {error}",
    },
    ("evaluate", "warning"): {
        "not_scored": "Baselines and diagnostics are left out. {error}",
        "not_evaluated": "The result is not evaluated: {error}",
        "scoring_cut_short": _cut_short,
        "null_genes_too_large": "Null genes are left out. {error}",
        "null_genes_failed": "Null genes are left out: {error}",
    },
    ("evaluate", "info"): {
        "baseline_failed": "Baseline {name} is left out: {error}",
        "no_null_genes": "No null genes: fewer than two genes are seen in {fewest} cells.",
        "null_genes_added": (
            "{n} permuted genes are added and all is imputed again, which takes up to as long as the run did; the "
            "result stays as it is."
        ),
        "null_genes_stopped": "The run was stopped: null genes are left out from here on.",
        "null_genes_without": "Null genes: {name} is left out: {error}",
    },
}
NOTICES: Mapping[str, Wording] = {
    code: Wording(stage, level, text) for (stage, level), texts in _WORDS.items() for code, text in texts.items()
}
"""Every notice that the engine yields. What readers and writers say of a file they say themselves."""


SCORES: Mapping[str, str] = {
    "cluster_count": "{:.0f} clusters",
    "ari_against_ground_truth": "ARI against labels {:.3f}",
    "ari_between_iterations": "ARI to the one before {:.3f}",
    "error_median": "median error at hidden entries {:.4f}",
    "error_rmse": "RMSE at hidden entries {:.4f}",
    "validation_error": "error at held-out entries {:.4f}",
    "graph_change": "graph change {:.4f}",
}


def iteration_said(scores: Mapping[str, float | None]) -> str:
    """The scores of an iteration that are known, the RMSE where the median error would mean nothing.

    Examples
    --------
    >>> iteration_said({"cluster_count": 7, "graph_change": 0.25, "error_median": float("nan"), "error_rmse": 0.5})
    '7 clusters, RMSE at hidden entries 0.5000, graph change 0.2500'
    """
    known = {name: value for name, value in scores.items() if value is not None and not math.isnan(value)}
    if "error_median" in known:
        known.pop("error_rmse", None)
    return ", ".join(text.format(known[name]) for name, text in SCORES.items() if name in known)


def ended_said(reason: str, iteration: int | None, run: str = "") -> str:
    """How a run ended.

    Examples
    --------
    >>> ended_said("total_epoch", 3)
    'Ended by total epoch; iteration 3 is returned.'
    """
    which = f"Run {run} ended" if run else "Ended"
    return f"{which} by {reason.replace('_', ' ')}; iteration {iteration} is returned."
