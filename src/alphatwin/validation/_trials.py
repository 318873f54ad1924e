"""Evidence and trials: what alphatwin gives for a published value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

__all__ = ["TRIAL_CALLS"]

_SKELETON = (0.05, 0.10, 0.20, 0.35, 0.50, 0.70)
_LEVELS = (3, 4, 4, 3, 3, 4, 3, 2, 2, 2)
_DLT = (0, 0, 1, 0, 0, 1, 1, 0, 0, 0)


def pooled(what: str, events: str, totals: str, **options: Any) -> float:
    """Estimate, limits or tau2 of a pooled proportion; counts as text."""
    from ..evidence.pool import pool

    found = pool([int(e) for e in events.split()], [int(t) for t in totals.split()], **options)
    parts = {"estimate": found.estimate, "lower limit": found.ci[0], "upper limit": found.ci[1], "tau2": found.tau2}
    return float(parts[what])


def boin_boundary(target: float, what: str) -> float:
    """Rate at or below which BOIN escalates, or at or above which it de-escalates."""
    from ..trials import boin_boundaries

    found = boin_boundaries(target)
    return float({"escalate": found.lambda_e, "de-escalate": found.lambda_d}[what])


def boin_elimination(n: float) -> float:
    """DLTs of n patients from which BOIN eliminates a level; target 0.25."""
    from ..trials import boin_table

    table = boin_table(0.25, 3, 30)
    least = table.eliminate_if[table.n.index(int(n))]
    return float("nan") if least is None else float(least)


@functools.cache
def _crm() -> Any:
    from ..trials import crm

    return crm(_SKELETON, 0.20, _LEVELS, _DLT)


def crm_answer(what: str) -> float:
    """Posterior of the one-parameter CRM after ten patients."""
    found = _crm()
    if what.startswith("level "):
        return float(found.probabilities[int(what.split()[1]) - 1])
    return float({"mean": found.estimate, "variance": found.variance, "MTD": found.recommended}[what])


def skeleton(level: float) -> float:
    """Prior guess of a level by indifference intervals."""
    from ..trials import crm_skeleton

    return float(crm_skeleton(0.05, 0.25, 3, 6)[int(level) - 1])


@functools.cache
def _three_plus_three() -> Any:
    from ..trials import operating_characteristics, three_plus_three

    return operating_characteristics(three_plus_three(), [0.02, 0.05, 0.10, 0.25, 0.45])


def three_plus_three_answer(what: str) -> float:
    """Chance of each recommendation of 3+3, and its mean size."""
    found = _three_plus_three()
    if what == "patients":
        return float(found.mean_total_patients)
    return float(found.selection[0 if what == "none" else int(what.split()[1])])


def simon_answer(which: str, what: str) -> float:
    """Simon's two-stage design for 10 against 30 %."""
    from ..trials import simon

    return float(getattr(getattr(simon(0.10, 0.30, 0.05, 0.20), which), what))


TRIAL_CALLS: tuple[Callable[..., float], ...] = (
    pooled, boin_boundary, boin_elimination, crm_answer, skeleton, three_plus_three_answer, simon_answer,
)  # fmt: skip
