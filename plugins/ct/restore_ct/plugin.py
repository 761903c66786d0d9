"""What this package teaches restore: its table of contents."""

from restore.plugins.hookspecs import hook

FILES = {
    "hdf5": ("hdf5", (".h5", ".hdf5"), "projections as DXchange, measurements, results"),
    "npy": ("numpy_arrays", (".npy",), "sinograms as NPY with a YAML file, results"),
    "npz": ("numpy_arrays", (".npz",), "sinograms as NPZ, results"),
}
WINDOWS = {
    "-160..240": "soft_tissue",
    "-1350..150": "lung",
    "-500..1300": "bone",
}


@hook
def register_readers(register):
    for name, (module, extensions, summary) in FILES.items():
        target = f"restore_ct.files.{module}:read_{name}"
        register(f"ct-{name}", target, summary=summary, extensions=extensions)
    register(
        "ct-projections",
        "restore_ct.files.projections:read_projections",
        summary="a folder of DICOM-CT-PD projections",
        extensions=(".dcm", ".ima", ""),
        folder=True,
    )
    register(
        "ct-mat",
        "restore_ct.files.matlab:read_mat",
        summary="fan-beam sinograms as CtDataFull",
        extensions=(".mat",),
    )


@hook
def register_writers(register):
    for name, (module, extensions, summary) in FILES.items():
        target = f"restore_ct.files.{module}:write_{name}"
        register(f"ct-{name}", target, summary=summary, extensions=extensions, std=True)


@hook
def register_metrics(register):
    at = "restore_ct.metrics:"
    register("rmse[HU]", at + "rmse_hu", summary="root mean square error in HU", better="lower")
    range_ = "PSNR in dB, range of the reference in the field of view"
    register("psnr[ct-range]", at + "psnr_range", summary=range_, better="higher")
    for window, name in WINDOWS.items():
        for metric in ("psnr", "ssim"):
            register(
                f"{metric}[ct-window {window}]",
                f"{at}{metric}_{name}",
                summary=f"{metric.upper()} of the {name.replace('_', ' ')} window, in HU",
                better="higher",
            )


@hook
def register_recipes(register):
    at = "restore_ct."
    register(
        "ct", at + "recipes.ct:ct", summary="slices of projections", folders=("ct-projections",)
    )
    register(
        "ct-denoise",
        at + "recipes.denoise:denoise",
        summary="noise out of slices in Hounsfield units",
        folders=("dicom-series",),
    )


@hook
def register_samplers(register):
    register(
        "ct-coarse-to-fine",
        "restore_ct.recipes.coarse_to_fine:coarse_to_fine",
        summary="DiffPIR on a coarse grid, then on the fine one from there: very few views",
        exactness="approximate: the estimate is a mode, its width comes from the noise put back",
        needs=("proximal",),
        calls="1, and on the coarse grid 1 more of fewer pixels",
        paper="restore's own; steps of Zhu et al. 2023, arXiv:2305.08995",
    )


@hook
def register_priors(register):
    target = "restore_ct.priors:slices"
    register("ct-slices", target, summary="CT slices of any size, water is 1", kind="ct")


@hook
def register_materials(register):
    target = "restore_ct.training:material"
    register("ct", target, summary="slices in Hounsfield units, shapes, and random phantoms")
