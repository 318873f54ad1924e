"""A folder becomes a study: time points by themselves, CT and contours with their image, and every ambiguity refused."""

import datetime
import os
import pathlib
import shutil

import numpy as np
import pydicom
import pytest

from alphatwin.errors import AlphatwinError, ImageError
from alphatwin.imaging import find_series, read_folder
from oracle import dicom_objects as d

CT = np.array([[2.0, 0, 0, -40], [0, 2.0, 0, -30], [0, 0, 3.0, 10], [0, 0, 0, 1]])
NM = np.array([[4.0, 0, 0, -40], [0, 4.0, 0, -30], [0, 0, 4.0, 10], [0, 0, 0, 1]])
GIVEN = datetime.datetime(2026, 2, 28, 10, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))


def visit(folder, k, day, *, slope=3.0, frame=None, zone="+0100", ct=True, **more):
    """One time point: CT at 10:05, SPECT at 10:30, a contour on the CT."""
    where = {"study": f"study{k}", "frame": frame or f"frame{k}", "zone": zone}
    values = np.full((5, 6, 7), 100 * (k + 1))
    nm = d.nm_tomo(values, NM, slope=slope, when=day + "103000", **where, **more)
    d.save(nm, folder / f"nm{k}.dcm")
    if ct:
        slices = d.ct_slices(np.full((8, 12, 14), 10.0 * k), CT, when=day + "100500", **where)
        d.save_all(slices, folder, prefix=f"ct{k}-")
        square = np.array([[-30, -20, 16], [-22, -20, 16], [-22, -12, 16], [-30, -12, 16.0]])
        d.save(d.rtstruct({"kidney": [square]}, slices[0], **where), folder / f"rs{k}.dcm")
    return nm


@pytest.fixture
def folder(tmp_path):
    for k, day in enumerate(("20260304", "20260301", "20260302")):  # neither names nor numbers follow the time
        visit(tmp_path, k, day)
    (tmp_path / "notes.txt").write_text("not an image")
    return tmp_path


def refused(folder, told, **options):
    with pytest.raises(ImageError, match=told) as caught:
        read_folder(folder, **options)
    assert not any(word in str(caught.value) for word in d.IDENTITY)


def test_time_points_in_order_each_with_its_ct_and_contours(folder):
    study = read_folder(folder)
    np.testing.assert_allclose(study.times_h, [24.5, 48.5, 96.5])
    assert (study.nuclide, study.administered_MBq, study.administered_at) == ("Lu-177", 7400.0, GIVEN)
    for point, k in zip(study.points, (1, 2, 0), strict=True):
        assert point.emission.array[0, 0, 0] == pytest.approx(300e-6 * (k + 1))
        assert point.ct.array[0, 0, 0] == 10 * k
        assert point.emission.frame_of_reference == point.ct.frame_of_reference == d.uid(f"frame{k}")
        assert point.labels.grid.same_as(point.ct.grid)
        assert point.labels.volume_mL("kidney") == pytest.approx(8 * 8 * 3 / 1000)
        assert not any(word in repr(point) + repr(study.notes) for word in d.IDENTITY)


def test_headers_alone_say_what_there_is(folder):
    found = find_series(folder)
    assert [s.kind for s in found] == ["CT"] * 3 + ["NM"] * 3 + ["RTSTRUCT"] * 3
    assert [s.number for s in found] == list(range(1, 10))
    assert [s.hours for s in found[3:6]] == [24.5, 48.5, 96.5]
    assert found[3].voxel_mm == (4.0, 4.0, 4.0)
    assert found[6].regions == ("kidney",)
    assert all(s.missing == s.problems == () for s in found)
    assert not any(word in repr(found) for word in d.IDENTITY)


def test_one_time_point_can_be_chosen(folder):
    nm, ct = (next(s.number for s in find_series(folder) if s.kind == k) for k in ("NM", "CT"))
    study = read_folder(folder, series=[nm, ct])
    assert len(study.points) == 1
    assert study.points[0].labels is None
    refused(folder, "no series 77", series=[77])


def test_a_shared_frame_of_reference_is_settled_by_time(tmp_path):
    for k, day in enumerate(("20260301", "20260302")):
        visit(tmp_path, k, day, frame="one")
    study = read_folder(tmp_path)
    assert [p.ct.array[0, 0, 0] for p in study.points] == [0.0, 10.0]


def test_a_ct_in_another_frame_of_reference_is_matched_by_time_and_said_so(tmp_path):
    visit(tmp_path, 0, "20260301", ct=False)
    other = {"study": "study0", "frame": "elsewhere"}
    d.save_all(d.ct_slices(np.zeros((8, 12, 14)), CT, when="20260301090000", **other), tmp_path, "near")
    d.save_all(d.ct_slices(np.zeros((8, 12, 14)), CT, when="20260201090000", study="old", frame="old"), tmp_path, "far")
    study = read_folder(tmp_path)
    assert study.points[0].ct.frame_of_reference == d.uid("elsewhere")
    assert any("matched by time" in n for n in study.notes)
    assert any("left out" in n for n in study.notes)


def test_energy_windows_of_one_acquisition_are_one_time_point(tmp_path):
    given = {"nuclide": "^225^Actinium", "MBq": 8.0}
    for k, window in enumerate(((196.0, 240.0), (396.0, 484.0))):
        data = d.nm_tomo(
            np.full((5, 6, 7), k + 1),
            NM,
            slope=1.0,
            window=window,
            instance=str(k),
            injection=given,
            when="20260301103000",
        )
        d.save(data, tmp_path / f"w{k}.dcm")
    refused(tmp_path, "218, 440 keV.*main_window_keV=")
    study = read_folder(tmp_path, main_window_keV=440)
    assert study.nuclide == "Ac-225"
    assert study.points[0].emission.array.max() == pytest.approx(2e-6)
    assert list(study.points[0].windows) == ["218keV"]


def test_two_reconstructions_and_two_cts_of_one_visit_must_be_chosen_from(tmp_path):
    visit(tmp_path, 0, "20260301")
    where = {"study": "study0", "frame": "frame0"}
    d.save(
        d.nm_tomo(np.ones((5, 6, 7)), NM, slope=1.0, when="20260301103000", instance="2", **where),
        tmp_path / "again.dcm",
    )
    refused(tmp_path, "several images of one acquisition.*series=")
    (tmp_path / "again.dcm").unlink()
    d.save_all(
        d.ct_slices(np.zeros((8, 12, 14)), CT, series="sharp", when="20260301100600", **where), tmp_path, "sharp"
    )
    refused(tmp_path, "CTs of the same time point")


def test_cycles_with_other_injections_are_not_one_study(folder):
    visit(folder, 7, "20260501", injection={"given": "20260430100000+0100"})
    refused(folder, r"disagree about administered_at \(1464 h apart\)")  # 28 February to 30 April; no date is shown


def test_what_is_missing_is_named_and_can_be_supplied(tmp_path):
    data = visit(tmp_path, 0, "20260301", zone=None, slope=None, injection={"given": ""})
    del data.RadiopharmaceuticalInformationSequence, data.SpacingBetweenSlices, data.RotationInformationSequence
    d.save(data, tmp_path / "nm0.dcm")
    nm = find_series(tmp_path)[1]
    told = " ".join(nm.missing)
    for word in (
        "slice_spacing_mm=",
        "timezone=",
        "nuclide=",
        "administered_MBq=",
        "administered_at=",
        "calibration",
        "duration_s=",
    ):
        assert word in told
    refused(tmp_path, "supply slice_spacing_mm=")
    refused(tmp_path, "supply timezone=", slice_spacing_mm=4.0)
    known = {"slice_spacing_mm": 4.0, "timezone": "+01:00"}
    refused(tmp_path, "supply nuclide=", **known)
    refused(tmp_path, "supply administered_MBq=", nuclide="Lu-177", **known)
    refused(tmp_path, "supply administered_at=", nuclide="Lu-177", administered_MBq=7400.0, **known)
    study = read_folder(tmp_path, nuclide="Lu-177", administered_MBq=7400.0, administered_at=GIVEN, **known)
    assert study.points[0].emission.quantity == "counts"
    data.AcquisitionTime = ""
    d.save(data, tmp_path / "nm0.dcm")
    refused(
        tmp_path,
        r"Series 2 \(NM\).*supply started=\{2: \.\.\.\}",
        nuclide="Lu-177",
        administered_MBq=7400.0,
        administered_at=GIVEN,
        **known,
    )
    study = read_folder(
        tmp_path, nuclide="Lu-177", administered_MBq=7400.0, administered_at=GIVEN,
        started={2: GIVEN + datetime.timedelta(hours=4)}, **known,
    )  # fmt: skip
    assert study.times_h == [4.0]


def test_contours_follow_the_image_they_were_drawn_on(tmp_path):
    nm = visit(tmp_path, 0, "20260301")
    square = np.array([[-30, -20, 14], [-22, -20, 14], [-22, -12, 14], [-30, -12, 14.0]])
    where = {"study": "study0", "frame": "frame0"}
    (tmp_path / "rs0.dcm").unlink()
    d.save(d.rtstruct({"lesion": [square]}, nm, instance="on nm", **where), tmp_path / "rs.dcm")
    study = read_folder(tmp_path)
    assert study.points[0].labels.grid.same_as(study.points[0].emission.grid)
    with pytest.raises(AlphatwinError, match=r"no region 'lesoin' here\. Did you mean lesion"):
        read_folder(tmp_path, regions=["lesoin"])
    gone = d.ct_slices(np.zeros((8, 12, 14)), CT, study="old", frame="old")[0]
    d.save(d.rtstruct({"node": [square]}, gone, study="old", frame="old"), tmp_path / "old.dcm")
    assert any("drawn on an image that is not used" in n for n in read_folder(tmp_path).notes)
    d.save(d.rtstruct({"lesion": [square]}, nm, instance="again", **where), tmp_path / "again.dcm")
    refused(tmp_path, "'lesion' comes in two structure sets")


def test_projections_beside_their_reconstruction_do_no_harm_and_alone_are_refused(tmp_path):
    visit(tmp_path, 0, "20260301")
    raw = d.nm_tomo(np.ones((60, 6, 7)), NM, instance="raw", study="study0", frame="frame0")
    raw.ImageType = ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]
    d.save(raw, tmp_path / "raw.dcm")
    assert len(read_folder(tmp_path).points) == 1
    (tmp_path / "nm0.dcm").unlink()
    refused(tmp_path, "projections. Reconstruct them first")


# --- patients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keyword", "value", "told"),
    [("PatientID", "ZQ-778813", "patient ID"), ("PatientName", "Quentin^Other", "patient name"), ("PatientBirthDate", "19510204", "birth date")],
)  # fmt: skip
def test_files_of_two_patients_are_refused_without_saying_who(folder, keyword, value, told):
    data = pydicom.dcmread(folder / "nm1.dcm")
    setattr(data, keyword, value)
    d.save(data, folder / f"{d.PATIENT_ID}.dcm")
    (folder / "nm1.dcm").unlink()
    for call in (find_series, read_folder):
        with pytest.raises(ImageError, match=f"different patients: the {told}") as caught:
            call(folder)
        assert not any(word in str(caught.value) for word in (*d.IDENTITY, value, "Other"))


def test_another_spelling_of_the_name_and_a_blank_one_are_the_same_patient(folder):
    for k, name in ((1, "QUENTIN^ZEBEDEE^^"), (2, "")):
        data = pydicom.dcmread(folder / f"nm{k}.dcm")
        data.PatientName = name
        d.save(data, folder / f"nm{k}.dcm")
    assert len(read_folder(folder).points) == 3


def test_names_of_files_and_regions_do_not_give_the_patient_away(tmp_path):
    nm = visit(tmp_path, 0, "20260301")
    nm.SpacingBetweenSlices = 0
    d.save(nm, tmp_path / "QUENTIN zebedee" / "nm.dcm")
    (tmp_path / "nm0.dcm").unlink()
    data = pydicom.dcmread(tmp_path / "rs0.dcm")
    data.StructureSetROISequence[0].ROIName = "kidney Zebedee"
    d.save(data, tmp_path / "rs0.dcm")
    found = find_series(tmp_path)
    assert found[2].regions == ("kidney ***",)
    assert "*** ***/nm.dcm" in found[1].problems[0]
    refused(tmp_path, "is zero")


# --- UIDs ------------------------------------------------------------------------------------------------------------


def test_blank_and_doubled_uids_are_problems_of_their_series(folder):
    data = pydicom.dcmread(folder / "nm1.dcm")
    shutil.copy(folder / "nm1.dcm", folder / "copy.dcm")
    refused(folder, "carry the same SOPInstanceUID: remove the copy")
    (folder / "copy.dcm").unlink()
    data.FrameOfReferenceUID = ""
    d.save(data, folder / "nm1.dcm")
    refused(folder, "blank FrameOfReferenceUID")


def test_a_ct_whose_uids_are_all_blank_is_refused(tmp_path):
    slices = d.ct_slices(np.zeros((4, 5, 6)), CT)
    for data in slices:
        data.SOPInstanceUID = data.SeriesInstanceUID = data.StudyInstanceUID = data.FrameOfReferenceUID = ""
    d.save_all(slices, tmp_path)
    found = find_series(tmp_path)
    assert len(found) == 1
    assert "blank StudyInstanceUID" in found[0].problems[0]
    refused(tmp_path, "blank StudyInstanceUID")


# --- paths -----------------------------------------------------------------------------------------------------------


def file_set(folder, ids):
    from pydicom.uid import ExplicitVRLittleEndian

    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = "1.2.840.10008.1.3.10", ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    data = pydicom.dataset.FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.DirectoryRecordSequence = d.Sequence([d.item(DirectoryRecordType="IMAGE", ReferencedFileID=i) for i in ids])
    data.save_as(folder / "DICOMDIR")


def test_a_file_set_is_read_and_lost_files_are_noticed(tmp_path):
    visit(tmp_path / "SERIES", 0, "20260301", ct=False)
    os.rename(tmp_path / "SERIES" / "nm0.dcm", tmp_path / "SERIES" / "NM0")
    file_set(tmp_path, [["SERIES", "NM0"]])
    assert [s.kind for s in find_series(tmp_path)] == ["NM"]
    assert len(read_folder(tmp_path / "DICOMDIR").points) == 1
    file_set(tmp_path, [["SERIES", "NM0"], ["SERIES", "NM1"]])
    refused(tmp_path, "names 1 file that the folder lacks")


@pytest.mark.filterwarnings("ignore:Invalid value for VR:UserWarning:pydicom")
@pytest.mark.parametrize(
    "parts", [["..", "SECRET"], ["SERIES", "..", "..", "X"], ["/etc/passwd"], ["A/../../B"], ["C:", "X"]]
)
def test_a_file_set_that_leads_outside_is_refused(tmp_path, parts):
    visit(tmp_path, 0, "20260301", ct=False)
    file_set(tmp_path, [parts])
    refused(tmp_path, "outside of the folder")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_links_that_lead_outside_are_refused(tmp_path, kind):
    inside, outside = tmp_path / "in", tmp_path / "out"
    visit(inside, 0, "20260301", ct=False)
    visit(outside, 1, "20260302", ct=False)
    (inside / "link").symlink_to(outside / "nm1.dcm" if kind == "file" else outside)
    refused(inside, "points outside of it")


def test_a_file_that_may_not_be_read_is_not_passed_over(folder, monkeypatch):
    whole = pathlib.Path.open

    def locked(path, *arguments, **more):
        if path.name == "nm1.dcm":
            raise PermissionError(13, "Permission denied")
        return whole(path, *arguments, **more)

    monkeypatch.setattr(pathlib.Path, "open", locked)
    refused(folder, "cannot be read: permission denied")


def test_folders_without_images(tmp_path):
    refused(tmp_path, "holds no DICOM file")
    refused(tmp_path / "nowhere", "There is no folder nowhere")
    (tmp_path / "a.dcm").write_bytes(b"\0" * 128 + b"DICM")
    refused(tmp_path, "is damaged|no DICOM|of modality|NOT|read")
    d.save_all(d.ct_slices(np.zeros((4, 5, 6)), CT), tmp_path)
    (tmp_path / "a.dcm").unlink()
    refused(tmp_path, "no reconstructed SPECT or PET")
