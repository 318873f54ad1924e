"""The account: limits, earlier therapy, this course, and the activity that is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .. import biology, catalog, kinetics
from ..case import ExternalBeam, PriorCourse
from ..errors import CaseError
from ..physics import nuclide as nuclide_of
from ..report import Course
from ..units import read_quantity
from ._context import Context, Evaluation
from ._planned import planned
from ._stages import Sampled, carrier_curves, course_of, effect_of, tissue_parameters

__all__ = ["evaluate"]

LEDGER_TISSUES = ("kidneys", "red_marrow")


# --- ledger ----------------------------------------------------------------------------------------------------------


def _limit(c: Context, tissue: str) -> biology.DoseLimit | None:
    chosen = c.case.limits.get(tissue)
    if chosen is not None:
        for quantity in ("bed", "eqd2", "absorbed_dose"):
            value = getattr(chosen, f"{quantity}_Gy")
            if value is not None:
                return biology.DoseLimit(value, quantity, "given in the case")
    if not c.human:  # the catalogue's limits are those of patients
        return None
    entry = catalog.tissue_of(tissue)
    if entry.id == "other" or not entry.limits:
        return None
    limits = entry.limits
    if tissue.startswith("kidney") and c.case.patient.renal_risk_factors:
        bed = [x for x in limits if x.quantity == "bed"]
        picked = min(bed, key=lambda x: x.value) if bed else limits[0]
    else:
        picked = next((x for x in limits if x.default), limits[0])
    c.book.use(f"limit, {entry.id}: {picked.label}", picked)
    return biology.DoseLimit.from_catalog(picked)


def _ledger_tissues(c: Context, regions: tuple[str, ...]) -> tuple[str, ...]:
    """Kidneys and marrow, and every region that a limit or an earlier dose of the case names."""
    wanted = [t for t in LEDGER_TISSUES if t in regions]
    if "kidneys" not in wanted:
        wanted = [r for r in ("kidney_left", "kidney_right") if r in regions] + wanted
    named = {f"limits.{name}": name for name in c.case.limits}
    for i, item in enumerate(c.case.prior_therapy):
        named |= {f"prior_therapy.{i}.dose.{name}": name for name in item.dose}
    for place, name in named.items():
        covered = name in regions or (name == "kidneys" and any(t.startswith("kidney_") for t in wanted))
        if not covered:
            raise CaseError(
                f"{place}: the case computes no dose to {name}, so nothing can be counted with it; it has {', '.join(regions)}. "
                "Measure the region, or leave this out."
            )
        if name in regions and name not in wanted:
            wanted.append(name)
    return tuple(wanted)


def _prior_rows(
    c: Context, curves: Mapping[str, kinetics.Curve], carrier: Mapping[str, Sampled], tissues: tuple[str, ...]
) -> dict[str, list[biology.LedgerRow]]:
    """Ledger rows of earlier therapy, oldest first; a dose to both kidneys counts for each side."""
    rows: dict[str, list[biology.LedgerRow]] = {t: [] for t in tissues}
    for item in sorted(c.case.prior_therapy, key=lambda p: -p.ended_h):
        when = f"ended {_ago(item.ended_h)} ago"
        if isinstance(item, ExternalBeam):
            what = f"external beam, {item.fractions} fractions"
            for tissue in tissues:
                total = item.dose.get(tissue, item.dose.get(_pair_of(tissue)))
                if total is not None:
                    ratio = tissue_parameters(c, tissue).alpha_beta_Gy
                    each = total / item.fractions
                    rows[tissue].append(
                        biology.external_beam(tissue, each, item.fractions, ratio, when=when, what=what)
                    )
        else:
            _prior_radionuclide(c, item, when, curves, carrier, rows)
    return rows


def _pair_of(tissue: str) -> str:
    return "kidneys" if tissue in ("kidney_left", "kidney_right") else tissue


def _ago(hours: float) -> str:
    months = hours / (30.4375 * 24)
    return f"{months:.3g} months" if months >= 1 else f"{hours / 24:.3g} days"


def _prior_radionuclide(
    c: Context,
    item: PriorCourse,
    when: str,
    curves: Mapping[str, kinetics.Curve],
    carrier: Mapping[str, Sampled],
    rows: dict[str, list[biology.LedgerRow]],
) -> None:
    """An earlier course: the dose given in the case, else from this patient's curves, else a published coefficient.

    This patient's curves stand for the earlier agent only where both have the same target.
    """
    each = item.activity.for_body_mass(c.case.body_mass_kg)
    size = f"{each / 1000:.3g} GBq" if each >= 1000 else f"{each:.3g} MBq"
    what = f"{item.cycles} x {size} {item.agent}"
    same = catalog.agent(item.agent).target == catalog.agent(c.case.measured_agent).target
    own = course_of(c, item.agent, (each,) * item.cycles, curves, carrier) if same else None
    for tissue in rows:
        given = item.dose.get(tissue, item.dose.get(_pair_of(tissue)))
        if given is not None:
            per_cycle = np.full(c.draws.n, given * each)
            c.book.say(f"{what}: dose to {tissue} as given in the case.")
        elif own is not None and tissue in own.regions:
            rows[tissue].append(own.effect.ledger_row(tissue, what, when))
            curves_of = "computed by the same model" if planned(c.case) else "measured in this case"
            c.book.say(f"{what}: dose from the curves {curves_of}, taken to hold for the earlier cycles.")
            continue
        else:
            published = _published_dose(c, item.agent, _pair_of(tissue))
            if published is None:
                c.book.say(
                    f"{what}: NO DOSE TO {tissue.upper()} IS KNOWN, measured or published; the ledger counts it as ZERO. Give "
                    "prior_therapy.dose."
                )
                continue
            per_cycle = published * each
            c.book.say(f"{what}: dose to {tissue} from a published mean, not from this patient.")
        rows[tissue].append(_row_of_dose(c, item, what, when, tissue, per_cycle, own))


def _published_dose(c: Context, agent_id: str, region: str) -> np.ndarray | None:
    """Absorbed dose in Gy/MBq of the first verified coefficient of the catalogue (else the first), sampled."""
    entries = [d for d in catalog.agent(agent_id).doses if d.region == region and d.quantity == "absorbed_dose"]
    entries.sort(key=lambda d: not d.verified)
    if not entries:
        return None
    chosen = entries[0]
    scale = read_quantity(f"1 {chosen.unit}", "Gy/MBq", "absorbed dose per activity")
    c.book.use(f"published dose of {agent_id} to {region}", chosen)
    return chosen.at_score(c.score(f"published dose of {agent_id}, {region}")) * scale


def _row_of_dose(
    c: Context, item: PriorCourse, what: str, when: str, tissue: str, per_cycle: np.ndarray, own: Course | None
) -> biology.LedgerRow:
    """A ledger row of a dose that came as a number: all of it high-LET when the agent emits alphas."""
    parameters = tissue_parameters(c, tissue)
    alpha = nuclide_of(catalog.agent(item.agent).nuclide).energy_MeV("alpha", chain=True) > 0
    none = np.zeros(c.draws.n)
    if own is not None and tissue in own.regions:
        g = own.effect.g.sel(region=tissue).values
    else:
        g = np.ones(c.draws.n)
        c.book.say(
            f"{what}: no curve of {tissue}; its BED counts each cycle as one acute fraction (G = 1), the cautious end."
        )
    return biology.radionuclide_course(
        what,
        tissue,
        none if alpha else per_cycle,
        per_cycle if alpha else none,
        g,
        parameters.alpha_beta_Gy,
        parameters.high_let,
        relative_activities=(1.0,) * item.cycles,
        when=when,
    )


# --- the whole evaluation --------------------------------------------------------------------------------------------


def evaluate(c: Context, curves: Mapping[str, kinetics.Curve]) -> Evaluation:
    """The stages in order, for samples, for the point estimate, or for one input at a time."""
    c.book.cite("icrp107", "mird21", "astar", "estar", "xcom")
    carrier = carrier_curves(c, curves)
    for name, curve in curves.items():
        c.book.say(*(f"Curve of {name}: {note}" for note in curve.notes))
        c.book.cite(*curve.sources)
    activities = (c.case.cycle_activity_MBq,) * c.case.treatment.cycles
    course = course_of(c, c.case.treatment.agent, activities, curves, carrier)
    _say_regions(c, course)
    tissues = _ledger_tissues(c, course.regions)
    limits = {t: limit for t in tissues if (limit := _limit(c, t)) is not None}
    before = _prior_rows(c, curves, carrier, tuple(limits))
    prior = {t: biology.ledger(before[t], limits[t], tissue=t) for t in limits}
    if c.case.prior_therapy:  # only NTCP looks back
        effect = effect_of(course.kinetics, course.s_values, course.dose, activities, course.effect.parameters, prior)
        course = replace(course, effect=effect)
    what = f"this course: {course.cycles} x {activities[0]:.4g} MBq {course.agent}"
    rows = {t: [*before[t], course.effect.ledger_row(t, what, "planned or given")] for t in limits}
    full = {t: biology.ledger(rows[t], limits[t], tissue=t) for t in limits}
    return Evaluation(
        course=course,
        carrier=carrier,
        ledgers=full,
        ntcp=_complications(c, course, tuple(full)),
        next_cycle=_next(c, course, full, 1),
        planned_limit=_next(c, course, prior, course.cycles),
    )


def _say_regions(c: Context, course: Course) -> None:
    """What a reader could take for granted and must not."""
    reached = [r for r in course.kinetics.regions if r not in course.regions and r not in c.case.kinetics.regions]
    if reached:
        c.book.say(
            f"Freed daughters also decay in {', '.join(reached)}: not measured here, so their dose is not computed; the decays are listed."
        )
    if not any(r.startswith("kidney") for r in course.regions):
        c.book.say(
            "KIDNEYS WERE NOT MEASURED: they have no dose and no limit here, and no activity for a next cycle is given."
        )
    lesions = [r for r in course.regions if r.startswith("tumour")]
    if lesions:
        c.book.say(
            f"Regions are taken to be disjoint: the activity and mass of {', '.join(lesions)} are in no organ of the list."
        )
    if not c.human:
        c.book.say(
            "Limits, complication probabilities and next activities of patients are not applied to another species."
        )


def _complications(c: Context, course: Course, tissues: tuple[str, ...]) -> dict[str, tuple[str, np.ndarray]]:
    made = {}
    for tissue in tissues:
        model = course.effect.parameters[tissue].complication
        if c.human and model is not None and tissue in course.effect.ntcp:
            made[tissue] = (model.endpoint, course.effect.ntcp[tissue])
    return made


def _next(c: Context, course: Course, used: Mapping[str, biology.Ledger], cycles: int) -> biology.NextActivity | None:
    """The activity that is left; none without kidneys, the organ that limits nearly every such therapy."""
    if not any(tissue.startswith("kidney") for tissue in used):
        return None
    budgets = {t: course.effect.budget(t, ledger.limit, ledger.total_Gy()) for t, ledger in used.items()}
    return biology.next_activity(
        budgets,
        confidence=c.case.options.confidence,
        remaining_cycles=cycles,
        cap_MBq=c.case.treatment.cap_MBq,
        cap_label="the cap given in the case",
    )
