"""Points with few counts: which they are, and curves that keep them by the Poisson likelihood.

In the outline of a region lie N counts. What others put there, b (blur from the surrounding, and in a second energy window the
cross-talk, with the uncertainty of its response), is known with the standard uncertainty u. That is a background measured m = b/u^2 times as long: `LowCounts`. A point
whose N - b is below Currie's critical level L_C is not seen. It enters the fit censored, by the probability of at most b + L_C
counts, or by its counts: never as a number with a symmetric error, and never clipped at zero. As soon as one point of a region is under the detection
limit L_D, or has more than a fifth of noise, a symmetric error would mislead, or the last point is above the one before it by
chance: then all its points are fitted by their Poisson likelihood, as one exponential. What points vary by beyond
counts (registration, share x) adds (x s)^2 to the variance of s expected counts: the variance over the mean is F + x^2 s, s from a
first fit. It is nothing at few counts, and holds a point with many to x, as in a weighted fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..case.images import ImagesCase
from ..draws import Draws
from ..errors import CaseError
from ..imaging.activity import ActivitySeries
from ..imaging.quantify import ActivitySamples, CurveSamples, LowCounts, activity_of_count, low_count_curve
from ..kinetics import Curve

if TYPE_CHECKING:
    from ._images_activity import Corrected

__all__ = ["FewCounts", "few_counts"]

Array = npt.NDArray[np.float64]
KNOWN = 1e7  # a background of more counts than this is taken as known
RISE = 3.0  # standard deviations of noise that a rise at the end may have by chance: a weighted fit refuses it, a likelihood does not
MOST = 1e6  # counts beyond which a point needs no test
FIFTH, TWENTIETH = 5.0, 20.0  # net counts over their standard uncertainty


@dataclass(frozen=True, eq=False)
class FewCounts:
    """Counts of every region and time, and which are below the critical level; arrays ``[region, time]``."""

    counts: Sequence[Sequence[LowCounts]]
    per_MBq: Array  # counts in the outline for 1 MBq in the region
    below: npt.NDArray[np.bool_]
    few: npt.NDArray[np.bool_]  # [region]: a point is under its detection limit, or a fifth of it is noise
    rather_few: npt.NDArray[np.bool_]  # [region]: a twentieth
    limit_MBq: Array
    censored: bool
    extra: float = 0.0  # relative standard uncertainty of a point beyond its counts
    administered_MBq: float = math.inf

    def curve(
        self, row: int, samples: ActivitySamples, one: ActivitySamples, nuclide: str, draws: Draws, shape: Curve | None,
        half_life_h: float | None = None, half_life_relative_sd: float = 0.0,
    ) -> CurveSamples:  # fmt: skip
        """The curve of one region by the likelihood of all its points, with the errors that all points share.

        Before decay and clearance it holds at most what was administered, three standard uncertainties of those errors above it.
        """
        points = [
            _censored(c) if self.censored and bad else c
            for c, bad in zip(self.counts[row], self.below[row], strict=True)
        ]
        unit, relative, by_volume = _common(one)
        most = self.administered_MBq * (1 + 3 * math.sqrt(sum(v**2 for v in relative.values())))
        given: dict[str, Any] = {
            "nuclide": nuclide, "shape": shape, "region": samples.region, "most_MBq": most,
            "half_life_h": half_life_h, "half_life_relative_sd": half_life_relative_sd,
        }  # fmt: skip
        times, per = samples.times_h.tolist(), self.per_MBq[row]
        if self.extra > 0:
            first = low_count_curve(times, points, per.tolist(), draws=Draws(1), **given).curve
            expected = np.maximum(first.activity_MBq(samples.times_h), 0.0) * per
            points = [
                replace(c, noise_factor=c.noise_factor + self.extra**2 * float(s))
                for c, s in zip(points, expected, strict=True)
            ]
        found = low_count_curve(times, points, per.tolist(), draws=draws, factor=unit, **given)
        budget = {**relative, **found.budget}
        total = math.sqrt(sum(v**2 for v in budget.values())) * found.curve.time_integrated_activity_MBq_h
        return replace(
            found, sd=total, budget=budget, by_volume=by_volume, volume_mL=samples.volume_mL, notes=found.notes[1:],
            nominal_volume_mL=samples.nominal_volume_mL, volume_sd_mL=samples.volume_sd_mL,
        )  # fmt: skip

    def note(self, row: int, region: str) -> str:
        """What was done, for the report."""
        n = int(self.below[row].sum())
        if not n:
            return f"{region}: few counts; all points are fitted by their Poisson likelihood, as one exponential, in place of a weighted fit."
        how = "enter the fit as 'not seen' (censored)" if self.censored else "enter the fit by their counts"
        limits = ", ".join(f"{v:.3g}" for v in self.limit_MBq[row][self.below[row]])
        return (
            f"{region}: {n} of {len(self.below[row])} points are below the critical level of their counts and {how}; a Poisson "
            f"likelihood of all points, as one exponential, in place of a weighted fit. Detection limits {limits} MBq."
        )


def few_counts(case: ImagesCase, made: Corrected, images: ActivitySeries, gross_MBq: Array) -> FewCounts | None:
    """Test every point against its detection limit; None where counts are not known.

    Raises
    ------
    CaseError
        A point is below its limit and the case says ``low_counts: {below: refuse}``; an image without any count.
    """
    count_MBq = np.array([activity_of_count(i) for i in images.images])
    if not np.isfinite(count_MBq).all():
        return None
    factor, rows = case.low_counts.noise_factor, []
    shape = gross_MBq.shape
    below, limit, per = np.zeros(shape, bool), np.full(shape, np.nan), np.zeros(shape)
    few, rather = np.zeros(shape[0], bool), np.zeros(shape[0], bool)
    for i, s in enumerate(made.samples):
        per[i] = s.recovery / count_MBq
        noise = (s.noise_sd_MBq * s.recovery / count_MBq) ** 2 / factor
        put = np.hypot(made.spill_sd_MBq[i] / count_MBq, _response_sd(s, made.units[i]) * per[i])
        points = []
        for k in range(shape[1]):
            n = max(float(gross_MBq[i, k] / count_MBq[k]), 0.0)
            b = max(n - float(s.nominal_MBq[k]) * per[i, k], 0.0)
            variance = max(float(noise[k]) - max(n, factor), 0.0) + float(put[k]) ** 2
            m = b / variance if variance > 0 and b > 0 else math.inf
            known = math.isinf(m) or b * m > KNOWN
            points.append(LowCounts(min(n, KNOWN), min(b, KNOWN) if known else b * m, math.inf if known else m, factor))
            detectable = points[-1].limits[1]
            limit[i, k] = detectable / per[i, k]
            below[i, k] = n < MOST and not points[-1].detected
            few[i] |= n < MOST and points[-1].net < max(detectable, FIFTH * points[-1].net_sd)
            rather[i] |= n < MOST and points[-1].net < TWENTIETH * points[-1].net_sd
        few[i] |= _rises_by_chance(s) and case.fit.model.get(s.region, case.fit.model.get("*")) != "trapezoid"
        rows.append(points)
        if below[i].any() and case.low_counts.below == "refuse":
            k = int(np.argmax(below[i]))
            raise CaseError(
                f"low_counts: {s.region} is not seen at {s.times_h[k]:.4g} h ({rows[i][k].net:.3g} net counts, critical level "
                f"{rows[i][k].limits[0]:.3g}). Say below: censored or poisson, or leave the region out by images.regions."
            )
    known = [i.acquisition.administered_MBq or math.inf for i in images.images]
    return FewCounts(
        rows, per, below, few, rather, limit, case.low_counts.below == "censored", case.registration.sd, max(known)
    )


def _response_sd(s: ActivitySamples, one: ActivitySamples) -> Array:
    """How well it is known what other nuclides put into the window, MBq of the region's activity; nothing with one window.

    ``sqrt(sum (K^-1_ia sd_ab A_b)^2)``: all of the response but what scales the region's own activity, which all points share.
    """
    own = float(one.budget["calibration"][0]) * s.nominal_MBq
    return np.asarray(np.sqrt(np.maximum(s.budget["calibration"] ** 2 - own**2, 0.0)))


def _rises_by_chance(s: ActivitySamples) -> bool:
    """Whether the last point is above the one before by no more than three standard deviations of their noise."""
    if len(s.times_h) < 2:
        return False
    rise = float(s.nominal_MBq[-1] - s.nominal_MBq[-2])
    return 0 < rise < RISE * math.hypot(*s.noise_sd_MBq[-2:])


def _censored(c: LowCounts) -> LowCounts:
    """The same background; of the counts only that they are at most those of the critical level."""
    return replace(c, gross=c.expected_background + c.limits[0], censored=True)


def _common(one: ActivitySamples) -> tuple[Array, dict[str, float], float]:
    """Factor that all points of a region share in each sample, its relative uncertainties, and d ln A/d ln V."""
    by_volume = float(one.by_volume_MBq_per_mL[0]) * one.nominal_volume_mL
    relative = {n: float(one.budget[n][0]) for n in ("calibration", "recovery", "dead time")}
    relative["volume"] = abs(by_volume) * one.volume_sd_mL / one.nominal_volume_mL
    return np.asarray(one.common_MBq[:, 0]), relative, by_volume
