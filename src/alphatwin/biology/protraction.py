"""Dose protraction: the Lea-Catcheside factor G, in closed form for sums of exponentials and for any measured curve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..errors import DomainError
from ._checks import Floats, checked

__all__ = ["Repair", "lea_catcheside", "lea_catcheside_curve"]

_LN2 = float(np.log(2.0))
_CANCELS = 100.0  # sum |a|/r over D above this: sum in long double
_LARGEST_ERROR = 1e-7  # rounding error of G that is still accepted


@dataclass(frozen=True)
class Repair:
    """Repair of sublethal damage with several half-times: G = sum w_k G(mu_k), mu_k = ln 2 / T_k.

    Parameters
    ----------
    half_times_h : tuple of float
        Repair half-times in h, each above 0.
    weights : tuple of float
        Share of the damage that each one repairs; they sum to 1.

    Raises
    ------
    DomainError
        Lengths differ, a half-time is not above 0, a weight is negative, or the weights do not sum to 1.

    Examples
    --------
    >>> Repair(half_times_h=(0.5, 4.0), weights=(0.6, 0.4))
    Repair(half_times_h=(0.5, 4.0), weights=(0.6, 0.4))
    """

    half_times_h: tuple[float, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        checked("Repair half_times_h", self.half_times_h, above=0.0)
        checked("Repair weights", self.weights, at_least=0.0)
        if len(self.half_times_h) != len(self.weights) or abs(sum(self.weights) - 1.0) > 1e-9:
            raise DomainError(
                f"Repair has half-times {self.half_times_h} and weights {self.weights}; give one weight for each "
                "half-time, and weights that sum to 1."
            )


def _components(repair: ArrayLike | Repair) -> Iterator[tuple[float, Floats]]:
    """Weight and rate mu in 1/h of each repair component."""
    if isinstance(repair, Repair):
        for weight, half_time in zip(repair.weights, repair.half_times_h, strict=True):
            yield weight, np.asarray(_LN2 / half_time)
    else:
        yield 1.0, _LN2 / checked("repair_half_time_h", repair, above=0.0)


def lea_catcheside(
    amplitudes: ArrayLike, rates_per_h: ArrayLike, repair_half_time_h: ArrayLike | Repair, *, duration_h: float = np.inf
) -> Floats:
    r"""G of the dose rate R(t) = sum_i a_i exp(-r_i t), exact.

    .. math:: G = \frac{2}{D^2} \int_0^T R(t) \int_0^t R(s)\, e^{-\mu (t-s)}\, ds\, dt
              = \frac{2}{D^2} \sum_{ij} \frac{a_i a_j}{(r_i + r_j)(\mu + r_j)} \quad (T = \infty)

    with D = sum a_i / r_i and mu = ln 2 / repair half-time. For one term G = r / (r + mu). Nothing is singular where a
    rate meets another or meets mu; for a finite exposure the difference quotients that could be are integrated instead.

    Parameters
    ----------
    amplitudes : array (..., term)
        Any unit of dose rate (G does not depend on it); negative terms describe uptake.
    rates_per_h : array (..., term)
        Effective rates in 1/h, of a shape that broadcasts against `amplitudes`; above 0 wherever the amplitude is not 0
        (at least 0 for a finite exposure). For amplitudes[sample, region, term] and rates[sample, term] give
        ``rates[:, None, :]``.
    repair_half_time_h : array (...) or Repair
        Half-time in h, of a shape that broadcasts against the leading axes; or several with weights.
    duration_h : float
        Exposure from 0 to this time in h; infinite by default.

    Returns
    -------
    array (...)
        G, above 0 and at most 1; 1 where every amplitude is 0 (no dose, nothing to repair).

    Raises
    ------
    DomainError
        NaN, a rate or half-time outside its range, a dose that is not above 0, a curve that is negative for part of
        the time so that G leaves 0..1, or terms that cancel beyond the precision of the sum.

    References
    ----------
    Lea and Catcheside 1942 (lea1942); for decaying sources Dale 1985 (dale1985).

    Examples
    --------
    Bi-213 that stays where it is, repair half-time 1.5 h; and uptake with 2 h, clearance with 40 h.

    >>> import numpy as np
    >>> round(float(lea_catcheside([1.0], [np.log(2) / 0.76], 1.5)), 4)
    0.6637
    >>> round(float(lea_catcheside([1.0, -1.0], np.log(2) / np.array([40.0, 2.0]), 1.5)), 6)
    0.035161
    """
    a = checked("amplitudes", amplitudes)
    r = checked("rates_per_h", rates_per_h, at_least=0.0)
    if a.ndim == 0 or r.ndim == 0 or a.shape[-1] != r.shape[-1]:
        raise DomainError(
            f"amplitudes have shape {a.shape} and rates_per_h {r.shape}; the last axis of both lists the same terms."
        )
    if not duration_h > 0.0:
        raise DomainError(f"duration_h is {duration_h:g}; it must be above 0 h, or infinite.")
    finite = bool(np.isfinite(duration_h))
    repair = list(_components(repair_half_time_h))
    try:
        a, r = np.broadcast_arrays(a, r)
        parts = [(w, np.broadcast_to(mu, np.broadcast_shapes(a.shape[:-1], mu.shape))) for w, mu in repair]
    except ValueError as error:
        raise DomainError(
            f"amplitudes {np.shape(amplitudes)}, rates_per_h {np.shape(rates_per_h)} and repair_half_time_h do not fit "
            "together: write rates[:, None, :] for rates shared by the regions of a sample, and half_time[:, None]."
        ) from error
    if not finite:
        if ((r == 0.0) & (a != 0.0)).any():
            raise DomainError("rates_per_h holds 0 for a term that is not 0: its dose has no end. Give duration_h.")
        r = np.where(r > 0.0, r, 1.0)  # padding
    g: Floats = np.asarray(sum(w * _closed_form(a, r, mu, duration_h) for w, mu in parts))
    if not ((g > 0.0) & (g <= 1.0 + 1e-9)).all():
        raise DomainError(
            f"G runs from {g.min():.4g} to {g.max():.4g}, outside 0 to 1: the dose rate is negative for part of the "
            "time. Check the amplitudes of the curve."
        )
    return np.minimum(g, 1.0)


def _closed_form(a: Floats, r: Floats, mu: Floats, duration_h: float) -> Floats:
    """G of one repair component for a[..., term], r[..., term] and mu[...]."""
    finite = bool(np.isfinite(duration_h))
    shape = mu.shape
    a, r = np.broadcast_to(a, (*shape, a.shape[-1])), np.broadcast_to(r, (*shape, r.shape[-1]))
    # Each curve on the scale of its largest term: squares neither overflow nor vanish.
    scale = np.abs(a).max(axis=-1, keepdims=True)
    a = a / np.where(scale > 0.0, scale, 1.0)
    per_term = a * _exposed(r, duration_h) if finite else a / r
    dose, size = per_term.sum(axis=-1), np.abs(per_term).sum(axis=-1)
    if (dose[size > 0.0] <= 0.0).any():
        raise DomainError("The dose (sum of amplitude / rate) is not above 0 for every curve: the curve is negative.")
    cancel = np.divide(size, dose, out=np.ones_like(size), where=size > 0.0)
    close = cancel > _CANCELS
    precision = np.finfo(np.float64 if finite else np.longdouble).eps
    if (cancel**2 * float(precision) > _LARGEST_ERROR).any():
        raise DomainError(
            f"Uptake and clearance cancel to 1 part in {cancel.max():.2g}, too close for their G to be summed: "
            "merge terms whose rates are nearly equal."
        )
    safe = np.where(size > 0.0, dose, 1.0)
    if finite:
        g = _sum_finite(a, r, mu, duration_h) / safe**2
    else:
        g = np.asarray(_sum_infinite(a, r, mu) / safe**2)
        if close.any():
            al, rl, ml = (x[close].astype(np.longdouble) for x in (a, r, mu))
            g[close] = _sum_infinite(al, rl, ml) / (al / rl).sum(axis=-1) ** 2
    return np.where(size > 0.0, g, 1.0)


def _sum_infinite(a: Floats, r: Floats, mu: Floats) -> Floats:
    """2 sum_ij a_i a_j / ((r_i + r_j)(mu + r_j)), term by term so that no term-by-term matrix is kept."""
    total = np.zeros_like(mu)
    for j in range(a.shape[-1]):
        total = total + a[..., j] / (mu + r[..., j]) * (a / (r + r[..., j : j + 1])).sum(axis=-1)
    return 2.0 * total


def _exposed(s: Floats, duration_h: float) -> Floats:
    """E(s) = int_0^T exp(-s t) dt, also at s = 0."""
    x = s * duration_h
    return np.asarray(np.divide(-np.expm1(-x), s, out=np.full_like(s, duration_h), where=s > 0.0))


def _sum_finite(a: Floats, r: Floats, mu: Floats, duration_h: float) -> Floats:
    """2 sum_ij a_i a_j (E(r_i + r_j) - E(r_i + mu)) / (mu - r_j)."""
    total = np.zeros_like(mu)
    for j in range(a.shape[-1]):
        quotient = _difference_quotient(r + r[..., j : j + 1], r + mu[..., None], duration_h)
        total = total + a[..., j] * (a * quotient).sum(axis=-1)
    return 2.0 * total


def _difference_quotient(s1: Floats, s2: Floats, duration_h: float) -> Floats:
    """(E(s1) - E(s2)) / (s2 - s1), as the mean of -E' between them where the difference would cancel.

    -E'(s) = T^2 P(2, sT) / (sT)^2 with the regularised incomplete gamma function P. Eight Gauss-Legendre points on an
    interval whose ends differ by at most half err by about 1e-16 (nearest point where -E' is not smooth: s = 0).
    """
    from scipy.special import gammainc

    low, high = np.minimum(s1, s2), np.maximum(s1, s2)
    near = (high <= 1.5 * low) | (high * duration_h <= 1.0)
    gap = np.where(near, 1.0, s2 - s1)
    direct = (_exposed(s1, duration_h) - _exposed(s2, duration_h)) / gap
    nodes, weights = np.polynomial.legendre.leggauss(8)
    mean = np.zeros_like(direct)
    for node, weight in zip(nodes, weights, strict=True):
        x = (s1 + (s2 - s1) * (0.5 + 0.5 * node)) * duration_h
        small = x < 1e-3
        big = np.where(small, 1.0, x)
        series = 0.5 - x / 3.0 + x**2 / 8.0 - x**3 / 30.0 + x**4 / 144.0
        mean = mean + 0.5 * weight * np.where(small, series, gammainc(2.0, big) / big**2)
    return np.where(near, duration_h**2 * mean, direct)


def lea_catcheside_curve(
    times_h: ArrayLike,
    dose_rate: ArrayLike,
    repair_half_time_h: ArrayLike | Repair,
    *,
    tail_rate_per_h: ArrayLike | None = None,
) -> Floats:
    """G of any dose-rate curve, linear between its points.

    The damage that is still open, x' = R - mu x, is advanced exactly from point to point and G = 2 int R x dt / D^2
    summed exactly, in one pass. What remains is the error of the straight lines: at most of the order of (r h)^2 / 12
    for steps h and rates r, and it falls as h^2.

    Parameters
    ----------
    times_h : array (time,)
        Increasing times in h, two or more; the dose rate is 0 before the first.
    dose_rate : array (..., time)
        Dose rate in any unit, 0 or more.
    repair_half_time_h : array (...) or Repair
        Half-time in h; or several with weights.
    tail_rate_per_h : array (...), optional
        After the last point the curve falls as exp(-rate t); left out, it ends there.

    Returns
    -------
    array (...)
        G, above 0 and at most 1; 1 for a curve without dose.

    Raises
    ------
    DomainError
        Times that do not increase, negative or missing dose rates, half-times or tails not above 0.

    References
    ----------
    Lea and Catcheside 1942 (lea1942).

    Examples
    --------
    A constant dose rate over 10 repair times 1/mu: G = 2 (x - 1 + exp(-x)) / x^2 = 0.18.

    >>> import numpy as np
    >>> round(float(lea_catcheside_curve([0.0, 10.0], [1.0, 1.0], np.log(2))), 6)
    0.180001
    """
    from ._kernels import protraction_of_curve

    times = np.ascontiguousarray(checked("times_h", times_h))
    rate = checked("dose_rate", dose_rate, at_least=0.0)
    if times.ndim != 1 or times.size < 2 or rate.ndim == 0 or rate.shape[-1] != times.size:
        raise DomainError(
            f"times_h has shape {times.shape} and dose_rate {rate.shape}; give two or more times, and dose rates whose "
            "last axis has one value for each."
        )
    if not (np.diff(times) > 0.0).all():
        raise DomainError("times_h do not increase; sort them and merge the points at equal times.")
    tail = np.zeros(()) if tail_rate_per_h is None else checked("tail_rate_per_h", tail_rate_per_h, above=0.0)
    total: Floats | None = None
    for weight, mu in _components(repair_half_time_h):
        try:
            shape = np.broadcast_shapes(rate.shape[:-1], mu.shape, tail.shape)
        except ValueError as error:
            raise DomainError(
                f"dose_rate {rate.shape}, repair_half_time_h {mu.shape} and tail_rate_per_h {tail.shape} do not "
                "fit together."
            ) from error
        peak = rate.max(axis=-1, keepdims=True)
        curves = np.broadcast_to(rate / np.where(peak > 0.0, peak, 1.0), (*shape, times.size))
        g = np.empty(int(np.prod(shape)))
        protraction_of_curve(
            times,
            np.ascontiguousarray(curves.reshape(-1, times.size)),
            np.ascontiguousarray(np.broadcast_to(mu, shape).reshape(-1)),
            np.ascontiguousarray(np.broadcast_to(tail, shape).reshape(-1)),
            g,
        )
        total = weight * g.reshape(shape) + (0.0 if total is None else total)
    assert total is not None
    return np.minimum(total, 1.0)
