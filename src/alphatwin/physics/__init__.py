"""Nuclides (chains, emissions) and matter (stopping power, range, attenuation)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

RADIATIONS = ("alpha", "recoil", "electron", "photon")

if TYPE_CHECKING:
    from .matter import Material, medium
    from .nuclides import Nuclide, activities, chain_table, decays, nuclide, nuclide_names

__all__ = [
    "RADIATIONS",
    "Material",
    "Nuclide",
    "activities",
    "chain_table",
    "decays",
    "medium",
    "nuclide",
    "nuclide_names",
]

_HOME = {"Material": "matter", "medium": "matter"}


def __getattr__(name: str) -> Any:  # the two halves are imported when one of their names is first used
    import importlib

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME.get(name, 'nuclides')}", __name__), name)
