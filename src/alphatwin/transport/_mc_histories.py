"""Histories of the Monte Carlo: sources, the loop over particles, lanes of histories with fixed sums.

A batch of histories is cut into a fixed number of lanes. Every lane has its own sums and takes its histories in order, and
the lanes are added in order, so the result has the same bits for any number of threads. A history draws random numbers
of its own counter (seed, stream, history): batches can be made one by one, later or elsewhere.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._jit import njit
from ..errors import AlphatwinError, DomainError
from ._mc_alphas import alpha
from ._mc_electrons import electron, push
from ._mc_photons import collide_at_once, photon, photon_tracks
from ._mc_tables import KERNEL, MU, Tables
from ._mc_voxels import DX, DY, DZ, NX, NY, RADIATED, SHELLS, WAITING, deposit, settle
from ._random import block

__all__ = [
    "ANALOGUE",
    "ANNIHILATION",
    "BREMSSTRAHLUNG",
    "KERMA",
    "TRACKS",
    "Source",
    "Sums",
    "World",
    "check_pairs",
    "grid_world",
    "one_history",
    "run_batch",
    "run_pairs",
    "shell_world",
    "source",
]

Array = npt.NDArray[np.float64]

KERMA, ANALOGUE, TRACKS = 0, 1, 2  # electrons of photons: stop at once, are followed, or track-length estimate
BREMSSTRAHLUNG, ANNIHILATION = 1, 2
ALPHA, COLLIDING = 4, 5  # kinds of particles beside 0 photon, 1 electron, 2 positron, 3 annihilation photon
_STACK = 400
_TWO_PI = 2.0 * math.pi
BYTES_PER_VOXEL = 32  # and lane


@dataclass(frozen=True, eq=False)
class World:
    """Geometry and cross sections as the kernels take them; see `_mc_voxels`."""

    geo: tuple[float | int, ...]
    density: npt.NDArray[np.float32]  # 7 digits, to fetch less
    media: npt.NDArray[np.int8]
    tables: Tables
    majorant: Array
    lanes: int

    @property
    def places(self) -> int:
        """Number of voxels or shells."""
        return int(self.geo[SHELLS]) if self.geo[SHELLS] else len(self.density)

    @property
    def packed(self) -> tuple[Any, ...]:
        """As the kernels take it."""
        t = self.tables
        return (
            self.geo, self.density, self.media, t.charged, t.quantiles, t.photon, t.scattering, t.form, self.majorant,
            t.brems, t.vacancy, t.cascade, t.alpha,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Source:
    """What is emitted (0 photon, 1 electron, 2 positron, `ALPHA`; MeV) and from which voxels, with cumulated weights."""

    kind: npt.NDArray[np.int64]
    energy: Array
    line: Array
    voxel: npt.NDArray[np.int64]
    place: Array

    @property
    def packed(self) -> tuple[npt.NDArray[Any], ...]:
        """As the kernels take it."""
        return self.kind, self.energy, self.line, self.voxel, self.place


def source(
    kind: object, energy_MeV: object, weight: object, voxel: object = (0,), voxel_weight: object = (1.0,)
) -> Source:
    """A source from lines and voxels with their weights."""

    def cumulated(values: object) -> Array:
        c = np.cumsum(np.asarray(values, dtype=float))
        return np.asarray(c / c[-1])

    return Source(
        np.asarray(kind, dtype=np.int64), np.asarray(energy_MeV, dtype=float), cumulated(weight),
        np.asarray(voxel, dtype=np.int64), cumulated(voxel_weight),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Sums:
    """MeV per voxel and its variance, summed over histories; two more places: left the world, radiated and not followed."""

    first: Array
    second: Array
    histories: int

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.first + other.first, self.second + other.second, self.histories + other.histories)

    def mean(self) -> Array:
        """MeV per history."""
        return self.first / self.histories

    def error(self) -> Array:
        """Standard error of `mean`."""
        return np.sqrt(self.second) / self.histories


def _majorant(tables: Tables, top_density: list[float]) -> Array:
    mu = tables.photon[:, :, MU]
    both = np.maximum(mu, np.concatenate([mu[:, 1:], mu[:, -1:]], axis=1))
    return np.ascontiguousarray((both * np.array(top_density)[:, None]).max(axis=0))


def lanes_of(voxels: int) -> int:
    """Lanes of a grid: fewer where each one needs much memory; a rule of the size alone, so that results never differ."""
    return 16 if voxels <= 200_000 else 8 if voxels <= 1_000_000 else 4


def grid_world(
    density: Array,
    media: npt.NDArray[np.int8],
    voxel_cm: tuple[float, float, float],
    tables: Tables,
    *,
    outside: tuple[float, int] = (0.0, 0),
    margin_cm: float = 0.0,
) -> World:
    """A voxel grid [z, y, x]; `voxel_cm` is (z, y, x); outside is (density, medium), nothing by default."""
    nz, ny, nx = density.shape
    dz, dy, dx = voxel_cm
    geo = (dx, dy, dz, nx, ny, nz, 0, 1.0, float(outside[0]), int(outside[1]), float(margin_cm))
    tops = [float(density[media == m].max()) if np.any(media == m) else 0.0 for m in range(len(tables.photon))]
    tops[outside[1]] = max(tops[outside[1]], float(outside[0]))
    flat, kinds = (
        np.ascontiguousarray(density, dtype=np.float32).ravel(),
        np.ascontiguousarray(media, dtype=np.int8).ravel(),
    )
    return World(geo, flat, kinds, tables, _majorant(tables, tops), lanes_of(density.size))


def shell_world(
    tables: Tables, shells: int, scale_g_per_cm2: float, source_g_per_cm2: tuple[float, float] = (0.0, 0.0)
) -> World:
    """Shells round a point of an endless medium, up to `scale_g_per_cm2`; shell j ends at scale ((j + 1)/n)^2.

    Particles start evenly between the two radii `source_g_per_cm2`: a point, a sphere, a shell. `COLLIDING` photons start
    at the centre and collide first between these distances from it.
    """
    inner, outer = source_g_per_cm2
    geo = (float(inner), float(outer), 1.0, 1, 1, 1, int(shells), float(scale_g_per_cm2), 0.0, 0, 0.0)
    return World(geo, np.ones(1, dtype=np.float32), np.zeros(1, dtype=np.int8), tables, _majorant(tables, [1.0]), 16)


@njit(**KERNEL)
def _pick(cumulated, u):  # type: ignore[no-untyped-def]
    """First place whose cumulated weight lies above u."""
    lo, hi = 0, cumulated.shape[0] - 1
    while lo < hi:
        mid = (lo + hi) // 2
        if cumulated[mid] > u:
            hi = mid
        else:
            lo = mid + 1
    return lo


@njit(**KERNEL)
def _born(u, emitted, geo, key, p, cell):  # type: ignore[no-untyped-def]
    """Place and direction of an emission; u in [0, 1) picks the voxel, what is left of it the line. Kind and energy."""
    kind, energy, line_sum, voxel, place_sum = emitted
    at = _pick(place_sum, u)
    before = place_sum[at - 1] if at > 0 else 0.0
    line = _pick(line_sum, (u - before) / (place_sum[at] - before))
    r0, r1, r2, r3 = block(key)
    w = 2.0 * r0 - 1.0
    s = math.sqrt(max(0.0, 1.0 - w * w))
    p[3], p[4], p[5] = s * math.cos(_TWO_PI * r1), s * math.sin(_TWO_PI * r1), w
    p[0], p[1], p[2] = 0.0, 0.0, 0.0
    cell[3] = 0
    if geo[SHELLS] > 0 and geo[DY] > 0.0 and kind[line] != COLLIDING:
        inner = geo[DX] * geo[DX] * geo[DX]
        p[2] = (inner + r2 * (geo[DY] * geo[DY] * geo[DY] - inner)) ** (1.0 / 3.0)
    if geo[SHELLS] == 0:
        v = voxel[at]
        iz = v // (geo[NX] * geo[NY])
        iy = (v - iz * geo[NX] * geo[NY]) // geo[NX]
        ix = v - (iz * geo[NY] + iy) * geo[NX]
        r4, _, _, _ = block(key)
        cell[0], cell[1], cell[2], cell[3] = ix, iy, iz, v
        p[0], p[1], p[2] = (ix + r2) * geo[DX], (iy + r3) * geo[DY], (iz + r4) * geo[DZ]
    return kind[line], energy[line]


@njit(**KERNEL)
def one_history(number, start, count, emitted, world, stop_cm, electrons, follow, key, stack, p, cell, tally):  # type: ignore[no-untyped-def]
    """One emission and all that follows from it; history `number` of a batch of `count` that begins at `start`."""
    key[2], key[3] = number, 0
    r0, r1, _, _ = block(key)
    pair = (number - start) >> 1
    u = (pair + r0 + (r1 - 0.5) / 4294967296.0) / (count // 2)  # two histories per stratum
    what, e = _born(min(u, 1.0 - 1e-16), emitted, world[0], key, p, cell)
    top = push(stack, 0, what, e, p, cell)
    while top > 0:
        top -= 1
        what, e = int(stack[top, 0]), stack[top, 1]
        for k in range(6):
            p[k] = stack[top, 2 + k]
        for k in range(4):
            cell[k] = int(stack[top, 8 + k])
        if what == 3 and follow & 2 == 0:
            deposit(tally, RADIATED, number, e)
        elif what == ALPHA:
            alpha(e, p, cell, number, world, tally)
        elif what == COLLIDING:
            top = collide_at_once(e, p, cell, key, number, world, tally, electrons, stack, top)
        elif what == 0 or what == 3:
            if electrons == 2:
                top = photon_tracks(e, p, cell, key, number, world, tally, electrons, stack, top)
            else:
                top = photon(e, p, cell, key, number, world, tally, electrons, stack, top)
        else:
            top = electron(what - 1, e, p, cell, key, number, stop_cm, world, tally, follow & 1, stack, top)
    settle(tally, number)


@njit(cache=True, nogil=True, error_model="numpy")
def _lane(seed, stream, first, end, start, count, emitted, world, stop_cm, electrons, follow, rows):  # type: ignore[no-untyped-def]
    """Histories `first` to `end` - 1; energy that found no room to wait."""
    key = np.array([seed, stream, 0, 0])
    stack, p, cell = np.zeros((_STACK, 12)), np.zeros(6), np.zeros(4, np.int64)
    tally = (rows, np.zeros((WAITING + 1, 2)))
    for number in range(first, end):
        one_history(number, start, count, emitted, world, stop_cm, electrons, follow, key, stack, p, cell, tally)
    return stack[_STACK - 1, 1]


@njit(cache=True, nogil=True)
def _add(tally, first, second):  # type: ignore[no-untyped-def]
    """Add the lanes in order, close the open pairs, and leave the lanes at zero."""
    for place in range(first.shape[0]):
        a = b = 0.0
        for lane in range(tally.shape[0]):
            a += tally[lane, place, 0]
            b += tally[lane, place, 1] + tally[lane, place, 2] * tally[lane, place, 2]
            for k in range(4):
                tally[lane, place, k] = 0.0
        first[place], second[place] = a, b


def threads() -> int:
    """Threads to use: Numba's number (NUMBA_NUM_THREADS, numba.set_num_threads)."""
    import numba

    return int(numba.get_num_threads())


def memory_bytes(world: World) -> int:
    """What `run_batch` needs for its sums."""
    return (world.places + 2) * (world.lanes * BYTES_PER_VOXEL + 32)


def scratch(world: World) -> Array:
    """Sums of the lanes, all zero before and after a batch, to be used again; rows begin on half a cache line."""
    size = world.lanes * (world.places + 2) * 4
    block_ = np.zeros(size + 4)
    skip = (-block_.ctypes.data // 8) % 4
    return block_[skip : skip + size].reshape(world.lanes, world.places + 2, 4)


def run_batch(
    world: World,
    source: Source,
    *,
    histories: int,
    seed: int,
    stream: int,
    batch: int = 0,
    stop_cm: float = 0.0,
    electrons: int = ANALOGUE,
    follow: int = BREMSSTRAHLUNG | ANNIHILATION,
    space: Array | None = None,
) -> Sums:
    """Follow histories `batch * histories` to `(batch + 1) * histories - 1` of a stream.

    Parameters
    ----------
    world, source : World, Source
    histories : int
        Per batch.
    seed, stream, batch : int
        Key of the random numbers.
    stop_cm : float
        Electrons with a shorter CSDA range stop where they are; cm in the medium they are in, g/cm2 in shells.
    electrons : int
        What becomes of the electrons that photons set free: `ANALOGUE`, `KERMA` or `TRACKS`.
    follow : int
        Whether `BREMSSTRAHLUNG` and `ANNIHILATION` photons are followed; else their energy goes to the last place.
    space : Array, optional
        From `scratch`.
    """
    check_pairs(histories)
    tally = scratch(world) if space is None else space
    emitted, packed = source.packed, world.packed
    start, pairs = batch * histories, histories // 2
    ends = [start + 2 * (lane * pairs // world.lanes) for lane in range(world.lanes + 1)]

    def follow_lane(lane: int) -> float:
        return float(_lane(
            seed, stream, ends[lane], ends[lane + 1], start, histories, emitted, packed, float(stop_cm), electrons,
            follow, tally[lane],
        ))  # fmt: skip

    with ThreadPoolExecutor(min(threads(), world.lanes)) as pool:  # lanes release the interpreter's lock
        lost = sum(pool.map(follow_lane, range(world.lanes)))
    return _closed(tally, lost, histories)


def run_pairs(
    world: World, source: Source, pairs: npt.NDArray[np.int64], *, histories: int, seed: int, stream: int, batch: int,
    stop_cm: float, electrons: int, follow: int,
) -> Sums:  # fmt: skip
    """Some pairs of a batch alone, in order: those that found no room on a GPU."""
    tally, start, lost = np.zeros((1, world.places + 2, 4)), batch * histories, 0.0
    emitted, packed = source.packed, world.packed
    for pair in pairs.tolist():
        first = start + 2 * pair
        lost += float(_lane(
            seed, stream, first, first + 2, start, histories, emitted, packed, stop_cm, electrons, follow, tally[0]
        ))  # fmt: skip
    return _closed(tally, lost, histories)


def check_pairs(histories: int) -> None:
    """Histories come in pairs."""
    if histories < 2 or histories % 2:
        raise DomainError(f"A batch of {histories} histories; they come in pairs, so give an even number.")


def _closed(tally: Array, lost: float, histories: int) -> Sums:
    """The sums of all lanes, which are left at zero."""
    if lost > 0:
        raise AlphatwinError(
            f"More than {_STACK} particles of one history waited at a time, and {lost:g} MeV were lost. Please report this, "
            "with the energies of the source."
        )
    first, second = np.empty(tally.shape[1]), np.empty(tally.shape[1])
    _add(tally, first, second)
    return Sums(first, second, histories)
