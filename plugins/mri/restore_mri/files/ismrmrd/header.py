"""The XML header of ISMRMRD, which fastMRI files have, too: https://ismrmrd.github.io."""

import math
from dataclasses import dataclass, field
from xml.etree import ElementTree

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Space:
    """A matrix and the field of view it covers, along readout, first and second phase encoding."""

    matrix: tuple[int, int, int] = (0, 0, 0)
    field_of_view: Triple = (0.0, 0.0, 0.0)  # mm; zero where it is not stated

    @property
    def pixel(self) -> Triple | None:
        """mm from one voxel to the next; None where the header does not say."""
        if min(self.matrix) < 1 or min(self.field_of_view) <= 0:
            return None
        return tuple(field / n for field, n in zip(self.field_of_view, self.matrix))


@dataclass(frozen=True)
class Limits:
    """The largest number of an encoding step, and the number of its zero frequency."""

    maximum: int
    center: int


@dataclass(frozen=True)
class Header:
    """The part of the header that the assembly of k-space needs."""

    encoded: Space = Space()
    recon: Space = Space()
    limits: dict[int, Limits] = field(default_factory=dict)  # of encoding steps 1 and 2
    trajectory: str = "cartesian"  # in lower case
    noise_bandwidth: float = 1.0  # relativeReceiverNoiseBandwidth

    def center(self, step: int) -> int:
        """The number of the encoding step 1 or 2 that is zero frequency; the middle by default."""
        limits = self.limits.get(step)
        return self.encoded.matrix[step] // 2 if limits is None else limits.center

    def field_kept(self, axis: int, size: int) -> int:
        """The number of `size` encoded pixels that lie in the reconstructed field of view."""
        encoded, recon = self.encoded.field_of_view[axis], self.recon.field_of_view[axis]
        if encoded <= 0 or recon <= 0:
            encoded, recon = self.encoded.matrix[axis], self.recon.matrix[axis]
        if encoded <= 0 or recon <= 0:
            return size
        return max(1, min(size, round(size * recon / encoded)))


def parse(xml: bytes | str) -> Header:
    """ValueError for what is no ISMRMRD header. Of several encodings, the first."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise ValueError(f"its ISMRMRD header is broken XML: {error}") from None
    encoding = root.find("{*}encoding")
    if encoding is None:
        raise ValueError("its ISMRMRD header describes no encoding")
    limits = {}
    for step in (1, 2):
        at = f"{{*}}encodingLimits/{{*}}kspace_encoding_step_{step}"
        if encoding.find(at) is not None:
            maximum, center = (_number(encoding, f"{at}/{{*}}{n}") for n in ("maximum", "center"))
            limits[step] = Limits(int(maximum), int(center))
    bandwidth = _number(
        root, "{*}acquisitionSystemInformation/{*}relativeReceiverNoiseBandwidth", 1.0
    )
    return Header(
        _space(encoding, "encodedSpace"),
        _space(encoding, "reconSpace"),
        limits,
        encoding.findtext("{*}trajectory", "cartesian").strip().lower(),
        bandwidth if bandwidth > 0 else 1.0,
    )


def _space(encoding: ElementTree.Element, name: str) -> Space:
    sizes = [_number(encoding, f"{{*}}{name}/{{*}}matrixSize/{{*}}{axis}") for axis in "xyz"]
    fields = [_number(encoding, f"{{*}}{name}/{{*}}fieldOfView_mm/{{*}}{axis}") for axis in "xyz"]
    return Space(tuple(int(n) for n in sizes), tuple(fields))


def _number(element: ElementTree.Element, at: str, default: float = 0.0) -> float:
    text = element.findtext(at)
    try:
        number = default if text is None else float(text)
    except ValueError:
        raise ValueError(f"its ISMRMRD header has {text!r} for a number") from None
    if not math.isfinite(number):
        raise ValueError(f"its ISMRMRD header has {text!r} for a number")
    return number
