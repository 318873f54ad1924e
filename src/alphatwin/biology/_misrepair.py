"""Kernels of break repair: ends meet at a rate that falls with their distance, the pair that meets is joined."""

from __future__ import annotations

import math

import numpy as np

from .._jit import njit, prange
from ..transport._random import uniforms

__all__ = ["interaction_sum", "repair_times", "track_breaks"]

SMALLEST = 1e-200  # weight of the farthest pair: ends without a neighbour still find each other at last


@njit(cache=True)
def interaction_sum(positions, sigma):  # type: ignore[no-untyped-def]
    """Sum of exp(-d^2 / 2 sigma^2) over all pairs of breaks, positions[break, 3]."""
    total = 0.0
    scale = 0.5 / sigma**2
    for i in range(len(positions)):
        for j in range(i + 1, len(positions)):
            d2 = 0.0
            for k in range(3):
                d2 += (positions[i, k] - positions[j, k]) ** 2
            total += math.exp(-d2 * scale)
    return total


@njit(cache=True)
def _one_repair(weight, rates, seed, history):  # type: ignore[no-untyped-def]
    """Join all ends of the breaks of one cell; the number of wrong joins. weight[end, end], rates[break].

    Each end has its own clock: an exponential sample divided by its rate times the summed weight of the free ends. Ends
    2b and 2b + 1 belong to break b.
    """
    ends = len(weight)
    free = np.ones(ends, dtype=np.bool_)
    need = np.empty(ends)
    total = np.zeros(ends)
    for i in range(ends):
        need[i] = -math.log(uniforms(seed, 7, history, i)[0])
        for j in range(ends):
            total[i] += weight[i, j]
    draw = ends
    misrepaired = 0
    for _ in range(ends // 2):
        first, when = -1, math.inf
        for i in range(ends):
            if free[i]:
                t = need[i] / (rates[i // 2] * total[i])
                if first < 0 or t < when:
                    first, when = i, t
        target = uniforms(seed, 7, history, draw)[0] * total[first]
        draw += 1
        second, running = -1, 0.0
        for j in range(ends):
            if free[j] and j != first:
                second = j
                running += weight[first, j]
                if running >= target:
                    break
        free[first] = False
        free[second] = False
        for i in range(ends):
            if free[i]:
                total[i] -= weight[i, first] + weight[i, second]
                if total[i] < 1e-6:  # a difference has lost its digits: sum what is left
                    total[i] = 0.0
                    for j in range(ends):
                        if free[j]:
                            total[i] += weight[i, j]
        if first // 2 != second // 2:
            misrepaired += 1
    return misrepaired


@njit(cache=True, parallel=True)
def repair_times(positions, rates, sigma, seed, misrepaired):  # type: ignore[no-untyped-def]
    """misrepaired[repeat]: wrong joins when all breaks of one cell, positions[break, 3], are repaired again and again."""
    ends = 2 * len(positions)
    scale = 0.5 / sigma**2
    weight = np.zeros((ends, ends))
    for i in range(ends):
        for j in range(ends):
            if i != j:
                d2 = 0.0
                for k in range(3):
                    d2 += (positions[i // 2, k] - positions[j // 2, k]) ** 2
                weight[i, j] = max(math.exp(-d2 * scale), SMALLEST)
    for r in prange(len(misrepaired)):
        misrepaired[r] = _one_repair(weight, rates, seed, r)


@njit(cache=True)
def track_breaks(radius, tracks, breaks_per_um, seed, history, out):  # type: ignore[no-untyped-def]
    """Breaks of straight chords through a sphere, isotropic and uniform; positions into out[break, 3], their number."""
    made = 0
    draw = 0
    for _ in range(tracks):
        u = uniforms(seed, 11, history, draw)
        draw += 1
        b = radius * math.sqrt(u[0])
        phi, mu, psi = 2 * math.pi * u[1], 2 * u[2] - 1, 2 * math.pi * u[3]
        half = math.sqrt(max(radius**2 - b**2, 0.0))
        s = math.sqrt(max(1 - mu**2, 0.0))
        w = (s * math.cos(psi), s * math.sin(psi), mu)
        # two directions at right angles to the track
        e1 = (mu * math.cos(psi), mu * math.sin(psi), -s)
        e2 = (-math.sin(psi), math.cos(psi), 0.0)
        place = 0.0
        while True:
            step = -math.log(uniforms(seed, 11, history, draw)[0]) / breaks_per_um
            draw += 1
            place += step
            if place > 2 * half or made == len(out):
                break
            for k in range(3):
                out[made, k] = b * (math.cos(phi) * e1[k] + math.sin(phi) * e2[k]) + (place - half) * w[k]
            made += 1
    return made
