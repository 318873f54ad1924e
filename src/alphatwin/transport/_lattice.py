"""From quadrature panels to a histogram: the image of each panel, exact to first order, on a lattice of hat functions."""

from __future__ import annotations

import math

from .._jit import njit

__all__ = ["deposit"]


@njit(cache=True, inline="always")
def _flat(x, a, b):  # type: ignore[no-untyped-def]
    """Second integral, from minus infinity to x, of the density of the sum of two boxes (widths a and b, b may be 0)."""
    if b == 0.0:
        return (max(x + 0.5 * a, 0.0) ** 2 - max(x - 0.5 * a, 0.0) ** 2) / (2.0 * a)
    outer, inner = 0.5 * (a + b), 0.5 * (a - b)
    cubes = max(x + outer, 0.0) ** 3 - max(x + inner, 0.0) ** 3 - max(x - inner, 0.0) ** 3 + max(x - outer, 0.0) ** 3
    return cubes / (6.0 * a * b)


@njit(cache=True, inline="always")
def _ramp_integral(x, a):  # type: ignore[no-untyped-def]
    """Third integral of the density 2 u/a^2 on 0 < u < a."""
    if x <= 0.0:
        return 0.0
    if x <= a:
        return x**4 / (12.0 * a * a)
    return a * a / 12.0 + 0.5 * (x * x - a * a) - 2.0 * a / 3.0 * (x - a)


@njit(cache=True, inline="always")
def _image(x, a, b, tilt):  # type: ignore[no-untyped-def]
    """As `_flat`, the box of width a tilted: its density runs from 1 - tilt to 1 + tilt."""
    if tilt == 0.0:
        return _flat(x, a, b)
    size = abs(tilt)
    if b == 0.0:
        u = min(max(x + 0.5 * a, 0.0), a)
        up = u**3 / (3.0 * a * a) + max(x - 0.5 * a, 0.0)
    else:
        up = (_ramp_integral(x + 0.5 * (a + b), a) - _ramp_integral(x + 0.5 * (a - b), a)) / b
    if tilt < 0.0:  # the mirrored ramp is two flat boxes less the ramp
        up = 2.0 * _flat(x, a, b) - up
    return (1.0 - size) * _flat(x, a, b) + size * up


@njit(cache=True)
def deposit(weight, z, group, step, mass):  # type: ignore[no-untyped-def]
    """Spread each group of nodes over a lattice of hat functions; hats keep number and mean exactly.

    A group is a panel with 2 x 2 (or 2) Gauss points. There z and the weight are linear to first order, so the panel's
    image is the sum of two boxes, one of them tilted; widths and tilt follow from the points, sqrt(3) times differences.
    Neighbouring panels join without gaps. A hat's share is the second difference of the image's second integral.
    """
    last = mass.shape[0] - 1
    root3 = math.sqrt(3.0)
    for start in range(0, weight.shape[0], group):
        w, m = 0.0, 0.0
        for i in range(start, start + group):
            w += weight[i]
            m += weight[i] * z[i]
        if w <= 0.0:
            continue
        m /= w * step
        a, b, tilt = 0.0, 0.0, 0.0
        if group == 2:
            a = abs(z[start + 1] - z[start]) * root3 / step
        elif group == 4:  # first index: the impact parameter, along which the weight changes
            slope = 0.5 * (z[start + 2] - z[start] + z[start + 3] - z[start + 1]) * root3 / step
            tilt = root3 * (weight[start + 2] + weight[start + 3] - weight[start] - weight[start + 1]) / w
            tilt = max(-1.0, min(1.0, tilt if slope > 0.0 else -tilt))
            a = abs(slope)
            b = 0.5 * abs(z[start + 1] - z[start] + z[start + 3] - z[start + 2]) * root3 / step
        if b < 0.05:  # too thin for differences of powers: one box of the same variance
            a, b = math.sqrt(a * a + b * b), 0.0
        elif a < 0.05:
            a, b, tilt = math.sqrt(a * a + b * b), 0.0, 0.0
        elif a < b and abs(tilt) < 1e-3:
            a, b, tilt = b, a, 0.0
        furthest = 0.5 * (a + b) + tilt * a / 6.0
        if furthest > m:  # nothing below zero: the smaller width yields
            if a < b:
                b, tilt = min(b, 2.0 * m), 0.0
                a, b = b, max(2.0 * m - b, 0.0)
            else:
                a, b = a * m / furthest, b * m / furthest
            if b < 0.05:
                b = 0.0
        middle = m - tilt * a / 6.0
        if a < 1e-4:
            k = min(int(m), last - 1)
            mass[k] += w * (1.0 - (m - k))
            mass[k + 1] += w * (m - k)
            continue
        first, end = max(int(middle - 0.5 * (a + b)), 0), min(int(middle + 0.5 * (a + b)) + 1, last)
        before = _image(first - 1.0 - middle, a, b, tilt)
        here = _image(first - middle, a, b, tilt)
        for k in range(first, end + 1):
            after = _image(k + 1.0 - middle, a, b, tilt)
            mass[k] += w * (after - 2.0 * here + before)
            before, here = here, after
