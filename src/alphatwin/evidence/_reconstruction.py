"""Patients behind a drawn survival curve, from its points and the numbers at risk (Guyot et al. 2012).

Works on plain arrays; `survival_curves.reconstruct` is the door.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["patients_behind"]


@dataclass
class _Walk:
    """The points of the curve, and what was found at each so far."""

    t: np.ndarray
    s: np.ndarray
    at_risk: np.ndarray  # one longer: who is left after the last point
    deaths: np.ndarray
    censored: np.ndarray
    height: float = 1.0  # of the reconstructed curve, before the interval in hand

    def spread(self, count: int, first: int, last: int, end: float) -> tuple[np.ndarray, np.ndarray]:
        """`count` censoring times evenly between point `first` and `end`, and the point that each follows."""
        start = self.t[first]
        times = start + (end - start) * np.arange(1, count + 1) / (count + 1)
        return times, first + np.maximum(np.searchsorted(self.t[first : last + 1], times, side="right") - 1, 0)

    def through(self, count: int, first: int, last: int, end: float) -> float:
        """Deaths from `first` to `last` that make the curve follow its points; returns the height reached."""
        _, places = self.spread(count, first, last, end)
        lost = np.bincount(places - first, minlength=last - first + 1)
        height = self.height
        for k in range(first, last + 1):
            n = int(self.at_risk[k])
            d = 0 if k == 0 or n <= 0 or height <= 0 else min(n, max(0, round(n * (1 - float(self.s[k]) / height))))
            self.deaths[k] = d
            self.censored[k] = min(int(lost[k - first]), n - d)
            if d:
                height *= 1 - d / n
            self.at_risk[k + 1] = n - d - self.censored[k]
        return height

    def used(self, count: int, first: int, last: int, end: float) -> np.ndarray:
        """Times of those censored for whom there was a patient."""
        times, places = self.spread(count, first, last, end)
        return np.concatenate([times[places == k][: self.censored[k]] for k in range(first, last + 1)])


def _settle(count: int, most: int, miss_of: Callable[[int], int]) -> int:
    """The number censored, up to `most`, that brings the miss to 0: add the miss until it is, or until numbers repeat."""
    seen: dict[int, int] = {}
    while count not in seen:
        miss = miss_of(count)
        seen[count] = abs(miss)
        if miss == 0:
            break
        count = min(most, max(0, count + miss))
    return min(seen, key=lambda c: (seen[c], c))


def _between(w: _Walk, first: int, next_first: int, wanted: int) -> tuple[np.ndarray, int]:
    """One interval between two numbers at risk: times of the censored, and by how many patients the next is missed."""
    last, end = next_first - 1, float(w.t[next_first])

    def miss_of(count: int) -> int:
        w.through(count, first, last, end)
        return int(w.at_risk[next_first]) - wanted

    share = w.s[next_first] / w.s[first] if w.s[first] > 0 else 0.0
    alive = int(w.at_risk[first])
    count = _settle(min(alive, max(0, round(alive * float(share)) - wanted)), alive, miss_of)
    miss = miss_of(count)
    w.height = w.through(count, first, last, end)
    return w.used(count, first, last, end), miss


def _after_the_last(w: _Walk, first: int, total_events: int | None, censored_so_far: int) -> tuple[np.ndarray, str]:
    """From the last number at risk to the end of the curve: times of the censored, and a note."""
    last = len(w.t) - 1
    start, end = float(w.t[first]), float(w.t[last])
    before = int(w.deaths[:first].sum())
    note = ""

    def miss_of(count: int) -> int:
        w.through(count, first, last, end)
        return before + int(w.deaths[first : last + 1].sum()) - (total_events or 0)

    if total_events is None:
        count = min(round(censored_so_far * (end - start) / start), int(w.at_risk[first])) if start > 0 else 0
        how = "censoring goes on at its mean rate so far" if count else "nobody is censored before the end"
        note = f"after the last number at risk {how}"
        miss_of(count)
    else:
        count = _settle(0, int(w.at_risk[first]), miss_of)
        miss = miss_of(count)
        if miss:
            note = f"{miss + total_events} events are found where {total_events} are printed"
    return w.used(count, first, last, end), note


def patients_behind(
    t: np.ndarray, s: np.ndarray, at_risk: Sequence[tuple[float, int]], total_events: int | None, unit: str
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Times and event flags of patients, ordered in time.

    Parameters
    ----------
    t, s : ndarray, shape (m,)
        Points of the curve; one stands at each time in `at_risk`.
    at_risk : sequence of (time, number)
        The first at time 0.
    total_events : int or None
    unit : str
        Of time, for the notes.
    """
    m = len(t)
    w = _Walk(t, s, np.zeros(m + 1, dtype=int), np.zeros(m, dtype=int), np.zeros(m, dtype=int))
    w.at_risk[0] = at_risk[0][1]
    first = [int(np.searchsorted(t, time, side="left")) for time, _ in at_risk]
    ended: list[np.ndarray] = []
    notes: list[str] = []
    for i in range(len(at_risk) - 1):
        times, miss = _between(w, first[i], first[i + 1], at_risk[i + 1][1])
        ended.append(times)
        if miss:
            left, printed = w.at_risk[first[i + 1]], at_risk[i + 1][1]
            notes.append(f"at {at_risk[i + 1][0]:g} {unit} {left} patients are left where {printed} are printed")
    times, note = _after_the_last(w, first[-1], total_events, sum(map(len, ended)))
    ended.append(times)
    dead = np.repeat(t, w.deaths)
    alive = np.concatenate([*ended, np.full(int(w.at_risk[m]), t[-1])])
    when = np.concatenate([dead, alive])
    flags = np.concatenate([np.ones(len(dead), dtype=bool), np.zeros(len(alive), dtype=bool)])
    order = np.argsort(when, kind="stable")
    return when[order], flags[order], tuple([*notes, note] if note else notes)
