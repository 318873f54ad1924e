"""Alphas through voxels, kernels only: straight tracks that lose energy by the stopping power of what they cross.

Continuous slowing down without deflection or straggling: the detour factor of alphas in water is 0.997 at 8 MeV and 0.94 at
0.5 MeV, where the range is 4 um, and straggling is 1 to 2 % of the range. Delta rays (a few keV, ranges to 0.5 um) are local.
"""

from __future__ import annotations

from .._jit import njit
from ._mc_tables import ALPHA_MEV, ALPHA_NODES, KERNEL, LOW_MEV
from ._mc_voxels import LEFT, cross, deposit, voxel_bounds

__all__ = ["alpha"]


@njit(**KERNEL)
def between(row, at):  # type: ignore[no-untyped-def]
    """A value of a row at a fractional index."""
    j = min(ALPHA_NODES - 1, int(at))
    return row[j] + (at - j) * (row[j + 1] - row[j])


@njit(**KERNEL)
def alpha(e, p, cell, history, world, tally):  # type: ignore[no-untyped-def]
    """Follow one alpha through a grid to its end, or out of it."""
    geo, density, media, table = world[0], world[1], world[2], world[12]
    while e > LOW_MEV:
        medium = media[cell[3]]
        last = table[medium, 0, ALPHA_NODES]
        reach = between(table[medium, 0], e / ALPHA_MEV * ALPHA_NODES)
        while True:
            t, axis = voxel_bounds(p, cell, geo)
            thick = t * density[cell[3]]
            if reach <= thick:
                deposit(tally, cell[3], history, e)
                return
            reach -= thick
            left = min(e, between(table[medium, 1], reach / last * ALPHA_NODES))
            deposit(tally, cell[3], history, e - left)
            e = left
            for k in range(3):
                p[k] += p[3 + k] * t
            if not cross(p, cell, geo, axis):
                deposit(tally, LEFT, history, e)
                return
            if media[cell[3]] != medium:
                break
    deposit(tally, cell[3], history, e)
