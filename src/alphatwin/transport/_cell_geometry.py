"""Geometry of two concentric spheres (nucleus in a cell) against a source, as weights on a grid of distances.

A point source lays down the energy T(x) within the distance x. With psi(x), the chance that a point at the distance x,
in a random direction, from a random point of the source lies in the target, the energy that the target gets is

    integral psi dT = - integral_0+^infinity psi'(x) T(x) dx          (psi vanishes far away; T(0) is what stays local)

T is a cubic between the points of one fixed grid, so the integral is a dot product of T and its slopes at the grid with
weights that hold nothing but geometry. They are exact to rounding: psi' comes from an integral over polynomials, panels
end at every knot of psi and of the grid. Lengths are in um.

Sources: Charlton & Cormack 1962; Goddu, Howell & Rao 1994 (geometric reduction factors); reciprocity: ICRU Report 33.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .._jit import njit, prange

__all__ = ["GRID_UM", "SOURCES", "TARGETS", "combine", "elementary_weights", "reduction", "volumes_um3"]

Array = npt.NDArray[np.float64]

TARGETS = ("nucleus", "cytoplasm", "cell")
SOURCES = ("nucleus", "cytoplasm", "surface", "cell")
# volume <- volume is symmetric, so five functions make all twelve pairs
_ELEMENTARY = ("nucleus-nucleus", "nucleus-cell", "cell-cell", "nucleus-surface", "cell-surface")
_FIRST_UM, _LAST_UM = 1e-3, 3e4


def _grid() -> Array:
    """0; 30 points a decade to 1 um; every 0.1 um to 150 um, where alphas end; 40 points a decade to 3 cm."""
    near = np.geomspace(_FIRST_UM, 1.0, 91)
    tracks = np.arange(11, 1501) / 10.0
    far = np.geomspace(150.0, _LAST_UM, 93)[1:]
    grid = np.concatenate([[0.0], near, tracks, far])
    grid.flags.writeable = False
    return grid


GRID_UM: Array = _grid()

# 4-point Gauss-Legendre: T is a cubic on a panel, psi' nearly a straight line
_NODE4 = np.polynomial.legendre.leggauss(4)[0]
_WEIGHT4 = np.polynomial.legendre.leggauss(4)[1]
_NODE3 = math.sqrt(0.6)  # 3-point: exact to the fifth degree


@njit(cache=True, inline="always")
def _share(x, s, a):  # type: ignore[no-untyped-def]
    """Fraction of a sphere of radius x, whose centre is s from that of a ball of radius a, that lies in the ball."""
    if x + s <= a:
        return 1.0
    if x >= s + a or s >= x + a:
        return 0.0
    return (a - s + x) * (a + s - x) / (4.0 * s * x)


@njit(cache=True, inline="always")
def _share_slope(x, s, a):  # type: ignore[no-untyped-def]
    """Derivative of `_share` by x: (s^2 - x^2 - a^2)/(4 s x^2) where the sphere is partly inside, else 0."""
    if x + s <= a or x >= s + a or s >= x + a:
        return 0.0
    return (s * s - x * x - a * a) / (4.0 * s * x * x)


@njit(cache=True, inline="always")
def _integrand(x, s, a, b, d, surface, slope):  # type: ignore[no-untyped-def]
    """Area of the source at the distance s from the target's centre, times the share of the sphere of radius x."""
    if surface:
        area = 2.0 * math.pi * b * s / d  # of the sphere b between s and s + ds
    elif d == 0.0:
        area = 4.0 * math.pi * s * s
    else:
        area = 4.0 * math.pi * s * s * _share(s, d, b)
    return area * (_share_slope(x, s, a) if slope else _share(x, s, a))


@njit(cache=True)
def _overlap(x, a, b, d, surface, slope):  # type: ignore[no-untyped-def]
    """Integral over a source of radius b (ball or surface) of the share of the ball a (or of its slope), at x.

    One integral over s, the distance of a source point from the target's centre; a polynomial of degree 4 at most
    between its knots |d - b|, d + b, |a - x|, a + x (and b - d, where the source surrounds the centre).
    """
    if surface and d == 0.0:
        return 4.0 * math.pi * b * b * (_share_slope(x, b, a) if slope else _share(x, b, a))
    low = abs(d - b) if (surface or d > b) else 0.0
    high = d + b
    first, second, third = abs(a - x), a + x, b - d
    total, at = 0.0, low
    while at < high:
        end = high
        if at < first < end:
            end = first
        if at < second < end:
            end = second
        if at < third < end:
            end = third
        half, mid = 0.5 * (end - at), 0.5 * (end + at)
        total += half * (
            8.0 / 9.0 * _integrand(x, mid, a, b, d, surface, slope)
            + 5.0
            / 9.0
            * (
                _integrand(x, mid - _NODE3 * half, a, b, d, surface, slope)
                + _integrand(x, mid + _NODE3 * half, a, b, d, surface, slope)
            )
        )
        at = end
    return total


@njit(cache=True)
def _panel(low, high, left, width, k, rn, rc, d, values, slopes):  # type: ignore[no-untyped-def]
    """Add the weights of [low, high], inside the grid interval k that starts at `left`."""
    for q in range(4):
        x = 0.5 * (low + high) + 0.5 * (high - low) * _NODE4[q]
        w = -0.5 * (high - low) * _WEIGHT4[q]
        t = (x - left) / width
        u = 1.0 - t
        h0, h1 = u * u * (1.0 + 2.0 * t), t * t * (3.0 - 2.0 * t)
        g0, g1 = width * t * u * u, -width * t * t * u
        for e in range(5):
            if e == 0:
                p = _overlap(x, rn, rn, d, False, True)
            elif e == 1:
                p = _overlap(x, rn, rc, d, False, True)
            elif e == 2:
                p = _overlap(x, rc, rc, d, False, True)
            elif e == 3:
                p = _overlap(x, rn, rc, d, True, True)
            else:
                p = _overlap(x, rc, rc, d, True, True)
            p *= w
            values[e, k] += p * h0
            values[e, k + 1] += p * h1
            slopes[e, k] += p * g0
            slopes[e, k + 1] += p * g1


@njit(cache=True)
def _weights_at(grid, rn, rc, d, values, slopes):  # type: ignore[no-untyped-def]
    """Weights at one distance: from grid point to grid point, split at the knots of psi."""
    low, high = max(0.0, d - 2.0 * rc), d + 2.0 * rc
    knots = np.empty(9)
    knots[0] = d
    for j, r in enumerate((2.0 * rn, 2.0 * rc, rc + rn, rc - rn)):
        knots[1 + 2 * j], knots[2 + 2 * j] = abs(d - r), d + r
    knots.sort()
    k = max(0, np.searchsorted(grid, low, side="right") - 1)
    at, j = low, 0
    while at < high and k < grid.shape[0] - 1:
        stop = min(high, grid[k + 1])
        while j < 9 and knots[j] <= at:
            j += 1
        if j < 9:
            stop = min(stop, knots[j])
        if at > 0.0:
            stop = min(stop, 1.3 * at)  # a thin cytoplasm makes psi' run as 1/x^2 from its thickness on
        _panel(at, stop, grid[k], grid[k + 1] - grid[k], k, rn, rc, d, values, slopes)
        at = stop
        if at >= grid[k + 1]:
            k += 1


@njit(cache=True, parallel=True)
def _weights(grid, rn, rc, distances, values, slopes):  # type: ignore[no-untyped-def]
    for i in prange(distances.shape[0]):
        _weights_at(grid, rn, rc, distances[i], values[i], slopes[i])


def elementary_weights(cell_radius_um: float, nucleus_radius_um: float, distances_um: Array) -> tuple[Array, Array]:
    """Weights of T and of its slopes at `GRID_UM` for the five elementary pairs; arguments already checked.

    Parameters
    ----------
    cell_radius_um, nucleus_radius_um : float
        Concentric; the same for the source's cell and for the target's.
    distances_um : Array[distance]
        Between the centres; 0 for the same cell.

    Returns
    -------
    values, slopes : Array[distance, 5, grid]
        Each elementary pair is target volume x source volume (um^3) or area (um^2) per unit of psi.
    """
    shape = (len(distances_um), len(_ELEMENTARY), len(GRID_UM))
    values, slopes = np.zeros(shape), np.zeros(shape)
    rn, rc, d = float(nucleus_radius_um), float(cell_radius_um), np.asarray(distances_um, dtype=float)
    if len(d) <= 64:  # threads would take longer to start than the work itself
        for i in range(len(d)):
            _weights_at(GRID_UM, rn, rc, float(d[i]), values[i], slopes[i])
    else:
        _weights(GRID_UM, rn, rc, d, values, slopes)
    return values, slopes


def volumes_um3(cell_radius_um: float, nucleus_radius_um: float) -> Array:
    """Volumes of `TARGETS` in um^3."""
    nucleus, cell = (4.0 / 3.0 * math.pi * r**3 for r in (nucleus_radius_um, cell_radius_um))
    return np.array([nucleus, cell - nucleus, cell])


def combine(elementary: Array, cell_radius_um: float, nucleus_radius_um: float) -> Array:
    """From the five elementary pairs, on the last axis but one, to [..., target, source, rest].

    A cytoplasm is the cell less its nucleus, as target and, weighted with the volumes, as source.
    """
    e = np.moveaxis(elementary, -2, 0)
    nn, nc, cc, ns, cs = e
    nucleus, cytoplasm, cell = volumes_um3(cell_radius_um, nucleus_radius_um)
    area = 4.0 * math.pi * cell_radius_um**2
    sources = (
        (nn / nucleus, nc / nucleus),  # nucleus
        ((nc - nn) / cytoplasm, (cc - nc) / cytoplasm),
        (ns / area, cs / area),
        (nc / cell, cc / cell),
    )
    rows = [np.stack([to_nucleus, to_cell - to_nucleus, to_cell]) for to_nucleus, to_cell in sources]
    return np.asarray(np.moveaxis(np.stack(rows, axis=1), (0, 1), (-3, -2)))


def reduction(
    x_um: npt.ArrayLike,
    target: str,
    source: str,
    cell_radius_um: float,
    nucleus_radius_um: float,
    distance_um: float = 0.0,
) -> Array:
    """Geometric reduction factor psi(x): chance that a point at x um from a random source point lies in the target.

    Parameters
    ----------
    x_um : array
        Distances above 0, in a random direction.
    target, source : str
        Of `TARGETS` and `SOURCES`.
    cell_radius_um, nucleus_radius_um, distance_um : float
        Concentric spheres; `distance_um` between the centres of the source's and the target's cell.

    Returns
    -------
    Array of the shape of `x_um`

    Examples
    --------
    >>> reduction([1.0], "nucleus", "nucleus", 5.0, 4.0).round(6).tolist()  # 1 - 3/16 + 1/1024
    [0.813477]
    """
    x = np.asarray(x_um, dtype=float)
    rn, rc, d = float(nucleus_radius_um), float(cell_radius_um), float(distance_um)
    pairs = ((rn, rn, False), (rn, rc, False), (rc, rc, False), (rn, rc, True), (rc, rc, True))
    found = np.array([[_overlap(v, a, b, d, s, False) for v in x.ravel()] for a, b, s in pairs])
    table = combine(found, rc, rn)
    return np.asarray(table[TARGETS.index(target), SOURCES.index(source)].reshape(x.shape))
