"""Impute, cluster and embed 700 real blood cells in a minute.

Run: ``python examples/quickstart.py [FOLDER]``. The data comes with scanpy; nothing is fetched.
"""

from __future__ import annotations

import sys
from pathlib import Path

import scgnn2_engine as sc2
from scgnn2_engine.events import IterationEnded, Notice, RunEnded


def main(folder: Path) -> None:
    cells = sc2.demo()
    params = sc2.RunParams(
        preset="default",
        total_epoch=2,  # two iterations of short trainings, for a first look; leave these four out for a real run
        feature_AE_epoch=[30, 15],
        graph_AE_epoch=40,
        cluster_AE_epoch=15,
        load_cell_type_labels="bulk_labels",  # a column of obs, for the scores only
    )
    for event in sc2.iterate(cells, params):
        match event:
            case Notice():
                print(event.message)
            case IterationEnded():
                print(f"iteration {event.iteration}: {event.scores['cluster_count']:.0f} clusters")
            case RunEnded():
                result = event.result

    print(result.metrics[["iteration", "ari_against_ground_truth", "cluster_count", "seconds", "selected"]])
    sc2.write(result, folder, params=params, overwrite=True)
    print(f"Everything is in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "outputs/quickstart"))
