"""Curves through tabulated points: one cubic spline in logarithms, without importing an interpolation library."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

__all__ = ["Array", "LogCurve", "legendre"]


def _not_a_knot_slopes(x: Array, y: Array) -> Array:
    """Knot slopes of the cubic spline whose third derivative is continuous at the second and last-but-one knot.

    The system is tridiagonal and solved by elimination: a dense solver would start threads for a hundred unknowns.
    """
    h, d = np.diff(x), np.diff(y) / np.diff(x)
    s0, s1 = h[0] + h[1], h[-1] + h[-2]
    lower = [0.0, *h[1:], s1]
    middle = [h[1], *(2 * (h[1:] + h[:-1])), h[-2]]
    upper = [s0, *h[:-1], 0.0]
    right = [
        ((h[0] + 2 * s0) * h[1] * d[0] + h[0] ** 2 * d[1]) / s0,
        *(3 * (h[1:] * d[:-1] + h[:-1] * d[1:])),
        (h[-1] ** 2 * d[-2] + (2 * s1 + h[-1]) * h[-2] * d[-1]) / s1,
    ]
    for i in range(1, x.size):
        factor = lower[i] / middle[i - 1]
        middle[i] -= factor * upper[i - 1]
        right[i] -= factor * right[i - 1]
    slope = np.empty(x.size)
    slope[-1] = right[-1] / middle[-1]
    for i in range(x.size - 2, -1, -1):
        slope[i] = (right[i] - upper[i] * slope[i + 1]) / middle[i]
    return slope


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
