"""`alphatwin compare`: the table, the page, JSON, refusals; every number traced."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest

import alphatwin as at
from alphatwin import catalog
from alphatwin.comparison import Conditions, compare
from alphatwin.errors import CatalogError, DomainError
from alphatwin.physics import nuclide
from alphatwin.report import compare_page, compare_text, write_comparison

FIVE = ["Ac-225", "Pb-212", "At-211", "Lu-177", "Y-90"]
SMALL = Conditions(cluster_radii_um=(15.0, 30.0, 45.0))


@pytest.fixture(scope="module")
def five():
    return compare(FIVE, SMALL)


def test_the_command_prints_a_table_and_writes_page_and_json(alphatwin, tmp_path, monkeypatch, five):
    monkeypatch.setattr("alphatwin.comparison.compare", lambda *_: five)
    said = alphatwin("compare", *FIVE, "-o", tmp_path / "out")
    assert said.code == 0
    assert said.err == ""
    assert max(map(len, said.out.splitlines()[:-1])) <= 80
    assert said.out.splitlines()[-1] == f"Page: {tmp_path / 'out' / 'compare.html'}"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["compare.html", "compare.json"]
    assert json.loads((tmp_path / "out" / "compare.json").read_text())["nuclides"] == FIVE


def test_the_command_itself_with_two_nuclides(alphatwin):
    said = alphatwin("compare", "At-211", "Lu-177", "--json", "--dose", "1 Gy", "--biological-half-life", "60 h")
    assert said.code == 0
    found = json.loads(said.out)
    assert found["conditions"]["dose_Gy"] == 1.0
    assert found["conditions"]["biological_half_life_h"] == 60.0
    rows = {r["key"]: r["values"] for r in found["rows"]}
    assert rows["shoulder"] == {"At-211": "none", "Lu-177": "yes"}
    assert all(catalog.source(k).text == v for k, v in found["sources"].items())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("Ac2255",), "Did you mean Ac-225"),
        (("Ac-225", "Ac-225"), "named twice"),
        (("Ac-225", "225Ac"), "named twice"),
        (("Ac-225", "--dose", "2 Sv"), "sievert"),
        (("Ac-225", "--dose", "2"), "no unit"),
        (("Ac-225", "--decays", "-3"), "above 0"),
        (("Ac-225", "--hypoxia", "2.5"), "no unit"),
        (("Ac-225", "--biological-half-life", "60 Gy"), "time"),
        ((), "alphatwin compare --help"),
    ],
)
def test_bad_input_is_one_message(alphatwin, arguments, says):
    said = alphatwin("compare", *arguments)
    assert said.code == 2
    assert says in said.err
    assert len(said.err.splitlines()) == 1


def test_every_row_is_traced_and_every_value_is_plain(five):
    assert len(five.rows) > 40
    assert len({r.key for r in five.rows}) == len(five.rows)
    for row in five.rows:
        assert len(row.values) == 5
        assert len(row.how) > 5
        assert row.sources
        assert all(catalog.source(k) for k in row.sources)
        for value in row.values:
            assert value is None or isinstance(value, str) or math.isfinite(value)
    json.dumps(five.as_dict(), allow_nan=False)


def test_numbers_that_are_known(five):
    """Ranges, energies and yields from data; R90 of 90Y is 5.3 mm (mean range tables give 5.3 to 5.4 mm for 90 %)."""
    v = five.value
    assert v("alphas", "Ac-225") == pytest.approx(4.0, rel=1e-3)
    assert v("alphas", "Pb-212") == pytest.approx(1.0, rel=1e-3)
    assert v("alpha_MeV", "Ac-225") == pytest.approx(nuclide("Ac-225").energy_MeV("alpha", chain=True), rel=1e-6)
    assert v("electron_MeV", "Lu-177") == pytest.approx(0.148, abs=0.001)
    assert v("electron_r90_um", "Y-90") == pytest.approx(5.3e3, rel=0.05)
    assert v("dsb_per_Gy", "Lu-177") == pytest.approx(6.8 * 6.1)
    assert 1.9 < v("dsb_per_Gy", "At-211") / v("dsb_per_Gy", "Lu-177") < 2.5
    assert v("oer_air", "Ac-225") == pytest.approx(1.0)
    assert v("tracks_measured", "At-211") == 1.5
    assert v("alpha_range_um", "Lu-177") is None


def test_alphas_differ_from_betas_as_they_must(five):
    for alpha in ("Ac-225", "Pb-212", "At-211"):
        for beta in ("Lu-177", "Y-90"):
            assert five.value("dsb_per_track", alpha) > 100 * five.value("dsb_per_track", beta)
            assert five.value("repaired", alpha) < five.value("repaired", beta)
            assert five.value("oer_anoxic", alpha) < five.value("oer_anoxic", beta)
            assert five.value("tracks_per_lethal", alpha) < 0.01 * five.value("tracks_per_lethal", beta)
            assert five.value("sf_dose", alpha) < five.value("sf_dose", beta)
            assert five.value("reach_um", alpha) < five.value("reach_um", beta)
    assert five.value("daughters", "Ac-225").split()[:2] == ["Fr-221", "Bi-213"]
    assert five.value("daughters", "Pb-212").split()[0] == "Bi-212"
    assert five.value("daughters", "Lu-177") == "none"


def test_crossfire_by_labelled_fraction_is_the_mean_over_random_labels():
    from alphatwin.comparison.rows import _by_label
    from alphatwin.dose.cells import Labelled, cluster_dose, spheroid

    ball = {"decays_per_cell": 1.0, "radius_um": 50.0}
    dose = cluster_dose(spheroid("At-211", **ball)).dose
    own, cross = (float(dose.sel(origin=o).sum("radiation").mean()) for o in ("self", "cross"))
    theirs = []
    for seed in range(30):
        these = spheroid("At-211", **ball, uptake=Labelled(0.1), seed=seed)
        found, carries = cluster_dose(these), these.decays > 0
        cross_dose = found.dose.sel(origin="cross").sum("radiation").values
        theirs.append([cross_dose[carries].mean(), found.total_Gy[carries].mean(), found.total_Gy[~carries].mean()])
    crossed, labelled, without = np.mean(theirs, axis=0)
    share, ratio = _by_label(own, cross, 515, 52 / 515)
    assert crossed / labelled == pytest.approx(share, rel=0.03)  # 30 draws of 52 cells
    assert without / labelled == pytest.approx(ratio, rel=0.03)
    assert _by_label(own, cross, 515, 1 / 515)[0] == pytest.approx(0.0, abs=1e-12)  # one labelled cell: no other


def test_rows_that_were_asked_for(five):
    for name in ("At-211", "Lu-177"):
        assert five.value("crossfire_labelled_1", name) < five.value("crossfire_labelled_50", name)
        assert five.value("ssb_per_track", name) > five.value("dsb_per_track", name)
        assert five.value("oer_air", name) <= five.value("oer_normal", name) < five.value("oer_hypoxic", name)
        assert five.value("sf_hypoxic", name) > five.value("sf_dose", name)
    assert five.value("ssb_per_Gy", "At-211") < five.value("ssb_per_Gy", "Lu-177")  # two strand ends go into each DSB
    assert not five.row("ssb_per_Gy").verified
    assert five.value("retained", "At-211") is None  # nothing in the catalogue: nothing claimed
    assert five.value("electron_highest", "At-211") < 0.1  # lines above 1 %, no rare conversion electron
    assert five.value("electron_highest", "Y-90") == pytest.approx(2.27, abs=0.02)


def test_progeny_of_a_member_that_outlives_the_treatment_is_left_out():
    """214Po: its daughter 210Pb lives 22 years, so the alpha of 210Po comes later; one alpha counts."""
    polonium = compare(["Po-214"], Conditions(cluster_radii_um=(10.0,)))
    assert polonium.value("alphas", "Po-214") == pytest.approx(1.0, abs=1e-3)


def test_dose_and_decays_are_two_sides_of_one_s_value(five):
    for name in FIVE:
        per_decay = five.value("gray_per_decay", name)
        assert five.value("decays_for_dose", name) * per_decay == pytest.approx(SMALL.dose_Gy)
        assert five.value("dose_at_decays", name) == pytest.approx(SMALL.decays * per_decay)


def test_a_biological_half_life_raises_g():
    slow, fast = (
        compare(["Lu-177"], Conditions(cluster_radii_um=(10.0,), biological_half_life_h=h)) for h in (math.inf, 20.0)
    )
    expected = {math.inf: 1.5 / (1.5 + 159.53), 20.0: 1.5 / (1.5 + 1 / (1 / 159.53 + 1 / 20.0))}
    assert slow.value("g", "Lu-177") == pytest.approx(expected[math.inf], rel=5e-3)
    assert fast.value("g", "Lu-177") == pytest.approx(expected[20.0], rel=5e-3)


def test_the_text_fits_and_has_no_markup(five):
    text = compare_text(five)
    assert max(map(len, text.splitlines())) <= 80
    assert not re.search(r"\bnan\b|\binf\b|None", text)
    ten = compare_text(
        compare(["Bi-213", "Ra-223", "Th-227", "I-131", "Lu-177", "Y-90"], Conditions(cluster_radii_um=(10.0,)))
    )
    assert max(map(len, ten.splitlines())) <= 80
    assert ten.count("half-life, h") == 2


def test_the_page_is_whole_and_fetches_nothing(five):
    page = compare_page(five)
    body = page.split("</script>", 1)[1]
    assert "default-src 'none'" in page
    assert not re.search(r"<(?:link|img|script)[^>]+(?:src|href)=", page)
    for row in five.rows:
        assert row.label.replace("<", "&lt;") in body
    for key in five.sources:
        assert f"[{key}]" in body
    assert body.count("Plotly.newPlot") == 6


def test_writing_leaves_nothing_behind_when_it_fails(five, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(at.AlphatwinError, match="cannot be written"):
        write_comparison(five, blocked)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: compare("Ac-225"), DomainError, "list of names"),
        (lambda: compare([]), DomainError, "one to ten"),
        (lambda: compare(["Zz-1"]), CatalogError, "No nuclide"),
        (lambda: Conditions(cluster_radii_um=(100.0, 50.0)), DomainError, "rising order"),
        (lambda: Conditions(cluster_radii_um=(5000.0,)), DomainError, "to 400 um"),
        (lambda: Conditions(labelled_fraction=1.0), DomainError, "between 0 and 1"),
        (lambda: Conditions(cell_line="hela"), CatalogError, "hela"),
        (
            lambda: compare(["Lu-177"], Conditions(cluster_radii_um=(10.0,))).row("x"),
            DomainError,
            "there are half_life_h",
        ),
    ],
)
def test_refusals(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_emitters_without_fast_electrons_have_no_electron_let_or_that_of_slow_ones():
    """147Sm sends out an alpha alone, near the peak of its LET; 55Fe Auger electrons of 5 to 6 keV, 4 to 8 keV/um."""
    both = compare(["Sm-147", "Fe-55"], SMALL)
    assert both.value("electron_let", "Sm-147") is None
    assert 4.0 < both.value("electron_let", "Fe-55") < 9.0
    assert 180 < both.value("alpha_let", "Sm-147") < 226
    assert both.value("dsb_per_track", "Sm-147") > 50
