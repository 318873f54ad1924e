"""Cells of other shapes by Monte Carlo: straight rays through two ellipsoids, a nucleus anywhere in its cell.

A ray starts at a random point of the source in a random direction and meets each target between two distances. An
isotropic point kernel T(x), the energy laid down within x, gives the target T(out) - T(in) on average over rays, for
any radiation; one alpha gives E(R - in) - E(R - out). Rays are tallied as weights on a grid of distances, so one run
serves every nuclide. Random numbers are Philox4x32-10, keyed by seed, stream and history; sums run over fixed chunks,
so any number of threads gives the same bits. Lengths are in um.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .._jit import njit, prange

__all__ = ["N_CHUNKS", "SHAPED_SOURCES", "alpha_tally", "ray_tally"]

Array = npt.NDArray[np.float64]

N_CHUNKS = 64
SHAPED_SOURCES = ("nucleus", "cytoplasm", "surface", "cell")
_PI2 = 2.0 * math.pi
_U25 = 1.0 / 33554432.0


@njit(cache=True, inline="always")
def _five(seed, stream, history, draw):  # type: ignore[no-untyped-def]
    """Five uniforms of 25 bits from one Philox4x32-10 block: the bits of `_random.uniforms`, cut finer.

    64-bit unsigned products keep a block near 20 ns; a direction is resolved to 6e-8, far below any tolerance here.
    """
    mask = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    c0, c1 = np.uint64(draw) & mask, np.uint64(0)
    c2, c3 = np.uint64(history) & mask, (np.uint64(history) >> half) & mask
    k0, k1 = np.uint64(seed) & mask, np.uint64(stream) & mask
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * c0
        p1 = np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ k0, p1 & mask, (p0 >> half) ^ c3 ^ k1, p0 & mask
        k0 = (k0 + np.uint64(0x9E3779B9)) & mask
        k1 = (k1 + np.uint64(0xBB67AE85)) & mask
    seven = np.uint64(7)
    low = np.uint64(127)
    # the top 25 bits of each word, and the seven low bits of all four: 25 + 3 bits of a fifth
    rest = ((c0 & low) << np.uint64(21)) | ((c1 & low) << np.uint64(14)) | ((c2 & low) << seven) | (c3 & low)
    return (
        (np.float64(np.int64(c0 >> seven)) + 0.5) * _U25,
        (np.float64(np.int64(c1 >> seven)) + 0.5) * _U25,
        (np.float64(np.int64(c2 >> seven)) + 0.5) * _U25,
        (np.float64(np.int64(c3 >> seven)) + 0.5) * _U25,
        (np.float64(np.int64(rest)) + 0.5) / 268435456.0,
    )


@njit(cache=True, inline="always")
def _crossing(px, py, pz, u, v, w, shape):  # type: ignore[no-untyped-def]
    """Distances at which a ray enters and leaves an ellipsoid (centre 0-2, inverse semi-axes 3-5); 0, 0 for a miss."""
    x, y, z = (px - shape[0]) * shape[3], (py - shape[1]) * shape[4], (pz - shape[2]) * shape[5]
    a, b, c = u * shape[3], v * shape[4], w * shape[5]
    aa = a * a + b * b + c * c
    bb = a * x + b * y + c * z
    root = bb * bb - aa * (x * x + y * y + z * z - 1.0)
    if root <= 0.0:
        return 0.0, 0.0
    root = math.sqrt(root)
    out = (root - bb) / aa
    if out <= 0.0 or out * out * aa < 1e-18:  # from the surface outwards: a path of 1e-9 radii is rounding, no hit
        return 0.0, 0.0
    return max(0.0, (-root - bb) / aa), out


@njit(cache=True, inline="always")
def _start(kind, core, cell, nucleus, seed, stream, history):  # type: ignore[no-untyped-def]
    """Point in the source and direction; kind 0 nucleus, 1 cytoplasm, 2 surface, 3 cell.

    `core` is the share of the cell's volume, around its centre, that is known to be nucleus.
    """
    draw = 0
    while True:
        r0, r1, r2, r3, r4 = _five(seed, stream, history, draw)
        draw += 1
        z = 2.0 * r0 - 1.0
        s = math.sqrt(1.0 - z * z)
        phi = _PI2 * r1
        x, y = s * math.cos(phi), s * math.sin(phi)
        if kind == 2:
            # area of an ellipsoid against that of the unit sphere: proportional to |(x/a, y/b, z/c)|
            a, b, c = x * cell[3], y * cell[4], z * cell[5]
            most = max(cell[3], cell[4], cell[5])
            if (cell[3] != cell[4] or cell[4] != cell[5]) and r4 * r4 * most * most > a * a + b * b + c * c:
                continue
            x, y, z = cell[0] + x / cell[3], cell[1] + y / cell[4], cell[2] + z / cell[5]
        else:
            r = (core + (1.0 - core) * r4) ** (1.0 / 3.0)
            x, y, z = r * x, r * y, r * z
            if kind == 0:
                x, y, z = nucleus[0] + x / nucleus[3], nucleus[1] + y / nucleus[4], nucleus[2] + z / nucleus[5]
            else:
                x, y, z = cell[0] + x / cell[3], cell[1] + y / cell[4], cell[2] + z / cell[5]
                if kind == 1:
                    a, b, c = (
                        (x - nucleus[0]) * nucleus[3],
                        (y - nucleus[1]) * nucleus[4],
                        (z - nucleus[2]) * nucleus[5],
                    )
                    if a * a + b * b + c * c < 1.0:
                        continue
        w = 2.0 * r2 - 1.0
        s = math.sqrt(1.0 - w * w)
        phi = _PI2 * r3
        return x, y, z, s * math.cos(phi), s * math.sin(phi), w


@njit(cache=True, parallel=True)
def _rays(kind, core, cell, nucleus, far_cell, far_nucleus, histories, seed, step, tally):  # type: ignore[no-untyped-def]
    chunks = tally.shape[0]
    for c in prange(chunks):
        for h in range(c * histories // chunks, (c + 1) * histories // chunks):
            x, y, z, u, v, w = _start(kind, core, cell, nucleus, seed, kind, h)
            for target in range(2):
                enter, leave = _crossing(x, y, z, u, v, w, far_nucleus if target == 0 else far_cell)
                if leave <= 0.0:
                    continue
                at = leave / step
                k = int(at)
                tally[c, target, k] += 1.0 - (at - k)
                tally[c, target, k + 1] += at - k
                at = enter / step  # at 0, in the source itself, T is what stays in place, and belongs to the target
                k = int(at)
                tally[c, target, k] -= 1.0 - (at - k)
                tally[c, target, k + 1] -= at - k


@njit(cache=True, inline="always")
def _energy(left, table, per_um):  # type: ignore[no-untyped-def]
    if left <= 0.0:
        return 0.0
    at = left * per_um
    k = int(at)
    return table[k] + (at - k) * (table[k + 1] - table[k])


@njit(cache=True, parallel=True)
def _alphas(kind, core, cell, nucleus, far_cell, far_nucleus, histories, seed, reach, table, per_um, sums):  # type: ignore[no-untyped-def]
    chunks = sums.shape[0]
    for c in prange(chunks):
        hits_n, first_n, second_n, hits_c, first_c, second_c = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for h in range(c * histories // chunks, (c + 1) * histories // chunks):
            x, y, z, u, v, w = _start(kind, core, cell, nucleus, seed, kind, h)
            enter, leave = _crossing(x, y, z, u, v, w, far_nucleus)
            if leave > 0.0 and enter < reach:
                e = _energy(reach - enter, table, per_um) - _energy(reach - leave, table, per_um)
                hits_n, first_n, second_n = hits_n + 1.0, first_n + e, second_n + e * e
            enter, leave = _crossing(x, y, z, u, v, w, far_cell)
            if leave > 0.0 and enter < reach:
                e = _energy(reach - enter, table, per_um) - _energy(reach - leave, table, per_um)
                hits_c, first_c, second_c = hits_c + 1.0, first_c + e, second_c + e * e
        sums[c, 0, 0], sums[c, 0, 1], sums[c, 0, 2] = hits_n, first_n, second_n
        sums[c, 1, 0], sums[c, 1, 1], sums[c, 1, 2] = hits_c, first_c, second_c


def _ellipsoid(centre: npt.ArrayLike, semi_axes: npt.ArrayLike) -> Array:
    return np.concatenate([np.asarray(centre, dtype=float), 1.0 / np.asarray(semi_axes, dtype=float)])


def _shapes(cell_axes: Array, nucleus_axes: Array, nucleus_offset: Array, shift: Array) -> tuple[Array, ...]:
    here = _ellipsoid(np.zeros(3), cell_axes), _ellipsoid(nucleus_offset, nucleus_axes)
    return (*here, _ellipsoid(shift, cell_axes), _ellipsoid(np.asarray(shift) + nucleus_offset, nucleus_axes))


def _core(cell_axes: Array, nucleus_axes: Array, nucleus_offset: Array) -> float:
    """Volume share of a copy of the cell, shrunk about its centre, that lies in the nucleus (triangle inequality)."""
    room = 1.0 - float(np.linalg.norm(np.asarray(nucleus_offset) / nucleus_axes))
    return max(0.0, room / float(np.max(np.asarray(cell_axes) / nucleus_axes))) ** 3


def ray_tally(
    source: str,
    cell_axes: Array,
    nucleus_axes: Array,
    nucleus_offset: Array,
    shift: Array,
    *,
    histories: int,
    seed: int,
    step_um: float,
) -> Array:
    """Weights of T on the grid 0, step, 2 step ..., per chunk of histories.

    Parameters
    ----------
    source : str
        Of `SHAPED_SOURCES`.
    cell_axes, nucleus_axes, nucleus_offset, shift : Array[3]
        Semi-axes; centre of the nucleus in the cell; from the source's to the target's cell (0: the same).
    histories, seed : int
    step_um : float

    Returns
    -------
    Array[chunk, 2, grid]
        Target nucleus and cell; ``tally.sum(0) @ T / histories`` is the energy absorbed per emission.
    """
    reach = float(np.linalg.norm(shift)) + 2.0 * float(np.max(cell_axes))
    tally = np.zeros((N_CHUNKS, 2, int(reach / step_um) + 3))
    shapes = _shapes(cell_axes, nucleus_axes, nucleus_offset, shift)
    core = _core(cell_axes, nucleus_axes, nucleus_offset) if source == "cytoplasm" else 0.0
    _rays(SHAPED_SOURCES.index(source), core, *shapes, histories, seed, step_um, tally)
    return tally


def alpha_tally(
    source: str,
    cell_axes: Array,
    nucleus_axes: Array,
    nucleus_offset: Array,
    shift: Array,
    *,
    histories: int,
    seed: int,
    range_um: float,
    energy_table: Array,
    table_step_um: float,
) -> Array:
    """Hits, energy and squared energy (MeV, MeV^2) of single alphas, per chunk.

    Parameters
    ----------
    range_um : float
        CSDA range at the start.
    energy_table : Array
        Energy (MeV) at the residual ranges 0, `table_step_um`, ..., past `range_um`.

    Returns
    -------
    Array[chunk, 2, 3]
        Target nucleus and cell; number of alphas that reach it, sum of the energy in it, sum of its square.
    """
    sums = np.zeros((N_CHUNKS, 2, 3))
    shapes = _shapes(cell_axes, nucleus_axes, nucleus_offset, shift)
    core = _core(cell_axes, nucleus_axes, nucleus_offset) if source == "cytoplasm" else 0.0
    kind, per_um = SHAPED_SOURCES.index(source), 1.0 / table_step_um
    _alphas(kind, core, *shapes, histories, seed, range_um, energy_table, per_um, sums)
    return sums
