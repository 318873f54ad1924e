"""Alphas in a case of images: where the daughters decay, and hits of nuclei by voxels; on a made study of four boxes."""

import functools
import math
from types import SimpleNamespace

import numpy as np
import pytest

from alphatwin import catalog
from alphatwin.case import Case
from alphatwin.case.images import ImageDaughters, ImagesCase
from alphatwin.draws import Draws
from alphatwin.errors import CaseError, CatalogError
from alphatwin.imaging.activity import ActivitySeries, decay_maps
from alphatwin.imaging.quantify import CurveSamples
from alphatwin.imaging.values import Grid, Image, Labels
from alphatwin.kinetics import Curve, InPlace, integrate
from alphatwin.physics.nuclides import chain_table
from alphatwin.run._context import Book, Context
from alphatwin.run._images_activity import REST
from alphatwin.run._images_cells import cells_of_regions
from alphatwin.run._images_daughters import (
    BLOOD_OUTSIDE,
    OUTSIDE,
    daughter_chains,
    daughter_ends,
    free_fates,
    organs_of,
    shared_chain,
)
from alphatwin.run._images_dose import effects_of, region_results, voxel_doses
from alphatwin.run._stages import carrier_curves, course_of, fit_curves
from alphatwin.transport.hits import specific_energy

GRID = Grid((6, 8, 10), np.diag([10.0, 10.0, 10.0, 1.0]))
HOURS = np.array([4.0, 24.0, 96.0])
DENSITY = 1.04
NUCLEUS = {"cell_radius_um": 5, "nucleus_radius_um": 4, "decays": 2.0, "chain": False, "medium": "soft-tissue"}


def boxes():
    """A kidney, a liver, a lesion, and the rest; the lesion has one layer of voxels that are 0.7 its own."""
    shares = {n: np.zeros(GRID.shape, np.float32) for n in ("kidney_left", "liver", "lesion")}
    shares["kidney_left"][1:4, 1:3, 1:4] = 1
    shares["liver"][1:5, 4:7, 1:5] = 1
    shares["lesion"][1:5, 1:4, 6:9], shares["lesion"][1:5, 1:4, 9] = 1, 0.7
    shares[REST] = (1 - np.sum(list(shares.values()), axis=0)).astype(np.float32)
    return shares


TERMS = {"kidney_left": (0.3, 0.015), "liver": (0.8, 0.011), "lesion": (0.05, 0.009), REST: (0.4, 0.03)}


def study(nuclide="Ac-225", n=40, pattern=None, sigma=0.0, seed=1, **changes):
    """The stages of a case of images behind its curves; `pattern` multiplies the lesion's voxels."""
    case = ImagesCase.model_validate({
        "case": "a", "images": {"folder": "x"}, "calibration": {"sd": "3 %"}, "method": "local",
        "biology": {"tissues": {"*": {"alpha_beta": "8 Gy", "repair_half_time": "1.5 h"}}, "rbe": 4},
        "options": {"samples": n}, **changes,
    })  # fmt: skip
    shares, own = boxes(), nuclide_rate(nuclide)
    rng = np.random.Generator(np.random.Philox(key=seed))
    curves, concentration = {}, np.zeros((len(HOURS), *GRID.shape))
    noise = np.zeros_like(concentration)
    for name, (height, rate) in TERMS.items():
        curve = Curve.from_terms([height], [rate + own], nuclide=nuclide)
        factor = np.ones(1) if n == 1 else np.exp(0.1 * rng.standard_normal(n))
        volume = float(shares[name].sum()) * GRID.voxel_mL
        spread = np.ones(1) if n == 1 else np.exp(0.05 * rng.standard_normal(n))
        curves[name] = CurveSamples(
            name, curve, height * factor[:, None], np.full((len(factor), 1), rate + own), 0.1 * height / (rate + own),
            {"calibration": 0.1}, 1.0, volume * spread, volume, 0.05 * volume,
        )  # fmt: skip
        shape = shares[name] * (pattern if pattern is not None and name == "lesion" else 1.0)
        at = curve.activity_MBq(HOURS)[:, None, None, None] * shape / float(shape.sum()) / GRID.voxel_mL
        level = sigma * at if name == "lesion" else 0.0 * at
        concentration += at + level * rng.standard_normal(at.shape)
        noise += level
    series = ActivitySeries(
        tuple(Image(c, GRID, "activity_concentration", "NM", sigma=s) for c, s in zip(concentration, noise, strict=True)),
        HOURS, nuclide,
    )  # fmt: skip
    density = np.full(GRID.shape, DENSITY)
    mass = {r: float(np.sum(s * density)) * GRID.voxel_mL for r, s in shares.items()}
    chains = daughter_chains(case, nuclide, curves, mass, Draws(n, 1))
    maps = decay_maps(series, Labels(dict(shares), GRID), {r: c.curve for r, c in curves.items()}, chain=chains.nominal)
    media = {"soft-tissue": np.ones(GRID.shape, bool)}
    doses = voxel_doses(case, maps, density, media, GRID, shares, curves, lambda now: None, chains.fate_sd)
    effects = effects_of(case.biology, doses, shares, curves)
    drawn = integrate(chains.sampled).decays
    regions = region_results(maps, doses, effects, density, GRID, shares, curves, drawn, case.biology, {})
    book = Book()
    cells = cells_of_regions(case, maps, drawn, doses, effects, regions, density, GRID, shares, curves, book)
    return SimpleNamespace(
        case=case, shares=shares, curves=curves, chains=chains, maps=maps, doses=doses, effects=effects, drawn=drawn, mass=mass,
        regions={r.name: r for r in regions}, ends=daughter_ends(chains, maps, regions, tuple(shares)), book=book,
        cells={c.region: c for c in cells},
    )  # fmt: skip


def nuclide_rate(name):
    return float(chain_table(name)[1][0])


# --- daughters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nuclide", ["Ac-225", "Pb-212", "Ra-223"])
@pytest.mark.parametrize("weight", [DENSITY, 1e-3, 1e3])
def test_every_decay_of_the_chain_is_somewhere(nuclide, weight):
    """Decays over regions, places without voxels and excreta are branching times those of the parents, for each nuclide."""
    found = study(nuclide, n=1)
    names, _, branching = chain_table(nuclide)
    expected = [sum(a / r for a, r in ((h, k + nuclide_rate(nuclide)) for h, k in TERMS.values())) * 3.6e9]
    for q in range(1, len(names)):
        expected.append(sum(float(branching[q, p]) * expected[p] for p in range(q)))
    options = ImageDaughters(anatomy="adult-male")
    mass = {r: m * weight for r, m in found.mass.items()}
    inside = min(1.0, mass[REST] / max(73000 - sum(m for r, m in mass.items() if r != REST), 1e-9))
    parents = {r: c.curve.exponentials() for r, c in found.curves.items()}
    organs = organs_of(tuple(parents), {})
    fates = free_fates("any agent", nuclide, organs, mass, inside, options, Draws(1))
    chain = shared_chain(parents, nuclide, fates, organs, mass, inside, options.anatomy, 1)
    total = integrate(chain).decays.values[0].sum(axis=0) + chain.excreted.values[0] * 3.6e9
    np.testing.assert_allclose(total, expected, rtol=1e-9)
    assert (OUTSIDE in chain.regions) == (inside < 1)
    if weight == DENSITY:  # and what the maps and the report hold is the same
        for q, name in enumerate(names):
            assert sum(of[name] for of in found.ends.decays.values()) == pytest.approx(expected[q], rel=1e-6)
            assert float(found.maps[name].array.sum()) == pytest.approx(
                sum(of[name] for r, of in found.ends.decays.items() if r in found.shares), rel=1e-6
            )


LEAD = {
    "kidney_left": ([2.0], [0.08]),
    "kidney_right": ([1.0], [0.08]),
    "liver": ([5.0], [0.07]),
    REST: ([0.0], [0.07]),
}
WEIGHT = {"kidney_left": 150.0, "kidney_right": 50.0, "liver": 1700.0, REST: 60000.0}


def lead(retained, inside=1.0):
    organs = organs_of(tuple(LEAD), {})
    options = ImageDaughters(retained={"Bi-212": f"{100 * retained} %"})
    fates = free_fates("any agent", "Pb-212", organs, WEIGHT, inside, options, Draws(1))
    chain = shared_chain(LEAD, "Pb-212", fates, organs, WEIGHT, inside, options.anatomy, 1)
    return integrate(chain).time_integrated_activity_MBq_h[0]


def test_all_retained_is_in_place():
    """Every region of the study is one where the agent is inside cells: with 100 % retained nothing moves."""
    found = lead(1.0)
    place = integrate(
        shared_chain(LEAD, "Pb-212", InPlace(), {}, WEIGHT, 1.0, "adult-male", 1)
    ).time_integrated_activity_MBq_h[0]
    for region in LEAD:
        assert float(found.sel(region=region, nuclide="Bi-212")) == pytest.approx(
            float(place.sel(region=region, nuclide="Bi-212")), rel=1e-9, abs=1e-9
        )


@pytest.mark.parametrize("inside", [1.0, 0.25])
def test_none_retained_is_uptake_from_plasma(inside):
    """One daughter, nothing kept: plasma and organs in closed form, for the kidneys by mass, blood by reference volume.

    F decays of Pb free F ions; in plasma F lam/(lam + k), to an organ F u k/(lam + k), and there of these lam/(lam + k_r).
    """
    found, entry = lead(0.0, inside), catalog.free_element("Bi")
    freed = 2 / 0.08 + 1 / 0.08 + 5 / 0.07
    lam = math.log(2) / (60.55 / 60)  # ICRP 107
    k = math.log(2) / entry.plasma_half_time.value

    def organ(name):
        out = math.log(2) / entry.retention[name].value
        return freed * entry.uptake[name].value * k / (lam + k) * lam / (lam + out)

    plasma = freed * lam / (lam + k)
    anatomy = catalog.anatomy("adult-male").regions
    blood = anatomy["blood"].mass_with_blood or anatomy["blood"].mass_parenchyma

    def share(name):
        return (anatomy[name].mass_with_blood.value - anatomy[name].mass_parenchyma.value) / blood.value

    expected = {
        "kidney_left": 0.75 * organ("kidneys") + 0.5 * share("kidneys") * plasma,
        "kidney_right": 0.25 * organ("kidneys") + 0.5 * share("kidneys") * plasma,
        "liver": organ("liver") + share("liver") * plasma,
        "bone": organ("bone"),
        REST: inside * (organ("remainder") + (1 - share("kidneys") - share("liver")) * plasma),
    }
    if inside < 1:
        expected[OUTSIDE] = (1 - inside) * organ("remainder")
        expected[BLOOD_OUTSIDE] = (1 - inside) * (1 - share("kidneys") - share("liver")) * plasma
    for region, value in expected.items():
        assert float(found.sel(region=region, nuclide="Bi-212")) == pytest.approx(value, rel=1e-5), region


@pytest.mark.parametrize("agent", ["ac225-dotatate", "pb212-dotamtate"])
def test_the_same_curves_as_a_table_give_the_same_decays(agent):
    """The plain case with these curves: every region, nuclide and sample."""
    measured = {"ac225-dotatate": "lu177-dotatate", "pb212-dotamtate": "pb212-dotamtate"}[agent]
    plain = Case.from_mapping({
        "case": "a", "treatment": {"agent": agent, "activity": "8 MBq"},
        "kinetics": {"agent": measured, "administered_activity": "7 GBq", "regions": {
            "kidney_left": {"curve": [{"fraction": "1.5 %", "half_life": "9 h"}], "mass": "160 g"},
            "kidney_right": {"curve": [{"fraction": "1.4 %", "half_life": "9 h"}], "mass": "140 g"},
            "liver": {"curve": [{"fraction": "4 %", "half_life": "10 h"}], "mass": "1.8 kg"},
            "tumour_liver": {"curve": [{"fraction": "1 %", "half_life": "10 h"}], "mass": "30 g"},
            "node": {"curve": [{"fraction": "0.1 %", "half_life": "10 h"}], "mass": "3 g"},
            "remainder": {"curve": [{"fraction": "20 %", "half_life": "3 h"}]},
        }}, "daughters": {"retained": {"Bi-212" if "pb" in agent else "Bi-213": "70 %"}}, "options": {"samples": 12},
    })  # fmt: skip
    context = Context(plain, Draws(12, 1))
    curves = fit_curves(plain)
    course = course_of(context, agent, (8.0,), curves, carrier_curves(context, curves))
    kinetics, name = course.kinetics, course.nuclide
    names = [r for r in kinetics.regions if float(kinetics.amplitude.sel(region=r, nuclide=name).values.any())]
    of = {"remainder": REST}
    parents = {
        of.get(r, r): (kinetics.amplitude.sel(region=r, nuclide=name).values, kinetics.rate.values) for r in names
    }
    mass = {of.get(r, r): float(course.s_values.mass_g.sel(region=r).median()) for r in names}
    mass |= {"kidney_left": 160.0, "kidney_right": 140.0}
    organs = organs_of(tuple(parents), {})
    options = ImageDaughters.model_validate({"retained": {"Bi-212" if "pb" in agent else "Bi-213": "70 %"}})
    fates = free_fates(agent, name, organs, mass, 1.0, options, Draws(12, 1))
    found = integrate(shared_chain(parents, name, fates, organs, mass, 1.0, "adult-male", 12)).decays
    assert len(names) >= 6
    for region in course.decays.decays["region"].values:
        ours = found.sel(region=of.get(str(region), str(region)), nuclide=list(kinetics.nuclides)).values
        theirs = course.decays.decays.sel(region=region).values
        # a rate may be moved by two millionths where it meets another; decays are kept by it, shares of them are not
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * float(theirs.max() + 1), err_msg=str(region))


def test_the_end_in_place_is_what_a_run_in_place_finds():
    """Doses of the other ends follow by linearity; a run of its own, with its own voxel doses, agrees."""
    free, place = study(n=1), study(n=1, daughters="in_place")
    assert free.ends.model == "free"
    assert place.ends.model == "in_place"
    assert place.ends.untold == free.ends.untold == ""
    for row, other in zip(free.ends.rows, place.ends.rows, strict=True):
        assert row.free_Gy == pytest.approx(free.regions[row.region].mean_Gy, rel=1e-9)
        assert other.in_place_Gy == pytest.approx(place.regions[row.region].mean_Gy, rel=1e-9)
        # exact where charged particles deposit on the spot: the mean is that of the region's own decays
        assert row.in_place_Gy == pytest.approx(other.in_place_Gy, rel=1e-9)
        assert other.free_Gy == pytest.approx(row.free_Gy, rel=1e-9)
        fed = row.region != "lesion"  # no organ: no free ion goes there
        assert (row.lost_Gy < row.free_Gy) == fed
    outside = study(n=1, daughters={"organs": {"lesion": "other"}}).ends.row("lesion")
    assert outside.organ == "other"
    assert outside.free_Gy < 0.5 * outside.in_place_Gy  # outside of cells, a quarter of 221Fr stays


def test_a_lesion_is_a_tumour_by_its_name_and_keeps_more():
    kept = study(n=1)
    assert kept.ends.rows[2].organ == "tumour"
    assert kept.ends.rows[2].free_Gy > 1.5 * study(n=1, daughters={"organs": {"lesion": "other"}}).ends.rows[2].free_Gy
    retained = kept.maps.region_decays["lesion"]["Fr-221"] / kept.maps.region_decays["lesion"]["Ac-225"]
    assert retained == pytest.approx(0.75, rel=1e-6)  # of the catalogue; nothing arrives in a tumour


def test_the_fates_are_part_of_the_uncertainty():
    """Retained 0.6 to 0.9, uniform: the sd of the lesion's dose is larger than that of a run in place."""
    organs = {"organs": {"lesion": "tumour"}}
    free, place = study(n=200, daughters=organs), study(n=200, daughters={"model": "in_place", **organs})
    share = {
        k: float(np.std(v.regions["lesion"].samples_Gy) / v.regions["lesion"].mean_Gy)
        for k, v in (("f", free), ("p", place))
    }
    assert share["f"] > 1.02 * share["p"]
    # of 200 samples curve and fate are correlated by 1/sqrt(200): 0.14 s1 s2 of a variance of s2^2, three of these
    left = math.sqrt(share["f"] ** 2 - share["p"] ** 2)
    assert free.chains.fate_sd["lesion"] == pytest.approx(left, rel=0.3)
    assert free.ends.row("lesion").fate_sd == free.chains.fate_sd["lesion"]
    assert place.ends.row("lesion").fate_sd == 0
    at = (2, 2, 7)
    assert free.doses.sd[at] / free.doses.total[at] > place.doses.sd[at] / place.doses.total[at]


def test_daughters_stay_in_place_without_alphas_and_where_asked():
    found = study("I-131", n=1)
    assert found.ends is None
    assert found.chains.model == "in_place"
    assert found.cells == {}
    assert any("emit none" in s for s in found.book.sentences)


def test_the_agent_chooses_the_retained_fractions():
    assert study(n=1, agent="225Ac-DOTATATE").chains.entry == "ac225-dotatate"
    assert study(n=1, agent="[225Ac]Ac-PSMA-617").chains.entry == "any agent"
    assert study(n=1, agent="ac225-psma-617").chains.entry == "ac225-psma-617"
    other = study(n=1, agent="177Lu-DOTATATE")
    assert other.chains.entry == "any agent"
    assert any("any agent" in n for n in other.chains.notes)


def test_a_chain_without_a_model_is_refused_or_said_to_have_none():
    """U-230: nobody entered what is retained of 226Th. Free is refused; in place has one end, and says why not more."""
    with pytest.raises(CatalogError, match=r"daughters: .*in_place"):
        study("U-230", n=1)
    ends = study("U-230", n=1, daughters="in_place").ends
    assert "Th-226" in ends.untold
    for row in ends.rows:
        assert row.in_place_Gy > 0
        assert row.free_Gy is row.lost_Gy is None


def test_two_regions_of_one_organ_share_its_uptake_by_mass():
    organs = {"top": "liver", "bottom": "liver", REST: "remainder"}
    mass = {"top": 300.0, "bottom": 900.0, REST: 60000.0}
    parents = {"top": ([0.0], [0.1]), "bottom": ([0.0], [0.1]), REST: ([3.0], [0.1])}
    fates = free_fates("any agent", "Pb-212", organs, mass, 1.0, ImageDaughters(), Draws(1))
    found = integrate(shared_chain(parents, "Pb-212", fates, organs, mass, 1.0, "adult-male", 1)).decays[0]
    assert float(found.sel(region="top", nuclide="Bi-212")) > 0
    for q in ("Bi-212", "Po-212"):
        assert float(found.sel(region="bottom", nuclide=q)) == pytest.approx(
            3 * float(found.sel(region="top", nuclide=q))
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"daughters": {"organs": {"leson": "tumour"}}}, "Did you mean lesion"),
        ({"daughters": {"organs": {"lesion": "tumor"}}}, "Did you mean tumour"),
        ({"daughters": {"retained": {"Bi-212": "50 %"}}}, "daughters: retained names Bi-212"),
        ({"daughters": "freed"}, "free, in_place|'free' or 'in_place'"),
        ({"daughters": {"organs": {"lesion": "kidneys"}}}, "count twice"),
        ({"cells": {"regions": ["leson"]}}, "Did you mean lesion"),
        ({"cells": {"alpha_per_Gy": 0.2}, "biology": None}, "biology.tissues"),
        ({"cells": {"nucleus_radius": "6 um"}}, "fits inside"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises((CaseError, ValueError, CatalogError), match=message):
        study(n=1, **changes)


# --- hits ------------------------------------------------------------------------------------------------------------


@functools.cache
def single(name):
    """Hits of a nucleus per decay in the volume of a cell, decays everywhere; without the tables of the run."""
    return specific_energy(name, places={name: {"cell": 0.5, "medium": 0.5}}, **NUCLEUS)


ALPHAS = ("Ac-225", "Fr-221", "At-217", "Bi-213", "Po-213")
CELL_G = catalog.medium("soft-tissue").density.value * 4 / 3 * math.pi * 5e-4**3


def test_hits_of_an_even_region_are_its_decays_per_gram():
    """n = sum_u N_u/m m_c h_u; voxels of an even region say the same; and n z_F is the alpha dose."""
    found = study(n=1, daughters="in_place")
    lesion = found.cells["lesion"]
    decays = found.maps.region_decays["lesion"]
    n = sum(decays[q] / found.mass["lesion"] * CELL_G * single(q).mean_hits for q in ALPHAS)
    assert lesion.even.mean_hits[0] == pytest.approx(n, rel=1e-9)
    assert lesion.even.not_hit[0] == pytest.approx(math.exp(-n), rel=1e-9)
    gray = sum(decays[q] / found.mass["lesion"] * CELL_G * single(q).mean_dose_Gy for q in ALPHAS)
    alpha = sum(p.get("alpha", 0.0) for p in found.regions["lesion"].by_nuclide_radiation_Gy.values())
    # f1(z) is a table of its own: its mean dose holds the emissions of ICRP 107 to 1e-6
    assert gray == pytest.approx(alpha, rel=1e-5)
    core = study(n=1, daughters="in_place", cells={"regions": ["liver"]}).cells
    assert list(core) == ["liver"]
    assert core["liver"].voxels.not_hit[0] == pytest.approx(core["liver"].even.not_hit[0], rel=1e-6)
    assert core["liver"].spread < 1e-3


def two_levels():
    pattern = np.ones(GRID.shape)
    pattern[1:3, :, 6:] = 0.25
    return pattern


def test_voxels_leave_more_cells_without_a_hit_than_their_mean():
    """Two halves, one with a quarter of the uptake: closed form; never below the mean's (Jensen)."""
    found = study(n=1, pattern=two_levels(), daughters="in_place").cells["liver"]
    assert found.spread < 1e-3
    shares = boxes()
    lesion = study(n=1, pattern=two_levels(), daughters="in_place")
    cells = lesion.cells["lesion"]
    # slow twin: every voxel, every nuclide
    inside = shares["lesion"] >= 0.5
    weight, number = [], []
    for at in np.argwhere(inside):
        z = tuple(at)
        weight.append(float(shares["lesion"][z]) * DENSITY)
        number.append([
            float(lesion.maps[q].array[z]) / (DENSITY * GRID.voxel_mL) * CELL_G * single(q).mean_hits for q in ALPHAS
        ])  # fmt: skip
    weight, number = np.array(weight) / np.sum(weight), np.array(number)
    whole = np.array(
        [lesion.maps.region_decays["lesion"][q] / lesion.mass["lesion"] * CELL_G * single(q).mean_hits for q in ALPHAS]
    )
    number *= whole / (weight @ number)
    expected = float(weight @ np.exp(-number.sum(axis=1)))
    assert cells.voxels.not_hit[0] == pytest.approx(expected, rel=1e-9)
    assert cells.voxels.mean_hits[0] == cells.even.mean_hits[0]
    assert cells.voxels.not_hit[0] > 1.2 * cells.even.not_hit[0]
    # two levels 1 and 1/4: their spread is 0.6 of the mean, but for the layer at the edge
    assert cells.spread == pytest.approx(0.6, abs=0.05)
    for region in lesion.cells.values():
        assert region.voxels.not_hit[0] >= region.even.not_hit[0] * (1 - 1e-12)


def test_noise_is_told_and_makes_an_even_region_look_uneven():
    """Voxels of 20 % noise at each of three times: told spread is that of the maps; the share rises by it."""
    even, noisy = (
        study(n=1, daughters="in_place").cells["lesion"],
        study(n=1, sigma=0.2, daughters="in_place").cells["lesion"],
    )
    assert noisy.noise > 0.05
    # 48 voxels: their spread is known to 1/sqrt(2 47) = 10 %, 3 of these; the layer at the edge has a spread of its own
    own = math.sqrt(noisy.spread**2 - even.spread**2)
    assert own == pytest.approx(noisy.noise, rel=0.35)
    assert noisy.voxels.not_hit[0] > even.voxels.not_hit[0]
    assert noisy.even.not_hit[0] == pytest.approx(even.even.not_hit[0], rel=1e-9)


def test_survival_by_drawing_cells_of_two_voxel_levels():
    """Two hundred thousand cells over the voxels: Poisson hits, z of each drawn, each kills with min(RBE alpha z, 1)."""
    alpha, rbe = 0.25, 4.0
    found = study(n=1, pattern=two_levels(), daughters="in_place", cells={"alpha_per_Gy": alpha})
    cells, shares = found.cells["lesion"], boxes()
    inside = shares["lesion"] >= 0.5
    weight = shares["lesion"][inside].astype(float)
    weight /= weight.sum()
    rng = np.random.default_rng(5)
    n = 200_000
    voxel = rng.choice(len(weight), n, p=weight)
    alive, missed = np.ones(n, bool), np.ones(n, bool)
    low = sum(
        p.get("electron", 0) + p.get("photon", 0) for p in found.regions["lesion"].by_nuclide_radiation_Gy.values()
    )
    for q in ALPHAS:
        z = single(q)
        values = np.asarray(found.maps[q].array)[inside]
        mean = found.maps.region_decays["lesion"][q] / found.mass["lesion"] * CELL_G * z.mean_hits
        hits = rng.poisson((mean * values / (weight @ values))[voxel])
        grid = np.linspace(0, 1.2, 4001)
        mass = np.asarray(z.single_event_pdf(0.5 * (grid[1:] + grid[:-1])))
        drawn = np.interp(rng.random(int(hits.sum())), np.append(0.0, np.cumsum(mass) / mass.sum()), grid)
        dead = np.repeat(np.arange(n), hits)[rng.random(len(drawn)) < np.minimum(rbe * alpha * drawn, 1.0)]
        alive[dead] = False
        missed &= hits == 0
    values = found.doses.low_let[inside]
    dose = (low * values / (weight @ values))[voxel]
    alive_share = float(np.mean(alive * np.exp(-alpha * dose - alpha / 8.0 * found.effects.g["lesion"] * dose**2)))
    for share, told in ((alive_share, cells.voxels.survival[0]), (float(missed.mean()), cells.voxels.not_hit[0])):
        assert 0.01 < share < 0.95
        assert told == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / n) + 2e-3 * share)
    assert cells.voxels.survival[0] > cells.even.survival[0] > cells.even.not_hit[0]


def test_samples_of_hits_follow_decays_and_mass():
    found = study(n=30)
    drawn, curve = found.drawn, found.curves["lesion"]
    mass = found.mass["lesion"] * curve.volume_mL / curve.nominal_volume_mL
    expected = sum(drawn.sel(region="lesion", nuclide=q).values / mass * CELL_G * single(q).mean_hits for q in ALPHAS)
    cells = found.cells["lesion"]
    np.testing.assert_allclose(cells.even_samples.mean_hits, expected, rtol=1e-9)
    np.testing.assert_allclose(cells.even_samples.not_hit, np.exp(-expected), rtol=1e-9)
    assert (cells.voxels_samples.not_hit >= cells.even_samples.not_hit * (1 - 1e-12)).all()
    assert cells.even_samples.survival is None
    assert any(s.startswith("Survival of cells is not computed") for s in found.book.sentences)
