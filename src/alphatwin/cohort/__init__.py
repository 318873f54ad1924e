"""Virtual patients and animals: populations drawn from the models, on threads or on a Dask cluster."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .._callable import callable_module

__all__ = ["Cohort", "CohortSpec", "answers", "cohort", "cohort_schema", "layout", "load_cohort", "summary"]

_HOME = {
    "Cohort": "result",
    "CohortSpec": "spec",
    "answers": "_summary",
    "cohort": "running",
    "cohort_schema": "spec",
    "layout": "_layout",
    "load_cohort": "spec",
    "summary": "_summary",
}

if TYPE_CHECKING:
    from ._layout import layout
    from ._summary import answers, summary
    from .result import Cohort
    from .running import cohort
    from .spec import CohortSpec, cohort_schema, load_cohort


callable_module(__name__)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'alphatwin.cohort' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value
