"""Behaviour of the matter room: shapes, units, errors, catalogue entries."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin import catalog
from alphatwin.errors import CatalogError, DomainError
from alphatwin.physics.matter import medium

MEDIA = (
    "adipose", "air", "blood", "bone-compact", "bone-cortical", "brain", "kidney", "liver", "lung", "muscle",
    "red-marrow", "skin", "soft-tissue", "spleen", "water",
)  # fmt: skip


def test_the_media_are_all_there():
    assert set(MEDIA) <= set(catalog.entries("medium"))


@pytest.mark.parametrize("name", MEDIA)
def test_every_medium_serves_every_particle(name):
    m = medium(name)
    for particle in ("alpha", "proton", "electron"):
        low, high = m.energy_limits_MeV(particle)
        energy = np.array([low, 1.0, high])
        assert np.all(np.diff(m.csda_range_um(particle, energy)) > 0)
        assert np.all(m.mass_stopping_power(particle, energy) > 0)
    low, high = m.energy_limits_MeV("photon")
    energy = np.array([low, 0.1, 1.0, high])
    assert np.all(m.mass_energy_absorption(energy) > 0)
    assert np.all(m.mass_energy_absorption(energy) < m.mass_attenuation(energy))


@pytest.mark.parametrize("name", MEDIA)
def test_entry_mass_fractions_are_scaled_to_one(name):
    assert sum(medium(name).mass_fractions.values()) == pytest.approx(1.0, abs=1e-12)


def test_medium_is_one_object_per_name_and_frozen():
    assert medium("Water") is medium("water")
    assert medium("water", alpha_table="icru90") is not medium("water")
    with pytest.raises(AttributeError):
        medium("water").name = "fire"  # type: ignore[misc]


def test_scalar_in_float_out_and_shapes_kept():
    w = medium("water")
    values = [w.csda_range_um("alpha", 5.0), w.let_keV_per_um("alpha", 5.0), w.energy_after("alpha", 3.0)]
    values += [w.mass_attenuation(0.1), w.mass_energy_absorption(0.1), w.radiation_yield(1.0)]
    assert [type(v) for v in values] == [float] * len(values)
    grid = np.full((2, 3), 0.5)
    assert w.mass_stopping_power("electron", grid).shape == (2, 3)
    assert w.energy_after("alpha", grid).shape == (2, 3)
    assert w.photon_interactions(grid)["coherent"].shape == (2, 3)
    assert w.mass_stopping_power("alpha", []).shape == (0,)


def test_units_hang_together():
    m = medium("bone-cortical")
    assert m.csda_range_um("alpha", 5.0) == pytest.approx(m.csda_range_g_per_cm2("alpha", 5.0) / 1.92 * 1e4)
    # 1 MeV/cm = 1e3 keV / 1e4 um
    electronic = m.mass_stopping_power("alpha", 5.0, "electronic")
    assert m.let_keV_per_um("alpha", 5.0) == pytest.approx(electronic * 1.92 * 1e3 / 1e4)
    collision = m.mass_stopping_power("electron", 1.0, "collision")
    assert m.let_keV_per_um("electron", 1.0) == pytest.approx(collision * 0.192)


PARTS = [("alpha", ("electronic", "nuclear")), ("electron", ("collision", "radiative"))]


@pytest.mark.parametrize(("particle", "parts"), PARTS)
def test_parts_sum_to_total(particle, parts):
    energy = np.geomspace(1e-3, 1e3, 50)
    w = medium("water")
    total = sum(w.mass_stopping_power(particle, energy, p) for p in parts)
    np.testing.assert_allclose(total, w.mass_stopping_power(particle, energy), rtol=1e-14)


def test_unknown_medium_gets_a_suggestion():
    with pytest.raises(CatalogError, match=r"No medium 'kidny' in the catalogue\. Did you mean kidney"):
        medium("kidny")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: w.csda_range_um("alpha", 9.9e-4), r"0\.00099 MeV; the table covers 0\.001 to 1000 MeV"),
        (lambda w: w.csda_range_um("alpha", [5.0, 1001.0]), "1001 MeV"),
        (lambda w: w.csda_range_um("alpha", float("nan")), "nan MeV"),
        (lambda w: w.mass_stopping_power("electron", 5e-4), r"0\.001 to 10000 MeV"),
        (lambda w: w.mass_attenuation(20.1), r"photon in water given as 20\.1 MeV; the table covers 0\.001 to 20 MeV"),
        (lambda w: w.mass_energy_absorption(-1.0), "-1 MeV"),
        (lambda w: w.photon_interactions(0.0), "0 MeV"),
        (lambda w: w.radiation_yield(0.0), "0 MeV"),
        (lambda w: w.energy_after("alpha", -1.0), "-1 um"),
        (lambda w: w.energy_after("alpha", 1e9), "1e[+]09 um"),
        (lambda w: w.csda_range_um("alfa", 5.0), r"No stopping data for 'alfa'.*Did you mean alpha\?"),
        (lambda w: w.mass_stopping_power("alpha", 5.0, "radiative"), "total, electronic, nuclear"),
    ],
)
def test_outside_a_table_is_an_error(call, message):
    with pytest.raises(DomainError, match=message):
        call(medium("water"))


def test_icru90_is_for_water_only_and_names_are_checked():
    with pytest.raises(DomainError, match="covers water only"):
        medium("kidney", alpha_table="icru90")
    with pytest.raises(CatalogError, match=r"Did you mean icru90\?"):
        medium("water", electron_table="icru-90")  # type: ignore[arg-type]


def test_table_limits_themselves_are_inside():
    w = medium("water")
    for particle in ("alpha", "proton", "electron"):
        low, high = w.energy_limits_MeV(particle)
        r = w.csda_range_um(particle, np.array([low, high]))
        np.testing.assert_allclose(w.energy_after(particle, r), [low, high], rtol=1e-12)
    assert w.energy_after("alpha", 0.0) == 0.0


@settings(deadline=None)  # the first call builds a table
@given(st.floats(1e-3, 1e3), st.sampled_from(["alpha", "electron"]), st.sampled_from(["water", "bone-cortical"]))
def test_range_and_energy_are_inverse(energy, particle, name):
    m = medium(name)
    assert m.energy_after(particle, m.csda_range_um(particle, energy)) == pytest.approx(energy, rel=1e-9)


@settings(deadline=None)  # the first call builds a table
@given(st.floats(1e-3, 990.0), st.floats(1e-6, 1e-2), st.sampled_from(["alpha", "proton", "electron"]))
def test_range_increases_with_energy(energy, step, particle):
    m = medium("soft-tissue")
    assert m.csda_range_um(particle, energy * (1 + step)) > m.csda_range_um(particle, energy)


@settings(deadline=None)  # the first call builds a table
@given(st.floats(0.0, 0.02))
def test_residual_energy_near_the_end_of_the_track_stays_between_zero_and_one_keV(range_um):
    energy = medium("water").energy_after("alpha", range_um)
    assert 0.0 <= energy <= 1.0e-3


@settings(deadline=None)  # the first call builds a table
@given(st.floats(1e-3, 20.0), st.sampled_from(["water", "blood", "bone-cortical"]))
def test_photon_parts_sum_to_the_total(energy, name):
    # the parts and the total are interpolated each on its own: they agree to the square of the grid step
    m = medium(name)
    assert sum(float(v) for v in m.photon_interactions(energy).values()) == pytest.approx(
        m.mass_attenuation(energy), rel=1e-4
    )


def test_sources_are_in_the_bibliography():
    for name in MEDIA:
        assert set(medium(name).sources) <= set(catalog.sources())
    assert "icru90" in medium("water", alpha_table="icru90").sources
    assert "icru90" not in medium("water").sources


def test_the_defective_libraries_are_not_imported():
    code = (
        "import sys; from alphatwin.physics.matter import medium; w = medium('water'); w.csda_range_um('alpha', 5.8);"
        "w.csda_range_um('electron', 1.0); w.mass_energy_absorption(0.1);"
        "print([m for m in ('star', 'xcom', 'tables', 'scipy', 'numba') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
    assert out.stderr == ""
