"""Measured points, checked: every message names the point, what is allowed and what to do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import FitError
from ._curve import SLOWEST_ALLOWED, frozen
from ._decay import decay_constant_per_h
from ._exponentials import Array

__all__ = ["Points", "checked", "refuse_rising"]


@dataclass(frozen=True)
class Points:
    """Checked measurements and what is known about their scatter."""

    t: Array
    y: Array
    sd: Array | None
    w: Array  # one over sd, or the chosen weighting
    nuclide: str
    constant: float
    slowest: float
    slower_allowed: bool
    at: str


def checked(
    times_h: Sequence[float] | Array,
    activity_MBq: Sequence[float] | Array,
    nuclide: str,
    sd_MBq: Sequence[float] | Array | None,
    relative_sd: float | None,
    weights: str,
    slower: bool,
    where: str,
) -> Points:
    at = f"{where}: " if where else ""
    t, y = frozen(times_h), frozen(activity_MBq)
    if t.ndim != 1 or t.shape != y.shape or not len(t):
        raise FitError(f"{at}{t.size} times and {y.size} activities were given; they go in pairs, at least one.")
    for values, name in ((t, "time"), (y, "activity")):
        for i, value in enumerate(values):
            if not math.isfinite(value):
                raise FitError(
                    f"{at}the {name} of point {i + 1} is {value:g}; every point needs a number. Leave missing "
                    "points out."
                )
            if value < 0:
                meant = "times count from the injection" if name == "time" else "an activity cannot be negative"
                raise FitError(
                    f"{at}the {name} of point {i + 1} is {value:g} {'h' if name == 'time' else 'MBq'}; {meant}."
                )
    for i in range(1, len(t)):
        if t[i] <= t[i - 1]:
            raise FitError(
                f"{at}times must increase; point {i + 1} ({t[i]:g} h) does not come after point {i} ({t[i - 1]:g} h)."
            )
    if not y.any():
        raise FitError(
            f"{at}every activity is zero; there is no curve to fit. Leave the region out, or give what was measured."
        )
    if t[-1] <= 0:
        raise FitError(f"{at}the only point is at the injection (0 h); give a later one.")
    sd: Array | None = None
    if sd_MBq is not None:
        sd = frozen(sd_MBq)
        if sd.shape != y.shape or not (np.isfinite(sd).all() and (sd > 0).all()):
            raise FitError(f"{at}sd_MBq must hold one number above zero for each of the {len(y)} points.")
    elif relative_sd is not None:
        if not (math.isfinite(relative_sd) and relative_sd > 0):
            raise FitError(f"{at}relative_sd is {relative_sd!r}; it must be above zero, e.g. 0.1 for 10 %.")
        sd = frozen(relative_sd * np.maximum(y, 0.01 * y.max()))
    if weights not in ("auto", "uniform", "relative", "poisson"):
        raise FitError(f"{at}no weighting {weights!r}. Allowed: auto, uniform, relative, poisson.")
    known = np.maximum(y, 0.01 * y.max())
    w = {"uniform": np.ones_like(y), "relative": 1 / known, "poisson": 1 / np.sqrt(known)}.get(weights)
    if w is None:
        w = np.ones_like(y) if sd is None else 1 / sd
    constant = decay_constant_per_h(nuclide)
    return Points(t, y, sd, w, nuclide, constant, constant * (SLOWEST_ALLOWED if slower else 1.0), slower, at)


def refuse_rising(points: Points) -> None:
    t, y = points.t, points.y
    if len(y) == 1:
        raise FitError(
            f"{points.at}one point cannot carry a curve. Choose model 'hanscheid', or 'madsen' with a population "
            "half-life."
        )
    if y[-1] > y[-2]:
        raise FitError(
            f"{points.at}the curve rises at its end: {y[-1]:g} MBq at {t[-1]:g} h after {y[-2]:g} MBq at "
            f"{t[-2]:g} h, so nothing "
            "says how it clears. Add a later point, leave out the one that is wrong, or choose model "
            "'trapezoid', which then "
            "takes physical decay for its tail."
        )
