"""Slow twins of clusters: sums over all pairs one by one, and the specific energy of a nucleus by drawing every track."""

import numpy as np
from scipy.optimize import brentq
from scipy.spatial import cKDTree

from alphatwin.physics import medium, nuclide
from alphatwin.units import JOULE_PER_MEV


def pair_sums(positions, weight, kernel):
    """Sum over all other cells of weight[j] kernel(distance), cell by cell."""
    out = []
    for i, here in enumerate(positions):
        distance = np.linalg.norm(positions - here, axis=1)
        others = np.arange(len(positions)) != i
        out.append(weight[others] @ kernel(distance[others]))
    return np.array(out)


def _in_cell(place, count, cell, nucleus, rng):
    """Random points of a place in a cell at the origin."""
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    low, high = {"surface": (cell, cell), "cytoplasm": (nucleus, cell), "nucleus": (0.0, nucleus), "cell": (0.0, cell)}[
        place
    ]
    radius = np.cbrt(low**3 + (high**3 - low**3) * rng.random(count))
    return direction * radius[:, None]


def specific_energies(positions, decays, target, name, place, cell, nucleus, realisations, rng):
    """Sum of z (Gy) and sum of z squared in the nucleus of one cell, for each realisation; every decay on its own.

    A decay is kept with the chance that its track points at the nucleus: first with an upper bound for its whole cell,
    then with the chance of its own starting point.
    """
    table = nuclide(name).emissions("alpha")
    energies, yields = table["energy_MeV"].to_numpy(), table["yield_per_decay"].to_numpy()
    water = medium("water")
    ranges = np.asarray(water.csda_range_um("alpha", energies))
    offset = positions - positions[target]
    distance = np.linalg.norm(offset, axis=1)
    near = distance < ranges.max() + cell + nucleus
    offset, distance, number = offset[near], distance[near], decays[near]
    nearest = np.maximum(distance - cell, nucleus * (1 + 1e-12))
    bound = np.where(distance == 0, 1.0, 0.5 * (1 - np.sqrt(1 - (nucleus / nearest) ** 2)))
    rate = number * bound * yields.sum()
    count = rng.poisson(rate.sum() * realisations)
    which = rng.choice(len(rate), size=count, p=rate / rate.sum())
    line = rng.choice(len(yields), size=count, p=yields / yields.sum())
    run = rng.integers(realisations, size=count)
    start = offset[which] + _in_cell(place, count, cell, nucleus, rng)
    x = np.linalg.norm(start, axis=1)
    outside = x > nucleus
    tangent = np.sqrt(np.maximum(1 - (nucleus / np.maximum(x, 1e-9)) ** 2, 0.0))
    chance = np.where(outside, 0.5 * (1 - tangent), 1.0)
    kept = rng.random(count) < chance / bound[which]
    x, outside, tangent, line, run = x[kept], outside[kept], tangent[kept], line[kept], run[kept]
    u = rng.random(len(x))
    mu = np.where(outside, tangent + (1 - tangent) * u, 2 * u - 1)  # cosine to the direction of the centre
    half = np.sqrt(np.maximum(nucleus**2 - x**2 * (1 - mu**2), 0.0))
    enter, leave = np.maximum(x * mu - half, 0.0), x * mu + half

    def left(path):
        return np.asarray(water.energy_after("alpha", np.maximum(ranges[line] - path, 0.0)))

    mass_kg = 4 / 3 * np.pi * nucleus**3 * 1e-15
    z = (left(enter) - left(leave)) * JOULE_PER_MEV / mass_kg
    return np.bincount(run, z, realisations), np.bincount(run, z**2, realisations)


def log_survival_on_a_contour(hits, single, alpha, beta):
    """ln E[exp(-alpha z - beta z^2)] of a compound Poisson z, with the transform `single` of one hit.

    exp(-beta z^2) as a Gaussian mean, the line of integration put through the saddle point found numerically, and 8001
    points of the trapezoidal rule: no groups, no Gauss-Hermite nodes.
    """

    def kappa(s):
        return hits * (single(s) - 1.0)

    def slope(y):
        s = alpha + 2 * np.sqrt(beta) * y
        mean = -(kappa(np.array([s * 1.0001 + 0j])) - kappa(np.array([s * 0.9999 + 0j]))).real[0] / (2e-4 * s)
        return y - np.sqrt(beta) * mean

    y = brentq(slope, 0.0, 1e4)
    w = np.linspace(-9.0, 9.0, 8001)
    values = kappa(alpha + 2 * np.sqrt(beta) * y - 1j * w * np.sqrt(2 * beta)) - 0.5 * w**2 - 1j * w * np.sqrt(2) * y
    top = values.real.max()
    return y**2 + top + np.log(np.trapezoid(np.exp(values - top).real, w) / np.sqrt(2 * np.pi))


def medium_energies(positions, target, name, per_um3, ball, cell, nucleus, realisations, rng):
    """Sum of z (Gy) and number of hits in one nucleus by decays anywhere in a ball but in no cell, every start drawn."""
    table = nuclide(name).emissions("alpha")
    water = medium("water")
    z, hits = np.zeros(realisations), np.zeros(realisations)
    mass_kg = 4 / 3 * np.pi * nucleus**3 * 1e-15
    for energy, number in zip(table["energy_MeV"], table["yield_per_decay"], strict=True):
        far = float(water.csda_range_um("alpha", energy))
        edge = far + nucleus
        count = rng.poisson(per_um3 * number * (2 * edge) ** 3 * realisations)
        start, run = (2 * rng.random((count, 3)) - 1) * edge, rng.integers(realisations, size=count)
        near = (start**2).sum(1) < edge**2
        start, run = start[near], run[near]
        place = start + positions[target]
        free = ((place**2).sum(1) < ball**2) & (cKDTree(positions).query(place)[0] > cell)
        start, run = start[free], run[free]
        way = rng.normal(size=start.shape)
        way /= np.linalg.norm(way, axis=1)[:, None]
        along = (start * way).sum(1)
        under = along**2 - (start**2).sum(1) + nucleus**2
        meets = (under > 0) & (along < 0)
        half = np.sqrt(under[meets])
        enter, leave, run = -along[meets] - half, -along[meets] + half, run[meets]
        arrives = enter < far
        enter, leave, run = enter[arrives], leave[arrives], run[arrives]
        kept = [np.asarray(water.energy_after("alpha", np.maximum(far - path, 0.0))) for path in (enter, leave)]
        z += np.bincount(run, (kept[0] - kept[1]) * JOULE_PER_MEV / mass_kg, realisations)
        hits += np.bincount(run, minlength=realisations)
    return z, hits
