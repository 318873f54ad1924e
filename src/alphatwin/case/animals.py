"""A case of animals: uptake in a mouse or rat, its tumour, the arms of a study, and what ends an animal's part in it."""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from .. import catalog
from ..catalog._animals import animal, animals
from ..errors import CatalogError, missing, suggestion
from ._fields import AmountNmol, Fraction, MassG, Part, TimeH, VolumeML, _text_with_unit, fault
from .cells import ModifierChoice
from .reading import Parts, read_as, read_mapping

__all__ = ["AnimalsCase", "Arm", "is_animals", "load_animals"]

TUMOUR = "tumour"
EXTRA_G_PER_25_G = {"pancreas": 0.08, "red_marrow": 0.5}  # not in the anatomy of rodents; see the whole-body model
SPECIES_G = {"mouse": (10.0, 60.0), "rat": (80.0, 1000.0)}
MAX_ARMS = 8
MAX_NAME = 24
MAX_FOLLOW_UP_H = 1100 * 24.0
MAX_LOOKS = 1100

if TYPE_CHECKING:
    ArmActivityMBq = float
    DelayH = float
else:
    ArmActivityMBq = _text_with_unit("activity", "MBq", 1e4, zero=True)
    DelayH = _text_with_unit("time", "h", 8766.0, zero=True)

Share = Annotated[float, Field(ge=0, le=5)]


class OrganUptake(Part):
    """Measured uptake of one organ: mean and standard deviation over n animals at each time."""

    percent_per_g: tuple[float, ...] = Field(min_length=2, max_length=100, description="%IA/g at `times`, mean")
    sd: tuple[float, ...] = Field(min_length=2, max_length=100, description="standard deviation over the animals")
    n: int = Field(strict=True, le=1000, description="animals per time; at least 2")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.n < 2:
            raise fault(f"{self.n} animal has no standard deviation; n is at least 2.", "n")
        if len(self.sd) != len(self.percent_per_g):
            raise fault(f"{len(self.sd)} values for {len(self.percent_per_g)} means; one each.", "sd")
        for key, values in (("percent_per_g", self.percent_per_g), ("sd", self.sd)):
            if min(values) < 0:
                raise fault(f"{min(values):g} is below zero.", key)
        if max(self.percent_per_g) == 0:
            raise fault("all zero; leave the organ out.", "percent_per_g")
        return self


class UptakeTable(Part):
    """A table of %IA/g."""

    nuclide: str = Field(min_length=1, description="the label that was measured, e.g. Pb-203")
    decay_corrected: bool = Field(
        strict=True,
        description="true: the values are corrected to the injection; no default, for it is the largest slip",
    )
    times: tuple[DelayH, ...] = Field(min_length=2, max_length=100, description="e.g. ['10 min', '4 h', '1 d']")
    organs: dict[str, OrganUptake] = Field(min_length=1, description="by region; tumour among them")
    source: str = Field(min_length=1, description="a key of `alphatwin list source`, or words")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if any(b <= a for a, b in zip(self.times, self.times[1:], strict=False)):
            raise fault("the times do not increase.", "times")
        for name, organ in self.organs.items():
            if len(organ.percent_per_g) != len(self.times):
                raise fault(
                    f"{len(organ.percent_per_g)} values for {len(self.times)} times.", "organs", name, "percent_per_g"
                )
        return self


class ModelUptake(Part):
    """Uptake computed by the whole-body model of the species."""

    peptide: AmountNmol | None = Field(default=None, description="labelled and unlabelled, e.g. '0.3 nmol'")
    override: dict[str, float] = Field(default_factory=dict, description="parameters of the model held at a value")


class DaughterChoice(Part):
    """Where daughters decay: with their parent, or free where recoil or chemistry lets them go."""

    model: Literal["in_place", "free"] = "in_place"
    retained: dict[str, Fraction] = Field(
        default_factory=dict, description="daughter: share that stays inside cells where it is born, e.g. Bi-212: 64 %"
    )


class Tumour(Part):
    """The transplanted tumour: its size at the start, how it grows and answers."""

    line: str = Field(description="a line of the catalogue, e.g. ar42j, b16-f1, got1")
    mass: MassG = Field(description="mean at the first injection, e.g. '150 mg'")
    mass_spread: Fraction = Field(default="30 %", validate_default=True, description="CV between animals")
    measured_mass: MassG | None = Field(
        default=None, description="mass at which the uptake was measured; default: mass"
    )
    uptake_exponent: float = Field(
        default=0.0, ge=0, le=1, description="%IA/g falls with mass to this power: larger tumours take less per gram"
    )
    sizes: tuple[MassG, ...] = Field(default=(), max_length=6, description="sizes to compare, e.g. ['50 mg', '500 mg']")
    growth_law: Literal["exponential", "gompertz"] = "exponential"
    override: dict[str, float] = Field(default_factory=dict, description="parameters of the line held at a value")
    sensitivity_spread: Fraction = Field(
        default="20 %", validate_default=True, description="CV of alpha between animals"
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        try:
            entry = animal(self.line)
            if entry.role != TUMOUR:
                raise missing("tumour line", self.line, animals(TUMOUR))
        except CatalogError as error:
            raise fault(str(error), "line") from None
        for name, value in self.override.items():
            if name not in entry.values:
                raise fault(f"no parameter {name!r}. {suggestion(name, entry.values)}There are {', '.join(entry.values)}.",
                            "override", name)  # fmt: skip
            if value <= 0:
                raise fault(f"{value:g} must be above zero.", "override", name)
        return self


class WeightLimit(Part):
    """Loss of weight as a proxy of general toxicity, proportional to the activity of an injection."""

    limit: Fraction = Field(default="20 %", validate_default=True, description="loss at which the animal is killed")
    activity_at_limit: ArmActivityMBq = Field(description="one injection that costs the mean animal the limit")
    source: str = Field(min_length=1, description="where that activity comes from; 'assumed' if nowhere")


class KidneyLimit(Part):
    """Kidney function as a marker, and the function below which the animal is killed."""

    marker: str = Field(default="99mTc-MAG3 uptake rate", description="what the function stands for")
    marker_time: TimeH = Field(default="65 d", validate_default=True, description="when it is measured")
    limit: Fraction = Field(default="30 %", validate_default=True, description="function that is too low to live with")


class Endpoints(Part):
    """What ends an animal's part in the study; the first that is reached counts."""

    tumour_volume: VolumeML = Field(description="e.g. '1500 mm^3'")
    weight: WeightLimit | None = None
    kidneys: KidneyLimit | None = None
    follow_up: TimeH = Field(description="the study ends; who is left is censored, e.g. '120 d'")
    observe_every: TimeH = Field(default="1 d", validate_default=True, description="days between measurements")

    @model_validator(mode="after")
    def _of_an_animal(self) -> Self:
        if self.follow_up > MAX_FOLLOW_UP_H:
            raise fault(
                f"{self.follow_up / 24:g} d is more than a rodent lives; at most {MAX_FOLLOW_UP_H / 24:g} d.",
                "follow_up",
            )
        if not self.follow_up / MAX_LOOKS <= self.observe_every <= self.follow_up / 2:
            raise fault(f"{self.observe_every / 24:g} d in a study of {self.follow_up / 24:g} d; 2 to {MAX_LOOKS} measurements.",
                        "observe_every")  # fmt: skip
        return self


class Protector(Part):
    """Doses of a drug that takes damage away from the kidneys."""

    name: Literal["a1m", "amifostine"]
    times: tuple[DelayH, ...] = Field(default=("0 h",), validate_default=True, description="after each injection")
    amount: float = Field(default=1.0, gt=0, le=20, description="of each dose, in reference doses")


class Arm(Part):
    """What one group is given."""

    activity: ArmActivityMBq = Field(description="of each injection; '0 MBq' for controls")
    times: tuple[DelayH, ...] = Field(
        default=("0 h",), validate_default=True, min_length=1, max_length=20, description="of the injections, e.g. ['0 d', '14 d']"
    )  # fmt: skip
    modifiers: tuple[ModifierChoice, ...] = Field(default=(), description="drugs that act on the tumour, e.g. 5-fu")
    growth_factor: float = Field(
        default=1.0, gt=0, le=1, description="growth of the tumour under the drug over that without, e.g. 0.8"
    )
    protector: Protector | None = None
    lysine: bool = Field(
        default=False, description="amino acids with each injection: less megalin uptake; needs `model`"
    )
    uptake_factor: dict[str, Share] = Field(
        default_factory=dict, description="uptake of a region over that without the arm's drug, e.g. kidneys: 0.6"
    )
    source: str = Field(default="", description="where growth_factor and uptake_factor come from")

    @model_validator(mode="after")
    def _stated(self) -> Self:
        if any(b <= a for a, b in zip(self.times, self.times[1:], strict=False)):
            raise fault("the injections do not follow each other.", "times")
        if (self.growth_factor != 1.0 or self.uptake_factor) and not self.source:
            raise fault("growth_factor and uptake_factor need a source; write 'assumed' if they have none.", "source")
        return self


class Study(Part):
    """The virtual study: how many animals, and which arms are compared."""

    animals_per_arm: int = Field(default=10, ge=2, le=500, strict=True)
    pool: int = Field(
        default=400, ge=20, le=20000, strict=True, description="virtual animals per arm behind means and bands"
    )
    compare: tuple[tuple[str, str], ...] = Field(
        default=(), max_length=12, description="pairs of arms; default: each against the first"
    )
    power: Fraction = Field(default="80 %", validate_default=True)
    alpha: Fraction = Field(default="5 %", validate_default=True, description="two-sided error of the log-rank test")
    studies: int = Field(default=400, ge=50, le=20000, strict=True, description="simulated studies per group size")
    seed: int = Field(default=1, ge=0, le=2**63 - 1, strict=True)

    @model_validator(mode="after")
    def _probabilities(self) -> Self:
        for key, low, high in (("power", 0.1, 0.99), ("alpha", 0.001, 0.3)):
            if not low <= getattr(self, key) <= high:
                raise fault(f"{100 * getattr(self, key):g} % is out of range; {100 * low:g} to {100 * high:g} %.", key)
        return self


class Translation(Part):
    """From the animal to man."""

    agent: str | None = Field(
        default=None, description="agent whose published human doses stand beside; default: the case's"
    )
    samples: int = Field(default=2000, ge=50, le=100_000, strict=True)


class Published(Part):
    """A number that somebody published about this experiment, to stand beside ours."""

    quantity: Literal[
        "mean_survival", "median_survival", "survivors", "tumour_dose", "organ_dose", "uptake", "kidney_function"
    ]
    arm: str | None = None
    region: str | None = Field(default=None, description="for organ_dose and uptake")
    time: DelayH | None = Field(default=None, description="for uptake and kidney_function")
    value: float = Field(description="d; % of the animals; Gy/MBq; %IA/g; % of the start")
    sd: float | None = Field(default=None, gt=0)
    calibrated: bool = Field(default=False, description="true: a parameter was set by this value; no test of anything")
    source: str = Field(min_length=1)
    locator: str = Field(min_length=1)
    note: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.quantity in ("organ_dose", "uptake") and self.region is None:
            raise fault("name the region.", "region")
        if self.quantity == "uptake" and self.time is None:
            raise fault("name the time.", "time")
        if self.quantity in ("mean_survival", "median_survival", "survivors", "kidney_function") and self.arm is None:
            raise fault("name the arm.", "arm")
        return self


class AnimalsCase(Part):
    """One experiment with animals."""

    case: str = Field(
        alias="animals", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="names the folder of the results"
    )
    title: str = ""
    species: Literal["mouse", "rat"] = "mouse"
    body_mass: MassG = Field(default="25 g", validate_default=True)
    nuclide: str = Field(min_length=1, description="that treats, e.g. Pb-212")
    agent: str | None = Field(default=None, description="catalogue id, e.g. pb212-dotamtate; needed by `model`")
    organ_masses: dict[str, MassG] = Field(default_factory=dict, description="that were weighed, e.g. kidneys: 0.3 g")
    uptake: UptakeTable | None = Field(default=None, description="a measured table; or give `model`")
    model: ModelUptake | None = Field(default=None, description="the whole-body model of the species; or give `uptake`")
    daughters: DaughterChoice = DaughterChoice()
    tumour: Tumour
    endpoints: Endpoints
    arms: dict[str, Arm] = Field(min_length=1, max_length=MAX_ARMS, description="by name; the first is the control")
    study: Study = Study()
    translation: Translation = Translation()
    published: tuple[Published, ...] = Field(default=(), max_length=60)

    @field_validator("arms")
    @classmethod
    def _names(cls, value: dict[str, Arm]) -> dict[str, Arm]:
        for name in value:
            if not (name.strip() and name.isprintable() and len(name) <= MAX_NAME):
                raise fault(f"an arm has a name of 1 to {MAX_NAME} characters.", name[:MAX_NAME])
        return value

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if (self.uptake is None) == (self.model is None):
            raise fault(
                "give either `uptake`, a measured table, or `model`, the whole-body model; one of them.", "model"
            )
        self._bodies()
        self._regions()
        self._arms()
        if self.endpoints.tumour_volume <= self.tumour.mass:  # 1 mL holds 1 g
            raise fault(
                f"{1000 * self.endpoints.tumour_volume:g} mm^3 is not above the tumour at the start, "
                f"{1000 * self.tumour.mass:g} mm^3: every animal would be dead on day 0.", "endpoints", "tumour_volume",
            )  # fmt: skip
        return self

    def _bodies(self) -> None:
        low, high = SPECIES_G[self.species]
        if not low <= self.body_mass <= high:
            raise fault(f"{self.body_mass:g} g is no {self.species}; {low:g} to {high:g} g.", "body_mass")
        for place, mass in (("mass", self.tumour.mass), ("measured_mass", self.tumour.measured_mass)):
            if mass is not None and mass >= self.body_mass:
                raise fault(f"{mass:g} g of tumour in a {self.species} of {self.body_mass:g} g.", "tumour", place)
        for i, mass in enumerate(self.tumour.sizes):
            if mass >= min(self.endpoints.tumour_volume, self.body_mass):
                raise fault(f"{mass:g} g is past the endpoint or the {self.species}.", "tumour", "sizes", i)

    def _regions(self) -> None:
        known = {*self.masses_g(), TUMOUR}
        for name, mass in self.organ_masses.items():
            if name not in known:
                raise fault(f"{_unknown(name, known)}", "organ_masses", name)
            if mass >= self.body_mass:
                raise fault(f"{mass:g} g in a {self.species} of {self.body_mass:g} g.", "organ_masses", name)
        if self.uptake is not None:
            for name in self.uptake.organs:
                if name not in known:
                    raise fault(_unknown(name, known), "uptake", "organs", name)
            if TUMOUR not in self.uptake.organs:
                raise fault("the tumour is missing; it is what the study treats.", "uptake", "organs")
            self._no_more_than_given(self.uptake)
        if self.model is not None and self.agent is None:
            raise fault("`model` needs the agent, e.g. agent: pb212-dotamtate.", "agent")
        if self.agent is not None:
            try:
                nuclide = catalog.agent(self.agent).nuclide
            except CatalogError as error:
                raise fault(str(error), "agent") from None
            if nuclide != self.nuclide:
                raise fault(f"{self.agent} carries {nuclide}, not {self.nuclide}.", "nuclide")
        for i, row in enumerate(self.published):
            if row.arm is not None and row.arm not in self.arms:
                raise fault(f"no arm {row.arm!r}. {suggestion(row.arm, self.arms)}There is {', '.join(self.arms)}.",
                            "published", i, "arm")  # fmt: skip

    def _no_more_than_given(self, table: UptakeTable) -> None:
        masses = {**self.masses_g(), TUMOUR: self.tumour.measured_mass or self.tumour.mass}
        for i, hour in enumerate(table.times):
            parts = {o: v.percent_per_g[i] * masses[o] for o, v in table.organs.items()}
            total = sum(parts.values())
            if total > 100.0:
                worst = max(parts, key=lambda o: parts[o])
                raise fault(
                    f"at {hour:g} h the organs hold {total:.0f} % of the injected activity, most of it in {worst} "
                    f"({parts[worst]:.0f} %, {masses[worst]:g} g). Are these %IA per organ, or is a mass wrong?",
                    "uptake", "organs", worst,
                )  # fmt: skip

    def _arms(self) -> None:
        last = self.endpoints.follow_up
        for name, arm in self.arms.items():
            if arm.times[-1] >= last:
                raise fault(
                    f"the injection at {arm.times[-1] / 24:g} d comes after the study ends.", "arms", name, "times"
                )
            if arm.lysine and self.model is None:
                raise fault("lysine changes the model's kinetics; with a table give uptake_factor instead.",
                            "arms", name, "lysine")  # fmt: skip
            for region in arm.uptake_factor:
                if region not in {*self.masses_g(), TUMOUR}:
                    raise fault(_unknown(region, self.masses_g()), "arms", name, "uptake_factor", region)
        for i, pair in enumerate(self.study.compare):
            for name in pair:
                if name not in self.arms:
                    raise fault(f"no arm {name!r}. {suggestion(name, self.arms)}There is {', '.join(self.arms)}.",
                                "study", "compare", i)  # fmt: skip
        wanted = self.study.animals_per_arm * len(self.arms)
        if self.study.pool < wanted:
            raise fault(f"{self.study.pool} virtual animals for {len(self.arms)} groups of {self.study.animals_per_arm}; "
                        f"at least {wanted}.", "study", "pool")  # fmt: skip

    def masses_g(self) -> dict[str, float]:
        """Organ masses in g: what was weighed, else the species' share of the body mass."""
        entry = catalog.anatomy(self.species)
        ratio = self.body_mass / entry.body_mass.value
        found = {k: v.mass_with_blood.value * ratio for k, v in entry.regions.items() if v.mass_with_blood is not None}
        for name, mass in EXTRA_G_PER_25_G.items():
            found.setdefault(name, mass * self.body_mass / 25.0)
        return {**found, **{k: v for k, v in self.organ_masses.items() if k != TUMOUR}}

    def media(self) -> dict[str, str]:
        """What each organ is made of: a medium of the catalogue."""
        found = {k: v.medium for k, v in catalog.anatomy(self.species).regions.items()}
        return {"red_marrow": "red-marrow", **found}

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Arms to compare: those of the case, else every arm against the first."""
        first, *rest = self.arms
        return self.study.compare or tuple((first, other) for other in rest)

    def sha256(self) -> str:
        """Hash of the case as read: the same numbers give the same hash, whatever the spacing of the file."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


def _unknown(name: str, known: Any) -> str:
    return f"no organ {name!r} is known here. {suggestion(name, known)}There are {', '.join(sorted(known))}."


_ANIMALS_PARTS: Parts = {
    (): AnimalsCase, ("uptake",): UptakeTable, ("uptake", "organs", "*"): OrganUptake, ("model",): ModelUptake,
    ("daughters",): DaughterChoice, ("tumour",): Tumour, ("endpoints",): Endpoints, ("endpoints", "weight"): WeightLimit,
    ("endpoints", "kidneys"): KidneyLimit, ("arms", "*"): Arm, ("arms", "*", "protector"): Protector,
    ("arms", "*", "modifiers", "*"): ModifierChoice, ("study",): Study, ("translation",): Translation,
    ("published", "*"): Published,
}  # fmt: skip


def load_animals(source: str | pathlib.Path | Mapping[str, Any]) -> AnimalsCase:
    """Read and check a case of animals.

    Parameters
    ----------
    source : str, Path or mapping
        A YAML file of at most 1 MB, or what it holds.

    Returns
    -------
    AnimalsCase

    Raises
    ------
    CaseError
        One message per problem: the line, what was given, what is allowed, the nearest valid name.

    Examples
    --------
    >>> load_animals({"animals": "x"})
    Traceback (most recent call last):
    ...
    alphatwin.errors.CaseError: x, nuclide is missing. ...
    """
    if isinstance(source, Mapping):
        return read_mapping(source, str(source.get("animals", "case")), AnimalsCase, _ANIMALS_PARTS)
    return read_as(source, AnimalsCase, _ANIMALS_PARTS)


def is_animals(path: str | pathlib.Path) -> bool:
    """Whether a file names itself a case of animals: a line that begins with ``animals:``; False where it cannot be read."""
    try:
        with pathlib.Path(path).open(encoding="utf-8-sig") as file:
            return any(line.startswith("animals:") for line in file.read(1_000_000).splitlines())
    except (OSError, UnicodeDecodeError):
        return False
