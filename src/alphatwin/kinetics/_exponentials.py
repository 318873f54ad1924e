"""Weighted least squares of sums of exponentials with positive parameters: numbers in, numbers out.

A model is a pair of matrices: the terms' amplitudes are ``amplitude_map @ amplitudes`` and the terms' rates are the
running sums of the rate parameters (slowest first), so every model is linear in its amplitudes, its rates are ordered
by construction, and its Jacobian is exact.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

FASTEST_HALF_TIME_H = 1.0 / 60.0  # no uptake quicker than one minute can be told from an instant one on these data
CLEARED_BY_FIRST_POINT = math.log(8.0)  # of a faster clearing phase, at least an eighth is left at the first point


@dataclass(frozen=True)
class Form:
    """The shape of a sum of exponentials: how many free amplitudes and rates, and how amplitudes make terms."""

    name: str
    amplitude_map: tuple[tuple[float, ...], ...]  # [term][free amplitude]
    n_rates: int
    parameter_names: tuple[str, ...]

    @property
    def n_amplitudes(self) -> int:
        """Number of free amplitudes."""
        return len(self.amplitude_map[0])

    @property
    def n_clearing(self) -> int:
        """Number of clearing phases; a rate beyond them is that of uptake."""
        return min(self.n_amplitudes, self.n_rates)

    @property
    def n_parameters(self) -> int:
        """Number of fitted parameters."""
        return self.n_amplitudes + self.n_rates

    def terms(self, parameters: Array) -> tuple[Array, Array]:
        """Amplitudes and rates of the terms, ``[..., term]``, from parameters ``[..., parameter]``."""
        a = parameters[..., : self.n_amplitudes] @ np.array(self.amplitude_map).T
        return a, np.cumsum(parameters[..., self.n_amplitudes :], axis=-1)

    def slope_maps(self) -> tuple[Array, Array]:
        """d(amplitude)/d(parameter) and d(rate)/d(parameter), each ``[term, parameter]``."""
        n_terms = len(self.amplitude_map)
        amplitude, rate = np.zeros((n_terms, self.n_parameters)), np.zeros((n_terms, self.n_parameters))
        amplitude[:, : self.n_amplitudes] = self.amplitude_map
        rate[:, self.n_amplitudes :] = np.tri(n_terms, self.n_rates)
        return amplitude, rate


FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form("mono", ((1.0,),), 1, ("amplitude", "rate")),
        Form("uptake_clearance", ((1.0,), (-1.0,)), 2, ("amplitude", "rate", "uptake rate - rate")),
        Form("bi", ((1.0, 0.0), (0.0, 1.0)), 2, ("amplitude 1", "amplitude 2", "rate 1", "rate 2 - rate 1")),
        Form(
            "uptake_biclearance",
            ((1.0, 0.0), (0.0, 1.0), (-1.0, -1.0)),
            3,
            ("amplitude 1", "amplitude 2", "rate 1", "rate 2 - rate 1", "uptake rate - rate 2"),
        ),
        Form(
            "tri",
            ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
            3,
            ("amplitude 1", "amplitude 2", "amplitude 3", "rate 1", "rate 2 - rate 1", "rate 3 - rate 2"),
        ),
    )
}


def evaluate(form: Form, parameters: Array, times_h: Array) -> tuple[Array, Array]:
    """Activity ``[time]`` and its Jacobian ``[time, parameter]``."""
    a, r = form.terms(parameters)
    decay = np.exp(-np.multiply.outer(times_h, r))
    amplitude_map, rate_map = form.slope_maps()
    jacobian = decay @ amplitude_map - (times_h[:, None] * a * decay) @ rate_map
    return decay @ a, jacobian


def integral(form: Form, parameters: Array) -> tuple[float, Array]:
    """Time integral 0 to infinity, sum(a/r), and its gradient by the parameters."""
    a, r = form.terms(parameters)
    amplitude_map, rate_map = form.slope_maps()
    return float(np.sum(a / r)), np.asarray((1 / r) @ amplitude_map - (a / r**2) @ rate_map)


@dataclass(frozen=True)
class Fitted:
    """The best parameters, those that sit at a bound, and the weighted sum of squares."""

    parameters: Array
    held: npt.NDArray[np.bool_]
    cost: float


def bounds_of(form: Form, t: Array, slowest: float) -> tuple[Array, Array]:
    """Least and largest value of every parameter."""
    fastest = max(np.log(2) / FASTEST_HALF_TIME_H, 10 * slowest, 20.0 / t[-1])
    na = form.n_amplitudes
    lower = np.zeros(form.n_parameters)
    lower[na] = slowest
    upper = np.concatenate([np.full(na, np.inf), np.full(form.n_rates, fastest)])
    if t[0] > 0:  # what was over before the first point could have held any activity
        upper[na + 1 : na + form.n_clearing] = min(CLEARED_BY_FIRST_POINT / t[0], fastest)
    return lower, upper


def start_rates(form: Form, t: Array, slowest: float, upper: Array) -> Array:
    """A grid of rate parameters to begin from, [start, rate]."""
    span = t[-1] if len(t) == 1 else max(float(np.min(np.diff(np.concatenate([[0.0], t[t > 0]])))), 1e-9)
    steps, fastest = upper[form.n_amplitudes :], float(upper[form.n_amplitudes])
    low, high = max(slowest, 0.05 / t[-1]), min(max(8.0 / span, 2 * slowest, 1.0 / t[-1]), fastest)
    size = {1: 16, 2: 12, 3: 9}[form.n_rates]
    grid = np.unique(np.clip(np.geomspace(low, max(high, 2 * low), size), slowest, fastest))
    rates = np.array(list(itertools.combinations(grid, form.n_rates)))
    return np.asarray(np.minimum(np.diff(rates, axis=1, prepend=0.0), steps))


def _starts(form: Form, t: Array, y: Array, w: Array, slowest: float, upper: Array, n: int) -> list[Array]:
    """The `n` best of the grid of rates with the best non-negative amplitudes for each, in a fixed order."""
    from scipy.optimize import nnls

    found = []
    for increments in start_rates(form, t, slowest, upper):
        design = np.exp(-np.multiply.outer(t, np.cumsum(increments))) @ np.array(form.amplitude_map)
        amplitudes, miss = nnls(design * w[:, None], y * w)
        found.append((miss, np.concatenate([amplitudes, increments])))
    found.sort(key=lambda pair: pair[0])
    return [start for _, start in found[:n]]


def least_squares_fit(form: Form, t: Array, y: Array, w: Array, slowest: float) -> Fitted:
    """Minimise ``sum((w (f - y))**2)`` with amplitudes >= 0 and every rate >= `slowest`.

    `w` is one over the standard deviation (up to a common factor). Deterministic: several starts from a grid, exact
    Jacobian, and parameters that end on a bound are put exactly on it.
    """
    lower, upper = bounds_of(form, t, slowest)
    unit = np.full(form.n_parameters, 1 / t[-1])
    unit[: form.n_amplitudes] = y.max()

    best: Fitted | None = None
    for start in _starts(form, t, y, w, slowest, upper, 6 if form.n_rates > 1 else 3):
        fitted = _minimise(form, t, y, w, start, lower, upper, unit, np.zeros(form.n_parameters, bool))
        if best is None or fitted.cost < best.cost * (1 - 1e-9):
            best = fitted
    assert best is not None
    return _snap_to_bounds(best, form, t, y, w, lower, upper, unit)


def _minimise(
    form: Form,
    t: Array,
    y: Array,
    w: Array,
    start: Array,
    lower: Array,
    upper: Array,
    unit: Array,
    held: npt.NDArray[np.bool_],
) -> Fitted:
    from scipy.optimize import least_squares

    free = ~held
    scale = float(np.max(np.abs(w * y)))

    @functools.lru_cache(maxsize=2)  # residual and Jacobian are asked at the same point
    def _at(x: bytes) -> tuple[Array, Array]:
        p = start.copy()
        p[free] = np.frombuffer(x) * unit[free]
        return evaluate(form, p, t)

    def residual(x: Array) -> Any:
        return w * (_at(x.tobytes())[0] - y) / scale

    def jacobian(x: Array) -> Any:
        return (w[:, None] * _at(x.tobytes())[1])[:, free] * unit[free] / scale

    lo, hi = lower[free] / unit[free], upper[free] / unit[free]
    inside = np.clip(
        start[free] / unit[free],
        lo + 1e-6 * np.minimum(hi - lo, 1.0),
        np.where(np.isfinite(hi), hi * (1 - 1e-6), np.inf),
    )
    solved = least_squares(
        residual, inside, jac=jacobian, bounds=(lo, hi), x_scale="jac", xtol=1e-11, ftol=1e-13, gtol=1e-14, max_nfev=400
    )
    p = start.copy()
    p[free] = np.clip(solved.x, lo, hi) * unit[free]
    return Fitted(p, held, float(2 * solved.cost) * scale**2)


def _snap_to_bounds(
    fit: Fitted, form: Form, t: Array, y: Array, w: Array, lower: Array, upper: Array, unit: Array
) -> Fitted:
    """Interior-point steps only approach a bound: put such parameters on it when the fit is no worse there."""
    floor = (1e-13 * float(np.max(w * y))) ** 2
    _, jacobian = evaluate(form, fit.parameters, t)
    effect = (
        np.linalg.norm(w[:, None] * jacobian, axis=0) * fit.parameters
    )  # a phase that was over before the first point
    unseen = (effect < 1e-6 * np.linalg.norm(w * y)) & (np.arange(len(unit)) > form.n_amplitudes)
    near_low = ~unseen & (fit.parameters - lower < 1e-3 * unit)
    near_high = unseen | (np.isfinite(upper) & (fit.parameters > 0.98 * upper))
    for i in np.flatnonzero(near_low | near_high):
        held = fit.held.copy()
        held[i] = True
        if held.all():
            continue
        start = fit.parameters.copy()
        start[i] = lower[i] if near_low[i] else upper[i]
        tried = _minimise(form, t, y, w, start, lower, upper, unit, held)
        if tried.cost <= fit.cost * (1 + 1e-7) + floor:
            fit = tried
    return fit
