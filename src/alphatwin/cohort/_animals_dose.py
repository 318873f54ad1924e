"""From uptake in an animal to dose: curves per gram, small organs that electrons leave, daughters that move."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..draws import Draws
from ..errors import AlphatwinError, CaseError, DomainError
from ..kinetics import FreeDaughters, InPlace, Kinetics, chain_kinetics, fit_curve, integrate
from ..kinetics.daughters import free_daughters_from_catalog
from ..physics import RADIATIONS
from ..physics.nuclides import chain_table
from ..physics.nuclides import nuclide as nuclide_of
from ..transport import RegionMass, SValues, self_s_values

if TYPE_CHECKING:
    from ..case.animals import AnimalsCase, Arm

__all__ = [
    "PAIRED",
    "TUMOUR",
    "Biodistribution",
    "OrganDose",
    "at_place",
    "biodistribution",
    "organ_doses",
    "small_s_values",
]

Array = npt.NDArray[np.float64]
TUMOUR = "tumour"
PAIRED = ("kidneys", "lungs", "adrenals")  # two spheres of half the mass each
_PRIOR_SAMPLES = 200


def at_place(place: str, work: Callable[[], Any]) -> Any:
    """Do the work; an error says which key of the case asked for it."""
    try:
        return work()
    except CaseError:
        raise
    except AlphatwinError as error:
        raise type(error)(f"{place}: {error}") from None


@dataclass(frozen=True, eq=False)
class Biodistribution:
    """Activity of the therapeutic label in each region per MBq injected, and how it varies.

    Attributes
    ----------
    terms : mapping of region to (amplitude_MBq[term], rate_per_h[term])
        Per MBq injected, of the whole region with the mass of `masses_g`.
    masses_g : mapping of region to float
        Tumour: the mass at which it was measured.
    sd_of_mean : mapping of region to float
        Relative standard deviation of the mean time-integrated activity: what the experiment does not know.
    between_animals : mapping of region to float
        Coefficient of variation between animals.
    models : mapping of region to str
        How the curve was made.
    notes, sources : tuple of str
    """

    terms: Mapping[str, tuple[Array, Array]]
    masses_g: Mapping[str, float]
    sd_of_mean: Mapping[str, float]
    between_animals: Mapping[str, float]
    models: Mapping[str, str]
    notes: tuple[str, ...]
    sources: tuple[str, ...]

    def tia_h(self, region: str) -> float:
        """Time-integrated activity per injected activity, MBq h per MBq."""
        a, r = self.terms[region]
        return float(np.sum(a / r))

    def percent_per_g(self, region: str, time_h: float, decay_per_h: float) -> float:
        """%IA/g at a time, corrected for decay."""
        a, r = self.terms[region]
        return float(100.0 * np.sum(a * np.exp(-(r - decay_per_h) * time_h)) / self.masses_g[region])

    def scaled(self, factors: Mapping[str, float]) -> Biodistribution:
        """The same with the uptake of some regions times a factor."""
        made = {k: (a * factors.get(k, 1.0), r) for k, (a, r) in self.terms.items()}
        return replace(self, terms=made)


def biodistribution(case: AnimalsCase, arm: Arm | None = None) -> Biodistribution:
    """Curves of a case, of an arm with its amino acids and factors where one is given.

    Raises
    ------
    AlphatwinError
        A curve that cannot be fitted or a model that cannot be run; the message begins with the place in the case.
    """
    if case.uptake is not None:
        found = _from_table(case)
    else:
        found = at_place("model", lambda: _from_model(case, bool(arm is not None and arm.lysine)))
    if arm is None or not arm.uptake_factor:
        return found
    for region in arm.uptake_factor:
        if region not in found.terms:
            raise CaseError(f"arms: no uptake of {region} is known; there is {', '.join(found.terms)}.")
    return found.scaled(arm.uptake_factor)


def _from_table(case: AnimalsCase) -> Biodistribution:
    """Effective curves of the therapeutic label: A(t)/A_0 = m p(t)/100 exp(-lambda t), p corrected for decay."""
    table = case.uptake
    assert table is not None
    measured = at_place("uptake.nuclide", lambda: nuclide_of(table.nuclide))
    given = at_place("nuclide", lambda: nuclide_of(case.nuclide))
    t = np.asarray(table.times)
    back = np.ones_like(t) if table.decay_corrected else np.exp(measured.decay_constant_per_h * t)
    decay = back * np.exp(-given.decay_constant_per_h * t)
    masses = {**case.masses_g(), TUMOUR: case.tumour.measured_mass or case.tumour.mass}
    terms, sd, cv, models, notes = {}, {}, {}, {}, []
    for region, organ in table.organs.items():
        mean, spread = np.asarray(organ.percent_per_g), np.asarray(organ.sd)
        scale = masses[region] / 100.0 * decay
        floor = 0.02 * float((mean * scale).max())
        of_mean = np.maximum(spread * scale / math.sqrt(organ.n), floor / math.sqrt(organ.n))
        place = f"uptake.organs.{region}"
        curve = at_place(place, functools.partial(_fitted, t, mean * scale, of_mean, given.name))
        terms[region] = curve.exponentials()
        models[region] = curve.model
        sd[region] = curve.sd / curve.time_integrated_activity_MBq_h if math.isfinite(curve.sd) else 0.3
        weight = mean * decay * np.gradient(t) if t.size > 2 else mean * decay
        used = mean > 0
        cv[region] = float(np.sum(weight[used] * spread[used] / mean[used]) / np.sum(weight[used]))
    if table.nuclide != case.nuclide:
        notes.append(f"Uptake was measured with {table.nuclide}; {case.nuclide} is taken to go the same way.")
    notes.append(
        "The standard deviation of the table is taken as the spread between animals (it holds errors of counting too); "
        "over the root of n it is the uncertainty of the mean."
    )
    return Biodistribution(terms, {k: masses[k] for k in terms}, sd, cv, models, tuple(notes), (table.source,))


def _fitted(t: Array, activity: Array, sd: Array, name: str) -> Any:
    """The curve of least AICc; straight lines and physical decay after them where no sum of exponentials fits."""
    from ..errors import FitError

    start = t > 0  # at the injection itself nothing is in an organ
    try:
        found = fit_curve(t[start], activity[start], nuclide=name, sd_MBq=sd[start], model="auto")
        if math.isfinite(found.time_integrated_activity_MBq_h) and found.sd < found.time_integrated_activity_MBq_h:
            return found
    except FitError:
        pass
    return fit_curve(t, activity, nuclide=name, sd_MBq=sd, model="trapezoid", tail="decay")


def _from_model(case: AnimalsCase, lysine: bool) -> Biodistribution:
    """The whole-body model at its medians; spreads from its prior, between animals and of knowledge apart."""
    from ..kinetics.pbpk import pbpk

    assert case.model is not None
    assert case.agent is not None
    mass = case.tumour.measured_mass or case.tumour.mass
    model = pbpk(case.agent, case.species, lesions={TUMOUR: mass})
    held: dict[str, Any] = {k: float(v[0]) for k, v in model.scaled(case.body_mass / 1000.0).items()}
    known = {f"volume_{k}_L": v / 1000.0 for k, v in case.organ_masses.items()}
    held |= {k: v for k, v in known.items() if k in model.parameters}
    held |= dict(case.model.override)
    if lysine:
        held["amino_acids"] = 1.0
    peptide = case.model.peptide
    curves = model.exponentials(peptide_nmol=peptide, activity_MBq=1e-3, **held)
    masses = {TUMOUR: mass}
    for region in model.dosed:
        if region != TUMOUR:
            masses[region] = 1000.0 * float(
                held.get(f"volume_{region}_L", model.parameters[f"volume_{region}_L"].value)
            )
    terms = {k: (v[0][0] * 1e3, v[1][0]) for k, v in curves.items() if k in masses}
    spread = {
        kind: _prior_cv(model, case.study.seed, kind, held, peptide, tuple(terms)) for kind in ("patients", "knowledge")
    }
    notes = (
        f"Uptake is computed by the whole-body model of the {case.species} (set {model.parameter_set}), not measured.",
        "Spreads are those of the model's prior: what it takes to differ between animals, and what is not known.",
    )
    kind = "whole-body model"
    return Biodistribution(
        terms, masses, spread["knowledge"], spread["patients"], dict.fromkeys(terms, kind), notes, model.sources
    )


def _prior_cv(
    model: Any, seed: int, kind: str, held: Mapping[str, Any], peptide: float | None, regions: tuple[str, ...]
) -> dict[str, float]:
    """Spread (sd of the logarithm) of the dose over the prior of one kind of parameters."""
    others = [k for k, q in model.parameters.items() if q.uncertain and q.varies != kind]
    skip = {*others, "body_mass_kg", *(k for k in held if k not in ("amino_acids",) and k.startswith("volume_"))}
    drawn = model.at_scores(Draws(_PRIOR_SAMPLES, seed).normal, without=skip)
    base = {k: v for k, v in held.items() if k not in drawn}
    found = model.simulate(peptide_nmol=peptide, activity_MBq=1e-3, times_h=[0.0], **{**base, **drawn})
    doses = found.absorbed_dose_Gy_per_GBq
    return {r: float(np.std(np.log(np.maximum(doses.sel(region=r).values, 1e-300)))) for r in regions}


# --- dose ------------------------------------------------------------------------------------------------------------


def small_s_values(masses_g: Mapping[str, Any], media: Mapping[str, str], nuclides: tuple[str, ...]) -> SValues:
    """Self S values of small organs; paired organs are two spheres of half the mass, each with half the activity.

    Parameters
    ----------
    masses_g : mapping of region to float or array [sample]
    media : mapping of region to str
        Catalogue media; soft tissue for what is not named.
    nuclides : tuple of str

    Returns
    -------
    SValues
        Gy per decay in the region: of a pair, S(m/2)/2. Nothing passes from one region to another.

    Examples
    --------
    >>> one = small_s_values({"liver": 0.2}, {}, ("Y-90",)).s.sel(radiation="electron").item()
    >>> two = small_s_values({"kidneys": 0.2}, {}, ("Y-90",)).s.sel(radiation="electron").item()
    >>> 0.8 < two / one < 0.95  # more leaves two small kidneys than one organ of their mass
    True
    """
    given = {
        k: RegionMass(
            np.asarray(m, dtype=float) / (2.0 if k in PAIRED else 1.0), media.get(k, "soft-tissue"), "of the animal"
        )
        for k, m in masses_g.items()
    }
    found = self_s_values(given, nuclides)
    factor = found.s["target"].isin(list(PAIRED)).astype(float) * -0.5 + 1.0
    s = (found.s * factor).transpose(*found.s.dims).assign_attrs(found.s.attrs)
    whole = found.mass_g.copy(data=found.mass_g.values / factor.values)
    return replace(found, s=s, mass_g=whole.assign_attrs(found.mass_g.attrs))


@dataclass(frozen=True)
class OrganDose:
    """Dose of one region per activity.

    Attributes
    ----------
    region : str
    mass_g, tia_h : float
        tia_h: MBq h in the region per MBq injected, of the parent.
    alpha, electron, photon : float
        Gy/MBq; recoils count with alphas.
    electron_escape, alpha_escape : float
        Share of the energy that leaves the region and is counted nowhere.
    sd_of_mean, between_animals : float
        Relative.
    """

    region: str
    mass_g: float
    tia_h: float
    alpha: float
    electron: float
    photon: float
    electron_escape: float
    alpha_escape: float
    sd_of_mean: float
    between_animals: float

    @property
    def total(self) -> float:
        """Gy/MBq, unweighted."""
        return self.alpha + self.electron + self.photon


def daughters_of(case: AnimalsCase, regions: tuple[str, ...]) -> InPlace | FreeDaughters:
    """Where daughters decay, at the medians of the catalogue."""
    if case.daughters.model == "in_place":
        return InPlace()
    found: FreeDaughters = at_place(
        "daughters",
        lambda: free_daughters_from_catalog(
            case.agent or "*", case.nuclide, regions, Draws(1).normal, retained=dict(case.daughters.retained)
        ),
    )
    return found


def chain_of(case: AnimalsCase, uptake: Biodistribution) -> Kinetics:
    """Activity of the whole chain in every region for 1 MBq."""
    found = chain_kinetics(dict(uptake.terms), case.nuclide, daughters_of(case, tuple(uptake.terms)))
    assert isinstance(found, Kinetics)
    return found


def organ_doses(case: AnimalsCase, uptake: Biodistribution, kinetics: Kinetics | None = None) -> tuple[OrganDose, ...]:
    """Dose per activity of every region with a mass, and what of it is lost through the surface."""
    from ..dose import absorbed_dose

    kinetics = chain_of(case, uptake) if kinetics is None else kinetics
    names = tuple(chain_table(case.nuclide)[0])
    masses = dict(uptake.masses_g)
    s = small_s_values(masses, case.media(), names)
    huge = self_s_values(
        {k: RegionMass(np.array([1e5]), case.media().get(k, "soft-tissue"), "no surface") for k in masses}, names
    )
    decays = integrate(kinetics)
    dose = absorbed_dose(decays, s).dose.sum("nuclide")[0]
    kept = absorbed_dose(decays, huge).dose.sum("nuclide")[0]
    made = []
    for region, mass in masses.items():
        own = {r: float(dose.sel(region=region, radiation=r)) for r in RADIATIONS}
        full = {r: float(kept.sel(region=region, radiation=r)) * 1e5 / mass for r in RADIATIONS}
        lost = {r: 1.0 - own[r] / full[r] if full[r] > 0 else 0.0 for r in ("electron", "alpha")}
        made.append(OrganDose(
            region, mass, uptake.tia_h(region), own["alpha"] + own["recoil"], own["electron"], own["photon"],
            max(lost["electron"], 0.0), max(lost["alpha"], 0.0), uptake.sd_of_mean[region], uptake.between_animals[region],
        ))  # fmt: skip
    if not made:
        raise DomainError("No region has a mass; nothing can be dosed.")
    return tuple(sorted(made, key=lambda o: (o.region != TUMOUR, -o.total)))
