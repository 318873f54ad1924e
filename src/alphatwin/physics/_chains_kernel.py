"""The kernel of the chain solver where the closed form cancels; its slow twin is tests/oracle/bateman.py."""

from __future__ import annotations

import math

import numpy as np

from .._jit import njit

__all__ = ["propagate"]


@njit(cache=True)  # type: ignore[untyped-decorator]
def propagate(rate: np.ndarray, gain: np.ndarray, start: np.ndarray, times: np.ndarray, out: np.ndarray) -> None:
    """Solve dN/dt = (gain - diag(rate)) N at each time, adding only numbers that are not negative.

    rate[n] >= 0, gain[n, n] >= 0 strictly lower triangular, start[n] >= 0, times[t] >= 0; out[n, t] is filled.

    With q = max(rate), B = gain + diag(q - rate) >= 0 and tau = t / 2^s such that q tau <= 1, exp(A tau) is
    exp(-q tau) times a Taylor series without a negative term, and is squared s times. The diagonal, exp(-rate tau 2^m),
    is put in exactly at each squaring: otherwise its rounding would double s times.
    """
    n = rate.size
    q = rate.max()
    now, new, term = np.empty((n, n)), np.empty((n, n)), np.empty((n, n))
    for it in range(times.size):
        t = times[it]
        squarings = 0
        if q * t > 1.0:
            squarings = math.ceil(math.log2(q * t))
        tau = t * 2.0**-squarings
        now[:, :] = 0.0
        term[:, :] = 0.0
        for i in range(n):
            now[i, i] = 1.0
            term[i, i] = 1.0
        for k in range(1, n + 20):  # n steps reach the end of the chain; what is left out is below 1/19! of it
            step = tau / k
            for i in range(n - 1, -1, -1):  # upwards: rows above i still hold the previous term
                for j in range(i + 1):
                    total = (q - rate[i]) * term[i, j]
                    for m in range(j, i):
                        total += gain[i, m] * term[m, j]
                    term[i, j] = total * step
            for i in range(n):
                for j in range(i + 1):
                    now[i, j] += term[i, j]
        decayed = math.exp(-q * tau)
        for i in range(n):
            for j in range(i):
                now[i, j] *= decayed
            now[i, i] = math.exp(-rate[i] * tau)
        for _ in range(squarings):
            tau *= 2.0
            for i in range(n):
                for j in range(i):
                    total = 0.0
                    for m in range(j, i + 1):
                        total += now[i, m] * now[m, j]
                    new[i, j] = total
                new[i, i] = math.exp(-rate[i] * tau)
            now, new = new, now
        for i in range(n):
            total = 0.0
            for j in range(i + 1):
                total += now[i, j] * start[j]
            out[i, it] = total
