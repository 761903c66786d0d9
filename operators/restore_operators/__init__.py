"""Forward operators with exact adjoints; each is imported from its room when first named."""

from importlib import import_module

_ROOMS = {
    "along": ("AlongAxis", "thick_slices"),
    "bilinear": ("BilinearBlur",),
    "blur": ("Blur",),
    "channels": ("ChannelsToComplex", "Take"),
    "classical": ("cgls", "sirt", "total_variation", "wavelet_l1"),
    "clipping": ("Clip", "Gamma"),
    "diagonal": ("Identity",),
    "fan": ("FanBeam",),
    "filtered_backprojection": ("fbp",),
    "fourier": ("Fourier",),
    "kernels": (
        "bicubic_kernel",
        "box_kernel",
        "disc_kernel",
        "gaussian_kernel",
        "motion_kernel",
    ),
    "mask": ("Mask", "box_mask", "random_mask"),
    "matrix": ("Matrix", "grey"),
    "mosaic": ("Bayer",),
    "nufft": ("NUFFT",),
    "padding": ("Pad",),
    "radon": ("Radon", "axis_offset"),
    "resample": ("Downsample",),
    "rotation_axis": ("centre_of_rotation",),
    "separable": ("Separable",),
    "wavelet": ("Wavelet",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = sorted(_ROOM_OF)


def __getattr__(name: str):
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
