"""Sums over all pairs of cells: FFT on a lattice, cell lists off it, a mesh for what reaches far.

Every sum has the form out[i, c] = sum over j != i of weight[j] K_c(|r_i - r_j|). The cell itself never counts here.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._jit import njit, prange

__all__ = ["Kernel", "Lattice", "far_sums", "fill_random", "lattice_sums", "list_sums", "overlapping_pair"]

Array = npt.NDArray[np.float64]
Kernel = Callable[[Array], Array]  # distances[d] in um -> columns[d, c]

_TABLE = 8192  # points of a kernel table, uniform in the squared distance
_WORKERS = min(16, os.cpu_count() or 1)


@dataclass(frozen=True, eq=False)
class Lattice:
    """Whole numbers[cell, axis] and a basis (um): positions are ``index @ basis``."""

    index: npt.NDArray[np.int64]
    basis_um: Array


def _offsets(lattice: Lattice, reach_um: float, span: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Largest offset per axis that can lie within the reach, at most the lattice's own span."""
    rows = np.linalg.norm(np.linalg.inv(lattice.basis_um), axis=0)
    return np.asarray(np.minimum(np.ceil(reach_um * rows * (1 + 1e-12)).astype(np.int64), span))


def lattice_sums(lattice: Lattice, weight: Array, reach_um: float, kernel: Kernel) -> Array:
    """The sum of all cells by FFT: exact at every offset, cost n log n.

    Parameters
    ----------
    lattice : Lattice
    weight : Array[cell]
    reach_um : float
        K is 0 beyond.
    kernel : callable
        Distances[d] -> K[d, c]; asked once for the distances that occur.

    Returns
    -------
    Array[cell, c]
    """
    from scipy import fft

    first = lattice.index.min(axis=0)
    index = lattice.index - first
    span = index.max(axis=0)
    most = _offsets(lattice, reach_um, span)
    shape = [int(fft.next_fast_len(int(s + m + 1), real=True)) for s, m in zip(span, most, strict=True)]
    square, inverse, place = _offset_distances(lattice.basis_um, most, shape)
    used = (square <= reach_um**2 * (1 + 1e-12)) & (square > 0)
    distance = np.sqrt(square[used])
    columns = kernel(distance) if len(distance) else kernel(np.array([reach_um]))[:0]
    grid = np.zeros(shape)
    at = tuple(index.T)
    np.add.at(grid, at, weight)
    spectrum = fft.rfftn(grid, workers=_WORKERS)
    out = np.empty((len(weight), columns.shape[1]))
    values = np.zeros(len(square))
    k = np.zeros(shape)
    for c in range(columns.shape[1]):
        values[used] = columns[:, c]
        k[place] = values[inverse]
        product = fft.rfftn(k, workers=_WORKERS)
        product *= spectrum
        out[:, c] = fft.irfftn(product, s=shape, workers=_WORKERS, overwrite_x=True)[at]
    return out


def _offset_distances(
    basis: Array, most: npt.NDArray[np.int64], shape: list[int]
) -> tuple[Array, npt.NDArray[np.intp], tuple[npt.NDArray[np.int64], ...]]:
    """Squared distances that occur, which one each offset has, and where the offset lies in the cyclic grid."""
    ranges = [np.arange(-m, m + 1) for m in most]
    place = np.ix_(*[r % n for r, n in zip(ranges, shape, strict=True)])
    if np.count_nonzero(basis - np.diag(np.diag(basis))) == 0:  # mirror planes: one octant is enough
        step = np.diag(basis) ** 2
        octant = [np.arange(m + 1) ** 2 * s for m, s in zip(most, step, strict=True)]
        square = octant[0][:, None, None] + octant[1][:, None] + octant[2]
        unique, back = np.unique(np.round(square, 6), return_inverse=True)
        back = back.reshape(square.shape)[np.ix_(*[np.abs(r) for r in ranges])]
    else:
        i, j, k = np.meshgrid(*ranges, indexing="ij")
        at = np.stack([i, j, k], axis=-1) @ basis
        unique, back = np.unique(np.round(np.sum(at**2, axis=-1), 6), return_inverse=True)
        back = back.reshape(i.shape)
    return unique, back, place


# --- off the lattice -------------------------------------------------------------------------------------------------


@njit(cache=True, parallel=True)
def _list_sums(target, source, weight, start, dims, origin, edge, reach, table, per_square, out):  # type: ignore[no-untyped-def]
    columns = table.shape[1]
    reach2 = reach * reach
    for i in prange(target.shape[0]):
        total = np.zeros(columns)
        x, y, z = target[i, 0], target[i, 1], target[i, 2]
        low = np.empty(3, np.int64)
        high = np.empty(3, np.int64)
        for a in range(3):
            at = target[i, a] - origin[a]
            low[a] = max(0, math.floor((at - reach) / edge))
            high[a] = min(dims[a] - 1, math.floor((at + reach) / edge))
        for bx in range(low[0], high[0] + 1):
            for by in range(low[1], high[1] + 1):
                row = (bx * dims[1] + by) * dims[2]
                if high[2] < low[2]:
                    continue
                for j in range(start[row + low[2]], start[row + high[2] + 1]):
                    dx, dy, dz = source[j, 0] - x, source[j, 1] - y, source[j, 2] - z
                    square = dx * dx + dy * dy + dz * dz
                    if square >= reach2 or square < 1e-6:
                        continue
                    u = square * per_square
                    b = int(u)
                    f = weight[j] * (u - b)
                    g = weight[j] - f
                    for c in range(columns):
                        total[c] += g * table[b, c] + f * table[b + 1, c]
        out[i] = total


def _bins(position: Array, edge: float) -> tuple[npt.NDArray[np.int64], Array, npt.NDArray[np.int64]]:
    """Bin of each cell, origin and number of bins per axis."""
    origin = position.min(axis=0) - 1e-9
    at = ((position - origin) / edge).astype(np.int64)
    dims = at.max(axis=0) + 1
    return (at[:, 0] * dims[1] + at[:, 1]) * dims[2] + at[:, 2], origin, dims


def list_sums(position: Array, weight: Array, target: npt.NDArray[np.bool_], closest_um: float, reach_um: float,
              kernel: Kernel) -> Array:  # fmt: skip
    """The sum of the cells asked for, over cell lists: cost cells times neighbours, on every core, any positions.

    The kernel is asked at some 300 distances from `closest_um` to `reach_um` and tabulated by cubic splines.
    Other arguments and result as in `lattice_sums`; rows of cells that are no target stay 0.
    """
    table = _tabulated(kernel, closest_um, reach_um)
    out = np.zeros((len(position), table.shape[1]))
    sources = np.flatnonzero(weight)
    wanted = np.flatnonzero(target)
    if not len(sources) or not len(wanted):
        return out
    edge = reach_um / 3
    size = np.ptp(position[sources], axis=0) + 1.0
    edge = max(edge, float(np.cbrt(np.prod(np.maximum(size, edge)) / 4e6)))  # sparse patches: no more bins than memory
    bin_of, origin, dims = _bins(position[sources], edge)
    order = np.argsort(bin_of, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(bin_of, minlength=int(np.prod(dims))))])
    target_bin, _, _ = _bins(position[wanted], edge)
    wanted = wanted[np.argsort(target_bin, kind="stable")]  # neighbours in space are neighbours in memory
    found = np.empty((len(wanted), table.shape[1]))
    sorted_sources = sources[order]
    _list_sums(np.ascontiguousarray(position[wanted]), np.ascontiguousarray(position[sorted_sources]),
               np.ascontiguousarray(weight[sorted_sources]), start, dims, origin, edge, reach_um, table,
               (_TABLE - 1) / reach_um**2, found)  # fmt: skip
    out[wanted] = found
    return out


def _tabulated(kernel: Kernel, closest_um: float, reach_um: float, nodes: int = 300) -> Array:
    """K at squared distances from 0 to the square of the reach; two further rows of 0 close the table."""
    from scipy.interpolate import CubicSpline

    closest = min(closest_um, 0.999 * reach_um)
    at = np.geomspace(closest, reach_um, nodes)
    value = kernel(at)
    square = np.linspace(0.0, reach_um**2, _TABLE)
    # a little below the closest distance the spline goes on: cells that touch lie between two points of the table
    table = CubicSpline(at, value, axis=0)(np.clip(np.sqrt(square), 0.97 * closest, reach_um))
    return np.ascontiguousarray(np.concatenate([table, np.zeros((2, value.shape[1]))]))


def far_sums(position: Array, weight: Array, target: npt.NDArray[np.bool_], closest_um: float, kernel: Kernel) -> Array:
    """The sum over all pairs of a kernel without an end (electrons, photons), anywhere: near pairs one by one, the rest on a mesh.

    K = (K - K_far) + K_far: K_far is K beyond a cut, and a polynomial in the squared distance below it that joins value,
    slope and curvature; it is summed on a mesh (cloud in cell, its window divided out in Fourier space), the rest over
    cell lists. Error: 5e-4 of the sum (root mean square), 2e-3 in the worst cell of very uneven clusters.
    """
    from scipy import fft
    from scipy.interpolate import CubicSpline

    extent = float(np.linalg.norm(np.ptp(position, axis=0)))
    if extent <= 0:
        return np.zeros((len(position), kernel(np.array([closest_um])).shape[1]))
    at = np.geomspace(closest_um, max(extent, 1.01 * closest_um) * 1.01, 200)
    values = kernel(at)
    spline = CubicSpline(np.log(at), values, axis=0)
    if extent < 12 * closest_um:
        return list_sums(position, weight, target, closest_um, float(at[-1]), lambda d: np.asarray(spline(np.log(d))))
    cut = 8.0 * closest_um
    edge = cut / 8.0
    smooth = _smooth_core(spline, cut)

    def far(d: Array) -> Array:
        inside = d < cut
        return np.where(inside[:, None], smooth(d), spline(np.log(np.maximum(d, cut))))

    out = list_sums(position, weight, target, closest_um, cut, lambda d: np.asarray(spline(np.log(d)) - smooth(d)))
    origin = position.min(axis=0)
    u = (position - origin) / edge
    base = u.astype(np.int64)
    part = u - base
    cells = base.max(axis=0) + 2
    shape = [int(fft.next_fast_len(int(2 * n), real=True)) for n in cells]
    grid = np.zeros(shape)
    corners = [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    share = {k: np.prod([part[:, a] if k[a] else 1 - part[:, a] for a in range(3)], axis=0) for k in corners}
    for k in corners:
        np.add.at(grid, tuple((base + k).T), weight * share[k])
    spectrum = fft.rfftn(grid, workers=_WORKERS)
    for a, n in enumerate(shape):
        wave = np.fft.rfftfreq(n) if a == 2 else np.fft.fftfreq(n)
        window = np.sinc(wave) ** 4  # cloud in cell, once for the sources and once for the targets
        spectrum /= window.reshape([-1 if b == a else 1 for b in range(3)])
    octant = [(np.arange(n // 2 + 1) * edge) ** 2 for n in shape]
    distance = np.sqrt(octant[0][:, None, None] + octant[1][:, None] + octant[2])
    k_all = far(np.minimum(distance.ravel(), float(at[-1])))
    mirrored = np.ix_(*[np.minimum(np.arange(n), n - np.arange(n)) for n in shape])
    own = smooth(np.zeros(1))[0]
    for c in range(values.shape[1]):
        product = fft.rfftn(k_all[:, c].reshape(distance.shape)[mirrored], workers=_WORKERS) * spectrum
        field = fft.irfftn(product, s=shape, workers=_WORKERS)
        total = sum(share[k] * field[tuple((base + k).T)] for k in corners)
        out[:, c] += np.where(target, total - weight * own[c], 0.0)  # each cell's own part of the smooth kernel
    return out


def _smooth_core(spline: object, cut: float) -> Kernel:
    """a + b d^2 + c d^4 with the value, slope and curvature of K at the cut."""
    x = math.log(cut)
    f, g, h = (np.asarray(spline(x, k)) for k in (0, 1, 2))  # type: ignore[operator]
    slope, curve = g / cut, (h - g) / cut**2
    c = (curve - slope / cut) / (8 * cut**2)
    b = slope / (2 * cut) - 2 * c * cut**2
    a = f - b * cut**2 - c * cut**4
    return lambda d: np.asarray(a + b * d[:, None] ** 2 + c * d[:, None] ** 4)


# --- positions -------------------------------------------------------------------------------------------------------


def overlapping_pair(position: Array, apart_um: float) -> tuple[int, int, float] | None:
    """The nearest pair of cells and its distance, when it is nearer than `apart_um`."""
    from scipy.spatial import cKDTree

    if len(position) < 2:
        return None
    found = cKDTree(position).query(position, k=2)
    distance, other = np.asarray(found[0])[:, 1], np.asarray(found[1])[:, 1]
    i = int(np.argmin(distance))
    if distance[i] >= apart_um * (1 - 1e-9):
        return None
    first, second = sorted((i, int(other[i])))
    return first, second, float(distance[i])


@njit(cache=True)
def _place(candidate, apart, edge, dims, box, taken, found):  # type: ignore[no-untyped-def]
    """Accept candidates that touch nobody; one cell at most fits in a box of edge apart/sqrt(3)."""
    wanted = taken.shape[0]
    for i in range(candidate.shape[0]):
        if found == wanted:
            break
        px, py, pz = candidate[i, 0], candidate[i, 1], candidate[i, 2]
        b = (int(px / edge), int(py / edge), int(pz / edge))
        free = box[b[0], b[1], b[2]] < 0
        for x in range(max(0, b[0] - 2), min(dims[0], b[0] + 3)):
            for y in range(max(0, b[1] - 2), min(dims[1], b[1] + 3)):
                if not free:
                    break
                for z in range(max(0, b[2] - 2), min(dims[2], b[2] + 3)):
                    j = box[x, y, z]
                    if j >= 0:
                        dx, dy, dz = px - taken[j, 0], py - taken[j, 1], pz - taken[j, 2]
                        if dx * dx + dy * dy + dz * dz < apart * apart:
                            free = False
                            break
            if not free:
                break
        if free:
            taken[found] = candidate[i]
            box[b[0], b[1], b[2]] = found
            found += 1
    return found


def fill_random(size_um: Array, apart_um: float, wanted: int, radius_um: float, stream: np.random.Generator) -> Array:
    """Random sequential addition: `wanted` centres in the ball that fills a box, none nearer than `apart_um`; fewer if it jams."""
    edge = apart_um / math.sqrt(3.0)
    dims = np.maximum(np.ceil(size_um / edge).astype(np.int64), 1)
    box = np.full(tuple(dims), -1, dtype=np.int32)
    taken = np.empty((wanted, 3))
    count, tries = 0, 0
    while count < wanted and tries < 400:
        tries += 1
        candidate = stream.random((max(2 * wanted, 512), 3)) * size_um
        inside = np.sum((candidate - radius_um) ** 2, axis=1) <= radius_um**2
        count = _place(np.ascontiguousarray(candidate[inside]), apart_um, edge, dims, box, taken, count)
    return taken[:count].copy()
