"""Time to event: curves as published, patients behind them, restricted means, hazards by interval, and their synthesis.

A published study gives landmarks (52 % alive at 12 months) or a drawn curve with numbers at risk. `SurvivalCurve` holds
either. `reconstruct` finds patient times that would draw the curve (Guyot et al. 2012); `rmst` is the area under it up
to a horizon; `pool_rmst` and `pool_hazards` pool over studies. Medians are not pooled: see `pool_medians`.
Times carry the unit named in the curve, months by default; survival is a share, 0 to 1.
"""

from __future__ import annotations

import itertools
import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from ..errors import DomainError, FitError
from ._counts import confidence, same_length, unique
from ._estimators import quantile
from .pool import pool_estimates
from .pooled import Interval, Pooled

__all__ = [
    "KaplanMeier",
    "PatientTimes",
    "PiecewiseHazards",
    "Rmst",
    "SurvivalCurve",
    "kaplan_meier",
    "pool_hazards",
    "pool_medians",
    "pool_rmst",
    "reconstruct",
    "rmst",
    "survival_curve",
]

RISE = 0.02  # a digitised curve may rise by this much, as a hand on a mouse does; it is then flattened


def _floats(values: Any, what: str) -> tuple[float, ...]:
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise DomainError(f"{what} is {values!r}; give a list of numbers.")
    made = []
    for i, v in enumerate(values):
        if isinstance(v, bool | np.bool_) or not isinstance(v, numbers.Real | np.number) or not math.isfinite(float(v)):
            raise DomainError(f"{what}, row {i + 1}: {v!r} is not a finite number.")
        made.append(float(v))
    return tuple(made)


@dataclass(frozen=True)
class SurvivalCurve:
    """A published curve: points of it, and how many were at risk when.

    Parameters
    ----------
    times, survival : tuple of float
        Points in order of time; the first is (0, 1). Survival never rises.
    risk_times : tuple of float
        Where a number at risk is known; the first is 0.
    at_risk : tuple of int
    label, unit : str
    drawn : bool
        True for a digitised step curve (constant between points), False for landmarks (exponential between them).
    """

    times: tuple[float, ...]
    survival: tuple[float, ...]
    risk_times: tuple[float, ...]
    at_risk: tuple[int, ...]
    label: str = ""
    unit: str = "months"
    drawn: bool = False

    @property
    def total(self) -> int:
        """Patients at the start."""
        return self.at_risk[0]

    @property
    def last(self) -> float:
        """Time of the last point; nothing is known beyond it."""
        return self.times[-1]

    def at(self, time: float) -> float:
        """Survival at a time up to `last`.

        Raises
        ------
        DomainError
            The curve does not reach that far.
        """
        if not 0 <= time <= self.last:
            raise DomainError(
                f"{self.label or 'The curve'} reaches from 0 to {self.last:g} {self.unit}, not {time:g}. Nothing is extrapolated."
            )
        i = int(np.searchsorted(self.times, time, side="right")) - 1
        if self.drawn or i == len(self.times) - 1 or self.times[i] == time:
            return self.survival[i]
        a, b = self.survival[i], self.survival[i + 1]
        if b == 0:
            return a
        return float(a * (b / a) ** ((time - self.times[i]) / (self.times[i + 1] - self.times[i])))


@dataclass(frozen=True)
class PatientTimes:
    """One line a patient: follow-up, and whether it ended with the event."""

    times: tuple[float, ...]
    events: tuple[bool, ...]
    label: str = ""
    unit: str = "months"
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Patients."""
        return len(self.times)

    @property
    def n_events(self) -> int:
        """Patients with the event."""
        return sum(self.events)

    @property
    def last(self) -> float:
        """Longest follow-up."""
        return max(self.times)


@dataclass(frozen=True)
class KaplanMeier:
    """The product-limit curve at its event times, with Greenwood's sum d / (n (n - d))."""

    times: np.ndarray
    at_risk: np.ndarray
    events: np.ndarray
    survival: np.ndarray
    greenwood: np.ndarray

    def at(self, time: float) -> float:
        """Survival at a time."""
        i = int(np.searchsorted(self.times, time, side="right"))
        return float(self.survival[i - 1]) if i else 1.0

    @property
    def median(self) -> float:
        """First time at which survival is one half or less; infinite where it never is."""
        below = np.flatnonzero(self.survival <= 0.5 + 1e-12)
        return float(self.times[below[0]]) if len(below) else math.inf


@dataclass(frozen=True)
class Rmst:
    """Restricted mean survival time: the area under a curve up to `horizon`, and its standard error (same unit)."""

    value: float
    se: float
    horizon: float
    total: int
    label: str = ""
    unit: str = "months"

    @property
    def ci(self) -> Interval:
        """95 % interval, normal."""
        return self.value - 1.959963984540054 * self.se, self.value + 1.959963984540054 * self.se


def survival_curve(
    times: Any, survival: Any, at_risk: Any, risk_times: Any = None, *, label: str = "", unit: str = "months", drawn: bool = False
) -> SurvivalCurve:  # fmt: skip
    """Check landmarks or digitised points and make a curve of them.

    Parameters
    ----------
    times, survival : sequence of float
        Points; (0, 1) is put in front where it is missing. Shares, not percentages.
    at_risk : int or sequence of int
        Patients at the start, or numbers at risk at `risk_times`.
    risk_times : sequence of float, optional
        Times of the numbers at risk, from 0 on; needed where several are given.
    label, unit : str
    drawn : bool
        Whether the points trace a step curve (digitised) or are landmarks.

    Returns
    -------
    SurvivalCurve

    Raises
    ------
    DomainError
        Times out of order, survival outside 0 to 1 or rising, numbers at risk that rise or are no whole numbers; the row is
        named.

    Examples
    --------
    >>> c = survival_curve([12, 24], [0.7, 0.4], 50, label="A")
    >>> round(c.at(18.0), 4)
    0.5292
    """
    t, s = list(_floats(times, "times")), list(_floats(survival, "survival"))
    same_length({"times": len(t), "survival": len(s)})
    if not t:
        raise DomainError("A curve needs at least one point besides its start; times is empty.")
    if max(s) > 1:
        i = int(np.argmax(s))
        raise DomainError(f"survival, row {i + 1}: {s[i]:g} is above 1. Survival is a share: 52 % is 0.52.")
    if t[0] > 0 or s[0] < 1:
        t, s = [0.0, *t], [1.0, *s]
    for i in range(len(t)):
        if t[i] < 0 or s[i] < 0:
            raise DomainError(f"point {i + 1}: time {t[i]:g} and survival {s[i]:g}; neither can be below 0.")
        if i and (t[i] < t[i - 1] or (t[i] == t[i - 1] and not drawn)):
            raise DomainError(
                f"point {i + 1}: time {t[i]:g} comes after {t[i - 1]:g}; give the points in order of time."
            )
        if i and s[i] > s[i - 1] + (RISE if drawn else 0.0):
            raise DomainError(
                f"point {i + 1}: survival rises from {s[i - 1]:g} to {s[i]:g}; no curve of survival does."
            )
    s = [float(v) for v in np.minimum.accumulate(s)]
    numbers_at_risk = _floats([at_risk] if isinstance(at_risk, numbers.Real) else at_risk, "at_risk")
    when = _floats(
        [0.0] if risk_times is None and len(numbers_at_risk) == 1 else (risk_times if risk_times is not None else []),
        "risk_times",
    )
    same_length({"at_risk": len(numbers_at_risk), "risk_times": len(when)})
    for i, n in enumerate(numbers_at_risk):
        if n != round(n) or n < (1 if i == 0 else 0):
            raise DomainError(f"at_risk, row {i + 1}: {n:g} is not a number of patients.")
        if i and (n > numbers_at_risk[i - 1] or when[i] <= when[i - 1]):
            raise DomainError(
                f"at_risk, row {i + 1}: {n:g} at {when[i]:g} after {numbers_at_risk[i - 1]:g} at {when[i - 1]:g}; numbers at risk fall as time goes on."
            )
    if when[0] != 0:
        raise DomainError(f"The first number at risk is at {when[0]:g}; the one at time 0 is needed.")
    return SurvivalCurve(tuple(t), tuple(s), when, tuple(int(n) for n in numbers_at_risk), label, unit, drawn)


# --- patients behind a drawn curve -----------------------------------------------------------------------------------


def reconstruct(curve: SurvivalCurve, total_events: int | None = None) -> PatientTimes:
    """Patient times that would draw a digitised curve (Guyot et al. 2012).

    Between two numbers at risk the censored are spread evenly; deaths at each point are what the step of the curve asks
    for, d = round(n (1 - S / S_before)) with S_before the reconstructed curve; the number censored is changed until the
    patients left are those printed. After the last number at risk the total of events decides, where it is known, or else
    censoring goes on at its mean rate so far.

    Parameters
    ----------
    curve : SurvivalCurve
        With ``drawn=True`` and numbers at risk.
    total_events : int, optional
        Printed number of events.

    Returns
    -------
    PatientTimes
        One entry a patient, in order of time. `notes` says what was assumed.

    Raises
    ------
    DomainError
        Landmarks instead of a drawn curve, or more events than patients.

    Examples
    --------
    >>> c = survival_curve([1, 2, 3, 4], [0.75, 0.5, 0.25, 0.0], 4, drawn=True)
    >>> p = reconstruct(c)
    >>> p.times, p.n_events
    ((1.0, 2.0, 3.0, 4.0), 4)
    """
    from ._reconstruction import patients_behind

    if not curve.drawn:
        raise DomainError(
            "Landmarks hold too little for patient times; pool them with pool_hazards, or digitise the curve (drawn=True)."
        )
    if total_events is not None and not 0 <= total_events <= curve.total:
        raise DomainError(f"{total_events} events in {curve.total} patients; events cannot exceed the total.")
    reached = [(r, n) for r, n in zip(curve.risk_times, curve.at_risk, strict=True) if r <= curve.last]
    extra = [(r, curve.at(r)) for r, _ in reached if r not in curve.times]
    points = sorted([*zip(curve.times, curve.survival, strict=True), *extra], key=lambda p: (p[0], -p[1]))
    times, flags, notes = patients_behind(
        np.array([p[0] for p in points]), np.array([p[1] for p in points]), reached, total_events, curve.unit
    )
    return PatientTimes(tuple(float(v) for v in times), tuple(bool(v) for v in flags), curve.label, curve.unit, notes)


# --- restricted means ------------------------------------------------------------------------------------------------


def kaplan_meier(times: Any, events: Any) -> KaplanMeier:
    """The product-limit estimate (Kaplan and Meier 1958).

    Parameters
    ----------
    times : sequence of float
    events : sequence of bool
        True: the event; False: censored. At equal times events come first.

    Examples
    --------
    >>> kaplan_meier([1, 2, 3, 4], [True, False, True, True]).survival.tolist()
    [0.75, 0.375, 0.0]
    """
    t = np.array(_floats(times, "times"))
    flags = np.array([bool(e) for e in events])
    same_length({"times": len(t), "events": len(flags)})
    when = np.unique(t[flags])
    n = len(t) - np.searchsorted(np.sort(t), when, side="left")
    d = np.array([int(np.sum(flags & (t == u))) for u in when], dtype=int)
    survival = np.cumprod(1 - d / n)
    left = np.where(n > d, n - d, 1)
    return KaplanMeier(when, n, d, survival, np.where(n > d, d / (n * left), np.inf))


def rmst(source: PatientTimes | SurvivalCurve, horizon: float) -> Rmst:
    """Restricted mean survival time, the area under the curve from 0 to the horizon.

    Of patient times: the area under the product-limit curve, variance sum over event times of (area from there to the
    horizon)^2 d / (n (n - d)) (Irwin 1949; Royston and Parmar 2013). Of landmarks: exponential between them, the variance
    from binomial steps of n S patients, carried to the area by its derivatives.

    Parameters
    ----------
    source : PatientTimes or SurvivalCurve
    horizon : float
        In the unit of the times; no later than the last follow-up, unless everybody had the event.

    Returns
    -------
    Rmst

    Raises
    ------
    DomainError
        The horizon is not above 0, or beyond what was followed.

    Examples
    --------
    >>> r = rmst(PatientTimes((1.0, 2.0, 3.0, 4.0), (True,) * 4), 4.0)
    >>> r.value, round(r.se**2, 4)
    (2.5, 0.3125)
    """
    if not 0 < float(horizon) < math.inf:
        raise DomainError(f"The horizon is {horizon!r}; give a time above 0.")
    horizon = float(horizon)
    if isinstance(source, SurvivalCurve):
        if source.drawn:
            return rmst(reconstruct(source), horizon)
        return _landmark_rmst(source, horizon)
    km = kaplan_meier(source.times, source.events)
    done = len(km.survival) > 0 and km.survival[-1] <= 1e-12
    if horizon > source.last * (1 + 1e-12) and not done:
        raise DomainError(
            f"{source.label or 'The curve'} is followed to {source.last:g} {source.unit}, and the horizon is {horizon:g}. "
            "Nothing is extrapolated: choose a horizon that every curve reaches."
        )
    inside = km.times < horizon
    edges = np.concatenate([[0.0], km.times[inside], [horizon]])
    heights = np.concatenate([[1.0], km.survival[inside]])
    areas = heights * np.diff(edges)
    after = np.cumsum(areas[::-1])[::-1][1:]
    share = km.greenwood[inside]
    terms = np.where(after > 0, after**2 * np.where(np.isfinite(share), share, 0.0), 0.0)
    return Rmst(float(areas.sum()), math.sqrt(float(terms.sum())), horizon, source.total, source.label, source.unit)


def _steps(curve: SurvivalCurve, cuts: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Share that survives each interval, and the patients that begin it: n S, or fewer where numbers at risk say so."""
    heights = np.array([curve.at(c) for c in cuts])
    known = np.array(
        [curve.at_risk[max(int(np.searchsorted(curve.risk_times, c, side="right")) - 1, 0)] for c in cuts[:-1]]
    )
    n = np.minimum(curve.total * heights[:-1], known)
    if np.any(heights[:-1] <= 0):
        raise DomainError(
            f"{curve.label or 'The curve'} is at 0 before {cuts[-1]:g} {curve.unit}; end the intervals there."
        )
    return heights[1:] / heights[:-1], n


def _landmark_rmst(curve: SurvivalCurve, horizon: float) -> Rmst:
    curve.at(horizon)
    cuts = [c for c in curve.times if c < horizon] + [horizon]
    q, n = _steps(curve, cuts)
    width = np.diff(cuts)
    begin = np.concatenate([[1.0], np.cumprod(q)[:-1]])
    log_q = np.log(np.maximum(q, 1e-12))
    flat = np.abs(log_q) < 1e-6
    safe = np.where(flat, 1.0, log_q)
    shape = np.where(flat, 1 + log_q / 2, np.expm1(log_q) / safe)
    slope = np.where(flat, 0.5, (np.exp(log_q) * (log_q - 1) + 1) / safe**2)
    areas = begin * width * shape
    later = np.concatenate([np.cumsum(areas[::-1])[::-1][1:], [0.0]])
    change = begin * width * slope + later  # of the area with ln q of this interval
    variance = float(np.sum(change**2 * (1 - q) / (np.maximum(q, 1e-12) * n)))
    return Rmst(float(areas.sum()), math.sqrt(variance), horizon, curve.total, curve.label, curve.unit)


def pool_rmst(sources: Sequence[PatientTimes | SurvivalCurve], horizon: float, **options: Any) -> Pooled:
    """Pool restricted means at one horizon by inverse variance.

    Parameters
    ----------
    sources : sequence of PatientTimes or SurvivalCurve
    horizon : float
        Every curve must reach it.
    **options
        estimator, knha, test, level, prediction as in `pool_estimates`.

    Returns
    -------
    Pooled
        In the unit of time, not a proportion.

    Raises
    ------
    DomainError
        Units differ, a label stands twice, or a curve ends before the horizon.

    Examples
    --------
    >>> a = survival_curve([6, 12], [0.8, 0.6], 40, label="A")
    >>> b = survival_curve([6, 12], [0.7, 0.5], 30, label="B")
    >>> 8 < pool_rmst([a, b], 12.0).estimate < 10
    True
    """
    _one_unit(sources)
    made = [rmst(s, horizon) for s in sources]
    names = [m.label or f"curve {i + 1}" for i, m in enumerate(made)]
    for name, m in zip(names, made, strict=True):
        if m.se == 0:
            raise FitError(
                f"{name}: no event before {m.horizon:g} {m.unit}; its restricted mean has no standard error. Choose a later horizon."
            )
    pooled = pool_estimates([m.value for m in made], [m.se for m in made], labels=names, **options)
    return replace(pooled, method=f"restricted mean to {horizon:g} {made[0].unit}, {pooled.method}")


def _one_unit(sources: Sequence[Any]) -> None:
    units = sorted({s.unit for s in sources})
    if len(units) > 1:
        raise DomainError(f"The curves are in {' and '.join(units)}; bring them to one unit first.")
    unique([s.label for s in sources if s.label])


# --- hazards by interval ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PiecewiseHazards:
    """Constant hazards between cuts, pooled over studies on the logarithm.

    Parameters
    ----------
    cuts : tuple of float
        Ends of the intervals, from 0 on.
    hazards, low, high : tuple of float
        Per unit of time, with their interval.
    tau2 : tuple of float
        Between studies, of the log hazard.
    studies : tuple of int
        That reach the interval.
    survival, survival_low, survival_high : tuple of float
        At `cuts` (the first is 1); the interval by the normal law of ln(-ln S).
    notes : tuple of str
    """

    cuts: tuple[float, ...]
    hazards: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    tau2: tuple[float, ...]
    studies: tuple[int, ...]
    survival: tuple[float, ...]
    survival_low: tuple[float, ...]
    survival_high: tuple[float, ...]
    notes: tuple[str, ...]

    @property
    def median(self) -> float:
        """Time at which the pooled survival is one half; infinite where it is not reached."""
        for i, s in enumerate(self.survival[1:]):
            if s <= 0.5:
                return self.cuts[i] + math.log(self.survival[i] / 0.5) / self.hazards[i]
        return math.inf


def pool_hazards(
    sources: Sequence[PatientTimes | SurvivalCurve], cuts: Sequence[float] | None = None, *, level: float = 0.95, **options: Any
) -> PiecewiseHazards:  # fmt: skip
    """Pool hazards interval by interval, from landmarks or patient times.

    Landmarks: h = -ln(q) / width with q = S_end / S_begin; variance of ln h = (1 - q) / (q n ln^2 q), n the patients that begin the
    interval. Patient times: h = events / time at risk, variance of ln h = 1 / events. No event counts as half a one.

    Parameters
    ----------
    sources : sequence of PatientTimes or SurvivalCurve
    cuts : sequence of float, optional
        Ends of intervals; the landmarks that all curves share, otherwise.
    level : float
    **options
        estimator, knha, test as in `pool_estimates`.

    Returns
    -------
    PiecewiseHazards

    Raises
    ------
    DomainError
        No common landmark, cuts out of order, or an interval that no curve reaches.

    Examples
    --------
    >>> a = survival_curve([6, 12], [0.8, 0.6], 40, label="A")
    >>> b = survival_curve([6, 12], [0.7, 0.5], 30, label="B")
    >>> p = pool_hazards([a, b], estimator="EE")
    >>> 0.5 < p.survival[-1] < 0.6
    True
    """
    level = confidence(level)
    sources = list(sources)
    if len(sources) < 2:
        raise DomainError(f"There {'is one curve' if sources else 'is no curve'}: nothing to pool. Give two or more.")
    _one_unit(sources)
    edges = _cuts(sources, cuts)
    z = quantile(level, None)
    notes: list[str] = []
    rows = []
    for a, b in itertools.pairwise(edges):
        found = [_log_hazard(s, i, a, b, notes) for i, s in enumerate(sources) if s.last >= b * (1 - 1e-12)]
        if not found:
            raise DomainError(f"No curve reaches {b:g} {sources[0].unit}; end the cuts earlier.")
        if len(found) == 1:
            notes.append(f"{a:g} to {b:g}: one curve reaches that far, its own hazard stands")
            mean, se, tau2, half = *found[0], 0.0, z * found[0][1]
        else:
            p = pool_estimates([f[0] for f in found], [f[1] for f in found], level=level, **options)
            mean, se, tau2, half = p.effect, p.se, p.tau2, (p.ci[1] - p.ci[0]) / 2
        rows.append((mean, se, tau2, half, len(found)))
    h = np.exp([r[0] for r in rows])
    hazard_width = h * np.diff(edges)
    total = np.cumsum(hazard_width)
    spread = np.sqrt(np.cumsum((hazard_width * [r[1] for r in rows]) ** 2)) / total
    return PiecewiseHazards(
        cuts=tuple(edges), hazards=tuple(map(float, h)),
        low=tuple(math.exp(r[0] - r[3]) for r in rows), high=tuple(math.exp(r[0] + r[3]) for r in rows),
        tau2=tuple(r[2] for r in rows), studies=tuple(r[4] for r in rows), survival=(1.0, *map(float, np.exp(-total))),
        survival_low=(1.0, *map(float, np.exp(-total * np.exp(z * spread)))),
        survival_high=(1.0, *map(float, np.exp(-total * np.exp(-z * spread)))), notes=tuple(notes),
    )  # fmt: skip


def _cuts(sources: Sequence[Any], cuts: Sequence[float] | None) -> list[float]:
    if cuts is None:
        landmarks = [set(s.times) for s in sources if isinstance(s, SurvivalCurve) and not s.drawn]
        common = sorted(set.intersection(*landmarks) - {0.0}) if landmarks else []
        if not common:
            raise DomainError("The curves share no landmark; name the ends of the intervals with cuts=[6, 12, ...].")
        cuts = common
    given = [c for c in _floats(cuts, "cuts") if c != 0]
    if not given or any(b <= a for a, b in itertools.pairwise([0.0, *given])):
        raise DomainError(f"cuts is {list(cuts)!r}; give rising times above 0.")
    return [0.0, *given]


def _log_hazard(
    source: PatientTimes | SurvivalCurve, index: int, a: float, b: float, notes: list[str]
) -> tuple[float, float]:
    """ln of the hazard in one interval, and its standard error."""
    name = source.label or f"curve {index + 1}"
    if isinstance(source, SurvivalCurve) and source.drawn:
        source = reconstruct(source)
    if isinstance(source, PatientTimes):
        t, e = np.array(source.times), np.array(source.events)
        events = float(np.sum(e & (t > a) & (t <= b)))
        at_risk = float(np.sum(np.clip(t, a, b) - a))
        if at_risk <= 0:
            raise DomainError(f"{name}: nobody is at risk between {a:g} and {b:g}; end the cuts earlier.")
        if events == 0:
            notes.append(f"{name}, {a:g} to {b:g}: no event, counted as half a one")
            events = 0.5
        return math.log(events / at_risk), 1 / math.sqrt(events)
    q, n = _steps(source, [a, b])
    share, patients = float(q[0]), float(n[0])
    if share >= 1 or share <= 0:
        notes.append(
            f"{name}, {a:g} to {b:g}: {'no' if share >= 1 else 'only'} events, half a one counted the other way"
        )
        share = 1 - 0.5 / patients if share >= 1 else 0.5 / patients
    log_q = math.log(share)
    return math.log(-log_q / (b - a)), math.sqrt((1 - share) / (share * patients)) / -log_q


def pool_medians(*_medians: Any, **_options: Any) -> NoReturn:
    """Refuse, always: medians are not pooled by inverse variance.

    Raises
    ------
    DomainError
        With the reason, and what to do instead.

    Examples
    --------
    >>> pool_medians([14.1, 22.8], [2.0, 3.0])
    Traceback (most recent call last):
    ...
    alphatwin.errors.DomainError: Medians of survival are not pooled by ...
    """
    raise DomainError(
        "Medians of survival are not pooled by inverse variance: their intervals are skewed or open-ended, a median not reached "
        "drops out (the best studies first), and a mean of medians is the median of no population. Use landmarks with pool_hazards "
        "(its .median is that of the pooled curve), or restricted means with pool_rmst."
    )
