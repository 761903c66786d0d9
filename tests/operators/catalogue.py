"""Every operator of the library, at small odd sizes: whoever adds one gets every law."""

from math import pi

import torch
from restore_operators import (
    AlongAxis,
    Bayer,
    BilinearBlur,
    Blur,
    ChannelsToComplex,
    Clip,
    Downsample,
    FanBeam,
    Fourier,
    Gamma,
    Identity,
    Mask,
    Matrix,
    Pad,
    Radon,
    Separable,
    Take,
    Wavelet,
    box_kernel,
    box_mask,
    disc_kernel,
    gaussian_kernel,
    grey,
    motion_kernel,
    random_mask,
    thick_slices,
)
from restore_operators.pixels.padding import BOUNDARIES

from restore.measurement.operator import LinearOperator
from restore.measurement.stacking import Stacked

COMPLEX = torch.complex128


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


MOTION = motion_kernel(4.3, 33)  # of no rank one, 5x3
LEANING = random(4, 2).softmax(0) - 0.1  # of even size, no symmetry, no rank one
HUGE = gaussian_kernel(1.1) + 0.1 * random(9, 9)  # 9x9, larger than the images it meets here
COLOURS = torch.stack([gaussian_kernel(0.9), gaussian_kernel(0.5, 9), disc_kernel(4)])
FLAT = box_kernel(3)


def views(count: int, arc: float = pi) -> torch.Tensor:
    return torch.arange(count, dtype=torch.float64) * arc / count


GANTRY = {"source_radius": 11.0, "detector_radius": 7.0, "pitch": 1.4}
# name: every path of a projector: folded by eight, four and two, plain, and without a matrix
PROJECTORS = {
    "radon": Radon((2, 6, 6), views(8)),
    "radon, odd": Radon((1, 7, 7), views(4), 7),
    "radon, no rectangle's square": Radon((1, 5, 8), views(6), 9),
    "radon, bare": Radon((8, 5), views(5), 8),
    "radon, offset": Radon((1, 6, 6), views(12), 7, pitch=0.7, offset=0.3, pixel=1.3),
    "radon, whole turn": Radon((1, 5, 5), views(8, 2 * pi), offset=0.25),
    "radon, any angles": Radon((2, 5, 6), random(7), pitch=2.3),
    "radon, one view": Radon((1, 5, 6), [0.3]),
    "radon, short detector": Radon((3, 6, 5), views(4), 3),
    "radon, no matrix": Radon((2, 6, 5), views(6), 9, pitch=0.6, offset=-0.4, memory_limit=0),
    "fan, flat": FanBeam((1, 6, 6), views(8, 2 * pi), 11, **GANTRY),
    "fan, curved": FanBeam((2, 5, 6), views(5, 2 * pi), 9, curved=True, offset=0.3, **GANTRY),
    "fan, no matrix": FanBeam((1, 5, 6), views(5, 2 * pi), 9, memory_limit=0, **GANTRY),
    "fan, curved, no matrix": FanBeam(
        (1, 6, 5), views(4, 4.0), 8, curved=True, pixel=0.8, memory_limit=0, **GANTRY
    ),
}

# name: (operator, dtype of its signals in double precision)
LINEAR: dict[str, tuple[LinearOperator, torch.dtype]] = {
    "identity": (Identity((2, 3)), torch.float64),
    "mask": (Mask(random_mask((5, 7), 0.4), (3, 5, 7)), torch.float64),
    "mask, box": (Mask(box_mask((1, 6, 5), (1, 2, 3, 2))), torch.float64),
    "mask, weights": (Mask(random(3, 1, 4), (3, 5, 4)), torch.float64),
    "mask, complex weights": (Mask(random(2, 3, 5, dtype=COMPLEX)), COMPLEX),
    "matrix, wide": (Matrix(random(3, 7)), torch.float64),
    "matrix, tall": (Matrix(random(7, 4)), torch.float64),
    "matrix, deficient": (Matrix(random(5, 2) @ random(2, 4)), torch.float64),
    "matrix, complex": (Matrix(random(3, 5, dtype=COMPLEX)), COMPLEX),
    "matrix, real on complex": (Matrix(random(5, 5)), COMPLEX),
    "channels mixed": (Matrix(random(2, 3), (3, 4, 5)), torch.float64),
    "grey": (grey((3, 3, 5)), torch.float64),
    "take": (Take((4, 3, 2), 1, 3), torch.float64),
    "channels to complex": (ChannelsToComplex((4, 3, 2)), torch.float64),
    "fourier, even and odd": (Fourier((2, 4, 5)), COMPLEX),
    "fourier, volume": (Fourier((3, 4, 3), axes=3), COMPLEX),
    "fourier mask": (Mask(random_mask((5, 4), 0.5), (1, 5, 4)) @ Fourier((1, 5, 4)), COMPLEX),
    "fourier mask, two channels": (
        Mask(random_mask((5, 6), 0.5, seed=1), (1, 5, 6))
        @ (Fourier((1, 5, 6)) @ ChannelsToComplex((2, 5, 6))),
        torch.float64,
    ),
    "separable": (Separable((2, 5, 4), random(3, 5), random(4, 4)), torch.float64),
    "along an axis": (AlongAxis(random(3, 4), (2, 3, 4, 2), -2), torch.float64),
    "along an axis, complex": (AlongAxis(random(5, 3, dtype=COMPLEX), (3, 4), 0), COMPLEX),
    "thick slices": (thick_slices((2, 6, 3, 2), 3), torch.float64),
    "thick slices, profile": (
        thick_slices((1, 8, 2), 2, 1, torch.tensor([1.0, 2, 4, 3, 1])),
        torch.float64,
    ),
    "wavelet": (Wavelet((1, 8, 12), 2), torch.float64),
    "wavelet, complex": (Wavelet((2, 4, 6), 1, 2), COMPLEX),
    "scaled": (-2.5 * Blur((1, 5, 6), MOTION), torch.float64),
    "joint": (Blur((1, 5, 4), FLAT) @ Take((2, 5, 4), 0, 1) + Take((2, 5, 4), 1, 2), torch.float64),
    "stacked": (Stacked([grey((3, 4, 4)), Bayer((3, 4, 4))]), torch.float64),
    "adjoint": (Downsample((1, 6, 4), 2, boundary="zero").H, torch.float64),
}
LINEAR |= {
    f"bayer {pattern}": (Bayer((3, 5, 4), pattern), torch.float64)
    for pattern in ("RGGB", "BGGR", "GRBG", "GBRG")
}
for boundary in BOUNDARIES:
    blurs = {
        "pad": Pad((2, 3, 4), (5, 1), (0, 9), boundary),
        "pad, one pixel": Pad((1, 1, 1), (2, 1), (0, 2), boundary),
        "blur, separable": Blur((3, 7, 6), FLAT, boundary=boundary),
        "blur, motion": Blur((1, 8, 5), MOTION, boundary=boundary),
        "blur, even kernel": Blur((1, 5, 8), LEANING, boundary=boundary),
        "blur, other origin": Blur((1, 5, 8), LEANING, boundary=boundary, origin=(0, 1)),
        "blur, larger than the image": Blur((1, 5, 4), HUGE, boundary=boundary),
        "blur, a kernel a channel": Blur((3, 6, 7), COLOURS, boundary=boundary),
        "blur, a row": Blur((1, 1, 9), torch.ones(1, 3) / 3, boundary=boundary),
        "downsample by 2": Downsample((3, 6, 10), 2, boundary=boundary),
        "downsample by 3": Downsample((1, 9, 6), 3, boundary=boundary),
        "downsample, box": Downsample((1, 8, 4), 4, box_kernel(4), boundary=boundary),
        "downsample, gaussian": Downsample(
            (1, 6, 8), 2, gaussian_kernel(1.0, 6), boundary=boundary
        ),
        "downsample, motion": Downsample((1, 6, 8), 2, MOTION, boundary=boundary),
        "downsample, small kernel": Downsample((1, 6, 9), 3, LEANING[:2], boundary=boundary),
        "downsample by 1": Downsample((1, 5, 4), 1, boundary=boundary),
    }
    LINEAR |= {f"{name}, {boundary}": (op, torch.float64) for name, op in blurs.items()}

LINEAR |= {name: (operator, torch.float64) for name, operator in PROJECTORS.items()}

# what needs neither conjugate gradients nor a dense matrix
CLOSED = {name: case for name, case in LINEAR.items() if case[0].svd() is not None}

NONLINEAR = {
    "bilinear blur": BilinearBlur((3, 5, 6), (3, 2)),
    "bilinear blur, a row": BilinearBlur((1, 1, 9), (1, 4)),
    "clip": Clip((3, 4, 5)),
    "clip, wide": Clip((4, 5), low=-2.0, high=0.5),
    "gamma, encode": Gamma((3, 4, 5)),
    "gamma, decode": Gamma((4, 5), 2.2),
    "clip after blur": Clip((1, 5, 6)) @ Blur((1, 5, 6), MOTION, boundary="reflect"),
}
