"""The case: one patient, one treatment, one question, as a frozen, checked value.

A case is a short YAML file. Text with units is read here; inside, every field is a float whose name ends in its
unit. Every error names the line of the file, what was given, what is allowed and the nearest valid name.
"""

from __future__ import annotations

import hashlib
import json
import math
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from . import catalog
from .errors import AlphatwinError, CaseError, suggestion
from .units import ALLOWED_UNITS, read_quantity

__all__ = ["Case", "DaughterOptions", "ExternalBeam", "Options", "Patient", "PriorCourse", "RegionData", "example_path", "load", "schema"]

MAX_BYTES = 2_000_000
MAX_POINTS = 1000
_NAME = re.compile(r"^[a-z][a-z0-9_]*$")


def _text_with_unit(kind: str, to_unit: str, minimum: float = 0.0, strict: bool = True) -> Any:
    def read(value: object) -> float:
        number = read_quantity(value, to_unit, kind)
        if number < minimum or (strict and number == minimum):
            raise ValueError(f"{value!r} must be above {minimum:g} {to_unit}.")
        return number

    units = ALLOWED_UNITS[kind]
    return Annotated[
        float,
        BeforeValidator(read),
        WithJsonSchema(
            {
                "type": "string",
                "description": f"{kind}, as text with a unit: {', '.join(units)}",
                "examples": [f"1 {units[0]}"],
                "unit": to_unit,
            }
        ),
    ]


ActivityMBq = _text_with_unit("activity", "MBq")
MassKg = _text_with_unit("mass", "kg")
MassG = _text_with_unit("mass", "g")
TimeH = _text_with_unit("time", "h")
DoseGy = _text_with_unit("absorbed dose", "Gy", strict=False)
DosePerActivity = _text_with_unit("absorbed dose per activity", "Gy/MBq", strict=False)
Density = _text_with_unit("density", "g/mL")
Fraction = _text_with_unit("percent or fraction", "1", strict=False)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=False)


class Prescription(_Part):
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
        return {"basis": basis, "value": number}

    def for_body_mass(self, body_mass_kg: float) -> float:
        """The activity in MBq for this body mass."""
        return self.value if self.basis == "fixed" else self.value * body_mass_kg


PrescriptionText = Annotated[
    Prescription,
    WithJsonSchema({"type": "string", "description": "activity or activity per body mass", "examples": ["7.4 GBq", "120 kBq/kg"]}),
]


def _known_agent(name: str) -> str:
    return catalog.agent(name).id


def _known_anatomy(name: str) -> str:
    return catalog.anatomy(name).id


AgentName = Annotated[str, Field(description="an id of `alphatwin list agent`, e.g. lu177-dotatate")]


class Patient(_Part):
    """Who is treated. Masses that are not measured come from the reference anatomy."""

    anatomy: str = Field(default="adult-male", description="an id of `alphatwin list anatomy`")
    body_mass_kg: MassKg | None = Field(default=None, alias="body_mass")  # type: ignore[valid-type]
    renal_risk_factors: bool = Field(default=False, description="diabetes, hypertension, earlier nephrotoxic therapy")

    _check_anatomy = field_validator("anatomy")(_known_anatomy)


class Treatment(_Part):
    """What is given: agent, activity per cycle, number of cycles."""

    agent: AgentName
    activity: PrescriptionText = Field(description="per cycle, e.g. '7.4 GBq' or '120 kBq/kg'")
    cap_MBq: ActivityMBq | None = Field(default=None, alias="cap", description="the most a cycle may have")  # type: ignore[valid-type]
    cycles: int = Field(default=1, ge=1, le=20)
    interval_h: TimeH | None = Field(default=None, alias="interval")  # type: ignore[valid-type]

    _check_agent = field_validator("agent")(_known_agent)

    @model_validator(mode="after")
    def _interval_for_more_than_one(self) -> Self:
        if self.cycles > 1 and self.interval_h is None:
            raise ValueError("cycles is above 1, so interval is needed, e.g. 'interval: 8 weeks'.")
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


class RegionData(_Part):
    """Measured activity of one region, with its volume or mass."""

    activity_MBq: tuple[float, ...] = Field(min_length=1, max_length=MAX_POINTS)
    times_h: tuple[float, ...] | None = Field(default=None, max_length=MAX_POINTS)
    volume_mL: tuple[float, ...] | None = Field(default=None, min_length=1, max_length=MAX_POINTS)
    mass_g: MassG | None = Field(default=None, alias="mass")  # type: ignore[valid-type]
    density_g_per_mL: Density | None = Field(default=None, alias="density")  # type: ignore[valid-type]
    medium: str | None = None
    model: str | None = None
    population_half_life_h: TimeH | None = Field(default=None, alias="population_half_life")  # type: ignore[valid-type]
    dose: bool = Field(default=True, description="false: activity only, e.g. a whole body that includes air")
    sd_MBq: tuple[float, ...] | None = None

    @field_validator("activity_MBq", "volume_mL", "sd_MBq", "times_h", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError(f"{value!r} is text; the unit stands in the key, so write plain numbers: [98.6, 73.6].")
        return [value] if isinstance(value, int | float) and not isinstance(value, bool) else value

    @field_validator("activity_MBq")
    @classmethod
    def _activities(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        for i, a in enumerate(value):
            if a < 0:
                raise ValueError(f"point {i + 1} is {a:g} MBq; an activity cannot be negative.")
        if not any(value):
            raise ValueError("every activity is zero; leave the region out, or give what was measured.")
        return value

    @field_validator("volume_mL", "sd_MBq")
    @classmethod
    def _positive(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and min(value) <= 0:
            raise ValueError(f"{min(value):g} must be above zero.")
        return value

    @field_validator("model")
    @classmethod
    def _model(cls, value: str | None) -> str | None:
        return _fit_model(value)

    @field_validator("medium")
    @classmethod
    def _medium(cls, value: str | None) -> str | None:
        return None if value is None else catalog.medium(value).id


def _fit_model(value: str | None) -> str | None:
    if value is not None and value not in FIT_MODELS:
        raise ValueError(f"no curve model {value!r}. {suggestion(value, FIT_MODELS)}Allowed: {', '.join(FIT_MODELS)}.")
    return value


def _increasing(times: tuple[float, ...] | None) -> tuple[float, ...] | None:
    if times is None:
        return None
    if times[0] < 0:
        raise ValueError(f"times count from the injection; {times[0]:g} h is before it.")
    for i, (a, b) in enumerate(zip(times, times[1:], strict=False)):
        if b <= a:
            raise ValueError(f"times must increase; point {i + 2} ({b:g} h) does not come after point {i + 1} ({a:g} h).")
    return times


class MeasuredKinetics(_Part):
    """Activity measured in this patient, not decay-corrected, at times after the injection."""

    agent: AgentName | None = Field(default=None, description="what was measured; default: the treatment's agent")
    administered_activity_MBq: ActivityMBq = Field(alias="administered_activity")
    times_h: tuple[float, ...] = Field(min_length=1, max_length=MAX_POINTS)
    model: str = "auto"
    relative_sd: Fraction = Field(default=0.1, description="of one measured activity, k = 1, e.g. '10 %'")  # type: ignore[valid-type]
    allow_slower_than_decay: bool = False
    regions: dict[str, RegionData] = Field(min_length=1)

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
            if not _NAME.match(name):
                raise ValueError(f"region {name!r}: names are lower case with underscores, e.g. kidney_left or tumour_liver_1.")
        if "kidneys" in value and ({"kidney_left", "kidney_right"} & set(value)):
            raise ValueError("give kidneys, or kidney_left and kidney_right, not both: the kidneys would count twice.")
        return value

    @model_validator(mode="after")
    def _lengths(self) -> Self:
        for name, region in self.regions.items():
            times = region.times_h or self.times_h
            _increasing(times)
            if len(region.activity_MBq) != len(times):
                raise ValueError(
                    f"regions.{name}.activity_MBq has {len(region.activity_MBq)} values for {len(times)} times; they go in pairs."
                )
            if region.sd_MBq is not None and len(region.sd_MBq) != len(times):
                raise ValueError(f"regions.{name}.sd_MBq has {len(region.sd_MBq)} values for {len(times)} times.")
        return self


class DaughterOptions(_Part):
    """Where alpha daughters go. `free`: the catalogue's retained fractions, what is freed follows its own model."""

    model: Literal["free", "in_place"] = "free"
    retained: dict[str, Fraction] = Field(  # type: ignore[valid-type]
        default_factory=dict, description="retained fraction by daughter, for internalised sites, e.g. Bi-213: '80 %'"
    )

    @model_validator(mode="after")
    def _fractions(self) -> Self:
        for name, value in self.retained.items():
            if value > 1:
                raise ValueError(f"retained.{name} is {value:g}; a retained fraction is at most 1 (100 %).")
        return self


class PriorCourse(_Part):
    """An earlier radionuclide course. Its dose comes from this patient's own curves, unless `dose` is given."""

    type: Literal["radionuclide"] = "radionuclide"
    agent: AgentName
    activity: PrescriptionText
    cycles: int = Field(default=1, ge=1, le=20)
    ended_h: TimeH = Field(alias="ended", description="how long ago, e.g. '9 months'")
    dose: dict[str, DosePerActivity] = Field(default_factory=dict, description="region: '0.65 Gy/GBq'")  # type: ignore[valid-type]

    _check_agent = field_validator("agent")(_known_agent)


class ExternalBeam(_Part):
    """Earlier external-beam radiotherapy: total absorbed dose per region, and the number of fractions."""

    type: Literal["external_beam"]
    dose: dict[str, DoseGy] = Field(min_length=1)  # type: ignore[valid-type]
    fractions: int = Field(ge=1, le=100)
    ended_h: TimeH = Field(alias="ended")


class LimitChoice(_Part):
    """A limit of the user's own: an absorbed dose, a BED or an EQD2 for one tissue."""

    bed_Gy: DoseGy | None = Field(default=None, alias="bed")  # type: ignore[valid-type]
    eqd2_Gy: DoseGy | None = Field(default=None, alias="eqd2")  # type: ignore[valid-type]
    absorbed_dose_Gy: DoseGy | None = Field(default=None, alias="absorbed_dose")  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(v is not None for v in (self.bed_Gy, self.eqd2_Gy, self.absorbed_dose_Gy)) != 1:
            raise ValueError("give one of bed, eqd2 or absorbed_dose.")
        return self


class Options(_Part):
    """How the case is computed."""

    samples: int = Field(default=1000, ge=1, le=100_000)
    seed: int = Field(default=1, ge=0, lt=2**63)
    confidence: Fraction = Field(default=0.95, description="probability to stay within a limit, for the next cycle")  # type: ignore[valid-type]
    mass_basis: Literal["with_blood", "parenchyma"] = "with_blood"
    calibration_sd: Fraction = Field(default=0.05, description="common to all regions, k = 1")  # type: ignore[valid-type]
    mass_sd: Fraction = Field(default=0.05, description="of a measured volume or mass, k = 1")  # type: ignore[valid-type]
    reference_mass_sd: Fraction = Field(default=0.2, description="of a reference mass, k = 1")  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _ranges(self) -> Self:
        if not 0.5 <= self.confidence < 1:
            raise ValueError(f"confidence is {self.confidence:g}; it lies between 50 % and 99.9 %.")
        for name in ("calibration_sd", "mass_sd", "reference_mass_sd"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} is {getattr(self, name):g}; a relative standard uncertainty is at most 1 (100 %).")
        return self


class Case(_Part):
    """One patient, one treatment, one question."""

    case: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="names the folder of the results")
    title: str = ""
    patient: Patient = Patient()
    treatment: Treatment
    kinetics: MeasuredKinetics
    daughters: DaughterOptions = DaughterOptions()
    prior_therapy: tuple[Annotated[PriorCourse | ExternalBeam, Field(discriminator="type")], ...] = ()
    limits: dict[str, LimitChoice] = Field(default_factory=dict)
    options: Options = Options()

    @model_validator(mode="before")
    @classmethod
    def _type_of_prior(cls, data: Any) -> Any:
        # a course without `type` is a radionuclide course: the tag is filled in so that errors name the real place
        if isinstance(data, dict) and isinstance(data.get("prior_therapy"), list | tuple):
            rows = [{"type": "radionuclide", **r} if isinstance(r, dict) else r for r in data["prior_therapy"]]
            return {**data, "prior_therapy": rows}
        return data

    @field_validator("daughters", mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"model": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _organs_fit_the_body(self) -> Self:
        body_g = self.body_mass_kg * 1000.0
        total = 0.0
        for name, region in self.kinetics.regions.items():
            mass = self.measured_mass_g(name)
            if mass is None or not region.dose:
                continue
            total += mass
            if mass > body_g:
                raise ValueError(f"kinetics.regions.{name} weighs {mass / 1000:.1f} kg, more than the body ({body_g / 1000:g} kg).")
        if total > body_g:
            raise ValueError(f"the regions together weigh {total / 1000:.1f} kg, more than the body ({body_g / 1000:g} kg).")
        return self

    @property
    def measured_agent(self) -> str:
        """The agent whose kinetics were measured."""
        return self.kinetics.agent or self.treatment.agent

    @property
    def body_mass_kg(self) -> float:
        """The patient's mass, or the reference one."""
        if self.patient.body_mass_kg is not None:
            return float(self.patient.body_mass_kg)
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
        anatomy = catalog.anatomy(self.patient.anatomy).regions
        for name in (region, "kidneys" if region.startswith("kidney_") else region):
            if name in anatomy:
                return anatomy[name].medium
        return "soft-tissue"

    def measured_mass_g(self, region: str) -> float | None:
        """Mass of a region from its mass or its mean measured volume times density; None when neither was given."""
        data = self.kinetics.regions[region]
        if data.mass_g is not None:
            return float(data.mass_g)
        if data.volume_mL is None:
            return None
        density = data.density_g_per_mL or catalog.medium(self.medium_of(region)).density.value
        return float(density) * math.fsum(data.volume_mL) / len(data.volume_mL)

    def sha256(self) -> str:
        """Hash of the case as read: the same numbers give the same hash, whatever the spacing of the file."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any], where: str = "case") -> Case:
        """Check a mapping as written in YAML; raises CaseError with the place of each problem."""
        return _validated(data, where, lambda loc: "")


def schema() -> dict[str, Any]:
    """JSON Schema of a case file, for editors."""
    made: dict[str, Any] = Case.model_json_schema(by_alias=True)
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return made


def load(path: str | pathlib.Path) -> Case:
    """Read and check a case file.

    Parameters
    ----------
    path : str or Path
        A YAML 1.2 file of at most 2 MB.

    Returns
    -------
    Case

    Raises
    ------
    CaseError
        One message per problem: the line, what was given, what is allowed, the nearest valid name.

    Examples
    --------
    >>> load("nowhere.yaml")
    Traceback (most recent call last):
    ...
    alphatwin.errors.CaseError: There is no file nowhere.yaml.
    """
    file = pathlib.Path(path)
    name = file.name
    if file.is_dir():
        raise CaseError(f"{name} is a folder; a case is a YAML file.")
    if not file.exists():
        near = [p.name for p in file.parent.glob("*.y*ml")] if file.parent.is_dir() else []
        raise CaseError(f"There is no file {name}. {suggestion(name, near)}".rstrip())
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise CaseError(f"{name} has {size / 1e6:.0f} MB; a case file has at most {MAX_BYTES / 1e6:.0f} MB. Is it the right file?")
        text = file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise CaseError(f"{name} is not text in UTF-8 (byte {error.start}). A case is a YAML file.") from None
    except OSError as error:
        raise CaseError(f"{name} cannot be read: {error.strerror}.") from None
    data, line_of = _parse_yaml(text, name)
    return _validated(data, name, line_of)


def example_path() -> pathlib.Path:
    """Where the example case lies inside the package: a real patient, to run and to copy."""
    return catalog.path("example.yaml")


def _parse_yaml(text: str, name: str) -> tuple[dict[str, Any], Callable[[tuple[Any, ...]], str]]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
        data = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = (error.problem or error.context or "not valid YAML").strip().splitlines()[0]
        raise CaseError(f"{name}{at}: {problem}.") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise CaseError(f"{name} is not valid YAML: {str(error).splitlines()[0] if str(error) else 'nested too deeply'}.") from None
    if data is None:
        raise CaseError(f"{name} is empty. Start from an example: `alphatwin show example` prints one.")
    if not isinstance(data, dict):
        raise CaseError(f"{name} holds a {type(data).__name__}; a case is a mapping of keys such as case, treatment, kinetics.")

    def line_of(location: tuple[Any, ...]) -> str:
        node, line = root, None
        for step in location:
            found = None
            if isinstance(getattr(node, "value", None), list):
                for i, child in enumerate(node.value):
                    if isinstance(child, tuple) and child[0].value == str(step):
                        found, line = child[1], child[0].start_mark.line + 1
                    elif not isinstance(child, tuple) and i == step:
                        found, line = child, child.start_mark.line + 1
            if found is None:
                break
            node = found
        return f", line {line}" if line else ""

    return data, line_of


def _validated(data: Mapping[str, Any], name: str, line_of: Callable[[tuple[Any, ...]], str]) -> Case:
    try:
        return Case.model_validate(data)
    except ValidationError as error:
        messages = [_message(e, name, line_of) for e in error.errors(include_url=False)]
    except AlphatwinError as error:
        messages = [f"{name}: {error}"]
    shown = list(dict.fromkeys(messages))
    more = f"\n... and {len(shown) - 8} more." if len(shown) > 8 else ""
    raise CaseError("\n".join(shown[:8]) + more)


_TAGS = {"radionuclide", "external_beam"}


def _message(error: Any, name: str, line_of: Callable[[tuple[Any, ...]], str]) -> str:
    location = tuple(step for step in error["loc"] if step not in _TAGS)
    where = f"{name}{line_of(location)}, {'.'.join(map(str, location))}" if location else name
    given = error.get("input")
    kind = error["type"]
    if kind == "extra_forbidden":
        allowed = _fields_at(location[:-1])
        hint = suggestion(str(location[-1]), allowed)
        return f"{where}: there is no key {str(location[-1])!r} here. {hint}Allowed: {', '.join(allowed)}."
    if kind == "missing":
        return f"{where}: is missing. {_describe(location)}".rstrip()
    if kind == "finite_number" or (isinstance(given, float) and not math.isfinite(given)):
        return f"{where}: {given} is not a finite number; leave the point out or give what was measured."
    if kind in ("float_parsing", "float_type", "int_parsing", "int_type"):
        return f"{where}: {_short(given)} is not a number; the unit stands in the key, so write a plain number."
    if kind == "union_tag_invalid":
        return f"{where}: type {given.get('type')!r} is unknown; allowed: radionuclide, external_beam."
    if kind == "string_pattern_mismatch" and location == ("case",):
        return f"{where}: {_short(given)} cannot name a folder; use letters, digits, dot, dash and underscore, at most 64."
    reason = str(error["ctx"]["error"]) if "error" in error.get("ctx", {}) else f"{error['msg']} (given: {_short(given)})"
    return f"{where}: {reason}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _model_at(location: tuple[Any, ...]) -> type[BaseModel] | None:
    """The part of the case that a location such as ('kinetics', 'regions', 'liver') points to."""
    parts: dict[tuple[str, ...], type[BaseModel]] = {
        (): Case,
        ("patient",): Patient,
        ("treatment",): Treatment,
        ("kinetics",): MeasuredKinetics,
        ("kinetics", "regions", "*"): RegionData,
        ("daughters",): DaughterOptions,
        ("prior_therapy", "*"): PriorCourse,
        ("limits", "*"): LimitChoice,
        ("options",): Options,
    }
    for pattern, model in parts.items():
        if len(pattern) == len(location) and all(p in ("*", str(s)) for p, s in zip(pattern, location, strict=True)):
            return model
    return None


def _fields_at(location: tuple[Any, ...]) -> list[str]:
    model = _model_at(location)
    return [] if model is None else [f.alias or n for n, f in model.model_fields.items()]


def _describe(location: tuple[Any, ...]) -> str:
    model = _model_at(location[:-1])
    if model is None:
        return ""
    for name, field in model.model_fields.items():
        if (field.alias or name) == location[-1] and field.description:
            return f"It is {field.description}."
    return ""
