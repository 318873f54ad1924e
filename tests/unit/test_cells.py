"""Behaviour of cellular S values: shapes, coordinates, units, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin import catalog
from alphatwin.errors import CatalogError, DomainError
from alphatwin.transport import _cell_geometry as geometry
from alphatwin.transport import cells
from alphatwin.transport._random import uniforms
from alphatwin.transport.cells import CellShape, alpha_moments, cell_s_values, shaped_cell_s_values


def test_dims_units_and_chain_members():
    s = at.cell_s_values("Ac-225", 5.0, 4.0)
    assert s.dims == ("target", "source", "nuclide", "radiation")
    assert s.attrs["units"] == "Gy"
    assert s["target"].values.tolist() == ["nucleus", "cytoplasm", "cell"]
    assert s["source"].values.tolist() == ["nucleus", "cytoplasm", "surface", "cell"]
    assert tuple(s["nuclide"].values) == at.nuclide("Ac-225").chain
    assert s["radiation"].values.tolist() == ["alpha", "recoil", "electron", "photon"]
    assert bool((s >= 0).all())
    alone = at.cell_s_values("Bi-213", 5.0, 4.0, chain=False)
    assert alone.sizes["nuclide"] == 1
    assert np.array_equal(alone.sel(nuclide="Bi-213").values, s.sel(nuclide="Bi-213").values)  # per decay of the member
    assert float(s["decays_per_parent"].sel(nuclide="Tl-209")) == at.nuclide("Ac-225").branching_to("Tl-209")


def test_every_source_is_in_the_bibliography():
    s = cell_s_values("Pb-212", 6.0, 3.0)
    assert {"goddu1994sphere", "astar"} <= set(s.attrs["sources"].split())
    for key in s.attrs["sources"].split():
        assert at.source(key)


def test_several_distances_are_the_single_ones():
    far = [0.0, 10.0, 17.5, 60.0, 500.0, *np.linspace(20.0, 90.0, 70)]
    many = cell_s_values("At-211", 5.0, 4.0, distance_um=far)
    assert many.dims[0] == "distance"
    assert many["distance"].attrs["units"] == "um"
    for i in (0, 1, 2, 3, 4, 40):
        single = cell_s_values("At-211", 5.0, 4.0, distance_um=far[i])
        assert np.array_equal(many[i].values, single.values)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nucleus_radius_um": 6.0}, "must be smaller"),
        ({"nucleus_radius_um": 5.0}, "must be smaller"),
        ({"nucleus_radius_um": 0.0}, "0.1 and 1000"),
        ({"cell_radius_um": 0.0}, "0.1 and 1000"),
        ({"cell_radius_um": -5.0}, "0.1 and 1000"),
        ({"cell_radius_um": math.nan}, "0.1 and 1000"),
        ({"cell_radius_um": math.inf}, "0.1 and 1000"),
        ({"cell_radius_um": "5 um"}, "micrometres"),
        ({"cell_radius_um": 5000.0}, "micrometres"),
        ({"distance_um": -1.0}, "it is 0"),
        ({"distance_um": 9.9}, "overlap below 10 um"),
        ({"distance_um": [0.0, 3.0]}, "overlap"),
        ({"distance_um": math.nan}, "nan"),
        ({"distance_um": 1e9}, "10000"),
        ({"distance_um": []}, "shape"),
        ({"distance_um": np.ones((2, 2))}, "shape"),
        ({"cell_radius_um": None}, "micrometres"),
        ({"cell_radius_um": True}, "micrometres"),
        ({"nucleus_radius_um": [4.0]}, "micrometres"),
        ({"distance_um": "12"}, "a number or an array"),
        ({"distance_um": None}, "a number or an array"),
        ({"distance_um": [10.0, True]}, "a number or an array"),
        ({"chain": 10.0}, "distance_um=10.0"),  # a distance in the place of `chain`
        ({"chain": None}, "True or False"),
        ({"nuclide": "Cf-252"}, "fissions"),
        ({"nuclide": "N-16"}, "point kernel ends"),
    ],
)
def test_bad_input_is_refused_in_words(change, words):
    given_ = {"nuclide": "Po-210", "cell_radius_um": 5.0, "nucleus_radius_um": 4.0, "chain": False} | change
    with pytest.raises(DomainError, match=words):
        cell_s_values(**given_)


def test_unknown_names_are_refused():
    with pytest.raises(CatalogError, match="Did you mean Ac-225"):
        cell_s_values("Ac-2255", 5.0, 4.0)
    with pytest.raises(CatalogError, match="No medium"):
        cell_s_values("Ac-225", 5.0, 4.0, medium="treacle")


def test_cells_that_touch_are_neighbours():
    touching = cell_s_values("Po-210", 5.0, 4.0, distance_um=10.0 * (1 - 1e-12))
    assert np.array_equal(touching.values, cell_s_values("Po-210", 5.0, 4.0, distance_um=10.0).values)


def test_medium_density_and_mass_enter():
    water, tissue = (cell_s_values("Po-210", 5.0, 4.0, medium=m).sel(radiation="recoil") for m in ("water", "muscle"))
    ratio = at.medium("muscle").density_g_per_cm3
    assert float(water.sel(target="cell", source="cell").item()) == pytest.approx(
        ratio * float(tissue.sel(target="cell", source="cell").item()), rel=1e-12
    )


@settings(max_examples=40, deadline=None)
@given(
    st.floats(1.0, 60.0),
    st.floats(0.15, 0.97),
    st.one_of(st.just(0.0), st.floats(1.0, 8.0)),
    st.floats(0.001, 4.0),
    st.sampled_from(geometry.SOURCES),
)
def test_reduction_factors_are_chances(rc, part, apart, at_x, source):
    rn, d = rc * part, 2 * rc * apart
    x = np.array([at_x * rc + d / 2])
    to = {t: float(geometry.reduction(x, t, source, rc, rn, d)[0]) for t in geometry.TARGETS}
    assert all(-1e-12 <= v <= 1 + 1e-12 for v in to.values())
    assert to["nucleus"] + to["cytoplasm"] == pytest.approx(to["cell"], abs=1e-12)


# --- shapes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (((5, 5, 5), (4, 4, 4), (0, 0, 1.5)), "sticks out"),
        (((5, 5, 3), (3, 3, 3.5)), "sticks out"),
        (((9, 5, 5), (6, 4.4, 4.4), (2.8, 0.5, 0)), "sticks out"),
        (((5, 5), (4, 4, 4)), "three numbers"),
        (((5, 5, 0), (4, 4, 4)), "between"),
        (((5, 5, 5), (4, 4, math.nan)), "nan"),
        (((5, 5, math.inf), (4, 4, 4)), "three numbers"),
        (((5, 5, "5"), (4, 4, 4)), "array of numbers"),
        (((5, 5, [5]), (4, 4, 4)), "array of numbers"),
        ((None, (4, 4, 4)), "array of numbers"),
        (((5, 5, 5), (4, 4, 4), (0, 0, True)), "array of numbers"),
    ],
)
def test_shapes_that_do_not_exist(shape, words):
    with pytest.raises(DomainError, match=words):
        CellShape(*shape)


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(*[st.floats(2.0, 12.0)] * 3),
    st.tuples(*[st.floats(0.5, 5.0)] * 3),
    st.tuples(*[st.floats(-4.0, 4.0)] * 3),
)
def test_a_nucleus_is_inside_exactly_when_its_points_are(cell, nucleus, offset):
    ways = np.random.default_rng(1).normal(size=(20_000, 3))
    ways /= np.linalg.norm(ways, axis=1)[:, None]
    furthest = float(np.max(np.linalg.norm((ways * nucleus + offset) / np.array(cell), axis=1)))
    if furthest > 1 + 1e-6:
        with pytest.raises(DomainError):
            CellShape(cell, nucleus, offset)
    elif furthest < 0.98:  # 20 000 directions come within 2 % of the furthest point
        CellShape(cell, nucleus, offset)


def test_same_seed_same_bits_and_another_seed_other_ones():
    shape = CellShape((8.0, 6.0, 5.0), (4.0, 3.0, 3.0), (1.0, 0.5, -0.5))
    first, again, other = (shaped_cell_s_values("Po-210", shape, histories=20_000, seed=k) for k in (3, 3, 4))
    assert np.array_equal(first.s.values, again.s.values)
    assert not np.array_equal(first.s.values, other.s.values)


def test_monte_carlo_refusals():
    shape = CellShape.sphere(5.0, 4.0)
    with pytest.raises(DomainError, match="histories"):
        shaped_cell_s_values("Po-210", shape, histories=10)
    with pytest.raises(DomainError, match="seed"):
        shaped_cell_s_values("Po-210", shape, seed=-1)
    with pytest.raises(DomainError, match="overlap"):
        shaped_cell_s_values("Po-210", shape, neighbour_um=(0.0, 3.0, 0.0))
    with pytest.raises(DomainError, match="three numbers"):
        shaped_cell_s_values("Po-210", shape, neighbour_um=(12.0,))
    with pytest.raises(DomainError, match="Did you mean surface"):
        alpha_moments(5.0, shape, "surfac")
    with pytest.raises(DomainError, match="target"):
        alpha_moments(5.0, shape, "surface", target="membrane")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: shaped_cell_s_values("Po-210", (5.0, 4.0)), "CellShape.sphere"),
        (lambda s: shaped_cell_s_values("Po-210", s, histories="1e6"), "histories"),
        (lambda s: shaped_cell_s_values("Po-210", s, histories=1500.5), "whole number"),
        (lambda s: shaped_cell_s_values("Po-210", s, seed=1.5), "whole number"),
        (lambda s: shaped_cell_s_values("Po-210", s, seed=None), "whole number"),
        (lambda s: shaped_cell_s_values("Po-210", s, neighbour_um="12"), "array of numbers"),
        (lambda s: shaped_cell_s_values("Po-210", s, chain="no"), "True or False"),
        (lambda s: alpha_moments("5.3 MeV", s, "surface"), "energy_MeV"),
        (lambda s: alpha_moments(-5.3, s, "surface"), "energy_MeV"),
        (lambda s: alpha_moments(5.3, s, None), "No source None"),
        (lambda s: alpha_moments(5.3, None, "surface"), "CellShape.sphere"),
        (lambda s: CellShape.sphere(5.0, 4.0, offset_um="1"), "array of numbers"),
    ],
)
def test_shapes_refuse_what_is_no_number_in_words(call, words):
    with pytest.raises(DomainError, match=words):
        call(CellShape.sphere(5.0, 4.0))


@pytest.mark.parametrize(("name", "cell", "nucleus"), [("Po-210", 0.2, 0.1), ("I-125", 0.6, 0.3)])
def test_shapes_far_smaller_than_a_micrometre(name, cell, nucleus):
    """The grid of distances follows the shape: electrons of 60 nm against the exact engine, 4.5 standard errors."""
    exact = cell_s_values(name, cell, nucleus, chain=False)
    made = shaped_cell_s_values(name, CellShape.sphere(cell, nucleus), chain=False, histories=500_000)
    off = np.abs(made.s - exact).values
    assert np.all(off <= 4.5 * made.standard_error.values + 1e-9 * exact.values)


def test_histories_may_be_written_as_2e4():
    shape = CellShape.sphere(5.0, 4.0)
    runs = [shaped_cell_s_values("Po-210", shape, histories=n, seed=2.0) for n in (20_000, 2e4)]
    assert np.array_equal(runs[0].s.values, runs[1].s.values)
    assert runs[1].attrs["histories"] == 20_000


def test_random_numbers_are_those_of_the_transport_room():
    """Five uniforms of a block are the top 25 bits of `uniforms`' four words, and the bits that are left."""
    from alphatwin.transport._cell_monte_carlo import _five

    for history, draw in ((0, 0), (12345, 2), (2**33 + 7, 1)):
        fine = [round(u * 2**32 - 0.5) for u in uniforms(9, 3, history, draw)]
        coarse = _five(9, 3, history, draw)
        for word, u in zip(fine, coarse[:4], strict=True):
            assert u == ((word >> 7) + 0.5) / 2**25
        assert coarse[4] == (sum((w & 127) << s for w, s in zip(fine, (21, 14, 7, 0), strict=True)) + 0.5) / 2**28


def test_point_energy_is_computed_once_and_read_only():
    table = cells.point_energy("Po-210", "water")
    assert table is cells.point_energy("Po-210", "water")
    with pytest.raises(ValueError, match="read-only"):
        table.within_MeV[0, 0] = 1.0


# --- structures ------------------------------------------------------------------------------------------------------

STRUCTURES = ("kidney-glomerulus", "kidney-proximal-tubule", "marrow-cavity", "salivary-acinus")


def test_structures_are_cited_and_say_what_is_missing():
    assert set(STRUCTURES) <= set(catalog.entries("structure"))
    for name in STRUCTURES:
        entry = at.structure(name)
        numbers = list(catalog.cited_in(entry))
        assert numbers
        assert entry.gaps
        assert all(at.source(cited.source) for _, cited in numbers)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"filled_fraction": None}, "go with a packing"),
        ({"packing": "fcc"}, "cylinders are packed hexagonal"),
        ({"between": "lumen"}, "named twice"),
        ({"cells": {"x": {"zone": "attic", "nucleus_diameter": "?"}}}, "no zone is called attic"),
        ({"zones": 1}, "above 0 and in um"),
        ({"inclusions": 1}, "spherical"),
    ],
)
def test_structures_that_do_not_hold_together_are_refused(change, words):
    data = at.structure("kidney-proximal-tubule").model_dump()
    if "cells" in change:
        change["cells"]["x"]["nucleus_diameter"] = data["cells"]["tubule_cells"]["nucleus_diameter"]
    if "zones" in change:
        change["zones"] = [
            dict(data["zones"][0], thickness=dict(data["zones"][0]["thickness"], unit="mm")),
            data["zones"][1],
        ]
    if "inclusions" in change:
        length = data["zones"][0]["thickness"]
        change["inclusions"] = {
            "name": "x", "medium": "adipose", "zones": ["lumen"], "diameter": length, "volume_fraction": length,
        }  # fmt: skip
    with pytest.raises(CatalogError, match=words):
        catalog.load_entry(data | change, catalog.Structure, "test")


@pytest.mark.parametrize(
    ("decays", "places", "words"),
    [
        ({}, {"epithelium": 1.0}, "at least one"),
        ({"Po-210": -1.0}, {"epithelium": 1.0}, "0 or more"),
        ({"Po-210": math.nan}, {"epithelium": 1.0}, "0 or more"),
        ({"Po-210": 1.0}, {"epithelum": 1.0}, "Did you mean epithelium"),
        ({"Po-210": 1.0}, {"epithelium": 0.5}, "sum to 0.5"),
        ({"Po-210": 1.0}, {"epithelium": 1.5, "lumen": -0.5}, "between 0 and 1"),
        ({"Po-210": 1.0}, {"Bi-213": {"epithelium": 1.0}}, "nothing about Po-210"),
    ],
)
def test_structure_dose_refusals(decays, places, words):
    with pytest.raises(DomainError, match=words):
        at.structure_dose("kidney-proximal-tubule", decays, places)


def test_structure_dose_is_linear_and_daughters_may_sit_elsewhere():
    decays = {"Ac-225": 1e6, "Bi-213": 2e6}
    places = {"Ac-225": {"epithelium": 1.0}, "Bi-213": {"lumen": 0.5, "brush_border": 0.5}}
    once = at.structure_dose("kidney-proximal-tubule", decays, places, histories=20_000)
    twice = at.structure_dose("kidney-proximal-tubule", {n: 2 * v for n, v in decays.items()}, places, histories=20_000)
    assert np.allclose(twice.dose.values, 2 * once.dose.values, rtol=1e-12)
    s = at.structure_s_values("kidney-proximal-tubule", "Bi-213", chain=False, histories=20_000).sel(nuclide="Bi-213")
    half = 0.5 * (s.sel(source="lumen") + s.sel(source="brush_border")) * 2e6
    assert np.allclose(once.dose.sel(nuclide="Bi-213").values, half.values, rtol=1e-12)
    missed = np.exp(-once.hits.sum("nuclide").values)  # if every place in the zone had the mean; they differ a little
    assert np.allclose(1 - missed, once.share_hit.values, rtol=0.02)
    assert np.all(once.share_hit.values <= 1 - missed + 1e-12)
    assert once.dose.attrs["units"] == once.organ_mean.attrs["units"] == "Gy"
