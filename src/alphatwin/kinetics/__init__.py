"""Curves from measurements and publications, translation between nuclides, and where alpha daughters decay."""

from __future__ import annotations

from .curves import MODELS, Curve, fit_curve, from_retention, remainder
from .daughters import PLASMA, FreeDaughters, InPlace, chain_kinetics, free_daughters_from_catalog
from .values import Decays, Kinetics, integrate

__all__ = [
    "MODELS",
    "PLASMA",
    "Curve",
    "Decays",
    "FreeDaughters",
    "InPlace",
    "Kinetics",
    "chain_kinetics",
    "fit_curve",
    "free_daughters_from_catalog",
    "from_retention",
    "integrate",
    "remainder",
]
