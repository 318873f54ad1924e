"""The case: one patient, one treatment, one question, as a frozen, checked value.

A case is a short YAML file. Text with units is read here; inside, every field is a float whose name ends in its
unit. Every error names the line of the file, what was given, what is allowed and the nearest valid name.
"""

from __future__ import annotations

from .model import (
    Case,
    DaughterOptions,
    ExternalBeam,
    FractionFiles,
    LimitChoice,
    MeasuredKinetics,
    Options,
    Patient,
    Prescription,
    PriorCourse,
    RegionData,
    Treatment,
    schema,
)
from .reading import example_path, load, located

__all__ = [
    "Case",
    "DaughterOptions",
    "ExternalBeam",
    "FractionFiles",
    "LimitChoice",
    "MeasuredKinetics",
    "Options",
    "Patient",
    "Prescription",
    "PriorCourse",
    "RegionData",
    "Treatment",
    "example_path",
    "load",
    "located",
    "schema",
]
