"""A trial as a file: designs, truths, calendar; read like a case, run as a whole, written back as a machine-readable spec.

The spec holds every argument of every design (defaults written out), so that a decision can be computed again from it and
recorded data alone. It is YAML 1.2 or JSON, read by the safe loader; every refusal names the line.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import inspect
import json
import math
import pathlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from ..biology.complication import Logistic, Lyman
from ..case._fields import Part, fault
from ..case.reading import Parts, located, read_as
from ..errors import AlphatwinError, CaseError, DomainError, suggestion
from ..units import read_quantity
from .backfill import Backfill
from .calendar import Calendar
from .designs import Design
from .protection_trial import ProtectionTrial
from .truth import CourseTruth, EgfrDecline, LateHazard, Probabilities, Truth
from .virtual_patients import Arm, MechanisticTruth, PatientTable

__all__ = ["KINDS", "TrialSpec", "design_kinds", "load_trial", "make_design", "trial_schema"]

KINDS: dict[str, tuple[str, str]] = {
    "three_plus_three": ("rules", "three_plus_three"),
    "rolling_six": ("late", "rolling_six"),
    "i3plus3": ("interval", "i3plus3"),
    "boin": ("interval", "boin"),
    "keyboard": ("interval", "keyboard"),
    "mtpi2": ("interval", "mtpi2"),
    "crm": ("continual", "crm_design"),
    "blrm": ("overdose", "blrm_design"),
    "tite_crm": ("late", "tite_crm"),
    "tite_boin": ("late", "tite_boin"),
    "boin12": ("phase_one_two", "boin12"),
    "boin_et": ("phase_one_two", "boin_et"),
}

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
NotNegative = Annotated[float, Field(ge=0.0)]


def _activity(text: object, *, per_kg: bool = False) -> float:
    """MBq (or MBq/kg) from text with a unit."""
    if per_kg:
        return read_quantity(text, "MBq/kg", "activity per body mass")
    return read_quantity(text, "MBq", "activity")


class HazardSpec(Part):
    """Late toxicity as a Weibull time whose hazard grows with cumulative activity."""

    probability: Probability = Field(description="by `by_months` at the cumulative activity `at`")
    at: str = Field(description="cumulative activity, e.g. '40 MBq'")
    power: NotNegative = 1.0
    shape: Positive = 2.0
    by_months: Positive = 24.0

    @field_validator("at")
    @classmethod
    def _read(cls, value: str) -> str:
        _activity(value)
        return value

    def build(self) -> LateHazard:
        """The hazard."""
        return LateHazard(self.probability, _activity(self.at), self.power, self.shape, self.by_months)


class EgfrSpec(Part):
    """Late renal toxicity as a decline of eGFR (mL/min/1.73 m2) that crosses a threshold."""

    baseline: Positive
    baseline_sd: Positive
    loss_per_year_per_MBq: NotNegative
    loss_sd_per_year: Positive
    natural_loss_per_year: NotNegative = 1.0
    minimum: Positive = 50.0
    threshold: Positive = 30.0

    def build(self) -> EgfrDecline:
        """The decline."""
        return EgfrDecline(**self.model_dump())


class CourseSpec(Part):
    """A course of cycles with acute, cumulative and late toxicity."""

    activity: tuple[str, ...] = Field(min_length=1, description="per cycle, one per dose, e.g. ['4 MBq', '8 MBq']")
    cycles: int = Field(ge=1, le=50, strict=True)
    interval_weeks: Positive
    acute: tuple[Probability, ...] = Field(description="P(acute DLT in a cycle), one per dose")
    late: HazardSpec | None = None
    egfr: EgfrSpec | None = None
    cumulative: HazardSpec | None = None
    secondary: HazardSpec | None = None
    acute_weeks: Positive | None = None
    death_median_months: Positive | None = None
    progression_median_months: Positive | None = None

    @field_validator("activity")
    @classmethod
    def _read(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            _activity(text)
        return value

    @model_validator(mode="after")
    def _one_late(self) -> Self:
        if (self.late is None) == (self.egfr is None):
            raise fault("give late (a hazard) or egfr (a decline), one of the two.", "late")
        return self


class ResponseSpec(Part):
    """A dose-response curve in gray."""

    model: Literal["lyman", "logistic"] = "logistic"
    d50_Gy: Positive
    slope: Positive = Field(description="m of Lyman, gamma50 of the logistic curve")

    def build(self) -> Lyman | Logistic:
        """The curve."""
        return (Lyman if self.model == "lyman" else Logistic)(self.d50_Gy, self.slope)


class ArmSpec(Part):
    """How much is given, how often."""

    label: str
    basis: Literal["fixed", "per_kg", "dosimetry"]
    activity: str = Field(description="per cycle: '10 MBq' or '120 kBq/kg'; with dosimetry the most per cycle")
    cycles: int = Field(default=4, ge=1, le=50, strict=True)
    interval_weeks: Positive = 8.0
    cap: str | None = Field(default=None, description="most per cycle, e.g. '12 MBq'")
    kidney_limit_Gy: Positive | None = None
    exceed: Probability = 0.1
    coefficient_cv: NotNegative = 0.0

    @model_validator(mode="after")
    def _read(self) -> Self:
        try:
            self.build()
        except AlphatwinError as error:
            raise fault(str(error), "activity") from None
        return self

    def build(self) -> Arm:
        """The arm."""
        return Arm(
            self.label, self.basis, _activity(self.activity, per_kg=self.basis == "per_kg"), self.cycles,
            self.interval_weeks, math.inf if self.cap is None else _activity(self.cap),
            math.inf if self.kidney_limit_Gy is None else self.kidney_limit_Gy, self.exceed, self.coefficient_cv,
        )  # fmt: skip


class PatientsSpec(Part):
    """A mechanistic truth: a table of virtual patients, arms, dose-response."""

    file: str = Field(
        description="CSV beside this file: weight_kg, kidney_Gy_per_MBq, tumour_Gy_per_MBq, marrow_Gy_per_MBq"
    )
    arms: tuple[ArmSpec, ...] = Field(min_length=1)
    kidney: ResponseSpec
    marrow: ResponseSpec | None = None
    tumour: ResponseSpec | None = None
    acute_per_cycle: Probability = 0.0
    late_shape: Positive = 2.0


class TruthSpec(Part):
    """What is true: a table (dlt), a course, or virtual patients."""

    note: str = Field(
        min_length=1, description="where the numbers come from; begin with [assumed] if nobody measured them"
    )
    dlt: tuple[Probability, ...] | None = Field(default=None, description="P(DLT in the window), one per dose")
    course: CourseSpec | None = None
    patients: PatientsSpec | None = None
    response: tuple[Probability, ...] | None = None
    labels: tuple[str, ...] = ()
    window_weeks: Positive | None = Field(
        default=None, description="that dlt holds for; for a course, that dlt_in_window names"
    )
    second_half: Probability | None = Field(
        default=None, description="share of the DLTs in the second half of the window"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [k for k in ("dlt", "course", "patients") if getattr(self, k) is not None]
        if len(given) != 1:
            raise fault(f"give one of dlt, course and patients; {' and '.join(given) or 'none'} was given.")
        if self.dlt is None and self.second_half is not None:
            raise fault("goes with dlt only.", "second_half")
        if self.patients is not None and (self.response is not None or self.labels):
            raise fault("virtual patients have responses and labels of their own; leave response and labels out.")
        if self.patients is None:
            try:
                self.build(pathlib.Path())
            except AlphatwinError as error:
                raise fault(str(error)) from None
        return self

    def build(self, folder: pathlib.Path) -> Truth:
        """The truth; `folder` is where a table of patients lies."""
        if self.dlt is not None:
            return Probabilities(
                self.dlt, self.response, self.window_weeks or 6.0, 0.5 if self.second_half is None else self.second_half,
                self.labels, self.note,
            )  # fmt: skip
        if self.course is not None:
            c = self.course
            late = c.late or c.egfr
            assert late is not None
            return CourseTruth(
                tuple(_activity(a) for a in c.activity), c.cycles, c.interval_weeks, c.acute, late.build(),
                None if c.cumulative is None else c.cumulative.build(),
                None if c.secondary is None else c.secondary.build(),
                self.window_weeks, c.acute_weeks, c.death_median_months or math.inf,
                c.progression_median_months or math.inf, self.response, self.labels, self.note,
            )  # fmt: skip
        p = self.patients
        assert p is not None
        return MechanisticTruth(
            PatientTable.read(folder / p.file), tuple(a.build() for a in p.arms), p.kidney.build(),
            None if p.marrow is None else p.marrow.build(), None if p.tumour is None else p.tumour.build(), p.acute_per_cycle, p.late_shape,
            self.window_weeks or 6.0, self.note,
        )  # fmt: skip


class CalendarSpec(Part):
    """Arrivals, reading, dropout."""

    accrual_per_month: Positive = 2.0
    read_delay_weeks: NotNegative = 0.0
    dropout_per_month: NotNegative = 0.0
    death: Literal["complete", "lost"] = Field(
        default="complete", description="what a death within the window counts as"
    )

    def build(self) -> Calendar:
        """The calendar."""
        return Calendar(**self.model_dump())


class SimulationSpec(Part):
    """How the operating characteristics are computed."""

    exact: bool = Field(default=True, description="by recursion where the design and the truth allow it")
    trials: int = Field(default=10_000, ge=1, le=10_000_000, strict=True)
    seed: int = Field(default=1, ge=0, le=2**63 - 1, strict=True)
    examples: int = Field(
        default=3, ge=0, le=1000, strict=True, description="virtual trials written patient by patient"
    )


class ProtectionSpec(Part):
    """A randomised kidney-protection trial, slope of eGFR primary."""

    slope_sd: Positive = Field(description="SD of slopes between patients, mL/min/1.73 m2 per year: bring your own")
    residual_sd: Positive = Field(description="SD about a patient's line, mL/min/1.73 m2")
    control_slope: float = Field(lt=0.0, description="mean slope without protection, per year, below zero")
    benefit: float = Field(gt=0.0, le=1.0, description="share of the loss prevented: an assumption")
    source: str = Field(min_length=1, description="of slope_sd, residual_sd and control_slope; or [assumed]")
    power: float = Field(default=0.9, gt=0.5, lt=1.0)
    intercept_sd: Positive = 15.0
    correlation: float = Field(default=0.0, gt=-1.0, lt=1.0)
    visits_months: tuple[NotNegative, ...] = (0.0, 3.0, 6.0, 9.0, 12.0, 18.0, 24.0)
    dropout_per_year: NotNegative = 0.0
    alpha: float = Field(default=0.05, gt=0.0, lt=0.5)

    def build(self) -> ProtectionTrial:
        """The trial."""
        return ProtectionTrial(**self.model_dump(exclude={"power"}))


class TrialSpec(Part):
    """A file for `alphatwin trial`."""

    trial: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="names the folder of the results")
    title: str = ""
    designs: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="name: {kind: boin, target: 0.25, ...}"
    )
    truths: dict[str, TruthSpec] = Field(default_factory=dict)
    calendar: CalendarSpec | None = None
    simulation: SimulationSpec = SimulationSpec()
    protection: ProtectionSpec | None = None
    software: str = Field(default="", description="written by the program")

    @field_validator("designs")
    @classmethod
    def _designs_can_be_made(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, given in value.items():
            try:
                make_design(given)
            except _KeyFault as error:
                raise fault(str(error), name, error.key) from None
            except AlphatwinError as error:
                raise fault(str(error), name) from None
        return {name: _written_out(given) for name, given in value.items()}

    @model_validator(mode="after")
    def _something_to_do(self) -> Self:
        if not self.truths and (self.designs or self.protection is None):
            raise fault("is empty; designs are judged under truths (or give protection, a protection trial).", "truths")
        for kind in ("designs", "truths"):
            for name in getattr(self, kind):
                if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
                    raise fault(
                        f"{name!r} cannot name a file; use letters, digits, dot, dash and underscore.", kind, name
                    )
        return self

    def design(self, name: str | None = None) -> tuple[str, Design]:
        """A design by name; without one, the only design there is.

        Raises
        ------
        CaseError
            No such design, or several and no name.
        """
        if not self.designs:
            raise CaseError(f"{self.trial} has no dose-finding design.")
        names = list(self.designs)
        if name is None:
            if len(names) > 1:
                raise CaseError(f"{self.trial} has {len(names)} designs; choose one with --design: {', '.join(names)}.")
            name = names[0]
        if name not in self.designs:
            raise CaseError(f"There is no design {name!r}. {suggestion(name, names)}Designs: {', '.join(names)}.")
        return name, make_design(self.designs[name])

    def recorded_design(self, name: str | None = None) -> Design:
        """A design as recorded data meet it: without a window of its own it has the truths', where they have one in common."""
        made = self.design(name)[1]
        weeks = {truth.window_weeks or 6.0 for truth in self.truths.values()}
        return dataclasses.replace(made, window=weeks.pop()) if made.window is None and len(weeks) == 1 else made

    @property
    def levels(self) -> int | None:
        """Number of dose levels, as the first truth has it."""
        for truth in self.truths.values():
            if truth.patients is not None:
                return len(truth.patients.arms)
            return len(truth.dlt if truth.dlt is not None else truth.course.acute if truth.course is not None else ())
        return None

    def sha256(self) -> str:
        """Hash of the spec as read."""
        data = self.model_dump(mode="json", exclude={"software"})
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        """The machine-readable spec; `load_trial` reads it back equal."""
        from .. import __version__

        data = self.model_copy(update={"software": f"alphatwin {__version__}"}).model_dump(
            mode="json", exclude_none=True
        )
        return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


_PARTS: Parts = {
    (): TrialSpec,
    ("truths", "*"): TruthSpec,
    ("truths", "*", "course"): CourseSpec,
    ("truths", "*", "course", "late"): HazardSpec,
    ("truths", "*", "course", "cumulative"): HazardSpec,
    ("truths", "*", "course", "secondary"): HazardSpec,
    ("truths", "*", "course", "egfr"): EgfrSpec,
    ("truths", "*", "patients"): PatientsSpec,
    ("truths", "*", "patients", "arms", "*"): ArmSpec,
    ("truths", "*", "patients", "kidney"): ResponseSpec,
    ("truths", "*", "patients", "marrow"): ResponseSpec,
    ("truths", "*", "patients", "tumour"): ResponseSpec,
    ("calendar",): CalendarSpec,
    ("simulation",): SimulationSpec,
    ("protection",): ProtectionSpec,
}


def load_trial(path: str | pathlib.Path, *, check_truths: bool = True) -> TrialSpec:
    """Read and check a trial file (YAML) or a spec (JSON).

    Parameters
    ----------
    path : str or Path
    check_truths : bool
        Whether tables of virtual patients are opened and levels compared; a replay needs neither.

    Raises
    ------
    CaseError
        One message per problem: the line, what was given, what is allowed, the nearest valid name.

    Examples
    --------
    >>> load_trial("nowhere.yaml")
    Traceback (most recent call last):
    ...
    alphatwin.errors.CaseError: There is no file nowhere.yaml.
    """
    found = read_as(path, TrialSpec, _PARTS)
    if not check_truths:
        return found
    levels = {}
    for name, truth in found.truths.items():
        levels[name] = truth.build(pathlib.Path(path).parent).doses
    for name in found.designs:
        design = found.design(name)[1]
        for truth_name, n in levels.items():
            if design.levels not in (None, n):
                text = f"designs.{name}: made for {design.levels} levels; truth {truth_name} has {n}."
                raise CaseError(located(path, text))
            if design.start > n:
                text = f"designs.{name}: the trial starts at level {design.start}; truth {truth_name} has {n} levels."
                raise CaseError(located(path, text))
    return found


def trial_schema() -> dict[str, Any]:
    """JSON Schema of a trial file, for editors; the arguments of a design are those of the function of its kind."""
    made: dict[str, Any] = TrialSpec.model_json_schema()
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return made


# --- designs by name -------------------------------------------------------------------------------------------------


class _KeyFault(DomainError):
    """A key of a design that cannot be used."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


def _factory(kind: str) -> Any:
    module, name = KINDS[kind]
    return getattr(importlib.import_module(f".{module}", __package__), name)


def design_kinds() -> dict[str, str]:
    """Kind of design -> the first line of what it is.

    Examples
    --------
    >>> "boin" in design_kinds()
    True
    """
    return {kind: (inspect.getdoc(_factory(kind)) or "").splitlines()[0] for kind in KINDS}


def _arguments(given: Mapping[str, Any]) -> tuple[str, Any, dict[str, Any]]:
    kind = given.get("kind")
    if kind is None:
        raise DomainError(f"kind is missing. It may be {', '.join(KINDS)}.")
    if kind not in KINDS:
        hint = suggestion(str(kind), KINDS)
        if kind in ("simon", "bop2", "predictive", "predictive_design", "two_doses", "admissible"):
            hint = "Phase II designs have commands of their own (`alphatwin trial --help`). "
        told = f"there is no kind of design {kind!r}. {hint}Kinds: {', '.join(KINDS)}."
        raise _KeyFault("kind", told)
    factory = _factory(str(kind))
    allowed = [p for p in inspect.signature(factory).parameters if p != "window"]
    keys = ["kind", "window_weeks", *allowed]
    for key in given:
        if key not in keys:
            hint = suggestion(str(key), keys)
            raise _KeyFault(str(key), f"{kind} has no key {key!r}. {hint}Allowed: {', '.join(keys)}.")
    return str(kind), factory, {k: v for k, v in given.items() if k not in ("kind", "window_weeks")}


def make_design(given: Mapping[str, Any]) -> Design:
    """A design from its kind and arguments, as a trial file holds them.

    Parameters
    ----------
    given : mapping
        `kind`, the arguments of the function of that name, and `window_weeks`. A `skeleton` may be a mapping with the
        arguments of `crm_skeleton`.

    Returns
    -------
    Design
        Its window is in weeks.

    Raises
    ------
    DomainError
        An unknown kind or key, or an argument that the design refuses.

    Examples
    --------
    >>> make_design({"kind": "boin", "target": 0.25, "cohorts": 8, "window_weeks": 8}).max_patients(5)
    24
    """
    kind, factory, arguments = _arguments(given)
    weeks = given.get("window_weeks")
    if weeks is not None and (isinstance(weeks, bool) or not isinstance(weeks, int | float) or not weeks > 0):
        raise _KeyFault("window_weeks", f"{weeks!r} is no window; give a number of weeks above zero.")
    skeleton = arguments.get("skeleton")
    if isinstance(skeleton, Mapping):
        from .continual import crm_skeleton

        try:
            arguments["skeleton"] = crm_skeleton(**skeleton)
        except TypeError as error:
            raise _KeyFault("skeleton", f"{_said(error)}; it has halfwidth, target, nu, nlevels, model.") from None
    if isinstance(arguments.get("backfill"), Mapping):
        arguments["backfill"] = _backfill(arguments["backfill"])
    window = inspect.signature(factory).parameters.get("window")
    if window is not None and weeks is not None:
        arguments["window"] = float(weeks)
    elif window is not None and window.default is inspect.Parameter.empty:
        raise DomainError(f"{kind} needs window_weeks, the time within which a toxicity counts.")
    try:
        made = factory(**arguments)
    except AlphatwinError:
        raise
    except TypeError as error:
        required = [
            n for n, p in inspect.signature(factory).parameters.items() if p.default is p.empty and n != "window"
        ]
        lacking = [name for name in required if name not in arguments]
        told = f"{kind} needs {' and '.join(lacking)}." if lacking else f"{kind}: {_said(error)}."
        raise DomainError(told) from None
    if weeks is not None:
        made = dataclasses.replace(made, window=float(weeks))
    assert isinstance(made, Design)
    return made


def _backfill(given: Mapping[str, Any]) -> Backfill:
    try:
        return Backfill(**given)
    except TypeError:
        keys = [f.name for f in dataclasses.fields(Backfill)]
        raise _KeyFault("backfill", f"backfill has the keys {', '.join(keys)}; given: {', '.join(given)}.") from None


def _said(error: TypeError) -> str:
    """What Python says of a call, without the name of the function."""
    return str(error).partition("() ")[2] or str(error)


def _written_out(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with every default in place, as plain values."""
    kind, factory, arguments = _arguments(given)
    made: dict[str, Any] = {"kind": kind}
    if given.get("window_weeks") is not None:
        made["window_weeks"] = given["window_weeks"]
    for name, parameter in inspect.signature(factory).parameters.items():
        if name == "window":
            continue
        value = arguments.get(name, parameter.default)
        if value is not None and value is not inspect.Parameter.empty:
            made[name] = json.loads(json.dumps(value))
    return made
