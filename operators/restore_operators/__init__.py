"""Forward operators with exact adjoints; each is imported from its room when first named."""

from importlib import import_module

_ROOMS = {
    "blur.along": ("AlongAxis", "thick_slices"),
    "blur.bilinear": ("BilinearBlur",),
    "blur.blur": ("Blur",),
    "blur.kernels": (
        "bicubic_kernel",
        "box_kernel",
        "disc_kernel",
        "gaussian_kernel",
        "motion_kernel",
    ),
    "blur.resample": ("Downsample",),
    "blur.separable": ("Separable",),
    "pixels.channels": ("ChannelsToComplex", "Take"),
    "pixels.clipping": ("Clip", "Gamma"),
    "pixels.diagonal": ("Identity",),
    "pixels.mask": ("Mask", "box_mask", "random_mask"),
    "pixels.matrix": ("Matrix", "grey"),
    "pixels.mosaic": ("Bayer",),
    "pixels.padding": ("Pad",),
    "reconstruction.classical": ("cgls", "sirt", "total_variation", "wavelet_l1"),
    "tomography.fan": ("FanBeam",),
    "tomography.filtered_backprojection": ("fbp",),
    "tomography.radon": ("Radon", "axis_offset"),
    "tomography.rotation_axis": ("centre_of_rotation",),
    "transforms.fourier": ("Fourier",),
    "transforms.nufft": ("NUFFT",),
    "transforms.wavelet": ("Wavelet",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = sorted(_ROOM_OF)


def __getattr__(name: str):
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
