"""Organ S values in a voxel phantom of your own: a grid of region numbers, a medium and a density for every region.

Photons are followed through the grid by the Monte Carlo of the stylised bodies (`_body_transport`: Woodcock's rejection,
collision estimator of the energy transferred, sums per history), at a few energies, from every region. That gives specific
absorbed fractions with their standard errors; `organ_s_values` makes S of any nuclide from them. See docs/bodies.md.
"""

from __future__ import annotations

import functools
import math
import os
import pathlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import catalog
from ..errors import AlphatwinError, DomainError, suggestion

if TYPE_CHECKING:
    from ..physics.matter import Material
    from ._body_transport import BodyWorld
    from .bodies import BodyFractions

__all__ = ["VoxelPhantom", "read_voxel_phantom"]

Labels = npt.NDArray[np.uint8]

DENSITY_LIMITS = (1e-4, 20.0)
ENERGIES_MEV = (0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
_OUTSIDE = "outside"


@dataclass(frozen=True, eq=False)
class VoxelPhantom:
    """A voxel phantom, checked at birth.

    Attributes
    ----------
    labels : array[z, y, x] of int
        0 is outside (nothing there), others stand in `regions`.
    voxel_mm : (z, y, x)
        Edges of a voxel, in the order of the axes of `labels`, as everywhere.
    regions : mapping of str to int
        Number of every region; each number in `labels` has a name.
    media : mapping of str to str
        Medium of every region, by catalogue id (``alphatwin list medium``).
    density_g_per_cm3 : mapping of str to float, optional
        Of every region; default: that of its medium.
    name : str
        Goes into the result.
    histories : int
        Photons from each region at each of 12 energies.
    seed : int

    Raises
    ------
    DomainError
        Labels that are not whole numbers or have no name, a region without voxels or medium, a density that cannot be.
    CatalogError
        An unknown medium.

    Examples
    --------
    >>> labels = np.ones((12, 12, 12), dtype=int)
    >>> labels[4:8, 4:8, 4:8] = 2
    >>> phantom = VoxelPhantom(labels, (10, 10, 10), {"body": 1, "liver": 2},
    ...                        {"body": "soft-tissue", "liver": "liver"}, histories=2000)
    >>> round(phantom.masses_g["liver"], 1)
    67.8
    """

    labels: npt.ArrayLike
    voxel_mm: tuple[float, float, float]
    regions: Mapping[str, int]
    media: Mapping[str, str]
    density_g_per_cm3: Mapping[str, float] | None = None
    name: str = "voxel phantom"
    histories: int = 200_000
    seed: int = 1

    def __post_init__(self) -> None:
        grid = _whole_numbers(np.asarray(self.labels))
        asked: Any = self.voxel_mm
        edges = tuple(_number(e) for e in asked) if isinstance(asked, Iterable) else ()
        if len(edges) != 3 or not all(0.01 <= e <= 100 for e in edges):
            raise DomainError(f"voxel_mm given as {self.voxel_mm!r}; give three edges (z, y, x) of 0.01 to 100 mm.")
        for what, count, least in (("histories", self.histories, 100), ("seed", self.seed, 0)):
            if not (least <= _number(count) <= 10**9 and int(count) == count):
                raise DomainError(f"{what} given as {count!r}; give a whole number from {least} to 1e9.")
        regions = dict(self.regions)
        _check_regions(grid, regions)
        for what, given in (("medium", self.media), ("density", self.density_g_per_cm3 or {})):
            for region in given:
                if region not in regions:
                    hint = suggestion(region, regions)
                    raise DomainError(
                        f"A {what} is given for {region!r}, which is no region of the phantom. {hint}".rstrip()
                    )
        for region in regions:
            if region not in self.media:
                raise DomainError(f"The region {region} has no medium; give one of `alphatwin list medium`.")
        media = {n: catalog.medium(self.media[n]).id for n in regions}
        density = {n: catalog.medium(m).density.value for n, m in media.items()} | dict(self.density_g_per_cm3 or {})
        low, high = DENSITY_LIMITS
        for region, rho in density.items():
            if not low <= _number(rho) <= high:
                raise DomainError(
                    f"The density of {region} is {rho!r} g/cm3; it lies between {low:g} and {high:g} g/cm3."
                )
        numbered = np.zeros(int(grid.max()) + 1, dtype=np.uint8)
        for k, number in enumerate(regions.values(), start=1):
            numbered[number] = k
        packed = numbered[grid]
        packed.flags.writeable = False
        for attribute, value in (
            ("labels", packed), ("voxel_mm", edges), ("regions", MappingProxyType(regions)),
            ("media", MappingProxyType(media)), ("density_g_per_cm3", MappingProxyType(density)),
        ):  # fmt: skip
            object.__setattr__(self, attribute, value)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the regions, in order."""
        return tuple(self.regions)

    @property
    def masses_g(self) -> dict[str, float]:
        """Mass of every region."""
        return self._grid.masses_g()

    @functools.cached_property
    def _grid(self) -> _Grid:
        edges = self.voxel_mm[2] / 10, self.voxel_mm[1] / 10, self.voxel_mm[0] / 10  # x, y, z
        return _Grid(np.asarray(self.labels), (_OUTSIDE, *self.names), edges, dict(self.density_g_per_cm3 or {}))

    @functools.cached_property
    def fractions(self) -> BodyFractions:
        """Specific absorbed fractions from every region to every other, computed when first asked for."""
        from ._body_transport import follow
        from .bodies import joined_fractions

        world = self._world()
        masses = self.masses_g
        rows = []
        for i, source in enumerate(self.names):
            for j, energy in enumerate(ENERGIES_MEV):
                mean, error = follow(
                    world, source, energy, histories=self.histories, seed=self.seed, stream=1000 * i + j
                )
                rows += [
                    (source, target, energy, 1e3 * mean[k] / masses[target], 1e3 * error[k] / masses[target])
                    for k, target in enumerate(self.names, start=1)
                    if mean[k] > 0
                ]
        return joined_fractions(masses, rows, self.names)  # a surface may lie anywhere: reciprocity only where it must

    def _world(self) -> BodyWorld:
        from ..physics.matter import medium
        from . import _mc_tables as tables
        from ._body_transport import BodyWorld

        kinds = sorted(set(self.media.values()))
        made: list[Any] = [tables._photon_columns(_material(medium(m))) for m in kinds]
        photon = np.stack([m[0] for m in made])
        density = np.array([0.0, *(float(self._grid.density[n]) for n in self.names)])
        tissue = np.array([0, *(kinds.index(self.media[n]) for n in self.names)])
        top = np.array([max(density[1:][tissue[1:] == k]) for k in range(len(kinds))])
        mu = photon[:, :, tables.MU] * top[:, None]
        both = np.maximum(mu, np.concatenate([mu[:, 1:], mu[:, -1:]], axis=1)).max(axis=0)
        marrow, red = np.zeros(len(density)), np.zeros(photon.shape[1])
        columns = np.stack([m[1] for m in made]), np.stack([m[2] for m in made])
        return BodyWorld(self._grid, tissue, density, photon, *columns, both, marrow, red)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class _Grid:
    """What `BodyWorld` asks of a grid."""

    labels: Labels
    names: tuple[str, ...]
    edges_cm: tuple[float, float, float]
    density: Mapping[str, float]
    origin_cm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def volumes_cm3(self) -> dict[str, float]:
        count = np.bincount(self.labels.ravel(), minlength=len(self.names))
        voxel = math.prod(self.edges_cm)
        return {n: float(c) * voxel for n, c in zip(self.names[1:], count[1:], strict=True)}

    def masses_g(self) -> dict[str, float]:
        return {n: v * float(self.density[n]) for n, v in self.volumes_cm3().items()}


def _material(material: Material) -> Material:
    return material


def _number(given: Any) -> float:
    """A finite number, else not a number, which no limit holds."""
    good = isinstance(given, int | float | np.number) and math.isfinite(given)
    return float(given) if good else math.nan


def _whole_numbers(labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    if labels.ndim != 3 or labels.size == 0:
        raise DomainError(f"Labels have shape {labels.shape}; expected (z, y, x).")
    if labels.dtype.kind not in "iuf":
        raise DomainError(f"Labels are of type {labels.dtype}; give whole numbers.")
    if not bool(np.all(np.isfinite(labels))) or not bool(np.all(labels == np.round(labels))):
        raise DomainError(
            "Labels hold numbers that are not whole: an image was resampled with interpolation? Use nearest."
        )
    if float(labels.min()) < 0 or float(labels.max()) > 65535:
        raise DomainError(f"Labels go from {labels.min():g} to {labels.max():g}; give 0 to 65535, 0 for outside.")
    return np.asarray(labels, dtype=np.int64)


def _check_regions(grid: npt.NDArray[np.int64], regions: Mapping[str, int]) -> None:
    if not regions or len(regions) > 254:
        raise DomainError(f"{len(regions)} regions given; give 1 to 254.")
    if not all(isinstance(k, int | np.integer) for k in regions.values()):
        raise DomainError(
            f"Numbers of the regions given as {', '.join(map(repr, regions.values()))}; give whole numbers."
        )
    if len(set(regions.values())) != len(regions):
        raise DomainError("Two regions have the same number; give each its own.")
    present = {int(v) for v in np.unique(grid)} - {0}
    for name, number in regions.items():
        if not str(name).strip() or name in (_OUTSIDE, "remainder"):
            raise DomainError(f"A region is called {name!r}; {_OUTSIDE!r} and 'remainder' mean something else here.")
        if number not in present:
            shown = ", ".join(map(str, sorted(present)[:12])) or "none"
            raise DomainError(f"The region {name} has number {number}, which no voxel holds; there are {shown}.")
    left = sorted(present - set(regions.values()))
    if left:
        raise DomainError(
            f"Labels {', '.join(map(str, left[:12]))} have no name; name every label, or set what is no tissue to 0."
        )


def read_voxel_phantom(
    path: str | os.PathLike[str],
    regions: Mapping[str, int],
    media: Mapping[str, str],
    density: str | os.PathLike[str] | Mapping[str, float] | None = None,
    **options: Any,
) -> VoxelPhantom:
    """A phantom from a label image in NIfTI, with densities by region or from a second image.

    Parameters
    ----------
    path : path
        Labels, ``.nii`` or ``.nii.gz``; the axes of the image may be turned or flipped, not sheared.
    regions, media : mappings
        As in `VoxelPhantom`.
    density : path or mapping, optional
        g/cm3 of every region, or an image on the same grid whose mean in each region is taken.
    **options
        `histories`, `seed`, `name` of `VoxelPhantom`.

    Returns
    -------
    VoxelPhantom

    Raises
    ------
    AlphatwinError
        nibabel is not installed.
    DomainError, CatalogError
        No image, another grid; else as `VoxelPhantom`.
    """
    labels, edges, affine = _nifti(path)
    values: Mapping[str, float] | None = None
    if isinstance(density, Mapping):
        values = density
    elif density is not None:
        image, _, other = _nifti(density)
        if image.shape != labels.shape or not np.allclose(affine, other, atol=1e-3):
            raise DomainError(
                f"The density image has {image.shape} voxels (z, y, x) and the labels {labels.shape}, or they lie elsewhere; "
                "resample one to the other."
            )
        if not bool(np.all(np.isfinite(image[labels > 0]))):
            raise DomainError("The density image holds values that are no numbers inside the phantom.")
        values = {n: float(image[labels == k].mean()) for n, k in regions.items() if bool(np.any(labels == k))}
    options.setdefault("name", pathlib.Path(path).name.removesuffix(".gz").removesuffix(".nii"))
    return VoxelPhantom(labels, edges, regions, media, values, **options)


def _nifti(path: str | os.PathLike[str]) -> tuple[npt.NDArray[Any], tuple[float, float, float], npt.NDArray[Any]]:
    """Values [z, y, x], edges (z, y, x) in mm from the columns of the affine, and the affine."""
    try:
        import nibabel
    except ImportError as error:
        raise AlphatwinError("Reading NIfTI needs nibabel: pip install 'alphatwin[images]'.") from error
    try:
        image: Any = nibabel.load(path)
        values = np.asanyarray(image.dataobj)
        to_mm = {"meter": 1e3, "micron": 1e-3}.get(str(image.header.get_xyzt_units()[0]), 1.0)
        affine = np.asarray(image.affine, dtype=float)
    except FileNotFoundError as error:
        raise DomainError(f"There is no image {os.fspath(path)}.") from error
    except Exception as error:  # nibabel raises many kinds for files that are no images
        raise DomainError(f"{os.fspath(path)} is no NIfTI image that can be read: {error}") from error
    if values.ndim != 3:
        raise DomainError(f"{os.fspath(path)} has {values.ndim} axes; expected 3.")
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    if not np.allclose(directions.T @ directions, np.eye(3), atol=1e-3):
        raise DomainError(f"{os.fspath(path)} is sheared; resample it to right angles.")
    x, y, z = (round(float(e), 6) for e in np.linalg.norm(affine[:3, :3], axis=0) * to_mm)  # stored in 32 bits
    return values.transpose(2, 1, 0), (z, y, x), affine
