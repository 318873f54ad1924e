"""The case as a frozen, checked value: every rule that a number or a name in it must keep."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from .. import catalog
from ..errors import CaseError, suggestion
from ..units import read_quantity
from ._fields import (
    ActivityMBq,
    Density,
    DoseGy,
    DosePerActivity,
    Fraction,
    HeightCm,
    LengthUm,
    MassG,
    MassKg,
    Part,
    SignedFraction,
    TimeH,
    fault,
    short,
)
from .planned import FiltrationText, PbpkKinetics, check_planned, one_source, source_of

MAX_POINTS = 1000
MAX_HOURS = 10 * 8766.0
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Prescription(Part):
    """An administered activity: fixed, or per kilogram of body mass."""

    basis: Literal["fixed", "per_kg"]
    value: float = Field(gt=0, description="MBq, or MBq/kg")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        if isinstance(value, dict):
            return value
        if isinstance(value, str) and value.rstrip().endswith("/kg"):
            number = read_quantity(value, "MBq/kg", "activity per body mass")
            basis = "per_kg"
        else:
            number, basis = read_quantity(value, "MBq", "activity"), "fixed"
        if not number > 0:
            raise ValueError(f"{value!r} must be above zero.")
        most = 1e7 if basis == "fixed" else 1e5
        if number > most:
            raise ValueError(f"{value!r} is more than can be; at most {most:g} MBq{'' if basis == 'fixed' else '/kg'}.")
        return {"basis": basis, "value": number}

    def for_body_mass(self, body_mass_kg: float) -> float:
        """The activity in MBq for this body mass."""
        return self.value if self.basis == "fixed" else self.value * body_mass_kg


PrescriptionText = Annotated[
    Prescription,
    WithJsonSchema(
        {
            "type": "string",
            "description": "activity or activity per body mass",
            "examples": ["7.4 GBq", "120 kBq/kg"],
            "unit": "MBq or MBq/kg",
        }
    ),
]


def _known_agent(name: str) -> str:
    return catalog.agent(name).id


def _known_anatomy(name: str) -> str:
    return catalog.anatomy(name).id


AgentName = Annotated[str, Field(description="an id of `alphatwin list agent`, e.g. lu177-dotatate")]


class Patient(Part):
    """Who is treated. Masses that are not measured come from the reference anatomy."""

    anatomy: str = Field(default="adult-male", description="an id of `alphatwin list anatomy`")
    body_mass_kg: MassKg | None = Field(default=None, alias="body_mass")
    height_cm: HeightCm | None = Field(default=None, alias="height")
    egfr: FiltrationText | None = Field(default=None, description="e.g. '85 mL/min/1.73m2'")
    organ_masses_g: dict[str, MassG] = Field(
        default_factory=dict,
        alias="organ_masses",
        description="measured, for computed kinetics: e.g. {kidneys: 320 g, liver: 1.9 kg}",
    )
    renal_risk_factors: bool = Field(default=False, description="diabetes, hypertension, earlier nephrotoxic therapy")

    _check_anatomy = field_validator("anatomy")(_known_anatomy)


class Treatment(Part):
    """What is given: agent, activity per cycle, number of cycles."""

    agent: AgentName
    activity: PrescriptionText = Field(description="per cycle, e.g. '7.4 GBq' or '120 kBq/kg'")
    cap_MBq: ActivityMBq | None = Field(default=None, alias="cap", description="the most a cycle may have")
    cycles: int = Field(default=1, ge=1, le=20, strict=True)
    interval_h: TimeH | None = Field(default=None, alias="interval")

    _check_agent = field_validator("agent")(_known_agent)

    @model_validator(mode="after")
    def _interval_for_more_than_one(self) -> Self:
        if self.cycles > 1 and self.interval_h is None:
            raise fault("cycles is above 1, so interval is needed, e.g. 'interval: 8 weeks'.", "interval")
        return self


FIT_MODELS = (
    "auto",
    "average",
    "mono",
    "bi",
    "tri",
    "uptake_clearance",
    "uptake_biclearance",
    "hanscheid",
    "madsen",
    "trapezoid",
)


class CurveTerm(Part):
    """One term of a published curve: fraction of administered activity, and its half-life; negative for uptake."""

    fraction: SignedFraction = Field(description="of the administered activity, e.g. '2.1 %'; negative for uptake")
    half_life_h: TimeH = Field(alias="half_life")


class RegionData(Part):
    """Measured activity of one region, or a published curve of it, with its volume or mass."""

    activity_MBq: tuple[float, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_POINTS,
        description="one value a time, not decay-corrected",
        examples=[[98.6, 73.6, 25.4]],
    )
    curve: tuple[CurveTerm, ...] | None = Field(
        default=None, description="a published curve in place of activity_MBq: the sum of its terms"
    )
    half_lives: Literal["effective", "biological"] = Field(default="effective", description="those of curve")
    times_h: tuple[float, ...] | None = Field(
        default=None, min_length=1, max_length=MAX_POINTS, description="only where they differ from kinetics.times_h"
    )
    volume_mL: tuple[float, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_POINTS,
        description="one or more measured volumes; their mean is used",
    )
    mass_g: MassG | None = Field(default=None, alias="mass")
    density_g_per_mL: Density | None = Field(default=None, alias="density")
    medium: str | None = None
    model: str | None = None
    population_half_life_h: TimeH | None = Field(default=None, alias="population_half_life")
    dose: bool = Field(default=True, description="false: activity only, e.g. a whole body that includes air")
    sd_MBq: tuple[float, ...] | None = None

    @field_validator("activity_MBq", "volume_mL", "sd_MBq", "times_h", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, value: object) -> object:
        return _numbers(value)

    @field_validator("activity_MBq")
    @classmethod
    def _activities(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is None:
            return None
        for i, a in enumerate(value):
            if a < 0:
                raise ValueError(f"point {i + 1} is {a:g} MBq; an activity cannot be negative.")
        if not any(value):
            raise ValueError("every activity is zero; leave the region out, or give what was measured.")
        return value

    @field_validator("volume_mL", "sd_MBq")
    @classmethod
    def _positive(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        for i, v in enumerate(value or ()):
            if v <= 0:
                raise ValueError(f"value {i + 1} is {v:g}; it must be above zero.")
        return value

    @field_validator("times_h")
    @classmethod
    def _times(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        return None if value is None else _increasing(value)

    @field_validator("model")
    @classmethod
    def _model(cls, value: str | None) -> str | None:
        return _fit_model(value)

    @field_validator("medium")
    @classmethod
    def _medium(cls, value: str | None) -> str | None:
        return None if value is None else catalog.medium(value).id

    @model_validator(mode="after")
    def _points_or_curve(self) -> Self:
        if self.curve is not None and not 1 <= len(self.curve) <= 10:
            raise fault(f"has {len(self.curve)} terms; a curve has 1 to 10.", "curve")
        if (self.activity_MBq is None) == (self.curve is None):
            raise ValueError("give activity_MBq (measured points) or curve (a published one); one of the two.")
        return self


def _fit_model(value: str | None) -> str | None:
    if value is not None and value not in FIT_MODELS:
        raise ValueError(f"no curve model {value!r}. {suggestion(value, FIT_MODELS)}Allowed: {', '.join(FIT_MODELS)}.")
    return value


def _numbers(value: object) -> object:
    """A list of plain numbers; one number stands for a list of one."""
    if isinstance(value, str):
        raise ValueError(f"{short(value)} is text; the unit stands in the key, so write plain numbers: [98.6, 73.6].")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [value]
    for i, v in enumerate(value if isinstance(value, list | tuple) else ()):
        if v is None:
            raise ValueError(
                f"point {i + 1} is empty; write what was measured, or leave it out together with its time."
            )
        if isinstance(v, bool) or not isinstance(v, int | float):
            raise ValueError(
                f"point {i + 1}, {short(v)}, is not a number; the unit stands in the key, so write plain numbers."
            )
        if not math.isfinite(v):
            raise ValueError(f"point {i + 1} is {v}, not a finite number; leave it out or give what was measured.")
    return value


def _increasing(times: tuple[float, ...]) -> tuple[float, ...]:
    if not times:
        return times  # whether any are needed is for the regions to say
    if times[0] < 0:
        raise ValueError(f"times count from the injection; {times[0]:g} h is before it.")
    for i, (a, b) in enumerate(itertools.pairwise(times)):
        if b <= a:
            raise ValueError(
                f"times must increase; point {i + 2} ({b:g} h) does not come after point {i + 1} ({a:g} h)."
            )
    if times[-1] > MAX_HOURS:
        raise ValueError(f"{times[-1]:g} h is more than ten years after the injection. Times are in hours.")
    return times


class MeasuredKinetics(Part):
    """Activity measured in this patient, not decay-corrected, at times after the injection."""

    source: Literal["measured"] = "measured"
    agent: AgentName | None = Field(default=None, description="what was measured; default: the treatment's agent")
    administered_activity_MBq: ActivityMBq = Field(
        alias="administered_activity", description="given when these curves were measured, e.g. '7.4 GBq'"
    )
    times_h: tuple[float, ...] = Field(
        default=(), max_length=MAX_POINTS, description="hours after the injection", examples=[[4, 24, 96, 168]]
    )
    model: str = "auto"
    relative_sd: Fraction = Field(
        default="10 %", validate_default=True, description="of one measured activity, k = 1, e.g. '10 %'"
    )
    allow_slower_than_decay: bool = False
    regions: dict[str, RegionData] = Field(
        min_length=1, max_length=100, description="measured regions by name, e.g. kidney_left"
    )

    _plain_times = field_validator("times_h", mode="before")(_numbers)
    _check_times = field_validator("times_h")(_increasing)

    @field_validator("agent")
    @classmethod
    def _agent(cls, value: str | None) -> str | None:
        return None if value is None else _known_agent(value)

    @field_validator("model")
    @classmethod
    def _model(cls, value: str) -> str:
        return str(_fit_model(value))

    @field_validator("regions")
    @classmethod
    def _region_names(cls, value: dict[str, RegionData]) -> dict[str, RegionData]:
        for name in value:
            if not _NAME.fullmatch(name) or len(name) > 40:
                raise fault(
                    "names of regions are lower case with underscores, at most 40 letters, e.g. tumour_liver_1.", name
                )
        if "kidneys" in value and ({"kidney_left", "kidney_right"} & set(value)):
            raise ValueError("give kidneys, or kidney_left and kidney_right, not both: the kidneys would count twice.")
        return value

    @model_validator(mode="after")
    def _relative_sd_above_zero(self) -> Self:
        if self.relative_sd == 0:
            raise fault(
                "a measured activity is never exact; give its relative standard uncertainty, e.g. '10 %'.",
                "relative_sd",
            )
        return self

    @model_validator(mode="after")
    def _points_go_in_pairs(self) -> Self:
        for name, region in self.regions.items():
            if region.activity_MBq is None:
                continue
            times = region.times_h or self.times_h
            if not times:
                raise fault(
                    "is missing: the hours after the injection at which the activities were measured.", "times_h"
                )
            for key in ("activity_MBq", "sd_MBq"):
                values = getattr(region, key)
                if values is not None and len(values) != len(times):
                    raise fault(f"{len(values)} values for {len(times)} times; they go in pairs.", "regions", name, key)
            self._point_rules(name, region, times)
        return self

    def _point_rules(self, name: str, region: RegionData, times: tuple[float, ...]) -> None:
        model = region.model or self.model
        if model in ("hanscheid", "madsen") and len(times) > 1:
            text = f"model {model} takes one point, and {len(times)} were given. Give the one to be used, with its own times_h."
            raise fault(text, "regions", name)
        if model == "madsen" and region.population_half_life_h is None:
            text = "model madsen needs the key population_half_life, the effective half-life in the population, e.g. '50 h'."
            raise fault(text, "regions", name)
        given = self.administered_activity_MBq
        for i, value in enumerate(region.activity_MBq or ()):
            if 0 < value < 1e-12 * given:
                text = f"point {i + 1} is {value:g} MBq, less than can be measured; write 0 if nothing was seen."
                raise fault(text, "regions", name, "activity_MBq")
            if value > 1.5 * given:
                text = f"point {i + 1} is {value:g} MBq, more than was administered ({given:g} MBq). Check the units of both."
                raise fault(text, "regions", name, "activity_MBq")


class DaughterOptions(Part):
    """Where alpha daughters go. `free`: the catalogue's retained fractions, what is freed follows its own model."""

    model: Literal["free", "in_place"] = "free"
    retained: dict[str, Fraction] = Field(
        default_factory=dict, description="retained fraction by daughter, for internalised sites, e.g. Bi-213: '80 %'"
    )


class PriorCourse(Part):
    """An earlier radionuclide course. Its dose comes from this patient's own curves, unless `dose` is given."""

    type: Literal["radionuclide"] = "radionuclide"
    agent: AgentName
    activity: PrescriptionText
    cycles: int = Field(default=1, ge=1, le=20, strict=True)
    ended_h: TimeH = Field(alias="ended", description="how long ago, e.g. '9 months'")
    dose: dict[str, DosePerActivity] = Field(default_factory=dict, description="region: '0.65 Gy/GBq'")

    _check_agent = field_validator("agent")(_known_agent)


class ExternalBeam(Part):
    """Earlier external-beam radiotherapy: total absorbed dose per region, and the number of fractions."""

    type: Literal["external_beam"]
    dose: dict[str, DoseGy] = Field(min_length=1)
    fractions: int = Field(ge=1, le=100, strict=True, description="how many, e.g. 25")
    ended_h: TimeH = Field(alias="ended")


class LimitChoice(Part):
    """A limit of the user's own: an absorbed dose, a BED or an EQD2 for one tissue."""

    bed_Gy: DoseGy | None = Field(default=None, alias="bed")
    eqd2_Gy: DoseGy | None = Field(default=None, alias="eqd2")
    absorbed_dose_Gy: DoseGy | None = Field(default=None, alias="absorbed_dose")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(v is not None for v in (self.bed_Gy, self.eqd2_Gy, self.absorbed_dose_Gy)) != 1:
            raise ValueError("give one of bed, eqd2 or absorbed_dose.")
        return self


class CellOptions(Part):
    """The cell in which hits are counted, and what a photon dose does to it."""

    cell_radius_um: LengthUm = Field(default="5 um", validate_default=True, alias="cell_radius")
    nucleus_radius_um: LengthUm = Field(default="4 um", validate_default=True, alias="nucleus_radius")
    alpha_per_Gy: float | None = Field(
        default=None, gt=0, le=10, description="LQ alpha of photons; with it the report gives survival"
    )
    line: str | None = Field(
        default=None, description="a cell line in place of alpha_per_Gy: an id of `alphatwin list cell-line`, e.g. v79"
    )

    @field_validator("line")
    @classmethod
    def _known_line(cls, value: str | None) -> str | None:
        if value is None:
            return None
        entry = catalog.cell_line(value)
        if "osmk2021" not in entry.models:
            have = [name for name, e in catalog.entries("cell-line").items() if "osmk2021" in e.models]
            raise ValueError(f"{entry.id} has no photon alpha in the catalogue; {', '.join(have)} have.")
        return entry.id

    @model_validator(mode="after")
    def _one_alpha(self) -> Self:
        if self.line is not None and self.alpha_per_Gy is not None:
            raise ValueError("give alpha_per_Gy or line, not both.")
        return self

    @model_validator(mode="after")
    def _nucleus_fits(self) -> Self:
        if not 1.0 <= self.nucleus_radius_um < self.cell_radius_um <= 100.0:
            raise ValueError(
                f"a nucleus of {self.nucleus_radius_um:g} um in a cell of {self.cell_radius_um:g} um: the nucleus has a radius of "
                "at least 1 um and fits inside the cell, the cell one of at most 100 um."
            )
        return self


def _structures(value: object) -> object:
    """``none``, ``all``, or names by region, each a structure of that region; one name stands for a list of one."""
    allowed = "Write 'none', 'all', or names by region, e.g. {red_marrow: marrow-cavity}."
    if isinstance(value, str):
        if value not in ("none", "all"):
            raise ValueError(f"{short(value)} is not known. {suggestion(value, ('none', 'all'))}{allowed}")
        return value
    if not isinstance(value, dict):
        raise ValueError(f"{short(value)} is not known. {allowed}")
    known = {name: entry.region for name, entry in catalog.entries("structure").items()}
    organs = sorted(set(known.values()))
    made: dict[str, tuple[str, ...]] = {}
    for region, given in value.items():
        organ = "kidneys" if region in ("kidney_left", "kidney_right") else region
        fit = [name for name, of in known.items() if of == organ]
        if not fit:
            text = f"no structure of {short(region)} is in the catalogue. {suggestion(str(region), organs)}"
            raise fault(f"{text}There are some of {', '.join(organs)}.", str(region))
        names = [given] if isinstance(given, str) else given
        if not isinstance(names, list | tuple) or not names or not all(isinstance(n, str) for n in names):
            raise fault(f"{short(given)} names no structure; give at least one of {', '.join(fit)}.", region)
        for name in names:
            if name not in fit:
                text = f"no structure of {region} is called {short(name)}. {suggestion(name, fit)}"
                raise fault(f"{text}Known: {', '.join(fit)}.", region)
        if len(set(names)) != len(names):
            raise fault("each structure counts once; one is named twice.", region)
        made[region] = tuple(names)
    return made


class FractionFiles(Part):
    """Absorbed fractions from files of the user's own in place of a stylised body."""

    saf: str = Field(
        min_length=1, max_length=1000, description="folder with SAF files (ICRP 133 or CSV); relative to the case file"
    )


def _transport(value: object) -> object:
    """``body``, ``spheres``, or the folder of the user's files."""
    allowed = "Write 'body', 'spheres', or {saf: FOLDER} for absorbed fractions of your own."
    if isinstance(value, str):
        if value not in ("body", "spheres"):
            raise ValueError(f"{short(value)} is not known. {suggestion(value, ('body', 'spheres'))}{allowed}")
        return value
    if isinstance(value, FractionFiles):
        return value
    if not isinstance(value, dict):
        raise ValueError(f"{short(value)} is not known. {allowed}")
    for key in value:
        if key != "saf":
            raise fault(f"{short(key)} is not known here. {allowed}", str(key))
    if not isinstance(value.get("saf"), str) or not str(value["saf"]).strip():
        raise fault(f"{short(value.get('saf'))} names no folder. {allowed}", "saf")
    return value


class Options(Part):
    """How the case is computed."""

    samples: int = Field(default=1000, ge=1, le=100_000, strict=True)
    seed: int = Field(default=1, ge=0, lt=2**63, strict=True)
    confidence: Fraction = Field(
        default="95 %", validate_default=True, description="probability to stay within a limit, for the next cycle"
    )
    mass_basis: Literal["with_blood", "parenchyma"] = "with_blood"
    transport: Annotated[Literal["body", "spheres"] | FractionFiles, BeforeValidator(_transport)] = Field(
        default="body",
        description="body: photons reach the other organs of a stylised body of that age (people only); spheres: every "
        "region alone; {saf: FOLDER}: absorbed fractions from files of your own",
    )
    calibration_sd: Fraction = Field(default="5 %", validate_default=True, description="common to all regions, k = 1")
    mass_sd: Fraction = Field(default="5 %", validate_default=True, description="of a measured volume or mass, k = 1")
    reference_mass_sd: Fraction = Field(default="20 %", validate_default=True, description="of a reference mass, k = 1")

    @field_validator("confidence")
    @classmethod
    def _confidence(cls, value: float) -> float:
        if not 0.5 <= value <= 0.999:
            raise ValueError(f"{100 * value:g} % does not lie between 50 % and 99.9 %.")
        return value


class Case(Part):
    """One patient, one treatment, one question."""

    case: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="names the folder of the results")
    title: str = ""
    patient: Patient = Patient()
    treatment: Treatment
    kinetics: Annotated[
        Annotated[MeasuredKinetics, Tag("measured")] | Annotated[PbpkKinetics, Tag("pbpk")], Discriminator(source_of)
    ]
    daughters: DaughterOptions = DaughterOptions()
    prior_therapy: tuple[Annotated[PriorCourse | ExternalBeam, Field(discriminator="type")], ...] = ()
    limits: dict[str, LimitChoice] = Field(default_factory=dict)
    cells: CellOptions = CellOptions()
    structures: Annotated[
        Literal["none", "all"] | dict[str, tuple[str, ...]],
        BeforeValidator(_structures),
    ] = Field(
        default="none",
        description="dose to the cells inside an organ: 'all' that the catalogue has, or by region, "
        "e.g. {kidneys: [kidney-glomerulus, kidney-proximal-tubule], red_marrow: marrow-cavity}",
    )
    options: Options = Options()

    @model_validator(mode="before")
    @classmethod
    def _type_of_prior(cls, data: Any) -> Any:
        # a course without `type` is a radionuclide course: the tag is filled in so that errors name the real place
        if isinstance(data, dict) and isinstance(data.get("kinetics"), dict):
            one_source(data["kinetics"])
        if isinstance(data, dict) and isinstance(data.get("prior_therapy"), list | tuple):
            rows = [{"type": "radionuclide", **r} if isinstance(r, dict) else r for r in data["prior_therapy"]]
            return {**data, "prior_therapy": rows}
        return data

    @field_validator("daughters", mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"model": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _body_fits_the_anatomy(self) -> Self:
        given, usual = self.patient.body_mass_kg, self._reference_mass_kg
        if given is not None and not usual / 10 < given < usual * 10:
            text = f"{given:g} kg does not go with the anatomy {self.patient.anatomy} ({usual:g} kg). Check the unit."
            raise fault(text, "patient", "body_mass")
        return self

    @model_validator(mode="after")
    def _model_fits_the_agent(self) -> Self:
        if isinstance(self.kinetics, PbpkKinetics):
            check_planned(self, self.kinetics)
        elif self.patient.organ_masses_g:
            text = "are for computed kinetics; give the mass of a measured region as kinetics.regions.<name>.mass."
            raise fault(text, "patient", "organ_masses")
        return self

    @model_validator(mode="after")
    def _organs_fit_the_body(self) -> Self:
        body_g = self.body_mass_kg * 1000.0
        total = 0.0
        for name, region in self.kinetics.regions.items():
            mass = self.measured_mass_g(name)
            if mass is None or not region.dose:
                continue
            total += mass
            place = ("kinetics", "regions", name, "mass" if region.mass_g is not None else "volume_mL")
            if mass > body_g:
                raise fault(f"{name} weighs {mass / 1000:.3g} kg, more than the body ({body_g / 1000:g} kg).", *place)
            for i, volume in enumerate(region.volume_mL or ()):
                if volume > 5 * min(region.volume_mL or ()):
                    raise fault(
                        f"volume {i + 1} is {volume:g} mL, more than five times the smallest. Check the unit.", *place
                    )
        if total > body_g:
            text = f"the regions together weigh {total / 1000:.3g} kg, more than the body ({body_g / 1000:g} kg)."
            raise fault(text, "kinetics", "regions")
        return self

    @model_validator(mode="after")
    def _named_regions_exist(self) -> Self:
        known = [
            *self.kinetics.regions,
            *catalog.anatomy(self.patient.anatomy).regions,
            "kidney_left",
            "kidney_right",
            "remainder",
        ]
        named: list[tuple[str | int, ...]] = [("limits", name) for name in self.limits]
        if not isinstance(self.structures, str):
            if catalog.anatomy(self.patient.anatomy).species != "human":
                raise fault("the catalogue's structures are those of man; leave this out.", "structures")
            named += [("structures", name) for name in self.structures]
        named += [
            ("prior_therapy", i, p.type, "dose", name) for i, p in enumerate(self.prior_therapy) for name in p.dose
        ]
        for place in named:
            if place[-1] not in known:
                text = f"there is no region of this name. {suggestion(str(place[-1]), known)}"
                raise fault(f"{text}Known: {', '.join(dict.fromkeys(known))}.", *place)
        return self

    @property
    def measured_agent(self) -> str:
        """The agent whose kinetics were measured."""
        return (self.kinetics.agent if isinstance(self.kinetics, MeasuredKinetics) else None) or self.treatment.agent

    @property
    def body_surface_m2(self) -> float:
        """Of Mosteller, sqrt(height x mass / 3600) in cm and kg; without a height, that of a body built alike (mass^2/3)."""
        if self.patient.height_cm is not None:
            return math.sqrt(self.patient.height_cm * self.body_mass_kg / 3600.0)
        return float(1.9 * (self.body_mass_kg / 71.0) ** (2.0 / 3.0))

    @property
    def body_mass_kg(self) -> float:
        """The patient's mass, or the reference one."""
        if self.patient.body_mass_kg is not None:
            return self.patient.body_mass_kg
        return self._reference_mass_kg

    @property
    def _reference_mass_kg(self) -> float:
        mass = catalog.anatomy(self.patient.anatomy).body_mass
        return mass.value / (1000.0 if mass.unit == "g" else 1.0)

    @property
    def cycle_activity_MBq(self) -> float:
        """Administered activity of one cycle, after the cap."""
        activity = self.treatment.activity.for_body_mass(self.body_mass_kg)
        return min(activity, self.treatment.cap_MBq) if self.treatment.cap_MBq is not None else activity

    def medium_of(self, region: str) -> str:
        """Medium of a region: given, or the anatomy's, or soft tissue."""
        data = self.kinetics.regions.get(region)
        if data is not None and data.medium is not None:
            return data.medium
        return anatomy_medium(self.patient.anatomy, region)

    def measured_mass_g(self, region: str) -> float | None:
        """Mass of a region from its mass or its mean measured volume times density; None when neither was given."""
        data = self.kinetics.regions[region]
        if data.mass_g is not None:
            return data.mass_g
        if data.volume_mL is None:
            return None
        density = data.density_g_per_mL or catalog.medium(self.medium_of(region)).density.value
        return density * math.fsum(data.volume_mL) / len(data.volume_mL)

    def sha256(self) -> str:
        """Hash of the case as read: the same numbers give the same hash, whatever the spacing of the file."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any], where: str = "case") -> Case:
        """Check a mapping as written in YAML; raises CaseError with the place of each problem."""
        from .reading import validated

        return validated(data, where, lambda location: "")


def anatomy_medium(anatomy: str, region: str) -> str:
    """Medium of a region of a reference anatomy; soft tissue where it has none of this name.

    Examples
    --------
    >>> anatomy_medium("adult-male", "kidney_left")
    'kidney'
    """
    known = catalog.anatomy(anatomy).regions
    for name in (region, "kidneys" if region.startswith("kidney_") else region):
        if name in known:
            return known[name].medium
    return "soft-tissue"


def schema(kind: Literal["patient", "cells", "maps", "images"] = "patient") -> dict[str, Any]:
    """JSON Schema of a case file, for editors.

    Parameters
    ----------
    kind : {"patient", "cells", "maps", "images"}
        A case of `run`, of `run_cells`, of `run_maps` or of `run_images`.

    Raises
    ------
    CaseError
        Another kind.

    Examples
    --------
    >>> schema("cells")["required"]
    ['case', 'cluster', 'source', 'response']
    """
    kinds = ("patient", "cells", "maps", "images")
    if kind not in kinds:
        raise CaseError(
            f"There is no case of the kind {kind!r}. {suggestion(str(kind), kinds)}Kinds: {', '.join(kinds)}."
        )
    model: type[BaseModel] = Case
    if kind == "cells":
        from .cells import CellsCase

        model = CellsCase
    if kind == "maps":
        from .maps import MapsCase

        model = MapsCase
    if kind == "images":
        from .images import ImagesCase

        model = ImagesCase
    made: dict[str, Any] = model.model_json_schema(by_alias=True)
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return made
