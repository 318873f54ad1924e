"""Geometry of a structure as numbers: which lengths it has, how uncertain they are, and the layout that they make.

A structure of the catalogue has lengths (`dimensions`), each with a distribution. `geometries` draws a fixed design of
them: geometry 0 has the values of the entry, the others spread every length over its distribution, once in each of
equally likely strata. `built` turns one geometry into the layout that rays run through. Zones that hold cells are cut
into shells, because hits differ with the place inside them.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .. import catalog
from ..draws import Draws
from ..physics.matter import medium as material_of
from . import _structure_rays

__all__ = ["GEOMETRIES", "REACH_UM", "Built", "built", "dimensions", "geometries"]

Array = npt.NDArray[np.float64]

REACH_UM = 130.0  # of water: more than the range of every alpha below 11 MeV
GEOMETRIES = 8  # drawn ones, besides the entry's own
_SHELLS = 6  # of a zone with cells
_SCALE_MEV = 6.0  # alpha energy at which the ranges of two media are compared
_DENSEST_CENTRES = 0.365  # volume of strewn balls over the room of their centres; they jam at 0.38
_SEED = 20250101  # of the inclusions and of the design; a structure is the same in every run


@dataclass(frozen=True, eq=False)
class Built:
    """A structure as numbers: zone names from the inside out, then what lies between, then inclusions.

    Attributes
    ----------
    layout : Layout
        With the shells as its zones.
    zones : tuple of str
    volume, mass_g : Array[zone]
        um^3 (um^2 for cylinders, per um), g.
    group : Array[zone, layout zone]
        1 where a shell belongs to a zone.
    shells : tuple of tuple of int
        Layout zones of each zone, from the inside out.
    shell_volume : Array[layout zone]
    sources : dict
        name -> kind, inner, outer; see `_structure_rays`.
    nucleus_um : dict
        Group of cells -> radius of its nuclei.
    endless : bool
        Packed: nothing leaves.
    """

    layout: _structure_rays.Layout
    zones: tuple[str, ...]
    volume: Array
    mass_g: Array
    group: Array
    shells: tuple[tuple[int, ...], ...]
    shell_volume: Array
    sources: dict[str, tuple[int, float, float]]
    nucleus_um: dict[str, float]
    endless: bool


def dimensions(entry: catalog.Structure) -> dict[str, catalog.Quantity]:
    """Every length and share that a geometry needs, by a readable name."""
    found = {f"{z.name} thickness": z.thickness for z in entry.zones}
    if entry.filled_fraction is not None:
        found["filled fraction"] = entry.filled_fraction
    if entry.inclusions is not None:
        found[f"{entry.inclusions.name} diameter"] = entry.inclusions.diameter
        found[f"{entry.inclusions.name} volume fraction"] = entry.inclusions.volume_fraction
    return found | {f"{name} nucleus diameter": cell.nucleus_diameter for name, cell in entry.cells.items()}


@functools.cache
def geometries(name: str) -> tuple[tuple[float, ...], ...]:
    """The entry's own lengths, then a design of `GEOMETRIES` drawn ones, in the order of `dimensions`."""
    entry = catalog.structure(name)
    found = dimensions(entry)
    columns = []
    for what, quantity in found.items():
        drawn = np.asarray(quantity.at_score(Draws(GEOMETRIES, _SEED).normal(f"{entry.id} {what}")), dtype=float)
        most = math.inf
        if what == "filled fraction":
            most = 0.99 * catalog.DENSEST_PACKING[entry.packing]
        elif what.endswith("volume fraction"):
            most = catalog.MOST_INCLUSIONS
        columns.append(np.clip(np.concatenate([[quantity.value], drawn]), 0.1 * quantity.value, most))
    rows = np.stack(columns, axis=1)
    put = entry.inclusions
    if put is not None:  # centres have a smaller room than the balls: near jamming, strewing would never end
        order = list(found)
        place = max(i for i, z in enumerate(entry.zones) if z.name in put.zones)
        outer = rows[:, : place + 1].sum(axis=1)
        room = (1 - rows[:, order.index(f"{put.name} diameter")] / 2 / outer) ** 3
        share = order.index(f"{put.name} volume fraction")
        rows[1:, share] = np.minimum(rows[1:, share], _DENSEST_CENTRES * room[1:])
    return tuple(tuple(float(v) for v in row) for row in rows)


def _packed(entry: catalog.Structure, radius: float, share: float | None) -> tuple[Array, Array, float]:
    """Centres of the units within reach, the cell of the packing, and the volume per unit (area for cylinders)."""
    if share is None:
        return np.zeros((1, 3)), np.eye(3), math.inf
    if entry.packing == "hexagonal":
        room = math.pi * radius**2 / share
        pitch = math.sqrt(room / (math.sqrt(3) / 2))
        basis = np.array([[pitch, 0, 0], [pitch / 2, pitch * math.sqrt(3) / 2, 0], [0, 0, 0]])
    else:
        room = 4 / 3 * math.pi * radius**3 / share
        half = (4 * room) ** (1 / 3) / 2
        basis = half * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]], dtype=float)
        pitch = half * math.sqrt(2)
    furthest = 1.1 * REACH_UM + 1.25 * pitch + radius  # path, start between the units, size of a unit
    n = math.ceil(furthest / pitch) * 2 + 2
    steps = np.arange(-n, n + 1)
    grid = np.stack(np.meshgrid(steps, steps, steps if entry.packing == "fcc" else [0], indexing="ij"), axis=-1)
    centres = grid.reshape(-1, 3) @ basis
    distance = np.linalg.norm(centres, axis=1)
    order = np.argsort(distance, kind="stable")
    return np.ascontiguousarray(centres[order][distance[order] <= furthest]), basis, room


@functools.cache
def _water_equivalent(medium: str) -> float:
    """um of water that stop an alpha like 1 um of a medium."""
    water, other = (material_of(m).csda_range_um("alpha", _SCALE_MEV) for m in ("water", medium))
    return float(water / other)


def _shell_radii(entry: catalog.Structure, thickness: list[float]) -> tuple[list[float], list[tuple[int, ...]]]:
    """Radii of all shells, and which shells each zone has; zones without cells are one shell."""
    with_cells = {cell.zone for cell in entry.cells.values()}
    radii: list[float] = []
    shells: list[tuple[int, ...]] = []
    inner = 0.0
    for zone, thick in zip(entry.zones, thickness, strict=True):
        parts = _SHELLS if zone.name in with_cells else 1
        shells.append(tuple(range(len(radii), len(radii) + parts)))
        radii += [inner + thick * (k + 1) / parts for k in range(parts)]
        inner = radii[-1]
    return radii, shells


@functools.lru_cache(maxsize=128)
def built(name: str, geometry: int = 0) -> Built:
    """One geometry of a structure: 0 is the entry's own."""
    entry = catalog.structure(name)
    value = dict(zip(dimensions(entry), geometries(entry.id)[geometry], strict=True))
    thickness = [value[f"{z.name} thickness"] for z in entry.zones]
    outer = list(np.cumsum(thickness))
    shell_radii, shells = _shell_radii(entry, thickness)
    cylinder = entry.shape == "cylinder"
    radii = np.asarray(shell_radii)
    units, basis, room = _packed(entry, float(radii[-1]), value.get("filled fraction"))
    full = math.pi * radii**2 if cylinder else 4 / 3 * math.pi * radii**3
    shell_volume = np.append(np.diff(full, prepend=0.0), [0.0, 0.0])  # and what lies between, and inclusions
    names, media = [z.name for z in entry.zones], [z.medium for z in entry.zones]
    sources = {n: (0, float(a), float(b)) for n, a, b in zip(names, [0.0, *outer[:-1]], outer, strict=True)}
    for zone, radius in zip(entry.zones, outer, strict=True):
        if zone.outer_surface:
            sources[zone.outer_surface] = (1, float(radius), float(radius))
    medium_of = [zone.medium for zone, mine in zip(entry.zones, shells, strict=True) for _ in mine]
    scale = [_water_equivalent(m) for m in [*medium_of, *[entry.between_medium or media[-1]] * 2]]
    between, put = len(radii), entry.inclusions
    if entry.between:
        names.append(entry.between)
        media.append(entry.between_medium)
        shells.append((between,))
        shell_volume[between] = room - float(full[-1])
        sources[entry.between] = (2, 0.0, 0.0)
    balls, ball_radius = np.zeros((0, 3)), 1.0
    if put is not None:
        ball_radius = value[f"{put.name} diameter"] / 2
        place = max(i for i, z in enumerate(entry.zones) if z.name in put.zones)
        balls = _structure_rays.strewn_balls(
            value[f"{put.name} volume fraction"], ball_radius, float(outer[place]), _SEED
        )
        shell_volume[:between] -= _balls_in_zones(balls, ball_radius, radii)
        names.append(put.name)
        media.append(put.medium)
        shells.append((between + 1,))
        shell_volume[between + 1] = len(balls) * 4 / 3 * math.pi * ball_radius**3
        scale[-1] = _water_equivalent(put.medium)
    group = np.array([[1.0 if i in mine else 0.0 for i in range(between + 2)] for mine in shells])
    volume = group @ shell_volume
    density = np.array([material_of(m).density_g_per_cm3 for m in media])
    return Built(
        layout=_structure_rays.Layout.of(cylinder, radii, units, basis, balls, ball_radius, np.array(scale)),
        zones=tuple(names),
        volume=volume,
        mass_g=volume * density * 1e-12,
        group=group,
        shells=tuple(shells),
        shell_volume=shell_volume,
        sources=sources,
        nucleus_um={cell: value[f"{cell} nucleus diameter"] / 2 for cell in entry.cells},
        endless=bool(entry.between),
    )


def _balls_in_zones(balls: Array, ball_radius: float, radii: Array) -> Array:
    """Volume of the balls in each zone: the lens of each ball with the spheres between the zones."""
    distance = np.linalg.norm(balls, axis=1)
    within = []
    for radius in radii:
        d = np.clip(distance, abs(radius - ball_radius), radius + ball_radius)
        a, b = float(radius), ball_radius
        lens = math.pi * (a + b - d) ** 2 * (d**2 + 2 * d * (a + b) - 3 * (a - b) ** 2) / (12 * np.maximum(d, 1e-12))
        whole = 4 / 3 * math.pi * min(a, b) ** 3
        within.append(float(np.sum(np.where(distance <= abs(a - b), whole, np.where(distance >= a + b, 0.0, lens)))))
    return np.diff(np.array(within), prepend=0.0)
