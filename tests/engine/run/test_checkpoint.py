"""A run that was ended at any moment goes on, and nobody can tell from its result."""

import os
import signal
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pytest

from scgnn2_engine import RunParams, simulate
from scgnn2_engine.errors import InputError, OutputError
from scgnn2_engine.events import DataPrepared, EpochEnded, StageEnded
from scgnn2_engine.results.storage import restore, store
from scgnn2_engine.run import folder as run_folder
from scgnn2_engine.run.folder import iterate_to_folder

QUICK = {
    "total_epoch": 2,
    "feature_AE_epoch": [4, 4],
    "graph_AE_epoch": 4,
    "cluster_AE_epoch": 3,
    "device": "cpu",
    "threads": 1,
    "output_figures": False,
    "evaluate_baselines": False,
    "evaluate_diagnostics": False,
}
TABLES = ("imputed.csv", "labels.csv", "graph_embedding.csv", "graph_edgeList.csv", "labels_history.csv", "losses.csv")


@pytest.fixture(scope="module")
def data():
    return simulate(n_obs=60, n_vars=40, n_types=2, seed=0)


def params(folder, **values):
    return RunParams(**{**QUICK, "output_dir": str(folder), **values})


def tables(folder):
    return {name: (folder / name).read_bytes() for name in TABLES}


@pytest.fixture(autouse=True)
def no_lock(monkeypatch):
    """A process that was killed holds no lock; a run that is only left here would go on holding its own."""
    monkeypatch.setattr(run_folder, "held", lambda directory: nullcontext())


def interrupted(data, run, at):
    """Leave a run after so many events, as a process that is killed leaves it."""
    steps = iterate_to_folder(data, run)
    for _ in range(at):
        next(steps)
    return steps  # closed by whoever called, once its folder has been looked at


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    events = list(iterate_to_folder(data, params(folder)))
    assert not (folder / "checkpoint").exists()
    return tables(folder), events


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.7, 0.95])
@pytest.mark.parametrize("values", [{}, {"preset": "paper", "run_LTMG": True}], ids=["default", "paper"])
def test_it_goes_on_where_it_was(data, undisturbed, tmp_path, share, values):
    if values:
        list(iterate_to_folder(data, params(tmp_path / "whole", **values)))
        whole = tables(tmp_path / "whole")
    else:
        whole = undisturbed[0]
    run = params(tmp_path / "run", **values)
    prepared = next(at for at, event in enumerate(undisturbed[1]) if isinstance(event, DataPrepared))
    left = interrupted(data, run, prepared + 9 + int(share * (len(undisturbed[1]) - prepared - 9)))
    with pytest.raises(OutputError, match=r"interrupted.*--resume.*--overwrite"):
        next(iterate_to_folder(data, run))
    list(iterate_to_folder(data, run, resume=True))
    assert tables(tmp_path / "run") == whole
    assert not (tmp_path / "run" / "checkpoint").exists()
    left.close()


def test_no_complete_stage_is_computed_again(data, undisturbed, tmp_path, monkeypatch):
    import scgnn2_engine.methods.denoising.method as denoising
    import scgnn2_engine.run.iteration as iteration

    run = params(tmp_path)
    place = max(place for place, event in enumerate(undisturbed[1]) if isinstance(event, StageEnded)
                and (event.stage, event.iteration) == ("cluster_AE", 2))  # fmt: skip
    left = interrupted(data, run, place + 2)
    computed = []

    def counted(module, name):
        original = getattr(module, name)

        def stage(*arguments, **options):
            yield from ()
            computed.append(name)
            return (yield from original(*arguments, **options))

        monkeypatch.setattr(module, name, stage)

    for module, name in (
        (denoising, "iterate_denoising"), (denoising, "iterate_denoising_clusters"),
        (iteration, "iterate_clustering"), (iteration, "iterate_graph_ae"),
    ):  # fmt: skip
        counted(module, name)
    events = list(iterate_to_folder(data, run, resume=True))
    assert computed == ["iterate_denoising", "iterate_graph_ae"]  # of iteration 2, after its clusters
    before = [event for event in undisturbed[1] if isinstance(event, EpochEnded)]
    assert [event for event in events if isinstance(event, EpochEnded)] == before
    left.close()


def test_checkpoints_of_another_run_are_refused(data, tmp_path):
    left = interrupted(data, params(tmp_path), 40)
    with pytest.raises(InputError, match="other values of seed"):
        list(iterate_to_folder(data, params(tmp_path, seed=5), resume=True))
    with pytest.raises(InputError, match="another matrix"):
        list(iterate_to_folder(simulate(n_obs=60, n_vars=40, n_types=2, seed=1), params(tmp_path), resume=True))
    list(iterate_to_folder(data, params(tmp_path, output_preprocessed=True), resume=True))  # that changes no stage
    left.close()


def test_it_begins_anew_where_that_is_asked_for(data, undisturbed, tmp_path):
    left = interrupted(data, params(tmp_path), 40)
    list(iterate_to_folder(data, params(tmp_path), overwrite=True))
    assert tables(tmp_path) == undisturbed[0]
    left.close()


def test_a_full_disk_costs_the_checkpoint_not_the_run(data, undisturbed, tmp_path, monkeypatch):
    import scgnn2_engine.run.checkpoint as checkpoint

    def full(path, value):
        if value and isinstance(value, tuple):
            raise OSError(28, "No space left on device")
        store(path, value)

    monkeypatch.setattr(checkpoint, "store", full)
    list(iterate_to_folder(data, params(tmp_path)))
    assert tables(tmp_path) == undisturbed[0]


def test_a_failing_last_step_leaves_what_was_computed(data, undisturbed, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise OutputError("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(run_folder, "write", broken)
        with pytest.raises(OutputError, match="full"):
            list(iterate_to_folder(data, params(tmp_path)))
    list(iterate_to_folder(data, params(tmp_path), resume=True))
    assert tables(tmp_path) == undisturbed[0]


def test_a_process_that_is_killed(tmp_path):
    """Of a real process, by the command line; the same command says how to go on."""
    flags = "--total_epoch 1 --feature_AE_epoch 3 3 --graph_AE_epoch 3 --threads 1 --no-output_figures"
    flags += " --no-evaluate_baselines --no-evaluate_diagnostics"
    command = [sys.executable, "-m", "scgnn2_engine", "run", "demo", "--output_dir", str(tmp_path), *flags.split()]
    unbuffered = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=unbuffered) as run:
        for _ in run.stdout:
            if (tmp_path / "checkpoint" / "0_feature_AE.npz").exists():
                break
        run.send_signal(signal.SIGKILL)
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode != 0
    assert "--resume" in again.stderr
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "result.h5ad").exists()


def test_what_is_stored_comes_back(tmp_path):
    value = {"a": (1, 2.5, None, True, "x"), 3: [np.arange(4), float("inf")]}
    store(tmp_path / "v.npz", value)
    found = restore(tmp_path / "v.npz", ())
    assert found["a"] == value["a"]
    assert found[3][0].tolist() == [0, 1, 2, 3]
    assert found[3][1] == float("inf")
    with pytest.raises(TypeError, match="can be stored"):
        store(tmp_path / "v.npz", {"a": object()})
    (tmp_path / "v.npz").write_bytes(b"PK\x03\x04 damaged")
    with pytest.raises(InputError, match="cannot be read"):
        restore(tmp_path / "v.npz", ())
