"""A case of images: SPECT/CT or PET/CT of several times to doses, as a frozen, checked value."""

from __future__ import annotations

import datetime
import hashlib
import json
import pathlib
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from .. import catalog
from ..errors import suggestion
from ..units import read_quantity
from ._fields import ActivityMBq, DoseGy, Fraction, Part, TimeH, fault
from ._images_outlines import Lesion, Outlines, Segmented
from ._images_windows import EnergyWindow, LowCountOptions, TherapyNuclide, Uptake, check_windows
from .maps import DoseMethod, FileName, RegionMap
from .model import CellOptions, DaughterOptions
from .reading import Parts, _parse, _text_of, read_as

__all__ = ["ImagesCase", "is_images", "load_images"]


def _millimetres(low: float, high: float) -> BeforeValidator:
    def read(value: object) -> float:
        number = read_quantity(value, "mm", "length")
        if not low <= number <= high:
            raise ValueError(f"{value!r} is out of range; give {low:g} to {high:g} mm.")
        return number

    return BeforeValidator(read)


if TYPE_CHECKING:
    Blur = float
    Edge = float
else:
    _LENGTH = WithJsonSchema(
        {"type": "string", "description": "length, as text with a unit", "examples": ["12 mm"], "unit": "mm"}
    )
    Blur = Annotated[float, _millimetres(1.0, 100.0), _LENGTH]
    Edge = Annotated[float, _millimetres(0.0, 20.0), _LENGTH]


def _moment(value: object) -> object:
    """Date and time with a zone."""
    if isinstance(value, str):
        try:
            value = datetime.datetime.fromisoformat(value)
        except ValueError:
            value = "?"
    if value is not None and (not isinstance(value, datetime.datetime) or value.tzinfo is None):
        raise ValueError("write date, time and zone in quotes: '2026-03-02T09:00:00+01:00'.")
    return value


def _folder(value: object) -> object:
    if isinstance(value, str) and "\0" in value:
        raise ValueError("a name of a folder holds no NUL.")
    return value


FolderName = Annotated[str, BeforeValidator(_folder), Field(min_length=1, max_length=1000)]


class ImageSource(Part):
    """Where the images are, and what their objects do not say."""

    folder: FolderName | None = Field(default=None, description="DICOM of one administration, from the case's folder")
    phantom: FileName | None = Field(
        default=None, description="instead: a phantom to make first, its file beside the case"
    )
    truth: FolderName | None = Field(default=None, description="a phantom's truth folder, to compare with")
    series: tuple[int, ...] | None = Field(
        default=None, min_length=1, description="only these series, by the numbers of `alphatwin images`"
    )
    timezone: str | None = Field(default=None, description="of times without one, e.g. Europe/Berlin or +01:00")
    nuclide: str | None = Field(default=None, description="imaged, where the objects do not say")
    administered_activity_MBq: ActivityMBq | None = Field(
        default=None, alias="administered_activity", description="where the objects do not say, e.g. '7.4 GBq'"
    )
    administered_at: datetime.datetime | None = Field(default=None, description="with its zone, where not said")
    started: dict[int, datetime.datetime] = Field(
        default_factory=dict, description="series: start of its acquisition, with its zone, where not said"
    )
    duration_h: TimeH | None = Field(default=None, alias="duration", description="of each acquisition, where not said")
    decay_corrected_to: Literal["none", "start", "administration"] | None = Field(
        default=None, description="of SPECT, where not said"
    )
    slice_spacing_mm: Edge | None = Field(default=None, alias="slice_spacing", description="of SPECT, where not said")
    reference: int = Field(default=1, ge=1, le=20, strict=True, description="time point whose CT and place serve")
    regions: tuple[str, ...] | None = Field(default=None, min_length=1, description="only these contours or segments")

    @field_validator("administered_at", mode="before")
    @classmethod
    def _with_zone(cls, value: object) -> object:
        return _moment(value)

    @field_validator("started", mode="before")
    @classmethod
    def _all_with_zone(cls, value: object) -> object:
        return {k: _moment(v) for k, v in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.folder is None) == (self.phantom is None):
            raise fault("give folder (of DICOM) or phantom (to be made), one of the two.", "folder")
        if self.phantom is not None and self.truth is not None:
            raise fault("a phantom that is made here brings its truth; truth goes with folder.", "truth")
        return self


class CameraCalibration(Part):
    """What a count is worth, and how well that is known."""

    cps_per_MBq: float | None = Field(
        default=None, gt=0, le=1e6, description="counts of the reconstruction per second and MBq; needed for counts"
    )
    sd: Fraction = Field(description="standard uncertainty of the calibration, e.g. '3 %'")
    nuclide: str | None = Field(default=None, description="what it was measured with")
    source: str = Field(default="", max_length=300, description="where it comes from")


class RecoverySphere(Part):
    """One sphere of a phantom that was measured for partial volume."""

    volume_mL: float = Field(gt=0, le=10_000)
    recovery: float = Field(gt=0, lt=1.2)


class Recovery(Part):
    """How activity lost by blur is given back: by the regions' own shapes under a Gaussian, or by measured spheres."""

    fwhm_mm: Blur | None = Field(
        default=None, alias="fwhm", description="resolution of the reconstruction, e.g. '12 mm'"
    )
    fwhm_sd: Fraction = Field(default="8 %", validate_default=True, description="its relative standard uncertainty")
    spheres: tuple[RecoverySphere, ...] | None = Field(default=None, min_length=2, description="instead: measured ones")
    sd: float = Field(default=0.02, gt=0, le=0.5, description="standard uncertainty of each coefficient of spheres")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.fwhm_mm is None) == (self.spheres is None):
            raise fault("give fwhm (regions by their own shape) or spheres, one of the two.", "fwhm")
        return self


class RegistrationOptions(Part):
    """How time points are brought together."""

    kind: Literal["rigid", "affine", "bspline", "none"] = Field(
        default="rigid", description="none: as the scanners place them"
    )
    on: Literal["ct", "spect"] = Field(default="ct", description="which images are compared")
    sd: Fraction = Field(
        default="2 %", validate_default=True, description="of each region and time point from registration and outline"
    )


class FitOptions(Part):
    """Time-activity curves."""

    model: dict[str, str] = Field(default={"*": "auto"}, description="region: mono, bi, ... ('*' is every other one)")
    voxels: Literal["shape", "tilt", "mono"] = Field(default="shape", description="how voxels follow their region")
    effective_half_life_h: dict[str, TimeH] = Field(
        default_factory=dict,
        alias="effective_half_life",
        description="with one time point: assumed, e.g. '50 h', or by region {kidney_left: 50 h, '*': 60 h}",
    )
    effective_half_life_sd: Fraction | None = Field(
        default=None, description="its relative standard uncertainty, e.g. '20 %': the spread between patients"
    )
    contour_sd_mm: Edge = Field(
        default="0.5 mm", validate_default=True, alias="contour_sd", description="an outline is too wide or narrow by"
    )

    @field_validator("effective_half_life_h", mode="before")
    @classmethod
    def _for_all(cls, value: object) -> object:
        return value if isinstance(value, dict) else {"*": value}


class Tissue(Part):
    """Linear-quadratic response of a region."""

    alpha_beta_Gy: DoseGy = Field(alias="alpha_beta", gt=0, description="e.g. '2.6 Gy'")
    repair_half_time_h: TimeH = Field(alias="repair_half_time", description="of sublethal damage, e.g. '2.8 h'")
    alpha_per_Gy: float | None = Field(
        default=None, gt=0, le=10, description="then the equivalent uniform BED is given"
    )


class BiologyOptions(Part):
    """BED and EQD2 of every voxel; left out, none are made."""

    tissues: dict[str, Tissue] = Field(
        min_length=1, description="region: alpha_beta, repair_half_time; '*' every other"
    )
    rbe: float = Field(default=5.0, gt=0, le=50, description="RBE_M of alpha particles and recoils, at low dose")

    @field_validator("tissues")
    @classmethod
    def _rest(cls, value: dict[str, Tissue]) -> dict[str, Tissue]:
        if "*" not in value:
            raise fault("says nothing of the other regions; add '*': {alpha_beta: 10 Gy, repair_half_time: 1.5 h}.")
        return value


class ImageDaughters(DaughterOptions):
    """Where alpha daughters go, as in the plain case, and which organ a region is."""

    organs: dict[str, str] = Field(
        default_factory=dict, max_length=200,
        description="region: the organ or tumour it is, where its name does not say, e.g. {node_left: tumour}; other: neither",
    )  # fmt: skip
    anatomy: str = Field(
        default="adult-male",
        description="whose blood volumes and body mass are taken: an id of `alphatwin list anatomy`",
    )

    @field_validator("anatomy")
    @classmethod
    def _known_anatomy(cls, value: str) -> str:
        return catalog.anatomy(value).id

    @model_validator(mode="after")
    def _known_organs(self) -> Self:
        known = [*catalog.anatomy(self.anatomy).regions, "kidney_left", "kidney_right", "tumour", "other"]
        for region, organ in self.organs.items():
            if organ not in known and not organ.startswith("tumour_"):
                text = f"no organ {organ!r}. {suggestion(organ, known)}Known: {', '.join(known)}."
                raise fault(text, "organs", region)
        return self


class ImageCells(CellOptions):
    """The cell in which hits are counted, as in the plain case, and where."""

    regions: tuple[str, ...] | None = Field(
        default=None, min_length=1, max_length=200, description="only these; default: all, the rest of the body too"
    )


class EarlierDose(Part):
    """Dose of an earlier cycle, to be added."""

    dose: FolderName = Field(description="NIfTI of the dose in Gy, e.g. cycle-1/dose.nii.gz")
    ct: FolderName | None = Field(
        default=None,
        description="NIfTI of the CT (HU) it lies on: registered to this one; without it the places are the same",
    )


class ImagesOptions(Part):
    """How the case is computed."""

    samples: int = Field(default=400, ge=1, le=20_000, strict=True, description="of the uncertainty; 1: point estimate")
    seed: int = Field(default=1, ge=0, lt=2**32, strict=True)
    identity: Literal["remove", "link", "keep"] = Field(
        default="remove",
        description="remove: no name, ID, date or identifier of the images in the objects written; link: only the identifiers, so "
        "that they lie with the images in a PACS or planning system; keep: name, ID and dates too",
    )


class ImagesCase(Part):
    """Images of one administration: which dose did each region and voxel get."""

    case: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="names the folder of the results")
    title: str = Field(default="", max_length=300, description="first line of the report; default: the name")
    images: ImageSource
    agent: str = Field(default="radiopharmaceutical", min_length=1, max_length=64, description="for the dose report")
    calibration: CameraCalibration
    outlines: Outlines = Field(
        default_factory=Outlines,
        description="regions beside the contours in the folder: labels, segment, lesions, cortex",
    )
    therapy: TherapyNuclide | None = Field(
        default=None, description="the images are of a surrogate: dose of this nuclide, a prediction"
    )
    windows: dict[str, EnergyWindow] = Field(
        default_factory=dict,
        max_length=6,
        description="energy windows of a chain, by names of your own; the carrier's first",
    )
    low_counts: LowCountOptions = Field(default_factory=LowCountOptions)
    recovery: Recovery | None = Field(default=None, description="partial volume; left out: no correction")
    registration: RegistrationOptions = Field(default_factory=RegistrationOptions)
    fit: FitOptions = Field(default_factory=FitOptions)
    method: DoseMethod = Field(default_factory=DoseMethod, description="local, convolution or monte_carlo")
    biology: BiologyOptions | None = None
    daughters: ImageDaughters | None = Field(
        default=None, description="free or in_place; default: free where the chain emits alphas, else in_place"
    )
    cells: ImageCells = Field(default_factory=ImageCells, description="hits of nuclei by alphas")
    earlier: tuple[EarlierDose, ...] = Field(default=(), max_length=20, description="dose maps of earlier cycles")
    options: ImagesOptions = Field(default_factory=ImagesOptions)

    @field_validator("method", mode="before")
    @classmethod
    def _by_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("daughters", mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"model": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _survival_needs_tissues(self) -> Self:
        if self.biology is None and (self.cells.alpha_per_Gy is not None or self.cells.line is not None):
            text = "survival needs alpha/beta, repair half-time and RBE: give biology.tissues, or leave alpha_per_Gy and line out."
            raise fault(text, "cells")
        return self

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.windows:
            check_windows(self.windows)
            if self.daughters is not None and self.daughters.model == "free":
                raise fault(
                    "goes with images of one nuclide: energy windows show themselves where the daughters are.",
                    "daughters",
                )
            if self.therapy is not None:
                raise fault("goes with images of one nuclide, not with energy windows.", "therapy")
            if self.calibration.cps_per_MBq is not None:
                raise fault(
                    "each window says its own; here stands only sd, which they share.", "calibration", "cps_per_MBq"
                )
            if self.fit.voxels != "shape":
                raise fault("with energy windows voxels follow their region: shape.", "fit", "voxels")
            if self.recovery is not None and self.recovery.spheres is not None:
                raise fault("with energy windows give fwhm.", "recovery", "spheres")
        return self

    def sha256(self) -> str:
        """Hash of the case as read."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


_PARTS: Parts = {
    (): ImagesCase, ("images",): ImageSource, ("calibration",): CameraCalibration, ("recovery",): Recovery,
    ("recovery", "spheres", "*"): RecoverySphere, ("registration",): RegistrationOptions, ("fit",): FitOptions,
    ("method",): DoseMethod, ("biology",): BiologyOptions, ("biology", "tissues", "*"): Tissue,
    ("daughters",): ImageDaughters, ("cells",): ImageCells, ("earlier", "*"): EarlierDose, ("options",): ImagesOptions,
    ("outlines",): Outlines, ("outlines", "labels"): RegionMap, ("outlines", "segment"): Segmented,
    ("outlines", "lesions", "*"): Lesion, ("therapy",): TherapyNuclide, ("therapy", "uptake", "*"): Uptake,
    ("windows", "*"): EnergyWindow, ("low_counts",): LowCountOptions,
}  # fmt: skip


def is_images(path: str | pathlib.Path) -> bool:
    """Whether a case file is one of images: it has the key ``images``.

    Raises
    ------
    CaseError
        The file is missing, or no YAML.
    """
    file = pathlib.Path(path)
    _, data = _parse(_text_of(file), file.name)
    return "images" in data


def load_images(path: str | pathlib.Path) -> ImagesCase:
    """Read and check a case of images; messages as of `load`. The images themselves are read by `run_images`.

    Parameters
    ----------
    path : str or Path
        A YAML 1.2 file.

    Returns
    -------
    ImagesCase

    Raises
    ------
    CaseError
        One message per problem: the line, what was given, what is allowed, the nearest valid name.
    """
    return read_as(path, ImagesCase, _PARTS)
