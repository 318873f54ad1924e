"""NIfTI both ways: geometry against SimpleITK, slopes, transforms that differ, and what is refused."""

import numpy as np
import pytest

from alphatwin.errors import ImageError, OutputError
from alphatwin.imaging import Grid, Image, Labels, read_nifti, read_nifti_labels, write_nifti
from oracle.dicom_objects import CORONAL, OBLIQUE, SAGITTAL

nibabel = pytest.importorskip("nibabel")
FLIPPED = np.diag([-2.0, -2.5, 3.0, 1.0])


def values(shape=(4, 5, 6)):
    return np.random.Generator(np.random.Philox(key=3)).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    "affine", [SAGITTAL, CORONAL, OBLIQUE, FLIPPED], ids=["sagittal", "coronal", "oblique", "flipped"]
)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_round_trip_and_the_same_place_in_simpleitk(tmp_path, affine, ending):
    import SimpleITK as sitk

    image = Image(values(), Grid((4, 5, 6), affine), "activity_concentration", "NM")
    path = write_nifti(image, tmp_path / f"a{ending}")
    again = read_nifti(path, "activity_concentration", modality="NM")
    assert again.grid.same_as(image.grid, 1e-3)
    np.testing.assert_array_equal(again.array, image.array)
    peer = sitk.ReadImage(str(path))  # LPS, as DICOM
    for z, y, x in ((0, 0, 0), (3, 4, 5), (0, 4, 0)):
        np.testing.assert_allclose(
            peer.TransformIndexToPhysicalPoint([x, y, z]), (affine @ [x, y, z, 1])[:3], atol=1e-3
        )
        assert peer[x, y, z] == image.array[z, y, x]


def made(tmp_path, array, *, sform=None, qform=None, unit="mm", **header):
    out = nibabel.Nifti1Image(array, None)
    if unit:
        out.header.set_xyzt_units(unit)
    out.set_sform(sform, 1 if sform is not None else 0)
    out.set_qform(qform, 1 if qform is not None else 0)
    for key, value in header.items():
        out.header[key] = value
    nibabel.save(out, tmp_path / "x.nii")
    return tmp_path / "x.nii"


def test_a_slope_in_the_header_counts(tmp_path):
    path = made(tmp_path, np.arange(60, dtype=np.int16).reshape(3, 4, 5), sform=np.eye(4))
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([0.5, 10.0], "<f4").tobytes()
    path.write_bytes(raw)
    assert read_nifti(path, "counts").array[4, 3, 2] == 59 * 0.5 + 10


def test_transforms_that_differ_must_be_chosen_between(tmp_path):
    path = made(tmp_path, values(), sform=np.diag([2.0, 2, 2, 1]), qform=np.diag([2.0, 2, 3, 1]))
    with pytest.raises(ImageError, match=r"differ by up to 5\.00 mm: choose with prefer="):
        read_nifti(path, "hu")
    assert read_nifti(path, "hu", prefer="qform").grid.voxel_mm == pytest.approx((3, 2, 2))
    assert read_nifti(path, "hu", prefer="sform").grid.voxel_mm == pytest.approx((2, 2, 2))
    with pytest.raises(ImageError, match="has no qform; it has sform"):
        read_nifti(made(tmp_path, values(), sform=np.eye(4)), "hu", prefer="qform")
    with pytest.raises(ImageError, match="neither sform nor qform"):
        read_nifti(made(tmp_path, values()), "hu")


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1.0), ("meter", 1000.0), ("micron", 0.001), (None, 1.0)])
def test_units_of_length(tmp_path, unit, scale):
    image = read_nifti(made(tmp_path, values(), sform=np.diag([2.0, 2, 2, 1]), unit=unit), "hu")
    assert image.grid.voxel_mm == pytest.approx((2 * scale,) * 3)
    assert bool(image.notes) == (unit is None)


def test_several_volumes_are_chosen_from(tmp_path):
    four = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)
    path = made(tmp_path, four, sform=np.eye(4))
    with pytest.raises(ImageError, match="holds 5 volumes: choose one with volume=0 to 4"):
        read_nifti(path, "hu")
    np.testing.assert_array_equal(read_nifti(path, "hu", volume=3).array, four[..., 3].T)
    with pytest.raises(ImageError, match="volume=5"):
        read_nifti(path, "hu", volume=5)
    assert read_nifti(made(tmp_path, four[..., :1], sform=np.eye(4)), "hu").array.shape == (4, 3, 2)


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.full((2, 3, 4), np.nan, np.float32), "not finite"),
        (np.full((2, 3, 4), 1e300), "too large"),
        (np.ones((2, 3, 4), np.complex64), "complex"),
        (np.ones((2, 3, 4, 2, 2), np.float32), "5 sides"),
        (np.ones((2, 3), np.float32), "2 sides"),
    ],
)  # fmt: skip
def test_what_is_no_image(tmp_path, array, told):
    with pytest.raises(ImageError, match=told):
        read_nifti(made(tmp_path, array, sform=np.eye(4)), "hu")


def test_sheared_axes_and_wrong_quantities(tmp_path):
    shear = np.eye(4)
    shear[0, 1] = 0.3
    with pytest.raises(ImageError, match="sheared"):
        read_nifti(made(tmp_path, values(), sform=shear), "hu")
    with pytest.raises(ImageError, match="no quantity 'SUV'"):
        read_nifti(made(tmp_path, values(), sform=np.eye(4)), "SUV")


def test_label_maps_both_ways(tmp_path):
    grid = Grid((4, 5, 6), OBLIQUE)
    one, two = np.zeros((2, 4, 5, 6), bool)
    one[1, 2:4], two[3, 1] = True, True
    path = write_nifti(Labels({"kidney": one, "liver": two.astype(np.float32)}, grid), tmp_path / "l.nii.gz")
    again = read_nifti_labels(path, {1: "kidney", 2: "liver", 9: "none of it"})
    np.testing.assert_array_equal(again.masks["kidney"], one)
    np.testing.assert_array_equal(again.masks["liver"], two)
    assert not again.masks["none of it"].any()
    assert list(read_nifti_labels(path).masks) == ["label 1", "label 2"]
    with pytest.raises(ImageError, match="same name"):
        read_nifti_labels(path, {1: "a", 2: "a"})
    with pytest.raises(ImageError, match="overlaps"):
        write_nifti(Labels({"kidney": one, "cortex": one}, grid), tmp_path / "o.nii")
    with pytest.raises(ImageError, match="not whole"):
        read_nifti_labels(write_nifti(Image(values(), grid, "hu"), tmp_path / "i.nii"))
    with pytest.raises(ImageError, match="0 labels"):
        read_nifti_labels(write_nifti(Image(np.zeros((4, 5, 6), np.float32), grid, "hu"), tmp_path / "z.nii"))


def test_writing_refuses_and_leaves_nothing(tmp_path):
    image = Image(values(), Grid((4, 5, 6), OBLIQUE), "hu")
    with pytest.raises(ImageError, match="ends with"):
        write_nifti(image, tmp_path / "a.img")
    with pytest.raises(OutputError):
        write_nifti(image, tmp_path / "nowhere" / "a.nii")
    assert list(tmp_path.iterdir()) == []
