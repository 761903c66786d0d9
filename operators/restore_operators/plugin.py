"""What this library offers to restore: forward operators by name."""

from restore.plugins.hookspecs import hook

OPERATORS = (
    ("identity", "pixels.diagonal:Identity", "y = x: nothing but noise"),
    ("mask", "pixels.mask:Mask", "elements missing or weighted"),
    ("matrix", "pixels.matrix:Matrix", "a dense matrix, or any mixing of channels"),
    ("grey", "pixels.matrix:grey", "colour to luma (ITU-R BT.601)"),
    ("bayer", "pixels.mosaic:Bayer", "one colour a pixel, in a Bayer pattern"),
    ("take", "pixels.channels:Take", "some channels of a signal"),
    (
        "channels-to-complex",
        "pixels.channels:ChannelsToComplex",
        "pairs of real channels as complex",
    ),
    ("blur", "blur.blur:Blur", "convolution with any kernel, at any boundary"),
    (
        "bilinear-blur",
        "blur.bilinear:BilinearBlur",
        "convolution with a kernel that is unknown, too",
    ),
    ("downsample", "blur.resample:Downsample", "smaller by a whole factor, antialiased"),
    ("along-axis", "blur.along:AlongAxis", "a matrix along one axis of a signal"),
    (
        "thick-slices",
        "blur.along:thick_slices",
        "thick slices in place of thin ones, along one axis",
    ),
    ("pad", "pixels.padding:Pad", "an image with its surroundings"),
    ("fourier", "transforms.fourier:Fourier", "centred orthonormal Fourier transform"),
    ("nufft", "transforms.nufft:NUFFT", "Fourier transform at any points; needs finufft"),
    ("wavelet", "transforms.wavelet:Wavelet", "Daubechies' orthonormal wavelets, periodic"),
    ("radon", "tomography.radon:Radon", "integrals along parallel lines: parallel-beam tomography"),
    (
        "fan-beam",
        "tomography.fan:FanBeam",
        "integrals along rays from a point: fan-beam tomography",
    ),
    ("clip", "pixels.clipping:Clip", "values limited to a range"),
    ("gamma", "pixels.clipping:Gamma", "brightness curve x^gamma"),
)


@hook
def register_operators(register):
    for name, place, summary in OPERATORS:
        register(name, f"restore_operators.{place}", summary=summary)
