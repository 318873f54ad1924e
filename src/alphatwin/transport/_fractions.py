"""Absorbed fractions of spheres from the shipped tables: machinery behind `spheres`.

Sizes are given in g/cm2: radius times density. The tables are those of liquid water; another medium enters through its
CSDA range (electrons) and its attenuation and energy-absorption coefficients (photons).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..catalog import path
from ..errors import CatalogError
from ..physics.matter import Material

__all__ = [
    "HIGH_MEV",
    "LOW_MEV",
    "alpha_fraction",
    "electron_energy_within_MeV",
    "electron_fraction",
    "first_collision",
    "geometric_reduction",
    "photon_fraction",
    "sphere_radius_g_per_cm2",
]

Array = npt.NDArray[np.float64]

LOW_MEV = 1e-3  # below: electrons and photons are local (ranges of 50 nm, 2 um)
HIGH_MEV = 4.0  # last energy of both tables


def sphere_radius_g_per_cm2(mass_g: Array, density_g_per_cm3: float) -> Array:
    """Radius times density of a sphere: rho (3 m / 4 pi rho)^(1/3), in g/cm2."""
    return np.asarray(np.cbrt(3.0 * np.asarray(mass_g, dtype=float) * density_g_per_cm3**2 / (4.0 * np.pi)))


def geometric_reduction(u: Array) -> Array:
    """psi(u) = 1 - 3u/4 + u^3/16 for u = distance/radius < 2, else 0.

    The chance that a point at this distance, in a random direction, from a point born uniformly in a sphere lies in the
    same sphere (Charlton & Cormack 1962; Goddu et al. 1994).
    """
    v = np.minimum(u, 2.0)
    return np.asarray(1.0 - 0.75 * v + v**3 / 16.0)


def first_collision(tau: Array) -> Array:
    """Chance that a photon born uniformly in a sphere of optical radius tau = mu R collides before it leaves.

    The integral of psi(x/R) mu exp(-mu x): 1 - 3/(8 tau^3) (2 tau^2 - 1 + (1 + 2 tau) exp(-2 tau)) (Case, de Hoffmann &
    Placzek 1953); its Taylor series below tau = 0.05, where the closed form loses digits.
    """
    t = np.asarray(tau, dtype=float)
    big = np.maximum(t, 0.05)
    closed = 1 - 3 / (8 * big**3) * (2 * big**2 - 1 + (1 + 2 * big) * np.exp(-2 * big))
    series = 3 * t / 4 - 2 * t**2 / 5 + t**3 / 6 - 2 * t**4 / 35 + t**5 / 60 - 4 * t**6 / 945
    return np.where(t < 0.05, series, closed)


# --- alphas ----------------------------------------------------------------------------------------------------------


def alpha_fraction(material: Material, energy_MeV: Array, radius_g_per_cm2: Array) -> Array:
    """Absorbed fraction[energy, radius] of alphas in a sphere: straight tracks, continuous slowing down.

    phi = (1/E) integral psi(x/R) (-dE/dx) dx over the CSDA range. Integrated by parts with T(x), the energy given up
    over a path x: phi = (psi(b) T(b) - integral_0^b psi'(x) T(x) dx)/E, b = min(range, 2R).
    """
    e = np.asarray(energy_MeV, dtype=float)
    r = np.asarray(radius_g_per_cm2, dtype=float)
    to_um = 1e4 / material.density_g_per_cm3
    csda = np.asarray(material.csda_range_g_per_cm2("alpha", e))
    end = np.minimum(csda[:, None], 2 * r[None, :])
    node, weight = np.polynomial.legendre.leggauss(32)
    x = end[..., None] * 0.5 * (node + 1)
    left = np.maximum(csda[:, None, None] - x, 0.0)
    given = e[:, None, None] - np.minimum(np.asarray(material.energy_after("alpha", left * to_um)), e[:, None, None])
    u = x / r[None, :, None]
    slope = (0.75 - 0.1875 * u**2) / r[None, :, None]  # -psi'
    integral = 0.5 * end * np.sum(weight * slope * given, axis=-1)
    rest = np.maximum(csda[:, None] - end, 0.0)
    given_end = e[:, None] - np.minimum(np.asarray(material.energy_after("alpha", rest * to_um)), e[:, None])
    fraction = (geometric_reduction(end / r[None, :]) * given_end + integral) / e[:, None]
    return np.asarray(np.clip(fraction, 0.0, 1.0))


# --- electrons -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _ElectronTable:
    """energy_within[energy, edge] of the energy that photons do not carry off, over edges x = r/r_CSDA, ending at 1; and
    `kept`, what that is of all kinetic energy."""

    log_energy: Array
    x: Array
    energy_within: Array
    kept: Array


def _read(name: str, columns: int) -> Array:
    file = path("transport", name)
    try:
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
        rows = np.array([[float(cell) for cell in line.split(",")] for line in lines[1:]])
        if rows.ndim != 2 or rows.shape[1] != columns or not np.all(np.isfinite(rows)):
            raise ValueError(f"expected {columns} columns of numbers")
    except (OSError, ValueError) as error:
        raise CatalogError(
            f"Transport table {name} cannot be used: {error}. "
            "Make it again with `python -m alphatwin.transport._tables`."
        ) from error
    return rows


@functools.cache
def _electron_table(particle: str = "electron") -> _ElectronTable:
    rows = _read(f"{particle}-kernel.csv", 6)
    energies = np.unique(rows[:, 0])
    blocks = rows.reshape(len(energies), -1, 6)
    within = blocks[:, :, 4] / blocks[:, -1:, 4]  # the last edge, 1.2 ranges, holds all that is not radiated
    return _ElectronTable(np.log(energies), blocks[0, :, 3].copy(), within, 1.0 - blocks[:, 0, 1])


@functools.cache
def _near_deficit() -> tuple[Array, Array, Array]:
    """Log energies, radii times density (g/cm2), and what the first table has too much of, in MeV[energy, radius].

    The first table stops every delta ray below 1 % of the electron's energy where it is set free; the second follows
    those above 1 keV. At 0.1 MeV, its first row here, both are the same.
    """
    rows = _read("electron-near.csv", 4)
    energies = np.unique(rows[:, 0])
    blocks = rows.reshape(len(energies), -1, 4)
    reach = blocks[0, :, 1] * 1e-4
    table = _electron_table()
    ranges, kept = _water_electrons()
    found = [np.zeros(len(reach))]
    for energy, block in zip(energies, blocks, strict=True):
        k = int(np.argmin(np.abs(table.log_energy - np.log(energy))))
        coarse = energy * kept[k] * np.interp(reach / ranges[k], table.x, table.energy_within[k])
        found.append(coarse - block[:, 2] * 1e-3)
    return np.log([0.1, *energies]), reach, np.stack(found)


@functools.cache
def _water_electrons() -> tuple[Array, Array]:
    """CSDA range (g/cm2) and the share that is not radiated, at the energies of the first table."""
    rows = _read("electron-kernel.csv", 6)
    first = rows[:: int(np.sum(rows[:, 0] == rows[0, 0]))]
    return first[:, 2].copy(), 1.0 - first[:, 1]


def electron_energy_within_MeV(material: Material, energy_MeV: Array, radius_um: Array) -> Array:
    """Energy[electron, radius] in MeV that electrons lay down within these distances of a point source.

    E (1 - Y) F(E, x/r_CSDA) of the first table, straight between its edges, linear in log E, with the shape of 10 keV
    below 10 keV; less, above 0.1 MeV, what its delta rays carry further (`_near_deficit`). Beyond 40 um the deficit
    fades out with the share of the energy that is still to come. Energies from 1 keV to 4 MeV.
    """
    e = np.asarray(energy_MeV, dtype=float)
    table = _electron_table()
    csda = np.asarray(material.csda_range_g_per_cm2("electron", e))
    kept = 1.0 - np.asarray(material.radiation_yield(e))
    reach = np.asarray(radius_um, dtype=float) * 1e-4 * material.density_g_per_cm3
    position = np.interp(np.log(e), table.log_energy, np.arange(len(table.log_energy), dtype=float))
    low = np.minimum(position.astype(int), len(table.log_energy) - 2)
    log_near, near, deficit = _near_deficit()
    at = np.interp(np.log(e), log_near, np.arange(len(log_near), dtype=float))
    below = np.minimum(at.astype(int), len(log_near) - 2)
    found = np.empty((len(e), len(reach)))
    for i, (k, j) in enumerate(zip(low, below, strict=True)):
        p, q = position[i] - k, at[i] - j
        shape = (1 - p) * table.energy_within[k] + p * table.energy_within[k + 1]
        share = np.interp(reach / csda[i], table.x, shape)
        less = (1 - q) * deficit[j] + q * deficit[j + 1]
        found[i] = e[i] * kept[i] * share
        if np.any(less):
            left = (1 - share) / (1 - np.interp(near[-1] / csda[i], table.x, shape))
            found[i] -= np.interp(reach, near, less) * np.where(reach > near[-1], left, 1.0)
    return found


def _collisional_fraction(log_energy: Array, size: Array, particle: str = "electron") -> Array:
    """Absorbed fraction of the energy that is not radiated; size = R/r_CSDA[energy, radius].

    phi = integral psi(x/a) dF(x), F taken as straight between the table's edges; linear in log E between energies at
    fixed size, and the shape of the first table energy below it.
    """
    table = _electron_table(particle)
    u = np.minimum(table.x / size[..., None], 2.0)
    antiderivative = u - 0.375 * u**2 + u**4 / 64.0  # of psi
    # mean of psi over each shell; a shell beyond 2R gets 0
    mean = np.diff(antiderivative, axis=-1) * size[..., None] / np.diff(table.x)
    position = np.interp(log_energy, table.log_energy, np.arange(len(table.log_energy), dtype=float))
    low = np.minimum(position.astype(int), len(table.log_energy) - 2)
    part = (position - low)[:, None]
    shells = np.diff(table.energy_within, axis=1)
    kernel = (1 - part) * shells[low] + part * shells[low + 1]
    return np.asarray(np.einsum("ers,es->er", mean, kernel))


def electron_fraction(
    material: Material, energy_MeV: Array, radius_g_per_cm2: Array, particle: str = "electron"
) -> Array:
    """Absorbed fraction[energy, radius] of electrons, or of positrons' kinetic energy, in a sphere of an infinite medium.

    phi = (1 - Y) phi_collision(E, R/r_CSDA) + Y <phi_photon>, with the radiation yield Y of the medium. The photons'
    fraction is averaged over Kramers' thick-target law: energy radiated per photon energy k proportional to E - k. Of
    positrons also that part of the kinetic energy is lost which goes into photons of annihilation in flight.
    """
    e = np.asarray(energy_MeV, dtype=float)
    r = np.asarray(radius_g_per_cm2, dtype=float)
    local = e < LOW_MEV
    inside = np.where(local, LOW_MEV, e)
    csda = np.asarray(material.csda_range_g_per_cm2("electron", inside))
    radiated = np.asarray(material.radiation_yield(inside))[:, None]
    fraction = _collisional_fraction(np.log(inside), r[None, :] / csda[:, None], particle)
    kept = 1 - radiated
    if particle == "positron":
        table = _electron_table(particle)
        kept = np.interp(np.log(inside), table.log_energy, table.kept)[:, None]
    node, weight = np.polynomial.legendre.leggauss(6)
    share = 0.5 * (node + 1)  # k/E
    k = np.maximum(inside[:, None] * share, LOW_MEV)
    photons = photon_fraction(material, k.ravel(), r).reshape(len(e), len(node), len(r))
    absorbed = np.einsum("ekr,k->er", photons, weight * (1 - share))
    fraction = kept * fraction + radiated * absorbed
    return np.where(local[:, None], 1.0, np.clip(fraction, 0.0, 1.0))


# --- photons ---------------------------------------------------------------------------------------------------------


@functools.cache
def _photon_table() -> tuple[Array, Array, Array]:
    """Log energies, log optical radii, build-up[energy, optical radius]."""
    rows = _read("photon-buildup.csv", 4)
    energies = np.unique(rows[:, 0])
    blocks = rows.reshape(len(energies), -1, 4)
    return np.log(energies), np.log(blocks[0, :, 1]), blocks[:, :, 2].copy()


@functools.cache
def _buildup_spline() -> object:
    from scipy.interpolate import RectBivariateSpline

    log_e, log_tau, factor = _photon_table()
    return RectBivariateSpline(log_e, log_tau, np.log(factor), kx=3, ky=3, s=0)


def photon_fraction(material: Material, energy_MeV: Array, radius_g_per_cm2: Array) -> Array:
    """Absorbed fraction[energy, radius] of photons in a sphere of an infinite medium.

    phi = B(E, tau) (mu_en/mu) P(tau), tau = mu R: P is the chance of a first collision inside. B, from the table, adds what
    scattered photons bring and takes off what electrons carry out: it is above 1 in large spheres and falls to 0 in those
    that are small against the range of the electrons. Below the table's first radius it falls in proportion to R.
    """
    from scipy.interpolate import RectBivariateSpline

    e = np.asarray(energy_MeV, dtype=float)
    local = e < LOW_MEV
    inside = np.where(local, LOW_MEV, e)
    mu = np.asarray(material.mass_attenuation(inside))[:, None]
    mu_en = np.asarray(material.mass_energy_absorption(inside))[:, None]
    tau = mu * np.asarray(radius_g_per_cm2, dtype=float)[None, :]
    _, log_tau, _ = _photon_table()
    spline = _buildup_spline()
    assert isinstance(spline, RectBivariateSpline)
    at = np.clip(np.log(tau), log_tau[0], log_tau[-1])
    factor = np.exp(spline.ev(np.broadcast_to(np.log(inside)[:, None], tau.shape), at))
    factor = factor * np.minimum(1.0, tau / np.exp(log_tau[0]))
    fraction = factor * mu_en / mu * first_collision(tau)
    return np.where(local[:, None], 1.0, np.clip(fraction, 0.0, 1.0))
