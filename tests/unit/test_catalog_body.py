"""Reference bodies, tissue radiobiology and free daughters: what every entry promises to the engines that read it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, triang

from alphatwin import catalog
from alphatwin.catalog import Quantity, load_entry, model
from alphatwin.errors import CatalogError

KINDS = ("anatomy", "tissue", "element", "fate")
ENTRIES = [(kind, name) for kind in KINDS for name in catalog.entries(kind)]
HUMANS = ("adult-male", "adult-female")
MEDIA = {
    "kidney", "liver", "spleen", "red-marrow", "soft-tissue", "bone-cortical", "blood", "lung", "brain", "adipose",
    "muscle", "skin",
}  # fmt: skip
NESTED = ("kidney_left", "kidney_right")
SITES = ("internalised", "surface", "interstitium", "plasma")

# Parent to daughter, from the decay schemes; the radioactive daughters of the eight chains the engine follows.
CHAINS = {
    "Ac-225": "Ac-225>Fr-221 Fr-221>At-217 At-217>Bi-213 Bi-213>Po-213 Bi-213>Tl-209 Po-213>Pb-209 Tl-209>Pb-209",
    "Pb-212": "Pb-212>Bi-212 Bi-212>Po-212 Bi-212>Tl-208",
    "Bi-213": "Bi-213>Po-213 Bi-213>Tl-209 Po-213>Pb-209 Tl-209>Pb-209",
    "At-211": "At-211>Po-211 At-211>Bi-207",
    "Ra-223": "Ra-223>Rn-219 Rn-219>Po-215 Po-215>Pb-211 Pb-211>Bi-211 Bi-211>Tl-207 Bi-211>Po-211",
    "Th-227": "Th-227>Ra-223 Ra-223>Rn-219 Rn-219>Po-215 Po-215>Pb-211 Pb-211>Bi-211 Bi-211>Tl-207 Bi-211>Po-211",
    "Ra-224": "Ra-224>Rn-220 Rn-220>Po-216 Po-216>Pb-212 Pb-212>Bi-212 Bi-212>Po-212 Bi-212>Tl-208",
    "Tb-149": "Tb-149>Gd-149 Tb-149>Eu-145 Gd-149>Eu-149 Eu-145>Sm-145 Sm-145>Pm-145",
}
LOCAL = ("At-217", "Po-211", "Po-212", "Po-213", "Po-215", "Po-216")


def quantities(entry: catalog.Entry) -> list[tuple[str, Quantity]]:
    return [(place, cited) for place, cited in catalog.cited_in(entry) if isinstance(cited, Quantity)]


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_every_number_is_cited_and_placed(kind, name):
    found = quantities(catalog.entries(kind)[name])
    assert found
    for place, quantity in found:
        assert quantity.source in catalog.sources(), place
        assert len(quantity.locator) > 3, place


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_point_estimate_is_the_median_of_its_distribution(kind, name):
    for place, quantity in quantities(catalog.entries(kind)[name]):
        assert quantity.at_score(np.zeros(1))[0] == pytest.approx(quantity.value, rel=0.02, abs=1e-12), place


def test_a_number_without_source_is_refused():
    bare = {"value": 310, "unit": "g", "locator": "Table 2.8", "verified": True}
    with pytest.raises(CatalogError, match=r"mass_parenchyma\.source"):
        load_entry({"medium": "kidney", "mass_parenchyma": bare}, model.RegionAnatomy, "anatomy/test.yaml")
    with pytest.raises(CatalogError, match=r"'nobody1999' is not in sources\.bib"):
        load_entry(
            {"medium": "kidney", "mass_parenchyma": bare | {"source": "nobody1999"}}, model.RegionAnatomy, "a.yaml"
        )


# --- anatomy ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*HUMANS, "mouse", "rat"])
def test_regions_have_mass_medium_and_fit_in_the_body(name):
    body = catalog.anatomy(name)
    total = 0.0
    for region, organ in body.regions.items():
        masses = [m for m in (organ.mass_parenchyma, organ.mass_with_blood) if m is not None]
        assert masses, region
        assert organ.medium in MEDIA, region
        assert all(m.unit == "g" and 0 < m.value < body.body_mass.value for m in masses), region
        if len(masses) == 2:
            assert masses[0].value < masses[1].value, f"{region}: blood has mass"
        if region not in NESTED:
            total += masses[0].value
    assert total < body.body_mass.value
    assert body.body_mass.unit == "g"


@pytest.mark.parametrize("name", HUMANS)
def test_human_bodies_have_every_region_the_design_names(name):
    asked = (
        "kidneys kidney_left kidney_right liver spleen red_marrow bone blood lungs pancreas adrenals stomach_wall "
        "small_intestine_wall bladder_wall salivary_glands thyroid pituitary gonads brain heart muscle skin adipose"
    )
    assert set(asked.split()) <= set(catalog.anatomy(name).regions)


@pytest.mark.parametrize("name", ["mouse", "rat"])
def test_rodents_have_the_organs_that_limit_therapy(name):
    assert {"kidneys", "liver", "spleen", "lungs", "blood"} <= set(catalog.anatomy(name).regions)


# --- radiobiology ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(catalog.entries("tissue")))
def test_tissue_units_ranges_and_single_default(name):
    tissue = catalog.entries("tissue")[name]
    assert (tissue.alpha_beta.unit, tissue.repair_half_time.unit, tissue.rbe_alpha.unit) == ("Gy", "h", "1")
    assert 1 <= tissue.alpha_beta.value <= 20
    assert 0.25 <= tissue.repair_half_time.value <= 6
    assert tissue.rbe_alpha.uncertain, "RBE is a distribution, never a number"
    assert 1 < tissue.rbe_alpha.at_score(np.array([-5.0]))[0] < tissue.rbe_alpha.at_score(np.array([5.0]))[0] < 10
    assert [limit.default for limit in tissue.limits].count(True) == bool(tissue.limits)
    assert [curve.default for curve in tissue.ntcp].count(True) == bool(tissue.ntcp)
    assert all(limit.unit == "Gy" and limit.label for limit in tissue.limits)


def test_no_region_is_served_by_two_tissues():
    regions = [r for tissue in catalog.entries("tissue").values() for r in tissue.regions]
    assert len(regions) == len(set(regions))


@pytest.mark.parametrize(
    ("region", "tissue"),
    [
        ("kidney_left", "kidneys"),
        ("kidneys", "kidneys"),
        ("bone_marrow", "red_marrow"),
        ("tumour_liver_1", "tumour"),
        ("tumour", "tumour"),
        ("blood", "other"),
        ("remainder", "other"),
        ("a_region_nobody_named", "other"),
    ],
)
def test_region_finds_its_tissue(region, tissue):
    assert catalog.tissue_of(region).id == tissue


@pytest.mark.parametrize("name", HUMANS)
def test_every_reference_region_is_served_on_purpose(name):
    named = {r for tissue in catalog.entries("tissue").values() for r in tissue.regions}
    assert set(catalog.anatomy(name).regions) <= named


# --- free daughters --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("symbol", list(catalog.entries("element")))
def test_no_draw_takes_up_more_than_left_the_plasma(symbol):
    element = catalog.free_element(symbol)
    scores = np.array([-6.0, 0.0, 6.0])
    for fraction in element.uptake.values():
        assert fraction.unit == "1"
        assert np.all(fraction.at_score(scores) >= 0)
    assert sum(fraction.at_score(scores)[-1] for fraction in element.uptake.values()) <= 1 + 1e-9
    assert set(element.retention) == set(element.uptake)
    assert element.plasma_half_time.unit == "h"
    assert all(half_time.unit == "h" and half_time.value > 0 for half_time in element.retention.values())
    assert element.plasma_half_time.uncertain
    assert element.gaps, "what nobody has measured is said"


def test_uptake_goes_to_regions_of_the_reference_body():
    known = set(catalog.anatomy("adult-male").regions) | {"remainder"}
    for element in catalog.entries("element").values():
        assert set(element.uptake) <= known, element.id


@pytest.mark.parametrize("symbol", ["Bi", "Fr", "Pb", "Ra", "Tl", "At"])
def test_kidney_uptake_of_elements_that_can_move_is_uncertain(symbol):
    assert catalog.free_element(symbol).uptake["kidneys"].uncertain


def general() -> dict[tuple[str, str, str], catalog.Quantity]:
    fate = catalog.daughter_fate("an agent nobody has entered")
    assert fate.id == "general"
    return {(r.parent, r.daughter, r.site): r for r in fate.retained}


@pytest.mark.parametrize("parent", list(CHAINS))
def test_general_fate_covers_every_pair_and_site_of_the_chain(parent):
    table = general()
    missing = [(*pair.split(">"), site) for pair in CHAINS[parent].split() for site in SITES]
    assert [key for key in missing if key not in table] == []


@pytest.mark.parametrize("name", list(catalog.entries("fate")))
def test_fate_rows_are_probabilities_stated_once_and_cited(name):
    fate = catalog.entries("fate")[name]
    keys = [(r.parent, r.daughter, r.site) for r in fate.retained]
    assert len(keys) == len(set(keys))
    assert fate.site_source in catalog.sources()
    assert fate.gaps
    scores = np.array([-6.0, 0.0, 6.0])
    for row in fate.retained:
        assert row.unit == "1"
        assert np.all((row.at_score(scores) >= 0) & (row.at_score(scores) <= 1)), (row.parent, row.daughter, row.site)


@pytest.mark.parametrize("name", list(catalog.entries("fate")))
def test_every_reference_region_has_a_site(name):
    sites = catalog.entries("fate")[name].region_sites
    assert set(catalog.anatomy("adult-male").regions) | {"tumour", "remainder"} <= set(sites)


def test_special_fates_only_refine_pairs_that_the_general_one_knows():
    table = general()
    for fate in catalog.entries("fate").values():
        assert {(r.parent, r.daughter, r.site) for r in fate.retained} <= set(table), fate.id


def test_what_can_leave_has_a_fate_as_a_free_ion():
    elements = set(catalog.entries("element"))
    for fate in catalog.entries("fate").values():
        for row in fate.retained:
            if row.value < 1 or row.uncertain:
                assert row.daughter.split("-")[0] in elements, (fate.id, row.daughter)


def test_daughters_of_less_than_a_second_stay():
    for (_, daughter, _), row in general().items():
        if daughter in LOCAL:
            assert (row.value, row.uncertain) == (1.0, False)


def test_a_recoil_daughter_is_held_best_inside_a_cell_and_not_at_all_in_plasma():
    table = general()
    for pair in (("Ac-225", "Fr-221"), ("At-217", "Bi-213"), ("Po-215", "Pb-211"), ("Th-227", "Ra-223")):
        inside, surface, between, plasma = (table[(*pair, site)].value for site in SITES)
        assert inside > between > surface > plasma == 0


def test_fates_name_agents_that_exist_and_no_agent_has_two():
    named = [agent for fate in catalog.entries("fate").values() for agent in fate.applies_to]
    assert len(named) == len(set(named))
    assert set(named) - {"*"} <= set(catalog.entries("agent"))


def test_fate_lookup_falls_back_to_the_general_entry():
    assert catalog.daughter_fate("ac225-dotatate").id == "ac225-somatostatin"
    assert catalog.daughter_fate("at211-mabg").id == "general"


# --- at_score: closed forms ------------------------------------------------------------------------------------------


def made(**given) -> Quantity:
    return Quantity(unit="1", source="icrp89", locator="made for a test", verified=False, **given)


Z = np.linspace(-3, 3, 13)


def test_at_score_normal():
    assert made(value=5.0, u=2.0, distribution="normal").at_score(Z) == pytest.approx(norm(5, 2).ppf(norm.cdf(Z)))


def test_at_score_lognormal_has_value_as_median_and_u_over_value_as_its_spread():
    value, u = 2.6, 0.4
    drawn = made(value=value, u=u).at_score(np.array([-1.0, 0.0, 1.0]))
    assert drawn[1] == value
    assert drawn[0] * drawn[2] == pytest.approx(value**2)
    # The coefficient of variation of a lognormal of log-spread s is sqrt(exp(s^2) - 1).
    assert np.sqrt(np.expm1(np.log(drawn[2] / value) ** 2)) == pytest.approx(u / value)


def test_at_score_uniform():
    drawn = made(value=0.75, distribution="uniform", low=0.6, high=0.9).at_score(Z)
    assert drawn == pytest.approx(0.6 + 0.3 * norm.cdf(Z))
    assert drawn[6] == pytest.approx(0.75)


@pytest.mark.parametrize(("low", "mode", "high"), [(3, 5, 7), (2.7, 4, 5.4), (0, 0, 1), (0, 1, 1)])
def test_at_score_triangular(low, mode, high):
    drawn = made(value=mode, distribution="triangular", low=low, high=high).at_score(Z)
    assert drawn == pytest.approx(triang((mode - low) / (high - low), low, high - low).ppf(norm.cdf(Z)), abs=1e-12)


def test_at_score_without_uncertainty_is_the_value_and_keeps_the_shape():
    drawn = made(value=40.0, low=30.0, high=50.0).at_score(np.zeros((2, 3)))
    assert drawn.shape == (2, 3)
    assert np.all(drawn == 40.0)
