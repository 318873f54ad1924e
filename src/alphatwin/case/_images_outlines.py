"""Regions of a case of images beyond the contours in its folder: a label map, TotalSegmentator, thresholds, a cortex."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from ..units import read_quantity
from ._fields import Part, VolumeML, fault
from .maps import RegionMap

__all__ = ["Lesion", "Outlines", "Segmented"]

Place = tuple[float, float, float]
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9 _.-]{0,39}")
_CONCENTRATION = re.compile(r"^\s*(.+?)\s*(k|M|)Bq/mL\s*$")
_PREFIX = {"": 1e-6, "k": 1e-3, "M": 1.0}


def _thickness(value: object) -> float:
    number = read_quantity(value, "mm", "length")
    if not 1.0 <= number <= 50.0:
        raise ValueError(f"{value!r} is out of range; give 1 to 50 mm.")
    return number


def _threshold(value: object) -> tuple[str, float | None]:
    """``42 %`` of the hottest voxel, ``0.8 MBq/mL``, or ``adaptive``."""
    if isinstance(value, tuple | list) and len(value) == 2:
        return value[0], value[1]
    if isinstance(value, str) and value.strip() == "adaptive":
        return "adaptive", None
    if isinstance(value, str) and (match := _CONCENTRATION.match(value)):
        try:
            number = float(match[1]) * _PREFIX[match[2]]
        except ValueError:
            number = -1.0
        if 0 < number < 1e6:
            return "absolute", number
    elif isinstance(value, str) and value.strip().endswith("%"):
        share = read_quantity(value, "1", "percent or fraction")
        if 0 < share < 1:
            return "fraction", share
    raise ValueError(f"{value!r} is no threshold; give '42 %' of the hottest voxel, '0.8 MBq/mL', or adaptive.")


if TYPE_CHECKING:
    Depth = float
    Threshold = tuple[Literal["fraction", "absolute", "adaptive"], float | None]
else:
    Depth = Annotated[
        float, BeforeValidator(_thickness), WithJsonSchema({"type": "string", "examples": ["8 mm"], "unit": "mm"})
    ]
    Threshold = Annotated[
        tuple[Literal["fraction", "absolute", "adaptive"], float | None],
        BeforeValidator(_threshold),
        WithJsonSchema({"type": "string", "examples": ["42 %", "0.8 MBq/mL", "adaptive"]}),
    ]


class Lesion(Part):
    """A region of the reference's emission image: the voxels above a threshold about the hottest one."""

    seed_mm: Place | None = Field(
        default=None, description="x, y, z in it, DICOM's axes; the hottest voxel within 15 mm is taken"
    )
    box_mm: tuple[Place, Place] | None = Field(default=None, description="instead: two opposite corners around it")
    within: str | None = Field(
        default=None, description="instead: the hottest place of this region, and only inside it"
    )
    threshold: Threshold = Field(
        default="42 %",
        validate_default=True,
        description="'42 %' of the hottest voxel, '0.8 MBq/mL', or adaptive: half-way to the background",
    )
    largest_mL: VolumeML = Field(
        default="500 mL", validate_default=True, alias="largest", description="more is a leak, and refused"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(v is not None for v in (self.seed_mm, self.box_mm, self.within)) != 1:
            raise fault("give seed_mm, box_mm or within, one of the three.")
        return self


class Segmented(Part):
    """Organs by TotalSegmentator, where it is installed."""

    regions: tuple[str, ...] = Field(min_length=1, max_length=50, description="e.g. [kidney_left, liver, spleen]")
    fast: bool = Field(default=False, strict=True, description="its model of 3 mm")

    @field_validator("regions")
    @classmethod
    def _plain(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(f"{name!r} is no name of a region there; small letters, digits, underscore.")
        return value


class Outlines(Part):
    """Regions beside, or instead of, the contours and segmentations in the folder; all on the reference."""

    labels: RegionMap | None = Field(default=None, description="a NIfTI label map in the place of the reference")
    segment: Segmented | None = Field(default=None, description="organs on the reference's CT by TotalSegmentator")
    lesions: dict[str, Lesion] = Field(
        default_factory=dict, max_length=100, description="by threshold on the reference's SPECT or PET"
    )
    cortex: dict[str, Depth] = Field(
        default_factory=dict,
        max_length=10,
        description="region: thickness of its outer shell, e.g. {kidney_left: 8 mm}; gives <region>_cortex and <region>_medulla",
    )

    @field_validator("lesions")
    @classmethod
    def _named(cls, value: dict[str, Lesion]) -> dict[str, Lesion]:
        for name in value:
            if not _NAME.fullmatch(name):
                raise fault(
                    f"{name!r} cannot name a region; letters, digits, space, dot, dash, underscore, at most 40."
                )
        return value

    @field_validator("segment", mode="before")
    @classmethod
    def _by_list(cls, value: object) -> object:
        return {"regions": value} if isinstance(value, list | tuple) else value
