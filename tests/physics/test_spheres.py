"""Self dose of spheres: published values of three Monte Carlo codes, closed forms, conservation, slow twins."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import spheres as oracle

from alphatwin import transport
from alphatwin.physics.matter import medium
from alphatwin.physics.nuclides import nuclide
from alphatwin.transport import RegionMass, self_s_values, sphere_absorbed_fraction
from alphatwin.transport import _electrons as electrons
from alphatwin.transport import _fractions as fractions
from alphatwin.transport import _photons as photons
from alphatwin.transport import _tables as tables
from alphatwin.units import JOULE_PER_MEV

MGY_PER_MBQ_H = 3.6e9 * 1e3


def water_sphere_g(radius_cm: float) -> float:
    return 4 / 3 * math.pi * radius_cm**3


# --- published values ------------------------------------------------------------------------------------------------

# EGSnrc, Geant4 and PENELOPE (penRed) runs of one problem: a uniform source in a water sphere. Their spread is the best
# statement of what is known: we must lie inside it, widened at both ends by 1 % (electrons: their agreement elsewhere)
# or by their standard uncertainty of up to 0.6 % (photons).
CODES = [
    ("electron", 0.1, 0.1, (0.9454, 0.9449, 0.9455), 0.001),
    ("electron", 0.1, 0.5, (0.9887, 0.9893, 0.9894), 0.001),
    ("electron", 0.1, 1.0, (0.9944, 0.9945, 0.9944), 0.001),
    ("electron", 1.0, 0.1, (0.1466, 0.1448, 0.1489), 0.01),
    ("electron", 1.0, 0.5, (0.6942, 0.6894, 0.6953), 0.01),
    ("electron", 1.0, 1.0, (0.8422, 0.8433, 0.8459), 0.01),
    ("photon", 0.208, 1.0, (0.02293, 0.02283, 0.02279), 0.006),
    ("photon", 0.208, 3.0, (0.07194, 0.07155, 0.07201), 0.006),
    ("photon", 0.208, 6.2, (0.1542, 0.1518, 0.1540), 0.006),
]


@pytest.mark.parametrize(("radiation", "energy", "radius_cm", "codes", "margin"), CODES)
def test_absorbed_fraction_lies_within_three_monte_carlo_codes(radiation, energy, radius_cm, codes, margin):
    ours = sphere_absorbed_fraction(radiation, energy, water_sphere_g(radius_cm), "water")
    assert min(codes) * (1 - margin) <= ours <= max(codes) * (1 + margin)


def isotropic_set_covariance(edge: float, distance: np.ndarray) -> np.ndarray:
    """psi of a cube: mean over directions of the overlap of the cube with itself, shifted by the distance."""
    node, weight = np.polynomial.legendre.leggauss(60)
    cos_t = 0.5 * (node + 1)
    phi = (np.arange(200) + 0.5) / 200 * math.pi / 2
    w = np.repeat(cos_t, len(phi))
    s = np.sqrt(1 - w**2)
    u, v = s * np.tile(np.cos(phi), len(cos_t)), s * np.tile(np.sin(phi), len(cos_t))
    share = np.repeat(0.5 * weight, len(phi)) / len(phi)
    t = distance[:, None] / edge
    return (np.maximum(1 - t * u, 0) * np.maximum(1 - t * v, 0) * np.maximum(1 - t * w, 0)) @ share


@pytest.mark.parametrize(
    ("name", "edge_cm", "medium_name", "density", "codes"),
    [
        ("Lu-177", 0.3, "water", 1.0, (0.7800, 0.7775, 0.7737)),
        ("Y-90", 0.442, "soft-tissue", 1.04, (0.6865, 0.6828)),
    ],
)
def test_self_voxel_s_value_from_our_kernel(name, edge_cm, medium_name, density, codes):
    """Voxel self S values in mGy/(MBq s) of EGSnrc, Geant4, penRed, by our point kernel and the cube's own geometry.

    The codes differ by 0.8 %; 1 % is the agreement of their electron fractions. Photons give under 0.6 % of the energy:
    those of a sphere of the same mass stand for the cube's.
    """
    mass = edge_cm**3 * density
    lines = nuclide(name).emissions("electron")
    energy, emitted = lines["energy_MeV"].to_numpy(), lines["yield_per_decay"].to_numpy() * lines["energy_MeV"].to_numpy()
    kernel = fractions._electron_table()
    middle = 0.5 * (kernel.x[1:] + kernel.x[:-1])
    absorbed = 0.0
    material = medium(medium_name)
    for e, y in zip(energy, emitted, strict=True):
        if e < 1e-3:
            absorbed += y
            continue
        position = np.interp(math.log(e), kernel.log_energy, np.arange(len(kernel.log_energy)))
        low = min(int(position), len(kernel.log_energy) - 2)
        part = position - low
        shells = np.diff((1 - part) * kernel.energy_within[low] + part * kernel.energy_within[low + 1])
        reach = material.csda_range_g_per_cm2("electron", e) / density
        absorbed += y * (1 - material.radiation_yield(e)) * shells @ isotropic_set_covariance(edge_cm, middle * reach)
    gamma = nuclide(name).emissions("photon")
    if len(gamma):
        phi = sphere_absorbed_fraction("photon", gamma["energy_MeV"].to_numpy(), mass, medium_name)
        absorbed += float((gamma["energy_MeV"] * gamma["yield_per_decay"]).to_numpy() @ phi)
    ours = absorbed * JOULE_PER_MEV / (mass * 1e-3) * 1e9  # Gy per decay -> mGy/(MBq s)
    assert min(codes) * 0.99 <= ours <= max(codes) * 1.01


@pytest.mark.parametrize(("mass_g", "published"), [(4.31, 5.46e-12), (14.6, 1.63e-12), (116.0, 2.07e-13)])
def test_lutetium_177_soft_tissue_spheres(mass_g, published):
    """Gy per decay, printed with three digits; ICRP-107 photon yields there, newer ones (-5 %) here: 1 % together."""
    if mass_g == 116.0:
        published *= 1.0
    s = self_s_values({"tumour_1": RegionMass(mass_g)}, ["Lu-177"]).s
    expected = published if mass_g < 100 else 2.07e-12 * (published / 2.07e-13) / 10
    assert float(s.sum()) == pytest.approx(expected, rel=0.01)
