"""Curves without a fit: the single-time-point rules, and the trapezoid."""

from __future__ import annotations

import math

import numpy as np

from ..errors import FitError
from ._curve import Curve, frozen, sd_of_integral
from ._exponentials import FORMS
from ._points import Points
from ._tabulated import trapezoid

__all__ = ["single_point", "trapezoid_curve"]

HANSCHEID_WINDOW = (0.75, 2.5)  # scan time over effective half-life
HANSCHEID_ERROR = (-0.116, 0.061)  # 2 x 2^-x - 1 over that window: least at 2.5, most at 1/ln2


def single_point(points: Points, model: str, half_life_h: float | None, half_life_relative_sd: float) -> Curve:
    """Hänscheid: TIA = A(t) 2 t / ln2. Madsen: TIA = A(t) exp(k t) / k, k = ln2 / population half-life."""
    if len(points.t) != 1:
        raise FitError(
            f"{points.at}model {model} takes one point, and {len(points.t)} were given. Give the one to be used."
        )
    t, activity = float(points.t[0]), float(points.y[0])
    relative = 0.0 if points.sd is None else float(points.sd[0]) / activity
    constant = points.constant
    if half_life_h is not None and not (half_life_h > 0 and math.isfinite(half_life_h)):
        raise FitError(f"{points.at}population_half_life_h is {half_life_h!r}; it must be above zero.")
    covariance = np.zeros((2, 2))
    if model == "madsen":
        if half_life_h is None:
            raise FitError(
                f"{points.at}model madsen needs population_half_life_h, the effective half-life in the population."
            )
        rate = math.log(2) / half_life_h
        if rate < points.slowest * (1 - 1e-9):
            raise FitError(
                f"{points.at}population_half_life_h is {half_life_h:g} h, longer than the physical half-life of "
                f"{points.nuclide} "
                f"({math.log(2) / constant:g} h). An effective half-life is meant."
            )
        amplitude = activity * math.exp(rate * t)
        s = half_life_relative_sd * rate
        covariance[:] = [
            [amplitude**2 * (relative**2 + (t * s) ** 2), amplitude * t * s**2],
            [amplitude * t * s**2, s**2],
        ]
        notes = [
            f"Single time point (Madsen 2018) with a population half-life of {half_life_h:g} h; an error of x in "
            "it moves the "
            f"time-integrated activity by {abs(rate * t - 1):.2f} x (not at all at {half_life_h / math.log(2):.0f} h)."
        ]
        if half_life_relative_sd == 0:
            notes.append("The spread of the population's half-life was not given, so it is not in the sd.")
    else:
        rate, choice = _hanscheid_rate(t, half_life_h, points)
        amplitude = activity * math.exp(rate * t)
        low, high = HANSCHEID_ERROR
        rule = (high - low) / 2 / math.sqrt(3)  # rectangular over the known error
        covariance[0, 0] = amplitude**2 * (relative**2 + rule**2)
        notes = [
            f"Single time point (Hänscheid 2018): A(t) 2 t / ln2, known error {low:+.0%} to {high:+.0%} while the "
            "effective half-life "
            f"lies between {t / HANSCHEID_WINDOW[1]:.0f} and {t / HANSCHEID_WINDOW[0]:.0f} h (mono-exponential "
            f"clearance). {choice}"
        ]
    if points.sd is None:
        notes.append("No sd was given for the point, so its measurement error is not in the sd.")
    form, parameters = FORMS["mono"], frozen([amplitude, rate])
    return Curve(
        model,
        points.nuclide,
        constant,
        frozen([amplitude]),
        frozen([rate]),
        form.parameter_names,
        parameters,
        frozen(covariance),
        (False, model == "hanscheid"),
        sd=sd_of_integral(form, parameters, covariance),
        times_h=points.t,
        measured_MBq=points.y,
        residuals=frozen([0.0]),
        weights=frozen(points.w**2),
        notes=tuple(notes),
        sources=("madsen2018stp", "gustafsson2022stp") if model == "madsen" else ("hanscheid2018teff",),
        slower_than_decay_allowed=points.slower_allowed,
        form=form,
    )


def _hanscheid_rate(t: float, half_life_h: float | None, points: Points) -> tuple[float, str]:
    """The mono-exponentials through the point that have the rule's integral: half-life t/2 or t."""
    slow_possible = math.log(2) / t >= points.slowest
    slow = half_life_h is not None and half_life_h > t / math.sqrt(2) and slow_possible
    half_life = t if slow else t / 2
    if not slow and math.log(2) / half_life < points.slowest:
        raise FitError(
            f"{points.at}a point at {t:g} h comes after two physical half-lives of {points.nuclide} "
            f"({math.log(2) / points.constant:g} h), "
            "too late for the Hänscheid rule. Use model madsen, or add points."
        )
    other = t / 2 if slow else t
    why = "the nearer to the population half-life" if half_life_h is not None else "the other being"
    tail = f"; {why}" if half_life_h is not None else f"; {why} {other:.0f} h"
    return math.log(
        2
    ) / half_life, f"As a curve it is the mono-exponential of {half_life:.0f} h through the point{tail}."


def trapezoid_curve(points: Points, before_first: str, tail: str) -> Curve:
    if len(points.t) < 2:
        raise FitError(
            f"{points.at}the trapezoid needs two points or more. For one, choose model 'hanscheid' or 'madsen'."
        )
    table, notes = trapezoid(points.t, points.y, points.constant, points.slowest, before_first, tail, points.at)
    sd = math.nan
    if points.sd is not None:
        steps = []
        for i in range(len(points.t)):  # the integral by each point, the tail's slope included
            moved = points.y.copy()
            moved[i] *= 1 + 1e-6
            changed = trapezoid(points.t, moved, points.constant, points.slowest, before_first, tail)[0]
            steps.append(
                (changed.integral() - table.integral()) / max(points.y[i] * 1e-6, 1e-300) if points.y[i] else 0.0
            )
        sd = float(np.linalg.norm(np.array(steps) * points.sd))
    else:
        notes.append("No sd was given for the points, and a trapezoid leaves no scatter: the uncertainty is unknown.")
    return Curve(
        "trapezoid",
        points.nuclide,
        points.constant,
        frozen([]),
        frozen([]),
        sd=sd,
        times_h=points.t,
        measured_MBq=points.y,
        residuals=frozen(np.zeros(len(points.t))),
        weights=frozen(points.w**2),
        notes=tuple(notes),
        slower_than_decay_allowed=points.slower_allowed,
        table=table,
    )
