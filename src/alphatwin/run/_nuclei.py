"""Behind the mean dose: how often an alpha crosses a nucleus, how many cells none hits, who survives.

Decays are taken as spread evenly through the tissue of a region, cells as concentric spheres in it. With N_u decays of
nuclide u per volume of a cell over the course, h_u the expected hits of a nucleus per such decay (its own and those
around it) and f1_u(z) the density of the specific energy of one hit,

    mean hits n = sum_u N_u h_u,     share of cells not hit = exp(-n)
    survival S  = exp(-sum_u N_u h_u p_u) exp(-alpha D_L - beta sum_k G D_L,k^2),  p_u = integral f1_u min(RBE alpha z, 1) dz

Every hit kills independently with the probability min(RBE alpha z, 1). RBE is the slope of survival against *mean* dose,
so it holds the statistics of hits already: below the cap S is exp(-RBE alpha D), the same killing as in BED; the cap (one
hit kills at most once) keeps S above the share that no alpha hits. D_L,k is the electron and photon dose of cycle k.
Recoils are in the dose, not in the hits (2 % of the alpha dose). (Roeske and Stinchcomb, J Nucl Med 1997;38:1923.)

alpha is that of photons: given in the case, or that of a cell line of the catalogue (alpha_L + alpha_S of its OSMK set,
what is left of the model at low LET and full oxygen). alpha/beta and RBE are those of the region's tissue, as in BED.

A region of several parts, such as both kidneys, has the mass-weighted mean of the shares of its parts. A real uptake
that is not even leaves more cells without a hit: this is the lower bound.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from .. import catalog
from ..case.model import CellOptions
from ..physics import nuclide as nuclide_of
from ..report import Course, NucleusHits
from ..units import JOULE_PER_MEV
from ._context import Book, Context

__all__ = ["SURVIVAL_NEEDS", "NucleusTables", "nucleus_hits", "nucleus_tables", "photon_alpha"]

SURVIVAL_NEEDS = (
    "Survival of cells is not computed: give cells.alpha_per_Gy, the LQ alpha of photons, or cells.line, a cell line of "
    "`alphatwin list cell-line`."
)
_PEAK_KEV_PER_UM = 240.0  # no alpha loses more in water-like tissue of unit density (ICRU 49: 227)
_POINTS = 1500  # of f1(z)


@dataclass(frozen=True, eq=False)
class _Hits:
    """Hits of a nucleus per decay in a cell's volume, decays everywhere; and integrals of f1 and z f1 up to z."""

    per_decay: float
    z_Gy: np.ndarray
    share: np.ndarray
    mean_Gy: np.ndarray

    def kill(self, slope_per_Gy: np.ndarray) -> np.ndarray:
        """Mean of min(slope z, 1) over single hits."""
        at = 1.0 / slope_per_Gy
        below = slope_per_Gy * np.interp(at, self.z_Gy, self.mean_Gy)
        return np.asarray(below + 1.0 - np.interp(at, self.z_Gy, self.share))


@functools.cache
def _per_decay(name: str, cell_um: float, nucleus_um: float, medium: str) -> _Hits:
    """Nothing in it depends on the case but the cell, so it is worked out once."""
    from scipy.integrate import cumulative_trapezoid

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
    mass_kg = 4 / 3 * np.pi * nucleus_um**3 * 1e-15  # of unit density, as the peak: both go with density
    grid = np.linspace(0.0, _PEAK_KEV_PER_UM * 2 * nucleus_um * 1e-3 * JOULE_PER_MEV / mass_kg, _POINTS)
    density = np.asarray(z.single_event_pdf(grid))
    share, mean = (cumulative_trapezoid(f, grid, initial=0) for f in (density, density * grid))
    return _Hits(float(z.mean_hits), grid, share / share[-1], mean * (z.z_frequency_mean_Gy / mean[-1]))


@dataclass(frozen=True, eq=False)
class NucleusTables:
    """What one kind of cell in one medium needs: hits and f1(z) of each alpha emitter.

    Attributes
    ----------
    nuclides : tuple of str
        Those that emit alphas, in the order of the last axis of the arrays below.
    cell_g : float
        Mass of a cell, g.
    """

    nuclides: tuple[str, ...]
    cell_g: float
    tables: tuple[_Hits, ...]

    def hits(self, decays_per_g: np.ndarray) -> np.ndarray:
        """Expected hits of a nucleus, ``[..., nuclide]``, from the decays per gram of tissue around it."""
        return np.asarray(decays_per_g * self.cell_g * np.array([t.per_decay for t in self.tables]))

    def lethal(self, slope_per_Gy: np.ndarray) -> np.ndarray:
        """Probability ``[sample, nuclide]`` that one hit kills, for a slope ``RBE alpha`` [sample]."""
        return np.stack([t.kill(slope_per_Gy) for t in self.tables], axis=1)


def nucleus_tables(nuclides: tuple[str, ...], cells: CellOptions, medium: str) -> NucleusTables | None:
    """Tables of the alpha emitters among `nuclides`; None where there is none.

    Parameters
    ----------
    nuclides : tuple of str
    cells : CellOptions
        Radii of cell and nucleus.
    medium : str
        An id of the catalogue; its density is that of the cell.

    Examples
    --------
    >>> from alphatwin.case.model import CellOptions
    >>> nucleus_tables(("Lu-177",), CellOptions(), "soft-tissue") is None
    True
    """
    alphas = tuple(name for name in nuclides if nuclide_of(name).energy_MeV("alpha") > 0)
    if not alphas:
        return None
    cell_g = 4 / 3 * np.pi * (cells.cell_radius_um * 1e-4) ** 3 * catalog.medium(medium).density.value
    tables = tuple(_per_decay(name, cells.cell_radius_um, cells.nucleus_radius_um, medium) for name in alphas)
    return NucleusTables(alphas, cell_g, tables)


def photon_alpha(cells: CellOptions, book: Book) -> float | None:
    """alpha of photons, 1/Gy: given, or of the cell line that the case names; None where neither is."""
    if cells.line is None:
        return cells.alpha_per_Gy
    entry = catalog.cell_line(cells.line)
    values = entry.models["osmk2021"]
    parts = [values["alpha_l"], values["alpha_s"]]
    for name, quantity in zip(("alpha_L", "alpha_S"), parts, strict=True):
        book.use(f"{name} of {entry.name}", quantity)
    book.say(f"Survival of cells: photon alpha of {entry.name}; a cell line, not the cells of this patient.")
    return sum(q.value for q in parts)


def nucleus_hits(c: Context, course: Course) -> dict[str, NucleusHits]:
    """Hits and survival of the cells of each region with a dose, over the whole course; nothing without alphas."""
    own = c.case.cells
    sources = [str(r) for r in course.s_values.s["source"].values]
    tables = {name: nucleus_tables(course.kinetics.nuclides, own, c.case.medium_of(name)) for name in sources}
    if not any(tables.values()):
        return {}
    alpha = photon_alpha(own, c.book)
    mass = course.s_values.mass_g
    made = {name: _of_region(course, name, of, alpha) for name, of in tables.items() if of is not None}
    for union in (r for r in course.regions if r not in sources):
        parts = course.s_values.parts(union)
        share = mass.sel(region=parts).values / mass.sel(region=parts).values.sum(axis=1, keepdims=True)
        made[union] = _union([made[p] for p in parts], share)
    c.book.say(
        f"Cells: nucleus of {own.nucleus_radius_um:g} um in a cell of {own.cell_radius_um:g} um radius, decays spread evenly; "
        "uneven uptake leaves more cells without a hit than stated."
    )
    if alpha is None:
        c.book.say(SURVIVAL_NEEDS)
    return {name: made[name] for name in course.regions}


def _of_region(course: Course, region: str, tables: NucleusTables, alpha: float | None) -> NucleusHits:
    decays = course.decays.decays.sel(region=region, nuclide=list(tables.nuclides)).values * course.scale
    hits = tables.hits(decays / course.s_values.mass_g.sel(region=region).values[:, None])
    survival = None if alpha is None else _survival(alpha, course, region, hits, tables)
    n = hits.sum(axis=1)
    return NucleusHits(n, np.asarray(np.exp(-n)), survival)


def _survival(alpha: float, course: Course, region: str, hits: np.ndarray, tables: NucleusTables) -> np.ndarray:
    tissue = course.effect.parameters[region]
    steep = np.broadcast_to(alpha * tissue.high_let.rbe_m(tissue.alpha_beta_Gy), (len(hits),))
    lethal = tables.lethal(steep)
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
