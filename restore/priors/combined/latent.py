"""A prior of latents: the diffusion runs on z, the measurement is of the signal decode(z)."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor, nn

from ...measurement.codec import Codec
from ..prior import Prior, are_priors


def latent(
    prior: Prior,
    encode: Callable[[Tensor], Tensor],
    decode: Callable[[Tensor], Tensor],
    *,
    factor: int = 1,
    scale: float = 1.0,
    shift: float | Tensor = 0.0,
    network: nn.Module | None = None,
    limit: int = 2**20,
) -> Prior:
    """The prior of signals decode(z / scale + shift), z ~ prior; Rombach et al. 2022,
    arXiv:2112.10752.

    The measurement stays that of the signal: sampling puts the decoder behind its operator, so
    every sampler that asks for no more than gradients of it runs on latents unchanged, and gives
    back decoded signals, with the latents in `Posterior.latents`. A decoder is not linear:
    samplers that need an adjoint of the whole or a solve refuse it.

    prior: of z = scale (encode(x) - shift), in which its noise levels are told, too.
    encode, decode: (batch, *signal) -> (batch, *latent) and back.
    factor: of a signal's sizes over its latent's. Signals of other sizes are filled up at their
    far ends by their last values to be encoded, and cut where they were decoded.
    scale, shift: a variational autoencoder's scaling_factor and shift_factor.
    network: what encode and decode run, to be moved to the device with the prior's own; modules
    given as encode or decode are found. limit: most values of signals, chains together, in one
    call of either, which bounds their memory; gradients keep to it too.
    ValueError for a prior of unknown channels or of latents already, or a scale that is not
    positive.
    """
    are_priors(prior)
    if prior.codec is not None:
        raise ValueError("the prior is of latents already: compose the two decoders instead")
    if prior.shape is None or prior.shape[0] is None:
        raise ValueError(f"latents need a prior that knows its channels, got {prior.shape}")
    if not scale > 0 or factor < 1:
        raise ValueError(f"need a positive scale and factor, got {scale} and {factor}")
    modules = [m for m in (network, encode, decode) if isinstance(m, nn.Module)]
    weights = [w for module in modules for w in module.parameters() if w.is_floating_point()]
    codec = Codec(
        encode, decode, prior.shape, factor, float(scale), shift, limit,
        weights[0].dtype if weights else None,
    )  # fmt: skip
    parts = [m for m in (prior.network, *modules) if m is not None]
    return replace(
        prior,
        network=nn.ModuleList(parts) if parts else None,
        codec=codec,
        offers=prior.offers | {"latent prior"},
        card={**prior.card, "kind": "latent", "factor": factor, "scale": float(scale)},
    )
