"""The 3+3 design."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DomainError
from .designs import STOP, Design, Ints, States, open_below
from .tables import DecisionTable, table_from_actions

__all__ = ["ThreePlusThree", "three_plus_three"]


@dataclass(frozen=True, kw_only=True)
class ThreePlusThree(Design):
    """The 3+3 rule: 0/3 or at most 1/6 escalate, 1/3 treats three more, two DLTs end a level for good.

    Parameters
    ----------
    confirm : bool
        Whether the MTD needs six patients: three more are treated at the level below a stopped one, and at the highest level
        after 0/3. Without it the trial ends there and then.
    """

    confirm: bool = False

    name = "3+3"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cohort_size != 3:
            raise DomainError(f"cohort_size is {self.cohort_size}; 3+3 treats three patients at a time.")

    def cohort_limit(self, levels: int) -> int:
        """Two cohorts at each level at most."""
        return 2 * levels

    def decide_batch(self, states: States) -> tuple[Ints, Ints]:
        """0/3 or at most 1/6: escalate; 1/3: three more; two or more DLTs: eliminate the level and end (or confirm) below."""
        n, y, at, levels = states.at(states.n), states.at(states.y), states.current, states.levels
        toxic = y >= 2
        top = np.where(toxic, np.minimum(states.top, at - 1), states.top)
        clear = ~toxic & ((n >= 6) | (y == 0))
        up = clear & (at < top)
        below = np.take_along_axis(states.n, np.maximum(top - 1, 0)[:, None], axis=1)[:, 0]
        level = np.where(toxic, STOP, at)
        if self.confirm:
            level = np.where(toxic & (top > 0) & (below < 6), top, level)
            level = np.where(clear & ~up & (n >= 6), STOP, level)
        else:
            level = np.where(clear & ~up, STOP, level)
        return np.where(up, np.minimum(at + 1, levels), level), top

    def highest_open(self, n: Ints, y: Ints) -> Ints:
        """Highest level below the first with two DLTs."""
        return open_below(y >= 2)

    def select_batch(self, states: States) -> Ints:
        """The highest level given that was not ended by two DLTs (with six patients, where they are to be confirmed)."""
        number = np.arange(1, states.levels + 1)
        usable = (states.n >= (6 if self.confirm else 1)) & (states.y <= 1) & (number <= states.top[:, None])
        return np.asarray((usable * number).max(axis=1))

    def table(self, max_n: int = 6) -> DecisionTable:
        """The rule as a table for 3 and 6 patients."""
        if max_n not in (3, 6):
            raise DomainError(f"max_n is {max_n!r}; 3+3 has 3 or 6 patients at a level.")
        move, eliminate = np.zeros((7, 7), dtype=np.int64), np.zeros((7, 7), dtype=bool)
        move[3, 0] = move[6, :2] = 1
        eliminate[3, 2:4] = eliminate[6, 2:] = True
        move[eliminate] = -1
        sizes = (3, 6)[: max_n // 3]
        return table_from_actions("3+3", sizes, move, eliminate, eliminate, self.protocol_text())

    def protocol_text(self, levels: int | None = None) -> str:
        """The rule in plain English."""
        at_most = f" At most {6 * levels} patients are treated on {levels} levels." if levels else ""
        end = (
            "the trial goes down to the level below and treats three more there if it had only three, until a level has "
            "at most 1 DLT in 6 patients; at the highest level six patients are treated too"
            if self.confirm
            else "the trial ends, and nobody more is treated at the level below, whether it had three patients or six; at the "
            "highest level it ends after 0 DLTs in 3 patients or at most 1 in 6"
        )
        return (
            f"Dose finding follows the 3+3 rule. Three patients are treated at a level, starting at level {self.start}. With no "
            "DLT among the three, the next three are treated one level up. With one DLT, three more are treated at the same "
            "level; at most one DLT among the six allows escalation. With two or more DLTs at a level, among three or six, that "
            f"level and those above are closed, and {end}.{at_most}\n\n"
            "The MTD is the highest level given that was not closed; there is none when level 1 is closed. It is named when "
            "the trial is over and is not the level the next patients would have had."
        )


def three_plus_three(*, start: int = 1, confirm: bool = False) -> ThreePlusThree:
    """The 3+3 design (Storer, Biometrics 1989, 45:925, doi 10.2307/2531693).

    Parameters
    ----------
    start : int
        Level of the first three patients.
    confirm : bool
        Whether six patients are required at the MTD (both habits are in use, and they differ).

    Returns
    -------
    ThreePlusThree

    Examples
    --------
    >>> rule = three_plus_three()
    >>> rule.decide(n=[3, 3, 0], y=[0, 1, 0], current=2).level
    2
    >>> rule.decide(n=[3, 6, 0], y=[0, 2, 0], current=2)
    Decision(level=0, top=1, why='stop the trial; level 2 and above are eliminated')
    >>> rule.select(n=[3, 6, 0], y=[0, 2, 0], top=1)
    1
    """
    return ThreePlusThree(start=start, confirm=confirm)
