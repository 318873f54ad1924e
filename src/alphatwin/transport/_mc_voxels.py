"""Geometry and scoring of the Monte Carlo kernels: voxel grids, and spherical shells round a point.

A world is a tuple of numbers ``geo`` and the arrays ``density[voxel]`` (g/cm3) and ``media[voxel]``. Voxels are numbered
(iz ny + iy) nx + ix, the grid's corner is the origin, lengths are in cm. In shells the medium is endless and has unit
density, so lengths are g/cm2, and "voxel" j ends at ``scale (j + 1)^2 / n^2``.

A particle is ``p`` = x, y, z, u, v, w and, in a grid, ``cell`` = ix, iy, iz, voxel. Histories come in pairs, both drawn
from one stratum of the source. A tally is (rows, waiting): energy waits in a short list (place, MeV) until its history is
over, then goes into ``rows[voxel, (sum, sum of squared differences, this pair's difference, its number)]``; only `deposit`
and `settle` touch it. For independent x and x' of one stratum (x - x')^2 estimates the variance of x + x', so error bars stay
right when the source is stratified. A row is half a cache line: a large grid is as fast as its memory. Two more places
follow the voxels: `LEFT`, what left the world, and `RADIATED`, what was radiated and not followed.
"""

from __future__ import annotations

import math

from .._jit import njit
from ._mc_tables import KERNEL

__all__ = [
    "DX",
    "DY",
    "DZ",
    "LEFT",
    "MARGIN",
    "NX",
    "NY",
    "NZ",
    "OUT_DENSITY",
    "OUT_MEDIUM",
    "RADIATED",
    "SCALE",
    "SHELLS",
    "WAITING",
    "deposit",
    "enter",
    "face_distance",
    "inside",
    "move",
    "settle",
    "shell_of",
    "turn",
    "voxel_bounds",
]  # fmt: skip

LEFT, RADIATED = -2, -1  # places, counted from the end
WAITING = 255  # deposits that wait
# geo: voxel edges in cm, their numbers, number of shells (0: a grid), scale of the shells, and what lies round the grid:
# density (0: nothing) and medium, to a distance `MARGIN` (cm) from its faces
DX, DY, DZ, NX, NY, NZ, SHELLS, SCALE, OUT_DENSITY, OUT_MEDIUM, MARGIN = range(11)


@njit(**KERNEL)
def turn(p, mu, phi):  # type: ignore[no-untyped-def]
    """Deflect p by theta, mu = (1 - cos theta)/2, with azimuth phi."""
    u, v, w = p[3], p[4], p[5]
    cos_t = 1.0 - 2.0 * mu
    sin_t = 2.0 * math.sqrt(max(0.0, mu * (1.0 - mu)))
    cp, sp = sin_t * math.cos(phi), sin_t * math.sin(phi)
    perp2 = u * u + v * v
    if perp2 > 1e-12:
        inverse = 1.0 / math.sqrt(perp2)
        un = u * cos_t + (u * w * cp - v * sp) * inverse
        vn = v * cos_t + (v * w * cp + u * sp) * inverse
        wn = w * cos_t - cp * perp2 * inverse
    else:
        un, vn, wn = cp, sp, (cos_t if w > 0.0 else -cos_t)
    k = 1.5 - 0.5 * (un * un + vn * vn + wn * wn)
    p[3], p[4], p[5] = un * k, vn * k, wn * k


@njit(**KERNEL)
def settle(tally, history):  # type: ignore[no-untyped-def]
    """Write what waits into the rows; misses of memory overlap here, where nothing depends on them."""
    rows, waiting = tally
    pair, even = history >> 1, history & 1 == 0
    for k in range(1, int(waiting[0, 0]) + 1):
        place, energy = int(waiting[k, 0]), waiting[k, 1]
        rows[place, 0] += energy
        if rows[place, 3] != pair:
            rows[place, 1] += rows[place, 2] * rows[place, 2]
            rows[place, 2] = 0.0
            rows[place, 3] = pair
        rows[place, 2] += energy if even else -energy
    waiting[0, 0] = 0.0


@njit(**KERNEL)
def deposit(tally, place, history, energy):  # type: ignore[no-untyped-def]
    """Add energy of one history to a place."""
    waiting = tally[1]
    n = int(waiting[0, 0])
    if n > 0 and waiting[n, 0] == place:
        waiting[n, 1] += energy
        return
    if n == waiting.shape[0] - 1:
        settle(tally, history)
        n = 0
    waiting[n + 1, 0], waiting[n + 1, 1] = place, energy
    waiting[0, 0] = n + 1


@njit(**KERNEL)
def shell_of(p, geo):  # type: ignore[no-untyped-def]
    """The shell of a point; beyond the last one the place of what left."""
    r = math.sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2])
    n = geo[SHELLS]
    return min(n, int(n * math.sqrt(r / geo[SCALE])))


@njit(**KERNEL)
def inside(p, geo):  # type: ignore[no-untyped-def]
    """Whether a point lies in the grid."""
    return (
        p[0] >= 0.0
        and p[1] >= 0.0
        and p[2] >= 0.0
        and p[0] < geo[DX] * geo[NX]
        and p[1] < geo[DY] * geo[NY]
        and p[2] < geo[DZ] * geo[NZ]
    )


@njit(**KERNEL)
def enter(p, cell, geo):  # type: ignore[no-untyped-def]
    """Set the voxel of a point inside the grid."""
    cell[0] = min(int(p[0] / geo[DX]), geo[NX] - 1)
    cell[1] = min(int(p[1] / geo[DY]), geo[NY] - 1)
    cell[2] = min(int(p[2] / geo[DZ]), geo[NZ] - 1)
    cell[3] = (cell[2] * geo[NY] + cell[1]) * geo[NX] + cell[0]


@njit(**KERNEL)
def face_distance(p, cell, geo):  # type: ignore[no-untyped-def]
    """Distance in cm to the nearest face of the voxel."""
    a = p[0] - cell[0] * geo[DX]
    b = p[1] - cell[1] * geo[DY]
    c = p[2] - cell[2] * geo[DZ]
    return min(a, geo[DX] - a, b, geo[DY] - b, c, geo[DZ] - c)


@njit(**KERNEL)
def voxel_bounds(p, cell, geo):  # type: ignore[no-untyped-def]
    """Distance in cm along the flight to the face where it leaves the voxel, and that face's axis."""
    t, axis = 1e30, 0
    for k in range(3):
        way = p[3 + k]
        d = geo[DX] if k == 0 else (geo[DY] if k == 1 else geo[DZ])
        if way > 1e-14:
            s = ((cell[k] + 1) * d - p[k]) / way
        elif way < -1e-14:
            s = (cell[k] * d - p[k]) / way
        else:
            s = 1e30
        if s < t:
            t, axis = s, k
    return max(t, 0.0), axis


@njit(**KERNEL)
def stays_in(p, cell, length, geo):  # type: ignore[no-untyped-def]
    """Whether a flight of this length ends in the voxel where it begins."""
    x = p[0] + p[3] * length - cell[0] * geo[DX]
    y = p[1] + p[4] * length - cell[1] * geo[DY]
    z = p[2] + p[5] * length - cell[2] * geo[DZ]
    return x > 0.0 and x < geo[DX] and y > 0.0 and y < geo[DY] and z > 0.0 and z < geo[DZ]


@njit(**KERNEL)
def cross(p, cell, geo, axis):  # type: ignore[no-untyped-def]
    """Step into the next voxel along an axis, exactly onto the face; whether it still lies in the grid."""
    step = 1 if p[3 + axis] > 0.0 else -1
    d = geo[DX] if axis == 0 else (geo[DY] if axis == 1 else geo[DZ])
    n = geo[NX] if axis == 0 else (geo[NY] if axis == 1 else geo[NZ])
    cell[axis] += step
    p[axis] = (cell[axis] if step > 0 else cell[axis] + 1) * d
    cell[3] = (cell[2] * geo[NY] + cell[1]) * geo[NX] + cell[0]
    return cell[axis] >= 0 and cell[axis] < n


@njit(**KERNEL)
def move(p, cell, path, rate, where, geo, density, media, tally, history):  # type: ignore[no-untyped-def]
    """Carry a charged particle over a path in g/cm2 that loses ``rate`` MeV cm2/g; score it voxel by voxel.

    In shells all of it goes to one point of the path, a random part ``where`` from its start.

    Returns
    -------
    left : float
        The part of the path that was not made, g/cm2.
    state : int
        0 done, 1 halted at the face of another medium, 2 left the grid.
    """
    if geo[SHELLS] > 0:
        for k in range(3):
            p[k] += p[3 + k] * path * where
        deposit(tally, shell_of(p, geo), history, rate * path)
        for k in range(3):
            p[k] += p[3 + k] * path * (1.0 - where)
        return 0.0, 0
    medium = media[cell[3]]
    while True:
        rho = density[cell[3]]
        length = path / rho
        if stays_in(p, cell, length, geo):
            for k in range(3):
                p[k] += p[3 + k] * length
            deposit(tally, cell[3], history, rate * path)
            return 0.0, 0
        t, axis = voxel_bounds(p, cell, geo)
        if length <= t:
            for k in range(3):
                p[k] += p[3 + k] * length
            deposit(tally, cell[3], history, rate * path)
            return 0.0, 0
        done = t * rho
        if done > 0.0:
            deposit(tally, cell[3], history, rate * done)
        path -= done
        for k in range(3):
            p[k] += p[3 + k] * t
        if not cross(p, cell, geo, axis):
            return path, 2
        if media[cell[3]] != medium:
            return path, 1
