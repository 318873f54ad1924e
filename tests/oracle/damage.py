"""Slow, obvious twins of the damage and survival models."""

from __future__ import annotations

import math
import random

import numpy as np


def repair(positions, rates, sigma, stream: random.Random) -> int:
    """Wrong joins of one repair: every end with its own clock, plain lists, sums from scratch at every step."""
    ends = [(b, k) for b in range(len(positions)) for k in (0, 1)]
    clock = {e: -math.log(stream.random()) for e in ends}

    def weight(a, b):
        d2 = sum((p - q) ** 2 for p, q in zip(positions[a[0]], positions[b[0]], strict=True))
        return math.exp(-d2 / (2 * sigma**2)) if a != b else 0.0

    wrong = 0
    while ends:
        first = min(ends, key=lambda e: clock[e] / (rates[e[0]] * max(sum(weight(e, f) for f in ends), 1e-200)))
        others = [e for e in ends if e != first]
        second = stream.choices(others, [max(weight(first, e), 1e-200) for e in others])[0]
        wrong += first[0] != second[0]
        ends = [e for e in others if e != second]
    return wrong


def encounters(sigma, n=400_000, seed=1):
    """Mean of exp(-d^2/2 sigma^2) over random pairs in a unit sphere, and its standard error."""
    rng = np.random.default_rng(seed)

    def points():
        x = rng.normal(size=(n, 3))
        return x / np.linalg.norm(x, axis=1)[:, None] * rng.random(n)[:, None] ** (1 / 3)

    w = np.exp(-np.sum((points() - points()) ** 2, axis=1) / (2 * sigma**2))
    return w.mean(), w.std() / math.sqrt(n)


def poisson_survival(alpha, beta, hits, energies, weights, most=200):
    """Mean of exp(-alpha z - beta z^2) by summing over every number of hits of a few discrete energies (equal steps)."""
    step = energies[1] - energies[0]
    start = round(energies[0] / step)
    single = np.zeros(start + len(energies))
    single[start:] = weights
    pdf, total = np.array([1.0]), 0.0
    chance = math.exp(-hits)
    for n in range(most):
        z = step * np.arange(len(pdf))
        total += chance * float(pdf @ np.exp(-alpha * z - beta * z**2))
        pdf = np.convolve(pdf, single)
        chance *= hits / (n + 1)
    return total


def disc_mean(b, radius, core, penumbra, k, core_dose, n=1200):
    """Mean dose of a disc at distance b from a track, on a polar grid about the disc's centre."""
    r = (np.arange(n) + 0.5) / n * radius
    angle = (np.arange(n) + 0.5) / n * np.pi
    distance = np.sqrt(b**2 + r[:, None] ** 2 + 2 * b * r[:, None] * np.cos(angle))
    dose = np.where(distance <= core, core_dose, np.where(distance <= penumbra, k / distance**2, 0.0))
    return float((dose * r[:, None]).sum() / (r.sum() * n))


def oxygen_profile(radius, rim, consumption, diffusion, steps=2000):
    """Steady oxygen in a sphere by shooting: start at a core radius with no oxygen and no flux, integrate outwards."""

    def outwards(core):
        r = np.linspace(core, radius, steps)
        p = consumption / (6 * diffusion) * (r**2 - core**2)  # particular part
        flux_free = consumption * core**3 / (3 * diffusion)  # makes dp/dr = 0 at the core
        p = (
            p + np.where(r > 0, flux_free * (1 / np.maximum(r, 1e-12) - (1 / core if core > 0 else 0.0)), 0.0)
            if core > 0
            else p
        )
        return r, p

    low, high = 0.0, radius
    if outwards(0.0)[1][-1] < rim:
        r, p = outwards(0.0)
        return 0.0, r, p + rim - p[-1]
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if outwards(middle)[1][-1] > rim else (low, middle)
    core = 0.5 * (low + high)
    return core, *outwards(core)
