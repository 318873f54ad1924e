"""Decay constants for this room, from the nuclide catalogue."""

from __future__ import annotations


def decay_constant_per_h(nuclide_name: str) -> float:
    """Physical decay constant in 1/h; an unknown name raises CatalogError with suggestions."""
    from ..physics.nuclides import nuclide

    return float(nuclide(nuclide_name).decay_constant_per_h)
