"""Slow twins of the biology: definitions integrated directly, nothing shared with the package."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from scipy.integrate import dblquad, quad


def protraction_by_integration(
    rate: Callable[[float], float], repair_half_time_h: float, end_h: float, breaks: tuple[float, ...] = ()
) -> float:
    """G = 2/D^2 int_0^T R(t) int_0^t R(s) exp(-mu (t - s)) ds dt by adaptive double quadrature, piece by piece."""
    mu = math.log(2) / repair_half_time_h
    knots = [0.0, *breaks, end_h]
    pieces = list(itertools.pairwise(knots))
    dose = sum(quad(rate, lo, hi, epsabs=0, epsrel=1e-11, limit=200)[0] for lo, hi in pieces)
    total = 0.0
    for lo, hi in pieces:
        for lo2, hi2 in pieces:
            if lo2 >= hi:
                continue
            inner_end = (lambda t: t) if lo2 == lo else (lambda _t, e=hi2: e)
            total += dblquad(
                lambda s, t: rate(t) * rate(s) * math.exp(-mu * (t - s)), lo, hi, lo2, inner_end, epsabs=0, epsrel=1e-10
            )[0]
    return 2.0 * total / dose**2


def protraction_of_polygon(times_h: np.ndarray, rate: np.ndarray, repair_half_time_h: float, order: int = 24) -> float:
    """G of a piecewise-linear dose rate: every pair of intervals by Gauss-Legendre, O(N^2)."""
    mu = math.log(2) / repair_half_time_h
    x, w = np.polynomial.legendre.leggauss(order)
    u, w = 0.5 * (x + 1.0), 0.5 * w
    dose, total = 0.0, 0.0
    for i in range(len(times_h) - 1):
        h = times_h[i + 1] - times_h[i]
        t = times_h[i] + h * u
        r = rate[i] + (rate[i + 1] - rate[i]) * u
        dose += h * float((w * r).sum())
        for j in range(i):
            k = times_h[j + 1] - times_h[j]
            s = times_h[j] + k * u
            q = rate[j] + (rate[j + 1] - rate[j]) * u
            total += (
                h * k * float(((w * r)[:, None] * (w * q)[None, :] * np.exp(-mu * (t[:, None] - s[None, :]))).sum())
            )
        for a in range(order):  # the triangle s < t of the interval with itself
            v = u * u[a]
            q = rate[i] + (rate[i + 1] - rate[i]) * v
            total += h * h * w[a] * r[a] * u[a] * float((w * q * np.exp(-mu * h * (u[a] - v))).sum())
    return 2.0 * total / dose**2


def bed_by_fractions(
    low: float, high: float, rbe_m: float, r_beta: float, alpha_beta: float, rate: float, mu: float, pulses: int
) -> float:
    """BED of an exponential source cut into acute pulses whose unrepaired damage meets that of later pulses.

    Log cell kill over alpha: each pulse adds its linear part and d_i^2/(a/b), each pair 2 d_i d_j exp(-mu dt)/(a/b).
    """
    t = -np.log1p(-(np.arange(pulses) + 0.5) / pulses) / rate  # median time of each equal-dose pulse
    d = (low + r_beta * high) / pulses
    open_damage, quadratic, last = 0.0, 0.0, 0.0
    for now in t:
        open_damage *= math.exp(-mu * (now - last))
        quadratic += d * d + 2.0 * d * open_damage
        open_damage += d
        last = now
    return low + rbe_m * high + quadratic / alpha_beta


def activity_by_bisection(bed_of_activity: Callable[[float], float], limit: float) -> float:
    """The activity at which a rising BED(A) meets a limit, by bisection."""
    lo, hi = 0.0, 1.0
    while bed_of_activity(hi) < limit:
        hi *= 2.0
    for _ in range(200):
        mid = 0.5 * (lo + hi)
        lo, hi = (mid, hi) if bed_of_activity(mid) < limit else (lo, mid)
    return 0.5 * (lo + hi)
