"""What is known: every study the field rests on, with its conflicts, and honest synthesis.

`evidence` opens the store; ``alphatwin.pool`` (in the module of that name here) pools what it selects.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .._callable import callable_module

_HOME = {
    "Evidence": "store",
    "Filter": "selection",
    "MixedGrades": "selection",
    "Overlap": "selection",
    "Pooled": "pool",
    "Row": "counting",
    "Selection": "selection",
    "clopper_pearson": "checks",
    "counts_behind": "checks",
    "evidence": "store",
    "findings": "_findings",
    "imported": "importing",
    "moves": "questions",
    "prisma": "importing",
    "schema": "model",
    "wilson": "checks",
}
__all__ = [
    "Evidence",
    "Filter",
    "MixedGrades",
    "Overlap",
    "Pooled",
    "Row",
    "Selection",
    "clopper_pearson",
    "counts_behind",
    "evidence",
    "findings",
    "imported",
    "moves",
    "prisma",
    "schema",
    "wilson",
]

if TYPE_CHECKING:
    from ._findings import findings
    from .checks import clopper_pearson, counts_behind, wilson
    from .counting import Row
    from .importing import imported, prisma
    from .model import schema
    from .pool import Pooled
    from .questions import moves
    from .selection import Filter, MixedGrades, Overlap, Selection
    from .store import Evidence, evidence


callable_module(__name__)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'alphatwin.evidence' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value
