"""Behind the mean dose: how often an alpha crosses a nucleus, how many cells none hits, who survives.

Decays are taken as spread evenly through the tissue of a region, cells as concentric spheres in it. With N_u decays of
nuclide u per volume of a cell over the course, and h_u the expected hits of a nucleus per such decay (its own and those
around it),

    mean hits n = sum_u N_u h_u,     share of cells not hit = exp(-n)
    survival S  = exp(-sum_u N_u h_u (1 - T1_u(alpha_H))) exp(-alpha D_L - beta sum_k G D_L,k^2)

with T1_u the Laplace transform of the single-event specific energy, alpha_H = RBE alpha, and D_L,k the electron and
photon dose of cycle k (Roeske and Stinchcomb, J Nucl Med 1997;38:1923; Kellerer and Rossi, Radiat Res 1978;75:471).
Every hit is independent. A real uptake that is not even leaves more cells without a hit: this is the lower bound.
"""

from __future__ import annotations

import functools

import numpy as np

from .. import catalog
from ..physics import nuclide as nuclide_of
from ..report import Course, NucleusHits
from ._context import Context

__all__ = ["nucleus_hits"]

_GRID_PER_GY = np.concatenate([[0.0], np.geomspace(0.01, 100.0, 49)])


@functools.cache
def _per_decay(name: str, cell_um: float, nucleus_um: float, medium: str) -> tuple[float, np.ndarray]:
    """Hits of a nucleus per decay in a cell's volume, decays everywhere; and T1 on the grid of alpha."""
    from ..transport.hits import specific_energy

    everywhere = {name: {"cell": 0.5, "medium": 0.5}}  # 2 decays: one in the cell, one per cell volume around it
    z = specific_energy(
        name,
        cell_radius_um=cell_um,
        nucleus_radius_um=nucleus_um,
        decays=2.0,
        chain=False,
        places=everywhere,
        medium=medium,
    )
    transform = np.array([float(np.real(z.single_event_laplace(float(s)))) for s in _GRID_PER_GY])
    return float(z.mean_hits), transform


def nucleus_hits(c: Context, course: Course) -> dict[str, NucleusHits]:
    """Hits and survival of the cells of each region with a dose, over the whole course; nothing without alphas."""
    alphas = [name for name in course.kinetics.nuclides if nuclide_of(name).energy_MeV("alpha") > 0]
    if not alphas:
        return {}
    own = c.case.cells
    cell_um, nucleus_um = own.cell_radius_um, own.nucleus_radius_um
    volume_cm3 = 4 / 3 * np.pi * (cell_um * 1e-4) ** 3
    made = {}
    for region in course.regions:
        medium = c.case.medium_of(region)
        grams_of_cell = volume_cm3 * catalog.medium(medium).density.value
        per_gram = (
            _decays(course, region, alphas) * course.scale / course.s_values.mass_g.sel(region=region).values[:, None]
        )
        tables = [_per_decay(name, cell_um, nucleus_um, medium) for name in alphas]
        hits = per_gram * grams_of_cell * np.array([h for h, _ in tables])
        survival = None
        if own.alpha_per_Gy is not None:
            survival = _survival(c, course, region, hits, [t for _, t in tables])
        made[region] = NucleusHits(hits.sum(axis=1), survival)
    c.book.say(
        f"Cells: nucleus of {nucleus_um:g} um in a cell of {cell_um:g} um radius, decays spread evenly; uneven uptake leaves more cells "
        "without a hit than stated."
    )
    return made


def _decays(course: Course, region: str, alphas: list[str]) -> np.ndarray:
    """Decays [sample, nuclide] in a region, or in the parts of a union."""
    s = course.s_values.s.sel(target=region)
    parts = [str(r) for r in s["source"].values if bool((s.sel(source=r) > 0).any())]
    return np.asarray(course.decays.decays.sel(region=parts, nuclide=alphas).sum("region").values)


def _survival(c: Context, course: Course, region: str, hits: np.ndarray, transforms: list[np.ndarray]) -> np.ndarray:
    alpha = float(c.case.cells.alpha_per_Gy or 0.0)
    tissue = course.effect.parameters[region]
    steep = np.broadcast_to(alpha * tissue.high_let.rbe_m(tissue.alpha_beta_Gy), (len(hits),))
    t1 = np.stack([np.interp(steep, _GRID_PER_GY, t) for t in transforms], axis=1)
    low = course.effect.low_let_dose.sel(region=region).values
    share = np.asarray(course.cycle_activities_MBq) / sum(course.cycle_activities_MBq)
    g = course.effect.g.sel(region=region).values
    quadratic = alpha / np.asarray(tissue.alpha_beta_Gy) * g * low**2 * float(np.sum(share**2))
    return np.asarray(np.exp(-(hits * (1.0 - t1)).sum(axis=1) - alpha * low - quadratic))
