"""What this package teaches restore: its table of contents."""

from restore.plugins.hookspecs import hook

FORMATS = {
    "png": (".png",),
    "jpeg": (".jpg", ".jpeg"),
    "tiff": (".tif", ".tiff"),
    "webp": (".webp",),
    "bmp": (".bmp",),
    "npy": (".npy",),
}
RECIPES = {
    "denoise": "white noise out of a photograph",
    "inpaint": "fill in missing pixels",
    "deblur": "undo a known blur",
    "superresolve": "more pixels, by an integer factor",
    "demosaic": "full colour from a Bayer mosaic",
    "colorize": "colours for a grey photograph",
}


@hook
def register_recipes(register):
    for name, summary in RECIPES.items():
        register(name, f"restore_image.recipes.{name}:{name}", summary=summary)


@hook
def register_priors(register):
    at = "restore_image.priors:"
    register("image-grey", at + "grey", summary="grey photographs of any size", kind="image")
    told = "photographs of any size, told the noise of every pixel and band: for exact-score"
    register("image-grey-map", at + "grey_map", summary=f"grey {told}", kind="image")
    register("image-colour", at + "colour", summary="colour photographs of any size", kind="image")
    register("image-colour-map", at + "colour_map", summary=f"colour {told}", kind="image")


@hook
def register_readers(register):
    for name, extensions in FORMATS.items():
        target = f"restore_image.files.formats:read_{name}"
        register(name, target, summary=f"pictures as {name.upper()}", extensions=extensions)
    target = "restore_image.files.formats:read_gif"
    register("gif", target, summary="pictures as GIF", extensions=(".gif",))


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
