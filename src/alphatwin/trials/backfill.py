"""Backfilling: patients who arrive while escalation waits are treated at a lower level that is safe and shows activity.

Rules of BF-BOIN (Zhao, Yuan, Korn & Freidlin, Clin Cancer Res 2024, 30:673, doi 10.1158/1078-0432.CCR-23-2585):

- A level below the current one is open when escalation has passed it (it is *cleared*), and, by ``rule="response"``, when a response
  has been seen at it or below. It takes no more than ``cap`` patients, whoever gave them.
- A level is closed, with those above it, while its own DLT rate and the rate pooled with the next level both lie above the
  de-escalation boundary; new data may open it again.
- A backfilled level whose data ask for a more cautious move than those of the current level is in conflict with them. The decision
  is then taken on the data pooled from the conflicting level up to the current one; a de-escalation goes to the highest
  level k at which the data pooled from the conflicting level to k stay at or below the boundary, else to the one below it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ._checks import choice, whole
from .designs import Bools, Ints

__all__ = ["Backfill"]

Move = Callable[[Ints, Ints], Ints]


@dataclass(frozen=True)
class Backfill:
    """Which level a patient may be backfilled to, and what backfilled data do to the decision.

    Parameters
    ----------
    rule : {"response", "clearance"}
        Whether a response must have been seen at the level or below, or clearance is enough.
    cap : int
        Patients at a level from which it takes no more backfill.
    to : {"highest", "lowest"}
        Which open level is given.
    anchor : {"highest", "lowest"}
        Which of several conflicting levels the pooled data start from.
    """

    rule: str = "response"
    cap: int = 12
    to: str = "highest"
    anchor: str = "highest"

    def __post_init__(self) -> None:
        choice("rule", self.rule, ("response", "clearance"))
        whole("cap", self.cap)
        choice("to", self.to, ("highest", "lowest"))
        choice("anchor", self.anchor, ("highest", "lowest"))

    def open_levels(
        self, treated: Ints, n: Ints, y: Ints, responses: Ints | None, current: Ints, top: Ints, ceiling: float
    ) -> Bools:
        """Levels that take backfill: bool[trial, level].

        Parameters
        ----------
        treated : int[trial, level]
            Patients treated, pending ones included.
        n, y : int[trial, level]
            Patients with a known outcome, and DLTs.
        responses : int[trial, level] or None
            Responses seen; needed for ``rule="response"``.
        current, top : int[trial]
            Level of the escalation; highest level not eliminated.
        ceiling : float
            De-escalation boundary on the DLT rate.
        """
        levels = n.shape[1]
        number = np.arange(1, levels + 1)
        high = y > ceiling * n
        pooled_high = np.zeros_like(high)
        pooled_high[:, :-1] = (y[:, :-1] + y[:, 1:]) > ceiling * (n[:, :-1] + n[:, 1:])
        closed = np.logical_or.accumulate(high & pooled_high, axis=1)
        active = np.ones_like(closed)
        if self.rule == "response":
            seen = np.zeros_like(n) if responses is None else responses
            active = np.cumsum(seen, axis=1) > 0
        return np.asarray(
            (number < current[:, None]) & (number <= top[:, None]) & active & ~closed & (treated < self.cap)
        )  # fmt: skip

    def level(self, open_levels: Bools) -> Ints:
        """The level given to the next backfilled patient; 0: none is open."""
        levels = open_levels.shape[1]
        lowest = open_levels.argmax(axis=1) + 1
        highest = levels - open_levels[:, ::-1].argmax(axis=1)
        chosen = highest if self.to == "highest" else lowest
        return np.where(open_levels.any(axis=1), chosen, 0).astype(np.int64)

    def wish(self, n: Ints, y: Ints, filled: Bools, current: Ints, move: Move, ceiling: float) -> Ints:
        """Level asked for after a cohort, conflicts resolved: int[trial], before elimination and the ends of the range.

        Parameters
        ----------
        n, y : int[trial, level]
            Patients with a known outcome, and DLTs.
        filled : bool[trial, level]
            Levels that were backfilled.
        current : int[trial]
            Level of the escalation.
        move : function
            +1, 0 or -1 for arrays of patients and DLTs at a level.
        ceiling : float
            De-escalation boundary on the DLT rate.
        """
        trials, levels = n.shape
        number = np.arange(1, levels + 1)
        row = np.arange(trials)
        own = move(n, y)
        here = own[row, current - 1]
        conflict = filled & (n > 0) & (number < current[:, None]) & (own < here[:, None])
        first = conflict.argmax(axis=1) + 1
        last = levels - conflict[:, ::-1].argmax(axis=1)
        base = np.where(conflict.any(axis=1), last if self.anchor == "highest" else first, current)
        within = (number >= base[:, None]) & (number <= current[:, None])
        sums_n, sums_y = np.cumsum(n * within, axis=1), np.cumsum(y * within, axis=1)
        pooled = move(sums_n[row, current - 1], sums_y[row, current - 1])
        calm = within & (sums_y <= ceiling * sums_n) & (number < current[:, None])
        down = np.where(calm.any(axis=1), levels - calm[:, ::-1].argmax(axis=1), base - 1)
        return np.maximum(np.where(pooled < 0, down, current + pooled), 1).astype(np.int64)

    def protocol_text(self) -> str:
        """The rules in plain English."""
        need = (
            "and a response has been seen at that level or below"
            if self.rule == "response"
            else "whether or not responses were seen"
        )
        return (
            f"Patients who arrive while the escalation waits may be treated at a lower level that the escalation has passed, {need}, "
            f"that is not eliminated and has fewer than {self.cap} patients; of several such levels the {self.to} is taken. A level is "
            "closed to them, with those above it, while its DLT rate and the rate pooled with the next level both lie above the "
            "de-escalation boundary. Their data count with those of their level. When the data of a backfilled level ask for a more "
            "cautious move than those of the current level, the decision is taken on the data pooled from that level (of several, the "
            f"{self.anchor}) up to the current one; a de-escalation then goes to the highest level at which the data pooled up to it stay at "
            "or below the boundary, or to the one below the backfilled level."
        )
