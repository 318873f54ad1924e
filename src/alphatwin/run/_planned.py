"""Computed kinetics in the place of measured ones: the whole-body model of the case, with its patient and its priors.

What the case gives (body, filtration, organ masses, lesions, peptide, amino acids) is held at it, with the uncertainty
of its measurement; every other parameter is drawn from its prior. One set of organ volumes serves kinetics and dose.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .. import catalog, transport
from ..case import Case, PbpkKinetics
from ..catalog._pbpk import model_parameters, parameter_sets
from ..errors import AlphatwinError, CaseError
from ..kinetics._pbpk_curves import ComputedCurve
from ..kinetics.pbpk import PBPK, Lesion, pbpk
from ._context import Context

__all__ = ["computed_curves", "computed_parents", "model_gaps", "planned", "planned_masses", "variants"]

_FILTRATION_SD = 0.10  # relative, of an estimated filtration rate against the patient's own; an assumption of ours
_REFERENCE_SURFACE_M2 = 1.9  # of the body that the model's volumes and its filtration are those of


def planned(case: Case) -> PbpkKinetics | None:
    """The computed kinetics of a case, or None where curves were measured."""
    return case.kinetics if isinstance(case.kinetics, PbpkKinetics) else None


def _given(case: Case) -> PbpkKinetics:
    assert isinstance(case.kinetics, PbpkKinetics)
    return case.kinetics


def variants(case: Case) -> tuple[str, ...]:
    """Parameter sets of the treatment's agent; the one in use first."""
    agent, species = catalog.agent(case.treatment.agent), catalog.anatomy(case.patient.anatomy).species
    sets = list(parameter_sets(agent.target, species))
    chosen = _given(case).parameters or sets[-1]
    return (chosen, *(name for name in sets if name != chosen))


def model_gaps(case: Case) -> tuple[str, ...]:
    """What the catalogue says nobody knows about the model in use."""
    agent, species = catalog.agent(case.treatment.agent), catalog.anatomy(case.patient.anatomy).species
    used = (species, parameter_sets(agent.target, species)[variants(case)[0]])
    return tuple(f"whole-body model, {name}: {gap}" for name in used for gap in model_parameters(name).gaps)


def model_of(case: Case, agent_id: str) -> PBPK:
    """The model of an agent in the case's species, with the case's lesions."""
    lesions = {
        name: Lesion(
            given.volume_mL,
            given.receptors_nM,
            given.release_per_min,
            given.perfusion_per_min,
            given.permeability_per_min,
        )
        for name, given in _given(case).lesions.items()
    }
    species = catalog.anatomy(case.patient.anatomy).species
    return pbpk(agent_id, species, parameters=variants(case)[0], lesions=lesions)


def _volume_factor(case: Case, model: PBPK) -> float:
    """Volumes of this body over the model's: with the surface of a person, with the mass of an animal."""
    if model.species == "human":
        return case.body_surface_m2 / _REFERENCE_SURFACE_M2
    return case.body_mass_kg / model.parameters["body_mass_kg"].value


def planned_masses(c: Context, regions: Collection[str]) -> dict[str, transport.RegionMass]:
    """Sampled masses: given in the case, else the model's volumes scaled with body surface; lesions as given."""
    model = model_of(c.case, c.case.treatment.agent)
    made: dict[str, transport.RegionMass] = {}
    for name in (r for r in regions if r != "remainder"):
        medium = c.case.medium_of(name)
        density = catalog.medium(medium).density.value
        if name in model.lesions:
            mass, spread, basis = model.lesions[name].volume_mL * density, c.case.options.mass_sd, "given"
        elif name in c.case.patient.organ_masses_g:
            mass, spread, basis = c.case.patient.organ_masses_g[name], c.case.options.mass_sd, "given"
        else:
            q = model.parameters[f"volume_{name}_L"]
            mass, spread = q.value * _volume_factor(c.case, model) * 1000.0 * density, float(q.u or 0.0) / q.value
            by = "surface" if model.species == "human" else "mass"
            basis = f"volume of the whole-body model, scaled with body {by}, x density"
        made[name] = transport.RegionMass(mass * c.factor(f"mass {name}", spread), medium, basis)
    return made


def _overrides(c: Context, model: PBPK) -> dict[str, Any]:
    """What the case says of the patient and the infusion, in the model's words."""
    case, given = c.case, _given(c.case)
    own = model.agent == case.treatment.agent
    organs = [n[7:-2] for n in model.parameters if n.startswith("volume_") and n.endswith("_L")]
    dosed = [name for name in organs if name in model.regions]
    made: dict[str, Any] = {"body_mass_kg": case.body_mass_kg, "bsa_m2": case.body_surface_m2}
    if model.species != "human":
        made = dict(model.scaled(case.body_mass_kg))
    for name, mass in planned_masses(c, [*dosed, *model.lesions]).items():
        litres = np.asarray(mass.mass_g) / 1000.0 / catalog.medium(mass.medium).density.value
        made |= {f"volume_{name}_mL": 1000.0 * litres} if name in model.lesions else {f"volume_{name}_L": litres}
    for name in organs:
        if name not in dosed:
            made[f"volume_{name}_L"] = model.parameters[f"volume_{name}_L"].value * _volume_factor(case, model)
    if "gfr_L_per_min" in model.parameters:
        if case.patient.egfr is not None:
            rate, spread = case.patient.egfr.L_per_min(case.body_surface_m2), _FILTRATION_SD
        else:
            q = model.parameters["gfr_L_per_min"]
            usual = q.value * _volume_factor(case, model) if model.species == "human" else made["gfr_L_per_min"]
            rate, spread = usual, float(q.u or 0.0) / q.value
        made["gfr_L_per_min"] = rate * c.factor("filtration rate", spread)
    if "peptide_nmol" in model.parameters:
        amount = given.peptide_nmol if own else None
        made["peptide_nmol"] = model.parameters["peptide_nmol"].value if amount is None else amount
    if given.amino_acids_h is not None and "amino_acids" in model.parameters:
        if given.amino_acids_h == 0:
            made["amino_acids"] = 0.0
        else:
            made["amino_acid_duration_min"] = 60.0 * given.amino_acids_h
    return {**made, **given.override}


def computed_parents(c: Context, agent_id: str, activity_MBq: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Amplitude in MBq and rate in 1/h [sample, term] of the parent in every region, for this activity."""
    model = model_of(c.case, agent_id)
    held = _overrides(c, model)
    drawn = model.at_scores(lambda name: c.score(name.replace("pbpk ", "model: ")), without=held)
    peptide = np.min(held["peptide_nmol"]) if "peptide_nmol" in held else np.inf
    if peptide < model.labelled_nmol(activity_MBq):
        raise CaseError(
            f"kinetics.peptide: {peptide:g} nmol is less than the {float(model.labelled_nmol(activity_MBq)):.3g} nmol of labelled "
            f"molecules in {activity_MBq:g} MBq of {model.agent}."
        )
    try:
        given: dict[str, Any] = {**drawn, **held}
        curves = model.exponentials(activity_MBq=activity_MBq, **given)
    except AlphatwinError as error:
        raise type(error)(f"kinetics: {error}") from None
    _say(c, model, held, drawn)
    if c.draws.sampled and agent_id == c.case.treatment.agent:
        _say_spread(c, model, activity_MBq, held, drawn, curves)
    return {name: (np.broadcast_to(a, (c.draws.n, a.shape[1])), np.broadcast_to(r, (c.draws.n, r.shape[1]))) for name, (a, r) in curves.items()}  # fmt: skip


def _say(c: Context, model: PBPK, held: Mapping[str, object], drawn: Collection[str]) -> None:
    """Sources and assumptions, once each."""
    case = c.case
    lesions = {key for name in model.lesions for key in model.parameters if f"_{name}_" in key}
    for name, q in model.parameters.items():
        if (name not in held or name == "peptide_nmol") and not (name in lesions and q.note == "given by the user"):
            c.book.use(f"whole-body model: {name}", q)
    c.book.cite(*model.sources)
    c.book.say(
        f"NO CURVE WAS MEASURED: the biodistribution of {model.agent} is computed by the whole-body model, set {model.parameter_set}, "
        f"with {len(drawn)} parameters drawn from priors, each independent of the others.",
        *(note for note in model.notes if "stand for" in note),
        "Red marrow, computed: the concentration of plasma in its plasma and interstitium; no specific uptake, no metastases in bone.",
    )
    if case.patient.egfr is None and "gfr_L_per_min" in held:
        c.book.say("Filtration of this patient is not given: the population's, 25 % between patients.")
    elif "gfr_L_per_min" in held:
        c.book.say(f"Filtration as given, {_FILTRATION_SD:.0%} standard uncertainty assumed.")
    if case.patient.height_cm is None:
        c.book.say("Height is not given: body surface by body mass to the power 2/3.")
    if model.agent != case.treatment.agent or _given(case).peptide_nmol is None:
        amount = float(np.median(np.asarray(held.get("peptide_nmol", 0.0), dtype=float)))
        if amount:
            c.book.say(f"Amount of peptide of {model.agent} is not given: {amount:g} nmol, that of the calibration.")
    if not model.lesions:
        c.book.say("No lesion is given: nothing is a sink, and organs get the most that they can.")


def _say_spread(
    c: Context,
    model: PBPK,
    activity_MBq: float,
    held: Mapping[str, Any],
    drawn: Mapping[str, np.ndarray],
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> None:
    """How much of the spread is patients' and how much is what nobody knows: each part alone, the other at its median."""
    alone = {}
    for kind in ("patients", "knowledge"):
        mine: dict[str, Any] = {
            n: v if model.parameters[n].varies == kind else float(np.median(v)) for n, v in drawn.items()
        }
        fixed = held if kind == "patients" else {n: float(np.median(np.asarray(v))) for n, v in held.items()}
        alone[kind] = model.exponentials(activity_MBq=np.full(c.draws.n, activity_MBq), **{**mine, **fixed})

    def cv(found: Mapping[str, tuple[np.ndarray, np.ndarray]], region: str) -> float:
        a, r = found[region]
        return float(np.std(np.log(np.maximum((a / r).sum(axis=1), 1e-300))))

    told = [
        f"{region} {100 * cv(curves, region):.0f} % ({100 * cv(alone['patients'], region):.0f} % between patients, "
        f"{100 * cv(alone['knowledge'], region):.0f} % for want of knowledge)"
        for region in ("kidneys", *list(model.lesions)[:2])
        if region in curves
    ]
    c.book.say(
        "Spread (log-sd) of the computed time-integrated activity, and of each of its two parts with the other held: "
        f"{'; '.join(told)}. The interval holds both."
    )


@functools.cache
def _words(set_name: str) -> str:
    return f"whole-body model, set {set_name}"


def computed_curves(case: Case) -> dict[str, ComputedCurve]:
    """The point estimate's curve of each region for one cycle, as the report shows curves."""
    from ..draws import Draws

    model = model_of(case, case.treatment.agent)
    parents = computed_parents(Context(case, Draws(1)), case.treatment.agent, case.cycle_activity_MBq)
    made = {}
    for name, (amplitude, rate) in parents.items():
        curve = ComputedCurve.of(amplitude[0], rate[0], model.nuclide, _words(variants(case)[0]))
        made[name] = replace(curve, notes=())
    return made
