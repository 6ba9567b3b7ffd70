"""The pictures of the Imputation tab: before, after, their difference, and the error at hidden entries."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scgnn2_app.results.run_data import RunData
from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.errors import InputError
from scgnn2_engine.plots.blocks import Blocks, block_means, blocks, entry_means
from scgnn2_engine.plots.chart import Chart
from scgnn2_engine.plots.heatmap import block_heatmap, by_mean, darkest, logged

BEFORE, AFTER, DIFFERENCE = "before", "after", "difference"
HIDDEN = "error at hidden entries"
MAX_ROWS, MAX_COLUMNS = 600, 1000
ENTRIES_PER_BLOCK = 6
"""Hidden entries that a block holds on average; a block with none says nothing."""

TITLES = {BEFORE: "Before imputation", AFTER: "After imputation", DIFFERENCE: "Change by imputation"}
MEANINGS = {
    BEFORE: "observed, ln(1 + expression)",
    AFTER: "imputed, ln(1 + expression)",
    DIFFERENCE: "|imputed − observed|, ln(1 + expression)",
    HIDDEN: "|imputed − true|, ln(1 + expression)",
}


def kinds(run: RunData) -> list[str]:
    """The pictures that a run has: the error at hidden entries first, where entries were hidden."""
    if not run.finished:
        return [BEFORE]
    return ([HIDDEN] if run.hidden_positions is not None else []) + [DIFFERENCE, BEFORE, AFTER]


def pictures(run: RunData) -> dict[str, Chart]:
    """All pictures of a run by kind; the genes stand in one order, largest mean difference first.

    Raises
    ------
    InputError
        The run is under way.
    """
    if not run.finished:
        raise InputError("There is nothing imputed yet.", advice="Wait for the run to be done.")
    imputed, expression = run.imputed(), run.expression

    def before(cells: npt.NDArray[np.int64]) -> Floats:
        return logged(expression, cells, run.scale)

    def difference(cells: npt.NDArray[np.int64]) -> Floats:
        return np.abs(imputed[cells] - before(cells))

    order = by_mean(difference, run.n_obs, run.n_vars)
    where = blocks(run.labels, order, max_rows=MAX_ROWS, max_columns=MAX_COLUMNS)
    found = {
        BEFORE: block_means(before, where),
        AFTER: block_means(lambda cells: imputed[cells], where),
        DIFFERENCE: block_means(difference, where),
    }
    together = darkest(np.concatenate([found[BEFORE].ravel(), found[AFTER].ravel()]))
    limits = {BEFORE: together, AFTER: together, DIFFERENCE: darkest(found[DIFFERENCE])}
    made = {kind: _drawn(run, kind, values, where, limits[kind]) for kind, values in found.items()}
    return made | ({HIDDEN: _hidden(run, order)} if run.hidden_positions is not None else {})


def _drawn(run: RunData, kind: str, values: Floats, where: Blocks, limit: float) -> Chart:
    what = "Error at hidden entries" if run.hidden_is_benchmark else "Error at held-out entries"
    title = f"{TITLES.get(kind, what)}: {run.n_obs:,} cells × {run.n_vars:,} genes"
    return block_heatmap(values, where, title=title, meaning=MEANINGS[kind], limit=limit)


def _hidden(run: RunData, order: npt.NDArray[np.int64]) -> Chart:
    """Blocks so large that most hold hidden entries, of which there are few."""
    assert run.hidden_positions is not None
    rows, cols = run.hidden_positions
    assert run.hidden_values is not None
    true, imputed = run.hidden_values
    errors = np.abs(imputed - true)
    n_blocks = max(4, len(rows) // ENTRIES_PER_BLOCK)
    shrink = min(1.0, (n_blocks / (min(run.n_obs, MAX_ROWS) * min(run.n_vars, MAX_COLUMNS))) ** 0.5)
    groups = len(np.unique(run.labels))
    max_rows = max(2 * groups, int(min(run.n_obs, MAX_ROWS) * shrink))
    where = blocks(
        run.labels, order, max_rows=max_rows + groups, max_columns=max(2, int(min(run.n_vars, MAX_COLUMNS) * shrink))
    )
    values = entry_means(rows, cols, errors, where)
    return _drawn(run, HIDDEN, values, where, darkest(values))
