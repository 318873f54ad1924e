"""A case of an optimal course: a planned patient, ways to protect, limits with probabilities, and what is gone through."""

from __future__ import annotations

import pathlib
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from ._fields import ActivityMBq, DoseGy, Fraction, Part, TimeH, fault
from .protect import _PROTECT_PARTS, ProtectCase
from .reading import Parts, read_as

__all__ = ["ConstraintChoice", "OptimalCase", "SearchChoice", "load_optimal"]

_KINDS = ("kidneys_bed", "marrow_bed", "marrow_dose", "egfr_at_least", "platelets_at_least", "neutrophils_at_least")


class ConstraintChoice(Part):
    """One limit of the course, earlier therapy included, and the probability with which it must be kept."""

    kidneys_bed_Gy: DoseGy | None = Field(default=None, alias="kidneys_bed", description="at most, e.g. '40 Gy'")
    marrow_bed_Gy: DoseGy | None = Field(default=None, alias="marrow_bed", description="at most, e.g. '2 Gy'")
    marrow_dose_Gy: DoseGy | None = Field(
        default=None, alias="marrow_dose", description="absorbed dose, all radiations alike, at most"
    )
    egfr_at_least: float | None = Field(default=None, gt=0, le=200, description="mL/min/1.73 m2, e.g. 45")
    after_h: TimeH | None = Field(default=None, alias="after", description="when eGFR is read, e.g. '2 years'")
    platelets_at_least: float | None = Field(default=None, gt=0, le=1000, description="1e9/L at their lowest, e.g. 50")
    neutrophils_at_least: float | None = Field(default=None, gt=0, le=100, description="1e9/L at their lowest, e.g. 1")
    probability: Fraction = Field(default="90 %", validate_default=True, description="of keeping it, e.g. '90 %'")

    @field_validator("probability")
    @classmethod
    def _between(cls, value: float) -> float:
        if not 0.0 < value < 1.0:
            raise ValueError(
                f"{100 * value:g} % does not lie between 0 and 100 %, both left out; no model can promise 100 %."
            )
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [k for k in _KINDS if getattr(self, k if k.endswith("_least") else f"{k}_Gy") is not None]
        if len(given) != 1:
            raise ValueError(f"has {len(given)} limits; give one of {', '.join(_KINDS)}.")
        if (self.after_h is not None) != (self.egfr_at_least is not None):
            text = (
                "an eGFR needs the time at which it is read, e.g. after: 2 years."
                if self.after_h is None
                else "goes with egfr_at_least."
            )
            raise fault(text, "after")
        for key in ("kidneys_bed", "marrow_bed", "marrow_dose"):
            if getattr(self, f"{key}_Gy") == 0.0:
                raise fault("a limit of zero allows nothing; it must be above zero.", key)
        return self


class ActivityRange(Part):
    """Smallest and largest activity of a cycle."""

    least_MBq: ActivityMBq | None = Field(default=None, alias="least", description="e.g. '2 MBq'; none by default")
    most_MBq: ActivityMBq | None = Field(default=None, alias="most", description="e.g. '20 MBq'; none by default")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.least_MBq is not None and self.most_MBq is not None and self.least_MBq >= self.most_MBq:
            raise ValueError(
                f"runs from {self.least_MBq:g} to {self.most_MBq:g} MBq; the largest must be above the smallest."
            )
        return self


class SearchChoice(Part):
    """What is gone through."""

    cycles: tuple[int, ...] = Field(
        default=(1, 2, 3, 4, 5, 6), min_length=1, max_length=20, description="e.g. [2, 3, 4]"
    )
    intervals_h: tuple[TimeH, ...] = Field(
        default=("6 weeks", "8 weeks", "10 weeks"), validate_default=True, alias="intervals", min_length=1, max_length=10,
        description="from cycle to cycle, e.g. [6 weeks, 8 weeks]",
    )  # fmt: skip
    activity: ActivityRange = Field(default=ActivityRange(), description="of one cycle: {least: 2 MBq, most: 20 MBq}")
    objective: Literal["log_kill", "tcp", "response"] = Field(
        default="log_kill", description="tumour effect: powers of ten killed, control probability, or CR and PR (slow)"
    )
    clonogens_per_mL: float = Field(default=1e7, gt=0, le=1e10, description="for tcp; measured by nobody")

    @field_validator("cycles")
    @classmethod
    def _whole(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        for n in value:
            if not 1 <= n <= 20:
                raise ValueError(f"{n} cycles; 1 to 20 are gone through.")
        return value


class OptimalCase(ProtectCase):
    """A case whose course is to be found: its own activity is the reference that is shown beside it."""

    constraints: tuple[ConstraintChoice, ...] = Field(
        min_length=1,
        max_length=10,
        description="limits with probabilities, e.g. - {kidneys_bed: 40 Gy, probability: 90 %}",
    )
    search: SearchChoice = SearchChoice()

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        closed = any(c.kidneys_bed_Gy or c.marrow_bed_Gy or c.marrow_dose_Gy for c in self.constraints)
        if not closed and self.search.activity.most_MBq is None:
            raise fault(
                "is needed where no dose and no BED is limited, e.g. 'activity: {most: 20 MBq}'.", "search", "activity"
            )
        return self


_OPTIMAL_PARTS: Parts = {
    **_PROTECT_PARTS,
    (): OptimalCase,
    ("constraints", "*"): ConstraintChoice,
    ("search",): SearchChoice,
    ("search", "activity"): ActivityRange,
}


def load_optimal(path: str | pathlib.Path) -> OptimalCase:
    """Read and check a case of an optimal course.

    Parameters
    ----------
    path : str or Path
        A YAML file: a case with ``kinetics: {source: pbpk, ...}``, strategies, constraints and a search.

    Raises
    ------
    CaseError
        Whatever is wrong with it, with its line.
    """
    return read_as(path, OptimalCase, _OPTIMAL_PARTS)
