"""A course that is planned, not measured: virtual kidneys, tumours and marrow of one patient, and the dose rate in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import catalog
from ..biology.delivery import DoseCourse
from ..biology.effectiveness import fractionated_bed
from ..biology.kidney import KidneyParameters, PriorKidneyDose, kidney_course
from ..biology.marrow import MarrowParameters, PriorMarrowDose
from ..biology.protection import UptakeBlock, uptake_block
from ..biology.tumour import PriorTumourDose, TumourParameters
from ..case import ExternalBeam, PriorCourse
from ..draws import Draws
from ..errors import CaseError, DomainError
from ..kinetics import InPlace, chain_kinetics, free_daughters_from_catalog
from ..kinetics._pbpk_curves import exponentials_of, grid_of
from ..kinetics.pbpk import PBPK, Lesion, pbpk
from ..physics import nuclide as nuclide_of
from ..transport.spheres import RegionMass, self_s_values

if TYPE_CHECKING:
    from ..case import Case
    from ..case.planned import PbpkKinetics

__all__ = ["PlannedPatient"]

_GFR_SD = 0.08  # of one measurement of a patient's filtration, k = 1: creatinine equations scatter by 7 to 10 %
_MEDIA = {"kidneys": "kidney", "red_marrow": "red-marrow", "liver": "liver", "spleen": "spleen"}
_PRIOR_AMINO_ACIDS_H = 4.0
_PRIOR_HALF_LIFE_H = {"kidneys": 51.0}  # of a dose that is given without its curve
_PRIOR_OTHER_H = 70.0
_HALF_LIVES = 20.0
_DIMS = ("sample", "region", "nuclide", "radiation", "term")

Array = Any


@dataclass(frozen=True, eq=False)
class PlannedPatient:
    """The patient of a case, many times over: every parameter that is not known is drawn once, by name.

    The same draws serve every question that is asked of the patient, so that differences between two ways to treat are
    not blurred by who was drawn (common random numbers).
    """

    case: Case
    draws: Draws

    @property
    def kinetics(self) -> PbpkKinetics:
        """The case's choice of the whole-body model."""
        from ..case.planned import PbpkKinetics

        found = self.case.kinetics
        if not isinstance(found, PbpkKinetics):
            raise CaseError("kinetics: a planned course needs computed kinetics; write source: pbpk.")
        return found

    @property
    def lesions(self) -> tuple[str, ...]:
        """Names of the lesions."""
        return tuple(self.kinetics.lesions)

    @property
    def volumes_mL(self) -> dict[str, float]:
        """Of the lesions."""
        return {name: lesion.volume_mL for name, lesion in self.kinetics.lesions.items()}

    @cached_property
    def egfr(self) -> float:
        """Indexed, mL/min/1.73 m2: the case's, else that of the whole-body model in this body."""
        given, surface = self.case.patient.egfr, self.case.body_surface_m2
        absolute = self.model(self.case.treatment.agent).parameters["gfr_L_per_min"].value
        if given is not None:
            absolute = given.L_per_min(surface)
        return float(absolute * 1000.0 * 1.73 / surface)

    @property
    def activity_MBq(self) -> float:
        """Of one cycle, for this body."""
        treatment = self.case.treatment
        amount = treatment.activity.for_body_mass(self.case.body_mass_kg)
        return amount if treatment.cap_MBq is None else min(amount, treatment.cap_MBq)

    @property
    def starts_d(self) -> tuple[float, ...]:
        """Day of each cycle."""
        every = (self.case.treatment.interval_h or 0.0) / 24.0
        return tuple(every * i for i in range(self.case.treatment.cycles))

    def model(self, agent: str) -> PBPK:
        """The whole-body model of an agent with the lesions of the case."""
        made = {
            name: Lesion(c.volume_mL, c.receptors_nM, c.release_per_min, c.perfusion_per_min, c.permeability_per_min)
            for name, c in self.kinetics.lesions.items()
        }
        chosen = self.kinetics.parameters
        return pbpk(agent, lesions=made) if chosen is None else pbpk(agent, parameters=chosen, lesions=made)

    def values(self, model: PBPK) -> dict[str, Any]:
        """Sampled parameters of the model in this patient."""
        case, density = self.case, catalog.medium("soft-tissue").density.value
        known: dict[str, Any] = {"body_mass_kg": case.body_mass_kg, "bsa_m2": case.body_surface_m2}
        if case.patient.egfr is not None:
            spread = np.exp(_GFR_SD * self.draws.normal("patient egfr"))
            known["gfr_L_per_min"] = case.patient.egfr.L_per_min(case.body_surface_m2) * spread
        if self.kinetics.peptide_nmol is not None:
            known["peptide_nmol"] = self.kinetics.peptide_nmol
        known |= {f"volume_{o}_L": g / 1000.0 / density for o, g in case.patient.organ_masses_g.items()}
        known |= self.kinetics.override
        drawn: dict[str, Any] = dict(model.at_scores(self.draws.normal, without=set(known)))
        for name in ("flow_kidneys", "flow_liver", "flow_spleen", "flow_gut"):  # a body spends what its heart gives
            if name in drawn:
                drawn[name] = np.minimum(drawn[name], 2.0 * model.parameters[name].value)
        return drawn | known

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
            fates = free_daughters_from_catalog(name, model.nuclide, tuple(parents), self.draws.normal, retained=kept)
        kinetics = chain_kinetics(parents, model.nuclide, fates, n=self.draws.n)
        masses = {r: self._mass(model, values, r) for r in ("kidneys", "red_marrow", *self.lesions)}
        full = DoseCourse.from_kinetics(
            kinetics, self_s_values(masses, list(chain)), start_d=(0.0,), regions=list(masses)
        )
        return self._compact(full, model.nuclide)

    def _mass(self, model: PBPK, values: dict[str, Any], region: str) -> RegionMass:
        key = f"volume_{region}_mL" if region in model.lesions else f"volume_{region}_L"
        litres = np.asarray(values.get(key, model.parameters[key].value)) * (1e-3 if region in model.lesions else 1.0)
        medium = _MEDIA.get(region, "soft-tissue")
        grams = np.broadcast_to(litres * 1000.0 * catalog.medium(medium).density.value, (self.draws.n,))
        return RegionMass(grams, medium, "volume of the model x density")

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
    def _marrow_factor(self) -> Array:
        """Low-LET dose to marrow as measured after 177Lu-DOTATATE over that from the blood of the model, with its spread."""
        target = catalog.outcome_model("blood-course").targets["marrow_dose_per_cycle"]
        model = pbpk("lu177-dotatate", lesions=self.model(self.case.treatment.agent).lesions)
        own = float(model.simulate().absorbed_dose_Gy_per_GBq.sel(region="red_marrow").item())
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
