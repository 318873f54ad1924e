"""The normal random-effects model y = X beta + u + e: variance between studies, coefficients, intervals.

u ~ N(0, tau2), e ~ N(0, v) with v known; weights w = 1 / (v + tau2); P = W - W X (X'W X)^-1 X'W. With an intercept
alone this is the meta-analysis of k numbers. Q = y'P y at tau2 = 0 and df = k - p.

Variance between studies (Viechtbauer 2005; Veroniki et al. 2016 for all nine side by side):

====  ====================================================================================================
EE    0 (equal effects, also FE and CE)
DL    (Q - df) / tr P, DerSimonian and Laird 1986
HE    (y'M y - tr(M V)) / df with M the residual maker of ordinary least squares, Hedges and Olkin 1985
HS    (Q - k) / sum(1/v), Hunter and Schmidt 1990
SJ    t0 y'P y / df at tau2 = t0 = sum (y - mean)^2 / k, Sidik and Jonkman 2005; always above 0
PM    the tau2 at which y'P y = df, Paule and Mandel 1982
EB    empirical Bayes, Morris 1983; its fixed point is that of PM (Veroniki et al. 2016)
ML    the largest likelihood of (beta, tau2)
REML  the largest restricted likelihood, -1/2 [sum ln(v + tau2) + ln|X'W X| + y'P y]
====  ====================================================================================================

All are cut at 0. ML and REML look over the whole axis, so that the highest of two local maxima is returned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DomainError, FitError
from ._transforms import named

__all__ = [
    "ESTIMATORS",
    "LinearFit",
    "estimator_name",
    "fit_linear",
    "quantile",
    "tau2_of",
    "tau2_profile",
    "test_name",
]

ESTIMATORS = ("EE", "DL", "REML", "ML", "PM", "HS", "SJ", "HE", "EB")
_ESTIMATOR_ALIASES = {e.casefold(): e for e in ESTIMATORS} | {
    "fe": "EE", "ce": "EE", "fixed": "EE", "common": "EE", "equal": "EE", "fixed-effect": "EE", "common-effect": "EE",
    "equal-effects": "EE", "dersimonian-laird": "DL", "paule-mandel": "PM", "hunter-schmidt": "HS",
    "sidik-jonkman": "SJ", "hedges": "HE", "hedges-olkin": "HE", "empirical-bayes": "EB",
}  # fmt: skip
_TEST_ALIASES = {
    "z": "z", "wald": "z", "normal": "z", "t": "t", "knha": "knha", "hk": "knha", "hksj": "knha",
    "hartung-knapp": "knha", "knapp-hartung": "knha", "adhoc": "adhoc", "ad-hoc": "adhoc", "ad hoc": "adhoc",
}  # fmt: skip


def estimator_name(asked: Any) -> str:
    """The estimator behind a spelling.

    Examples
    --------
    >>> estimator_name("reml"), estimator_name("FE")
    ('REML', 'EE')
    """
    return named(asked, _ESTIMATOR_ALIASES, "estimator")


def test_name(asked: Any, knha: Any) -> str:
    """The test behind ``test=`` and ``knha=``: z, t, knha (Hartung-Knapp) or adhoc (its scale at least 1)."""
    if knha is None or knha is False:
        chosen = None
    elif knha is True:
        chosen = "knha"
    else:
        chosen = named(knha, _TEST_ALIASES, "Hartung-Knapp option")
    if asked is None:
        return chosen or "z"
    wanted = named(asked, _TEST_ALIASES, "test")
    if chosen and chosen != wanted:
        raise DomainError(f"knha={knha!r} and test={asked!r} contradict each other; give one of them.")
    return wanted


test_name.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever a test runner thinks of its name


def quantile(level: float, df: float | None) -> float:
    """The two-sided quantile: 1.96 for 0.95 and no df, Student's t with df otherwise."""
    from scipy.special import ndtri, stdtrit

    upper = 0.5 + level / 2
    return float(ndtri(upper) if df is None else stdtrit(df, upper))


@dataclass(frozen=True)
class LinearFit:
    """What the normal model gives: coefficients, covariance, variance between studies, heterogeneity."""

    beta: np.ndarray  # (p,)
    covariance: np.ndarray  # (p, p) by the test that was asked for
    classic: np.ndarray  # (p, p), (X'W X)^-1
    tau2: float
    q: float
    df: int
    i2: float  # percent
    h2: float
    scale: float  # y'P y / df at tau2, the Hartung-Knapp factor before any floor
    hat: np.ndarray  # (k,)
    weights: np.ndarray  # (k,) 1 / (v + tau2)


def _profile(y: np.ndarray, v: np.ndarray, x: np.ndarray, tau2: np.ndarray) -> tuple[np.ndarray, ...]:
    """For each tau2: weights (g, k), X'WX (g, p, p), its inverse, residuals (g, k)."""
    w = 1 / (v + tau2[:, None])
    xwx = np.einsum("gk,ki,kj->gij", w, x, x)
    inverse = np.linalg.inv(xwx)
    beta = np.einsum("gij,gk,kj,k->gi", inverse, w, x, y)
    return w, xwx, inverse, y - beta @ x.T


def _q(y: np.ndarray, v: np.ndarray, x: np.ndarray, tau2: float) -> float:
    """The generalised Q statistic y'P y at tau2; it falls as tau2 grows."""
    w, _, _, r = _profile(y, v, x, np.array([tau2]))
    return float(np.sum(w * r * r))


def _trace_p(v: np.ndarray, x: np.ndarray) -> float:
    w = 1 / v
    inverse = np.linalg.inv((x.T * w) @ x)
    return float(np.sum(w) - np.trace(inverse @ ((x.T * w * w) @ x)))


def _where_q_is(y: np.ndarray, v: np.ndarray, x: np.ndarray, target: float) -> float:
    """The tau2 >= 0 at which Q(tau2) = target, 0 where it is below already at 0."""
    from scipy.optimize import brentq

    if _q(y, v, x, 0.0) <= target:
        return 0.0
    high = max(float(np.var(y)), float(np.min(v)), 1e-12)
    while _q(y, v, x, high) > target:
        high *= 4
        if high > 1e12:
            return math.inf
    return float(brentq(lambda t: _q(y, v, x, t) - target, 0.0, high, xtol=1e-15, rtol=1e-14))


def _likelihood(y: np.ndarray, v: np.ndarray, x: np.ndarray, *, restricted: bool) -> float:
    """tau2 of the highest (restricted) likelihood: a grid over the whole axis, then the root of the score."""
    from scipy.optimize import brentq

    size = max(float(np.ptp(y)) ** 2, float(np.max(v)))
    grid = np.concatenate([[0.0], np.geomspace(1e-6 * size, 30 * size, 90)])

    def value(tau2: np.ndarray) -> np.ndarray:
        w, xwx, _, r = _profile(y, v, x, tau2)
        ll = 0.5 * (np.sum(np.log(w), axis=1) - np.sum(w * r * r, axis=1))
        return np.asarray(ll - 0.5 * np.linalg.slogdet(xwx)[1] if restricted else ll)

    def score(tau2: float) -> float:
        w, _, inverse, r = _profile(y, v, x, np.array([tau2]))
        w, r = w[0], r[0]
        trace = np.sum(w) - (np.sum(inverse[0] * ((x.T * w * w) @ x)) if restricted else 0.0)
        return float(np.sum((w * r) ** 2) - trace)

    heights = value(grid)
    best = int(np.argmax(heights))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    if score(low) <= 0:  # falls from the lower end on: the maximum is there, and it can only be 0
        return float(low)
    return float(brentq(score, low, high, xtol=1e-15, rtol=1e-14)) if score(high) < 0 else float(high)


def tau2_of(y: np.ndarray, v: np.ndarray, x: np.ndarray, estimator: str) -> float:
    """Variance between studies by one of `ESTIMATORS`; see the module for the equations.

    Parameters
    ----------
    y, v : ndarray, shape (k,)
        Effects and sampling variances.
    x : ndarray, shape (k, p)
        Design matrix; a column of ones for a plain meta-analysis.
    estimator : str

    Returns
    -------
    float
        In the square of the unit of `y`.
    """
    k, p = x.shape
    df = k - p
    if estimator == "EE" or df <= 0:
        return 0.0
    if estimator in ("PM", "EB"):
        return _where_q_is(y, v, x, float(df))
    if estimator in ("ML", "REML"):
        return _likelihood(y, v, x, restricted=estimator == "REML")
    if estimator == "DL":
        return float(max(0.0, (_q(y, v, x, 0.0) - df) / _trace_p(v, x)))
    if estimator == "HS":
        return float(max(0.0, (_q(y, v, x, 0.0) - k) / np.sum(1 / v)))
    if estimator == "HE":
        m = np.eye(k) - x @ np.linalg.inv(x.T @ x) @ x.T
        return float(max(0.0, (y @ m @ y - np.sum(np.diag(m) * v)) / df))
    start = float(np.var(y))
    return 0.0 if start == 0 else start * _q(y, v, x, start) / df


def tau2_profile(y: np.ndarray, v: np.ndarray, x: np.ndarray, level: float) -> tuple[float, float]:
    """Q-profile interval of tau2 (Viechtbauer 2007): where y'P y equals the two chi-square quantiles of df.

    Exact under the normal model; (0, 0) where even Q at tau2 = 0 is below the lower quantile.
    """
    from scipy.special import chdtri

    df = x.shape[0] - x.shape[1]
    if df < 1:
        return math.nan, math.nan
    tail = (1 - level) / 2
    return _where_q_is(y, v, x, float(chdtri(df, tail))), _where_q_is(y, v, x, float(chdtri(df, 1 - tail)))


def fit_linear(y: np.ndarray, v: np.ndarray, x: np.ndarray, estimator: str, test: str = "z") -> LinearFit:
    """Fit the model with one estimator and one test.

    The covariance is (X'WX)^-1, times s = y'P y / df for Hartung and Knapp 2001 (Knapp and Hartung 2003 with
    moderators), times max(1, s) for the ad hoc form. I2 = tau2 / (tau2 + v0) with the typical variance v0 = df / tr P
    (Higgins and Thompson 2002), in percent, and H2 = tau2 / v0 + 1; for EE they come from Q: I2 = (Q - df) / Q and
    H2 = Q / df.

    Raises
    ------
    FitError
        A variance is not above 0, or the columns of `x` are not independent.
    """
    if not (np.all(np.isfinite(y)) and np.all(np.isfinite(v)) and np.all(v > 0)):
        i = int(np.flatnonzero(~(np.isfinite(y) & np.isfinite(v) & (v > 0)))[0])
        raise FitError(
            f"row {i + 1}: effect {y[i]:g} with variance {v[i]:g}; both must be finite, the variance above 0."
        )
    k, p = x.shape
    if np.linalg.matrix_rank(x) < p:
        raise FitError(
            f"The {p} columns of the model are not independent over {k} studies: leave out a moderator that is constant "
            "or a sum of others."
        )
    df = k - p
    tau2 = tau2_of(y, v, x, estimator)
    w, _, inverse, r = _profile(y, v, x, np.array([tau2]))
    w, inverse, r = w[0], inverse[0], r[0]
    beta = inverse @ ((x.T * w) @ y)
    scale = float(np.sum(w * r * r)) / df if df else math.nan
    factor = {"knha": scale, "adhoc": max(1.0, scale)}.get(test, 1.0)
    q = _q(y, v, x, 0.0)
    if not df:
        i2, h2 = 0.0, 1.0
    elif estimator == "EE":
        i2, h2 = (100 * max(0.0, 1 - df / q) if q > 0 else 0.0), q / df
    else:
        typical = df / _trace_p(v, x)
        i2, h2 = 100 * tau2 / (tau2 + typical), tau2 / typical + 1
    hat = np.einsum("ki,ij,kj,k->k", x, inverse, x, w)
    return LinearFit(beta, inverse * factor, inverse, tau2, q, df, i2, h2, scale, hat, w)
