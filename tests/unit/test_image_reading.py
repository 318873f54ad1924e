"""Reading of CT, NM, PET, registrations and folders: geometry, slopes, times, and what is refused."""

import datetime
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin.errors import ImageError
from alphatwin.imaging import find_series, read_ct, read_folder, read_nm, read_pet, read_registration
from alphatwin.imaging.dicom import moment, opened, zone_of
from oracle import dicom_objects as d
from oracle.dicom_objects import AXIAL, GRIDS, OBLIQUE, turned

pytestmark = pytest.mark.filterwarnings(
    "ignore:Invalid value for VR:UserWarning:pydicom"
)  # the builders write bad values
CET = datetime.timezone(datetime.timedelta(hours=1))


def hounsfield(shape=(6, 7, 9), seed=1):
    return np.random.Generator(np.random.Philox(key=seed)).integers(-1000, 1500, shape).astype(float)


def counts(shape=(5, 6, 8), seed=2):
    return np.random.Generator(np.random.Philox(key=seed)).integers(0, 4000, shape)


def at_lps(image, point):
    """The value at a point in mm, of the nearest voxel."""
    x, y, z = np.rint(np.linalg.inv(image.grid.affine) @ [*point, 1])[:3].astype(int)
    return image.array[z, y, x]


def sitk_array_at(volume, point):
    return volume[volume.TransformPhysicalPointToIndex([float(v) for v in point])]


# --- geometry --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GRIDS)
def test_ct_of_any_orientation_and_order_of_files_lies_where_simpleitk_puts_it(tmp_path, name):
    import SimpleITK as sitk

    affine, hu = GRIDS[name], hounsfield()
    d.save_all(d.ct_slices(hu, affine), tmp_path)
    image = read_ct(tmp_path)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    peer = reader.Execute()
    assert (image.quantity, image.unit, image.modality) == ("hu", "HU", "CT")
    for z, y, x in itertools.product((0, 5), (0, 6), (0, 8)):
        point = (affine @ [x, y, z, 1])[:3]
        assert at_lps(image, point) == hu[z, y, x]
        assert sitk_array_at(peer, point) == hu[z, y, x]
    shape = image.grid.shape
    for z, y, x in itertools.product((0, shape[0] - 1), (0, shape[1] - 1), (0, shape[2] - 1)):
        ours = (image.grid.affine @ [x, y, z, 1])[:3]
        there = peer.TransformPhysicalPointToContinuousIndex(ours.tolist())
        np.testing.assert_allclose(peer.TransformContinuousIndexToPhysicalPoint(there), ours, atol=1e-3)
        near = peer.TransformIndexToPhysicalPoint([round(v) for v in there])
        np.testing.assert_allclose(near, ours, atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(
    angles=st.tuples(*[st.floats(-3, 3)] * 3),
    spacing=st.tuples(*[st.floats(0.3, 9)] * 3),
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
    handed=st.sampled_from([1, -1]),
)
def test_positions_survive_the_way_through_an_nm_object(tmp_path_factory, angles, spacing, origin, handed):
    affine = turned(angles, spacing, origin, (1, 1, handed))
    path = d.save(d.nm_tomo(counts(), affine, slope=2.0), tmp_path_factory.mktemp("nm") / "a.dcm")
    image = read_nm(path)
    corners = np.array([[x, y, z, 1] for x in (0, 7) for y in (0, 5) for z in (0, 4)], float).T
    np.testing.assert_allclose(image.grid.affine @ corners, affine @ corners, atol=1e-3)
    np.testing.assert_allclose(image.array, counts() * 2e-6, rtol=1e-6)


@pytest.mark.parametrize(
    "affine", [AXIAL, OBLIQUE, AXIAL @ np.diag([1.0, 1, -1, 1])], ids=["axial", "oblique", "downwards"]
)
def test_simpleitk_places_an_nm_object_the_same_where_spacing_is_stated(tmp_path, affine):
    import SimpleITK as sitk

    path = d.save(d.nm_tomo(counts(), affine), tmp_path / "a.dcm")
    image, peer = read_nm(path), sitk.ReadImage(str(path))
    for z, y, x in itertools.product((0, 4), (0, 5), (0, 7)):
        point = (image.grid.affine @ [x, y, z, 1])[:3]
        np.testing.assert_allclose(peer.TransformIndexToPhysicalPoint([x, y, z]), point, atol=1e-3)
        assert peer[x, y, z] == image.array[z, y, x]


def test_simpleitk_takes_one_mm_slices_and_no_real_world_slope_and_we_do_not(tmp_path):
    """The two faults of the peer program that this reader exists for; the day one is repaired, this fails."""
    import SimpleITK as sitk

    data = d.nm_tomo(counts(), AXIAL, slope=12.5)
    del data.SpacingBetweenSlices
    data.SliceThickness = 4.8
    path = d.save(data, tmp_path / "a.dcm")
    peer = sitk.ReadImage(str(path))
    assert peer.GetSpacing()[2] == 1.0
    assert sitk.GetArrayFromImage(peer).max() == counts().max()
    with pytest.raises(ImageError, match="supply slice_spacing_mm="):
        read_nm(path)
    image = read_nm(path, slice_spacing_mm=3.0)
    assert image.grid.voxel_mm == pytest.approx((3.0, 2.5, 2.0))
    assert image.array.max() == pytest.approx(counts().max() * 12.5e-6)
    assert any("supplied" in n for n in image.notes)


def test_frames_of_nm_are_put_in_the_order_of_their_slice_vector(tmp_path):
    data = d.nm_tomo(counts()[[0, 2, 1, 4, 3]], AXIAL)
    data.SliceVector = [1, 3, 2, 5, 4]
    assert (read_nm(d.save(data, tmp_path / "a.dcm")).array == counts()).all()
    data.SliceVector = [1, 1, 2, 3, 4]
    with pytest.raises(ImageError, match="SliceVector"):
        read_nm(d.save(data, tmp_path / "b.dcm"))


@pytest.mark.parametrize("spacing", [3.0, -3.0])
def test_one_position_of_a_descending_stack_is_ambiguous_and_refused(tmp_path, spacing):
    """The place of the first frame or of slice 1: 12 mm apart and mirrored; with a place for each slice it is known."""
    data = d.nm_tomo(counts(), AXIAL)
    data.SliceVector, data.SpacingBetweenSlices = [5, 4, 3, 2, 1], spacing
    with pytest.raises(ImageError, match=r"slice 5 by its SliceVector.*position for each slice"):
        read_nm(d.save(data, tmp_path / "a.dcm"))
    (found,) = find_series(tmp_path)
    assert "upside down" in found.problems[0]
    one = data.DetectorInformationSequence[0]
    data.DetectorInformationSequence = d.Sequence([
        d.item(ImagePositionPatient=[-40.0, -30.0, 10.0 + spacing * (4 - k)], ImageOrientationPatient=list(one.ImageOrientationPatient))
        for k in range(5)
    ])  # fmt: skip
    image = read_nm(d.save(data, tmp_path / "a.dcm"))
    for k in range(5):
        assert at_lps(image, (-40, -30, 10 + spacing * (4 - k))) == counts()[k, 0, 0]


def test_positions_of_every_slice_are_used_where_the_object_has_them(tmp_path):
    data = d.nm_tomo(counts(), AXIAL)
    one = data.DetectorInformationSequence[0]
    data.DetectorInformationSequence = d.Sequence([
        d.item(ImagePositionPatient=[-40.0, -30.0, 10.0 - 6.0 * k], ImageOrientationPatient=list(one.ImageOrientationPatient))
        for k in range(5)
    ])  # fmt: skip
    image = read_nm(d.save(data, tmp_path / "a.dcm"))
    assert image.grid.voxel_mm[0] == pytest.approx(6.0)
    assert at_lps(image, (-40, -30, 10)) == counts()[0, 0, 0]
    assert at_lps(image, (-40, -30, -14)) == counts()[4, 0, 0]


# --- broken stacks ---------------------------------------------------------------------------------------------------


def without(k):
    return lambda s: s.pop(k)


def moved(k, axis, mm):
    def change(slices):
        place = list(slices[k].ImagePositionPatient)
        place[axis] += mm
        slices[k].ImagePositionPatient = place

    return change


def changed(k, **values):
    def change(slices):
        for keyword, value in values.items():
            if value is None:
                delattr(slices[k], keyword)
            else:
                setattr(slices[k], keyword, value)

    return change


def sheared(slices):
    for k, data in enumerate(slices):
        moved(k, 1, 0.5 * k)([data] * (k + 1))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without(2), "1 slice here, 1 gap in all"),
        (moved(2, 2, 3.0), "at one place"),
        (moved(2, 2, 0.3), "unevenly spaced"),
        (sheared, "tilted gantry"),
        (changed(1, PixelSpacing=[2.0, 2.0]), "PixelSpacing differs"),
        (changed(1, PixelSpacing=None), "no PixelSpacing"),
        (changed(1, PixelSpacing=[0, 2.0]), "above zero"),
        (changed(1, ImageOrientationPatient=[1, 0, 0, 0, 0, 1]), "orientation differs"),
        (changed(1, ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), "no pair of unit vectors"),
        (changed(1, ImageOrientationPatient=None), "no ImageOrientationPatient"),
        (changed(1, ImagePositionPatient=None), "no ImagePositionPatient"),
        (changed(1, SOPInstanceUID=""), "blank SOPInstanceUID"),
        (changed(1, SeriesInstanceUID="not a uid"), "no UID"),
        (changed(1, SeriesInstanceUID="1.2.3"), "SeriesInstanceUID differs"),
        (changed(1, FrameOfReferenceUID=""), "blank FrameOfReferenceUID"),
        (changed(1, SOPInstanceUID=d.uid("CT", "study", "series", "0")), "same SOPInstanceUID"),
        (changed(1, RescaleSlope=None), "no RescaleSlope"),
        (changed(1, RescaleSlope=0), "RescaleSlope of .* is zero"),
        (changed(1, RescaleType="US"), "not in HU"),
        (changed(1, Rows=8), "matrix differs"),
        (changed(1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "localizer"),
        (changed(1, PatientID="other"), "different patients"),
        (changed(1, NumberOfFrames=2), "enhanced"),
        (changed(1, BitsStored=17), "not a layout in use"),
        (changed(1, SamplesPerPixel=3), "colour"),
        (changed(1, Modality="MR"), "CT is read here"),
    ],
)  # fmt: skip
def test_a_ct_that_is_no_single_even_stack_is_refused_with_the_reason(tmp_path, change, told):
    slices = d.ct_slices(hounsfield(), AXIAL)
    change(slices)
    d.save_all(slices, tmp_path)
    with pytest.raises(ImageError, match=told) as caught:
        read_ct(tmp_path)
    assert not any(word in str(caught.value) for word in d.IDENTITY)


def test_one_slice_is_no_volume_and_padding_becomes_air(tmp_path):
    slices = d.ct_slices(hounsfield(), AXIAL)
    with pytest.raises(ImageError, match="one slice"):
        read_ct(d.save(slices[0], tmp_path / "one" / "a.dcm"))
    for data in slices:
        stored = np.frombuffer(data.PixelData, "<u2").reshape(7, 9).astype(int) - 100
        stored[0, 0] = -2000
        d.put_pixels(data, stored)
        data.PixelPaddingValue = -2000
        data["PixelPaddingValue"].VR = "SS"
    d.save_all(slices, tmp_path / "pad")
    image = read_ct(tmp_path / "pad")
    assert (image.array[:, 0, 0] == -1000).all()
    assert any("6 voxels of padding" in n for n in image.notes)


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("unit", "factor"), [("Bq/ml", 1e-6), ("kBq/ml", 1e-3), ("MBq/ml", 1.0)])
def test_real_world_slope_counts_and_the_rescale_slope_does_not_come_on_top(tmp_path, unit, factor):
    data = d.nm_tomo(counts(), AXIAL, slope=0.37, unit=unit)
    data.RescaleSlope, data.RescaleIntercept = 5.0, 1.0
    image = read_nm(d.save(data, tmp_path / "a.dcm"))
    assert image.quantity == "activity_concentration"
    np.testing.assert_allclose(image.array, counts() * 0.37 * factor, rtol=1e-6)
    assert unit in image.notes[0]


def test_counts_stay_counts_and_say_that_they_need_a_calibration(tmp_path):
    data = d.nm_tomo(counts(), AXIAL)
    data.RescaleSlope, data.RescaleIntercept = 0.5, 2.0
    image = read_nm(d.save(data, tmp_path / "a.dcm"))
    assert image.quantity == "counts"
    np.testing.assert_allclose(image.array, counts() * 0.5 + 2.0)
    assert any("calibration" in n for n in image.notes)
    assert any("rescale slope 0.5" in n for n in image.notes)


def test_a_mapping_object_is_applied_to_the_image_it_refers_to(tmp_path):
    data, other = d.nm_tomo(counts(), AXIAL), d.nm_tomo(counts(), AXIAL, instance="2")
    path = d.save(data, tmp_path / "a.dcm")
    maps = [
        d.save(d.rwv([data], 7.0), tmp_path / "m.dcm"),
        d.save(d.rwv([other], 9.0, instance="2"), tmp_path / "n.dcm"),
    ]
    assert read_nm(path).quantity == "counts"
    np.testing.assert_allclose(read_nm(path, mappings=maps).array, counts() * 7e-6, rtol=1e-6)
    maps.append(d.save(d.rwv([data], 8.0, instance="3"), tmp_path / "o.dcm"))
    with pytest.raises(ImageError, match="mappings that differ"):
        read_nm(path, mappings=maps)
    study = d.save(data, tmp_path / "folder" / "a.dcm").parent
    d.save(d.rwv([data], 7.0), study / "m.dcm")
    np.testing.assert_allclose(read_folder(study).points[0].emission.array, counts() * 7e-6, rtol=1e-6)
    assert [s.quantity for s in find_series(study)] == ["activity_concentration", None]


def bad_map(**values):
    def change(data):
        for keyword, value in values.items():
            setattr(data.RealWorldValueMappingSequence[0], keyword, value)

    return change


def narrow(data):
    data.RealWorldValueMappingSequence[0]["RealWorldValueLastValueMapped"].value = 10


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (bad_map(MeasurementUnitsCodeSequence=[d.code("g/ml{SUVbw}", "SUV")]), "SUVbw"),
        (bad_map(RealWorldValueSlope=0.0), "is zero"),
        (bad_map(RealWorldValueSlope=float("nan")), "not finite"),
        (bad_map(RealWorldValueSlope=1e300), "too large"),
        (narrow, "outside of the range"),
        (lambda s: setattr(s, "ImageType", ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]), "projections. Reconstruct"),
        (lambda s: setattr(s, "ImageType", ["ORIGINAL", "PRIMARY", "RECON GATED TOMO"]), "RECON GATED TOMO"),
        (lambda s: setattr(s, "ImageType", []), "not stated"),
        (lambda s: setattr(s, "SpacingBetweenSlices", 0), "is zero"),
        (lambda s: delattr(s, "DetectorInformationSequence"), "no ImagePositionPatient"),
        (lambda s: delattr(s.DetectorInformationSequence[0], "ImageOrientationPatient"), "no ImageOrientationPatient"),
        (lambda s: delattr(s, "AcquisitionTime"), "supply started="),
        (lambda s: setattr(s, "AcquisitionTime", "9am"), "no complete date"),
        (lambda s: delattr(s, "TimezoneOffsetFromUTC"), "supply timezone="),
        (lambda s: setattr(s, "DecayCorrection", "SOON"), "NONE, START and ADMIN"),
        (lambda s: setattr(s.RadiopharmaceuticalInformationSequence[0], "RadionuclideTotalDose", 7.4e9), "Supply administered_MBq="),
        (lambda s: setattr(s.EnergyWindowInformationSequence[0].EnergyWindowRangeSequence[0], "EnergyWindowLowerLimit", 300), "from 300"),
        (lambda s: setattr(s, "LossyImageCompression", "01"), "with loss"),
        (lambda s: setattr(s, "Units", "GML"), "differ|SUV|"),
        (lambda s: setattr(s, "NumberOfFrames", 6), "SliceVector"),
        (lambda s: setattr(s, "Rows", 60000), "at most|bytes of pixels"),
        (lambda s: setattr(s, "PixelData", s.PixelData[:-4]), "cut short"),
    ],
)  # fmt: skip
def test_an_nm_object_that_leaves_something_open_is_refused_with_what_to_supply(tmp_path, change, told):
    data = d.nm_tomo(counts(), AXIAL, slope=2.0)
    change(data)
    path = d.save(data, tmp_path / "a.dcm")
    if told.startswith("differ"):  # a real-world mapping goes before Units
        assert read_nm(path).quantity == "activity_concentration"
        del data.RealWorldValueMappingSequence
        path, told = d.save(data, tmp_path / "b.dcm"), "SUV would need"
    with pytest.raises(ImageError, match=told) as caught:
        read_nm(path)
    assert not any(word in str(caught.value) for word in d.IDENTITY)


def test_what_the_caller_supplies_settles_what_the_object_leaves_open(tmp_path):
    data = d.nm_tomo(counts(), AXIAL, slope=2.0)
    del data.TimezoneOffsetFromUTC, data.AcquisitionTime, data.CorrectedImage, data.RotationInformationSequence
    data.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose = 7.4e9
    began = datetime.datetime(2026, 3, 1, 12, tzinfo=CET)
    image = read_nm(
        d.save(data, tmp_path / "a.dcm"), timezone="+01:00", started=began, administered_MBq=7300.0, nuclide="Lu-177",
        administered_at=began - datetime.timedelta(hours=2), decay_corrected_to="start", duration_s=900.0,
    ).acquisition  # fmt: skip
    assert (image.started, image.administered_MBq, image.nuclide) == (began, 7300.0, "Lu-177")
    assert (image.decay_corrected_to, image.duration_s) == ("start", 900.0)
    with pytest.raises(ImageError, match="started has no zone"):
        read_nm(tmp_path / "a.dcm", started=began.replace(tzinfo=None), administered_MBq=1.0)
    with pytest.raises(ImageError, match="above zero"):
        read_nm(tmp_path / "a.dcm", started=began, administered_MBq=-1.0)


def test_facts_of_an_nm_object(tmp_path):
    made = read_nm(d.save(d.nm_tomo(counts(), AXIAL), tmp_path / "a.dcm")).acquisition
    assert made.started == datetime.datetime(2026, 3, 1, 10, tzinfo=CET)
    assert made.duration_s == 60 * 20.0
    assert (made.nuclide, made.administered_MBq) == ("Lu-177", 7400.0)
    assert made.administered_at == datetime.datetime(2026, 2, 28, 10, tzinfo=CET)
    assert made.decay_corrected_to == "none"
    assert made.energy_windows_keV == ((187.2, 228.8),)


# --- PET -------------------------------------------------------------------------------------------------------------


def test_pet_slopes_differ_by_slice_and_start_means_the_time_that_explains_the_decay_factor(tmp_path):
    stored, slopes = counts((4, 5, 6)), [1.0, 2.0, 0.5, 3.0]
    for name, mean in (("mean", True), ("plain", False)):
        d.save_all(d.pet_slices(stored, AXIAL, slopes=slopes, mean=mean), tmp_path / name)
        image = read_pet(tmp_path / name)
        np.testing.assert_allclose(image.array, stored * np.array(slopes)[:, None, None] * 1e-6, rtol=1e-6)
        made = image.acquisition
        assert made.started == datetime.datetime(
            2026, 3, 1, 10, 0, tzinfo=CET
        )  # the series, not the acquisition at 10:30
        assert (made.decay_corrected_to, made.nuclide, made.administered_MBq) == ("start", "Ga-68", 150.0)
        assert made.duration_s == 600.0


@pytest.mark.parametrize(("correction", "told", "hour"), [("ADMIN", "administration", 30), ("NONE", "none", 30)])
def test_pet_that_is_not_corrected_to_its_start_keeps_the_time_of_its_acquisition(tmp_path, correction, told, hour):
    d.save_all(d.pet_slices(counts((4, 5, 6)), AXIAL, correction=correction), tmp_path)
    made = read_pet(tmp_path).acquisition
    assert (made.decay_corrected_to, made.started.minute) == (told, hour)


def wrong_preset():
    """68Ga corrected as if it were 18F."""
    return d.item(RadionuclideHalfLife=6586.2, RadionuclideCodeSequence=[d.code("35337001", "^68^Gallium", "SCT")])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"DecayFactor": 1.7}, "fits neither"),
        ({"RadiopharmaceuticalInformationSequence": [wrong_preset()]}, "wrong preset at the scanner"),
        ({"DecayFactor": None}, "lacks DecayFactor"),
        ({"DecayCorrection": None}, "no DecayCorrection"),
        ({"Units": "GML"}, "SUV would need mass"),
        ({"Units": None}, "unit is not stated"),
        ({"SeriesType": ["GATED", "IMAGE"]}, "gated"),
        ({"SeriesType": ["DYNAMIC", "IMAGE"]}, "dynamic"),
        ({"NumberOfTimeSlices": 8}, "gated"),
        ({"LossyImageCompression": "01"}, "with loss"),
        ({"RescaleSlope": None}, "no RescaleSlope"),
    ],
)  # fmt: skip
def test_pet_that_cannot_be_taken_as_activity_is_refused(tmp_path, values, told):
    slices = d.pet_slices(counts((4, 5, 6)), AXIAL)
    for k in range(4):
        changed(k, **values)(slices)
    d.save_all(slices, tmp_path)
    with pytest.raises(ImageError, match=told):
        read_pet(tmp_path)


# --- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "minutes"), [("+01:00", 60), ("-0330", -210), ("UTC", 0), ("Z", 0), ("Europe/Berlin", 60)]
)
def test_zones_as_people_write_them(zone, minutes):
    when = datetime.datetime(2026, 3, 1, tzinfo=zone_of(zone))
    assert when.utcoffset() == datetime.timedelta(minutes=minutes)


@pytest.mark.parametrize("zone", ["Mars/Base", "+25:00", "", "../etc/passwd", "+01:75"])
def test_zones_that_are_none(zone):
    with pytest.raises(ImageError, match="zone"):
        zone_of(zone)


def test_the_hour_of_a_clock_change_needs_an_offset(tmp_path):
    data = d.nm_tomo(counts(), AXIAL, zone=None, when="20261025023000")
    header = opened(d.save(data, tmp_path / "a.dcm"))
    with pytest.raises(ImageError, match="clock change"):
        moment(header, "Acquisition", zone_of("Europe/Berlin"))
    assert moment(header, "Acquisition", zone_of("+02:00")).utcoffset() == datetime.timedelta(hours=2)


def test_slices_with_and_without_a_zone_cannot_be_put_in_order(tmp_path):
    slices = d.pet_slices(counts((4, 5, 6)), AXIAL)
    del slices[1].TimezoneOffsetFromUTC
    d.save_all(slices, tmp_path)
    with pytest.raises(ImageError, match="state a zone and others do not: supply timezone="):
        read_pet(tmp_path)
    assert "supply timezone=" in find_series(tmp_path)[0].problems[0]
    assert read_pet(tmp_path, timezone="+01:00").acquisition.started.hour == 10


# --- registration ----------------------------------------------------------------------------------------------------


def test_registration_takes_the_moving_frame_to_the_fixed_one(tmp_path):
    matrix = turned((0.1, 0.02, -0.05), (1, 1, 1), (5.0, -3.0, 12.0))
    found = read_registration(d.save(d.registration(matrix, "moving", "fixed"), tmp_path / "a.dcm"))
    assert len(found) == 1
    assert (found[0].moving, found[0].fixed, found[0].kind) == (d.uid("moving"), d.uid("fixed"), "rigid")
    np.testing.assert_allclose(found[0].matrix, matrix, atol=1e-9)
    affine = np.diag([1.1, 0.9, 1.0, 1.0])
    assert read_registration(d.save(d.registration(affine, "m", "f", "AFFINE"), tmp_path / "b.dcm"))[0].kind == "affine"


@pytest.mark.parametrize(
    ("matrix", "kind", "told"),
    [
        (np.diag([1.1, 1, 1, 1]), "RIGID", "stretches"),
        (np.diag([-1.0, 1, 1, 1]), "RIGID", "mirrors"),
        (np.zeros((4, 4)), "AFFINE", "no affine map"),
        (np.eye(4), "WARP", "kind WARP"),
        (np.eye(3), "RIGID", "9 values where the standard has 16"),
    ],
)  # fmt: skip
def test_matrices_that_are_not_what_they_say(tmp_path, matrix, kind, told):
    with pytest.raises(ImageError, match=told):
        read_registration(d.save(d.registration(matrix, "m", "f", kind), tmp_path / "a.dcm"))


def test_a_deformable_registration_is_refused(tmp_path):
    data = d.registration(np.eye(4), "m", "f")
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66.3"
    with pytest.raises(ImageError, match="deformable"):
        read_registration(d.save(data, tmp_path / "a.dcm"))
