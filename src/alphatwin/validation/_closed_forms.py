"""Comparisons with closed forms and conservation laws: the expected value is worked out here, by another route."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..biology import HighLET, bed, fractionated_bed, lea_catcheside, lea_catcheside_curve, rbe_at_dose
from ..kinetics import Curve, InPlace, chain_kinetics, fit_curve, free_daughters_from_catalog, integrate
from ..physics import activities, decays, medium, nuclide
from ..transport import RegionMass, self_s_values, sphere_absorbed_fraction
from ..units import JOULE_PER_MEV
from . import _cells
from ._quantities import DECAYS_PER_MBQ_H, LN2
from ._rows import Row

__all__ = ["ClosedForm", "planned"]

_ROUNDING = "closed form: only rounding is left, the solver promises 1e-11"
_DOUBLE = "closed form: rounding in double precision"


@dataclass(frozen=True)
class ClosedForm:
    """A row that is not computed yet; `both` gives the expected value and ours."""

    group: str
    quantity: str
    unit: str
    both: Callable[[], tuple[float, float]]
    tolerance: float
    tolerance_reason: str
    source: str
    locator: str
    note: str = ""

    def row(self) -> Row:
        """Compute both and compare."""
        expected, ours = self.both()
        return Row(
            self.group, self.quantity, expected, self.unit, ours, self.tolerance, self.tolerance_reason, self.source,
            f"closed form: {self.locator}", True, self.note,
        )  # fmt: skip


# --- chains ----------------------------------------------------------------------------------------------------------


def two_members(parent: str, daughter: str, time_h: float) -> tuple[float, float]:
    """Daughter activity per initial parent activity: b l2 (e^-l1 t - e^-l2 t) / (l2 - l1)."""
    l1, l2 = nuclide(parent).decay_constant_per_h, nuclide(daughter).decay_constant_per_h
    expected = nuclide(parent).progeny[daughter] * l2 * (math.exp(-l1 * time_h) - math.exp(-l2 * time_h)) / (l2 - l1)
    return expected, float(activities({parent: 1.0}, [time_h]).sel(nuclide=daughter).item())


def decays_of_parent(name: str, duration_h: float) -> tuple[float, float]:
    """A0 (1 - e^-l t) / l, in decays per MBq."""
    rate = nuclide(name).decay_constant_per_h
    return -math.expm1(-rate * duration_h) / rate * DECAYS_PER_MBQ_H, float(decays({name: 1.0}, duration_h)[0])


def atom_balance(parent: str, member: str, time_h: float) -> tuple[float, float]:
    """What the parents of a member made of it = its own decays + its atoms that are left."""
    done, there = decays({parent: 1.0}, time_h), activities({parent: 1.0}, [time_h])
    made = 0.0
    for name in nuclide(parent).chain:
        made += nuclide(name).progeny.get(member, 0.0) * float(done.sel(nuclide=name))
    left = float(there.sel(nuclide=member).item()) / nuclide(member).decay_constant_per_h * DECAYS_PER_MBQ_H
    return made, float(done.sel(nuclide=member)) + left


def transient_equilibrium(parent: str, daughter: str, time_h: float) -> tuple[float, float]:
    """Late ratio of activities: b l2 / (l2 - l1)."""
    l1, l2 = nuclide(parent).decay_constant_per_h, nuclide(daughter).decay_constant_per_h
    there = activities({parent: 1.0}, [time_h])
    ours = float(there.sel(nuclide=daughter).item() / there.sel(nuclide=parent).item())
    return nuclide(parent).progeny[daughter] * l2 / (l2 - l1), ours


def free_daughter_budget(agent: str, parent: str, member: str) -> tuple[float, float]:
    """Decays of a daughter in all regions and outside = its expected number per decay of the parent."""
    regions = {"kidneys": ([3.0, -3.0], [0.0141, 0.85]), "liver": ([8.0], [0.009]), "tumour_1": ([2.0], [0.006])}
    free = free_daughters_from_catalog(agent, parent, tuple(regions), lambda name: np.zeros(1))
    kinetics = chain_kinetics(regions, parent, free)
    inside = integrate(kinetics).time_integrated_activity_MBq_h.sum("region")[0]
    total = float(inside.sel(nuclide=member))
    if kinetics.excreted is not None:
        total += float(kinetics.excreted.sel(nuclide=member)[0])
    return nuclide(parent).branching_to(member), total / float(inside.sel(nuclide=parent))


def _chains() -> Iterator[ClosedForm]:
    def make(quantity: str, unit: str, both: Callable[[], tuple[float, float]], where: str) -> ClosedForm:
        return ClosedForm("chains", quantity, unit, both, 1e-10, _ROUNDING, "bateman1910", where)

    pairs = (("Pb-212", "Bi-212", (0.1, 1.0, 24.0, 200.0)), ("Ac-225", "Fr-221", (0.01, 0.5, 240.0)),
             ("Th-227", "Ra-223", (24.0, 480.0, 4000.0)), ("Ra-225", "Ac-225", (24.0, 400.0)))  # fmt: skip
    for parent, daughter, times in pairs:
        for t in times:
            yield make(f"{parent} to {daughter}, {t:g} h: activity", "1",
                       partial(two_members, parent, daughter, t), "two members")  # fmt: skip
    for name, hours in (("Ac-225", 240.0), ("Lu-177", 168.0), ("Pb-212", 24.0), ("At-211", 7.0)):
        yield make(f"{name}: decays of 1 MBq in {hours:g} h", "1",
                   partial(decays_of_parent, name, hours), "A0 (1 - exp(-lt))/l")  # fmt: skip
    for parent, daughter, hours in (("Pb-212", "Bi-212", 60.0), ("Th-227", "Ra-223", 60000.0)):
        yield make(f"{parent}, late: {daughter} over parent", "1",
                   partial(transient_equilibrium, parent, daughter, hours), "b l2/(l2 - l1)")  # fmt: skip
    members = (("Ac-225", "Bi-213"), ("Ac-225", "Pb-209"), ("Ac-225", "Tl-209"), ("Ra-223", "Pb-211"),
               ("Pb-212", "Bi-212"), ("Pb-212", "Tl-208"), ("Th-227", "Bi-211"))  # fmt: skip
    for parent, member in members:
        yield make(f"{parent}, 100 h: atoms of {member}", "1",
                   partial(atom_balance, parent, member, 100.0), "made = decayed + left")  # fmt: skip
    for agent, parent, member in (("ac225-dotatate", "Ac-225", "Bi-213"), ("ac225-dotatate", "Ac-225", "Pb-209"),
                                  ("pb212-dotamtate", "Pb-212", "Tl-208")):  # fmt: skip
        yield make(f"{parent} course, free {member}: all decays", "1",
                   partial(free_daughter_budget, agent, parent, member), "in regions + excreted")  # fmt: skip


# --- spheres ---------------------------------------------------------------------------------------------------------


def alpha_sphere(energy_MeV: float, radius_um: float) -> tuple[float, float]:
    """1 - 3/4 <u> + <u^3>/16, u = x/R: moments of the depth x of deposition, from the range alone.

    An alpha of E that deposits dE' when E' is left has gone x = r(E) - r(E'): <x^n> = (1/E) int (r(E) - r(E'))^n dE'.
    """
    water = medium("water")
    energy = np.linspace(1e-3, energy_MeV, 40_001)
    depth = np.asarray(water.csda_range_um("alpha", energy_MeV)) - np.asarray(water.csda_range_um("alpha", energy))
    u = depth / radius_um
    first, third = (float(np.trapezoid(u**n, energy)) / energy_MeV for n in (1, 3))
    mass_g = 4.0 / 3.0 * math.pi * (radius_um * 1e-4) ** 3 * water.density_g_per_cm3
    return 1.0 - 0.75 * first + third / 16.0, float(sphere_absorbed_fraction("alpha", energy_MeV, mass_g, "water"))


def photon_small_sphere(energy_MeV: float, mass_g: float) -> tuple[float, float]:
    """phi -> 3/4 (mu_en/rho) R rho: 3/4 R is the mean way out from a point inside, nothing scattered back, no electron out."""
    water = medium("water")
    radius = (3.0 * mass_g / (4.0 * math.pi * water.density_g_per_cm3)) ** (1 / 3) * water.density_g_per_cm3
    expected = 0.75 * float(water.mass_energy_absorption(energy_MeV)) * radius
    return expected, float(sphere_absorbed_fraction("photon", energy_MeV, mass_g, "water"))


def local_self_dose(name: str, mass_g: float, radiations: tuple[str, ...]) -> tuple[float, float]:
    """Energy per decay over mass, mGy/(MBq h), and ours."""
    unit = DECAYS_PER_MBQ_H * 1e3
    energy = sum(nuclide(name).energy_MeV(r) for r in radiations)
    s = self_s_values({"kidneys": RegionMass(np.array([mass_g]), "kidney")}, [name]).s.sel(radiation=list(radiations))
    return energy * JOULE_PER_MEV / (mass_g * 1e-3) * unit, float(s.sum()) * unit


def escape_bound(name: str, mass_g: float, radiations: tuple[str, ...]) -> float:
    """Largest share of the energy that can leave: 3/4 range/R of every line, weighted by energy, and bremsstrahlung."""
    kidney = medium("kidney")
    radius_um = (3.0 * mass_g / (4.0 * math.pi * kidney.density_g_per_cm3)) ** (1 / 3) * 1e4
    total = lost = 0.0
    for radiation in radiations:
        lines = nuclide(name).emissions(radiation)
        energy = lines["energy_MeV"].to_numpy(dtype=float)
        emitted = energy * lines["yield_per_decay"].to_numpy(dtype=float)
        total += float(emitted.sum())
        if radiation in ("alpha", "electron"):
            far = energy > 1e-3
            share = 0.75 * np.asarray(kidney.csda_range_um(radiation, energy[far])) / radius_um
            if radiation == "electron":
                share = share + np.asarray(kidney.radiation_yield(energy[far]))
            lost += float(emitted[far] @ share)
    return lost / total


def _spheres() -> Iterator[ClosedForm]:
    for energy, radius in ((5.8, 70.0), (5.8, 300.0), (7.07, 100.0), (8.376, 100.0), (8.376, 1000.0), (8.785, 3000.0)):
        yield ClosedForm(
            "spheres", f"water {radius:g} um, alpha {energy:g} MeV: phi", "1",
            partial(alpha_sphere, energy, radius), 1e-3,
            "0.1 %: ranges of the table are good to their five digits; the last 1 keV of each track is local",
            "charlton1962", "straight tracks, 1 - 3/4 <u> + <u^3>/16",
        )  # fmt: skip
    for energy in (0.03, 0.06, 0.1):
        mass = 0.01
        radius = (3.0 * mass / (4.0 * math.pi)) ** (1 / 3)
        mu = float(medium("water").mass_attenuation(energy)) * radius
        skin = 0.4 * float(medium("water").csda_range_g_per_cm2("electron", energy)) / radius
        yield ClosedForm(
            "spheres", f"water 10 mg, photon {energy:g} MeV: phi", "1",
            partial(photon_small_sphere, energy, mass), 2.0 * mu + skin,
            "left out: a term of the order of mu R, twice that, and the skin that electrons leave, 3/4 of half their range over R",
            "case1953", "3/4 mu_en R",
        )  # fmt: skip
    charged = ("alpha", "recoil", "electron")
    for name, radiations in (("Lu-177", ("electron",)), ("Ac-225", charged), ("Bi-213", charged)):
        yield ClosedForm(
            "spheres",
            f"kidney 310 g, {name}: self dose",
            "mGy/(MBq h)",
            partial(local_self_dose, name, 310.0, radiations),
            escape_bound(name, 310.0, radiations),
            "what can leave the sphere at most: 3/4 range/R of every line, and bremsstrahlung",
            "mird21",
            "energy per decay over mass",
            f"charged particles ({', '.join(radiations)}) of the nuclide alone; energies of ICRP-107",
        )


# --- kinetics --------------------------------------------------------------------------------------------------------


def hanscheid_at(half_lives: float) -> tuple[float, float]:
    """The rule on one exponential, over the true integral: 2 x 2^-x for a point at x half-lives."""
    effective_h = 60.0
    time_h = half_lives * effective_h
    found = fit_curve([time_h], [2.0**-half_lives], nuclide="Lu-177", model="hanscheid")
    ratio = found.time_integrated_activity_MBq_h * LN2 / effective_h
    return 2.0 * half_lives * 2.0**-half_lives, ratio


def madsen_at(time_h: float) -> tuple[float, float]:
    """Exact for a patient who has the half-life of the population: A0/k."""
    k = LN2 / 60.0
    activity = [7.0 * math.exp(-k * time_h)]
    found = fit_curve([time_h], activity, nuclide="Lu-177", model="madsen", population_half_life_h=60.0)
    return 7.0 / k, found.time_integrated_activity_MBq_h


def fit_of_exact_points(model: str) -> tuple[float, float]:
    """Points that lie on a curve of the model: its integral comes back."""
    a, r = {"mono": ([80.0], [0.012]), "uptake_clearance": ([80.0, -80.0], [0.012, 0.6])}[model]
    amplitude, rate = np.array(a), np.array(r)
    times = np.array([1.0, 4.0, 24.0, 72.0, 120.0, 168.0])
    activity = (amplitude[:, None] * np.exp(-rate[:, None] * times)).sum(axis=0)
    found = fit_curve(times, activity, nuclide="Lu-177", model=model)
    return float((amplitude / rate).sum()), found.time_integrated_activity_MBq_h


def translated(to: str) -> tuple[float, float]:
    """One exponential of 177Lu, its biology kept: A0 / (r - l_Lu + l_new)."""
    rate = 0.0141
    curve = Curve.from_terms([100.0], [rate], nuclide="Lu-177").translate(to, 1.0)
    swapped = rate - nuclide("Lu-177").decay_constant_per_h + nuclide(to).decay_constant_per_h
    return 100.0 / swapped, curve.time_integrated_activity_MBq_h


def chain_in_place(parent: str, member: str) -> tuple[float, float]:
    """Where nothing moves, each member decays as often as branching says."""
    kinetics = chain_kinetics({"liver": ([4.0, -4.0], [0.012, 0.5])}, parent, InPlace())
    found = integrate(kinetics).decays[0, 0]
    return nuclide(parent).branching_to(member), float(found.sel(nuclide=member) / found.sel(nuclide=parent))


def _kinetics() -> Iterator[ClosedForm]:
    for x in (0.75, 1.0, 1.5, 2.0, 2.5):
        yield ClosedForm("kinetics", f"Hänscheid at {x:g} T_eff / truth", "1", partial(hanscheid_at, x),
                         1e-12, _DOUBLE, "hanscheid2018teff", "2 x 2^-x for one exponential")  # fmt: skip
    for t in (4.0, 24.0, 96.0):
        yield ClosedForm("kinetics", f"Madsen at {t:g} h, T_eff 60 h", "MBq h", partial(madsen_at, t),
                         1e-12, _DOUBLE, "madsen2018stp", "A0/k for the population's own half-life")  # fmt: skip
    for model in ("mono", "uptake_clearance"):
        yield ClosedForm("kinetics", f"{model}, exact: TIA", "MBq h", partial(fit_of_exact_points, model),
                         1e-5, "the fit stops when its steps fall below 1e-8; the integral follows to 1e-5",
                         "glatting2007", "sum of a/r")  # fmt: skip
    for to in ("Ac-225", "Pb-212", "Bi-213"):
        yield ClosedForm("kinetics", f"Lu-177 curve as {to}: TIA", "MBq h", partial(translated, to),
                         1e-10, _DOUBLE, "mird21", "A0/(r - l_Lu + l_new)")  # fmt: skip
    for parent, member in (("Ac-225", "Bi-213"), ("Pb-212", "Po-212"), ("Ra-223", "Tl-207")):
        yield ClosedForm("kinetics", f"{parent} in place: decays of {member}", "1",
                         partial(chain_in_place, parent, member), 1e-10, _DOUBLE, "bateman1910",
                         "branching to the member")  # fmt: skip


# --- biology ---------------------------------------------------------------------------------------------------------


def g_one_exponential(effective_h: float, repair_h: float) -> tuple[float, float]:
    """G = T_rep / (T_rep + T_eff)."""
    return repair_h / (repair_h + effective_h), float(lea_catcheside([1.0], [LN2 / effective_h], repair_h))


def g_uptake(effective_h: float, uptake_h: float, repair_h: float) -> tuple[float, float]:
    """Uptake and clearance by integrating the differential equation of unrepaired damage term by term."""
    k, u, m = LN2 / effective_h, LN2 / uptake_h, LN2 / repair_h
    inner = (1 / (2 * k) - 1 / (k + m) - 1 / (k + u) + 1 / (u + m)) / (m - k)
    inner -= (1 / (k + u) - 1 / (k + m) - 1 / (2 * u) + 1 / (u + m)) / (m - u)
    return 2.0 * inner / (1 / k - 1 / u) ** 2, float(lea_catcheside([1.0, -1.0], [k, u], repair_h))


def g_constant_rate(hours: float, repair_h: float) -> tuple[float, float]:
    """Constant dose rate for a time T: 2 (x - 1 + e^-x) / x^2, x = mu T."""
    x = LN2 / repair_h * hours
    return 2.0 * (x + math.expm1(-x)) / x**2, float(lea_catcheside_curve([0.0, hours], [1.0, 1.0], repair_h))


def g_curve(effective_h: float, repair_h: float) -> tuple[float, float]:
    """Closed form against the curve routine on 20 000 points with an exponential tail."""
    rate = LN2 / effective_h
    times = np.concatenate([[0.0], np.geomspace(1e-3, 12.0, 20_000) / rate])
    ours = lea_catcheside_curve(times, np.exp(-rate * times), repair_h, tail_rate_per_h=rate)
    return repair_h / (repair_h + effective_h), float(ours)


def bed_one_exponential(dose_Gy: float, effective_h: float) -> tuple[float, float]:
    """D (1 + D T_rep / ((T_rep + T_eff) alpha/beta)), T_rep 2.8 h, alpha/beta 2.6 Gy."""
    expected = dose_Gy * (1.0 + dose_Gy * 2.8 / ((2.8 + effective_h) * 2.6))
    g = lea_catcheside([1.0], [LN2 / effective_h], 2.8)
    return expected, float(bed(dose_Gy, 0.0, g, 2.6, HighLET(5.0)))


def rbe_quadratic(dose_Gy: float) -> tuple[float, float]:
    """[-a + sqrt(a^2 + 4 b (a' D + b' D^2))] / (2 b D) with a 0.26/Gy, b 0.1/Gy2, RBE_M 6, R_beta 1.4."""
    a, b = 0.26, 0.1
    effect = 6.0 * a * dose_Gy + 1.4**2 * b * dose_Gy**2
    expected = (-a + math.sqrt(a * a + 4.0 * b * effect)) / (2.0 * b * dose_Gy)
    return expected, float(rbe_at_dose(dose_Gy, a / b, HighLET(6.0, 1.4)))


def many_small_fractions(dose_Gy: float) -> tuple[float, float]:
    """A million fractions have the BED of an endless exposure, the dose itself."""
    return dose_Gy, float(fractionated_bed(dose_Gy / 1e6, 1e6, 2.5))


def _biology() -> Iterator[ClosedForm]:
    def make(quantity: str, unit: str, both: Callable[[], tuple[float, float]], source: str, where: str) -> ClosedForm:
        return ClosedForm("biology", quantity, unit, both, 1e-11, _DOUBLE, source, where)

    for effective, repair in ((0.76, 1.5), (10.0, 2.8), (49.2, 2.8), (77.0, 1.5), (160.0, 0.25)):
        yield make(f"G, T_eff {effective:g} h, T_rep {repair:g} h", "1",
                   partial(g_one_exponential, effective, repair), "dale1985", "T_rep/(T_rep + T_eff)")  # fmt: skip
    for uptake in (0.5, 2.0, 5.0):
        yield make(f"G, {uptake:g} h in, 40 h out, T_rep 1.5 h", "1",
                   partial(g_uptake, 40.0, uptake, 1.5), "dale1996", "term by term")  # fmt: skip
    for hours in (1.0, 10.0, 100.0):
        yield make(f"G, constant for {hours:g} h, T_rep 2.8 h", "1",
                   partial(g_constant_rate, hours, 2.8), "lea1942", "2 (x - 1 + exp(-x))/x^2")  # fmt: skip
    for effective in (0.76, 49.2):
        yield ClosedForm("biology", f"G of a curve in points, T_eff {effective:g} h", "1",
                         partial(g_curve, effective, 2.8), 1e-6,
                         "1e-6: straight lines between 20 000 points err by their curvature, (r h)^2/12", "lea1942",
                         "T_rep/(T_rep + T_eff)")  # fmt: skip
    for dose in (2.0, 23.0):
        yield make(f"BED of {dose:g} Gy, T_eff 49.2 h", "Gy", partial(bed_one_exponential, dose, 49.2),
                   "dale1996", "D (1 + G D/(alpha/beta))")  # fmt: skip
    for dose in (0.1, 3.0, 30.0):
        yield make(f"RBE of {dose:g} Gy of alphas", "1", partial(rbe_quadratic, dose), "dale1999",
                   "root of the quadratic equation")  # fmt: skip
    yield ClosedForm("biology", "BED of 10 Gy, a million fractions", "Gy", partial(many_small_fractions, 10.0), 1e-5,
                     "closed form: D/n/(alpha/beta) = 4e-6 is left", "fowler1989", "BED -> D")  # fmt: skip


def planned(group: str) -> Iterator[ClosedForm]:
    """Every closed form of a group, not computed yet."""
    yield from {"chains": _chains, "spheres": _spheres, "kinetics": _kinetics, "biology": _biology}.get(group, tuple)()
    yield from _cells.planned(group)
