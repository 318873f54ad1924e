"""What a dose-finding design is: a pure rule on small integers, the same for one trial and for a million.

A design is a frozen value. It knows how many patients a cohort has and what to do next; it keeps no record of the trial.
Everything a rule may look at is in one of two values:

- :class:`States`: complete data, per level: n treated, y with DLT, (responses, both), the level now, the highest level still
  allowed, and the last cohort. Arrays begin with ``trial``; exact recursion gives one row per distinct state of a layer,
  a simulation one row per trial.
- :class:`Records`: one entry per patient with the time followed, for calendar time: patients may still be pending.

Every design answers four questions::

    design.decide_batch(states)          -> (next_level[trial], top[trial])     complete data, after each cohort
    design.decide_records_batch(records) -> (next_level[trial], top[trial])     calendar time; may answer WAIT
    design.select_batch(states)          -> level[trial], 0 = none              the MTD (or OBD), once the trial is over
    design.select_records_batch(records) -> level[trial], 0 = none

and, for one trial, ``design.decide(n, y, current, ...)`` and ``design.select(n, y, ...)``: the same rule on a batch of one.

Conventions, for whoever drives a design (recursion, simulation, calendar, replay):

- Levels are 1-based. ``next_level`` is ``STOP`` (0) when the rule ends the trial, ``WAIT`` (-1) when accrual has to be suspended.
- A trial starts at ``design.start`` with ``top = levels``; a cohort of ``design.cohort_size`` is treated at the level; n, y, last_n,
  last_y are updated; ``decide_batch`` is asked. It is asked after every cohort, the last one included (its ``top`` matters to
  the selection; its level does not). After ``design.cohort_limit(levels)`` cohorts the trial ends whatever the rule says.
- ``top`` never rises: levels above it were eliminated for toxicity. ``top == 0``: every level eliminated, next is STOP,
  nothing is selected. States with equal (n, y, responses, both, next level, top) have equal futures, so they may be merged
  once the decision is made: ``last_n, last_y`` are looked at only by the decision right after that cohort.
- The next level is **never** the recommended one: only ``select_batch`` names an MTD, and only among levels that were given to
  somebody and are not eliminated.
- ``design.levels`` is the number of levels the design was made for (its skeleton, its doses), or None: any number.
- ``design.outcomes`` is ``"toxicity"`` or ``"toxicity and response"`` (then ``responses`` is needed; ``both``, patients with both a DLT
  and a response, is needed only where ``design.needs_both``).
- ``design.window`` is the DLT window for records, in the user's unit of time; None: not set, and the times of records are in windows
  (``design.span`` is 1).
- ``design.backfill_records_batch(records)`` gives, for a patient who arrives while the escalation waits, the level to be
  backfilled to (0: none; always 0 where the design has no backfill rule). Mark such patients in ``records.backfilled``.
- ``design.follows_pending`` tells whether the design decides with pending patients; the others answer WAIT until everybody
  is complete. For the former, ask for every new patient (or cohort of ``design.cohort_size``).
- Nothing here is random: the same input gives the same output, bit for bit.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import DomainError
from ._checks import between, counts, whole

__all__ = ["STOP", "WAIT", "Decision", "Design", "Records", "States", "explain", "open_below"]

STOP = 0
WAIT = -1

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Decision(NamedTuple):
    """What a rule says after a cohort: the level of the next one (STOP = 0, WAIT = -1) and the highest level still allowed."""

    level: int
    top: int
    why: str = ""

    @property
    def stops(self) -> bool:
        """Whether the rule ends the trial."""
        return self.level == STOP

    @property
    def waits(self) -> bool:
        """Whether accrual is suspended until pending patients have been followed."""
        return self.level == WAIT


@dataclass(frozen=True)
class States:
    """Complete data of many trials at once (or of many states of one recursion).

    Parameters
    ----------
    n, y : int[trial, level]
        Patients treated and patients with a DLT.
    current, top : int[trial]
        The level just given and the highest level not eliminated, 1-based.
    last_n, last_y : int[trial]
        Patients of the last cohort and those of them with a DLT.
    responses, both : int[trial, level] or None
        Patients with a response, and patients with a response and a DLT.
    """

    n: Ints
    y: Ints
    current: Ints
    top: Ints
    last_n: Ints
    last_y: Ints
    responses: Ints | None = None
    both: Ints | None = None

    @property
    def levels(self) -> int:
        """Number of dose levels."""
        return int(self.n.shape[1])

    def at(self, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The value of a per-level array at the current level of each trial."""
        return np.asarray(np.take_along_axis(column, (self.current - 1)[:, None], axis=1)[:, 0])


@dataclass(frozen=True)
class Records:
    """Patients of many trials at a moment of calendar time.

    Parameters
    ----------
    level : int[trial, patient]
        Level given, 1-based, in the order of enrolment; 0 where there is no patient (yet).
    dlt : bool[trial, patient]
        Whether a DLT has been seen by now (within the window).
    follow_up : float[trial, patient]
        Time followed without a DLT, or the time of the DLT; in the unit of ``design.window``.
    current, top : int[trial]
        The level given last and the highest level not eliminated.
    gone : bool[trial, patient] or None
        Patients who will not be followed any further (dropout): not pending, though incomplete.
    response, response_known : bool[trial, patient] or None
        A response was seen; the assessment has been made. For designs on toxicity and response, and for backfilling.
    levels : int
        Number of dose levels.
    backfilled : bool[trial, patient] or None
        Patients treated at a lower level while the escalation waited; they are no part of the last cohort.
    """

    level: Ints
    dlt: Bools
    follow_up: Floats
    current: Ints
    top: Ints
    levels: int
    gone: Bools | None = None
    response: Bools | None = None
    response_known: Bools | None = None
    backfilled: Bools | None = None

    def count(self, which: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Sum of a per-patient array by level: [trial, level]."""
        weights = np.asarray(which)
        out = np.empty((self.level.shape[0], self.levels), dtype=np.float64 if weights.dtype.kind == "f" else np.int64)
        for d in range(self.levels):
            out[:, d] = np.where(self.level == d + 1, weights, 0).sum(axis=1)
        return out

    def pending(self, window: float) -> Bools:
        """Patients without a DLT who are still followed: bool[trial, patient]."""
        waiting = (self.level > 0) & ~self.dlt & (self.follow_up < window)
        return np.asarray(waiting if self.gone is None else waiting & ~self.gone)

    def evaluable(self, window: float) -> Records:
        """The same trials without the patients who were lost before the window ended and had no DLT."""
        if self.gone is None:
            return self
        lost = self.gone & ~self.dlt & (self.follow_up < window)
        return replace(self, level=np.where(lost, 0, self.level))

    def states(self, cohort_size: int = 1) -> States:
        """The same trials as complete data: everybody counted, whatever was still pending."""
        enrolled = self.level > 0
        escalated = enrolled if self.backfilled is None else enrolled & ~self.backfilled
        last = escalated & (np.cumsum(escalated[:, ::-1], axis=1)[:, ::-1] <= cohort_size)
        responses = both = None
        if self.response is not None:
            responses = self.count(enrolled & self.response)
            both = self.count(enrolled & self.response & self.dlt)
        return States(
            self.count(enrolled), self.count(enrolled & self.dlt), self.current, self.top,
            last.sum(axis=1), (last & self.dlt).sum(axis=1), responses, both,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Design(abc.ABC):
    """A dose-finding rule; see the module for what its four answers mean.

    Parameters
    ----------
    cohort_size : int
        Patients treated at one level before the rule is asked again.
    cohorts : int
        Cohorts at most; ``cohort_size * cohorts`` is the largest trial.
    start : int
        Level of the first cohort, 1-based.
    window : float, optional
        DLT window, in the unit of the follow-up times of :class:`Records`; None: they are in windows.
    """

    cohort_size: int = 3
    cohorts: int = 10
    start: int = 1
    window: float | None = None

    name: ClassVar[str] = "design"
    outcomes: ClassVar[str] = "toxicity"
    needs_both: ClassVar[bool] = False
    follows_pending: ClassVar[bool] = False
    exact_rows: ClassVar[int] = (
        1_500_000  # states of one layer above which an exact recursion gives way to a simulation
    )

    def __post_init__(self) -> None:
        whole("cohort_size", self.cohort_size)
        whole("cohorts", self.cohorts)
        whole("start", self.start, 1, self.levels, "Levels are counted from 1.")
        if self.window is not None:
            between("window", self.window, 0.0, math.inf, "It is the DLT window.")

    @property
    def levels(self) -> int | None:
        """Number of dose levels the design was made for; None: any."""
        return None

    @property
    def span(self) -> float:
        """The window in the unit of the records' times: 1 where none was set."""
        return 1.0 if self.window is None else self.window

    def cohort_limit(self, levels: int) -> int:
        """Cohorts after which the trial is over, whatever the rule says."""
        return self.cohorts

    def max_patients(self, levels: int) -> int:
        """The largest number of patients the design can treat."""
        return self.cohort_size * self.cohort_limit(levels)

    # the rule, for many trials -------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def decide_batch(self, states: States) -> tuple[Ints, Ints]:
        """Level of the next cohort (0: stop) and highest level still allowed, after a cohort; complete data."""

    @abc.abstractmethod
    def select_batch(self, states: States) -> Ints:
        """The recommended level of each finished trial; 0: none."""

    def decide_records_batch(self, records: Records) -> tuple[Ints, Ints]:
        """The same in calendar time; WAIT (-1) where pending patients must be followed first; lost patients do not count."""
        level, top = self.decide_batch(records.evaluable(self.span).states(self.cohort_size))
        waiting = records.pending(self.span).any(axis=1)
        return np.where(waiting, WAIT, level), np.where(waiting, records.top, top)

    def select_records_batch(self, records: Records) -> Ints:
        """The recommended level from patients' records, once everybody has been followed; lost patients do not count."""
        return self.select_batch(records.evaluable(self.span).states(self.cohort_size))

    def backfill_records_batch(self, records: Records) -> Ints:
        """Level for a patient who arrives while the escalation waits: int[trial], 0 = nobody is backfilled."""
        return np.zeros(records.level.shape[0], dtype=np.int64)

    def highest_open(self, n: Ints, y: Ints) -> Ints:
        """Highest level that the counts [trial, level] alone leave open: int[trial]; every level where the rule closes none."""
        return np.full(len(n), n.shape[1], dtype=np.int64)

    # the rule, for one trial ---------------------------------------------------------------------------------------------

    def state(
        self,
        n: Sequence[int],
        y: Sequence[int],
        current: int = 1,
        top: int | None = None,
        last: tuple[int, int] | None = None,
        responses: Sequence[int] | None = None,
        both: Sequence[int] | None = None,
    ) -> States:
        """One trial as a batch of one, checked.

        ``last`` is (patients, DLTs) of the last cohort; None: all at this level. ``top`` is the highest level still allowed; None: what
        the counts leave open.
        """
        treated, events = counts(n, y)
        levels = len(treated)
        if self.levels is not None and levels != self.levels:
            raise DomainError(f"Counts for {levels} levels; this {self.name} has {self.levels}.")
        whole("current", current, 1, levels, "It is the level just given.")
        left = int(self.highest_open(treated[None, :], events[None, :])[0])
        highest = left if top is None else whole("top", top, 0, levels, "It is the highest level still allowed.")
        if last is None:
            last = (int(treated[current - 1]), int(events[current - 1]))
        kept = [None if r is None else counts(n, r, "responses")[1][None, :] for r in (responses, both)]
        if self.outcomes != "toxicity" and kept[0] is None:
            raise DomainError(f"{self.name} decides on toxicity and response: give responses by level.")
        row = [np.array([v], dtype=np.int64) for v in (current, highest, *last)]
        return States(treated[None, :], events[None, :], row[0], row[1], row[2], row[3], kept[0], kept[1])

    def decide(
        self,
        n: Sequence[int],
        y: Sequence[int],
        current: int,
        top: int | None = None,
        last: tuple[int, int] | None = None,
        responses: Sequence[int] | None = None,
        both: Sequence[int] | None = None,
    ) -> Decision:
        """What to do after a cohort: n and y by level, the level just given, the rest as in :meth:`state`."""
        states = self.state(n, y, current, top, last, responses, both)
        level, highest = self.decide_batch(states)
        return Decision(int(level[0]), int(highest[0]), explain(current, states.levels, int(level[0]), int(highest[0])))

    def select(
        self,
        n: Sequence[int],
        y: Sequence[int],
        top: int | None = None,
        responses: Sequence[int] | None = None,
        both: Sequence[int] | None = None,
    ) -> int:
        """The recommended level of a finished trial, 0 = none; never the same question as the next level."""
        return int(self.select_batch(self.state(n, y, 1, top, None, responses, both))[0])

    # words ---------------------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def protocol_text(self, levels: int | None = None) -> str:
        """The rule in plain English with this design's numbers, to be put into a protocol."""


def open_below(closed: Bools) -> Ints:
    """Highest level below the first closed one: closed[trial, level] -> int[trial].

    Examples
    --------
    >>> open_below(np.array([[False, False, True], [False, False, False], [True, False, True]])).tolist()
    [2, 3, 0]
    """
    return np.asarray(np.where(closed.any(axis=1), closed.argmax(axis=1), closed.shape[1]), dtype=np.int64)


def explain(current: int, levels: int, level: int, top: int) -> str:
    """A decision as a sentence.

    Examples
    --------
    >>> explain(2, 5, 1, 1)
    'de-escalate to level 1; level 2 and above are eliminated'
    """
    gone = "" if top >= levels else f"; level {top + 1}{' and above are' if top + 1 < levels else ' is'} eliminated"
    if level == STOP:
        return "stop the trial: every level is eliminated" if top == 0 else f"stop the trial{gone}"
    if level == WAIT:
        return "suspend accrual until pending patients have been followed"
    if level == current:
        return f"stay at level {level}{gone}"
    return f"{'escalate' if level > current else 'de-escalate'} to level {level}{gone}"
