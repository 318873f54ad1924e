"""Objects out: each round trip, each validator that is installed, and nobody's name where it does not belong."""

import datetime
import errno
import re
import shutil
import subprocess

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
highdicom = pytest.importorskip("highdicom")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from alphatwin.errors import ImageError, OutputError  # noqa: E402
from alphatwin.imaging import (  # noqa: E402  # noqa: E402
    Administration,
    Grid,
    Image,
    Labels,
    OrganDose,
    PatientCharacteristics,
    _objects,
    deidentify,
    write_dose_sr,
    write_measurement_sr,
    write_parametric_map,
    write_rtdose,
    write_seg,
    writing,
)
from alphatwin.imaging._files import new_folder, whole_file  # noqa: E402

MADE = datetime.datetime(2026, 3, 9, 12, 0, 0, tzinfo=datetime.UTC)
GIVEN = datetime.datetime(2026, 3, 2, 9, 0, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
FRAME = _objects.dicom_uid("frame")


def reference(**changes):
    """A slice of a CT of somebody."""
    visit = _objects.Visit(("test",), "Doe^Jane", "MRN-4711", 1, GIVEN, "Therapy of Doe")
    grid = Grid((1, 4, 5), np.diag([2.0, 2.0, 3.0, 1.0]))
    data = next(_objects.ct_slices(visit, np.zeros(grid.shape), grid))
    data.PatientBirthDate, data.FrameOfReferenceUID = "19500607", FRAME
    for name, value in changes.items():
        setattr(data, name, value)
    return data


def grid_of(shape, spacing=(4.0, 3.0, 2.0), origin=(-31.25, 12.5, 100.123), turn=None):
    affine = np.diag([*spacing, 1.0])
    if turn is not None:
        affine[:3, :3] = turn @ affine[:3, :3]
    affine[:3, 3] = origin
    return Grid(shape, affine)


def dose_map(shape=(5, 6, 7), top=42.0, **where):
    values = np.random.Generator(np.random.Philox(key=7)).random(shape) ** 3 * top
    return Image(values, grid_of(shape, **where), "absorbed_dose", frame_of_reference=FRAME)


def labels(shape=(5, 6, 7), **where):
    a, b = np.zeros(shape, bool), np.zeros(shape, bool)
    a[1:4, 1:4, 2:6] = True
    b[2:5, 3:5, 3:7] = True  # overlaps the first
    return Labels({"kidney_left": a, "lesion_1": b}, grid_of(shape, **where), FRAME)


def read_back(path):
    data = pydicom.dcmread(path)
    return data, data.pixel_array * float(data.DoseGridScaling)


# --- RTDOSE ----------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 6)),
    exponent=st.integers(-9, 9),
    seed=st.integers(0, 2**32),
    flips=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    order=st.permutations([0, 1, 2]),
)
def test_a_dose_comes_back_within_half_a_step_at_its_place(tmp_path_factory, shape, exponent, seed, flips, order):
    values = np.random.Generator(np.random.Philox(key=seed)).random(shape) * 10.0**exponent
    turn = np.eye(3)[:, list(order)] * np.where(flips, -1.0, 1.0)
    image = Image(values, grid_of(shape, turn=turn), "absorbed_dose")
    file = write_rtdose(image, reference(), tmp_path_factory.mktemp("dose") / "d.dcm", made_at=MADE)
    data, found = read_back(file)
    found = found.reshape(data.NumberOfFrames, data.Rows, data.Columns)
    step = float(data.DoseGridScaling)
    for (z, y, x), value in np.ndenumerate(values):
        place = image.grid.affine @ [x, y, z, 1.0]
        offset = place[:3] - np.array([float(v) for v in data.ImagePositionPatient])
        row, column = offset[1] / float(data.PixelSpacing[0]), offset[0] / float(data.PixelSpacing[1])
        plane = offset[2] / float(data.SliceThickness)
        at = np.array([plane, row, column])
        assert at == pytest.approx(np.rint(at), abs=1e-6)
        assert abs(found[tuple(np.rint(at).astype(int))] - value) <= 0.5 * step * (1 + 1e-6)
    assert step * (2**32 - 1) >= values.max() * (1 - 1e-12)
    assert step * (2**32 - 1) <= values.max() * (1 + 1e-6) or values.max() == 0


@pytest.mark.parametrize("kind", ["PHYSICAL", "EFFECTIVE", "ERROR"])
def test_simpleitk_sees_the_dose_where_it_is(tmp_path, kind):
    sitk = pytest.importorskip("SimpleITK")
    image = dose_map()
    file = write_rtdose(image, reference(), tmp_path / "d.dcm", kind)
    seen = sitk.ReadImage(str(file))
    assert seen.GetSize() == (7, 6, 5)
    assert seen.GetSpacing() == pytest.approx((4.0, 3.0, 2.0))
    assert seen.GetOrigin() == pytest.approx((-31.25, 12.5, 100.123))
    step = float(pydicom.dcmread(file).DoseGridScaling)
    raw = sitk.GetArrayFromImage(seen)
    scaled = raw * step if raw.max() > 1e6 else raw  # readers differ in applying the scaling
    assert np.abs(scaled - image.array).max() <= step
    assert pydicom.dcmread(file).DoseType == kind


def test_a_map_of_zeros_and_one_voxel_can_be_written(tmp_path):
    image = Image(np.zeros((1, 1, 1)), grid_of((1, 1, 1)), "absorbed_dose")
    assert read_back(write_rtdose(image, reference(), tmp_path / "d.dcm"))[1].sum() == 0


def turned(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def test_an_oblique_grid_is_refused_or_resampled(tmp_path):
    shape = (6, 20, 24)
    grid = grid_of(shape, spacing=(3.0, 3.0, 3.0), turn=turned(20))
    z, y, x = np.indices(shape)
    places = np.einsum("ij,jzyx->izyx", grid.affine, np.stack([x, y, z, np.ones_like(x)]).astype(float))
    image = Image(200.0 + 0.5 * places[0] - 0.25 * places[1] + 0.1 * places[2], grid, "absorbed_dose")
    with pytest.raises(ImageError, match="resample=True"):
        write_rtdose(image, reference(), tmp_path / "d.dcm")
    assert list(tmp_path.iterdir()) == []
    data, found = read_back(write_rtdose(image, reference(), tmp_path / "d.dcm", resample=True))
    assert data.ImageOrientationPatient == [1, 0, 0, 0, 1, 0]
    step = [float(data.PixelSpacing[1]), float(data.PixelSpacing[0]), float(data.SliceThickness)]
    start = np.array([float(v) for v in data.ImagePositionPatient])
    inside = 0
    for (k, j, i), value in np.ndenumerate(found):
        place = start + np.array([i, j, k]) * step
        index = np.linalg.inv(grid.affine) @ [*place, 1]
        if (index[:3] >= 0.01).all() and (index[:3] <= np.array([22.99, 18.99, 4.99])).all():
            inside += 1
            assert value == pytest.approx(200 + 0.5 * place[0] - 0.25 * place[1] + 0.1 * place[2], abs=1e-4)
    assert inside > 1000  # a linear map comes through linear interpolation unchanged


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dose_type": "PHYSIC"}, "Did you mean PHYSICAL"),
        ({"summation": "PLANN"}, "Did you mean PLAN"),
        ({"summation": "RECORD"}, "treatment record"),
        ({"identity": "kept"}, "Did you mean keep"),
        ({"comment": "x" * 65}, "room for 64"),
    ],
)
def test_bad_choices_say_what_is_allowed(tmp_path, change, words):
    with pytest.raises(ImageError, match=words):
        write_rtdose(dose_map(), reference(), tmp_path / "d.dcm", **change)
    assert list(tmp_path.iterdir()) == []


def test_bad_maps_and_references_are_refused(tmp_path):
    image = dose_map()
    with pytest.raises(ImageError, match="negative"):
        write_rtdose(Image(-image.array, image.grid, "absorbed_dose"), reference(), tmp_path / "d.dcm")
    with pytest.raises(ImageError, match="holds counts"):
        write_rtdose(Image(image.array, image.grid, "counts"), reference(), tmp_path / "d.dcm")
    with pytest.raises(ImageError, match="different frames of reference"):
        write_rtdose(image, reference(FrameOfReferenceUID="1.2.3"), tmp_path / "d.dcm")
    with pytest.raises(ImageError, match="There is no file"):
        write_rtdose(image, tmp_path / "nowhere.dcm", tmp_path / "d.dcm")
    with pytest.raises(ImageError, match="no StudyInstanceUID"):
        write_rtdose(image, reference(StudyInstanceUID=""), tmp_path / "d.dcm")
    with pytest.raises(OutputError, match="no folder"):
        write_rtdose(image, reference(), tmp_path / "missing" / "d.dcm")


# --- segmentation, parametric map ------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", [np.eye(3), turned(30), np.diag([1.0, -1.0, -1.0])])
def test_regions_come_back_voxel_by_voxel(tmp_path, turn):
    what = labels(turn=turn)
    file = write_seg(what, reference(), tmp_path / "s.dcm", identity="keep", algorithm=("drawer", "1.0"))
    seg = highdicom.seg.segread(file)
    assert [s.SegmentLabel for s in seg.SegmentSequence] == ["kidney_left", "lesion_1"]
    assert seg.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeValue == "64033007"
    side = seg.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence[0]
    assert side.CodeMeaning == "Left"
    for number, mask in enumerate(what.masks.values(), start=1):
        volume = seg.get_volume(segment_numbers=[number], combine_segments=True, relabel=True)
        z, y, x = np.nonzero(np.asarray(volume.array) > 0)
        found = (volume.affine @ np.stack([z, y, x, np.ones_like(z)]))[:3].T
        k, j, i = np.nonzero(mask)
        expected = (what.grid.affine @ np.stack([i, j, k, np.ones_like(i)]))[:3].T
        key = lambda p: sorted(map(tuple, np.round(p, 3).tolist()))  # noqa: E731
        assert key(found) == key(expected)


def test_a_region_that_is_empty_is_refused(tmp_path):
    what = Labels({"liver": np.zeros((2, 2, 2), bool)}, grid_of((2, 2, 2)), FRAME)
    with pytest.raises(ImageError, match="liver"):
        write_seg(what, reference(), tmp_path / "s.dcm")
    with pytest.raises(ImageError, match="no region"):
        write_seg(Labels({}, grid_of((2, 2, 2)), FRAME), reference(), tmp_path / "s.dcm")


@pytest.mark.parametrize("name", ["Läsion rechts", "Почка левая", "左腎臓", "lésion\u00a0№ 3", "x" * 70])
def test_names_of_any_script_and_length_come_back(tmp_path, name):
    """In the segmentation, the measurements that look it up by name, and the dose report; strict about bytes."""
    mask = labels().masks["kidney_left"]
    what = Labels({name: mask, "x" * 69 + "y": mask}, labels().grid, FRAME)
    reference_ = reference(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")
    seg = write_seg(what, reference_, tmp_path / "s.dcm", identity="keep")
    measures = {n: {"mean_Gy": 2.0 + i} for i, n in enumerate(what.masks)}
    report = write_measurement_sr(measures, seg, tmp_path / "m.dcm", identity="keep", remarks={name: "cut by the edge"})
    dose = write_dose_sr(GIVING, [OrganDose(name, 2.0, "voxel")], reference_, tmp_path / "d.dcm", identity="keep")
    ours = ("BED", "99ALPHATWIN", "Biologically effective dose")
    image = Image(dose_map().array, dose_map().grid, "other", frame_of_reference=FRAME)
    pm = write_parametric_map(image, reference_, tmp_path / "p.dcm", unit=("Gy", "Gy"), quantity=ours, identity="keep")
    for file in (seg, report, dose, pm):
        data = pydicom.dcmread(file)
        assert data.SpecificCharacterSet == "ISO_IR 192"
        assert str(data.PatientName) == "Müller^Jörg"
        assert "Müller".encode() in file.read_bytes()
    shown = [s.SegmentLabel for s in pydicom.dcmread(seg).SegmentSequence]
    assert len({*shown}) == 2
    assert all(len(s) <= 64 for s in shown)
    assert name == shown[0] or len(name) > 64
    told = [i.TextValue for i in items(pydicom.dcmread(report), "TEXT")]
    assert {*what.masks} <= {*told}
    assert "cut by the edge" in told
    for file in (seg, report, dose):
        assert faults(file) == [], file.name


def test_a_spect_can_be_the_reference_of_a_segmentation(tmp_path):
    nm = reference(SOPClassUID=_objects.NM, NumberOfFrames=5)
    seg = pydicom.dcmread(write_seg(labels(), nm, tmp_path / "s.dcm", identity="keep"))
    named = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0]
    assert (named.ReferencedSOPClassUID, named.ReferencedSOPInstanceUID) == (_objects.NM, nm.SOPInstanceUID)


@pytest.mark.parametrize(
    "quantity", ["absorbed_dose", "activity_concentration", "decays", "counts", "density", "hu", "activity"]
)
def test_a_map_of_floats_comes_back_to_the_bit_with_its_unit(tmp_path, quantity):
    image = Image(dose_map().array.astype(np.float32), grid_of((5, 6, 7), turn=turned(12)), quantity)
    file = write_parametric_map(image, reference(), tmp_path / "p.dcm", identity="keep")
    data = pydicom.dcmread(file)
    worth = data.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert worth.MeasurementUnitsCodeSequence[0].CodingSchemeDesignator == "UCUM"
    assert worth.RealWorldValueSlope == 1.0
    seen = set()
    for frame, placed in zip(data.pixel_array, data.PerFrameFunctionalGroupsSequence, strict=True):
        place = [float(v) for v in placed.PlanePositionSequence[0].ImagePositionPatient]
        index = np.linalg.inv(image.grid.affine) @ [*place, 1.0]
        assert index[:2] == pytest.approx([0, 0], abs=1e-6)
        assert np.array_equal(frame, image.array[round(index[2])])
        seen.add(round(index[2]))
    assert seen == set(range(5))


def test_a_map_of_something_else_says_what_it_is(tmp_path):
    image = Image(dose_map().array, dose_map().grid, "other", frame_of_reference=FRAME)
    with pytest.raises(ImageError, match="unit="):
        write_parametric_map(image, reference(), tmp_path / "p.dcm")
    bed = ("BED", "99ALPHATWIN", "Biologically effective dose")
    file = write_parametric_map(image, reference(), tmp_path / "p.dcm", unit=("Gy", "Gray"), quantity=bed, label="BED")
    assert "Biologically effective dose" in str(pydicom.dcmread(file))
    huge = Image(np.full((1, 1, 1), 1e300), grid_of((1, 1, 1)), "decays")
    with pytest.raises(ImageError, match="32-bit"), np.errstate(over="ignore"):
        write_parametric_map(huge, reference(), tmp_path / "q.dcm")


# --- structured reports ----------------------------------------------------------------------------------------------

GIVING = Administration(
    "177Lu-DOTATATE", "Lu-177", 7400.0, GIVEN, GIVEN + datetime.timedelta(minutes=30), before_MBq=7450.0
)
ORGANS = [
    OrganDose("kidney_left", 2.91, "voxel convolution", 104.2),
    OrganDose("lesion_liver", 14.9, "voxel convolution"),
]
WHO = PatientCharacteristics(61.0, "F", 170.0, 65.5)


def items(data, kind=None):
    """All content items below a dataset: value type, concept, item."""
    for item in data.get("ContentSequence") or ():
        yield from [item] if kind in (None, item.ValueType) else []
        yield from items(item, kind)


def dose_report(tmp_path, identity="keep"):
    return write_dose_sr(GIVING, ORGANS, reference(), tmp_path / "sr.dcm", patient=WHO, identity=identity, made_at=MADE)


def test_a_dose_report_says_what_was_given_and_what_each_organ_got(tmp_path):
    data = pydicom.dcmread(dose_report(tmp_path))
    assert data.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.68"
    assert data.ContentTemplateSequence[0].TemplateIdentifier == "10021"
    told = {
        i.ConceptNameCodeSequence[0].CodeMeaning: (
            float(i.MeasuredValueSequence[0].NumericValue),
            i.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue,
        )
        for i in items(data, "NUM")
    }
    assert told["Administered activity"] == (7400.0, "MBq")
    assert told["Radionuclide Half Life"] == (pytest.approx(6.647 * 86400, rel=2e-3), "s")
    doses = [float(i.MeasuredValueSequence[0].NumericValue) for i in items(data, "NUM")
             if i.ConceptNameCodeSequence[0].CodeMeaning == "Organ Dose"]  # fmt: skip
    assert doses == [2910.0, 14900.0]  # mGy
    assert told["Mass"] == (104.2, "g")
    assert told["Subject Age"] == (61.0, "a")


def test_every_code_of_the_standard_that_is_used_stands_in_its_dictionary(tmp_path):
    from pydicom.sr._concepts_dict import concepts

    known = {s: {c for entry in concepts[s].values() for c in entry} for s in ("DCM", "SCT", "UCUM")}
    not_in_that_dictionary = {("UCUM", "mGy"), ("UCUM", "g"), ("UCUM", "kg"), ("UCUM", "cm"), ("UCUM", "ml"),
                              ("UCUM", "MBq.h"), ("UCUM", "%")}  # units of UCUM that no context group of DICOM lists  # fmt: skip
    seg = write_seg(labels(), reference(), tmp_path / "s.dcm", identity="keep")
    files = [dose_report(tmp_path), write_measurement_sr(MEASURES, seg, tmp_path / "m.dcm"), seg]
    used = set()

    def collect(data):
        for element in data:
            if element.VR == "SQ":
                for item in element.value:
                    if "CodeValue" in item:
                        used.add((str(item.CodingSchemeDesignator), str(item.CodeValue)))
                    collect(item)

    for file in files:
        collect(pydicom.dcmread(file))
    checked = {(s, c) for s, c in used if s in known}
    assert len(checked) > 30
    assert {(s, c) for s, c in checked if c not in known[s]} <= not_in_that_dictionary


MEASURES = {
    "kidney_left": {"mean_Gy": 2.9, "D95_Gy": 2.0, "volume_mL": 99.0, "V20Gy_percent": 3.5},
    "lesion_1": {"mean_Gy": 14.9},
}


def test_measurements_come_back_by_region(tmp_path):
    seg = write_seg(labels(), reference(), tmp_path / "s.dcm", identity="keep")
    file = write_measurement_sr(MEASURES, seg, tmp_path / "m.dcm", method="voxel convolution", identity="keep")
    report = highdicom.sr.srread(file)
    groups = report.content.get_volumetric_roi_measurement_groups()
    found = {g.tracking_identifier: {m.name.value: m.value for m in g.get_measurements()} for g in groups}
    assert found == {
        "kidney_left": {"128533": 2.9, "D95": 2.0, "118565006": 99.0, "V20GY": 3.5},
        "lesion_1": {"128533": 14.9},
    }
    assert groups[0].finding_sites[0].laterality.meaning == "Left"


@pytest.mark.parametrize(
    ("measures", "words"),
    [
        ({"kidney_lef": {"mean_Gy": 1.0}}, "Did you mean kidney_left"),
        ({"kidney_left": {"mean": 1.0}}, "Did you mean mean_Gy"),
        ({"kidney_left": {"mean_Gy": float("nan")}}, "finite"),
        ({}, "nothing to report"),
    ],
)
def test_measurements_that_cannot_be_written_say_why(tmp_path, measures, words):
    seg = write_seg(labels(), reference(), tmp_path / "s.dcm")
    with pytest.raises(ImageError, match=words):
        write_measurement_sr(measures, seg, tmp_path / "m.dcm")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Administration("", "Lu-177", 1.0, GIVEN), "agent"),
        (lambda: Administration("x", "Lu-177", 0.0, GIVEN), "above zero"),
        (lambda: Administration("x", "Lu-177", 1.0, GIVEN.replace(tzinfo=None)), "zone"),
        (lambda: Administration("x", "Lu-177", 1.0, GIVEN, GIVEN - datetime.timedelta(hours=1)), "before it starts"),
        (lambda: Administration("x", "Lu-177", 1.0, GIVEN, route="intravenus"), "Did you mean intravenous"),
        (lambda: OrganDose("liver", float("nan"), "m"), "liver"),
        (lambda: OrganDose("liver", 1.0, ""), "method"),
        (lambda: OrganDose("liver", 1.0, "m", mass_g=0.0), "mass"),
        (lambda: PatientCharacteristics(sex="X"), "allowed: M, F"),
    ],
)
def test_a_report_is_valid_from_birth(make, words):
    with pytest.raises(ImageError, match=words):
        make()


# --- identity --------------------------------------------------------------------------------------------------------


def written(tmp_path, identity):
    """One of each object."""
    seg = write_seg(labels(), reference(), tmp_path / "seg.dcm", identity=identity)
    return [
        seg,
        write_rtdose(dose_map(), reference(), tmp_path / "dose.dcm", identity=identity),
        write_parametric_map(dose_map(), reference(), tmp_path / "map.dcm", identity=identity),
        dose_report(tmp_path, identity),
        write_measurement_sr(MEASURES, seg, tmp_path / "measured.dcm", identity=identity),
    ]


def test_nobody_is_named_unless_asked(tmp_path):
    for file in written(tmp_path, "link"):
        raw, data = file.read_bytes(), pydicom.dcmread(file)
        raw = re.sub(rb"2\.25\.\d+", b"", raw)  # a new UID may hold any digits
        for word in (b"Doe", b"Jane", b"MRN", b"4711", b"19500607", b"20260302", b"20260309"):
            assert word not in raw, (file.name, word)
        assert data.PatientIdentityRemoved == "YES"
        assert {c.CodeValue for c in data.DeidentificationMethodCodeSequence} == {"113100", "113107", "113110"}
        assert data.StudyInstanceUID == reference().StudyInstanceUID
        assert "Subject Age" not in str(data)


def test_no_identifier_of_the_study_stays_where_none_is_wanted(tmp_path):
    """Neither study, frame, slices nor plan; and what was written together still belongs together."""
    known = {
        str(e.value) for e in reference().iterall() if e.VR == "UI" and not str(e.value).startswith("1.2.840.10008.")
    }
    assert len(known) > 3
    objects = [pydicom.dcmread(file) for file in written(tmp_path, "remove")]
    for file, data in zip(written(tmp_path, "remove"), objects, strict=True):
        raw = file.read_bytes()
        assert not [uid for uid in known if uid.encode() in raw], file.name
        assert data.PatientIdentityRemoved == "YES"
        retained = "113110" in {c.CodeValue for c in data.DeidentificationMethodCodeSequence}
        assert retained == (data is objects[-1])  # tied to the segmentation, whose identifiers are new already
    assert len({data.StudyInstanceUID for data in objects}) == 1
    assert len({data.FrameOfReferenceUID for data in objects if "FrameOfReferenceUID" in data}) == 1
    seg, report = objects[0], str(objects[-1])
    assert str(seg.SOPInstanceUID) in report


def test_the_patient_goes_along_when_asked(tmp_path):
    for file in written(tmp_path, "keep"):
        data = pydicom.dcmread(file)
        assert (str(data.PatientName), data.PatientID) == ("Doe^Jane", "MRN-4711")
        assert data.get("PatientIdentityRemoved") != "NO"


def test_identifiers_are_replaced_alike_and_times_keep_their_distance(tmp_path):
    data = pydicom.dcmread(dose_report(tmp_path))
    one, two = deidentify(data, uids="replace", key="site"), deidentify(data, uids="replace", key="site")
    other = deidentify(data, uids="replace", key="elsewhere")
    assert one.StudyInstanceUID == two.StudyInstanceUID != data.StudyInstanceUID
    assert other.StudyInstanceUID != one.StudyInstanceUID
    assert one.SOPClassUID == data.SOPClassUID
    assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID
    assert [str(i.DateTime) for i in items(one, "DATETIME")] == ["20000101000000", "20000101003000"]
    assert str(data.PatientName) == "Doe^Jane"  # the object that came in is not touched


def test_names_dates_and_private_words_go(tmp_path):
    data = pydicom.dcmread(write_rtdose(dose_map(), reference(), tmp_path / "d.dcm", identity="keep"))
    data.add_new(0x00091001, "LO", "private Doe")
    data.PatientComments, data.OperatorsName, data.ReviewerName = "sister of Doe", "Doe^Nurse", "Doe^Reviewer"
    data.ReviewDate, data.InstitutionName, data.PatientWeight = "20260302", "Doe Hospital", 70
    text = str(deidentify(data))
    assert "Doe" not in text
    assert "20260302" not in text
    assert "70" not in str(deidentify(data).get("PatientWeight"))


def test_objects_of_others_are_not_de_identified_here():
    with pytest.raises(ImageError, match="Only objects that alphatwin wrote"):
        deidentify(reference(Manufacturer="ACME"))
    with pytest.raises(ImageError, match="allowed: keep, replace"):
        deidentify(reference(), uids="drop")


def test_the_same_result_has_the_same_identifier_and_another_one_another(tmp_path):
    make = lambda image, name: pydicom.dcmread(write_rtdose(image, reference(), tmp_path / name, made_at=MADE))  # noqa: E731
    one, two, other = make(dose_map(), "a.dcm"), make(dose_map(), "b.dcm"), make(dose_map(top=43.0), "c.dcm")
    assert one.SOPInstanceUID == two.SOPInstanceUID != other.SOPInstanceUID
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()
    assert len(one.SOPInstanceUID) <= 64


# --- validators ------------------------------------------------------------------------------------------------------


def faults(file):
    """Lines of dciodvfy that begin with Error; its assertion on pixels of 32 bits is gone round with 16 bits."""
    tool = shutil.which("dciodvfy")
    if tool is None:
        pytest.skip("dciodvfy (Debian: dicom3tools) is not installed: objects were not validated by it")
    data = pydicom.dcmread(file)
    if data.get("BitsAllocated") == 32 and "PixelData" in data:
        half = (data.pixel_array >> 16).astype("<u2")
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelData = 15, half.tobytes() + b"\0" * (half.nbytes % 2)
        file = file.with_suffix(".16.dcm")
        data.save_as(file)
    done = subprocess.run([tool, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode >= 0, done.stderr  # a negative one: it crashed and validated nothing
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("identity", ["keep", "link", "remove"])
def test_dciodvfy_finds_no_error(tmp_path, identity):
    for file in written(tmp_path, identity):
        assert faults(file) == [], file.name


@pytest.mark.parametrize("identity", ["keep", "link", "remove"])
def test_dcmtk_reads_the_reports(tmp_path, identity):
    tool = shutil.which("dsrdump")
    if tool is None:
        pytest.skip("dsrdump (Debian: dcmtk) is not installed: reports were not read by it")
    reports = written(tmp_path, identity)[-2:]
    for file in reports:
        done = subprocess.run([tool, str(file)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert "Organ Dose" in subprocess.run([tool, str(reports[0])], capture_output=True, text=True, check=True).stdout


# --- nothing half-written --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_an_interruption_leaves_nothing(tmp_path, monkeypatch, fault):
    def broken(data, file):
        file.write_bytes(b"half")
        raise fault

    old = tmp_path / "d.dcm"
    old.write_bytes(b"older")
    monkeypatch.setattr(writing._objects, "save", broken)
    with pytest.raises((OutputError, KeyboardInterrupt)):
        write_rtdose(dose_map(), reference(), old)
    assert [p.name for p in tmp_path.iterdir()] == ["d.dcm"]
    assert old.read_bytes() == b"older"


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    def half_way():
        with new_folder(tmp_path / "a" / "b") as place:
            (place / "x").write_text("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_way()
    assert list(tmp_path.iterdir()) == []
    with new_folder(tmp_path / "a" / "b") as place:
        (place / "x").write_text("x")
        assert not (tmp_path / "a" / "b").exists()
    assert (tmp_path / "a" / "b" / "x").read_text() == "x"
    with pytest.raises(OutputError, match="there already"), new_folder(tmp_path / "a" / "b"):
        pass
    with pytest.raises(OutputError, match="is a folder"):
        whole_file(tmp_path, lambda file: None)
