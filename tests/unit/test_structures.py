"""Dose inside an organ: what is shared out must be the organ's own dose, and hits must carry the alpha part of it."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin import catalog
from alphatwin.case import Case
from alphatwin.draws import Draws
from alphatwin.errors import CaseError, CatalogError, DomainError
from alphatwin.kinetics import chain_kinetics, integrate
from alphatwin.physics import RADIATIONS, medium, nuclide
from alphatwin.run import _structures
from alphatwin.run._context import Context
from alphatwin.run._stages import daughters_of
from alphatwin.transport._structure_geometry import geometries
from alphatwin.transport.structures import EVENLY, GEOMETRIES, dimensions, structure_response
from alphatwin.units import JOULE_PER_MEV

CHAIN = ("Ac-225", "Fr-221", "At-217", "Bi-213", "Po-213")
PACKED = ("kidney-glomerulus", "kidney-proximal-tubule", "salivary-acinus")
CHARGED = [RADIATIONS.index(r) for r in ("alpha", "recoil", "electron")]


def case(structures="all", samples=1, daughters="in_place", agent="ac225-dotatate", **more):
    kidney = {"curve": [{"fraction": "1.5 %", "half_life": "50 h"}], "mass": "155 g"}
    return Case.from_mapping(
        {
            "case": "a",
            "treatment": {"agent": agent, "activity": "8 MBq"},
            "kinetics": {
                "agent": "lu177-dotatate",
                "administered_activity": "7.21 GBq",
                "regions": {
                    "kidney_left": kidney,
                    "kidney_right": kidney,
                    "red_marrow": {"curve": [{"fraction": "0.1 %", "half_life": "40 h"}], "mass": "1200 g"},
                    "salivary_glands": {"curve": [{"fraction": "0.1 %", "half_life": "30 h"}], "mass": "85 g"},
                },
            },
            "daughters": daughters,
            "structures": structures,
            "options": {"samples": samples},
            **more,
        }
    )


@pytest.fixture(scope="module")
def point():
    return at.run(case())


@pytest.fixture(scope="module")
def sampled():
    return at.run(case(samples=200, daughters="free"))


def result(report, name):
    return next(s for s in report.structures if s.structure == name)


# --- the organ's dose, shared out ------------------------------------------------------------------------------------


def test_all_takes_every_structure_that_a_region_with_a_dose_has(point):
    assert {(s.region, s.structure) for s in point.structures} == {
        ("kidneys", "kidney-glomerulus"), ("kidneys", "kidney-proximal-tubule"),
        ("red_marrow", "marrow-cavity"), ("salivary_glands", "salivary-acinus"),
    }  # fmt: skip
    assert at.run(case(structures="none")).structures == ()
    assert at.run(case(agent="lu177-dotatate")).structures[0].cells == {}


@pytest.mark.parametrize("name", PACKED)
def test_the_mean_over_zones_is_the_organs_own_dose(point, name):
    """90 % of the decays in 70 % of the mass, the rest evenly: 0.9/0.7 + 0.1 times the organ's mean, each nuclide."""
    found = result(point, name)
    entry = catalog.structure(name)
    share = sum(q.value for q in entry.placement("agent", "*").shares.values())
    part = entry.tissue_share.value if entry.tissue_share else 1.0
    mean = point.course.dose.dose.sel(region=found.region).values * point.course.scale
    over = sum(found.mass_share[z][:, None, None] * d for z, d in found.dose_Gy.items())
    assert over[..., CHARGED] == pytest.approx(mean[..., CHARGED] * (share / part + 1 - share), rel=1e-9)
    photon = RADIATIONS.index("photon")
    assert over[..., photon] == pytest.approx(mean[..., photon], rel=1e-9)


def test_marrow_keeps_all_energy_in_marrow_fat_and_bone(point):
    """Sum of mass times dose = energy emitted in marrow = organ dose times the mass of the marrow zones; bone stops all."""
    found = result(point, "marrow-cavity")
    mean = point.course.dose.dose.sel(region="red_marrow").values * point.course.scale
    energy = sum(found.mass_share[z][:, None, None] * d for z, d in found.dose_Gy.items())
    marrow = sum(found.mass_share[z] for z in ("deep_marrow", "shallow_marrow"))[:, None, None]
    assert energy[..., CHARGED] == pytest.approx(mean[..., CHARGED] * marrow, rel=2e-3)
    assert 0.5 < float(found.over_mean["shallow_marrow"][0]) < float(found.over_mean["deep_marrow"][0]) < 1.0


@pytest.mark.parametrize("name", PACKED)
def test_samples_keep_the_organs_dose_too(sampled, name):
    """With drawn geometries, places and daughters: one factor per nuclide for all charged radiations."""
    found = result(sampled, name)
    mean = sampled.course.dose.dose.sel(region=found.region).values * sampled.course.scale
    over = sum(found.mass_share[z][:, None, None] * d for z, d in found.dose_Gy.items())
    factor = over[..., CHARGED] / np.where(mean[..., CHARGED] > 0, mean[..., CHARGED], np.nan)
    for i in range(factor.shape[1]):
        for k in range(factor.shape[2]):
            one = factor[:, i, k]
            if np.isfinite(one).all():
                assert np.all((one > 1 - 1e-9) & (one < 1 / 0.6 + 1e-9))
                assert one == pytest.approx(np.nanmax(factor[:, i], axis=1), rel=1e-9)


def test_structures_change_nothing_else(sampled):
    plain = at.run(case(structures="none", samples=200, daughters="free"))
    for region in plain.course.regions:
        told = sampled.region(region)
        told.pop("structures", None)
        assert told == plain.region(region)
    assert sampled.sensitivity == plain.sensitivity
    again = at.run(case(samples=200, daughters="free"))
    assert [s.as_dict() for s in again.structures] == [s.as_dict() for s in sampled.structures]


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(PACKED),
    nuc=st.sampled_from(["Po-210", "Bi-213", "Pb-212"]),
    weights=st.lists(st.floats(0.0, 1.0), min_size=5, max_size=5).filter(lambda w: sum(w) > 0.1),
    per_g=st.floats(1.0, 1e9),
)
def test_any_places_keep_the_energy(name, nuc, weights, per_g):
    """Wherever the decays sit in a packed structure, mass times dose over its zones is their energy; photons leave."""
    sources = structure_response(name, (nuc,), histories=5000).sources
    weights = weights[: len(sources)]
    if sum(weights) < 0.05:
        weights[0] = 1.0
    places = {s: w / sum(weights) for s, w in zip(sources, weights, strict=False)}
    found = at.structure_dose(name, {nuc: per_g}, places, histories=5000)
    mass = structure_response(name, (nuc,), histories=5000).mass_g
    mean = np.einsum("z,znr->nr", mass / mass.sum(), found.dose.values)
    emitted = structure_response(name, (nuc,), histories=5000).emitted_Gy_g * per_g
    assert mean[:, CHARGED] == pytest.approx(emitted[:, CHARGED], rel=1e-9)
    assert np.all((found.share_hit.values >= 0) & (found.share_hit.values <= 1))
    assert np.all(found.share_hit.values <= -np.expm1(-found.hits.values.sum(axis=1)) + 1e-12)


def test_twice_the_activity_twice_the_dose_and_hits():
    one, two = (at.run(case(treatment={"agent": "ac225-dotatate", "activity": a})) for a in ("4 MBq", "8 MBq"))
    for a, b in zip(one.structures, two.structures, strict=True):
        for zone in a.dose_Gy:
            assert b.dose_Gy[zone] == pytest.approx(2 * a.dose_Gy[zone], rel=1e-9)
        for name, cell in a.cells.items():
            assert b.cells[name].mean_hits == pytest.approx(2 * cell.mean_hits, rel=1e-9)
            assert b.cells[name].z_dose_mean_Gy == pytest.approx(cell.z_dose_mean_Gy, rel=1e-9)


# --- hits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["kidney-glomerulus", "kidney-proximal-tubule", "marrow-cavity", "salivary-acinus"])
def test_hits_carry_the_alpha_dose_of_their_zone(point, name):
    """n z_F = alpha dose: nuclei anywhere in a zone get its mean, but for those that reach out of it (2 %)."""
    found = result(point, name)
    for cell in found.cells.values():
        dose = found.dose_Gy[cell.zone][0, :, RADIATIONS.index("alpha")].sum()
        assert cell.mean_hits[0] * cell.z_frequency_mean_Gy[0] == pytest.approx(dose, rel=0.02)
        assert cell.z_dose_mean_Gy[0] > cell.z_frequency_mean_Gy[0]


def test_places_in_a_zone_differ_so_more_cells_are_spared_than_the_mean_says(sampled):
    for found in sampled.structures:
        for cell in found.cells.values():
            assert np.all(cell.not_hit >= np.exp(-cell.mean_hits) - 1e-12)


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("geometry", [0, 3])
def test_decays_everywhere_hit_as_the_closed_form_says(name, geometry):
    """c decays per volume: pi r^2 R + 4/3 pi r^3 hits for each alpha of range R, and the dose is energy per mass."""
    made = structure_response(name, ("Po-210", "Bi-213"), (EVENLY,), geometry=geometry, histories=1000)
    assert made.dose_Gy_g[:, 0] == pytest.approx(np.broadcast_to(made.emitted_Gy_g, made.dose_Gy_g[:, 0].shape))
    entry = catalog.structure(name)
    cell = next(iter(entry.cells.values()))
    index = list(dimensions(entry)).index(f"{made.cells[0]} nucleus diameter")
    radius = geometries(name)[geometry][index] / 2
    tissue = medium(next(z.medium for z in entry.zones if z.name == cell.zone))
    for i, nuc in enumerate(made.nuclides):
        lines = nuclide(nuc).emissions("alpha")
        reach = np.asarray(tissue.csda_range_um("alpha", lines["energy_MeV"].to_numpy()))
        per_um3 = tissue.density_g_per_cm3 * 1e-12
        n = lines["yield_per_decay"].to_numpy() @ (math.pi * radius**2 * reach + 4 / 3 * math.pi * radius**3) * per_um3
        assert made.hits_g[0][:, 0, i] == pytest.approx(n, rel=4e-3)  # ranges scaled from water at 6 MeV
        z1 = made.z1_Gy_g[0][:, 0, i]
        energy = nuclide(nuc).energy_MeV("alpha") * JOULE_PER_MEV * 1e3
        assert z1 == pytest.approx(energy, rel=4e-3)
        assert np.all(made.z2_Gy2_g[0][:, 0, i] > z1**2 / n)


def test_moments_against_sampled_tracks_and_nuclei():
    """Tracks from the tuft through random nuclei in it, one by one: number, z_F and z_D."""
    rng = np.random.default_rng(11)
    entry = catalog.structure("kidney-glomerulus")
    big, small, n = entry.zones[0].thickness.value, entry.cells["tuft_cells"].nucleus_diameter.value / 2, 400_000
    kidney = medium("kidney")
    reach = float(kidney.csda_range_um("alpha", 5.3043))
    way = rng.normal(size=(n, 3))
    start = big * way / np.linalg.norm(way, axis=1)[:, None] * rng.random(n)[:, None] ** (1 / 3)
    way = rng.normal(size=(n, 3))
    way /= np.linalg.norm(way, axis=1)[:, None]
    aside = np.cross(way, rng.normal(size=(n, 3)))
    aside /= np.linalg.norm(aside, axis=1)[:, None]
    # centres of nuclei that a track could meet: in a cylinder about it
    off = small * np.sqrt(rng.random(n))
    ahead = rng.random(n) * (reach + 2 * small) - small
    half = np.sqrt(small**2 - off**2)
    first, last = np.clip(ahead - half, 0, reach), np.clip(ahead + half, 0, reach)
    centre = start + ahead[:, None] * way + off[:, None] * aside
    met = (np.linalg.norm(centre, axis=1) <= big) & (last > first)
    table = np.linspace(1e-3, 5.4, 4000)
    left = np.interp(reach - np.stack([first, last])[:, met], kidney.csda_range_um("alpha", table), table)
    mass_kg = 4 / 3 * math.pi * small**3 * kidney.density_g_per_cm3 * 1e-15
    z = (left[0] - left[1]) * JOULE_PER_MEV / mass_kg
    chance = met.mean() * math.pi * small**2 * (reach + 2 * small) / (4 / 3 * math.pi * big**3)
    made = structure_response("kidney-glomerulus", ("Po-210",), ("tuft",), histories=200_000)
    v = made.shell_share[0]
    hits, z1, z2 = (float(v @ a[0][:, 0, 0]) for a in (made.hits_g, made.z1_Gy_g, made.z2_Gy2_g))
    # 5e-3: nuclei at the border, beside tracks outside it; one ratio of ranges, kidney to water, for all energies
    few = 4 / math.sqrt(met.sum()) + 5e-3
    assert hits / float(made.mass_g.sum()) == pytest.approx(chance, rel=few)
    assert z1 / hits == pytest.approx(z.mean(), rel=few)
    assert z2 / z1 == pytest.approx((z**2).mean() / z.mean(), rel=few)
    assert few < 0.015


# --- where the decays are --------------------------------------------------------------------------------------------


def test_what_stays_with_the_agent_is_what_is_left_when_no_ion_ever_arrives():
    """Retained decays by the recursion = the chain solved with freed ions taken up nowhere."""
    given = case(daughters="free")
    course = at.run(given).course
    c = Context(given, Draws(1))
    model = daughters_of(c, "ac225-dotatate", course.kinetics.regions)
    lost = replace(model, uptake={symbol: {} for symbol in model.uptake})
    parents = {"kidney_left": ([1.0], [0.02])}
    alone = integrate(chain_kinetics(parents, "Ac-225", lost)).decays.sel(region="kidney_left").values[0]
    decays = course.decays.decays.sel(region=["kidney_left"]).values
    held = _structures._held(c, course, ["kidney_left"], decays)[0]
    parent = decays[0, 0, 0]
    assert held * decays[0, 0] / parent == pytest.approx(alone / alone[0], rel=1e-6)
    assert held[0] == 1.0
    assert 0.05 < held[list(course.kinetics.nuclides).index("Bi-213")] < 0.95


def test_daughters_in_place_all_stay(point):
    assert all("came through blood" not in p for s in point.structures for p in s.places)
    assert any("came through blood" in p for s in at.run(case(daughters="free")).structures for p in s.places)


def test_the_design_of_geometries_has_the_entrys_own_first_and_the_spread_of_every_length():
    for name in catalog.entries("structure"):
        rows = np.array(geometries(name))
        found = dimensions(catalog.structure(name))
        assert rows.shape == (GEOMETRIES + 1, len(found))
        assert rows[0] == pytest.approx([q.value for q in found.values()])
        assert np.all(rows > 0)
        for column, quantity in zip(rows[1:].T, found.values(), strict=True):
            if quantity.distribution == "normal" and quantity.u:
                assert np.std(column) == pytest.approx(quantity.u, rel=0.2)  # the packing cuts one tail
            elif quantity.distribution == "uniform":
                assert quantity.low <= column.min() < column.max() <= quantity.high
    with pytest.raises(DomainError, match="1 to 8"):
        structure_response("salivary-acinus", ("Po-210",), geometry=9)
    with pytest.raises(DomainError, match="Did you mean evenly"):
        structure_response("salivary-acinus", ("Po-210",), ("evenli",))


# --- report and refusals ---------------------------------------------------------------------------------------------


def test_the_report_shows_dose_hits_sources_and_what_nobody_verified(sampled):
    told = sampled.summary()["regions"]["kidneys"]["structures"]["kidney-proximal-tubule"]
    assert set(told["zones"]["epithelium"]["absorbed_dose_Gy"]) == {*RADIATIONS, "total"}
    assert set(told["zones"]["epithelium"]["absorbed_dose_by_nuclide_Gy"]) == set(sampled.course.kinetics.nuclides)
    assert told["zones"]["epithelium"]["over_mean_dose"]["sd"] > 0
    assert told["cells"]["tubule_cells"]["z_frequency_mean_Gy"]["mean"] > 0
    assert "epithelium thickness" in told["unverified"]
    assert {"moller1985", "rolleman2007"} <= set(told["sources"]) <= set(sampled.provenance.sources)
    unverified = {i.name for i in sampled.inputs if not i.verified}
    assert "kidney-proximal-tubule: epithelium thickness" in unverified
    page = sampled.html()
    for words in ("The cells that matter", "tubule cells", "Not verified:", "over the mean of kidneys"):
        assert words in page
    assert max(map(len, sampled.text().splitlines())) <= 80
    assert "tubule cells" in sampled.text()


def test_one_kidney_alone_is_enough():
    kidney = {"curve": [{"fraction": "1.5 %", "half_life": "50 h"}], "mass": "155 g"}
    kinetics = {"agent": "lu177-dotatate", "administered_activity": "7.21 GBq", "regions": {"kidney_left": kidney}}
    for asked in ("all", {"kidney_left": "kidney-glomerulus"}):
        assert "kidney_left" in {s.region for s in at.run(case(asked, kinetics=kinetics)).structures}


@pytest.mark.parametrize(
    ("structures", "expected"),
    [
        ("some", "Did you mean none"),
        ({"kidneys": "kidney-glomerulum"}, "Did you mean kidney-glomerulus"),
        ({"kidneys": "marrow-cavity"}, "no structure of kidneys"),
        ({"liver": "kidney-glomerulus"}, "no structure of 'liver'"),
        ({"kidneys": []}, "at least one"),
        ({"kidneys": ["kidney-glomerulus", "kidney-glomerulus"]}, "once"),
        ({"kidneys": 3}, "kidneys"),
        (["kidneys"], "structures"),
    ],
)
def test_bad_structures_are_refused(structures, expected):
    with pytest.raises(CaseError, match=expected):
        case(structures)


def test_a_region_without_a_dose_is_refused_by_name():
    kidney = {"curve": [{"fraction": "1.5 %", "half_life": "50 h"}], "mass": "310 g"}
    kinetics = {"agent": "lu177-dotatate", "administered_activity": "7.21 GBq", "regions": {"kidneys": kidney}}
    with pytest.raises(CaseError, match=r"structures\.salivary_glands: the case computes no dose"):
        at.run(case({"salivary_glands": "salivary-acinus"}, kinetics=kinetics))


def test_structures_of_man_are_not_those_of_a_mouse():
    kidney = {"curve": [{"fraction": "1.5 %", "half_life": "50 h"}], "mass": "0.3 g"}
    regions = {"agent": "lu177-dotatate", "administered_activity": "7.21 GBq", "regions": {"kidneys": kidney}}
    with pytest.raises(CaseError, match="those of man"):
        case({"kidneys": "kidney-glomerulus"}, patient={"anatomy": "mouse"}, kinetics=regions)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shares": {"attic": 0.5}}, "no source is called attic"),
        ({"shares": {"epithelium": 1.5}}, "between 0 and 1"),
        ({"shares": {"epithelium": 0.7, "lumen": 0.7}}, "more than 1"),
        ({"tissue_zones": ["attic"]}, "no tissue zone is called attic"),
        ({"tissue_share": 0.0}, "tissue_share"),
    ],
)
def test_placements_that_do_not_hold_together_are_refused(change, words):
    data = at.structure("kidney-proximal-tubule").model_dump()
    share = dict(data["tissue_share"], distribution="normal", low=None, high=None)
    if "shares" in change:
        data["placements"][0]["shares"] = {k: dict(share, value=v) for k, v in change["shares"].items()}
    elif "tissue_share" in change:
        data["tissue_share"] = dict(share, value=change["tissue_share"])
    else:
        data |= change
    with pytest.raises(CatalogError, match=words):
        catalog.load_entry(data, catalog.Structure, "test")
