"""Cov[x0 | x] in cosines: a first guess of it, corrected by what each call of the network shows.

Rissanen, Heinonen & Solin, ICLR 2025, arXiv:2410.11149, "Free Hunch".
"""

from math import pi

import torch
from torch import Tensor

from ...measurement.signal import column, dot, norm
from ...priors.prior import Denoiser, Law
from .covariance import Estimate

SLOPES = torch.linspace(0, 4, 41, dtype=torch.float64)  # that are tried
LEVELS = torch.logspace(-1.3, 1.3, 13, dtype=torch.float64)  # at which, in the signal's deviation
WIDE = 1e9  # a level at which no signal is seen any more
ENOUGH = 4096  # frequencies to fit a slope to
POSITIVE = 1e-3  # least cosine between a step and its image that is more than chance
FAR = 0.1  # of the noise: what D differs by over shorter steps, as Heun's corrections, is rounding


class Hunch:
    """C(sigma) = (P + I / sigma^2)^-1, P = diag(1 / spectrum) + W M W^T among cosines.

    P is the precision of x0 itself where it is Gaussian. There the paper's time update, which takes
    C from one level to the next, changes I / sigma^2 alone, and is exact. Its space update is a
    BFGS step: from two calls whose x differ by s and whose D by q / sigma^2, C s = q is known.

    spectrum: (*shape), positive, the variances of the cosines' coefficients. most: space updates,
    at most; each keeps two signals a chain.
    """

    def __init__(self, spectrum: Tensor, most: int):
        self.precision, self.most = 1 / spectrum, most
        self.memory: tuple = ()  # of the last call: sigma, cosines of x and of D, W and M

    def __call__(self, denoise: Denoiser, x: Tensor, sigma: float) -> Estimate:
        """N(D, C) at x, one call of the network; takes up what it shows."""
        denoised = denoise(x, sigma)
        here = cosines(x.to(denoised)), cosines(denoised)
        if self.memory:
            level, *held = self.memory
            *before, w, m = (value.to(denoised) for value in held)
            if sigma > level:  # P need not have an inverse there
                w, m = w[..., :0], m[:, :0, :0]
            elif w.shape[-1] < 2 * self.most:
                w, m = self._in_space(before, level, here, sigma, w, m)
        else:
            w = denoised.new_zeros(len(x), x[0].numel(), 0)
            m = denoised.new_zeros(len(x), 0, 0)
        self.memory = (sigma, *here, w, m)
        covariance = self._covariance(sigma, w, m)
        return Estimate(denoised, lambda v: signals(covariance(cosines(v.to(denoised)))))

    def _covariance(self, sigma: float, w: Tensor, m: Tensor):
        """v -> C v, by Woodbury's identity."""
        d = 1 / (self.precision.to(w) + sigma**-2)
        scaled = d.flatten()[:, None] * w
        inner = (torch.eye(m.shape[1]).to(m) + m @ (w.mT @ scaled)).double()
        inner = torch.linalg.solve_ex(inner, m.double()).result.to(w)  # no look at a GPU

        def times(v: Tensor) -> Tensor:
            u = d * v
            return u - (scaled @ (inner @ (w.mT @ u.flatten(1)[..., None]))).reshape(v.shape)

        return times

    def _in_space(self, before, level: float, here, sigma: float, w: Tensor, m: Tensor):
        """W and M after the BFGS step C + q q^T / q^T s - C s s^T C / s^T C s, for C^-1.

        The D of the call before is taken to this level as that of a Gaussian: by (1 / sigma^2 -
        1 / level^2) C (x - D). Where q^T s is not positive, or s short, the chain's P stays.
        """
        (x, denoised), (x_before, denoised_before) = here, before
        covariance = self._covariance(sigma, w, m)
        moved = (sigma**-2 - level**-2) * covariance(x_before - denoised_before)
        s, q = x - x_before, sigma**2 * (denoised - denoised_before - moved)
        g = (self.precision.to(w) + sigma**-2) * q  # C^-1 q
        g = g + (w @ (m @ (w.mT @ q.flatten(1)[..., None]))).reshape(q.shape)
        far = norm(s) > FAR * sigma * x[0].numel() ** 0.5
        known = far & (dot(q, s) > POSITIVE * norm(q) * norm(s))
        share = torch.where(known, 1 / torch.where(known, dot(q, s), 1), 0)
        lengths = norm(s).clamp(min=1e-30), norm(g).clamp(min=1e-30)
        pair = torch.stack([(v / column(n, v)).flatten(1) for v, n in zip((s, g), lengths)], -1)
        weights = m.new_zeros(len(m), m.shape[1] + 2, m.shape[1] + 2)
        weights[:, :-2, :-2] = m
        weights[:, -2, -2] = (share + share**2 * dot(q, g)) * lengths[0] ** 2
        weights[:, -2, -1] = weights[:, -1, -2] = -share * lengths[0] * lengths[1]
        return torch.cat([w, pair], -1), weights


def power_law(shape: torch.Size, law: Law) -> Tensor:
    """The variances of a signal's cosines, falling with a power of frequency; (*shape), float64.

    The signal's variance is the law's, and the slope, 0 (white) to 4, is the one with which a
    Gaussian signal's r^2(sigma) comes nearest to the law. Channels count as signals of their own.
    """
    frequency = _frequencies(shape)
    variance = law(WIDE)
    part = frequency.flatten().sort().values[:: max(1, frequency.numel() // ENOUGH)]
    tried = part ** -SLOPES[:, None]
    tried = variance * tried / tried.mean(1, keepdim=True)  # (slopes, frequencies)
    off = torch.zeros(len(SLOPES), dtype=torch.float64)
    for sigma in (variance**0.5 * LEVELS).tolist():
        r2 = (tried * sigma**2 / (tried + sigma**2)).mean(1)
        off += (r2 / law(sigma)).log().square()
    spectrum = frequency ** -SLOPES[off.argmin()]
    return (variance * spectrum / spectrum.mean()).expand(shape)


def _frequencies(shape: torch.Size) -> Tensor:
    """The frequency of each cosine, in half turns a value; the constant counts as half the next."""
    axes = _axes(shape)
    squares = torch.zeros((), dtype=torch.float64)
    for axis in axes:
        turns = torch.arange(shape[axis], dtype=torch.float64).clamp(min=0.5) / shape[axis]
        squares = squares[..., None] + turns**2
    return squares.sqrt()


def _axes(shape: torch.Size) -> range:
    """All but the first, the channels; a flat signal has one."""
    return range(min(1, len(shape) - 1), len(shape))


def cosines(x: Tensor) -> Tensor:
    """The orthonormal DCT-II along all axes of signals but their channels'; (batch, *shape)."""
    for axis in _axes(x.shape[1:]):
        x = _transformed(x.movedim(axis + 1, -1)).movedim(-1, axis + 1)
    return x


def signals(coefficients: Tensor) -> Tensor:
    """The inverse of `cosines`; (batch, *shape)."""
    x = coefficients
    for axis in _axes(x.shape[1:]):
        x = _untransformed(x.movedim(axis + 1, -1)).movedim(-1, axis + 1)
    return x


def _transformed(x: Tensor) -> Tensor:
    """By a real FFT of the even values, then the odd ones backward: Makhoul, 1980."""
    n = x.shape[-1]
    turned = torch.fft.rfft(torch.cat([x[..., ::2], x[..., 1::2].flip(-1)], -1)) * _turn(n, x)
    found = torch.cat([turned.real, -turned.imag[..., 1 : (n + 1) // 2].flip(-1)], -1)
    return found * _scale(n, x)


def _untransformed(c: Tensor) -> Tensor:
    n = c.shape[-1]
    c = c / _scale(n, c)
    mirrored = torch.cat([torch.zeros_like(c[..., :1]), c[..., 1:].flip(-1)], -1)
    half = torch.complex(c, -mirrored)[..., : n // 2 + 1] / _turn(n, c)
    found, x = torch.fft.irfft(half, n=n), torch.empty_like(c)
    x[..., ::2], x[..., 1::2] = found[..., : (n + 1) // 2], found[..., (n + 1) // 2 :].flip(-1)
    return x


def _turn(n: int, like: Tensor) -> Tensor:
    """exp(-i pi k / 2 n), k from 0 to n // 2."""
    angle = -pi / (2 * n) * torch.arange(n // 2 + 1, device=like.device, dtype=like.dtype)
    return torch.polar(torch.ones_like(angle), angle)


def _scale(n: int, like: Tensor) -> Tensor:
    scale = torch.full((n,), (2 / n) ** 0.5, device=like.device, dtype=like.dtype)
    scale[0] = n**-0.5
    return scale
