"""A case of maps: voxel maps of decays or activity with a density map or a CT, as a frozen, checked value."""

from __future__ import annotations

import hashlib
import itertools
import json
import pathlib
import re
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from ._fields import Fraction, Part, TimeH, _text_with_unit, fault
from .reading import Parts, read_as

__all__ = ["MapsCase", "load_maps"]

ACTIVITY_UNITS = ("Bq", "kBq", "MBq", "Bq/mL", "kBq/mL", "MBq/mL")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9 _.-]{0,39}")


def _file(value: object) -> object:
    if isinstance(value, str) and (pathlib.PurePath(value).is_absolute() or ".." in pathlib.PurePath(value).parts):
        raise ValueError(f"{value!r}: maps lie beside the case file or in a folder below it; give the name from there.")
    return value


FileName = Annotated[
    str, BeforeValidator(_file), Field(min_length=1, max_length=200), WithJsonSchema({"type": "string"})
]
if TYPE_CHECKING:
    Moment = float
else:
    Moment = _text_with_unit("time", "h", 150 * 8766.0, zero=True)  # 0 is the moment of administration


class DensityMap(Part):
    """Density of every voxel."""

    map: FileName = Field(description="a NIfTI file beside the case, e.g. density.nii.gz")
    unit: Literal["g/mL", "kg/m3"] = Field(default="g/mL", description="of its values")


class CtMap(Part):
    """A CT in Hounsfield units, turned into densities and media by a published calibration."""

    map: FileName = Field(description="a NIfTI file beside the case, in HU, on the grid of the other maps")
    calibration: Literal["schneider2000"] = Field(default="schneider2000", description="density and medium by HU")
    padding: Literal["refuse", "air"] = Field(
        default="refuse", description="what values below -1100 HU are: an error, or the scanner's padding, taken as air"
    )
    metal: Literal["refuse", "clip"] = Field(
        default="refuse", description="what values above 3100 HU are: an error, or clipped there"
    )


class ActivityImage(Part):
    """Activity of every voxel at one time."""

    map: FileName = Field(description="a NIfTI file, e.g. spect-24h.nii.gz")
    time_h: Moment = Field(alias="time", description="after administration, e.g. '24 h'")


class NuclideSource(Part):
    """Decays of one nuclide in every voxel: given, or from activity at one or several times."""

    decays: FileName | None = Field(default=None, description="a NIfTI file with the number of decays in each voxel")
    activity: tuple[ActivityImage, ...] | None = Field(
        default=None, min_length=1, max_length=50, description="instead: images of activity, each with its time"
    )
    unit: Literal["Bq", "kBq", "MBq", "Bq/mL", "kBq/mL", "MBq/mL"] | None = Field(
        default=None, description="of the activity, in a voxel (Bq) or per volume (Bq/mL), not decay corrected"
    )
    scale: float = Field(default=1.0, gt=0, le=1e20, description="factor on the maps, e.g. 1e6")
    effective_half_life_h: TimeH | None = Field(
        default=None,
        alias="effective_half_life",
        description="after the last image (or of decays, for dose rates); default: physical decay",
    )
    before_first: Literal["rise", "constant", "extrapolate"] | None = Field(
        default=None,
        description="activity from 0 to the first image: rises linearly, is constant, or (default with one image) falls exponentially",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.decays is None) == (self.activity is None):
            raise fault("give decays, or activity with its unit, one of the two.", "decays")
        if self.activity is None:
            for key in ("unit", "before_first"):
                if getattr(self, key) is not None:
                    raise fault("goes with activity; a map of decays has none.", key)
            return self
        if self.unit is None:
            raise fault(f"is missing: the unit of the activity, one of {', '.join(ACTIVITY_UNITS)}.", "unit")
        times = [image.time_h for image in self.activity]
        if any(b <= a for a, b in itertools.pairwise(times)):
            raise fault("the images stand in the order of their times, each time once.", "activity")
        if len(times) > 1 and self.before_first == "extrapolate":
            raise fault("extrapolate goes with one image; with several say rise or constant.", "before_first")
        return self


class RegionMap(Part):
    """Regions as labels: whole numbers in a map."""

    map: FileName = Field(description="a NIfTI file of whole numbers, 0 for no region")
    names: dict[int, str] = Field(min_length=1, max_length=500, description="label: name, e.g. {1: kidney, 2: tumour}")

    @field_validator("names")
    @classmethod
    def _each_once(cls, value: dict[int, str]) -> dict[int, str]:
        for label, name in value.items():
            if label <= 0:
                raise fault(f"label {label}: labels are whole numbers above 0; 0 is no region.")
            if not _NAME.fullmatch(name):
                raise fault(
                    f"{name!r} cannot name a region; letters, digits, space, dot, dash, underscore, at most 40."
                )
        if len(set(value.values())) != len(value):
            raise fault("two labels have the same name.")
        return value


class DoseMethod(Part):
    """How decays become dose."""

    name: Literal["local", "convolution", "monte_carlo"] = Field(default="convolution", description="the method")
    uncertainty: Fraction | None = Field(
        default=None, description="monte_carlo: relative standard error to be reached, e.g. '2 %' (the default)"
    )
    region: str | None = Field(default=None, description="monte_carlo: the region whose voxels must reach it")
    max_batches: int = Field(
        default=1000, ge=1, le=10**6, strict=True, description="monte_carlo: where it stops at the latest"
    )
    batch_histories: int | None = Field(
        default=None, ge=1000, le=10**9, strict=True, description="monte_carlo: per batch"
    )
    denoise: Literal["none", "variance"] = Field(
        default="none",
        description="monte_carlo: smooth where the error bar is larger than the differences of neighbours",
    )

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.name != "monte_carlo":
            for key in ("uncertainty", "region", "batch_histories"):
                if getattr(self, key) is not None:
                    raise fault(f"goes with name: monte_carlo; {self.name} has no statistical uncertainty.", key)
            if self.denoise != "none":
                raise fault(f"goes with name: monte_carlo; {self.name} has no noise.", "denoise")
        if self.uncertainty is not None and not 0.0005 <= self.uncertainty <= 0.5:
            raise fault("lies between 0.05 % and 50 %.", "uncertainty")
        return self


class MapsOptions(Part):
    """How the case is computed."""

    seed: int = Field(default=1, ge=0, lt=2**32, strict=True, description="of the Monte Carlo and its kernels")


class MapsCase(Part):
    """Maps of decays in a body: one question, what dose each voxel and region gets."""

    case: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="names the folder of the results")
    title: str = Field(default="", max_length=300, description="first line of the report; default: the name")
    density: DensityMap | None = Field(default=None, description="a map of densities; or give ct")
    ct: CtMap | None = Field(default=None, description="a CT in HU; or give density")
    medium: str | None = Field(default=None, description="one medium everywhere; default: by density or HU")
    sources: dict[str, NuclideSource] = Field(
        min_length=1, max_length=20, description="nuclide: its maps, e.g. Lu-177: {decays: decays.nii.gz}"
    )
    chain: Literal["follow", "left_out"] | None = Field(
        default=None,
        description="progeny without maps of their own: follow (decay where their parent did) or left_out; no default where there are any",
    )
    regions: RegionMap | None = Field(default=None, description="labels of regions, for doses and histograms")
    method: DoseMethod = Field(default_factory=DoseMethod, description="local, convolution or monte_carlo")
    dose_rate_at: tuple[Moment, ...] = Field(default=(), max_length=20, description="times, e.g. ['1 h', '24 h']")
    options: MapsOptions = Field(default_factory=MapsOptions, description="how it is computed")

    @field_validator("method", mode="before")
    @classmethod
    def _by_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if (self.density is None) == (self.ct is None):
            raise fault("give density or ct, one of the two.", "density" if self.ct is None else "ct")
        if self.method.region is not None:
            from ..errors import suggestion

            known = list(self.regions.names.values()) if self.regions is not None else []
            if self.method.region not in known:
                text = f"there is no region {self.method.region!r}. {suggestion(self.method.region, known)}"
                raise fault(f"{text}Regions: {', '.join(known) or 'none; give regions'}.", "method", "region")
        for name, given in self.sources.items():
            if self.dose_rate_at and given.decays is not None and given.effective_half_life_h is None:
                raise fault(
                    "dose rates need the course of time; a map of decays has none. Give its effective_half_life, or activity.",
                    "sources", name, "effective_half_life",
                )  # fmt: skip
        return self

    def sha256(self) -> str:
        """Hash of the case as read: the same numbers give the same hash, whatever the spacing of the file."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


_PARTS: Parts = {
    (): MapsCase, ("density",): DensityMap, ("ct",): CtMap, ("sources", "*"): NuclideSource,
    ("sources", "*", "activity", "*"): ActivityImage, ("regions",): RegionMap, ("method",): DoseMethod,
    ("options",): MapsOptions,
}  # fmt: skip


def load_maps(path: str | pathlib.Path) -> MapsCase:
    """Read and check a case file of maps; messages as of `load`. The maps themselves are read by `run_maps`.

    Parameters
    ----------
    path : str or Path
        A YAML 1.2 file.

    Returns
    -------
    MapsCase

    Raises
    ------
    CaseError
        One message per problem: the line, what was given, what is allowed, the nearest valid name.
    """
    return read_as(path, MapsCase, _PARTS)
