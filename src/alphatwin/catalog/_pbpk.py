"""Parameter sets of whole-body models: what an entry is, and the door to them."""

from __future__ import annotations

import functools
from typing import Literal

from pydantic import Field, model_validator

from ..errors import missing
from . import _read_yaml, load_entry, path
from .model import Entry, Quantity

__all__ = ["ModelParameter", "ModelParameters", "model_parameters", "parameter_sets"]

Evidence = Literal["abstract", "model", "recalled", "calibrated", "assumed"]


class ModelParameter(Quantity):
    """A parameter with its prior (u, or low and high), a word on what it rests on, and what its spread is.

    ``varies``: "patients" differ in it (a body, a receptor density), or it is one number that "knowledge" does not
    hold better than this (a rate of binding).
    """

    evidence: Evidence
    varies: Literal["patients", "knowledge"] = "knowledge"

    @model_validator(mode="after")
    def _only_a_reading_is_verified(self) -> ModelParameter:
        if self.verified and self.evidence != "abstract":
            raise ValueError(f"evidence {self.evidence!r} is not a reading of the source: verified must be false")
        return self


class Transfer(Entry):
    """A linear transfer between compartments; `rate` names the parameter that holds it, per day."""

    source: str
    target: str
    rate: str


class ModelParameters(Entry):
    """A named set: the physiology of a species, or what an agent does in it.

    ``organs``: those that hold the agent's target, besides the kidneys. ``transfers``: the whole model of an agent that
    moves by linear transfers alone, with the compartments of each ``regions``; an amount of one starts in plasma.
    """

    id: str
    name: str
    species: Literal["human", "mouse", "rat"]
    role: Literal["physiology", "agent"]
    target: str = ""
    stands_for: str = Field(default="", description="part of the names of the agents whose kinetics these are")
    variant: str = Field(default="", description="what the user calls this set of an agent, e.g. A")
    values: dict[str, ModelParameter] = Field(min_length=1)
    organs: tuple[str, ...] = ("spleen", "liver")
    transfers: tuple[Transfer, ...] = ()
    regions: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    gaps: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _transfers_have_rates(self) -> ModelParameters:
        for t in self.transfers:
            if t.rate not in self.values:
                raise ValueError(
                    f"the transfer from {t.source} to {t.target} names a rate {t.rate!r} that is not there"
                )
        return self


def parameter_sets(target: str, species: str = "human") -> dict[str, str]:
    """Sets of an agent's target in a species: what the user calls them, and their ids.

    Examples
    --------
    >>> parameter_sets("SSTR2")
    {'A': 'sstr2-a', 'B': 'sstr2-b', 'C': 'sstr2-c'}
    """
    mine = [e for e in _all().values() if e.role == "agent" and e.target == target and e.species == species]
    return {e.variant: e.id for e in mine}


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
        ``"human"`` (physiology), ``"sstr2-a"``, ``"sstr2-b"``, ``"sstr2-c"``.

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
