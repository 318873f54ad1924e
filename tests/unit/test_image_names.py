"""Names that the imaging room offers, and names that must not leave it."""

import datetime
import importlib
import subprocess
import sys

import numpy as np
import pytest

import alphatwin.imaging as im
from alphatwin.errors import ImageError
from oracle import dicom_objects as d

AXIAL = np.diag([2.0, 2.0, 3.0, 1.0])


def test_every_name_is_there_and_the_function_wins_over_its_module():
    importlib.import_module("alphatwin.imaging.deidentify")  # binds the module's name at the package, if it can

    assert all(getattr(im, name) is not None for name in im.__all__)
    assert callable(im.deidentify)
    assert callable(im.pacs.find)
    assert "pacs" in dir(im)
    assert sorted(im.__all__) == list(im.__all__) == sorted({*im._HOME, "deidentify"})
    with pytest.raises(AttributeError, match="it offers Acquisition"):
        _ = im.no_such_name


def test_import_is_light():
    code = "import sys, alphatwin.imaging; print(*(m for m in ('pydantic', 'pint', 'numba', 'pydicom') if m in sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == ""


def _contours(tmp_path, names):
    slices = d.ct_slices(np.zeros((3, 8, 8)), AXIAL)
    d.save_all(slices, tmp_path / "ct")
    square = np.array([[3.0, 3, 3], [9, 3, 3], [9, 9, 3], [3, 9, 3]])
    path = tmp_path / "rs.dcm"
    d.save(d.rtstruct({name: [square] for name in names}, slices[0]), path)
    return im.read_ct(tmp_path / "ct"), path


def test_a_region_named_after_its_patient_does_not_carry_the_name(tmp_path):
    ct, path = _contours(tmp_path, [f"lesion {d.NAME.split('^')[0]}", "kidney_left"])
    labels = im.read_rtstruct(path, ct.grid)
    assert list(labels.masks) == ["lesion ***", "kidney_left"]
    assert not any(word in str(labels.notes) for word in d.IDENTITY)
    with pytest.raises(ImageError) as told:
        im.read_rtstruct(path, ct.grid, regions=["spleen"])
    assert not any(word in str(told.value) for word in d.IDENTITY)
    written = im.write_seg(labels, next(iter((tmp_path / "ct").iterdir())), tmp_path / "seg.dcm")
    assert not any(word.encode() in written.read_bytes() for word in d.IDENTITY)


def test_a_segment_named_after_its_patient_does_not_carry_the_name(tmp_path):
    ct, _ = _contours(tmp_path, ["liver"])
    mask = np.zeros(ct.grid.shape, bool)
    mask[1, 2:4, 2:4] = True
    reference = next(iter((tmp_path / "ct").iterdir()))
    named = im.Labels({f"{d.NAME.split('^')[1]}_1": mask}, ct.grid, ct.frame_of_reference)
    im.write_seg(named, reference, tmp_path / "seg.dcm", identity="keep")
    assert list(im.read_seg(tmp_path / "seg.dcm", ct.grid).masks) == ["***_1"]


def test_a_file_where_a_folder_is_needed_is_said_to_be_one(tmp_path):
    _, path = _contours(tmp_path, ["liver"])
    with pytest.raises(ImageError, match=r"rs\.dcm is a file; give the folder"):
        im.find_series(path)


@pytest.mark.parametrize(("half_life_s", "taken"), [(4062.6, False), (574_300.8, True)])
def test_beds_of_one_series_without_decay_correction(tmp_path, half_life_s, taken):
    """12 minutes between beds: 68Ga has decayed by 12 %, 177Lu by 0.09 %."""
    slices = d.pet_slices(np.full((4, 3, 3), 100), AXIAL, correction="NONE")
    for k, data in enumerate(slices):
        data.AcquisitionTime = f"10{30 + 4 * k}00"
        for item in data.RadiopharmaceuticalInformationSequence:
            item.RadionuclideHalfLife = half_life_s
            if taken:
                item.RadionuclideCodeSequence[0].CodeMeaning = "^177^Lutetium"
                item.Radiopharmaceutical = "177Lu-DOTATATE"
    d.save_all(slices, tmp_path)
    if taken:
        assert im.read_pet(tmp_path).acquisition.decay_corrected_to == "none"
        return
    with pytest.raises(ImageError, match=r"over 12\.0 min .* no common time"):
        im.read_pet(tmp_path)


def test_what_is_de_identified_has_no_name_in_its_regions_either(tmp_path):
    ct, _ = _contours(tmp_path, ["liver"])
    mask = np.zeros(ct.grid.shape, bool)
    mask[1, 2:4, 2:4] = True
    reference = next(iter((tmp_path / "ct").iterdir()))
    given, family = d.NAME.split("^")[::-1]
    regions = im.Labels({f"{given} met": mask}, ct.grid, ct.frame_of_reference)
    dose = im.Image(mask * 1.0, ct.grid, "absorbed_dose", "OT", ct.frame_of_reference)
    when = datetime.datetime(2026, 3, 1, 10, tzinfo=datetime.UTC)
    made = [
        im.write_seg(regions, reference, tmp_path / "seg.dcm"),
        im.write_rtdose(dose, reference, tmp_path / "dose.dcm", comment=f"second cycle of {family}"),
        im.write_dose_sr(
            im.Administration("177Lu-DOTATATE", "Lu-177", 7400.0, when), [im.OrganDose(f"met {family}", 1.0, "MC")],
            reference, tmp_path / "sr.dcm",
        ),
    ]  # fmt: skip
    for path in made:
        assert not any(word.lower().encode() in path.read_bytes().lower() for word in d.IDENTITY), path.name
        assert b"alphatwin" in path.read_bytes()
    kept = im.write_seg(regions, reference, tmp_path / "kept.dcm", identity="keep")
    assert given.encode() in kept.read_bytes()
