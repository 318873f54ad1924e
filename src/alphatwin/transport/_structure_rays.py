"""Rays through the structures of an organ: nested spheres or cylinders, packed or alone, with balls strewn in them.

A ray is cut at every surface it meets; each piece lies in one zone. Lengths along the ray are counted in um of water
that stop an alpha alike (`scale` per zone), and the piece from a to b is tallied as +1 at b and -1 at a on a grid of
that length: energy (or any other function of the length) is the tally times the function, as in `_cell_monte_carlo`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._jit import njit, prange
from ._cell_monte_carlo import _PI2, N_CHUNKS, _five

__all__ = ["Layout", "strewn_balls", "structure_tally"]

Array = npt.NDArray[np.float64]
_EVENTS = 2048


@dataclass(frozen=True, eq=False)
class Layout:
    """Geometry of a structure as numbers; lengths in um.

    Attributes
    ----------
    cylinder : bool
        Cylinders along z, else spheres.
    radii : Array[zone]
        Outer radii, rising.
    units : Array[unit, 3]
        Centres of all units within reach; the first is the origin.
    basis : Array[3, 3]
        Rows span one cell of the packing (identity when alone).
    balls : Array[ball, 3]
        Centres of the inclusions.
    ball_radius : float
    grid : Array[i, j, k] of int
        Index of the ball whose centre lies in a cube, or -1; cubes are so small that they hold one centre at most.
    scale : Array[zone + 2]
        Water-equivalent length per length: zones, what lies between or outside, inclusions.
    """

    cylinder: bool
    radii: Array
    units: Array
    basis: Array
    balls: Array
    ball_radius: float
    grid: npt.NDArray[np.int64]
    scale: Array

    @classmethod
    def of(
        cls, cylinder: bool, radii: Array, units: Array, basis: Array, balls: Array, ball_radius: float, scale: Array
    ) -> Layout:
        """With the grid of the balls, which do not overlap."""
        room = float(np.abs(balls).max()) if len(balls) else 0.0
        grid = np.full((_cubes(room, ball_radius),) * 3, -1, dtype=np.int64)
        if len(balls):
            place = np.floor((balls + room) / _cube(ball_radius)).astype(int)
            grid[place[:, 0], place[:, 1], place[:, 2]] = np.arange(len(balls))
        return cls(cylinder, radii, units, basis, balls, ball_radius, grid, scale)


@njit(cache=True, inline="always")
def _span(x, y, z, u, v, w, radius, cylinder):  # type: ignore[no-untyped-def]
    """Distances at which a ray from (x, y, z), relative to the centre, meets a sphere or cylinder; 1, 0 for a miss."""
    if cylinder:
        a, b, c = u * u + v * v, x * u + y * v, x * x + y * y - radius * radius
    else:
        a, b, c = 1.0, x * u + y * v + z * w, x * x + y * y + z * z - radius * radius
    root = b * b - a * c
    if root <= 0.0 or a < 1e-12:
        return 1.0, 0.0
    root = math.sqrt(root)
    return (-b - root) / a, (root - b) / a


@njit(cache=True, inline="always")
def _apart(x, y, z, centre, cylinder):  # type: ignore[no-untyped-def]
    """Squared distance from a centre or an axis."""
    dx, dy = x - centre[0], y - centre[1]
    dz = 0.0 if cylinder else z - centre[2]
    return dx * dx + dy * dy + dz * dz


@njit(cache=True, inline="always")
def _side(radius):  # type: ignore[no-untyped-def]
    """Side of a cube that holds one centre at most: its diagonal is a ball's diameter, less rounding."""
    return 2.0 * radius / math.sqrt(3.0) * (1.0 - 1e-9)


def _cube(radius: float) -> float:
    return 2.0 * radius / math.sqrt(3.0) * (1.0 - 1e-9)


def _cubes(room: float, radius: float) -> int:
    """Cubes along one side of a grid from -room to room."""
    return int(2.0 * room / _cube(radius)) + 1


@njit(cache=True)
def _reach(low, high, room, side, n):  # type: ignore[no-untyped-def]
    """Cubes that a stretch of one coordinate touches, kept inside the grid."""
    first, last = math.floor((low + room) / side), math.floor((high + room) / side)
    return max(first, 0), min(last, n - 1)


@njit(cache=True)
def _near(x, y, z, far, balls, grid, room, side):  # type: ignore[no-untyped-def]
    """Whether the centre of a ball is nearer than `far`."""
    n = grid.shape[0]
    i0, i1 = _reach(x - far, x + far, room, side, n)
    j0, j1 = _reach(y - far, y + far, room, side, n)
    k0, k1 = _reach(z - far, z + far, room, side, n)
    for i in range(i0, i1 + 1):
        for j in range(j0, j1 + 1):
            for k in range(k0, k1 + 1):
                b = grid[i, j, k]
                if b >= 0:
                    dx, dy, dz = x - balls[b, 0], y - balls[b, 1], z - balls[b, 2]
                    if dx * dx + dy * dy + dz * dz < far * far:
                        return True
    return False


@njit(cache=True)
def _birth(kind, inner, outer, cylinder, radii, units, basis, balls, ball_radius, grid, room, seed, stream, history):  # type: ignore[no-untyped-def]
    """Start and direction: kind 0 between two radii, 1 on the surface `outer`, 2 between the units."""
    draw = 0
    while True:
        r0, r1, r2, r3, r4 = _five(seed, stream, history, draw)
        draw += 1
        if kind == 2:
            r0, r1, r4 = r0 - 0.5, r1 - 0.5, r4 - 0.5
            x = r0 * basis[0, 0] + r1 * basis[1, 0] + r4 * basis[2, 0]
            y = r0 * basis[0, 1] + r1 * basis[1, 1] + r4 * basis[2, 1]
            z = r0 * basis[0, 2] + r1 * basis[1, 2] + r4 * basis[2, 2]
            inside = False
            last = radii[radii.shape[0] - 1]
            for i in range(units.shape[0]):
                if _apart(x, y, z, units[i], cylinder) < last * last:
                    inside = True
                    break
            if inside:
                continue
        else:
            phi = _PI2 * r1
            if cylinder:
                r = outer if kind == 1 else math.sqrt(inner * inner + (outer * outer - inner * inner) * r4)
                x, y, z = r * math.cos(phi), r * math.sin(phi), 0.0
            else:
                r = outer if kind == 1 else (inner**3 + (outer**3 - inner**3) * r4) ** (1.0 / 3.0)
                c = 2.0 * r0 - 1.0
                s = math.sqrt(1.0 - c * c)
                x, y, z = r * s * math.cos(phi), r * s * math.sin(phi), r * c
            if kind == 0 and balls.shape[0] > 0 and _near(x, y, z, ball_radius, balls, grid, room, _side(ball_radius)):
                continue
        w = 2.0 * r2 - 1.0
        s = math.sqrt(1.0 - w * w)
        phi = _PI2 * r3
        return x, y, z, s * math.cos(phi), s * math.sin(phi), w


@njit(cache=True)
def _cuts(x, y, z, u, v, w, furthest, cylinder, radii, units, balls, ball_radius, grid, room, cuts, near, near_balls):  # type: ignore[no-untyped-def]
    """Fill the sorted distances at which the ray crosses a surface, the units and the balls it meets."""
    count, n_units, n_balls = 0, 0, 0
    last = radii.shape[0] - 1
    for i in range(units.shape[0]):
        px, py, pz = x - units[i, 0], y - units[i, 1], z - units[i, 2]
        low, high = _span(px, py, pz, u, v, w, radii[last], cylinder)
        if high <= max(low, 0.0) or low > furthest:
            continue
        near[n_units] = i
        n_units += 1
        for k in range(last + 1):
            low, high = _span(px, py, pz, u, v, w, radii[k], cylinder)
            for at in (low, high):
                if low < high and 0.0 < at < furthest and count < cuts.shape[0] - 1:
                    cuts[count] = at
                    count += 1
    if balls.shape[0] > 0:
        side, n = _side(ball_radius), grid.shape[0]
        i0, i1 = _reach(
            x + min(0.0, u * furthest) - ball_radius, x + max(0.0, u * furthest) + ball_radius, room, side, n
        )
        j0, j1 = _reach(
            y + min(0.0, v * furthest) - ball_radius, y + max(0.0, v * furthest) + ball_radius, room, side, n
        )
        k0, k1 = _reach(
            z + min(0.0, w * furthest) - ball_radius, z + max(0.0, w * furthest) + ball_radius, room, side, n
        )
        for i in range(i0, i1 + 1):
            for j in range(j0, j1 + 1):
                for k in range(k0, k1 + 1):
                    ball = grid[i, j, k]
                    if ball < 0:
                        continue
                    px, py, pz = x - balls[ball, 0], y - balls[ball, 1], z - balls[ball, 2]
                    low, high = _span(px, py, pz, u, v, w, ball_radius, False)
                    if high <= max(low, 0.0) or low > furthest:
                        continue
                    near_balls[n_balls] = ball
                    n_balls += 1
                    for at in (low, high):
                        if 0.0 < at < furthest and count < cuts.shape[0] - 1:
                            cuts[count] = at
                            count += 1
    cuts[count] = furthest
    count += 1
    for i in range(1, count):  # few and nearly sorted
        value, k = cuts[i], i - 1
        while k >= 0 and cuts[k] > value:
            cuts[k + 1] = cuts[k]
            k -= 1
        cuts[k + 1] = value
    return count, n_units, n_balls


@njit(cache=True)
def _zone(x, y, z, cylinder, radii, units, near, n_units, balls, ball_radius, near_balls, n_balls):  # type: ignore[no-untyped-def]
    """Zone of a point: 0 ... from the inside out, then what lies between or outside, then inclusions."""
    zones = radii.shape[0]
    for i in range(n_balls):
        if _apart(x, y, z, balls[near_balls[i]], False) < ball_radius * ball_radius:
            return zones + 1
    for i in range(n_units):
        d2 = _apart(x, y, z, units[near[i]], cylinder)
        if d2 < radii[zones - 1] * radii[zones - 1]:
            for k in range(zones):
                if d2 < radii[k] * radii[k]:
                    return k
    return zones


@njit(cache=True, parallel=True)
def _march(kind, inner, outer, cylinder, radii, units, basis, balls, ball_radius, grid, room, scale, reach, step, histories, seed, stream, tally):  # type: ignore[no-untyped-def] # fmt: skip
    chunks = tally.shape[0]
    furthest = reach / scale.min()
    for c in prange(chunks):
        cuts = np.empty(_EVENTS)
        near = np.empty(units.shape[0] + 1, dtype=np.int64)
        near_balls = np.empty(balls.shape[0] + 1, dtype=np.int64)
        for h in range(c * histories // chunks, (c + 1) * histories // chunks):
            x, y, z, u, v, w = _birth(
                kind, inner, outer, cylinder, radii, units, basis, balls, ball_radius, grid, room, seed, stream, h
            )
            count, n_units, n_balls = _cuts(
                x, y, z, u, v, w, furthest, cylinder, radii, units, balls, ball_radius, grid, room, cuts, near,
                near_balls,
            )  # fmt: skip
            here, depth = 0.0, 0.0
            for i in range(count):
                there = cuts[i]
                if there - here <= 0.0:
                    continue
                mid = 0.5 * (here + there)
                k = _zone(
                    x + u * mid, y + v * mid, z + w * mid, cylinder, radii, units, near, n_units, balls, ball_radius,
                    near_balls, n_balls,
                )  # fmt: skip
                end = min(reach, depth + (there - here) * scale[k])
                for at, sign in ((end / step, 1.0), (depth / step, -1.0)):
                    j = int(at)
                    tally[c, k, j] += sign * (1.0 - (at - j))
                    tally[c, k, j + 1] += sign * (at - j)
                here, depth = there, end
                if depth >= reach:
                    break


def structure_tally(
    layout: Layout, kind: int, inner: float, outer: float, *, reach: float, step: float, histories: int, seed: int,
    stream: int,
) -> Array:  # fmt: skip
    """Weights[chunk, zone + 2, grid] of a function of water-equivalent length on the grid 0, step, ... to `reach`.

    ``tally.sum(0) @ T / histories`` is what each zone gets per emission; see `_birth` for `kind`, `inner`, `outer`.
    """
    tally = np.zeros((N_CHUNKS, len(layout.radii) + 2, int(reach / step) + 3))
    _march(
        kind, inner, outer, layout.cylinder, layout.radii, layout.units, layout.basis, layout.balls,
        layout.ball_radius, layout.grid, float(np.abs(layout.balls).max(initial=0.0)), layout.scale, reach, step,
        histories, seed, stream, tally,
    )  # fmt: skip
    return tally


@njit(cache=True)
def _strew(wanted, room, apart, seed, balls, grid):  # type: ignore[no-untyped-def]
    made, tries = 0, 0
    side = _side(0.5 * apart)
    while made < wanted and tries < 20_000_000:
        r0, r1, r2, _, _ = _five(seed, 99, tries, 0)
        tries += 1
        x, y, z = room * (2.0 * r0 - 1.0), room * (2.0 * r1 - 1.0), room * (2.0 * r2 - 1.0)
        if x * x + y * y + z * z > room * room or _near(x, y, z, apart, balls, grid, room, side):
            continue
        balls[made, 0], balls[made, 1], balls[made, 2] = x, y, z
        grid[math.floor((x + room) / side), math.floor((y + room) / side), math.floor((z + room) / side)] = made
        made += 1
    return made


def strewn_balls(volume_fraction: float, ball_radius: float, within_radius: float, seed: int) -> Array:
    """Centres of balls that do not overlap, strewn one by one in a sphere; fewer than asked when no room is left."""
    wanted = round(volume_fraction * (within_radius / ball_radius) ** 3)
    balls = np.zeros((wanted, 3))
    room = within_radius - ball_radius
    grid = np.full((_cubes(room, ball_radius),) * 3, -1, dtype=np.int64)
    made = _strew(wanted, room, 2.0 * ball_radius, seed, balls, grid)
    return np.ascontiguousarray(balls[:made])
