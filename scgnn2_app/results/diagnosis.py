"""What the numbers of a run mean, in sentences, and whether they are good."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from scgnn2_app.results.baseline_levels import IMPUTATION, not_computed, shown_name
from scgnn2_app.results.run_data import RunData
from scgnn2_engine import messages
from scgnn2_engine.results.result import method_at_hidden

Verdict = Literal["good", "look", "poor", ""]
WORDS: Mapping[Verdict, str] = {"good": "good", "look": "take a look", "poor": "poor", "": ""}
OWN = "scgnn2"
NOT_ALWAYS = ("Imputation", "Batches")
"""Topics of which a run may have nothing to say, or of which something else speaks."""
NOT_COMPUTED = "not computed"
"""The value of what a run was to measure and did not; what the run said tells why."""

DE_WARNING = messages.DE_WARNING.format(observed="observed values", values="ones")
ZEROS_LEFT = (
    "More than MAGIC does: where zeros mean something, take the layer scgnn2_zeros_kept, if the run has it, or the "
    "observed values."
)


@dataclass(frozen=True)
class Finding:
    """One number of a run.

    Attributes
    ----------
    topic
        Which part of the result it speaks of.
    name, value
        What was measured, and the number as text.
    verdict
        ``"good"``, ``"look"``, ``"poor"``, or ``""`` where a number alone says neither.
    sentence
        What it means, and why the verdict.
    """

    topic: str
    name: str
    value: str
    verdict: Verdict
    sentence: str


@dataclass(frozen=True)
class Rule:
    """How to read one diagnostic: the name people use, what it says, and its limits.

    ``good`` and ``poor`` are limits: with ``good`` above ``poor`` larger is better, otherwise smaller is.
    """

    topic: str
    name: str
    means: str
    good: float | None = None
    poor: float | None = None
    said: tuple[str, str, str] = ("", "", "")

    def read(self, value: float) -> tuple[Verdict, str]:
        """The verdict on a value, and the sentence."""
        if self.good is None or self.poor is None:
            return "", self.means
        good, look, poor = self.said
        larger_is_better = self.good > self.poor
        if value >= self.good if larger_is_better else value <= self.good:
            return "good", f"{self.means} {good}".strip()
        if value <= self.poor if larger_is_better else value >= self.poor:
            return "poor", f"{self.means} {poor}".strip()
        return "look", f"{self.means} {look}".strip()


SMOOTH = (
    "",
    "Some differences between cells may have been smoothed away: look for fine ones in the observed values.",
    "Cells have been smoothed into one another: take differences between cells from the observed values.",
)
ALIKE = (
    "",
    "Some differences between cells may have been smoothed away: check the clusters by marker genes (Genes).",
    "Cells have been smoothed into one another: do not rely on clusters that no marker gene tells apart (Genes).",
)
RULES: Mapping[str, Rule] = {
    "zeros_kept": Rule(
        "Zeros", "Zeros kept near 0", "Share of the observed zeros that were imputed below half of the smallest "
        "expression that was observed. Zeros left at exactly 0, of which the log may speak, are among them.",
    ),
    "mean_at_zeros": Rule("Zeros", "Mean at zeros", "Mean imputed value where nothing was observed, ln(1 + x)."),
    "variance_kept": Rule(
        "Smoothing", "Variance kept", "Median over the genes of the variance after imputation over that before.",
        0.3, 0.1, SMOOTH,
    ),
    "variance_kept_lowest": Rule(
        "Smoothing", "Variance kept, flattest genes", "The same at the 5 % of the genes that lost most."
    ),
    "feature_effective_rank": Rule(
        "Embeddings", "Dimensions used, feature embedding", "How many dimensions the feature embedding really uses.",
        5.0, 2.0, ("", "Few: subtle differences may be lost; check fine clusters by marker genes (Genes).",
                   "It has collapsed, cells lie on a line or a plane: do not rely on the clusters."),
    ),
    "graph_effective_rank": Rule(
        "Embeddings", "Dimensions used, graph embedding", "How many dimensions the graph embedding really uses.",
        3.0, 1.5, ("", "Few: subtle differences may be lost; check fine clusters by marker genes (Genes).",
                   "It has collapsed, cells lie nearly on a line: do not rely on the clusters."),
    ),
    "feature_mean_cosine": Rule(
        "Embeddings", "Likeness of cells, feature embedding", "Mean cosine of two cells; 1: all point the same way.",
        0.8, 0.95, ALIKE,
    ),
    "graph_mean_cosine": Rule(
        "Embeddings", "Likeness of cells, graph embedding", "Mean cosine of two cells; 1: all point the same way.",
        0.8, 0.95, ALIKE,
    ),
    "silhouette": Rule(
        "Clusters", "Silhouette", "How much nearer cells are to their own cluster than to the next one, −1 to 1, in "
        "the embedding that was clustered; on the principal components of the observed values, where the baselines are "
        "compared, it is another number.",
        0.5, 0.25, ("The clusters are well apart.", "The clusters touch: check them by marker genes (Genes).",
                    "There is little structure between them: trust those that marker genes tell apart (Genes)."),
    ),
    "purity": Rule("Clusters", "Edges within clusters", "Share of the cell graph's edges that stay within a cluster."),
    "purity_by_chance": Rule("Clusters", "The same by chance", "The share if the clusters were dealt out at random."),
    "purity_z": Rule(
        "Clusters", "Beyond chance", "Standard deviations between the two.", 10.0, 3.0,
        ("The clusters follow the graph.", "They follow the graph only in part: check them by marker genes (Genes).",
         "They do not follow the graph: do not rely on them."),
    ),
    "depth_between_clusters": Rule(
        "Clusters", "Depth between clusters", "Share of the differences in how many genes a cell shows that lies "
        "between the clusters; other clusterings of the same cells stand below.", 0.3, 1.01,
        ("", "Clusters differ in depth. Types may, but so do libraries, donors and damaged cells: look at the batches "
         "and at marker genes (Genes).", ""),
    ),
    "batch_mixing": Rule(
        "Batches", "Batches among neighbours", "iLISI: how many batches there are, as it were, among the neighbours of "
        "a cell; 1: its own alone. Types that one batch alone has keep it below what chance would give.",
    ),
    "batch_mixing_before": Rule("Batches", "Before the correction", "The same without the correction of batches."),
    "batch_mixing_by_chance": Rule("Batches", "By chance", "The same if the cells of all batches were dealt out."),
    "stability_of_iterations": Rule(
        "Stability", "Agreement of iterations", "Mean adjusted Rand index between the clusters of the iterations.",
        0.9, 0.7, ("The clusters have settled.", "They still change: try more iterations (total_epoch).",
                   "They have not settled: do not rely on them, and try more iterations (total_epoch)."),
    ),
    "stability_over_seeds": Rule(
        "Stability", "Agreement of seeds", "Mean adjusted Rand index between runs that differ in the seed alone.",
        0.9, 0.7, ("The clusters do not hang on chance.", "They hang on chance a little: compare a few seeds (Sankey).",
                   "They hang on chance: rely only on groups that all seeds find (Sankey)."),
    ),
    "correlation_observed": Rule("Correlation of genes", "Before", "Median |r| of two genes in the observed values."),
    "correlation_imputed": Rule("Correlation of genes", "After", "Median |r| of two genes in the imputed values."),
    "correlation_inflation": Rule(
        "Correlation of genes", "Inflation", "After over before.", 1.5, 3.0,
        ("Genes look about as related as they did.",
         "Genes look more related than they did: check it in the observed values.",
         "Genes look far more related than they did: take no network or module from imputed values."),
    ),
    "correlation_chance": Rule(
        "Correlation of genes", "By chance", "Median |r| of two genes without any relation, for so many cells."
    ),
    "pairs_only_imputed": Rule(
        "Correlation of genes", "False signals", "Share of the pairs of genes that stand out from permuted ones after "
        "imputation but not before.", 0.05, 0.25,
        ("", "Some relations are there in the imputed values alone: check those you use in the observed values.",
         "Too many relations are there in the imputed values alone: test relations of genes on the observed values."),
    ),
    "noise_floor": Rule(
        "Imputation", "Noise floor", "The error that perfect knowledge of every cell would leave: chance of sequencing."
    ),
}  # fmt: skip
"""Limits that are conventions (silhouette: Kaufman & Rousseeuw 1990) or say where a look is worth it; not tests."""


def findings(run: RunData) -> list[Finding]:
    """All that can be said of a run, by topic."""
    zeros, read = _zeros(run), _read(run.diagnostics)
    if zeros:  # which is the mean at zeros with a verdict: once is enough
        read = [one for one in read if one.name != RULES["mean_at_zeros"].name]
    return [*_errors(run), *zeros, *read, *_not_diagnosed(run), *_agreement(run)]


def counted(found: list[Finding]) -> dict[Verdict, int]:
    """How many findings there are of each verdict that is one."""
    kinds: tuple[Verdict, ...] = ("good", "look", "poor")
    return {kind: sum(finding.verdict == kind for finding in found) for kind in kinds}


def hidden_kind(evaluation: pd.DataFrame | None) -> tuple[str, str]:
    """Which entries of ``evaluation.csv`` were hidden, and what to call them; ``("", "")`` without any."""
    for kind, text in (("masked", "hidden entries"), ("held_out", "held-out entries")):
        if evaluation is not None and (evaluation["entries"] == kind).any():
            return kind, text
    return "", ""


def scores_at_hidden(run: RunData) -> tuple[pd.DataFrame, str, str]:
    """Methods and their errors at hidden entries, best first; the score that was taken, and what it is.

    Filling nothing in is left out: its error dwarfs all others. Empty where there is none.
    """
    kind, text = hidden_kind(run.evaluation)
    if run.evaluation is not None and kind:
        rows = run.evaluation[(run.evaluation["entries"] == kind) & (run.evaluation["method"] != "zeros")]
        for score, what in (("l1_median", "median |error|"), ("rmse", "root mean square error")):
            if score in rows and rows[score].notna().any():
                return rows.dropna(subset=score).sort_values(score)[["method", score]], score, f"{what} at {text}"
    return pd.DataFrame({"method": [], "l1_median": []}), "l1_median", ""


def _errors(run: RunData) -> list[Finding]:
    rows, score, what = scores_at_hidden(run)
    name = method_at_hidden(rows["method"])
    mine = rows.loc[rows["method"] == name, score]
    others = rows[~rows["method"].isin([OWN, name])]
    if mine.empty:
        return []
    own, missing = float(mine.iloc[0]), not_computed(IMPUTATION, set(others["method"]), run.record)
    which = "" if name == OWN else " of the output value, which is what hidden entries are compared with"
    if others.empty:
        if not was_to("evaluate_baselines", run):
            return []
        said = "There is nothing to compare it with: the baselines were not computed."
        return [Finding("Imputation", what.capitalize(), f"{own:.3g}", "", f"On ln(1 + x){which}. {said}")]
    best = others.iloc[0]
    ratio = own / float(best[score]) if best[score] > 0 else math.inf
    verdict: Verdict = "good" if ratio < 1 else "look" if ratio < 1.05 else "poor"
    said = f"{shown_name(best['method'])} does better: {best[score]:.3g}."
    if verdict == "good":
        of = "the baselines that were computed" if missing else "every baseline"
        said = f"Lower than that of {of}; the next is {shown_name(best['method'])} with {best[score]:.3g}."
    if missing:  # one of them may do better still
        verdict = "" if verdict == "good" else verdict
        said += f" Not computed: {', '.join(missing)}."
    return [Finding("Imputation", what.capitalize(), f"{own:.3g}", verdict, f"On ln(1 + x){which}. {said}")]


def _zeros(run: RunData) -> list[Finding]:
    table = run.evaluation
    if table is None or "l1_mean" not in table:
        return []
    rows = table[(table["entries"] == "zero") & table["method"].isin([OWN, "magic"])].set_index("method")["l1_mean"]
    if OWN not in rows or "magic" not in rows:
        return []
    own, magic = float(rows[OWN]), float(rows["magic"])
    verdict: Verdict = "good" if own <= magic else "look" if own <= 2 * magic else "poor"
    said = "No more than MAGIC does." if verdict == "good" else ZEROS_LEFT
    sentence = f"Mean imputed value at observed zeros, ln(1 + x); MAGIC puts {magic:.3g} there. {said}"
    return [Finding("Zeros", "Filling of zeros", f"{own:.3g}", verdict, sentence)]


def _read(table: pd.DataFrame | None) -> list[Finding]:
    if table is None:
        return []
    found = []
    for name, value, meaning in zip(table["name"], table["value"], table["meaning"], strict=True):
        rule = RULES.get(str(name), Rule("Other", str(name).replace("_", " "), str(meaning).capitalize() + "."))
        if isinstance(value, int | float) and math.isfinite(value):
            verdict, sentence = rule.read(float(value))
            found.append(Finding(rule.topic, rule.name, f"{value:.3g}", verdict, sentence))
        else:
            found.append(Finding(rule.topic, rule.name, "–", "", f"{rule.means} Not to be had here."))
    order = [*dict.fromkeys(rule.topic for rule in RULES.values()), "Other"]
    return sorted(found, key=lambda finding: order.index(finding.topic))


def was_to(switch: str, run: RunData) -> bool:
    """Whether a run was to do what a switch of its parameters says."""
    return bool(run.record.get("params", {}).get(switch))


def _not_diagnosed(run: RunData) -> list[Finding]:
    """A line for each topic where the diagnostics were asked for and are missing, so that none is taken for good."""
    if not was_to("evaluate_diagnostics", run) or (run.diagnostics is not None and len(run.diagnostics)):
        return []
    topics = [topic for topic in dict.fromkeys(rule.topic for rule in RULES.values()) if topic not in NOT_ALWAYS]
    sentence = "The diagnostics are missing; why is said below, under What the run said."
    return [Finding(topic, "Diagnostics", NOT_COMPUTED, "", sentence) for topic in topics]


def _agreement(run: RunData) -> list[Finding]:
    if run.metrics.empty or "selected" not in run.metrics:
        return []
    row = run.metrics[run.metrics["selected"].astype(bool)].iloc[0]
    found = []
    for column, name in (("ari_against_ground_truth", "ARI"), ("nmi_against_ground_truth", "NMI")):
        if column in row and pd.notna(row[column]):
            sentence = f"{name} between the clusters and the labels {run.truth_name or 'given'}: for display only."
            found.append(Finding("Labels", f"{name} against the labels", f"{row[column]:.3g}", "", sentence))
    return found


def stage_costs(record: Mapping[str, Any]) -> pd.DataFrame:
    """Seconds of every stage over all iterations, how often it ran, and its largest memory in GiB."""
    stages = pd.DataFrame(record.get("stages", []), columns=["stage", "iteration", "seconds", "peak_memory_bytes"])
    grouped = stages.groupby("stage", sort=False).agg(
        times=("seconds", "size"), seconds=("seconds", "sum"), peak=("peak_memory_bytes", "max")
    )
    grouped["peak memory (GiB)"] = (pd.to_numeric(grouped.pop("peak")) / 2**30).round(2)
    grouped["seconds"] = grouped["seconds"].astype(float).round(2)
    return grouped.reset_index()
