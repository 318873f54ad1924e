"""Clusters: how they are built, what is refused and where, what stays as it was."""

import math

import numpy as np
import pytest

import alphatwin as at
from alphatwin.biology.cells import survival
from alphatwin.biology.models import MKM, LinearQuadratic
from alphatwin.dose._uptake import positions_from
from alphatwin.dose.cells import (
    ImageUptake,
    Labelled,
    Lognormal,
    ReceptorHistogram,
    Table,
    Uniform,
    at_mean_dose,
    cluster,
    cluster_dose,
    monolayer,
    spheroid,
)
from alphatwin.errors import CatalogError, DomainError


def ball(**changes):
    return spheroid("Po-210", **{"decays_per_cell": 1.0, "radius_um": 30.0, **changes})


# --- geometry --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("radius", "count"), [(0.0, 1), (10.0, 7), (20.0, 33), (200.0, 33401)])
def test_a_cubic_ball_has_the_lattice_points_of_its_radius(radius, count):
    assert len(ball(radius_um=radius)) == count


@pytest.mark.parametrize("packing", ["cubic", "close", "random"])
@pytest.mark.parametrize("count", [1, 2, 100, 1234])
def test_as_many_cells_as_asked_for_and_none_overlap(packing, count):
    these = ball(radius_um=None, cells=count, packing=packing)
    assert len(these) == count
    if count > 1:
        from scipy.spatial import cKDTree

        apart = cKDTree(these.positions_um).query(these.positions_um, k=2)[0][:, 1]
        assert apart.min() >= 10.0 - 1e-9
        if packing != "random":
            assert apart.min() == pytest.approx(10.0)


def test_close_packing_is_the_densest():
    these = ball(radius_um=150.0, packing="close")
    density = len(these) * 5.0**3 / (150.0 + 5.0) ** 3
    assert 0.66 < density < 0.7405  # less at the rim
    touching = np.linalg.norm(
        these.positions_um - these.positions_um[np.argmin(np.linalg.norm(these.positions_um, axis=1))], axis=1
    )
    assert np.count_nonzero(np.abs(touching - 10.0) < 1e-6) == 12


def test_a_layer_lies_in_a_plane_and_is_hexagonal():
    these = monolayer("At-211", decays_per_cell=1.0, cells=500)
    assert not these.positions_um[:, 2].any()
    middle = np.argmin(np.linalg.norm(these.positions_um, axis=1))
    apart = np.linalg.norm(these.positions_um - these.positions_um[middle], axis=1)
    assert np.count_nonzero(np.abs(apart - 10.0) < 1e-6) == 6


def test_a_dead_core_takes_nothing_up_and_counts_nowhere():
    these = ball(radius_um=60.0, necrotic_radius_um=25.0)
    dead = np.linalg.norm(these.positions_um, axis=1) < 25.0
    assert dead.any()
    np.testing.assert_array_equal(these.alive, ~dead)
    assert not these.decays[dead].any()
    assert these.decays[~dead].mean() == pytest.approx(1.0)
    dose = cluster_dose(these)
    assert not dose.total_Gy[dead].any()
    found = survival(these, LinearQuadratic(0.5), dose=dose)
    assert found.expected_survivors == pytest.approx(found.survival[~dead].sum())


def test_uptake_falls_with_depth():
    these = ball(radius_um=100.0, penetration_depth_um=40.0)
    r = np.linalg.norm(these.positions_um, axis=1)
    rim, middle = these.decays[np.argmax(r)], these.decays[np.argmin(r)]
    assert middle / rim == pytest.approx(math.exp(-100 / 40))
    assert these.decays.mean() == pytest.approx(1.0)


# --- uptake ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uptake", [Uniform(), Lognormal(0.7), Labelled(0.1), ReceptorHistogram((0, 1e4, 1e5), (50, 30, 20))]
)
def test_mean_is_kept_and_the_seed_decides(uptake):
    one, same, other = (ball(radius_um=100.0, uptake=uptake, decays_per_cell=3.0, seed=s).decays for s in (1, 1, 2))
    assert one.mean() == pytest.approx(3.0)
    np.testing.assert_array_equal(one, same)
    if not isinstance(uptake, Uniform):
        assert (one != other).any()


def test_spread_of_each_uptake():
    n = len(ball(radius_um=200.0))
    logs = ball(radius_um=200.0, uptake=Lognormal(0.7)).decays
    assert logs.std() / logs.mean() == pytest.approx(0.7, abs=0.02)  # 33 401 draws
    labelled = ball(radius_um=200.0, uptake=Labelled(0.1)).decays
    assert np.count_nonzero(labelled) == round(0.1 * n)
    assert labelled.max() == pytest.approx(n / round(0.1 * n))
    values, counts = np.unique(
        ball(radius_um=200.0, uptake=ReceptorHistogram((0, 1, 3), (50, 30, 20))).decays, return_counts=True
    )
    np.testing.assert_allclose(counts / n, (0.5, 0.3, 0.2), atol=1e-4)
    assert values[2] / values[1] == pytest.approx(3.0)


def test_a_table_is_taken_as_given():
    these = cluster([[0, 0, 0], [20, 0, 0], [40, 0, 0]], "Lu-177", decays_per_cell=4.0, uptake=Table((1.0, 0.0, 5.0)))
    np.testing.assert_allclose(these.decays, [2.0, 0.0, 10.0])


# --- daughters -------------------------------------------------------------------------------------------------------


def test_daughters_stay_with_their_parents_unless_told():
    these = spheroid("Ac-225", decays_per_cell=1.0, radius_um=10.0, source={"surface": 0.6, "cytoplasm": 0.4})
    for shares in these.places.values():
        assert dict(shares) == pytest.approx({"surface": 0.6, "cytoplasm": 0.4})
    assert max(these.lost.values()) == pytest.approx(0.0, abs=1e-12)
    assert any("where its parent did" in n for n in these.notes)


def test_a_lost_daughter_takes_its_progeny_along():
    these = spheroid(
        "Ac-225", decays_per_cell=1.0, radius_um=10.0, daughters={"Fr-221": {"surface": 0.5}, "Bi-213": "nucleus"}
    )
    assert these.lost["At-217"] == pytest.approx(0.5)
    assert dict(these.places["Po-213"]) == pytest.approx({"nucleus": 0.5})
    assert any("Fr-221 50%" in n for n in these.notes)


def test_places_mean_the_same_in_a_cluster_and_in_one_cell():
    shares = {
        "Fr-221": {"surface": 0.5, "cytoplasm": 0.2},
        "Bi-213": {"nucleus": 0.4, "surface": 0.3},
        "Po-213": "cytoplasm",
    }
    these = spheroid("Ac-225", decays_per_cell=1.0, cells=1, daughters=shares)
    z = at.specific_energy(
        "Ac-225", cell_radius_um=5, nucleus_radius_um=4,
        places={n: s if isinstance(s, str) else {**s, "lost": 0.3} for n, s in shares.items()},
    )  # fmt: skip
    found = {(c.nuclide, c.place): c.decays for c in z.components}
    assert found[("Po-213", "cytoplasm")] == pytest.approx(0.7 * 0.7 * these.decays_per_parent["Po-213"])
    for (name, place), decays in found.items():
        assert these.decays_per_parent[name] * these.places[name][place] == pytest.approx(decays, rel=1e-9)
    gone = spheroid("Ac-225", decays_per_cell=1.0, cells=1, daughters={"Fr-221": {}, "Bi-213": "nucleus"})
    assert gone.lost["Bi-213"] == 1.0


def test_progeny_of_a_member_that_outlives_a_year_wants_its_mother_named():
    with pytest.raises(DomainError, match=r"Po-210 .* Give that a place too"):
        spheroid("Pb-214", decays_per_cell=1.0, cells=1, daughters={"Po-210": "surface"})
    both = spheroid("Pb-214", decays_per_cell=1.0, cells=1, daughters={"Pb-210": "surface", "Po-210": "surface"})
    assert both.lost["Po-210"] == pytest.approx(0.0, abs=1e-9)


def test_another_nuclide_in_the_same_places():
    these = ball(source="cytoplasm", uptake=Lognormal(1.0))
    other = these.with_nuclide("Lu-177")
    assert (other.nuclide, dict(other.places["Lu-177"])) == ("Lu-177", {"cytoplasm": 1.0})
    np.testing.assert_array_equal(other.decays, these.decays)
    assert these.nuclide == "Po-210"


def test_scaled_to_a_mean_dose():
    these, dose = at_mean_dose(ball(radius_um=60.0), 2.5)
    assert dose.mean_Gy == pytest.approx(2.5)
    assert cluster_dose(these).mean_Gy == pytest.approx(2.5)
    assert cluster_dose(these).zero_hit_share == pytest.approx(dose.zero_hit_share)


def test_arrays_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        ball().decays[0] = 5.0


# --- refusals --------------------------------------------------------------------------------------------------------

REFUSED = [
    ({"nucleus_radius_um": 6.0}, "6 um in a cell of radius 5 um"),
    ({"nucleus_radius_um": 5.0}, "smaller than the cell"),
    ({"cell_radius_um": 0.0}, "0"),
    ({"pitch_um": 8.0}, "overlap below 10 um"),
    ({"radius_um": None}, "one of the two"),
    ({"cells": 10}, "one of the two"),
    ({"radius_um": None, "cells": 0}, "whole number"),
    ({"radius_um": None, "cells": 10**9}, "whole number"),
    ({"radius_um": float("nan")}, "radius_um"),
    ({"packing": "cubc"}, "Did you mean cubic"),
    ({"packing": "random", "volume_fraction": 0.6}, "at most 0.3"),
    ({"necrotic_radius_um": 100.0}, "alive"),
    ({"source": "membrane"}, "surface, cytoplasm, nucleus, cell"),
    ({"source": {"surface": 0.7, "nucleus": 0.5}}, "1.2, more than 1"),
    ({"source": {"surface": -0.1}}, "between 0 and 1"),
    ({"decays_per_cell": -1.0}, "decays_per_cell"),
    ({"decays_per_cell": float("inf")}, "decays_per_cell"),
    ({"penetration_depth_um": -5.0}, "penetration_depth_um"),
    ({"daughters": {"Bi-213": "surface"}}, "Bi-213"),
]


@pytest.mark.parametrize(("changes", "told"), REFUSED, ids=lambda v: str(v)[:40])
def test_bad_clusters_are_refused_in_words(changes, told):
    with pytest.raises((DomainError, CatalogError)) as caught:
        ball(**changes)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Labelled(1.5), "a percentage"),
        (lambda: Labelled(25), "0.25 is 25 %"),
        (lambda: Labelled(0.0), "above 0"),
        (lambda: Labelled(float("nan")), "nan"),
        (lambda: Lognormal(-1.0), "cv"),
        (lambda: ReceptorHistogram((1.0,), (1.0, 2.0)), "pairs"),
        (lambda: ReceptorHistogram((0.0,), (5.0,)), "receptors"),
        (lambda: Table(()), "one finite number"),
        (lambda: cluster([[0, 0, 0]], "Po-210", decays_per_cell=1.0, uptake=Table((1.0, 2.0))), "2 values for 1"),
        (lambda: cluster([[0, 0, 0], [9, 0, 0]], "Po-210", decays_per_cell=1.0), "Cells 0 and 1 overlap"),
        (lambda: cluster([[0, 0]], "Po-210", decays_per_cell=1.0), "shape (1, 2)"),
        (lambda: cluster([], "Po-210", decays_per_cell=1.0), "shape"),
        (lambda: cluster([[0, 0, math.nan]], "Po-210", decays_per_cell=1.0), "finite"),
        (lambda: cluster([[0, 0, 0]], "Po-210", decays_per_cell=1.0, penetration_depth_um=5.0), "depth_um"),
        (lambda: spheroid("Po-2100", decays_per_cell=1.0, radius_um=10.0), "Po-210"),
        (lambda: monolayer("Po-210", decays_per_cell=1.0, cells=10, packing="random"), "close, cubic"),
        (lambda: ball().scaled(-1.0), "-1"),
        (lambda: at_mean_dose(ball(decays_per_cell=0.0), 1.0), "no dose"),
    ],
)
def test_bad_input_is_refused_in_words(make, told):
    with pytest.raises((DomainError, CatalogError)) as caught:
        make()
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"response": MKM(0.15, 0.06, 20.0)}, "LinearQuadratic or SingleHit"),
        ({"events": "hit"}, "decay and atom"),
        ({"clonogenic_fraction": 0.0}, "above 0"),
        ({"dose_modifying_factor": 0.0}, "above 0"),
        ({"dose_modifying_factor": [1.0, 1.0]}, "shape (2,)"),
        ({"dose_modifying_factor": 50.0}, "up to 10"),
        ({"low_let": LinearQuadratic(0.3, 0.03, 0.5)}, "share one dose-rate curve"),
    ],
)
def test_bad_survival_is_refused_in_words(changes, told):
    with pytest.raises(DomainError) as caught:
        survival(**{"these": ball(), "response": LinearQuadratic(0.3, 0.03), **changes})
    assert told in str(caught.value)


# --- results ---------------------------------------------------------------------------------------------------------


def test_no_decays_no_dose_everybody_lives():
    these = ball(decays_per_cell=0.0)
    found = survival(these, LinearQuadratic(0.5, 0.05))
    assert found.surviving_fraction == pytest.approx(1.0, abs=1e-12)
    assert found.zero_hit_share == 1.0
    assert not found.dose.crossfire_share.any()


def test_control_follows_from_the_survivors():
    these = ball(radius_um=60.0, decays_per_cell=60.0)
    found = survival(these, LinearQuadratic(0.5, 0.05), clonogenic_fraction=0.01)
    assert found.expected_survivors == pytest.approx(0.01 * found.survival.sum())
    assert found.tumour_control == pytest.approx(math.exp(-found.expected_survivors))


def test_crossfire_reaches_cells_without_activity():
    these = ball(radius_um=60.0, uptake=Labelled(0.1), decays_per_cell=1.0)
    dose = cluster_dose(these)
    bare = these.decays == 0
    assert dose.crossfire_share[bare].min() == 1.0
    assert dose.crossfire_share[~bare].max() < 0.8
    assert 0 < dose.mean_crossfire_share < 1


def test_positions_from_lines():
    where, uptake = positions_from(["x,y,z", "# a comment", "0, 0, 0", "", "12, 0, 0"], "p.csv")
    assert (where.shape, uptake) == ((2, 3), None)
    _, uptake = positions_from(["0,0,0,1", "12,0,0,2.5"], "p.csv")
    assert uptake.tolist() == [1.0, 2.5]
    for lines, told in (
        (["0,0"], "line 1"),
        (["0,0,0", "a,b,c"], "line 2"),
        (["0,0,0", "1,2,3,4"], "line 2"),
        ([], "no cells"),
    ):
        with pytest.raises(DomainError, match=told):
            positions_from(lines, "p.csv")


# --- an image of uptake ----------------------------------------------------------------------------------------------


def test_cells_take_the_mean_of_the_pixels_that_they_cover():
    x = np.arange(120.0)
    image = np.tile(x, (120, 1))  # intensity rises with x, 1 um a pixel, middle at 60
    where = np.array([[-30.0, 0.0, 0.0], [0.0, 20.0, 7.0], [41.5, -9.0, 3.0]])
    found = ImageUptake(image, 1.0).at(where, 5.0)
    np.testing.assert_allclose(found, where[:, 0] + 59.5, rtol=1e-9)
    spot = np.zeros((120, 120))
    spot[60:, :60] = 2.0  # y > 0, x < 0: rows rise with y
    these = cluster(
        [[-30, 30, 0], [30, 30, 0], [-30, -30, 0]], "Po-210", decays_per_cell=1.0, uptake=ImageUptake(spot, 1.0)
    )
    np.testing.assert_allclose(these.decays, [3.0, 0.0, 0.0])


def test_an_image_with_height_and_large_pixels():
    image = np.zeros((3, 3, 3))
    image[2, 1, 0] = 1.0  # z high, y middle, x low
    assert ImageUptake(image, 20.0).at(np.array([[-20.0, 0.0, 20.0], [20.0, 0.0, 20.0]]), 5.0).tolist() == [1.0, 0.0]
    flat = spheroid("Po-210", decays_per_cell=2.0, radius_um=30.0, uptake=ImageUptake(np.ones((10, 10)), 10.0))
    np.testing.assert_allclose(flat.decays, 2.0)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: ImageUptake(np.ones(4), 1.0), "shape"),
        (lambda: ImageUptake(np.array([["a", "b"]]), 1.0), "numbers"),
        (lambda: ImageUptake(np.zeros((4, 4)), 1.0), "above 0"),
        (lambda: ImageUptake(-np.ones((4, 4)), 1.0), "not negative"),
        (lambda: ImageUptake(np.ones((4, 4)), 0.0), "pixel_um"),
        (lambda: ImageUptake(np.ones((4, 4)), 1.0, (0.0,)), "centre_um"),
        (lambda: ball(uptake=ImageUptake(np.ones((4, 4)), 1.0)), "covers 4 x 4 um"),
        (lambda: ImageUptake(np.ones((4, 4)), 1.0).relative(3, np.random.default_rng(1)), "positions"),
    ],
)
def test_bad_images_are_refused_in_words(make, told):
    with pytest.raises(DomainError) as caught:
        make()
    assert told in str(caught.value)


def test_the_medium_belongs_to_a_spheroid_of_some_cells():
    with pytest.raises(DomainError, match="cells of a spheroid"):
        monolayer("Po-210", decays_per_cell=1.0, cells=10, source={"medium": 0.5})
    with pytest.raises(DomainError, match="two cells or more"):
        spheroid("Po-210", decays_per_cell=1.0, cells=1, source="medium")
    with pytest.raises(DomainError, match="Did you mean medium"):
        spheroid("Po-210", decays_per_cell=1.0, cells=5, source="medum")


def test_every_uptake_is_at_the_top_level():
    import alphatwin as at

    for uptake in ("Uniform", "Lognormal", "Labelled", "ReceptorHistogram", "Table", "ImageUptake"):
        assert getattr(at, uptake).__module__ == "alphatwin.dose._uptake"
    pair = at.cluster([[0, 0, 0], [20, 0, 0]], "210Po", decays_per_cell=1.0, uptake=at.Table((1.0, 3.0)))
    assert (pair.nuclide, pair.decays.tolist()) == ("Po-210", [0.5, 1.5])


def test_a_daughter_in_two_spellings_is_refused():
    with pytest.raises(DomainError, match="two spellings"):
        spheroid("Ac-225", decays_per_cell=1.0, radius_um=20.0, daughters={"Bi-213": "surface", "213Bi": "nucleus"})
