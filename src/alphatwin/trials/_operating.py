"""Operating characteristics: what a design does when the truth is known; exact where it can be, else with its error.

Every number of a simulation stands beside its Monte Carlo standard error; a number without one is exact. The recommended
level and the next level are never mixed up: selection asks `design.select_batch`, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import DomainError
from ._checks import whole
from ._exact import TooManyStates, exact_states
from ._simulate import simulate_trials
from .calendar import Calendar, VirtualTrials, calendar_trials
from .designs import Design, Floats, Ints
from .truth import Probabilities, Truth, as_truth

__all__ = ["OperatingCharacteristics", "operating_characteristics", "true_mtd", "virtual_trials"]

_CHUNK = 10_000  # trials at once; the result does not depend on it
_CHUNK_TIMES = 2_000  # the same where every patient has times at every level


@dataclass(frozen=True, eq=False)
class OperatingCharacteristics:
    """What a design does under one truth.

    Parameters
    ----------
    design : Design
    truth : Truth
    exact : bool
        Whether the numbers are exact; else they are means over `trials` simulated trials.
    selection : array [1 + level]
        Probability that nothing is selected, then that each level is.
    standard_error : array [1 + level]
        Of `selection`; 0 where exact. A share of 0 or 1 among N trials gets the error of (k + 1/2) / (N + 1), never 0.
    mean_patients, mean_dlt : array [level]
        Mean number of patients, and of patients with a DLT.
    mean_patients_error : array [level]
        Standard error of `mean_patients`.
    sd_total_patients : float
        Standard deviation of the size of the trial.
    target : float or None
        The design's target DLT rate.
    window_weeks : float
        The window in which a toxicity counts; infinite for a plain table without time.
    trials, seed : int
        0 trials where exact.
    note : str
        Why a simulation was made although an exact answer was asked for.
    mean_weeks, mean_weeks_error, mean_weeks_suspended : float or None
        Duration of the trial and of suspended accrual, where the calendar was simulated.
    """

    design: Design
    truth: Truth
    exact: bool
    selection: Floats
    standard_error: Floats
    mean_patients: Floats
    mean_patients_error: Floats
    mean_dlt: Floats
    sd_total_patients: float
    target: float | None
    window_weeks: float
    trials: int = 0
    seed: int = 0
    note: str = ""
    mean_weeks: float | None = None
    mean_weeks_error: float | None = None
    mean_weeks_suspended: float | None = None

    @property
    def mean_total_patients(self) -> float:
        """Mean size of the trial."""
        return float(self.mean_patients.sum())

    @property
    def mean_total_dlt(self) -> float:
        """Mean number of patients with a DLT."""
        return float(self.mean_dlt.sum())

    @property
    def true_dlt(self) -> Floats:
        """P(toxicity in the window) per level."""
        return self.truth.toxicity_by(self.window_weeks)

    @property
    def mtd(self) -> int | None:
        """The level whose true DLT rate is nearest the target (the lower of two equally near); None without a target."""
        return None if self.target is None else true_mtd(self.true_dlt, self.target)

    @property
    def correct(self) -> float | None:
        """P(the true MTD is selected)."""
        return None if self.mtd is None else float(self.selection[self.mtd])

    @property
    def overdose(self) -> float | None:
        """P(a level above the true MTD is selected)."""
        return None if self.mtd is None else float(self.selection[self.mtd + 1 :].sum())

    @property
    def overdosed_patients(self) -> float | None:
        """Mean number of patients treated above the true MTD."""
        return None if self.mtd is None else float(self.mean_patients[self.mtd :].sum())

    def at_selected(self, estimand: str) -> tuple[float, float]:
        """Mean of an estimand of the truth at the selected level, given that one is selected, and its standard error.

        E[v_D | D > 0] = sum P(D) v_D / (1 - P(none)). The error is that of the simulated selection; the estimand is exact.

        Raises
        ------
        CatalogError
            The truth has no estimand of that name.
        """
        from ..errors import missing

        known = {e.name: e for e in self.truth.estimands()}
        if estimand not in known:
            raise missing("estimand", estimand, known)
        values, p = np.asarray(known[estimand].values), self.selection[1:]
        some = float(p.sum())
        if some == 0.0:
            return math.nan, math.nan
        mean = float(p @ values) / some
        if self.exact:
            return mean, 0.0
        spread = float(p @ (values - mean) ** 2) / some
        return mean, math.sqrt(spread / (some * self.trials))

    def rows(self) -> list[dict[str, Any]]:
        """One mapping per level, with "none" first: a tidy table."""
        made: list[dict[str, Any]] = [
            {"level": 0, "label": "none", "true_dlt": None, "selection": float(self.selection[0]),
             "selection_se": float(self.standard_error[0]), "mean_patients": None, "mean_patients_se": None, "mean_dlt": None}
        ]  # fmt: skip
        for d, label in enumerate(self.truth.labels):
            made.append(
                {"level": d + 1, "label": label, "true_dlt": float(self.true_dlt[d]), "selection": float(self.selection[d + 1]),
                 "selection_se": float(self.standard_error[d + 1]), "mean_patients": float(self.mean_patients[d]),
                 "mean_patients_se": float(self.mean_patients_error[d]), "mean_dlt": float(self.mean_dlt[d])}
            )  # fmt: skip
        return made


def true_mtd(dlt: Floats | Sequence[float], target: float) -> int:
    """Level (from 1) whose true DLT rate is nearest the target; the lower of two equally near.

    Examples
    --------
    >>> true_mtd([0.05, 0.2, 0.3, 0.5], 0.25)
    2
    """
    distance = np.abs(np.asarray(dlt, dtype=float) - target)
    return int(np.flatnonzero(distance <= distance.min() + 1e-12)[0]) + 1


def operating_characteristics(
    design: Design,
    truth: Truth | Sequence[float],
    exact: bool = True,
    *,
    trials: int = 10_000,
    seed: int = 1,
    calendar: Calendar | None = None,
    window_weeks: float | None = None,
) -> OperatingCharacteristics:
    """What a design does when the truth is known: selection, patients, toxicities.

    Parameters
    ----------
    design : Design
        E.g. `boin(target=0.25, cohort_size=3, cohorts=10)`.
    truth : sequence of float, or Truth
        DLT probabilities, one per level, or a truth with times.
    exact : bool
        By recursion over all states, without a random number. Falls back to a simulation, which `.exact`, `.note` and
        `.standard_error` tell, where the design decides with pending patients, a calendar is given, or there are too many states.
    trials, seed : int
        Of a simulation. The same seed gives every design the same patients, and the same bits on any machine.
    calendar : Calendar, optional
        Simulate arrivals, follow-up and suspended accrual. Designs that follow pending patients always do.
    window_weeks : float, optional
        The window in which a toxicity counts. Default: the design's window if it was set, else the truth's own.

    Returns
    -------
    OperatingCharacteristics

    Raises
    ------
    DomainError
        The design was made for another number of levels, or needs responses that the truth does not have.

    Examples
    --------
    >>> from alphatwin.trials import three_plus_three
    >>> found = operating_characteristics(three_plus_three(), [0.02, 0.05, 0.10, 0.25, 0.45])
    >>> found.selection.round(6).tolist()
    [0.004573, 0.026436, 0.090943, 0.351348, 0.403285, 0.123416]
    >>> round(found.mean_total_patients, 6)
    16.147587
    """
    if not isinstance(design, Design):
        raise DomainError(f"The design was given as {type(design).__name__}; make one, e.g. boin(target=0.25).")
    known = _as_truth(truth, design, window_weeks)
    _fits(design, known)
    window = _window(design, known, window_weeks)
    calendar, note = _how(design, calendar, exact)
    if exact and not note:
        response = np.asarray(known.response) if design.outcomes != "toxicity" else None
        try:
            return _exact(design, known, window, response)
        except TooManyStates:
            note = "too many states for an exact recursion; simulated"
    whole("trials", trials, 1, 10_000_000)
    whole("seed", seed, 0)
    return _simulated(design, known, window, calendar, trials, seed, note)


def _fits(design: Design, truth: Truth) -> None:
    if design.levels is not None and design.levels != truth.doses:
        raise DomainError(
            f"The truth has {truth.doses} dose levels; this {design.name} was made for {design.levels}. Give one DLT "
            "probability per level."
        )
    if design.start > truth.doses:
        raise DomainError(f"The trial starts at level {design.start}; the truth has {truth.doses} levels.")
    if design.outcomes != "toxicity" and truth.response is None:
        raise DomainError(
            f"{design.name} decides on toxicity and response; the truth has no P(response). Give "
            "Probabilities(dlt, efficacy)."
        )


def _as_truth(truth: Truth | Sequence[float], design: Design, window_weeks: float | None) -> Truth:
    """A truth; a plain list holds for the window that the design has, whatever its length."""
    known = as_truth(truth)
    if isinstance(truth, Truth) or not isinstance(known, Probabilities):
        return known
    weeks = window_weeks if window_weeks is not None else design.window or known.window_weeks
    return replace(known, window_weeks=weeks)


def _window(design: Design, truth: Truth, window_weeks: float | None) -> float:
    """Weeks: what was asked for, the design's own, or the truth's."""
    if window_weeks is not None:
        if not window_weeks > 0.0:
            raise DomainError(f"window_weeks is {window_weeks:g}; it must be above zero.")
        return float(window_weeks)
    own = float(getattr(truth, "window_weeks", None) or math.inf)
    return own if design.window is None else float(design.window)


def _how(design: Design, calendar: Calendar | None, exact: bool) -> tuple[Calendar | None, str]:
    """The calendar to simulate on, and why an exact answer cannot be had."""
    if getattr(design, "backfill", None) is not None:
        return calendar or Calendar(), "backfilling happens in calendar time; simulated" if exact else ""
    if design.follows_pending:
        told = "the design decides with pending patients, so time matters; simulated"
        return calendar or Calendar(), told if exact else ""
    return calendar, "trials on a calendar are simulated" if exact and calendar is not None else ""


def _exact(design: Design, truth: Truth, window: float, response: Floats | None) -> OperatingCharacteristics:
    ends = exact_states(design, truth.toxicity_by(window), response)
    p, n = ends.probability, ends.states.n
    selected = design.select_batch(ends.states)
    total = n.sum(axis=1)
    mean = float(p @ total)
    return OperatingCharacteristics(
        design, truth, True,
        np.asarray(np.bincount(selected, weights=p, minlength=truth.doses + 1), dtype=float), np.zeros(truth.doses + 1),
        p @ n, np.zeros(truth.doses), p @ ends.states.y, math.sqrt(max(float(p @ (total - mean) ** 2), 0.0)),
        _target(design), window,
    )  # fmt: skip


def _target(design: Design) -> float | None:
    target = getattr(design, "target", None)
    return None if target is None else float(target)


def _pieces(trials: int, chunk: int) -> list[tuple[int, int]]:
    return [(first, min(chunk, trials - first)) for first in range(0, trials, chunk)]


def _simulated(
    design: Design, truth: Truth, window: float, calendar: Calendar | None, trials: int, seed: int, note: str
) -> OperatingCharacteristics:
    levels = truth.doses
    chosen, patients, squares, dlt = (np.zeros(levels + 1, dtype=np.int64) for _ in range(4))
    totals = np.zeros(2, dtype=np.int64)
    weeks: list[Floats] = []
    suspended: list[Floats] = []
    timed = calendar is not None or not isinstance(truth, Probabilities)
    for first, count in _pieces(trials, _CHUNK_TIMES if timed else _CHUNK):
        if calendar is None:
            selected, n, y, _ = simulate_trials(design, truth, window, seed=seed, first=first, trials=count)
        else:
            found = calendar_trials(
                design, truth, calendar, _finite(truth, window), seed=seed, first=first, trials=count
            )
            selected, (n, y) = found.selected, _treated(found, levels)
            if found.duration_weeks is not None and found.suspended_weeks is not None:
                weeks.append(found.duration_weeks)
                suspended.append(found.suspended_weeks)
        chosen += np.bincount(selected, minlength=levels + 1)
        patients[1:] += n.sum(axis=0)
        squares[1:] += (n * n).sum(axis=0)
        dlt[1:] += y.sum(axis=0)
        size = n.sum(axis=1)
        totals += (int(size.sum()), int((size * size).sum()))
    share = (chosen + 0.5) / (trials + 1.0)
    mean = patients[1:] / trials
    variance = np.maximum(squares[1:] / trials - mean**2, 0.0)
    span = np.concatenate(weeks) if weeks else None
    return OperatingCharacteristics(
        design, truth, False, chosen / trials, np.sqrt(share * (1.0 - share) / trials),
        mean, np.sqrt(variance / trials), dlt[1:] / trials,
        math.sqrt(max(totals[1] / trials - (totals[0] / trials) ** 2, 0.0)), _target(design), window, trials, seed, note,
        None if span is None else float(span.mean()),
        None if span is None else float(span.std() / math.sqrt(trials)),
        float(np.concatenate(suspended).mean()) if suspended else None,
    )  # fmt: skip


def _treated(found: VirtualTrials, levels: int) -> tuple[Ints, Ints]:
    """Patients treated (evaluable or not) and DLTs, [trial, level]."""
    n, y = (np.empty((len(found.level), levels), dtype=np.int64) for _ in range(2))
    for d in range(levels):
        here = found.level == d + 1
        n[:, d], y[:, d] = here.sum(axis=1), (here & found.dlt).sum(axis=1)
    return n, y


def _finite(truth: Truth, window: float) -> float:
    """A window that the calendar can wait for."""
    return window if math.isfinite(window) else float(getattr(truth, "window_weeks", None) or 6.0)


def virtual_trials(
    design: Design,
    truth: Truth | Sequence[float],
    trials: int = 10,
    *,
    seed: int = 1,
    calendar: Calendar | None = None,
    window_weeks: float | None = None,
) -> VirtualTrials:
    """Single simulated trials with every patient in them, to look at, to export or to replay.

    Parameters
    ----------
    design, truth, seed, calendar, window_weeks :
        As in `operating_characteristics`; trial i is the same trial as there.
    trials : int
        How many.

    Returns
    -------
    VirtualTrials

    Examples
    --------
    >>> from alphatwin.trials import boin
    >>> some = virtual_trials(boin(target=0.25, cohort_size=3, cohorts=4), [0.1, 0.25, 0.4], trials=5)
    >>> some.level.shape
    (5, 12)
    """
    known = _as_truth(truth, design, window_weeks)
    _fits(design, known)
    window = _finite(known, _window(design, known, window_weeks))
    calendar, _ = _how(design, calendar, False)
    if calendar is not None:
        return calendar_trials(design, known, calendar, window, seed=seed, first=0, trials=trials)
    found = simulate_trials(design, known, window, seed=seed, first=0, trials=trials, keep=True)[3]
    assert found is not None
    return found
