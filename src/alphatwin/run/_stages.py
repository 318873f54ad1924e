"""The stages of one course of one agent: curves, kinetics of the chain, masses, dose, effect."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .. import biology, catalog, dose, kinetics, transport
from ..case import Case
from ..errors import CaseError
from ..physics import nuclide as nuclide_of
from ..report import Course
from ._context import Context

__all__ = ["carrier_curves", "course_of", "effect_of", "fit_curves", "tissue_parameters"]

Sampled = tuple[np.ndarray, np.ndarray]  # amplitude in MBq and rate in 1/h, [sample, term]

_BLOOD_CURVE_SD = 0.4  # relative; an assumption of ours, stated in the report
_WORDS = {
    "alpha_beta": "alpha/beta",
    "repair_half_time": "repair half-time",
    "rbe_alpha": "RBE of alphas",
    "ntcp_d50": "NTCP D50",
    "ntcp_slope": "NTCP slope",
}


def fit_curves(case: Case) -> dict[str, kinetics.Curve]:
    """A curve for every measured region, and one for what the organs leave of the whole body."""
    data = case.kinetics
    fit = functools.partial(
        kinetics.fit_curve,
        nuclide=catalog.agent(case.measured_agent).nuclide,
        allow_slower_than_decay=data.allow_slower_than_decay,
    )
    curves: dict[str, kinetics.Curve] = {}
    for name, region in data.regions.items():
        curves[name] = fit(
            region.times_h or data.times_h,
            region.activity_MBq,
            model=region.model or data.model,
            sd_MBq=region.sd_MBq,
            relative_sd=None if region.sd_MBq else data.relative_sd,
            population_half_life_h=region.population_half_life_h,
            where=f"kinetics.regions.{name}",
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
        model = body.model or "auto"
        curves["remainder"] = fit(times, left, model=model, sd_MBq=sd, where="remainder (whole_body minus organs)")
    return curves


def carrier_curves(c: Context, curves: Mapping[str, kinetics.Curve]) -> dict[str, Sampled]:
    """Sampled curves of the measured nuclide: amplitude and rate [sample, term] by region."""
    calibration = c.factor("calibration of the camera", c.case.options.calibration_sd)
    made = {}
    for name, curve in curves.items():
        scores = [c.score(f"curve {name}/{i}") for i in range(curve.n_scores)]
        z = np.stack(scores, axis=1) if scores else np.zeros((c.draws.n, 0))
        amplitude, rate = curve.sample(z)
        made[name] = (amplitude * calibration[:, None], rate)
    return made


# --- masses ----------------------------------------------------------------------------------------------------------


def _masses(c: Context, extra: tuple[str, ...]) -> dict[str, transport.RegionMass]:
    """Sampled mass of every region that gets a dose."""
    made: dict[str, transport.RegionMass] = {}
    anatomy = catalog.anatomy(c.case.patient.anatomy)
    for name, region in c.case.kinetics.regions.items():
        if not region.dose or name == "remainder":
            continue
        mass = c.case.measured_mass_g(name)
        if mass is not None:
            spread, basis = (
                c.case.options.mass_sd,
                "given" if region.mass_g else "measured volume x density, blood included",
            )
            if region.volume_mL and region.density_g_per_mL is None:
                c.book.use(f"density of {c.case.medium_of(name)}", catalog.medium(c.case.medium_of(name)).density)
        else:
            mass, basis = _reference_mass_g(c, name)
            spread = c.case.options.reference_mass_sd
        made[name] = transport.RegionMass(mass / c.factor(f"mass {name}", spread), c.case.medium_of(name), basis)
    for name in extra:
        if name in (
            "remainder",
            kinetics.PLASMA,
        ):  # in plasma only freed daughters are counted: no dose is built on that
            continue
        if name in anatomy.regions and name not in made:
            mass, basis = _reference_mass_g(c, name)
            factor = c.factor(f"mass {name}", c.case.options.reference_mass_sd)
            made[name] = transport.RegionMass(mass / factor, c.case.medium_of(name), basis)
    if "remainder" in extra or "remainder" in c.case.kinetics.regions:
        own = [n for n in made if not ({"kidneys"} & {n} and "kidney_left" in made)]
        left = c.case.body_mass_kg * 1000 - sum(float(np.mean(made[n].mass_g)) for n in own)
        if left <= 0:
            raise CaseError(
                "The regions weigh as much as the body: nothing is left for the remainder. Check masses and body_mass."
            )
        made["remainder"] = transport.RegionMass(
            np.full(c.draws.n, left), "soft-tissue", "body mass minus the other regions"
        )
    return made


def _reference_mass_g(c: Context, name: str) -> tuple[float, str]:
    anatomy = catalog.anatomy(c.case.patient.anatomy)
    if name not in anatomy.regions:
        raise CaseError(
            f"kinetics.regions.{name} has neither volume_mL nor mass, and the anatomy {anatomy.id!r} has no reference mass for it. "
            "Give volume_mL or mass, or set dose: false."
        )
    entry = anatomy.regions[name]
    wanted = (entry.mass_with_blood, entry.mass_parenchyma)
    first, second = wanted if c.case.options.mass_basis == "with_blood" else wanted[::-1]
    quantity = first or second
    if quantity is None:
        raise CaseError(f"The anatomy {anatomy.id!r} lists {name} without a mass; give volume_mL or mass.")
    label = "with blood" if quantity is entry.mass_with_blood else "parenchyma alone"
    c.book.use(f"reference mass of {name}, {label}", quantity)
    c.book.say(
        f"Mass of {name}: reference ({anatomy.id}, {label}), {quantity.value:g} {quantity.unit}, not measured in this patient."
    )
    return quantity.value * (1000.0 if quantity.unit == "kg" else 1.0), f"reference, {label}"


# --- one course ------------------------------------------------------------------------------------------------------


def _marrow_carrier(c: Context, agent_id: str, activity_MBq: float, mass_g: np.ndarray) -> dict[str, Sampled]:
    """Red marrow as its blood: concentration in marrow = ratio x concentration in blood, where a blood curve is published."""
    for name in dict.fromkeys((agent_id, c.case.measured_agent)):
        entry = catalog.agent(name)
        curve = next((x for x in entry.kinetics if x.region == "blood" and x.unit.endswith("per L")), None)
        if curve is None:
            continue
        therapy = nuclide_of(catalog.agent(agent_id).nuclide).decay_constant_per_h
        own = nuclide_of(curve.nuclide).decay_constant_per_h
        shift = therapy if curve.half_lives == "biological" else therapy - own
        ratio = c.factor("blood curve, marrow", _BLOOD_CURVE_SD)
        litres = mass_g / 1000.0 / catalog.medium("red-marrow").density.value
        fractions = np.array([t.fraction for t in curve.terms])
        rates = np.array([np.log(2) / t.half_life_h for t in curve.terms]) + shift
        c.book.use(f"blood curve of {entry.id}", curve)
        told = entry.other.get("marrow_to_blood_concentration")
        value = told.value if told is not None else 1.0
        if told is not None:
            c.book.use("concentration in marrow over blood", told)
        c.book.say(
            f"Red marrow: {'the' if value == 1 else f'{value:g} times the'} activity concentration of blood, blood curve of "
            f"{entry.id} ({curve.source}), {_BLOOD_CURVE_SD:.0%} standard uncertainty assumed; no specific uptake, no metastases in bone. The same activity is also part of the measured remainder."
        )
        amplitude = (ratio * litres)[:, None] * fractions * activity_MBq * value
        return {"red_marrow": (amplitude, np.tile(rates, (c.draws.n, 1)))}
    c.book.say(
        f"Red marrow has no activity of its own: no blood curve of {agent_id} is published; only freed daughters reach it."
    )
    return {}


def course_of(
    c: Context,
    agent_id: str,
    activities_MBq: tuple[float, ...],
    carrier: Mapping[str, Sampled],
) -> Course:
    """Kinetics, decays, S values, dose and effect of one course of one agent, from this patient's curves."""
    agent = catalog.agent(agent_id)
    therapy, measured = nuclide_of(agent.nuclide), nuclide_of(catalog.agent(c.case.measured_agent).nuclide)
    shift = therapy.decay_constant_per_h - measured.decay_constant_per_h
    scale = activities_MBq[0] / c.case.kinetics.administered_activity_MBq
    parents = {name: (a * scale, r + shift) for name, (a, r) in carrier.items() if name != "whole_body"}
    for name, (_, r) in parents.items():
        if not (r > 0).all():
            raise CaseError(
                f"kinetics.regions.{name}: the curve clears more slowly than {measured.name} decays; with the decay of {therapy.name} it would "
                "grow for ever. Set allow_slower_than_decay: false, or measure later."
            )
    anatomy = catalog.anatomy(c.case.patient.anatomy).regions
    if "red_marrow" not in parents and "red_marrow" in anatomy:
        marrow_g, _ = _reference_mass_g(c, "red_marrow")
        sampled_g = marrow_g / c.factor(
            "mass red_marrow", c.case.options.reference_mass_sd
        )  # as in _masses: it cancels
        parents |= _marrow_carrier(c, agent_id, activities_MBq[0], sampled_g)
    if agent_id != c.case.measured_agent:
        c.book.say(
            f"Kinetics of {c.case.measured_agent} stand for {agent_id}: biology kept, decay of {measured.name} exchanged for {therapy.name}; "
            "the two molecules and their peptide amounts are taken to behave alike."
        )
    daughters = _daughters(c, agent_id, tuple(parents))
    chain = kinetics.chain_kinetics(parents, therapy.name, daughters, n=c.draws.n)
    decays = kinetics.integrate(chain)
    masses = _masses(c, tuple(chain.regions))
    s_values = transport.self_s_values(
        {r: m for r, m in masses.items() if r in chain.regions}, chain.nuclides, marrow=c.marrow
    )
    if {"kidney_left", "kidney_right"} <= set(masses):
        s_values = dose.with_union(s_values, "kidneys", ("kidney_left", "kidney_right"))
    given = dose.absorbed_dose(decays, s_values)
    tissues = {str(r): tissue_parameters(c, str(r)) for r in given.dose["region"].values}
    effect = effect_of(chain, s_values, given, activities_MBq, tissues)
    c.book.say(*chain.notes, *given.notes, *effect.notes)
    c.book.cite(*s_values.sources)
    return Course(agent_id, therapy.name, activities_MBq, chain, decays, s_values, given, effect)


def effect_of(
    chain: kinetics.Kinetics,
    s_values: transport.SValues,
    given: dose.Dose,
    activities_MBq: tuple[float, ...],
    tissues: Mapping[str, biology.TissueParameters],
    prior: Mapping[str, biology.Ledger] | None = None,
) -> biology.Effect:
    """RBE and repair on the dose of a course; `prior` is counted in NTCP only."""
    terms = dose.dose_rate_terms(chain.amplitude, s_values, ("electron", "photon"))
    return biology.effect(given.by_radiation, terms, chain.rate, activities_MBq, tissues, prior=prior)


def _daughters(c: Context, agent_id: str, regions: tuple[str, ...]) -> kinetics.InPlace | kinetics.FreeDaughters:
    name = catalog.agent(agent_id).nuclide
    if c.case.daughters.model == "in_place" or len(nuclide_of(name).chain) == 1:
        return kinetics.InPlace()
    split = {}
    if {"kidney_left", "kidney_right"} <= set(regions):
        left, right = (c.case.measured_mass_g(r) or 1.0 for r in ("kidney_left", "kidney_right"))
        split["kidneys"] = {"kidney_left": left / (left + right), "kidney_right": right / (left + right)}
    made = kinetics.free_daughters_from_catalog(
        agent_id, name, regions, c.draws.normal, uptake_split=split, retained=c.case.daughters.retained
    )
    _use_daughters(c, agent_id, made)
    c.book.cite(*made.sources)
    if c.freed_are_lost:
        return replace(made, uptake={symbol: {} for symbol in made.uptake})
    return made


def _use_daughters(c: Context, agent_id: str, made: kinetics.FreeDaughters) -> None:
    fate = catalog.daughter_fate(agent_id)
    sites = set(fate.region_sites.values())
    used = {(p, q) for p, q, _ in made.retained}
    own = {(e.parent, e.daughter, e.site) for e in fate.retained}
    for entry in (*fate.retained, *catalog.daughter_fate("*").retained):
        key = (entry.parent, entry.daughter, entry.site)
        if key[:2] in used and entry.site in sites and (entry in fate.retained or key not in own):
            c.book.use(f"retained {entry.daughter} born of {entry.parent}, {entry.site}", entry)
    for symbol in made.plasma_half_time_h:
        element = catalog.free_element(symbol)
        c.book.use(f"plasma half-time of free {symbol}", element.plasma_half_time)
        for organ, quantity in element.uptake.items():
            c.book.use(f"uptake of free {symbol} by {organ}", quantity)
        for organ, quantity in element.retention.items():
            c.book.use(f"retention of free {symbol} in {organ}", quantity)


def tissue_parameters(c: Context, region: str) -> biology.TissueParameters:
    """Sampled radiobiology of a region, from the catalogue's tissue."""
    entry = catalog.tissue_of(region)
    made = biology.TissueParameters.from_catalog(
        entry, lambda name: c.score(_readable(name)), rbe_reference=c.rbe_reference
    )
    c.book.use(f"alpha/beta, {entry.id}", entry.alpha_beta)
    c.book.use(f"repair half-time, {entry.id}", entry.repair_half_time)
    c.book.use(f"RBE of alphas, {entry.id}", entry.rbe_alpha)
    if made.complication is not None:
        c.book.use(f"NTCP D50, {entry.id}: {made.complication.endpoint}", made.complication.d50)
        c.book.use(f"NTCP slope, {entry.id}: {made.complication.endpoint}", made.complication.slope)
    return made


def _readable(name: str) -> str:
    tissue, _, parameter = name.partition(".")
    return f"{_WORDS.get(parameter, parameter)}, {tissue}"
