"""The fit of each voxel by itself: its region's curve, scaled and tilted, ``s g(t) exp(-delta t)``."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .._jit import njit, prange

__all__ = ["above_zero", "moved_voxels", "tilted_fits"]

Array = npt.NDArray[np.float64]

SCAN = 16  # starting points of the search along the rate
STEPS = 44  # golden sections after it: the bracket shrinks to 6e-10 of its width
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


@njit(cache=True)
def _cost(delta, y, weight, shape, times, prior):  # type: ignore[no-untyped-def]
    """Least cost over the scale s >= 0 at a given tilt, and that s."""
    gg, gy, yy = 0.0, 0.0, 0.0
    for j in range(times.size):
        g = shape[j] * math.exp(-delta * times[j])
        gg += weight[j] * g * g
        gy += weight[j] * g * y[j]
        yy += weight[j] * y[j] * y[j]
    scale = max(gy / gg, 0.0) if gg > 0.0 else 0.0
    return yy - 2.0 * scale * gy + scale * scale * gg + prior * delta * delta, scale


@njit(cache=True)
def _best(y, weight, shape, times, prior, low, high, base):  # type: ignore[no-untyped-def]
    """The tilt of least cost: a scan in equal ratios of the rate, then golden sections about its best point."""
    step = math.log((base + high) / (base + low)) / (SCAN - 1)
    at, least = 0, math.inf
    for i in range(SCAN):
        value, _ = _cost((base + low) * math.exp(step * i) - base, y, weight, shape, times, prior)
        if value < least:
            at, least = i, value
    a = max((base + low) * math.exp(step * (at - 1)) - base, low)
    b = min((base + low) * math.exp(step * (at + 1)) - base, high)
    c, d = b - _GOLDEN * (b - a), a + _GOLDEN * (b - a)
    fc, _ = _cost(c, y, weight, shape, times, prior)
    fd, _ = _cost(d, y, weight, shape, times, prior)
    for _ in range(STEPS):
        if fc <= fd:
            b, d, fd = d, c, fc
            c = b - _GOLDEN * (b - a)
            fc, _ = _cost(c, y, weight, shape, times, prior)
        else:
            a, c, fc = c, d, fd
            d = a + _GOLDEN * (b - a)
            fd, _ = _cost(d, y, weight, shape, times, prior)
    middle = 0.5 * (a + b)
    best = middle
    least, scale = _cost(middle, y, weight, shape, times, prior)
    for edge in (low, high):  # golden sections never stand on a bound
        value, s = _cost(edge, y, weight, shape, times, prior)
        if value <= least:
            best, least, scale = edge, value, s
    return best, scale


@njit(parallel=True, cache=True)
def tilted_fits(values, sigmas, owner, times, shapes, amplitudes, rates, priors, lows, highs, bases, spreads):  # type: ignore[no-untyped-def]
    """Fit every voxel.

    Parameters
    ----------
    values : array[time, voxel]
        Activity concentration.
    sigmas : array[time, voxel]
        Of one standard deviation, or ``[0, 0]``: then the variance is `spreads` times the expected value.
    owner : array[voxel]
        Region of each voxel; -1 is left out.
    times : array[time]
    shapes : array[region, time]
        g(t) of the region.
    amplitudes, rates : array[region, term]
        The same as a sum of exponentials; zero amplitudes fill up.
    priors : array[region]
        One over the variance of the tilt in the region, 0 for none.
    lows, highs : array[region]
        Bounds of the tilt.
    bases : array[region]
        The rate that the tilt is added to in the scan.
    spreads : array[region]
        Variance over expected value.

    Returns
    -------
    integral, sd, delta : array[voxel]
        Of the curve from 0 to infinity, its standard uncertainty by the curvature at the best fit, and the tilt.
    """
    n_times, n = values.shape
    integral, sd, tilt = np.zeros(n), np.zeros(n), np.zeros(n)
    for v in prange(n):
        r = owner[v]
        if r < 0:
            continue
        y, weight = np.empty(n_times), np.empty(n_times)
        gg, gy, top = 0.0, 0.0, 0.0
        for j in range(n_times):
            y[j] = values[j, v]
            gg += shapes[r, j] * shapes[r, j]
            gy += shapes[r, j] * y[j]
            top = max(top, abs(y[j]))
        floor = max(gy / gg, 0.0) + 1e-3 * top / max(shapes[r].max(), 1e-300)
        for j in range(n_times):
            if sigmas.size > 0:
                weight[j] = 1.0 / max(sigmas[j, v] * sigmas[j, v], 1e-300)
            else:
                weight[j] = 1.0 / max(spreads[r] * floor * shapes[r, j], 1e-300)
        if top > 0.0:
            tilt[v], scale = _best(y, weight, shapes[r], times, priors[r], lows[r], highs[r], bases[r])
        else:
            scale = 0.0
        delta = tilt[v]
        area, slope = 0.0, 0.0
        for i in range(rates.shape[1]):
            rate = rates[r, i] + delta
            area += amplitudes[r, i] / rate
            slope -= amplitudes[r, i] / (rate * rate)
        integral[v] = scale * area
        ss, st, tt = 0.0, 0.0, priors[r]
        for j in range(n_times):
            g = shapes[r, j] * math.exp(-delta * times[j])
            ss += weight[j] * g * g
            st -= weight[j] * g * g * scale * times[j]
            tt += weight[j] * g * g * scale * scale * times[j] * times[j]
        det = ss * tt - st * st
        held = delta <= lows[r] or delta >= highs[r] or scale == 0.0 or not det > 1e-12 * ss * tt
        if held:
            sd[v] = area / math.sqrt(ss) if ss > 0.0 else 0.0
        else:
            p, q = area, scale * slope  # gradient of the integral: by s, by delta
            sd[v] = math.sqrt(max((p * p * tt - 2.0 * p * q * st + q * q * ss) / det, 0.0))
    return integral, sd, tilt


def above_zero(parts: list[Array], *, move: bool) -> tuple[list[Array], list[float]]:
    """Decays [voxel] by region without negative ones and of the same sum, if asked; and the share that those held."""
    made, held = [], []
    for part in parts:
        whole, positive = float(part.sum()), float(np.maximum(part, 0.0).sum())
        held.append(max(positive - whole, 0.0) / whole)
        made.append(np.maximum(part, 0.0) * (whole / positive) if move and held[-1] > 0 else part)
    return made, held


def moved_voxels(name: str, share: float, what: str) -> str:
    told = f"{name}: voxels below zero (noise) hold {-100 * share:.2g} % of its decays"
    if what == "keep":
        return f"{told}; they stay, so that sums are unbiased."
    return f"{told}; they were set to zero and its other voxels scaled by {1 / (1 + share):.4f}, so that its sum stays."
