"""Slow, obvious twins of the hit statistics: tracks in three dimensions, one random number at a time for each of them.

No symmetry is used: points are drawn in the compartment, directions on the sphere, and the track's two crossings with
each sphere come from the quadratic equation.
"""

from __future__ import annotations

import math

import numpy as np

from alphatwin.physics.matter import Material
from alphatwin.units import JOULE_PER_MEV


def mass_kg(material: Material, inner_um: float, outer_um: float) -> float:
    return 4 / 3 * math.pi * (outer_um**3 - inner_um**3) * 1e-15 * material.density_g_per_cm3


def directions(rng: np.random.Generator, n: int) -> np.ndarray:
    normal = rng.normal(size=(n, 3))
    return normal / np.linalg.norm(normal, axis=1)[:, None]


def points(
    rng: np.random.Generator, source: str, cell: float, nucleus: float, n: int, reach: float = 0.0
) -> np.ndarray:
    """Starting points about the cell's centre."""
    inner, outer = {
        "nucleus": (0.0, nucleus),
        "cytoplasm": (nucleus, cell),
        "cell": (0.0, cell),
        "surface": (cell, cell),
        "medium": (cell, cell + reach),
    }[source]
    radius = np.cbrt(rng.uniform(inner**3, outer**3, n)) if inner < outer else np.full(n, cell)
    return directions(rng, n) * radius[:, None]


def inside(start: np.ndarray, way: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Path lengths at which each track enters and leaves a sphere about the origin (equal when it misses it)."""
    along = np.einsum("ij,ij->i", start, way)
    square = along**2 - np.einsum("ij,ij->i", start, start) + radius**2
    root = np.sqrt(np.maximum(square, 0.0))
    enter = np.where(square > 0, np.maximum(-along - root, 0.0), 0.0)
    leave = np.where(square > 0, np.maximum(-along + root, 0.0), 0.0)
    return enter, leave


def energy_left(material: Material, energy_MeV: float, path_um: np.ndarray) -> np.ndarray:
    rest = material.csda_range_um("alpha", energy_MeV) - path_um
    return np.where(rest > 0, material.energy_after("alpha", np.maximum(rest, 0.0)), 0.0)


def deposits(material, energy_MeV, source, cell, nucleus, target, n, seed, distance=0.0):
    """Energy in MeV that each of n alphas leaves in the target, and the number of emissions that n stands for."""
    rng = np.random.default_rng(seed)
    reach = material.csda_range_um("alpha", energy_MeV)
    start = points(rng, source, cell, nucleus, n, reach) + np.array([distance, 0.0, 0.0])
    way = directions(rng, n)

    def in_ball(radius):
        enter, leave = inside(start, way, radius)
        given = energy_left(material, energy_MeV, enter) - energy_left(material, energy_MeV, leave)
        return given, (leave > enter + 1e-9) & (enter < reach)  # off its own surface a track has no path, only rounding

    if target == "nucleus":
        energy, hit = in_ball(nucleus)
    elif target == "cell":
        energy, hit = in_ball(cell)
    else:
        whole, hit = in_ball(cell)
        core, _ = in_ball(nucleus)
        energy = whole - core
        hit &= energy > 1e-12
    emissions = n * cell**3 / ((cell + reach) ** 3 - cell**3) if source == "medium" else n
    return energy, hit, emissions


def targets(mean_hits, single_Gy, n, seed):
    """Specific energy of n targets: for each a Poisson number of single events, drawn from the list."""
    rng = np.random.default_rng(seed)
    number = rng.poisson(mean_hits, n)
    drawn = rng.choice(single_Gy, int(number.sum()))
    return np.bincount(np.repeat(np.arange(n), number), drawn, n), number


def by_convolution(mean_hits, single, step, terms):
    """Masses of f(z) without the zero-hit weight on a lattice: sum over k of Poisson(k) times the k-fold convolution."""
    total, power = np.zeros(len(single)), np.zeros(len(single))
    power[0] = 1.0
    for k in range(1, terms):
        power = np.convolve(power, single)[: len(single)]
        total += power * math.exp(-mean_hits + k * math.log(mean_hits) - math.lgamma(k + 1))
    return total


def gray(material, inner, outer, energy_MeV):
    return energy_MeV * JOULE_PER_MEV / mass_kg(material, inner, outer)


def atom(rng_seed, probabilities, mean_atoms, n):
    """Share of n targets without a hit when each atom has several chances in a row."""
    rng = np.random.default_rng(rng_seed)
    atoms = rng.poisson(mean_atoms, n)
    missed = np.ones(n, dtype=bool)
    for p in probabilities:
        missed &= rng.binomial(atoms, p) == 0
    return missed.mean()
