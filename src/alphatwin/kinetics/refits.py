"""One model fitted to many sets of points at once: what `fit_curve` does for a row of them, without its bookkeeping.

The minimum is that of `least_squares_fit`, amplitudes >= 0 and rates within its bounds, sought from the same starts, by
Levenberg-Marquardt steps for all rows together: parameters at a bound that the gradient presses against stay there.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from ._exponentials import FORMS, Array, Form, bounds_of, start_rates
from ._points import checked, refuse_rising
from .curves import fit_curve

__all__ = ["refit_integrals"]

Mask = npt.NDArray[np.bool_]
STEPS = 2000
STARTS = 16
STEEP, FLAT = 1e14, 1e-12  # limits of the damping


def refit_integrals(
    times_h: Array,
    activities_MBq: Array,
    *,
    nuclide: str,
    model: str,
    sd_MBq: Array | None = None,
    allow_slower_than_decay: bool = False,
    population_half_life_h: float | None = None,
    population_relative_sd: float = 0.0,
    where: str = "",
) -> Array:
    """Time-integrated activity of the same model fitted to many sets of points at the same times.

    Parameters
    ----------
    times_h : array[point]
    activities_MBq : array[row, point]
    nuclide, model, allow_slower_than_decay, population_half_life_h, population_relative_sd, where
        As of `fit_curve`.
    sd_MBq : array[point], optional
        Of the points of every row.

    Returns
    -------
    array[row]
        MBq h.

    Raises
    ------
    FitError
        What `fit_curve` refuses, of the first row that it refuses.

    Examples
    --------
    >>> t = np.array([4.0, 24.0, 96.0])
    >>> rows = np.array([[100.0], [50.0]]) * np.exp(-0.01 * t)
    >>> refit_integrals(t, rows, nuclide="Lu-177", model="mono").round(3)
    array([10000.,  5000.])
    """

    def alone(row: Array) -> float:
        return fit_curve(
            times_h, row, nuclide=nuclide, model=model, sd_MBq=sd_MBq, where=where,
            allow_slower_than_decay=allow_slower_than_decay, population_half_life_h=population_half_life_h,
            population_relative_sd=population_relative_sd,
        ).time_integrated_activity_MBq_h  # fmt: skip

    y = np.asarray(activities_MBq, dtype=float)
    form = FORMS.get(model)
    if form is None or not len(y) or y.shape[1] < max(form.n_parameters, 2):
        return np.array([alone(row) for row in y])
    for row in y[~np.isfinite(y).all(axis=1) | (y < 0).any(axis=1) | ~y.any(axis=1) | (y[:, -1] > y[:, -2])]:
        alone(row)
    points = checked(times_h, y[0], nuclide, sd_MBq, None, "auto", allow_slower_than_decay, where)
    refuse_rising(points)
    a, r = form.terms(_best(form, points.t, y, points.w, points.slowest))
    return np.asarray(np.sum(a / r, axis=1))


def _best(form: Form, t: Array, y: Array, w: Array, slowest: float) -> Array:
    """Parameters of least cost [row, parameter]."""
    lower, upper = bounds_of(form, t, slowest)
    unit = np.full((len(y), form.n_parameters), 1 / t[-1])
    unit[:, : form.n_amplitudes] = y.max(axis=1)[:, None]
    starts = _starts(form, t, y, w, slowest, upper)
    n = starts.shape[1]
    rows = np.repeat(np.arange(len(y)), n)
    free = np.zeros((len(rows), form.n_parameters), bool)
    found, cost = _descended(form, t, y[rows], w, starts.reshape(len(rows), -1), lower, upper, unit[rows], free)
    first = np.argmin(cost.reshape(len(y), n), axis=1) + n * np.arange(len(y))
    return _on_bounds(form, t, y, w, found[first], cost[first], lower, upper, unit)


def _starts(form: Form, t: Array, y: Array, w: Array, slowest: float, upper: Array) -> Array:
    """The best of a grid of rates with the best amplitudes >= 0 for each, [row, start, parameter]."""
    rates = start_rates(form, t, slowest, upper)
    na, aim = form.n_amplitudes, y * w
    designs = np.exp(-np.multiply.outer(t, np.cumsum(rates, axis=1))) @ np.array(form.amplitude_map)
    designs = designs.transpose(1, 0, 2) * w[:, None]  # [start, point, amplitude]
    least = np.broadcast_to(np.sum(aim**2, axis=1)[:, None], (len(y), len(rates))).copy()
    amplitudes = np.zeros((len(y), len(rates), na))
    for some in (list(s) for k in range(1, na + 1) for s in itertools.combinations(range(na), k)):
        part = designs[:, :, some]
        solved = np.einsum("gap,rp->rga", np.linalg.pinv(part), aim)
        miss = np.sum((np.einsum("gpa,rga->rgp", part, solved) - aim[:, None]) ** 2, axis=2)
        better = (solved >= 0).all(axis=2) & (miss < least)
        least = np.where(better, miss, least)
        amplitudes[better] = 0.0
        amplitudes[..., some] = np.where(better[..., None], solved, amplitudes[..., some])
    order = np.argsort(least, axis=1, kind="stable")[:, :STARTS]
    chosen = np.take_along_axis(amplitudes, order[..., None], axis=1)
    return np.concatenate([chosen, rates[order]], axis=2)


def _evaluated(form: Form, p: Array, t: Array) -> tuple[Array, Array]:
    """Activity [row, point] and its slopes [row, point, parameter]."""
    a, r = form.terms(p)
    decay = np.exp(-t[:, None] * r[:, None, :])
    by_amplitude, by_rate = form.slope_maps()
    slopes = decay @ by_amplitude - (t[:, None] * a[:, None, :] * decay) @ by_rate
    return np.einsum("rpt,rt->rp", decay, a), slopes


def _descended(
    form: Form, t: Array, y: Array, w: Array, start: Array, lower: Array, upper: Array, unit: Array, held: Mask
) -> tuple[Array, Array]:
    """The minimum below each start, with some parameters held, and its weighted sum of squares."""
    p, scale = np.clip(start, lower, upper), np.max(np.abs(w * y), axis=1)
    cost, damping = np.full(len(p), np.inf), np.full(len(p), 1e-3)
    f, slopes = _evaluated(form, p, t)
    cost = np.sum((w * (f - y) / scale[:, None]) ** 2, axis=1)
    running = np.arange(len(p))
    for _ in range(STEPS):
        if not len(running):
            break
        q, u = p[running], unit[running]
        f, slopes = _evaluated(form, q, t)
        miss = w * (f - y[running]) / scale[running, None]
        j = slopes * (w[:, None] * u[:, None, :] / scale[running, None, None])
        g = np.einsum("rpk,rp->rk", j, miss)
        stays = held[running] | ((q <= lower) & (g > 0)) | ((q >= upper) & (g < 0))
        j, g = np.where(stays[:, None, :], 0.0, j), np.where(stays, 0.0, g)
        h = j.transpose(0, 2, 1) @ j
        diagonal = np.einsum("rkk->rk", h)
        weight = np.maximum(diagonal, 1e-14 * diagonal.max(axis=1, keepdims=True)) + stays
        np.einsum("rkk->rk", h)[...] += damping[running, None] * weight + stays + 1e-300
        step = -np.linalg.solve(h, g[..., None])[..., 0]
        tried = np.clip(q + step * u, lower, upper)
        after = np.sum((w * (_evaluated(form, tried, t)[0] - y[running]) / scale[running, None]) ** 2, axis=1)
        better = after < cost[running]
        moved = np.max(np.abs(tried - q) / np.maximum(np.abs(q), 1e-9 * u), axis=1)
        gained = cost[running] - after
        ended = (moved < 1e-12) | (better & (gained <= 1e-16 * cost[running]) & (moved < 1e-9)) | ~g.any(axis=1)
        p[running] = np.where(better[:, None], tried, q)
        cost[running] = np.where(better, after, cost[running])
        damping[running] *= np.where(better, 0.2, 4.0)
        np.maximum(damping, FLAT, out=damping)
        running = running[~(ended | (damping[running] > STEEP))]
    return p, cost * scale**2


def _on_bounds(
    form: Form, t: Array, y: Array, w: Array, p: Array, cost: Array, lower: Array, upper: Array, unit: Array
) -> Array:
    """As `_exponentials._snap_to_bounds`: parameters near a bound go onto it where the fit is no worse there."""
    p, cost = p.copy(), cost.copy()
    floor = (1e-13 * np.max(w * y, axis=1)) ** 2
    whole = np.linalg.norm(w * y, axis=1)
    effect = np.linalg.norm(w[:, None] * _evaluated(form, p, t)[1], axis=1) * p
    unseen = (effect < 1e-6 * whole[:, None]) & (np.arange(form.n_parameters) > form.n_amplitudes)
    low = ~unseen & (p - lower < 1e-3 * unit)
    high = unseen | (np.isfinite(upper) & (p > 0.98 * upper))
    held = np.zeros_like(low)
    for i in range(form.n_parameters):
        near = np.flatnonzero(low[:, i] | high[:, i])
        trial = held[near].copy()
        trial[:, i] = True
        near, trial = near[~trial.all(axis=1)], trial[~trial.all(axis=1)]
        if not len(near):
            continue
        start = p[near].copy()
        start[:, i] = np.where(low[near, i], lower[i], upper[i])
        found, after = _descended(form, t, y[near], w, start, lower, upper, unit[near], trial)
        good = after <= cost[near] * (1 + 1e-7) + floor[near]
        p[near[good]], cost[near[good]], held[near[good]] = found[good], after[good], trial[good]
    return p
