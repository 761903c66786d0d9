"""What is given in Python and is none of its kind is refused by name, before anything runs."""

import numpy as np
import pytest
import torch
from restore_operators import Blur, Mask, gaussian_kernel, random_mask

import restore

Y = torch.rand(1, 4, 4)
OPERATOR = Mask(torch.ones(1, 4, 4))
NOISE = restore.Gaussian(0.1)
PRIOR = restore.gaussian(torch.zeros(1, 4, 4), 1.0)
MEASUREMENT = restore.Measurement(Y, OPERATOR, NOISE)

PARTS = {
    "y of numpy": ((Y.numpy(), OPERATOR, NOISE), "y must be a torch tensor, got ndarray of float"),
    "y of pixels": (((255 * Y).byte(), OPERATOR, NOISE), "of uint8, 1x4x4; pixels of 0 to 255"),
    "y of truths": ((Y > 0.5, OPERATOR, NOISE), "floating-point numbers .* got Tensor of bool"),
    "y of a list": ((Y.tolist(), OPERATOR, NOISE), "y must be a torch tensor, got list"),
    "no y": ((None, OPERATOR, NOISE), "y must be a torch tensor, got NoneType"),
    "noise of a number": ((Y, OPERATOR, 0.1), r"restore.Gaussian\(0.05\), got float 0.1"),
    "no noise": ((Y, OPERATOR, None), "the noise must be a law of it"),
    "an operator's class": ((Y, Mask, NOISE), "must be a restore.Operator, got"),
    "a function as operator": ((Y, torch.neg, NOISE), "must be a restore.Operator"),
}


@pytest.mark.parametrize(("parts", "said"), PARTS.values(), ids=PARTS)
def test_a_measurement_is_made_of_its_parts(parts, said):
    with pytest.raises(TypeError, match=said):
        restore.Measurement(*parts)


@pytest.mark.parametrize("x", [Y.numpy(), (255 * Y).byte(), None], ids=["numpy", "pixels", "none"])
def test_a_simulated_signal_is_a_tensor_of_its_units(x):
    with pytest.raises(TypeError, match="x must"):
        restore.simulate(OPERATOR, NOISE, x)
    with pytest.raises(TypeError, match=r"Mask\(.*the input must"):
        OPERATOR(x)
    with pytest.raises(TypeError, match="the noise must be a law"):
        restore.simulate(OPERATOR, 0.1, Y)


@pytest.mark.parametrize("std", [None, "0.1", True, [None], object()])
@pytest.mark.parametrize(
    "law",
    ["Gaussian", "Poisson", "Transmission", "Rician", "Speckle", "LogSpeckle", "Clipped"],
)
def test_a_law_of_noise_is_told_numbers(law, std):
    with pytest.raises(TypeError, match=r"must (be a|hold) numbers?, got"):
        getattr(restore, law)(std)


RUNS = {
    "chains": ({"chains": 2.0}, TypeError, "chains must be a whole number, got float 2.0"),
    "no chains": ({"chains": 0}, ValueError, "chains must be at least 1, got 0"),
    "all chains": ({"chains": None}, TypeError, "chains must be a whole number, got NoneType"),
    "true chains": ({"chains": True}, TypeError, "chains must be a whole number, got bool True"),
    "steps": ({"steps": 3.0}, TypeError, "steps must be a whole number, got float 3.0"),
    "no steps": ({"steps": 0}, ValueError, "steps must be at least 1"),
    "seed": ({"seed": None}, TypeError, "seed must be a whole number, got NoneType"),
    "text as seed": ({"seed": "1"}, TypeError, "seed must be a whole number, got str '1'"),
    "batch": ({"batch_size": 1.5}, TypeError, "batch_size must be a whole number"),
    "no batch": ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
    "init": ({"init": Y.numpy(), "sigma_start": 1.0}, TypeError, "init must be a torch tensor"),
    "start": ({"init": Y, "sigma_start": "1"}, TypeError, "sigma_start must be a number"),
    "option": ({"guidance": None}, TypeError, "dps: guidance must be a number, got NoneType"),
    "text as option": ({"guidance": "1"}, TypeError, "dps: guidance must be a number, got str '1'"),
    "no option": ({"guidence": 1.0}, TypeError, "did you mean 'guidance'"),
}


@pytest.mark.parametrize(("given", "error", "said"), RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("run", [restore.sample, restore.iterate], ids=["sample", "iterate"])
def test_a_run_is_told_counts_levels_and_options_of_their_kind(run, given, error, said):
    if run is restore.iterate and "batch_size" in given:
        pytest.skip("iterate has no chunks")
    with pytest.raises(error, match=said):
        list(run(MEASUREMENT, PRIOR, "dps", **{"steps": 2, **given}))


@pytest.mark.parametrize("whole", [np.int64(2), torch.tensor(2)], ids=["numpy", "torch"])
def test_whole_numbers_of_any_library_are_counts(whole):
    posterior = restore.sample(MEASUREMENT, PRIOR, "dps", chains=whole, steps=whole, seed=whole)
    assert posterior.samples.shape == (2, 1, 4, 4)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((Y, PRIOR, "dps"), "need a restore.Measurement to sample from, got Tensor"),
        ((MEASUREMENT, "image-grey", "dps"), "as restore.load_prior gives, got str"),
        ((MEASUREMENT, None, "auto"), "the prior must be a restore.Prior"),
        ((MEASUREMENT, PRIOR, None), "the sampler must be a name or a function, got NoneType"),
        ((MEASUREMENT, PRIOR, 3), "the sampler must be a name or a function, got int 3"),
    ],
)
def test_a_run_is_of_a_measurement_a_prior_and_a_sampler(parts, said):
    with pytest.raises(TypeError, match=said):
        restore.sample(*parts, steps=2)


def test_a_prior_is_named_by_text_and_made_of_a_function():
    with pytest.raises(TypeError, match="a prior is named by text or a path, got NoneType"):
        restore.load_prior(None)
    with pytest.raises(TypeError, match=r"denoise must be a function D\(x, sigma\), got NoneType"):
        restore.Prior(None)
    with pytest.raises(TypeError, match="a prior's sigma_max must be a number, got NoneType"):
        restore.Prior(lambda x, sigma: x, sigma_max=None)


ANSWERS = {
    "one row for all": (lambda x, sigma: x[:1], ValueError, "gave 1x1x4x4 for a batch of 3x1x4x4"),
    "one value a signal": (lambda x, sigma: x.mean((1, 2, 3), keepdim=True), ValueError, "3x1x1x1"),
    "one axis less": (lambda x, sigma: x[:, 0], ValueError, "gave 3x4x4"),
    "nothing": (lambda x, sigma: None, TypeError, "must give a tensor, got NoneType"),
    "an output object": (lambda x, sigma: {"sample": x}, TypeError, "must give a tensor, got dict"),
    "numpy": (lambda x, sigma: x.numpy(), TypeError, "must give a tensor, got ndarray"),
}


@pytest.mark.parametrize(("denoise", "error", "said"), ANSWERS.values(), ids=ANSWERS)
def test_what_a_denoiser_answers_is_held_to_the_signal_s_shape(denoise, error, said):
    prior = restore.Prior(denoise, sigma_max=10.0)
    with pytest.raises(error, match=said):
        restore.sample(MEASUREMENT, prior, "diffpir", chains=3, steps=3)


@pytest.mark.parametrize("sampler", ["dps", "diffpir", "daps"])
def test_a_denoiser_that_works_in_place_changes_no_chain(sampler):
    def shrunk(x, sigma):
        return x / (1 + sigma**2)

    def shrink(x, sigma):
        return x.div_(1 + sigma**2)

    found = [
        restore.sample(MEASUREMENT, restore.Prior(d, sigma_max=10.0), sampler, chains=2, steps=4)
        for d in (shrunk, shrink)
    ]
    assert torch.equal(found[0].samples, found[1].samples)


def test_a_torn_state_says_what_to_do(tmp_path):
    torn = tmp_path / "run.checkpoint"
    for content in (b"", b"PK\3\4 torn", b"\x80\x04K\x01."):
        torn.write_bytes(content)
        with pytest.raises(ValueError, match=r"run.checkpoint is no saved state.*remove it") as met:
            restore.sample(MEASUREMENT, PRIOR, "dps", steps=2, checkpoint=torn)
        assert "weights_only" not in str(met.value)


CALLS = {
    "device": (lambda: restore.sample(MEASUREMENT, PRIOR, "dps", device=None), "named by text"),
    "watch": (lambda: restore.sample(MEASUREMENT, PRIOR, "dps", watch=3), "list of functions, got"),
    "integrator": (
        lambda: restore.sample(MEASUREMENT, PRIOR, "dps", integrator=3), "a sampler's name or"),
    "stack": (lambda: restore.stack([1, 2]), "stack takes restore.Measurements, got int 1"),
    "seed": (lambda: restore.simulate(OPERATOR, NOISE, Y, seed=None), "seed must be a whole"),
    "operator": (lambda: restore.load_operator(None), "an operator is named by text"),
    "product": (lambda: OPERATOR @ 3, "unsupported operand"),
    "sum": (lambda: OPERATOR + None, "unsupported operand"),
    "mask": (lambda: Mask(None), "a mask must be an array of numbers, got NoneType"),
    "random mask": (lambda: random_mask((4,), 0.5, seed=None), "seed must be a whole number"),
    "kernel": (lambda: Blur((1, 4, 4), None), "a kernel must be an array of numbers"),
    "width": (lambda: gaussian_kernel("1"), "the standard deviation must be a number, got str '1'"),
    "coverage": (lambda: POSTERIOR.interval("0.9"), "coverage must be a number"),
    "mean": (lambda: restore.gaussian(None, 1.0), "a mean must be a number, got NoneType"),
    "means": (lambda: restore.mixture(None, None, None), "means must be a number"),
    "points": (lambda: restore.dataset(None), "points must be an array"),
    "joint": (lambda: restore.joint(None), "need a restore.Prior, got NoneType"),
    "tiled": (lambda: restore.tiled("image-grey"), "need a restore.Prior, got str"),
    "latent": (lambda: restore.latent(None, None, None), "need a restore.Prior"),
    "conditioned": (lambda: restore.conditioned(None, None, None), "need a restore.Prior"),
    "deepinv": (lambda: restore.as_deepinv_denoiser(None), "need a restore.Prior"),
}  # fmt: skip
POSTERIOR = restore.sample(MEASUREMENT, PRIOR, "dps", chains=2, steps=1)


@pytest.mark.parametrize(("call", "said"), CALLS.values(), ids=CALLS)
def test_what_is_none_of_its_kind_is_one_type_error(call, said):
    with pytest.raises(TypeError, match=said) as met:
        call()
    assert "\n" not in str(met.value)
