"""Published numbers that quantitative images need: uptake of one labelled ligand over that of another."""

from __future__ import annotations

import functools

from pydantic import Field

from ..errors import missing
from .model import Entry, Quantity

__all__ = ["UptakeRatio", "uptake_ratio", "uptake_ratios"]


class UptakeRatio(Quantity):
    """Uptake of a region with the therapy ligand over that with the imaged one; no physical decay in it.

    Attributes
    ----------
    imaged, therapy : str
        Nuclide and ligand, as the ids of agents are written.
    region : str
    """

    imaged: str
    therapy: str
    region: str
    unit: str = "1"
    value: float = Field(gt=0)


class _File(Entry):
    ratios: tuple[UptakeRatio, ...] = Field(min_length=1)


@functools.cache
def uptake_ratios() -> tuple[UptakeRatio, ...]:
    """All uptake ratios of the catalogue."""
    from . import _read_yaml, load_entry, path

    return load_entry(_read_yaml(path("imaging", "uptake-ratios.yaml")), _File, "imaging/uptake-ratios.yaml").ratios


def uptake_ratio(imaged: str, therapy: str, region: str) -> UptakeRatio:
    """The uptake ratio of a pair of labelled ligands in a region.

    Raises
    ------
    CatalogError
        None is in the catalogue, with what there is.

    Examples
    --------
    >>> uptake_ratio("ga68-ha-dotatate", "lu177-ha-dotatate", "kidneys").value
    0.49
    """
    for entry in uptake_ratios():
        if (entry.imaged, entry.therapy, entry.region) == (imaged, therapy, region):
            return entry
    known = [f"{e.imaged} to {e.therapy}, {e.region}" for e in uptake_ratios()]
    raise missing("uptake ratio", f"{imaged} to {therapy}, {region}", known)
