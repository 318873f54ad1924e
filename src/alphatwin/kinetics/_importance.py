"""Adaptive importance sampling from a standard-normal prior, for likelihoods that are costly and come in batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Weighted", "adaptive", "effective_size"]

Array = npt.NDArray[np.float64]
_PRIOR_SHARE = 0.2  # of each later round is drawn from the prior: the weights stay bounded
_DEGREES = 8.0  # of the Student proposal
_SHRINK = 0.1  # towards the prior's own covariance


@dataclass(frozen=True, eq=False)
class Weighted:
    """Draws z[sample, dimension] with weights that sum to one; effective size after each round."""

    z: Array
    weight: Array
    sizes: tuple[float, ...]


def effective_size(weight: Array) -> float:
    """(sum w)^2 / sum w^2 (Kong 1992)."""
    return float(weight.sum() ** 2 / (weight**2).sum())


def adaptive(
    log_likelihood: Callable[[Array], Array],
    first: Array,
    *,
    per_round: int,
    wanted: float,
    rounds: int,
    seed: int,
    progress: Callable[[str], None],
) -> Weighted:
    """Draws from N(0, I) x likelihood: the prior first, then Student distributions fitted to what was found.

    After each round all draws of all rounds are weighted by prior x likelihood / mixture of all proposals (Cornuet et al., Scand
    J Stat 2012;39:798), so no round is lost. While few draws carry the weight, the likelihood is raised to a power below one for
    the *proposal* alone (not for the answer), chosen so that a share of the draws counts.

    Parameters
    ----------
    log_likelihood : callable
        ``z[sample, dimension] -> [sample]``; minus infinity where impossible.
    first : array[sample, dimension]
        Draws of the prior.
    per_round : int
        Draws of each later round.
    wanted : float
        Effective draws at which it ends.
    rounds : int
        At most, after the first.
    seed : int
    progress : callable

    Returns
    -------
    Weighted
    """
    z, told = first, np.asarray(log_likelihood(first), dtype=float)
    d = first.shape[1]
    prior = -0.5 * (z**2).sum(1) - 0.5 * d * math.log(2 * math.pi)
    shares: list[float] = [float(len(z))]
    density: list[Array] = [prior]  # log density of each proposal at all draws
    proposals: list[tuple[Array, Array]] = []
    sizes: list[float] = []
    while True:
        log_w = told + prior - _mixture(density, shares)
        sizes.append(effective_size(_normal(log_w)) if np.isfinite(log_w).any() else 0.0)
        progress(f"{sizes[-1]:.0f} effective of {len(z)} draws")
        if sizes[-1] >= wanted or len(sizes) > rounds or not np.isfinite(log_w).any():
            break
        mean, lower = _fitted(z, told, log_w, d)
        proposals.append((mean, lower))
        stream = np.random.Generator(np.random.Philox(key=np.array([seed, len(sizes)], dtype=np.uint64)))
        new = _drawn(stream, per_round, mean, lower)
        before = len(z)
        z = np.concatenate([z, new])
        told = np.concatenate([told, np.asarray(log_likelihood(new), dtype=float)])
        prior = np.concatenate([prior, -0.5 * (new**2).sum(1) - 0.5 * d * math.log(2 * math.pi)])
        density = [prior, *(np.concatenate([old, _density(z[before:], prior[before:], *q)]) for old, q in zip(density[1:], proposals, strict=False))]
        density.append(_density(z, prior, mean, lower))
        shares.append(float(per_round))
    weight = _normal(log_w) if np.isfinite(log_w).any() else np.full(len(z), 1.0 / len(z))
    return Weighted(z, weight / weight.sum(), tuple(sizes))


def _normal(log_w: Array) -> Array:
    return np.asarray(np.exp(log_w - log_w.max()))


def _mixture(density: list[Array], shares: list[float]) -> Array:
    from scipy.special import logsumexp

    weights = np.array(shares) / sum(shares)
    return np.asarray(logsumexp(np.array(density), axis=0, b=weights[:, None]))


def _fitted(z: Array, told: Array, log_w: Array, d: int) -> tuple[Array, Array]:
    """Mean and root of the covariance of the (tempered) weighted draws."""
    least = max(5.0 * d, 0.01 * len(z))
    low, high = 0.0, 1.0
    base = log_w - told
    base = np.where(np.isfinite(base), base, -np.inf)
    finite = np.where(np.isfinite(told), told, -1e300)
    if effective_size(_normal(log_w)) < least:
        for _ in range(40):
            power = 0.5 * (low + high)
            low, high = (power, high) if effective_size(_normal(base + power * finite)) > least else (low, power)
        high = max(low, 1e-12)
    w = _normal(base + high * finite)
    w /= w.sum()
    mean = w @ z
    off = z - mean
    covariance = (1 - _SHRINK) * (off.T * w) @ off + _SHRINK * np.eye(d) * min(1.0, float(np.trace((off.T * w) @ off)) / d)
    return mean, np.linalg.cholesky(covariance + 1e-9 * np.eye(d))


def _drawn(stream: np.random.Generator, n: int, mean: Array, lower: Array) -> Array:
    """A share of the prior, the rest Student's."""
    z = stream.standard_normal((n, len(mean)))
    scale = np.sqrt(_DEGREES / stream.chisquare(_DEGREES, n))
    student = mean + (z @ lower.T) * scale[:, None]
    return np.where((np.arange(n) < _PRIOR_SHARE * n)[:, None], z, student)


def _density(z: Array, prior: Array, mean: Array, lower: Array) -> Array:
    from scipy.linalg import solve_triangular
    from scipy.special import gammaln

    d = len(mean)
    q = (solve_triangular(lower, (z - mean).T, lower=True) ** 2).sum(0)
    constant = gammaln(0.5 * (_DEGREES + d)) - gammaln(0.5 * _DEGREES) - 0.5 * d * math.log(_DEGREES * math.pi) - np.log(np.diag(lower)).sum()
    student = constant - 0.5 * (_DEGREES + d) * np.log1p(q / _DEGREES)
    return np.asarray(np.logaddexp(math.log(_PRIOR_SHARE) + prior, math.log1p(-_PRIOR_SHARE) + student))
