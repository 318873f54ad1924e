"""`alphatwin dose`: what it prints and writes, how it refuses."""

import csv
import json

import nibabel
import numpy as np
import pytest

from conftest import MAP_EXAMPLES

CASE = """\
case: ball
title: A small ball
density: {map: density.nii.gz}
sources:
  Lu-177:
    activity: [{map: activity.nii.gz, time: 24 h}]
    unit: MBq/mL
regions: {map: labels.nii.gz, names: {1: tumour}}
method: {name: monte_carlo, uncertainty: 5 %, region: tumour, batch_histories: 2000, denoise: variance}
dose_rate_at: [24 h]
"""
WIDTH = 80


@pytest.fixture
def case(tmp_path):
    g = np.indices((12, 12, 12)) - 5.5
    ball = (g**2).sum(0) < 9
    for name, values in (
        ("density", np.ones(ball.shape)),
        ("activity", 2.0 * ball),
        ("labels", ball.astype(float)),
    ):
        nibabel.save(
            nibabel.Nifti1Image(values.astype(np.float32), np.diag([4.0, 4.0, 4.0, 1.0])), tmp_path / f"{name}.nii.gz"
        )

    def made(*changes):
        text = CASE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        file = tmp_path / "ball.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return made


def test_writes_maps_tables_and_a_page(alphatwin, case, tmp_path):
    said = alphatwin("dose", case(), "-o", tmp_path / "out", "--resume", tmp_path / "sums.npz")
    assert (said.code, said.err) == (0, "")
    folder = tmp_path / "out" / "ball"
    written = {p.name for p in folder.iterdir()}
    assert written == {
        "report.html", "summary.json", "regions.csv", "dvh.csv", "dose.nii.gz", "dose_uncertainty.nii.gz", "few_hits.nii.gz",
        "dose_denoised.nii.gz", "dose_Lu-177.nii.gz", "dose_electron.nii.gz", "dose_photon.nii.gz", "dose_rate_24h.nii.gz",
    }  # fmt: skip
    assert all(len(line) <= WIDTH for line in said.out.splitlines()[:-1])
    assert "SMOOTHED" in " ".join(said.out.split())
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    (tumour,) = summary["regions"]
    assert 0 < tumour["uncertainty_Gy"] < 0.03 * tumour["mean_Gy"]
    assert tumour["d98_Gy"] < tumour["d50_Gy"] < tumour["d2_Gy"]
    assert set(summary["maps"]) == {"density.nii.gz", "activity.nii.gz", "labels.nii.gz"}
    assert "variance" in summary["provenance"]["options"][0]
    assert "lee1980" in summary["provenance"]["sources"]
    rows = list(csv.DictReader((folder / "regions.csv").open(encoding="utf-8")))
    assert float(rows[0]["mean_Gy"]) == pytest.approx(tumour["mean_Gy"], rel=1e-6)
    curve = list(csv.DictReader((folder / "dvh.csv").open(encoding="utf-8")))
    assert float(curve[0]["share_of_volume"]) == 1.0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "src=" not in page.split("</script>", 1)[1]  # nothing is fetched
    cited = alphatwin("cite", folder)
    assert "[lee1980]" in cited.out


def test_the_line_of_a_slip_is_named(alphatwin, case):
    said = alphatwin("dose", case(("activity.nii.gz", "activit.nii.gz")))
    assert said.code == 2
    assert said.err.startswith(
        "ball.yaml, line 6, sources.Lu-177.activity.0: activit.nii.gz: there is no such file. Did you"
    )
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--method", "montecarlo"), "Did you mean monte_carlo"),
        (("--uncertainty", "2"), "no unit"),
        (("--uncertainty", "90 %"), "between 0.05 % and 50 %"),
        (("--method", "local", "--uncertainty", "2 %"), "goes with monte_carlo"),
        (("--dask", "tcp:/nowhere"), "no scheduler"),
    ],
)  # fmt: skip
def test_bad_options(alphatwin, case, tmp_path, arguments, words):
    said = alphatwin("dose", case(), "-o", tmp_path / "out", *arguments)
    assert said.code == 2
    assert words in said.err
    assert not (tmp_path / "out").exists()


def test_sums_of_something_else_are_not_gone_on_from(alphatwin, case, tmp_path):
    (tmp_path / "sums.npz").write_text("hello", encoding="utf-8")
    said = alphatwin("dose", case(), "--resume", tmp_path / "sums.npz", "-o", tmp_path / "out")
    assert said.code == 2
    assert "no sums to resume from" in said.err


def test_no_file_an_empty_file_a_patient(alphatwin, tmp_path):
    assert "There is no file nowhere.yaml" in alphatwin("dose", tmp_path / "nowhere.yaml").err
    (tmp_path / "empty.yaml").write_text("", encoding="utf-8")
    said = alphatwin("dose", tmp_path / "empty.yaml")
    assert (said.code, "examples/maps-177lu.yaml" in said.err) == (2, True)


def test_the_example_runs(alphatwin, tmp_path):
    said = alphatwin("dose", MAP_EXAMPLES["maps-177lu"], "--method", "local", "-o", tmp_path, "-q")
    assert said.code == 0
    assert said.out == f"Report: {tmp_path / 'maps-177lu' / 'report.html'}\n"
