"""Registration of time points, and images and regions carried along: nothing lost without a word.

A `Transform` takes places of the *fixed* image to places of the *moving* one (LPS mm)::

    y = M x + u(x)

M is a 4 x 4 matrix, u a field of displacements (B-spline only). An image is carried by looking up, for each voxel of the
target, the value at y (linear). A density keeps its values; an amount per voxel (counts, activity, decays) is turned into
a density, looked up, and multiplied by the volume of the target's voxel and by the Jacobian det(dy/dx). What linear
interpolation then adds to or takes from the total is measured over the whole image, taken out, and stated.
Method and sources: docs/registration.md.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import ImageError, suggestion
from . import _align, _warp
from ._quality import Quality, faults
from .dicom import needed
from .reading import Registration
from .values import Box, Boxes, Grid, Image, Labels, Mask, Study, TimePoint

__all__ = ["Quality", "Registered", "Transform", "carry_labels", "register", "register_study", "resample"]

Array = npt.NDArray[np.float64]
KINDS = ("rigid", "affine", "bspline")
AMOUNTS = ("counts", "activity", "decays")  # per voxel; everything else is a density
OUTSIDE = {"hu": -1000.0}
MOST_PARTS = 8  # of a target voxel along one side
GRID_EDGE = 1e-9
ITERATIONS = 100  # of a search at each resolution, at most
MOST_TURNS, TURNED_MM = 200, 1e-3  # steps to turn a B-spline round, and how near they come


@dataclass(frozen=True, eq=False)
class Transform:
    """Places of the fixed image to places of the moving image, LPS mm: ``y = matrix x + field(x)``.

    Attributes
    ----------
    matrix : array[4, 4]
    kind : {"identity", "rigid", "affine", "bspline", "given"}
    field_mm : array[z, y, x, 3], optional
        Displacements in (x, y, z) mm on `lattice`; linear between its points, beyond it those of its edge.
    lattice : Grid, optional
    quality : Quality
    flags : tuple of str
        What is wrong with it, in sentences; empty is good.
    notes : tuple of str

    Examples
    --------
    >>> t = Transform.from_matrix([[1, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    >>> t.points([[0.0, 0.0, 0.0]])
    array([[5., 0., 0.]])
    >>> t.inverse().points([[5.0, 0.0, 0.0]])
    array([[0., 0., 0.]])
    """

    matrix: Array
    kind: Literal["identity", "rigid", "affine", "bspline", "given"] = "identity"
    field_mm: Array | None = None
    lattice: Grid | None = None
    quality: Quality = field(default_factory=Quality)
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=float)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or not np.array_equal(matrix[3], [0, 0, 0, 1]):
            raise ImageError("The matrix of a transform is a finite 4 x 4 matrix whose last row is 0 0 0 1.")
        if not np.linalg.det(matrix[:3, :3]) > 1e-6:
            raise ImageError("The matrix of a transform must keep the hand (determinant above zero).")
        if (self.field_mm is None) != (self.lattice is None):
            raise ImageError("A field of displacements needs its lattice, and a lattice its field.")
        if self.field_mm is not None and self.lattice is not None and self.field_mm.shape != (*self.lattice.shape, 3):
            raise ImageError(
                f"The field has shape {self.field_mm.shape}; its lattice {self.lattice.shape} needs (z, y, x, 3)."
            )
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)

    @classmethod
    def identity(cls) -> Transform:
        """The transform that leaves every place where it is."""
        return cls(np.eye(4))

    @classmethod
    def from_matrix(cls, matrix: npt.ArrayLike) -> Transform:
        """A given map of fixed places to moving places, 4 x 4."""
        return cls(np.asarray(matrix, dtype=float), "given")

    @property
    def rotation_deg(self) -> float:
        """Angle of the rotation nearest to the matrix, about its axis."""
        u, _, vt = np.linalg.svd(self.matrix[:3, :3])
        return float(np.degrees(np.arccos(np.clip((np.trace(u @ vt) - 1) / 2, -1, 1))))

    def points(self, fixed_mm: npt.ArrayLike) -> Array:
        """Where places of the fixed image are in the moving one: array[..., 3], mm."""
        x = np.asarray(fixed_mm, dtype=float)
        y = x @ self.matrix[:3, :3].T + self.matrix[:3, 3]
        if self.field_mm is not None and self.lattice is not None:
            from scipy.ndimage import map_coordinates

            back = np.linalg.inv(self.lattice.affine)
            index = (x.reshape(-1, 3) @ back[:3, :3].T + back[:3, 3]).T[::-1]
            moved = [map_coordinates(self.field_mm[..., axis], index, order=1, mode="nearest") for axis in range(3)]
            y = y + np.stack(moved, axis=-1).reshape(x.shape)
        return np.asarray(y)

    def inverse(self) -> Transform:
        """The transform the other way round; a B-spline's field is turned on a lattice of its own, to `TURNED_MM`.

        Raises
        ------
        ImageError
            A field that folds: two places go to one, or nearly so.
        """
        back = np.asarray(np.linalg.inv(self.matrix), dtype=float)
        if self.field_mm is None or self.lattice is None:
            return replace(self, matrix=back)
        ends = self.points(_corners(self.lattice))
        step = np.array(self.lattice.voxel_mm[::-1])
        counts = np.ceil((ends.max(axis=0) - ends.min(axis=0)) / step).astype(int) + 1
        affine = np.diag([*step, 1.0])
        affine[:3, 3] = ends.min(axis=0)
        lattice = Grid((int(counts[2]), int(counts[1]), int(counts[0])), affine)
        z, y, x = np.indices(lattice.shape)
        goal = np.stack([x, y, z], axis=-1).reshape(-1, 3) * step + affine[:3, 3]
        straight = goal @ back[:3, :3].T + back[:3, 3]
        found = straight.copy()
        for _ in range(MOST_TURNS):  # x <- x - M^-1 (y(x) - goal)
            off = (self.points(found) - goal) @ back[:3, :3].T
            found -= off
            if (worst := float(np.abs(off).max())) < TURNED_MM:
                moved = (found - straight).reshape(*lattice.shape, 3)
                return replace(self, matrix=back, field_mm=moved, lattice=lattice)
        raise ImageError(f"The B-spline folds: it cannot be turned round (places stay {worst:.1f} mm apart).")

    def jacobian(self, grid: Grid) -> Array:
        """``det(dy/dx)`` at the voxels of a grid: the volume that a mL of the fixed image has in the moving one."""
        if self.field_mm is None or self.lattice is None:
            return np.full(grid.shape, float(np.linalg.det(self.matrix[:3, :3])))
        empty = np.empty((0, 0, 0, 3))
        to_lattice = (np.linalg.inv(self.lattice.affine) @ grid.affine)[:3]
        one = np.ones(3, dtype=np.int64)
        clamped = self._padded_weight(grid, to_lattice)
        return np.asarray(
            _warp.pull(clamped[0], np.array(grid.shape), one, clamped[1], empty, to_lattice, np.eye(3), 1.0)
        )

    def _slopes(self) -> Array:
        """du/dx on the lattice of the field, array[z, y, x, 3, 3]; no slope along a side of one point."""
        assert self.field_mm is not None
        assert self.lattice is not None
        flat = np.zeros_like(self.field_mm)
        along = [np.gradient(self.field_mm, axis=k) if self.lattice.shape[k] > 1 else flat for k in (2, 1, 0)]
        return np.asarray(np.stack(along, axis=-1) @ np.linalg.inv(self.lattice.affine[:3, :3]), dtype=float)

    def _weights(self) -> Array:
        """The Jacobian on the lattice of the field."""
        return np.asarray(np.linalg.det(self.matrix[:3, :3] + self._slopes()), dtype=float)

    def _padded_weight(self, grid: Grid, to_lattice: Array) -> tuple[Array, Array]:
        """The Jacobian with its edge repeated far enough to cover `grid`, and the map of indices to it."""
        weight = self._weights()
        nz, ny, nx = grid.shape
        corners = np.array([[x, y, z, 1] for x in (0, nx) for y in (0, ny) for z in (0, nz)], dtype=float).T
        reach = to_lattice @ corners
        sides = np.array(weight.shape[::-1])
        pad = np.maximum(0, np.ceil(np.maximum(-reach.min(axis=1), reach.max(axis=1) - sides + 1)) + 1).astype(int)
        shifted = to_lattice.copy()
        shifted[:, 3] += pad
        return np.pad(weight, [(p, p) for p in pad[::-1]], mode="edge"), shifted


@dataclass(frozen=True, eq=False)
class Registered:
    """A study with the transform of each time point.

    Attributes
    ----------
    study : Study
        As given.
    reference : int
        The time point whose place the others are brought to.
    transforms : tuple of Transform
        From places of the reference to places of each time point; the identity for the reference itself.
    """

    study: Study
    reference: int
    transforms: tuple[Transform, ...]

    @property
    def flags(self) -> tuple[str, ...]:
        """Everything that is wrong, by time point; empty is good."""
        return tuple(f"Time point {k}: {text}" for k, t in enumerate(self.transforms, 1) for text in t.flags)

    @property
    def grid(self) -> Grid:
        """The emission image's grid of the reference."""
        return self.study.points[self.reference].emission.grid

    def emissions(self, grid: Grid | None = None) -> tuple[Image, ...]:
        """The emission image of every time point in the place of the reference (default: on its emission grid)."""
        target = grid or self.grid
        return tuple(
            resample(point.emission, target, transform)
            for point, transform in zip(self.study.points, self.transforms, strict=True)
        )

    def labels(self, grid: Grid | None = None) -> Labels:
        """The reference's regions on a grid (default: of its emission image)."""
        labels = self.study.points[self.reference].labels
        if labels is None:
            raise ImageError(
                f"Time point {self.reference + 1}, the reference, has no regions. Add contours or a segmentation, or choose "
                "another reference."
            )
        return carry_labels(labels, grid or self.grid)

    def pictures(self, k: int, axis: int = 0, squares: int = 6) -> dict[str, Array]:
        """What a reader needs to see of time point `k`: arrays to draw, rows and columns of one slice.

        Returns
        -------
        dict
            ``fixed``, ``before``, ``after`` (the CT, HU, else the emission image), ``checkerboard_before``,
            ``checkerboard_after``, ``emission`` (registered, on the same slice) and ``row_mm``, ``column_mm``.
        """
        if not 0 <= k < len(self.study.points):
            raise ImageError(f"There is no time point {k}; they are numbered 0 to {len(self.study.points) - 1}.")
        here, there = self.study.points[self.reference], self.study.points[k]
        on_ct = here.ct is not None and there.ct is not None
        fixed = here.ct if on_ct and here.ct is not None else here.emission
        moving = there.ct if on_ct and there.ct is not None else there.emission
        array, grid = (
            (fixed.array, fixed.grid) if not on_ct else _align.coarser(fixed.array, fixed.grid, _align.WORKING_MM)
        )
        seen = _align.body_mask(array) if on_ct else array > 0.05 * array.max()
        other = tuple(a for a in range(3) if a != axis)
        area = np.cumsum(seen.sum(axis=other))
        half = int(np.searchsorted(area, area[-1] / 2))  # half of the body on either side: no end of a scan
        middle = int((half + 0.5) * (grid.voxel_mm[axis] / fixed.grid.voxel_mm[axis]))
        thin = _slice_grid(fixed.grid, axis, middle)
        before = resample(moving, thin, Transform.identity()).array
        after = resample(moving, thin, self.transforms[k]).array
        emission = resample(there.emission, thin, self.transforms[k]).array
        flat = [np.squeeze(a, axis=axis).astype(float) for a in (resample(fixed, thin).array, before, after, emission)]
        rows, columns = flat[0].shape
        board = (np.indices((rows, columns)) * squares // np.array([rows, columns])[:, None, None]).sum(axis=0) % 2
        mm = [fixed.grid.voxel_mm[a] for a in other]
        return {
            "fixed": flat[0],
            "before": flat[1],
            "after": flat[2],
            "emission": flat[3],
            "checkerboard_before": np.where(board == 0, flat[0], flat[1]),
            "checkerboard_after": np.where(board == 0, flat[0], flat[2]),
            "row_mm": np.array(mm[0]),
            "column_mm": np.array(mm[1]),
        }


def _slice_grid(grid: Grid, axis: int, index: int) -> Grid:
    shape = [*grid.shape]
    shape[axis] = 1
    at = np.zeros(4)
    at[2 - axis], at[3] = index, 1
    affine = grid.affine.copy()
    affine[:, 3] = grid.affine @ at
    return Grid((shape[0], shape[1], shape[2]), affine)


# --- carrying images and regions -------------------------------------------------------------------------------------


def _maps(source: Grid, target: Grid, transform: Transform) -> tuple[Array, Array, Array, Array]:
    """What the kernels need: target index to source index, field, target index to lattice index, mm to source index."""
    back = np.linalg.inv(source.affine)
    to_source = np.ascontiguousarray((back @ transform.matrix @ target.affine)[:3])
    if transform.field_mm is None or transform.lattice is None:
        return to_source, np.empty((0, 0, 0, 3)), np.zeros((3, 4)), np.ascontiguousarray(back[:3, :3])
    to_lattice = np.ascontiguousarray((np.linalg.inv(transform.lattice.affine) @ target.affine)[:3])
    return to_source, np.ascontiguousarray(transform.field_mm), to_lattice, np.ascontiguousarray(back[:3, :3])


def _parts(source: Grid, target: Grid, transform: Transform) -> npt.NDArray[np.int64]:
    """Parts (z, y, x) of a target voxel, so that none is longer than a voxel of the source."""
    to_source = np.linalg.inv(source.affine) @ transform.matrix @ target.affine
    reach = np.abs(to_source[:3, :3])
    if transform.field_mm is not None:
        bent = np.linalg.inv(source.affine)[:3, :3] @ transform._slopes() @ target.affine[:3, :3]
        reach = np.abs(to_source[:3, :3] + bent).max(axis=(0, 1, 2))
    reach = reach.max(axis=0)[::-1]
    return np.asarray(np.clip(np.ceil(reach - 0.01), 1, MOST_PARTS), dtype=np.int64)


def resample(image: Image, grid: Grid, transform: Transform | None = None, conserve: bool = True) -> Image:
    """An image on another grid, in the place of the fixed image of `transform`.

    Densities (activity concentration, HU, density, absorbed dose) are interpolated linearly, averaged over the target's
    voxels where these are larger than the source's. Amounts per voxel (counts, activity, decays) keep their total.

    Parameters
    ----------
    image : Image
    grid : Grid
    transform : Transform, optional
        Places on `grid` to places in `image`; the identity if left out.
    conserve : bool
        Amounts only: divide by the factor by which linear interpolation changed the total. The factor is measured on
        `grid` continued beyond its borders, so what falls outside of `grid` is not put back.

    Returns
    -------
    Image
        Float32 in, float32 out. `notes` say by how much the total was off, and what share lies outside of `grid`.

    Notes
    -----
    `sigma` is carried as if neighbours err together, which is never too small.

    Examples
    --------
    >>> source = Grid((4, 4, 4), np.diag([2.0, 2.0, 2.0, 1.0]))
    >>> image = Image(np.ones((4, 4, 4)), source, "decays")
    >>> fine = resample(image, Grid((8, 8, 8), np.array([[1, 0, 0, -0.5], [0, 1, 0, -0.5], [0, 0, 1, -0.5], [0, 0, 0, 1.0]])))
    >>> round(float(fine.array.sum()), 9), float(fine.array[0, 0, 0])
    (64.0, 0.125)
    """
    how = transform or Transform.identity()
    amount = image.quantity in AMOUNTS
    if transform is None and grid.same_as(image.grid, GRID_EDGE):
        return image
    maps, sub = _maps(image.grid, grid, how), _parts(image.grid, grid, how)
    shape = np.array(grid.shape, dtype=np.int64)
    outside = OUTSIDE.get(image.quantity, 0.0)
    values = _warp.pull(np.asarray(image.array), shape, sub, *maps, outside)
    scale: Array | float = 1.0
    notes = list(image.notes)
    if amount:
        scale = how.jacobian(grid) * (grid.voxel_mL / image.grid.voxel_mL)
        values *= scale
        total = float(image.array.sum(dtype=float))
        covered = _covered(image, grid, how, maps, sub)
        if covered > 0 and total > 0:
            inside = float(values.sum()) / covered
            if conserve:
                values *= total / covered
                scale = scale * (total / covered)
            notes.append(
                f"Resampling changed the total by {covered / total - 1:+.2%}{', which was taken out' if conserve else ''}; "
                f"{max(0.0, 1 - inside):.2%} lies outside of the new grid."
            )
    sigma = None
    if image.sigma is not None:
        sigma = (_warp.pull(np.asarray(image.sigma), shape, sub, *maps, 0.0) * scale).astype(image.sigma.dtype)
    return replace(image, array=values.astype(image.array.dtype), grid=grid, sigma=sigma, notes=tuple(notes))


def _covered(image: Image, grid: Grid, how: Transform, maps: tuple[Array, ...], sub: npt.NDArray[np.int64]) -> float:
    """Total over the grid continued until the whole image is covered, in the image's own amounts."""
    there = np.argwhere(image.array != 0)
    if not len(there):
        return 0.0
    low_zyx, high_zyx = there.min(axis=0) - 1.0, there.max(axis=0) + 1.0
    corners = np.array(
        [
            [x, y, z, 1]
            for z in (low_zyx[0], high_zyx[0])
            for y in (low_zyx[1], high_zyx[1])
            for x in (low_zyx[2], high_zyx[2])
        ]
    ).T
    square = np.vstack([maps[0], [0, 0, 0, 1]])
    index = (np.linalg.inv(square) @ corners)[:3]
    margin = np.ones(3)
    if how.field_mm is not None:
        far = float(np.abs(how.field_mm).max())
        margin = margin + far / np.linalg.norm((how.matrix @ grid.affine)[:3, :3], axis=0)
    low = np.floor(index.min(axis=1) - margin).astype(np.int64)[::-1]
    high = np.ceil(index.max(axis=1) + margin).astype(np.int64)[::-1] + 1
    if int(np.prod((high - low).astype(float) * sub)) > 2**31:
        raise ImageError("The image is too large for voxels this small; resample it in two steps, or crop it first.")
    ratio = grid.voxel_mL / image.grid.voxel_mL
    weight = np.empty((0, 0, 0))
    if how.field_mm is None:
        ratio *= float(np.linalg.det(how.matrix[:3, :3]))
    else:
        weight = how._weights()
    sums = _warp.covered_sums(
        np.asarray(image.array), np.ascontiguousarray(low), np.ascontiguousarray(high), sub, *maps, weight
    )
    return float(sums.sum()) * ratio


def carry_labels(labels: Labels, grid: Grid, transform: Transform | None = None) -> Labels:
    """Regions on another grid, as the share of each voxel that lies inside.

    Parameters
    ----------
    labels : Labels
        In the place of the moving image.
    grid : Grid
        In the place of the fixed image.
    transform : Transform, optional
        Places on `grid` to places in `labels`; the identity if left out.

    Returns
    -------
    Labels
        Float32 shares; `notes` say by how much volumes changed where that is above 1 %.
    """
    how = transform or Transform.identity()
    if transform is None and grid.same_as(labels.grid, GRID_EDGE):
        return labels
    sub = _parts(labels.grid, grid, how)
    masks: dict[str, tuple[Box, Mask]] = {}
    notes = list(labels.notes)
    for name in labels.masks:
        part = labels.cropped(name, margin=1)  # the zeros round a region belong to it: its edge is interpolated
        box = _reached(part.grid, grid, how)
        source = np.asarray(part.masks[name], np.float32)
        shape = np.array([side.stop - side.start for side in box], dtype=np.int64)
        carried = _warp.pull(source, shape, sub, *_maps(part.grid, grid.cut(box), how), 0.0)
        before = labels.volume_mL(name)
        after = float(carried.sum()) * grid.voxel_mL
        masks[name] = box, np.clip(carried, 0, 1, out=carried).astype(np.float32)
        if before > 0 and abs(after / before - 1) > 0.01:
            notes.append(f"{name}: {before:.1f} mL became {after:.1f} mL on the new grid ({after / before - 1:+.1%}).")
    return replace(labels, masks=Boxes(grid.shape, masks), grid=grid, notes=tuple(notes))


def _reached(source: Grid, target: Grid, how: Transform) -> Box:
    """The box of `target` outside of which nothing of `source` comes to lie; of none, one voxel."""
    if how.field_mm is not None:
        return tuple(slice(0, n) for n in target.shape)  # type: ignore[return-value]
    to_target = np.linalg.inv(how.matrix @ target.affine) @ source.affine
    ends = [(-0.5, n - 0.5) for n in source.shape[::-1]]
    corners = np.array([[x, y, z, 1.0] for x in ends[0] for y in ends[1] for z in ends[2]]) @ to_target[:3].T
    low, high = np.floor(corners.min(axis=0))[::-1].astype(int), np.ceil(corners.max(axis=0))[::-1].astype(int)
    sides = [(min(max(a, 0), n - 1), b) for a, b, n in zip(low.tolist(), high.tolist(), target.shape, strict=True)]
    z, y, x = (slice(a, max(a + 1, min(b + 1, n))) for (a, b), n in zip(sides, target.shape, strict=True))
    return z, y, x


# --- finding a transform ---------------------------------------------------------------------------------------------


def register(
    moving: Image | TimePoint,
    fixed: Image | TimePoint,
    kind: Literal["rigid", "affine", "bspline"] = "rigid",
    on: Literal["ct", "spect"] = "ct",
    seed: int = 1,
    *,
    largest_shift_mm: float = 100.0,
    largest_rotation_deg: float = 20.0,
    largest_inconsistency_mm: float = 5.0,
    check_inverse: bool = True,
    on_failure: Literal["refuse", "flag"] = "refuse",
    iterations: int = ITERATIONS,
) -> Transform:
    """Find where places of `fixed` lie in `moving`, by the most mutual information.

    Mattes' mutual information of the joint histogram, climbed from coarse to fine in one thread with a fixed seed: the
    same images give the same bits.

    Parameters
    ----------
    moving, fixed : Image or TimePoint
        Of a time point, `on` says which image is used.
    kind : {"rigid", "affine", "bspline"}
        Three shifts and three rotations; a linear map; a B-spline (control points about 50 mm apart) on top of it.
    on : {"ct", "spect"}
    seed : int
        For the voxels that are looked at.
    largest_shift_mm, largest_rotation_deg, largest_inconsistency_mm : float
        What the middle of the body may move and turn; and how far places may end from themselves after going there and
        back by two searches.
    check_inverse : bool
        Make the second search.
    on_failure : {"refuse", "flag"}
        What to do with a registration beyond a limit, or with less mutual information than before.
    iterations : int
        At most, at each resolution.

    Returns
    -------
    Transform
        With `Quality`, and `flags` where on_failure is "flag".

    Raises
    ------
    ImageError
        The images do not overlap, or the result broke a limit.
    """
    _checked(kind, on_failure)
    images = _chosen(moving, on, "moving"), _chosen(fixed, on, "fixed")
    limits = largest_shift_mm, largest_rotation_deg, largest_inconsistency_mm
    there, here = _align.prepared(images[0]), _align.prepared(images[1])
    pairs = [_align.Pair(there, here), *([_align.Pair(here, there)] if check_inverse else [])]
    found = _align.searches(pairs, kind, seed, iterations)
    transform = _judged(pairs, found, kind, limits, on_failure)
    both = _dice(moving, fixed, (Transform.identity(), transform))
    return replace(transform, quality=replace(transform.quality, dice_before=both[0], dice_after=both[1]))


def _checked(kind: str, on_failure: str) -> None:
    if kind not in KINDS:
        raise ImageError(f"No registration {kind!r}. {suggestion(str(kind), KINDS)}Allowed: {', '.join(KINDS)}.")
    if on_failure not in ("refuse", "flag"):
        raise ImageError(f"on_failure is {on_failure!r}; allowed are refuse and flag.")
    with needed():
        import SimpleITK  # noqa: F401


def _judged(
    pairs: Sequence[_align.Pair], found: Sequence[Callable[[], tuple[Any, str]]], kind: str,
    limits: tuple[float, float, float], on_failure: str,
) -> Transform:  # fmt: skip
    """The transform of the first search, measured, also against that of the second one, which goes the other way round."""
    best, start = found[0]()
    transform, body = _as_transform(best, kind, pairs[0]), _body_places(pairs[0])
    with _align.one_thread():
        quality = _measured(pairs[0], best, transform, body, start)
    if len(found) > 1:
        back = _as_transform(found[1]()[0], kind, pairs[1])
        away = np.linalg.norm(back.points(transform.points(body)) - body, axis=1)
        quality = replace(quality, inverse_consistency_mm=float(away.mean()))
    flags = faults(quality, *limits)
    if flags and on_failure == "refuse":
        raise ImageError(
            f"The registration is refused. {' '.join(flags)} Look at the images; give a registration object, another kind or "
            "limit, or take it with on_failure='flag'."
        )
    return replace(transform, quality=quality, flags=tuple(flags))


def _chosen(thing: Image | TimePoint, on: str, what: str) -> Image:
    if isinstance(thing, Image):
        return thing
    if on == "spect":
        return thing.emission
    if on != "ct":
        raise ImageError(f"A time point is registered on its 'ct' or its 'spect'; given was {on!r}.")
    if thing.ct is None:
        raise ImageError(f"The {what} time point has no CT. Register on the emission images: on='spect'.")
    return thing.ct


def _as_transform(found: Any, kind: str, pair: _align.Pair) -> Transform:
    """SimpleITK's transform as ours: the linear part from what it does to four places."""
    linear = found if kind != "bspline" else found.GetNthTransform(0)
    origin = np.array(linear.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    for axis in range(3):
        unit = [0.0, 0.0, 0.0]
        unit[axis] = 1000.0
        matrix[:3, axis] = (np.array(linear.TransformPoint(unit)) - origin) / 1000.0
    matrix[:3, 3] = origin
    if kind != "bspline":
        return Transform(matrix, "rigid" if kind == "rigid" else "affine")
    shifts, lattice = _align.field_of(found, matrix, pair.fixed_grid)
    return Transform(matrix, "bspline", shifts, lattice)


def _body_places(pair: _align.Pair) -> Array:
    """Places in the fixed body, mm; at most some ten thousand."""
    index = np.argwhere(pair.fixed_mask)
    index = index[:: max(1, len(index) // 10_000)]
    affine = pair.fixed_grid.affine
    return np.asarray(index[:, ::-1] @ affine[:3, :3].T + affine[:3, 3])


def _measured(pair: _align.Pair, found: object, transform: Transform, body: Array, start: str) -> Quality:
    import SimpleITK as sitk

    moved = np.linalg.norm(transform.points(body) - body, axis=1)
    middle = body.mean(axis=0)
    volume = float(np.linalg.det(transform.matrix[:3, :3]))
    change = abs(volume - 1)
    if transform.field_mm is not None:
        change = float(np.abs(transform.jacobian(pair.fixed_grid)[pair.fixed_mask] - 1).max())
    alone = Image(pair.moving_array, pair.moving_grid, "other")
    looked = pair.fixed_mask & (pair.fixed_array != 0)

    def correlation(how: Transform) -> float:
        there = _warp.pull(
            alone.array,
            np.array(pair.fixed_grid.shape),
            np.ones(3, np.int64),
            *_maps(alone.grid, pair.fixed_grid, how),
            np.nan,
        )
        use = looked & np.isfinite(there)
        a, b = pair.fixed_array[use], there[use]
        return float(np.corrcoef(a, b)[0, 1]) if use.sum() > 2 and a.std() > 0 and b.std() > 0 else math.nan

    return Quality(
        metric_before=_align.evaluate(pair, sitk.Transform(3, sitk.sitkIdentity)),
        metric_after=_align.evaluate(pair, found),
        correlation_before=correlation(Transform.identity()),
        correlation_after=correlation(transform),
        shift_mm=float(np.linalg.norm(transform.points(middle) - middle)),
        largest_shift_mm=float(moved.max()),
        rotation_deg=transform.rotation_deg,
        volume_change=change,
        start=start,
    )


def _body(ct: Image) -> Labels:
    """The body found in a CT, on coarser voxels."""
    hu, grid = _align.coarser(ct.array, ct.grid, _align.WORKING_MM)
    return Labels({"body (CT)": _align.body_mask(hu)}, grid)


def _dice(
    moving: Image | TimePoint,
    fixed: Image | TimePoint,
    maps: Sequence[Transform],
    body_of: Callable[[Image], Labels] = _body,
) -> list[dict[str, float]]:
    """Overlap ``2 |A and B| / (|A| + |B|)`` of regions both have under each map, on the fixed regions' grid."""
    out: list[dict[str, float]] = [{} for _ in maps]
    if isinstance(moving, Image) or isinstance(fixed, Image):
        return out
    pairs: list[tuple[Labels, Labels]] = []
    if moving.labels is not None and fixed.labels is not None:
        pairs.append((moving.labels, fixed.labels))
    if moving.ct is not None and fixed.ct is not None:
        pairs.append((body_of(moving.ct), body_of(fixed.ct)))
    for there, here in pairs:
        for name in (n for n in here.masks if n in there.masks):
            box, side = here.box(name), here.cropped(name)
            a = np.asarray(side.masks[name], np.float32)
            for found, how in zip(out, maps, strict=True):
                carried = carry_labels(there.only([name]), here.grid, how)
                whole = (side.volume_mL(name) + carried.volume_mL(name)) / here.grid.voxel_mL
                both = float(np.minimum(a, carried.within(name, box)).sum(dtype=float))
                found[name] = 2 * both / whole if whole > 0 else math.nan
    return out


def register_study(
    study: Study,
    reference: int = 0,
    kind: Literal["rigid", "affine", "bspline"] = "rigid",
    on: Literal["ct", "spect"] = "ct",
    seed: int = 1,
    *,
    given: Sequence[Registration] = (),
    largest_shift_mm: float = 100.0,
    largest_rotation_deg: float = 20.0,
    largest_inconsistency_mm: float = 5.0,
    check_inverse: bool = True,
    on_failure: Literal["refuse", "flag"] = "refuse",
) -> Registered:
    """Bring every time point of a study into the place of one of them.

    Parameters
    ----------
    study : Study
    reference : int
        Number of the time point that stays, from 0.
    kind, on, seed, largest_shift_mm, largest_rotation_deg, largest_inconsistency_mm, check_inverse, on_failure
        As of `register`.
    given : sequence of Registration
        From `read_registration`; used instead of a search where it joins the two frames of reference.

    Returns
    -------
    Registered

    Raises
    ------
    ImageError
        No such time point, or a registration that was refused (which names its time point).
    """
    if not 0 <= reference < len(study.points):
        raise ImageError(f"There is no time point {reference}; they are numbered 0 to {len(study.points) - 1}.")
    _checked(kind, on_failure)
    fixed, limits = study.points[reference], (largest_shift_mm, largest_rotation_deg, largest_inconsistency_mm)
    body_of = functools.cache(_body)
    seen = functools.cache(lambda image: _align.prepared(image))
    transforms = {reference: Transform.identity()}
    pairs: dict[int, list[_align.Pair]] = {}
    for k, moving in enumerate(study.points):
        known = _from_given(given, moving, fixed) if k != reference else None
        if known is not None:
            transforms[k] = _given(moving, fixed, known, body_of)
        elif k != reference:
            with _told(k, reference):
                there, here = seen(_chosen(moving, on, "moving")), seen(_chosen(fixed, on, "fixed"))
            pairs[k] = [_align.Pair(there, here), *([_align.Pair(here, there)] if check_inverse else [])]
    found = iter(_align.searches([p for two in pairs.values() for p in two], kind, seed, ITERATIONS))
    for k, two in pairs.items():
        with _told(k, reference):
            how = _judged(two, [next(found) for _ in two], kind, limits, on_failure)
            both = _dice(study.points[k], fixed, (Transform.identity(), how), body_of)
            transforms[k] = replace(how, quality=replace(how.quality, dice_before=both[0], dice_after=both[1]))
    return Registered(study, reference, tuple(transforms[k] for k in range(len(study.points))))


@contextlib.contextmanager
def _told(k: int, reference: int) -> Iterator[None]:
    """A refusal names its time point."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"Time point {k + 1} onto time point {reference + 1}: {error}") from None


def _given(moving: TimePoint, fixed: TimePoint, known: Transform, body_of: Callable[[Image], Labels]) -> Transform:
    """A transform from an object, with what it does."""
    both = _dice(moving, fixed, (Transform.identity(), known), body_of)
    corners = _corners(fixed.emission.grid)
    moved = np.linalg.norm(known.points(corners) - corners, axis=1)
    middle = corners.mean(axis=0)
    quality = Quality(
        dice_before=both[0],
        dice_after=both[1],
        shift_mm=float(np.linalg.norm(known.points(middle) - middle)),
        largest_shift_mm=float(moved.max()),
        rotation_deg=known.rotation_deg,
    )
    return replace(known, quality=quality)


def _corners(grid: Grid) -> Array:
    """Places of the corners of an image, [8, 3], mm."""
    nz, ny, nx = grid.shape
    index = [[x, y, z, 1] for z in (0, nz - 1) for y in (0, ny - 1) for x in (0, nx - 1)]
    return np.asarray((np.array(index, dtype=float) @ grid.affine.T)[:, :3])


def _from_given(given: Sequence[Registration], moving: TimePoint, fixed: TimePoint) -> Transform | None:
    """The given map of the fixed frame of reference to the moving one, direct or by way of a third frame."""
    start, goal = fixed.emission.frame_of_reference, moving.emission.frame_of_reference
    if not given or start is None or goal is None or start == goal:
        return None
    steps: dict[str, list[tuple[str, Array]]] = {}
    for entry in given:
        steps.setdefault(entry.fixed, []).append((entry.moving, np.asarray(np.linalg.inv(entry.matrix), dtype=float)))
        steps.setdefault(entry.moving, []).append((entry.fixed, np.asarray(entry.matrix, dtype=float)))
    reached: dict[str, Array] = {start: np.eye(4)}
    queue = [start]
    while queue:
        frame = queue.pop(0)
        for onward, matrix in steps.get(frame, []):
            if onward not in reached:
                reached[onward] = matrix @ reached[frame]
                queue.append(onward)
    if goal not in reached:
        return None
    note = "Taken from a registration object, not searched for."
    return replace(Transform.from_matrix(reached[goal]), notes=(note,))
