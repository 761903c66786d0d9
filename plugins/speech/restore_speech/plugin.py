"""What this package teaches restore: its table of contents."""

from restore.plugins.hookspecs import hook

EXTENSIONS = (
    ".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif",
    ".caf",
)  # fmt: skip
RECIPES = {
    "enhance": "noise out of speech",
    "dereverb": "a room's reverberation out of speech",
    "declip": "peaks that were cut off",
    "bandwidth": "the upper band of narrow speech",
    "audio-inpaint": "gaps in a recording",
}


@hook
def register_recipes(register):
    for name, summary in RECIPES.items():
        module = name.replace("-", "_")
        register(name, f"restore_speech.recipes.{module}:{module}", summary=summary)


@hook
def register_priors(register):
    at = "restore_speech.priors:"
    register("speech", at + "speech", summary="clean speech at 16 kHz", kind="speech")
    told = "clean speech at 16 kHz, told a noisy recording of it: for enhance and dereverb"
    register("speech-enhance", at + "enhancer", summary=told, kind="speech")


@hook
def register_readers(register):
    target = "restore_speech.files.sound:read_sound"
    register("sound", target, summary="recordings by libsndfile", extensions=EXTENSIONS)


@hook
def register_writers(register):
    target = "restore_speech.files.sound:write_sound"
    register("sound", target, summary="recordings by libsndfile", extensions=EXTENSIONS, std=True)


@hook
def register_samplers(register):
    register(
        "shared-noise",
        "restore_speech.recordings:shared_noise",
        summary="an integrator whose noise is one for all channels",
        exactness="as its integrator: ignores the measurement",
        needs=("nothing of the measurement",),
        calls="those of its integrator",
        paper="restore's own",
        unconditional=True,
    )


@hook
def register_metrics(register):
    noise, rate = {"asks": ("noise",)}, {"asks": ("rate",)}
    for name, summary, better, more in (
        ("si-sdr", "scale-invariant signal-to-distortion ratio in dB", "higher", {}),
        ("si-sir", "speech over what is left of the noise, in dB", "higher", noise),
        ("si-sar", "speech over what is neither speech nor noise, in dB", "higher", noise),
        ("pesq", "PESQ, wide band, 1.04 to 4.64", "higher", {**rate, "package": "pesq"}),
        ("estoi", "extended intelligibility, at most 1", "higher", {**rate, "package": "pystoi"}),
        ("lsd", "log-spectral distance in dB", "lower", {}),
    ):
        target = f"restore_speech.metrics:{name.replace('-', '_')}"
        register(name, target, summary=summary, better=better, **more)
