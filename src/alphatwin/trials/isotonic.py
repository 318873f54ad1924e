r"""Isotonic toxicity rates and the level they recommend, for many finished trials at once.

At the end of an interval design the observed rates are made monotone over the levels that were given,

.. math:: \tilde p_d = \max_{s \le d} \min_{t \ge d} \frac{\sum_{k=s}^{t} w_k \hat p_k}{\sum_{k=s}^{t} w_k}
          \qquad \hat p_k = \frac{y_k + a}{n_k + 2a}

(the max-min form of the pool-adjacent-violators answer) with the inverse of the Beta variance as weight, and the level whose
:math:`\tilde p_d + d\,10^{-10}` is nearest the target is recommended: among equal rates the highest level when they lie below the
target, the lowest when above. a = 0.05 is the choice of BOIN (Liu & Yuan 2015), a = 0.005 that of mTPI (Ji et al. 2010).
"""

from __future__ import annotations

import numpy as np

from .designs import Floats, Ints

__all__ = ["isotonic", "isotonic_rates", "select_nearest"]


def isotonic(values: Floats, weights: Floats) -> Floats:
    """Weighted isotonic (rising) regression along the last axis; entries of weight 0 are ignored and returned as NaN.

    Parameters
    ----------
    values, weights : float[..., level]
        What to make monotone, and how much each counts.

    Returns
    -------
    float[..., level]

    Examples
    --------
    >>> isotonic(np.array([0.1, 0.4, 0.2]), np.array([1.0, 1.0, 1.0])).round(3).tolist()
    [0.1, 0.3, 0.3]
    """
    levels = values.shape[-1]
    zero = np.zeros((*values.shape[:-1], 1))
    mass = np.concatenate([zero, np.cumsum(weights, axis=-1)], axis=-1)
    moment = np.concatenate([zero, np.cumsum(weights * np.where(weights > 0, values, 0.0), axis=-1)], axis=-1)
    out = np.full(values.shape, -np.inf)
    for first in range(levels):
        lowest = np.full(values.shape[:-1], np.inf)
        for last in range(levels - 1, first - 1, -1):
            w = mass[..., last + 1] - mass[..., first]
            with np.errstate(invalid="ignore", divide="ignore"):
                mean = (moment[..., last + 1] - moment[..., first]) / w
            lowest = np.minimum(lowest, np.where(w > 0, mean, np.inf))
            here = np.where(np.isfinite(lowest), lowest, -np.inf)
            out[..., last] = np.maximum(out[..., last], here)
    return np.where(weights > 0, out, np.nan)


def isotonic_rates(n: Ints, y: Ints, top: Ints, prior: float = 0.05) -> Floats:
    """Isotonic DLT rates of the levels given and not eliminated (NaN elsewhere): float[trial, level].

    Parameters
    ----------
    n, y : int[trial, level]
        Patients and DLTs.
    top : int[trial]
        Highest level not eliminated.
    prior : float
        The a of the rates (y + a) / (n + 2a) and of their Beta variance.
    """
    a, b = y + prior, n - y + prior
    rate, variance = a / (a + b), a * b / ((a + b) ** 2 * (a + b + 1))
    usable = (n > 0) & (np.arange(1, n.shape[1] + 1) <= top[:, None])
    return isotonic(rate, np.where(usable, 1.0 / variance, 0.0))


def select_nearest(rates: Floats, target: float, limit: float | None = None) -> Ints:
    """Level (1-based, 0 = none) whose rate is nearest the target; NaN rates are no candidates.

    Parameters
    ----------
    rates : float[trial, level]
        Monotone rates; ties are broken upward by 1e-10 a level.
    target : float
        Target DLT rate.
    limit : float, optional
        Rates above it are no candidates either.

    Examples
    --------
    >>> select_nearest(np.array([[0.1, 0.1, 0.5], [np.nan, np.nan, np.nan]]), 0.25).tolist()
    [2, 0]
    """
    shifted = rates + 1e-10 * np.arange(1, rates.shape[1] + 1)
    known = ~np.isnan(rates) if limit is None else rates <= limit  # comparisons with NaN are false
    distance = np.where(known, np.abs(shifted - target), np.inf)
    return np.where(known.any(axis=1), distance.argmin(axis=1) + 1, 0).astype(np.int64)
