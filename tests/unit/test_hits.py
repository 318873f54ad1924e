"""Behaviour of the hit statistics at the border: bad input, places of daughters, what the result offers."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

import alphatwin as at
from alphatwin import catalog
from alphatwin.errors import CatalogError, DomainError
from alphatwin.transport import _places as places
from alphatwin.transport import _tracks as tracks
from alphatwin.transport._lattice import deposit
from alphatwin.transport.hits import specific_energy

CELL = {"cell_radius_um": 7.0, "nucleus_radius_um": 5.0}


def by_place(z):
    return {(c.nuclide, c.place): c.decays for c in z.components}


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"nucleus_radius_um": 7.5}, "does not fit"),
        ({"nucleus_radius_um": 0.0}, "micrometres"),
        ({"cell_radius_um": 5e-4, "nucleus_radius_um": 4e-4}, "micrometres"),
        ({"cell_radius_um": math.nan}, "micrometres"),
        ({"source": "membrane"}, "surface"),
        ({"target": "nuclus"}, "Did you mean nucleus"),
        ({"decays": 0.0}, "above 0"),
        ({"decays": -3.0}, "above 0"),
        ({"decays": math.inf}, "above 0"),
        ({"decays": {"Bi-213": 1.0}}, "none of the parent"),
        ({"decays": {"Ac-225": 1.0, "Lu-177": 1.0}}, "Lu-177"),
        ({"decays": {"Ac-225": 1.0, "Bi-213": -1.0}}, "0 or more"),
        ({"places": {"Bi-213": "nowhere"}}, "No place"),
        ({"places": {"Bi-213": {"surface": 0.7, "lost": 0.4}}}, "sum to 1"),
        ({"places": {"Bi-213": {"surface": 1.4, "lost": -0.4}}}, "between 0 and 1"),
        ({"places": {"Pb-212": "surface"}}, "not in the chain"),
        ({"events": "atoms"}, "Did you mean atom"),
        ({"events": "atom", "source": "medium"}, "within the cell"),
        ({"events": "atom", "decays": {"Ac-225": 1.0}}, "one number"),
        ({"low_let": True, "source": "medium"}, "medium"),
        ({"delta_rays": "xapsos"}, "kiefer-chatterjee"),
        ({"nucleus_radius_um": 0.5}, "delta_rays"),
        ({"nucleus_radius_um": 0.15, "delta_rays": "kiefer-chatterjee"}, "refused below"),
        ({"target": "cytoplasm", "delta_rays": "kiefer-chatterjee"}, "whole spheres"),
        ({"nucleus_radius_um": 7.0, "source": "cytoplasm"}, "empty"),
        ({"nucleus_radius_um": 7.0, "target": "cytoplasm"}, "empty"),
        ({"cell_radius_um": "7 um"}, "micrometres"),
        ({"nucleus_radius_um": None}, "micrometres"),
        ({"nucleus_radius_um": True}, "micrometres"),
        ({"source": None}, "No source None"),
        ({"target": ["nucleus"]}, "No target"),
        ({"events": 4}, "No kind of event 4"),
        ({"decays": "5 decays"}, "above 0"),
        ({"decays": True}, "above 0"),
        ({"decays": None}, "above 0"),
        ({"decays": [3.0]}, "above 0"),
        ({"decays": {"Ac-225": "four"}}, "0 or more"),
        ({"places": "cytoplasm"}, "a mapping such as"),
        ({"places": {"Bi-213": None}}, "give a place, or shares"),
        ({"places": {"Bi-213": {"surface": "half", "lost": 0.5}}}, "between 0 and 1"),
        ({"chain": 3.0}, "True or False"),
        ({"recoil": "yes"}, "True or False"),
        ({"low_let": None}, "True or False"),
        ({"delta_rays": True}, "No delta-ray model"),
    ],
)
def test_bad_input_is_refused_with_a_way_out(change, says):
    with pytest.raises(DomainError, match=says):
        specific_energy("Ac-225", **(CELL | change))


def test_no_alphas_is_told():
    lu, ac = specific_energy("Lu-177", **CELL, low_let=True), specific_energy("Ac-225", **CELL)
    assert "no alphas" in repr(lu)
    assert "no alpha" in lu.notes[0]
    assert lu.mean_hits == 0 < lu.mean_dose_Gy
    assert "no alpha" not in repr(ac) + ac.notes[0]
    assert f"{ac.mean_hits:.4g} hits" in repr(ac)
    assert lu.has_alphas < ac.has_alphas


def test_a_nuclide_in_two_spellings_is_given_twice():
    with pytest.raises(DomainError, match="twice"):
        specific_energy("Ac-225", **CELL, decays={"Ac-225": 1.0, "225Ac": 2.0})


def test_unknown_names():
    with pytest.raises(CatalogError, match="Did you mean Ac-225"):
        specific_energy("Ac-2255", **CELL)
    with pytest.raises(CatalogError):
        specific_energy("Ac-225", **CELL, medium="watter")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((5.0, "surface", 5.0, 4.0, -1.0), "positive"),
        ((5.0, "medium", 5.0, 4.0, 12.0), "surrounds"),
        ((25.0, "surface", 5.0, 4.0), "not per nucleon"),
        ((0.0, "surface", 5.0, 4.0), "per particle"),
    ],
)
def test_tracks_refuse(args, says):
    with pytest.raises(DomainError, match=says):
        tracks.track_nodes(*args)
    with pytest.raises(DomainError, match="quadrature"):
        tracks.track_nodes(5.0, "surface", 5.0, 4.0, n=0)
    with pytest.raises(DomainError, match="yields"):
        tracks.cross_nodes([5.0, 6.0], "surface", 5.0, 4.0, [10.0], yields=[1.0])


@pytest.mark.parametrize(
    ("alpha", "beta"), [(-0.1, 0.0), (0.1, -0.1), (math.nan, 0.0), ("1", 0.0), (1.0, None), ([1.0], 0.0)]
)
def test_survival_refuses_what_is_no_coefficient(alpha, beta):
    with pytest.raises(DomainError, match="0 or more"):
        specific_energy("Po-210", **CELL).survival(alpha, beta)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda z: z.laplace("2"), "real or complex"),
        (lambda z: z.laplace(None), "real or complex"),
        (lambda z: z.laplace(math.inf), "finite"),
        (lambda z: z.laplace([1.0, math.nan]), "finite"),
        (lambda z: z.laplace(1e4j), "nodes resolve"),
        (lambda z: z.single_event_laplace(True), "real or complex"),
        (lambda z: z.single_event_laplace(-1e4j), "nodes resolve"),
        (lambda z: z.pdf("0.1"), "array of numbers"),
        (lambda z: z.pdf([0.1, math.nan]), "nan"),
        (lambda z: z.single_event_pdf(None), "array of numbers"),
        (lambda z: z.expectation(0.5), "a function of z"),
        (lambda z: z.survival(1.0, 0.1, method="exact"), "No method"),
    ],
)
def test_questions_that_make_no_sense_are_refused_in_words(ask, words):
    with pytest.raises(DomainError, match=words):
        ask(specific_energy("Po-210", **CELL, decays=5.0))


def test_nothing_to_ask_where_nothing_hits():
    z = specific_energy("Lu-177", **CELL, decays=10.0)
    assert (z.mean_hits, z.zero_hit_probability, z.mean_dose_Gy, z.components) == (0.0, 1.0, 0.0, ())
    assert math.isnan(z.z_frequency_mean_Gy)
    assert z.survival(1.0, 0.1) == 1.0
    assert z.expectation(lambda x: 3.0 + x) == 3.0
    with pytest.raises(DomainError, match="No alpha reaches"):
        z.pdf(0.1)
    with pytest.raises(DomainError, match="no single event"):
        z.single_event_laplace(1.0)


# --- daughters in their own places -----------------------------------------------------------------------------------


def test_daughters_stay_where_they_are_born_unless_told():
    z = specific_energy("Ac-225", **CELL, decays=2.0, source="cytoplasm")
    assert {place for _, place in by_place(z)} == {"cytoplasm"}
    assert by_place(z)["Po-213", "cytoplasm"] == pytest.approx(2 * at.nuclide("Ac-225").branching_to("Po-213"))


def test_a_place_is_inherited_and_what_is_lost_stays_lost():
    z = specific_energy(
        "Ac-225", **CELL, decays=10.0, places={"Fr-221": {"surface": 0.6, "lost": 0.4}, "Bi-213": "cytoplasm"}
    )
    found = by_place(z)
    assert found["Ac-225", "surface"] == 10.0
    assert found["Fr-221", "surface"] == pytest.approx(6.0)
    assert found["At-217", "surface"] == pytest.approx(6.0)
    assert found["Po-213", "cytoplasm"] == pytest.approx(6.0 * at.nuclide("Ac-225").branching_to("Po-213"))
    assert ("Po-213", "surface") not in found


def test_decays_by_nuclide_split_over_their_places():
    z = specific_energy(
        "Ac-225", **CELL, decays={"Ac-225": 4.0, "Po-213": 3.0}, places={"Bi-213": {"surface": 0.25, "nucleus": 0.75}}
    )
    found = by_place(z)
    assert found["Ac-225", "surface"] == 4.0
    assert found["Fr-221", "surface"] == 0.0
    assert found["Po-213", "nucleus"] == pytest.approx(2.25)
    assert found["Po-213", "surface"] == pytest.approx(0.75)


def test_hits_and_doses_of_components_add_up():
    z = specific_energy("Pb-212", **CELL, decays=3.0, places={"Bi-212": {"surface": 0.5, "cytoplasm": 0.5}})
    assert sum(c.decays * c.hits_per_decay for c in z.components) == pytest.approx(z.mean_hits)
    assert sum(c.decays * c.mean_Gy_per_decay for c in z.components) == pytest.approx(z.mean_dose_Gy)
    atom = specific_energy(
        "Pb-212", **CELL, decays=3.0, places={"Bi-212": {"surface": 0.5, "cytoplasm": 0.5}}, events="atom"
    )
    assert atom.mean_hits == pytest.approx(z.mean_hits, rel=1e-3)  # 212Pb: one alpha per atom


@pytest.mark.parametrize("name", ["Ac-227", "Fr-223", "Pa-231", "U-235"])
def test_atoms_of_chains_whose_ways_part_and_meet(name):
    """Ac-227 reaches Ra-223 through Th-227 and through Fr-223: each state comes after all that lead to it."""
    decay, atom = (specific_energy(name, **CELL, decays=3.0, events=e) for e in ("decay", "atom"))
    assert atom.mean_dose_Gy == pytest.approx(decay.mean_dose_Gy, rel=1e-6)
    assert atom.mean_hits < decay.mean_hits
    assert atom.zero_hit_probability > decay.zero_hit_probability


def test_fissioning_members_are_refused():
    with pytest.raises(DomainError, match="Cf-252 fissions"):
        specific_energy("Cf-252", **CELL)
    with pytest.raises(DomainError, match="U-238 fissions"):
        specific_energy("U-238", **CELL)


def test_weak_alpha_emitters_are_as_exact_as_strong_ones():
    """145Pm: one alpha in 4e8 decays; its only line gets the points of a strong one."""
    z = specific_energy("Pm-145", **CELL, chain=False)
    s = at.cell_s_values("Pm-145", CELL["cell_radius_um"], CELL["nucleus_radius_um"], chain=False)
    expected = s.sel(target="nucleus", source="surface", radiation="alpha").item()
    assert z.mean_dose_Gy == pytest.approx(expected, rel=2e-6)


def test_chain_off_is_the_parent_alone():
    z = specific_energy("Ac-225", **CELL, chain=False)
    assert [c.nuclide for c in z.components] == ["Ac-225"]


def test_alpha_daughters_are_told_from_beta_daughters():
    assert places.is_alpha_daughter("Bi-212", "Tl-208")
    assert not places.is_alpha_daughter("Bi-212", "Po-212")
    assert not places.is_alpha_daughter("Tc-99m", "Tc-99")


# --- what a result offers --------------------------------------------------------------------------------------------


def test_result_is_frozen_and_cites_what_it_used():
    z = at.specific_energy("Ac-225", **CELL)
    assert isinstance(z, at.SpecificEnergy)
    with pytest.raises(dataclasses.FrozenInstanceError):
        z.decays = 3.0
    known = catalog.source
    assert all(known(key).title for key in z.sources)
    assert "CSDA" in z.model
    small = specific_energy("Po-210", cell_radius_um=7, nucleus_radius_um=0.5, delta_rays="kiefer-chatterjee")
    assert "bertolet2021" in small.sources
    assert "Kiefer" in small.model


def test_everything_is_linear_in_decays():
    one, ten = (specific_energy("Ac-225", **CELL, decays=n) for n in (1.0, 10.0))
    assert ten.mean_hits == pytest.approx(10 * one.mean_hits)
    assert ten.z_frequency_mean_Gy == pytest.approx(one.z_frequency_mean_Gy)
    assert ten.hit_probability == pytest.approx(one.hit_probability)
    assert complex(ten.laplace(2 + 1j)) == pytest.approx(complex(one.laplace(2 + 1j)) ** 10)


def test_shapes_and_signs():
    z = specific_energy("Po-210", **CELL, decays=20.0)
    assert z.pdf(np.zeros((2, 3))).shape == (2, 3)
    assert z.pdf(-1.0) == 0.0
    assert z.pdf(1e6) == 0.0
    assert np.all(z.pdf(np.linspace(0, 10, 1000)) >= 0)
    assert z.laplace([[0.0, 1.0]]).shape == (1, 2)
    again = z.pdf(0.4)
    assert z.pdf(0.4) == again  # reading does not change what is kept


def test_continuous_dose_shifts_everything():
    alone = specific_energy("Ac-225", **CELL, decays=5.0)
    both = specific_energy("Ac-225", **CELL, decays=5.0, low_let=True)
    shift = both.continuous_dose_Gy
    assert 0 < shift < 0.05 * alone.mean_dose_Gy
    assert both.mean_dose_Gy == pytest.approx(alone.mean_dose_Gy + shift)
    assert both.variance_Gy2 == alone.variance_Gy2
    assert both.pdf(0.3 + shift) == pytest.approx(alone.pdf(0.3))
    assert float(both.laplace(2.0).real) == pytest.approx(float(alone.laplace(2.0).real) * math.exp(-2 * shift))
    assert both.survival(1.0, 0.1) == pytest.approx(both.survival(1.0, 0.1, method="lattice"), rel=2e-4)


def test_recoil_adds_to_events_that_begin_in_the_target():
    plain, more = (specific_energy("Po-210", **CELL, source="nucleus", recoil=r) for r in (False, True))
    assert more.mean_hits == pytest.approx(plain.mean_hits)
    assert more.mean_dose_Gy > 1.2 * plain.mean_dose_Gy
    outside = [specific_energy("Po-210", **CELL, recoil=r) for r in (False, True)]
    assert outside[0].mean_dose_Gy == outside[1].mean_dose_Gy


def test_single_event_density_is_of_single_decays():
    z = specific_energy("Ac-225", **CELL, events="atom")
    with pytest.raises(DomainError, match="decay"):
        z.single_event_pdf(0.1)


# --- tables for clusters ---------------------------------------------------------------------------------------------


def test_table_of_distances_is_the_single_distances_together():
    distances = np.array([0.0, 14.0, 20.0, 45.0, 100.0])
    table = tracks.cross_nodes([5.8, 8.4], "surface", 7.0, 5.0, distances, n=16, yields=[1.0, 0.5])
    for i, d in enumerate(distances):
        weight, energy = table.at(i)
        parts = [tracks.track_nodes(e, "surface", 7.0, 5.0, d, n=16) for e in (5.8, 8.4)]
        assert weight.sum() == pytest.approx(parts[0][0].sum() + 0.5 * parts[1][0].sum(), rel=1e-12, abs=1e-300)
        assert weight @ energy == pytest.approx(
            float(np.dot(*parts[0])) + 0.5 * float(np.dot(*parts[1])), rel=1e-12, abs=1e-300
        )
    assert len(table.at(4)[0]) == 0  # 8.4 MeV reach 85 um, less than 100 - 5 - 7
    s = np.array([1.0 + 0j, 3.0 - 2j])
    found = tracks.cross_transform(table, s)
    weight, energy = table.at(1)
    assert found[1] == pytest.approx((np.exp(-np.outer(s, energy)) - 1) @ weight, rel=1e-12)
    assert np.all(found[4] == 0)


def test_energy_curve_is_the_mediums_own():
    water = at.medium("water")
    ranges = np.geomspace(0.05, 90.0, 500)
    assert tracks.energies_at(ranges) == pytest.approx(water.energy_after("alpha", ranges), rel=1e-6)
    assert tracks.energies_at(np.array([-1.0, 0.0])).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("along", "across", "tilt"),
    [
        (7.3, 2.1, 0.8),
        (7.3, 2.1, -0.8),
        (2.0, 9.0, 0.5),
        (-5.0, 3.0, 0.9),
        (0.01, 4.0, 0.3),
        (3.0, 0.01, -0.9),
        (6.0, 6.0, 0),
    ],
)
def test_a_panel_becomes_its_image_on_the_lattice(along, across, tilt):
    """z = z0 + along u + across v with weight 1 + tilt (2u - 1), against a dense grid of points."""
    gauss = np.array([0.5 - 0.5 / math.sqrt(3), 0.5 + 0.5 / math.sqrt(3)])
    u, v = np.meshgrid(gauss, gauss, indexing="ij")
    weight, z = (1 + tilt * (2 * u - 1)).ravel() / 4, (20.3 + along * u + across * v).ravel()
    mass = np.zeros(50)
    deposit(weight, z, 4, 1.0, mass)
    fine = (np.arange(1000) + 0.5) / 1000
    u, v = np.meshgrid(fine, fine, indexing="ij")
    at_z, share = 20.3 + along * u + across * v, (1 + tilt * (2 * u - 1)) / 1e6
    k = at_z.astype(int)
    twin = np.bincount(k.ravel(), (share * (1 - at_z + k)).ravel(), 50)
    twin += np.bincount(k.ravel() + 1, (share * (at_z - k)).ravel(), 50)
    assert mass == pytest.approx(twin, abs=1e-4)  # thin panels become boxes of the same variance
    assert mass.sum() == pytest.approx(1.0, abs=1e-12)
    assert mass @ np.arange(50) == pytest.approx(float(weight @ z), rel=1e-12)
