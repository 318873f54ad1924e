"""Trials on the calendar: patients arrive, are followed, drop out; results are read late; accrual may be suspended.

Arrivals are a Poisson process. A design that decides on complete data holds accrual after each cohort until the last
patient's window has passed and has been read; a patient who drops out of the window without a DLT is replaced. A design
that follows pending patients is asked whenever the next cohort could begin, with the follow-up of that moment; when it answers
"suspend", the next patient waits until a DLT is seen or a window ends, and it is asked again. All trials run in lockstep.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ..errors import DomainError
from ._uniforms import patient_uniforms
from .designs import STOP, WAIT, Bools, Design, Floats, Ints, Records, States
from .truth import WEEKS_PER_MONTH, Outcomes, Probabilities, Role, Truth

__all__ = ["Calendar", "VirtualTrials", "calendar_trials"]

_TINY = 1e-9  # weeks: two times nearer than this are the same moment


@dataclass(frozen=True)
class Calendar:
    """How patients come, stay and are read.

    Parameters
    ----------
    accrual_per_month : float
        Mean arrivals per month (30.4375 days), a Poisson process.
    read_delay_weeks : float
        From an event, or the end of a window, until it is known to the trial.
    dropout_per_month : float
        Constant hazard of leaving the trial.
    death : {"complete", "lost"}
        A patient who dies within the window without a DLT: `complete` counts as followed to the end without one, so that the
        trial estimates the cumulative incidence with death competing; `lost` counts like a dropout, so that it estimates the
        risk if nobody died.

    Examples
    --------
    >>> Calendar(accrual_per_month=2.0).mean_gap_weeks
    2.174107142857143
    """

    accrual_per_month: float = 2.0
    read_delay_weeks: float = 0.0
    dropout_per_month: float = 0.0
    death: Literal["complete", "lost"] = "complete"

    def __post_init__(self) -> None:
        if not 0.0 < self.accrual_per_month <= 10_000.0:
            raise DomainError(
                f"accrual_per_month is {self.accrual_per_month!r}; it must be above zero (at most 10000)."
            )
        for name in ("read_delay_weeks", "dropout_per_month"):
            value = getattr(self, name)
            if not 0.0 <= value < float("inf"):
                raise DomainError(f"{name} is {value!r}; it must be zero or more.")
        if self.death not in ("complete", "lost"):
            raise DomainError(f"death is {self.death!r}; it may be complete or lost.")

    @property
    def mean_gap_weeks(self) -> float:
        """Mean time between two arrivals."""
        return WEEKS_PER_MONTH / self.accrual_per_month


@dataclass(frozen=True, eq=False)
class VirtualTrials:
    """Every patient of some simulated trials, and what became of each trial. Times in weeks of the calendar.

    Parameters
    ----------
    level : int[trial, patient]
        0: nobody.
    dlt : bool[trial, patient]
        A DLT within the window, seen.
    event_weeks : float[trial, patient]
        From enrolment to the DLT, or to the end of what was seen of the patient within the window.
    evaluable : bool[trial, patient]
        Not lost before the end of the window without a DLT.
    enrolled_weeks : float[trial, patient] or None
        Calendar time of enrolment; None where time was not simulated.
    response : bool[trial, patient] or None
    selected : int[trial]
        0: none.
    duration_weeks, suspended_weeks : float[trial] or None
        Of the whole trial; and of waiting for results before a patient could be enrolled.
    late_weeks : float[trial, patient] or None
        Late renal toxicity at the level given, weeks after enrolment (inf: never), for truths that know it.
    first_trial : int
        Number of the first of them.
    stopped_weeks : float[trial] or None
        When a rule that follows pending patients ended the trial before its full size; not a number where it did not.
    died : bool[trial, patient] or None
        Died within the window without a DLT, and counted as followed to its end.
    backfilled : bool[trial, patient] or None
        Treated at a lower level while the escalation waited.
    """

    level: Ints
    dlt: Bools
    event_weeks: Floats
    evaluable: Bools
    selected: Ints
    enrolled_weeks: Floats | None = None
    response: Bools | None = None
    duration_weeks: Floats | None = None
    suspended_weeks: Floats | None = None
    late_weeks: Floats | None = None
    first_trial: int = 0
    stopped_weeks: Floats | None = None
    died: Bools | None = None
    backfilled: Bools | None = None

    def counts(self, levels: int) -> tuple[Ints, Ints]:
        """Evaluable patients and patients with a DLT, [trial, level]."""
        n, y = (np.empty((len(self.level), levels), dtype=np.int64) for _ in range(2))
        for d in range(levels):
            here = (self.level == d + 1) & self.evaluable
            n[:, d], y[:, d] = here.sum(axis=1), (here & self.dlt).sum(axis=1)
        return n, y


@dataclass(frozen=True, eq=False)
class _Patients:
    """What would happen to each patient at each level, and when they come and go."""

    gap: Floats  # [trial, patient]
    event: Floats  # [trial, patient, level]: weeks to a DLT within the window, else inf
    leaves: Floats  # [trial, patient]: weeks to dropout
    dies: Floats  # [trial, patient]: weeks to a death that completes the follow-up
    response: Bools | None
    late: Floats | None


def _patients(truth: Truth, calendar: Calendar, window: float, seed: int, first: int, trials: int, n: int) -> _Patients:
    u = patient_uniforms(seed, first, trials, n, 1 if isinstance(truth, Probabilities) else 3)
    seen: Outcomes = truth.drawn(u)
    event = np.where(seen.toxicity_weeks <= window, seen.toxicity_weeks, np.inf)
    never = np.full(seen.death_weeks.shape, np.inf)
    leaves, dies = (seen.death_weeks, never) if calendar.death == "lost" else (never, seen.death_weeks)
    if calendar.dropout_per_month > 0.0:
        leaves = np.minimum(leaves, -np.log(u[..., Role.DROPOUT]) * WEEKS_PER_MONTH / calendar.dropout_per_month)
    gap = -np.log(u[..., Role.ARRIVAL]) * calendar.mean_gap_weeks
    return _Patients(gap, event, leaves, dies, seen.response, seen.late_weeks)


def _at_level(values: Any, level: Ints) -> Any:
    """[trial, patient, level] at the level each patient got (level 1 where there is none)."""
    return np.asarray(np.take_along_axis(values, np.maximum(level - 1, 0)[..., None], axis=2)[..., 0])


def calendar_trials(
    design: Design, truth: Truth, calendar: Calendar, window_weeks: float, *, seed: int, first: int, trials: int
) -> VirtualTrials:
    """Run trials `first` to `first + trials - 1` on the calendar.

    Parameters
    ----------
    design, truth, calendar :
        See their classes.
    window_weeks : float
        The DLT window; follow-up reaches the design in units of `design.span`.

    Returns
    -------
    VirtualTrials
    """
    n = design.max_patients(truth.doses)
    backfill = getattr(design, "backfill", None)
    if backfill is not None:
        if backfill.rule == "response" and truth.response is None:
            raise DomainError(
                "Backfilling waits for a response; the truth has no P(response). Give one, or rule='clearance'."
            )
        wait = (
            window_weeks + calendar.read_delay_weeks
        ) / calendar.mean_gap_weeks  # arrivals while a cohort is followed
        mean = design.cohort_limit(truth.doses) * (design.cohort_size + 1 + wait)
        n = math.ceil(mean + 8.0 * math.sqrt(mean)) + 20
    elif not design.follows_pending:
        n = _room(n, truth, calendar, window_weeks, design.name)
    people = _patients(truth, calendar, window_weeks, seed, first, trials, n)
    if backfill is not None:
        return _backfill_trials(design, truth, calendar, window_weeks, people, first)
    run = _pending_trials if design.follows_pending else _cohort_trials
    return run(design, truth, calendar, window_weeks, people, first)


def _room(most: int, truth: Truth, calendar: Calendar, window: float, name: str) -> int:
    """Patients to have at hand so that those who are lost can be replaced, six standard deviations and more."""
    lost = -math.expm1(-calendar.dropout_per_month * window / WEEKS_PER_MONTH)
    median = getattr(truth, "death_median_months", math.inf)
    if calendar.death == "lost":
        lost = 1.0 - (1.0 - lost) * 0.5 ** (window / (median * WEEKS_PER_MONTH))
    if lost > 0.9:
        raise DomainError(
            f"{100 * lost:.1f} % of the patients are lost before the window of {window:g} weeks ends, so {name}, which waits for "
            "complete follow-up, cannot fill its cohorts. Shorten the window, or take a design that follows pending patients."
        )
    if lost == 0.0:
        return most
    return math.ceil(most / (1.0 - lost) + 7.0 * math.sqrt(most * lost) / (1.0 - lost)) + 10


# --- designs that wait for everybody ---------------------------------------------------------------------------------


def _cohort_trials(
    design: Design, truth: Truth, calendar: Calendar, window: float, people: _Patients, first: int
) -> VirtualTrials:
    trials, room = people.gap.shape
    levels, limit = truth.doses, design.cohort_limit(truth.doses)
    level_of = np.zeros((trials, room), dtype=np.int64)
    enrolled = np.full((trials, room), np.nan)
    pointer = np.zeros(trials, dtype=np.int64)
    n, y, responses, both = (np.zeros((trials, levels), dtype=np.int64) for _ in range(4))
    level, top = np.full(trials, design.start, dtype=np.int64), np.full(trials, levels, dtype=np.int64)
    given = level.copy()
    now, opens, suspended = np.zeros(trials), np.zeros(trials), np.zeros(trials)
    active = np.ones(trials, dtype=bool)
    for cohort in range(limit):
        need = np.where(active, design.cohort_size, 0)
        slots, last_y, known = need.copy(), np.zeros(trials, dtype=np.int64), opens.copy()
        while True:
            rows = np.flatnonzero((need > 0) & (pointer < room))
            if not len(rows):
                break
            j, d = pointer[rows], level[rows] - 1
            arrives = now[rows] + people.gap[rows, j]
            at = np.maximum(arrives, opens[rows])
            suspended[rows] += at - arrives
            event, leaves = people.event[rows, j, d], people.leaves[rows, j]
            ends = np.minimum(np.minimum(event, people.dies[rows, j]), window)
            lost = leaves < ends
            seen = at + np.minimum(ends, leaves) + calendar.read_delay_weeks
            level_of[rows, j], enrolled[rows, j], now[rows] = d + 1, at, at
            kept = rows[~lost]
            dlt = np.isfinite(event[~lost]).astype(np.int64)
            n[kept, d[~lost]] += 1
            y[kept, d[~lost]] += dlt
            if people.response is not None:
                good = people.response[kept, j[~lost], d[~lost]].astype(np.int64)
                responses[kept, d[~lost]] += good
                both[kept, d[~lost]] += good * dlt
            last_y[kept] += dlt
            need[kept] -= 1
            slots[rows] -= 1
            known[rows] = np.maximum(known[rows], seen)
            replace = rows[(slots[rows] <= 0) & (need[rows] > 0)]
            opens[replace] = known[replace]  # a patient who was lost is replaced once that is known
            pointer[rows] += 1
        opens, given = np.where(active, known, opens), np.where(active, level, given)
        states = States(n, y, given, top, np.full(trials, design.cohort_size), last_y,
                        *((responses, both) if people.response is not None else ()))  # fmt: skip
        next_level, next_top = design.decide_batch(states)
        level, top = np.where(active, next_level, level), np.where(active, next_top, top)
        active &= (level != STOP) & (pointer < room)
        if not active.any() or cohort == limit - 1:
            break
    zero = np.zeros(trials, dtype=np.int64)
    final = States(n, y, given, top, zero, zero, *((responses, both) if people.response is not None else ()))
    return _finished(people, level_of, enrolled, window, design.select_batch(final), opens, suspended, first)


# --- designs that follow pending patients ----------------------------------------------------------------------------


def _pending_trials(
    design: Design, truth: Truth, calendar: Calendar, window: float, people: _Patients, first: int
) -> VirtualTrials:
    trials, room = people.gap.shape
    levels, size = truth.doses, design.cohort_size
    level_of = np.zeros((trials, room), dtype=np.int64)
    enrolled = np.full((trials, room), np.nan)
    level, top = np.full(trials, design.start, dtype=np.int64), np.full(trials, levels, dtype=np.int64)
    given = level.copy()
    now, suspended, stopped = np.zeros(trials), np.zeros(trials), np.full(trials, np.nan)
    active = np.ones(trials, dtype=bool)
    for cohort in range(design.cohort_limit(levels)):
        j = cohort * size
        arrives = now + people.gap[:, j]
        at = arrives.copy()
        asking = np.flatnonzero(active) if cohort else np.zeros(0, dtype=np.int64)
        while len(asking):
            records = _records(design, people, level_of, enrolled, given, top, at, calendar, window, levels, asking, j)
            next_level, next_top = design.decide_records_batch(records)
            waits = next_level == WAIT
            settled = asking[~waits]
            level[settled], top[settled] = next_level[~waits], next_top[~waits]
            asking = asking[waits]
            if len(asking):
                at[asking] = _next_news(people, level_of, enrolled, at, calendar, window, asking, j)
        stopped = np.where(active & (level == STOP), at, stopped)
        active &= level != STOP
        suspended += np.where(active, at - arrives, 0.0)
        if not active.any():
            break
        for i in range(size):
            at = at + (people.gap[:, j + i] if i else 0.0)
            level_of[:, j + i] = np.where(active, level, 0)
            enrolled[:, j + i] = np.where(active, at, np.nan)
        now, given = np.where(active, at, now), np.where(active, level, given)
    everyone = np.arange(trials)
    ends = _last_news(people, level_of, enrolled, calendar, window)
    records = _records(
        design, people, level_of, enrolled, given, top, ends + 1.0, calendar, window, levels, everyone, room
    )
    final_level, final_top = design.decide_records_batch(records)
    if (final_level == WAIT).any():
        raise DomainError(f"{design.name} waits for patients although everybody has been followed to the end.")
    top = np.minimum(top, final_top)
    done = replace(records, current=given, top=top)
    chosen = design.select_records_batch(done)
    return _finished(people, level_of, enrolled, window, chosen, ends, suspended, first, stopped)


# --- designs that backfill -----------------------------------------------------------------------------------------------


def _backfill_trials(
    design: Design, truth: Truth, calendar: Calendar, window: float, people: _Patients, first: int
) -> VirtualTrials:
    """Every arrival is offered the escalation's open place, else a backfill level, else nothing."""
    trials, room = people.gap.shape
    levels, limit = truth.doses, design.cohort_limit(truth.doses)
    level_of, enrolled = np.zeros((trials, room), dtype=np.int64), np.full((trials, room), np.nan)
    filler = np.zeros((trials, room), dtype=bool)
    level, top = np.full(trials, design.start, dtype=np.int64), np.full(trials, levels, dtype=np.int64)
    placed, done, now = np.zeros(trials, dtype=np.int64), np.zeros(trials, dtype=np.int64), np.zeros(trials)
    stopped, active = np.full(trials, np.nan), np.ones(trials, dtype=bool)
    for j in range(room):
        now = np.where(active, now + people.gap[:, j], now)
        asking = np.flatnonzero(active & (placed == design.cohort_size))
        offered = np.where(active, level, 0)
        if len(asking):
            records = _records(
                design, people, level_of, enrolled, level, top, now, calendar, window, levels, asking, j, filler
            )
            said, tops = design.decide_records_batch(records)
            waits = said == WAIT
            offered[asking[waits]] = design.backfill_records_batch(records)[waits]
            filler[asking[waits], j] = offered[asking[waits]] > 0
            decided = asking[~waits]
            done[decided] += 1
            top[decided] = tops[~waits]
            over = (said[~waits] == STOP) | (done[decided] == limit)
            stopped[decided[said[~waits] == STOP]] = now[decided[said[~waits] == STOP]]
            active[decided[over]] = False
            offered[decided] = np.where(over, 0, said[~waits])
            level[decided[~over]] = said[~waits][~over]
            placed[decided] = 0
        level_of[:, j] = offered
        enrolled[:, j] = np.where(offered > 0, now, np.nan)
        placed += (offered > 0) & ~filler[:, j]
        if not active.any():
            break
    if active.any():
        raise DomainError("The calendar ran out of arrivals before the last cohort was decided; use a shorter window.")
    everyone, ends = np.arange(trials), _last_news(people, level_of, enrolled, calendar, window)
    done_records = _records(
        design, people, level_of, enrolled, level, top, ends + 1.0, calendar, window, levels, everyone, room, filler
    )
    final_top = np.minimum(top, design.decide_records_batch(done_records)[1])
    chosen = design.select_records_batch(replace(done_records, top=final_top))
    suspended = np.zeros(trials)
    return _finished(people, level_of, enrolled, window, chosen, ends, suspended, first, stopped, filler)


def _records(
    design: Design, people: _Patients, level_of: Ints, enrolled: Floats, given: Ints, top: Ints, at: Floats,
    calendar: Calendar, window: float, levels: int, rows: Ints, patients: int, filler: Bools | None = None,
) -> Records:  # fmt: skip
    """What the trial knows at calendar time `at`."""
    level, entry = level_of[rows, :patients], enrolled[rows, :patients]
    event = _at_level(people.event[rows, :patients], level)
    leaves, dies = people.leaves[rows, :patients], people.dies[rows, :patients]
    with np.errstate(invalid="ignore"):
        seen = np.where(level > 0, at[rows][:, None] - entry - calendar.read_delay_weeks, 0.0) + _TINY
    ends = np.minimum(np.minimum(np.minimum(event, leaves), dies), window)
    over = (level > 0) & (seen >= ends)
    dlt = over & (event <= ends)
    gone = over & ~dlt & (leaves <= ends) & (leaves < window)
    follow = np.minimum(np.maximum(seen, 0.0), ends)  # exactly the window once it is over
    follow = np.where(over & ~dlt & ~gone, window, follow)  # a death ends the follow-up and completes it
    response = known = None
    if people.response is not None:
        response = np.asarray(_at_level(people.response[rows, :patients], level), dtype=bool)
        known = (level > 0) & (seen >= window)
        response = response & known
    return Records(
        level,
        np.asarray(dlt),
        follow * (design.span / window) if window != design.span else follow,
        given[rows],
        top[rows],
        levels,
        gone,
        response,
        known,
        None if filler is None else filler[rows, :patients],
    )


def _news(people: _Patients, level_of: Ints, enrolled: Floats, calendar: Calendar, window: float) -> Floats:
    """Calendar time when the fate of each patient within the window is known, [trial, patient]; -inf for nobody."""
    event = _at_level(people.event[:, : level_of.shape[1]], level_of)
    n = level_of.shape[1]
    ends = np.minimum(np.minimum(np.minimum(event, people.leaves[:, :n]), people.dies[:, :n]), window)
    return np.where(level_of > 0, enrolled + ends + calendar.read_delay_weeks, -np.inf)


def _next_news(
    people: _Patients,
    level_of: Ints,
    enrolled: Floats,
    at: Floats,
    calendar: Calendar,
    window: float,
    rows: Ints,
    j: int,
) -> Floats:
    part = _Patients(
        people.gap[rows, :j], people.event[rows, :j], people.leaves[rows, :j], people.dies[rows, :j], None, None
    )
    times = _news(part, level_of[rows, :j], enrolled[rows, :j], calendar, window)
    later = np.where(times > at[rows][:, None] + _TINY, times, np.inf).min(axis=1)
    if np.isinf(later).any():
        raise DomainError("The design suspends accrual although nobody is being followed; its rule has no way on.")
    return np.asarray(later)


def _last_news(people: _Patients, level_of: Ints, enrolled: Floats, calendar: Calendar, window: float) -> Floats:
    return np.asarray(_news(people, level_of, enrolled, calendar, window).max(axis=1))


def _finished(
    people: _Patients, level_of: Ints, enrolled: Floats, window: float, selected: Ints, ends: Floats, suspended: Floats,
    first: int, stopped: Floats | None = None, filler: Bools | None = None,
) -> VirtualTrials:  # fmt: skip
    event = np.asarray(_at_level(people.event, level_of), dtype=float)
    stop = np.minimum(np.minimum(np.minimum(event, people.leaves), people.dies), window)
    there = level_of > 0
    dlt = there & (event <= stop)
    lost = ~dlt & (people.leaves <= stop) & (people.leaves < window)
    died = there & ~dlt & ~lost & (people.dies < window)
    response = None
    if people.response is not None:
        response = np.asarray(_at_level(people.response, level_of), dtype=bool) & there
    late = None if people.late is None else np.asarray(_at_level(people.late, level_of), dtype=float)
    return VirtualTrials(
        level_of, np.asarray(dlt), np.where(there, stop, np.nan), there & ~lost, selected, enrolled, response, ends,
        suspended, late, first, stopped, np.asarray(died), filler,
    )  # fmt: skip
