"""Clusters against brute force, closed forms, conservation and reciprocity."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin.biology.cells import survival
from alphatwin.biology.models import LinearQuadratic, SingleHit
from alphatwin.dose.cells import Labelled, Lognormal, cluster, cluster_dose, monolayer, spheroid
from alphatwin.physics import nuclide
from alphatwin.transport.cells import cell_s_values
from alphatwin.transport.hits import specific_energy
from alphatwin.units import JOULE_PER_MEV
from oracle.clusters import log_survival_on_a_contour, pair_sums, specific_energies

NO_LOW_LET = LinearQuadratic(0.0, 0.0)
MASS_KG = 4 / 3 * np.pi * 4.0**3 * 1e-15


def far_kernel(these):
    """Gy per decay of everything but alphas, at any distance."""
    s = cell_s_values(these.nuclide, 5.0, 4.0, distance_um=np.geomspace(10.0, 2000.0, 400)).sel(
        target="nucleus", source="surface"
    )
    total = (s * s["decays_per_parent"]).sum("nuclide").sum("radiation") - (s * s["decays_per_parent"]).sum(
        "nuclide"
    ).sel(radiation="alpha")
    return lambda d: np.exp(np.interp(np.log(d), np.log(s["distance"].values), np.log(total.values)))


# --- brute force -----------------------------------------------------------------------------------------------------

CASES = {
    "Po-210, lattice, lognormal": (spheroid("Po-210", decays_per_cell=1.0, radius_um=90.0, uptake=Lognormal(1.0)), "surface", 0.5, 0.03, 1.0),
    "At-211, random, a third labelled": (
        spheroid("At-211", decays_per_cell=4.0, cells=700, packing="random", source="cytoplasm", uptake=Labelled(1 / 3)), "cytoplasm", 0.4, 0.1, 0.4,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_survival_of_60_cells_against_drawing_every_track(name):
    these, place, alpha, beta, g = CASES[name]
    these = replace(
        these, decays_per_parent={k: float(k == these.nuclide) for k in these.decays_per_parent}
    )  # one nuclide: the twin knows no chain
    found = survival(these, LinearQuadratic(alpha, beta, g), low_let=LinearQuadratic(0.0, 0.0, g)).survival
    rng = np.random.default_rng(20250117)
    away = []
    for i in rng.choice(len(these), 60, replace=False):
        z, z2 = specific_energies(these.positions_um, these.decays, i, these.nuclide, place, 5.0, 4.0, 3000, rng)
        s = np.exp(-alpha * z - (1 - g) * beta * z2 - g * beta * z**2)
        away.append((found[i] - s.mean()) / (s.std(ddof=1) / np.sqrt(len(s))))
    away = np.array(away)
    assert np.abs(away).max() < 3.0
    assert abs(away.mean()) < 3 / np.sqrt(60)  # no bias
    assert 0.5 < np.mean(away**2) < 1.6  # and the twin's own scatter is seen


def test_mean_and_zero_hit_share_against_drawing_every_track():
    these, place, *_ = CASES["Po-210, lattice, lognormal"]
    dose = cluster_dose(these)
    alpha = dose.dose.sel(radiation="alpha").sum("origin").values
    rng = np.random.default_rng(5)
    for i in (0, 700, 1500):
        z, _ = specific_energies(these.positions_um, these.decays, i, "Po-210", place, 5.0, 4.0, 4000, rng)
        assert abs(z.mean() - alpha[i]) < 4 * z.std() / np.sqrt(len(z))
        p = dose.zero_hit[i]
        assert abs((z == 0).mean() - p) < 4 * np.sqrt(p * (1 - p) / len(z))


# --- sums over pairs -------------------------------------------------------------------------------------------------


def test_lattice_lists_and_one_by_one_agree():
    these = spheroid("Po-210", decays_per_cell=2.0, radius_um=60.0, packing="close", uptake=Lognormal(0.8))
    fast, lists = cluster_dose(these), cluster_dose(replace(these, lattice=None))
    s = cell_s_values("Po-210", 5.0, 4.0, distance_um=np.linspace(10.0, 125.0, 3000)).sel(
        target="nucleus", source="surface", radiation="alpha"
    )
    slow = pair_sums(these.positions_um, these.decays, lambda d: np.interp(d, s["distance"].values, s.values[:, 0]))
    for one, tolerance in ((fast, 2e-4), (lists, 5e-4)):  # straight lines between 3000 points; splines and lines
        np.testing.assert_allclose(one.dose.sel(origin="cross", radiation="alpha").values, slow, rtol=tolerance)
    np.testing.assert_allclose(lists.mean_hits.values, fast.mean_hits.values, rtol=5e-4)
    response = LinearQuadratic(0.5, 0.05)
    np.testing.assert_allclose(
        survival(these, response).log_survival.values,
        survival(replace(these, lattice=None), response).log_survival.values,
        rtol=1e-3,
    )


@pytest.mark.parametrize("packing", ["cubic", "random"])
def test_electrons_of_a_cluster_against_one_by_one(packing):
    these = spheroid("Lu-177", decays_per_cell=50.0, cells=1500, packing=packing, uptake=Lognormal(1.5))
    slow = pair_sums(these.positions_um, these.decays, far_kernel(these))
    found = cluster_dose(these).dose.sel(origin="cross", radiation="low_let").values
    np.testing.assert_allclose(found, slow, rtol=3e-3)  # the mesh: 2e-3 in the worst cell


def test_a_hexagonal_layer_on_its_lattice_and_off_it():
    these = monolayer("At-211", decays_per_cell=3.0, cells=400, uptake=Labelled(0.2))
    np.testing.assert_allclose(
        cluster_dose(these).total_Gy, cluster_dose(replace(these, lattice=None)).total_Gy, rtol=1e-3
    )


# --- closed forms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("events", ["decay", "atom"])
@pytest.mark.parametrize("decays", [1.0, 20.0])
def test_one_cell_is_the_specific_energy_of_one_cell(events, decays):
    alone = cluster([[0, 0, 0]], "Ac-225", decays_per_cell=decays)
    z = replace(
        specific_energy(
            "Ac-225", cell_radius_um=5, nucleus_radius_um=4, source="surface", decays=decays, events=events
        ),
        continuous_dose_Gy=0,
    )
    found = survival(alone, LinearQuadratic(0.3, 0.03), low_let=NO_LOW_LET, events=events).log_survival.item()
    assert found == pytest.approx(np.log(z.survival(0.3, 0.03, method="lattice")), rel=1e-4)


@pytest.mark.parametrize("decays", [20.0, 100.0, 500.0, 2000.0, 5000.0, 20000.0])
@pytest.mark.parametrize(("alpha", "beta"), [(0.1, 0.1), (0.5, 0.03), (2.0, 0.3)])
def test_any_dose_against_a_dense_contour(decays, alpha, beta):
    # sqrt(2 beta) z reaches 840, where the Gauss-Hermite sum about 0 ends near 6; merged lines and nodes at large s: 2e-4
    alone = cluster([[0, 0, 0]], "Po-210", decays_per_cell=decays)
    z = specific_energy("Po-210", cell_radius_um=5, nucleus_radius_um=4, source="surface", decays=decays)
    found = survival(alone, LinearQuadratic(alpha, beta), low_let=NO_LOW_LET).log_survival.item()
    assert found == pytest.approx(log_survival_on_a_contour(z.mean_hits, z.single_event_laplace, alpha, beta), rel=3e-4)
    assert found > -z.mean_hits  # never below the chance of no hit


def test_a_cluster_with_very_unequal_cells_is_the_same_with_more_nodes(monkeypatch):
    these = spheroid("Po-210", decays_per_cell=150.0, radius_um=70.0, uptake=Lognormal(3.0), penetration_depth_um=20.0)
    response = LinearQuadratic(0.2, 0.1, 0.7)
    found = survival(these, response, low_let=LinearQuadratic(0.1, 0.05, 0.7))
    assert found.dose.total_Gy.max() > 30 * found.dose.total_Gy.min() > 0.0
    for name, value in (("_NODES", 48), ("_SPACING", 0.7), ("_NEAR_ZERO", 0.0), ("_NEGLIGIBLE", -1e9)):
        monkeypatch.setattr(f"alphatwin.biology.cells.{name}", value)
    finer = survival(these, response, low_let=LinearQuadratic(0.1, 0.05, 0.7), dose=found.dose)
    np.testing.assert_allclose(found.log_survival.values, finer.log_survival.values, rtol=3e-4, atol=1e-7)


def test_every_hit_lethal_leaves_those_not_hit():
    these = spheroid("Po-210", decays_per_cell=1.0, radius_um=40.0)
    found = survival(these, SingleHit(1e-9), low_let=NO_LOW_LET)
    np.testing.assert_allclose(found.log_survival.values, -cluster_dose(these).mean_hits.values, rtol=1e-6)


def test_small_effect_is_the_mean_dose():
    these = spheroid(
        "Ac-225", decays_per_cell=0.5, radius_um=40.0, source={"surface": 0.5, "cytoplasm": 0.3, "nucleus": 0.2}
    )
    dose = cluster_dose(these)
    found = survival(these, LinearQuadratic(1e-6, 0.0), dose=dose).log_survival.values
    np.testing.assert_allclose(found, -1e-6 * dose.total_Gy, rtol=1e-4)  # merged lines, nodes: 1e-5


def test_electrons_follow_the_linear_quadratic_of_their_mean_dose():
    these = spheroid("Lu-177", decays_per_cell=300.0, radius_um=60.0)
    response = LinearQuadratic(0.3, 0.03, 0.4)
    found = survival(these, response)
    np.testing.assert_allclose(found.log_survival.values, -response.exponent(cluster_dose(these).total_Gy), rtol=1e-12)


def test_mixed_quality_adds_square_roots():
    these = cluster([[0, 0, 0]], "Ac-225", decays_per_cell=5.0)
    dose = cluster_dose(these)
    both = survival(
        these, LinearQuadratic(0.2, 0.05), low_let=LinearQuadratic(0.1, 0.02), dose=dose
    ).log_survival.item()
    d = dose.low_let_Gy[0]
    z = replace(
        specific_energy("Ac-225", cell_radius_um=5, nucleus_radius_um=4, source="surface", decays=5.0),
        continuous_dose_Gy=0.0,
    )
    reference = z.expectation(lambda x: np.exp(-0.2 * x - 0.1 * d - (np.sqrt(0.05) * x + np.sqrt(0.02) * d) ** 2))
    assert both == pytest.approx(np.log(reference), rel=2e-4)


def test_oxygen_as_a_factor_of_dose():
    these = spheroid("Po-210", decays_per_cell=5.0, radius_um=50.0)
    response = LinearQuadratic(0.5, 0.05)
    half = survival(these, response, dose_modifying_factor=0.5, low_let=NO_LOW_LET)
    weaker = survival(these, LinearQuadratic(0.25, 0.0125), low_let=NO_LOW_LET)
    np.testing.assert_allclose(half.log_survival.values, weaker.log_survival.values, rtol=1e-10)
    factor = np.linspace(0.35, 1.0, len(these))
    mixed = survival(these, response, dose_modifying_factor=factor, low_let=NO_LOW_LET).log_survival.values
    for i in (0, 200, len(these) - 1):
        alone = survival(
            these, response, dose_modifying_factor=float(factor[i]), low_let=NO_LOW_LET
        ).log_survival.values[i]
        assert mixed[i] == pytest.approx(alone, rel=1e-5)


# --- a known pair of values --------------------------------------------------------------------------------------------------


def test_mean_doses_forget_the_cells_that_are_not_hit():
    # 33 401 cells on a simple cubic lattice of 10 um: 0.112 from mean doses, 0.154 with hits. The uptake and response
    # behind these two are not known; a round choice that gives both is held here: a regression, not a validation
    ball = spheroid("Po-210", decays_per_cell=5.0, radius_um=200.0, uptake=Lognormal(1.0))
    found = survival(ball, LinearQuadratic(0.5, 0.03))
    assert len(ball) == 33401
    assert found.surviving_fraction == pytest.approx(0.154, abs=1e-3)
    assert found.mean_dose_surviving_fraction == pytest.approx(0.112, abs=1e-3)


# --- conservation and symmetry ---------------------------------------------------------------------------------------


def test_energy_in_all_nuclei_is_less_than_emitted_and_fills_a_large_cluster():
    emitted_J = nuclide("Po-210").energy_MeV("alpha") * JOULE_PER_MEV
    shares = []
    for radius in (30.0, 100.0, 300.0):
        these = spheroid("Po-210", decays_per_cell=1.0, radius_um=radius, source="cell")
        dose = cluster_dose(these).dose.sel(radiation="alpha").sum("origin").values
        shares.append(dose.sum() * MASS_KG / (emitted_J * len(these)))
    filled = 4 / 3 * np.pi * 4.0**3 / 10.0**3
    assert shares[0] < shares[1] < shares[2] < filled * 1.05
    # a cell in the middle is in equilibrium: as much comes in as goes out. Activity sits in cells, so nuclei get a
    # little more than the mean of all water: at most the self dose's excess, 5 %
    middle = dose[np.argmin(np.linalg.norm(these.positions_um, axis=1))]
    assert middle == pytest.approx(emitted_J / (10.0e-6**3 * 1000.0), rel=0.05)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000), name=st.sampled_from(["Po-210", "Lu-177", "Ac-225"]))
def test_random_clusters_keep_the_laws(seed, name):
    rng = np.random.default_rng(seed)
    sites = rng.permutation(np.stack(np.meshgrid(*[np.arange(5)] * 3), axis=-1).reshape(-1, 3))[:20]
    where = sites * 13.0 + rng.uniform(-1.4, 1.4, (20, 3))
    these = cluster(where, name, decays_per_cell=float(10 ** rng.uniform(-1, 3.5)), uptake=Lognormal(1.0), seed=seed)
    dose = cluster_dose(these)
    # linear in decays
    np.testing.assert_allclose(cluster_dose(these.scaled(3.0)).total_Gy, 3 * dose.total_Gy, rtol=1e-9)
    # a rigid motion changes nothing
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    moved = replace(these, positions_um=where @ turn + 77.0)
    np.testing.assert_allclose(cluster_dose(moved).total_Gy, dose.total_Gy, rtol=2e-3)
    # reciprocity: one decay in i gives j what one in j gives i
    i, j = rng.choice(20, 2, replace=False)
    each = []
    for k, other in ((i, j), (j, i)):
        decays = np.zeros(20)
        decays[k] = 1.0
        each.append(cluster_dose(replace(these, decays=decays)).total_Gy[other])
    assert each[0] == pytest.approx(each[1], rel=1e-6, abs=1e-15)
    # survival: convex responses gain from statistics; more decays, fewer survivors; never below the chance of no hit
    response = LinearQuadratic(0.6, 0.02)  # alpha^2 > 2 beta: exp(-az-bz^2) is convex
    s, more = survival(these, response, dose=dose), survival(these.scaled(1.5), response)
    assert (s.log_survival.values >= -response.exponent(dose.total_Gy) - 1e-9).all()
    assert (more.log_survival.values <= s.log_survival.values + 1e-9).all()
    lowest = -dose.mean_hits.values - response.exponent(dose.low_let_Gy)
    assert (s.log_survival.values >= lowest - 1e-9).all()
    atoms = survival(these, response, dose=dose, events="atom")
    assert (
        atoms.log_survival.values >= s.log_survival.values - 1e-9
    ).all()  # decays together: more cells without a hit


def test_lost_daughters_take_their_dose_along():
    kept = cluster_dose(spheroid("Ac-225", decays_per_cell=1.0, radius_um=50.0))
    lost = cluster_dose(
        spheroid("Ac-225", decays_per_cell=1.0, radius_um=50.0, daughters={"Bi-213": {"surface": 0.25}})
    )
    for name in kept.by_nuclide["nuclide"].values:
        share = 0.25 if name in ("Bi-213", "Po-213", "Tl-209", "Pb-209") else 1.0
        np.testing.assert_allclose(
            lost.by_nuclide.sel(nuclide=name).values, share * kept.by_nuclide.sel(nuclide=name).values, rtol=1e-9
        )
