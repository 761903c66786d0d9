"""Priors whose denoiser, and so whose posterior, is known exactly: the truth to test against."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..measurement.checks import array_of, real_numbers
from ..measurement.signal import column
from .coloured import Coloured
from .prior import COLOURED, NOISE_MAPS, Law, Prior, tabulated


def gaussian(mean: Tensor, covariance: float | Tensor) -> Prior:
    """x0 ~ N(mean, covariance); mean (*shape).

    covariance: a number (isotropic), (*shape) (independent values), or a matrix (n, n) over the
    flattened signal. D = mean + C (C + sigma^2)^-1 (x - mean).
    """
    mean = real_numbers(mean, "a mean")
    covariance = real_numbers(covariance, "a covariance")
    n = mean.numel()
    if covariance.ndim == 2 and covariance.shape == (n, n) and mean.shape != (n, n):
        powers, axes = torch.linalg.eigh(covariance)
        powers = powers.clamp(min=0)
    else:
        powers, axes = covariance.expand(mean.shape).reshape(-1), None
    centre, powers_of, axes_of = _following(mean.flatten(), powers, axes)

    def denoise(x: Tensor, sigma: float | Tensor | Coloured) -> Tensor:
        m, w, v = centre(x), powers_of(x), axes_of(x)
        away = x.flatten(1) - m
        if isinstance(sigma, Coloured) or (v is not None and _is_map(sigma, x)):
            # C and the noise share no axes
            matrix = torch.diag(w) if v is None else (v * w) @ v.T
            total = matrix + _covariance(sigma, x)
            weighed = torch.linalg.solve(total, away[..., None])[..., 0]
            return (m + weighed @ matrix).reshape(x.shape)
        level = _level(sigma, x)
        shrink = w / (w + level**2)
        if v is None:
            return (m + shrink * away).reshape(x.shape)
        return (m + (away @ v * shrink) @ v.T).reshape(x.shape)

    def law(sigma: float) -> float:
        return (powers * sigma**2 / (powers + sigma**2)).mean().item()

    return _exact("gaussian", denoise, mean, powers.max().item() ** 0.5, law)


def mixture(weights: Tensor, means: Tensor, variance: float | Tensor) -> Prior:
    """x0 ~ sum_k weights_k N(means_k, variance_k I); means (components, *shape).

    variance: a number, or (components,). Nothing of size n x n is built.
    """
    means, weights = real_numbers(means, "means"), real_numbers(weights, "weights")
    variance = real_numbers(variance, "a variance").expand(len(means))
    if weights.shape != (len(means),) or (weights < 0).any() or not weights.sum() > 0:
        raise ValueError(
            f"a mixture of {len(means)} components needs as many weights, not negative"
        )
    flat, n = means.flatten(1), means[0].numel()
    weights = weights / weights.sum()
    span = _span(flat)
    (axes_of,) = _following(span)
    inside = flat @ span
    parts = _following(weights.log(), inside, variance, inside.square().sum(1))
    double, even = torch.empty(0, dtype=torch.float64), bool((variance == variance[0]).all())

    def denoise(x: Tensor, sigma: float | Tensor | Coloured) -> Tensor:
        if isinstance(sigma, Coloured):
            return rotated(x, sigma)
        if _is_map(sigma, x):
            return mapped(x, _level(sigma, x), flat.to(x.device))
        # components of one width differ only in the span of their means: there float32 is enough
        # to tell them apart, as what x has in common with all of them is never squared
        log_w, m, v, power = (part(double.to(x.device)) for part in parts)
        wide, s2 = x.flatten(1), _level(sigma, x).double() ** 2
        seen, total = wide if even else wide.double(), v + s2
        u = (seen @ axes_of(seen)).double()
        log_w = log_w + (u @ m.T - 0.5 * power) / total
        if not even:
            square = seen.square().sum(1, keepdim=True)
            log_w = log_w - 0.5 * (square / total + n * total.log())
        shares = torch.softmax(log_w, 1)
        keep = s2 / total  # of each component's mean; the rest is x
        rest = 1 - (keep[..., :1] if even else (shares * keep).sum(1, keepdim=True))
        denoised = rest.to(x.dtype) * wide
        return denoised.addmm_(((shares * keep) @ m).to(x.dtype), axes_of(x).T).reshape(x.shape)

    def rotated(x: Tensor, noise: Coloured) -> Tensor:
        """Components alike in all directions are so in the noise's own coordinates."""
        seen = noise.from_signal(x)
        centres = noise.from_signal(means.to(x.device, torch.float64)).flatten(1)
        level = noise.std.to(seen).expand(seen.shape).flatten(1)
        return noise.to_signal(mapped(seen, level, centres))

    def mapped(x: Tensor, level: Tensor, centres: Tensor) -> Tensor:
        """Noise that differs over the signal: each component weighs each value by its own."""
        log_w, _, v, _ = (part(double.to(x.device)) for part in parts)
        wide, s2 = x.flatten(1).double(), level.double() ** 2
        if even:  # the squares as products of matrices, nothing of (batch, components, n)
            total = v[0] + s2  # (batch, n)
            square = (1 / total) @ centres.square().T - 2 * (wide / total) @ centres.T
            shares = torch.softmax(log_w - 0.5 * square, 1)
            denoised = (shares @ centres * s2 + v[0] * wide) / total
            return denoised.to(x.dtype).reshape(x.shape)
        wide, s2 = wide[:, None], s2[:, None]
        total = v[:, None] + s2  # (batch, components, n)
        square = (wide - centres).square() / total + total.log()
        shares = torch.softmax(log_w - 0.5 * square.sum(2), 1)[..., None]
        each = centres + v[:, None] / total * (wide - centres)
        return (shares * each).sum(1).to(x.dtype).reshape(x.shape)

    def draw(count: int, generator: torch.Generator) -> Tensor:
        which = torch.multinomial(weights, count, True, generator=generator)
        noise = torch.randn(count, n, generator=generator, dtype=torch.float64)
        return flat[which] + variance[which, None].sqrt() * noise

    centre = weights @ flat
    width = (weights @ (flat - centre).square()).max() + variance.max()
    law = _error_law(lambda x, s: denoise(x, s), draw, width.sqrt().item())
    return _exact("mixture", denoise, means[0], width.sqrt().item(), law, centre.mean().item())


def dataset(points: Tensor) -> Prior:
    """The empirical prior on points (count, *shape): x0 is one of them, each as likely."""
    points = array_of(points, "points")
    return mixture(torch.ones(len(points)), points, 0.0)


def _span(means: Tensor) -> Tensor:
    """Orthonormal axes (n, r) of the span of means (components, n); all where it may be all."""
    if len(means) >= means.shape[1]:
        return torch.eye(means.shape[1], dtype=means.dtype)
    _, values, axes = torch.linalg.svd(means, full_matrices=False)
    rounding = means.shape[1] * torch.finfo(means.dtype).eps
    return axes[values > rounding * values[0]].T.contiguous()


def _following(*values: Tensor | None) -> list[Callable[[Tensor], Tensor | None]]:
    """For each float64 value a function: the value on the device and in the dtype of x, cached."""

    def follow(value: Tensor | None) -> Callable[[Tensor], Tensor | None]:
        cache: dict = {}

        def on(x: Tensor) -> Tensor | None:
            key = (x.device, x.dtype)
            if value is not None and key not in cache:
                cache[key] = value.to(x.device, x.dtype)
            return cache.get(key)

        return on

    return [follow(value) for value in values]


def _level(sigma: float | Tensor, x: Tensor) -> Tensor:
    """sigma as a number's tensor, a (batch, 1) column, or a map, (batch, n)."""
    sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device)
    if _is_map(sigma, x):
        return sigma.expand(x.shape).flatten(1)
    return column(sigma, x.flatten(1)) if sigma.ndim else sigma


def _covariance(sigma: Tensor | Coloured, x: Tensor) -> Tensor:
    """The covariance of noise with a map of levels, or of coloured noise; (batch, n, n)."""
    if not isinstance(sigma, Coloured):
        return torch.diag_embed(_level(sigma, x) ** 2)
    shape = sigma.from_signal(x[:1]).shape[1:]
    units = torch.eye(x[0].numel(), dtype=x.dtype, device=x.device)
    axes = sigma.to_signal(units.reshape(-1, *shape)).flatten(1)  # a coordinate each row
    power = sigma.std.to(x).expand(-1, *shape).flatten(1) ** 2
    return axes.T @ (power[..., None] * axes)


def _is_map(sigma: float | Tensor, x: Tensor) -> bool:
    return isinstance(sigma, Tensor) and sigma.ndim == x.ndim


def _error_law(denoise, draw, width: float) -> Law:
    """The mean square error of an exact denoiser as a law, measured when first asked for.

    256 draws at 48 levels: about 5 % in r^2, far inside what an isotropic law leaves out.
    """
    law: list[Law] = []

    def lazily(sigma: float) -> float:
        if not law:
            generator = torch.Generator().manual_seed(0)
            sigmas = torch.logspace(-3, 2, 48, dtype=torch.float64) * max(width, 1e-12)
            clean = draw(256, generator)
            noise = torch.randn(clean.shape, generator=generator, dtype=torch.float64)
            errors = [
                (denoise(clean + s * noise, s) - clean).square().mean().item() for s in sigmas
            ]
            law.append(tabulated(sigmas.tolist(), errors))
        return law[0](sigma)

    return lazily


def _exact(name, denoise, like: Tensor, width: float, law: Law, mean: float | None = None) -> Prior:
    """Noise levels from a thousandth to a hundred times the widest direction."""
    width = max(width, 1e-12)
    return Prior(
        denoise,
        tuple(like.shape),
        sigma_min=2e-3 * width,
        sigma_max=1e2 * width,
        mean=like.mean().item() if mean is None else mean,
        variance=law,
        card={"name": name, "kind": "exact"},
        offers=frozenset({NOISE_MAPS, COLOURED}),
    )
