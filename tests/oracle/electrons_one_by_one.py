"""Slow twin of the Monte Carlo: electrons in a homogeneous medium, collision by collision.

Every elastic collision is followed one by one (no multiple-scattering theory, so no step-size or boundary error), which
is what the condensed steps of the package must reproduce. Lengths are in g/cm2, energies in MeV.

- Elastic: screened Rutherford scattering on each element with Moliere's screening angle and the McKinley-Feshbach
  spin correction. Deflections by inelastic collisions below the cut are added by raising the nuclear cross section so
  that the transport moment <1 - cos> comes out right.
- Inelastic: Moller collisions that transfer more than a cut are followed, with the secondary electron; below the cut
  the energy is lost continuously at the restricted collision stopping power (ESTAR less the Moller part).
- Bremsstrahlung: photons with the spectrum (1 - y + 3 y^2/4)/y, y = k/E, normalised to the ESTAR radiative
  stopping power. The photon leaves: it is not absorbed here.

Sources: Moliere 1947 and McKinley & Feshbach 1948 as given in ICRU Report 77; Moller 1932; Tsai 1974 (spectrum shape).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alphatwin._jit import njit, prange
from alphatwin.physics.matter import medium
from alphatwin.transport._random import uniforms

__all__ = ["ElectronMedium", "depth_kernel", "electron_medium", "water_electrons"]

Array = npt.NDArray[np.float64]

MC2 = 0.51099895069  # MeV, electron rest energy (CODATA 2022)
ALPHA = 1 / 137.035999  # fine-structure constant
NA_RE2 = 0.0478206  # Avogadro's number times the classical electron radius squared, cm2/mol
_POINTS_PER_DECADE = 100
_STACK = 200
N_CHUNKS = 64


@dataclass(frozen=True)
class ElectronMedium:
    """Cross sections on a grid that is uniform in log energy; every row belongs to one grid energy.

    Attributes
    ----------
    log_energy_min, log_energy_step : float
        The grid, natural logarithm of MeV.
    restricted_loss : Array[energy]
        MeV cm2/g, restricted collision stopping power.
    elastic : Array[element, energy]
        Inverse mean free path of elastic collisions, cm2/g, already times `mott_bound`.
    screening : Array[element, energy]
        Moliere's screening parameter.
    elastic_z : Array[element]
        Atomic numbers.
    moller, bremsstrahlung : Array[energy]
        Inverse mean free paths of hard collisions, cm2/g.
    residual_range : Array[energy]
        g/cm2, CSDA.
    cut_MeV : float
        Smallest energy transfer that is followed as a collision.
    """

    log_energy_min: float
    log_energy_step: float
    restricted_loss: Array
    elastic: Array
    screening: Array
    elastic_z: Array
    moller: Array
    bremsstrahlung: Array
    residual_range: Array
    cut_MeV: float


def moller_moments(energy_MeV: Array, cut_MeV: float) -> tuple[Array, Array]:
    """Moller cross section above the cut: number and energy moments per electron.

    Returns the integrals of dsigma/dW and of W dsigma/dW from the cut to E/2 in units of 2 pi r_e^2 m c^2/beta^2
    (1/MeV and 1); both are 0 where E < 2 cut.
    """
    e = np.asarray(energy_MeV, dtype=float)
    w = cut_MeV
    open_ = e > 2 * w
    safe = np.where(open_, e, 4 * w)
    a = 1 / (safe + MC2) ** 2
    c = MC2 * (2 * safe + MC2) * a
    number = 1 / w - 1 / (safe - w) + (safe / 2 - w) * a - c / safe * np.log((safe - w) / w)
    energy = (
        np.log(safe / (2 * w))
        + 2
        - safe / (safe - w)
        + np.log(safe / 2 / (safe - w))
        + 0.5 * (safe**2 / 4 - w**2) * a
        - c * np.log((safe - w) / (safe / 2))
    )
    return np.where(open_, number, 0.0), np.where(open_, energy, 0.0)


def electron_medium(
    fractions: dict[int, tuple[float, float]],
    mean_excitation_eV: float,
    energies_MeV: Array,
    collision_stopping: Array,
    radiative_stopping: Array,
    csda_range: Array,
    cut_MeV: float,
) -> ElectronMedium:
    """Cross sections of a medium.

    Parameters
    ----------
    fractions : dict
        Atomic number -> (mass fraction, atomic mass in g/mol).
    mean_excitation_eV : float
        Sets the smallest energy transfer for the deflection by soft collisions.
    energies_MeV : Array[energy]
        Uniform in log energy.
    collision_stopping, radiative_stopping : Array[energy]
        MeV cm2/g.
    csda_range : Array[energy]
        g/cm2.
    cut_MeV : float
        Energy transfer above which collisions are followed.
    """
    e = np.asarray(energies_MeV, dtype=float)
    p2 = e * (e + 2 * MC2)
    beta2 = p2 / (e + MC2) ** 2
    z = np.array(sorted(fractions), dtype=float)
    share = np.array([fractions[int(k)][0] / fractions[int(k)][1] for k in z])  # mol/g
    electrons = float(np.sum(share * z))
    k_moller = 2 * math.pi * NA_RE2 * electrons * MC2 / beta2
    number, energy = moller_moments(e, cut_MeV)
    # screened Rutherford: sigma = pi Z^2 r_e^2 m^2/(p^2 beta^2) / (eta (1 + eta))
    zc, ec = z[:, None], np.ones_like(e)[None, :]
    eta = (
        0.25
        * (ALPHA * zc ** (1 / 3) / 0.88534) ** 2
        * MC2**2
        / p2
        * (1.13 + 3.76 * (ALPHA * zc) ** 2 / beta2 * np.sqrt(e / (e + MC2)))
    )
    nuclear = math.pi * NA_RE2 * share[:, None] * zc**2 * MC2**2 / (p2 * beta2) / (eta * (1 + eta)) * ec
    # transport moment <1 - cos> of the screened Rutherford law
    moment = nuclear * 2 * eta * ((1 + eta) * np.log1p(1 / eta) - 1)
    top = np.minimum(cut_MeV, e / 2)
    soft = k_moller * MC2 / p2 * (np.log(np.maximum(top / (mean_excitation_eV * 1e-6), 1.0)) + 1)
    nuclear = nuclear * (1 + soft / np.sum(moment, axis=0))
    c_rad = radiative_stopping / (0.75 * e)
    kc = np.minimum(cut_MeV, e)
    brems = c_rad * (np.log(e / kc) - (1 - kc / e) + 0.375 * (1 - (kc / e) ** 2))
    log_e = np.log(e)
    return ElectronMedium(
        float(log_e[0]),
        float((log_e[-1] - log_e[0]) / (len(e) - 1)),
        np.asarray(collision_stopping - k_moller * energy),
        np.ascontiguousarray(nuclear * _MOTT_BOUND),
        np.ascontiguousarray(eta * ec),
        z,
        np.asarray(k_moller * number),
        brems,
        np.asarray(csda_range),
        cut_MeV,
    )


_MOTT_BOUND = 1.06  # above the largest McKinley-Feshbach factor of Z <= 13: 1 + pi alpha Z/4 at most


@njit(cache=True, inline="always")
def _turn(u, v, w, cos_t, phi):  # type: ignore[no-untyped-def]
    """Direction after a deflection by theta with azimuth phi; renormalised to first order."""
    sin_t = math.sqrt(max(0.0, 1.0 - cos_t * cos_t))
    cp, sp = math.cos(phi), math.sin(phi)
    perp2 = u * u + v * v
    if perp2 > 1e-12:
        perp = math.sqrt(perp2)
        un = u * cos_t + sin_t * (u * w * cp - v * sp) / perp
        vn = v * cos_t + sin_t * (v * w * cp + u * sp) / perp
        wn = w * cos_t - sin_t * cp * perp
    else:
        un, vn, wn = sin_t * cp, sin_t * sp, (cos_t if w > 0 else -cos_t)
    k = 1.5 - 0.5 * (un * un + vn * vn + wn * wn)
    return un * k, vn * k, wn * k


@njit(cache=True)
def _moller_transfer(energy, cut, seed, stream, history, draw):  # type: ignore[no-untyped-def]
    """Energy transfer W of a Moller collision between cut and energy/2, and the next draw number."""
    a = 1.0 / (energy + MC2) ** 2
    c = MC2 * (2.0 * energy + MC2) * a
    while True:
        r0, r1, _, _ = uniforms(seed, stream, history, draw)
        draw += 1
        w = cut / (1.0 - r0 * (1.0 - 2.0 * cut / energy))
        rest = energy - w
        g = 1.0 + w * w / (rest * rest) + w * w * a - c * w / rest
        if r1 * 2.25 <= g:
            return w, draw


@njit(cache=True)
def _photon_energy(energy, cut, seed, stream, history, draw):  # type: ignore[no-untyped-def]
    """Photon energy between cut and energy from (1 - y + 3 y^2/4)/y, and the next draw number."""
    while True:
        r0, r1, _, _ = uniforms(seed, stream, history, draw)
        draw += 1
        y = (cut / energy) ** r0
        if r1 <= 1.0 - y + 0.75 * y * y:
            return y * energy, draw


@njit(cache=True, inline="always")
def _bin(x, y, z, inverse_scale, n_bins):  # type: ignore[no-untyped-def]
    """Bin of the radius: edges at x_max (j / n)^2, so that small radii are resolved."""
    j = int(n_bins * math.sqrt(math.sqrt(x * x + y * y + z * z) * inverse_scale))
    return min(j, n_bins)


@njit(cache=True)
def electron_history(energy0, absorb_range, scale, seed, stream, history, grid, tables, elements, stack, tally):  # type: ignore[no-untyped-def]
    """Follow one electron from the origin with its secondaries; adds MeV to ``tally[radius bin]``.

    The last bin takes what lies beyond ``scale``; the energy that photons carry away is returned.
    """
    e_min, step, cut = grid
    loss, elastic, screening, moller, brems, ranges = tables
    n_bins, n_el, last = tally.shape[0] - 1, elements.shape[0], loss.shape[0] - 1
    draw, top, radiated = 0, 1, 0.0
    stack[0, 0], stack[0, 1:4], stack[0, 4:6], stack[0, 6] = (
        energy0,
        0.0,
        0.0,
        1.0,
    )  # isotropy is not needed: radius only
    while top > 0:
        top -= 1
        e, x, y, z = stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3]
        u, v, w = stack[top, 4], stack[top, 5], stack[top, 6]
        while True:
            i = min(last, max(0, int((math.log(e) - e_min) / step + 0.5)))
            if e <= cut or ranges[i] < absorb_range:
                tally[_bin(x, y, z, 1.0 / scale, n_bins)] += e
                break
            r0, r1, r2, r3 = uniforms(seed, stream, history, draw)
            draw += 1
            total = moller[i] + brems[i]
            for k in range(n_el):
                total += elastic[k, i]
            path = -math.log(r0) / total
            lost = loss[i] * path
            if lost >= e:
                path *= e / lost
                lost = e
            mid = r3 * path  # energy is laid down at a random point of the step
            tally[_bin(x + u * mid, y + v * mid, z + w * mid, 1.0 / scale, n_bins)] += lost
            x, y, z, e = x + u * path, y + v * path, z + w * path, e - lost
            if e <= 0.0:
                break
            pick = r1 * total
            if pick < moller[i]:
                if e > 2.0 * cut:
                    t, draw = _moller_transfer(e, cut, seed, stream, history, draw)
                    up, vp, wp = u, v, w
                    cos_p = math.sqrt((e - t) * (e + 2.0 * MC2) / (e * (e - t + 2.0 * MC2)))
                    cos_s = math.sqrt(t * (e + 2.0 * MC2) / (e * (t + 2.0 * MC2)))
                    u, v, w = _turn(up, vp, wp, cos_p, 2.0 * math.pi * r2)
                    us, vs, ws = _turn(up, vp, wp, cos_s, 2.0 * math.pi * r2 + math.pi)
                    e -= t
                    if top < stack.shape[0] - 1:
                        stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3] = t, x, y, z
                        stack[top, 4], stack[top, 5], stack[top, 6] = us, vs, ws
                        top += 1
                    else:
                        tally[_bin(x, y, z, 1.0 / scale, n_bins)] += t
                continue
            pick -= moller[i]
            if pick < brems[i]:
                if e > cut:
                    t, draw = _photon_energy(e, cut, seed, stream, history, draw)
                    e -= t
                    radiated += t
                    if e <= 0.0:
                        break
                continue
            pick -= brems[i]
            k = 0
            while k < n_el - 1 and pick >= elastic[k, i]:
                pick -= elastic[k, i]
                k += 1
            fresh = pick / elastic[k, i]  # uniform again, given the element
            eta = screening[k, i]
            half = eta * r2 / (1.0 + eta - r2)  # sin^2(theta/2)
            p2 = e * (e + 2.0 * MC2)
            beta2 = p2 / ((e + MC2) * (e + MC2))
            s = math.sqrt(half)
            mott = 1.0 - beta2 * half + math.pi * ALPHA * elements[k] * math.sqrt(beta2) * s * (1.0 - s)
            if fresh * 1.06 < mott:
                # the azimuth comes from the low digits of r3, whose high digits placed the energy
                u, v, w = _turn(u, v, w, 1.0 - 2.0 * half, 2.0 * math.pi * (4096.0 * r3 - math.floor(4096.0 * r3)))
    return radiated


@njit(cache=True, parallel=True)
def _run(energy0, absorb_range, scale, seed, stream, histories, grid, tables, elements, n_bins, chunks):  # type: ignore[no-untyped-def]
    tallies = np.zeros((chunks, n_bins + 1))
    radiated = np.zeros(chunks)
    for c in prange(chunks):
        stack = np.zeros((_STACK, 7))
        first, end = c * histories // chunks, (c + 1) * histories // chunks
        for h in range(first, end):
            radiated[c] += electron_history(
                energy0, absorb_range, scale, seed, stream, h, grid, tables, elements, stack, tallies[c]
            )
    return tallies, radiated


def depth_kernel(
    medium: ElectronMedium,
    energy_MeV: float,
    *,
    histories: int,
    seed: int,
    stream: int = 0,
    scale: float,
    bins: int = 120,
    absorb_fraction: float = 2e-3,
) -> tuple[Array, Array, float]:
    """Energy laid down within a radius of a point source of electrons.

    Parameters
    ----------
    medium : ElectronMedium
    energy_MeV : float
    histories, seed, stream : int
        Number of electrons; key of the random numbers.
    scale : float
        Largest radius, g/cm2; the shells end at ``scale * (j / bins)**2``.
    absorb_fraction : float
        An electron whose residual range is below this fraction of `scale` stops where it is.

    Returns
    -------
    edges : Array[bins + 1]
        g/cm2, from 0.
    per_chunk : Array[chunk, bins + 1]
        Fraction of the emitted energy per shell (the last one: beyond `scale`), one row per chunk of histories, so
        that the spread over chunks gives the standard error.
    radiated : float
        Fraction of the energy that photons carry away.
    """
    grid = (medium.log_energy_min, medium.log_energy_step, medium.cut_MeV)
    tables = (
        medium.restricted_loss,
        medium.elastic,
        medium.screening,
        medium.moller,
        medium.bremsstrahlung,
        medium.residual_range,
    )
    tallies, radiated = _run(
        energy_MeV,
        absorb_fraction * scale,
        scale,
        seed,
        stream,
        histories,
        grid,
        tables,
        medium.elastic_z,
        bins,
        N_CHUNKS,
    )
    edges = scale * (np.arange(bins + 1) / bins) ** 2
    per_chunk = tallies / (energy_MeV * histories / N_CHUNKS)
    return edges, per_chunk, float(np.sum(radiated)) / (energy_MeV * histories)


_WATER = {1: (0.111894, 1.008), 8: (0.888106, 15.999)}  # mass fraction, atomic mass g/mol
_MEAN_EXCITATION_EV = 75.0  # ICRU 37, the value behind ESTAR


def water_electrons(energy_MeV: float, cut_fraction: float = 0.01) -> ElectronMedium:
    """Cross sections of liquid water for electrons up to `energy_MeV`; collisions above `cut_fraction` are followed."""
    water = medium("water")
    e = np.exp(np.linspace(np.log(1.0001e-3), np.log(energy_MeV * 1.0001), 1201))
    return electron_medium(
        _WATER,
        _MEAN_EXCITATION_EV,
        e,
        water.mass_stopping_power("electron", e, "collision"),
        water.mass_stopping_power("electron", e, "radiative"),
        water.csda_range_g_per_cm2("electron", e),
        cut_fraction * energy_MeV,
    )
