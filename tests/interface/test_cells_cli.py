"""`alphatwin cells`: what it prints and writes, how it refuses."""

import json

import numpy as np
import pytest

from alphatwin.report import open_result
from conftest import CELL_EXAMPLES

CASE = """\
case: a-ball
title: A small ball
cells: {radius: 5 um, nucleus_radius: 4 um}
cluster: {radius: 45 um, necrotic_radius: 12 um}
source:
  nuclide: Ac-225
  place: surface
  decays_per_cell: 3
uptake: {model: lognormal, cv: 60 %}
response: {alpha_per_Gy: 0.5, beta_per_Gy2: 0.03}
oxygen: {rim_pressure: 7 %}
compare: {nuclides: [Lu-177]}
"""
WIDTH = 80


@pytest.fixture
def case(tmp_path):
    def made(*changes):
        text = CASE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        file = tmp_path / "ball.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return made


def test_writes_a_page_a_summary_and_every_cell(alphatwin, case, tmp_path):
    said = alphatwin("cells", case(), "-o", tmp_path / "out")
    assert (said.code, said.err) == (0, "")
    folder = tmp_path / "out" / "a-ball"
    assert sorted(p.name for p in folder.iterdir()) == ["report.html", "result.nc", "summary.json"]
    assert said.out.splitlines()[-1] == f"Report: {folder / 'report.html'}"
    assert all(len(line) <= WIDTH for line in said.out.splitlines()[:-1])
    for word in ("Ac-225", "Lu-177", "surviving fraction", "no alpha hits", "Not a medical device"):
        assert word in said.out
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    ac, lu = summary["emitters"]
    assert ac["decays_per_cell"] == pytest.approx(3.0)
    assert lu["mean_dose_Gy"] == pytest.approx(ac["mean_dose_Gy"])
    assert lu["zero_hit_share"] is None
    assert ac["surviving_fraction"] > ac["surviving_fraction_of_mean_doses"]
    assert summary["cells"]["living"] < summary["cells"]["number"]
    assert {"grimes2014", "inaniwa2021osmk", "icrp107", "roeske2006"} <= set(summary["provenance"]["sources"])
    data = open_result(folder)
    alive = data["alive"].values.astype(bool)
    assert np.exp(data["log_survival"].values[alive]).mean() == pytest.approx(ac["surviving_fraction"])
    assert data["dose"].sum(("origin", "radiation")).values[alive].mean() == pytest.approx(ac["mean_dose_Gy"])
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("heatmap") >= 5
    assert "http://" not in page.split("<main>")[1].split('<h2 id="sources"')[0]


def test_the_same_case_gives_the_same_bits_and_another_seed_others(alphatwin, case, tmp_path):
    read = []
    for seed in (1, 1, 2):
        assert alphatwin("cells", case(), "-o", tmp_path, "-q", "--seed", seed).code == 0
        read.append((tmp_path / "a-ball" / "summary.json").read_text(encoding="utf-8"))
    assert read[0] == read[1] != read[2]


def test_quiet_prints_one_line(alphatwin, case, tmp_path):
    assert len(alphatwin("cells", case(), "-o", tmp_path, "-q").out.splitlines()) == 1


def test_a_table_of_positions_with_its_uptake(alphatwin, case, tmp_path):
    (tmp_path / "cells.csv").write_text("x,y,z,uptake\n0,0,0,1\n12,0,0,0\n0,15,0,3\n", encoding="utf-8")
    file = case(
        ("{radius: 45 um, necrotic_radius: 12 um}", "{shape: table, positions: cells.csv}"),
        ("uptake: {model: lognormal, cv: 60 %}", "uptake: {model: table}"),
        ("oxygen: {rim_pressure: 7 %}\n", ""),
    )
    assert alphatwin("cells", file, "-o", tmp_path, "-q").code == 0
    np.testing.assert_allclose(open_result(tmp_path / "a-ball")["decays"].values, [9 / 4, 0, 27 / 4])


@pytest.mark.parametrize("shape", ["{shape: monolayer, cells: 300, packing: close}", "{cells: 200, packing: random}"])
def test_other_shapes(alphatwin, case, tmp_path, shape):
    file = case(
        ("{radius: 45 um, necrotic_radius: 12 um}", shape),
        ("oxygen: {rim_pressure: 7 %}\n", ""),
        ("compare: {nuclides: [Lu-177]}\n", ""),
    )
    assert alphatwin("cells", file, "-o", tmp_path, "-q").code == 0


def test_daughters_in_the_medium_a_signal_and_an_image(alphatwin, case, tmp_path):
    np.save(tmp_path / "uptake.npy", np.tile(np.arange(1.0, 121.0), (120, 1)))
    file = case(
        ("place: surface", "place: surface\n  daughters: {Bi-213: {surface: 30 %, medium: 50 %}}"),
        ("{model: lognormal, cv: 60 %}", "{model: image, image: uptake.npy, pixel: 1 um}"),
        ("beta_per_Gy2: 0.03}", "beta_per_Gy2: 0.03, repair_half_time: 1.5 h}"),
        ("compare: {nuclides: [Lu-177]}", "bystander: {reach: 80 um, half_effect_per_um: 0.005, largest_effect: 30 %}"),
    )
    said = alphatwin("cells", file, "-o", tmp_path)
    assert (said.code, said.err) == (0, "")
    assert "dose from between the cells" in said.out
    assert "without the bystander signal" in said.out
    assert "what-if" in said.out
    assert all(len(line) <= WIDTH for line in said.out.splitlines()[:-1])
    summary = json.loads((tmp_path / "a-ball" / "summary.json").read_text(encoding="utf-8"))
    (one,) = summary["emitters"]
    assert 0 < one["mean_medium_dose_Gy"] < one["mean_dose_Gy"]
    assert one["surviving_fraction"] < one["surviving_fraction_without_signal"]
    assert one["lost_share_of_decays"]["Po-213"] == pytest.approx(0.2)
    assert 0 < one["g"] < 0.05  # 10 days against 1.5 h
    data = open_result(tmp_path / "a-ball")
    x, decays = data["position"].values[:, 0], data["decays"].values
    living = data["alive"].values.astype(bool)
    assert np.corrcoef(x[living], decays[living])[0, 1] > 0.999


@pytest.mark.parametrize("ending", ["csv", "png", "tif"])
def test_images_of_other_kinds(alphatwin, case, tmp_path, ending):
    image = np.full((100, 100), 50, dtype=np.uint8)
    if ending == "csv":
        np.savetxt(tmp_path / "im.csv", image, delimiter=",", fmt="%d")
    else:
        pillow = pytest.importorskip("PIL.Image")
        pillow.fromarray(image).save(tmp_path / f"im.{ending}")
        pillow.fromarray(np.stack([image] * 3, axis=-1)).save(tmp_path / f"colour.{ending}")
    change = ("{model: lognormal, cv: 60 %}", f"{{model: image, image: im.{ending}, pixel: 1 um}}")
    quick = ("compare: {nuclides: [Lu-177]}\n", "")
    assert alphatwin("cells", case(change, quick), "-o", tmp_path, "-q").code == 0
    if ending != "csv":
        change = (change[0], change[1].replace("im.", "colour."))
        said = alphatwin("cells", case(change, quick), "-o", tmp_path, "-q")
        assert said.code == 2
        assert "one grey channel" in said.err


REFUSALS = [
    ([("nucleus_radius: 4 um", "nucleus_radius: 6 um")], ["line 3", "cells.nucleus_radius", "smaller than the cell"]),
    ([("radius: 5 um,", "radius: 5,")], ["line 3", "cells.radius", "no unit"]),
    ([("radius: 5 um,", "radius: 0 um,")], ["cells.radius", "above zero"]),
    ([("{radius: 45 um, necrotic", "{radius: 45 um, pitch: 8 um, necrotic")], ["line 4", "cluster.pitch", "overlap", "10 um"]),
    ([("necrotic_radius: 12 um", "necrotic_radius: 90 um")], ["line 4", "cluster", "alive"]),
    ([("{radius: 45 um,", "{radius: 45 um, cells: 5,")], ["line 4", "one of the two"]),
    ([("necrotic_radius", "necrotic_radus")], ["line 4", "Did you mean necrotic_radius"]),
    ([("model: lognormal, cv: 60 %", "model: labelled, fraction: 150 %")], ["line 9", "uptake.fraction", "100 %"]),
    ([("model: lognormal, cv: 60 %", "model: labelled, fraction: 1.5")], ["line 9", "uptake.fraction", "no unit"]),
    ([("model: lognormal", "model: lognorml")], ["line 9", "uptake.model", "Did you mean lognormal"]),
    ([("model: lognormal, cv: 60 %", "model: lognormal")], ["line 9", "uptake.cv"]),
    ([("model: lognormal, cv: 60 %", "model: uniform, cv: 60 %")], ["line 9", "uptake.cv", "does not go with"]),
    ([("model: lognormal, cv: 60 %", "model: receptors, receptors: [1, 2], cells: [1]")], ["uptake.receptors", "pairs"]),
    ([("place: surface", "place: membrane")], ["line 7", "source.place", "surface, cytoplasm"]),
    ([("place: surface", "place: {surface: 80 %, nucleus: 40 %}")], ["line 7", "120 %"]),
    ([("nuclide: Ac-225", "nuclide: Ac225")], ["line 6", "source.nuclide", "Ac-225"]),
    ([("place: surface", "place: surface\n  daughters: {Bi-214: {surface: 20 %}}")], ["line 8", "source.daughters", "Bi-214", "Bi-213"]),
    ([("model: lognormal, cv: 60 %", "model: image, image: none.png, pixel: 1 um")], ["line 9", "uptake.image", "no such file"]),
    ([("model: lognormal, cv: 60 %", "model: image, image: ball.yaml, pixel: 1 um")], ["uptake.image", ".npy, .csv, .png"]),
    ([("model: lognormal, cv: 60 %", "model: image, image: ../x.npy, pixel: 1 um")], ["uptake.image", "folder"]),
    ([("model: lognormal, cv: 60 %", "model: image, pixel: 1 um")], ["line 9", "uptake.image", "needs it"]),
    ([("oxygen: {rim_pressure: 7 %}", "bystander: {reach: 100 um, half_effect_per_um: 0.001}")], ["line 11", "bystander.largest_effect"]),
    ([("oxygen: {rim_pressure: 7 %}", "bystander: {reach: 100, half_effect_per_um: 0.001, largest_effect: 10 %}")], ["bystander.reach", "no unit"]),
    ([("{radius: 45 um, necrotic_radius: 12 um}", "{shape: monolayer, cells: 50}"), ("oxygen: {rim_pressure: 7 %}\n", ""), ("place: surface", "place: medium")],
     ["line 7", "source.place", "spheroid"]),
    ([("decays_per_cell: 3", "decays_per_cell: -3")], ["line 8", "above 0"]),
    ([("decays_per_cell: 3", "mean_dose: 3 Sv")], ["line 8", "sievert"]),
    ([("decays_per_cell: 3", "decays_per_cell: 3\n  mean_dose: 3 Gy")], ["one of the two"]),
    ([("rim_pressure: 7 %", "rim_pressure: 7")], ["line 11", "oxygen.rim_pressure", "7 mmHg", "7 %", "7.6"]),
    ([("rim_pressure: 7 %", "rim_pressure: 53 hPa")], ["line 11", "oxygen.rim_pressure", "mmHg"]),
    ([("rim_pressure: 7 %", "rim_pressure: 160 %")], ["line 11", "oxygen.rim_pressure", "760"]),
    ([("alpha_per_Gy: 0.5", "alpha_per_Gy: -0.5")], ["line 10", "response.alpha_per_Gy"]),
    ([("nuclides: [Lu-177]", "nuclides: [Lu-178x]")], ["line 12", "compare.nuclides", "Lu-17"]),
    ([("beta_per_Gy2: 0.03}", "beta_per_Gy2: 0.03, repair_half_time: 2 h}"), ("decays_per_cell: 3", "decays_per_cell: 3\n  effective_half_life: 20 days")],
     ["source.effective_half_life", "longer"]),
    ([("{radius: 45 um, necrotic_radius: 12 um}", "{shape: table, positions: ../secret.csv}"), ("oxygen: {rim_pressure: 7 %}\n", "")], ["cluster.positions", "folder"]),
    ([("{radius: 45 um, necrotic_radius: 12 um}", "{shape: table, positions: none.csv}"), ("oxygen: {rim_pressure: 7 %}\n", "")], ["cluster.positions", "no such file"]),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "told"), REFUSALS, ids=lambda v: v[0][1][:30] if isinstance(v[0], tuple) else "")
def test_refusals_name_the_place(alphatwin, case, tmp_path, changes, told):
    said = alphatwin("cells", case(*changes), "-o", tmp_path / "out")
    assert said.code == 2, said
    assert said.out == ""
    assert "Traceback" not in said.err
    for part in ("ball.yaml", *told):
        assert part in said.err, said.err
    assert not (tmp_path / "out").exists()


def test_an_empty_file_is_told_of_an_example_of_cells(alphatwin, tmp_path):
    (tmp_path / "empty.yaml").write_text("", encoding="utf-8")
    said = alphatwin("cells", tmp_path / "empty.yaml")
    assert said.code == 2
    assert "examples/spheroid-225ac.yaml" in said.err
    assert "show example" not in said.err


def test_a_case_of_a_patient_is_no_case_of_cells(alphatwin, tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text("case: x\ntreatment: {agent: lu177-dotatate}\n", encoding="utf-8")
    said = alphatwin("cells", file)
    assert said.code == 2
    assert "treatment" in said.err


@pytest.mark.parametrize("name", CELL_EXAMPLES)
def test_the_examples_run(alphatwin, name, tmp_path):
    said = alphatwin("cells", CELL_EXAMPLES[name], "-o", tmp_path)
    assert said.code == 0, said.err
    summary = json.loads((tmp_path / name / "summary.json").read_text(encoding="utf-8"))
    assert len({round(e["mean_dose_Gy"], 6) for e in summary["emitters"]}) == 1
    assert all(0 < e["surviving_fraction"] < 1 for e in summary["emitters"])


def test_control_that_is_too_small_for_a_number_is_not_printed_as_zero():
    from alphatwin.report.cells import _chance

    assert [_chance(v) for v in (0.0, 1e-200, 0.5)] == ["<1e-99", "<1e-99", "0.500"]
