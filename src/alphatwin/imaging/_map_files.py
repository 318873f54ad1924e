"""NIfTI maps for dosimetry: looked at before they are loaded, loaded onto one grid, nothing resampled silently.

Arrays are turned to ``[z, y, x]`` (the file's third, second and first axis). The edges of a voxel are the lengths of the
columns of the affine, so a rotated (oblique) grid is used as it is; a sheared one is refused.
"""

from __future__ import annotations

import hashlib
import math
import pathlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import AlphatwinError, CaseError, DomainError, suggestion
from ._nifti_file import open_nifti

__all__ = ["MapGrid", "MapHeader", "MapValues", "check_same_grid", "grid_of", "read_header", "read_map", "save_map"]

Array = npt.NDArray[np.float64]

TOLERANCE_MM = 0.05  # by which the corners of two grids may differ
_SHEAR = 1e-3


@dataclass(frozen=True, eq=False)
class MapHeader:
    """What the header of a map says; nothing but the header has been read."""

    name: str
    file: pathlib.Path
    shape: tuple[int, int, int]
    affine: Array
    bytes: int
    placed: bool

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class MapGrid:
    """The common grid: shape [z, y, x], edges (z, y, x) in mm, affine of (i, j, k) to mm."""

    shape: tuple[int, int, int]
    voxel_mm: tuple[float, float, float]
    affine: Array
    oblique: bool


@dataclass(frozen=True, eq=False)
class MapValues:
    """A loaded map: values [z, y, x] and the SHA-256 of its file."""

    name: str
    values: Array
    sha256: str


def _nibabel() -> Any:
    try:
        import nibabel
    except ImportError:
        raise AlphatwinError("NIfTI maps need nibabel: pip install 'alphatwin[images]'.") from None
    return nibabel


def read_header(file: pathlib.Path, name: str) -> MapHeader:
    """Read the header of a NIfTI file and check that the file can hold what it announces.

    Raises
    ------
    CaseError
        No such file, no NIfTI file, not three axes, complex or colour values, a file too small for its voxels.
    """
    _nibabel()
    if not file.exists() or file.is_dir():
        near = [p.name for p in file.parent.glob("*.nii*")] if file.parent.is_dir() else []
        what = "is a folder" if file.is_dir() else "there is no such file"
        raise CaseError(f"{name}: {what}. {suggestion(file.name, near)}Maps lie beside the case file.")
    try:
        found = open_nifti(file)
    except Exception as error:
        raise CaseError(f"{name} is not a NIfTI file that can be read (.nii or .nii.gz): {_reason(error)}.") from None
    shape, kind = found.shape, found.dtype
    if len(shape) != 3 or min(shape) < 1:
        raise CaseError(f"{name} has the shape {shape}; a map has three axes. Split a series into one file per time.")
    if kind.kind not in "iuf":
        raise CaseError(f"{name} holds values of the type {kind}; a map holds plain numbers.")
    edges = np.linalg.norm(found.affine[:3, :3], axis=0)
    if not np.isfinite(found.affine).all() or not (edges > 0).all() or not np.isfinite(edges).all():
        raise CaseError(f"{name}: its affine gives no size of a voxel; write a valid sform or qform.")
    if found.needed > found.room + 1:
        size = file.stat().st_size
        packed = " packed" if found.room > size else ""
        raise CaseError(
            f"{name} announces {found.needed / 1e6:.3g} MB but has only {size / 1e6:.3g} MB{packed}: it is truncated, "
            "or its header is wrong."
        )
    i, j, k = shape
    return MapHeader(name, file, (i, j, k), found.affine, math.prod(shape) * kind.itemsize, bool(found.forms))


def _reason(error: Exception) -> str:
    """In a few words, without the path of the file."""
    told = (error.strerror or "") if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(told.split())[:120] or type(error).__name__


def grid_of(header: MapHeader) -> MapGrid:
    """The grid of a map, with edges from the columns of its affine.

    Raises
    ------
    CaseError
        Axes that are not at right angles.
    """
    columns = header.affine[:3, :3]
    edges = np.linalg.norm(columns, axis=0)
    unit = columns / edges
    if float(np.abs(unit.T @ unit - np.eye(3)).max()) > _SHEAR:
        raise CaseError(
            f"{header.name}: the axes of its grid are not at right angles (sheared affine). Resample it first."
        )
    oblique = bool(np.sum(np.abs(unit) > _SHEAR) > 3)
    i, j, k = header.shape
    x, y, z = (round(float(e), 6) for e in edges)  # affines are stored in 32 bits: 2.9999999 is 3
    return MapGrid((k, j, i), (z, y, x), header.affine, oblique)


def check_same_grid(first: MapHeader, other: MapHeader) -> None:
    """Both maps have one grid: shape, and every corner within `TOLERANCE_MM`; the message names the difference.

    Raises
    ------
    CaseError
    """
    if first.shape != other.shape:
        raise CaseError(
            f"{other.name} has {_times(other.shape)} voxels, {first.name} has {_times(first.shape)}. All maps share one "
            "grid: resample one of them."
        )
    corners = np.array([[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * np.array([*first.shape, 1])
    apart = (corners @ (other.affine - first.affine).T)[:, :3]
    worst = float(np.linalg.norm(apart, axis=1).max())
    if worst <= TOLERANCE_MM:
        return
    sizes = [np.linalg.norm(h.affine[:3, :3], axis=0) for h in (first, other)]
    if not np.allclose(sizes[0], sizes[1], rtol=1e-3):
        raise CaseError(
            f"{other.name} has voxels of {_edges(sizes[1])} mm, {first.name} of {_edges(sizes[0])} mm. All maps share one "
            "grid: resample one of them."
        )
    shift = other.affine[:3, 3] - first.affine[:3, 3]
    turned = not np.allclose(other.affine[:3, :3], first.affine[:3, :3], atol=1e-3 * float(sizes[0].min()))
    how = (
        "another orientation (rotated or mirrored)" if turned else f"an origin shifted by {_edges(shift)} mm (x, y, z)"
    )
    raise CaseError(
        f"{other.name} has {how} against {first.name}; corners lie up to {worst:.3g} mm apart. All maps share one grid: "
        "resample one of them."
    )


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in shape)


def _edges(values: Array) -> str:
    return " x ".join(f"{v:.4g}" for v in values)


def read_map(header: MapHeader) -> MapValues:
    """Load a map as floats [z, y, x], scaled as its header says.

    Raises
    ------
    CaseError
        A truncated or damaged file.
    """
    try:
        values = open_nifti(header.file).values().reshape(header.shape)
        digest = hashlib.sha256()
        with header.file.open("rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
    except Exception as error:
        raise CaseError(f"{header.name} is truncated or damaged: {_reason(error)}.") from None
    return MapValues(header.name, np.ascontiguousarray(values.transpose(2, 1, 0)), digest.hexdigest())


def save_map(values: npt.NDArray[Any], grid: MapGrid, file: pathlib.Path, described: str) -> None:
    """Write an array [z, y, x] as NIfTI on a grid, 32-bit floats, mm; the same bytes every time."""
    import gzip

    nibabel = _nibabel()
    if values.shape != grid.shape:
        raise DomainError(f"values have shape {values.shape}, the grid has {grid.shape}.")
    kind = np.uint8 if values.dtype == bool else np.float32
    image = nibabel.Nifti1Image(np.ascontiguousarray(values.transpose(2, 1, 0)).astype(kind), grid.affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = described.encode()[:79]
    image.set_sform(grid.affine, code=1)
    plain = image.to_bytes()
    if file.suffix == ".gz":
        with file.open("wb") as raw, gzip.GzipFile("", "wb", 4, raw, mtime=0) as packed:
            packed.write(plain)
    else:
        with file.open("wb") as raw:
            raw.write(plain)
