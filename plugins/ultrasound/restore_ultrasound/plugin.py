"""What this package teaches restore: its table of contents."""

from restore.plugins.hookspecs import hook

FILES = {
    "dicom": ("dicom", (".dcm", ".ima"), "frames and cines as DICOM, in any colour space"),
    "mha": ("plus", (".mha", ".mhd"), "sequences of the Plus toolkit: brightness, RF, IQ"),
    "hdf5": ("hdf5", (".h5", ".hdf5"), "zea and USBMD, PICMUS"),
    "png": ("pictures", (".png",), "a frame as PNG"),
    "video": ("video", (".avi", ".mkv"), "a screen's video, of any codec; written without loss"),
}
READ_ONLY = {  # FFV1 is written, which these do not hold; .uff is refused by its own name
    "video": (".mp4", ".mov"),
    "hdf5": (".uff",),
}


@hook
def register_readers(register):
    for name, (module, extensions, summary) in FILES.items():
        target = f"restore_ultrasound.files.{module}:read_{name}"
        extensions = (*extensions, *READ_ONLY.get(name, ()))
        register(f"us-{name}", target, summary=summary, extensions=extensions)


@hook
def register_writers(register):
    for name, (module, extensions, summary) in FILES.items():
        target = f"restore_ultrasound.files.{module}:write_{name}"
        holds = {"std": True} if name == "dicom" else {}
        register(f"us-{name}", target, summary=summary, extensions=extensions, **holds)


@hook
def register_metrics(register):
    at = "restore_ultrasound.metrics:"
    register("psnr[display]", at + "psnr", summary="PSNR in dB of brightness", better="higher")
    summary = "Kolmogorov-Smirnov distance of brightness"
    register("ks[display]", at + "ks", summary=summary, better="lower")


@hook
def register_recipes(register):
    at = "restore_ultrasound.recipes."
    register("dehaze", at + "dehaze:dehaze", summary="haze out of ultrasound frames and cines")
    register("us-lines", at + "lines:lines", summary="scan lines that were not taken")
    summary = "the width of the beam out of ultrasound"
    register("us-deconvolve", at + "deconvolve:deconvolve", summary=summary)
    register("us-despeckle", at + "despeckle:despeckle", summary="speckle by its own law")


@hook
def register_priors(register):
    at = "restore_ultrasound.priors:"
    summary = "companded envelopes, 0 to 1, any size: {}"
    register("us-tissue", at + "tissue", summary=summary.format("tissue"), kind="ultrasound")
    register("us-haze", at + "haze", summary=summary.format("haze alone"), kind="ultrasound")


@hook
def register_materials(register):
    at = "restore_ultrasound.training:"
    register("us-tissue", at + "tissue", summary="ultrasound frames, in their regions' sectors")
    register("us-haze", at + "clutter", summary="simulated haze, and RF or IQ of haze alone")
