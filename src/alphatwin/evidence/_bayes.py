"""The binomial-normal model with priors, summed on a grid: no chains, no random numbers, the same digits every time.

x_i ~ Binomial(n_i, p_i),  logit p_i = mu + tau u_i,  u_i ~ N(0, 1);  tau ~ half-normal(scale);  the proportion of the
median study, m = 1/(1 + e^-mu), ~ Beta(a, b). Beta(1, 1), the default, is flat in m; the posterior is then proper also
where no study, or every one, has events, which a flat prior of mu is not. Half-normal priors of tau for few studies:
Gelman 2006; Friede et al. 2017. Scale 1 on the log-odds puts 95 % of tau below 1.96, so that studies as far apart
as 3 % and 60 % are still thought possible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ._glmm import log_marginal

__all__ = ["Posterior", "posterior"]

_NODES = 15
_TAUS = 64  # Gauss-Legendre points in tau
_MUS = 160  # even steps in mu; the trapezoid is exact to rounding for a smooth peak well inside its range
_TAU_REACH = 6.0  # prior standard deviations
_FLOOR = math.log(1e-13)


@dataclass(frozen=True)
class Posterior:
    """Summaries of the posterior; quantiles are of equal tails."""

    median: float  # proportion of the median study
    mean: float
    interval: tuple[float, float]
    prediction: tuple[float, float]  # proportion of a new study
    mu_sd: float
    tau_median: float
    tau_interval: tuple[float, float]


def _log_posterior(
    x: np.ndarray, n: np.ndarray, mu: np.ndarray, tau: np.ndarray, prior: tuple[float, float], scale: float
) -> np.ndarray:
    """Unnormalised, shape (tau, mu): likelihood, half-normal, and Beta(a, b) of m written for mu."""
    ll = log_marginal(x, n, np.broadcast_to(mu[None, :, None], (len(tau), len(mu), 1)), tau[:, None, None], _NODES).sum(
        axis=-1
    )
    a, b = prior
    beta = -a * np.logaddexp(0, -mu) - b * np.logaddexp(0, mu)
    return np.asarray(ll + beta - 0.5 * (tau[:, None] / scale) ** 2)


def _quantiles(points: np.ndarray, density: np.ndarray, levels: tuple[float, ...]) -> list[float]:
    """Quantiles of a density on a grid, by a cubic spline and its integral."""
    from scipy.interpolate import CubicSpline
    from scipy.optimize import brentq

    total = CubicSpline(points, density).antiderivative()
    low, high = float(total(points[0])), float(total(points[-1]))
    return [
        float(brentq(lambda t, q=q: float(total(t)) - low - q * (high - low), points[0], points[-1], xtol=1e-12))
        for q in levels
    ]


def _window(
    x: np.ndarray, n: np.ndarray, prior: tuple[float, float], scale: float
) -> tuple[np.ndarray, tuple[float, float]]:
    """Where the posterior is: points in mu, and the ends of tau; a coarse look first, so that narrow peaks are met."""
    reach = _TAU_REACH * scale
    few = reach * np.array([0.0, 0.03, 0.08, 0.15, 0.25, 0.4, 0.6, 1.0])
    coarse = np.linspace(-42.0, 42.0, 337)
    heights = _log_posterior(x, n, coarse, few, prior, scale)
    kept = np.flatnonzero((heights > heights.max() + _FLOOR).any(axis=0))
    low, high = coarse[max(kept[0] - 1, 0)], coarse[min(kept[-1] + 1, len(coarse) - 1)]
    steps = np.linspace(0.0, reach, 61)
    finer = np.linspace(low, high, 61)
    heights = _log_posterior(x, n, finer, steps, prior, scale)
    inside = heights > heights.max() + _FLOOR
    taus, mus = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    ends = float(steps[max(taus[0] - 1, 0)]), float(steps[min(taus[-1] + 1, 60)])
    return np.linspace(finer[max(mus[0] - 1, 0)], finer[min(mus[-1] + 1, 60)], _MUS), ends


def posterior(
    x: np.ndarray, n: np.ndarray, *, prior: tuple[float, float] = (1.0, 1.0), scale: float = 1.0, level: float = 0.95
) -> Posterior:
    """Sum the posterior of (mu, tau) on a grid.

    Parameters
    ----------
    x, n : ndarray, shape (k,)
        Events and totals.
    prior : tuple of float
        a and b of the Beta prior of the proportion of the median study.
    scale : float
        Of the half-normal prior of tau, on the log-odds.
    level : float
        Of the intervals.
    """
    from scipy.optimize import brentq
    from scipy.special import expit, ndtr

    mu, tau_ends = _window(x, n, prior, scale)
    z, w = np.polynomial.legendre.leggauss(_TAUS)
    tau = tau_ends[0] + 0.5 * (tau_ends[1] - tau_ends[0]) * (z + 1)
    grid = _log_posterior(x, n, mu, tau, prior, scale)
    mass = np.exp(grid - grid.max()) * w[:, None]
    whole = mass.sum()
    mass /= whole
    of_mu = mass.sum(axis=0)
    tail = (1 - level) / 2
    lower, middle, upper = _quantiles(mu, of_mu, (tail, 0.5, 1 - tail))
    edges = np.exp(_log_posterior(x, n, mu, np.array(tau_ends), prior, scale) - grid.max()).sum(axis=1) / whole
    tau_points = np.concatenate([tau_ends[:1], tau, tau_ends[1:]])
    tau_density = np.concatenate([edges[:1], mass.sum(axis=1) / w, edges[1:]])
    tau_low, tau_middle, tau_high = _quantiles(tau_points, tau_density, (tail, 0.5, 1 - tail))

    spread = np.maximum(tau, 0.5 * (mu[1] - mu[0]))  # a law narrower than the grid would see its steps

    def new_study(logit: float) -> float:
        return float(np.sum(mass * ndtr((logit - mu) / spread[:, None])))

    wide = 60.0 + 8 * tau_ends[1]
    ahead = [float(brentq(lambda t, q=q: new_study(t) - q, -wide, wide, xtol=1e-10)) for q in (tail, 1 - tail)]
    mean_mu = float(of_mu @ mu)
    return Posterior(
        median=float(expit(middle)),
        mean=float(of_mu @ expit(mu)),
        interval=(float(expit(lower)), float(expit(upper))),
        prediction=(float(expit(ahead[0])), float(expit(ahead[1]))),
        mu_sd=math.sqrt(float(of_mu @ (mu - mean_mu) ** 2)),
        tau_median=tau_middle,
        tau_interval=(tau_low, tau_high),
    )
