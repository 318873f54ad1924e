"""What is kept of a patient: names, dimensions, units; the same for a chunk, a file and a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..biology.marrow import COUNTS
from .spec import CohortSpec

__all__ = ["ORGANS", "Variable", "axes", "columns", "layout", "picked"]

ORGANS = ("kidneys", "liver", "spleen", "red_marrow")
EXCRETION_H = (5.0, 24.0, 48.0)
DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class Variable:
    """One thing that is kept: dimensions after `sample`, unit, what it is, and how it is stored."""

    dims: tuple[str, ...]
    unit: str
    label: str
    dtype: str = "float32"


_COVARIATES = {
    "female": ("1", "1 for a woman"),
    "age": ("y", "age"),
    "body_mass": ("kg", "body mass"),
    "body_surface": ("m^2", "body surface"),
    "egfr_baseline": ("mL/min/1.73 m^2", "estimated GFR before therapy"),
    "gfr": ("mL/min", "GFR before therapy, not indexed"),
    "volume_kidneys": ("mL", "volume of the kidneys"),
    "volume_liver": ("mL", "volume of the liver"),
    "volume_spleen": ("mL", "volume of the spleen"),
    "peptide": ("nmol", "peptide per cycle"),
    "f_megalin": ("1", "share of megalin in the kidneys' uptake, as drawn"),
    "burden": ("mL", "all tumour before therapy"),
    "activity": ("GBq", "administered activity per cycle"),
}


def axes(spec: CohortSpec) -> dict[str, tuple[Any, ...]]:
    """Coordinates of each dimension."""
    last = spec.outcome.follow_up_years * DAYS_PER_YEAR
    step = 7.0 * spec.outcome.imaging_weeks
    return {
        "cycle": tuple(range(1, spec.treatment.cycles + 1)),
        "region": (*ORGANS, *spec.lesion_names),
        "lesion": spec.lesion_names,
        "excretion_h": EXCRETION_H,
        "image_d": tuple(float(t) for t in np.arange(0.0, last + 1e-9, step)),
        "function_d": tuple(float(t) for t in np.arange(0.0, last + 1e-9, DAYS_PER_YEAR / 2)),
        "count": COUNTS,
    }


def layout() -> dict[str, Variable]:
    """Every variable by name."""
    made = {name: Variable((), unit, label) for name, (unit, label) in _COVARIATES.items()}
    made |= {
        "dose": Variable(("cycle", "region"), "Gy", "absorbed dose of a cycle; red marrow as the whole-body model has it"),
        "marrow_dose": Variable(("cycle",), "Gy", "marrow dose of a cycle that the blood counts answer to"),
        "effective_half_life": Variable(("region",), "h", "effective half-life in the first cycle, from day 1 to day 7 for 177Lu"),
        "excreted": Variable(("excretion_h",), "1", "share of the peptide that has left the body, first cycle"),
        "megalin_share": Variable((), "1", "share of the kidneys' decays in what megalin took up, first cycle"),
        "lesion_volume": Variable(("cycle", "lesion"), "mL", "volume at the start of a cycle"),
        "sum_of_diameters": Variable(("image_d",), "mm", "sum of diameters of target lesions"),
        "recist": Variable(("image_d",), "1", "RECIST 1.1 category: 0 CR, 1 PR, 2 SD, 3 PD", "int8"),
        "best_response": Variable((), "1", "best RECIST 1.1 category before progression: 0 CR, 1 PR, 2 SD, 3 PD", "int8"),
        "progression": Variable((), "d", "day of the first image with progression; NaN: none seen"),
        "egfr": Variable(("function_d",), "mL/min/1.73 m^2", "estimated GFR"),
        "kidney_bed": Variable((), "Gy", "biologically effective dose of the kidneys over the course"),
        "nadir": Variable(("cycle", "count"), "1", "lowest count of a cycle: 1e9/L; haemoglobin g/dL"),
        "nadir_day": Variable(("cycle", "count"), "d", "day of the lowest count after the start of its cycle"),
        "grade": Variable(("cycle", "count"), "1", "worst CTCAE grade of a cycle", "int8"),
    }  # fmt: skip
    return made


def picked(values: Any, index: tuple[int, ...]) -> npt.NDArray[Any]:
    """One column [sample] of a variable [sample, ...]."""
    return np.asarray(values[(slice(None), *index)])


def columns(spec: CohortSpec) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Flat names for a table: column -> (variable, index), e.g. ``dose.1.kidneys``."""
    where, made = axes(spec), {}
    for name, v in layout().items():
        shape = tuple(len(where[d]) for d in v.dims)
        for index in np.ndindex(*shape):
            parts = [
                f"{where[d][i]:g}" if isinstance(where[d][i], float) else str(where[d][i])
                for d, i in zip(v.dims, index, strict=True)
            ]
            made[".".join([name, *parts])] = (name, index)
    return made
