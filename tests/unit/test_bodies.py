"""Stylised bodies: what is refused, names, unions, remainder, shapes of the result."""

from __future__ import annotations

import numpy as np
import pytest

import alphatwin as at
from alphatwin import catalog
from alphatwin.catalog.bodies import Body, Primitive, bodies, body
from alphatwin.errors import CatalogError, DomainError
from alphatwin.transport import RegionMass
from alphatwin.transport import _body_transport as transport
from alphatwin.transport.bodies import BODY_OF, body_fractions, body_s_values, inside_region, voxel_body


def test_every_body_of_the_catalogue_is_readable():
    assert "adult" in bodies()
    with pytest.raises(CatalogError, match=r"no body 'adlt' here. Did you mean adult"):
        body("adlt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tissues": {}}, "tissues"),
        ({"regions": {}}, "regions"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_broken_body_is_refused(change, message):
    good = body("adult").model_dump()
    with pytest.raises(ValueError, match=message):
        Body.model_validate(good | change)


def test_a_region_of_an_unknown_tissue_is_refused():
    good = body("adult").model_dump()
    good["regions"]["liver"]["tissue"] = "stone"
    with pytest.raises(ValueError, match="region liver is of 'stone'"):
        Body.model_validate(good)


def test_marrow_shares_must_sum_to_all():
    good = body("adult").model_dump()
    good["regions"]["pelvis"]["marrow_share"]["value"] = 10.0
    with pytest.raises(ValueError, match="shares of red marrow sum to"):
        Body.model_validate(good)


def test_a_primitive_is_one_shape():
    with pytest.raises(ValueError, match="exactly one shape; given: none"):
        Primitive.model_validate({})
    with pytest.raises(ValueError, match="box, half_space"):
        Primitive.model_validate({"box": {}, "half_space": {"normal": [0, 0, 1], "at_most": 0}})
    with pytest.raises(ValueError, match="greater than 0"):
        Primitive.model_validate({"ellipsoid": {"center": [0, 0, 0], "axes": [1, -1, 1]}})


@pytest.mark.parametrize(
    ("primitive", "inside", "outside"),
    [
        ({"ellipsoid": {"center": [1, 0, 0], "axes": [2, 1, 3]}}, (2.9, 0, 0), (3.1, 0, 0)),
        (
            {"ellipsoid": {"center": [0, 0, 0], "axes": [2, 1, 1], "rotation": [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]}},
            (0, 1.9, 0),
            (1.9, 0, 0),
        ),
        (
            {"frustum": {"along": [0, 10], "centers": [[0, 0], [4, 0]], "axes": [[1, 1], [2, 1]]}},
            (5.8, 0, 9.99),
            (2.1, 0, 1),
        ),
        (
            {"frustum": {"along": [-1, 1], "centers": [[0, 0], [0, 0]], "axes": [[1, 2], [1, 2]], "axis": "x"}},
            (0, 0, 1.9),
            (0, 1.1, 0),
        ),
        ({"torus": {"center": [0, 0, 0], "axis": "y", "radii": [5, 1]}}, (0, 0.5, 5), (0, 0, 3.9)),
        ({"box": {"x": [0, 1]}}, (0.5, 99, -99), (1.5, 0, 0)),
        ({"half_space": {"normal": [1, 0, 1], "at_most": 1}}, (0, 0, 0.9), (0.6, 0, 0.6)),
        ({"stripes": {"start": 1.0, "width": 2.0}}, (0, 0, 2.5), (0, 0, 3.5)),
        ({"lobes": {"center": [0, 0, 0], "radii": [1, 2], "height": 5}}, (1.5, -0.3, 2.5), (0, -1.5, 2.5)),
    ],
)
def test_shapes(primitive, inside, outside):
    region = body("adult").regions["liver"].model_copy(
        update={"parts": (body("adult").regions["liver"].parts[0].model_copy(update={"inside": (Primitive.model_validate(primitive),)}),)}
    )  # fmt: skip
    x, y, z = np.array([inside, outside], dtype=float).T
    assert inside_region(region, x, y, z).tolist() == [True, False]


def test_left_is_left_and_organs_lie_where_they_belong():
    grid = voxel_body("adult", 0.5)
    z, y, x = (np.indices(grid.labels.shape) + 0.5) * 0.5
    centre = {n: float(x[grid.labels == k].mean()) - 20 for k, n in enumerate(grid.names) if n.startswith("kidney")}
    assert centre["kidney_left"] == pytest.approx(-centre["kidney_right"], abs=0.01)
    assert centre["kidney_left"] > 5
    liver = grid.labels == grid.names.index("liver")
    assert x[liver].mean() - 20 < -3
    height = {n: z[grid.labels == grid.names.index(n)].mean() for n in ("gonads", "liver", "lungs", "brain")}
    assert sorted(height, key=height.__getitem__) == ["gonads", "liver", "lungs", "brain"]
    assert y[liver].size


def test_voxel_body_refuses_a_silly_edge():
    with pytest.raises(DomainError, match="edge_cm given as 5"):
        voxel_body("adult", 5.0)


@pytest.mark.parametrize("name", bodies())
def test_the_shipped_file_is_complete_and_positive(name):
    f = body_fractions(name)
    grid = voxel_body(name, 0.5)
    assert f.names == transport.sources_of(grid)
    scaled = grid.body.scaled_from is not None
    assert f.energy_MeV.tolist() == list(transport.SCALED_MEV if scaled else transport.ENERGIES_MEV)
    assert np.all(f.saf >= 0)
    assert np.all(f.u >= 0)
    diagonal = np.diagonal(f.saf, axis1=1, axis2=2)
    assert np.all(diagonal > 0)
    assert np.all(np.diagonal(f.u, axis1=1, axis2=2) < 0.03 * diagonal)
    # no region absorbs more than is emitted, red marrow and skeleton counted once
    places = [i for i, n in enumerate(f.names) if n != "red_marrow"]
    absorbed = np.einsum("ets,t->es", f.direct[:, places], f.mass_g[places] / 1e3)
    assert np.all(absorbed < 1.015)
    assert np.all(absorbed[0] > 0.4)  # at 10 keV (mean free path 2 mm) even the skin


def test_fractions_between_the_energies():
    f = body_fractions("adult")
    at_nodes, u = f.at(f.energy_MeV)
    np.testing.assert_allclose(at_nodes[f.saf > 1e-12], f.saf[f.saf > 1e-12], rtol=1e-9)
    np.testing.assert_allclose(u[f.saf > 1e-12], f.u[f.saf > 1e-12], rtol=1e-6, atol=1e-12)
    low = f.at([1e-3])[0][0]
    np.testing.assert_allclose(np.diag(low), 1e3 / f.mass_g)
    assert low.sum() == pytest.approx(np.diag(low).sum())
    with pytest.raises(DomainError, match="Photon energy 5 MeV"):
        f.at([5.0])


def test_same_bits_for_any_number_of_threads():
    import numba

    world = transport.body_world(voxel_body("adult", 0.5))
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = transport.follow(world, "spleen", 0.1, histories=2000)
        numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
        two = transport.follow(world, "spleen", 0.1, histories=2000)
    finally:
        numba.set_num_threads(before)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_shape_names_and_units():
    s = at.organ_s_values("Ac-225")
    assert s.dims == ("target", "source", "nuclide", "radiation")
    assert s.attrs["units"] == "Gy"
    assert list(s.nuclide.values[:3]) == ["Ac-225", "Fr-221", "At-217"]
    for name in ("kidneys", "liver", "spleen", "red_marrow", "remainder", "lungs", "thyroid", "bladder_contents"):
        assert name in s.target
    assert s.uncertainty.dims == s.dims
    assert float(s.min()) >= 0
    photon, u = s.sel(radiation="photon"), s.uncertainty.sel(radiation="photon")
    assert float((u / photon).sel(target="kidneys", source="liver").max()) < 0.05
    assert float(s.sel(radiation="alpha", target="kidneys", source="liver").sum()) == 0


def test_a_list_of_nuclides_is_taken_as_it_is():
    assert at.organ_s_values(["Bi-213"], regions=["liver"]).nuclide.values.tolist() == ["Bi-213"]
    with pytest.raises(DomainError, match="without repeats"):
        at.organ_s_values(["Lu-177", "Lu-177"], regions=["liver"])


def test_kidneys_are_their_two_halves():
    s = at.organ_s_values(["In-111"], regions=["kidneys", "kidney_left", "kidney_right", "liver"]).sum("radiation")[
        ..., 0
    ]
    for target in ("kidneys", "liver"):
        halves = 0.5 * (s.sel(target=target, source="kidney_left") + s.sel(target=target, source="kidney_right"))
        assert float(s.sel(target=target, source="kidneys")) == pytest.approx(float(halves), rel=1e-2)
    photon = at.organ_s_values(["In-111"], regions=["kidneys", "kidney_left", "kidney_right", "liver"])[..., 0, 3]
    mean = 0.5 * (photon.sel(target="kidney_left", source="liver") + photon.sel(target="kidney_right", source="liver"))
    assert float(photon.sel(target="kidneys", source="liver")) == pytest.approx(float(mean), rel=1e-6)


def test_masses_scale_the_own_dose_and_leave_the_cross_dose():
    a = at.organ_s_values(["I-131"], regions=["liver", "spleen"], masses_g={"spleen": 100.0})[..., 0, 3]
    b = at.organ_s_values(["I-131"], regions=["liver", "spleen"], masses_g={"spleen": 800.0})[..., 0, 3]
    assert float(a[1, 1] / b[1, 1]) == pytest.approx(4.0)
    assert float(a[0, 1]) == float(b[0, 1])
    assert float(a.mass_g.sel(target="spleen")) == 100.0


def test_the_remainder_is_what_is_left():
    few = at.organ_s_values(["I-131"], regions=["kidneys", "remainder"])
    more = at.organ_s_values(["I-131"], regions=["kidneys", "liver", "remainder"])
    assert float(few.mass_g[-1] - more.mass_g[-1]) == pytest.approx(2360.0)
    both = at.organ_s_values(["I-131"], regions=["kidneys", "kidney_left", "remainder"])
    assert float(both.mass_g[-1]) == float(few.mass_g[-1])
    assert float(more.sel(target="remainder", source="kidneys", radiation="photon")[0]) > 0


def test_a_woman_has_a_body_of_her_own_and_ovaries():
    s = at.organ_s_values(["I-131"], "adult-female", regions=["liver", "spleen", "gonads"])[..., 0, 3]
    assert s.attrs["body"] == "child-15y"
    assert float(s.mass_g[0]) == 1810.0
    man = at.organ_s_values(["I-131"], regions=["liver", "gonads"])[..., 0, 3]
    # her ovaries lie deeper than his testes: the liver gives them about ten times more
    assert float(s.sel(target="gonads", source="liver")) > 5 * float(man.sel(target="gonads", source="liver"))
    assert s.sel(target="spleen", source="liver") > man.sel(target="gonads", source="liver")


@pytest.mark.parametrize("anatomy", [n for n in BODY_OF if n.startswith("child")])
def test_children_get_more_from_the_same_decay_the_smaller_they_are(anatomy):
    order = [n for n in BODY_OF if n.startswith("child")] + ["adult-male"]
    larger = order[order.index(anatomy) + 1]
    regions = ["kidneys", "liver", "lungs", "brain", "remainder"]  # marrow moves into the trunk with age
    one, two = (at.organ_s_values(["In-111"], n, regions=regions)[..., 0, 3] for n in (anatomy, larger))
    assert bool((one > two).all()), (one / two).min()
    assert float(one.mass_g.sum()) == pytest.approx(catalog.anatomy(anatomy).body_mass.value)


def test_walls_get_half_of_the_electrons_of_their_contents():
    s = at.organ_s_values(["Y-90"], regions=["bladder_wall", "bladder_contents"])[..., 0, :].sel(radiation="electron")
    assert float(s[0, 1]) == pytest.approx(0.5 * float(s[1, 1]))
    assert float(s[1, 0]) == 0


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"anatomy": "mouse"}, DomainError, "is a mouse; the stylised bodies are human"),
        ({"regions": ["kidnees"]}, CatalogError, "Did you mean kidneys"),
        ({"regions": ["liver", "liver"]}, DomainError, "each once"),
        ({"regions": []}, DomainError, "at least one"),
        ({"masses_g": {"liver": -1.0}}, DomainError, "mass of liver is -1 g"),
        ({"masses_g": {"liver": 1e5}}, DomainError, "nothing for the remainder"),
        ({"masses_g": {"livr": 1.0}}, CatalogError, "Did you mean liver"),
    ],
)
def test_refusals(given, error, message):
    with pytest.raises(error, match=message):
        at.organ_s_values("Lu-177", **given)


# --- sampled masses --------------------------------------------------------------------------------------------------


def test_sampled_s_values_agree_with_organ_s_values():
    names = ["kidneys", "liver", "red_marrow", "remainder"]
    one = at.organ_s_values(["Bi-213"], regions=names)
    masses = {n: float(one.mass_g.sel(target=n)) for n in names}
    media = {"kidneys": "kidney", "liver": "liver", "red_marrow": "red-marrow"}
    regions = {n: RegionMass(np.array([m, 2 * m]), media.get(n, "soft-tissue"), "x") for n, m in masses.items()}
    many = body_s_values(regions, ["Bi-213"])
    assert many.cross_fire
    assert many.s.sizes["sample"] == 2
    first = many.s.isel(sample=0).sel(radiation="photon").to_numpy()
    middle = one.sel(radiation="photon").to_numpy()
    off = ~np.eye(len(names), dtype=bool)
    np.testing.assert_allclose(first[off], middle[off], rtol=1e-12)
    np.testing.assert_allclose(first, middle, rtol=1e-12)
    ratio = (many.s[0] / many.s[1]).sel(target="liver", source="liver", radiation="photon")
    assert float(ratio[0]) == pytest.approx(2 ** (2 / 3))
    np.testing.assert_array_equal(many.s[0, 0, 1], many.s[1, 0, 1])
    charged = at.self_s_values(regions, ["Bi-213"]).s.sel(radiation=["alpha", "recoil", "electron"])
    np.testing.assert_array_equal(many.s.sel(radiation=["alpha", "recoil", "electron"]), charged)


def test_regions_without_a_place_keep_their_sphere():
    regions = {"tumour_1": RegionMass(20.0, basis="x"), "liver": RegionMass(1800.0, basis="x")}
    s = body_s_values(regions, ["Lu-177"])
    alone = at.self_s_values(regions, ["Lu-177"])
    np.testing.assert_array_equal(s.s.sel(target="tumour_1"), alone.s.sel(target="tumour_1"))
    assert "tumour_1" in s.note
    only = body_s_values({"tumour_1": RegionMass(20.0, basis="x")}, ["Y-90"])
    assert float(only.s.sum()) > 0
