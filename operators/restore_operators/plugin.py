"""What this library offers to restore: forward operators by name."""

from restore.hookspecs import hook

OPERATORS = (
    ("identity", "diagonal:Identity", "y = x: nothing but noise"),
    ("mask", "mask:Mask", "elements missing or weighted"),
    ("matrix", "matrix:Matrix", "a dense matrix, or any mixing of channels"),
    ("grey", "matrix:grey", "colour to luma (ITU-R BT.601)"),
    ("bayer", "mosaic:Bayer", "one colour a pixel, in a Bayer pattern"),
    ("take", "channels:Take", "some channels of a signal"),
    ("channels-to-complex", "channels:ChannelsToComplex", "pairs of real channels as complex"),
    ("blur", "blur:Blur", "convolution with any kernel, at any boundary"),
    ("bilinear-blur", "bilinear:BilinearBlur", "convolution with a kernel that is unknown, too"),
    ("downsample", "resample:Downsample", "smaller by a whole factor, antialiased"),
    ("along-axis", "along:AlongAxis", "a matrix along one axis of a signal"),
    ("thick-slices", "along:thick_slices", "thick slices in place of thin ones, along one axis"),
    ("pad", "padding:Pad", "an image with its surroundings"),
    ("fourier", "fourier:Fourier", "centred orthonormal Fourier transform"),
    ("nufft", "nufft:NUFFT", "Fourier transform at any points; needs finufft"),
    ("wavelet", "wavelet:Wavelet", "Daubechies' orthonormal wavelets, periodic"),
    ("radon", "radon:Radon", "integrals along parallel lines: parallel-beam tomography"),
    ("fan-beam", "fan:FanBeam", "integrals along rays from a point: fan-beam tomography"),
    ("clip", "clipping:Clip", "values limited to a range"),
    ("gamma", "clipping:Gamma", "brightness curve x^gamma"),
)


@hook
def register_operators(register):
    for name, place, summary in OPERATORS:
        register(name, f"restore_operators.{place}", summary=summary)
