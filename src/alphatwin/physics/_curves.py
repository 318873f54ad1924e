"""Curves through tabulated points: one cubic spline in logarithms, without importing an interpolation library."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

__all__ = ["Array", "LogCurve", "legendre"]


def _not_a_knot_slopes(x: Array, y: Array) -> Array:
    """Slopes at the knots of the cubic spline whose third derivative is continuous at the second and last-but-one knot."""
    h, d = np.diff(x), np.diff(y) / np.diff(x)
    n = x.size
    a, b = np.zeros((n, n)), np.zeros(n)
    i = np.arange(1, n - 1)
    a[i, i - 1], a[i, i], a[i, i + 1] = h[1:], 2 * (h[1:] + h[:-1]), h[:-1]
    b[1:-1] = 3 * (h[1:] * d[:-1] + h[:-1] * d[1:])
    s0, s1 = h[0] + h[1], h[-1] + h[-2]
    a[0, :2], b[0] = (h[1], s0), ((h[0] + 2 * s0) * h[1] * d[0] + h[0] ** 2 * d[1]) / s0
    a[-1, -2:], b[-1] = (s1, h[-2]), (h[-1] ** 2 * d[-2] + (2 * s1 + h[-1]) * h[-2] * d[-1]) / s1
    return np.asarray(np.linalg.solve(a, b))


@dataclass(frozen=True, slots=True, eq=False)
class LogCurve:
    """y(x) > 0 as a cubic in (ln x, ln y) between knots; never asked outside them (the caller checks)."""

    ln_x: Array
    ln_y: Array
    slope: Array

    @classmethod
    def through(cls, x: Array, y: Array, slope: Array | None = None) -> LogCurve:
        """The not-a-knot spline through points, or the Hermite cubic when d ln y / d ln x is known at each."""
        ln_x, ln_y = np.log(x), np.log(y)
        return cls(ln_x, ln_y, _not_a_knot_slopes(ln_x, ln_y) if slope is None else slope)

    def __call__(self, x: Array) -> Array:
        t = np.log(x)
        k = np.clip(np.searchsorted(self.ln_x, t, side="right") - 1, 0, self.ln_x.size - 2)
        h = self.ln_x[k + 1] - self.ln_x[k]
        u = (t - self.ln_x[k]) / h
        y0, y1, m0, m1 = self.ln_y[k], self.ln_y[k + 1], h * self.slope[k], h * self.slope[k + 1]
        c2, c3 = 3 * (y1 - y0) - 2 * m0 - m1, 2 * (y0 - y1) + m0 + m1
        return np.asarray(np.exp(y0 + u * (m0 + u * (c2 + u * c3))))


def legendre(low: Array, high: Array, points: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on each interval; both have shape (intervals, points)."""
    node, weight = np.polynomial.legendre.leggauss(points)
    half, mid = 0.5 * (high - low)[:, None], 0.5 * (high + low)[:, None]
    return mid + half * node, half * weight
