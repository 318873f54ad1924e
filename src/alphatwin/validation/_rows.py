"""One comparison: what was published, what we get, and how far apart the two may lie and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from ..errors import DomainError

__all__ = ["GROUPS", "Row"]

GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "physics": "stopping power, range, attenuation (water if not named)",
        "nuclides": "half-lives, emissions, chain sums",
        "chains": "decay chains and free daughters",
        "spheres": "self dose of spheres",
        "kinetics": "time-activity curves; a real patient's kidney",
        "biology": "protraction, BED, EQD2, RBE, complication",
        "cells": "dose to cells, alphas through nuclei, damage",
        "structures": "tubules, glomeruli, marrow cavities, acini",
        "evidence": "pooled proportions",
        "trials": "dose finding and phase II",
        "case": "the example case, whole run",
        "cohort": "virtual patients and published populations",
        "animals": "mice and rats: survival, dose, kidneys",
    }
)


@dataclass(frozen=True)
class Row:
    """A published value, ours, and the verdict.

    Attributes
    ----------
    group : str
        One of ``alphatwin.validation.GROUPS``.
    quantity : str
    published : float
        In `unit`; never 0, since differences are relative.
    unit : str
    ours : float
        In `unit`.
    tolerance : float
        Largest allowed |ours / published - 1|, argued from the source.
    tolerance_reason : str
    tolerance_source : str
        Key in the bibliography where the reason rests on another source; often empty.
    source : str
        Key in the bibliography.
    locator : str
        Table, page, "abstract", or "closed form".
    verified : bool
        Whether somebody read the published value in the source.
    note : str
    printed : str
        The published value as its source prints it; empty for a closed form.
    known_miss : str
        Why a miss is known and stays: it is printed and counted as a miss, but does not fail the whole. Empty otherwise.

    Raises
    ------
    DomainError
        A published value that is 0 or not finite, a tolerance that is not above 0 or lacks its reason.

    Examples
    --------
    >>> row = Row("physics", "range", 2.0, "um", 2.01, 0.01, "three digits", "astar", "table 1")
    >>> round(row.difference, 4), row.passed
    (0.005, True)
    """

    group: str
    quantity: str
    published: float
    unit: str
    ours: float
    tolerance: float
    tolerance_reason: str
    source: str
    locator: str
    verified: bool = True
    note: str = ""
    printed: str = ""
    tolerance_source: str = ""
    known_miss: str = ""

    def __post_init__(self) -> None:
        if not math.isfinite(self.published) or self.published == 0:
            raise DomainError(
                f"{self.quantity}: published value {self.published:g}; a relative difference needs one that is finite and not 0."
            )
        if not (math.isfinite(self.tolerance) and self.tolerance > 0):
            raise DomainError(f"{self.quantity}: tolerance {self.tolerance:g}; it is relative, finite and above 0.")
        if not self.tolerance_reason.strip():
            raise DomainError(f"{self.quantity}: the tolerance has no reason; say what in the source allows it.")

    @property
    def difference(self) -> float:
        """Ours / published - 1."""
        return self.ours / self.published - 1.0

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance; a value that is not a number fails."""
        return abs(self.difference) <= self.tolerance

    @property
    def verdict(self) -> str:
        """``ok``, ``MISS``, or ``miss`` for one that is documented; a documented miss that passes is a ``MISS`` of its note."""
        if self.known_miss:
            return "MISS" if self.passed or not math.isfinite(self.ours) else "miss"
        return "ok" if self.passed else "MISS"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, difference and verdict included, ready for JSON."""
        made = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**made, "difference": self.difference, "passed": self.passed, "verdict": self.verdict}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Row:
        """Back from `as_dict`; difference and verdict are computed again, never read."""
        return cls(**{f.name: data[f.name] for f in fields(cls)})
