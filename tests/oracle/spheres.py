"""Slow, obvious twins of the transport room: plain Python, one particle at a time, no table, no closed form."""

from __future__ import annotations

import math
import random

from alphatwin.physics.matter import Material

ELECTRON_REST_MEV = 0.51099895


def point_in_sphere(rng: random.Random, radius: float) -> tuple[float, float, float]:
    while True:
        x, y, z = (rng.uniform(-radius, radius) for _ in range(3))
        if x * x + y * y + z * z <= radius * radius:
            return x, y, z


def direction(rng: random.Random) -> tuple[float, float, float]:
    w, phi = rng.uniform(-1, 1), rng.uniform(0, 2 * math.pi)
    s = math.sqrt(1 - w * w)
    return s * math.cos(phi), s * math.sin(phi), w


def chord(point: tuple[float, float, float], way: tuple[float, float, float], radius: float) -> float:
    """Distance from a point in the sphere to its surface."""
    along = sum(a * b for a, b in zip(point, way, strict=True))
    square = sum(a * a for a in point)
    return -along + math.sqrt(max(0.0, along * along - square + radius * radius))


def alpha_in_sphere(material: Material, energy_MeV: float, radius_um: float, n: int, seed: int) -> tuple[float, float]:
    """Absorbed fraction and standard error: straight tracks from random points, energy left where each one leaves."""
    rng = random.Random(seed)
    track = material.csda_range_um("alpha", energy_MeV)
    given = []
    for _ in range(n):
        path = chord(point_in_sphere(rng, radius_um), direction(rng), radius_um)
        left = material.energy_after("alpha", track - path) if path < track else 0.0
        given.append(1 - left / energy_MeV)
    mean = sum(given) / n
    return mean, math.sqrt(sum((g - mean) ** 2 for g in given) / n / (n - 1))


def points_that_stay(distance: float, radius: float, n: int, seed: int) -> float:
    """Fraction of points at `distance`, any direction, from a random point of a sphere that lie in it."""
    rng = random.Random(seed)
    inside = 0
    for _ in range(n):
        point, way = point_in_sphere(rng, radius), direction(rng)
        inside += sum((p + distance * w) ** 2 for p, w in zip(point, way, strict=True)) <= radius * radius
    return inside / n


def first_collisions(tau: float, n: int, seed: int) -> float:
    """Fraction of photons, born anywhere in a sphere of optical radius tau, whose first flight ends in it."""
    rng = random.Random(seed)
    return sum(rng.expovariate(1.0) <= chord(point_in_sphere(rng, tau), direction(rng), tau) for _ in range(n)) / n


def compton(rng: random.Random, energy: float) -> float:
    """Cosine of a Klein-Nishina deflection, by rejection from a flat distribution (the differential law is below 2)."""
    while True:
        cos_t = rng.uniform(-1, 1)
        ratio = 1 / (1 + energy / ELECTRON_REST_MEV * (1 - cos_t))
        if 2 * rng.random() <= ratio**2 * (ratio + 1 / ratio - 1 + cos_t**2):
            return cos_t


def rotated(rng: random.Random, way: tuple[float, float, float], cos_t: float) -> tuple[float, float, float]:
    """A direction at this angle to `way`: a random vector made orthogonal to it gives the azimuth."""
    while True:
        aside = direction(rng)
        dot = sum(a * b for a, b in zip(aside, way, strict=True))
        rest = [a - dot * b for a, b in zip(aside, way, strict=True)]
        size = math.sqrt(sum(r * r for r in rest))
        if size > 1e-3:
            sin_t = math.sqrt(max(0.0, 1 - cos_t * cos_t))
            u, v, w = (cos_t * b + sin_t * r / size for b, r in zip(way, rest, strict=True))
            return u, v, w


def photon_in_sphere(material: Material, energy_MeV: float, radius_cm: float, n: int, seed: int) -> tuple[float, float]:
    """Absorbed fraction and standard error: photons through an endless medium, energy counted inside the sphere.

    Free electrons (no binding) and no Rayleigh scattering: good to a fraction of a percent above 0.1 MeV in water.
    Below the pair threshold only. Cross sections are looked up on a fine grid of energies.
    """
    rng = random.Random(seed)
    low = 2e-3
    steps = 400
    grid = [low * (energy_MeV / low) ** (i / steps) for i in range(steps + 1)]
    parts = material.photon_interactions(grid)
    density = material.density_g_per_cm3
    photo = [float(v) * density for v in parts["photoelectric"]]
    inco = [float(v) * density for v in parts["incoherent"]]
    sums = []
    for _ in range(n):
        place, way, energy, got = point_in_sphere(rng, radius_cm), direction(rng), energy_MeV, 0.0
        while True:
            i = max(0, min(steps, round(steps * math.log(energy / low) / math.log(energy_MeV / low))))
            path = rng.expovariate(photo[i] + inco[i])
            x, y, z = (p + path * w for p, w in zip(place, way, strict=True))
            place = (x, y, z)
            inside = x * x + y * y + z * z <= radius_cm * radius_cm
            if energy <= low or rng.random() * (photo[i] + inco[i]) < photo[i]:
                got += energy if inside else 0.0
                break
            cos_t = compton(rng, energy)
            left = energy / (1 + energy / ELECTRON_REST_MEV * (1 - cos_t))
            got += energy - left if inside else 0.0
            energy, way = left, rotated(rng, way, cos_t)
        sums.append(got / energy_MeV)
    mean = sum(sums) / n
    return mean, math.sqrt(sum((s - mean) ** 2 for s in sums) / n / (n - 1))
