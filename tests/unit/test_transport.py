"""Transport room: behaviour, bad input, reproducibility, data files."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from alphatwin import catalog, transport
from alphatwin.errors import CatalogError, DomainError, UnitError
from alphatwin.transport import MarrowModel, RegionMass, absorbed_fraction, self_s_values, sphere_absorbed_fraction
from alphatwin.transport import _fractions as fractions
from alphatwin.transport import _tables as tables
from alphatwin.transport._random import uniforms


def test_shapes_are_energies_then_masses():
    assert sphere_absorbed_fraction("photon", np.ones((2, 3)), np.ones(4)).shape == (2, 3, 4)
    assert sphere_absorbed_fraction("electron", np.linspace(0.01, 4, 150), np.geomspace(1e-6, 1e6, 230)).shape == (
        150,
        230,
    )
    assert isinstance(sphere_absorbed_fraction("alpha", 5.8, 1.0), float)
    assert sphere_absorbed_fraction("recoil", 0.1, [1.0, 2.0]).tolist() == [1.0, 1.0]


def test_blocks_give_what_single_values_give():
    energy, mass = np.linspace(0.02, 3.9, 130), np.geomspace(1e-5, 1e5, 210)
    for radiation in ("electron", "photon"):
        table = sphere_absorbed_fraction(radiation, energy, mass)
        for i, j in ((0, 0), (101, 203), (129, 209)):
            assert table[i, j] == pytest.approx(sphere_absorbed_fraction(radiation, energy[i], mass[j]), rel=1e-12)


def test_alias_names_its_geometry():
    assert absorbed_fraction("electron", 0.5, sphere_mass_g=2.0) == sphere_absorbed_fraction("electron", 0.5, 2.0)


def test_below_one_kev_all_is_local():
    assert sphere_absorbed_fraction("electron", 5e-4, 1.0) == 1.0
    assert sphere_absorbed_fraction("photon", 5e-4, 1.0) == 1.0


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("gamma", 0.1, 1.0), DomainError, "alpha, recoil, electron, photon"),
        (("electrn", 0.1, 1.0), DomainError, "Did you mean electron"),
        (("electron", 4.1, 1.0), DomainError, "4.1 MeV"),
        (("photon", -1.0, 1.0), DomainError, "above 0 to 4 MeV"),
        (("photon", float("nan"), 1.0), DomainError, "nan MeV"),
        (("alpha", 2000.0, 1.0), DomainError, "2000 MeV"),
        (("alpha", 5.0, 0.0), DomainError, "0 g"),
        (("alpha", 5.0, -3.0), DomainError, "-3 g"),
        (("alpha", 5.0, float("inf")), DomainError, "inf g"),
        (("alpha", 5.0, 1.0, "soft tissue"), CatalogError, "soft-tissue"),
    ],
)
def test_bad_input_is_one_message(arguments, error, words):
    with pytest.raises(error, match=words):
        sphere_absorbed_fraction(*arguments)


def test_region_mass_is_checked_and_frozen():
    region = RegionMass([310.0, 320.0], "KIDNEY", basis="measured volume x density")
    assert region.medium == "kidney"
    with pytest.raises(dataclasses.FrozenInstanceError):
        region.medium = "liver"  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        region.mass_g[0] = 1.0
    given = np.array([1.0, 2.0])
    kept = RegionMass(given)
    given[0] = 9.0
    assert kept.mass_g[0] == 1.0


@pytest.mark.parametrize("mass", [0.0, -1.0, float("nan"), float("inf"), [], [[1.0]], [1.0, -2.0]])
def test_region_mass_refuses(mass):
    with pytest.raises(DomainError, match="mass"):
        RegionMass(mass)


def test_region_mass_needs_a_basis_and_a_known_medium():
    with pytest.raises(DomainError, match="basis"):
        RegionMass(1.0, basis=" ")
    with pytest.raises(CatalogError, match="kidny"):
        RegionMass(1.0, "kidny")


@pytest.mark.parametrize("factor", [0.0, -0.1, 1.5, float("nan")])
def test_marrow_model_refuses(factor):
    with pytest.raises(DomainError, match="factor"):
        MarrowModel(alpha=factor)


def test_s_values_are_labelled_and_say_what_they_lack():
    regions = {
        "kidneys": RegionMass([300.0, 310.0], "kidney", basis="measured volume x density"),
        "red_marrow": RegionMass(1170.0, "red-marrow", basis="reference, parenchyma alone"),
    }
    found = self_s_values(regions, ["Ac-225", "Bi-213"], marrow=MarrowModel.skeletal())
    assert found.s.dims == ("sample", "target", "source", "nuclide", "radiation")
    assert found.s.attrs["units"] == "Gy"
    assert found.regions == ("kidneys", "red_marrow")
    assert found.mass_g.sel(region="red_marrow").to_numpy().tolist() == [1170.0, 1170.0]
    assert found.mass_g["basis"].values.tolist() == ["measured volume x density", "reference, parenchyma alone"]
    assert not found.cross_fire
    assert "cross-fire" in found.note
    assert found.marrow.name == "icrp133-like"
    assert float(found.s.sel(target="kidneys", source="red_marrow").sum()) == 0.0
    assert float(found.s.sel(target="kidneys", source="kidneys").min(("sample", "nuclide", "radiation"))) > 0
    assert set(found.sources) <= set(catalog.sources())
    assert {"icrp107", "icrp133", "estar", "xcom"} <= set(found.sources)


def test_marrow_model_touches_red_marrow_only():
    regions = {"red_marrow": RegionMass(1000.0), "liver": RegionMass(1000.0)}
    s = self_s_values(regions, ["Ac-225"], marrow=MarrowModel.skeletal()).s.squeeze()
    ratio = s.sel(target="red_marrow", source="red_marrow") / s.sel(target="liver", source="liver")
    assert ratio.to_numpy() == pytest.approx([0.61, 1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("regions", "nuclides", "error", "words"),
    [
        ({}, ["Lu-177"], DomainError, "at least one"),
        ({"liver": RegionMass(1.0)}, [], DomainError, "at least one"),
        ({"liver": RegionMass(1.0)}, ["Lu-177", "Lu-177"], DomainError, "twice"),
        ({"liver": RegionMass(1.0)}, ["Lu-1777"], CatalogError, "Lu-177"),
        ({"liver": RegionMass([1.0, 2.0]), "spleen": RegionMass([1.0, 2.0, 3.0])}, ["Lu-177"], DomainError, "spleen 3"),
    ],
)
def test_s_values_refuse(regions, nuclides, error, words):
    with pytest.raises(error, match=words):
        self_s_values(regions, nuclides)


def test_s_values_object_refuses_other_units_regions_and_negative_values():
    good = self_s_values({"liver": RegionMass(1800.0)}, ["Lu-177"])
    with pytest.raises(UnitError, match="mGy"):
        dataclasses.replace(good, s=good.s.assign_attrs(units="mGy"))
    with pytest.raises(UnitError, match="dims"):
        dataclasses.replace(good, s=good.s.transpose("target", "source", "sample", "nuclide", "radiation"))
    with pytest.raises(UnitError, match="target"):
        dataclasses.replace(good, s=good.s.assign_coords(target=["spleen"]))
    with pytest.raises(UnitError, match="negative"):
        dataclasses.replace(good, s=-good.s)


# --- random numbers and tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # known answers published with the generator (Random123, philox4x32-10)
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ],
)
def test_philox_known_answer(counter, key, expected):
    assert tuple(int(u * 2**32) for u in uniforms(key[0], key[1], counter[2], counter[0])) == expected


def test_uniforms_are_uniform_and_differ_between_histories():
    drawn = np.array([uniforms(1, 2, h, d) for h in range(500) for d in range(10)])
    assert len(np.unique(drawn)) == drawn.size
    assert drawn.mean() == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / drawn.size))
    assert np.corrcoef(drawn.T)[np.triu_indices(4, 1)] == pytest.approx(0.0, abs=4 / np.sqrt(len(drawn)))


def test_tables_have_the_same_bits_on_any_number_of_threads():
    import numba

    results = []
    before = numba.get_num_threads()
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            _, a, _, r, _ = tables.electron_table(0.02, histories=640, seed=9)
            b, _ = tables.photon_table(0.3, histories=640, seed=9)
            results.append((a.tobytes(), r, b.tobytes()))
    finally:
        numba.set_num_threads(before)
    assert results[0] == results[1]


def test_shipped_electron_kernel_is_what_the_code_makes():
    """A quarter of the histories of the lowest energy with another seed, within 5 of their standard errors (1.1 u of both)."""
    rows = fractions._read("electron-kernel.csv", 6)
    rows = rows[rows[:, 0] == 0.01]
    x, within, u, radiated, csda = tables.electron_table(0.01, tables.ELECTRON_HISTORIES // 4, seed=1)
    assert x == pytest.approx(rows[:, 3], rel=1e-5)
    assert csda == pytest.approx(rows[0, 2], rel=1e-5)
    assert np.all(np.abs(within - rows[:, 4]) <= 5 * u + 1e-5)
    assert radiated == pytest.approx(rows[0, 1], abs=2e-4)


def test_shipped_photon_table_is_what_the_code_makes():
    rows = fractions._read("photon-buildup.csv", 4)
    rows = rows[rows[:, 0] == 0.1]
    factor, u = tables.photon_table(0.1, 6400, seed=1)
    assert np.all(np.abs(factor - rows[:, 2]) <= 5 * u + 1e-5)


def test_tables_cover_what_they_promise():
    table = fractions._electron_table()
    assert np.exp(table.log_energy) == pytest.approx(tables.ELECTRON_ENERGIES_MEV)
    assert np.all(np.diff(table.energy_within, axis=1) >= 0)
    log_e, log_tau, factor = fractions._photon_table()
    assert np.exp(log_e) == pytest.approx(tables.PHOTON_ENERGIES_MEV)
    assert np.exp(log_tau) == pytest.approx(tables.OPTICAL_RADII)
    assert factor.min() > 0
    assert np.all(factor[np.exp(log_e) <= 0.002] > 0.99)  # there nothing leaves its collision


def test_a_broken_table_says_how_to_make_it_again(monkeypatch, tmp_path):
    (tmp_path / "photon-buildup.csv").write_text("energy_MeV,a\n1,x\n")
    monkeypatch.setattr(fractions, "path", lambda *parts: tmp_path / parts[-1])
    for name in ("photon-buildup.csv", "missing.csv"):
        with pytest.raises(CatalogError, match=r"alphatwin\.transport\._tables"):
            fractions._read(name, 4)


def test_public_names():
    assert list(transport.__all__) == sorted(transport.__all__)
    assert all(hasattr(transport, name) for name in transport.__all__)
