"""The course that does most to the tumour while kidneys and marrow keep to their limits with a stated probability.

A course is (protection, number of cycles n, interval T, activity a per cycle). Every limit is monotone in a, so that each
virtual patient has a largest activity a_crit that keeps it; the limit is kept with probability p as long as

    a <= (1 - p) quantile of a_crit over patients,

which is the chance constraint, solved exactly. For a dose or a BED a_crit is the root of a quadratic; for eGFR and blood
counts, which follow from differential equations, it is interpolated between activities and then settled by bisection on
the model itself. The tumour effect grows with activity, so the best course of each (protection, n, T) takes the
smallest of these activities, and the best of all is found by going through all of them: no chance, no local optimum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ..errors import DomainError, missing
from ._checks import Floats
from .course import TissueParameters
from .delivery import DoseCourse, expect, one, per_sample
from .kidney import KidneyParameters, PriorKidneyDose, kidney_course
from .marrow import MarrowParameters, PriorMarrowDose, blood_course
from .protection import Scavenger, spared_bed
from .protraction import lea_catcheside
from .tumour import DAYS_PER_MONTH, PriorTumourDose, TumourParameters, tumour_course

__all__ = ["Candidate", "CourseLimit", "OptimalCourse", "Protection", "best_course", "course_at"]

_DAYS_PER_YEAR = 365.25
_GRID = np.array([0.0, 0.15, 0.35, 0.6, 0.8, 1.0])
_BISECTIONS = 12
_CLOSE = 1e-4  # relative: how closely an activity is settled
_RISKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
_RESAMPLES = 200
_SAME = 1e-9

Quantity = Literal["bed", "absorbed_dose", "egfr", "platelets", "neutrophils", "lymphocytes", "haemoglobin"]
Objective = Literal["log_kill", "tcp", "response"]
_COUNTS = ("platelets", "neutrophils", "lymphocytes", "haemoglobin")


@dataclass(frozen=True)
class CourseLimit:
    """A limit, and the probability with which it must be kept.

    Parameters
    ----------
    quantity : {"bed", "absorbed_dose", "egfr", "platelets", "neutrophils", "lymphocytes", "haemoglobin"}
        BED and absorbed dose (all radiations, not weighted) in Gy: at most `value`, earlier therapy included.
        eGFR in mL/min/1.73 m2 at `after_y`, lowest blood count in its unit: at least `value`.
    value : float
        Above 0.
    probability : float
        Share of virtual patients that must keep it, above 0 and below 1.
    region : str
        Of a dose or BED.
    after_y : float
        When eGFR is read, years after the first cycle; above 0.

    Raises
    ------
    DomainError
        A value outside its range.

    Examples
    --------
    >>> CourseLimit("bed", 40.0, 0.9).label
    'BED of kidneys at most 40 Gy'
    """

    quantity: Quantity
    value: float
    probability: float
    region: str = "kidneys"
    after_y: float = 2.0

    def __post_init__(self) -> None:
        known = ("bed", "absorbed_dose", "egfr", *_COUNTS)
        if self.quantity not in known:
            raise missing("quantity of a limit", str(self.quantity), known)
        one(f"limit of {self.quantity}", self.value, above=0.0)
        p = one("probability of a limit", self.probability)
        if not 0.0 < p < 1.0:
            raise DomainError(
                f"A limit is to be kept with probability {p:g}; it lies between 0 and 1, both left out: no model can "
                "promise 1, and 0 asks for nothing."
            )
        one("after_y of a limit", self.after_y, above=0.0)

    @property
    def label(self) -> str:
        """In words."""
        if self.quantity == "bed":
            return f"BED of {self.region.replace('_', ' ')} at most {self.value:g} Gy"
        if self.quantity == "absorbed_dose":
            return f"dose of {self.region.replace('_', ' ')} at most {self.value:g} Gy"
        if self.quantity == "egfr":
            return f"eGFR after {self.after_y:g} y at least {self.value:g}"
        unit = "g/dL" if self.quantity == "haemoglobin" else "1e9/L"
        return f"lowest {self.quantity} at least {self.value:g} {unit}"


@dataclass(frozen=True, eq=False)
class Protection:
    """A way to protect, with the dose rate that one cycle of the reference activity has under it.

    Parameters
    ----------
    course : DoseCourse
        One cycle; its first start is day 0. Further starts in it (split injections) belong to the cycle.
    scavenger : Scavenger, optional
    scavenger_hours : tuple of float
        Of its doses after each injection, 0 or more.
    scavenger_amount : float
        Of each dose.
    clearance_exponent : array [sample] or number
        See `kidney_course`; used by limits on eGFR.
    lasts_h : float
        Of all infusions and doses of a cycle: the least interval.
    """

    course: DoseCourse
    scavenger: Scavenger | None = None
    scavenger_hours: tuple[float, ...] = ()
    scavenger_amount: float = 1.0
    clearance_exponent: ArrayLike = 0.0
    lasts_h: float = 0.0

    @property
    def span_h(self) -> float:
        """From the first injection of a cycle to the end of what is given with it."""
        return 24.0 * self.course.start_d[-1] + max(self.lasts_h, *self.scavenger_hours, 0.0)


@dataclass(frozen=True)
class Candidate:
    """A course at the largest activity that all limits allow.

    Attributes
    ----------
    protection : str
    cycles : int
    interval_d : float
    activity_MBq : float
        Per cycle; 0 where the limits allow nothing.
    effect : float
        Expected tumour effect, in the unit of the objective.
    binding : str
        What keeps the activity from being larger: the label of a limit, or ``"largest activity"``.
    allowed : bool
        Whether the activity reaches the smallest one that was asked for.
    """

    protection: str
    cycles: int
    interval_d: float
    activity_MBq: float
    effect: float
    binding: str
    allowed: bool


@dataclass(frozen=True, eq=False)
class OptimalCourse:
    """What the search found.

    Attributes
    ----------
    best : Candidate or None
        None where no course keeps the limits.
    candidates : tuple of Candidate
        The best activity of every protection, number and interval.
    front : tuple of (risk, Candidate or None)
        The best course when every limit may be broken with this probability instead.
    kept : mapping of label to float
        Share of patients in whom each limit is kept by the best course, from the models themselves.
    activity_range_MBq, effect_range : (float, float)
        5 to 95 % of the optimum over resampled patients; NaN where there is none.
    choices : mapping of (protection, cycles, interval) to share
        How often each was the best over resampled patients.
    effect_samples : array [sample]
        Tumour effect of the best course in each patient.
    answer : str
        In one sentence.
    """

    best: Candidate | None
    candidates: tuple[Candidate, ...]
    front: tuple[tuple[float, Candidate | None], ...]
    kept: Mapping[str, float]
    activity_range_MBq: tuple[float, float]
    effect_range: tuple[float, float]
    choices: Mapping[tuple[str, int, float], float]
    effect_samples: Floats
    answer: str
    objective: Objective
    limits: tuple[CourseLimit, ...]
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, eq=False)
class _Question:
    """Everything that does not change from course to course."""

    protections: Mapping[str, Protection]
    limits: tuple[CourseLimit, ...]
    reference_MBq: float
    most_MBq: float
    least_MBq: float
    tissues: Mapping[str, TissueParameters]
    volumes: Mapping[str, ArrayLike]
    tumour: TumourParameters
    kidney: KidneyParameters
    marrow: MarrowParameters
    egfr: ArrayLike
    baseline: Mapping[str, ArrayLike] | None
    priors: tuple[PriorKidneyDose | None, PriorMarrowDose | None, PriorTumourDose | None]
    objective: Objective
    clonogens_per_mL: float
    n: int


def best_course(
    protections: Mapping[str, Protection],
    limits: Sequence[CourseLimit],
    volumes_mL: Mapping[str, ArrayLike],
    *,
    reference_MBq: float,
    cycles: Sequence[int] = (1, 2, 3, 4, 5, 6),
    intervals_d: Sequence[float] = (42.0, 56.0, 70.0),
    activity_MBq: tuple[float, float] = (0.0, np.inf),
    objective: Objective = "log_kill",
    tissues: Mapping[str, TissueParameters] | None = None,
    tumour: TumourParameters | None = None,
    kidney: KidneyParameters | None = None,
    marrow: MarrowParameters | None = None,
    egfr: ArrayLike = 90.0,
    baseline: Mapping[str, ArrayLike] | None = None,
    prior_kidney: PriorKidneyDose | None = None,
    prior_marrow: PriorMarrowDose | None = None,
    prior_tumour: PriorTumourDose | None = None,
    clonogens_per_mL: float = 1e7,
    seed: int = 1,
    progress: Callable[[str], None] = lambda stage: None,
) -> OptimalCourse:
    r"""Activity, number, interval and protection that do most to the tumour within limits kept with their probability.

    The effect per cycle of a lesion with low- and high-LET dose D_L, D_H is, with the linear-quadratic model and complete
    repair between cycles,

    .. math:: K = n \left[\alpha (D_L + \mathrm{RBE}_M D_H) + \beta G (D_L + R_\beta D_H)^2\right] - k_G (n - 1) T

    less the growth k_G over the course. ``log_kill`` is its mean over patients and lesions in powers of ten, ``tcp`` the
    mean of exp(-clonogens exp(-K)) over patients, all lesions together, and ``response`` the share of patients with CR
    or PR in `tumour_course` (slow: it integrates every course).

    Parameters
    ----------
    protections : mapping of name to Protection
    limits : sequence of CourseLimit
    volumes_mL : mapping of lesion to mL
        Regions of every course.
    reference_MBq : float
        Activity that the courses of `protections` belong to.
    cycles, intervals_d : sequence
        What is gone through.
    activity_MBq : (float, float)
        Smallest and largest activity of a cycle; the largest may be infinite where a dose or BED is limited.
    objective : {"log_kill", "tcp", "response"}
    tissues : mapping of region to TissueParameters, optional
        For limits on BED; from the catalogue when left out.
    tumour, kidney, marrow : optional
        Parameters; point estimates of the catalogue when left out.
    egfr, baseline : optional
        At baseline, for limits on eGFR and on blood counts.
    prior_kidney, prior_marrow, prior_tumour : optional
        Earlier therapy; it has used up part of a limit.
    clonogens_per_mL : float
        For ``tcp``; a number of order 1e7 to 1e9 that nobody has measured.
    seed : int
        Of the resampling that gives the spread of the optimum.
    progress : callable

    Returns
    -------
    OptimalCourse
        Where no course keeps the limits, `best` is None and `answer` says what stands against it.

    Raises
    ------
    DomainError
        A probability outside 0 to 1, an interval shorter than what is given in a cycle, activities or numbers out of
        range, no limit at all without a largest activity.

    Examples
    --------
    A dose linear in activity and known exactly: 23 Gy over 4 cycles of 0.5 Gy/GBq allow 11.5 GBq each.

    >>> one_cycle = DoseCourse.simple({"kidneys": 0.5, "lesion": 4.0}, effective_half_life_h=60.0)
    >>> found = best_course({"none": Protection(one_cycle)}, [CourseLimit("absorbed_dose", 23.0, 0.9)],
    ...                     {"lesion": 20.0}, reference_MBq=1000.0, cycles=[4], intervals_d=[56.0])
    >>> round(found.best.activity_MBq)
    11500
    """
    q = _question(protections, limits, volumes_mL, reference_MBq, activity_MBq, objective, tissues, tumour, kidney, marrow,
                  egfr, baseline, (prior_kidney, prior_marrow, prior_tumour), clonogens_per_mL)  # fmt: skip
    numbers, gaps = _plan(q, cycles, intervals_d)
    shapes = [(name, n, gap) for name in q.protections for n in numbers for gap in (gaps if n > 1 else gaps[:1])]
    critical: dict[tuple[str, int, float], Floats] = {}
    effects: dict[tuple[str, int, float], Callable[[float], Floats]] = {}
    for shape in shapes:
        progress(f"{shape[0]}, {shape[1]} x, every {shape[2]:g} d")
        most, found = _critical(q, shape)
        critical[shape], effects[shape] = found, _effect(q, shape, most)
    everyone = np.arange(q.n)
    wanted = np.array([x.probability for x in q.limits])
    candidates = tuple(_candidate(q, s, critical[s], effects[s], wanted, everyone) for s in shapes)
    best = _first(candidates)
    kept: dict[str, float] = {}
    samples = np.zeros(q.n)
    if best is not None:
        chosen = (best.protection, best.cycles, best.interval_d)
        settled = _settled(q, best, effects[chosen])
        samples = effects[chosen](settled.activity_MBq)
        if q.objective == "response":  # so far straight between activities
            samples = _responders(q, chosen, settled.activity_MBq)
            settled = replace(settled, effect=float(np.mean(samples)))
        candidates = tuple(settled if c is best else c for c in candidates)
        best = settled
        kept = _kept(q, best)
    front = []
    for risk in _RISKS:
        asked = np.full(len(q.limits), 1.0 - risk)
        front.append((risk, _first([_candidate(q, s, critical[s], effects[s], asked, everyone) for s in shapes])))
    activity, effect, choices = _spread(q, shapes, critical, effects, wanted, seed)
    return OptimalCourse(best, candidates, tuple(front), kept, activity, effect, choices, np.asarray(samples),
                         _answer(q, best, candidates, critical), objective, q.limits, _notes(q))  # fmt: skip


def course_at(
    protections: Mapping[str, Protection],
    limits: Sequence[CourseLimit],
    volumes_mL: Mapping[str, ArrayLike],
    shape: tuple[str, int, float],
    activity_MBq: float,
    *,
    reference_MBq: float,
    objective: Objective = "log_kill",
    **parameters: Any,
) -> tuple[Floats, dict[str, float]]:
    """Effect [sample] of one course, and the share of patients in whom it keeps each limit.

    Parameters
    ----------
    protections, limits, volumes_mL, reference_MBq, objective, **parameters
        As `best_course`.
    shape : (protection, cycles, interval in d)
    activity_MBq : float
        Per cycle, above 0.

    Raises
    ------
    CatalogError, DomainError
        As `best_course`.
    """
    if shape[0] not in protections:
        raise missing("protection", shape[0], protections)
    amount = one("activity_MBq", activity_MBq, above=0.0)
    own = (
        dict.fromkeys(("tissues", "tumour", "kidney", "marrow", "baseline"))
        | {"egfr": 90.0, "clonogens_per_mL": 1e7}
        | parameters
    )
    priors = tuple(own.get(f"prior_{k}") for k in ("kidney", "marrow", "tumour"))
    q = _question(protections, limits, volumes_mL, reference_MBq, (0.0, amount), objective, own["tissues"], own["tumour"],
                  own["kidney"], own["marrow"], own["egfr"], own["baseline"], priors, own["clonogens_per_mL"])  # type: ignore[arg-type] # fmt: skip
    _plan(q, [shape[1]], [shape[2]])
    kept = {x.label: float(np.mean(_keeps(x, _measured(q, x, shape, amount)))) for x in q.limits}
    return _effect(q, shape, amount)(amount), kept


# --- the question ----------------------------------------------------------------------------------------------------


def _question(
    protections: Mapping[str, Protection], limits: Sequence[CourseLimit], volumes: Mapping[str, ArrayLike],
    reference_MBq: float, activity: tuple[float, float], objective: Objective, tissues: Mapping[str, TissueParameters] | None,
    tumour: TumourParameters | None, kidney: KidneyParameters | None, marrow: MarrowParameters | None, egfr: ArrayLike,
    baseline: Mapping[str, ArrayLike] | None, priors: tuple[Any, Any, Any], clonogens: float,
) -> _Question:  # fmt: skip
    from .. import catalog

    expect("protections", protections, Mapping, "a mapping of name to Protection")
    if not protections or not volumes:
        raise DomainError("An optimal course needs at least one protection (none is one) and at least one lesion.")
    for name, p in protections.items():
        expect(f"protections[{name!r}]", p, Protection, "a Protection")
    for x in limits:
        expect("limits", x, CourseLimit, "a CourseLimit")
    if objective not in ("log_kill", "tcp", "response"):
        raise missing("objective", str(objective), ("log_kill", "tcp", "response"))
    least = one("the smallest activity_MBq", activity[0], at_least=0.0)
    most = float(activity[1])
    if not most > least or np.isnan(most):
        raise DomainError(f"activity_MBq runs from {least:g} to {most:g}; the largest must be above the smallest.")
    closed = any(x.quantity in ("bed", "absorbed_dose") for x in limits)
    if not np.isfinite(most) and not closed:
        raise DomainError("Without a limit on a dose or a BED, give the largest activity of a cycle in activity_MBq.")
    own_tumour, own_kidney = tumour or TumourParameters.from_catalog(), kidney or KidneyParameters.from_catalog()
    regions = {x.region for x in limits if x.quantity in ("bed", "absorbed_dose")}
    given = dict(tissues or {})
    found = {
        r: given[r] if r in given else TissueParameters.from_catalog(catalog.tissue_of(r)) for r in sorted(regions)
    }
    for p in protections.values():
        for r in (*regions, *volumes):
            if r not in p.course.regions:
                raise missing("region", r, p.course.regions)
    n = max(own_tumour.samples, own_kidney.samples, *(np.size(v) for v in volumes.values()), np.size(egfr),
            *(p.course.samples for p in protections.values()), *(t.alpha_beta_Gy.size for t in found.values()),
            *(p.scavenger.samples for p in protections.values() if p.scavenger is not None))  # fmt: skip
    return _Question(
        dict(protections), tuple(limits), one("reference_MBq", reference_MBq, above=0.0), most, least, found, dict(volumes),
        own_tumour, own_kidney, marrow or MarrowParameters.from_catalog(), egfr, baseline, priors, objective,
        one("clonogens_per_mL", clonogens, above=0.0), n,
    )  # fmt: skip


def _plan(q: _Question, cycles: Sequence[int], intervals_d: Sequence[float]) -> tuple[list[int], list[float]]:
    numbers = sorted({int(one("cycles", c)) for c in cycles})
    if not numbers or any(one("cycles", c) != int(c) for c in cycles) or numbers[0] < 1 or numbers[-1] > 20:
        raise DomainError(f"cycles is {list(cycles)!r}; whole numbers from 1 to 20 are gone through.")
    gaps = sorted({one("intervals_d", t, above=0.0) for t in intervals_d})
    if not gaps:
        raise DomainError("intervals_d is empty; give at least one interval in days.")
    for name, p in q.protections.items():
        if numbers[-1] > 1 and gaps[0] * 24.0 <= p.span_h:
            raise DomainError(
                f"An interval of {gaps[0] * 24.0:g} h is shorter than what {name!r} gives within one cycle ({p.span_h:g} h of "
                "infusions and doses)."
            )
    return numbers, gaps


# --- limits ----------------------------------------------------------------------------------------------------------


def _doses(course: DoseCourse, region: str) -> tuple[Floats, Floats, Floats, Floats]:
    """Low- and high-LET dose of a cycle [sample] in Gy, and amplitudes and rates per hour of its first injection."""
    low, high, rate = (x / 24.0 for x in course.by_let(region))
    parts = course.relative_activities.sum(axis=1)
    return (low / rate).sum(axis=1) * parts, (high / rate).sum(axis=1) * parts, low, rate


def _linear_quadratic(q: _Question, p: Protection, region: str, own: TissueParameters) -> tuple[Floats, Floats]:
    """BED of one cycle of activity x (in reference activities) is L x + Q x^2: L, Q [sample]."""
    low, high, amplitude, rate = _doses(p.course, region)
    ratio, rbe = own.alpha_beta_Gy, own.high_let.rbe_m(own.alpha_beta_Gy)
    linear = low + rbe * high
    if p.scavenger is not None and region == "kidneys":
        by = [spared_bed(p.course, p.scavenger, p.scavenger_hours, rbe, region=region, amount=p.scavenger_amount)]
        linear = linear - by[0] * p.course.relative_activities.sum(axis=1) / p.course.relative_activities[:, 0]
    mixed = low + np.asarray(own.high_let.r_beta) * high
    has = np.abs(amplitude).sum(axis=1) > 0.0
    g = np.ones(amplitude.shape[0])
    if has.any():
        half = np.broadcast_to(own.repair_half_time_h, (max(amplitude.shape[0], own.repair_half_time_h.size),))
        wide = np.broadcast_to(amplitude, (half.size, amplitude.shape[1]))
        g = lea_catcheside(np.where(np.broadcast_to(has, (half.size,))[:, None], wide, 0.0),
                           np.broadcast_to(rate, wide.shape), half)  # fmt: skip
    parts = (p.course.relative_activities**2).sum(axis=1) / p.course.relative_activities.sum(axis=1) ** 2
    return np.broadcast_to(linear, (q.n,)), np.broadcast_to(g * parts * mixed**2 / ratio, (q.n,))


def _used(q: _Question, limit: CourseLimit) -> Floats:
    """What earlier therapy has used of a limit, Gy."""
    kidney, marrow, _ = q.priors
    if limit.region == "kidneys" and kidney is not None:
        if limit.quantity == "absorbed_dose":
            raise DomainError(
                "The earlier kidney dose is known as BED, which no absorbed dose can be added to; limit the BED of kidneys."
            )
        return per_sample("prior kidney BED", kidney.bed_Gy, q.n)
    if limit.region == "red_marrow" and marrow is not None:
        high = per_sample("prior marrow dose", marrow.high_let_dose_Gy, q.n)
        own = q.tissues[limit.region]
        weight = own.high_let.rbe_m(own.alpha_beta_Gy) if limit.quantity == "bed" else 1.0
        return np.asarray(per_sample("prior marrow dose", marrow.low_let_dose_Gy, q.n) + weight * high)
    return np.zeros(q.n)


def _course(q: _Question, shape: tuple[str, int, float], activity: float) -> DoseCourse:
    name, n, gap = shape
    one_cycle = q.protections[name].course
    starts = tuple(c * gap + d for c in range(n) for d in one_cycle.start_d)
    relative = np.tile(np.atleast_2d(one_cycle.relative_activities), (1, n)) * activity / q.reference_MBq
    return replace(one_cycle, start_d=starts, relative_activities=relative)


def _measured(q: _Question, limit: CourseLimit, shape: tuple[str, int, float], activity: float) -> Floats:
    """The limited quantity [sample] of a course, from the model itself."""
    p, course = q.protections[shape[0]], _course(q, shape, activity)
    if limit.quantity in ("bed", "absorbed_dose"):
        x, n = activity / q.reference_MBq, shape[1]
        if limit.quantity == "absorbed_dose":
            low, high, *_ = _doses(p.course, limit.region)
            return np.asarray(_used(q, limit) + np.broadcast_to(n * x * (low + high), (q.n,)))
        linear, quadratic = _linear_quadratic(q, p, limit.region, q.tissues[limit.region])
        return np.asarray(_used(q, limit) + n * (linear * x + quadratic * x**2))
    if limit.quantity == "egfr":
        day = limit.after_y * _DAYS_PER_YEAR
        doses = None
        if p.scavenger is not None:
            doses = [(d + h / 24.0, p.scavenger_amount) for d in course.start_d for h in p.scavenger_hours]
        found = kidney_course(
            course, q.egfr, q.kidney, times_d=[0.0, day], prior=q.priors[0], scavenger=p.scavenger, scavenger_doses=doses,
            clearance_exponent=p.clearance_exponent,
        )  # fmt: skip
        return np.broadcast_to(found.egfr.values[:, -1], (q.n,))
    end = course.start_d[-1] + 120.0
    blood = blood_course(course, q.baseline, q.marrow, prior=q.priors[1], times_d=np.arange(0.0, end, 3.0))
    return np.broadcast_to(blood[limit.quantity].values.min(axis=1), (q.n,))


def _keeps(limit: CourseLimit, values: Floats) -> np.ndarray[Any, np.dtype[np.bool_]]:
    slack = 1e-9 * limit.value
    most = limit.quantity in ("bed", "absorbed_dose")
    return values <= limit.value + slack if most else values >= limit.value - slack


def _critical(q: _Question, shape: tuple[str, int, float]) -> tuple[float, Floats]:
    """The largest activity looked at, and for each limit the largest that each patient bears [limit, sample], MBq."""
    p, n = q.protections[shape[0]], shape[1]
    found = np.full((len(q.limits), q.n), np.inf)
    for i, limit in enumerate(q.limits):
        if limit.quantity not in ("bed", "absorbed_dose"):
            continue
        left = limit.value - _used(q, limit)
        if limit.quantity == "absorbed_dose":
            low, high, *_ = _doses(p.course, limit.region)
            linear, quadratic = np.broadcast_to(low + high, (q.n,)), np.zeros(q.n)
        else:
            linear, quadratic = _linear_quadratic(q, p, limit.region, q.tissues[limit.region])
        room = np.maximum(left, 0.0) / n
        with np.errstate(divide="ignore", invalid="ignore"):
            root = 2.0 * room / (linear + np.sqrt(linear**2 + 4.0 * quadratic * room))
        root = np.where((linear <= 0.0) & (quadratic <= 0.0), np.inf, root)
        found[i] = np.where(left < 0.0, 0.0, root * q.reference_MBq)
    with np.errstate(invalid="ignore"):
        closed = found.min(axis=0) if len(q.limits) else np.full(q.n, np.inf)
    # Nothing above this is ever chosen: a limit on a dose is kept by half of the patients at least, or by more.
    rarest = min([0.5, *(x.probability for x in q.limits)])
    top = min(q.most_MBq, float(np.quantile(closed, 1.0 - rarest, method="higher")))
    if not np.isfinite(top):
        raise DomainError(
            "No limit bounds the activity: the regions of the limits get no dose. Give a largest activity."
        )
    top = max(top, 1e-9)
    for i, limit in enumerate(q.limits):
        if limit.quantity in ("bed", "absorbed_dose"):
            continue
        at_top = _measured(q, limit, shape, top)
        if _keeps(limit, at_top).all():  # the quantity falls with activity: kept here, kept everywhere
            continue
        values = np.stack([*(_measured(q, limit, shape, float(a)) for a in top * _GRID[:-1]), at_top])
        for s in range(q.n):
            found[i, s] = _crossing(top * _GRID, values[:, s], limit.value)
    return top, found


def _crossing(activities: Floats, values: Floats, limit: float) -> float:
    """Where a falling quantity meets its limit; 0 where it is below it from the start, infinite where it never is."""
    falling = np.minimum.accumulate(values)
    if falling[0] < limit:
        return 0.0
    if falling[-1] >= limit:
        return float("inf")
    return float(np.interp(-limit, -falling, activities))


def _allowed(q: _Question, critical: Floats, wanted: Floats, who: Any) -> tuple[float, int]:
    """Largest activity that keeps every limit with its probability, and which limit is the tightest (-1: none)."""
    activity, binding = q.most_MBq, -1
    size = len(who)
    for i in range(critical.shape[0]):
        kth = min(int(np.floor((1.0 - wanted[i]) * size + 1e-9)), size - 1)
        here = float(np.partition(critical[i][who], kth)[kth])
        if here < activity:
            activity, binding = here, i
    return activity, binding


# --- effect ----------------------------------------------------------------------------------------------------------


def _effect(q: _Question, shape: tuple[str, int, float], top: float) -> Callable[[float], Floats]:
    """Tumour effect [sample] as a function of activity."""
    if q.objective == "response":
        return _response(q, shape, top)
    name, n, gap = shape
    p, own = q.protections[name], q.tumour
    ratio = np.asarray(own.alpha_beta_Gy)
    tissue = TissueParameters("tumour", ratio, np.asarray(own.repair_half_time_h), np.asarray(own.high_let.rbe_m(ratio)),
                              own.high_let.r_beta)  # fmt: skip
    growth = np.log1p(np.asarray(own.growth_percent_per_month) / 100.0) / DAYS_PER_MONTH * (n - 1) * gap
    parts = {x: _linear_quadratic(q, p, x, tissue) for x in q.volumes}
    alpha = np.asarray(own.alpha_per_Gy)

    def kill(activity: float) -> dict[str, Floats]:
        x = activity / q.reference_MBq
        return {
            k: np.broadcast_to(n * alpha * (linear * x + quadratic * x**2) - growth, (q.n,))
            for k, (linear, quadratic) in parts.items()
        }

    if q.objective == "log_kill":
        return lambda activity: np.mean(list(kill(activity).values()), axis=0) / np.log(10.0)

    def control(activity: float) -> Floats:
        left = sum(
            np.asarray(q.volumes[k], dtype=float) * q.clonogens_per_mL * np.exp(np.clip(-v, -700.0, 700.0))
            for k, v in kill(activity).items()
        )
        return np.asarray(np.exp(-np.asarray(left)))

    return control


def _responders(q: _Question, shape: tuple[str, int, float], activity: float) -> Floats:
    """1 for each patient with CR or PR after this course, else 0."""
    found = tumour_course(_course(q, shape, activity), q.volumes, q.tumour, prior=q.priors[2])
    return np.broadcast_to(np.isin(found.best_response, ("CR", "PR")).astype(float), (q.n,))


def _response(q: _Question, shape: tuple[str, int, float], top: float) -> Callable[[float], Floats]:
    """Share of CR or PR, straight between the activities at which every patient's course is integrated."""
    activities = top * _GRID
    table = np.stack([_responders(q, shape, float(a)) for a in activities])

    def at(activity: float) -> Floats:
        j = int(np.clip(np.searchsorted(activities, activity) - 1, 0, activities.size - 2))
        w = float(np.clip((activity - activities[j]) / (activities[j + 1] - activities[j]), 0.0, 1.0))
        return np.asarray((1.0 - w) * table[j] + w * table[j + 1])

    return at


# --- choosing --------------------------------------------------------------------------------------------------------


def _candidate(
    q: _Question, shape: tuple[str, int, float], critical: Floats, effect: Callable[[float], Floats], wanted: Floats, who: Any
) -> Candidate:  # fmt: skip
    activity, binding = _allowed(q, critical, wanted, who)
    name = "largest activity" if binding < 0 else q.limits[binding].label
    value = float(np.mean(effect(activity)[who]))
    return Candidate(*shape, activity, value, name, activity >= max(q.least_MBq, 1e-9))


def _first(candidates: Sequence[Candidate]) -> Candidate | None:
    """The most effective one that is allowed; among equals fewer cycles, then the longer interval, then the first."""
    allowed = [c for c in candidates if c.allowed]
    if not allowed:
        return None
    top = max(c.effect for c in allowed)
    near = [c for c in allowed if c.effect >= top - _SAME * max(abs(top), 1.0)]
    return min(near, key=lambda c: (c.cycles, -c.interval_d))


def _kept(q: _Question, c: Candidate) -> dict[str, float]:
    shape = (c.protection, c.cycles, c.interval_d)
    return {x.label: float(np.mean(_keeps(x, _measured(q, x, shape, c.activity_MBq)))) for x in q.limits}


def _settled(q: _Question, c: Candidate, effect: Callable[[float], Floats]) -> Candidate:
    """The candidate with its activity settled on the models themselves where a limit was interpolated."""
    inner = [x for x in q.limits if x.quantity not in ("bed", "absorbed_dose")]
    if not inner or c.activity_MBq <= 0.0:
        return c
    shape = (c.protection, c.cycles, c.interval_d)

    def fits(activity: float) -> bool:
        return all(float(np.mean(_keeps(x, _measured(q, x, shape, activity)))) >= x.probability - 1e-12 for x in inner)

    low, high = c.activity_MBq, c.activity_MBq
    if fits(c.activity_MBq):
        if c.binding not in {x.label for x in inner}:
            return c
        high = min(q.most_MBq, 1.05 * c.activity_MBq)  # the interpolation may have been too careful
        closed = [x for x in q.limits if x not in inner]
        if fits(high) and all(float(np.mean(_keeps(x, _measured(q, x, shape, high)))) >= x.probability for x in closed):
            low = high
    else:
        low = 0.95 * c.activity_MBq
        while not fits(low) and low > 1e-6 * c.activity_MBq:
            high, low = low, 0.8 * low
    for _ in range(_BISECTIONS):
        if high - low <= _CLOSE * high:
            break
        mid = 0.5 * (low + high)
        low, high = (mid, high) if fits(mid) else (low, mid)
    value = float(np.mean(effect(low)))
    return replace(c, activity_MBq=low, effect=value, allowed=low >= max(q.least_MBq, 1e-9))


def _spread(
    q: _Question, shapes: Sequence[tuple[str, int, float]], critical: Mapping[Any, Floats],
    effects: Mapping[Any, Callable[[float], Floats]], wanted: Floats, seed: int,
) -> tuple[tuple[float, float], tuple[float, float], dict[tuple[str, int, float], float]]:  # fmt: skip
    """5 to 95 % of the optimum over resampled patients: what the number of patients leaves open."""
    nothing = (float("nan"), float("nan"))
    if q.n == 1:
        return nothing, nothing, {}
    activities, values = [], []
    counts: dict[tuple[str, int, float], int] = {}
    for b in range(_RESAMPLES):
        stream = np.random.Generator(np.random.Philox(key=np.array([seed, b], dtype=np.uint64)))
        who = stream.integers(0, q.n, q.n)
        best = _first([_candidate(q, s, critical[s], effects[s], wanted, who) for s in shapes])
        if best is None:
            continue
        activities.append(best.activity_MBq)
        values.append(best.effect)
        shape = (best.protection, best.cycles, best.interval_d)
        counts[shape] = counts.get(shape, 0) + 1
    if not activities:
        return nothing, nothing, {}
    a, e = (np.quantile(x, (0.05, 0.95)) for x in (activities, values))
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    return (float(a[0]), float(a[1])), (float(e[0]), float(e[1])), {k: v / _RESAMPLES for k, v in ranked}


def _answer(
    q: _Question, best: Candidate | None, candidates: Sequence[Candidate], critical: Mapping[Any, Floats]
) -> str:
    if best is not None:
        every = f", every {best.interval_d:g} d" if best.cycles > 1 else ""
        return (
            f"{best.cycles} x {best.activity_MBq:.4g} MBq{every}, protection: {best.protection}; "
            f"what keeps it from more: {best.binding}."
        )
    told = []
    for i, limit in enumerate(q.limits):
        within = max(float(np.mean(c[i] >= max(q.least_MBq, 1e-9))) for c in critical.values())
        if within < limit.probability:
            told.append(
                f"'{limit.label}' is kept in {100.0 * within:.0f} % of patients at most, and {100.0 * limit.probability:g} % are asked for"
            )
    if not told:
        least = max(candidates, key=lambda c: c.activity_MBq)
        told = [
            f"the limits allow {least.activity_MBq:.4g} MBq a cycle at most, and {q.least_MBq:g} MBq are the least that was asked for"
        ]
    smallest = f" with {q.least_MBq:g} MBq a cycle" if q.least_MBq > 0.0 else ""
    return f"No course keeps the limits{smallest}: {'; '.join(told)}."


def _notes(q: _Question) -> tuple[str, ...]:
    made = [
        "The tumour effect grows with activity, so the best activity of a course is the largest that its limits allow; "
        "protections, numbers and intervals are gone through one by one.",
        "A limit is kept with the stated probability over virtual patients who share one plan: it is a plan for the drawn "
        "population, not one adapted from cycle to cycle.",
        "Cycles are alike; repair is complete between them; dose does not change with tumour volume.",
    ]
    if q.objective == "tcp":
        made.append(
            f"Control assumes {q.clonogens_per_mL:g} clonogens per mL, which nobody has measured: use it to rank, not to promise."
        )
    if any(p is not None for p in q.priors):
        made.append(
            "Earlier therapy counts fully: no recovery of kidneys or marrow is assumed for a limit on BED or dose."
        )
    return tuple(made)
