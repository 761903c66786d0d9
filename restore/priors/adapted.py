"""A network fitted a little to one measurement: Barbano et al. 2023, arXiv:2308.14409.

Steerable conditional diffusion, for signals unlike those that the network was trained on.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..measurement.measurement import Measurement
from ..measurement.noise import Gaussian
from ..measurement.signal import ChainNoise
from .prior import Denoiser, Prior
from .schedules import geometric

MARGIN = 2.0  # one draw of the error stands for its law; see _surprising
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


@torch.enable_grad()
def adapted(
    prior: Prior,
    measurement: Measurement,
    *,
    rank: int = 4,
    levels: int = 20,
    iterations: int = 5,
    step_size: float = 1e-3,
    seed: int = 0,
) -> Prior:
    """The prior with low-rank changes W + B A of its network's layers that make A(D) meet y.

    Algorithm 1, with its own signal: from noise at sigma_max downwards, at each of `levels` the
    factors take `iterations` steps of Adam on the misfit of D, unless the noise and the error that
    the prior's law gives D explain it; then D is brought to the data (the proximal step) and
    noised to the next level. The paper goes on adapting inside every sample. Here the factors are
    fitted once, to the measurement, before sampling: one prior for all chains and levels, so that
    no chain depends on another.

    The given prior and its network are left as they were: the changed weights take their place
    for the length of a call only (so no two threads may share the network).

    rank: r of B (out, r) and A (r, in). step_size: of Adam, in the units of the weights.
    ValueError without a network with linear or convolutional layers, or for several observations.
    """
    if measurement.observations != 1:
        raise ValueError(f"adapt to one observation at a time, got {measurement.observations}")
    network = None if prior.network is None else LowRank(prior.network, rank, seed)
    if network is None or not network.names:
        raise ValueError("only a prior with a network of linear or convolutional layers adapts")
    measurement = measurement.to(network.factors[0].device)
    adam = torch.optim.Adam(network.factors, step_size)
    for x, sigma, width in _descending(prior, network, measurement, levels, seed):
        for _ in range(iterations):
            if not network.run(_Misfit(prior.denoise, measurement, x, sigma, width, network)):
                break
            adam.step()
    network.requires_grad_(False)
    return replace(
        prior,
        denoise=_changed(prior.denoise, network),
        network=network,
        card={**prior.card, "adapted": f"rank {rank}, to one measurement, seed {seed}"},
    )


def _descending(
    prior: Prior, network: "LowRank", measurement: Measurement, levels: int, seed: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """A signal on its way from sigma_max down by the network as it is at each level, the level,
    and a draw of the error that its denoised signal should have."""
    like = {"device": network.factors[0].device, "dtype": torch.float32}
    noise, table = ChainNoise(seed, [0]), geometric(prior.sigma_max, prior.sigma_min, levels)
    x = torch.as_tensor(prior.mean, **like).expand(1, *measurement.operator.in_shape)
    x = x + table[0].item() * noise(x)
    for level, level_next in zip(table.tolist(), table[1:].tolist()):
        sigma = torch.tensor(level, **like)
        yield x, sigma, prior.variance(level) ** 0.5 * noise(x)
        with torch.no_grad():
            denoised = network.run(lambda x=x, sigma=sigma: prior.denoise(x, sigma))
            estimate = measurement.proximal(denoised, prior.variance(level))
            x = estimate + level_next * noise(estimate)


@dataclass(frozen=True)
class _Misfit:
    """Sets the factors' gradients of -log p(y | D); False, and none, where D is as good as due."""

    denoise: Denoiser
    measurement: Measurement
    x: Tensor
    sigma: Tensor
    width: Tensor  # (1, *in_shape), one draw of x0 - D by the prior's own law
    network: "LowRank"

    def __call__(self) -> bool:
        denoised = self.denoise(self.x, self.sigma)
        found = denoised.detach()
        if not self._surprising(found):
            return False
        factors = list(self.network.factors)
        pull = self._pull(found)
        for factor, gradient in zip(factors, torch.autograd.grad(denoised, factors, -pull)):
            factor.grad = gradient
        return True

    def _surprising(self, found: Tensor) -> bool:
        """Whether the residual is over twice what the noise and D's own error make it."""
        measurement = self.measurement
        if not isinstance(measurement.noise, Gaussian):
            return True
        residual = measurement.residual(found)
        due = measurement.operator(found + self.width) - measurement.operator(found)
        variance = measurement.power(due)
        noise = torch.as_tensor(measurement.noise.std).square().mean().item()
        return measurement.power(residual).item() > MARGIN * (variance.item() + noise)

    def _pull(self, found: Tensor) -> Tensor:
        """The score of the measurement; without noise as if there were a thousandth of y."""
        return self.measurement.with_density.score(found)


class LowRank(nn.Module):
    """A network with factors B A to be added to the weights of its layers; B begins at zero."""

    def __init__(self, network: nn.Module, rank: int, seed: int):
        super().__init__()
        self.network = network
        layers = {n: m for n, m in network.named_modules() if isinstance(m, LAYERS)}
        self.names = [f"{name}.weight".removeprefix(".") for name in layers]
        generator = torch.Generator().manual_seed(seed)
        self.factors = nn.ParameterList()
        for layer in layers.values():
            out, inner = len(layer.weight), layer.weight[0].numel()
            a = torch.randn(rank, inner, generator=generator) / math.sqrt(inner)
            like = {"device": layer.weight.device, "dtype": layer.weight.dtype}
            self.factors.extend([nn.Parameter(torch.zeros(out, rank, **like)),
                                 nn.Parameter(a.to(**like))])  # fmt: skip

    def weights(self) -> dict[str, Tensor]:
        """The changed weights, by their names below `network`."""
        own = dict(self.network.named_parameters())
        pairs = zip(self.names, self.factors[::2], self.factors[1::2], strict=True)
        return {n: own[n].detach() + (b @ a).view_as(own[n]) for n, b, a in pairs}

    def run(self, function: Callable[[], Tensor]) -> Tensor:
        """function() with the changed weights in the network, which are put back after it."""
        changed = {f"network.{name}": weight for name, weight in self.weights().items()}
        return functional_call(_Holding(self.network), changed, (function,))


class _Holding(nn.Module):
    """Holds a network while a function runs."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, function: Callable[[], Tensor]) -> Tensor:
        return function()


def _changed(denoise: Denoiser, network: LowRank) -> Denoiser:
    def changed(x: Tensor, sigma: float | Tensor) -> Tensor:
        if torch.is_grad_enabled() and x.requires_grad:
            return _Changed.apply(x, sigma, denoise, network)
        return network.run(lambda: denoise(x, sigma))

    return changed


class _Changed(torch.autograd.Function):
    """D with the changed weights in place on the way back, too: tiles recompute there."""

    @staticmethod
    def forward(ctx, x: Tensor, sigma, denoise: Denoiser, network: LowRank) -> Tensor:
        with torch.enable_grad():
            ctx.x = x.detach().requires_grad_()
            ctx.denoised = network.run(lambda: denoise(ctx.x, sigma))
        ctx.network = network
        return ctx.denoised.detach()

    @staticmethod
    def backward(ctx, v: Tensor):
        pulled = ctx.network.run(
            lambda: torch.autograd.grad(ctx.denoised, ctx.x, v, retain_graph=True)[0]
        )
        return pulled, None, None, None
