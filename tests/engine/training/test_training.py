import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from scgnn2_engine import resources
from scgnn2_engine.errors import ParameterError, TrainingError
from scgnn2_engine.events import drain
from scgnn2_engine.resources import GROWN, GrownMemory
from scgnn2_engine.training.devices import resolve_device, threads
from scgnn2_engine.training.loop import Plan, iterate_training
from scgnn2_engine.training.optimiser import adam
from scgnn2_engine.training.parallel import side_by_side

PROJECT = Path(__file__).resolve().parents[3]


def line(weight=0.0):
    """One weight w, no bias: the losses below are written in it."""
    network = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(weight)
    return network


def plan(n_epochs, **changes):
    return Plan("feature_AE", n_epochs=n_epochs, learning_rate=0.1, **changes)


def distance_to_three(network):
    return lambda batch: {"loss": (network.weight - 3).square().sum()}


def test_first_step_of_adam_is_the_learning_rate():
    network = line()
    trained = drain(iterate_training(network, distance_to_three(network), plan(1)))
    assert network.weight.item() == pytest.approx(0.1)
    assert trained.losses == {"loss": 9.0}
    assert (trained.n_epochs, trained.n_steps, trained.validation) == (1, 1, None)


def test_events_count_epochs_and_carry_all_parts():
    network = line()
    loss = lambda batch: {"loss": network.weight.sum() + 4, "part": network.weight.sum() + 1}  # noqa: E731
    events = list(iterate_training(network, loss, plan(3, iteration=2, cluster=7)))
    assert [(event.epoch, event.n_epochs, event.iteration, event.cluster) for event in events] == [
        (1, 3, 2, 7),
        (2, 3, 2, 7),
        (3, 3, 2, 7),
    ]
    assert events[0].losses == {"loss": 4.0, "part": 1.0}


def test_every_epoch_draws_each_sample_once_in_batches_of_equal_size():
    network, batches = line(), []

    def loss(batch):
        batches.append(batch)
        return distance_to_three(network)(batch)

    drain(iterate_training(network, loss, plan(2, batch_size=4), n_samples=10))
    assert [len(batch) for batch in batches] == [4, 3, 3, 4, 3, 3]
    first, second = torch.cat(batches[:3]), torch.cat(batches[3:])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(10))
    assert first.tolist() != second.tolist()


def test_one_batch_is_a_slice_not_a_copy():
    network, batches = line(), []

    def loss(batch):
        batches.append(batch)
        return distance_to_three(network)(batch)

    drain(iterate_training(network, loss, plan(1, batch_size=10), n_samples=10))
    assert batches == [slice(None)]


def test_batches_leave_the_global_random_state_alone():
    network = line()
    before = torch.get_rng_state()
    drain(iterate_training(network, distance_to_three(network), plan(2, batch_size=2), n_samples=5))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("max_steps", "n_epochs"), [(1, 1), (5, 2), (6, 2), (100, 4)])
def test_max_steps_is_kept_to_the_step(max_steps, n_epochs):
    network = line()
    steps = iterate_training(
        network, distance_to_three(network), plan(4, batch_size=2, max_steps=max_steps), n_samples=6
    )
    events = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as end:
            trained = end.value
            break
    assert trained.n_steps == min(max_steps, 12)
    assert len(events) == trained.n_epochs == n_epochs
    assert all(event.n_epochs == n_epochs for event in events)


def test_an_epoch_cut_short_reports_the_loss_of_all_samples():
    network = line()
    loss = lambda batch: {"loss": 0 * network.weight.sum() + len(batch)}  # noqa: E731
    losses = [
        event.losses["loss"]
        for event in iterate_training(network, loss, plan(9, batch_size=2, max_steps=4), n_samples=6)
    ]
    assert losses == [6.0, 6.0]


def test_stop_ends_after_the_epoch():
    network = line()
    assert drain(iterate_training(network, distance_to_three(network), plan(9), stop=lambda: True)).n_epochs == 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_stage_iteration_and_epoch(bad):
    network, calls = line(), []

    def loss(batch):
        calls.append(batch)
        return {"loss": network.weight.sum() * (bad if len(calls) == 3 else 1.0) + (bad if len(calls) == 3 else 0)}

    with pytest.raises(TrainingError, match=r"cluster_AE, cluster 4, iteration 2, epoch 3.*learning_rate") as caught:
        drain(iterate_training(network, loss, Plan("cluster_AE", 9, 0.1, iteration=2, cluster=4)))
    assert (caught.value.stage, caught.value.iteration, caught.value.epoch) == ("cluster_AE", 2, 3)


def test_patience_ends_training_and_restores_the_best_weights():
    network, checked = line(), []

    def score():
        checked.append(network.weight.item())
        return abs(network.weight.item() - 1.0)  # best near 1, on the way to 3

    trained = drain(iterate_training(network, distance_to_three(network), plan(1000, patience=2), validate=score))
    best = min(checked, key=lambda weight: abs(weight - 1))
    assert network.weight.item() == best
    assert trained.validation == abs(best - 1)
    assert trained.n_steps == 10 * (checked.index(best) + 3)
    assert len(checked) == checked.index(best) + 3


def test_without_patience_the_last_weights_stay_and_the_score_is_reported():
    network = line()
    events = list(iterate_training(network, distance_to_three(network), plan(20), validate=lambda: 5.0))
    assert [event.epoch for event in events if "validation" in event.losses] == [10, 20]
    assert network.weight.item() > 1


def test_tolerance_ends_training_when_the_loss_has_settled():
    network = line()
    trained = drain(iterate_training(network, distance_to_three(network), plan(5000, tolerance=1e-3)))
    assert trained.n_epochs < 5000
    assert trained.n_epochs % 10 == 0


def test_l1_is_reported_and_weighed_into_the_loss():
    network = line(2.0)
    event = next(iterate_training(network, distance_to_three(network), plan(1, l1_weight=0.5)))
    assert event.losses == {"loss": 1.0 + 0.5 * 2.0, "l1": 0.5 * 2.0}


def test_l1_in_one_pass_equals_torch_adam_on_the_penalised_loss():
    torch.manual_seed(0)
    ours, reference = torch.nn.Linear(300, 40), torch.nn.Linear(300, 40)
    with torch.no_grad():
        ours.weight[:3] = 0  # where the penalty's subgradient is 0
    reference.load_state_dict(ours.state_dict())
    optimiser, step = torch.optim.Adam(reference.parameters(), lr=1e-3), adam(ours, l1_weight=0.7)
    x = torch.rand(8, 300)
    for _ in range(25):
        optimiser.zero_grad()
        penalty = sum(parameter.abs().sum() for parameter in reference.parameters())
        (reference(x).square().sum() + 0.7 * penalty).backward()
        optimiser.step()
        ours(x).square().sum().backward()
        assert step(1e-3).item() == pytest.approx(penalty.item(), rel=1e-5)
    for mine, theirs in zip(ours.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=2e-6)


def test_threads_are_set_and_restored_even_after_an_error():
    before = torch.get_num_threads()
    with threads(before + 1) as used:
        assert used == torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with pytest.raises(KeyError), threads(before + 1):
        raise KeyError
    assert torch.get_num_threads() == before
    with threads(0) as used:
        assert used >= 1
    with pytest.raises(ParameterError, match="at least 0"), threads(-1):
        pass


def test_unknown_and_absent_devices_are_refused():
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(ParameterError, match=r"auto, cpu, cuda, mps.*'gpu'"):
        resolve_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(ParameterError, match=r"cuda is not available.*device = auto"):
            resolve_device("cuda")


def failing(n, error):
    yield from range(n)
    if error:
        raise error
    return n


def test_the_first_failing_task_in_order_is_the_one_reported():
    tasks = [failing(2, None), failing(3, ValueError("second")), failing(0, ValueError("third"))]
    with pytest.raises(ValueError, match="second"):
        drain(side_by_side(tasks, 3))


def test_closing_the_stream_ends_the_other_tasks_and_keeps_the_thread_setting():
    begun, ended, before = [], [], torch.get_num_threads()

    def endless(name):
        begun.append(name)
        try:
            while True:
                yield name
        finally:
            ended.append(name)

    stream = side_by_side([endless(0), endless(1)], 2)
    assert next(stream) == 0
    stream.close()
    assert sorted(ended) == sorted(begun)
    assert 0 in ended
    assert torch.get_num_threads() == before


def test_tasks_compute_on_one_thread_each():
    def count():
        torch.ones(100, 100) @ torch.ones(100, 100)
        yield torch.get_num_threads()

    def count_in_a_new_thread(into):
        thread = threading.Thread(target=lambda: into.append(torch.get_num_threads()))
        thread.start()
        thread.join()

    with threads(2):
        assert list(side_by_side([count(), count(), count()], 2)) == [1, 1, 1]
        assert torch.get_num_threads() == 2
        elsewhere = []
        count_in_a_new_thread(elsewhere)
        assert elsewhere == [2]


def test_l1_in_one_pass_gives_the_same_bytes_freshly_compiled_and_loaded_from_disk(tmp_path):
    program = (
        "import numpy as np; from scgnn2_engine.training.adam_l1 import update\n"
        "w, g, m, v = (np.random.default_rng(i).normal(size=10_007).astype(np.float32) for i in range(4))\n"
        "penalty = [update(w, g, m, v**2, step=i, learning_rate=1e-3, l1_weight=0.7) for i in range(1, 9)]\n"
        "print(penalty, hash((w.tobytes(), m.tobytes())))"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONHASHSEED": "0"}
    compiled, loaded = (
        subprocess.run(
            [sys.executable, "-c", program], env=environment, cwd=PROJECT, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    )
    assert list(tmp_path.rglob("*.nbc"))
    assert compiled == loaded


def test_a_training_too_short_for_a_check_is_scored_at_its_end_and_kept():
    network, checked = line(), []

    def score():
        checked.append(network.weight.item())
        return 1.0

    start = network.weight.item()
    trained = drain(iterate_training(network, distance_to_three(network), plan(4, patience=1), validate=score))
    assert len(checked) == 1
    assert trained.validation == 1.0
    assert network.weight.item() == checked[0] != start


def test_stop_is_not_asked_when_nothing_would_follow():
    asked = []

    def stop():
        asked.append(True)
        return False

    network = line()
    drain(iterate_training(network, distance_to_three(network), plan(3), stop=stop))
    assert len(asked) == 2


def test_one_cycle_rises_for_a_quarter_and_falls_to_nothing():
    line = torch.nn.Linear(1, 1, bias=False)
    moves = []

    def loss(batch):
        moves.append(line.weight.item())
        return {"loss": 1e6 * line.weight.sum()}

    plan = Plan("feature_AE", n_epochs=10, learning_rate=0.4, batch_size=3, max_steps=8, one_cycle=True)
    drain(iterate_training(line, loss, plan, n_samples=9))
    moves.append(line.weight.item())
    # Adam moves by the learning rate where the gradient is always the same.
    np.testing.assert_allclose(
        -np.diff(moves), 0.4 * np.array([1 / 2, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]), rtol=1e-3
    )


def test_memory_is_given_back_once_a_process_has_grown(monkeypatch):
    sizes, given = iter([100, 200, 100 + GROWN + 1, 50, 100]), []
    monkeypatch.setattr(resources, "give_back_memory", lambda: given.append(True))
    process = SimpleNamespace(memory_info=lambda: SimpleNamespace(rss=next(sizes)))
    monkeypatch.setattr(resources.psutil, "Process", lambda: process)
    memory = GrownMemory()
    memory.check()
    assert given == []
    memory.check()
    assert given == [True]
    memory.check()
    assert given == [True]
