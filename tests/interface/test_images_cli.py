"""`alphatwin images`: the table of a folder within 80 columns, and never who the patient is."""

import json

import numpy as np
import pytest

from oracle import dicom_objects as d

NM = np.array([[4.0, 0, 0, -40], [0, 4.0, 0, -30], [0, 0, 4.0, 10], [0, 0, 0, 1]])


@pytest.fixture
def folder(tmp_path):
    where = {"study": "s", "frame": "f"}
    ct = d.ct_slices(np.zeros((120, 12, 14)), NM, **where)
    d.save_all(ct, tmp_path / "Quentin Zebedee")
    square = np.array([[-30, -20, 14], [-10, -20, 14], [-10, -1, 14], [-30, -1, 14.0]])
    d.save(d.rtstruct({f"region {k} of a long list": [square] for k in range(9)}, ct[0], **where), tmp_path / "rs.dcm")
    d.save(d.nm_tomo(np.ones((128, 6, 7)), NM, slope=2.0, when="20260301103000", **where), tmp_path / "nm.dcm")
    return tmp_path


def check(said):
    assert not [line for line in said.out.splitlines() if len(line) > 80]
    assert not any(word in said.out + said.err for word in d.IDENTITY)


def test_a_complete_folder(alphatwin, folder):
    said = alphatwin("images", folder)
    assert (said.code, said.err) == (0, "")
    check(said)
    for word in (
        "MBq/mL",
        "Lu-177",
        "24.5",
        "128 6 7",
        "4.00 4.00 4.00",
        "region 8 of a long list",
        "+0100",
        "Complete.",
    ):
        assert word in said.out or word in " ".join(said.out.split()), word


def test_what_is_missing_and_what_cannot_be_used(alphatwin, folder):
    data = d.nm_tomo(np.ones((5, 6, 7)), NM, zone=None, study="s", frame="f", instance="2", when="20260302103000")
    del data.SpacingBetweenSlices
    d.save(data, folder / "late.dcm")
    raw = d.nm_tomo(np.ones((5, 6, 7)), NM, study="s", frame="f", instance="3")
    raw.ImageType = ["ORIGINAL", "PRIMARY", "TOMO"]
    d.save(raw, folder / "Zebedee raw.dcm")
    said = alphatwin("images", folder)
    check(said)
    flat = " ".join(said.out.split())
    for word in ("supply time zone: timezone=", "supply spacing of slices: slice_spacing_mm=", "calibration factor", "counts",
                 "NOT USABLE: *** raw.dcm is an NM image of type TOMO", "Something must be supplied", "not stated"):  # fmt: skip
        assert word in flat, word
    assert "timezone=" not in alphatwin("images", folder, "--timezone", "Europe/Berlin").out


def test_json_holds_the_same_and_no_identity(alphatwin, folder):
    said = alphatwin("images", folder, "--json")
    check(said)
    rows = json.loads(said.out)
    assert [r["kind"] for r in rows] == ["CT", "NM", "RTSTRUCT"]
    assert rows[1]["hours_after_injection"] == 24.5
    assert rows[1]["voxel_mm_zyx"] == [4.0, 4.0, 4.0]
    assert rows[0]["files"] == 120


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere",), "There is no folder nowhere."),
        ((".", "--timezone", "Mars"), "The zone 'Mars' is not known"),
        (("--timezon", "x"), "--timezone"),
        ((), "FOLDER"),
    ],
)
def test_a_slip_of_the_hand_is_one_message(alphatwin, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    said = alphatwin("images", *arguments)
    assert said.code == 2
    assert told in said.err
    assert "Traceback" not in said.err


def test_an_empty_folder_and_two_patients(alphatwin, folder, tmp_path_factory):
    said = alphatwin("images", tmp_path_factory.mktemp("empty"))
    assert (said.code, "holds no DICOM file" in said.err) == (2, True)
    data = d.nm_tomo(np.ones((5, 6, 7)), NM, instance="9")
    data.PatientID = "someone else"
    d.save(data, folder / "x.dcm")
    said = alphatwin("images", folder)
    assert said.code == 2
    assert "different patients" in said.err
    check(said)
    assert "someone else" not in said.err
