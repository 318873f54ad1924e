"""Kernels of the protraction factor: numbers and arrays only. The slow twin is ``tests/oracle/biology.py``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._jit import njit, prange

__all__ = ["protraction_of_curve"]

_SERIES_BELOW = 0.5  # below this mu h, differences of exponentials cancel: sum their power series
_SERIES_TERMS = 15  # 0.5^15 / 15! = 2e-17


def _series() -> NDArray[np.float64]:
    """Coefficients of (-z)^n, [n, weight], of the five weights below; derived from their integrals term by term."""
    f = [float(math.factorial(n)) for n in range(_SERIES_TERMS + 4)]
    rows = [
        (
            1 / f[n + 1],
            1 / f[n + 2],
            1 / (f[n] * (n + 2)),
            1 / (f[n + 1] * (n + 3)) + 1 / f[n + 3],
            1 / (f[n + 2] * (n + 4)),
        )
        for n in range(_SERIES_TERMS)
    ]
    return np.array(rows)


_COEFFICIENTS = _series()


@njit(cache=True)  # type: ignore[untyped-decorator]
def _weights(z: Any) -> Any:
    """Integrals over one interval, z = mu h, u in 0..1: e^-z and five combinations of exponentials.

    p1 = int e^(-zu); p2 = int (1-e^(-zu))/z; q1 = int u e^(-zu); b, c: the mixed and the slope-slope term of
    int R x, when R = R0 + dR u and the state x starts at zero.
    """
    if z < _SERIES_BELOW:
        p1, p2, q1, b, c = 0.0, 0.0, 0.0, 0.0, 0.0
        for n in range(_SERIES_TERMS - 1, -1, -1):
            p1 = _COEFFICIENTS[n, 0] - z * p1
            p2 = _COEFFICIENTS[n, 1] - z * p2
            q1 = _COEFFICIENTS[n, 2] - z * q1
            b = _COEFFICIENTS[n, 3] - z * b
            c = _COEFFICIENTS[n, 4] - z * c
        return np.exp(-z), p1, p2, q1, b, c
    e = np.exp(-z)
    p1 = (1.0 - e) / z
    p2 = (1.0 - p1) / z
    q1 = (1.0 - (1.0 + z) * e) / (z * z)
    q = (0.5 - q1) / z
    return e, p1, p2, q1, q + (0.5 - p2) / z, (1.0 / 3.0 - q) / z


@njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def protraction_of_curve(times_h: Any, dose_rate: Any, mu_per_h: Any, tail_per_h: Any, g: Any) -> None:
    """G of piecewise-linear dose rates[curve, time] into g[curve]; a tail of 0 means no tail.

    The state x of x' = R - mu x is advanced exactly over each interval, and D and int R x dt are summed exactly:
    G = 2 int R x dt / D^2. Each curve is summed by one thread, in order of time.
    """
    for k in prange(dose_rate.shape[0]):
        mu = mu_per_h[k]
        x, dose, product = 0.0, 0.0, 0.0
        for i in range(times_h.size - 1):
            h = times_h[i + 1] - times_h[i]
            r0 = dose_rate[k, i]
            dr = dose_rate[k, i + 1] - r0
            e, p1, p2, q1, b, c = _weights(mu * h)
            dose += h * (r0 + 0.5 * dr)
            product += x * h * (r0 * p1 + dr * q1) + h * h * (r0 * r0 * p2 + r0 * dr * b + dr * dr * c)
            x = x * e + h * (r0 * p1 + dr * p2)
        tail = tail_per_h[k]
        if tail > 0.0:
            last = dose_rate[k, times_h.size - 1]
            dose += last / tail
            product += last / (mu + tail) * (x + last / (2.0 * tail))
        g[k] = 2.0 * product / (dose * dose) if dose > 0.0 else 1.0
