"""Populations of virtual patients: what an entry is, and the door to them."""

from __future__ import annotations

import functools

from pydantic import Field, model_validator

from ..errors import missing
from . import _read_yaml, load_entry, path
from ._pbpk import Evidence, ModelParameter
from .model import Cited, Entry

__all__ = ["Correlation", "Population", "population"]


class Correlation(Cited):
    """Correlation of the standard-normal scores of two covariates."""

    between: tuple[str, str]
    rho: float = Field(ge=-1.0, le=1.0)
    evidence: Evidence


class Population(Entry):
    """Covariates of a population, each with its spread between patients, and how they go together."""

    id: str
    name: str
    description: str
    values: dict[str, ModelParameter] = Field(min_length=1)
    correlations: tuple[Correlation, ...] = ()
    between_lesions: dict[str, ModelParameter] = Field(default_factory=dict)
    gaps: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _pairs_exist(self) -> Population:
        for pair in self.correlations:
            for name in pair.between:
                if name not in self.values:
                    raise ValueError(f"correlation of {name!r}, which is no covariate here")
        return self


@functools.cache
def _all() -> dict[str, Population]:
    found: dict[str, Population] = {}
    for file in sorted(path("cohort").glob("*.yaml")):
        entry = load_entry(_read_yaml(file), Population, f"cohort/{file.name}")
        if entry.id != file.stem:
            raise ValueError(f"cohort/{file.name} holds the id {entry.id!r}")
        found[entry.id] = entry
    return found


def population(name: str) -> Population:
    """The population with this id.

    Parameters
    ----------
    name : str
        ``"net-prrt"``: adults with a neuroendocrine tumour before peptide receptor radionuclide therapy.

    Returns
    -------
    Population

    Raises
    ------
    CatalogError
        No population of that name.

    Examples
    --------
    >>> population("net-prrt").values["egfr_at_60_y"].unit
    'mL/min/1.73 m^2'
    """
    known = _all()
    if name not in known:
        raise missing("population", name, known)
    return known[name]
