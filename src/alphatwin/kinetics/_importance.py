"""Adaptive importance sampling from a standard-normal prior, for likelihoods that are costly and come in batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Measured", "Weighted", "adaptive", "effective_size"]

Array = npt.NDArray[np.float64]
_PRIOR_SHARE = 0.2  # of each later round is drawn from the prior: the weights stay bounded
_DEGREES = 40.0  # of the Student proposal
_WIDER = 1.3  # variance of a proposal where something was measured
_TRUST = 5.0  # draws for each dimension at which the draws' own mean and covariance count as much as the linear ones
_LOCAL = 8.0  # draws for each dimension that a proposal is fitted to, at least


@dataclass(frozen=True, eq=False)
class Weighted:
    """Draws z[sample, dimension] with weights that sum to one; effective size after each round."""

    z: Array
    weight: Array
    sizes: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Measured:
    """Logarithms of what is predicted, [sample, point], for all draws so far; of what was measured, and their variances."""

    predicted: Callable[[], Array]
    target: Array
    variance: Array
    used: npt.NDArray[np.bool_]  # points that a proposal may lean on


def effective_size(weight: Array) -> float:
    """(sum w)^2 / sum w^2 (Kong 1992)."""
    return float(weight.sum() ** 2 / (weight**2).sum())


def adaptive(
    log_likelihood: Callable[[Array], Array],
    first: Array,
    measured: Measured,
    *,
    per_round: int,
    wanted: float,
    rounds: int,
    seed: int,
    progress: Callable[[str], None],
) -> Weighted:
    """Draws from N(0, I) x likelihood: the prior first, then Student distributions fitted to what was found.

    After each round all draws of all rounds are weighted by prior x likelihood / mixture of all proposals (Cornuet et al., Scand
    J Stat 2012;39:798), so no round is lost. A proposal is the posterior that the model would have were its logarithm linear in z
    near the draws that carry weight; while few do, the likelihood is raised to a power below one to choose them (for the proposal
    alone, not for the answer).

    Parameters
    ----------
    log_likelihood : callable
        ``z[sample, dimension] -> [sample]``; minus infinity where impossible.
    first : array[sample, dimension]
        Draws of the prior.
    measured : Measured
        What the model predicts for all draws so far; guides the proposals, not the answer.
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
        mean, lower = _linear(z, _local(log_w, told, _LOCAL * d), measured, sizes[-1])
        proposals.append((mean, lower))
        stream = np.random.Generator(np.random.Philox(key=np.array([seed, len(sizes)], dtype=np.uint64)))
        new = _drawn(stream, per_round, mean, lower)
        before = len(z)
        z = np.concatenate([z, new])
        told = np.concatenate([told, np.asarray(log_likelihood(new), dtype=float)])
        prior = np.concatenate([prior, -0.5 * (new**2).sum(1) - 0.5 * d * math.log(2 * math.pi)])
        density = [
            prior,
            *(
                np.concatenate([old, _density(z[before:], prior[before:], *q)])
                for old, q in zip(density[1:], proposals, strict=False)
            ),
        ]
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


def _local(log_w: Array, told: Array, least: float) -> Array:
    """Weights that sum to one; the likelihood raised to a power below one where too few draws would count."""
    base = np.where(np.isfinite(told), log_w - np.where(np.isfinite(told), told, 0.0), -np.inf)
    finite = np.where(np.isfinite(told), told, 0.0)
    low, high = 0.0, 1.0
    if effective_size(_normal(base + finite)) < least:
        for _ in range(40):
            power = 0.5 * (low + high)
            low, high = (power, high) if effective_size(_normal(base + power * finite)) > least else (low, power)
        high = low
    w = _normal(base + high * finite)
    return np.asarray(w / w.sum())


def _linear(z: Array, w: Array, measured: Measured, size: float) -> tuple[Array, Array]:
    """Mean and root of the covariance of z, given what is measured, were the logarithm of the model linear near these draws.

    ln f = c + B z (weighted least squares, with ridge); R = variance of the measurements + what is not linear;
    covariance (I + B' R^-1 B)^-1, mean covariance B' R^-1 (ln y - c). Directions that nothing was measured in keep the prior.
    """
    use = w > 0
    x, g, v = z[use], measured.predicted()[use][:, measured.used], w[use]
    d = x.shape[1]
    mean_x, mean_g = v @ x, v @ g
    dx, dg = x - mean_x, g - mean_g
    ridge = 1e-6
    slope = np.linalg.solve((dx.T * v) @ dx + ridge * np.eye(d) * float((v @ dx**2).mean()), (dx.T * v) @ dg).T
    left = v @ (dg - dx @ slope.T) ** 2
    precision = 1.0 / (measured.variance[measured.used] + left)
    covariance = np.linalg.inv(np.eye(d) + (slope.T * precision) @ slope)
    target = measured.target[measured.used] - (mean_g - slope @ mean_x)
    mean = covariance @ (slope.T * precision) @ target
    wide = np.linalg.inv(np.eye(d) + (slope.T * precision) @ slope / _WIDER)
    share = size / (size + _TRUST * d)  # of what the draws themselves say
    scatter = (dx.T * v) @ dx
    return (1 - share) * mean + share * mean_x, np.linalg.cholesky((1 - share) * wide + share * scatter)


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
    constant = (
        gammaln(0.5 * (_DEGREES + d))
        - gammaln(0.5 * _DEGREES)
        - 0.5 * d * math.log(_DEGREES * math.pi)
        - np.log(np.diag(lower)).sum()
    )
    student = constant - 0.5 * (_DEGREES + d) * np.log1p(q / _DEGREES)
    return np.asarray(np.logaddexp(math.log(_PRIOR_SHARE) + prior, math.log1p(-_PRIOR_SHARE) + student))
