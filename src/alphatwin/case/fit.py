"""A fit of a population as a file: the table of measurements, its regions, the model, the sampler."""

from __future__ import annotations

import hashlib
import pathlib
from typing import Literal, Self

from pydantic import Field, model_validator

from ._fields import Part, TimeH, fault
from .reading import Parts, read_as

__all__ = ["FitSpec", "load_fit"]


class SamplingChoice(Part):
    """The sampler."""

    warmup: int = Field(default=500, ge=50, le=100_000, strict=True, description="steps of adaptation of a chain")
    draws: int = Field(default=1000, ge=100, le=100_000, strict=True, description="draws that a chain keeps")
    chains: int = Field(default=2, ge=2, le=16, strict=True, description="at least 2, or nothing tells convergence")
    seed: int = Field(default=1, ge=0, le=2**31 - 1, strict=True)


class PriorChoice(Part):
    """Medians of the prior of the population; what is left out has its default."""

    amplitude_percent: float | None = Field(
        default=None, gt=0, le=100, description="% of the administered activity, e.g. 3"
    )
    half_life_h: TimeH | None = Field(default=None, alias="half_life", description="biological, e.g. '80 h'")
    uptake_half_life_h: TimeH | None = Field(default=None, alias="uptake_half_life", description="e.g. '2 h'")
    fast_half_life_h: TimeH | None = Field(
        default=None, alias="fast_half_life", description="of the fast phase of bi, e.g. '8 h'"
    )


class FitSpec(Part):
    """A file for `alphatwin fit`."""

    fit: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="names the folder of the results")
    title: str = Field(default="", max_length=200)
    data: str = Field(min_length=1, description="the table (CSV in the columns of NONMEM), beside this file")
    nuclide: str = Field(description="that was measured, e.g. Lu-177")
    regions: dict[int, str] = Field(min_length=1, description="name of each region by its DVID, e.g. {1: kidneys}")
    model: Literal["mono", "uptake_clearance", "bi"] = Field(
        default="uptake_clearance", description="mono, uptake_clearance or bi"
    )
    decay_corrected: bool | None = Field(
        default=None,
        strict=True,
        description="whether DV is decay-corrected; needed where the table has no column DECAYCORR",
    )
    new_patients: str = Field(default="", description="a table of patients with few points, estimated from the fit")
    level: float = Field(default=0.9, gt=0, lt=1, description="probability of the intervals, e.g. 0.9")
    prior: PriorChoice = PriorChoice()
    sampling: SamplingChoice = SamplingChoice()

    @model_validator(mode="after")
    def _names(self) -> Self:
        if len(set(self.regions.values())) < len(self.regions):
            raise fault("two regions have one name.", "regions")
        for key, name in self.regions.items():
            if key < 1 or not name.isidentifier():
                raise fault("a DVID from 1 on, and a name of letters, digits and _, are needed.", "regions", key)
        return self

    def sha256(self) -> str:
        """Hash of the spec."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


_FIT_PARTS: Parts = {(): FitSpec, ("prior",): PriorChoice, ("sampling",): SamplingChoice}


def load_fit(path: str | pathlib.Path) -> FitSpec:
    """Read and check the file of a fit.

    Parameters
    ----------
    path : str or Path
        A YAML file.

    Raises
    ------
    CaseError
        Whatever is wrong with it, with its line.
    """
    return read_as(path, FitSpec, _FIT_PARTS)
