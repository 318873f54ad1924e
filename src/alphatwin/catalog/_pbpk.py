"""Parameter sets of whole-body models: what an entry is, and the door to them."""

from __future__ import annotations

import functools
from typing import Literal

from pydantic import Field, model_validator

from ..errors import missing
from . import _read_yaml, load_entry, path
from .model import Entry, Quantity

__all__ = ["ModelParameter", "ModelParameters", "model_parameters"]

Evidence = Literal["abstract", "model", "recalled", "calibrated", "assumed"]


class ModelParameter(Quantity):
    """A parameter with its prior (u, or low and high) and a word on what it rests on."""

    evidence: Evidence

    @model_validator(mode="after")
    def _only_a_reading_is_verified(self) -> ModelParameter:
        if self.verified and self.evidence != "abstract":
            raise ValueError(f"evidence {self.evidence!r} is not a reading of the source: verified must be false")
        return self


class ModelParameters(Entry):
    """A named set: the physiology of a species, or what an agent does in it."""

    id: str
    name: str
    species: Literal["human", "mouse", "rat"]
    role: Literal["physiology", "agent"]
    target: str = ""
    values: dict[str, ModelParameter] = Field(min_length=1)
    gaps: tuple[str, ...] = ()


@functools.cache
def _all() -> dict[str, ModelParameters]:
    found: dict[str, ModelParameters] = {}
    for file in sorted(path("pbpk").glob("*.yaml")):
        entry = load_entry(_read_yaml(file), ModelParameters, f"pbpk/{file.name}")
        if entry.id != file.stem:
            raise ValueError(f"pbpk/{file.name} holds the id {entry.id!r}")
        found[entry.id] = entry
    return found


def model_parameters(name: str) -> ModelParameters:
    """The parameter set with this id.

    Parameters
    ----------
    name : str
        ``"human"`` (physiology), ``"sstr2-a"``, ``"sstr2-b"``.

    Returns
    -------
    ModelParameters

    Raises
    ------
    CatalogError
        No set of that name.

    Examples
    --------
    >>> model_parameters("sstr2-b").values["k_int_per_min"].evidence
    'calibrated'
    """
    known = _all()
    if name not in known:
        raise missing("parameter set", name, known)
    return known[name]
