"""What is true in a virtual trial: a table of probabilities, or a course whose toxicity is acute, cumulative and late.

A truth answers two questions. `toxicity_by(weeks)` is the probability, dose by dose, that a patient has had a toxicity
by then (the number an exact recursion needs); `drawn(uniforms)` gives the outcomes that each patient *would* have at each
dose (potential outcomes), from uniforms that belong to the patient and not to the design. Two designs that see the same
patients therefore differ by the designs alone (common random numbers).

Time is in weeks from the first administration; a month is 30.4375 days.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..errors import DomainError

__all__ = [
    "ANCHORS",
    "UNIFORMS",
    "WEEKS_PER_MONTH",
    "Anchor",
    "CourseTruth",
    "EgfrDecline",
    "Estimand",
    "LateHazard",
    "Outcomes",
    "Probabilities",
    "Truth",
    "as_truth",
]

Floats = NDArray[np.float64]
WEEKS_PER_MONTH = 30.4375 / 7.0
WEEKS_PER_YEAR = 12.0 * WEEKS_PER_MONTH
UNIFORMS = 12  # uniforms of one patient: see `Role`
_GRID = 4000  # steps of the quadratures over time; the error falls with the square


class Role:
    """Which of a patient's uniforms does what; a design never changes them, so designs share their patients."""

    TOXICITY, RESPONSE, ARRIVAL, DROPOUT, LATE, DEATH, PROGRESSION, BASELINE, SLOPE, PATIENT, SECOND, ARM = range(12)


@dataclass(frozen=True)
class Estimand:
    """A question with its answer, dose by dose: what is estimated, in whom, by when, and what competes with it.

    Parameters
    ----------
    name : str
        E.g. ``renal_grade3_24_months``.
    definition : str
        In words.
    unit : str
        ``1`` for a probability.
    values : tuple of float
        One per dose.
    """

    name: str
    definition: str
    unit: str
    values: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What each patient would have at each dose; arrays [..., dose] unless said otherwise, times in weeks (inf: never).

    Parameters
    ----------
    toxicity_weeks : array [..., dose]
        First toxicity that counts (acute, cumulative or late), before death.
    response : array [..., dose] of bool, or None
        Whether the tumour responds.
    death_weeks, progression_weeks : array [...]
        Competing events; infinite where the truth has none.
    late_weeks : array [..., dose] or None
        Renal toxicity of grade 3 or more.
    cycles : array [..., dose] of int, or None
        Cycles received.
    """

    toxicity_weeks: Floats
    response: NDArray[np.bool_] | None
    death_weeks: Floats
    progression_weeks: Floats
    late_weeks: Floats | None = None
    cycles: NDArray[np.int64] | None = None


@runtime_checkable
class Truth(Protocol):
    """What a truth offers to the engines."""

    @property
    def doses(self) -> int:
        """Number of dose levels."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Name of each dose level."""
        ...

    @property
    def response(self) -> tuple[float, ...] | None:
        """Probability of a response, dose by dose."""
        ...

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What is assumed, in words, for the report."""
        ...

    def toxicity_by(self, weeks: float) -> Floats:
        """Probability [dose] of a toxicity by this time."""
        ...

    def drawn(self, uniforms: Floats) -> Outcomes:
        """Potential outcomes from uniforms [..., UNIFORMS]."""
        ...

    def estimands(self) -> tuple[Estimand, ...]:
        """The truth's answers to the named questions."""
        ...


def as_truth(given: Truth | Sequence[float] | Any) -> Truth:
    """A truth, from a truth or from a list of DLT probabilities.

    Examples
    --------
    >>> as_truth([0.1, 0.3]).toxicity_by(float("inf"))
    array([0.1, 0.3])
    """
    if isinstance(given, Truth):
        return given
    if isinstance(given, str | bytes | dict):
        raise DomainError(f"The truth was given as {type(given).__name__}; a list of DLT probabilities is expected.")
    try:
        return Probabilities(tuple(float(p) for p in given))
    except (TypeError, ValueError) as error:
        if isinstance(error, DomainError):
            raise
        raise DomainError(f"The truth {given!r} is no list of numbers; give DLT probabilities, one per dose.") from None


def _probability(name: str, value: float, *, below_one: bool = False) -> None:
    if not 0.0 <= value <= 1.0 or not math.isfinite(value) or (below_one and value == 1.0):
        allowed = "0 to below 1" if below_one else "0 to 1"
        raise DomainError(f"{name} is {value:g}; a probability is meant, {allowed}.")


def _positive(name: str, value: float, *, zero: bool = False) -> None:
    if not math.isfinite(value) or value < 0.0 or (value == 0.0 and not zero):
        raise DomainError(f"{name} is {value:g}; it must be {'zero or more' if zero else 'above zero'}.")


def _words(part: LateHazard | EgfrDecline) -> str:
    """A late part of a course as a phrase with every number in it."""
    if isinstance(part, LateHazard):
        return (
            f"probability {part.probability:g} by {part.by_months:g} months at {part.at_MBq:g} MBq; the cumulative hazard grows as "
            f"activity^{part.power:g} and time^{part.shape:g}"
        )
    return "decline of eGFR (" + ", ".join(f"{f.name} {getattr(part, f.name):g}" for f in fields(part)) + ")"


def _median(what: str, months: float) -> str:
    """A median of an exponential time, or that the event does not happen."""
    return f"exponential {what}, median {months:g} months" if math.isfinite(months) else f"{what} without end"


def _labels(given: tuple[str, ...], n: int) -> tuple[str, ...]:
    if given and len(given) != n:
        raise DomainError(f"{len(given)} labels were given for {n} doses.")
    return given or tuple(f"dose {i + 1}" for i in range(n))


@dataclass(frozen=True)
class Probabilities:
    """A plain table: P(DLT in the window) per dose, and when asked P(response).

    Parameters
    ----------
    dlt : sequence of float
        P(DLT within the window), one per dose, 0 to 1.
    efficacy : sequence of float, optional
        P(response), one per dose.
    window_weeks : float
        The window that `dlt` holds for. Used where time matters only.
    second_half : float
        Share of the DLTs that fall into the second half of the window (0.5: uniform over it).
    names : tuple of str
        Of the doses.
    note : str
        Where the numbers come from.

    Examples
    --------
    >>> Probabilities((0.1, 0.4), window_weeks=6.0).toxicity_by(3.0)
    array([0.05, 0.2 ])
    """

    dlt: tuple[float, ...]
    efficacy: tuple[float, ...] | None = None
    window_weeks: float = 6.0
    second_half: float = 0.5
    names: tuple[str, ...] = ()
    note: str = "[assumed] a table of probabilities, invented for the question"

    def __post_init__(self) -> None:
        object.__setattr__(self, "dlt", tuple(float(p) for p in self.dlt))
        if not self.dlt:
            raise DomainError("The truth has no dose; give at least one DLT probability.")
        for i, p in enumerate(self.dlt):
            _probability(f"P(DLT) at dose {i + 1}", p)
        if self.efficacy is not None:
            object.__setattr__(self, "efficacy", tuple(float(p) for p in self.efficacy))
            if len(self.efficacy) != len(self.dlt):
                raise DomainError(f"{len(self.efficacy)} response probabilities stand beside {len(self.dlt)} doses.")
            for i, p in enumerate(self.efficacy):
                _probability(f"P(response) at dose {i + 1}", p)
        _positive("window_weeks", self.window_weeks)
        _probability("second_half", self.second_half)
        _labels(self.names, len(self.dlt))

    @property
    def doses(self) -> int:
        """Number of doses."""
        return len(self.dlt)

    @property
    def labels(self) -> tuple[str, ...]:
        """Name of each dose."""
        return _labels(self.names, len(self.dlt))

    @property
    def response(self) -> tuple[float, ...] | None:
        """P(response) per dose, if given."""
        return self.efficacy

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What is assumed."""
        return (self.note,)

    def toxicity_by(self, weeks: float) -> Floats:
        """P(DLT by `weeks`), linear over each half of the window; the whole window at infinity."""
        half = self.window_weeks / 2.0
        share = np.interp(min(weeks, self.window_weeks), [0.0, half, 2.0 * half], [0.0, 1.0 - self.second_half, 1.0])
        return np.asarray(self.dlt) * float(share)

    def drawn(self, uniforms: Floats) -> Outcomes:
        """Potential outcomes; the time comes from the same uniform as the event, so outcomes rise with the dose."""
        u = uniforms[..., Role.TOXICITY, None]
        p = np.asarray(self.dlt)
        half, first = self.window_weeks / 2.0, 1.0 - self.second_half
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(u < p, u / p, 1.0)
        times = np.interp(share, [0.0, first, 1.0], [0.0, half, 2.0 * half])
        never = np.full(uniforms.shape[:-1], np.inf)
        response = None
        if self.efficacy is not None:
            response = uniforms[..., Role.RESPONSE, None] < np.asarray(self.efficacy)
        return Outcomes(np.where(u < p, times, np.inf), response, never, never)

    def estimands(self) -> tuple[Estimand, ...]:
        """P(DLT in the window), and P(response) if given."""
        made = [Estimand("dlt_in_window", f"P(DLT within {self.window_weeks:g} weeks)", "1", self.dlt)]
        if self.efficacy is not None:
            made.append(Estimand("response", "P(response)", "1", self.efficacy))
        return tuple(made)


# --- late toxicity ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LateHazard:
    """Late toxicity as a Weibull time from the last administration whose hazard grows with the cumulative activity.

    H(s, C) = -ln(1 - p) (C / C_ref)^power (s / s_ref)^shape;  P(by s) = 1 - exp(-H).

    Parameters
    ----------
    probability : float
        p, by `by_months` after the last administration at the cumulative activity `at_MBq`, without competing events.
    at_MBq : float
        C_ref, cumulative administered activity (or any other measure of exposure used for the doses).
    power : float
        How steeply the cumulative hazard grows with C.
    shape : float
        Weibull: 1 a constant hazard, above 1 late events.
    by_months : float
        s_ref.

    Examples
    --------
    >>> late = LateHazard(0.14, at_MBq=40.0, power=2.0)
    >>> round(float(late.by(24 * WEEKS_PER_MONTH, 40.0)), 12), round(float(late.by(24 * WEEKS_PER_MONTH, 20.0)), 4)
    (0.14, 0.037)
    """

    probability: float
    at_MBq: float
    power: float = 1.0
    shape: float = 2.0
    by_months: float = 24.0

    def __post_init__(self) -> None:
        _probability("probability of late toxicity", self.probability, below_one=True)
        for name in ("at_MBq", "shape", "by_months"):
            _positive(name, getattr(self, name))
        _positive("power", self.power, zero=True)

    def _strength(self, cumulative_MBq: Any) -> Floats:
        ratio = np.asarray(cumulative_MBq, dtype=float) / self.at_MBq
        return np.asarray(-math.log1p(-self.probability) * ratio**self.power)

    def by(self, weeks: Any, cumulative_MBq: Any) -> Floats:
        """Probability by this many weeks after the last administration."""
        s = np.maximum(np.asarray(weeks, dtype=float), 0.0) / (self.by_months * WEEKS_PER_MONTH)
        return np.asarray(-np.expm1(-self._strength(cumulative_MBq) * s**self.shape))

    def time(self, u: Floats, v: Floats, cumulative_MBq: Floats) -> Floats:
        """Weeks after the last administration, by inversion; infinite where there is no hazard."""
        with np.errstate(divide="ignore"):
            ratio = -np.log(u) / self._strength(cumulative_MBq)
        return np.asarray(ratio ** (1.0 / self.shape) * self.by_months * WEEKS_PER_MONTH)


@dataclass(frozen=True)
class EgfrDecline:
    """Renal toxicity of grade 3 or more as a straight decline of eGFR that crosses a threshold.

    eGFR(s) = B - L s, B normal above the entry minimum, L normal with mean `natural + per_MBq C`: a crossing at
    s = (B - threshold) / L. Units mL/min/1.73 m2 and years; s counts from the last administration, C is the cumulative
    activity. Grade 3 chronic kidney disease is eGFR below 30 (CTCAE 5.0).

    Parameters
    ----------
    baseline, baseline_sd : float
        Of B before the entry rule, mL/min/1.73 m2.
    loss_per_year_per_MBq : float
        Mean extra loss, mL/min/1.73 m2 per year and MBq of cumulative activity.
    loss_sd_per_year : float
        Spread of the loss between patients, mL/min/1.73 m2 per year.
    natural_loss_per_year : float
        Without treatment.
    minimum : float
        Entry rule.
    threshold : float
        30 for grade 3.

    Examples
    --------
    >>> kidney = EgfrDecline(80.0, 15.0, loss_per_year_per_MBq=0.2, loss_sd_per_year=4.0)
    >>> round(kidney.mean_loss_per_year(37.0), 2)
    8.4
    """

    baseline: float
    baseline_sd: float
    loss_per_year_per_MBq: float
    loss_sd_per_year: float
    natural_loss_per_year: float = 1.0
    minimum: float = 50.0
    threshold: float = 30.0

    def __post_init__(self) -> None:
        for name in ("baseline", "baseline_sd", "loss_sd_per_year", "threshold"):
            _positive(name, getattr(self, name))
        for name in ("loss_per_year_per_MBq", "natural_loss_per_year"):
            _positive(name, getattr(self, name), zero=True)
        if self.minimum <= self.threshold:
            raise DomainError(
                f"The entry minimum ({self.minimum:g}) must lie above the threshold ({self.threshold:g})."
            )

    def mean_loss_per_year(self, cumulative_MBq: Any) -> Any:
        """Mean loss of eGFR, mL/min/1.73 m2 per year."""
        return self.natural_loss_per_year + self.loss_per_year_per_MBq * cumulative_MBq

    def _baseline(self, u: Any) -> Floats:
        from scipy.special import ndtr, ndtri

        low = ndtr((self.minimum - self.baseline) / self.baseline_sd)
        return np.asarray(self.baseline + self.baseline_sd * ndtri(low + (1.0 - low) * np.asarray(u)))

    def by(self, weeks: Any, cumulative_MBq: Any) -> Floats:
        """Probability of a crossing by this many weeks after the last administration."""
        from scipy.special import ndtr

        low = (self.minimum - self.baseline) / self.baseline_sd
        nodes, weights = np.polynomial.legendre.leggauss(96)
        half = (max(9.0, low + 9.0) - low) / 2.0
        z = low + half * (nodes + 1.0)
        density = weights * half * np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi) / ndtr(-low)
        years = np.maximum(np.asarray(weeks, dtype=float), 1e-9)[..., None] / WEEKS_PER_YEAR
        mean = np.asarray(self.mean_loss_per_year(np.asarray(cumulative_MBq, dtype=float)))[..., None]
        room = self.baseline + self.baseline_sd * z - self.threshold
        return np.asarray(ndtr((mean - room / years) / self.loss_sd_per_year) @ density)

    def time(self, u: Floats, v: Floats, cumulative_MBq: Floats) -> Floats:
        """Weeks after the last administration: baseline from u, slope from v."""
        from scipy.special import ndtri

        loss = self.mean_loss_per_year(cumulative_MBq) + self.loss_sd_per_year * ndtri(v)
        with np.errstate(divide="ignore", invalid="ignore"):
            years = (self._baseline(u) - self.threshold) / loss
        return np.where(loss > 0.0, years * WEEKS_PER_YEAR, np.inf)


# --- a course --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CourseTruth:
    """Toxicity of a course of cycles in three parts, with death and progression competing.

    *Acute*: in each cycle a DLT with probability a_d, uniform over the first `acute_weeks`. *Cumulative*: in cycle k one more
    with hazard h_k = -ln(1 - p_c) (C_(k-1) / C_c)^power, where C_(k-1) is the activity given before the cycle; cycle 1 shows
    nothing of it. *Late*: a `LateHazard` or `EgfrDecline` that counts from the last administration. A DLT stops treatment,
    and so do progression and death (exponential). So q_k = 1 - (1 - a) exp(-h_k) is the hazard of cycle k.

    Parameters
    ----------
    activity_MBq : tuple of float
        Per cycle, one per dose level, increasing.
    cycles : int
        Planned.
    interval_weeks : float
        Between administrations.
    acute : tuple of float
        a_d, P(acute DLT in a cycle).
    late : LateHazard or EgfrDecline
        Renal toxicity of grade 3 or more.
    cumulative : LateHazard, optional
        Its probability, at_MBq and power say p_c, C_c and power of the cumulative part (its shape is not used).
    secondary : LateHazard, optional
        MDS or AML (default horizon 60 months is yours to give).
    window_weeks : float, optional
        The DLT window that `dlt_in_window` refers to; default: one interval.
    acute_weeks : float, optional
        Default: one interval.
    death_median_months, progression_median_months : float
        Infinite: no competing event.
    efficacy : tuple of float, optional
        P(response), one per dose level.
    names, note :
        As in `Probabilities`.

    Examples
    --------
    >>> truth = CourseTruth((4.0, 8.0), 4, 8.0, (0.02, 0.05), LateHazard(0.14, 32.0, power=2.0))
    >>> [round(float(p), 3) for p in truth.toxicity_by(8.0)]
    [0.02, 0.05]
    >>> [round(p, 3) for p in truth.estimand("renal_grade3_24_months").values]
    [0.021, 0.078]
    """

    activity_MBq: tuple[float, ...]
    cycles: int
    interval_weeks: float
    acute: tuple[float, ...]
    late: LateHazard | EgfrDecline
    cumulative: LateHazard | None = None
    secondary: LateHazard | None = None
    window_weeks: float | None = None
    acute_weeks: float | None = None
    death_median_months: float = math.inf
    progression_median_months: float = math.inf
    efficacy: tuple[float, ...] | None = None
    names: tuple[str, ...] = ()
    note: str = "[assumed] curves of acute, cumulative and late toxicity, invented for the question"
    _death_rate: float = field(init=False, repr=False, default=0.0)
    _progression_rate: float = field(init=False, repr=False, default=0.0)

    def __post_init__(self) -> None:
        for name in ("activity_MBq", "acute"):
            object.__setattr__(self, name, tuple(float(v) for v in getattr(self, name)))
        if not self.activity_MBq or len(self.activity_MBq) != len(self.acute):
            raise DomainError(
                f"{len(self.acute)} acute probabilities stand beside {len(self.activity_MBq)} activities."
            )
        for i, (a, p) in enumerate(zip(self.activity_MBq, self.acute, strict=True)):
            _positive(f"activity_MBq of dose {i + 1}", a)
            _probability(f"acute probability of dose {i + 1}", p, below_one=True)
        if self.cycles < 1:
            raise DomainError(f"cycles is {self.cycles}; at least one is given.")
        _positive("interval_weeks", self.interval_weeks)
        for name in ("window_weeks", "acute_weeks"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, self.interval_weeks)
            _positive(name, getattr(self, name))
        if (self.acute_weeks or 0.0) > self.interval_weeks:
            raise DomainError(
                f"acute_weeks ({self.acute_weeks:g}) is longer than the interval between cycles "
                f"({self.interval_weeks:g} weeks)."
            )
        for name, rate in (("death_median_months", "_death_rate"), ("progression_median_months", "_progression_rate")):
            median = getattr(self, name)
            if not median > 0.0:
                raise DomainError(f"{name} is {median:g}; it must be above zero (leave it out for no such event).")
            object.__setattr__(self, rate, math.log(2.0) / (median * WEEKS_PER_MONTH))
        if self.efficacy is not None and len(self.efficacy) != len(self.acute):
            raise DomainError(f"{len(self.efficacy)} response probabilities stand beside {len(self.acute)} doses.")
        for i, p in enumerate(self.efficacy or ()):
            _probability(f"P(response) at dose {i + 1}", p)
        _labels(self.names, len(self.acute))

    @property
    def doses(self) -> int:
        """Number of doses."""
        return len(self.acute)

    @property
    def labels(self) -> tuple[str, ...]:
        """Name of each dose."""
        if self.names:
            return _labels(self.names, len(self.acute))
        return tuple(f"{a:g} MBq x {self.cycles}" for a in self.activity_MBq)

    @property
    def response(self) -> tuple[float, ...] | None:
        """P(response) per dose, if given."""
        return self.efficacy

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What is assumed."""
        return (
            self.note,
            (f"{self.cycles} cycles every {self.interval_weeks:g} weeks" if self.cycles > 1 else "1 cycle")
            + "; P(acute DLT) per cycle, by level: "
            + ", ".join(f"{p:g}" for p in self.acute),
            *(
                f"cumulative toxicity: probability {part.probability:g} in a cycle that {part.at_MBq:g} MBq went before; the "
                f"hazard grows as activity^{part.power:g}"
                for part in (self.cumulative,)
                if part is not None
            ),
            *(
                f"{name} toxicity: {_words(part)}"
                for name, part in (
                    ("late renal", self.late),
                    ("secondary (MDS, AML)", self.secondary),
                )
                if part is not None
            ),
            f"{_median('survival', self.death_median_months)}; {_median('time to progression', self.progression_median_months)}; "
            "both independent of toxicity",
            "late toxicity counts from the last administration; a DLT, progression or death ends treatment",
        )

    def cycle_hazards(self) -> Floats:
        """q[dose, cycle], P(DLT in a cycle given that the cycle is given and none came before)."""
        a = np.asarray(self.activity_MBq)[:, None]
        before: Floats = a * np.arange(self.cycles, dtype=float)
        extra = np.zeros_like(before)
        if self.cumulative is not None:
            c = self.cumulative
            with np.errstate(divide="ignore"):
                extra = -math.log1p(-c.probability) * np.where(before > 0.0, (before / c.at_MBq) ** c.power, 0.0)
        return np.asarray(-np.expm1(np.log1p(-np.asarray(self.acute))[:, None] - extra))

    def _reached(self, d: int, death: float, progression: float) -> Floats:
        """P[cycle] that the cycle is given: alive, no progression, no DLT before."""
        q = self.cycle_hazards()[d]
        starts = self.interval_weeks * np.arange(self.cycles)
        free = np.concatenate([[1.0], np.cumprod(1.0 - q)[:-1]])
        return np.asarray(free * np.exp(-(death + progression) * starts))

    def _late_by(self, model: LateHazard | EgfrDecline, weeks: float, competing: bool) -> Floats:
        """Cumulative incidence [dose] of a late event by this time, whatever else happened but death."""
        death = self._death_rate if competing else 0.0
        progression = self._progression_rate if competing else 0.0
        span, q = self.interval_weeks, self.cycle_hazards()
        made = np.zeros(self.doses)
        for d, activity in enumerate(self.activity_MBq):
            reached = self._reached(d, death, progression)
            for k in range(self.cycles):
                left = weeks - k * span
                if left <= 0.0:
                    break
                go_on = 0.0 if k == self.cycles - 1 else (1.0 - q[d, k]) * math.exp(-progression * span)
                ended = _incidence(lambda s, c=activity * (k + 1): model.by(s, c), left, death)
                made[d] += reached[k] * (1.0 - go_on) * ended
                if go_on > 0.0 and death > 0.0:  # would have gone on, but dies within the cycle, after the event
                    inside = min(left, span)
                    cdf = model.by(inside, activity * (k + 1))
                    alive = _incidence(lambda s, c=activity * (k + 1): model.by(s, c), inside, death)
                    made[d] += reached[k] * go_on * (alive - float(cdf) * math.exp(-death * span))
        return made

    def toxicity_by(self, weeks: float) -> Floats:
        """Cumulative incidence [dose] of a first toxicity of any of the three parts by this time, death competing."""
        if not math.isfinite(weeks):
            weeks = float(self.window_weeks or self.interval_weeks)
        span, acute = self.interval_weeks, float(self.acute_weeks or self.interval_weeks)
        death, q = self._death_rate, self.cycle_hazards()
        made = np.zeros(self.doses)
        for d, activity in enumerate(self.activity_MBq):
            reached = self._reached(d, death, self._progression_rate)
            for k in range(self.cycles):
                left = weeks - k * span
                if left <= 0.0:
                    break
                c, qk = activity * (k + 1), q[d, k]

                def late(s: Floats, c: float = c) -> Floats:
                    return self.late.by(s, c)

                def first(s: Floats, qk: float = qk, c: float = c) -> Floats:
                    return 1.0 - (1.0 - qk * np.minimum(s / acute, 1.0)) * (1.0 - self.late.by(s, c))

                def stopped(s: Floats, qk: float = qk, c: float = c) -> Floats:
                    return qk * (1.0 - (1.0 - np.minimum(s / acute, 1.0)) * (1.0 - self.late.by(s, c)))

                on = 0.0 if k == self.cycles - 1 else math.exp(-self._progression_rate * span)
                part = (1.0 - on) * _incidence(first, left, death)
                if on > 0.0:
                    inside = min(left, span)
                    part += on * _incidence(stopped, left, death)
                    dying = _incidence(late, inside, death) - float(late(np.array(inside))) * math.exp(-death * span)
                    part += on * (1.0 - qk) * dying
                made[d] += reached[k] * part
        return made

    def drawn(self, uniforms: Floats) -> Outcomes:
        """Potential outcomes of each patient at each dose; see the class for the order of events."""
        span, acute = self.interval_weeks, float(self.acute_weeks or self.interval_weeks)
        q = self.cycle_hazards()
        with np.errstate(divide="ignore"):
            death = -np.log(uniforms[..., Role.DEATH]) / self._death_rate if self._death_rate else None
            progression = (
                -np.log(uniforms[..., Role.PROGRESSION]) / self._progression_rate if self._progression_rate else None
            )
        never = np.full(uniforms.shape[:-1], np.inf)
        death = never if death is None else death
        progression = never if progression is None else progression
        shape = (*uniforms.shape[:-1], self.doses)
        toxicity, late, cycles = np.empty(shape), np.empty(shape), np.empty(shape, dtype=np.int64)
        starts = span * np.arange(self.cycles)
        stop = np.minimum(progression, death)
        for d, activity in enumerate(self.activity_MBq):
            by_cycle = 1.0 - np.cumprod(1.0 - q[d])
            levels = np.stack([np.concatenate([[0.0], by_cycle[:-1]]), by_cycle], axis=1).ravel()
            times = np.stack([starts, starts + acute], axis=1).ravel()
            u = uniforms[..., Role.TOXICITY]
            dlt = np.where(u < by_cycle[-1], np.interp(u, levels, times), np.inf)
            dlt = np.where(np.floor(dlt / span) <= np.floor(progression / span), dlt, np.inf)
            given = np.minimum(np.minimum(dlt, stop) / span, self.cycles - 1.0).astype(np.int64) + 1
            after = self.late.time(uniforms[..., Role.LATE], uniforms[..., Role.SLOPE], np.asarray(activity * given))
            late[..., d] = (given - 1) * span + after
            first = np.minimum(dlt, late[..., d])
            toxicity[..., d] = np.where(first < death, first, np.inf)
            late[..., d] = np.where(late[..., d] < death, late[..., d], np.inf)
            cycles[..., d] = given
        response = None
        if self.efficacy is not None:
            response = uniforms[..., Role.RESPONSE, None] < np.asarray(self.efficacy)
        return Outcomes(toxicity, response, death, progression, late, cycles)

    def mean_cycles(self) -> Floats:
        """Mean number of cycles received [dose]."""
        return np.array([self._reached(d, self._death_rate, self._progression_rate).sum() for d in range(self.doses)])

    def estimands(self) -> tuple[Estimand, ...]:
        """DLT in the window, renal toxicity by 24 months (crude and net), eGFR slope, MDS or AML at 5 years, response."""
        window, two_years = float(self.window_weeks or self.interval_weeks), 24.0 * WEEKS_PER_MONTH
        crude = "cumulative incidence, death competing"
        made = [
            Estimand("dlt_in_window", f"P(DLT within {window:g} weeks), {crude}", "1", _tuple(self.toxicity_by(window))),
            Estimand("toxicity_24_months", f"P(any toxicity of the three parts by 24 months), {crude}", "1",
                     _tuple(self.toxicity_by(two_years))),
            Estimand("renal_grade3_24_months", f"P(renal toxicity of grade 3 or more by 24 months), {crude}", "1",
                     _tuple(self._late_by(self.late, two_years, True))),
            Estimand("renal_grade3_24_months_net", "the same if nobody died or progressed", "1",
                     _tuple(self._late_by(self.late, two_years, False))),
        ]  # fmt: skip
        if isinstance(self.late, EgfrDecline):
            cumulative = self.mean_cycles() * np.asarray(self.activity_MBq)
            slope = -np.asarray(self.late.mean_loss_per_year(cumulative))
            words = "mean slope of eGFR after the last administration, at the cycles received"
            made.append(Estimand("egfr_slope", words, "mL/min/1.73 m2 per year", _tuple(slope)))
        if self.secondary is not None:
            five = self._late_by(self.secondary, 60.0 * WEEKS_PER_MONTH, True)
            made.append(Estimand("mds_aml_5_years", f"P(MDS or AML by 5 years), {crude}", "1", _tuple(five)))
        made.append(Estimand("cycles_received", "mean number of cycles received", "1", _tuple(self.mean_cycles())))
        if self.efficacy is not None:
            made.append(Estimand("response", "P(response)", "1", self.efficacy))
        return tuple(made)

    def estimand(self, name: str) -> Estimand:
        """One of the estimands by name.

        Raises
        ------
        CatalogError
            No such name; the names are listed.
        """
        from ..errors import missing

        found = {e.name: e for e in self.estimands()}
        if name not in found:
            raise missing("estimand", name, found)
        return found[name]


def _tuple(values: Floats) -> tuple[float, ...]:
    return tuple(float(v) for v in values)


def _incidence(cdf: Any, weeks: float, death_rate: float) -> float:
    """Integral of exp(-rate s) dF(s) from 0 to `weeks`: an event before death.

    By parts, exp(-rate T) F(T) + rate * integral of exp(-rate s) F(s) ds, trapezoidal; exact without death.
    """
    end = math.exp(-death_rate * weeks) * float(cdf(np.array(weeks)))
    if death_rate == 0.0:
        return end
    s = np.linspace(0.0, weeks, _GRID + 1)
    values = np.exp(-death_rate * s) * cdf(s)
    return end + death_rate * float(np.trapezoid(values, s))


# --- anchors ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Anchor:
    """A published frequency of a late event, to set a truth beside: events of n patients, at this activity per cycle."""

    label: str
    activity_GBq_per_cycle: float
    fraction: float
    n: int
    outcome: str
    source: str
    locator: str = "abstract"

    @property
    def events(self) -> int:
        """The whole number of events that the printed percentage stands for."""
        return round(self.fraction * self.n)


ANCHORS = (
    Anchor("90Y-DOTATOC, low", 2.4, 0.084, 60, "renal toxicity of grade 4 or 5", "marincek2013"),
    Anchor("90Y-DOTATOC, intermediate", 3.3, 0.065, 77, "renal toxicity of grade 4 or 5", "marincek2013"),
    Anchor("90Y-DOTATOC, high", 6.7, 0.140, 222, "renal toxicity of grade 4 or 5", "marincek2013"),
)
