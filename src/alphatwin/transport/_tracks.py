"""Straight alpha tracks through spheres: quadrature nodes of the energy that one emission leaves in a target.

Everything has spherical symmetry about the target's centre, so a track is a line with impact parameter b and a starting
point x on it (x = 0 nearest to the centre, travel towards +x). A source with n(rho) emissions per um3, averaged over
the sphere of radius rho, starts 2 pi n(sqrt(b^2 + x^2)) b db dx tracks; each one leaves

    e = sum over stretches (a, c) of the target of  E(R0 - (a - x)) - E(R0 - (c - x))

with E(r) the energy that has the CSDA range r left, 0 for r < 0. The plane (b, x) is cut along every curve where this is
not smooth (surfaces of sources and targets, and places one range away from a surface of the target); each piece is
mapped onto a square with the square-root edges taken out, and Gauss-Legendre points there converge exponentially.

Sources: Kellerer 1971 (chords from points), Stinchcomb & Roeske 1992, Roeske & Stinchcomb 1997 (residual range along the
chord, single-event distributions of alpha emitters in cells).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._jit import njit, prange, two_ways
from ..errors import DomainError
from ..physics.matter import medium as material_of
from ._given import number, numbers, one_of

__all__ = [
    "SOURCES",
    "TARGETS",
    "NodeTable",
    "check_cell",
    "cross_nodes",
    "cross_transform",
    "energies_at",
    "range_um",
    "source_numbers",
    "target_radii",
    "track_nodes",
]

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

SOURCES = ("nucleus", "cytoplasm", "surface", "cell", "medium")
TARGETS = ("nucleus", "cytoplasm", "cell")
HIGHEST_MEV = 20.0  # of the curve of energy against range; alphas of radionuclides end at 12 MeV
_POINTS = 6000


# --- energy against residual range -----------------------------------------------------------------------------------


@functools.cache
def energy_curve(medium: str = "water") -> tuple[float, Array]:
    """Step of sqrt(range) and rows (E, dE/du step) over u = sqrt(range in um): a cubic with an O(1) look-up.

    Against the spline in logarithms behind ``Material.energy_after``: below 1e-8 MeV from 0.1 um on.
    """
    material = material_of(medium)
    top = math.sqrt(material.csda_range_um("alpha", HIGHEST_MEV))
    u = np.linspace(0.0, top, _POINTS)
    energy = np.zeros(_POINTS)
    energy[1:] = material.energy_after("alpha", np.minimum(u[1:] ** 2, top**2 * (1 - 1e-14)))
    low = material.energy_limits_MeV("alpha")[0]
    slope = np.zeros(_POINTS)  # dE/du = 2 u dE/dr; below the first table energy the curve is a straight line in r
    first = material.csda_range_um("alpha", low)
    inside = energy >= low
    stopping = material.mass_stopping_power("alpha", np.clip(energy[inside], low, HIGHEST_MEV))
    slope[inside] = 2 * u[inside] * stopping * material.density_g_per_cm3 * 1e-4
    slope[~inside] = 2 * u[~inside] * low / first
    step = float(u[1])
    rows = np.stack([energy, slope * step], axis=1)
    rows.flags.writeable = False
    return step, rows


def range_um(energy_MeV: npt.ArrayLike, medium: str = "water") -> Array:
    """CSDA range in um, of any shape; the energies are checked.

    Raises
    ------
    DomainError
        An energy that is not above the table's first one (1 keV) or above 20 MeV.
    """
    energy = numbers("Alpha energy", energy_MeV)
    material = material_of(medium)
    low = material.energy_limits_MeV("alpha")[0]
    good = (energy >= low) & (energy <= HIGHEST_MEV)
    if not bool(np.all(good)):
        raise DomainError(
            f"Alpha energy given as {energy[~good].ravel()[0]:g} MeV; tracks hold from {low:g} to {HIGHEST_MEV:g} MeV "
            "per particle (not per nucleon)."
        )
    return np.asarray(material.csda_range_um("alpha", energy))


@njit(cache=True, inline="always")
def _energy_at(r, step, rows):  # type: ignore[no-untyped-def]
    """E(r), MeV; 0 for r <= 0."""
    if r <= 0.0:
        return 0.0
    t = math.sqrt(r) / step
    k = min(int(t), rows.shape[0] - 2)
    v = t - k
    y0, m0, y1, m1 = rows[k, 0], rows[k, 1], rows[k + 1, 0], rows[k + 1, 1]
    d = y1 - y0
    return y0 + v * (m0 + v * (3.0 * d - 2.0 * m0 - m1 + v * (m0 + m1 - 2.0 * d)))


@njit(cache=True)
def _energies(ranges, step, rows):  # type: ignore[no-untyped-def]
    found = np.empty(ranges.shape[0])
    for i in range(ranges.shape[0]):
        found[i] = _energy_at(ranges[i], step, rows)
    return found


def energies_at(range_left_um: Array, medium: str = "water") -> Array:
    """Energy (MeV) that has these ranges left, one dimension; 0 for ranges of 0 or less."""
    found: Array = _energies(np.ascontiguousarray(range_left_um, dtype=float), *energy_curve(medium))
    return found


# --- sources ---------------------------------------------------------------------------------------------------------
# A source is four numbers: inner and outer radius, centre distance, and emissions per um3 (or, of a surface, per um2):
# inner < outer is a ball or a shell, inner == outer a surface.


@njit(cache=True, inline="always")
def _part_inside(rho, radius, distance):  # type: ignore[no-untyped-def]
    """Share of the sphere rho about the target that lies in a ball of this radius at this centre distance."""
    if distance == 0.0:
        return 1.0 if rho < radius else 0.0
    if rho <= radius - distance:
        return 1.0
    if rho >= radius + distance or rho <= distance - radius:
        return 0.0
    off = distance - rho
    return (radius * radius - off * off) / (4.0 * rho * distance)


@njit(cache=True, inline="always")
def _density(rho, inner, outer, distance, per_volume):  # type: ignore[no-untyped-def]
    """Emissions per um3 at distance rho from the target's centre, averaged over directions."""
    if inner == outer:  # the surface of a sphere beside the target: its area in a shell is 2 pi a rho d_rho / distance
        if rho <= abs(distance - outer) or rho >= distance + outer:
            return 0.0
        return per_volume * outer / (2.0 * distance * rho)
    return per_volume * (_part_inside(rho, outer, distance) - _part_inside(rho, inner, distance))


@njit(cache=True)
def _left_in_target(x, range0, ends, count, step, rows):  # type: ignore[no-untyped-def]
    """Energy left in the target's stretches (ends[2k], ends[2k+1]) by a track from x; -1 when it touches none."""
    total = -1.0
    for k in range(count):
        a, c = ends[2 * k], ends[2 * k + 1]
        if c <= x:
            continue
        start = range0 - max(a - x, 0.0)
        if start <= 0.0:
            continue
        if total < 0.0:
            total = 0.0
        total += _energy_at(start, step, rows) - _energy_at(range0 - (c - x), step, rows)
    return total


@njit(cache=True)
def _stretches(b, t_inner, t_outer, ends):  # type: ignore[no-untyped-def]
    """Stretches of the line b inside the target, a ball (t_inner = 0) or a shell; how many."""
    half = math.sqrt(max(t_outer * t_outer - b * b, 0.0))
    if b >= t_inner:
        ends[0], ends[1] = -half, half
        return 1
    hole = math.sqrt(max(t_inner * t_inner - b * b, 0.0))
    ends[0], ends[1], ends[2], ends[3] = -half, -hole, hole, half
    return 2


@njit(cache=True)
def _sorted_unique(values, count, tolerance):  # type: ignore[no-untyped-def]
    """Sort the first `count` values in place, drop those that repeat; how many stay."""
    for i in range(1, count):
        v, j = values[i], i - 1
        while j >= 0 and values[j] > v:
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = v
    kept = 0
    for i in range(count):
        if kept == 0 or values[i] - values[kept - 1] > tolerance:
            values[kept] = values[i]
            kept += 1
    return kept


@njit(cache=True)
def _radii(inner, outer, distance, t_inner, t_outer, radii):  # type: ignore[no-untyped-def]
    """Radii about the target's centre at which something changes; those of the target come first (their number, all)."""
    radii[0] = t_outer
    targets = 1
    if t_inner > 0.0:
        radii[1] = t_inner
        targets = 2
    count = targets
    for a in (inner, outer):
        if a > 0.0:
            for value in (abs(distance - a), distance + a):
                if value > 0.0:
                    radii[count] = value
                    count += 1
    return targets, count


@njit(cache=True)
def _impact_knots(radii, targets, count, range0, knots):  # type: ignore[no-untyped-def]
    """Impact parameters, 0 to the target's radius, between which the order of all events along a line stays."""
    top = radii[0]
    knots[0], knots[1] = 0.0, top
    n = 2
    for i in range(count):
        if radii[i] < top:
            knots[n] = radii[i]
            n += 1
        for j in range(targets):  # sqrt(A - b^2) +- sqrt(B - b^2) = range
            square_a, square_b = radii[i] ** 2, radii[j] ** 2
            half = (range0 * range0 + square_b - square_a) / (2.0 * range0)
            square = square_b - half * half
            if 0.0 < square < top * top:
                knots[n] = math.sqrt(square)
                n += 1
    return _sorted_unique(knots, n, 1e-9 * top)


@njit(cache=True)
def _line_events(b, radii, targets, count, range0, event_radius, event_sign, event_shift):  # type: ignore[no-untyped-def]
    """Places along the line b where something changes, in order, as (radius, sign, shift): x = sign sqrt(r^2 - b^2) - shift."""
    n = 0
    place = np.empty(32)
    for i in range(count):
        if radii[i] <= b:
            continue
        half = math.sqrt(radii[i] * radii[i] - b * b)
        for sign in (-1.0, 1.0):
            for shift in (0.0, range0):
                if shift > 0.0 and i >= targets:
                    continue
                x, j = sign * half - shift, n - 1
                while j >= 0 and place[j] > x:
                    place[j + 1] = place[j]
                    event_radius[j + 1] = event_radius[j]
                    event_sign[j + 1] = event_sign[j]
                    event_shift[j + 1] = event_shift[j]
                    j -= 1
                place[j + 1], event_radius[j + 1], event_sign[j + 1], event_shift[j + 1] = x, radii[i], sign, shift
                n += 1
    return n


@njit(cache=True, inline="always")
def _event_at(b, radius, sign, shift):  # type: ignore[no-untyped-def]
    return sign * math.sqrt(max(radius * radius - b * b, 0.0)) - shift


@njit(cache=True)
def _next_above(high, radii, count):  # type: ignore[no-untyped-def]
    """sqrt(r^2 - high^2) of the next larger radius r: its half chord is sqrt(s^2 + t^2), nearly singular at small t."""
    s = math.inf
    for i in range(count):
        square = radii[i] * radii[i] - high * high
        if 0.0 < square < s * s:
            s = math.sqrt(square)
    return s


@njit(cache=True, inline="always")
def _stretched(v, width, s):  # type: ignore[no-untyped-def]
    """t(v) and dt/dv on (0, 1) -> (0, width): t = s sinh(.) where s is small, which makes sqrt(s^2 + t^2) smooth."""
    if s > width or s < 1e-6 * width:
        return width * v, width
    top = math.asinh(width / s)
    return s * math.sinh(top * v), s * math.cosh(top * v) * top


@njit(cache=True)
def _volume_nodes(range0, source, target, gauss, panels, step, rows, start_energy, fill, weight, energy):  # type: ignore[no-untyped-def]
    """Nodes of a source with a density in space; counts them when `fill` is False. Groups of order^2 lie together.

    source = (inner, outer, centre distance, emissions per um3 or um2), target = (inner, outer), gauss[order, 2] on (0, 1).
    """
    inner, outer, distance, per_volume = source[0], source[1], source[2], source[3]
    t_inner, t_outer = target[0], target[1]
    order = gauss.shape[0]
    radii, knots, ends = np.empty(8), np.empty(32), np.empty(4)
    event_radius, event_sign, event_shift = np.empty(32), np.empty(32), np.empty(32)
    targets, count = _radii(inner, outer, distance, t_inner, t_outer, radii)
    n_knots = _impact_knots(radii, targets, count, range0, knots)
    done = 0
    for piece in range(n_knots - 1):
        low, high = knots[piece], knots[piece + 1]
        # b^2 = high^2 - t^2 takes the square root at the upper end out of every half chord, and b db = t dt
        width = math.sqrt(high * high - low * low)
        gap = _next_above(high, radii, count) if panels == 1 else math.inf  # panels resolve it themselves
        middle = 0.5 * (low + high)
        n_events = _line_events(middle, radii, targets, count, range0, event_radius, event_sign, event_shift)
        stretches = _stretches(middle, t_inner, t_outer, ends)
        for k in range(n_events - 1):
            x1 = _event_at(middle, event_radius[k], event_sign[k], event_shift[k])
            x2 = _event_at(middle, event_radius[k + 1], event_sign[k + 1], event_shift[k + 1])
            if x2 - x1 <= 1e-9 * t_outer:
                continue
            x = 0.5 * (x1 + x2)
            if _density(math.sqrt(middle * middle + x * x), inner, outer, distance, per_volume) <= 0.0:
                continue
            if _left_in_target(x, range0, ends, stretches, step, rows) < 0.0:
                continue
            begins_inside = False
            for j in range(stretches):
                begins_inside = begins_inside or (ends[2 * j] < x < ends[2 * j + 1])
            extra = start_energy if begins_inside else 0.0
            barely = event_shift[k] > 0.0  # tracks from the lower end just arrive: E(r) needs points near r = 0
            if not fill:
                done += order * order * panels * panels
                continue
            for pt in range(panels):
                for it in range(order):
                    t, dt = _stretched((pt + gauss[it, 0]) / panels, width, gap)
                    b = math.sqrt(max(high * high - t * t, 0.0))
                    n_here = _stretches(min(b, high), t_inner, t_outer, ends)
                    left = _event_at(b, event_radius[k], event_sign[k], event_shift[k])
                    length = max(_event_at(b, event_radius[k + 1], event_sign[k + 1], event_shift[k + 1]) - left, 0.0)
                    share = 2.0 * math.pi * t * dt * gauss[it, 1] / panels * length / panels
                    for px in range(panels):
                        at = done + ((pt * panels + px) * order + it) * order
                        for ix in range(order):
                            v, slope = (px + gauss[ix, 0]) / panels, 1.0
                            if barely:
                                v, slope = v * v, 2.0 * v
                            x = left + length * v
                            here = _density(math.sqrt(b * b + x * x), inner, outer, distance, per_volume)
                            weight[at + ix] = share * slope * gauss[ix, 1] * here
                            kept = _left_in_target(x, range0, ends, n_here, step, rows)
                            energy[at + ix] = max(kept, 0.0) + extra
            stretches = _stretches(middle, t_inner, t_outer, ends)
            done += order * order * panels * panels
    return done


@njit(cache=True)
def _surface_nodes(range0, radius, per_area, target, gauss, panels, step, rows, fill, weight, energy):  # type: ignore[no-untyped-def]
    """Nodes of tracks from a sphere about the target itself: one integral, over the impact parameter.

    From a layer that encloses the target only inward tracks count: b db / (2 rho x) of all emissions, x = half chord.
    """
    t_inner, t_outer = target[0], target[1]
    order = gauss.shape[0]
    radii, knots, ends = np.empty(8), np.empty(32), np.empty(4)
    targets, count = _radii(0.0, radius, 0.0, t_inner, t_outer, radii)
    n_knots = _impact_knots(radii, targets, count, range0, knots)
    emissions = 4.0 * math.pi * radius * radius * per_area
    done = 0
    for piece in range(n_knots - 1):
        low, high = knots[piece], knots[piece + 1]
        width = math.sqrt(high * high - low * low)
        gap = _next_above(high, radii, count) if panels == 1 else math.inf  # panels resolve it themselves
        middle = 0.5 * (low + high)
        stretches = _stretches(middle, t_inner, t_outer, ends)
        x = -math.sqrt(max(radius * radius - middle * middle, 0.0))
        if _left_in_target(x, range0, ends, stretches, step, rows) < 0.0:
            continue
        if fill:
            for p in range(panels):
                for i in range(order):
                    t, dt = _stretched((p + gauss[i, 0]) / panels, width, gap)
                    b = math.sqrt(max(high * high - t * t, 0.0))
                    half = math.sqrt(radius * radius - high * high + t * t)
                    n_here = _stretches(b, t_inner, t_outer, ends)
                    weight[done + p * order + i] = emissions * t * dt * gauss[i, 1] / panels / (2.0 * radius * half)
                    kept = _left_in_target(-half, range0, ends, n_here, step, rows)
                    energy[done + p * order + i] = max(kept, 0.0)
        done += order * panels
    return done


# --- the interface ---------------------------------------------------------------------------------------------------


@functools.cache
def _gauss(order: int) -> Array:
    node, weight = np.polynomial.legendre.leggauss(order)
    return np.ascontiguousarray(np.stack([0.5 * (node + 1), 0.5 * weight], axis=1))


def check_cell(cell_radius_um: float, nucleus_radius_um: float) -> None:
    """Refuse radii that are not a nucleus in a cell.

    Raises
    ------
    DomainError
        A radius of zero, negative or not a number; a nucleus larger than its cell; radii that look like cm or nm.
    """
    for what, value in (("Cell", cell_radius_um), ("Nucleus", nucleus_radius_um)):
        if not 0.05 <= number(value) <= 1000.0:
            raise DomainError(
                f"{what} radius given as {value!r} um; it lies between 0.05 and 1000 um. Is it in micrometres?"
            )
    if nucleus_radius_um > cell_radius_um:
        raise DomainError(
            f"The nucleus (radius {nucleus_radius_um:g} um) does not fit into the cell (radius {cell_radius_um:g} um)."
        )


def source_numbers(source: str, cell: float, nucleus: float, distance: float, reach: float) -> tuple[float, ...]:
    """(inner, outer, distance, emissions per um3 or um2) of one emission from the compartment.

    Raises
    ------
    DomainError
        A cytoplasm without volume.
    """
    if source == "surface":
        return (cell, cell, distance, 1.0 / (4.0 * math.pi * cell**2))
    if source == "medium":  # counted in the volume of a cell
        return (cell, cell + reach, 0.0, 3.0 / (4.0 * math.pi * cell**3))
    inner, outer = {"nucleus": (0.0, nucleus), "cytoplasm": (nucleus, cell), "cell": (0.0, cell)}[source]
    if outer == inner:
        raise DomainError(
            "The cytoplasm is empty: the nucleus fills the cell. Choose a larger cell, or another source."
        )
    return (inner, outer, distance, 3.0 / (4.0 * math.pi * (outer**3 - inner**3)))


def target_radii(target: str, cell: float, nucleus: float) -> tuple[float, float]:
    """Inner and outer radius of a target, um.

    Raises
    ------
    DomainError
        An unknown target, or a cytoplasm without volume.
    """
    one_of("target", target, TARGETS)
    if target == "cytoplasm" and cell == nucleus:
        raise DomainError(
            "The cytoplasm is empty: the nucleus fills the cell. Choose a larger cell, or another target."
        )
    return {"nucleus": (0.0, nucleus), "cell": (0.0, cell), "cytoplasm": (nucleus, cell)}[target]


def _checked(source: str, target: str, cell: float, nucleus: float, distances: Array, n: int) -> None:
    check_cell(cell, nucleus)
    one_of("source", source, SOURCES)
    one_of("target", target, TARGETS)
    if not bool(np.all(np.isfinite(distances) & (distances >= 0))):
        raise DomainError("Centre distances must be 0 (the cell itself) or positive numbers, in um.")
    if source == "medium" and bool(np.any(distances > 0)):
        raise DomainError("The medium surrounds the target itself: its distance is 0.")
    if not 1 <= n <= 200:
        raise DomainError(f"n given as {n}; take 1 to 200 quadrature points per axis.")


@njit(cache=True)
def _nodes(range0, source, target, gauss, panels, step, rows, start_energy):  # type: ignore[no-untyped-def]
    """Count, allocate, fill."""
    none = np.empty(0)
    if source[0] == source[1] and source[2] == 0.0:
        args = (range0, source[1], source[3], target, gauss, panels * panels, step, rows)
        count = _surface_nodes(*args, False, none, none)
        weight, energy = np.empty(count), np.empty(count)
        _surface_nodes(*args, True, weight, energy)
        return weight, energy
    count = _volume_nodes(range0, source, target, gauss, panels, step, rows, start_energy, False, none, none)
    weight, energy = np.empty(count), np.empty(count)
    _volume_nodes(range0, source, target, gauss, panels, step, rows, start_energy, True, weight, energy)
    return weight, energy


def track_nodes(
    energy_MeV: float,
    source: str,
    cell_radius_um: float,
    nucleus_radius_um: float,
    distance_um: float = 0.0,
    target: str = "nucleus",
    n: int = 16,
    *,
    panels: int = 1,
    medium: str = "water",
    recoil_MeV: float = 0.0,
) -> tuple[Array, Array]:
    """Nodes of the single-event distribution of alphas: the chance of each, and the energy it leaves in the target.

    Parameters
    ----------
    energy_MeV : float
        At emission, 1 keV to 20 MeV.
    source : {"nucleus", "cytoplasm", "surface", "cell", "medium"}
        Uniform in (on) the compartment. ``"medium"``: uniform outside the cell, without end; counted per emission in a
        volume of medium as large as the cell.
    cell_radius_um, nucleus_radius_um : float
        Concentric spheres.
    distance_um : float
        0: the source is the target's own cell; else the same compartment of a cell whose centre is so far away.
    target : {"nucleus", "cytoplasm", "cell"}
    n : int
        Gauss-Legendre points per axis and piece (two axes; one from the cell's own surface).
    panels : int
        Equal panels per axis in each piece. ``n=2`` with many panels serves histograms: the nodes of a panel follow each
        other, and their mean and variance are those of its image to first order.
    medium : str
        Catalogue id, inside and around the cell.
    recoil_MeV : float
        Energy left where the alpha begins, when that is in the target (not for the cell's own surface).

    Returns
    -------
    weight : Array[node]
        Chance per emission; the sum is the hit probability.
    energy_MeV : Array[node]
        Left in the target.

    Raises
    ------
    DomainError
        Radii, names, energies or distances that make no sense.

    Notes
    -----
    With n = 12 the mean is good to 1e-8 for crossing tracks, 1e-6 when tracks stop inside and from the medium; 3e-5 for a
    shell thinner than a tenth of its radius in which tracks stop (two panels: 3e-6).

    Examples
    --------
    >>> weight, energy = track_nodes(5.3046, "surface", 5.0, 4.0)
    >>> round(float(weight.sum()), 6)
    0.2
    """
    distance = np.asarray(float(distance_um))
    _checked(source, target, cell_radius_um, nucleus_radius_um, distance, n)
    reach = float(range_um(energy_MeV, medium))
    step, rows = energy_curve(medium)
    numbers = source_numbers(source, float(cell_radius_um), float(nucleus_radius_um), float(distance), reach)
    if source == "medium":
        panels = max(panels, 4)  # a stretch of many target diameters, with a Bragg peak at its end
    found: tuple[Array, Array] = _nodes(
        reach,
        numbers,
        target_radii(target, float(cell_radius_um), float(nucleus_radius_um)),
        _gauss(n),
        int(panels),
        step,
        rows,
        float(recoil_MeV),
    )
    return found


@dataclass(frozen=True)
class NodeTable:
    """Nodes of many distances, one after the other; a distance out of reach has none.

    Attributes
    ----------
    distance_um : Array[distance]
    start : integer array[distance + 1]
        Nodes of distance i are ``start[i]:start[i + 1]``.
    weight, energy_MeV : Array[node]
    """

    distance_um: Array
    start: npt.NDArray[np.int64]
    weight: Array
    energy_MeV: Array

    def at(self, i: int) -> tuple[Array, Array]:
        """Weights and energies of distance i."""
        part = slice(int(self.start[i]), int(self.start[i + 1]))
        return self.weight[part], self.energy_MeV[part]


# below these, some milliseconds of work, threads cost more than they bring
_MANY_PIECES, _MANY_TERMS = 1000, 1_000_000


@two_ways
def _count_many(ranges, yields, numbers, distances, target, gauss, step, rows):  # type: ignore[no-untyped-def]
    counts = np.zeros(len(distances) * len(ranges), dtype=np.int64)
    none = np.empty(0)
    for j in prange(len(distances) * len(ranges)):
        i, line = j // len(ranges), j % len(ranges)
        inner, outer, _, density = numbers
        if inner == outer and distances[i] == 0.0:
            counts[j] = _surface_nodes(ranges[line], outer, density, target, gauss, 1, step, rows, False, none, none)
        else:
            source = (inner, outer, distances[i], density)
            counts[j] = _volume_nodes(ranges[line], source, target, gauss, 1, step, rows, 0.0, False, none, none)
    return counts


@two_ways
def _fill_many(ranges, yields, numbers, distances, target, gauss, step, rows, start, weight, energy):  # type: ignore[no-untyped-def]
    for j in prange(len(distances) * len(ranges)):
        i, line = j // len(ranges), j % len(ranges)
        inner, outer, _, density = numbers
        w, e = weight[start[j] : start[j + 1]], energy[start[j] : start[j + 1]]
        if start[j + 1] == start[j]:
            continue
        if inner == outer and distances[i] == 0.0:
            _surface_nodes(ranges[line], outer, density * yields[line], target, gauss, 1, step, rows, True, w, e)
        else:
            source = (inner, outer, distances[i], density * yields[line])
            _volume_nodes(ranges[line], source, target, gauss, 1, step, rows, 0.0, True, w, e)


def cross_nodes(
    energy_MeV: npt.ArrayLike,
    source: str,
    cell_radius_um: float,
    nucleus_radius_um: float,
    distances_um: npt.ArrayLike,
    target: str = "nucleus",
    n: int = 8,
    *,
    yields: npt.ArrayLike | None = None,
    medium: str = "water",
) -> NodeTable:
    """Nodes for a list of centre distances at once: the table behind cross-dose and survival kernels of clusters.

    Parameters
    ----------
    energy_MeV : float or Array[line]
        Alpha lines.
    source, cell_radius_um, nucleus_radius_um, target, medium
        As in `track_nodes`; all cells are alike.
    distances_um : Array[distance]
        0 is the cell itself.
    n : int
        Points per axis and piece; 8 gives the mean to 1e-5, 5 to 1e-3.
    yields : Array[line], optional
        Alphas per decay of each line; 1 without.

    Returns
    -------
    NodeTable
        Weights per decay; from range + both radii on there are none: the kernel is exactly zero.

    Raises
    ------
    DomainError
        As in `track_nodes`; or yields that do not fit the lines.

    Examples
    --------
    >>> table = cross_nodes(5.3046, "nucleus", 5.0, 4.0, [10.0, 20.0, 60.0])
    >>> weight, energy = table.at(0)
    >>> round(float(weight.sum()), 4), len(table.at(2)[0])
    (0.0436, 0)
    """
    distances = np.atleast_1d(np.asarray(distances_um, dtype=float))
    _checked(source, target, cell_radius_um, nucleus_radius_um, distances, n)
    lines = np.atleast_1d(np.asarray(energy_MeV, dtype=float))
    shares = np.ones(len(lines)) if yields is None else np.atleast_1d(np.asarray(yields, dtype=float))
    if lines.ndim != 1 or shares.shape != lines.shape or not bool(np.all(shares >= 0)):
        raise DomainError(
            f"{lines.size} alpha energies came with {shares.size} yields; give one, not negative, for each."
        )
    ranges = range_um(lines, medium)
    step, rows = energy_curve(medium)
    reach = float(ranges.max()) if len(ranges) else 0.0
    numbers = source_numbers(source, float(cell_radius_um), float(nucleus_radius_um), 0.0, reach)
    bounds = target_radii(target, float(cell_radius_um), float(nucleus_radius_um))
    common = (ranges, shares, numbers, distances, bounds, _gauss(n), step, rows)
    many = len(distances) * len(ranges) > _MANY_PIECES
    counts = _count_many(many, *common)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    weight, energy = np.empty(start[-1]), np.empty(start[-1])
    _fill_many(many, *common, start, weight, energy)
    return NodeTable(distances, start[:: max(len(ranges), 1)].copy(), weight, energy)


@two_ways
def _transform(start, weight, scaled_energy, s, found):  # type: ignore[no-untyped-def]
    for i in prange(len(start) - 1):
        for k in range(len(s)):
            real, imag = 0.0, 0.0
            for j in range(start[i], start[i + 1]):
                decay = math.exp(-s[k].real * scaled_energy[j])
                angle = s[k].imag * scaled_energy[j]
                real += weight[j] * (decay * math.cos(angle) - 1.0)
                imag -= weight[j] * decay * math.sin(angle)
            found[i, k] = complex(real, imag)


def cross_transform(table: NodeTable, s_per_MeV: npt.ArrayLike) -> Complex:
    """K_i(s) = sum over the nodes of distance i of weight (exp(-s energy) - 1): what one decay adds to ln E[exp(-s z)].

    Parameters
    ----------
    table : NodeTable
    s_per_MeV : complex Array[s]
        1/MeV: s in 1/Gy times the gray that 1 MeV makes in the target.

    Returns
    -------
    complex Array[distance, s]
        Exactly zero out of reach.

    Examples
    --------
    >>> table = cross_nodes(5.3046, "nucleus", 5.0, 4.0, [10.0, 60.0])
    >>> cross_transform(table, [1e9 + 0j]).real.round(4).ravel().tolist()  # every hit kills: minus the hit probability
    [-0.0436, 0.0]
    """
    s = np.atleast_1d(np.asarray(s_per_MeV, dtype=complex))
    found = np.zeros((len(table.distance_um), len(s)), dtype=complex)
    _transform(len(table.weight) * len(s) > _MANY_TERMS, table.start, table.weight, table.energy_MeV, s, found)
    return found
