"""The stages of one course of one agent: curves, kinetics of the chain, masses, dose, effect."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from .. import biology, catalog, dose, kinetics, transport
from ..case import Case, FractionFiles, MeasuredKinetics, PbpkKinetics, RegionData
from ..catalog.bodies import body
from ..errors import AlphatwinError, CaseError
from ..physics import nuclide as nuclide_of
from ..report import Course
from ..transport.bodies import BODY_OF, MONTE_CARLO, body_s_values
from ..transport.saf_files import saf_body_s_values
from ._context import Context
from ._planned import computed_curves, computed_parents, planned, planned_masses, say_relocated, sites_of_case

__all__ = [
    "blood_shares",
    "carrier_curves",
    "course_of",
    "daughters_of",
    "effect_of",
    "fit_curves",
    "tissue_parameters",
]

Sampled = tuple[np.ndarray, np.ndarray]  # amplitude in MBq and rate in 1/h, [sample, term]
_LONG_TAIL = 0.3  # share of decays after the last point above which the report warns

_BLOOD_CURVE_SD = 0.4  # relative; an assumption of ours, stated in the report
_WORDS = {
    "alpha_beta": "alpha/beta",
    "repair_half_time": "repair half-time",
    "rbe_alpha": "RBE of alphas",
    "ntcp_d50": "NTCP D50",
    "ntcp_slope": "NTCP slope",
}


def fit_curves(case: Case) -> dict[str, kinetics.Curve]:
    """A curve for every measured region, and one for what the organs leave of the whole body; or computed ones."""
    data = case.kinetics
    if isinstance(data, PbpkKinetics):
        return dict(computed_curves(case))
    fit = functools.partial(
        kinetics.fit_curve,
        nuclide=catalog.agent(case.measured_agent).nuclide,
        allow_slower_than_decay=data.allow_slower_than_decay,
    )
    curves: dict[str, kinetics.Curve] = {}
    for name, region in data.regions.items():
        if region.activity_MBq is None:
            curves[name] = _published_curve(case, name, region)
            continue
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
    if body is not None and body.activity_MBq is not None and "remainder" not in data.regions:
        times = body.times_h or data.times_h
        organs = {
            name: region.activity_MBq
            if region.activity_MBq and (region.times_h or data.times_h) == times
            else curves[name].activity_MBq(times)
            for name, region in data.regions.items()
            if name != "whole_body"
        }
        left = kinetics.remainder(body.activity_MBq, organs, where="kinetics.regions.whole_body")
        sd = data.relative_sd * np.sqrt(np.sum([np.square(v) for v in (body.activity_MBq, *organs.values())], axis=0))
        model = body.model or "auto"
        curves["remainder"] = fit(times, left, model=model, sd_MBq=sd, where="remainder (whole_body minus organs)")
    return curves


def _measured(case: Case) -> MeasuredKinetics:
    assert isinstance(case.kinetics, MeasuredKinetics)
    return case.kinetics


def _published_curve(case: Case, name: str, region: RegionData) -> kinetics.Curve:
    """The sum of the terms that the case gives, as activity of the measured nuclide."""
    nuclide = catalog.agent(case.measured_agent).nuclide
    own = nuclide_of(nuclide).decay_constant_per_h if region.half_lives == "biological" else 0.0
    terms, data = region.curve or (), _measured(case)
    return kinetics.Curve.from_terms(
        [t.fraction * data.administered_activity_MBq for t in terms],
        [np.log(2) / t.half_life_h + own for t in terms],
        nuclide=nuclide,
        relative_sd=data.relative_sd,
        allow_slower_than_decay=data.allow_slower_than_decay,
        notes=("a curve given in the case, not points of this patient.",),
        where=f"kinetics.regions.{name}.curve",
    )


def carrier_curves(c: Context, curves: Mapping[str, kinetics.Curve]) -> dict[str, Sampled]:
    """Sampled curves of the measured nuclide, or of the treatment's, computed: amplitude and rate [sample, term] by region."""
    if planned(c.case):
        return computed_parents(c, c.case.treatment.agent, c.case.cycle_activity_MBq)
    calibration = c.factor("calibration of the camera", c.case.options.calibration_sd, keep_mean=True)
    made = {}
    for name, curve in curves.items():
        scores = [c.score(f"curve {name}|{i}") for i in range(curve.n_scores)]
        z = np.stack(scores, axis=1) if scores else np.zeros((c.draws.n, 0))
        amplitude, rate = curve.sample(z, keep_mean=False, pick_member=c.draws.sampled)
        made[name] = (amplitude * calibration[:, None], rate)
    return made


def _translated(
    c: Context, curves: Mapping[str, kinetics.Curve], carrier: Mapping[str, Sampled], agent_id: str
) -> dict[str, Sampled]:
    """The carrier with the decay of another nuclide, per MBq administered; the mean integral is that of the fit.

    Rates move by the difference of the decay constants. Over samples one common factor per region keeps the mean
    time-integrated activity of *this* nuclide at its point estimate: what is uncertain for a long-lived nuclide (the
    tail) is not what is uncertain for a short-lived one (the uptake).
    """
    if planned(c.case):
        own, activity = agent_id == c.case.treatment.agent, c.case.cycle_activity_MBq
        parents = carrier if own else computed_parents(c, agent_id, activity)
        return {name: (amplitude / activity, rate) for name, (amplitude, rate) in parents.items()}
    given_MBq = _measured(c.case).administered_activity_MBq
    measured, therapy = (
        nuclide_of(catalog.agent(c.case.measured_agent).nuclide),
        nuclide_of(catalog.agent(agent_id).nuclide),
    )
    shift = therapy.decay_constant_per_h - measured.decay_constant_per_h
    made = {}
    for name, (amplitude, rate) in carrier.items():
        if name == "whole_body":
            continue
        a0, r0 = curves[name].exponentials()
        r0, moved = r0 + shift, rate + shift
        if not ((moved > 0).all() and (r0 > 0).all()):
            raise CaseError(
                f"kinetics.regions.{name}: the curve clears more slowly than {measured.name} decays; with the decay of "
                f"{therapy.name} it would grow for ever. Set allow_slower_than_decay: false, or measure later."
            )
        drawn = (amplitude / moved).sum(axis=1).mean()
        keep = float((a0 / r0).sum()) / drawn if c.draws.sampled else 1.0
        made[name] = (amplitude * keep / given_MBq, moved)
        if not curves[name].n_points:
            continue
        last = float(curves[name].times_h[-1])
        late = float((a0 / r0 * np.exp(-r0 * last)).sum() / (a0 / r0).sum())
        if late > _LONG_TAIL:
            c.book.say(
                f"{name}: {late:.0%} of the decays of {therapy.name} lie after the last measured point, on the fit alone."
            )
    return made


# --- masses ----------------------------------------------------------------------------------------------------------


def _masses(c: Context, regions: tuple[str, ...]) -> dict[str, transport.RegionMass]:
    """Sampled mass of every region that gets a dose: measured and modelled ones, not those only freed daughters reach."""
    made: dict[str, transport.RegionMass] = planned_masses(c, regions) if planned(c.case) else {}
    for name in (r for r in regions if r not in made):
        data = c.case.kinetics.regions.get(name)
        if name == "remainder" or (data is not None and not data.dose):
            continue
        mass = c.case.measured_mass_g(name) if data is not None else None
        if mass is not None and data is not None:
            spread, basis = c.case.options.mass_sd, "given"
            if data.mass_g is None:
                basis = "measured volume x density, blood included"
                if data.density_g_per_mL is None:
                    c.book.use(f"density of {c.case.medium_of(name)}", catalog.medium(c.case.medium_of(name)).density)
        else:
            mass, basis = _reference_mass_g(c, name)
            spread = c.case.options.reference_mass_sd
        made[name] = transport.RegionMass(mass * c.factor(f"mass {name}", spread), c.case.medium_of(name), basis)
    if "remainder" in regions:
        made["remainder"] = _remainder_mass(c, made)
    return made


def _remainder_mass(c: Context, others: Mapping[str, transport.RegionMass]) -> transport.RegionMass:
    own = c.case.measured_mass_g("remainder") if "remainder" in c.case.kinetics.regions else None
    if own is not None:
        mass = own * c.factor("mass remainder", c.case.options.mass_sd)
        return transport.RegionMass(mass, c.case.medium_of("remainder"), "given")
    left = c.case.body_mass_kg * 1000 - sum(float(np.median(m.mass_g)) for m in others.values())
    if left <= 0:
        raise CaseError(
            "The regions weigh as much as the body: nothing is left for the remainder. Check masses and body_mass."
        )
    return transport.RegionMass(np.full(c.draws.n, left), "soft-tissue", "body mass minus the other regions")


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


def _marrow_carrier(c: Context, agent_id: str, parents: Mapping[str, Sampled]) -> Sampled | None:
    """Red marrow per MBq administered, as its blood: concentration in marrow = ratio x concentration in blood.

    The blood is the one measured in this case, else a published blood curve of the agent or of the measured one.
    """
    mass_g, _ = _reference_mass_g(c, "red_marrow")
    sampled_g = mass_g * c.factor("mass red_marrow", c.case.options.reference_mass_sd)  # as in _masses: it cancels
    litres = sampled_g / 1000.0 / catalog.medium("red-marrow").density.value
    ratio, told = _marrow_to_blood(c, agent_id)
    part = " The same activity is also part of the measured remainder." if "remainder" in parents else ""
    if "blood" in parents:
        blood_g = c.case.measured_mass_g("blood") or _reference_mass_g(c, "blood")[0]
        amplitude, rate = parents["blood"]
        blood_l = blood_g / 1000.0 / catalog.medium("blood").density.value
        c.book.say(
            f"Red marrow: {told} activity concentration of the measured blood; no specific uptake, no metastases in bone."
        )
        return amplitude * (ratio * litres / blood_l)[:, None], rate
    for name in dict.fromkeys((agent_id, c.case.measured_agent)):
        entry = catalog.agent(name)
        curve = next((x for x in entry.kinetics if x.region == "blood" and x.unit.endswith("per L")), None)
        if curve is None:
            continue
        therapy = nuclide_of(catalog.agent(agent_id).nuclide).decay_constant_per_h
        own = nuclide_of(curve.nuclide).decay_constant_per_h
        shift = therapy if curve.half_lives == "biological" else therapy - own
        spread = c.factor("blood curve, marrow", _BLOOD_CURVE_SD, keep_mean=True)
        fractions = np.array([t.fraction for t in curve.terms])
        rates = np.array([np.log(2) / t.half_life_h for t in curve.terms]) + shift
        c.book.use(f"blood curve of {entry.id}", curve)
        c.book.say(
            f"Red marrow: {told} activity concentration of blood, blood curve of {entry.id} ({curve.source}), "
            f"{_BLOOD_CURVE_SD:.0%} standard uncertainty assumed; no specific uptake, no metastases in bone.{part}"
        )
        return (ratio * spread * litres)[:, None] * fractions, np.tile(rates, (c.draws.n, 1))
    c.book.say(
        f"RED MARROW IS NOT COMPUTED: no blood curve of {agent_id} is published or was measured. No limit on marrow enters "
        "the next activity. Measure blood (region blood) or red_marrow to include it."
    )
    return None


def _marrow_to_blood(c: Context, agent_id: str) -> tuple[float, str]:
    for name in dict.fromkeys((agent_id, c.case.measured_agent)):
        told = catalog.agent(name).other.get("marrow_to_blood_concentration")
        if told is not None:
            c.book.use("concentration in marrow over blood", told)
            return told.value, "the" if told.value == 1 else f"{told.value:g} times the"
    return 1.0, "(assumed) the"


def course_of(
    c: Context,
    agent_id: str,
    activities_MBq: tuple[float, ...],
    curves: Mapping[str, kinetics.Curve],
    carrier: Mapping[str, Sampled],
) -> Course:
    """Kinetics, decays, S values, dose and effect of one course of one agent, from this patient's curves."""
    therapy = nuclide_of(catalog.agent(agent_id).nuclide)
    parents = _translated(c, curves, carrier, agent_id)
    if "red_marrow" not in parents and "red_marrow" in catalog.anatomy(c.case.patient.anatomy).regions:
        marrow = _marrow_carrier(c, agent_id, parents)
        if marrow is not None:
            parents["red_marrow"] = marrow
    parents = {name: (a * activities_MBq[0], r) for name, (a, r) in parents.items()}
    _say_translation(c, agent_id)
    fates = daughters_of(c, agent_id, tuple(parents))
    if planned(c.case) and c.draws.sampled and agent_id == c.case.treatment.agent:
        say_relocated(c, parents, therapy.name, fates)
    chain = kinetics.chain_kinetics(parents, therapy.name, fates, n=c.draws.n)
    chain = _with_blood_shared(c, chain, tuple(parents))
    decays = kinetics.integrate(chain)
    masses = _masses(c, tuple(parents))
    s_values = _s_values(c, masses, chain.nuclides)
    if {"kidney_left", "kidney_right"} <= set(masses):
        s_values = dose.with_union(s_values, "kidneys", ("kidney_left", "kidney_right"))
    given = dose.absorbed_dose(decays, s_values)
    tissues = {str(r): tissue_parameters(c, str(r)) for r in given.dose["region"].values}
    effect = effect_of(chain, s_values, given, activities_MBq, tissues)
    c.book.say(*chain.notes, *given.notes, *effect.notes)
    c.book.cite(*s_values.sources)
    return Course(agent_id, therapy.name, activities_MBq, chain, decays, s_values, given, effect)


def _s_values(c: Context, masses: Mapping[str, transport.RegionMass], nuclides: tuple[str, ...]) -> transport.SValues:
    """Photons of a stylised body for people, unless the case asks for spheres or has files; spheres for animals."""
    if c.fractions is not None and isinstance(c.case.options.transport, FractionFiles):
        try:
            return saf_body_s_values(masses, nuclides, c.fractions, marrow=c.marrow)
        except AlphatwinError as error:
            raise CaseError(f"options.transport.saf: {error}") from None
    if c.case.options.transport == "spheres" or not c.human:
        return transport.self_s_values(masses, nuclides, marrow=c.marrow)
    shapes = body(BODY_OF[c.case.patient.anatomy])
    for name in masses:
        region = shapes.regions.get(name)
        if region is not None and region.published_volume is not None:
            c.book.use(f"volume of {name} in the stylised body", region.published_volume)
    if "red_marrow" in masses:
        c.book.use("red marrow in the stylised body", shapes.red_marrow_mass)
    return body_s_values(masses, nuclides, anatomy=c.case.patient.anatomy, marrow=c.marrow, score=c.score(MONTE_CARLO))


def _say_translation(c: Context, agent_id: str) -> None:
    if agent_id == c.case.measured_agent or planned(c.case):
        return
    old, new = catalog.agent(c.case.measured_agent).nuclide, catalog.agent(agent_id).nuclide
    decay = f"decay of {old} exchanged for {new}; " if old != new else ""
    c.book.say(
        f"Kinetics of {c.case.measured_agent} stand for {agent_id}: biology kept, {decay}"
        "the two molecules and their peptide amounts are taken to behave alike."
    )


def _with_blood_shared(c: Context, chain: kinetics.Kinetics, measured: tuple[str, ...]) -> kinetics.Kinetics:
    """Freed daughters that decay in circulating blood are counted where the blood is, by reference blood volume.

    The share of an organ is what its reference mass with blood has over the parenchyma, divided by the mass of all
    blood; what no listed region holds goes to the remainder, or, without one, stays apart and is named.
    """
    if kinetics.PLASMA not in chain.regions or kinetics.PLASMA in measured:
        return chain
    shares = blood_shares(c.case.patient.anatomy, measured)
    if shares is None:
        return chain
    c.book.say(
        "Freed daughters that decay in circulating blood are shared out by reference blood volume (mass with blood minus parenchyma)."
    )
    return chain.shared_out(kinetics.PLASMA, shares)


def blood_shares(anatomy_id: str, regions: Sequence[str]) -> dict[str, float] | None:
    """Share of all blood in each region by reference blood volume, `remainder` the rest; None where blood has no mass."""
    anatomy = catalog.anatomy(anatomy_id).regions
    blood = anatomy.get("blood")
    total = blood and (blood.mass_with_blood or blood.mass_parenchyma)
    if not total:
        return None
    shares: dict[str, float] = {}
    for name in regions:
        side = 0.5 if name in ("kidney_left", "kidney_right") else 1.0
        entry = anatomy.get("kidneys" if side == 0.5 else name)
        if entry is not None and entry.mass_with_blood is not None and entry.mass_parenchyma is not None:
            shares[name] = side * max(entry.mass_with_blood.value - entry.mass_parenchyma.value, 0.0) / total.value
    if "remainder" in regions:
        shares["remainder"] = 1.0 - sum(shares.values())
    return shares


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


def daughters_of(c: Context, agent_id: str, regions: tuple[str, ...]) -> kinetics.InPlace | kinetics.FreeDaughters:
    """Sampled fates of an agent's daughters."""
    name = catalog.agent(agent_id).nuclide
    chain = nuclide_of(name).chain
    if c.case.daughters.model == "in_place" or len(chain) == 1:
        return kinetics.InPlace()
    split = {}
    sides = [r for r in ("kidney_left", "kidney_right") if r in regions]
    if sides:  # one kidney alone gets half: the other half goes to the side that was not measured
        left, right = (c.case.measured_mass_g(r) if r in sides else None for r in ("kidney_left", "kidney_right"))
        share = left / (left + right) if left and right else 0.5
        split["kidneys"] = {"kidney_left": share, "kidney_right": 1.0 - share}
    made = kinetics.free_daughters_from_catalog(
        agent_id,
        name,
        regions,
        c.draws.normal,
        uptake_split=split,
        retained={d: f for d, f in c.case.daughters.retained.items() if d in chain[1:]},
        decay_sites=sites_of_case(c, agent_id) if planned(c.case) and not c.one_site else None,
    )
    _use_daughters(c, agent_id, made)
    c.book.cite(*made.sources)
    if "remainder" not in regions:
        c.book.say(
            "The whole body was not measured: daughters that are freed outside the listed regions are not counted, and the organs "
            "that take them up (kidneys above all) get too little dose."
        )
    if not c.human:
        c.book.say("Free ions follow models of man and rat, whatever the species of this case.")
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
