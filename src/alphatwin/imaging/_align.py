"""The search for a transform by SimpleITK: one thread, a fixed seed, coarse to fine, so that the same images give the same bits.

ITK sums the metric in an order that depends on its threads, and takes their number from a default of the whole process;
`one_thread` lowers that default for the time of a search and puts it back.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ImageError
from .values import Grid, Image

if TYPE_CHECKING:
    import SimpleITK

__all__ = [
    "Seen",
    "body_mask",
    "coarser",
    "evaluate",
    "field_of",
    "one_thread",
    "prepared",
    "search",
    "searches",
    "to_sitk",
]

Array = npt.NDArray[np.float64]
Kind = Literal["rigid", "affine", "bspline"]
WORKING_MM = 3.0  # finer images are averaged to voxels of about this size first
BINS = 48  # of the joint histogram
CONTROL_MM = 50.0  # distance of the control points of a B-spline
LATTICE_MM = 6.0  # of the field of displacements that a B-spline is kept as
BODY_HU = -300.0
FLAT = 1e-4  # share of the mutual information that a further step of a B-spline must gain
SAMPLES = 60_000  # voxels looked at: 26 for each cell of the joint histogram
WINDOW_HU = (-250.0, 350.0)  # what lies beyond looks like its ends: the bins are for soft tissue
_ALONE = threading.Lock()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """ITK in one thread; searches of several threads of Python wait for each other."""
    import SimpleITK as sitk

    with _ALONE:
        before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
        try:
            yield
        finally:
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def coarser(array: npt.NDArray[Any], grid: Grid, least_mm: float) -> tuple[npt.NDArray[np.float32], Grid]:
    """Means of blocks of voxels, so that no side stays below about `least_mm`."""
    steps = [max(1, min(round(least_mm / side), n)) for side, n in zip(grid.voxel_mm, grid.shape, strict=True)]
    kept = [n // k * k for n, k in zip(grid.shape, steps, strict=True)]
    cut = np.asarray(array, np.float32)[: kept[0], : kept[1], : kept[2]]
    blocks = cut.reshape(kept[0] // steps[0], steps[0], kept[1] // steps[1], steps[1], kept[2] // steps[2], steps[2])
    affine = grid.affine.copy()
    x, y, z = steps[::-1]
    affine[:3, 3] = (grid.affine @ [(x - 1) / 2, (y - 1) / 2, (z - 1) / 2, 1])[:3]
    affine[:3, :3] = grid.affine[:3, :3] * [x, y, z]
    means = np.ascontiguousarray(blocks.mean(axis=(1, 3, 5), dtype=np.float32))
    return means, Grid((means.shape[0], means.shape[1], means.shape[2]), affine)


def body_mask(hu: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """The patient without the table: the largest piece above -300 HU after thin parts are taken off, holes filled."""
    from scipy import ndimage

    dense = ndimage.binary_opening(np.asarray(hu) > BODY_HU, iterations=1)
    pieces, found = ndimage.label(dense)
    if not found:
        return np.ones(np.asarray(hu).shape, dtype=bool)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return np.stack([ndimage.binary_fill_holes(s) for s in pieces == int(sizes.argmax())])


class Seen(NamedTuple):
    """What the metric sees of an image, HU of soft tissue or the root of an emission image, and where it looks."""

    array: npt.NDArray[np.float32]
    grid: Grid
    mask: npt.NDArray[np.bool_]


def prepared(image: Image) -> Seen:
    """An image ready for the metric."""
    from scipy import ndimage

    array, grid = coarser(image.array, image.grid, WORKING_MM)
    if image.quantity == "hu":
        looked_at = ndimage.binary_dilation(body_mask(array), iterations=2)  # before the window, which has no air
        return Seen(np.clip(array, *WINDOW_HU), grid, looked_at)
    top = float(np.percentile(array, 99.95))
    if not top > 0:
        raise ImageError("An emission image without activity cannot be registered; use the CT (on='ct').")
    array = np.sqrt(np.clip(array / top, 0, 1))
    seen = ndimage.gaussian_filter(array, [6.0 / s for s in grid.voxel_mm]) > 0.05
    return Seen(array, grid, ndimage.binary_dilation(seen, iterations=2))


def to_sitk(array: npt.NDArray[Any], grid: Grid) -> SimpleITK.Image:
    """As SimpleITK holds it; both are in LPS mm."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    spacing = np.linalg.norm(grid.affine[:3, :3], axis=0)
    image.SetOrigin(grid.affine[:3, 3].tolist())
    image.SetSpacing(spacing.tolist())
    image.SetDirection((grid.affine[:3, :3] / spacing).ravel().tolist())
    return image


def _middle(grid: Grid, weight: npt.NDArray[Any]) -> Array:
    """Centre of mass of a mask, mm."""
    from scipy import ndimage

    z, y, x = ndimage.center_of_mass(weight) if weight.any() else [(n - 1) / 2 for n in grid.shape]
    return np.asarray((grid.affine @ [x, y, z, 1])[:3], dtype=float)


class Pair:
    """Two images ready for the metric."""

    def __init__(self, moving: Seen, fixed: Seen) -> None:
        self.fixed_array, self.fixed_grid, self.fixed_mask = fixed
        self.moving_array, self.moving_grid, self.moving_mask = moving
        self.fixed = to_sitk(self.fixed_array, self.fixed_grid)
        self.moving = to_sitk(self.moving_array, self.moving_grid)
        self.looked_at = to_sitk(self.fixed_mask.astype(np.uint8), self.fixed_grid)
        self.centre = _middle(self.fixed_grid, self.fixed_mask)

    def method(self, seed: int, shrink: Sequence[int] = (), samples: int = SAMPLES) -> Any:
        """Mattes mutual information; at each resolution of a search some `samples` voxels of the body, without one all."""
        import SimpleITK as sitk

        method = sitk.ImageRegistrationMethod()
        method.SetNumberOfThreads(1)
        method.SetMetricAsMattesMutualInformation(BINS)
        method.SetMetricFixedMask(self.looked_at)
        method.SetInterpolator(sitk.sitkLinear)
        seen = max(1, int(self.fixed_mask.sum()))
        shares = [min(1.0, samples * k**3 / seen) for k in shrink]
        if not shrink:
            method.SetMetricSamplingStrategy(method.NONE)
        else:
            method.SetMetricSamplingStrategy(method.RANDOM)
            method.SetMetricSamplingPercentagePerLevel(shares, seed=1 + seed % (2**31 - 1))
        return method

    def starts(self) -> list[tuple[str, Array]]:
        """Where the search may begin: as the scanners say, or with the middles of the bodies laid upon each other."""
        return [("scanner", np.zeros(3)), ("middles", _middle(self.moving_grid, self.moving_mask) - self.centre)]


def evaluate(pair: Pair, transform: Any) -> float:
    """Mutual information (nat) over all voxels looked at; -inf where the images do not meet."""
    method = pair.method(0)
    method.SetInitialTransform(transform, False)
    try:
        return -float(method.MetricEvaluate(pair.fixed, pair.moving))
    except RuntimeError:
        return -np.inf


def search(pair: Pair, kind: Kind, seed: int, iterations: int) -> tuple[Any, str]:
    """The transform (fixed mm to moving mm) with the most mutual information, and where the search began."""
    import SimpleITK as sitk

    best: tuple[float, str, Any] | None = None
    for name, shift in pair.starts():
        start = sitk.Euler3DTransform()
        start.SetCenter(pair.centre.tolist())
        start.SetTranslation(shift.tolist())
        value = evaluate(pair, start)
        if best is None or value > best[0] + 1e-9:
            best = (value, name, start)
    assert best is not None
    if not np.isfinite(best[0]):
        raise ImageError(
            "The two images do not overlap anywhere; give a registration object, or check their positions."
        )
    transform = _climb(pair, best[2], seed, iterations, 2.0)
    if kind != "rigid":
        affine = sitk.AffineTransform(3)
        affine.SetCenter(pair.centre.tolist())
        affine.SetMatrix(transform.GetMatrix())
        affine.SetTranslation(transform.GetTranslation())
        transform = affine if kind == "bspline" else _climb(pair, affine, seed, iterations, 0.5)
    if kind == "bspline":
        transform = _bend(pair, transform, seed, iterations)
    return transform, best[1]


def searches(pairs: Sequence[Pair], kind: Kind, seed: int, iterations: int) -> list[Callable[[], tuple[Any, str]]]:
    """`search` of several pairs side by side; each result is asked for by a call, which raises what its search raised.

    Every search has one thread of its own, so their number changes no bit.
    """
    from concurrent.futures import ThreadPoolExecutor, wait

    import numba

    with one_thread(), ThreadPoolExecutor(max(1, min(len(pairs), numba.get_num_threads()))) as pool:
        done = [pool.submit(search, pair, kind, seed, iterations) for pair in pairs]
        try:
            wait(done)
        except BaseException:  # Ctrl-C: what has not begun need not
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [one.result for one in done]


def _climb(pair: Pair, start: Any, seed: int, iterations: int, step: float) -> Any:
    """Gradient steps of falling length, at up to three resolutions."""
    smallest = min(*pair.fixed_grid.shape, *pair.moving_grid.shape)
    shrink = [k for k in (4, 2, 1) if k == 1 or smallest // k >= 8]
    method = pair.method(seed, shrink)
    method.SetShrinkFactorsPerLevel(shrink)
    method.SetSmoothingSigmasPerLevel([1.5 * k if k > 1 else 0.0 for k in shrink])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=step,
        minStep=1e-3,
        numberOfIterations=iterations,
        relaxationFactor=0.6,
        gradientMagnitudeTolerance=1e-8,
        estimateLearningRate=method.Never,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, True)
    try:
        method.Execute(pair.fixed, pair.moving)
    except RuntimeError:
        raise ImageError(
            "The registration lost the images: they overlap too little. Give a registration object, or register on the other "
            "image (on='ct' or 'spect')."
        ) from None
    return start


def _bend(pair: Pair, linear: Any, seed: int, iterations: int) -> Any:
    """A cubic B-spline between the fixed image and the linear map."""
    import SimpleITK as sitk

    sides = [n * mm for n, mm in zip(pair.fixed_grid.shape[::-1], pair.fixed_grid.voxel_mm[::-1], strict=True)]
    spline = sitk.BSplineTransformInitializer(pair.fixed, [max(1, round(side / CONTROL_MM)) for side in sides], order=3)
    shrink = [2, 1] if min(pair.fixed_grid.shape) >= 16 else [1]
    method = pair.method(seed, shrink, SAMPLES // 3)
    method.SetMovingInitialTransform(linear)
    method.SetInitialTransform(spline, True)
    method.SetShrinkFactorsPerLevel(shrink)
    method.SetSmoothingSigmasPerLevel([3.0 if k > 1 else 0.0 for k in shrink])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    rounds = max(10, iterations // 4)
    method.SetOptimizerAsLBFGSB(
        gradientConvergenceTolerance=1e-6,
        numberOfIterations=rounds,
        maximumNumberOfFunctionEvaluations=2 * rounds,
        costFunctionConvergenceFactor=FLAT / np.finfo(float).eps,
    )
    method.Execute(pair.fixed, pair.moving)
    return sitk.CompositeTransform([linear, spline])


def field_of(transform: Any, matrix: Array, grid: Grid) -> tuple[Array, Grid]:
    """Displacement of a transform beyond its linear part, on a lattice over `grid`: array[z, y, x, 3] in mm."""
    import SimpleITK as sitk

    steps = [max(1, round(LATTICE_MM / side)) for side in grid.voxel_mm]
    counts = [int(np.ceil((n - 1) / k)) + 1 for n, k in zip(grid.shape, steps, strict=True)]
    affine = grid.affine.copy()
    affine[:3, :3] *= steps[::-1]
    lattice = Grid((counts[0], counts[1], counts[2]), affine)
    like = to_sitk(np.zeros(lattice.shape, np.float32), lattice)
    whole = sitk.TransformToDisplacementField(
        transform, sitk.sitkVectorFloat64, like.GetSize(), like.GetOrigin(), like.GetSpacing(), like.GetDirection()
    )
    moved = np.asarray(sitk.GetArrayFromImage(whole), dtype=float)
    z, y, x = np.meshgrid(*(np.arange(n) for n in counts), indexing="ij")
    places = np.stack([x, y, z], axis=-1) @ lattice.affine[:3, :3].T + lattice.affine[:3, 3]
    return moved + places - (places @ matrix[:3, :3].T + matrix[:3, 3]), lattice
