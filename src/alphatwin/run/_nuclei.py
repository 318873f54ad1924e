"""Behind the mean dose: how often an alpha crosses a nucleus, how many cells none hits, who survives.

Decays are taken as spread evenly through the tissue of a region, cells as concentric spheres in it. With N_u decays of
nuclide u per volume of a cell over the course, h_u the expected hits of a nucleus per such decay (its own and those
around it) and z_u the frequency-mean specific energy of a hit,

    mean hits n = sum_u N_u h_u,     share of cells not hit = exp(-n)
    survival S  = exp(-sum_u N_u h_u p_u) exp(-alpha D_L - beta sum_k G D_L,k^2),     p_u = min(RBE alpha z_u, 1)

Every hit kills independently with the probability p_u. RBE is the slope of survival against *mean* dose, so it holds
the statistics of hits already: below the cap S is exp(-RBE alpha D), the same killing as in BED; the cap (one hit kills
at most once) keeps S above the share that no alpha hits. D_L,k is the electron and photon dose of cycle k. Recoils are
in the dose, not in the hits (2 % of the alpha dose). (Roeske and Stinchcomb, J Nucl Med 1997;38:1923.)

A region of several parts, such as both kidneys, has the mass-weighted mean of the shares of its parts. A real uptake
that is not even leaves more cells without a hit: this is the lower bound.
"""

from __future__ import annotations

import functools

import numpy as np

from .. import catalog
from ..physics import nuclide as nuclide_of
from ..report import Course, NucleusHits
from ._context import Context

__all__ = ["nucleus_hits"]


@functools.cache
def _per_decay(name: str, cell_um: float, nucleus_um: float, medium: str) -> tuple[float, float]:
    """Hits of a nucleus per decay in a cell's volume, decays everywhere; and the mean specific energy of a hit, Gy."""
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
    return float(z.mean_hits), float(z.z_frequency_mean_Gy)


def nucleus_hits(c: Context, course: Course) -> dict[str, NucleusHits]:
    """Hits and survival of the cells of each region with a dose, over the whole course; nothing without alphas."""
    alphas = [name for name in course.kinetics.nuclides if nuclide_of(name).energy_MeV("alpha") > 0]
    if not alphas:
        return {}
    own = c.case.cells
    s, mass = course.s_values.s, course.s_values.mass_g
    sources = [str(r) for r in s["source"].values]
    made = {name: _of_region(c, course, name, alphas) for name in sources}
    for union in (r for r in course.regions if r not in sources):
        parts = [r for r in sources if bool((s.sel(target=union, source=r) > 0).any())]
        share = mass.sel(region=parts).values / mass.sel(region=parts).values.sum(axis=1, keepdims=True)
        made[union] = _union([made[p] for p in parts], share)
    c.book.say(
        f"Cells: nucleus of {own.nucleus_radius_um:g} um in a cell of {own.cell_radius_um:g} um radius, decays spread evenly; "
        "uneven uptake leaves more cells without a hit than stated."
    )
    return {name: made[name] for name in course.regions}


def _of_region(c: Context, course: Course, region: str, alphas: list[str]) -> NucleusHits:
    own = c.case.cells
    medium = c.case.medium_of(region)
    cell_g = 4 / 3 * np.pi * (own.cell_radius_um * 1e-4) ** 3 * catalog.medium(medium).density.value
    decays = course.decays.decays.sel(region=region, nuclide=alphas).values * course.scale
    per_cell = decays / course.s_values.mass_g.sel(region=region).values[:, None] * cell_g
    tables = [_per_decay(name, own.cell_radius_um, own.nucleus_radius_um, medium) for name in alphas]
    hits = per_cell * np.array([h for h, _ in tables])
    survival = None
    if own.alpha_per_Gy is not None:
        survival = _survival(own.alpha_per_Gy, course, region, hits, np.array([z for _, z in tables]))
    n = hits.sum(axis=1)
    return NucleusHits(n, np.asarray(np.exp(-n)), survival)


def _survival(alpha: float, course: Course, region: str, hits: np.ndarray, z_Gy: np.ndarray) -> np.ndarray:
    tissue = course.effect.parameters[region]
    steep = np.broadcast_to(alpha * tissue.high_let.rbe_m(tissue.alpha_beta_Gy), (len(hits),))
    lethal = np.minimum(steep[:, None] * z_Gy, 1.0)
    low = course.effect.low_let_dose.sel(region=region).values
    share = np.asarray(course.cycle_activities_MBq) / sum(course.cycle_activities_MBq)
    g = course.effect.g.sel(region=region).values
    quadratic = alpha / np.asarray(tissue.alpha_beta_Gy) * g * low**2 * float(np.sum(share**2))
    return np.asarray(np.exp(-(hits * lethal).sum(axis=1) - alpha * low - quadratic))


def _union(parts: list[NucleusHits], share: np.ndarray) -> NucleusHits:
    """Cells of several parts together: shares of cells are averaged, not hits."""

    def mean(values: list[np.ndarray]) -> np.ndarray:
        return np.asarray((np.stack(values, axis=1) * share).sum(axis=1))

    alive = [p.survival for p in parts if p.survival is not None]
    return NucleusHits(
        mean([p.mean_hits for p in parts]), mean([p.not_hit for p in parts]), mean(alive) if alive else None
    )
