"""Many trials at once on complete data: one array operation per cohort, whatever the number of trials."""

from __future__ import annotations

import numpy as np

from ._uniforms import patient_uniforms
from .calendar import VirtualTrials
from .designs import STOP, Design, Ints, States
from .truth import Probabilities, Role, Truth

__all__ = ["simulate_trials"]


def simulate_trials(
    design: Design, truth: Truth, window_weeks: float, *, seed: int, first: int, trials: int, keep: bool = False
) -> tuple[Ints, Ints, Ints, VirtualTrials | None]:
    """Run trials `first` to `first + trials - 1`, each cohort complete before the next begins.

    Parameters
    ----------
    design, truth :
        See their classes; a DLT is a toxicity within `window_weeks`.
    keep : bool
        Whether every patient is returned too.

    Returns
    -------
    selected : int[trial]
        0: none.
    n, y : int[trial, level]
        Patients, and those with a DLT.
    VirtualTrials or None
    """
    levels, size, limit = truth.doses, design.cohort_size, design.cohort_limit(truth.doses)
    needs_response = design.outcomes != "toxicity"
    plain = isinstance(truth, Probabilities)
    u = patient_uniforms(seed, first, trials, size * limit, 1 if plain else 3)
    drawn = None if plain else truth.drawn(u)
    p = truth.toxicity_by(window_weeks) if plain else None
    r = np.asarray(truth.response) if truth.response is not None else None
    each = np.arange(trials)
    n, y, good, both = (np.zeros((trials, levels), dtype=np.int64) for _ in range(4))
    level = np.full(trials, design.start, dtype=np.int64)
    top, given = np.full(trials, levels, dtype=np.int64), level.copy()
    level_of = np.zeros((trials, size * limit), dtype=np.int64)
    tox_of, good_of = np.zeros_like(level_of, dtype=bool), np.zeros_like(level_of, dtype=bool)
    active = np.ones(trials, dtype=bool)
    for cohort in range(limit):
        columns = slice(cohort * size, (cohort + 1) * size)
        rows = each if active.all() else np.flatnonzero(active)
        d = level[rows] - 1
        if p is not None:
            tox = u[rows, columns, Role.TOXICITY] < p[d][:, None]
        elif drawn is not None:
            times = drawn.toxicity_weeks[rows, columns][np.arange(len(rows)), :, d]
            tox = times <= window_weeks
        count = tox.sum(axis=1)
        n[rows, d] += size
        y[rows, d] += count
        if keep:
            level_of[rows, columns], tox_of[rows, columns] = level[rows][:, None], tox
        if r is not None and (needs_response or keep):
            if drawn is not None and drawn.response is not None:
                answer = drawn.response[rows, columns][np.arange(len(rows)), :, d]
            else:
                answer = u[rows, columns, Role.RESPONSE] < r[d][:, None]
            good[rows, d] += answer.sum(axis=1)
            both[rows, d] += (answer & tox).sum(axis=1)
            good_of[rows, columns] = answer
        given[rows] = level[rows]
        extra = (good[rows], both[rows]) if needs_response else ()
        states = States(n[rows], y[rows], given[rows], top[rows], np.full(len(rows), size), count, *extra)
        level[rows], top[rows] = design.decide_batch(states)
        active[rows] = level[rows] != STOP
        if not active.any():
            break
    zero = np.zeros(trials, dtype=np.int64)
    final = States(n, y, given, top, zero, zero, *((good, both) if needs_response else ()))
    selected = design.select_batch(final)
    if not keep:
        return selected, n, y, None
    late = None
    if drawn is not None and drawn.late_weeks is not None:
        late = np.take_along_axis(drawn.late_weeks, np.maximum(level_of - 1, 0)[..., None], axis=2)[..., 0]
    seen = level_of > 0
    times = np.where(seen, window_weeks, np.nan)
    outcomes = drawn if drawn is not None else truth.drawn(u)
    when = np.take_along_axis(outcomes.toxicity_weeks, np.maximum(level_of - 1, 0)[..., None], axis=2)[..., 0]
    times = np.where(tox_of, when, times)
    response = good_of if r is not None else None
    return (
        selected,
        n,
        y,
        VirtualTrials(level_of, tox_of, times, seen, selected, None, response, None, None, late, first),
    )
