"""A recorded trial, decided again from its spec: the rule's answer after every cohort, beside what was done.

The data are rows, one per patient in the order of enrolment: `level`, `dlt`, and where time matters `follow_up_weeks` (to the DLT or the
end of what was seen), `died` (a death within the window, which completes the follow-up) and `enrolled_week`; `stopped_week` says when a rule that follows pending patients ended the trial. With the times of enrolment every past decision is computed from what was known then; without
them only complete data can be replayed, and a design that follows pending patients answers for the present alone.
"""

from __future__ import annotations

import csv
import io
import math
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CaseError, DomainError, suggestion
from .calendar import Calendar, _news, _Patients, _records
from .designs import STOP, WAIT, Design, Floats, Ints, Records, States, explain

__all__ = ["Replay", "Step", "read_rows", "replay_rows"]

COLUMNS = (
    "trial",
    "patient",
    "level",
    "dlt",
    "follow_up_weeks",
    "enrolled_week",
    "stopped_week",
    "evaluable",
    "died",
    "backfilled",
    "response",
)
_MAX_BYTES = 200_000_000


@dataclass(frozen=True)
class Step:
    """One decision: after how many patients, at which level, what the rule says, what was done."""

    after_patients: int
    level: int
    decision: int
    top: int
    why: str
    done: int | None

    @property
    def agrees(self) -> bool | None:
        """Whether the next cohort got the level that the rule names; None where there is no next cohort."""
        return None if self.done is None else self.done == self.decision


@dataclass(frozen=True)
class Replay:
    """A trial decided again.

    Parameters
    ----------
    design : str
        What the design is called.
    steps : tuple of Step
        The last one is the decision for the data as they stand.
    n, y : tuple of int
        Evaluable patients and DLTs per level.
    over : bool
        Whether the trial has ended by its rule or its size.
    recommended : int
        The level selected; 0: none. If the trial is not over, what would be selected if it ended now.
    trial : int or None
        Its number, where the data hold several.
    """

    design: str
    steps: tuple[Step, ...]
    n: tuple[int, ...]
    y: tuple[int, ...]
    over: bool
    recommended: int
    trial: int | None = None

    @property
    def decision(self) -> Step:
        """The decision for the data as they stand."""
        return self.steps[-1]

    @property
    def agrees(self) -> bool:
        """Whether every decision that can be compared was followed."""
        return all(step.agrees is not False for step in self.steps)


def read_rows(path: str | pathlib.Path) -> list[dict[str, str]]:
    """Rows of a CSV file with a header, as text.

    Raises
    ------
    CaseError
        No such file, no text, or no column `level` or `dlt`.
    """
    file = pathlib.Path(path)
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise CaseError(f"{file.name} has more than {_MAX_BYTES // 10**6} MB; that is no trial.")
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise CaseError(f"There is no file {file.name}.") from None
    except UnicodeDecodeError:
        raise CaseError(f"{file.name} is not text in UTF-8; a CSV file is expected.") from None
    except OSError as error:
        raise CaseError(f"{file.name} cannot be read: {(error.strerror or str(error)).lower()}.") from None
    reader = csv.DictReader(io.StringIO(text))
    names = [n.strip() for n in reader.fieldnames or []]
    reader.fieldnames = names
    for need in ("level", "dlt"):
        if need not in names:
            told = f"{file.name} has no column {need}. {suggestion(need, names)}"
            raise CaseError(f"{told}Columns: level and dlt; and if known {', '.join(COLUMNS[4:])}, patient, trial.")
    rows = [{k: (v or "").strip() for k, v in row.items() if k is not None} for row in reader]
    if not rows:
        raise CaseError(f"{file.name} has no patient below its header.")
    return rows


def _number(row: Mapping[str, Any], name: str, line: int, *, default: float | None = None) -> float:
    text = str(row.get(name, "")).strip()
    if not text:
        if default is not None:
            return default
        raise CaseError(f"Row {line}: {name} is empty.")
    try:
        value = float(text)
    except ValueError:
        raise CaseError(f"Row {line}: {name} is {text!r}; a number is expected.") from None
    if not math.isfinite(value):
        raise CaseError(f"Row {line}: {name} is {text!r}; a finite number is expected.")
    return value


def _yes(row: Mapping[str, Any], name: str, line: int, default: float | None = None) -> bool:
    value = _number(row, name, line, default=default)
    if value not in (0.0, 1.0):
        raise CaseError(f"Row {line}: {name} is {value:g}; 0 (no) or 1 (yes) is expected.")
    return bool(value)


@dataclass(frozen=True, eq=False)
class _Data:
    """The rows as arrays [patient], with a leading trial axis of length 1 where the engines want one."""

    level: Ints
    dlt: Any
    evaluable: Any
    response: Any | None
    follow: Floats
    enrolled: Floats | None
    window: float
    died: Any
    backfilled: Any
    stopped: float | None = None


def _data(rows: Sequence[Mapping[str, Any]], design: Design, levels: int | None) -> tuple[_Data, int]:
    level, dlt, evaluable, response, follow, enrolled, died, filler = [], [], [], [], [], [], [], []
    timed = all(str(r.get("enrolled_week", "")).strip() for r in rows)
    answers = all(str(r.get("response", "")).strip() for r in rows)
    if design.outcomes != "toxicity" and not answers:
        raise CaseError(f"{design.name} decides on toxicity and response: every row needs a response (0 or 1).")
    for line, row in enumerate(rows, start=2):
        value = _number(row, "level", line)
        known = design.levels or levels
        if value != int(value) or value < 1 or (known is not None and value > known):
            allowed = f"1 to {known}" if known else "1 upwards"
            raise CaseError(f"Row {line}: level is {value:g}; levels are whole numbers, {allowed}.")
        level.append(int(value))
        dlt.append(_yes(row, "dlt", line))
        evaluable.append(_yes(row, "evaluable", line, 1.0) or dlt[-1])
        died.append(_yes(row, "died", line, 0.0) and not dlt[-1])
        filler.append(_yes(row, "backfilled", line, 0.0))
        response.append(answers and _yes(row, "response", line))
        time = _number(row, "follow_up_weeks", line, default=design.span)
        if time < 0.0:
            raise CaseError(f"Row {line}: follow_up_weeks is {time:g}; it must be zero or more.")
        follow.append(time if design.window is not None else max(time, 1.0))  # without a window everybody is complete
        enrolled.append(_number(row, "enrolled_week", line) if timed else 0.0)
        if timed and len(enrolled) > 1 and enrolled[-1] < enrolled[-2]:
            raise CaseError(
                f"Row {line}: enrolled_week is {enrolled[-1]:g}, before the patient above ({enrolled[-2]:g})."
            )
    if level[0] != design.start:
        raise CaseError(f"Row 2: the first patient got level {level[0]}; this design starts at level {design.start}.")
    return _Data(
        np.array(level, dtype=np.int64), np.array(dlt), np.array(evaluable), np.array(response) if answers else None,
        np.array(follow), np.array(enrolled) if timed else None, design.span, np.array(died), np.array(filler),
        _number(rows[0], "stopped_week", 2, default=math.nan) if timed else None,
    ), max(levels or 0, design.levels or 0, max(level))  # fmt: skip


def replay_rows(
    design: Design, rows: Sequence[Mapping[str, Any]], *, levels: int | None = None, calendar: Calendar | None = None,
    trial: int | None = None,
) -> Replay:  # fmt: skip
    """Decide a recorded trial again.

    Parameters
    ----------
    design : Design
        Its window in weeks; without one everybody counts as followed to the end.
    rows : sequence of mappings
        One per patient, in the order of enrolment; see `COLUMNS`.
    levels : int, optional
        Dose levels of the trial; default: the design's own, or the highest level given.
    calendar : Calendar, optional
        Its reading delay is used.
    trial : int, optional
        A number to remember.

    Returns
    -------
    Replay

    Raises
    ------
    CaseError
        A row cannot be read, named by its number in the file (the header is row 1).

    Examples
    --------
    >>> from alphatwin.trials import boin
    >>> rows = [{"level": 1, "dlt": 0}] * 3 + [{"level": 2, "dlt": d} for d in (0, 1, 1)]
    >>> found = replay_rows(boin(target=0.25, cohort_size=3, cohorts=8), rows, levels=5)
    >>> [(s.level, s.decision, s.agrees) for s in found.steps]
    [(1, 2, True), (2, 1, None)]
    """
    if not rows:
        raise CaseError("There is no patient to replay.")
    data, known = _data(rows, design, levels)
    backfills = getattr(design, "backfill", None) is not None
    if design.window is None and data.enrolled is not None and (backfills or design.follows_pending):
        raise CaseError(f"{design.name} decides in calendar time: give its design a window (window_weeks).")
    if data.backfilled.any() and not backfills:
        raise CaseError(
            f"Row {int(data.backfilled.argmax()) + 2}: backfilled, but this {design.name} has no backfill rule."
        )
    if backfills and data.enrolled is None:
        raise CaseError("A design that backfills decides in calendar time: every row needs enrolled_week.")
    run = _pending if design.follows_pending or backfills else _complete
    steps, top, last = run(design, data, known, calendar or Calendar())
    evaluable = data.evaluable
    n = tuple(int(((data.level == d + 1) & evaluable).sum()) for d in range(known))
    y = tuple(int(((data.level == d + 1) & evaluable & data.dlt).sum()) for d in range(known))
    treated = int(evaluable.sum()) if run is _complete else int((~data.backfilled).sum())
    over = steps[-1].decision == STOP or treated >= design.max_patients(known)
    recommended = _selected(design, data, known, top, last, complete=run is _complete)
    return Replay(design.name, tuple(steps), n, y, over, recommended, trial)


def _selected(design: Design, data: _Data, levels: int, top: int, last: int, *, complete: bool) -> int:
    if not complete:
        records = _now(design, data, levels, np.array([top]), np.array([last]))
        return int(design.select_records_batch(records)[0])
    zero = np.zeros(1, dtype=np.int64)
    keep = np.flatnonzero(data.evaluable)
    return int(design.select_batch(_states(design, data, keep, levels, last, top, zero, zero))[0])


def _states(
    design: Design, data: _Data, keep: Ints, levels: int, current: int, top: int, last_n: Ints, last_y: Ints
) -> States:
    """Complete data of these patients as a batch of one."""
    level = data.level[keep]
    n, y = _count(level, data.evaluable[keep], levels), _count(level, data.dlt[keep], levels)
    good = both = None
    if data.response is not None and design.outcomes != "toxicity":
        good = _count(level, data.response[keep], levels)
        both = _count(level, (data.response & data.dlt)[keep], levels)
    return States(n, y, np.array([current]), np.array([top]), last_n, last_y, good, both)


def _count(level: Ints, which: Any, levels: int) -> Ints:
    return np.bincount(level[which] - 1, minlength=levels)[None, :levels].astype(np.int64)


def _complete(design: Design, data: _Data, levels: int, calendar: Calendar) -> tuple[list[Step], int, int]:
    """Designs that wait for everybody: cohorts of evaluable patients, in order; patients lost early were replaced."""
    size = design.cohort_size
    index = np.flatnonzero(data.evaluable)
    top, steps, last = levels, [], design.start
    begun = 0
    while begun < len(index):
        cohort = index[begun : begun + size]
        level = int(data.level[cohort[0]])
        odd = cohort[data.level[cohort] != level]
        if len(odd):
            raise CaseError(
                f"Row {odd[0] + 2}: level {data.level[odd[0]]} within a cohort at level {level}; cohorts have {size} patients."
            )
        last = level
        after = int(cohort[-1]) + 1
        pending = (~data.dlt & ~data.died & (data.follow < data.window))[cohort]
        if len(cohort) < size or pending.any():
            missing = size - len(cohort)
            why = (
                f"treat {missing} more at level {level}, then decide" if missing else explain(level, levels, WAIT, top)
            )
            steps.append(Step(after, level, level if missing else WAIT, top, why, None))
            break
        begun += size
        last_y = np.array([int(data.dlt[cohort].sum())])
        states = _states(design, data, index[:begun], levels, level, top, np.array([size]), last_y)
        decision, new_top = (int(v[0]) for v in design.decide_batch(states))
        top = new_top
        done = int(data.level[index[begun]]) if begun < len(index) else None
        full = begun >= design.max_patients(levels)
        why = explain(level, levels, decision, top) if not full else "the trial has its full size"
        steps.append(Step(after, level, STOP if full else decision, top, why, done))
    return steps, top, last


def _now(design: Design, data: _Data, levels: int, top: Ints, given: Ints) -> Records:
    """The data as they stand, without times of enrolment."""
    gone = (~data.evaluable)[None, :]
    follow = np.where(data.died, data.window, np.minimum(data.follow, data.window))
    response = known = None
    if data.response is not None:
        response, known = data.response[None, :], np.ones((1, len(data.level)), dtype=bool)
    return Records(
        data.level[None, :], data.dlt[None, :], follow[None, :], given, top, levels, gone, response, known,
        data.backfilled[None, :],
    )  # fmt: skip


def _pending(design: Design, data: _Data, levels: int, calendar: Calendar) -> tuple[list[Step], int, int]:
    """Designs that follow pending patients or backfill: each cohort's decision from what was known when it began."""
    size, top, patients = design.cohort_size, levels, len(data.level)
    steps: list[Step] = []
    escalated = np.flatnonzero(~data.backfilled)  # patients of the escalation itself
    last = int(data.level[escalated[-1]])
    if data.enrolled is not None:
        people, enrolled, level = _people(data, levels), data.enrolled[None, :], data.level[None, :]
        starts = [int(escalated[k]) for k in range(size, len(escalated), size)]
        moments = [(j, int(data.level[escalated[escalated < j][-1]]), float(data.enrolled[j])) for j in starts]
        if data.stopped is not None and math.isfinite(data.stopped):  # the decision that ended it
            moments.append((patients, last, data.stopped))
        for j, at, when in moments:
            records = _records(
                design, people, level, enrolled, np.array([at]), np.array([top]), np.array([when]), calendar, data.window,
                levels, np.array([0]), j, data.backfilled[None, :],
            )  # fmt: skip
            decision, new_top = (int(v[0]) for v in design.decide_records_batch(records))
            top = min(top, new_top)
            done = int(data.level[j]) if j < patients else STOP
            steps.append(Step(j, at, decision, top, explain(at, levels, decision, top), done))
        ends = _news(people, level, enrolled, calendar, data.window).max(axis=1) + 1.0
        records = _records(
            design, people, level, enrolled, np.array([last]), np.array([top]), ends, calendar, data.window, levels,
            np.array([0]), patients, data.backfilled[None, :],
        )  # fmt: skip
    else:
        records = _now(design, data, levels, np.array([top]), np.array([last]))
    if steps and steps[-1].done == STOP:
        return steps, top, last
    decision, new_top = (int(v[0]) for v in design.decide_records_batch(records))
    top = min(top, new_top)
    why = explain(last, levels, decision, top)
    if len(escalated) % size:
        decision, why = last, f"treat {size - len(escalated) % size} more at level {last}, then decide"
    elif len(escalated) >= design.max_patients(levels) and decision != WAIT:
        decision, why = STOP, "the trial has its full size"
    steps.append(Step(patients, last, decision, top, why, None))
    return steps, top, last


def _people(data: _Data, levels: int) -> _Patients:
    shape = (1, len(data.level), levels)
    event = np.where(data.dlt, data.follow, np.inf)
    leaves = np.where(~data.evaluable & ~data.dlt, data.follow, np.inf)
    response = None
    if data.response is not None:
        response = np.broadcast_to(data.response[None, :, None], shape)
    dies = np.where(data.died, data.follow, np.inf)
    events = np.broadcast_to(event[None, :, None], shape)
    return _Patients(np.zeros((1, shape[1])), events, leaves[None, :], dies[None, :], response, None)


def split_trials(rows: Sequence[Mapping[str, Any]]) -> dict[int | None, list[Mapping[str, Any]]]:
    """The rows of each trial, where a column `trial` numbers them.

    Raises
    ------
    DomainError
        A trial's number is no whole number.
    """
    made: dict[int | None, list[Mapping[str, Any]]] = {}
    for line, row in enumerate(rows, start=2):
        text = str(row.get("trial", "")).strip()
        if text and not text.isdigit():
            raise DomainError(f"Row {line}: trial is {text!r}; a whole number is expected.")
        made.setdefault(int(text) if text else None, []).append(row)
    return made
