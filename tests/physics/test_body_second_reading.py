"""Second reading: values written down from the publications and the decay schemes, not from the catalogue's files.

Also what ties them to each other: blood in organs adds up, the dose-response curves pass where their sources say.
"""

from __future__ import annotations

import math

import pytest
from scipy.stats import norm

from alphatwin import catalog

# ICRP 89 adult reference masses in g: (region, male, female).
PARENCHYMA_G = [
    ("kidneys", 310, 275), ("liver", 1800, 1400), ("spleen", 150, 130), ("red_marrow", 1170, 900),
    ("pancreas", 140, 120), ("adrenals", 14, 13), ("thyroid", 20, 17), ("brain", 1450, 1300),
    ("salivary_glands", 85, 70), ("gonads", 35, 11), ("bladder_wall", 50, 40), ("stomach_wall", 150, 140),
    ("small_intestine_wall", 650, 600), ("muscle", 29000, 17500), ("skin", 3300, 2300), ("adipose", 18200, 22500),
    ("lungs", 500, 420),
]  # fmt: skip
# ICRP 133 target regions with blood, in g.
WITH_BLOOD_G = [
    ("kidneys", 422, 357), ("liver", 2360, 1810), ("spleen", 228.4, 187.4), ("red_marrow", 1394, 1064),
    ("bone", 580, 433), ("lungs", 1200, 950),
]  # fmt: skip


@pytest.mark.parametrize(("region", "male_g", "female_g"), PARENCHYMA_G)
def test_parenchyma_masses(region, male_g, female_g):
    for name, expected in (("adult-male", male_g), ("adult-female", female_g)):
        assert catalog.anatomy(name).regions[region].mass_parenchyma.value == expected


@pytest.mark.parametrize(("region", "male_g", "female_g"), WITH_BLOOD_G)
def test_masses_with_blood(region, male_g, female_g):
    for name, expected in (("adult-male", male_g), ("adult-female", female_g)):
        assert catalog.anatomy(name).regions[region].mass_with_blood.value == expected


def test_body_masses():
    assert [catalog.anatomy(n).body_mass.value for n in ("adult-male", "adult-female")] == [73000, 60000]


@pytest.mark.parametrize("name", ["adult-male", "adult-female"])
def test_blood_inside_organs_is_less_than_the_blood_of_the_body(name):
    body = catalog.anatomy(name)
    inside = sum(
        organ.mass_with_blood.value - organ.mass_parenchyma.value
        for region, organ in body.regions.items()
        if organ.mass_with_blood and organ.mass_parenchyma and region not in ("kidney_left", "kidney_right")
    )
    # Large vessels and heart chambers hold a third of the blood (ICRP 89): the organs hold the rest at most.
    assert inside < 0.7 * body.regions["blood"].mass_with_blood.value


@pytest.mark.parametrize("name", ["adult-male", "adult-female"])
def test_two_kidneys_make_the_kidneys(name):
    regions = catalog.anatomy(name).regions
    for kind in ("mass_parenchyma", "mass_with_blood"):
        both = getattr(regions["kidney_left"], kind).value + getattr(regions["kidney_right"], kind).value
        assert both == pytest.approx(getattr(regions["kidneys"], kind).value, abs=1.0)  # halves are printed in whole g


def limit(tissue: str, source: str, quantity: str) -> list[float]:
    found = catalog.entries("tissue")[tissue].limits
    return sorted(x.value for x in found if x.source == source and x.quantity == quantity)


def test_planning_limits():
    assert limit("kidneys", "bodei2008renal", "bed") == [28, 40]
    assert limit("kidneys", "jimenezfranco2021prrt", "bed") == [40]
    assert limit("kidneys", "emami1991", "absorbed_dose") == [23]
    assert limit("red_marrow", "menda2018", "absorbed_dose") == [2]
    assert limit("red_marrow", "jimenezfranco2021prrt", "bed") == [2]
    assert limit("liver", "wahl2021tolerance", "absorbed_dose") == [30]
    assert limit("salivary_glands", "wahl2021tolerance", "absorbed_dose") == [25]


def test_linear_quadratic_parameters():
    tissues = catalog.entries("tissue")
    read = {name: (t.alpha_beta.value, t.repair_half_time.value) for name, t in tissues.items()}
    assert read["kidneys"] == (2.6, 2.8)
    assert read["tumour"] == (10, 1.5)
    assert read["liver"] == (2.5, 2.5)
    assert read["red_marrow"][0] == 15
    assert [getattr(tissues["kidneys"].rbe_alpha, key) for key in ("low", "value", "high")] == [3, 5, 7]


def test_kidney_lyman_curve_passes_the_tolerance_doses():
    """Emami 1991: 5 % at 23 Gy, 50 % at 28 Gy (2 Gy fractions, whole organ); the fit of Burman 1991 was made by eye."""
    curve = next(n for n in catalog.entries("tissue")["kidneys"].ntcp if n.model == "lyman")
    d50, m = curve.d50.value, curve.slope.value
    assert (d50, m) == (28, 0.10)
    assert norm.cdf((28 - d50) / (m * d50)) == 0.5
    assert norm.cdf((23 - d50) / (m * d50)) == pytest.approx(0.05, abs=0.02)


def test_kidney_logistic_curve_passes_its_five_percent_point():
    """BED for 5 % lies at 35 to 38 Gy and for 50 % at 44 to 45 Gy; P = 1 / (1 + (D50/D)^(4 gamma50))."""
    curve = next(n for n in catalog.entries("tissue")["kidneys"].ntcp if n.model == "logistic")
    d50, gamma = curve.d50.value, curve.slope.value
    assert 44 <= d50 <= 45
    five_percent_Gy = d50 * (0.05 / 0.95) ** (1 / (4 * gamma))
    assert 35 <= five_percent_Gy <= 38


def test_two_kidney_curves_agree_once_brought_to_bed():
    """28 Gy in 2 Gy fractions is a BED of 28 (1 + 2/2.6) = 49.5 Gy; the radionuclide curve lies within 15 % of it."""
    kidney = catalog.entries("tissue")["kidneys"]
    lyman, logistic = kidney.ntcp
    bed = lyman.d50.value * (1 + 2 / kidney.alpha_beta.value)
    assert logistic.d50.value == pytest.approx(bed, rel=0.15)


def test_bismuth_in_the_rat_and_in_man():
    """Russ 1975: 44 % with 13 h and 30 % with less than 30 min in kidney, the rest with 122 h."""
    bi = catalog.free_element("Bi")
    assert bi.uptake["kidneys"].value == 0.44
    assert bi.retention["kidneys"].value == 13
    assert bi.retention["liver"].value == 122
    elsewhere = sum(f.value for region, f in bi.uptake.items() if region != "kidneys")
    assert elsewhere == pytest.approx(1 - 0.44 - 0.30)
    # Newton 2001, one man at 3 d: about 60 % of what was left in the body was in the liver.
    assert bi.uptake["liver"].value / elsewhere == pytest.approx(0.60, abs=0.05)


def test_radium_follows_the_published_transfer_rates():
    """ICRP 137 Table 13.3 per day: bone 9.72 + 7.78, liver 4.2, kidneys 1.4, soft 3.5 + 0.07, fast pool 20.93, gut
    21.79, urine 0.606. The fast pool (half-time 0.1 d) returns to blood and is left out of the shares."""
    fixed = 9.72 + 7.78 + 4.2 + 1.4 + 3.5 + 0.07 + 21.79 + 0.606
    ra = catalog.free_element("Ra")
    expected = {"bone": 17.5, "liver": 4.2, "kidneys": 1.4, "remainder": 3.57}
    for region, rate in expected.items():
        assert ra.uptake[region].value == pytest.approx(rate / fixed, rel=0.02)
    assert ra.plasma_half_time.value == pytest.approx(24 * math.log(2) / (fixed + 20.93), rel=0.005)
    assert ra.retention["liver"].value == pytest.approx(24 * math.log(2) / 0.69308, rel=0.005)
    assert ra.retention["kidneys"].value == pytest.approx(24 * math.log(2) / 2.07924, rel=0.005)


def test_polonium_and_thallium():
    po, tl = catalog.free_element("Po"), catalog.free_element("Tl")
    assert [po.uptake[r].value for r in ("liver", "kidneys", "red_marrow", "spleen")] == [0.30, 0.10, 0.10, 0.05]
    assert po.retention["liver"].value == 50 * 24
    assert tl.uptake["kidneys"].value == 0.03
    retention = tl.retention["kidneys"]
    assert (retention.low, retention.high) == pytest.approx((11.6 * 24, 27 * 24), rel=0.005)


def test_dota_lets_36_percent_of_bismuth_go():
    fate = catalog.daughter_fate("*")
    row = next(r for r in fate.retained if (r.parent, r.daughter, r.site) == ("Pb-212", "Bi-212", "plasma"))
    assert row.value == pytest.approx(1 - 0.36)


def test_mouse_and_rat_organs_as_percent_of_body():
    """Brown 1997, mean organ weights: percent of body weight (mouse, rat)."""
    for name, percents in (
        ("mouse", {"kidneys": 1.67, "liver": 5.49, "heart": 0.50, "blood": 4.9}),
        ("rat", {"kidneys": 0.73, "liver": 3.66, "heart": 0.33, "blood": 7.4}),
    ):
        body = catalog.anatomy(name)
        for region, percent in percents.items():
            share = body.regions[region].mass_with_blood.value / body.body_mass.value
            assert 100 * share == pytest.approx(percent, rel=1e-3)
