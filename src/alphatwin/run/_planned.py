"""Computed kinetics in the place of measured ones: the whole-body model of the case, with its patient and its priors.

What the case gives (body, filtration, organ masses, lesions, peptide, amino acids) is held at it, with the uncertainty
of its measurement; every other parameter is drawn from its prior. One set of organ volumes serves kinetics and dose, and
one set of values (`patient_values`) serves a run, a comparison of protections and the search for a course.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .. import catalog, transport
from ..biology.delivery import DoseCourse
from ..biology.effectiveness import fractionated_bed
from ..biology.kidney import KidneyParameters, PriorKidneyDose, kidney_course
from ..biology.marrow import MarrowParameters, PriorMarrowDose
from ..biology.protection import UptakeBlock, uptake_block
from ..biology.tumour import PriorTumourDose, TumourParameters
from ..case import Case, ExternalBeam, PbpkKinetics, PriorCourse
from ..catalog._pbpk import model_parameters, parameter_sets
from ..draws import Draws
from ..errors import AlphatwinError, CaseError, DomainError
from ..kinetics import FreeDaughters, InPlace, chain_kinetics, free_daughters_from_catalog, integrate
from ..kinetics._pbpk_curves import ComputedCurve, exponentials_of, grid_of
from ..kinetics.pbpk import PBPK, Lesion, pbpk
from ..physics import nuclide as nuclide_of
from ..transport.spheres import self_s_values
from ._context import Context

__all__ = [
    "PlannedPatient",
    "computed_curves",
    "computed_parents",
    "decay_sites",
    "model_gaps",
    "model_of",
    "patient_values",
    "planned",
    "planned_masses",
    "relocated_shares",
    "say_relocated",
    "sites_of_case",
    "variants",
]

_FILTRATION_SD = 0.10  # relative, of an estimated filtration rate against the patient's own; an assumption of ours
_REFERENCE_SURFACE_M2 = 1.9  # of the body that the model's volumes and its filtration are those of
_MOST_FLOW = 2.0  # of an organ's usual share of the heart's output: a body spends what its heart gives
_PRIOR_AMINO_ACIDS_H = 4.0
_PRIOR_HALF_LIFE_H = {"kidneys": 51.0}  # of a dose that is given without its curve
_PRIOR_OTHER_H = 70.0
_HALF_LIVES = 20.0
_DIMS = ("sample", "region", "nuclide", "radiation", "term")
_LEAST_SHARE = 0.005  # of a region's decays: sites below it are not told

Array = Any


def planned(case: Case) -> PbpkKinetics | None:
    """The computed kinetics of a case, or None where curves were measured."""
    return case.kinetics if isinstance(case.kinetics, PbpkKinetics) else None


def _given(case: Case) -> PbpkKinetics:
    if not isinstance(case.kinetics, PbpkKinetics):
        raise CaseError("kinetics: a planned course needs computed kinetics; write source: pbpk.")
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
    alike = catalog.agent(agent_id).target == catalog.agent(case.treatment.agent).target
    return pbpk(agent_id, species, parameters=variants(case)[0] if alike else None, lesions=lesions)


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


def _filtration(case: Case, model: PBPK) -> tuple[float, float]:
    """Filtration in L/min and its relative spread: the case's, else that of the model in this body."""
    if case.patient.egfr is not None:
        return case.patient.egfr.L_per_min(case.body_surface_m2), _FILTRATION_SD
    q = model.parameters["gfr_L_per_min"]
    if model.species == "human":
        usual = q.value * _volume_factor(case, model)
    else:
        usual = float(model.scaled(case.body_mass_kg)["gfr_L_per_min"].item())
    return usual, float(q.u or 0.0) / q.value


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
        rate, spread = _filtration(case, model)
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


def patient_values(c: Context, model: PBPK) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Parameters of the model in this patient: those that the case holds, and the others, drawn [sample]."""
    held = _overrides(c, model)
    drawn = model.at_scores(lambda name: c.score(name.replace("pbpk ", "model: ")), without=held)
    for name in (n for n in drawn if n.startswith("flow_")):
        drawn[name] = np.minimum(drawn[name], _MOST_FLOW * model.parameters[name].value)
    return held, drawn


def decay_sites(model: PBPK, activity_MBq: Any, values: Mapping[str, Any]) -> dict[str, dict[str, Array]]:
    """Shares [sample] of the parent's decays in each region by site, as `free_daughters_from_catalog` takes them."""
    found = model.decay_sites(activity_MBq=activity_MBq, **values)
    return {
        str(r): {str(s): found.sel(region=r, site=s).values for s in found["site"].values}
        for r in found["region"].values
    }


def sites_of_case(c: Context, agent_id: str) -> dict[str, dict[str, Array]]:
    """`decay_sites` of an agent in the patient of a case, told in its report."""
    model = model_of(c.case, agent_id)
    held, drawn = patient_values(c, model)
    sites = decay_sites(model, c.case.cycle_activity_MBq, {**drawn, **held})
    told = []
    for region in ("kidneys", "liver", *list(model.lesions)[:2]):
        shares = {site: float(np.mean(v)) for site, v in sites.get(region, {}).items()}
        parts = [f"{site} {100 * v:.3g} %" for site, v in shares.items() if v > _LEAST_SHARE]
        if parts:
            told.append(f"{region}: {', '.join(parts)}")
    c.book.say(
        "Site of decay of the parent, by the whole-body model's own integrals, decides what its daughters do: "
        f"{'; '.join(told)}."
    )
    return sites


def relocated_shares(
    parents: Mapping[str, tuple[Any, Any]], nuclide: str, daughters: FreeDaughters, n: int, region: str = "kidneys"
) -> dict[str, Array]:
    """Share [sample] of the alpha energy in a region from daughters that were freed and came with the blood.

    ``any``: every free ion. ``Bi``: free bismuth alone, by taking away its uptake. Energy of the alphas emitted in the
    region, which is the dose of a region that is large against their range.
    """

    def energy(uptake: Mapping[str, Mapping[str, Any]]) -> Array:
        fates = replace(daughters, uptake=uptake)
        found = integrate(chain_kinetics(parents, nuclide, fates, n=n)).time_integrated_activity_MBq_h
        own = found.sel(region=region)
        return sum(own.sel(nuclide=q).values * nuclide_of(str(q)).energy_MeV("alpha") for q in own["nuclide"].values)

    taken, nowhere = daughters.uptake, dict[str, Any]()
    without = {"any": dict.fromkeys(taken, nowhere)} | ({"Bi": {**taken, "Bi": nowhere}} if "Bi" in taken else {})
    whole = energy(taken)
    return {
        name: 1.0 - np.divide(energy(uptake), whole, out=np.ones_like(whole), where=whole > 0)
        for name, uptake in without.items()
    }


def say_relocated(c: Context, parents: Mapping[str, tuple[Any, Any]], nuclide: str, daughters: object) -> None:
    """How much of the kidneys' alpha energy was carried to them by the blood, beside what others found or expect."""
    if not isinstance(daughters, FreeDaughters) or "kidneys" not in parents:
        return
    found = relocated_shares(parents, nuclide, daughters, c.draws.n)
    if not found["any"].any():
        return
    low, middle, high = 100.0 * np.quantile(found["any"], (0.05, 0.5, 0.95))
    bismuth = f", {100.0 * float(np.median(found['Bi'])):.0f} % as free bismuth" if "Bi" in found else ""
    c.book.cite("schwartz2011antibody")
    c.book.say(
        f"Kidneys: {middle:.0f} % ({low:.0f} to {high:.0f} %) of the alpha energy is from daughters that were freed elsewhere and came "
        f"with the blood{bismuth}. Nobody has measured it in people. As free bismuth, about 60 % was found in mice after a "
        "long-circulating antibody (Schwartz 2011, not opened), and 10 to 30 % is expected of a peptide that cells take in fast; "
        "lesions that hold many decays raise it."
    )


def computed_parents(c: Context, agent_id: str, activity_MBq: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Amplitude in MBq and rate in 1/h [sample, term] of the parent in every region, for this activity."""
    model = model_of(c.case, agent_id)
    held, drawn = patient_values(c, model)
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
    model = model_of(case, case.treatment.agent)
    parents = computed_parents(Context(case, Draws(1)), case.treatment.agent, case.cycle_activity_MBq)
    made = {}
    for name, (amplitude, rate) in parents.items():
        curve = ComputedCurve.of(amplitude[0], rate[0], model.nuclide, _words(variants(case)[0]))
        made[name] = replace(curve, notes=())
    return made


@dataclass(frozen=True, eq=False)
class PlannedPatient:
    """The patient of a case, many times over: every parameter that is not known is drawn once, by name.

    The same draws serve every question that is asked of the patient, so that differences between two ways to treat are
    not blurred by who was drawn (common random numbers).
    """

    case: Case
    draws: Draws

    @property
    def lesions(self) -> tuple[str, ...]:
        """Names of the lesions."""
        return tuple(_given(self.case).lesions)

    @property
    def volumes_mL(self) -> dict[str, float]:
        """Of the lesions."""
        return {name: lesion.volume_mL for name, lesion in _given(self.case).lesions.items()}

    @cached_property
    def egfr(self) -> float:
        """Indexed, mL/min/1.73 m2: the case's, else that of the whole-body model in this body."""
        rate, _ = _filtration(self.case, self.model(self.case.treatment.agent))
        return rate * 1000.0 * 1.73 / self.case.body_surface_m2

    @property
    def activity_MBq(self) -> float:
        """Of one cycle, for this body."""
        return self.case.cycle_activity_MBq

    @property
    def starts_d(self) -> tuple[float, ...]:
        """Day of each cycle."""
        every = (self.case.treatment.interval_h or 0.0) / 24.0
        return tuple(every * i for i in range(self.case.treatment.cycles))

    def model(self, agent: str) -> PBPK:
        """The whole-body model of an agent with the lesions of the case."""
        return model_of(self.case, agent)

    def values(self, model: PBPK) -> dict[str, Any]:
        """Sampled parameters of the model in this patient."""
        held, drawn = patient_values(self._context, model)
        return {**drawn, **held}

    @cached_property
    def _context(self) -> Context:
        return Context(self.case, self.draws)

    def amino_acids(self, model: PBPK, duration_h: float, **more: Any) -> UptakeBlock:
        """The label's infusion in these patients."""
        values = self.values(model)
        own = {k: values.get(k, model.parameters[k].value) for k in
               ("amino_acid_emax", "amino_acid_half_level", "amino_acid_k_per_min")}  # fmt: skip
        return uptake_block("amino-acids", duration_h=duration_h, parameters=own, scores=self.draws.normal, **more)

    def cycle(
        self,
        block: UptakeBlock | None,
        *,
        agent: str | None = None,
        activity_MBq: float | None = None,
        share: float = 1.0,
        gfr_factor: float = 1.0,
    ) -> DoseCourse:
        """Dose rate of one injection at day 0, of `share` of the activity and of the peptide of a cycle.

        Regions: kidneys, red_marrow and the lesions; photons between organs are not counted, but red marrow gets the
        low-LET dose that is measured in patients per dose from its own blood.
        """
        name = agent or self.case.treatment.agent
        model = self.model(name)
        values = self.values(model)
        peptide = values.get("peptide_nmol", model.parameters["peptide_nmol"].value)
        values["peptide_nmol"] = np.asarray(peptide) * share
        values["gfr_L_per_min"] = (
            np.asarray(values.get("gfr_L_per_min", model.parameters["gfr_L_per_min"].value)) * gfr_factor
        )
        activity = (self.activity_MBq if activity_MBq is None else activity_MBq) * share
        values |= self._blocked(model, values, block, activity)
        parents = model.exponentials(activity_MBq=activity, **values)
        chain = nuclide_of(model.nuclide).chain
        fates: Any = InPlace()
        if len(chain) > 1 and self.case.daughters.model == "free":
            kept = {d: f for d, f in self.case.daughters.retained.items() if d in chain[1:]}
            sites = decay_sites(model, activity, values)
            fates = free_daughters_from_catalog(
                name, model.nuclide, tuple(parents), self.draws.normal, retained=kept, decay_sites=sites
            )
        kinetics = chain_kinetics(parents, model.nuclide, fates, n=self.draws.n)
        masses = planned_masses(self._context, ("kidneys", "red_marrow", *self.lesions))
        masses = {r: replace(m, mass_g=np.broadcast_to(m.mass_g, (self.draws.n,))) for r, m in masses.items()}
        full = DoseCourse.from_kinetics(
            kinetics, self_s_values(masses, list(chain)), start_d=(0.0,), regions=list(masses)
        )
        return self._compact(full, model.nuclide)

    def _blocked(
        self, model: PBPK, values: dict[str, Any], block: UptakeBlock | None, activity: float
    ) -> dict[str, Any]:
        """Overrides under an infusion. Hyperfiltration counts as long as it runs, by the share of filtration in it.

        The model has one filtration rate for all times. That share is the plasma's area under the curve until the end
        of the infusion over all of it, with filtration raised; red marrow stands for plasma.
        """

        def own(key: str) -> Any:
            return values.get(key, model.parameters[key].value)

        at_plateau = np.asarray(own("amino_acid_emax")) / (1.0 + np.asarray(own("amino_acid_half_level")))
        free = np.asarray(own("cl_megalin_L_per_min")) / (1.0 - at_plateau)
        if block is None:
            return {"amino_acids": 0.0, "amino_acid_duration_min": 240.0}
        made: dict[str, Any] = block.overrides(free)
        extra = np.asarray(block.gfr_factor) - 1.0
        gfr = np.asarray(own("gfr_L_per_min"))
        end = block.duration_h - block.start_before_h
        if not extra.any() or end <= 0.0:
            return made
        raised = values | made | {"gfr_L_per_min": gfr * (1.0 + extra)}
        times = np.unique(np.concatenate([[0.0], np.geomspace(0.02, 96.0, 60), [end]]))
        times = times[times <= 96.0]
        plasma = (
            model.simulate(96.0, activity_MBq=activity, times_h=times, **raised).peptide.sel(region="red_marrow").values
        )
        steps = 0.5 * (plasma[:, 1:] + plasma[:, :-1]) * np.diff(times)
        within = np.where(times[1:] <= end, steps, 0.0).sum(axis=1) / steps.sum(axis=1)
        return made | {"gfr_L_per_min": gfr * (1.0 + extra * within)}

    @cached_property
    def marrow_model(self) -> PBPK:
        """The model of the agent whose dose to marrow was measured."""
        treated = self.model(self.case.treatment.agent)
        alike = catalog.agent(treated.agent).target == catalog.agent("lu177-dotatate").target
        return pbpk("lu177-dotatate", parameters=treated.parameter_set if alike else None, lesions=treated.lesions)

    @cached_property
    def _marrow_factor(self) -> Array:
        """Low-LET dose to marrow as measured after 177Lu-DOTATATE over that from the blood of the model, with its spread."""
        target = catalog.outcome_model("blood-course").targets["marrow_dose_per_cycle"]
        own = float(self.marrow_model.simulate().absorbed_dose_Gy_per_GBq.sel(region="red_marrow").item())
        spread = target.model_copy(update={"distribution": "lognormal"}).at_score(self.draws.normal("marrow dose"))
        return np.asarray(spread) / 7.4 / own

    def _compact(self, full: DoseCourse, nuclide: str) -> DoseCourse:
        """The same dose rate, low and high LET, in the 24 exponentials of the whole-body model's own curves."""
        import xarray as xr

        parent = nuclide_of(nuclide)
        grid = grid_of(_HALF_LIVES * parent.half_life_h)
        n, regions = self.draws.n, full.regions
        curves, doses = np.zeros((n, 2 * len(regions), grid.size)), np.zeros((n, 2 * len(regions)))
        for i, region in enumerate(regions):
            low, high, rate = (x / 24.0 for x in full.by_let(region))
            falls = np.exp(-rate[:, :, None] * grid)
            for j, part in enumerate((high, low)):
                scale = self._marrow_factor if (region == "red_marrow" and j == 1) else np.ones(n)
                made = np.broadcast_to(np.einsum("st,stk->sk", part, falls), (n, grid.size))
                curves[:, 2 * i + j] = np.maximum(made, 0.0) * scale[:, None]
                doses[:, 2 * i + j] = (part / rate).sum(axis=1) * scale
        amplitude, rates = exponentials_of(grid, curves, doses, parent.decay_constant_per_h)
        shaped = amplitude.reshape(n, len(regions), 1, 2, rates.size)
        coords: dict[str, Any] = {"region": list(regions), "nuclide": [nuclide], "radiation": ["alpha", "electron"]}
        return DoseCourse(
            xr.DataArray(shaped, dims=_DIMS, coords=coords, attrs={"units": "Gy/h"}),
            xr.DataArray(np.tile(rates, (n, 1)), dims=("sample", "term"), attrs={"units": "1/h"}),
            (0.0,),
            np.ones(1),
            full.notes,
        )

    # --- earlier therapy ---------------------------------------------------------------------------------------------

    @cached_property
    def prior(self) -> tuple[PriorKidneyDose | None, PriorMarrowDose | None, PriorTumourDose | None]:
        """Earlier therapy of the case, as kidneys, marrow and tumour take it; several add up at the latest date."""
        if not self.case.prior_therapy:
            return None, None, None
        kidney: list[Any] = []
        marrow: list[Any] = []
        tumour: list[Any] = []
        for i, item in enumerate(self.case.prior_therapy):
            days = item.ended_h / 24.0
            if isinstance(item, ExternalBeam):
                each = item.dose.get("kidneys", 0.0) / item.fractions
                kidney.append((fractionated_bed(each, item.fractions, self.kidney.alpha_beta_Gy), days))
                marrow.append((item.dose.get("red_marrow", 0.0), days))
                continue
            course = self._earlier(i, item)
            kidney.append((self._bed(course, "kidneys"), days))
            marrow.append((_dose(course, "red_marrow"), days))
            if self.lesions and set(self.lesions) <= set(course.regions):
                tumour.append((np.mean([self._bed(course, r, tumour=True) for r in self.lesions], axis=0), days))

        def summed(rows: list[Any]) -> tuple[Array, float]:
            return np.sum(np.broadcast_arrays(*[r[0] for r in rows]), axis=0), min(r[1] for r in rows)

        return (
            PriorKidneyDose(*summed(kidney)) if kidney else None,
            PriorMarrowDose(*summed(marrow)) if marrow else None,
            PriorTumourDose(*summed(tumour)) if tumour else None,
        )

    def _earlier(self, i: int, item: PriorCourse) -> DoseCourse:
        each = item.activity.for_body_mass(self.case.body_mass_kg)
        if item.dose:
            doses = {r: d * each for r, d in item.dose.items()}
            half = {r: _PRIOR_HALF_LIFE_H.get(r, _PRIOR_OTHER_H) for r in doses}
            doses = {"kidneys": 0.0, "red_marrow": 0.0} | doses
            half = {r: half.get(r, _PRIOR_OTHER_H) for r in doses}
            return DoseCourse.simple(doses, effective_half_life_h=half, cycles=item.cycles)
        try:
            model = self.model(item.agent)
        except DomainError as error:
            raise CaseError(f"prior_therapy.{i}: {error} Give its dose, e.g. dose: {{kidneys: 0.65 Gy/GBq}}.") from None
        course = self.cycle(self.amino_acids(model, _PRIOR_AMINO_ACIDS_H), agent=item.agent, activity_MBq=each)
        return replace(
            course, start_d=tuple(56.0 * c for c in range(item.cycles)), relative_activities=np.ones(item.cycles)
        )

    def _bed(self, course: DoseCourse, region: str, tumour: bool = False) -> Array:
        own: Any = self.kidney
        if tumour:
            own = KidneyParameters(self.tumour.alpha_beta_Gy, self.tumour.repair_half_time_h, self.tumour.high_let,
                                   0.0, 1.0, 1.0, 365.0)  # fmt: skip
        end = course.start_d[-1] + 100.0
        return kidney_course(course, 90.0, own, region=region, times_d=[0.0, end]).bed.values[:, -1]

    # --- radiobiology ------------------------------------------------------------------------------------------------

    @cached_property
    def kidney(self) -> KidneyParameters:
        """Of these patients."""
        return KidneyParameters.from_catalog(self.draws.normal)

    @cached_property
    def tumour(self) -> TumourParameters:
        """Of these patients."""
        return TumourParameters.from_catalog(self.draws.normal)

    @cached_property
    def marrow(self) -> MarrowParameters:
        """Of these patients."""
        return MarrowParameters.from_catalog(self.draws.normal)

    def clearance_exponent(self, block: UptakeBlock | None) -> Array:
        """kappa [sample] of kidney dose ~ GFR^-kappa in this model, from a filtration that is a fifth lower."""
        doses = [sum(_doses(self.cycle(block, gfr_factor=f), "kidneys")) for f in (1.0, 0.8)]
        return np.maximum(np.log(doses[1] / doses[0]) / np.log(1.0 / 0.8), 0.0)


def _doses(course: DoseCourse, region: str) -> tuple[Array, Array]:
    """Low- and high-LET dose [sample] in Gy."""
    found = course.dose_Gy.sel(region=region).sum("nuclide")
    parts = [found.sel(radiation=[r for r in kinds if r in found.radiation.values]).sum("radiation").values for kinds in
             (("electron", "photon"), ("alpha", "recoil"))]  # fmt: skip
    return parts[0], parts[1]


def _dose(course: DoseCourse, region: str) -> Array:
    """Low-LET dose [sample] in Gy; what a beta emitter did to marrow."""
    return _doses(course, region)[0]
