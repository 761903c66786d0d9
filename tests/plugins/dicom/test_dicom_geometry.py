"""Voxels lie where DICOM says, in RAS+, and go back where they came from."""

import numpy as np
import pytest
from dicom_samples import TILTED
from restore_dicom.geometry import Geometry

POSITION, SPACING = [12.0, -7.5, 30.0], [0.9, 1.1]  # between rows, between columns


def test_dicom_positions_turn_from_lps_to_ras():
    geometry = Geometry.from_dicom(POSITION, TILTED, SPACING, 4.0)
    corner = geometry.affine @ [0, 0, 0, 1]
    right = geometry.affine @ [1, 0, 0, 1] - corner
    down = geometry.affine @ [0, 1, 0, 1] - corner
    np.testing.assert_allclose(corner[:3], [-12, 7.5, 30])
    np.testing.assert_allclose(right[:3], 1.1 * np.array([-0.8, -0.6, 0]))
    np.testing.assert_allclose(down[:3], [0, 0, -0.9])
    assert geometry.spacing == pytest.approx((4.0, 0.9, 1.1))


def test_a_plane_is_what_the_geometry_was_made_of():
    geometry = Geometry.from_dicom(POSITION, TILTED, SPACING, 4.0)
    first, third = geometry.plane(0), geometry.plane(2)
    np.testing.assert_allclose(first.position, POSITION)
    np.testing.assert_allclose(first.orientation, TILTED, atol=1e-12)
    assert first.spacing == pytest.approx(tuple(SPACING))
    normal = np.cross(TILTED[:3], TILTED[3:])
    np.testing.assert_allclose(third.position, POSITION + 8 * normal)


def test_geometries_are_close_within_their_tolerance():
    geometry = Geometry.centred((3, 4, 5), (4.0, 0.9, 1.1))
    for place, size in (((0, 3), 1e-3), ((2, 2), 1e-5)):
        for factor, close in ((0.5, True), (2, False)):
            moved = np.array(geometry.affine)
            moved[place] += size * factor
            assert geometry.close_to(Geometry(moved)) is close
    assert not geometry.close_to(None)


def test_the_centre_of_a_centred_volume_is_the_origin():
    geometry = Geometry.centred((3, 4, 5), (4.0, 0.9, 1.1))
    np.testing.assert_allclose(geometry.affine @ [2, 1.5, 1, 1], [0, 0, 0, 1], atol=1e-12)
    assert geometry.spacing == pytest.approx((4.0, 0.9, 1.1))


def test_a_cropped_volume_keeps_its_place():
    geometry = Geometry.from_dicom(POSITION, TILTED, SPACING, 4.0)
    cropped = geometry.cropped(z=1, y=2, x=3)
    np.testing.assert_allclose(cropped.affine @ [0, 0, 0, 1], geometry.affine @ [3, 2, 1, 1])


def test_resampling_keeps_the_outer_faces_of_the_voxels():
    geometry = Geometry.from_dicom(POSITION, TILTED, SPACING, 4.0)
    finer = geometry.resampled(z=2, y=3, x=1)
    assert finer.spacing == pytest.approx((2.0, 0.3, 1.1))
    edge = [-0.5, -0.5, -0.5, 1]
    np.testing.assert_allclose(finer.affine @ edge, geometry.affine @ edge)


@pytest.mark.parametrize(
    ("affine", "words"),
    [
        (np.eye(3), "4x4"),
        (np.diag([1, 1, 0, 1]), "flat"),
        (np.diag([1, 1, np.nan, 1]), "finite"),
        (np.diag([1, 1, 1, 2]), "0 0 0 1"),
    ],
)
def test_what_is_no_affine_is_refused(affine, words):
    with pytest.raises(ValueError, match=words):
        Geometry(affine)


def test_sheared_voxels_have_no_plane_in_dicom():
    affine = np.eye(4)
    affine[0, 2] = 0.2
    with pytest.raises(ValueError, match="sheared"):
        Geometry(affine).plane(0)


@pytest.mark.parametrize("cosines", [[1, 0, 0, 1, 0, 0], [1, 0, 0], [2, 0, 0, 0, 1, 0]])
def test_an_orientation_without_right_angle_is_refused(cosines):
    with pytest.raises(ValueError, match="ImageOrientationPatient"):
        Geometry.from_dicom(POSITION, cosines, SPACING, 1.0)
