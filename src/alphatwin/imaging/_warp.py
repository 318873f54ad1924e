"""Kernels that carry voxels from one grid to another: an affine map, and a field of displacements on top of it.

Every voxel is worked out by itself, so the bits do not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .._jit import njit, prange

__all__ = ["covered_sums", "pull"]

Array = npt.NDArray[np.float64]


@njit(cache=True)
def _at(source, z, y, x, outside):  # type: ignore[no-untyped-def]
    """Linear interpolation; the outermost half voxel has the value of its centre, beyond it is `outside`."""
    nz, ny, nx = source.shape
    if z < -0.5 or y < -0.5 or x < -0.5 or z > nz - 0.5 or y > ny - 0.5 or x > nx - 0.5:
        return outside
    z = min(max(z, 0.0), nz - 1.0)
    y = min(max(y, 0.0), ny - 1.0)
    x = min(max(x, 0.0), nx - 1.0)
    k, j, i = int(z), int(y), int(x)
    k1, j1, i1 = min(k + 1, nz - 1), min(j + 1, ny - 1), min(i + 1, nx - 1)
    c, b, a = z - k, y - j, x - i
    low = (source[k, j, i] * (1 - a) + source[k, j, i1] * a) * (1 - b) + (
        source[k, j1, i] * (1 - a) + source[k, j1, i1] * a
    ) * b
    high = (source[k1, j, i] * (1 - a) + source[k1, j, i1] * a) * (1 - b) + (
        source[k1, j1, i] * (1 - a) + source[k1, j1, i1] * a
    ) * b
    return low * (1 - c) + high * c


@njit(cache=True)
def _field_at(field, z, y, x, axis):  # type: ignore[no-untyped-def]
    """Displacement (mm) along one axis; beyond the lattice that of its edge."""
    nz, ny, nx, _ = field.shape
    z = min(max(z, 0.0), nz - 1.0)
    y = min(max(y, 0.0), ny - 1.0)
    x = min(max(x, 0.0), nx - 1.0)
    return _at(field[:, :, :, axis], z, y, x, 0.0)


@njit(cache=True)
def _mean(source, z, y, x, sub, to_source, field, to_lattice, mm_to_source, outside):  # type: ignore[no-untyped-def]
    """Mean over a voxel of the target, cut into ``sub`` parts along z, y, x."""
    total = 0.0
    for kz in range(sub[0]):
        pz = z + (kz + 0.5) / sub[0] - 0.5
        for ky in range(sub[1]):
            py = y + (ky + 0.5) / sub[1] - 0.5
            for kx in range(sub[2]):
                px = x + (kx + 0.5) / sub[2] - 0.5
                qx = to_source[0, 0] * px + to_source[0, 1] * py + to_source[0, 2] * pz + to_source[0, 3]
                qy = to_source[1, 0] * px + to_source[1, 1] * py + to_source[1, 2] * pz + to_source[1, 3]
                qz = to_source[2, 0] * px + to_source[2, 1] * py + to_source[2, 2] * pz + to_source[2, 3]
                if field.shape[0] > 0:
                    lx = to_lattice[0, 0] * px + to_lattice[0, 1] * py + to_lattice[0, 2] * pz + to_lattice[0, 3]
                    ly = to_lattice[1, 0] * px + to_lattice[1, 1] * py + to_lattice[1, 2] * pz + to_lattice[1, 3]
                    lz = to_lattice[2, 0] * px + to_lattice[2, 1] * py + to_lattice[2, 2] * pz + to_lattice[2, 3]
                    ux = _field_at(field, lz, ly, lx, 0)
                    uy = _field_at(field, lz, ly, lx, 1)
                    uz = _field_at(field, lz, ly, lx, 2)
                    qx += mm_to_source[0, 0] * ux + mm_to_source[0, 1] * uy + mm_to_source[0, 2] * uz
                    qy += mm_to_source[1, 0] * ux + mm_to_source[1, 1] * uy + mm_to_source[1, 2] * uz
                    qz += mm_to_source[2, 0] * ux + mm_to_source[2, 1] * uy + mm_to_source[2, 2] * uz
                total += _at(source, qz, qy, qx, outside)
    return total / (sub[0] * sub[1] * sub[2])


@njit(cache=True)
def _reaches(to_source, field, mm_to_source):  # type: ignore[no-untyped-def]
    """How far a voxel of the target reaches round its centre, in voxels of the source along x, y, z."""
    far = np.zeros(3)
    for z in range(field.shape[0]):
        for y in range(field.shape[1]):
            for x in range(field.shape[2]):
                for axis in range(3):
                    far[axis] = max(far[axis], abs(field[z, y, x, axis]))
    reach = np.zeros(3)
    for axis in range(3):
        for k in range(3):
            reach[axis] += 0.5 * abs(to_source[axis, k]) + abs(mm_to_source[axis, k]) * far[k]
    return reach


@njit(cache=True)
def _beside(source, z, y, x, to_source, reach):  # type: ignore[no-untyped-def]
    """Whether a voxel of the target lies wholly outside of the source, so that none of its parts need be looked up."""
    for axis in range(3):
        q = to_source[axis, 0] * x + to_source[axis, 1] * y + to_source[axis, 2] * z + to_source[axis, 3]
        if q + reach[axis] < -0.5 or q - reach[axis] > source.shape[2 - axis] - 0.5:
            return True
    return False


@njit(parallel=True, cache=True)
def pull(source, shape, sub, to_source, field, to_lattice, mm_to_source, outside):  # type: ignore[no-untyped-def]
    """Values of `source` on a target grid.

    Parameters
    ----------
    source : array[z, y, x]
    shape : array[3]
        Of the target, ``(z, y, x)``.
    sub : array[3]
        Parts of a voxel of the target along z, y, x.
    to_source : array[3, 4]
        Index of the target ``(x, y, z, 1)`` to index of the source, without the field.
    field : array[z, y, x, 3]
        Displacements in mm, or of length 0.
    to_lattice : array[3, 4]
        Index of the target to index of the field.
    mm_to_source : array[3, 3]
        A displacement in mm as one in indices of the source.
    outside : float
        Value where the source has none.

    Returns
    -------
    array[z, y, x]
    """
    out = np.empty((shape[0], shape[1], shape[2]), np.float64)
    reach = _reaches(to_source, field, mm_to_source)
    for z in prange(shape[0]):
        for y in range(shape[1]):
            for x in range(shape[2]):
                if _beside(source, z, y, x, to_source, reach):
                    out[z, y, x] = outside
                else:
                    out[z, y, x] = _mean(source, z, y, x, sub, to_source, field, to_lattice, mm_to_source, outside)
    return out


@njit(parallel=True, cache=True)
def covered_sums(source, low, high, sub, to_source, field, to_lattice, mm_to_source, weight):  # type: ignore[no-untyped-def]
    """Sums per slice of the pulled values times `weight` (on the field's lattice, or length 0), from index `low` to `high`.

    The lattice of the target goes on beyond its borders here, so that the whole source is covered.
    """
    sums = np.zeros(high[0] - low[0], np.float64)
    reach = _reaches(to_source, field, mm_to_source)
    for k in prange(high[0] - low[0]):
        z = low[0] + k
        total = 0.0
        for y in range(low[1], high[1]):
            for x in range(low[2], high[2]):
                if _beside(source, z, y, x, to_source, reach):
                    continue
                value = _mean(source, z, y, x, sub, to_source, field, to_lattice, mm_to_source, 0.0)
                if value != 0.0 and weight.shape[0] > 0:
                    lx = to_lattice[0, 0] * x + to_lattice[0, 1] * y + to_lattice[0, 2] * z + to_lattice[0, 3]
                    ly = to_lattice[1, 0] * x + to_lattice[1, 1] * y + to_lattice[1, 2] * z + to_lattice[1, 3]
                    lz = to_lattice[2, 0] * x + to_lattice[2, 1] * y + to_lattice[2, 2] * z + to_lattice[2, 3]
                    value *= _at(
                        weight,
                        min(max(lz, 0.0), weight.shape[0] - 1.0),
                        min(max(ly, 0.0), weight.shape[1] - 1.0),
                        min(max(lx, 0.0), weight.shape[2] - 1.0),
                        1.0,
                    )
                total += value
        sums[k] = total
    return sums
