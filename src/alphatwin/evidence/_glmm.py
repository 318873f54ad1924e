"""Counts without a transform: the binomial model with a normal intercept a study, and the beta-binomial model.

Random intercept (Stijnen, Hamza and Ozdemir 2010):  x_i ~ Binomial(n_i, p_i),  logit p_i = X_i beta + tau u_i,
u_i ~ N(0, 1).  The integral over u_i is taken by adaptive Gauss-Hermite quadrature (Pinheiro and Bates 1995): nodes are
put around the mode of the integrand and scaled by its curvature there, seven of them by default. One node is the Laplace
approximation. Everything is dimensionless; log-odds.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["CountFit", "beta_binomial", "deviance", "glmm", "glmm_tau_interval", "log_marginal"]

TAU_LIMIT = 12.0  # a spread of studies beyond this on the log-odds scale has no finite maximum in practice
BETA_LIMIT = 30.0
_MODE_STEPS = 60
_STEP = 4e-3  # of the fourth-order differences; truncation 1e-10, rounding 1e-9 of the second derivative


@dataclass(frozen=True)
class CountFit:
    """Maximum of a likelihood of counts; `exists` is False where it lies at infinity."""

    beta: np.ndarray  # (p,) log-odds; of the beta-binomial: the mean proportion
    covariance: np.ndarray  # (p, p)
    tau: float  # of the beta-binomial: the correlation within a study, rho
    loglik: float
    information: np.ndarray  # (k,) what each study knows of the first coefficient
    exists: bool
    profile: Callable[[float], float] | None = None


@functools.cache
def _nodes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Hermite nodes, and log of weight * exp(z^2) / sqrt(pi)."""
    z, w = np.polynomial.hermite.hermgauss(count)
    return z, np.log(w) + z * z - 0.5 * math.log(math.pi)


def _log_choose(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    from scipy.special import gammaln

    return np.asarray(gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1))


def _kernel(x: np.ndarray, n: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """x eta - n ln(1 + e^eta), safe for any eta."""
    return np.asarray(x * eta - n * np.logaddexp(0.0, eta))


def _modes(x: np.ndarray, n: np.ndarray, eta: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Where x (eta + tau u) - n ln(1 + exp(eta + tau u)) - u^2/2 is highest: Newton, held inside its bracket."""
    ends = tau * (x - n), tau * x
    low, high = np.minimum(*ends), np.maximum(*ends)
    centre = np.log((x + 0.5) / (n - x + 0.5))
    rate = tau * tau * (x + 0.5) * (n - x + 0.5) / (n + 1)
    u = np.where(tau == 0, 0.0, (centre - eta) * rate / ((1 + rate) * np.where(tau == 0, 1.0, tau)))
    u = np.clip(u, low, high)
    for _ in range(_MODE_STEPS):
        p = 0.5 * (1 + np.tanh(0.5 * (eta + tau * u)))
        slope = tau * (x - n * p) - u
        low, high = np.where(slope > 0, u, low), np.where(slope < 0, u, high)
        new = u + slope / (1 + n * p * (1 - p) * tau * tau)
        new = np.where((new < low) | (new > high), 0.5 * (low + high), new)
        done = np.max(np.abs(new - u)) < 1e-13 * (1 + np.max(np.abs(new)))
        u = new
        if done:
            break
    return np.asarray(u)


def log_marginal(x: np.ndarray, n: np.ndarray, eta: np.ndarray, tau: np.ndarray, nodes: int = 7) -> np.ndarray:
    """ln of the probability of x out of n, averaged over the random intercept.

    Parameters
    ----------
    x, n : ndarray, shape (k,)
    eta : ndarray, shape (..., k)
        Mean log-odds.
    tau : ndarray, shape (..., 1) or (..., k)
        Standard deviation of the log-odds between studies; its sign does not matter.
    nodes : int
        Quadrature points.

    Returns
    -------
    ndarray, shape (..., k)
    """
    eta, tau = np.broadcast_arrays(eta, tau)
    u = _modes(x, n, eta, tau)
    p = 0.5 * (1 + np.tanh(0.5 * (eta + tau * u)))
    spread = 1 / np.sqrt(1 + n * p * (1 - p) * tau * tau)
    z, log_w = _nodes(nodes)
    at = u[..., None] + math.sqrt(2) * spread[..., None] * z
    heights = _kernel(x[:, None], n[:, None], eta[..., None] + tau[..., None] * at) - 0.5 * at * at + log_w
    top = np.max(heights, axis=-1)
    total = np.log(np.sum(np.exp(heights - top[..., None]), axis=-1))
    return np.asarray(_log_choose(x, n) + np.log(spread) + top + total)


def deviance(x: np.ndarray, n: np.ndarray, p: np.ndarray | float) -> float:
    """The likelihood-ratio statistic 2 sum [ln L(x/n) - ln L(p)] of studies that share p against studies that do not."""
    from scipy.special import xlogy

    own = x / n
    return float(2 * np.sum(xlogy(x, own) + xlogy(n - x, 1 - own) - xlogy(x, p) - xlogy(n - x, 1 - np.asarray(p))))


def logistic(x: np.ndarray, n: np.ndarray, design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Common-effect logistic regression by Newton: coefficients and covariance."""
    beta = np.linalg.lstsq(design, np.log((x + 0.5) / (n - x + 0.5)), rcond=None)[0]
    information = np.eye(design.shape[1])
    for _ in range(100):
        p = 0.5 * (1 + np.tanh(0.5 * np.clip(design @ beta, -40, 40)))
        information = (design.T * (n * p * (1 - p) + 1e-300)) @ design
        step = np.linalg.lstsq(information, design.T @ (x - n * p), rcond=None)[0]
        beta = beta + np.clip(step, -2, 2)
        if np.max(np.abs(step)) < 1e-13 or np.max(np.abs(beta)) > BETA_LIMIT:
            break
    return beta, np.linalg.pinv(information)


def _differences(
    value: Callable[[np.ndarray], np.ndarray], at: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Value, gradient, Hessian (fourth order) of a function of points (g, d), and the Hessian's [0, 0] a study."""
    d = len(at)
    h = _STEP * np.maximum(1.0, np.abs(at))
    offsets = [np.zeros(d)]
    for i in range(d):
        offsets += [np.eye(d)[i] * s for s in (-2, -1, 1, 2)]
    pairs = [(i, j) for i in range(d) for j in range(i)]
    for i, j in pairs:
        offsets += [
            m * (a * np.eye(d)[i] + b * np.eye(d)[j]) for m in (1, 2) for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))
        ]
    each = value(at + np.array(offsets) * h)  # (g, k)
    f = each.sum(axis=1)
    gradient, hessian = np.zeros(d), np.zeros((d, d))
    for i in range(d):
        a, b, c, e = f[1 + 4 * i : 5 + 4 * i]
        gradient[i] = (a - 8 * b + 8 * c - e) / (12 * h[i])
        hessian[i, i] = (-a + 16 * b - 30 * f[0] + 16 * c - e) / (12 * h[i] ** 2)
    a0, b0, c0, e0 = each[1:5]
    curvature = -(-a0 + 16 * b0 - 30 * each[0] + 16 * c0 - e0) / (12 * h[0] ** 2)
    for m, (i, j) in enumerate(pairs):
        near, far = f[1 + 4 * d + 8 * m :][:4], f[5 + 4 * d + 8 * m :][:4]
        cross = [(s[0] - s[1] - s[2] + s[3]) / (4 * r * r * h[i] * h[j]) for s, r in ((near, 1), (far, 2))]
        hessian[i, j] = hessian[j, i] = (4 * cross[0] - cross[1]) / 3
    return f[0], gradient, hessian, curvature


def _climb(
    value: Callable[[np.ndarray], np.ndarray], start: np.ndarray, limit: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray, np.ndarray]:
    """Newton with shortened steps to the nearest maximum: place, height, Hessian, curvature a study."""
    at = start.copy()
    for _ in range(60):
        height, gradient, hessian, _ = _differences(value, at)
        size, axes = np.linalg.eigh(hessian)
        step = -axes @ ((axes.T @ gradient) / -np.maximum(np.abs(size), 1e-6))
        step *= min(1.0, 2.0 / max(float(np.max(np.abs(step))), 1e-300))
        tries = at + step * (0.5 ** np.arange(0, 12))[:, None]
        heights = value(tries).sum(axis=1)
        first = int(np.argmax(heights > height)) if np.any(heights > height) else -1
        if first < 0 or np.max(np.abs(step)) < 1e-10:
            break
        at = tries[first]
        if np.any(np.abs(at) > limit):
            break
    height, _, hessian, curvature = _differences(value, at)
    return at, float(height), hessian, curvature


def glmm(x: np.ndarray, n: np.ndarray, design: np.ndarray, nodes: int = 7) -> CountFit:
    """Maximum likelihood of the random-intercept model.

    The covariance is the inverse of the observed information of (beta, tau) together. At tau = 0 the cross terms vanish
    (the likelihood is even in tau) and the covariance is that of logistic regression.

    Parameters
    ----------
    x, n : ndarray, shape (k,)
        Events and totals.
    design : ndarray, shape (k, p)
        A column of ones for a plain synthesis.
    nodes : int
        Quadrature points.
    """
    p = design.shape[1]

    def value(points: np.ndarray) -> np.ndarray:
        return log_marginal(x, n, points[:, :p] @ design.T, points[:, p:], nodes)

    flat, flat_covariance = logistic(x, n, design)
    taus = np.array([0.0, 0.1, 0.25, 0.5, 0.8, 1.2, 1.8, 2.6, 4.0, 7.0])
    stretch = np.sqrt(1 + 0.346 * taus**2)[:, None]  # a mean log-odds grows so when the spread around it does
    starts = np.vstack([np.column_stack([flat * s, taus]) for s in (np.ones_like(stretch), stretch)])
    best = starts[int(np.argmax(value(starts).sum(axis=1)))]
    limit = np.append(np.full(p, BETA_LIMIT), TAU_LIMIT)
    at_zero = value(np.append(flat, 0.0)[None])[0].sum()
    place, height, hessian, curvature = _climb(value, np.where(np.arange(p + 1) == p, max(best[p], 0.3), best), limit)
    tau = abs(float(place[p]))
    exists = bool(np.all(np.abs(place) <= limit))
    if exists and (tau < 1e-4 or height <= at_zero + 1e-11):
        rate = 0.5 * (1 + np.tanh(0.5 * (design @ flat)))
        information = n * rate * (1 - rate) * design[:, 0] ** 2
        exists = bool(np.max(np.abs(flat)) <= BETA_LIMIT)
        return CountFit(flat, flat_covariance, 0.0, float(at_zero), information, exists)
    covariance = np.linalg.pinv(-hessian)[:p, :p]
    return CountFit(place[:p], covariance, tau, height, np.maximum(curvature, 0.0), exists)


def glmm_tau_interval(x: np.ndarray, n: np.ndarray, fit: CountFit, level: float, nodes: int = 7) -> tuple[float, float]:
    """Profile-likelihood interval of tau: where 2 (ln L max - ln L) reaches the chi-square quantile of 1 degree."""
    from scipy.optimize import brentq
    from scipy.special import chdtri

    drop = 0.5 * float(chdtri(1, 1 - level))

    def profile(tau: float) -> float:
        def value(points: np.ndarray) -> np.ndarray:
            return log_marginal(
                x, n, np.broadcast_to(points, (len(points), len(x))), np.full((len(points), 1), tau), nodes
            )

        start = fit.beta[:1] * math.sqrt((1 + 0.346 * tau**2) / (1 + 0.346 * fit.tau**2))
        return _climb(value, start, np.array([4 * BETA_LIMIT]))[1] - fit.loglik + drop

    low = 0.0 if fit.tau == 0 or profile(0.0) >= 0 else float(brentq(profile, 0.0, fit.tau, xtol=1e-8))
    high = max(1.5 * fit.tau, 0.5)
    while profile(high) > 0:
        high *= 1.6
        if high > 60:
            return low, math.inf
    return low, float(brentq(profile, fit.tau, high, xtol=1e-8))


# --- beta-binomial ---------------------------------------------------------------------------------------------------


def _beta_binomial_each(x: np.ndarray, n: np.ndarray, logit_mean: np.ndarray, log_odds_rho: np.ndarray) -> np.ndarray:
    """ln P(x | n, m, rho) with alpha = m (1 - rho) / rho, beta = (1 - m)(1 - rho) / rho; shape (..., k)."""
    from scipy.special import betaln

    size = np.exp(-log_odds_rho)  # alpha + beta = (1 - rho) / rho
    a = size / (1 + np.exp(-logit_mean))
    b = size / (1 + np.exp(logit_mean))
    return np.asarray(_log_choose(x, n) + betaln(x + a, n - x + b) - betaln(a, b))


_RHO_LOW, _RHO_HIGH = -14.0, 9.0  # log-odds of rho: 8e-7 is the binomial to 6 digits, 0.9999 is all or none


def beta_binomial(x: np.ndarray, n: np.ndarray, level: float) -> tuple[CountFit, tuple[float, float]]:
    """Maximum likelihood of the beta-binomial model, and the profile-likelihood interval of the mean proportion.

    x_i ~ Binomial(n_i, p_i), p_i ~ Beta(m (1 - rho)/rho, (1 - m)(1 - rho)/rho): mean m, and rho the correlation of two
    patients of one study (Skellam 1948; Griffiths 1973). rho = 0 is the binomial.

    Returns
    -------
    CountFit
        `beta` is [m], `tau` is rho.
    interval : tuple of float
        Of m: where 2 (ln L max - ln L), maximised over rho, reaches the chi-square quantile of 1 degree of freedom.
    """
    from scipy.optimize import brentq, minimize_scalar
    from scipy.special import chdtri

    def binomial(mean: float) -> float:
        logit = math.log(mean / (1 - mean))
        return float(np.sum(_log_choose(x, n) + _kernel(x, n, np.asarray(logit))))

    grid = np.linspace(_RHO_LOW, _RHO_HIGH, 47)

    def over_rho(mean: float) -> tuple[float, float]:
        """Highest likelihood at this mean, and its rho."""
        logit = math.log(mean / (1 - mean))

        def height(t: float) -> float:
            return float(_beta_binomial_each(x, n, np.array(logit), np.array(t)).sum())

        heights = _beta_binomial_each(x, n, np.full((47, 1), logit), grid[:, None]).sum(axis=1)
        i = int(np.argmax(heights))
        found = minimize_scalar(
            lambda t: -height(t),
            bounds=(grid[max(i - 1, 0)], grid[min(i + 1, 46)]),
            method="bounded",
            options={"xatol": 1e-9},
        )
        flat = binomial(mean)
        return (flat, 0.0) if flat >= -found.fun - 1e-9 else (float(-found.fun), 1 / (1 + math.exp(-float(found.x))))

    crude = float(np.clip(x.sum() / n.sum(), 1e-6, 1 - 1e-6))
    top = minimize_scalar(
        lambda t: -over_rho(1 / (1 + math.exp(-t)))[0], bracket=(math.log(crude / (1 - crude)), math.log(crude / (1 - crude)) + 0.2),
        options={"xtol": 1e-10},
    )  # fmt: skip
    mean = 1 / (1 + math.exp(-float(top.x)))
    height, rho = over_rho(mean)
    drop = 0.5 * float(chdtri(1, 1 - level))

    def below(logit: float) -> float:
        return over_rho(1 / (1 + math.exp(-logit)))[0] - height + drop

    ends = []
    for sign in (-1.0, 1.0):
        step = sign * 0.5
        while below(float(top.x) + step) > 0 and abs(float(top.x) + step) < BETA_LIMIT:
            step *= 1.6
        edge = float(top.x) + step
        ends.append(edge if below(edge) > 0 else float(brentq(below, float(top.x), edge, xtol=1e-9)))
    low, high = (1 / (1 + math.exp(-e)) for e in ends)
    information = n / (mean * (1 - mean) * (1 + (n - 1) * rho))
    h = 1e-3
    curve = (
        over_rho(1 / (1 + math.exp(-float(top.x) - h)))[0]
        + over_rho(1 / (1 + math.exp(-float(top.x) + h)))[0]
        - 2 * height
    ) / h**2
    variance = (mean * (1 - mean)) ** 2 / max(-curve, 1e-12)
    exists = abs(float(top.x)) < 0.5 * BETA_LIMIT and rho < 0.999
    return CountFit(np.array([mean]), np.array([[variance]]), rho, height, information, exists), (low, high)
