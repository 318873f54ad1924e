"""Slow, obvious twins of cellular S values: closed forms from the literature, plain sampling, one track at a time."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable

import numpy as np

from alphatwin.physics.matter import Material
from alphatwin.physics.nuclides import nuclide
from alphatwin.units import JOULE_PER_MEV
from oracle.spheres import direction, point_in_sphere

Psi = Callable[[np.ndarray], np.ndarray]


def volume(radius: float) -> float:
    return 4 / 3 * math.pi * radius**3


# --- geometric reduction factors as printed: Goddu, Howell & Rao 1994 (self), by hand from the lens of two spheres ------


def ball_in_itself(x: np.ndarray, r: float) -> np.ndarray:
    u = np.minimum(x / r, 2.0)
    return 1 - 0.75 * u + u**3 / 16


def lens(separation: np.ndarray, a: float, b: float) -> np.ndarray:
    """Common volume of two balls of radii a and b."""
    s = np.clip(separation, abs(a - b), a + b)
    s = np.maximum(s, 1e-300)
    part = math.pi * (a + b - s) ** 2 * (s**2 + 2 * s * (a + b) - 3 * (a - b) ** 2) / (12 * s)
    return np.where(separation <= abs(a - b), volume(min(a, b)), np.where(separation >= a + b, 0.0, part))


def nucleus_from_cell(x: np.ndarray, rn: float, rc: float) -> np.ndarray:
    """A concentric ball in another: the lens of one with the other moved by x, over the source's volume."""
    return lens(x, rn, rc) / volume(rc)


def nucleus_from_cytoplasm(x: np.ndarray, rn: float, rc: float) -> np.ndarray:
    vn, vc = volume(rn), volume(rc)
    return (vc * nucleus_from_cell(x, rn, rc) - vn * ball_in_itself(x, rn)) / (vc - vn)


def ball_from_surface(x: np.ndarray, rn: float, rc: float) -> np.ndarray:
    """[Rn^2 - (Rc - x)^2]/(4 Rc x) between Rc - Rn and Rc + Rn."""
    inside = (x > rc - rn) & (x < rc + rn)
    return np.where(inside, (rn**2 - (rc - x) ** 2) / (4 * rc * np.where(inside, x, 1.0)), 0.0)


def moved_ball(x: np.ndarray, a: float, b: float, d: float) -> np.ndarray:
    """Target ball a at distance d from source ball b: the lens of the shifted source, averaged over directions.

    A shift by x puts the centres at sqrt(d^2 + x^2 + 2 d x cos); with s its value, the mean is an integral of
    lens(s) s ds/(2 d x), here by brute force.
    """
    found = []
    for v in np.atleast_1d(x):
        s = np.linspace(abs(d - v), d + v, 40_001)
        found.append(np.trapezoid(lens(s, a, b) * s, s) / (2 * d * v) / volume(b))
    return np.array(found)


def sampled_share(
    x: float, target: tuple[float, float], source: tuple[float, float], d: float, n: int, seed: int
) -> float:
    """Share of points at x, any direction, from random points of a shell (surface: equal radii) that lie in another."""
    rng = random.Random(seed)
    inside = 0
    for _ in range(n):
        if source[0] == source[1]:
            point = tuple(source[1] * c for c in direction(rng))
        else:
            while True:
                point = point_in_sphere(rng, source[1])
                if sum(c * c for c in point) >= source[0] ** 2:
                    break
        way = direction(rng)
        at = [p + x * w for p, w in zip(point, way, strict=True)]
        at[2] -= d
        inside += target[0] ** 2 <= sum(c * c for c in at) <= target[1] ** 2
    return inside / n


# --- alphas, line by line, over the energy -------------------------------------------------------------------------------


def alpha_energy(material: Material, energy_MeV: float, psi: Psi, knots: tuple[float, ...]) -> float:
    """integral_0^E psi(R(E) - R(e)) de in MeV, by 40-point Gauss rules between the energies at the knots of psi."""
    reach = material.csda_range_um("alpha", energy_MeV)
    edges = [0.0, *sorted(reach - k for k in knots if 0 < k < reach), reach]
    left = np.concatenate([np.linspace(a, b, 41)[:-1] for a, b in itertools.pairwise(edges)] + [[reach]])
    energy = np.asarray(material.energy_after("alpha", left))
    energy[-1] = energy_MeV
    node, weight = np.polynomial.legendre.leggauss(12)
    half, mid = np.diff(energy)[:, None] / 2, (energy[1:] + energy[:-1])[:, None] / 2
    e = mid + half * node
    low = material.energy_limits_MeV("alpha")[0]
    at = np.where(
        e < low,
        e / low * material.csda_range_um("alpha", low),
        np.asarray(material.csda_range_um("alpha", np.maximum(e, low).ravel())).reshape(e.shape),
    )
    values = psi((reach - at).ravel()).reshape(e.shape)
    return float(np.sum(values * weight * half))


def alpha_s_value(material: Material, name: str, psi: Psi, knots: tuple[float, ...], mass_kg: float) -> float:
    """Gy per decay of the alphas of one nuclide."""
    lines = nuclide(name).emissions("alpha")
    total = sum(
        y * alpha_energy(material, e, psi, knots)
        for e, y in zip(lines["energy_MeV"], lines["yield_per_decay"], strict=True)
    )
    return total * JOULE_PER_MEV / mass_kg


def chord(point: tuple[float, ...], way: tuple[float, ...], centre: tuple[float, ...], radius: float):
    """Distances at which a ray enters and leaves a sphere, from 0 on; None for a miss."""
    rel = [p - c for p, c in zip(point, centre, strict=True)]
    along = sum(a * b for a, b in zip(rel, way, strict=True))
    square = along * along - sum(a * a for a in rel) + radius * radius
    if square <= 0 or -along + math.sqrt(square) <= 0:
        return None
    return max(0.0, -along - math.sqrt(square)), -along + math.sqrt(square)


def alpha_tracks(
    material: Material,
    energy_MeV: float,
    cell: float,
    nucleus: float,
    offset: tuple[float, float, float],
    n: int,
    seed: int,
) -> tuple[float, float]:
    """Mean energy (MeV) in an eccentric nucleus per alpha from the cell's surface, and its standard error."""
    rng = random.Random(seed)
    reach = material.csda_range_um("alpha", energy_MeV)
    given = []
    for _ in range(n):
        met = chord(tuple(cell * c for c in direction(rng)), direction(rng), offset, nucleus)
        if met is None or met[0] >= reach:
            given.append(0.0)
            continue
        before = material.energy_after("alpha", reach - met[0])
        after = material.energy_after("alpha", reach - met[1]) if met[1] < reach else 0.0
        given.append(before - after)
    mean = sum(given) / n
    return mean, math.sqrt(sum((g - mean) ** 2 for g in given) / n / (n - 1))


# --- electrons as Cole 1969 has them: straight lines, one range-energy relation ---------------------------------------


def cole_energy_keV(range_um: np.ndarray) -> np.ndarray:
    """E(R) of Cole (Radiat Res 38:7, 1969), as in Goddu, Howell & Rao 1994."""
    return np.maximum(5.9 * (range_um + 0.007) ** 0.565 + 0.00413 * range_um**1.33 - 0.367, 0.0)


def cole_range_um(energy_keV: float) -> float:
    low, high = 0.0, 1e6
    for _ in range(100):
        mid = 0.5 * (low + high)
        low, high = (mid, high) if float(cole_energy_keV(np.array(mid))) < energy_keV else (low, mid)
    return 0.5 * (low + high)


def cole_s_value(name: str, psi: Psi, furthest_um: float, mass_kg: float) -> float:
    """Gy per decay of the electrons of one nuclide, on straight lines with Cole's energy loss."""
    lines = nuclide(name).emissions("electron")
    total = 0.0
    for e, y in zip(lines["energy_MeV"], lines["yield_per_decay"], strict=True):
        reach = cole_range_um(e * 1e3)
        end = min(reach, furthest_um)
        x = end * np.linspace(0, 1, 801) ** 2
        given = e * 1e3 - np.where(x < reach, cole_energy_keV(np.maximum(reach - x, 0.0)), 0.0)
        middle = 0.5 * (x[1:] + x[:-1])
        total += y * float(np.sum(psi(middle) * np.diff(given))) * 1e-3
    return total * JOULE_PER_MEV / mass_kg
