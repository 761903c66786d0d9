"""What is refused, and the plugin's table of contents."""

import subprocess
import sys

import pytest
import restore_operators
import torch
from restore_operators import (
    AlongAxis,
    Bayer,
    BilinearBlur,
    Blur,
    ChannelsToComplex,
    Clip,
    Downsample,
    Fourier,
    Gamma,
    Mask,
    Matrix,
    Pad,
    Take,
    box_mask,
    disc_kernel,
    gaussian_kernel,
    motion_kernel,
    random_mask,
    thick_slices,
)
from restore_operators.plugin import register_operators

from restore.measurement.operator import Operator

KERNEL = torch.ones(3, 3)

REFUSED = {
    "does not broadcast": lambda: Mask(torch.ones(4, 4), (3, 5, 4)),
    "mask holds values that are not finite": lambda: Mask(torch.tensor([1.0, torch.nan])),
    r"share must be in \[0, 1\]": lambda: random_mask((4,), 70),
    "does not lie inside an image of 8x8": lambda: box_mask((1, 8, 8), (4, 4, 5, 2)),
    "two axes": lambda: Matrix(torch.ones(3)),
    "does not act on axis 0": lambda: Matrix(torch.ones(2, 3), (4, 5, 5)),
    "matrix holds values that are not finite": lambda: Matrix(torch.full((2, 2), torch.inf)),
    "no Bayer pattern is called 'RGBG'": lambda: Bayer((3, 4, 4), "RGBG"),
    r"a mosaic is made of \(3, height, width\)": lambda: Bayer((1, 4, 4)),
    "channels 2 to 5 are not among the 3": lambda: Take((3, 4, 4), 2, 5),
    "pairs of channels": lambda: ChannelsToComplex((3, 4, 4)),
    "3 axes cannot be transformed": lambda: Fourier((4, 4), axes=3),
    r"images are \(channels, height, width\)": lambda: Blur((8, 8), KERNEL),
    "a kernel is": lambda: Blur((3, 8, 8), torch.ones(2, 3, 3)),
    "not all zero": lambda: Blur((1, 8, 8), 0 * KERNEL),
    "finite real numbers": lambda: Blur((1, 8, 8), KERNEL / 0),
    "no boundary is called 'mirror'": lambda: Blur((1, 8, 8), KERNEL, boundary="mirror"),
    "padding cannot be negative": lambda: Pad((1, 8, 8), (-1, 0), (0, 0)),
    "a factor is a whole number": lambda: Downsample((1, 8, 8), 1.5),
    "the factor 3 does not divide 9x8; crop to 9x6": lambda: Downsample((1, 9, 8), 3),
    "downsampling takes one kernel": lambda: Downsample((1, 8, 8), 2, KERNEL[None]),
    r"no kernel of \(9, 3\) fits": lambda: BilinearBlur((1, 8, 8), (9, 3)),
    "low < high": lambda: Clip((4,), 1.0, 0.0),
    "gamma must be positive": lambda: Gamma((4,), 0.0),
    "standard deviation must be positive": lambda: gaussian_kernel(0.0),
    "length must be positive": lambda: motion_kernel(0),
    "radius must be positive": lambda: disc_kernel(-1),
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_wrong_value_is_refused(message):
    with pytest.raises(ValueError, match=message):
        REFUSED[message]()


def test_an_unknown_boundary_is_refused_for_every_kernel():
    for kernel in (KERNEL, torch.rand(15, 15)):
        for build in (Blur, lambda *a, **k: Downsample(a[0], 2, a[1], **k)):
            with pytest.raises(ValueError, match="no boundary is called 'cirular'"):
                build((1, 8, 8), kernel, boundary="cirular")


def test_real_signals_are_refused_where_complex_ones_are_due():
    x = torch.zeros(1, 1, 4, 4)
    with pytest.raises(TypeError, match=r"takes complex signals, got torch\.float32; Channels"):
        Fourier((1, 4, 4))(x)
    with pytest.raises(TypeError, match="a complex matrix takes complex signals"):
        Matrix(torch.ones(2, 1) * 1j, (1, 4, 4))(x)


def test_the_plugin_names_what_there_is():
    found = {}
    register_operators(lambda name, place, summary: found.update({name: place}))
    for name, place in found.items():
        module, _, attribute = place.partition(":")
        operator = getattr(__import__(module, fromlist=[attribute]), attribute)
        assert callable(operator), name
    classes = {place.partition(":")[2] for place in found.values()}
    public = {name for name in restore_operators.__all__ if isinstance(_of(name), type)}
    assert public - classes == {"Separable"}  # asked for by matrices, not by a recipe


def test_all_that_is_promised_is_there():
    for name in restore_operators.__all__:
        thing = _of(name)
        assert callable(thing)
        if isinstance(thing, type):
            assert issubclass(thing, Operator)
    with pytest.raises(AttributeError, match="has no attribute 'Blurr'"):
        _of("Blurr")


def test_importing_the_package_imports_no_torch():
    code = "import sys, restore_operators, restore_operators.plugin; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def _of(name: str):
    return getattr(restore_operators, name)


def test_thick_slices_are_refused_where_they_do_not_fit():
    with pytest.raises(ValueError, match="do not fit"):
        thick_slices((1, 7, 3), 2)
    with pytest.raises(ValueError, match="profile"):
        thick_slices((1, 6, 3), 2, 1, torch.tensor([1.0, -1.0]))
    with pytest.raises(ValueError, match="axis 4"):
        AlongAxis(torch.eye(3), (1, 3, 3, 3), 4)
