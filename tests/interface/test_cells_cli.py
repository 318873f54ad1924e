"""`alphatwin cells`: what it prints and writes, how it refuses."""

import json

import numpy as np
import pytest

from alphatwin.biology.oxygen import line_response
from alphatwin.report import open_result
from alphatwin.transport.hits import specific_energy
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
        small = case(
            ("radius: 45 um, necrotic_radius: 12 um", "radius: 30 um"), ("compare: {nuclides: [Lu-177]}\n", "")
        )
        assert alphatwin("cells", small, "-o", tmp_path, "-q", "--seed", seed).code == 0
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
        (
            "compare: {nuclides: [Lu-177]}",
            "bystander: {reach: 80 um, characteristic_concentration_per_um: 0.005, largest_effect: 30 %}",
        ),
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


def _summary(alphatwin, file, folder):
    said = alphatwin("cells", file, "-o", folder)
    assert (said.code, said.err) == (0, "")
    assert all(len(line) <= WIDTH for line in said.out.splitlines()[:-1])
    return said.out, json.loads((folder / "a-ball" / "summary.json").read_text(encoding="utf-8"))


NUMBERS = "response: {alpha_per_Gy: 0.5, beta_per_Gy2: 0.03}"


def _response(text):
    return (NUMBERS, "response: {" + text + "}")


def test_modifiers_act_on_their_radiation_and_are_told_with_their_source(alphatwin, case, tmp_path):
    modified = _response(
        "alpha_per_Gy: 0.5, beta_per_Gy2: 0.03, modifiers: [{name: 5-fu}, {name: dna-pk-inhibition, dose_factor: 1.6, source: bannik2021},"
        "{name: a new drug, radiation: low_let, alpha_factor: 1.2, beta_factor: 1, source: own curve}]"
    )
    out, summary = _summary(alphatwin, case(modified), tmp_path)
    by_hand = _response("alpha_per_Gy: 0.8, beta_per_Gy2: 0.0768, low_let: {alpha_per_Gy: 0.6, beta_per_Gy2: 0.045}")
    _, same = _summary(alphatwin, case(by_hand), tmp_path)
    _, plain = _summary(alphatwin, case(), tmp_path)
    assert same["modifiers"] == []
    for one, hand, bare in zip(summary["emitters"], same["emitters"], plain["emitters"], strict=True):
        assert one["surviving_fraction"] == pytest.approx(hand["surviving_fraction"], rel=1e-7)
        assert one["surviving_fraction_without_modifiers"] == pytest.approx(bare["surviving_fraction"], rel=1e-7)
        assert bare["surviving_fraction_without_modifiers"] is None
    five, pk, own = summary["modifiers"]
    assert (five["radiation"], five["alpha_factor"], five["beta_factor"], five["source"]) == (
        "low_let",
        1,
        1.5,
        "buchholz1995fu",
    )
    assert (pk["radiation"], pk["alpha_factor"], pk["beta_factor"]) == ("alpha", 1.6, pytest.approx(2.56))
    assert (own["name"], own["radiation"], own["source"]) == ("a new drug", "low_let", "own curve")
    assert {"buchholz1995fu", "bannik2021"} <= set(summary["provenance"]["sources"])
    page = (tmp_path / "a-ball" / "report.html").read_text(encoding="utf-8")
    assert "without the modifiers" not in page  # the last run had none
    for text in ("without the modifiers", "DNA-PK inhibition on alphas", "alpha times 1.6", "bannik2021; yours"):
        assert text in " ".join(out.split())


def test_one_hit_killing_is_alpha_alone(alphatwin, case, tmp_path):
    _, z0 = _summary(alphatwin, case(_response("z0: 2 Gy")), tmp_path)
    _, linear = _summary(alphatwin, case(_response("alpha_per_Gy: 0.5")), tmp_path)
    for one, other in zip(z0["emitters"], linear["emitters"], strict=True):
        assert one["surviving_fraction"] == pytest.approx(other["surviving_fraction"], rel=1e-9)
    assert z0["emitters"][0]["response"] == "SingleHit(z0_Gy=2.0)"
    mixed = _response("z0: 0.5 Gy, low_let: {alpha_per_Gy: 0.3, beta_per_Gy2: 0.03}, repair_half_time: 1.5 h")
    _, both = _summary(alphatwin, case(mixed), tmp_path)
    assert "alpha_per_Gy=2.0, beta_per_Gy2=0.0" in both["emitters"][0]["response"]
    doubled = _response("z0: 2 Gy, modifiers: [{name: dna-pk-inhibition, alpha_factor: 2}]")
    _, twice = _summary(alphatwin, case(doubled), tmp_path)
    assert twice["emitters"][0]["response"] == "SingleHit(z0_Gy=1.0)"


@pytest.mark.parametrize(("line", "parameters"), [("v79", None), ("CHO", None), ("hsg", "mkm"), ("hsg", "smk")])
def test_a_cell_line_answers_the_let_of_the_alphas(alphatwin, case, tmp_path, line, parameters):
    text = f"line: {line}" + (f", parameters: {parameters}" if parameters else "")
    out, summary = _summary(alphatwin, case(_response(text)), tmp_path)
    ac, lu = summary["emitters"]
    y = ac["alpha_lineal_energy_keV_per_um"]
    assert 100 < y < 150
    assert lu["alpha_lineal_energy_keV_per_um"] is None
    high = line_response(line, y, parameters or "osmk2021")
    assert f"alpha_per_Gy={high.alpha_per_Gy:.9f}"[:20] in ac["response"]
    assert ac["low_let_response"] == lu["low_let_response"] == repr(line_response(line, None, parameters or "osmk2021"))
    assert high.alpha_per_Gy > 3 * line_response(line, None, parameters or "osmk2021").alpha_per_Gy
    assert f"Response of {line.upper()}" in out
    assert "not read in their paper" in " ".join(out.split())
    assert {"inaniwa2021osmk" if parameters is None else "inaniwa2018"} <= set(summary["provenance"]["sources"])


def test_oxygen_takes_the_let_from_the_places_of_the_chain(alphatwin, case, tmp_path):
    _, summary = _summary(alphatwin, case(), tmp_path)
    alone = specific_energy("Ac-225", 5, 4).y_dose_mean_keV_per_um
    assert summary["emitters"][0]["alpha_lineal_energy_keV_per_um"] > 1.3 * alone  # neighbours' alphas arrive slowed


def test_a_fourth_column_is_not_ignored(alphatwin, case, tmp_path):
    (tmp_path / "cells.csv").write_text("x,y,z,uptake\n0,0,0,1\n12,0,0,0\n0,15,0,3\n", encoding="utf-8")
    file = case(
        ("{radius: 45 um, necrotic_radius: 12 um}", "{shape: table, positions: cells.csv}"),
        ("uptake: {model: lognormal, cv: 60 %}", "uptake: {model: uniform}"),
        ("oxygen: {rim_pressure: 7 %}\n", ""),
    )
    said = alphatwin("cells", file, "-o", tmp_path)
    assert said.code == 2
    for part in ("line 9, uptake.model", "fourth column", "{model: table}"):
        assert part in said.err


REFUSALS = [
    ([_response("line: hsgg")], ["line 10", "response.line", "Did you mean hsg"]),
    ([_response("line: v79, parameters: mkm")], ["line 10", "response.parameters", "osmk2021"]),
    ([_response("alpha_per_Gy: 0.5, parameters: mkm")], ["response.parameters", "line"]),
    ([_response("alpha_per_Gy: 0.5, z0: 1 Gy")], ["line 10", "one of alpha_per_Gy, z0, line"]),
    ([_response("beta_per_Gy2: 0.5")], ["line 10", "one of alpha_per_Gy, z0, line"]),
    ([_response("z0: 1 Gy, beta_per_Gy2: 0.1")], ["response.beta_per_Gy2", "alpha_per_Gy"]),
    ([_response("z0: 0 Gy")], ["response.z0", "above zero"]),
    ([_response("z0: 1")], ["response.z0", "no unit"]),
    ([_response("z0: 1 Gy, low_let: {beta_per_Gy2: 0.1}")], ["response.low_let", "one of alpha_per_Gy, z0"]),
    ([_response("z0: 1 Gy, modifiers: [{name: dna-pk-inhibition}]")], ["line 10", "response.modifiers.0", "enhancement_least 1.6 [bannik2021]", "dose_factor"]),
    ([_response("alpha_per_Gy: 1, modifiers: [{name: 5-fu, radiation: alpha}]")], ["modifiers.0", "not carried over", "alphas", "alpha_factor"]),
    ([_response("line: v79, modifiers: [{name: repair-deficiency, alpha_factor: 2}]")], ["modifiers.0", "no beta_factor", "1: unchanged"]),
    ([_response("z0: 1 Gy, modifiers: [{name: 5-fuu, alpha_factor: 2}]")], ["modifiers.0", "Did you mean 5-fu", "source"]),
    ([_response("z0: 1 Gy, modifiers: [{name: 5-fu, dose_factor: 2, alpha_factor: 2}]")], ["modifiers.0.alpha_factor", "not both"]),
    ([_response("z0: 1 Gy, modifiers: [{name: 5-fu, source: mine}]")], ["modifiers.0.source"]),
    ([_response("z0: 1 Gy, modifiers: [{name: 5-fu, dose_factor: 0}]")], ["modifiers.0.dose_factor", "above 0"]),
    ([_response("z0: 1 Gy, modifiers: [{name: 5-fu, radiation: beta}]")], ["modifiers.0.radiation", "alpha, low_let"]),
    ([_response("z0: 1 Gy, modifiers: [{name: 5-fu}, {name: 5-FU}]")], ["modifiers.1", "second time"]),
    ([_response("z0: 1 Gy, modifiers: [{name: 5-fu}, {name: 5-fu, radiation: low_let}]")], ["modifiers.1", "twice"]),
    ([_response("z0: 1 Gy, modifiers: [{name: dna-pk-inhibition, alpha_factor: 0}]")], ["response", "factor of 0"]),
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
    ([("nuclide: Ac-225", "nuclide: Ac2255")], ["line 6", "source.nuclide", "Ac-225"]),
    ([("place: surface", "place: surface\n  daughters: {Bi-214: {surface: 20 %}}")], ["line 8", "source.daughters", "Bi-214", "Bi-213"]),
    ([("model: lognormal, cv: 60 %", "model: image, image: none.png, pixel: 1 um")], ["line 9", "uptake.image", "no such file"]),
    ([("model: lognormal, cv: 60 %", "model: image, image: ball.yaml, pixel: 1 um")], ["uptake.image", ".npy, .csv, .png"]),
    ([("model: lognormal, cv: 60 %", "model: image, image: ../x.npy, pixel: 1 um")], ["uptake.image", "folder"]),
    ([("model: lognormal, cv: 60 %", "model: image, pixel: 1 um")], ["line 9", "uptake.image", "needs it"]),
    ([("oxygen: {rim_pressure: 7 %}", "bystander: {reach: 100 um, characteristic_concentration_per_um: 0.001}")], ["line 11", "bystander.largest_effect"]),
    ([("oxygen: {rim_pressure: 7 %}", "bystander: {reach: 100, characteristic_concentration_per_um: 0.001, largest_effect: 10 %}")], ["bystander.reach", "no unit"]),
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
