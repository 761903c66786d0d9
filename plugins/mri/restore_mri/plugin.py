"""What this package teaches restore: its table of contents."""

from restore.plugins.hookspecs import hook

READERS = {  # name -> function of files/formats.py, summary, extensions
    "kspace-hdf5": ("read_hdf5", "k-space of fastMRI or ISMRMRD", (".h5", ".hdf5", ".mrd")),
    "kspace-npy": ("read_numpy", "k-space as complex NumPy arrays", (".npy", ".npz")),
    "kspace-mat": ("read_matlab", "k-space of MATLAB, version 5 or 7.3", (".mat",)),
    "bart": ("read_bart", "k-space of BART", (".cfl", ".hdr")),
}
WRITERS = {
    "mri-hdf5": ("write_hdf5", "pictures in fastMRI's layout, k-space", (".h5", ".hdf5", ".mrd")),
    "mri-npy": ("write_npy", "pictures as one NumPy array", (".npy",)),
    "mri-npz": ("write_npz", "pictures as an archive of NumPy arrays", (".npz",)),
    "mri-mat": ("write_matlab", "pictures for MATLAB, version 5", (".mat",)),
    "bart": ("write_bart", "pictures for BART", (".cfl", ".hdr")),
}
METRICS = {
    "psnr[fastmri-volume]": (
        "psnr_fastmri_volume",
        "PSNR in dB, range max of the volume",
        "higher",
    ),
    "ssim[fastmri-slice]": ("ssim_fastmri_slice", "SSIM, 7x7 window, mean over slices", "higher"),
    "nmse[fastmri-volume]": ("nmse_fastmri_volume", "relative square error, magnitudes", "lower"),
    "magnitude-rmse": ("magnitude_rmse", "RMS error of magnitudes, signal units", "lower"),
    "complex-nmse": ("complex_nmse", "relative square error, complex values", "lower"),
}


@hook
def register_readers(register):
    for name, (function, summary, extensions) in READERS.items():
        register(
            name, f"restore_mri.files.formats:{function}", summary=summary, extensions=extensions
        )


@hook
def register_writers(register):
    for name, (function, summary, extensions) in WRITERS.items():
        target = f"restore_mri.files.formats:{function}"
        register(name, target, summary=summary, extensions=extensions, std=True)


@hook
def register_metrics(register):
    for name, (function, summary, better) in METRICS.items():
        register(name, f"restore_mri.metrics:{function}", summary=summary, better=better)


@hook
def register_recipes(register):
    at = "restore_mri."
    register("mri", at + "recipes.mri:mri", summary="images of k-space, with their uncertainty")
    register(
        "mri-active", at + "recipes.active:active", summary="choose the lines of k-space to measure"
    )
    register(
        "mri-denoise",
        at + "recipes.denoise:denoise",
        summary="noise out of magnitude images",
        folders=("dicom-series",),
    )


@hook
def register_priors(register):
    target = "restore_mri.priors:slices"
    register("mri-slices", target, summary="complex MR images of any size", kind="mri")


@hook
def register_materials(register):
    target = "restore_mri.training:material"
    register("mri", target, summary="slices of magnitude images, with synthetic phases")


@hook
def register_operators(register):
    at = "restore_mri."
    register(
        "sense", at + "operators.sense:sense", summary="multi-coil Fourier encoding of volumes"
    )
    register(
        "noncartesian-sense",
        at + "operators.noncartesian_sense:noncartesian_sense",
        summary="the same along any trajectory",
    )
