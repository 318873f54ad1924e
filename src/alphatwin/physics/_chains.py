"""Exact solution of a decay chain at many times, and its exact time integrals.

For atoms N[i] with decay constants l[i] and branching b[i, k] from parent k to daughter i (parents before daughters)

    dN_i/dt = -l_i N_i + sum over k of b_ik l_k N_k

Bateman's solution is a sum of exponentials, N_i(t) = sum_j C_ij d_j exp(-l_j t), with C_jj = 1,
C_ij = sum_k b_ik l_k C_kj / (l_i - l_j) and d = C^-1 N(0) (H. Bateman, Proc. Camb. Philos. Soc. 15 (1910) 423; the
matrix form is that of L. Moral and A. F. Pacheco, Am. J. Phys. 71 (2003) 684). It is fast, but its terms cancel where
a daughter has had no time to grow in, and where half-lives nearly agree. We carry a running bound of the rounding error
through it; times where the bound exceeds `TOLERANCE` of a value are solved again by `_chains_kernel.propagate`, which
adds only numbers that are not negative and so cannot cancel.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

__all__ = ["TOLERANCE", "ChainTable", "atoms", "integrals", "total_integrals"]

TOLERANCE = 1e-11
_UNIT_ROUNDOFF = 2.0**-53
_CHUNK = 8192


class ChainTable(NamedTuple):
    """A decay chain as numbers: what a kinetic model needs to let daughters grow in.

    Attributes
    ----------
    names : tuple of str
        Radioactive nuclides, every parent before its daughters.
    decay_constant_per_h : ndarray, shape (n,)
        ln 2 / half-life, 1/h.
    branching : ndarray, shape (n, n)
        branching[daughter, parent]: fraction of the parent's decays that make this daughter; strictly lower
        triangular. Columns sum to less than 1 where the daughter is stable.
    """

    names: tuple[str, ...]
    decay_constant_per_h: np.ndarray
    branching: np.ndarray


class _Modes(NamedTuple):
    """Coefficients of the closed form, C_ij d_j, and a bound of their rounding error."""

    value: np.ndarray
    bound: np.ndarray


def _modes(rate: np.ndarray, gain: np.ndarray, start: np.ndarray) -> _Modes | None:
    """Coefficients [i, j] of exp(-rate_j t) in N_i; None where two linked half-lives are equal."""
    n, u = rate.size, _UNIT_ROUNDOFF
    c, c_error = np.eye(n), np.zeros((n, n))
    d, d_error = np.zeros(n), np.zeros(n)
    for i in range(n):
        below = slice(0, i)
        feed = gain[i, below] @ c[below, below]
        size = gain[i, below] @ np.abs(c[below, below])
        fed = size > 0
        gap = rate[i] - rate[below]
        if (gap[fed] == 0.0).any():
            return None
        gap = np.where(fed, gap, 1.0)
        c[i, below] = feed / gap
        spread = gain[i, below] @ c_error[below, below] + (i + 2) * u * size
        c_error[i, below] = spread / np.abs(gap) + 4 * u * np.abs(c[i, below])
        d[i] = start[i] - c[i, below] @ d[below]
        size_d = start[i] + np.abs(c[i, below]) @ np.abs(d[below])
        d_error[i] = c_error[i, below] @ np.abs(d[below]) + np.abs(c[i, below]) @ d_error[below] + (i + 2) * u * size_d
    value = c * d
    bound = c_error * np.abs(d) + (np.abs(c) + c_error) * d_error + (n + 8) * u * np.abs(value)
    return _Modes(value, bound) if np.isfinite(value).all() and np.isfinite(bound).all() else None


def _closed_form(rate: np.ndarray, modes: _Modes, times: np.ndarray, integrate: bool) -> tuple[np.ndarray, np.ndarray]:
    """Values [n, time] of N, or of its integral from 0 to t, and which times need the other method."""
    phase = rate[:, None] * times
    shape = -np.expm1(-phase) / rate[:, None] if integrate else np.exp(-phase)
    value = modes.value @ shape
    doubtful = (modes.bound @ shape > TOLERANCE * value).any(axis=0)
    return value, doubtful


def _robust(rate: np.ndarray, gain: np.ndarray, start: np.ndarray, times: np.ndarray, integrate: bool) -> np.ndarray:
    from ._chains_kernel import propagate

    n = rate.size
    if integrate:  # n more states, fed by N and never left, count the integral of N
        rate = np.concatenate([rate, np.zeros(n)])
        gain = np.block([[gain, np.zeros((n, n))], [np.eye(n), np.zeros((n, n))]])
        start = np.concatenate([start, np.zeros(n)])
    out = np.empty((rate.size, times.size))
    propagate(rate, gain, start, times, out)
    return out[-n:]


def _solve(rate: np.ndarray, gain: np.ndarray, start: np.ndarray, times: np.ndarray, integrate: bool) -> np.ndarray:
    modes = _modes(rate, gain, start)
    if modes is None:
        return _robust(rate, gain, start, times, integrate)
    out = np.empty((rate.size, times.size))
    doubtful = np.zeros(times.size, dtype=bool)
    for begin in range(0, times.size, _CHUNK):  # chunks stay in cache
        part = slice(begin, begin + _CHUNK)
        out[:, part], doubtful[part] = _closed_form(rate, modes, times[part], integrate)
    if doubtful.any():
        out[:, doubtful] = _robust(rate, gain, start, times[doubtful], integrate)
    return np.maximum(out, 0.0, out=out)


def _system(chain: ChainTable) -> tuple[np.ndarray, np.ndarray]:
    rate = chain.decay_constant_per_h
    return rate, chain.branching * rate


def atoms(chain: ChainTable, start: np.ndarray, times_h: np.ndarray) -> np.ndarray:
    """N[nuclide, time] in the unit of `start`[nuclide]; times finite, not negative, in any order."""
    rate, gain = _system(chain)
    return _solve(rate, gain, start, times_h, integrate=False)


def integrals(chain: ChainTable, start: np.ndarray, durations_h: np.ndarray) -> np.ndarray:
    """Decays[nuclide, duration] from time 0, in the unit of `start`; durations may be infinite."""
    rate, gain = _system(chain)
    out = np.empty((rate.size, durations_h.size))
    endless = np.isinf(durations_h)
    out[:, ~endless] = rate[:, None] * _solve(rate, gain, start, durations_h[~endless], integrate=True)
    out[:, endless] = total_integrals(chain, start)[:, None]
    return out


def total_integrals(chain: ChainTable, start: np.ndarray) -> np.ndarray:
    """Decays[nuclide] until nothing is left: each nuclide decays as often as it was there or was made."""
    total = np.array(start, dtype=float)
    for i in range(total.size):
        total[i] += math.fsum(chain.branching[i, :i] * total[:i])
    return total
