"""``scgnn2 markers``: every gene of a finished run, tested between groups of its cells."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

CLUSTERS = "scgnn2_cluster"


def add(commands: Any) -> None:
    """Add the command to the subparsers of the whole command line."""
    parser = commands.add_parser(
        "markers",
        help="genes that differ between groups of cells, on what was observed",
        allow_abbrev=False,
        description="Test every gene of the input between groups of the cells of a finished run, on the observed "
        "counts, never on imputed values: Wilcoxon's rank-sum test, or with --samples sums by sample and a moderated "
        "t-test. Writes one table of all groups; with --group also a volcano and an MA plot beside it.",
    )
    parser.add_argument("run", metavar="RUN", help="output folder of a run")
    parser.add_argument("--groups", default=CLUSTERS, metavar="COLUMN", help="column of obs (default: the clusters)")
    parser.add_argument("--group", default="", metavar="NAME", help="compare this group alone (default: each)")
    parser.add_argument("--against", default="", metavar="NAME", help="with this group (default: all other cells)")
    parser.add_argument("--samples", default="", metavar="COLUMN", help="column of obs that names samples: count them")
    parser.add_argument("--output", metavar="FILE", help="csv to write (default: markers.csv in the run's folder)")
    parser.add_argument("--overwrite", action="store_true")
    parser.set_defaults(act=_markers)


def _markers(arguments: argparse.Namespace) -> int:
    import pandas as pd

    from scgnn2_engine.errors import ParameterError
    from scgnn2_engine.io import refuse_existing, whole_file
    from scgnn2_engine.io.csv_writing import write_frame
    from scgnn2_engine.io.results.saved import read_observed
    from scgnn2_engine.markers import by_sample, rank_genes
    from scgnn2_engine.plots.differences import ma, volcano
    from scgnn2_engine.plots.saving import save_both

    if arguments.against and not arguments.group:
        raise ParameterError("--against needs --group.", expected="the two groups to compare")
    path = Path(arguments.output or Path(arguments.run) / "markers.csv")
    stems = {"volcano": path.with_name(f"{path.stem}_volcano"), "ma": path.with_name(f"{path.stem}_ma")}
    drawn = [stem.with_name(stem.name + form) for stem in stems.values() for form in (".html", ".png")]
    for file in (path, *(drawn if arguments.group else [])):
        refuse_existing(file, overwrite=arguments.overwrite)
    saved = read_observed(arguments.run)
    groups = _column(saved.obs, arguments.groups)
    chosen = {"only": arguments.group, "against": arguments.against}
    if arguments.samples:
        samples = _column(saved.obs, arguments.samples)
        names = [arguments.group] if arguments.group else sorted(set(groups))
        tables = [
            by_sample(saved.expression, groups, samples, saved.var_names, only=name, against=arguments.against)
            for name in names
        ]
        found = pd.concat(tables, ignore_index=True)
    else:
        found = rank_genes(saved.expression, saved.scale, groups, saved.var_names, **chosen)
    with whole_file(path) as temporary:
        write_frame(temporary, found)
    print(f"{path}: {found['group'].nunique()} groups x {len(saved.var_names)} genes")
    if arguments.group:
        title = f"{arguments.group} against {arguments.against or 'all other cells'}"
        for file in (*save_both(volcano(found, title=title), stems["volcano"]),
                     *save_both(ma(found, title=title), stems["ma"])):  # fmt: skip
            print(file)
    return 0


def _column(obs: Any, name: str) -> Any:
    from scgnn2_engine.errors import InputError

    if name not in obs:
        raise InputError(f"The run has no column {name!r}.", expected=f"one of {', '.join(map(str, obs.columns))}")
    return obs[name].astype(object).where(obs[name].notna(), "(none)").astype(str).to_numpy()
