"""What this package teaches restore: its table of contents."""

from restore.plugins.hookspecs import hook

FORMATS = {
    "png": (".png",),
    "jpeg": (".jpg", ".jpeg"),
    "tiff": (".tif", ".tiff"),
    "webp": (".webp",),
    "npy": (".npy",),
}


@hook
def register_recipes(register):
    at = "restore_image.recipes.photographs:"
    register("denoise", at + "denoise", summary="white noise out of a photograph")
    register("inpaint", at + "inpaint", summary="fill in missing pixels")
    register("deblur", at + "deblur", summary="undo a known blur")
    register("superresolve", at + "superresolve", summary="more pixels, by an integer factor")
    register("demosaic", at + "demosaic", summary="full colour from a Bayer mosaic")
    register("colorize", at + "colorize", summary="colours for a grey photograph")


@hook
def register_priors(register):
    at = "restore_image.priors:"
    register("image-grey", at + "grey", summary="grey photographs of any size", kind="image")
    register("image-colour", at + "colour", summary="colour photographs of any size", kind="image")


@hook
def register_readers(register):
    for name, extensions in FORMATS.items():
        target = f"restore_image.files.formats:read_{name}"
        register(name, target, summary=f"pictures as {name.upper()}", extensions=extensions)


@hook
def register_writers(register):
    for name, extensions in FORMATS.items():
        target = f"restore_image.files.formats:write_{name}"
        register(name, target, summary=f"pictures as {name.upper()}", extensions=extensions)


@hook
def register_metrics(register):
    at = "restore_image.metrics:"
    register("psnr", at + "psnr", summary="peak signal-to-noise ratio in dB", better="higher")
    register("ssim", at + "ssim", summary="structural similarity, at most 1", better="higher")
