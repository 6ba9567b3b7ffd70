"""Several processes train one member as one process does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from scgnn2_engine.cli import main
from scgnn2_engine.data.simulation import simulate
from scgnn2_engine.io import dataset_to_anndata
from scgnn2_engine.methods.denoising.loss import GapLoss
from scgnn2_engine.methods.denoising.network import DenoisingAutoencoder
from scgnn2_engine.methods.denoising.observed import observe
from scgnn2_engine.methods.denoising.training import default_params
from scgnn2_engine.training.ranks import Ranks

FLAGS = ["--total_epoch", "1", "--feature_AE_epoch", "6", "6", "--feature_AE_batch_size", "50", "--device", "cpu"]
FLAGS += ["--threads", "1", "--quiet", "--no-evaluate_baselines", "--no-evaluate_diagnostics", "--no-output_figures"]


def test_parts_are_all_of_a_batch_once():
    for n in (0, 1, 5, 12):
        taken = [np.arange(n)[Ranks(rank, 5).part(n)] for rank in range(5)]
        assert np.concatenate(taken).tolist() == list(range(n))
        assert max(map(len, taken)) - min(map(len, taken)) <= 1


class Told(Ranks):
    """A rank whose sums are those of a run before: what the others have is added to its own."""

    others: torch.Tensor

    def sum(self, values):
        return values + self.others


@pytest.mark.parametrize("batch", [slice(None), torch.tensor([7, 3, 0, 12, 9])])
def test_the_shares_of_the_ranks_add_up_to_the_loss_and_its_gradient(batch):
    counts = simulate(20, 30, n_types=2, seed=0).expression.toarray()
    observed = observe(np.log1p(counts), counts=True)
    params = default_params()

    def share(ranks):
        network = DenoisingAutoencoder(30, counts=True, dropout=params.layer_dropout, seed=1).train()
        losses = GapLoss(network, observed, params, torch.device("cpu"), 2, ranks)(batch)
        losses["loss"].backward()
        return losses["loss"].item(), torch.cat([p.grad.reshape(-1) for p in network.parameters()])

    whole, gradient = share(None)
    parts = []
    for rank in range(3):
        ranks = Told(rank, 3)
        cells = torch.arange(20)[batch]
        seen = [len(np.flatnonzero(counts[cells[Ranks(other, 3).part(len(cells))]])) for other in range(3)]
        object.__setattr__(ranks, "others", torch.tensor(float(sum(seen) - seen[rank])))
        parts.append(share(ranks))
    assert sum(loss for loss, _ in parts) == pytest.approx(whole, rel=1e-6)
    torch.testing.assert_close(sum(gradient for _, gradient in parts), gradient, rtol=1e-4, atol=1e-6)


def feature_losses(folder: Path) -> list[float]:
    events = map(json.loads, (folder / "events.jsonl").read_text("utf-8").splitlines())
    return [event["losses"]["loss"] for event in events if event.get("stage") == "feature_AE" and "losses" in event]


@pytest.mark.slow
def test_two_processes_lose_what_one_does(tmp_path):
    dataset_to_anndata(simulate(160, 60, n_types=2, seed=0)).write_h5ad(tmp_path / "cells.h5ad")
    run = ["run", str(tmp_path / "cells.h5ad"), *FLAGS, "--output_dir"]
    assert main([*run, str(tmp_path / "one")]) == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    launch = ["--nnodes", "1", "--nproc-per-node", "2", "--master-addr", "127.0.0.1", "--master-port", port]
    command = [sys.executable, "-m", "torch.distributed.run", *launch, "-m", "scgnn2_engine", *run]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, str(tmp_path / "two")], env=environment, check=True)
    one, two = feature_losses(tmp_path / "one"), feature_losses(tmp_path / "two")
    assert len(one) == 12
    np.testing.assert_allclose(two, one, rtol=1e-4)
    labels = [(tmp_path / name / "labels.csv").read_text("utf-8") for name in ("one", "two")]
    assert labels[0] == labels[1]


def test_ranks_do_not_resume(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["run", "demo", "--resume", "--output_dir", str(tmp_path / "out")]) == 2
    assert "--resume goes on in one process" in capsys.readouterr().err
