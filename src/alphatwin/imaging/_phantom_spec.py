"""The file of a phantom: anatomy, kinetics, scanner, and what goes wrong between the visits; frozen and checked."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import json
import math
import pathlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema, field_validator, model_validator

from .. import __version__, catalog
from ..case import PbpkKinetics
from ..case._fields import Part, fault
from ..case.model import Case, CurveTerm
from ..case.reading import Parts, example_path, load, read_as
from ..catalog.phantoms import image_anatomies
from ..errors import CaseError, ImageError, suggestion
from ..kinetics import fit_curve
from ..physics.nuclides import nuclide as nuclide_of
from ..units import read_quantity
from .values import with_offset

__all__ = [
    "BodyPiece", "EnergyWindow", "PhantomSpec", "Pose", "Scanner", "Sphere", "Therapy", "Uptake", "load_phantom", "phantom_digests", "phantom_schema",
]  # fmt: skip

MAKERS = ("phantom.py", "_phantom_spec.py", "_phantom_chain.py", "_phantom_dose.py", "_objects.py", "writing.py",
          "nifti.py")  # fmt: skip

MAX_POINTS = 20
MAX_VOXELS = 60_000_000  # of one image


def _quantity(kind: str, unit: str, low: float, high: float) -> BeforeValidator:
    """Text with a unit as a float in `unit` between two limits."""

    def read(value: object) -> float:
        number = read_quantity(value, unit, kind)
        if not low <= number <= high:
            shown = (100 * low, 100 * high, "%") if unit == "1" else (low, high, unit)
            raise ValueError(f"{value!r} is out of range; give {shown[0]:g} to {shown[1]:g} {shown[2]}.")
        return number

    return BeforeValidator(read)


if TYPE_CHECKING:
    Activity = float
    Hours = float
    Blur = float
    Edge = float
    Height = float
    Fraction = float
    Share = float
    Sweep = float
    Width = float
else:

    def _text(example: str) -> WithJsonSchema:
        return WithJsonSchema({"type": "string", "examples": [example]})

    Activity = Annotated[float, _quantity("activity", "MBq", 1e-3, 1e6), _text("7.4 GBq")]
    Hours = Annotated[float, _quantity("time", "h", 0.0, 10_000.0), _text("24 h")]
    Fraction = Annotated[float, _quantity("percent or fraction", "1", 1e-6, 1.0), _text("50 %")]
    Sweep = Annotated[float, _quantity("time", "s", 1.0, 86_400.0), _text("30 min")]
    Edge = Annotated[float, _quantity("length", "mm", 0.5, 50.0), _text("4.8 mm")]
    Width = Annotated[float, _quantity("length", "mm", 0.5, 500.0), _text("25 mm")]
    Blur = Annotated[float, _quantity("length", "mm", 0.0, 300.0), _text("12 mm")]
    Height = Annotated[float, _quantity("length", "cm", -80.0, 94.0), _text("16 cm")]
    Share = Annotated[float, _quantity("percent or fraction", "1", 0.0, 0.95), _text("20 %")]
Triple = tuple[float, float, float]


class BodyPiece(Part):
    """A slab of the stylised body: the heights count from the base of the trunk, upwards."""

    body: str = Field(description="a stylised body of the catalogue, e.g. adult")
    bottom_cm: Height = Field(default="16 cm", validate_default=True, alias="bottom", description="e.g. '16 cm'")
    top_cm: Height = Field(default="46 cm", validate_default=True, alias="top", description="e.g. '46 cm'")
    voxel_mm: Edge = Field(default="4 mm", validate_default=True, alias="voxel", description="1 to 20 mm")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        from ..catalog.bodies import bodies

        if self.body not in bodies():
            raise fault(
                f"{self.body!r} is not known. {suggestion(self.body, bodies())}Allowed: {', '.join(bodies())}.", "body"
            )
        if self.top_cm - self.bottom_cm < 2:
            raise fault("the top lies at least 2 cm above the bottom.", "top")
        if not 1 <= self.voxel_mm <= 20:
            raise fault(f"a voxel of {self.voxel_mm:g} mm; give 1 to 20 mm.", "voxel")
        return self


class Uptake(Part):
    """A region's activity: a sum of exponentials, as a fraction of what was administered; or that of a case."""

    curve: tuple[CurveTerm, ...] = Field(default=(), max_length=6, description="the sum of its terms")
    of: str | None = Field(default=None, description="a region of the case, where its name differs")
    share: Fraction = Field(default="100 %", validate_default=True, description="of the case's activity that lies here")
    half_lives: Literal["effective", "biological"] = Field(default="effective", description="those of curve")
    daughters: dict[str, tuple[CurveTerm, ...]] = Field(
        default_factory=dict,
        max_length=10,
        description="a daughter out of equilibrium: its own activity, as fractions of the administered activity of the carrier",
    )


class Sphere(Uptake):
    """A spherical lesion; it takes the place of whatever lay there."""

    centre_mm: Triple = Field(description="x, y, z in the CT without a shift, mm, DICOM's axes")
    diameter_mm: Width = Field(alias="diameter", description="e.g. '25 mm'")


class Pose(Part):
    """How the patient lies at a visit, against the first CT as shipped."""

    shift_mm: Triple = Field(default=(0.0, 0.0, 0.0), description="x, y, z, mm")
    rotation_deg: Triple = Field(default=(0.0, 0.0, 0.0), description="about x, then y, then z, through the middle")
    emission_shift_mm: Triple = Field(default=(0.0, 0.0, 0.0), description="of the emission against its own CT, mm")

    @model_validator(mode="after")
    def _small(self) -> Self:
        for name, most in (("shift_mm", 200), ("rotation_deg", 45), ("emission_shift_mm", 200)):
            if max(map(abs, getattr(self, name))) > most:
                raise fault(f"{list(getattr(self, name))} is more than a visit's difference; at most {most}.", name)
        return self


class EnergyWindow(Part):
    """One energy window of the camera: where it lies, and what it counts of each member of the chain."""

    energy_keV: tuple[float, float] = Field(description="lower and upper limit")
    cps_per_MBq: dict[str, float] = Field(min_length=1, max_length=10, description="by nuclide, cross-talk included")

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        low, high = self.energy_keV
        if not 0 < low < high <= 10_000:
            raise fault(f"from {low:g} to {high:g} keV; give the lower limit, then the upper one.", "energy_keV")
        if not all(0 <= v <= 1e5 for v in self.cps_per_MBq.values()) or not any(self.cps_per_MBq.values()):
            raise fault("give from 0 to 1e5 counts per second and MBq, one of them above zero.", "cps_per_MBq")
        return self


class Therapy(Part):
    """The nuclide that the images stand for: its true decays are written too, with the same biology."""

    nuclide: str = Field(description="e.g. Pb-212, where Pb-203 is imaged")
    administered_activity_MBq: Activity = Field(alias="administered_activity", description="e.g. '100 MBq'")

    @field_validator("nuclide")
    @classmethod
    def _known(cls, value: str) -> str:
        return nuclide_of(value).name


class Scanner(Part):
    """What acquires the images, and how well."""

    modality: Literal["NM", "PT"] = Field(default="NM", description="NM: SPECT in counts; PT: PET in Bq/mL")
    times_h: tuple[Hours, ...] = Field(
        alias="times", min_length=1, max_length=MAX_POINTS, description="start of each acquisition after the injection"
    )
    duration_s: Sweep = Field(default="30 min", validate_default=True, alias="duration", description="of one")
    voxel_mm: Edge = Field(default="4.8 mm", validate_default=True, alias="voxel", description="edge, cubic")
    matrix: int = Field(default=128, ge=8, le=512, strict=True, description="rows and columns")
    slices: int | None = Field(default=None, ge=1, le=1000, strict=True, description="default: all of the patient")
    fwhm_mm: Blur = Field(default="12 mm", validate_default=True, alias="fwhm", description="of the system")
    sensitivity_cps_per_MBq: float = Field(default=9.0, gt=0, le=1e5, description="counts of the image per MBq and s")
    noise: bool = Field(default=True, description="Poisson counts in each voxel")
    filter_fwhm_mm: Blur = Field(
        default="0 mm", validate_default=True, alias="filter_fwhm", description="smoothing after the noise"
    )
    scatter_fraction: Share = Field(default="0 %", validate_default=True, description="scattered of all counts")
    scatter_fwhm_mm: Blur = Field(
        default="120 mm", validate_default=True, alias="scatter_fwhm", description="of the scattered counts"
    )
    windows: dict[str, EnergyWindow] = Field(
        default_factory=dict, max_length=6, description="an NM object for each energy window, in place of the one above"
    )
    calibration_in_object: bool = Field(
        default=True, description="the NM object says by a real-world value map what a count is worth"
    )

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if any(b <= a for a, b in itertools.pairwise(self.times_h)):
            raise fault("the times increase.", "times")
        if self.matrix**2 * (self.slices or 1) > MAX_VOXELS:
            raise fault(f"more than {MAX_VOXELS} voxels in one image.", "matrix")
        if self.windows and (self.modality != "NM" or self.scatter_fraction > 0):
            raise fault(
                "energy windows go with NM, and with their own cross-talk in place of scatter_fraction.", "windows"
            )
        for key in self.windows:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,15}", key):
                raise fault("a window's name has up to 16 letters, digits, points, dashes: 218keV.", "windows")
        for name in ("fwhm", "filter_fwhm", "scatter_fwhm"):
            width = getattr(self, f"{name}_mm")
            if 0 < width < self.voxel_mm:
                raise fault(
                    f"{width:g} mm is less than a voxel ({self.voxel_mm:g} mm); no image shows it. Use 0 mm.", name
                )
        return self


class CtGrid(Part):
    """Voxels of the CT, where they shall differ from those of the anatomy."""

    pixel_mm: Edge | None = Field(default=None, alias="pixel", description="e.g. '1.5 mm'")
    slice_mm: Edge | None = Field(default=None, alias="slice", description="e.g. '2 mm'")


class PhantomSpec(Part):
    """One phantom."""

    phantom: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="names it and its folder")
    title: str = ""
    anatomy: str | BodyPiece = Field(default="abdomen", description="a CT of the catalogue, or a piece of a body")
    nuclide: str = Field(description="imaged, e.g. Lu-177")
    agent: str = Field(default="", max_length=64, description="name of the radiopharmaceutical, for the objects")
    administered_activity_MBq: Activity = Field(alias="administered_activity", description="e.g. '7.4 GBq'")
    administered_at: datetime.datetime = Field(description="with its zone, e.g. 2026-03-02T09:00:00+01:00")
    case: str | None = Field(
        default=None, description="a case file beside this one, or 'example': curves of regions that give none"
    )
    regions: dict[str, Uptake] = Field(
        min_length=1, max_length=100, description="by name of the anatomy; 'background' is the rest of the body"
    )
    lesions: dict[str, Sphere] = Field(default_factory=dict, max_length=100)
    scanner: Scanner
    therapy: Therapy | None = Field(default=None, description="truth of another nuclide that these images stand for")
    ct: CtGrid = CtGrid()
    poses: tuple[Pose, ...] = Field(default=(), description="one a time, or none")
    contours: Literal["none", "rtstruct", "seg", "both"] = Field(default="rtstruct", description="objects with regions")
    contoured_at: Literal["all", "first"] = Field(default="all", description="the visits that have them")
    dose: Literal["none", "local", "convolution"] = Field(default="none", description="true dose in the truth file")
    seed: int = Field(default=1, ge=0, lt=2**63, strict=True)

    @field_validator("nuclide")
    @classmethod
    def _known(cls, value: str) -> str:
        found = nuclide_of(value)
        if not math.isfinite(found.half_life_h):
            raise ValueError(f"{found.name} is stable; nothing can be seen of it.")
        return found.name

    @field_validator("anatomy", mode="before")
    @classmethod
    def _anatomy(cls, value: object) -> object:
        if isinstance(value, str) and value not in image_anatomies():
            known = image_anatomies()
            raise ValueError(
                f"{value!r} is not known. {suggestion(value, known)}Allowed: {', '.join(known)}, or "
                "{body: adult, bottom: '16 cm', top: '46 cm', voxel: '4 mm'}."
            )
        return BodyPiece.model_validate(value) if isinstance(value, dict) else value

    @field_validator("administered_at", mode="before")
    @classmethod
    def _with_zone(cls, value: object) -> object:
        if isinstance(value, str):
            try:
                value = datetime.datetime.fromisoformat(value)
            except ValueError:
                value = None
        if not isinstance(value, datetime.datetime) or value.tzinfo is None:
            raise ValueError("write date, time and zone in quotes: '2026-03-02T09:00:00+01:00'.")
        try:
            return with_offset(value)
        except ImageError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        n = len(self.scanner.times_h)
        if self.poses and len(self.poses) != n:
            raise fault(f"there are {len(self.poses)} poses and {n} times; give one pose a time, or none.", "poses")
        for name in self.lesions:
            if name in self.regions:
                raise fault("a region has this name already.", "lesions", name)
        for group in ("regions", "lesions"):
            for name, uptake in getattr(self, group).items():
                self._check_curve(uptake, group, name)
                self._check_daughters(uptake, group, name)
        chain = nuclide_of(self.nuclide).chain
        for name, window in self.scanner.windows.items():
            for q in window.cps_per_MBq:
                if q not in chain:
                    raise fault(
                        f"{q!r} is not in the chain of {self.nuclide}: {', '.join(chain)}.", "scanner", "windows", name
                    )
        return self

    def _check_daughters(self, uptake: Uptake, group: str, name: str) -> None:
        chain = nuclide_of(self.nuclide).chain[1:]
        slowest = nuclide_of(self.nuclide).half_life_h
        for q, curve in uptake.daughters.items():
            if q not in chain:
                raise fault(f"{q!r} is no daughter of {self.nuclide}: {', '.join(chain)}.", group, name, "daughters")
            for i, term in enumerate(curve):
                if term.half_life_h > slowest * (1 + 1e-9):
                    raise fault(f"nothing feeds {q} for longer than {self.nuclide} lives ({slowest:.4g} h).",
                                 group, name, "daughters", q, i, "half_life")  # fmt: skip
            for t in [k * self.scanner.times_h[-1] / 200 for k in range(201)]:
                if sum(c.fraction * math.exp(-math.log(2) * t / c.half_life_h) for c in curve) < -1e-12:
                    raise fault(f"the curve of {q} is below zero at {t:.3g} h.", group, name, "daughters", q)

    def _check_curve(self, uptake: Uptake, group: str, name: str) -> None:
        if not uptake.curve and self.case is None:
            raise fault("give its curve, or a case whose region it is (case: example).", group, name, "curve")
        if uptake.curve and (uptake.of is not None or uptake.share != 1):
            raise fault("of and share go with the curve of a case; this region gives its own.", group, name, "curve")
        slowest = nuclide_of(self.nuclide).half_life_h
        for i, term in enumerate(uptake.curve):
            if uptake.half_lives == "effective" and term.half_life_h > slowest * (1 + 1e-9):
                raise fault(
                    f"an effective half-life of {term.half_life_h:g} h is longer than that of {self.nuclide} "
                    f"({slowest:.4g} h). Say half_lives: biological, or shorten it.",
                    group, name, "curve", i, "half_life",
                )  # fmt: skip
        times = [0.0, *self.scanner.times_h, self.scanner.times_h[-1] + self.scanner.duration_s / 3600.0]
        for t in [a + (b - a) * k / 50 for a, b in itertools.pairwise(times) for k in range(51)]:
            share = sum(f * math.exp(-r * t) for f, r in self.terms(uptake))
            if share < -1e-12:
                raise fault(f"the curve is below zero at {t:.3g} h.", group, name, "curve")

    def terms(self, uptake: Uptake) -> tuple[tuple[float, float], ...]:
        """Fraction of the administered activity and effective rate (1/h) of each term."""
        decay = math.log(2) / nuclide_of(self.nuclide).half_life_h
        own = decay if uptake.half_lives == "biological" else 0.0
        return tuple((t.fraction, math.log(2) / t.half_life_h + own) for t in uptake.curve)

    def sha256(self) -> str:
        """Hash of the phantom as read, without its seed."""
        data = self.model_dump(mode="json", exclude={"seed", "title"})
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


_PARTS: Parts = {
    (): PhantomSpec,
    ("anatomy",): BodyPiece,
    ("regions", "*"): Uptake,
    ("regions", "*", "curve", "*"): CurveTerm,
    ("regions", "*", "daughters", "*", "*"): CurveTerm,
    ("lesions", "*"): Sphere,
    ("lesions", "*", "curve", "*"): CurveTerm,
    ("lesions", "*", "daughters", "*", "*"): CurveTerm,
    ("scanner",): Scanner,
    ("scanner", "windows", "*"): EnergyWindow,
    ("therapy",): Therapy,
    ("ct",): CtGrid,
    ("poses", "*"): Pose,
}


def load_phantom(spec: str | pathlib.Path | Mapping[str, Any] | PhantomSpec) -> PhantomSpec:
    """Read and check a phantom: a YAML file, a mapping as written in one, or a phantom that is checked already.

    Raises
    ------
    CaseError
        One message per problem: the line, what was given, what is allowed, the nearest valid name.

    Examples
    --------
    >>> load_phantom("nowhere.yaml")
    Traceback (most recent call last):
    ...
    alphatwin.errors.CaseError: There is no file nowhere.yaml.
    """
    if isinstance(spec, PhantomSpec):
        return spec
    if isinstance(spec, Mapping):
        try:
            return _with_case(PhantomSpec.model_validate(spec), pathlib.Path())
        except ValidationError as error:
            told = [
                f"{'.'.join(map(str, (*e['loc'], *e.get('ctx', {}).get('place', ()))))}: "
                f"{e['msg'].removeprefix('Value error, ')}"
                for e in error.errors(include_url=False)
            ]
            raise CaseError("phantom: " + "; ".join(told)) from None
    found = read_as(spec, PhantomSpec, _PARTS)
    assert isinstance(found, PhantomSpec)
    return _with_case(found, pathlib.Path(spec).parent)


def _with_case(spec: PhantomSpec, folder: pathlib.Path) -> PhantomSpec:
    """The phantom with every curve that a case gives written out."""
    if spec.case is None:
        return spec
    case = load(example_path() if spec.case == "example" else folder / spec.case)
    measured = catalog.agent(case.measured_agent).nuclide
    if measured != spec.nuclide:
        raise CaseError(
            f"case: its curves are of {measured}, and the phantom shows {spec.nuclide}. Choose a case of {spec.nuclide}, "
            "or give the curves here."
        )
    made: dict[str, dict[str, Any]] = {"regions": {}, "lesions": {}}
    for group, into in made.items():
        for name, uptake in getattr(spec, group).items():
            into[name] = uptake if uptake.curve else _from_case(uptake, case, f"{group}.{name}", uptake.of or name)
    return spec.model_copy(update=made)


def _from_case(uptake: Uptake, case: Case, place: str, region: str) -> Uptake:
    """One region with the curve of a case: as published there, or fitted to what was measured."""
    kinetics = case.kinetics
    if isinstance(kinetics, PbpkKinetics):
        raise CaseError(
            f"{place}: the case computes its kinetics; a phantom needs curves that were measured or published."
        )
    known = kinetics.regions
    if region not in known:
        hint = suggestion(region, known)
        raise CaseError(
            f"{place}: the case has no region {region!r}. {hint}It has {', '.join(known)}; name one by `of`."
        )
    data = known[region]
    if data.curve is not None:
        terms = [(t.fraction, t.half_life_h) for t in data.curve]
    else:
        fitted = fit_curve(
            data.times_h or kinetics.times_h,
            data.activity_MBq or (),
            nuclide=catalog.agent(case.measured_agent).nuclide,
            model=data.model or kinetics.model,
            sd_MBq=data.sd_MBq,
            relative_sd=None if data.sd_MBq else kinetics.relative_sd,
            population_half_life_h=data.population_half_life_h,
            allow_slower_than_decay=kinetics.allow_slower_than_decay,
            where=place,
        ).terms
        if fitted is None:
            raise CaseError(f"{place}: the case's curve is no sum of exponentials; choose another model there.")
        given = kinetics.administered_activity_MBq
        terms = [(float(a) / given, math.log(2) / float(r)) for a, r in zip(*fitted, strict=True)]
    curve = tuple(CurveTerm.model_construct(fraction=f * uptake.share, half_life_h=h) for f, h in terms)
    half_lives = data.half_lives if data.curve is not None else "effective"
    return uptake.model_copy(update={"curve": curve, "half_lives": half_lives})


def phantom_schema() -> dict[str, Any]:
    """JSON Schema of the file of a phantom, for editors.

    Examples
    --------
    >>> phantom_schema()["required"]
    ['phantom', 'nuclide', 'administered_activity', 'administered_at', 'regions', 'scanner']
    """
    made: dict[str, Any] = PhantomSpec.model_json_schema(by_alias=True)
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return made


def phantom_digests(spec: PhantomSpec) -> dict[str, str]:
    """What a study was made from, as truth.json keeps it: the phantom with its seed and title, and the code that makes it.

    Parameters
    ----------
    spec : PhantomSpec

    Returns
    -------
    dict of str to str
        SHA-256 by ``phantom`` and ``maker``: the modules that write a study, and the version for what they rest on (nuclide data,
        transport). Two studies whose digests agree have the same bytes.
    """
    here = pathlib.Path(__file__).parent
    maker = hashlib.sha256(__version__.encode())
    for name in MAKERS:
        maker.update(hashlib.sha256((here / name).read_bytes()).digest())
    told = json.dumps([spec.sha256(), spec.seed, spec.title])
    return {"phantom": hashlib.sha256(told.encode()).hexdigest(), "maker": maker.hexdigest()}
