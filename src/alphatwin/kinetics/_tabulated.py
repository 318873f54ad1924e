"""A piecewise linear curve with a stated beginning and a stated tail."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..errors import FitError, suggestion
from ._exponentials import Array

__all__ = ["Trapezoid", "trapezoid"]


@dataclass(frozen=True, eq=False)
class Trapezoid:
    """Knots joined by straight lines (the first knot at 0 h), then ``exp(-tail_rate (t - last))``."""

    times_h: Array
    activity_MBq: Array
    tail_rate_per_h: float

    def activity(self, times_h: Array) -> Array:
        """Activity in MBq at any time from 0 h."""
        inside = np.interp(times_h, self.times_h, self.activity_MBq)
        after = self.activity_MBq[-1] * np.exp(-self.tail_rate_per_h * np.maximum(times_h - self.times_h[-1], 0.0))
        return np.where(times_h <= self.times_h[-1], inside, after)

    def tail_integral(self) -> float:
        """Integral after the last knot, MBq h."""
        return float(self.activity_MBq[-1]) / self.tail_rate_per_h

    def integral(self) -> float:
        """Integral from 0 to infinity, MBq h."""
        return float(np.trapezoid(self.activity_MBq, self.times_h)) + self.tail_integral()

    def first_moment(self) -> float:
        """Integral of t A(t) from 0 to infinity, MBq h^2; exact for the straight lines."""
        t0, t1, a0, a1 = self.times_h[:-1], self.times_h[1:], self.activity_MBq[:-1], self.activity_MBq[1:]
        lines = np.sum((t1 - t0) * (a0 * (2 * t0 + t1) + a1 * (t0 + 2 * t1)) / 6)
        return float(lines) + self.tail_integral() * (float(self.times_h[-1]) + 1 / self.tail_rate_per_h)

    def translated(self, shift_per_h: float, ratio: float) -> Trapezoid:
        """Knots multiplied by ``ratio exp(-shift t)``, the tail's rate moved by the same shift."""
        if self.tail_rate_per_h + shift_per_h <= 0:
            raise FitError("The trapezoid's tail would no longer clear after translation; use tail='decay'.")
        moved = self.activity_MBq * ratio * np.exp(-shift_per_h * self.times_h)
        return replace(self, activity_MBq=moved, tail_rate_per_h=self.tail_rate_per_h + shift_per_h)


def trapezoid(
    t: Array, y: Array, decay_constant_per_h: float, slowest_per_h: float, before_first: str, tail: str, at: str = ""
) -> tuple[Trapezoid, list[str]]:
    """Piecewise linear through the points; a beginning and a tail as named; and the sentences that say so."""
    starts = {"linear": 0.0, "constant": y[0], "decay": y[0] * math.exp(decay_constant_per_h * t[0])}
    if before_first not in starts:
        raise FitError(
            f"{at}before_first is {before_first!r}. {suggestion(before_first, starts)}Allowed: {', '.join(starts)}."
        )
    if tail not in ("decay", "slope"):
        raise FitError(f"{at}tail is {tail!r}. Allowed: decay, slope.")
    words = {"linear": "a line from zero", "constant": "the first activity", "decay": "physical decay backwards"}
    notes = [f"Trapezoid: {words[before_first]} before {t[0]:g} h."]
    if t[0] > 0:
        t, y = np.concatenate([[0.0], t]), np.concatenate([[starts[before_first]], y])
    rate = decay_constant_per_h
    if tail == "slope":
        falling = y[-2] > y[-1] > 0
        slope = math.log(y[-2] / y[-1]) / (t[-1] - t[-2]) if falling else 0.0
        rate = max(slope, slowest_per_h)
        held = ", held at physical decay" if slope < slowest_per_h else ""
        notes.append(f"Tail by the slope of the last two points ({math.log(2) / rate:.4g} h{held}).")
    else:
        notes.append(f"Tail by physical decay ({math.log(2) / rate:.4g} h), an upper bound.")
    return Trapezoid(t, y, rate), notes
