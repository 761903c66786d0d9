"""Posterior sampling with latent diffusion: Rout et al., NeurIPS 2023, arXiv:2307.00619."""

from torch import Tensor

from ...measurement.codec import Decoder
from ...measurement.measurement import Measurement
from ...measurement.operator import LinearOperator, Operator
from ...measurement.signal import column, dot
from ...priors.prior import Denoiser, linearize
from ..guidance import guided
from ..parts.latent_space import of_signal
from ..parts.safe_steps import safe_step, shortened, widened


@guided(asks=("latent prior",))
def psld(
    denoise: Denoiser,
    measurement: Measurement,
    *,
    guidance: float = 1.0,
    gluing: float = 0.1,
) -> Denoiser:
    """Algorithm 2: DPS through the decoder, and a pull to latents that the data leave in place.

    The second term is the gradient of |E(D(z) + A^H (y - A D(z)) / |A|^2) - z|^2, with z the
    denoised latent, E and D encoder and decoder: where A^H A is a projection the signal in the
    brackets is D(z) with the measured part replaced. As in DPS here both terms are divided by
    their own mean square in place of their norm, and no step goes more than twice the way to the
    data. A Gaussian problem gets 10 (small noise) to 0.8 (large) times its variance. TypeError for
    an operator that is not linear.

    guidance: eta, weight of the likelihood. gluing: gamma, of the second term beside it.
    """
    signal, decoder = of_signal(measurement)
    if not isinstance(signal.operator, LinearOperator):
        raise TypeError(f"psld glues by an adjoint: it needs a linear operator, not {signal}")
    glue = _Glue(signal, decoder)

    def conditional(x, sigma):
        denoised, pullback = linearize(denoise, x, sigma)
        score, spread = widened(measurement, denoised)
        away = glue(denoised)
        power = column(dot(away, away) / away[0].numel(), away).clamp(min=1e-30)
        gradient = measurement.operator.vjp(denoised, score)
        gradient = gradient - gluing * glue.vjp(denoised, away / power)
        move = sigma**2 * pullback(gradient)
        return denoised + guidance * shortened(measurement, denoised, move, score, spread)

    return conditional


@guided(asks=("latent prior",))
def latent_dps(denoise: Denoiser, measurement: Measurement, *, guidance: float = 1.0) -> Denoiser:
    """DPS on latents, with the decoder as a part of the operator: PSLD without its gluing.

    A Gaussian problem gets 17 (small noise) to 1.1 (large) times its variance.

    guidance: eta, weight of the likelihood.
    """
    of_signal(measurement)

    def conditional(x, sigma):
        denoised, pullback = linearize(denoise, x, sigma)
        return denoised + guidance * safe_step(measurement, denoised, pullback, sigma)

    return conditional


class _Glue(Operator):
    """z -> E(D(z) + A^H (y - A D(z)) / |A|^2) - z."""

    def __init__(self, signal: Measurement, decoder: Decoder):
        super().__init__(decoder.in_shape, decoder.in_shape)
        self.signal, self.decoder = signal, decoder
        self.power = signal.operator.norm() ** 2

    def _replaced(self, z: Tensor) -> Tensor:
        x = self.decoder(z)
        return x + self.signal.operator.adjoint(self.signal.residual(x)) / self.power

    def _forward(self, x: Tensor) -> Tensor:
        return self.decoder.encoder(self._replaced(x)) - x

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        pulled = self.decoder.encoder.vjp(self._replaced(x), v)
        kept = pulled - self.signal.operator.normal(pulled) / self.power
        return self.decoder.vjp(x, kept) - v
