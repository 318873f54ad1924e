"""`alphatwin run` of a case of images: from one command to report, maps and DICOM objects; and what a new user does wrong."""

import contextlib
import csv
import json
import pathlib
import sys
from unittest import mock

import numpy as np
import pytest

from alphatwin.cli import main

pytest.importorskip("highdicom")
pytest.importorskip("SimpleITK")

PHANTOM = """
phantom: small
anatomy: abdomen
nuclide: Lu-177
agent: 177Lu-DOTATATE
administered_activity: 7.4 GBq
administered_at: '2026-03-02T09:00:00+01:00'
regions:
  kidney_left:
    curve: [{fraction: 1 %, half_life: 50 h}]
  spleen:
    curve: [{fraction: 2 %, half_life: 70 h}]
  background:
    curve: [{fraction: 1 %, half_life: 40 h}]
scanner: {times: [4 h, 30 h, 120 h], voxel: 9.6 mm, matrix: 48, fwhm: 14 mm, calibration_in_object: CALIBRATED}
contours: rtstruct
dose: local
"""
CASE = """
case: small-case
images: {phantom: phantom.yaml}
calibration: {cps_per_MBq: 9.0, sd: 3 %, nuclide: Lu-177}
recovery: {fwhm: 14 mm}
registration: {kind: none}
method: local
biology: {tissues: {"*": {alpha_beta: 2.6 Gy, repair_half_time: 2.8 h, alpha_per_Gy: 0.1}}}
options: {samples: 60}
"""


@pytest.fixture
def alphatwin(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr("sys.argv", ["alphatwin", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def written(place, case=CASE, calibrated="false"):
    place.mkdir(parents=True, exist_ok=True)
    (place / "phantom.yaml").write_text(PHANTOM.replace("CALIBRATED", calibrated), encoding="utf-8")
    (place / "case.yaml").write_text(case, encoding="utf-8")
    return place / "case.yaml"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The small case, run once by the command itself."""
    place = tmp_path_factory.mktemp("images-run")
    with (
        mock.patch.object(sys, "argv", ["alphatwin", "run", str(written(place)), "-o", str(place), "-q"]),
        contextlib.suppress(SystemExit),
    ):
        main()
    assert (place / "small-case" / "report.html").is_file()
    return place


def test_one_command_gives_everything(done):
    names = {p.name for p in (done / "small-case").iterdir()}
    assert names == {
        "report.html", "summary.json", "regions.csv", "activity.csv", "dvh.csv", "dose.nii.gz", "dose_sd.nii.gz", "ct.nii.gz",
        "time_integrated_activity.nii.gz", "bed.nii.gz", "eqd2.nii.gz", "rtdose.dcm", "rtdose-error.dcm", "rtdose-bed.dcm",
        "regions.dcm", "time-integrated-activity.dcm", "dose-sr.dcm", "measurements-sr.dcm",
    }  # fmt: skip
    page = (done / "small-case" / "report.html").read_text(encoding="utf-8")
    for words in ("Not a medical device", "Not verified", "Known truth", "Histogram", "Provenance"):
        assert words in page


def test_the_truth_comes_back_within_the_bounds(done):
    """Every activity, integral and dose of the phantom within two standard uncertainties without the calibration's."""
    rows = json.loads((done / "small-case" / "summary.json").read_text(encoding="utf-8"))["truth"]
    assert len(rows) == 3 * (3 + 1 + 1)
    for row in rows:
        assert row["inside"], row
        # the rest is what the others leave, and has the sum of their errors: more than half of it and the bound would say nothing
        assert 0 < row["bound"] < (0.6 if row["region"] == "rest of body" else 0.4), row
    for (
        row
    ) in rows:  # and much closer where nothing but noise stands between: no registration, the very blur that was made
        if "integrated" in row["what"] and row["region"] != "rest of body":
            assert abs(row["deviation"]) < 0.05, row


def test_masses_have_the_density_of_the_ct_and_not_of_the_wide_voxels(done):
    """Voxels of 9.6 mm mix kidney and fat; the CT of 3 mm does not. Half a HU is 0.06 %, outlines move by parts of a voxel."""
    found = json.loads((done / "small-case" / "summary.json").read_text(encoding="utf-8"))["regions"]
    known = json.loads((done / "small-case-study" / "truth" / "truth.json").read_text(encoding="utf-8"))["regions"]
    for region in found[:-1]:
        truth = known[region["name"]]
        density = truth["mass_g"] / truth["volume_mL"]
        assert region["mass_g"] / region["volume_mL"] == pytest.approx(density, rel=2e-3), region["name"]


def test_the_objects_say_the_same_as_the_maps(done):
    """RT Dose by SimpleITK and NIfTI by nibabel hold one map; the reports hold the means of the table."""
    import nibabel
    import pydicom
    import SimpleITK as sitk

    folder = done / "small-case"
    dose = np.asarray(nibabel.load(folder / "dose.nii.gz").dataobj)
    data = pydicom.dcmread(folder / "rtdose.dcm")
    there = np.asarray(sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "rtdose.dcm")))) * float(data.DoseGridScaling)
    assert there.max() == pytest.approx(dose.max(), rel=1e-6)
    assert there.sum() == pytest.approx(dose.sum(), rel=1e-6)
    assert data.DoseType == "PHYSICAL"
    assert pydicom.dcmread(folder / "rtdose-error.dcm").DoseType == "ERROR"
    bed = pydicom.dcmread(folder / "rtdose-bed.dcm")
    assert bed.DoseType == "EFFECTIVE"
    assert "RBE 5" in bed.DoseComment
    with (folder / "regions.csv").open(encoding="utf-8", newline="") as file:
        table = {row["region"]: float(row["mean_Gy"]) for row in csv.DictReader(file)}
    told = str(pydicom.dcmread(folder / "dose-sr.dcm"))
    assert f"{1000 * table['spleen']:.4g}"[:4] in told.replace("'", "")


def test_no_patient_in_anything_that_is_written(done):
    """The phantom has a name and an ID; neither comes out."""
    import pydicom

    source = next((done / "small-case-study" / "dicom").rglob("*.dcm"))
    patient = pydicom.dcmread(source, stop_before_pixels=True)
    assert str(patient.PatientName)
    for file in (done / "small-case").iterdir():
        text = file.read_bytes()
        assert str(patient.PatientName).encode() not in text, file.name
        if file.suffix == ".dcm":
            assert not str(pydicom.dcmread(file).PatientName), file.name


WORDS = {
    "PatientName": "Quibble^Zebedee", "PatientID": "ZQ-778812", "PatientBirthDate": "19510203", "AccessionNumber": "ACC-991177",
    "InstitutionName": "Saint Pancras of Xyzzy", "InstitutionAddress": "Lane 41, Frobnitz", "StationName": "XYZZYCAM7",
    "ReferringPhysicianName": "Grault^Corge", "PerformingPhysicianName": "Waldo^Fred", "OperatorsName": "Thud^Plugh",
    "PhysiciansOfRecord": "Garply^Hoople", "StudyID": "STUDY-55501", "StudyDescription": "for Quibble", "OtherPatientIDs": "OLD-31337",
    "SeriesDescription": "SPECT Zebedee", "ProtocolName": "XyzzyProto", "PatientComments": "aunt of Wobble",
}  # fmt: skip
HIDDEN = ("Quibble", "Zebedee", "778812", "19510203", "1951-02-03", "991177", "Pancras", "Xyzzy", "Frobnitz", "Grault", "Corge", "Waldo",
          "Thud", "Plugh", "Garply", "Hoople", "55501", "31337", "Wobble")  # fmt: skip


def named_study(source, target):
    """The study as it would come from a hospital: names, numbers and descriptions in every object, and in names of files."""
    import pydicom

    uids, moments = set(), set()
    for i, file in enumerate(sorted(source.rglob("*.dcm"))):
        data = pydicom.dcmread(file)
        for keyword, value in WORDS.items():
            setattr(data, keyword, value)
        if data.Modality == "RTSTRUCT":
            data.StructureSetDate, data.StructureSetTime = data.StudyDate, data.StudyTime
            data.StructureSetName, data.ReviewerName = "Quibble 1", "Waldo^Fred"
            for roi in data.StructureSetROISequence:
                roi.ROIDescription = "drawn by Grault"
                if roi.ROIName == "spleen":
                    roi.ROIName = "spleen Quibble"
        for element in data.iterall():
            if element.VR == "UI" and not str(element.value).startswith("1.2.840.10008."):
                uids.update(str(v) for v in ([element.value] if isinstance(element.value, str) else element.value))
            if element.VR in ("DA", "DT") and element.value:
                day = str(element.value)[:8]
                moments |= {day, f"{day[:4]}-{day[4:6]}-{day[6:]}", f"{day[6:]}.{day[4:6]}.{day[:4]}"}
            if element.VR in ("TM", "DT") and element.value:
                clock = str(element.value)[8 * (element.VR == "DT") :][:6]
                moments |= {f"{clock[:2]}:{clock[2:4]}:{clock[4:]}", f"T{clock[:2]}:{clock[2:4]}"}
        target.mkdir(parents=True, exist_ok=True)
        data.save_as(target / f"Quibble_Zebedee_{i:04d}.dcm")
    return uids, moments - {"20000101", "2000-01-01", "01.01.2000", "::"}


def inside(file):
    """Every byte of a file, unpacked too where it is packed."""
    import gzip

    raw = file.read_bytes()
    return raw + gzip.decompress(raw) if file.suffix == ".gz" else raw


def test_nothing_of_the_patient_or_the_hospital_is_in_any_byte_that_is_written(done, tmp_path, alphatwin):
    """Names, numbers, dates, times, identifiers of the input in no file, no name of a file and no line of the terminal."""
    uids, moments = named_study(done / "small-case-study" / "dicom", tmp_path / "dicom")
    assert len(uids) > 100
    assert any(m.startswith("2026-03") for m in moments)
    case = CASE.replace("{phantom: phantom.yaml}", "{folder: dicom}")
    code, out, err = alphatwin("run", written(tmp_path, case), "-o", tmp_path / "out")
    assert code == 0, err
    files = [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
    assert len(files) >= 18
    spelled = [w.encode() for w in (*HIDDEN, *moments, *uids)]
    for file in files:
        data = inside(file)
        low = data.lower()
        found = [w for w in spelled if w in data or w.lower() in low or w.decode().encode("utf-16-le") in data]
        assert not found, (file.name, found)
        assert not any(w in file.relative_to(tmp_path).as_posix() for w in HIDDEN)
    assert not [w for w in (*HIDDEN, *moments, *uids) if w in out + err]
    assert "spleen ***" in (tmp_path / "out" / "small-case" / "regions.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("identity", ["link", "keep"])
def test_identifiers_stay_where_the_case_wants_the_objects_beside_the_images(done, tmp_path, alphatwin, identity):
    import pydicom

    case = CASE.replace("{phantom: phantom.yaml}", "{folder: dicom}").replace(
        "samples: 60", f"samples: 1, identity: {identity}"
    )
    (tmp_path / "dicom").symlink_to(done / "small-case-study" / "dicom")
    code, _, err = alphatwin("run", written(tmp_path, case), "-o", tmp_path, "-q")
    assert code == 0, err
    source = pydicom.dcmread(next((tmp_path / "dicom").rglob("CT/*.dcm")))
    for file in (tmp_path / "small-case").glob("*.dcm"):
        data = pydicom.dcmread(file)
        assert data.StudyInstanceUID == source.StudyInstanceUID, file.name
        assert bool(str(data.PatientName)) == (identity == "keep"), file.name


@pytest.mark.parametrize("place", ["A_Quibble_Zebedee.dcm", "Quibble_Zebedee_9999.dcm"])
def test_a_broken_file_is_told_without_its_patient(done, tmp_path, alphatwin, place):
    """Also where it is read before the files that say who the patient is."""
    named_study(done / "small-case-study" / "dicom", tmp_path / "dicom")
    whole = next((tmp_path / "dicom").iterdir()).read_bytes()
    unpacked = whole.replace(
        b"UI\x14\x001.2.840.10008.1.2.1\x00", b"UI\x16\x001.2.840.10008.1.2.1.99"
    )  # says deflated, is not
    assert unpacked != whole
    case = written(tmp_path, CASE.replace("phantom: phantom.yaml", "folder: dicom"))
    for broken in (unpacked, whole[:300], whole[:140] + b"\xff" * 400 + whole[540:], whole[:1500], whole[:-1000]):
        (tmp_path / "dicom" / place).write_bytes(broken)
        for words in (["images", tmp_path / "dicom"], ["run", case, "-o", tmp_path]):
            if words[0] == "run" and broken is not unpacked:
                continue
            code, out, err = alphatwin(*words)
            assert code in ((2,) if broken is unpacked else (0, 2))
            told = out + err
            assert not [w for w in HIDDEN if w in told], told
            assert "***" in told


def test_bed_is_that_of_the_region(done):
    """BED between D and D (1 + D/(alpha/beta)), and with the G of the region; EQD2 = BED/(1 + 2/(alpha/beta))."""
    for region in json.loads((done / "small-case" / "summary.json").read_text(encoding="utf-8"))["regions"]:
        dose, bed, g = region["mean_Gy"], region["bed_Gy"], region["lea_catcheside_g"]
        assert bed >= dose * (1 + g * dose / 2.6) * (1 - 1e-9)  # of a mean: a spread adds (Jensen)
        assert region["eqd2_Gy"] == pytest.approx(bed / (1 + 2 / 2.6), rel=1e-6)
        assert region["equivalent_uniform_bed_Gy"] <= bed


def test_calibration_counts_once(done):
    """The samples of the dose hold each contribution once: their spread is that of the budget, with mass against volume."""
    summary = json.loads((done / "small-case" / "summary.json").read_text(encoding="utf-8"))
    for region in summary["regions"]:
        parts = region["relative_uncertainty_of_time_integrated_activity"]
        assert parts["calibration"] == pytest.approx(0.03, rel=1e-3)  # slopes by differences of 1e-3
        if region["name"] == "rest of body":
            continue
        share = region["volume_sd_mL"] / region["volume_mL"]
        # activity and mass follow the volume: |d ln TIA/d ln V - 1| u(V)/V is what is left of it
        left = abs(parts["volume"] / share - 1) * share
        expected = np.sqrt(parts["calibration"] ** 2 + parts["recovery"] ** 2 + parts["fit"] ** 2 + left**2)
        found = region["mean_of_samples_Gy"]["sd"] / region["mean_Gy"]
        # 60 samples: the sd itself has 1/sqrt(2 59) = 9 %; 3 of these, and second order in the volume
        assert found == pytest.approx(expected, rel=0.35)


def test_the_same_study_is_used_again_and_another_is_refused(done, alphatwin, tmp_path):
    code, out, _ = alphatwin("run", done / "case.yaml", "-o", done, "--samples", 1)
    assert code == 0
    assert "Known truth" in out
    assert all(len(line) <= 80 for line in out.splitlines() if not line.startswith("Report"))


@pytest.mark.parametrize(
    "change",
    [
        ("7.4 GBq", "5 GBq"), ("fwhm: 14 mm", "fwhm: 13 mm"), ("matrix: 48", "matrix: 48, noise: false"),
        ("CALIBRATED", "true"), ("dose: local", "dose: local\nposes: [{}, {shift_mm: [5, 0, 0]}, {}]"),
        ("contours: rtstruct", "contours: seg"), ("half_life: 50 h", "half_life: 51 h"), ("dose: local", "dose: local\nseed: 2"),
    ],
)  # fmt: skip
def test_a_study_of_another_phantom_is_refused(done, alphatwin, tmp_path, change):
    """Whatever differs: activity, blur, noise, calibration, movement, contours, a curve, the seed."""
    other = written(tmp_path / "other")
    (other.parent / "phantom.yaml").write_text(
        PHANTOM.replace(*change).replace("CALIBRATED", "false"), encoding="utf-8"
    )
    code, _, err = alphatwin("run", other, "-o", done)
    assert code == 2
    assert "another phantom" in err


def test_a_study_of_another_maker_is_refused(done, alphatwin, monkeypatch):
    monkeypatch.setattr("alphatwin.imaging.phantom.__version__", "0.0.0")
    code, _, err = alphatwin("run", done / "case.yaml", "-o", done)
    assert code == 2
    assert "another version" in " ".join(err.split())


def test_earlier_cycles_are_added(done, tmp_path, alphatwin):
    """The dose of this cycle as that of an earlier one: twice the mean, on the same grid."""
    case = CASE.replace("{phantom: phantom.yaml}", "{folder: dicom}") + "earlier: [{dose: dose.nii.gz}]\n"
    file = written(tmp_path, case)
    (tmp_path / "dicom").symlink_to(done / "small-case-study" / "dicom")
    (tmp_path / "dose.nii.gz").write_bytes((done / "small-case" / "dose.nii.gz").read_bytes())
    code, _, err = alphatwin("run", file, "-o", tmp_path, "--samples", 1, "-q")
    assert code == 0, err
    summary = json.loads((tmp_path / "small-case" / "summary.json").read_text(encoding="utf-8"))
    for region in summary["regions"][:-1]:
        assert summary["accumulated"][region["name"]] == pytest.approx(2 * region["voxel_mean_Gy"], rel=1e-5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("calibration:", "calibraton:"), "Did you mean calibration"),
        (("phantom: phantom.yaml", "folder: nowhere"), "alphatwin phantom"),
        (("phantom: phantom.yaml", "phantom: phantm.yaml"), "There is no file phantm.yaml"),
        (("phantom: phantom.yaml", "phantom: phantom.yaml, folder: x"), "one of the two"),
        (("sd: 3 %", "sd: 3 MBq"), "calibration.sd"),
        (("method: local", "method: locl"), "method"),
        (('"*"', "spleen"), "other regions"),
        (("{fwhm: 14 mm}", "{}"), "fwhm"),
    ],
)
def test_slips_are_told_with_their_place(tmp_path, alphatwin, change, told):
    file = written(tmp_path, CASE.replace(*change))
    code, _, err = alphatwin("run", file, "-o", tmp_path)
    assert code == 2
    assert told in " ".join(err.split())
    assert "Traceback" not in err
    assert not (tmp_path / "small-case").exists()


def test_counts_without_a_calibration_are_refused(done, tmp_path, alphatwin):
    """A study in counts, and a case that says how well the calibration is known but not what it is."""
    case = CASE.replace("{phantom: phantom.yaml}", "{folder: dicom}").replace("cps_per_MBq: 9.0, ", "")
    file = written(tmp_path, case)
    (tmp_path / "dicom").symlink_to(done / "small-case-study" / "dicom")
    code, _, err = alphatwin("run", file, "-o", tmp_path)
    assert code == 2
    assert "calibration.cps_per_MBq" in err
    assert "line" in err


def test_a_wrong_tissue_is_told_with_the_nearest(done, tmp_path, alphatwin):
    case = CASE.replace("{phantom: phantom.yaml}", "{folder: dicom}").replace(
        'tissues: {"*"', 'tissues: {spleeen: {alpha_beta: 3 Gy, repair_half_time: 2 h}, "*"'
    )
    file = written(tmp_path, case)
    (tmp_path / "dicom").symlink_to(done / "small-case-study" / "dicom")
    code, _, err = alphatwin("run", file, "-o", tmp_path)
    assert code == 2
    assert "spleen" in err


@pytest.mark.slow
def test_the_example_on_a_clean_place(tmp_path, alphatwin):
    """The main job: four time points, moved patient, convolution; its known truth within the stated bounds."""
    example = pathlib.Path(__file__).parents[2] / "examples" / "images-177lu.yaml"
    code, _, err = alphatwin("run", example, "-o", tmp_path, "-q")
    assert code == 0, err
    rows = json.loads((tmp_path / "images-177lu" / "summary.json").read_text(encoding="utf-8"))["truth"]
    assert len(rows) == 6 * 6
    assert all(row["inside"] for row in rows), [row for row in rows if not row["inside"]]


def test_energy_of_the_regions_is_that_of_the_decays(done):
    """Local deposition: dose of electrons times mass, over all regions, is decays times their energy (ICRP 107)."""
    import alphatwin as at

    summary = json.loads((done / "small-case" / "summary.json").read_text(encoding="utf-8"))
    joule = sum(r["by_nuclide_radiation_Gy"]["Lu-177"]["electron"] * r["mass_g"] * 1e-3 for r in summary["regions"])
    emitted = summary["decays"]["Lu-177"] * at.nuclide("Lu-177").energy_MeV("electron") * 1.602176634e-13
    assert joule == pytest.approx(emitted, rel=1e-5)  # of float32 shares
    assert summary["decays"]["Lu-177"] == pytest.approx(
        sum(r["time_integrated_activity_MBq_h"] for r in summary["regions"]) * 3.6e9, rel=1e-5
    )


# --- alphas ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alphas(tmp_path_factory):
    """The small case with Ac-225 in it."""
    place = tmp_path_factory.mktemp("images-alpha")
    case = CASE.replace("Lu-177", "Ac-225").replace("samples: 60", "samples: 30")
    file = written(place, case + "agent: 225Ac-DOTATATE\ncells: {alpha_per_Gy: 0.2, regions: [spleen, kidney_left]}\n")
    phantom = PHANTOM.replace("CALIBRATED", "true").replace("Lu-177", "Ac-225").replace("7.4 GBq", "10 MBq")
    (place / "phantom.yaml").write_text(phantom, encoding="utf-8")
    with (
        mock.patch.object(sys, "argv", ["alphatwin", "run", str(file), "-o", str(place), "-q"]),
        contextlib.suppress(SystemExit),
    ):
        main()
    assert (place / "small-case" / "report.html").is_file()
    return place / "small-case"


def test_alphas_bring_hits_and_daughters_into_every_output(alphas):
    summary = json.loads((alphas / "summary.json").read_text(encoding="utf-8"))
    page = (alphas / "report.html").read_text(encoding="utf-8")
    assert [c["region"] for c in summary["cells"]] == ["kidney_left", "spleen"]
    for words in ("Hits of cell nuclei", "Where the daughters decay", "Jensen", "freed and lost at once"):
        assert words in page
    for cell in summary["cells"]:
        even, voxels = cell["even"], cell["voxels"]
        assert even["cells_not_hit"]["value"] == pytest.approx(
            np.exp(-even["mean_hits_per_nucleus"]["value"]), rel=1e-6
        )
        assert voxels["cells_not_hit"]["value"] >= even["cells_not_hit"]["value"]
        assert 0 < even["cells_not_hit"]["value"] < even["survival"]["value"] < voxels["survival"]["value"] < 1
        assert cell["relative_spread_over_voxels"] > cell["of_which_noise"] > 0
    daughters = summary["daughters"]
    assert daughters["model"] == "free"
    assert daughters["retained_of"] == "ac225-dotatate"
    for share in daughters["share_of_decays"].values():
        assert sum(share.values()) == pytest.approx(1, rel=1e-6)
    dose = {r["name"]: r["mean_Gy"] for r in summary["regions"]}
    with (alphas / "regions.csv").open(encoding="utf-8", newline="") as file:
        table = {row["region"]: row for row in csv.DictReader(file)}
    for row in daughters["regions"]:
        assert row["mean_free_Gy"] == pytest.approx(dose[row["region"]], rel=1e-6)
        assert row["mean_freed_lost_Gy"] < row["mean_free_Gy"] < row["mean_in_place_Gy"]
        assert float(table[row["region"]]["mean_in_place_Gy"]) == pytest.approx(row["mean_in_place_Gy"], rel=1e-5)
    hits = summary["cells"][1]["even"]["mean_hits_per_nucleus"]["value"]
    assert float(table["spleen"]["mean_hits_per_nucleus"]) == pytest.approx(hits, rel=1e-5)
    assert table["rest of body"]["mean_hits_per_nucleus"] == ""
    assert any("nobody has verified" in n for n in summary["not_verified"])
    assert "kruijff2015daughters" in summary["provenance"]["sources"]


def test_the_terminal_tells_hits_and_ends_in_80_columns(alphas, tmp_path, alphatwin):
    """And a region that is said to be a tumour is one, whatever its name."""
    case = CASE.replace("Lu-177", "Ac-225").replace("{phantom: phantom.yaml}", "{folder: dicom}")
    file = written(tmp_path, case + "daughters: {organs: {spleen: tumour}}\n")
    (tmp_path / "dicom").symlink_to(alphas.parent / "small-case-study" / "dicom")
    code, out, _ = alphatwin("run", file, "-o", tmp_path, "--samples", 1)
    assert code == 0
    assert "in place Gy" in out
    assert all(len(line) <= 80 for line in out.splitlines() if not line.startswith("Report"))
    summary = json.loads((tmp_path / "small-case" / "summary.json").read_text(encoding="utf-8"))
    assert [r["counts_as"] for r in summary["daughters"]["regions"]] == ["kidney_left", "tumour", "remainder"]
    spleen = summary["daughters"]["regions"][1]
    assert (
        spleen["mean_free_Gy"] == spleen["mean_freed_lost_Gy"]
    )  # nothing is fed to a tumour, though it has the name of an organ


def test_a_beta_emitter_has_neither_and_says_so(done):
    summary = json.loads((done / "small-case" / "summary.json").read_text(encoding="utf-8"))
    assert summary["cells"] == []
    assert summary["daughters"] is None
    assert any("those of alphas; Lu-177" in n for n in summary["notes"])
    assert "Hits of cell nuclei</h2>" not in (done / "small-case" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("cells: {regions: [spleeen]}", "cells.regions"),
        ("cells: {alpha_per_gy: 1}", "Did you mean alpha_per_Gy"),
        ("daughters: {organs: {spleen: spline}}", "daughters.organs.spleen"),
        ("daughters: {organs: {splen: spleen}}", "Did you mean spleen"),
        ("daughters: {model: fre}", "daughters.model"),
        ("daughters: {anatomy: adult-mal}", "adult-male"),
        ("daughters: {retained: {Bi-212: 40 %}}", "Bi-212"),
    ],
)
def test_slips_with_alphas_are_told_with_their_place(alphas, tmp_path, alphatwin, more, told):
    case = CASE.replace("Lu-177", "Ac-225").replace("{phantom: phantom.yaml}", "{folder: dicom}")
    file = written(tmp_path, f"{case}{more}\n")
    (tmp_path / "dicom").symlink_to(alphas.parent / "small-case-study" / "dicom")
    code, _, err = alphatwin("run", file, "-o", tmp_path, "--samples", 1)
    assert code == 2
    assert told in " ".join(err.split())
    assert "Traceback" not in err
