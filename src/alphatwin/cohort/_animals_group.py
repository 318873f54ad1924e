"""Virtual animals of one arm: each its own tumour, uptake, sensitivity and kidneys; what ends its part, and when."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from .. import catalog
from ..biology.course import TissueParameters
from ..biology.delivery import DoseCourse
from ..biology.kidney import KidneyParameters, kidney_course
from ..biology.modifiers import ResponseModifier, chosen_modifier
from ..biology.protection import scavenger
from ..biology.tumour import DAYS_PER_MONTH, TumourParameters, tumour_course
from ..catalog._animals import animal
from ..kinetics import Kinetics
from ..physics.nuclides import chain_table
from ._animals_dose import TUMOUR, Biodistribution, at_place, chain_of, small_s_values

if TYPE_CHECKING:
    from ..case.animals import AnimalsCase, Arm
    from ..case.cells import ModifierChoice

__all__ = ["CAUSES", "ArmBasis", "Group", "basis_of", "scores", "simulate_group"]

Array = npt.NDArray[np.float64]
CAUSES = ("alive", "tumour", "weight", "kidneys")
# Normal scores of an animal, in this order for good; cure and the rest are uniform.
_SCORES = ("mass", "tumour uptake", "kidney uptake", "growth", "alpha", "weight", "kidney sensitivity", "cure")
_LEAST_MASS_G = 1e-4


@dataclass(frozen=True, eq=False)
class ArmBasis:
    """What all animals of an arm share: curves for 1 MBq, times of injections, drugs."""

    kinetics: Kinetics
    uptake: Biodistribution
    injections_d: tuple[float, ...]
    activity_MBq: float
    modifiers: tuple[ResponseModifier, ...]
    times_d: Array


@dataclass(frozen=True, eq=False)
class Group:
    """Virtual animals of one arm.

    Attributes
    ----------
    end_d : array [animal]
        Day on which an endpoint was seen, or the end of the study.
    event : array [animal] of bool
    cause : array [animal] of int
        Index into ``CAUSES``.
    cured : array [animal] of bool
    mass_g, tumour_dose_Gy, kidney_dose_Gy : array [animal]
        At the start; of the whole course; NaN where nothing is known of kidneys.
    reach_d : array [animal]
        Day on which the tumour has four times its volume at the start; infinite where it never has.
    function : array [animal, time] or None
        Kidney function over that at the start.
    volume_mm3 : array [animal, time]
    """

    end_d: Array
    event: npt.NDArray[np.bool_]
    cause: npt.NDArray[np.int64]
    cured: npt.NDArray[np.bool_]
    mass_g: Array
    tumour_dose_Gy: Array
    kidney_dose_Gy: Array
    reach_d: Array
    function: Array | None
    volume_mm3: Array

    @staticmethod
    def joined(parts: list[Group]) -> Group:
        """Groups one after the other."""
        made: dict[str, Any] = {}
        for key in Group.__dataclass_fields__:
            values = [getattr(p, key) for p in parts]
            made[key] = None if values[0] is None else np.concatenate(values)
        return Group(**made)


def scores(seed: int, first: int, number: int) -> Array:
    """Standard-normal scores [animal, quantity]: Philox with the key (seed, 0) and the animal as counter.

    The bits of an animal depend on nothing else: not on the chunk it is computed in, nor on how many there are. Every
    arm has the same animals.
    """
    from scipy.special import ndtri

    made = np.empty((number, len(_SCORES)))
    for i in range(number):
        rng = np.random.Generator(np.random.Philox(key=[seed, 0], counter=[0, 0, 0, first + i]))
        made[i] = rng.random(len(_SCORES))
    return np.asarray(ndtri(np.clip(made, 1e-12, 1.0 - 1e-12)))


def _spread(z: Array, cv: float) -> Array:
    """Lognormal factors with mean 1 and this coefficient of variation."""
    s2 = math.log1p(cv * cv)
    return np.asarray(np.exp(math.sqrt(s2) * z - 0.5 * s2))


def _modifier(given: ModifierChoice) -> ResponseModifier:
    """A drug of the case, with its factors."""
    radiation: Literal["low_let", "high_let"] | None = "high_let" if given.radiation == "alpha" else given.radiation
    return chosen_modifier(
        given.name, radiation=radiation, alpha_factor=given.alpha_factor, beta_factor=given.beta_factor,
        dose_factor=given.dose_factor, source=given.source, quadratic=radiation != "high_let",
    )  # fmt: skip


def basis_of(case: AnimalsCase, name: str, arm: Arm, uptake: Biodistribution) -> ArmBasis:
    """What all animals of an arm share."""
    made = [
        at_place(f"arms.{name}.modifiers.{i}", functools.partial(_modifier, one)) for i, one in enumerate(arm.modifiers)
    ]
    step, end = case.endpoints.observe_every / 24.0, case.endpoints.follow_up / 24.0
    times = np.arange(0.0, end + 0.5 * step, step)
    if times.size < 3:
        times = np.linspace(0.0, end, 3)
    return ArmBasis(
        chain_of(case, uptake), uptake, tuple(h / 24.0 for h in arm.times), arm.activity, tuple(made), times
    )


def simulate_group(case: AnimalsCase, basis: ArmBasis, arm: Arm, first: int, number: int) -> Group:
    """Animals first to first + number - 1 of one arm."""
    z = dict(zip(_SCORES, scores(case.study.seed, first, number).T, strict=True))
    mass = np.maximum(case.tumour.mass * _spread(z["mass"], case.tumour.mass_spread), _LEAST_MASS_G)
    reference = case.tumour.measured_mass or case.tumour.mass
    factor = _spread(z["tumour uptake"], basis.uptake.between_animals[TUMOUR])
    factor = factor * (mass / reference) ** -case.tumour.uptake_exponent
    course = _course(case, basis, TUMOUR, mass, factor * mass / reference)
    volume, cured = _tumour(case, basis, arm, course, mass, z)
    kidneys = "kidneys" in basis.uptake.terms
    function, kidney_dose = None, np.full(number, np.nan)
    if kidneys:
        organ = basis.uptake.masses_g["kidneys"]
        mine = _course(
            case,
            basis,
            "kidneys",
            np.full(number, organ),
            _spread(z["kidney uptake"], basis.uptake.between_animals["kidneys"]),
        )
        kidney_dose = _dose(mine, number)
        if case.endpoints.kidneys is not None:
            function = _function(case, basis, arm, mine, z)
    weight = None if case.endpoints.weight is None else _weight(case, basis, z)
    ends = _ends(case, basis.times_d, volume, weight, function)
    return Group(
        *ends, cured, mass, _dose(course, number), kidney_dose, _reached(basis.times_d, volume), function, volume
    )


def _dose(course: DoseCourse, number: int) -> Array:
    total = course.dose_Gy.sum(("region", "nuclide", "radiation")).values
    return np.asarray(np.broadcast_to(total, (number,)), dtype=float).copy()


def _course(case: AnimalsCase, basis: ArmBasis, region: str, mass_g: Array, activity: Array) -> DoseCourse:
    """Dose rate of one region in each animal: its own mass, and its activity over that of the mean animal."""
    nuclides = tuple(chain_table(case.nuclide)[0])
    s = small_s_values({region: mass_g}, case.media(), nuclides)
    k = basis.kinetics
    amplitude = k.amplitude.sel(region=[region]).values * activity[:, None, None, None]
    mine = Kinetics.from_arrays(
        amplitude, np.repeat(k.rate.values, mass_g.size, axis=0), regions=(region,), nuclides=k.nuclides
    )
    injections = np.full(len(basis.injections_d), basis.activity_MBq)
    return DoseCourse.from_kinetics(mine, s, start_d=basis.injections_d, relative_activities=injections)


def line_value(case: AnimalsCase, key: str) -> float:
    """A parameter of the tumour line: the case's own, else the catalogue's."""
    return float(case.tumour.override.get(key, animal(case.tumour.line).values[key].value))


def _tumour(
    case: AnimalsCase, basis: ArmBasis, arm: Arm, course: DoseCourse, mass: Array, z: dict[str, Array]
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Volume [animal, time] in mm^3, and whether no clonogen is left."""
    tissue = TissueParameters.from_catalog(catalog.tissue_of(TUMOUR), None)
    entry = animal(case.tumour.line).values["doubling_time"]
    cv = (entry.u or 0.0) / entry.value
    doubling = line_value(case, "doubling_time") * _spread(z["growth"], cv) / arm.growth_factor
    capacity = max(line_value(case, "carrying_capacity"), 1.01 * float(case.endpoints.tumour_volume))
    own = TumourParameters(
        alpha_per_Gy=line_value(case, "alpha") * _spread(z["alpha"], case.tumour.sensitivity_spread),
        alpha_beta_Gy=tissue.alpha_beta_Gy,
        repair_half_time_h=tissue.repair_half_time_h,
        high_let=tissue.high_let,
        growth_percent_per_month=100.0 * np.expm1(np.minimum(math.log(2.0) / doubling * DAYS_PER_MONTH, 60.0)),
        clearance_half_time_d=line_value(case, "clearance_half_time"),
        law=case.tumour.growth_law,
        carrying_capacity_mL=np.maximum(capacity, 1.05 * mass),
    )
    found = at_place("tumour", lambda: tumour_course(
        course, {TUMOUR: mass}, own, times_d=basis.times_d, modifiers=basis.modifiers,
    ))  # fmt: skip
    volume = found.volume.values[:, 0] * 1000.0
    viable = found.viable.values[:, 0]
    fewest = viable.argmin(axis=1)
    clonogens = np.take_along_axis(viable, fewest[:, None], 1)[:, 0] * line_value(case, "clonogens_per_g")
    from scipy.special import ndtr

    cured = ndtr(z["cure"]) < np.exp(-clonogens)
    after = np.arange(volume.shape[1])[None, :] >= fewest[:, None]
    dying = volume - 1000.0 * viable
    return np.where(cured[:, None] & after, np.maximum(dying, 0.0), volume), cured


def kidney_parameters(case: AnimalsCase, factor: Array | float = 1.0) -> KidneyParameters:
    """The kidney of the species; `factor` is how much more sensitive an animal is."""
    values = animal(case.species).values
    tissue = TissueParameters.from_catalog(catalog.tissue_of("kidneys"), None)
    return KidneyParameters(
        alpha_beta_Gy=tissue.alpha_beta_Gy, repair_half_time_h=tissue.repair_half_time_h, high_let=tissue.high_let,
        loss_percent_per_y=values["kidney_loss"].value, reference_bed_Gy=values["kidney_reference_bed"].value / np.asarray(factor),
        power=values["kidney_power"].value, mean_delay_d=values["kidney_delay"].value, compensation=0.0,
        overload_per_y=0.0, ageing_mL_min_per_y=0.0,
    )  # fmt: skip


def _function(case: AnimalsCase, basis: ArmBasis, arm: Arm, course: DoseCourse, z: dict[str, Array]) -> Array:
    """Kidney function [animal, time] over that at the start."""
    values = animal(case.species).values["kidney_reference_bed"]
    factor = _spread(z["kidney sensitivity"], (values.u or 0.0) / values.value)
    drug, doses = None, None
    if arm.protector is not None:
        drug = scavenger(arm.protector.name, species=case.species)
        doses = [(d + h / 24.0, arm.protector.amount) for d in basis.injections_d for h in arm.protector.times]
    found = at_place("endpoints.kidneys", lambda: kidney_course(
        course, 100.0, kidney_parameters(case, factor), times_d=basis.times_d, scavenger=drug, scavenger_doses=doses,
    ))  # fmt: skip
    return np.asarray(found.egfr.values / 100.0)


def _weight(case: AnimalsCase, basis: ArmBasis, z: dict[str, Array]) -> Array:
    """Weight [animal, time] over that without treatment: each injection costs its share, most of it at the nadir.

    loss(t) = limit (A / A_limit) f (t/T) exp(1 - t/T), with the day T of the nadir and f the animal's own.
    """
    told = case.endpoints.weight
    assert told is not None
    values = animal(case.species).values
    nadir = values["weight_nadir"].value
    shape = np.zeros_like(basis.times_d)
    for day in basis.injections_d:
        x = np.maximum(basis.times_d - day, 0.0) / nadir
        shape = shape + x * np.exp(1.0 - x)
    cost = 0.0 if told.activity_at_limit <= 0 else told.limit * basis.activity_MBq / told.activity_at_limit
    return 1.0 - cost * _spread(z["weight"], values["weight_cv"].value)[:, None] * shape[None, :]


def _ends(
    case: AnimalsCase, times: Array, volume: Array, weight: Array | None, function: Array | None
) -> tuple[Array, npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """First day on which an endpoint is seen; the tumour counts first where two come on one day."""
    limits: list[tuple[int, npt.NDArray[np.bool_]]] = [(1, volume >= 1000.0 * case.endpoints.tumour_volume)]
    if weight is not None and case.endpoints.weight is not None:
        limits.append((2, weight <= 1.0 - case.endpoints.weight.limit))
    if function is not None and case.endpoints.kidneys is not None:
        limits.append((3, function <= case.endpoints.kidneys.limit))
    end = np.full(len(volume), times[-1])
    cause = np.zeros(len(volume), dtype=np.int64)
    for code, seen in limits:
        ever = seen.any(axis=1)
        when = times[seen.argmax(axis=1)]
        sooner = ever & ((cause == 0) | (when < end))
        end, cause = np.where(sooner, when, end), np.where(sooner, code, cause)
    return end, cause > 0, cause


def _reached(times: Array, volume: Array, times_larger: float = 4.0) -> Array:
    """Day, between two measurements by straight lines, on which the last regrowth passes this multiple of the start."""
    above = volume >= times_larger * volume[:, :1]
    made = np.full(len(volume), math.inf)
    for i in np.flatnonzero(above.any(axis=1)):
        j = int(above[i].argmax())
        a, b = volume[i, j - 1], volume[i, j]
        share = (times_larger * volume[i, 0] - a) / (b - a)
        made[i] = times[j - 1] + share * (times[j] - times[j - 1])
    return made
