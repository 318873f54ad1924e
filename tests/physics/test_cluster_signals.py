"""Clusters further: decays between the cells, bystander signal, atoms, the dose rate of a chain, one-hit killing."""

import math

import numpy as np
import pytest

from alphatwin.biology.bystander import BystanderSignal
from alphatwin.biology.cells import chain_lea_catcheside, survival
from alphatwin.biology.models import LinearQuadratic, SingleHit
from alphatwin.biology.protraction import lea_catcheside
from alphatwin.dose._medium import Between
from alphatwin.dose.cells import Labelled, Lognormal, cluster, cluster_dose, spheroid
from alphatwin.physics import RADIATIONS, nuclide
from alphatwin.transport._cell_geometry import GRID_UM
from alphatwin.transport._pairs import gray_per_MeV
from alphatwin.transport._tracks import cross_nodes
from alphatwin.transport.cells import point_energy
from alphatwin.units import JOULE_PER_MEV
from oracle.clusters import medium_energies, specific_energies

NO_LOW_LET = LinearQuadratic(0.0, 0.0)
RESPONSE = LinearQuadratic(0.5, 0.1)

# --- between the cells -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packing", ["cubic", "random"])
def test_decays_between_the_cells_against_drawing_every_start(packing):
    these = spheroid("Po-210", decays_per_cell=3.0, cells=500, packing=packing, source={"medium": 1.0})
    found = survival(these, RESPONSE, low_let=NO_LOW_LET)
    per_um3 = these.between.per_um3["Po-210"]
    free = 4 / 3 * math.pi * (these.ball_um**3 - 500 * 5.0**3)
    assert per_um3 * free == pytest.approx(these.decays.sum())  # all decays, and in the free volume alone
    rng = np.random.default_rng(20251122)
    r = np.linalg.norm(these.positions_um, axis=1)
    away = []
    for i in [int(r.argmin()), int(r.argmax()), *rng.choice(500, 8, replace=False)]:
        z, hits = medium_energies(these.positions_um, i, "Po-210", per_um3, these.ball_um, 5.0, 4.0, 600, rng)
        s = np.exp(-0.5 * z - 0.1 * z**2)
        alpha = float(found.dose.dose.sel(radiation="alpha").sum("origin")[i])
        for ours, drawn in ((found.survival[i], s), (alpha, z), (float(found.dose.mean_hits[i]), hits)):
            away.append((ours - drawn.mean()) / (drawn.std(ddof=1) / math.sqrt(len(drawn))))
    away = np.array(away).reshape(-1, 3)
    assert np.abs(away).max() < 3.5  # 30 of them
    assert np.abs(away.mean(axis=0)).max() < 3 / math.sqrt(len(away))


def test_cells_and_medium_with_one_density_are_a_full_ball():
    """Decays with the same density in the cells and between them are uniform: deep inside, the dose is density times energy."""
    these = spheroid("Po-210", decays_per_cell=1.0, radius_um=130.0)
    inside = len(these) * 5.0**3 / these.ball_um**3
    full = spheroid("Po-210", decays_per_cell=1.0, radius_um=130.0, source={"cell": inside, "medium": 1 - inside})
    dose = cluster_dose(full).dose.sel(radiation="alpha").sum("origin").values
    per_um3 = full.decays.sum() / (4 / 3 * math.pi * full.ball_um**3)
    expected = per_um3 * nuclide("Po-210").energy_MeV("alpha") * JOULE_PER_MEV / 1e-15
    deep = np.linalg.norm(full.positions_um, axis=1) < full.ball_um - 37.5 - 5.0 - 4.0
    np.testing.assert_allclose(dose[deep], expected, rtol=2e-4)  # the quadrature over tracks is good to 1e-5, FFT exact


def test_electrons_of_a_full_ball():
    """Middle of the ball: the energy within its radius. Anywhere: what starts drawn in the ball lay down around a point."""
    ball = Between(300.0, {"Lu-177": 1e-3})
    source = point_energy("Lu-177", "water")
    rows = [i for i, r in enumerate(RADIATIONS) if r != "alpha"]
    within = source.within_MeV[rows].sum(axis=0)
    gray = JOULE_PER_MEV / 1e-15 * 1e-3
    found = ball.low_let_ball_Gy(np.array([0.0, 150.0, 290.0]), "Lu-177")
    assert found[0] == pytest.approx(gray * np.interp(300.0, GRID_UM, within), rel=2e-3)
    rng = np.random.default_rng(5)
    for r, ours in zip((150.0, 290.0), found[1:], strict=True):
        way = rng.normal(size=(200_000, 3))
        way /= np.linalg.norm(way, axis=1)[:, None]
        edge = -r * way[:, 0] + np.sqrt(300.0**2 - r**2 * (1 - way[:, 0] ** 2))  # distance to the rim along each way
        assert ours == pytest.approx(gray * np.interp(edge, GRID_UM, within).mean(), rel=4e-3)


def test_low_let_of_cells_and_medium_with_one_density_is_that_of_a_full_ball():
    """Recoils and electrons: what the medium lacks is what the cells hold; a nucleus is nearly a point for the ball."""
    for name in ("Po-210", "Lu-177"):
        these = spheroid(name, decays_per_cell=1.0, radius_um=70.0)
        inside = len(these) * 5.0**3 / these.ball_um**3
        full = spheroid(name, decays_per_cell=1.0, radius_um=70.0, source={"cell": inside, "medium": 1 - inside})
        dose = cluster_dose(full).dose.sel(radiation="low_let").sum("origin").values
        per_um3 = full.decays.sum() / (4 / 3 * math.pi * full.ball_um**3)
        expected = Between(full.ball_um, {name: per_um3}).low_let_ball_Gy(
            np.linalg.norm(full.positions_um, axis=1), name
        )
        np.testing.assert_allclose(
            dose, expected, rtol=1e-2
        )  # S values at 200 distances by splines; cells end in steps


def test_a_daughter_between_the_cells_takes_its_progeny_along():
    kept = spheroid("Ac-225", decays_per_cell=1.0, radius_um=40.0)
    free = spheroid(
        "Ac-225", decays_per_cell=1.0, radius_um=40.0, daughters={"Bi-213": {"surface": 0.3, "medium": 0.5}}
    )
    assert dict(free.places["Po-213"]) == pytest.approx({"surface": 0.3, "medium": 0.5})
    assert free.lost["Po-213"] == pytest.approx(0.2)
    a, b = cluster_dose(kept).by_nuclide, cluster_dose(free).by_nuclide
    assert float(b.sel(nuclide="Fr-221").sum()) == pytest.approx(float(a.sel(nuclide="Fr-221").sum()), rel=1e-9)
    share = float(b.sel(nuclide="Po-213", radiation="alpha") / a.sel(nuclide="Po-213", radiation="alpha"))
    assert 0.3 < share < 0.8  # less than on the cells, more than lost
    assert any("between the cells" in n and "Po-213 50%" in n for n in free.notes)
    for events in ("decay", "atom"):
        found = survival(free, RESPONSE, events=events)
        assert found.surviving_fraction > survival(kept, RESPONSE, events=events).surviving_fraction


# --- bystander -------------------------------------------------------------------------------------------------------

SIGNAL = BystanderSignal(reach_um=50.0, characteristic_concentration_per_um=2e-3, largest_effect=0.4)


def test_the_signal_of_two_cells_by_hand():
    pair = cluster([[0, 0, 0], [30, 0, 0]], "Po-210", decays_per_cell=2.0)
    plain, told = survival(pair, RESPONSE), survival(pair, RESPONSE, bystander=SIGNAL)
    none = np.exp(-plain.dose.mean_hits.values)
    low = plain.dose.low_let_Gy
    spared = none * np.exp(-0.5 * low - 0.1 * low**2)
    c = (1 - none[::-1]) * math.exp(-30 / 50) / (4 * math.pi * 30)
    p = 0.4 * (1 - np.exp(-c / 2e-3))
    np.testing.assert_allclose(told.survival, plain.survival - spared * p, rtol=1e-12)
    assert told.direct_surviving_fraction == pytest.approx(plain.surviving_fraction, rel=1e-12)
    everybody = BystanderSignal(50.0, 2e-3, 0.4, acts_on="all")
    np.testing.assert_allclose(
        survival(pair, RESPONSE, bystander=everybody).survival, plain.survival * (1 - p), rtol=1e-12
    )
    assert any("what-if" in n for n in told.notes)


def test_the_signal_on_a_lattice_and_off_it():
    ball = spheroid("Po-210", decays_per_cell=0.5, cells=4000, uptake=Labelled(0.1))
    hit = 1 - cluster_dose(ball).zero_hit
    from dataclasses import replace

    exact = SIGNAL.concentration(ball.positions_um, hit)
    np.testing.assert_allclose(SIGNAL.of_cluster(ball, hit), exact, rtol=1e-9)
    mesh = SIGNAL.of_cluster(replace(ball, lattice=None), hit)
    np.testing.assert_allclose(mesh, exact, rtol=1e-2)  # the mesh, for a signal that falls by e in 50 um


def test_dead_cells_send_nothing_and_betas_alone_have_no_signal():
    core = spheroid("Po-210", decays_per_cell=0.5, radius_um=40.0, necrotic_radius_um=25.0)
    everywhere = np.ones(len(core))
    living = np.where(core.alive, 1.0, 0.0)
    np.testing.assert_array_equal(SIGNAL.of_cluster(core, everywhere), SIGNAL.of_cluster(core, living))
    beta = spheroid("Lu-177", decays_per_cell=500.0, radius_um=40.0)
    assert survival(beta, RESPONSE, bystander=SIGNAL).surviving_fraction == pytest.approx(
        survival(beta, RESPONSE).surviving_fraction
    )


def test_the_signal_at_survival_far_below_any_float():
    s = SIGNAL.log_survival([-2000.0, -0.1], [-2000.0, -0.5], [1.0, 0.0])
    assert s[0] == pytest.approx(-2000 + math.log(0.6), rel=1e-9)
    assert s[1] == pytest.approx(-0.1)


# --- atoms, long-lived progeny, dose rate ----------------------------------------------------------------------------


def test_atoms_on_a_surface_miss_with_four_fifths_to_the_fourth():
    """Every point of the surface sees the nucleus with the chance 0.2; an atom of 225Ac in place sends four alphas."""
    one = cluster([[0, 0, 0]], "Ac-225", decays_per_cell=3.0)
    atoms, decays = (survival(one, NO_LOW_LET, events=e).zero_hit_share for e in ("atom", "decay"))
    assert atoms == pytest.approx(math.exp(-3.0 * (1 - 0.8**4)), rel=1e-4)
    assert decays == pytest.approx(math.exp(-3.0 * 4 * 0.2), rel=1e-3)  # the data give 3.9995 alphas


def test_progeny_that_outlives_the_treatment_is_left_out_with_what_follows():
    at = spheroid("At-211", decays_per_cell=1.0, radius_um=20.0)
    assert at.lost["Bi-207"] == 1.0
    assert any("outlives a year: Bi-207" in n for n in at.notes)
    radon = spheroid("Rn-222", decays_per_cell=1.0, radius_um=20.0)
    assert {"Pb-210", "Bi-210", "Po-210"} <= {n for n, share in radon.lost.items() if share == 1.0}
    assert radon.lost["Po-214"] == pytest.approx(0.0, abs=1e-12)
    asked = spheroid("At-211", decays_per_cell=1.0, radius_um=20.0, daughters={"Bi-207": "surface"})
    assert asked.lost["Bi-207"] == 0.0


def test_dose_rate_of_a_chain_is_the_closed_form_of_its_two_exponentials():
    lead, bismuth = (nuclide(n).decay_constant_per_h for n in ("Pb-212", "Bi-212"))
    closed = float(lea_catcheside([1.0, -1.0], [lead, bismuth], 1.5))
    g, highest = chain_lea_catcheside("Pb-212", {"Bi-212": 7.0}, 1.5)
    assert g == pytest.approx(closed, rel=1e-4)
    at = math.log(bismuth / lead) / (bismuth - lead)
    rate = (math.exp(-lead * at) - math.exp(-bismuth * at)) / (1 / lead - 1 / bismuth)
    assert highest == pytest.approx(rate, rel=1e-3)
    alone, _ = chain_lea_catcheside("Pb-212", {"Pb-212": 1.0}, 1.5, 0.1)
    assert alone == pytest.approx((lead + 0.1) / (lead + 0.1 + math.log(2) / 1.5), rel=1e-4)


def test_one_hit_killing_of_a_cluster_is_one_exponential_of_the_hits():
    """z0 model: ln S = sum over cells of N [T(1/z0) - 1], with the transform of single tracks summed by hand."""
    three = cluster([[0, 0, 0], [14, 0, 0], [0, 27, 0]], "Po-210", decays_per_cell=2.0, uptake=Lognormal(1.0))
    line = nuclide("Po-210").emissions("alpha").nlargest(1, "yield_per_decay")
    energy, number = float(line["energy_MeV"].iloc[0]), float(line["yield_per_decay"].iloc[0])
    for z0 in (0.2, 1.0, 5.0):
        found = survival(three, SingleHit(z0), low_let=SingleHit(1e12)).log_survival.values
        slow = []
        for here in three.positions_um:
            distance = np.linalg.norm(three.positions_um - here, axis=1)
            table = cross_nodes(energy, "surface", 5.0, 4.0, distance)
            slow.append(sum(n * number * (w @ np.expm1(-e * gray_per_MeV(4.0) / z0))
                            for n, (w, e) in zip(three.decays, map(table.at, range(3)), strict=True)))  # fmt: skip
        np.testing.assert_allclose(found, slow, rtol=1e-4)
    none = survival(three, SingleHit(1e-9), low_let=SingleHit(1e12)).log_survival.values
    np.testing.assert_allclose(none, -cluster_dose(three).mean_hits.values, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Po-210", "Tb-149"])
def test_survival_of_many_cells_with_a_large_quadratic_term(name):
    """sqrt(2 beta) z far above 6, where a sum of Gauss and Hermite about zero fails: the contour moves with the cell."""
    these = spheroid(name, decays_per_cell=0.8 if name == "Po-210" else 5.0, radius_um=60.0, uptake=Lognormal(0.5))
    from dataclasses import replace

    these = replace(these, decays_per_parent={k: float(k == name) for k in these.decays_per_parent})
    response = LinearQuadratic(0.05, 2.0)
    found = survival(these, response, low_let=NO_LOW_LET).survival
    rng = np.random.default_rng(3)
    for i in rng.choice(len(these), 12, replace=False):
        z, _ = specific_energies(these.positions_um, these.decays, i, name, "surface", 5.0, 4.0, 4000, rng)
        s = response.survival(z)
        assert abs(found[i] - s.mean()) < 4 * s.std(ddof=1) / math.sqrt(len(s)) + 1e-12
