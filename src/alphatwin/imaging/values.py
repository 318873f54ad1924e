"""The values of this room: a `Grid` in space, an `Image` on it, `Labels` of regions, a `Study` of time points.

One convention for all: arrays are ``[z, y, x]``; ``Grid.affine`` takes voxel indices ``(x, y, z, 1)`` of a voxel's centre
to patient coordinates in mm, LPS as in DICOM (left, posterior, superior positive). NIfTI's RAS is turned at the border.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..errors import ImageError

__all__ = ["Acquisition", "Box", "Boxes", "Grid", "Image", "Labels", "Mask", "Quantity", "Study", "TimePoint", "box_of",
           "with_offset"]  # fmt: skip

Mask = npt.NDArray[np.generic]
Box = tuple[slice, slice, slice]

Quantity = Literal["hu", "counts", "activity_concentration", "activity", "decays", "absorbed_dose", "density", "other"]
UNITS: dict[str, str] = {
    "hu": "HU",
    "counts": "1",
    "activity_concentration": "MBq/mL",
    "activity": "MBq",
    "decays": "1",
    "absorbed_dose": "Gy",
    "density": "g/cm3",
    "other": "",
}
ORTHOGONAL = 1e-4  # direction cosines are written with about six decimals


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of an image are.

    Attributes
    ----------
    shape : tuple of int
        ``(z, y, x)``.
    affine : array[4, 4]
        Voxel indices ``(x, y, z, 1)`` to LPS mm, centres of voxels.
    """

    shape: tuple[int, int, int]
    affine: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=float)
        sides: tuple[int, ...] = self.shape  # a caller may give any number of them
        if len(sides) != 3 or min(sides) < 1:
            raise ImageError(f"A grid has three sides of at least one voxel; given was {self.shape}.")
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or not np.array_equal(affine[3], [0, 0, 0, 1]):
            raise ImageError("The affine of a grid is a finite 4 x 4 matrix whose last row is 0 0 0 1.")
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        if not (spacing > 0).all():
            raise ImageError(f"A voxel has sides above zero; the affine gives {spacing.tolist()} mm.")
        cosines = affine[:3, :3] / spacing
        if np.abs(cosines.T @ cosines - np.eye(3)).max() > ORTHOGONAL:
            raise ImageError(
                "The axes of a grid are at right angles; this affine is sheared. Resample the image first."
            )
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @property
    def voxel_mm(self) -> tuple[float, float, float]:
        """Sides of a voxel, ``(z, y, x)``, mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(z), float(y), float(x)

    @property
    def voxel_mL(self) -> float:
        """Volume of a voxel, mL."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def same_as(self, other: Grid, tolerance_mm: float = 0.01) -> bool:
        """Whether both grids have the same shape and all corners within ``tolerance_mm``."""
        if self.shape != other.shape:
            return False
        nz, ny, nx = self.shape
        corners = np.array([[x, y, z, 1] for x in (0, nx - 1) for y in (0, ny - 1) for z in (0, nz - 1)], dtype=float).T
        return bool(np.abs((self.affine - other.affine) @ corners).max() <= tolerance_mm)

    def cut(self, box: Box) -> Grid:
        """The part of the grid that a box ``(z, y, x)`` of indices cuts out."""
        affine = self.affine.copy()
        affine[:, 3] = self.affine @ [box[2].start, box[1].start, box[0].start, 1.0]
        z, y, x = (side.stop - side.start for side in box)
        return Grid((z, y, x), affine)


def with_offset(moment: datetime.datetime) -> datetime.datetime:
    """The same instant with its offset from UTC written out; a time without a zone stays as it is.

    Two times of one named zone subtract and compare as their clocks read, not as instants: over a change to summer time an
    hour is missing. With an offset they cannot.

    Parameters
    ----------
    moment : datetime

    Returns
    -------
    datetime

    Raises
    ------
    ImageError
        A time in the hour of a clock change: it occurs twice, or not at all.

    Examples
    --------
    >>> import zoneinfo
    >>> berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    >>> a, b = (datetime.datetime(2026, 3, day, 9, tzinfo=berlin) for day in (28, 29))
    >>> (b - a).total_seconds() / 3600, (with_offset(b) - with_offset(a)).total_seconds() / 3600
    (24.0, 23.0)
    """
    offset = moment.utcoffset()
    if offset is None:
        return moment
    if offset != moment.replace(fold=1 - moment.fold).utcoffset():
        raise ImageError(
            "A time falls into the hour of a clock change, where a clock shows it twice or never: give the zone as an offset "
            "(+01:00)."
        )
    return moment.replace(tzinfo=datetime.timezone(offset), fold=0)


@dataclass(frozen=True)
class Acquisition:
    """What must be known of a nuclear-medicine image before its numbers mean anything; None is "not stated".

    Attributes
    ----------
    started : datetime, optional
        Start of the acquisition, with its zone.
    duration_s : float, optional
        Of the acquisition (of one frame for SPECT: the whole rotation).
    nuclide : str, optional
        The imaged nuclide, ``Lu-177``.
    administered_MBq, administered_at : float, datetime, optional
        As written in the object.
    decay_corrected_to : {"none", "start", "administration"}, optional
        The time to which the numbers were corrected for decay.
    energy_windows_keV : tuple of (float, float)
        Lower and upper limits.
    MBq_per_count : float, optional
        Of a calibrated image: activity that one count stands for, where that is known. A blank image is uncertain by it.
    """

    started: datetime.datetime | None = None
    duration_s: float | None = None
    nuclide: str | None = None
    administered_MBq: float | None = None
    administered_at: datetime.datetime | None = None
    decay_corrected_to: Literal["none", "start", "administration"] | None = None
    energy_windows_keV: tuple[tuple[float, float], ...] = ()
    MBq_per_count: float | None = None

    def __post_init__(self) -> None:
        for name in ("started", "administered_at"):
            if (moment := getattr(self, name)) is not None:
                object.__setattr__(self, name, with_offset(moment))


@dataclass(frozen=True, eq=False)
class Image:
    """Numbers on a grid, with what they mean.

    Attributes
    ----------
    array : array[z, y, x]
        Float32 or float64.
    grid : Grid
        Where.
    quantity : str
        One of `Quantity`; its unit is `unit`.
    modality : str
        ``CT``, ``NM``, ``PT`` or ``OT``.
    frame_of_reference : str, optional
        DICOM's frame of reference UID: images that share it are registered by the scanner.
    acquisition : Acquisition
        Times, nuclide, windows.
    sigma : array[z, y, x], optional
        One standard uncertainty of each voxel, in the same unit.
    source : str
        What it was read or made from, without a patient's identity: modality, series number, digest.
    notes : tuple of str
        What was assumed, for the report.
    """

    array: npt.NDArray[np.floating]
    grid: Grid
    quantity: Quantity
    modality: str = "OT"
    frame_of_reference: str | None = None
    acquisition: Acquisition = field(default_factory=Acquisition)
    sigma: npt.NDArray[np.floating] | None = None
    source: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.quantity not in UNITS:
            raise ImageError(f"An image has no quantity {self.quantity!r}; known are {', '.join(UNITS)}.")
        for name in ("array", "sigma"):
            values = getattr(self, name)
            if values is None:
                continue
            if values.shape != self.grid.shape:
                raise ImageError(f"Image.{name} has shape {values.shape}, its grid {self.grid.shape}.")
            if not np.issubdtype(values.dtype, np.floating):
                raise ImageError(f"Image.{name} holds {values.dtype}; float32 or float64 is needed.")
            if not np.isfinite(values).all():
                raise ImageError(f"Image.{name} has {int((~np.isfinite(values)).sum())} voxels that are not finite.")

    @property
    def unit(self) -> str:
        """Unit of the numbers."""
        return UNITS[self.quantity]


@dataclass(frozen=True, eq=False)
class Boxes(Mapping[str, Mask]):
    """Masks of a large grid, each kept as the box that holds it; ``boxes[name]`` makes it whole and cannot be written to.

    Attributes
    ----------
    shape : tuple of int
        ``(z, y, x)`` of the grid.
    parts : dict of str to (box, array)
        What is inside of each box; outside of it the mask is zero.

    Examples
    --------
    >>> dot = Boxes((4, 4, 4), {"dot": ((slice(1, 2), slice(2, 3), slice(3, 4)), np.ones((1, 1, 1), bool))})
    >>> np.argwhere(dot["dot"]).tolist()
    [[1, 2, 3]]
    """

    shape: tuple[int, int, int]
    parts: Mapping[str, tuple[Box, Mask]]

    @classmethod
    def of(cls, shape: tuple[int, int, int], masks: Iterable[tuple[str, Mask]]) -> Boxes:
        """From whole masks with their names, one after the other."""
        made: dict[str, tuple[Box, Mask]] = {}
        for name, whole in masks:
            box = box_of(whole)
            made[name] = box, whole[box].copy()
        return cls(shape, made)

    def __getitem__(self, name: str) -> Mask:
        box, part = self.parts[name]
        whole = np.zeros(self.shape, part.dtype)
        whole[box] = part
        whole.setflags(write=False)
        return whole

    def __contains__(self, name: object) -> bool:
        return name in self.parts

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)


def box_of(mask: Mask) -> Box:
    """The smallest box that holds all that is not zero; of an empty mask, its first voxel."""
    sides = []
    inside = mask != 0 if mask.dtype != np.bool_ else mask
    for axis in range(3):
        seen = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        if not len(seen):
            return slice(0, 1), slice(0, 1), slice(0, 1)
        sides.append(slice(int(seen[0]), int(seen[-1]) + 1))
        inside = inside[(*(slice(None),) * axis, sides[-1])]
    return sides[0], sides[1], sides[2]


@dataclass(frozen=True, eq=False)
class Labels:
    """Regions as masks on one grid; regions may overlap (kidney and its cortex).

    Attributes
    ----------
    masks : mapping of str to array[z, y, x]
        Share of each voxel inside the region, 0 to 1 (float32), or bool. What was read is kept as `Boxes`.
    grid : Grid
        Where.
    frame_of_reference : str, optional
        As of `Image`.
    volume_sd_mL : dict of str to float
        Standard uncertainty of the volume, where it was worked out.
    """

    masks: Mapping[str, Mask]
    grid: Grid
    frame_of_reference: str | None = None
    volume_sd_mL: dict[str, float] = field(default_factory=dict)
    source: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.masks:
            mask = self._part(name)[1]
            shape = self.masks.shape if isinstance(self.masks, Boxes) else mask.shape
            if shape != self.grid.shape:
                raise ImageError(f"Region {name!r} has shape {shape}, its grid {self.grid.shape}.")
            if mask.dtype != np.bool_ and not (
                np.issubdtype(mask.dtype, np.floating) and mask.min() >= 0 and mask.max() <= 1
            ):
                raise ImageError(f"Region {name!r} must be a mask of bool, or of shares between 0 and 1.")

    def _part(self, name: str) -> tuple[Box | None, Mask]:
        """What is stored of a mask, and the box that it fills where it is not whole."""
        if name not in self.masks:
            raise ImageError(f"There is no region {name!r}; there are {', '.join(self.masks) or 'none'}.")
        return self.masks.parts[name] if isinstance(self.masks, Boxes) else (None, self.masks[name])

    def volume_mL(self, name: str) -> float:
        """Volume of a region, mL."""
        return float(self._part(name)[1].sum(dtype=float)) * self.grid.voxel_mL

    def only(self, names: Sequence[str]) -> Labels:
        """Some of the regions, without a copy of them."""
        if isinstance(self.masks, Boxes):
            kept: Mapping[str, Mask] = Boxes(self.masks.shape, {n: self.masks.parts[n] for n in names})
        else:
            kept = {n: self.masks[n] for n in names}
        return replace(self, masks=kept, volume_sd_mL={n: v for n, v in self.volume_sd_mL.items() if n in names})

    def joined(self, other: Labels) -> Labels:
        """With the regions of another set on the same grid."""
        mine, theirs = self.masks, other.masks
        masks: Mapping[str, Mask]
        if isinstance(mine, Boxes) and isinstance(theirs, Boxes):
            masks = Boxes(mine.shape, {**mine.parts, **theirs.parts})
        else:
            masks = {**mine, **theirs}
        return replace(
            self, masks=masks, volume_sd_mL={**self.volume_sd_mL, **other.volume_sd_mL},
            source=f"{self.source}, {other.source}", notes=(*self.notes, *other.notes),
        )  # fmt: skip

    def box(self, name: str) -> Box:
        """The box of indices ``(z, y, x)`` outside of which a region has nothing."""
        box, mask = self._part(name)
        return box or box_of(mask)

    def within(self, name: str, box: Box) -> Mask:
        """What a region has in a box of indices."""
        stored, mask = self._part(name)
        if stored is None:
            return mask[box]
        out = np.zeros([side.stop - side.start for side in box], mask.dtype)
        both = [(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(stored, box, strict=True)]
        if all(low < high for low, high in both):
            here = tuple(slice(a - s.start, b - s.start) for (a, b), s in zip(both, box, strict=True))
            out[here] = mask[tuple(slice(a - s.start, b - s.start) for (a, b), s in zip(both, stored, strict=True))]
        return out

    def cropped(self, name: str, margin: int = 0) -> Labels:
        """One region on the part of the grid that holds it, and up to `margin` voxels of the grid round it."""
        z, y, x = (
            slice(max(s.start - margin, 0), min(s.stop + margin, n))
            for s, n in zip(self.box(name), self.grid.shape, strict=True)
        )
        outer = z, y, x
        spread = {name: self.volume_sd_mL[name]} if name in self.volume_sd_mL else {}
        return replace(self, masks={name: self.within(name, outer)}, grid=self.grid.cut(outer), volume_sd_mL=spread)


@dataclass(frozen=True, eq=False)
class TimePoint:
    """Everything of one visit: the emission image and what was acquired with it.

    Attributes
    ----------
    emission : Image
        SPECT or PET; one per energy window in ``windows``.
    ct : Image, optional
        Of the same session.
    labels : Labels, optional
        Contours or a segmentation of the same session.
    windows : dict of str to Image
        Further emission images of the same session by name (``440keV``).
    """

    emission: Image
    ct: Image | None = None
    labels: Labels | None = None
    windows: dict[str, Image] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Study:
    """Time points of one administration, in order of time.

    Attributes
    ----------
    points : tuple of TimePoint
        In order of ``emission.acquisition.started``.
    administered_MBq : float
        Activity given, at ``administered_at``.
    administered_at : datetime
        With its zone.
    nuclide : str
        Imaged nuclide.
    """

    points: tuple[TimePoint, ...]
    nuclide: str
    administered_MBq: float
    administered_at: datetime.datetime
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.points:
            raise ImageError("A study has at least one time point.")
        if self.administered_at.tzinfo is None:
            raise ImageError("The time of administration has no zone: write it as 2026-03-01T10:00:00+01:00.")
        object.__setattr__(self, "administered_at", with_offset(self.administered_at))
        for k, point in enumerate(self.points, 1):
            started = point.emission.acquisition.started
            if started is None or started.tzinfo is None:
                raise ImageError(f"Time point {k} has no time of acquisition with a zone.")
            if started < self.administered_at:
                raise ImageError(f"Time point {k} was acquired before the administration.")

    @property
    def times_h(self) -> npt.NDArray[np.float64]:
        """Start of each acquisition after the administration, h."""
        starts = [point.emission.acquisition.started for point in self.points]
        return np.array([(s - self.administered_at).total_seconds() / 3600.0 for s in starts if s is not None])
