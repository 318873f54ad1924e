"""Transport: from emitted particles to absorbed energy. First form: the self dose of spheres and organs."""

from __future__ import annotations

from .spheres import (
    MASS_LIMITS_G,
    MarrowModel,
    RegionMass,
    SValues,
    absorbed_fraction,
    self_s_values,
    sphere_absorbed_fraction,
)

__all__ = [
    "MASS_LIMITS_G",
    "MarrowModel",
    "RegionMass",
    "SValues",
    "absorbed_fraction",
    "self_s_values",
    "sphere_absorbed_fraction",
]
