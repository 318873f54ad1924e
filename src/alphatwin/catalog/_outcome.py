"""Catalogue entries of outcome models and of protectors: each parameter with its evidence and its prior."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .model import Cited, Entry, Quantity

__all__ = ["Finding", "OutcomeModel", "OutcomeParameter", "Protector"]

Evidence = Literal["read", "abstract", "calibrated", "recalled", "assumed"]


class OutcomeParameter(Quantity):
    """A parameter of an outcome model, with what it rests on; its distribution is the prior over patients.

    ``evidence``: read in the source, or in its abstract; calibrated (computed so that the model meets published
    values); recalled from a source that was not opened; assumed. The last two cannot be ``verified``.
    """

    evidence: Evidence

    @model_validator(mode="after")
    def _not_verified_without_reading(self) -> OutcomeParameter:
        if self.verified and self.evidence in ("calibrated", "recalled", "assumed"):
            raise ValueError(f"a value that is {self.evidence} was read in no source: verified is false")
        return self


class OutcomeModel(Entry):
    """The parameters of one outcome model, the values it is compared with, and what it lacks."""

    id: str
    name: str
    description: str
    values: dict[str, OutcomeParameter] = Field(min_length=1)
    targets: dict[str, Quantity] = Field(default_factory=dict, description="published outcomes, not parameters")
    gaps: tuple[str, ...] = ()


class Finding(Cited):
    """What a study of a protector found, in a sentence; `direction` is its sign for the one who is protected."""

    species: Literal["mouse", "rat", "human", "cells"]
    statement: str = Field(min_length=1)
    direction: Literal["benefit", "none", "harm", "mixed", "kinetics"]


class Protector(Entry):
    """A drug that spares tissue: its kinetics, its effect, and every finding, for and against."""

    id: str
    name: str
    mechanism: str
    values: dict[str, OutcomeParameter] = Field(default_factory=dict)
    targets: dict[str, Quantity] = Field(default_factory=dict, description="published effects, not parameters")
    findings: tuple[Finding, ...] = Field(min_length=1)
    gaps: tuple[str, ...] = ()
