import numpy as np
import pytest
import torch

from scgnn2_engine.data.prepared import HiddenEntries
from scgnn2_engine.errors import InputError, TrainingError
from scgnn2_engine.methods.autoencoder import Autoencoder, Inputs, encode
from scgnn2_engine.methods.published.feature_ae import fit_feature_ae, iterate_feature_ae
from scgnn2_engine.params import FeatureAEParams

N, G = 12, 20


@pytest.fixture
def x(rng):
    values = rng.gamma(2.0, 1.0, (N, G)).astype(np.float32)
    values[rng.random((N, G)) < 0.4] = 0
    return values


@pytest.fixture
def states(rng):
    return rng.integers(0, 3, (N, G)).astype(np.uint8)


def by_hand(weights, x):
    """The network in plain NumPy, float64."""
    for layer in ("encoder.0", "encoder.1", "decoder.0", "decoder.1"):
        x = np.maximum(x @ weights[f"{layer}.weight"].T.astype(np.float64) + weights[f"{layer}.bias"], 0)
        if layer == "encoder.1":
            z = x
    return z, x


def first_loss(x, **options):
    return next(iterate_feature_ae(x, **options)).losses["loss"]


def test_network_is_relu_after_every_layer(x):
    network = Autoencoder(G, seed=3)
    embedding, reconstruction = encode(network, x)
    z, y = by_hand(network.weights(), x)
    np.testing.assert_allclose(embedding, z, atol=1e-5)
    np.testing.assert_allclose(reconstruction, y, atol=1e-5)
    assert embedding.shape == (N, 128)
    assert (reconstruction == 0).any()
    assert reconstruction.min() == 0


def test_gradients_equal_those_of_plain_layers(x):
    network = Autoencoder(G, seed=1)
    plain = {name: value.detach().clone().requires_grad_() for name, value in network.named_parameters()}
    h = torch.from_numpy(x)
    for layer in ("encoder.0", "encoder.1", "decoder.0", "decoder.1"):
        h = torch.relu(torch.nn.functional.linear(h, plain[f"{layer}.weight"], plain[f"{layer}.bias"]))
    h.square().sum().backward()
    for times in (1, 2):  # the second time gradients are there already and must add up
        network(torch.from_numpy(x))[1].square().sum().backward()
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(parameter.grad, times * plain[name].grad, rtol=1e-4, atol=1e-5)


def test_loss_weighs_entries_by_state(x, states):
    weights = Autoencoder(G, seed=5).weights()
    _, y = by_hand(weights, x)
    found = first_loss(x, states=states, weights=weights, params=FeatureAEParams(regu_strength=0.9))
    assert found == pytest.approx(float(((y - x) ** 2 * (0.1 + 0.9 * states)).sum()), rel=1e-5)


def test_loss_with_a_target_is_the_plain_sum(x, rng):
    weights, target = Autoencoder(G, seed=5).weights(), rng.random((N, G)).astype(np.float32)
    _, y = by_hand(weights, x)
    assert first_loss(x, target=target, weights=weights) == pytest.approx(float(((y - target) ** 2).sum()), rel=1e-5)


@pytest.mark.parametrize("batch_size", [12800, 5])
def test_held_out_entries_weigh_nothing(x, states, batch_size):
    held_out = HiddenEntries(np.array([7, 2, 7, 11]), np.array([3, 0, 9, 19]), np.float32([1, 2, 3, 4]))
    params = FeatureAEParams(batch_size=batch_size, learning_rate=1e-9)
    weights = Autoencoder(G, seed=5).weights()
    _, y = by_hand(weights, x)
    weigh = 0.1 + 0.9 * states
    weigh[held_out.rows, held_out.cols] = 0
    found = first_loss(x, states=states, validation=held_out, weights=weights, params=params)
    assert found == pytest.approx(float(((y - x) ** 2 * weigh).sum()), rel=1e-4)

    changed = x.copy()
    changed[held_out.rows, held_out.cols] = 9
    kept = {"validation": held_out, "params": params, "weights": weights, "states": states}
    assert first_loss(x, target=changed, **kept) == first_loss(x, target=x, **kept)


def test_validation_score_is_the_mean_absolute_error_at_the_entries(x):
    held_out = HiddenEntries(np.array([7, 2]), np.array([3, 0]), np.float32([1, 2]))
    fit = fit_feature_ae(x, validation=held_out, n_epochs=3)
    assert fit.validation == pytest.approx(np.abs(fit.reconstruction[[7, 2], [3, 0]] - [1, 2]).mean())


def test_patience_never_gives_the_starting_weights_back(x):
    """Else an iteration whose training does not pay at once would repeat itself, and the loop take it for settled."""
    held_out = HiddenEntries(np.arange(N), np.arange(N), np.zeros(N, np.float32))  # worse with every step
    start = Autoencoder(G, seed=5)
    fit = fit_feature_ae(
        x + 1, validation=held_out, weights=start.weights(), n_epochs=100, params=FeatureAEParams(patience=2)
    )
    assert fit.n_epochs < 100
    assert not np.array_equal(fit.embedding, encode(start, x + 1)[0])


def test_training_lowers_the_loss(x):
    losses = [event.losses["loss"] for event in iterate_feature_ae(x, n_epochs=60)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("batch_size", [12800, 5])
def test_same_seed_same_bytes_and_no_global_random_state(x, states, batch_size):
    params = FeatureAEParams(batch_size=batch_size, dropout_prob=0.2)
    before = torch.get_rng_state()
    one, two = (fit_feature_ae(x, states=states, params=params, n_epochs=4, seed=9) for _ in range(2))
    assert one.reconstruction.tobytes() == two.reconstruction.tobytes()
    assert one.embedding.tobytes() == two.embedding.tobytes()
    assert torch.equal(before, torch.get_rng_state())
    other = fit_feature_ae(x, states=states, params=params, n_epochs=4, seed=10)
    assert other.reconstruction.tobytes() != one.reconstruction.tobytes()


def test_permuting_cells_permutes_results(x, states, rng):
    order = rng.permutation(N)
    one = fit_feature_ae(x, states=states, n_epochs=20)
    two = fit_feature_ae(x[order], states=states[order], n_epochs=20)
    np.testing.assert_allclose(two.reconstruction, one.reconstruction[order], atol=2e-3)


def test_warm_start_is_exact(x):
    fit = fit_feature_ae(x, n_epochs=3)
    again = Autoencoder(G, weights=fit.weights)
    assert all(np.array_equal(again.weights()[name], fit.weights[name]) for name in fit.weights)
    assert encode(again, x)[1].tobytes() == fit.reconstruction.tobytes()


def test_an_embedding_that_appears_in_the_input_changes_nothing_at_first(x, rng):
    weights, previous = Autoencoder(G, seed=2).weights(), rng.random((N, 16)).astype(np.float32)
    wider = Autoencoder(G, 16, weights=weights)
    assert wider.weights()["encoder.0.weight"].shape == (512, G + 16)
    np.testing.assert_allclose(encode(wider, x, previous)[1], encode(Autoencoder(G, weights=weights), x)[1], atol=1e-6)
    narrower = Autoencoder(G, weights=wider.weights())
    assert np.array_equal(narrower.weights()["encoder.0.weight"], weights["encoder.0.weight"])


def test_an_embedding_in_the_input_is_learned_from(x, rng):
    previous = rng.random((N, 16)).astype(np.float32)
    fit = fit_feature_ae(x, previous=previous, weights=Autoencoder(G, seed=2).weights(), n_epochs=3)
    assert fit.weights["encoder.0.weight"].shape == (512, G + 16)
    assert np.abs(fit.weights["encoder.0.weight"][:, G:]).max() > 0
    again = fit_feature_ae(x, previous=previous, weights=fit.weights, n_epochs=1)
    assert again.reconstruction.shape == (N, G)


def test_dropout_zeroes_the_share_and_scales_the_rest():
    inputs = Inputs(np.ones((100, 50), np.float32), None, torch.device("cpu"), dropout=0.25, seed=1)
    dropped = inputs.dropped(slice(None))
    assert dropped.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert inputs(slice(None)).min() == 1


def test_stop_after_one_epoch_gives_a_whole_result(x):
    fit = fit_feature_ae(x, n_epochs=50, stop=lambda: True)
    assert fit.n_epochs == 1
    assert np.isfinite(fit.reconstruction).all()


def test_max_steps(x):
    assert fit_feature_ae(x, n_epochs=50, params=FeatureAEParams(batch_size=5, max_steps=7)).n_epochs == 3


def test_nan_names_stage_iteration_and_epoch(x):
    x[3, 4] = np.nan
    with pytest.raises(TrainingError, match="feature_AE, iteration 5, epoch 1") as caught:
        fit_feature_ae(x, n_epochs=3, iteration=5)
    assert caught.value.stage == "feature_AE"


def test_shapes_that_do_not_fit_are_named(x):
    with pytest.raises(InputError, match=r"target does not fit.*\(12, 20\).*\(12, 19\)"):
        fit_feature_ae(x, target=x[:, 1:])
    with pytest.raises(InputError, match="weights do not fit"):
        fit_feature_ae(x, weights=Autoencoder(G + 1).weights())


def test_read_only_arrays_are_taken(x):
    x.setflags(write=False)
    assert fit_feature_ae(x, n_epochs=1).n_epochs == 1
