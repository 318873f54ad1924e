"""What a catalogue entry is: typed, frozen, and refused when a number lacks its unit, its source or its place in it."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

Distribution = Literal["normal", "lognormal", "uniform", "triangular"]


class Entry(BaseModel):
    """Frozen, no unknown keys, no infinite or missing numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)


class Cited(Entry):
    """A statement with its source and the place in it."""

    source: str = Field(min_length=1, description="key in sources.bib")
    locator: str = Field(min_length=1, description="table, page, section or 'abstract'")
    verified: bool = Field(description="true only if someone read the value in the source or its abstract")
    note: str = ""


class Quantity(Cited):
    """A published number that never travels without its unit, its source and its place in it.

    ``u`` is the standard uncertainty (k = 1) in the same unit; ``low`` and ``high`` bound a uniform or triangular
    distribution, or state the published range.
    """

    value: float
    unit: str = Field(min_length=1)
    u: Annotated[float, Field(ge=0)] | None = None
    distribution: Distribution = "lognormal"
    low: float | None = None
    high: float | None = None
    assumes: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Quantity:
        if self.distribution in ("uniform", "triangular") and (self.low is None or self.high is None):
            raise ValueError(f"a {self.distribution} distribution needs low and high")
        if self.low is not None and self.high is not None and not self.low <= self.value <= self.high:
            raise ValueError(f"value {self.value:g} lies outside low {self.low:g} to high {self.high:g}")
        if self.distribution == "lognormal" and self.u and self.value <= 0:
            raise ValueError("a lognormal distribution needs a value above zero")
        return self

    @property
    def uncertain(self) -> bool:
        """Whether the entry states how far the number may be off."""
        return bool(self.u) or self.distribution in ("uniform", "triangular")

    def at_score(self, score: np.ndarray) -> np.ndarray:
        """The quantity at standard-normal scores z[sample]; z = 0 gives the median of its distribution.

        normal: value + z u. lognormal: value exp(z s), s = sqrt(ln(1 + (u/value)^2)), so `value` is the median.
        uniform: low + (high - low) Phi(z). triangular: its inverse distribution at Phi(z), mode = value.
        """
        z = np.asarray(score, dtype=float)
        if not self.uncertain:
            return np.full(z.shape, self.value)
        if self.distribution == "normal":
            return self.value + z * float(self.u or 0.0)
        if self.distribution == "lognormal":
            s = math.sqrt(math.log1p((float(self.u or 0.0) / self.value) ** 2))
            return np.asarray(self.value * np.exp(z * s))
        from scipy.special import ndtr

        p, lo, hi = ndtr(z), float(self.low or 0.0), float(self.high or 0.0)
        if self.distribution == "uniform":
            return np.asarray(lo + (hi - lo) * p)
        c = (self.value - lo) / (hi - lo)
        left = lo + np.sqrt(p * (hi - lo) * (self.value - lo))
        right = hi - np.sqrt((1 - p) * (hi - lo) * (hi - self.value))
        return np.where(p < c, left, right)


# --- agents ----------------------------------------------------------------------------------------------------------


class AdministeredActivity(Quantity):
    """An activity in clinical use, typed so that per-kg, fixed and capped are never mixed up."""

    basis: Literal["fixed", "per_kg", "per_m2"]
    cap: float | None = Field(default=None, description="the most that is given, in cap_unit")
    cap_unit: str | None = None
    cycles: int | None = Field(default=None, ge=1)
    interval_weeks: float | None = Field(default=None, gt=0)
    setting: str = Field(default="", description="trial, cohort or label it comes from")

    @model_validator(mode="after")
    def _basis_has_unit(self) -> AdministeredActivity:
        per = {"fixed": "", "per_kg": "/kg", "per_m2": "/m^2"}[self.basis]
        if (per and not self.unit.endswith(per)) or (not per and "/" in self.unit):
            raise ValueError(f"basis {self.basis} does not go with the unit {self.unit}")
        if (self.cap is None) != (self.cap_unit is None):
            raise ValueError("cap and cap_unit go together")
        return self


class DoseCoefficient(Quantity):
    """Published dose per administered activity; an RBE-weighted one says its RBE and is never called absorbed dose."""

    quantity: Literal["absorbed_dose", "rbe_weighted_dose"]
    region: str
    rbe: float | None = None

    @model_validator(mode="after")
    def _weighting_is_stated(self) -> DoseCoefficient:
        if (self.quantity == "rbe_weighted_dose") != (self.rbe is not None):
            raise ValueError("rbe is given with rbe_weighted_dose, and only with it")
        return self


class ExponentialTerm(Entry):
    """One term a exp(-ln2 t / T) of a published retention curve; a in fraction of administered activity."""

    fraction: float
    half_life_h: float = Field(gt=0)


class RetentionCurve(Cited):
    """A published retention curve of a region: fraction of administered activity against time."""

    region: str
    terms: tuple[ExponentialTerm, ...] = Field(min_length=1)
    half_lives: Literal["biological", "effective"]
    nuclide: str
    unit: Literal["fraction of administered activity", "fraction of administered activity per L"]
    assumes: str = ""


class Agent(Entry):
    """A radiopharmaceutical the field uses: what it is made of, how it is given, what is published, what is not."""

    id: str
    name: str
    brand: str = ""
    nuclide: str
    vector: str
    target: str
    chelator: str
    chelator_source: str = ""
    twin: str = Field(default="", description="imaging or therapy partner in this catalogue")
    description: str = ""
    activities: tuple[AdministeredActivity, ...] = ()
    doses: tuple[DoseCoefficient, ...] = ()
    kinetics: tuple[RetentionCurve, ...] = ()
    other: dict[str, Quantity] = Field(default_factory=dict)
    sources: tuple[str, ...] = Field(min_length=1)
    gaps: tuple[str, ...] = ()


# --- nuclide overrides -----------------------------------------------------------------------------------------------


class NuclideOverride(Quantity):
    """A half-life (unit s, min, h, d or y) or a photon yield per decay that replaces a dated ICRP-107 value."""

    nuclide: str
    quantity: Literal["half_life", "photon_yield"]
    energy_keV: float | None = None

    @model_validator(mode="after")
    def _line_has_energy(self) -> NuclideOverride:
        if (self.quantity == "photon_yield") != (self.energy_keV is not None):
            raise ValueError("a photon_yield names its energy_keV, a half_life does not")
        return self


# --- media and anatomy -----------------------------------------------------------------------------------------------


class Composition(Cited):
    """Elemental mass fractions, by symbol; they sum to 1 within 0.002."""

    unit: Literal["mass fraction"]
    fractions: dict[str, Annotated[float, Field(ge=0, le=1)]]

    @model_validator(mode="after")
    def _sums_to_one(self) -> Composition:
        total = sum(self.fractions.values())
        if abs(total - 1) > 0.002:
            raise ValueError(f"mass fractions sum to {total:.4f}, not to 1")
        return self


class StoppingChoice(Cited):
    """Which tabulated material stands for this medium, e.g. ASTAR 'WATER_LIQUID'; or a mass-weighted mix of them."""

    materials: dict[str, Annotated[float, Field(gt=0, le=1)]]

    @model_validator(mode="after")
    def _sums_to_one(self) -> StoppingChoice:
        if abs(sum(self.materials.values()) - 1) > 1e-6:
            raise ValueError("the weights of the materials do not sum to 1")
        return self


class Medium(Entry):
    """A material that radiation crosses."""

    id: str
    name: str
    density: Quantity
    composition: Composition
    mean_excitation_energy: Quantity | None = None
    alpha_stopping: StoppingChoice
    electron_stopping: StoppingChoice | None = None


class RegionAnatomy(Entry):
    """Reference mass of a region: with its blood, and of the parenchyma alone."""

    mass_with_blood: Quantity | None = None
    mass_parenchyma: Quantity | None = None
    medium: str


class Anatomy(Entry):
    """A reference individual."""

    id: str
    name: str
    species: Literal["human", "mouse", "rat"]
    sex: Literal["male", "female", "either"]
    body_mass: Quantity
    regions: dict[str, RegionAnatomy]
    gaps: tuple[str, ...] = ()


# --- radiobiology ----------------------------------------------------------------------------------------------------


class Limit(Quantity):
    """A dose limit used in planning, with the quantity it bounds and the group of patients it was stated for."""

    quantity: Literal["absorbed_dose", "bed", "eqd2"]
    label: str
    default: bool = False


class NTCP(Entry):
    """Normal-tissue complication probability: probit (Lyman) or logistic in the stated dose quantity."""

    model: Literal["lyman", "logistic"]
    quantity: Literal["bed", "eqd2", "absorbed_dose"]
    endpoint: str
    d50: Quantity
    slope: Quantity = Field(description="lyman: m (1); logistic: gamma50 (1)")
    default: bool = False


class Tissue(Entry):
    """Radiobiology of a tissue."""

    id: str
    name: str
    regions: tuple[str, ...] = Field(min_length=1, description="region names this entry serves")
    alpha_beta: Quantity
    repair_half_time: Quantity
    rbe_alpha: Quantity
    limits: tuple[Limit, ...] = ()
    ntcp: tuple[NTCP, ...] = ()
    other: dict[str, Quantity] = Field(default_factory=dict)


# --- free daughters --------------------------------------------------------------------------------------------------


class FreeElement(Entry):
    """Fate of a daughter element once it is a free ion in blood plasma.

    From plasma it leaves with the half-time `plasma_half_time`; a fraction goes to each region and stays there with
    that region's retention half-times (a sum of terms), what is not listed in `uptake` is excreted at once or stays
    in the remainder as the entry says.
    """

    id: str
    element: str
    plasma_half_time: Quantity
    uptake: dict[str, Quantity]
    retention: dict[str, Quantity] = Field(description="biological half-time by region, unit h")
    gaps: tuple[str, ...] = ()


class RetainedFraction(Quantity):
    """Probability that a daughter born of this decay stays where its parent was."""

    parent: str
    daughter: str
    site: Literal["internalised", "surface", "interstitium", "plasma"]


class DaughterFate(Entry):
    """Retention of daughters at the site of decay, for a class of agents."""

    id: str
    name: str
    applies_to: tuple[str, ...] = Field(min_length=1, description="agent ids, or '*'")
    region_sites: dict[str, Literal["internalised", "surface", "interstitium", "plasma"]]
    site_source: str
    retained: tuple[RetainedFraction, ...] = Field(min_length=1)
    gaps: tuple[str, ...] = ()


# --- damage, response and modifiers of cells -------------------------------------------------------------------------


class YieldFormula(Cited):
    """Lesions per Gy and Gbp of an ion against LET: Y = (p1 + (p2 L)^p3) / (1 + (p4 L)^p5), L in keV/um.

    `low` and `high` bound the LET in which the formula is used; outside it is refused.
    """

    particle: str
    lesion: Literal["dsb", "ssb"]
    p: tuple[float, float, float, float, float]
    unit: Literal["1/(Gy Gbp)"]
    low: float = Field(ge=0, description="keV/um")
    high: float = Field(gt=0, description="keV/um")


class ParameterSet(Entry):
    """Named numbers of one model, or measured anchors of one effect; what is missing stands in `gaps`."""

    id: str
    name: str
    values: dict[str, Quantity] = Field(default_factory=dict)
    yields: tuple[YieldFormula, ...] = ()
    gaps: tuple[str, ...] = ()


class CellLine(Entry):
    """A cell line and its parameters, one set per model: `osmk2021`, `mkm`, `smk`, each with named quantities."""

    id: str
    name: str
    models: dict[Literal["mkm", "smk", "osmk2021"], dict[str, Quantity]] = Field(min_length=1)
    gaps: tuple[str, ...] = ()


class Modifier(Entry):
    """What a drug or a repair deficiency does to the response: factors on alpha, on beta, on unrepaired breaks.

    A factor that is absent was not found in a source that somebody read; it is never taken as 1. `radiation` is what
    the factors were measured with.
    """

    id: str
    name: str
    mechanism: str
    radiation: Literal["low_let", "high_let"]
    conditions: str
    alpha_factor: Quantity | None = None
    beta_factor: Quantity | None = None
    failure_factor: Quantity | None = None
    measured: dict[str, Quantity] = Field(default_factory=dict)
    sources: tuple[str, ...] = Field(min_length=1)
    gaps: tuple[str, ...] = ()


# --- structures inside organs ----------------------------------------------------------------------------------------

DENSEST_PACKING = {"hexagonal": 0.9069, "fcc": 0.7404}  # of equal cylinders, of equal spheres
MOST_INCLUSIONS = 0.35  # of a volume: more balls cannot be strewn one by one


class StructureZone(Entry):
    """A layer of a structure; layers are listed from the inside out."""

    name: str = Field(min_length=1)
    medium: str
    thickness: Quantity = Field(description="um; of the innermost one: its radius")
    outer_surface: str = Field(default="", description="name under which its outer surface can be a source")


class StructureCells(Entry):
    """Cells that matter for the organ: where they are and how large their nuclei are."""

    zone: str
    nucleus_diameter: Quantity


class Inclusions(Entry):
    """Equal balls strewn at random through some zones, such as fat cells in marrow."""

    name: str
    medium: str
    zones: tuple[str, ...] = Field(min_length=1)
    diameter: Quantity
    volume_fraction: Quantity


class Placement(Entry):
    """Where the decays of an organ are inside its structure; what `shares` leaves is spread evenly over the organ.

    `agent`: what the agent holds, daughters that stayed with it included. `free`: daughters that came through blood.
    """

    of: Literal["agent", "free"]
    applies_to: tuple[str, ...] = Field(min_length=1, description="agent ids, or '*'")
    shares: dict[str, Quantity] = Field(description="source -> share of the organ's decays there, unit 1")
    note: str = ""

    @model_validator(mode="after")
    def _shares_are_shares(self) -> Placement:
        for name, q in self.shares.items():
            least, most = (q.low, q.high) if q.low is not None and q.high is not None else (q.value, q.value)
            if q.unit != "1" or least < 0 or most > 1:
                raise ValueError(f"the share in {name} has the unit 1 and lies between 0 and 1")
        if sum(q.value for q in self.shares.values()) > 1 + 1e-9:
            raise ValueError("the shares sum to more than 1")
        return self


class Structure(Entry):
    """A repeated unit inside an organ: concentric spheres or cylinders, alone or packed, and the cells that matter.

    `tissue_zones` are what of it belongs to the organ's region (all, if none is named); `tissue_share` is the part of
    the organ's mass that is such tissue (all of it, if none is given).
    """

    id: str
    name: str
    region: str
    shape: Literal["sphere", "cylinder"]
    packing: Literal["none", "hexagonal", "fcc"] = "none"
    filled_fraction: Quantity | None = Field(default=None, description="volume share of the units, with a packing")
    between: str = Field(default="", description="name of what lies between packed units")
    between_medium: str = ""
    zones: tuple[StructureZone, ...] = Field(min_length=1)
    inclusions: Inclusions | None = None
    cells: dict[str, StructureCells] = Field(min_length=1)
    tissue_zones: tuple[str, ...] = ()
    tissue_share: Quantity | None = None
    placements: tuple[Placement, ...] = ()
    gaps: tuple[str, ...] = ()

    def placement(self, of: str, agent: str) -> Placement:
        """Where decays of this kind are: the entry that names the agent, else the general one, else evenly."""
        mine = [p for p in self.placements if p.of == of]
        for wanted in (agent, "*"):
            for p in mine:
                if wanted in p.applies_to:
                    return p
        return Placement(of="agent" if of == "agent" else "free", applies_to=("*",), shares={})

    @model_validator(mode="after")
    def _places_exist(self) -> Structure:
        zones = [z.name for z in self.zones] + ([self.between] if self.between else [])
        known = zones + [z.outer_surface for z in self.zones if z.outer_surface]
        if missed := set(self.tissue_zones) - set(zones):
            raise ValueError(f"no tissue zone is called {', '.join(sorted(missed))}")
        for p in self.placements:
            if missed := set(p.shares) - set(known):
                raise ValueError(f"no source is called {', '.join(sorted(missed))}; there are {', '.join(known)}")
        share = self.tissue_share
        if share is not None and (share.unit != "1" or not 0 < share.value <= 1):
            raise ValueError("tissue_share has the unit 1 and lies between 0 and 1")
        return self

    @model_validator(mode="after")
    def _holds_together(self) -> Structure:
        names = [z.name for z in self.zones] + [z.outer_surface for z in self.zones if z.outer_surface]
        names += [self.between] if self.between else []
        names += [self.inclusions.name] if self.inclusions else []
        if len(set(names)) != len(names):
            raise ValueError(f"a zone, surface or inclusion is named twice among {', '.join(names)}")
        packed = self.packing != "none"
        if packed != (self.filled_fraction is not None) or packed != bool(self.between and self.between_medium):
            raise ValueError("filled_fraction, between and between_medium go with a packing, and only with one")
        if packed and {"hexagonal": "cylinder", "fcc": "sphere"}[self.packing] != self.shape:
            raise ValueError("cylinders are packed hexagonal, spheres fcc")
        if self.filled_fraction is not None and not 0 < self.filled_fraction.value < DENSEST_PACKING[self.packing]:
            raise ValueError(f"filled_fraction lies between 0 and {DENSEST_PACKING[self.packing]}")
        zones = {z.name for z in self.zones}
        strewn = set(self.inclusions.zones) if self.inclusions else set()
        if strewn and self.shape != "sphere":
            raise ValueError("inclusions need spherical zones")
        if missing := ({c.zone for c in self.cells.values()} | strewn) - zones:
            raise ValueError(f"no zone is called {', '.join(sorted(missing))}")
        lengths = [z.thickness for z in self.zones] + [c.nucleus_diameter for c in self.cells.values()]
        lengths += [self.inclusions.diameter] if self.inclusions else []
        if any(q.unit != "um" or q.value <= 0 for q in lengths):
            raise ValueError("lengths are above 0 and in um")
        if self.inclusions and not 0 < self.inclusions.volume_fraction.value <= MOST_INCLUSIONS:
            raise ValueError(f"inclusions fill up to {MOST_INCLUSIONS} of their zones: more cannot be strewn at random")
        return self
