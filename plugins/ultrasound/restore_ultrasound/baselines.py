"""Classical answers: non-local means, total variation, anisotropic diffusion, a clutter filter.

Frames are brightness, (1, rows, columns), 0 to 1; sequences (frames, rows, columns).
"""

import numpy as np
import torch
from torch import Tensor

from .operators.companding import RANGE, companded, expanded, mu_of


def nlm(y: Tensor, *, strength: float = 0.08) -> Tensor:
    """Non-local means of brightness (Buades et al., CVPR 2005), by scikit-image.

    strength: h, the distance in brightness at which patches count as others.
    """
    from skimage.restoration import denoise_nl_means

    made = denoise_nl_means(y[0].numpy().astype(np.float64), 5, 7, strength, fast_mode=True)
    return torch.from_numpy(made)[None].to(y.dtype)


def tv(y: Tensor, *, weight: float = 0.08) -> Tensor:
    """Total variation of brightness (Chambolle, JMIV 2004), by scikit-image."""
    from skimage.restoration import denoise_tv_chambolle

    made = denoise_tv_chambolle(y[0].numpy().astype(np.float64), weight=weight)
    return torch.from_numpy(made)[None].to(y.dtype)


def srad(y: Tensor, *, steps: int = 60, step: float = 0.05, mu: float = mu_of(RANGE)) -> Tensor:
    """Speckle-reducing anisotropic diffusion of the envelope (Yu & Acton, IEEE TIP 2002).

    dI = div(c grad I) with c = 1 / (1 + (q^2 - q0^2) / (q0^2 (1 + q0^2))); q is the instantaneous
    coefficient of variation (equation 31), q0 = exp(-t / 6) that of speckle (equation 37).
    """
    image = expanded(y[0].double(), mu) + 1e-3
    for number in range(steps):
        up, down, left, right = _neighbours(image)
        gradient = sum((n - image).square() for n in (up, down, left, right)) / image.square()
        laplacian = (up + down + left + right - 4 * image) / image
        q2 = (gradient / 2 - laplacian.square() / 16) / (1 + laplacian / 4).square()
        q02 = np.exp(-number * step / 6) ** 2
        c = (1 / (1 + (q2.clamp_min(0) - q02) / (q02 * (1 + q02)))).clamp(0, 1)
        _, c_down, _, c_right = _neighbours(c)
        flow = c_down * (down - image) + c * (up - image) + c_right * (right - image)
        image = image + step / 4 * (flow + c * (left - image))
    return companded((image - 1e-3).clamp(0, 1), mu)[None].to(y.dtype)


def low_rank_removed(frames: Tensor, rank: int = 1, *, mu: float = mu_of(RANGE)) -> Tensor:
    """Sequences without their `rank` largest singular components: an SVD clutter filter.

    (frames, rows, columns) of brightness; Demene et al., IEEE TMI 2015: what hardly changes over
    time is taken for clutter. In the envelope's own domain, magnitudes of what is left.
    """
    if not 0 < rank < len(frames):
        raise ValueError(
            f"of {len(frames)} frames 1 to {len(frames) - 1} components go, not {rank}"
        )
    casorati = expanded(frames.flatten(1).double(), mu)
    u, s, vh = torch.linalg.svd(casorati, full_matrices=False)
    left = (u[:, rank:] * s[rank:]) @ vh[rank:]
    return companded(left.abs().clamp(max=1), mu).reshape(frames.shape).to(frames.dtype)


def _neighbours(image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Up, down, left and right of each pixel; at the edges itself."""
    return (
        torch.cat([image[:1], image[:-1]]),
        torch.cat([image[1:], image[-1:]]),
        torch.cat([image[:, :1], image[:, :-1]], 1),
        torch.cat([image[:, 1:], image[:, -1:]], 1),
    )


BASELINES = {"nlm": nlm, "tv": tv, "srad": srad}
