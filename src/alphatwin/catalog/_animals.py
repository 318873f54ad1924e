"""Animals and their transplanted tumours: how kidneys, body weight and tumours of mice and rats answer; the door to them."""

from __future__ import annotations

import functools
from typing import Literal

from ..errors import missing
from . import _read_yaml, load_entry, path
from ._outcome import OutcomeModel

__all__ = ["AnimalEntry", "animal", "animals"]


class AnimalEntry(OutcomeModel):
    """Parameters of a species (kidneys, weight) or of a transplanted tumour line, each with its evidence."""

    role: Literal["species", "tumour"]
    species: Literal["mouse", "rat"]


@functools.cache
def _all() -> dict[str, AnimalEntry]:
    found: dict[str, AnimalEntry] = {}
    for file in sorted(path("animals").glob("*.yaml")):
        entry = load_entry(_read_yaml(file), AnimalEntry, f"animals/{file.name}")
        if entry.id != file.stem:
            raise ValueError(f"animals/{file.name} holds the id {entry.id!r}")
        found[entry.id] = entry
    return found


def animals(role: str | None = None) -> dict[str, AnimalEntry]:
    """Every entry by id, or those of one role: ``"species"`` or ``"tumour"``."""
    return {k: v for k, v in _all().items() if role in (None, v.role)}


def animal(name: str) -> AnimalEntry:
    """The entry with this id.

    Parameters
    ----------
    name : str
        ``"mouse"``, ``"rat"``, or a tumour line such as ``"b16-f1"``.

    Returns
    -------
    AnimalEntry

    Raises
    ------
    CatalogError
        No entry of that name.

    Examples
    --------
    >>> animal("b16-f1").values["doubling_time"].unit
    'd'
    """
    known = _all()
    if name not in known:
        raise missing("animal or tumour line", name, known)
    return known[name]
