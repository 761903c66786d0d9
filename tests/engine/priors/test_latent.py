"""The prior of latents: what it gives, whatever the sampler."""

from dataclasses import replace

import pytest
import torch
from problems import Copy, Dense, behind, load, orthonormal
from torch import nn

from restore.measurement.codec import Decoder, ThroughDecoder
from restore.measurement.measurement import Measurement, simulate
from restore.measurement.noise import Gaussian
from restore.measurement.operator import Operator
from restore.priors.combined.joint import joint
from restore.priors.combined.latent import latent
from restore.priors.combined.normalised import normalised
from restore.priors.exact import gaussian
from restore.priors.prior import Prior
from restore.samplers.parts.covariance import tangent
from restore.samplers.parts.latent_space import decoded, misfit
from restore.sampling.loop import iterate, sample
from restore.sampling.posterior import Posterior
from restore.sampling.watchers import Trace

DOUBLE = torch.float64
LATENTS, VALUES = 16, 24
RANGE = orthonormal(VALUES, LATENTS)
PRIOR = behind(RANGE, gaussian(torch.zeros(LATENTS), 1.0))


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def seen(std: float) -> Measurement:
    """Eight numbers of 24 values that have 16 latents."""
    operator = Dense(draw(8, VALUES) / VALUES**0.5)
    return simulate(operator, Gaussian(std), RANGE @ draw(LATENTS, seed=2))


class Pooling(nn.Module):
    """A codec of pictures: means of 4x4 blocks, bent; back by repetition."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.5))
        self.most = 0

    def encode(self, x):
        assert x.shape[-1] % 4 == x.shape[-2] % 4 == 0
        return torch.asinh(nn.functional.avg_pool2d(x, 4)) / self.weight

    def decode(self, z):
        self.most = max(self.most, len(z))
        return torch.sinh(self.weight * z).repeat_interleave(4, 2).repeat_interleave(4, 3)


def pictures(**options) -> tuple[Prior, Pooling]:
    codec = Pooling()
    plain = Prior(lambda z, sigma: z / (1 + sigma**2), (1, None, None), sigma_max=100.0)
    made = latent(plain, codec.encode, codec.decode, factor=4, network=codec, **options)
    return made, codec


def test_samples_are_decoded_and_the_latents_kept(tmp_path):
    measurement = seen(0.3)
    made = sample(measurement, PRIOR, load("dps"), chains=3, steps=5)
    assert made.shape == (VALUES,) and made.latents.shape == (3, LATENTS)
    torch.testing.assert_close(made.samples, made.latents @ RANGE.T.float())
    # 5 steps of 3 passes (value, gradient, length of the step), and the samples themselves
    assert made.provenance["decodes"] == 5 * 3 + 1 and made.provenance["encodes"] == 0
    made.save(tmp_path / "posterior")
    again = Posterior.load(tmp_path / "posterior")
    assert torch.equal(again.latents, made.latents) and torch.equal(again.samples, made.samples)
    assert made.widened(2.0).latents is None


def test_observations_of_a_stack_are_decoded_each(tmp_path):
    measurement = seen(0.3)
    two = Measurement(torch.cat([measurement.y, -measurement.y]), measurement.operator,
                      measurement.noise)  # fmt: skip
    made = sample(two, PRIOR, load("resample"), chains=3, steps=5)
    assert made.samples.shape == (2, 3, VALUES) and made.latents.shape == (2, 3, LATENTS)
    torch.testing.assert_close(
        made.observation(1).samples, made.observation(1).latents @ RANGE.T.float()
    )


@pytest.mark.parametrize("name", ["dps", "resample", "psld", "latent-daps", "latino"])
def test_pictures_of_odd_sizes_are_filled_up_and_cut(name):
    prior, _ = pictures()
    operator = Copy((torch.arange(63).reshape(1, 7, 9) % 2).float())
    measurement = simulate(operator, Gaussian(0.1), torch.ones(1, 7, 9))
    made = sample(measurement, prior, load(name), chains=6, steps=50)
    assert made.samples.shape == (6, 1, 7, 9) and made.latents.shape == (6, 1, 2, 3)
    # 1 is the noise; an encoder that averages what is known and what is not leaves up to 2
    assert measurement.chi_square(made.samples).median() < 4


def test_a_decoder_s_derivatives_are_those_of_the_whole():
    prior, codec = pictures(scale=0.4, shift=0.3)
    decoder = prior.codec.decoder((1, 7, 9))
    z, v, along = (
        draw(3, 1, 2, 3).float(),
        draw(3, 1, 7, 9).float(),
        draw(3, 1, 2, 3, seed=1).float(),
    )
    expected = codec.decode(z / 0.4 + 0.3)[..., :7, :9]
    torch.testing.assert_close(decoder(z), expected)
    for operator in (decoder, decoder.encoder):
        x, y = (z, v) if operator is decoder else (v, z)
        torch.testing.assert_close(operator.vjp(x, y), Operator.vjp(operator, x, y))
    through = ThroughDecoder(Copy(torch.full((1, 7, 9), 2.0)), decoder)
    forward = tangent(through, z)(along)
    dual = (forward * v).sum(), (through.vjp(z, v) * along).sum()
    torch.testing.assert_close(*dual, rtol=1e-4, atol=1e-4)


def test_encoding_what_was_decoded_gives_the_latents_back():
    prior, _ = pictures(scale=0.4, shift=0.3)
    decoder = prior.codec.decoder((1, 8, 12))
    z = draw(3, 1, 2, 3).float()
    torch.testing.assert_close(decoder.encoder(decoder(z)), z)


def test_a_decoder_never_takes_more_than_its_limit():
    """A limit of 200 values lets one signal through at a time (63 are 72 when filled up)."""
    measurement = simulate(Copy(torch.ones(1, 7, 9)), Gaussian(0.1), torch.ones(1, 7, 9))
    (whole, all_of), (part, few_of) = pictures(), pictures(limit=150)
    for name in ("dps", "resample"):
        one, other = (
            sample(measurement, p, load(name), chains=5, steps=6).samples for p in (whole, part)
        )
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert all_of.most == 5 and few_of.most == 2


def test_watchers_and_iterate_see_signals():
    measurement = seen(0.3)
    trace = Trace(measurement)
    sample(measurement, PRIOR, load("resample"), chains=2, steps=20, watch=[trace])
    assert trace.rows[-1]["chi_square"] < 1.1 < trace.rows[0]["chi_square"]
    step = next(iter(iterate(measurement, PRIOR, load("dps"), chains=2, steps=5)))
    assert step.x.shape == (2, LATENTS) and step.denoised.shape == (2, VALUES)


def test_a_warm_start_is_a_signal():
    measurement = seen(0.3)
    start = RANGE @ draw(LATENTS, seed=7)
    with torch.no_grad():
        made = sample(
            measurement, PRIOR, load("ancestral"), chains=2, sigmas=torch.tensor([1e-3, 0.0]),
            init=start, sigma_start=1e-3,
        )  # fmt: skip
    torch.testing.assert_close(made.samples, start.float().expand(2, -1), atol=0.01, rtol=0)


def test_what_is_no_latent_prior_is_refused_by_name():
    measurement = seen(0.3)
    for name in ("resample", "psld", "latent-dps", "latent-daps", "latino"):
        with pytest.raises(TypeError, match=f"{load(name).__name__} needs latent prior"):
            sample(measurement, gaussian(torch.zeros(VALUES), 1.0), load(name), steps=2)


def test_latent_goes_around_all_other_combinators():
    for made in (lambda: normalised(PRIOR, 0.0, 2.0), lambda: joint(PRIOR, PRIOR)):
        with pytest.raises(ValueError, match="latent goes around"):
            made()
    with pytest.raises(ValueError, match="already"):
        behind(RANGE, PRIOR)
    with pytest.raises(ValueError, match="channels"):
        latent(Prior(lambda x, sigma: x), lambda x: x, lambda z: z)


def test_sizes_that_do_not_fit_are_named():
    prior, codec = pictures()
    wrong = latent(replace(prior, codec=None), codec.encode, codec.decode, factor=2)
    measurement = Measurement(torch.ones(1, 8, 8), Copy(torch.ones(1, 8, 8)), Gaussian(0.1))
    with pytest.raises(ValueError, match="with a factor of 2 signals of"):
        sample(measurement, wrong, load("dps"), steps=2)
    fixed = replace(prior, codec=replace(prior.codec, latent=(1, 3, 3)))
    with pytest.raises(ValueError, match="the prior is for latents of"):
        sample(measurement, fixed, load("dps"), steps=2)


def test_a_codec_s_weights_move_with_the_prior():
    prior, codec = pictures()
    assert codec in list(prior.network.modules()) and prior.codec.dtype is torch.float32
    measurement = simulate(Copy(torch.ones(1, 8, 8)), Gaussian(0.1), torch.ones(1, 8, 8))
    made = sample(measurement, prior, load("resample"), chains=2, steps=4, precision="float64")
    assert made.samples.dtype is DOUBLE
    assert isinstance(prior.codec.decoder((1, 8, 8)), Decoder)


def test_a_mask_behind_a_decoder_counts_what_it_keeps():
    kept = (torch.arange(VALUES) % 3 == 0).double()
    measurement = simulate(Copy(kept), Gaussian(0.1), draw(VALUES))
    z = draw(4, LATENTS)
    through = measurement.through(PRIOR.codec.decoder((VALUES,)))
    torch.testing.assert_close(through.chi_square(z), measurement.chi_square(z @ RANGE.T))
    decoder = PRIOR.codec.decoder((VALUES,))
    torch.testing.assert_close(
        decoded(misfit(measurement), decoder)(z)[0], measurement.chi_square(z @ RANGE.T)
    )


@pytest.mark.parametrize("name", ["ddrm", "ald", "pnp-ula", "ddsmc"])
def test_what_needs_a_linear_operator_refuses_a_decoder(name):
    measurement = seen(0.3)
    with pytest.raises(TypeError, match="linear"):
        sample(measurement, PRIOR, load(name), steps=2)
