"""Virtual patients beside what was published of real ones; what is missed is documented, never tuned away."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ._rows import Row

if TYPE_CHECKING:
    from ..cohort import Cohort, CohortSpec

__all__ = ["COHORT_CALLS", "compare_cohort"]

_PATIENTS = 4000
_SPEC: Mapping[str, Any] = {"cohort": "validation", "agent": "lu177-dotatate", "treatment": {"activity": "7.4 GBq"}}
_SIGNS = {
    "sign of kidney dose with eGFR": "kidney dose with eGFR",
    "sign of marrow dose with eGFR": "marrow dose with eGFR",
}
_OF_THE_COURSE = ("three months", "progression", "eGFR", "low ", "severe", "lowest", "marrow dose of")


def _simulated(amino_acids: bool, patients: int) -> Cohort:
    from ..cohort import cohort

    treatment = {**_SPEC["treatment"], "amino_acids": amino_acids}
    return cohort({**_SPEC, "treatment": treatment}, size=patients, seed=1)


@functools.cache
def _answers() -> Mapping[str, float]:
    from ..cohort import answers

    return answers(_simulated(True, _PATIENTS))


@functools.cache
def _spared() -> float:
    """Median over the same patients of the share of the kidney dose that amino acids spare, %."""
    doses = [_simulated(on, 400)["dose"].sel(cycle=1, region="kidneys").values for on in (True, False)]
    return 100.0 * float(np.median(1.0 - doses[0] / doses[1]))


def _clearance() -> float:
    """Plasma clearance of the reference patient, L/h: amount over the area under the concentration, decay left out."""
    from ..kinetics.pbpk import pbpk

    model = pbpk("lu177-dotatate", lesions={"bulk": 200.0})
    start = model.parameters["amino_acid_start_min"].value
    given = {"lambda_per_min": 1e-12, "start_min": start}
    values = model.compiled.model.check_values(given)
    found = model.compiled.solve([60.0 * 24 * 60], given, start_min=start)
    area = float(found["int_plasma"][0, -1]) / float(values["V_plasma"])
    return float(values["peptide_nmol"]) / area * 60.0


def cohort_answer(key: str) -> float:
    """What 4000 virtual patients say to one published quantity."""
    if key == "clearance":
        return _clearance()
    if key == "amino acids":
        return _spared()
    return _of(key, _answers())


def _of(key: str, found: Mapping[str, float]) -> float:
    return math.copysign(1.0, found[_SIGNS[key]]) if key in _SIGNS else found[key]


def compare_cohort(spec: CohortSpec, found: Mapping[str, float]) -> tuple[Row, ...]:
    """A cohort beside the published values that are for its agent and treatment; rows of the group ``cohort``.

    Parameters
    ----------
    spec : CohortSpec
    found : mapping of str to float
        From `alphatwin.cohort.answers`.

    Returns
    -------
    tuple of Row
        Empty for other agents. Response and toxicity are left out where the course is not that of the trials, four
        cycles of 7.4 GBq every eight weeks. A miss is documented only for the cohort of the validation, not for yours.
    """
    from ._published import load

    if spec.agent != "lu177-dotatate":
        return ()
    t = spec.treatment
    usual = t.cycles == 4 and t.activity_MBq_fixed == 7400.0 and abs(t.interval_d - 56.0) < 8.0
    made = []
    for c in load("cohort").comparisons:
        key, printed = str(c.values[0][0]), str(c.values[0][-1])
        if key not in {*found, *_SIGNS} or (not usual and any(w in key for w in _OF_THE_COURSE)):
            continue
        ours = _of(key, found)
        if not math.isfinite(ours):
            continue
        half = c.tolerance.half_width(printed, 0.0) / abs(float(printed))
        made.append(
            Row(
                "cohort",
                c.quantity,
                float(printed),
                c.unit,
                ours,
                half,
                c.tolerance.text,
                c.source,
                c.locator,
                c.verified,
                c.note,
                printed,
            )
        )
    return tuple(made)


COHORT_CALLS: tuple[Callable[..., float], ...] = (cohort_answer,)
