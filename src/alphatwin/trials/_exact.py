"""Exact operating characteristics of a design on complete data: a recursion over the states a trial can be in.

After each cohort a trial is fully described by what was seen at each level, the level of the next cohort and the highest
level still allowed. All states of one layer (one number of cohorts) are rows of integer arrays with a probability each; a
cohort turns a row into one row per outcome, weighted binomially (multinomially with responses), the rule is asked for all
of them at once, and rows that have become equal are merged. Nothing is drawn, so nothing has a standard error.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .designs import STOP, Design, Floats, Ints, States

__all__ = ["Finished", "TooManyStates", "exact_states"]

_PIECE = 400_000  # rows after the next cohort that are looked at together
Rows = tuple[NDArray[Any], Ints, Ints, Floats]  # counts[row, column], level, top, probability


class TooManyStates(Exception):
    """The recursion would hold more states than the design's `exact_rows`."""


@dataclass(frozen=True, eq=False)
class Finished:
    """Every end a trial can have, with its probability.

    Parameters
    ----------
    states : States
        One row per end; `current` is the level given last.
    probability : array [row]
        Sums to 1.
    """

    states: States
    probability: Floats


def exact_states(design: Design, dlt: Floats, response: Floats | None = None) -> Finished:
    """All ends of a trial and their probabilities.

    Parameters
    ----------
    design : Design
        Asked through `decide_batch` only.
    dlt, response : array [level]
        Probabilities, independent of each other within a patient.

    Returns
    -------
    Finished

    Raises
    ------
    TooManyStates
        A layer has more than the design's `exact_rows` rows.
    """
    levels, width = len(dlt), 2 if response is None else 4 if design.needs_both else 3
    size, limit = design.cohort_size, design.cohort_limit(len(dlt))
    table = np.zeros((1, width * levels), dtype=np.int16)  # small counts: a quarter of the memory
    level, top = np.array([design.start], dtype=np.int64), np.array([levels], dtype=np.int64)
    weight = np.ones(1)
    outcomes, chances = _outcomes(size, dlt, response)
    if width == 3:  # nobody asks which patients had both: fewer outcomes, far fewer states
        pairs, where = np.unique(outcomes[:, :2], axis=0, return_inverse=True)
        outcomes = pairs
        chances = np.stack([np.bincount(where.ravel(), weights=row) for row in chances])
    most = design.exact_rows if response is None else design.exact_rows // 4  # rules on responses are slower
    ends: list[Rows] = []
    for cohort in range(limit):
        stay: list[Rows] = []
        step = max(_PIECE // len(outcomes), 1)
        for first in range(0, len(weight), step):
            piece = slice(first, first + step)
            rows = table[piece], level[piece], top[piece], weight[piece]
            over, on = _after_cohort(design, rows, outcomes, chances, levels, last=cohort == limit - 1)
            ends.append(over)
            stay.append(on)
            if sum(len(rows[-1]) for rows in stay) > 3 * most or sum(len(rows[-1]) for rows in ends) > most:
                raise TooManyStates
        table, level, top, weight = _merged(*_joined(stay))
        if len(weight) > most:
            raise TooManyStates
        if not len(weight):
            break
    table, given, top, weight = _merged(*_joined(ends))
    zero = np.zeros(len(given), dtype=np.int64)
    return Finished(_states(table, given, top, levels, zero, zero), weight)


def _joined(parts: list[Rows]) -> Rows:
    table, level, top, weight = zip(*parts, strict=True)
    return np.concatenate(table), np.concatenate(level), np.concatenate(top), np.concatenate(weight)


def _states(table: NDArray[Any], current: Ints, top: Ints, levels: int, last_n: Ints, last_y: Ints) -> States:
    parts = [table[:, i * levels : (i + 1) * levels].astype(np.int64) for i in range(table.shape[1] // levels)]
    return States(parts[0], parts[1], current, top, last_n, last_y, *parts[2:])


def _outcomes(size: int, dlt: Floats, response: Floats | None) -> tuple[Ints, Floats]:
    """What a cohort can show, [outcome, (DLT, response, both)], and its chance [level, outcome]."""
    rows: list[tuple[int, int, int]] = []
    chance: list[Floats] = []
    if response is None:
        for k in range(size + 1):
            rows.append((k, 0, 0))
            chance.append(math.comb(size, k) * dlt**k * (1.0 - dlt) ** (size - k))
        return np.array(rows, dtype=np.int64), np.stack(chance, axis=1)
    for both, only_dlt, only_response in itertools.product(range(size + 1), repeat=3):
        neither = size - both - only_dlt - only_response
        if neither < 0:
            continue
        ways = math.factorial(size) // math.prod(math.factorial(v) for v in (both, only_dlt, only_response, neither))
        rows.append((both + only_dlt, both + only_response, both))
        chance.append(
            ways * (dlt * response) ** both * (dlt * (1.0 - response)) ** only_dlt
            * ((1.0 - dlt) * response) ** only_response * ((1.0 - dlt) * (1.0 - response)) ** neither
        )  # fmt: skip
    return np.array(rows, dtype=np.int64), np.stack(chance, axis=1)


def _after_cohort(
    design: Design, rows: Rows, outcomes: Ints, chances: Floats, levels: int, *, last: bool
) -> tuple[Rows, Rows]:
    """Trials that end and trials that go on after one more cohort; outcomes without a chance are left out."""
    table, level, top, weight = rows
    size, ways = design.cohort_size, len(outcomes)
    weight = (weight[:, None] * chances[level - 1]).ravel()
    possible = np.flatnonzero(weight > 0.0)
    state, outcome = np.divmod(possible, ways)
    table, given, top, weight = table[state], level[state], top[state], weight[possible]
    each, column = np.arange(len(possible)), given - 1
    table[each, column] += size
    for i in range(table.shape[1] // levels - 1):
        table[each, column + (i + 1) * levels] += outcomes[outcome, i].astype(np.int16)
    states = _states(table, given, top, levels, np.full(len(given), size), outcomes[outcome, 0])
    level, top = design.decide_batch(states)
    over = np.ones(len(level), dtype=bool) if last else level == STOP
    on = ~over
    return (
        _merged(table[over], given[over], top[over], weight[over]),
        _merged(table[on], level[on], top[on], weight[on]),
    )


def _merged(table: NDArray[Any], level: Ints, top: Ints, weight: Floats) -> Rows:
    """Equal rows become one; their probabilities add up."""
    if len(weight) < 2:
        return table, level, top, weight
    rows = np.column_stack([table, level.astype(table.dtype), top.astype(table.dtype)])
    first, inverse = _distinct(rows)
    return (
        table[first],
        level[first],
        top[first],
        np.asarray(np.bincount(inverse, weights=weight, minlength=len(first)), dtype=float),
    )


def _distinct(rows: NDArray[Any]) -> tuple[Ints, Ints]:
    """Index of the first of each distinct row, and for every row which of those it equals.

    The rows are packed into one 64-bit word when their ranges allow it; otherwise they are hashed, and the hash is checked
    against the rows themselves, so that the result is exact either way.
    """
    spans = rows.max(axis=0).astype(np.int64) + 1
    if float(np.prod(spans.astype(float))) < 2.0**62:
        code = np.zeros(len(rows), dtype=np.int64)
        for i, span in enumerate(spans):
            code = code * span + rows[:, i]
        _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
        return first, inverse
    odd: NDArray[Any] = (
        np.random.Generator(np.random.Philox(key=7)).integers(1, 2**63, size=(rows.shape[1],), dtype=np.uint64) * 2 + 1
    )
    hashed = np.zeros(len(rows), dtype=np.uint64)
    for column in range(rows.shape[1]):
        hashed += rows[:, column].astype(np.uint64) * odd[column]
    hashed ^= hashed >> np.uint64(29)
    _, first, inverse = np.unique(hashed, return_index=True, return_inverse=True)
    if bool((rows[first][inverse] == rows).all()):
        return first, inverse
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return first, inverse.ravel()
