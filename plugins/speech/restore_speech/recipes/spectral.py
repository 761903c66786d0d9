"""Speech given the recording, by networks of SGMSE+: Richter et al., TASLP 2023, arXiv:2208.05830.

In the variable u of `restore.networks.paths` their sampler begins at the recording with noise of
sigma_max and is predictor-corrector sampling with r = 0.5: the corrector is theirs, u + 2 r^2
(D - u) + 2 r sigma z, the predictor has the drift to the recording exactly where theirs is Euler's.
States tend to theirs as the steps go to many, they are not the same number by number. Networks of
StoRM (Lemercier et al., TASLP 2023, arXiv:2212.11851) begin at what their first stage predicts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restore.files.task import SamplerChoice, Task
from restore.priors.combined.latent import latent
from restore.priors.combined.tiled import tiled
from restore.priors.prior import Prior
from restore.samplers.base import Step
from restore.samplers.integrators.predictor_corrector import predictor_corrector

from ..conditional import TOLD, told
from ..priors import enhancer
from ..signals.spectrograms import BINS, FACTOR, Spectrograms

STEPS, SNR = 30, 0.5  # of their predictor-corrector sampler
TILE, OVERLAP = 2048, 128  # frames that one network call sees, and that tiles share


def predicted(recording: Tensor, *, dry: bool) -> Tensor:
    """What one call of speech-enhance makes of a recording, (channels, samples) at 16 kHz.

    The first stage of StoRM (Lemercier et al., TASLP 2023, arXiv:2212.11851), by our own network.
    """
    prior = told(enhancer().to(recording.device), recording[:, None], dry=dry)
    seed = torch.Generator(recording.device).manual_seed(0)
    noise = torch.randn(recording.shape[1:], generator=seed, device=recording.device)
    start = prior.sigma_max * noise.expand_as(recording)[:, None]  # one for all channels
    with torch.no_grad():
        return prior.denoise(start, prior.sigma_max)[:, 0]


def as_spectrograms(task: Task, prior: Prior, recording: Tensor) -> Task:
    """The task of a recording for a prior that is told, and gives, compressed spectrograms.

    task: of signals as the recording, (channels, samples) at 16 kHz. recording: what the prior is
    told, and where its sampler begins if it has no first stage of its own.
    TypeError for a prior that is told something else, or spectrograms of another front end.
    """
    name = prior.card.get("name", "this prior")
    if TOLD not in prior.offers:
        raise TypeError(f"{name} cannot be told {TOLD}; speech-enhance can")
    if prior.shape is None or tuple(prior.shape[:2]) != (2, BINS):
        raise TypeError(f"{name} is not of {BINS} frequencies at 16 kHz, which alone are known")

    given = heard(prior, recording)
    shared = len(recording) > 1
    choice = SamplerChoice(
        "shared-noise" if shared else "predictor-corrector",
        STEPS,
        chains=1,
        options={"integrator": as_published} if shared else {"snr": SNR},
        schedule=prior.schedule,
        init=given.begins,
        sigma_start=prior.sigma_max,
    )
    return replace(
        task,
        sampler=choice,
        adapt_prior=lambda prior: told_spectrograms(prior, given),
    )


@dataclass(frozen=True)
class Heard:
    """What a prior of spectrograms is told of a recording, and where its sampler begins."""

    front: Spectrograms
    told: Tensor  # (channels, 2, 256, frames); 4 with what a first stage predicts
    begins: Tensor  # (channels, samples), the recording, or the waveform of that prediction


def heard(prior: Prior, recording: Tensor) -> Heard:
    """A recording, (channels, samples) at 16 kHz, as a prior is told it.

    A prior with a first stage, whose signals lie about what that predicts, is told both.
    """
    assert prior.tell is not None
    tell, factor = prior.tell, prior.card.get("spectrogram factor", FACTOR)
    front = Spectrograms(recording.shape[1], recording.abs().max().item() or 1.0, factor)
    noisy = front.of(recording)

    def predicted(y: Tensor, sigma: float | Tensor) -> Tensor:
        mean = tell(noisy=y).mean
        return mean if isinstance(mean, Tensor) else y

    stage = tiled(Prior(predicted, (2, BINS, None)), TILE, OVERLAP)
    estimate = stage.denoise(noisy, prior.sigma_max)
    if torch.equal(estimate, noisy):
        return Heard(front, noisy, recording)
    return Heard(front, torch.cat([noisy, estimate], 1), front.waveform(estimate))


def told_spectrograms(prior: Prior, given: Heard) -> Prior:
    """The prior of (channels, samples) at 16 kHz, given a recording of as many.

    Its latents are (channels, 2, 256, frames): what a spectrogram has beyond that of the waveform
    where chains begin, so that they begin at zero; all channels of all chains go through one call.
    Long ones go through the network in tiles, cut at the same frames as what it is told.
    """
    assert prior.tell is not None
    tell, shift = prior.tell, given.front.of(given.begins)

    def beside(pair: Tensor, sigma: float | Tensor) -> Tensor:
        u, y = pair[:, :2], pair[:, 2:]
        return torch.cat([tell(noisy=y).denoise(u, sigma), y], 1)

    channels = 2 + given.told.shape[1]
    pairs = tiled(replace(prior, denoise=beside, shape=(channels, BINS, None)), TILE, OVERLAP)

    def denoise(x: Tensor, sigma: float | Tensor) -> Tensor:
        level = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(len(x))
        start, y = (
            part.to(x).expand(len(x), *part.shape).flatten(0, 1) for part in (shift, given.told)
        )
        both = torch.cat([x.flatten(0, 1) + start, y], 1)
        clean = pairs.denoise(both, level.repeat_interleave(len(shift)))[:, :2]
        return (clean - start).unflatten(0, (len(x), -1))

    spectral = replace(
        prior,
        denoise=denoise,
        shape=tuple(shift.shape),
        limit=len(shift) * channels * BINS * TILE,
        offers=frozenset(),
        tell=None,
        card={**prior.card, "told": TOLD},
    )
    return latent(spectral, given.front.of, given.front.waveform, shift=shift)


def as_published(denoise, measurement, x, sigmas, randn_like) -> Iterator[Step]:
    """Predictor-corrector sampling with the r of SGMSE+, as an integrator."""
    yield from predictor_corrector(denoise, measurement, x, sigmas, randn_like, snr=SNR)
