"""Delta rays in small sites: energy of one alpha in a sphere of a micrometre, by amorphous track structure.

Below some 2 um the electrons that an alpha sets free carry energy out of a site it crosses, and into sites it passes by:
the mean dose stays, the number of events grows, y_F falls below LET. Here the energy around a straight track is spread
by the profile of Kiefer and Chatterjee, as used with the microdosimetric kinetic model (Kase et al. 2008):

    D(r) = K_p / r^2 for R_c < r < R_p,   K_p = 1.25e-4 (z_eff/beta)^2 Gy um2,
    R_c = 0.0116 beta um,  R_p = 0.0616 E^1.7 um (E in MeV per nucleon),  the rest of the LET inside R_c;
    z_eff = z (1 - exp(-125 beta z^(-2/3)))  (Barkas).

The energy e in a sphere at impact parameter b is LET times an effective chord: the chord averaged over the profile. Far
from the track that mean is made of rare delta rays, so an event is counted with the chance 1 - exp(-e/0.3 keV); number
times energy is e. The 0.3 keV, what one delta ray leaves in a site it enters, is ours: with it y_F lies within 7 % of
track-structure results (Bertolet et al. 2021, Geant4-DNA) in 0.5 and 1 um sites at 2 to 6 MeV, 10 and 20 % low at 8 MeV;
y_D within 5 % (straggling is left out). In 0.1 um it is off by 33 %, and sites below 0.4 um are refused.
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import numpy.typing as npt

from ..physics.matter import medium as material_of
from . import _tracks

__all__ = ["MODELS", "SMALLEST_UM", "SOURCES", "effective_chord", "event_chance", "penumbra", "site_nodes"]

Array = npt.NDArray[np.float64]

MODELS = {"kiefer-chatterjee": "straight tracks with Kiefer-Chatterjee radial dose"}
SOURCES = ("kiefer1986", "chatterjee1976", "kase2008", "barkas1963", "bertolet2021")
SMALLEST_UM = 0.4  # diameter
_DELTA_EVENT_MEV = 0.3e-3
ALPHA_REST_MEV = 3727.379
NUCLEONS = 4.0015  # alpha mass in atomic mass units
_GY_UM2_PER_KEV_UM = 0.1602176634  # LET of 1 keV/um at unit density


def penumbra(energy_MeV: npt.ArrayLike, medium: str = "water") -> tuple[Array, Array, Array]:
    """Core radius and penumbra radius in um, and the penumbra's share of the LET.

    Examples
    --------
    >>> core, outer, share = penumbra([5.0])
    >>> round(float(outer[0]), 3), round(float(share[0]), 2)
    (0.09, 0.4)
    """
    energy = np.asarray(energy_MeV, dtype=float)
    material = material_of(medium)
    gamma = 1 + energy / ALPHA_REST_MEV
    beta = np.sqrt(1 - 1 / gamma**2)
    charge = 2 * (1 - np.exp(-125 * beta * 2 ** (-2 / 3)))
    density = material.density_g_per_cm3
    core = 0.0116 * beta / density
    outer = np.maximum(0.0616 * (energy / NUCLEONS) ** 1.7 / density, core * (1 + 1e-9))
    dose_um2 = 1.25e-4 * (charge / beta) ** 2 / density**2
    let = material.let_keV_per_um("alpha", energy) * _GY_UM2_PER_KEV_UM / density
    share = 2 * math.pi * dose_um2 * np.log(outer / core) / let
    return core, outer, np.minimum(share, 1.0)


@functools.cache
def _profile_nodes() -> tuple[Array, Array]:
    node, weight = np.polynomial.legendre.leggauss(20)
    return 0.5 * (node + 1), 0.5 * weight


def effective_chord(impact_um: Array, radius_um: float, energy_MeV: float, medium: str = "water") -> Array:
    """Energy in a sphere over the LET, um, for tracks at these impact parameters; sum over the plane is the volume.

    Examples
    --------
    >>> float(effective_chord(np.array([0.0]), 5.0, 5.0).round(2)[0])  # far larger than the penumbra: the chord
    10.0
    """
    core, outer, share = (float(v[0]) for v in penumbra([energy_MeV], medium))
    b = np.asarray(impact_um, dtype=float)
    chord = 2 * np.sqrt(np.maximum(radius_um**2 - b**2, 0.0))
    node, weight = _profile_nodes()
    r = core * (outer / core) ** node  # 2 pi r dr / r^2 is flat in ln r
    angle = (np.arange(32) + 0.5) / 32 * math.pi
    away = b[:, None, None] ** 2 + r[None, :, None] ** 2 + 2 * b[:, None, None] * r[None, :, None] * np.cos(angle)
    spread = 2 * np.sqrt(np.maximum(radius_um**2 - away, 0.0)).mean(axis=2) @ weight
    return np.asarray((1 - share) * chord + share * spread)


@functools.lru_cache(maxsize=32)
def _chord_table(
    radius_um: float, edges_um: tuple[float, ...], n: int, medium: str
) -> tuple[Array, Array, Array, Array]:
    """Impact parameters and b db of the nodes, grid of ln E, effective half chord[energy, node].

    On each stretch between two edges b^2 = high^2 - t^2 takes the square root at the upper end out.
    """
    node, weight = np.polynomial.legendre.leggauss(n)
    impact, measure = [], []
    for low, high in itertools.pairwise(edges_um):
        width = math.sqrt(high * high - low * low)
        t, dt = 0.5 * width * (node + 1), 0.5 * width * weight
        impact.append(np.sqrt(high * high - t * t))
        measure.append(t * dt)
    b = np.concatenate(impact)
    ln_energy = np.linspace(math.log(2e-3), math.log(_tracks.HIGHEST_MEV / 2), 40)
    half = np.stack([0.5 * effective_chord(b, radius_um, math.exp(e), medium) for e in ln_energy])
    return b, np.concatenate(measure), ln_energy, half


def _edges(radius_um: float, inner_um: float, outer_um: float, medium: str) -> tuple[float, ...]:
    """Impact parameters at which something changes, from 0 to the last that counts: site, source, widest penumbra."""
    last = radius_um + float(penumbra([_tracks.HIGHEST_MEV / 2], medium)[1][0])
    if inner_um == outer_um:
        last = min(last, outer_um)  # a surface sends out no line beyond its radius
    return (0.0, *sorted({r for r in (inner_um, outer_um, radius_um) if 0.0 < r < last}), last)


def _half_chords(energy_MeV: Array, table: Array, ln_energy: Array, column: npt.NDArray[np.int64]) -> Array:
    """Effective half chord at these energies in these columns of the table, straight in ln E."""
    step = ln_energy[1] - ln_energy[0]
    place = np.clip((np.log(np.maximum(energy_MeV, 1e-9)) - ln_energy[0]) / step, 0, len(ln_energy) - 1.000001)
    k = place.astype(int)
    part = place - k
    return np.asarray((1 - part) * table[k, column] + part * table[k + 1, column])


def event_chance(mean_energy_MeV: Array) -> Array:
    """Chance that a track which leaves this energy in a site on average leaves any there.

    Examples
    --------
    >>> event_chance(np.array([3e-5, 3e-3])).round(3).tolist()
    [0.095, 1.0]
    """
    return np.asarray(-np.expm1(-mean_energy_MeV / _DELTA_EVENT_MEV))


def site_nodes(
    energy_MeV: float, source: str, cell_um: float, nucleus_um: float, target: str, n: int, medium: str
) -> tuple[Array, Array]:
    """Nodes (weight per emission, energy in the target) with delta rays, as `_tracks.track_nodes` gives them without.

    The track crosses the effective chord of its impact parameter, at the energy it has where it passes the centre.
    """
    _, radius = _tracks.target_radii(target, cell_um, nucleus_um)
    reach = float(_tracks.range_um(energy_MeV, medium))
    inner, outer, _, density = _tracks.source_numbers(source, cell_um, nucleus_um, 0.0, reach)
    impact, measure, ln_energy, table = _chord_table(radius, _edges(radius, inner, outer, medium), n, medium)
    widest = float(impact.max())
    node, weight = np.polynomial.legendre.leggauss(n)
    found_w, found_e = [], []
    for low, high in _starts(impact, inner, outer, reach + widest):
        length = np.maximum(high - low, 0.0)
        x = low[:, None] + 0.5 * length[:, None] * (node + 1)
        if inner == outer:  # a surface: one start per line, b db / (2 rho |x|)
            x, share = low[:, None], measure[:, None] / (2 * outer * np.abs(low[:, None]))
        else:
            share = measure[:, None] * 0.5 * length[:, None] * weight * 2 * math.pi * density
        column = np.broadcast_to(np.arange(len(impact))[:, None], x.shape)
        passing = _tracks.energies_at((reach + np.minimum(x, 0.0)).ravel(), medium).reshape(x.shape)
        half = _half_chords(passing, table, ln_energy, column)
        enter, leave = np.maximum(-half, x), np.maximum(half, x)
        before = _tracks.energies_at((reach - (enter - x)).ravel(), medium)
        energy = before - _tracks.energies_at((reach - (leave - x)).ravel(), medium)
        good = energy > 0
        found_w.append(share.ravel()[good])
        found_e.append(energy[good])
    w, e = np.concatenate(found_w), np.concatenate(found_e)
    chance = event_chance(e)
    return w * chance, e / chance


def _starts(impact: Array, inner: float, outer: float, furthest: float) -> list[tuple[Array, Array]]:
    """Stretches of each line in the source that can matter: upstream of the site, and inside the source's hole or not."""
    far = np.sqrt(np.maximum(outer**2 - impact**2, 0.0))
    if inner == outer:
        return [(-far, -far)]
    near = np.sqrt(np.maximum(inner**2 - impact**2, 0.0))
    upstream = (np.maximum(-far, -furthest), np.minimum(-near, 0.0))
    upstream = (np.minimum(upstream[0], upstream[1]), upstream[1])
    downstream = (near, np.minimum(far, np.maximum(near, impact.max())))
    return [upstream, downstream]
