"""Slow, obvious twins of the Monte Carlo: cross sections by quadrature, straight flights in plain Python, stratified sums."""

from __future__ import annotations

import math
import random

import numpy as np

MC2 = 0.51099895069
ALPHA = 1 / 137.035999177
RE2_NA = 6.02214076e23 * 2.8179403205e-13**2


def moller(energy: float, transfer: float) -> float:
    """dSigma/dW in units of 2 pi r_e^2 m c^2 / beta^2, 1/MeV^2: the textbook form, term by term."""
    rest = energy - transfer
    total = energy + MC2
    return 1 / transfer**2 + 1 / rest**2 + 1 / total**2 - MC2 * (2 * energy + MC2) / (total**2 * transfer * rest)


def bhabha(energy: float, transfer: float) -> float:
    """The same for positrons, in Rohrlich and Carlson's variables y = 1/(gamma + 1) and e = W/E."""
    gamma = 1 + energy / MC2
    beta2 = 1 - 1 / gamma**2
    y = 1 / (gamma + 1)
    b1 = 2 - y**2
    b2 = (1 - 2 * y) * (3 + y**2)
    b4 = (1 - 2 * y) ** 3
    b3 = b4 + (1 - 2 * y) ** 2
    e = transfer / energy
    return (1 / e**2 - beta2 * b1 / e + beta2 * b2 - beta2 * e * b3 + beta2 * e**2 * b4) / energy**2


def transport_coefficient(order: int, energy: float, composition: dict[int, float], charge: int) -> float:
    """1/lambda_l of elastic scattering in cm2/g, by brute quadrature over log(mu); composition is mol/g by Z."""
    p2 = energy * (energy + 2 * MC2)
    beta2 = p2 / (energy + MC2) ** 2
    mu = np.exp(np.linspace(math.log(1e-14), 0.0, 200_001))
    weight = 2 * mu if order == 1 else 6 * mu * (1 - mu)
    total = 0.0
    for z, share in composition.items():
        chi = ALPHA * z ** (1 / 3) / 0.88534
        eta = chi**2 * MC2**2 / (4 * p2) * (1.13 + 3.76 * (ALPHA * z) ** 2 / beta2 * math.sqrt(energy / (energy + MC2)))
        spin = 1 - beta2 * mu - charge * math.pi * ALPHA * z * math.sqrt(beta2) * np.sqrt(mu) * (1 - np.sqrt(mu))
        rutherford = math.pi * RE2_NA * share * z**2 * MC2**2 / (p2 * beta2) / (mu + eta) ** 2
        total += float(np.trapezoid(weight * rutherford * spin * mu, np.log(mu)))
    return total


def mean_chord_from_inside(edges: tuple[float, float, float], n: int, seed: int) -> float:
    """Mean distance from a random point of a box to its surface in a random direction."""
    rng = random.Random(seed)
    total = 0.0
    for _ in range(n):
        w, phi = rng.uniform(-1, 1), rng.uniform(0, 2 * math.pi)
        s = math.sqrt(1 - w * w)
        way = (s * math.cos(phi), s * math.sin(phi), w)
        total += min(((edge if v > 0 else 0.0) - rng.uniform(0, edge)) / v for edge, v in zip(edges, way, strict=True))
    return total / n


def path_through(
    start: tuple[float, float, float], way: tuple[float, float, float], length: float, voxel: float, n: int
) -> dict[tuple[int, int, int], float]:
    """Length in each voxel of a cubic grid (cells 0 to n-1), by walking in a hundred thousand tiny steps."""
    steps = 100_000
    found: dict[tuple[int, int, int], float] = {}
    for k in range(steps):
        at = (k + 0.5) / steps * length
        cell = tuple(math.floor((p + at * v) / voxel) for p, v in zip(start, way, strict=True))
        if all(0 <= c < n for c in cell):
            found[cell] = found.get(cell, 0.0) + length / steps  # type: ignore[index, arg-type]
    return found
