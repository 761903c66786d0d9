"""Every sampler on a GPU that is pretended: nothing left on the CPU, no look from the host."""

from collections import Counter

import pytest
import torch
from pretended_gpu import Faraway, PretendedGpu
from problems import load, names, posed, prior_for
from restore_operators import Blur

from restore.measurement.measurement import simulate
from restore.measurement.noise import Gaussian
from restore.networks.parameterisations import from_edm_bands
from restore.networks.unets.folded_unet import FoldedUNet
from restore.priors.coloured import BANDS
from restore.priors.prior import COLOURED, NOISE_MAPS, Prior
from restore.samplers.integrators.integrators import dpm_solver, heun
from restore.sampling.loop import iterate, sample

# The host looks, in each, at whether to go on: at every inner step of sitcom, which saves calls of
# the network; at one in eight of the others; once a level in tds, whether a matrix was positive.
LOOKING = {
    "sitcom": ("sitcom.py:sitcom", 19),
    "dcdp": ("dcdp.py:dcdp", 2),
    "resample": ("latent_space.py:descend", 12),
    "latent-daps": ("signal.py:minimise", 1),
    "tds": ("twist.py:_solve", 1),
    "free-hunch": ("signal.py:_excess", 3),  # every eighth of 30 conjugate gradients
}
STEPS = 6


@pytest.mark.parametrize("name", names())
def test_a_sampler_is_the_same_on_a_gpu_and_the_host_does_not_look(name):
    given = {"chains": 3, "steps": STEPS}
    expected = sample(posed(name), prior_for(name), load(name), **given)
    with PretendedGpu() as gpu:
        walk = iterate(posed(name), prior_for(name), load(name), device="meta", **given)
        last, before = next(walk), Counter(gpu.looks)
        for last in walk:
            assert isinstance(last.x, Faraway) and isinstance(last.denoised, Faraway)
        looks = gpu.looks - before
    states = expected.samples if expected.latents is None else expected.latents
    torch.testing.assert_close(last.x.here, states, rtol=1e-4, atol=1e-5)  # sums in another order
    place, most = LOOKING.get(name, ("", 0))
    assert all(look.endswith(place) for look in looks), looks
    assert looks.total() <= most * (STEPS - 1), looks


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dps", {"integrator": heun}),
        ("tmpd", {"integrator": dpm_solver}),
        ("dps", {"step": "paper"}),
        ("pigdm", {"step": "paper"}),
        ("mcg", {"step": "paper"}),
        ("daps", {"step": "paper"}),
        ("dds", {"tv_axis": 0}),
        ("cddb", {"deep": True}),
        ("tds", {"jacobian": False, "passes": 2}),
    ],
)
def test_so_are_their_other_ways(name, options):
    given = {"chains": 2, "steps": STEPS, **options}
    expected = sample(posed(name), prior_for(name), load(name), **given)
    with PretendedGpu() as gpu:
        walk = iterate(posed(name), prior_for(name), load(name), device="meta", **given)
        last, before = next(walk), gpu.looks.total()
        for last in walk:  # noqa: B007
            pass
        assert gpu.looks.total() == before
    torch.testing.assert_close(last.x.here, expected.samples, rtol=1e-4, atol=1e-5)


def test_so_is_the_exact_score_of_a_blur_by_a_network_that_is_told_bands():
    torch.manual_seed(0)
    network = FoldedUNet(1, widths=(4, 8), blocks=1, bands=BANDS)
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    shape, told = (1, 12, 16), frozenset({NOISE_MAPS, COLOURED})
    prior = Prior(from_edm_bands(network), shape, network=network, offers=told)
    measurement = simulate(Blur(shape, torch.ones(3, 3) / 9), Gaussian(0.1), torch.rand(shape))
    given = {"chains": 2, "steps": STEPS}
    expected = sample(measurement, prior, load("exact-score"), **given)
    with PretendedGpu() as gpu:
        walk = iterate(measurement, prior, load("exact-score"), device="meta", **given)
        last, before = next(walk), gpu.looks.total()
        for last in walk:  # noqa: B007
            pass
        assert gpu.looks.total() == before, gpu.looks
    torch.testing.assert_close(last.x.here, expected.samples, rtol=1e-3, atol=1e-4)


def test_the_driver_looks_at_the_end_of_a_chunk_only(tmp_path):
    prior = prior_for("dps")
    looks = []
    with PretendedGpu() as gpu:
        for steps in (5, 10):
            before = gpu.looks.total()
            found = sample(
                posed("dps"), prior, load("dps"), chains=4, steps=steps, batch_size=2,
                device="meta", checkpoint=tmp_path / "state",
            )  # fmt: skip
            looks.append(gpu.looks.total() - before)
    assert looks[0] == looks[1] <= 8  # y once; at each chunk's end its samples, and whether finite
    expected = sample(posed("dps"), prior, load("dps"), chains=4, steps=10, batch_size=2)
    torch.testing.assert_close(found.samples, expected.samples, rtol=1e-4, atol=1e-5)


def test_a_run_cut_off_on_a_gpu_goes_on_there(tmp_path):
    def cut(step, index, total):
        if index == 4:
            raise KeyboardInterrupt

    given = {"chains": 3, "steps": 9, "device": "meta", "checkpoint": tmp_path / "state"}
    with PretendedGpu():
        with pytest.raises(KeyboardInterrupt):
            sample(posed("fps"), prior_for("fps"), load("fps"), watch=[cut], **given)
        found = sample(posed("fps"), prior_for("fps"), load("fps"), **given)
    expected = sample(posed("fps"), prior_for("fps"), load("fps"), chains=3, steps=9)
    torch.testing.assert_close(found.samples, expected.samples, rtol=1e-4, atol=1e-5)


def careless(denoise, measurement, x, sigmas, randn_like):
    """What must not be done: a look at every level, and a tensor made on the CPU."""
    for sigma in sigmas[:-1].tolist():
        if (x - denoise(x, sigma)).abs().max() > 0:
            x = x + torch.zeros(len(x), 1)
        yield x


def test_the_pretended_gpu_meets_what_a_real_one_would():
    with PretendedGpu() as gpu:
        x = torch.zeros(2, 3, device="meta")
        with pytest.raises(RuntimeError, match="tensors left on the CPU"):
            list(careless(lambda x, s: x - 1, None, x, torch.tensor([1.0, 0.0]), None))
        assert gpu.looks.total() == 1
        assert (x[x > 0].tolist(), gpu.looks.total()) == ([], 3)
        with pytest.raises(TypeError, match="no array"):
            x.numpy()
    with pytest.raises(RuntimeError, match="switched off"):
        x + 1
