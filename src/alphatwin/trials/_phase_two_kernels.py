"""Kernel of the two-stage search; numbers and arrays only."""

from __future__ import annotations

import numpy as np

from .._jit import njit

__all__ = ["best_two_stage"]


@njit(cache=True)
def _binomial(n, p, pmf, tail):  # type: ignore[no-untyped-def]
    """Fill pmf[0..n] and tail[k] = Pr(X > k), k = 0..n."""
    log_odds = np.log(p) - np.log1p(-p)
    log_term = n * np.log1p(-p)
    for k in range(n + 1):
        pmf[k] = np.exp(log_term)
        log_term += np.log(n - k) - np.log(k + 1.0) + log_odds if k < n else 0.0
    total = 0.0
    for k in range(n, -1, -1):
        tail[k] = total
        total += pmf[k]


@njit(cache=True)
def _success(r1, n1, r, n2, pmf1, tail2):  # type: ignore[no-untyped-def]
    """Pr(X1 > r1 and X1 + X2 > r)."""
    total = 0.0
    for x in range(r1 + 1, n1 + 1):
        need = r - x
        total += pmf1[x] if need < 0 else (pmf1[x] * tail2[need] if need < n2 else 0.0)
    return total


@njit(cache=True)
def best_two_stage(p0, p1, alpha, beta, limit, prove):  # type: ignore[no-untyped-def]
    """For each n the design of smallest EN0: rows (n, n1, r1, r, EN0, PET0, alpha, power); n = 0 where there is none.

    With ``prove`` the search ends as soon as no larger n can have a smaller EN0 than the best found.
    """
    size = limit + 1
    pmf0, tail0 = np.zeros((size, size)), np.zeros((size, size))
    pmf1, tail1 = np.zeros((size, size)), np.zeros((size, size))
    rows = np.zeros((size, 8))
    best = np.inf
    for n in range(1, size):
        _binomial(n, p0, pmf0[n], tail0[n])
        _binomial(n, p1, pmf1[n], tail1[n])
        least = np.inf  # lower bound of EN0 for this n over n1
        for n1 in range(1, n):
            n2 = n - n1
            here = np.inf
            for r1 in range(n1):
                if 1.0 - tail1[n1, r1] > beta:
                    break
                en0 = n1 + tail0[n1, r1] * n2
                here = en0
                if rows[n, 0] > 0 and en0 >= rows[n, 4]:
                    continue
                # the smallest r with type I error at most alpha: more is only less power
                low, high = r1, n
                while low < high:
                    middle = (low + high) // 2
                    if _success(r1, n1, middle, n2, pmf0[n1], tail0[n2]) <= alpha:
                        high = middle
                    else:
                        low = middle + 1
                r = low
                power = _success(r1, n1, r, n2, pmf1[n1], tail1[n2])
                if power >= 1.0 - beta:
                    error = _success(r1, n1, r, n2, pmf0[n1], tail0[n2])
                    rows[n] = np.array([n, n1, r1, r, en0, 1.0 - tail0[n1, r1], error, power])
            if here == np.inf:
                here = float(n)  # no r1 allows stopping: stage one never ends the trial
            least = min(least, here)
        if rows[n, 0] > 0 and rows[n, 4] < best:
            best = rows[n, 4]
        if prove and best < np.inf and least > best:
            break
    return rows
