"""The optimal course of a case: its virtual patients, its protections and limits, handed to the search."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .. import catalog
from ..biology.course import TissueParameters
from ..biology.optimal import CourseLimit, OptimalCourse, Protection, best_course, course_at
from ..case.optimal import ConstraintChoice, OptimalCase, load_optimal
from ..case.protect import StrategyChoice
from ..draws import Draws
from ..report.optimal import OptimalReport
from ._planned import PlannedPatient
from .protect import _at, _drug, _hours, block_of, planned_sources, provenance_of, told_of

__all__ = ["optimal_course"]


def optimal_course(
    case: OptimalCase | str | pathlib.Path,
    *,
    samples: int | None = None,
    seed: int | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> OptimalReport:
    """The course that does most to the tumour while kidneys and marrow keep their limits with a stated probability.

    Parameters
    ----------
    case : OptimalCase, str or Path
        A planned patient (``kinetics: {source: pbpk, ...}``), strategies to choose from, constraints and a search.
    samples, seed : int, optional
        In place of the case's options.
    progress : callable
        Told the name of each stage.

    Returns
    -------
    OptimalReport
        ``.found`` holds the best course, its rivals, the trade-off and how firmly it is chosen. Where no course keeps
        the limits, ``.feasible`` is False and ``.found.answer`` says why.

    Raises
    ------
    CaseError
        The file cannot be read, or asks for what cannot be; with its line.

    See Also
    --------
    alphatwin.biology.optimal.best_course : the search itself, for any dose rate.

    Examples
    --------
    >>> from alphatwin.case.optimal import OptimalCase
    >>> case = OptimalCase.model_validate({
    ...     "case": "small", "patient": {"body_mass": "73 kg", "egfr": "90 mL/min/1.73m2"},
    ...     "treatment": {"agent": "ac225-dotatate", "activity": "8 MBq"},
    ...     "kinetics": {"source": "pbpk", "lesions": {"tumour": {"volume": "50 mL"}}},
    ...     "strategies": {"none": {}, "AA 4 h": {"amino_acids": {"duration": "4 h"}}},
    ...     "constraints": [{"kidneys_bed": "40 Gy", "probability": "90 %"}], "search": {"cycles": [2]}})
    >>> optimal_course(case, samples=20).found.best.protection
    'AA 4 h'
    """
    made = case if isinstance(case, OptimalCase) else load_optimal(case)
    changes = {k: v for k, v in (("samples", samples), ("seed", seed)) if v is not None}
    if changes:
        made = made.model_copy(update={"options": made.options.model_copy(update=changes)})
    patient = PlannedPatient(made, Draws(made.options.samples, made.options.seed))
    progress("earlier therapy")
    prior = patient.prior
    limits = [_limit(c) for c in made.constraints]
    protections = {}
    for name, choice in made.strategies.items():
        progress(name)
        protections[name] = _at(f"strategies.{name}", lambda c=choice: _protection(patient, c))  # type: ignore[misc]
    scores = patient.draws.normal
    tissues = {r: TissueParameters.from_catalog(catalog.tissue_of(r), scores) for r in ("kidneys", "red_marrow")}
    area = made.search.activity
    common: dict[str, Any] = {
        "reference_MBq": patient.activity_MBq, "objective": made.search.objective, "tissues": tissues,
        "tumour": patient.tumour, "kidney": patient.kidney, "marrow": patient.marrow, "egfr": patient.egfr,
        "baseline": _baseline(patient), "prior_kidney": prior[0], "prior_marrow": prior[1], "prior_tumour": prior[2],
        "clonogens_per_mL": made.search.clonogens_per_mL, "seed": made.options.seed,
    }  # fmt: skip
    found = _at("search", lambda: best_course(
        protections, limits, patient.volumes_mL, cycles=made.search.cycles,
        intervals_d=[h / 24.0 for h in made.search.intervals_h],
        activity_MBq=(area.least_MBq or 0.0, area.most_MBq or np.inf), progress=progress, **common,
    ))  # fmt: skip
    progress("the course in use")
    return OptimalReport(made, found, _in_use(patient, made, protections, limits, common), _notes(made, found),
                         provenance_of(made, planned_sources(patient)))  # fmt: skip


def _protection(patient: PlannedPatient, choice: StrategyChoice) -> Protection:
    block = block_of(patient, choice)
    drug, given = _drug(patient, choice)
    parts = 1 if choice.split is None else choice.split.fractions
    every = 0.0 if choice.split is None else choice.split.every_h / 24.0
    course = patient.cycle(block, share=1.0 / parts)
    course = replace(course, start_d=tuple(i * every for i in range(parts)), relative_activities=np.ones(parts))
    return Protection(
        course,
        drug,
        tuple(_hours(given)) if given is not None else (),
        given.amount if given is not None else 1.0,
        patient.clearance_exponent(block),
        0.0 if block is None else max(block.duration_h - block.start_before_h, 0.0),
    )


def _limit(c: ConstraintChoice) -> CourseLimit:
    if c.kidneys_bed_Gy is not None:
        return CourseLimit("bed", c.kidneys_bed_Gy, c.probability, "kidneys")
    if c.marrow_bed_Gy is not None:
        return CourseLimit("bed", c.marrow_bed_Gy, c.probability, "red_marrow")
    if c.marrow_dose_Gy is not None:
        return CourseLimit("absorbed_dose", c.marrow_dose_Gy, c.probability, "red_marrow")
    if c.egfr_at_least is not None and c.after_h is not None:
        return CourseLimit("egfr", c.egfr_at_least, c.probability, after_y=c.after_h / 8766.0)
    if c.platelets_at_least is not None:
        return CourseLimit("platelets", c.platelets_at_least, c.probability)
    assert c.neutrophils_at_least is not None
    return CourseLimit("neutrophils", c.neutrophils_at_least, c.probability)


def _baseline(patient: PlannedPatient) -> dict[str, Any]:
    """Counts before the course, as they spread among patients."""
    entry = catalog.outcome_model("blood-course")
    return {
        name: entry.values[f"baseline_{name}"].at_score(patient.draws.normal(f"{entry.id}.baseline_{name}"))
        for name in ("platelets", "neutrophils", "lymphocytes", "haemoglobin")
    }


def _in_use(
    patient: PlannedPatient, case: OptimalCase, protections: Mapping[str, Protection], limits: list[CourseLimit],
    common: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """The case's own course under the reference protection: its effect, and how often it keeps each limit."""
    name = case.reference or next(iter(protections))
    n, every = case.treatment.cycles, (case.treatment.interval_h or 56.0 * 24.0) / 24.0
    amount = patient.activity_MBq
    effect, kept = course_at(
        {name: protections[name]}, limits, patient.volumes_mL, (name, n, every), amount,
        **{k: v for k, v in common.items() if k != "seed"},
    )  # fmt: skip
    return {
        "protection": name,
        "cycles": n,
        "interval_d": every,
        "activity_MBq": amount,
        "effect": float(np.mean(effect)),
        "kept": kept,
    }


def _notes(case: OptimalCase, found: OptimalCourse) -> tuple[str, ...]:
    given = "; ".join(f"{name}: {told_of(c)}" for name, c in case.strategies.items())
    return (
        f"Protections: {given}.",
        "Kinetics are predicted from a population's parameters, not measured in this patient; priors of the parameters are "
        "independent of each other. Low-LET dose to red marrow is that measured after 177Lu-DOTATATE per dose from blood in "
        "the model; its high-LET dose is the model's own.",
        "Lesions count alike in the mean of the killed powers of ten.",
        *found.notes,
    )
