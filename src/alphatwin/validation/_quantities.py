"""What alphatwin gives for a published quantity: one small function each, called by name from the catalogue's tables."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import catalog
from ..biology import HighLET, bed, course_bed, eqd2, fractionated_bed, lea_catcheside, ntcp
from ..kinetics import InPlace, chain_kinetics, fit_curve, integrate
from ..physics import decays, medium, nuclide
from ..transport import RegionMass, self_s_values, sphere_absorbed_fraction
from ._animals import ANIMAL_CALLS
from ._cells import CELL_CALLS
from ._cohort import COHORT_CALLS
from ._pbpk import PBPK_CALLS
from ._trials import TRIAL_CALLS

if TYPE_CHECKING:
    from ..case import Case
    from ..kinetics import Curve
    from ..report import Report

__all__ = ["CALLS", "water_sphere_g"]

DECAYS_PER_MBQ_H = 3.6e9
_HOURS = {"us": 1e-6 / 3600, "ms": 1e-3 / 3600, "s": 1 / 3600, "min": 1 / 60, "h": 1.0, "d": 24.0, "y": 24 * 365.2422}
LN2 = math.log(2.0)


# --- matter ----------------------------------------------------------------------------------------------------------


def stopping_power(name: str, particle: str, energy_MeV: float, table: str = "default", part: str = "total") -> float:
    """Mass stopping power, MeV cm2/g."""
    return float(_material(name, table).mass_stopping_power(particle, energy_MeV, part))


def csda_range(name: str, particle: str, energy_MeV: float, table: str = "default") -> float:
    """CSDA range, g/cm2."""
    return float(_material(name, table).csda_range_g_per_cm2(particle, energy_MeV))


def radiation_yield(name: str, energy_MeV: float, table: str = "default") -> float:
    """Share of an electron's energy that leaves it as bremsstrahlung while it stops."""
    return float(_material(name, table).radiation_yield(energy_MeV))


def mass_attenuation(name: str, energy_MeV: float) -> float:
    """Photon mu/rho, cm2/g."""
    return float(medium(name).mass_attenuation(energy_MeV))


def mass_energy_absorption(name: str, energy_MeV: float) -> float:
    """Photon mu_en/rho, cm2/g."""
    return float(medium(name).mass_energy_absorption(energy_MeV))


def _material(name: str, table: str) -> Any:
    return medium(name, alpha_table="icru90", electron_table="icru90") if table == "icru90" else medium(name)


# --- nuclides --------------------------------------------------------------------------------------------------------


def half_life(name: str, unit: str, overrides: bool = True) -> float:
    """Half-life in the unit named."""
    return nuclide(name, overrides=overrides).half_life_h / _HOURS[unit]


def emitted_energy(name: str, radiation: str, kind: str, overrides: bool = False) -> float:
    """Energy per decay of one kind of emission, MeV; without overrides as ICRP-107 has it."""
    lines = nuclide(name, overrides=overrides).emissions(radiation)
    chosen = lines[lines["kind"] == kind]
    return float((chosen["energy_MeV"] * chosen["yield_per_decay"]).sum())


def chain_energy(name: str, radiation: str) -> float:
    """Energy of the whole chain per decay of its parent, MeV, as ICRP-107 has it."""
    return nuclide(name, overrides=False).energy_MeV(radiation, chain=True)


def chain_energy_within(name: str, radiation: str, duration_h: float, members: str) -> float:
    """The same while a time lasts, from the members named ("A and B"): MeV per decay of the head."""
    done = decays({name: 1.0}, duration_h, overrides=False)
    per_parent = done / done.sel(nuclide=name)
    return sum(
        float(per_parent.sel(nuclide=m)) * nuclide(m, overrides=False).energy_MeV(radiation)
        for m in members.split(" and ")
    )


def photon_yield(name: str, energy_keV: float) -> float:
    """Photons of the line nearest to an energy, percent of decays."""
    lines = nuclide(name).emissions("photon")
    lines = lines[lines["kind"] == "gamma"]
    nearest = int(np.argmin(np.abs(lines["energy_MeV"].to_numpy(dtype=float) * 1e3 - energy_keV)))
    return 100.0 * float(lines["yield_per_decay"].to_numpy(dtype=float)[nearest])


def branching(name: str, to: str) -> float:
    """Decays of a member of the chain per decay of its head."""
    return nuclide(name).branching_to(to)


def activity_ratio(name: str, daughter: str, parent: str, time_h: float) -> float:
    """Activity of one member over that of another, a time after the pure head of the chain."""
    from ..physics import activities

    there = activities({name: 1.0}, [time_h])
    return float(there.sel(nuclide=daughter).item() / there.sel(nuclide=parent).item())


# --- spheres ---------------------------------------------------------------------------------------------------------


def water_sphere_g(radius_cm: float) -> float:
    """Mass of a sphere of unit density."""
    return 4.0 / 3.0 * math.pi * radius_cm**3


def sphere_fraction(radiation: str, energy_MeV: float, radius_cm: float) -> float:
    """Absorbed fraction of a water sphere of unit density."""
    return float(sphere_absorbed_fraction(radiation, energy_MeV, water_sphere_g(radius_cm), "water"))


def self_s_value(name: str, mass_g: float, material: str = "soft-tissue") -> float:
    """Self dose per decay of a sphere, all radiations, Gy."""
    return float(self_s_values({"tumour_1": RegionMass(np.array([mass_g]), material)}, [name]).s.sum())


# --- the real patient ------------------------------------------------------------------------------------------------


@functools.cache
def patient() -> Case:
    """The example case: patient 4 of the SNMMI challenge, at the point estimate."""
    from ..case import load

    case = load(catalog.path("example.yaml"))
    return case.model_copy(update={"options": case.options.model_copy(update={"samples": 1})})


def _measured() -> Any:
    """The measured curves of the example (`MeasuredKinetics`)."""
    return patient().kinetics


def left_kidney(model: str = "uptake_clearance", point: int | None = None) -> Curve:
    """Fit of the patient's left kidney, unweighted; one point of it for the single-time-point rules."""
    times = np.array(_measured().times_h, dtype=float)
    activity = np.array(_measured().regions["kidney_left"].activity_MBq, dtype=float)
    if point is not None:
        times, activity = times[point : point + 1], activity[point : point + 1]
    return fit_curve(times, activity, nuclide="Lu-177", model=model)


def kidney_tia(model: str = "uptake_clearance") -> float:
    """Time-integrated activity, MBq h."""
    return left_kidney(model).time_integrated_activity_MBq_h


def kidney_tia_ratio(model: str, reference_MBq_h: float, point: float = -1, label: str = "") -> float:
    """Time-integrated activity of another model over the published one; the label is for the reader only."""
    curve = left_kidney(model, int(point) if point >= 0 else None)
    return curve.time_integrated_activity_MBq_h / reference_MBq_h


def kidney_half_life() -> float:
    """Effective half-life of the last phase, h."""
    return left_kidney().effective_half_life_h


def kidney_parameter(which: str) -> float:
    """Amplitude (MBq) or one of the two rates (1/h) of A (exp(-r1 t) - exp(-r2 t))."""
    curve = left_kidney()
    return {
        "amplitude": float(np.max(curve.amplitudes_MBq)),
        "clearance": float(np.min(curve.rates_per_h)),
        "uptake": float(np.max(curve.rates_per_h)),
    }[which]


def kidney_dose_per_activity(density_g_per_mL: float) -> float:
    """Self dose of the left kidney per administered activity, Gy/GBq, mass = mean CT volume times this density."""
    volume_mL = float(np.mean(_measured().regions["kidney_left"].volume_mL))
    s = self_s_value("Lu-177", volume_mL * density_g_per_mL, "kidney")
    return s * kidney_tia() * DECAYS_PER_MBQ_H / (float(_measured().administered_activity_MBq) * 1e-3)


@functools.cache
def _report() -> Report:
    from ..run import run

    return run(patient())


def case_tia(region: str) -> float:
    """Time-integrated activity of a region of the whole run, MBq h."""
    found = _report().summary()["regions"][region]["time_integrated_activity_MBq_h"]["Lu-177"]["mean"]
    return float(found)


def case_dose_per_activity(region: str) -> float:
    """Absorbed dose of a region of the whole run per administered activity, Gy/GBq."""
    return 1e3 * float(_report().summary()["regions"][region]["absorbed_dose_per_activity_Gy_per_MBq"]["mean"])


def in_place_decays(name: str, daughter: str) -> float:
    """Decays of a daughter per decay of the parent where all stays in place."""
    found = integrate(chain_kinetics({"liver": ([1.0], [0.1])}, name, InPlace())).decays[0, 0]
    return float(found.sel(nuclide=daughter) / found.sel(nuclide=name))


# --- biology ---------------------------------------------------------------------------------------------------------


def g_of_clearance(effective_h: float, repair_h: float, uptake_h: float = 0.0) -> float:
    """Lea-Catcheside factor of clearance with one half-life, after uptake with another if it is given."""
    if uptake_h:
        return float(lea_catcheside([1.0, -1.0], [LN2 / effective_h, LN2 / uptake_h], repair_h))
    return float(lea_catcheside([1.0], [LN2 / effective_h], repair_h))


def fractionated(dose_Gy: float, fractions: float, alpha_beta_Gy: float, as_eqd2: bool = False) -> float:
    """BED or EQD2 of external beam, Gy."""
    value = fractionated_bed(dose_Gy, fractions, alpha_beta_Gy)
    return float(eqd2(value, alpha_beta_Gy) if as_eqd2 else value)


def yttrium_dose_of_equal_bed(dose_Gy: float, alpha_beta_Gy: float, effective_h: float, cycles: float) -> float:
    """Dose in equal cycles of exponential clearance with the BED of a dose in 2 Gy fractions, Gy."""
    from scipy.optimize import brentq

    target = float(fractionated_bed(2.0, dose_Gy / 2.0, alpha_beta_Gy))
    g = g_of_clearance(effective_h, 2.8)

    def excess(total: float) -> float:
        per_cycle = total / cycles
        return float(course_bed(per_cycle, 0.0, g, alpha_beta_Gy, HighLET(1.0), [1.0] * int(cycles))) - target

    return float(brentq(excess, 0.0, 10.0 * dose_Gy, xtol=1e-9))


def complication(tissue: str, entry: float, dose_Gy: float) -> float:
    """NTCP of a catalogue model at a value of its own quantity."""
    return float(ntcp(catalog.tissue_of(tissue).ntcp[int(entry)], dose_Gy))


def eqd2_of_alphas_over_dose(rbe: float, alpha_beta_Gy: float, dose_Gy: float) -> float:
    """EQD2 of a dose of alpha particles over that dose."""
    return float(eqd2(bed(0.0, dose_Gy, 1.0, alpha_beta_Gy, HighLET(rbe)), alpha_beta_Gy)) / dose_Gy


_ALL: tuple[Callable[..., float], ...] = (
    stopping_power, csda_range, radiation_yield, mass_attenuation, mass_energy_absorption, half_life,
    emitted_energy, chain_energy, chain_energy_within, photon_yield, branching, activity_ratio, sphere_fraction,
    self_s_value, kidney_tia, kidney_tia_ratio, kidney_half_life, kidney_parameter, kidney_dose_per_activity,
    case_tia, case_dose_per_activity, in_place_decays, g_of_clearance, fractionated, yttrium_dose_of_equal_bed,
    complication, eqd2_of_alphas_over_dose, *CELL_CALLS, *TRIAL_CALLS, *COHORT_CALLS, *ANIMAL_CALLS, *PBPK_CALLS,
)  # fmt: skip
CALLS: Mapping[str, Callable[..., float]] = MappingProxyType({getattr(f, "__name__"): f for f in _ALL})  # noqa: B009
