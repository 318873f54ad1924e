"""Slow twin of the Monte Carlo: photons in a homogeneous medium beyond their first collision, electrons stopped at once.

The energy laid down by photons that have not yet collided is known in closed form; only the scattered part is sampled.
Photoelectric absorption ends a history; Compton scattering follows Klein and Nishina times the incoherent scattering
function S(x); Rayleigh scattering follows the Thomson law times the squared form factor F(x)^2; a pair sends out two
photons of 511 keV, back to back. Charged particles stop where they are set free (kerma approximation), and the part
that they radiate away is lost. Doppler broadening, polarisation and fluorescence (0.5 keV in oxygen) are left out.

Lengths are in g/cm2, energies in MeV, x = sin(theta/2)/wavelength in 1/Angstrom.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alphatwin._jit import njit, prange
from alphatwin.physics.matter import medium
from alphatwin.transport._fractions import first_collision, geometric_reduction
from alphatwin.transport._random import uniforms

__all__ = ["PhotonMedium", "kerma_buildup", "scattered_kernel", "water_photons"]

Array = npt.NDArray[np.float64]

MC2 = 0.51099895069  # MeV, electron rest energy (CODATA 2022)
HC = 0.0123984198  # MeV Angstrom
N_CHUNKS = 64


@dataclass(frozen=True)
class PhotonMedium:
    """Cross sections on a grid uniform in log energy, and the two scattering functions on a grid uniform in log x.

    Attributes
    ----------
    log_energy_min, log_energy_step, log_x_min, log_x_step : float
        The grids (natural logarithms of MeV and of 1/Angstrom).
    photoelectric, incoherent, coherent, pair, energy_absorption : Array[energy]
        cm2/g.
    scattering_function : Array[x]
        S(x) per electron, 0 to 1.
    form_factor_integral : Array[x]
        Integral of F^2 over x^2 from 0.
    """

    log_energy_min: float
    log_energy_step: float
    log_x_min: float
    log_x_step: float
    photoelectric: Array
    incoherent: Array
    coherent: Array
    pair: Array
    energy_absorption: Array
    scattering_function: Array
    form_factor_integral: Array


@njit(cache=True, inline="always")
def _at(table, position):  # type: ignore[no-untyped-def]
    """Linear interpolation at a fractional index, clamped to the table."""
    p = min(max(position, 0.0), table.shape[0] - 1.000001)
    i = int(p)
    return table[i] + (p - i) * (table[i + 1] - table[i])


@njit(cache=True, inline="always")
def _turn(u, v, w, cos_t, phi):  # type: ignore[no-untyped-def]
    """Direction after a deflection by theta with azimuth phi."""
    sin_t = math.sqrt(max(0.0, 1.0 - cos_t * cos_t))
    cp, sp = math.cos(phi), math.sin(phi)
    perp = math.sqrt(u * u + v * v)
    if perp > 1e-6:
        un = u * cos_t + sin_t * (u * w * cp - v * sp) / perp
        vn = v * cos_t + sin_t * (v * w * cp + u * sp) / perp
        wn = w * cos_t - sin_t * cp * perp
    else:
        un, vn, wn = sin_t * cp, sin_t * sp, (cos_t if w > 0 else -cos_t)
    norm = 1.0 / math.sqrt(un * un + vn * vn + wn * wn)
    return un * norm, vn * norm, wn * norm


@njit(cache=True)
def compton_cosine(energy, x_min, x_step, s_table, seed, stream, history, draw):  # type: ignore[no-untyped-def]
    """Cosine of a Compton deflection: Kahn-type composition of Klein-Nishina, thinned by S(x); and the next draw."""
    k = energy / MC2
    e_min = 1.0 / (1.0 + 2.0 * k)
    a1, a2 = -math.log(e_min), 0.5 * (1.0 - e_min * e_min)
    while True:
        r0, r1, r2, r3 = uniforms(seed, stream, history, draw)
        draw += 1
        ratio = e_min**r1 if r0 * (a1 + a2) < a1 else math.sqrt(e_min * e_min + (1.0 - e_min * e_min) * r1)
        t = (1.0 - ratio) / (k * ratio)  # 1 - cos(theta)
        if r2 > 1.0 - ratio * t * (2.0 - t) / (1.0 + ratio * ratio):
            continue
        x = math.sqrt(max(0.5 * t, 1e-30)) * energy / HC
        if r3 <= _at(s_table, (math.log(x) - x_min) / x_step):
            return 1.0 - t, draw


@njit(cache=True)
def rayleigh_cosine(energy, x_min, x_step, f_table, seed, stream, history, draw):  # type: ignore[no-untyped-def]
    """Cosine of a Rayleigh deflection: x^2 from F(x)^2, thinned by (1 + cos^2)/2; and the next draw."""
    x_max = energy / HC
    top = _at(f_table, (math.log(x_max) - x_min) / x_step)
    while True:
        r0, r1, _, _ = uniforms(seed, stream, history, draw)
        draw += 1
        want = r0 * top
        lo, hi = 0, f_table.shape[0] - 1
        while hi - lo > 1:
            mid = (lo + hi) // 2
            if f_table[mid] <= want:
                lo = mid
            else:
                hi = mid
        part = (want - f_table[lo]) / max(f_table[hi] - f_table[lo], 1e-300)
        x = math.exp(x_min + x_step * (lo + min(max(part, 0.0), 1.0)))
        cos_t = 1.0 - 2.0 * min(1.0, (x / x_max) ** 2)
        if r1 <= 0.5 * (1.0 + cos_t * cos_t):
            return cos_t, draw


@njit(cache=True)
def photon_history(energy0, scale, seed, stream, history, grid, tables, tally):  # type: ignore[no-untyped-def]
    """Follow one photon from the origin; every collision after the first adds E mu_en/mu to its shell."""
    e_min, e_step, x_min, x_step = grid
    photo, incoherent, coherent, pair, absorption, s_table, f_table = tables
    n_bins = tally.shape[0] - 1
    draw, waiting, collisions = 0, 0, 0
    e, x, y, z, u, v, w = energy0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0
    px, py, pz, pu, pv, pw = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    while True:
        i = (math.log(e) - e_min) / e_step
        c_photo, c_inc, c_coh, c_pair = _at(photo, i), _at(incoherent, i), _at(coherent, i), _at(pair, i)
        total = c_photo + c_inc + c_coh + c_pair
        r0, r1, r2, r3 = uniforms(seed, stream, history, draw)
        draw += 1
        path = -math.log(r0) / total
        x, y, z = x + u * path, y + v * path, z + w * path
        collisions += 1
        if collisions > 1:
            j = int(n_bins * math.sqrt(math.sqrt(x * x + y * y + z * z) / scale))
            tally[min(j, n_bins)] += e * _at(absorption, i) / total
        pick = r1 * total
        alive = True
        if pick < c_inc:
            cos_t, draw = compton_cosine(e, x_min, x_step, s_table, seed, stream, history, draw)
            e = e / (1.0 + e / MC2 * (1.0 - cos_t))
            u, v, w = _turn(u, v, w, cos_t, 2.0 * math.pi * r2)
            alive = math.log(e) > e_min
            if not alive:
                tally[min(int(n_bins * math.sqrt(math.sqrt(x * x + y * y + z * z) / scale)), n_bins)] += e
        elif pick < c_inc + c_coh:
            cos_t, draw = rayleigh_cosine(e, x_min, x_step, f_table, seed, stream, history, draw)
            u, v, w = _turn(u, v, w, cos_t, 2.0 * math.pi * r2)
        elif pick < c_inc + c_coh + c_pair and e > 2.0 * MC2:
            e, waiting = MC2, 1
            w = 2.0 * r2 - 1.0
            s = math.sqrt(max(0.0, 1.0 - w * w))
            u, v = s * math.cos(2.0 * math.pi * r3), s * math.sin(2.0 * math.pi * r3)
            px, py, pz, pu, pv, pw = x, y, z, -u, -v, -w
        else:
            alive = False
        if not alive:
            if waiting == 0:
                return
            waiting = 0
            e, x, y, z, u, v, w = MC2, px, py, pz, pu, pv, pw


@njit(cache=True, parallel=True)
def _run(energy0, scale, seed, stream, histories, grid, tables, n_bins, chunks):  # type: ignore[no-untyped-def]
    tallies = np.zeros((chunks, n_bins + 1))
    for c in prange(chunks):
        for h in range(c * histories // chunks, (c + 1) * histories // chunks):
            photon_history(energy0, scale, seed, stream, h, grid, tables, tallies[c])
    return tallies


def scattered_kernel(
    medium: PhotonMedium,
    energy_MeV: float,
    *,
    histories: int,
    seed: int,
    stream: int = 0,
    scale: float,
    bins: int = 300,
) -> tuple[Array, Array]:
    """Energy that scattered photons of a point source lay down within a radius.

    Parameters
    ----------
    medium : PhotonMedium
    energy_MeV : float
    histories, seed, stream : int
        Number of photons; key of the random numbers.
    scale : float
        Largest radius, g/cm2; shells end at ``scale * (j / bins)**2``.

    Returns
    -------
    edges : Array[bins + 1]
        g/cm2.
    per_chunk : Array[chunk, bins + 1]
        Fraction of the emitted energy per shell (the last: beyond `scale`), one row per chunk of histories.
    """
    grid = (medium.log_energy_min, medium.log_energy_step, medium.log_x_min, medium.log_x_step)
    tables = (
        medium.photoelectric,
        medium.incoherent,
        medium.coherent,
        medium.pair,
        medium.energy_absorption,
        medium.scattering_function,
        medium.form_factor_integral,
    )
    tallies = _run(energy_MeV, scale, seed, stream, histories, grid, tables, bins, N_CHUNKS)
    return scale * (np.arange(bins + 1) / bins) ** 2, tallies / (energy_MeV * histories / N_CHUNKS)


_WATER = {1: (0.111894, 1.008), 8: (0.888106, 15.999)}  # mass fraction, atomic mass g/mol


def _mean_transfer(energy_MeV: Array, s_of_x: Any) -> Array:
    """Mean fraction of the photon energy given to the electron in a Compton collision, weighted with S(x)."""
    node, weight = np.polynomial.legendre.leggauss(200)
    half = 0.5 * (node + 1)  # sqrt((1 - cos)/2): dense where S(x) varies
    t = 2 * half[None, :] ** 2
    jacobian = weight[None, :] * half[None, :]
    k = energy_MeV[:, None] / MC2
    ratio = 1 / (1 + k * t)
    kn = ratio**2 * (ratio + 1 / ratio - t * (2 - t)) * s_of_x(energy_MeV[:, None] / HC * np.sqrt(t / 2)) * jacobian
    return np.asarray((kn * (1 - ratio)).sum(axis=1) / kn.sum(axis=1))


def water_photons(points: int = 1500) -> PhotonMedium:
    """Cross sections of liquid water for photons from 1 keV to 4.2 MeV."""
    import xraylib

    log_e = np.linspace(np.log(1.0001e-3), np.log(4.2), points)
    log_x = np.linspace(
        np.log(1.1e-3), np.log(400.0), 600
    )  # S ~ x^2 below: a photon of 1 keV meets it under 1.6 degrees
    e, x = np.exp(log_e), np.exp(log_x)
    cross = medium("water").photon_interactions(e)
    per_gram = {z: w / a for z, (w, a) in _WATER.items()}
    electrons = sum(z * per_gram[z] for z in _WATER)
    s = sum(per_gram[z] * np.array([xraylib.SF_Compt(z, q) for q in x]) for z in _WATER) / electrons
    s = np.maximum.accumulate(np.clip(s, 0.0, 1.0))
    f2 = np.asarray(sum(per_gram[z] * np.array([xraylib.FF_Rayl(z, q) for q in x]) ** 2 for z in _WATER))
    area = np.concatenate([[0.0], np.cumsum(0.5 * (f2[1:] + f2[:-1]) * np.diff(x**2))]) + f2[0] * x[0] ** 2
    photo, incoherent, coherent = cross["photoelectric"], cross["incoherent"], cross["coherent"]
    pair = np.where(e > 2 * MC2, cross["pair"], 0.0)
    transfer = _mean_transfer(e, lambda q: np.interp(np.log(q), log_x, s))
    deposit = photo + incoherent * transfer + pair * np.maximum(0.0, 1 - 2 * MC2 / e)
    step_e, step_x = float(log_e[1] - log_e[0]), float(log_x[1] - log_x[0])
    return PhotonMedium(
        float(log_e[0]), step_e, float(log_x[0]), step_x, photo, incoherent, coherent, pair, deposit, s, area
    )


def kerma_buildup(
    water: PhotonMedium, energy_MeV: float, tau: Array, histories: int, seed: int = 1
) -> tuple[Array, Array]:
    """Build-up factor of the sphere's absorbed fraction and its standard error, at optical radii."""
    position = (np.log(energy_MeV) - water.log_energy_min) / water.log_energy_step
    at = [
        float(np.interp(position, np.arange(len(c)), c))
        for c in (water.photoelectric, water.incoherent, water.coherent, water.pair, water.energy_absorption)
    ]
    mu, mu_en = sum(at[:4]), at[4]
    stream = 1_000_000_000 + round(energy_MeV * 1e6)
    edges, chunks = scattered_kernel(water, energy_MeV, histories=histories, seed=seed, stream=stream, scale=40.0 / mu)
    middle = 0.5 * (edges[1:] + edges[:-1]) * mu
    psi = geometric_reduction(middle[None, :] / tau[:, None])
    # what lies beyond 40 mean free paths belongs to spheres that are far larger still: psi at 40
    far = geometric_reduction(40.0 / tau)
    scattered = chunks[:, :-1] @ psi.T + chunks[:, -1:] * far[None, :]
    first = mu_en / mu * first_collision(tau)
    factor = 1 + scattered / first
    return factor.mean(axis=0), factor.std(axis=0, ddof=1) / np.sqrt(len(factor))
