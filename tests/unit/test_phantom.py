"""A phantom's file and folder: what is refused, what is written, read back by others, the same to the byte."""

import copy
import hashlib
import json
import math
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
nibabel = pytest.importorskip("nibabel")

from alphatwin.catalog.phantoms import image_anatomy  # noqa: E402
from alphatwin.errors import CaseError, ImageError, OutputError  # noqa: E402
from alphatwin.imaging import make_phantom, read_folder  # noqa: E402
from alphatwin.imaging._phantom_spec import load_phantom  # noqa: E402

CURVE = [{"fraction": "1.2 %", "half_life": "60 h"}]
SPEC = {
    "phantom": "small",
    "nuclide": "Lu-177",
    "agent": "177Lu-DOTATATE",
    "administered_activity": "7.4 GBq",
    "administered_at": "2026-03-02T09:00:00+01:00",
    "regions": {"kidney_left": {"curve": CURVE}, "spleen": {"curve": CURVE}},
    "lesions": {"lesion_1": {"curve": CURVE, "centre_mm": [-75, -190, 150], "diameter": "24 mm"}},
    "scanner": {
        "times": ["4 h", "24 h"],
        "voxel": "8 mm",
        "matrix": 56,
        "fwhm": "12 mm",
        "sensitivity_cps_per_MBq": 4.0,
    },
    "poses": [{}, {"shift_mm": [6, -5, 4], "rotation_deg": [0, 0, 4]}],
    "contours": "both",
    "seed": 3,
}


def spec(**changes):
    made = copy.deepcopy(SPEC)
    for key, value in changes.items():
        made[key] = {**made[key], **value} if key == "scanner" else value
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("phantom") / "study"
    return place, make_phantom(spec(), place)


def digest(folder):
    found = hashlib.sha256()
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        found.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return found.hexdigest()


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    asked = spec(
        ct={"pixel": "6 mm", "slice": "9 mm"},
        scanner={"times": ["4 h"], "voxel": "16 mm", "matrix": 28, "fwhm": "16 mm"},
        poses=[],
    )
    for name in ("one", "two"):
        make_phantom(asked, tmp_path / name)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    make_phantom({**asked, "contours": "none"}, tmp_path / "other", seed=4)
    spect = "dicom/visit-1/NM/0001.dcm"
    assert (tmp_path / "other" / spect).read_bytes() != (tmp_path / "one" / spect).read_bytes()


def test_the_folder_holds_visits_and_truth(folder):
    place, truth = folder
    files = {p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file()}
    for k in (1, 2):
        assert {f"dicom/visit-{k}/{m}/0001.dcm" for m in ("CT", "NM", "RTSTRUCT", "SEG")} <= files
    told = json.loads((place / "truth" / "truth.json").read_text(encoding="utf-8"))
    assert told["regions"]["spleen"]["activity_MBq"] == pytest.approx(truth.activity_MBq["spleen"])
    assert told["labels"] == {"kidney_left": 1, "spleen": 2, "lesion_1": 3}
    decays = nibabel.load(place / "truth" / "decays.nii.gz")
    assert decays.get_fdata().sum() == pytest.approx(sum(truth.decays.values()), rel=1e-6)
    labels = nibabel.load(place / "truth" / "labels.nii.gz")
    z = nibabel.affines.apply_affine(labels.affine, np.argwhere(np.asarray(labels.dataobj) == 1).mean(axis=0))
    assert z[0] < -40  # RAS: the left kidney lies left


def test_nobody_real_is_in_it(folder):
    for file in (folder[0] / "dicom").rglob("*.dcm"):
        data = pydicom.dcmread(file, stop_before_pixels=True)
        assert str(data.PatientName) == "PHANTOM^ALPHATWIN"
        assert data.PatientIdentityRemoved == "YES"


def test_pydicom_counts_what_was_administered(folder):
    place, truth = folder
    for k in (0, 1):
        data = pydicom.dcmread(place / "dicom" / f"visit-{k + 1}" / "NM" / "0001.dcm")
        expected = sum(float(a[k]) for a in truth.mean_activity_MBq.values())
        slope = data.RealWorldValueMappingSequence[0].RealWorldValueSlope
        volume = float(data.PixelSpacing[0]) * float(data.PixelSpacing[1]) * float(data.SpacingBetweenSlices) / 1000
        found = data.pixel_array.sum(dtype=float) * slope * volume / 1e6
        counts = data.pixel_array.sum(dtype=float)
        assert found == pytest.approx(expected, rel=4 / math.sqrt(counts) + 1e-4)
        assert slope == pytest.approx(truth.Bq_per_mL_per_count)
        drug = data.RadiopharmaceuticalInformationSequence[0]
        assert float(drug.RadionuclideTotalDose) == 7400.0  # MBq in NM
        assert drug.RadionuclideCodeSequence[0].CodeMeaning == "^177^Lutetium"


def test_our_reader_finds_the_whole_study_and_its_regions(folder):
    place, truth = folder
    kept = place.parent / "rtstruct-only"
    shutil.copytree(place / "dicom", kept, ignore=shutil.ignore_patterns("SEG"))
    study = read_folder(kept)
    assert study.times_h == pytest.approx([4, 24])
    for point in study.points:
        assert point.emission.unit == "MBq/mL"
        for name in ("kidney_left", "spleen", "lesion_1"):
            # voxels of 3 mm, each in or out by its half: a sphere of 24 mm has some 270 of them, 200 on its surface
            assert point.labels.volume_mL(name) == pytest.approx(truth.volume_mL[name], rel=0.04)


def centroid(mask, affine):
    z, y, x = np.argwhere(mask).mean(axis=0)
    return (affine @ [x, y, z, 1.0])[:3]


def test_the_emission_lies_where_the_activity_is(folder):
    place, truth = folder
    shutil.copytree(place / "dicom", place.parent / "images-only", ignore=shutil.ignore_patterns("SEG", "RTSTRUCT"))
    study = read_folder(place.parent / "images-only")
    for k, point in enumerate(study.points):
        parts = {n: float(a[k]) for n, a in truth.mean_activity_MBq.items()}
        middle = sum(a * centroid_of(truth.labels.masks[n], truth.labels.grid.affine) for n, a in parts.items())
        expected = (truth.to_visit[k] @ [*(middle / sum(parts.values())), 1])[:3]
        found = centroid_of(np.asarray(point.emission.array), point.emission.grid.affine)
        assert found == pytest.approx(expected, abs=0.4)  # a million counts spread over 60 mm, sharp to 0.06 mm


def centroid_of(weights, affine):
    z, y, x = np.indices(weights.shape)
    return np.array([(affine[i, 0] * x + affine[i, 1] * y + affine[i, 2] * z + affine[i, 3]).ravel() @ weights.ravel()
                     for i in range(3)], dtype=float) / weights.sum(dtype=float)  # fmt: skip


def test_contours_follow_the_pose(folder):
    place, truth = folder
    kept = place.parent / "seg-only"
    shutil.copytree(place / "dicom", kept, ignore=shutil.ignore_patterns("RTSTRUCT"))
    study = read_folder(kept)
    for k, point in enumerate(study.points):
        found = centroid(np.asarray(point.labels.masks["lesion_1"]) >= 0.5, point.labels.grid.affine)
        assert found == pytest.approx((truth.to_visit[k] @ [-75, -190, 150, 1])[:3], abs=0.5)


def test_simpleitk_reads_ct_and_pet(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    asked = spec(scanner={"modality": "PT", "times": ["1 h", "3 h"], "noise": False}, nuclide="Ga-68", contours="none",
                 regions={"spleen": {"curve": [{"fraction": "5 %", "half_life": "1 h"}]}}, lesions={}, poses=[])  # fmt: skip
    truth = make_phantom(asked, tmp_path / "pet")
    for kind in ("PT", "CT"):
        files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "pet" / "dicom" / "visit-1" / kind))
        image = sitk.ReadImage(files)
        values = sitk.GetArrayFromImage(image)
        spacing = image.GetSpacing()
        if kind == "PT":
            found = values.sum(dtype=float) * np.prod(spacing) / 1000 / 1e6
            x = math.log(2) * 0.5 / (67.71 / 60)  # half-life of Ga-68, 67.71 min
            expected = truth.mean_activity_MBq["spleen"][0] * x / -math.expm1(-x)  # decay-corrected to the start
            assert found == pytest.approx(expected, rel=2e-3)
            data = pydicom.dcmread(files[0])
            assert (data.Units, data.DecayCorrection) == ("BQML", "START")
        else:
            assert spacing == pytest.approx((3.0, 3.0, 3.0))
            original = nibabel.load(image_anatomy("abdomen").ct_path)
            carried = np.asarray(original.dataobj).transpose(2, 1, 0)[:, ::-1, ::-1]
            assert np.array_equal(values, np.clip(carried, -1024, None))
            right_front_up = nibabel.affines.apply_affine(original.affine, [0, 0, 0])
            last = image.TransformIndexToPhysicalPoint((values.shape[2] - 1, values.shape[1] - 1, 0))
            assert last == pytest.approx((-right_front_up[0], -right_front_up[1], right_front_up[2]), abs=1e-3)


def test_dciodvfy_finds_no_error(folder, tmp_path):
    tool = shutil.which("dciodvfy")
    if tool is None:
        pytest.skip("dciodvfy (Debian: dicom3tools) is not installed: the phantom was not validated by it")
    pet = spec(
        scanner={"modality": "PT", "times": ["1 h"], "voxel": "16 mm", "matrix": 30, "fwhm": "0 mm"},
        contours="none",
        poses=[],
    )
    make_phantom(pet, tmp_path / "pet")
    files = [folder[0] / "dicom" / "visit-2" / m / "0001.dcm" for m in ("CT", "NM", "RTSTRUCT", "SEG")]
    for file in [*files, tmp_path / "pet" / "dicom" / "visit-1" / "PT" / "0003.dcm"]:
        done = subprocess.run([tool, str(file)], capture_output=True, text=True, check=False)
        assert done.returncode >= 0
        assert [x for x in (done.stdout + done.stderr).splitlines() if x.startswith("Error")] == [], file


def test_a_stylised_body_works_too(tmp_path):
    body = {"body": "adult", "bottom": "28 cm", "top": "40 cm", "voxel": "8 mm"}
    asked = spec(anatomy=body, regions={"liver": {"curve": CURVE}, "kidney_left": {"curve": CURVE}}, lesions={},
                 poses=[], contours="none", dose="local", scanner={"times": ["4 h"]})  # fmt: skip
    truth = make_phantom(asked, tmp_path / "body")
    assert truth.dose_Gy["liver"] > 0
    kidney = truth.labels.masks["kidney_left"]
    assert centroid(kidney > 0, truth.labels.grid.affine)[0] > 0  # LPS: left is positive
    assert centroid(truth.labels.masks["liver"] > 0, truth.labels.grid.affine)[0] < 0


def test_curves_of_a_case_are_those_that_its_run_fits():
    asked = load_phantom(
        spec(case="example", regions={"kidney_left": {"share": "50 %"}, "background": {"of": "liver"}}, lesions={})
    )
    from alphatwin.case import example_path, load
    from alphatwin.run._stages import fit_curves

    fitted = fit_curves(load(example_path()))["kidney_left"]
    expected = [(0.5 * a / 7210.43, r) for a, r in zip(*fitted.terms, strict=True)]
    assert np.array(asked.terms(asked.regions["kidney_left"])) == pytest.approx(np.array(expected), rel=1e-12)
    # published for that kidney: 108.742 MBq (exp(-0.0140814 t) - exp(-0.845429 t)); with four points of 10 % within 1 %
    published = np.array([[54.371 / 7210.43, 0.0140814], [-54.371 / 7210.43, 0.845429]])
    assert np.array(sorted(expected, reverse=True)) == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"regions": {"spleen": {}}}, "give its curve"),
        ({"regions": {"spleen": {"curve": CURVE, "share": "50 %"}}}, "go with the curve of a case"),
        ({"case": "example", "regions": {"aorta": {}}}, "no region 'aorta'"),
        ({"case": "example", "regions": {"spleen": {}}, "nuclide": "Ga-68"}, "curves are of Lu-177"),
        ({"case": "nowhere.yaml"}, "no file nowhere.yaml"),
    ],
)
def test_a_case_that_does_not_fit_is_refused(change, words):
    with pytest.raises(CaseError, match=words):
        load_phantom(spec(**({"lesions": {}} | change)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"regions": {"kidny_left": {"curve": CURVE}}}, "Did you mean kidney_left"),
        (
            {"lesions": {"far": {"curve": CURVE, "centre_mm": [900, 0, 0], "diameter": "20 mm"}}},
            "Less than half of the lesion",
        ),
        (
            {"anatomy": {"body": "adult", "bottom": "70 cm", "top": "80 cm", "voxel": "10 mm"}},
            "no region 'kidney_left'|No voxel",
        ),
    ],
)
def test_what_the_anatomy_cannot_hold_is_refused(tmp_path, change, words):
    with pytest.raises(ImageError, match=words):
        make_phantom(spec(**change), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"poses": [{}]}, "1 poses and 2 times"),
        ({"nuclide": "Lu-178x"}, "Lu-17"),
        ({"nuclide": "Pb-208"}, "stable|no nuclide|No nuclide"),
        ({"anatomy": "abdomn"}, "Did you mean abdomen"),
        ({"administered_at": "2026-03-02T09:00:00"}, "zone"),
        ({"administered_activity": "7400"}, "no unit"),
        ({"regions": {"spleen": {"curve": [{"fraction": "1 %", "half_life": "900 h"}]}}}, "effective half-life"),
        ({"regions": {"spleen": {"curve": [{"fraction": "-1 %", "half_life": "9 h"}]}}}, "below zero"),
        ({"lesions": {"spleen": SPEC["lesions"]["lesion_1"]}}, "this name already"),
        ({"scanner": {"times": ["24 h", "4 h"]}}, "increase"),
        ({"scanner": {"fwhm": "3 mm"}}, "less than a voxel"),
        ({"scanner": {"matrix": 512, "slices": 1000}}, "voxels in one image"),
        ({"scanner": {"scatter_fraction": "99 %"}}, "out of range"),
        ({"poses": [{}, {"rotation_deg": [0, 0, 90]}]}, "at most 45"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(change, words):
    with pytest.raises(CaseError, match=words):
        load_phantom(spec(**change))


def test_a_place_that_is_taken_is_refused_and_kept(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="there already"):
        make_phantom(spec(), tmp_path / "x")
    assert (tmp_path / "x" / "mine.txt").read_text() == "mine"


def test_an_interruption_leaves_nothing(tmp_path):
    def stop(step):
        if step == "truth":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_phantom(spec(contours="none"), tmp_path / "deep" / "x", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_example_can_be_read():
    example = pathlib.Path(__file__).parents[2] / "examples" / "phantom-177lu.yaml"
    asked = load_phantom(example)
    assert asked.nuclide == "Lu-177"
    assert asked.scanner.times_h == (4.0, 24.0, 96.0, 168.0)


def test_every_shipped_phantom_and_its_case_can_be_read():
    from alphatwin.case.images import load_images
    from alphatwin.imaging.phantom import load_phantom

    examples = pathlib.Path(__file__).parents[2] / "examples"
    cases = sorted(examples.glob("images-*.yaml"))
    assert len(cases) >= 3
    for file in cases:
        asked = load_images(file)
        made = load_phantom(examples / asked.images.phantom)
        for name, window in asked.windows.items():
            low, high = made.scanner.windows[name].energy_keV
            assert low < window.energy_keV < high
            counted = made.scanner.windows[name].cps_per_MBq
            assert counted[window.nuclide] == window.cps_per_MBq
            for q, share in window.crosstalk.items():
                own = next(w.cps_per_MBq for w in asked.windows.values() if w.nuclide == q)
                assert counted[q] == pytest.approx(share * own)
        if asked.therapy is not None:
            assert made.therapy.nuclide == asked.therapy.nuclide
            assert made.therapy.administered_activity_MBq == asked.therapy.administered_activity_MBq


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"daughters": {"Bi-213": [{"fraction": "1 %", "half_life": "500 h"}]}}, "nothing feeds Bi-213 for longer"),
        ({"daughters": {"Po-210": [{"fraction": "1 %", "half_life": "50 h"}]}}, "no daughter of Ac-225"),
        ({"daughters": {"Bi-213": [{"fraction": "-1 %", "half_life": "50 h"}]}}, "below zero"),
    ],
)
def test_daughters_that_cannot_be_are_refused(change, words):
    curve = {"curve": [{"fraction": "2 %", "half_life": "60 h"}]}
    asked = {"phantom": "bad", "nuclide": "Ac-225", "administered_activity": "8 MBq", "administered_at": "2026-03-02T09:00:00+01:00",
             "regions": {"spleen": {**curve, **change}}, "scanner": {"times": ["5 h"]}}  # fmt: skip
    with pytest.raises(CaseError, match=words):
        load_phantom(asked)


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ({"218 keV": {"energy_keV": [196, 240], "cps_per_MBq": {"Fr-221": 3}}}, "a window's name"),
        ({"218keV": {"energy_keV": [240, 196], "cps_per_MBq": {"Fr-221": 3}}}, "lower limit, then"),
        ({"218keV": {"energy_keV": [196, 240], "cps_per_MBq": {"Lu-177": 3}}}, "not in the chain"),
        ({"218keV": {"energy_keV": [196, 240], "cps_per_MBq": {"Fr-221": -3}}}, "from 0 to 1e5"),
    ],
)
def test_windows_of_a_phantom_that_cannot_be_are_refused(window, words):
    curve = {"curve": [{"fraction": "2 %", "half_life": "60 h"}]}
    asked = {"phantom": "bad", "nuclide": "Ac-225", "administered_activity": "8 MBq", "administered_at": "2026-03-02T09:00:00+01:00",
             "regions": {"spleen": curve}, "scanner": {"times": ["5 h"], "windows": window}}  # fmt: skip
    with pytest.raises(CaseError, match=words):
        load_phantom(asked)
