"""What share of a bulk RNA-seq sample each cell type has: the deconvolution alone, in a second.

Run with ``python examples/bulk.py``. Cells and bulk are simulated: the bulk is a known mixture of the three cell types,
as another platform would see it, with a factor of its own for every gene. In a run (``scgnn2 run CELLS --use_bulk
--load_bulk_dataset BULK.csv``) the predicted clusters stand where the known types stand here.
"""

from __future__ import annotations

import numpy as np

import scgnn2_engine as sc2
from scgnn2_engine.bulk import bulk_shares, cluster_profiles
from scgnn2_engine.bulk.matching import match_bulk
from scgnn2_engine.data.dataset import Bulk

TRUTH = np.array([[0.6, 0.3, 0.1], [0.1, 0.1, 0.8], [0.0, 1.0, 0.0]])
"""Shares of the three types in three samples."""


def main() -> None:
    rng = np.random.default_rng(0)
    cells = sc2.simulate(n_obs=600, n_vars=2000, n_types=3, mean_count=2.0, marker_strength=2.0, seed=0)
    types = cells.obs["cell_type"].astype(str).to_numpy()

    profiles = cluster_profiles(cells.expression, types)  # means, and how well each is known
    platform = np.exp(rng.normal(0, 0.3, size=cells.n_vars))  # how differently the bulk's platform sees every gene
    bulk = Bulk(10 * (TRUTH @ profiles.means.T) * platform, np.array(["a", "b", "c"]), cells.var_names)

    matched = match_bulk(bulk, cells.var_names)  # by name, whatever the order, case or Ensembl version
    found = bulk_shares(matched.samples, profiles)
    for sample, name in enumerate(matched.names):
        shares = ", ".join(
            f"{kind} {share:.3f} (truth {truth:.1f})"
            for kind, share, truth in zip(profiles.clusters, found.weights[sample], TRUTH[sample], strict=True)
        )
        print(f"sample {name}: {shares}; ln platform factor sd {found.residual_sd[sample]:.2f}")
    print(f"largest error: {np.abs(found.weights - TRUTH).max():.3f}")


if __name__ == "__main__":
    main()
