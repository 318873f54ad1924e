"""The cell scale and structures inside organs: what alphatwin gives for a published value, and closed forms."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .. import catalog
from ..biology.damage import dsb_yield
from ..biology.models import saturation_specific_energy_Gy
from ..biology.oxygen import ScifoniOER
from ..physics import RADIATIONS, medium, nuclide
from ..transport._cell_geometry import SOURCES, TARGETS
from ..transport.cells import cell_s_values, electron_cell_s_values
from ..transport.hits import specific_energy
from ..transport.structures import EVENLY, StructureResponse, structure_response
from ..units import JOULE_PER_MEV

if TYPE_CHECKING:
    import xarray as xr

    from ..transport.hits import SpecificEnergy
    from ._closed_forms import ClosedForm

__all__ = ["CELL_CALLS", "planned"]

_CHARGED = ["alpha", "electron"]  # published cellular S values leave recoils out


# --- published values ------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=16)
def _s(name: str, cell_um: float, nucleus_um: float, distance_um: float = 0.0) -> xr.DataArray:
    return cell_s_values(name, cell_um, nucleus_um, distance_um=distance_um)


def cell_s(
    name: str, target: str, source: str, cell_um: float = 5.0, nucleus_um: float = 4.0, distance_um: float = 0.0,
    members: str = "", radiations: str = "alpha and electron",
) -> float:  # fmt: skip
    """S value of a cell of water, Gy per decay of the nuclide; with the members of the chain that are named."""
    s = _s(name, cell_um, nucleus_um, distance_um)
    one = s.sel(target=target, source=source, radiation=radiations.split(" and "))
    names = [name, *([members] if members else [])]
    return float((one * one.decays_per_parent).sel(nuclide=names).sum())


def electron_nucleus_dose(name: str, source: str, emitted_MeV: float, cell_um: float, nucleus_um: float) -> float:
    """Dose to a nucleus from electrons that carry this energy in all, Gy."""
    per_decay = cell_s(name, "nucleus", source, cell_um, nucleus_um, radiations="electron")
    return per_decay * emitted_MeV / nuclide(name).energy_MeV("electron")


def electron_s(target: str, source: str, energy_keV: float, cell_um: float, nucleus_um: float) -> float:
    """S value of electrons of one energy in a cell of water, Gy per electron."""
    s = electron_cell_s_values(energy_keV, cell_um, nucleus_um)
    return float(s[TARGETS.index(target), SOURCES.index(source)])


@functools.lru_cache(maxsize=16)
def _hits(name: str, source: str, cell_um: float, nucleus_um: float, decays: float = 1.0) -> SpecificEnergy:
    return specific_energy(name, cell_radius_um=cell_um, nucleus_radius_um=nucleus_um, source=source, decays=decays)


def single_event(name: str, source: str, what: str, cell_um: float = 5.0, nucleus_um: float = 4.0) -> float:
    """Hit probability, z_F or z_D (Gy) of a nucleus."""
    z = _hits(name, source, cell_um, nucleus_um)
    return float({"p_hit": z.hit_probability, "z_F": z.z_frequency_mean_Gy, "z_D": z.z_dose_mean_Gy}[what])


def peak_let(name: str) -> float:
    """Largest alpha stopping power, nuclear part included, keV/um."""
    water = medium(name)
    total = water.mass_stopping_power("alpha", np.linspace(0.5, 1.0, 501))
    return float(np.max(total)) * water.density_g_per_cm3 / 10.0


def dsb(particle: str, let_keV_per_um: float) -> float:
    """Double-strand breaks per Gy and Gbp."""
    return float(dsb_yield(particle, let_keV_per_um))


def anoxic_oer(let_keV_per_um: float) -> float:
    """OER without oxygen, the formula fitted to carbon ions."""
    return float(ScifoniOER().oer(let_keV_per_um, 0.0))


def saturation(nucleus_um: float, domain_um: float, beta_per_Gy2: float) -> float:
    """z0 of a domain, Gy."""
    return float(saturation_specific_energy_Gy(nucleus_um, domain_um, beta_per_Gy2))


def structure_volume(structure: str, zones: float) -> float:
    """Volume of the innermost zones of a spherical structure, 1e6 um3."""
    inner = catalog.structure(structure).zones[: int(zones)]
    return 4 / 3 * math.pi * math.fsum(z.thickness.value for z in inner) ** 3 * 1e-6


def structure_volume_ratio(structure: str) -> float:
    """Volume of the innermost zone over that of the two innermost."""
    return structure_volume(structure, 1) / structure_volume(structure, 2)


CELL_CALLS: tuple[Callable[..., float], ...] = (
    cell_s, electron_nucleus_dose, electron_s, single_event, peak_let, dsb, anoxic_oer, saturation, structure_volume,
    structure_volume_ratio,
)  # fmt: skip


# --- closed forms of cells -------------------------------------------------------------------------------------------


def surface_hit(cell_um: float, nucleus_um: float) -> tuple[float, float]:
    """(1 - sqrt(1 - (Rn/Rc)^2))/2: the cone that the nucleus fills, seen from the surface; the range suffices."""
    expected = (1 - math.sqrt(1 - (nucleus_um / cell_um) ** 2)) / 2
    return expected, _hits("Po-210", "surface", cell_um, nucleus_um).hit_probability


def hits_everywhere(name: str, nucleus_um: float) -> tuple[float, float]:
    """One decay in each cell volume, everywhere: sum of y (pi r^2 R + 4/3 pi r^3) over the cell's volume."""
    lines = nuclide(name).emissions("alpha")
    reach = np.asarray(medium("water").csda_range_um("alpha", lines["energy_MeV"].to_numpy(dtype=float)))
    y = lines["yield_per_decay"].to_numpy(dtype=float)
    met = float(y @ (math.pi * nucleus_um**2 * reach + 4 / 3 * math.pi * nucleus_um**3))
    z = specific_energy(name, cell_radius_um=nucleus_um + 1, nucleus_radius_um=nucleus_um, decays=2.0, chain=False,
                        places={name: {"cell": 0.5, "medium": 0.5}})  # fmt: skip
    return met / (4 / 3 * math.pi * (nucleus_um + 1) ** 3), z.mean_hits


def ball_is_a_ball(name: str) -> tuple[float, float]:
    """C <- C of a cell of 5 um = N <- N of a nucleus of 5 um."""
    return cell_s(name, "cell", "cell", 5.0, 4.0), cell_s(name, "nucleus", "nucleus", 8.0, 5.0)


def reciprocity(name: str) -> tuple[float, float]:
    """S(N <- Cy) = S(Cy <- N): the same medium, both per gram."""
    return cell_s(name, "nucleus", "cytoplasm"), cell_s(name, "cytoplasm", "nucleus")


def whole_cell(name: str) -> tuple[float, float]:
    """S(N <- C) = [m_N S(N <- N) + m_Cy S(N <- Cy)]/m_C."""
    share = (4.0 / 5.0) ** 3
    parts = share * cell_s(name, "nucleus", "nucleus") + (1 - share) * cell_s(name, "nucleus", "cytoplasm")
    return parts, cell_s(name, "nucleus", "cell")


def mean_of_many(name: str, source: str) -> tuple[float, float]:
    """Mean of f(z) by FFT = dose by cellular S values, 20 decays."""
    members = _s(name, 5.0, 4.0).sel(target="nucleus", source=source, radiation="alpha")
    expected = 20.0 * float((members * members.decays_per_parent).sum())
    z, mass = _hits(name, source, 5.0, 4.0, 20.0).lattice
    return expected, float(z @ mass)


def variance_of_many(name: str, source: str) -> tuple[float, float]:
    """Variance of f(z) by FFT = D z_D, 20 decays."""
    hits = _hits(name, source, 5.0, 4.0, 20.0)
    z, mass = hits.lattice
    mean = float(z @ mass)
    return hits.mean_dose_Gy * hits.z_dose_mean_Gy, float(z**2 @ mass) - mean**2 + 0.0


# --- closed forms of structures --------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=16)
def _response(structure: str, name: str, source: str = EVENLY) -> StructureResponse:
    return structure_response(structure, (name,), (source,), histories=100_000)


def energy_is_kept(structure: str, source: str, name: str, radiation: str) -> tuple[float, float]:
    """Sum of mass times dose over the zones = energy of a decay, MeV."""
    r = _response(structure, name, source)
    k = RADIATIONS.index(radiation)
    kept = float((r.dose_Gy_g[:, 0, 0, k] * r.mass_g).sum() / r.mass_g.sum()) / JOULE_PER_MEV * 1e-3
    return float(r.emitted_Gy_g[0, k]) / JOULE_PER_MEV * 1e-3, kept


def tuft_is_a_ball(name: str) -> tuple[float, float]:
    """Alpha dose of the tuft to itself by rays = exact self dose of a ball of kidney, Gy per decay in the tuft."""
    r = _response("kidney-glomerulus", name, "tuft")
    radius = catalog.structure("kidney-glomerulus").zones[0].thickness.value
    exact = cell_s_values(name, radius, 10.0, chain=False, medium="kidney")
    expected = float(exact.sel(target="cell", source="cell", radiation="alpha").sum())
    return expected, float(r.dose_Gy_g[0, 0, 0, RADIATIONS.index("alpha")] / r.mass_g.sum())


def fano(structure: str, zone: str) -> tuple[float, float]:
    """A source spread by mass over all zones, ray by ray: every zone gets the energy of a decay per gram, Gy g."""
    all_zones = structure_response(structure, ("Po-210",), histories=100_000)
    weight = all_zones.mass_g / all_zones.mass_g.sum()
    index = [all_zones.sources.index(z) for z in all_zones.zones]
    alpha = RADIATIONS.index("alpha")
    dose = all_zones.dose_Gy_g[all_zones.zones.index(zone)][index, 0, alpha]
    return float(all_zones.emitted_Gy_g[0, alpha]), float(dose @ weight)


def hits_carry_dose(structure: str, source: str) -> tuple[float, float]:
    """n z_F of the nuclei of a zone = its alpha dose, Gy g."""
    entry, r = catalog.structure(structure), _response(structure, "Po-210", source)
    zone = next(iter(entry.cells.values())).zone
    dose = float(r.dose_Gy_g[r.zones.index(zone), 0, 0, RADIATIONS.index("alpha")])
    return dose, float(r.shell_share[0] @ r.z1_Gy_g[0][:, 0, 0])


def planned(group: str) -> Iterator[ClosedForm]:
    """Every closed form of the groups ``cells`` and ``structures``, not computed yet."""
    from ._closed_forms import ClosedForm

    if group == "cells":
        yield from _cells(ClosedForm)
    elif group == "structures":
        yield from _structures(ClosedForm)


def _cells(make: type[ClosedForm]) -> Iterator[ClosedForm]:
    geometry = "1e-6: two quadratures of one integral, each good to 1e-7"
    for cell, nucleus in ((5.0, 4.0), (7.0, 5.0), (10.0, 3.0)):
        yield make("cells", f"{nucleus:g} in {cell:g} um, alphas from the surface: p_hit", "1", partial(surface_hit, cell, nucleus),
                   1e-6, geometry, "kellerer1971", "the cone of a ball seen from outside")  # fmt: skip
    for name in ("Po-210", "Ac-225", "Po-212"):
        yield make("cells", f"{name} everywhere: hits of a nucleus", "1", partial(hits_everywhere, name, 4.0),
                   1e-6, geometry, "kellerer1971", "pi r^2 R + 4/3 pi r^3")  # fmt: skip
    for name in ("Po-210", "Bi-213", "Lu-177"):
        yield make("cells", f"{name}: cell on itself = nucleus on itself", "Gy", partial(ball_is_a_ball, name),
                   1e-6, geometry, "goddu1994sphere", "a ball is a ball")  # fmt: skip
        yield make("cells", f"{name}: N<-Cy = Cy<-N", "Gy", partial(reciprocity, name),
                   1e-6, geometry, "goddu1994sphere", "reciprocity")  # fmt: skip
        yield make("cells", f"{name}: N<-C from its parts", "Gy", partial(whole_cell, name),
                   1e-6, geometry, "goddu1997mird", "mass-weighted mean")  # fmt: skip
    for name, source in (("Po-210", "surface"), ("Ac-225", "cytoplasm")):
        yield make("cells", f"20 {name}, {source}: mean of f(z) = dose", "Gy", partial(mean_of_many, name, source),
                   1e-5, "1e-5: the lattice keeps the mean to 1e-7, tracks that stop inside cost 1e-6 each way",
                   "roeske1997", "mean of compound Poisson")  # fmt: skip
        yield make("cells", f"20 {name}, {source}: variance = D z_D", "Gy2", partial(variance_of_many, name, source),
                   1e-3, "1e-3: the lattice is fine enough for the variance to 1e-4, with a margin",
                   "roeske1997", "variance of compound Poisson")  # fmt: skip


def _structures(make: type[ClosedForm]) -> Iterator[ClosedForm]:
    places = (("kidney-glomerulus", "cortex"), ("kidney-proximal-tubule", "epithelium"), ("salivary-acinus", "acinar_cells"),
              ("marrow-cavity", "deep_marrow"))  # fmt: skip
    for structure, source in places:
        for radiation in ("alpha", "electron"):
            yield make("structures", f"{structure}: {radiation} energy of Bi-213 from {source}", "MeV",
                       partial(energy_is_kept, structure, source, "Bi-213", radiation), 1e-9,
                       "conservation: rounding over a million pieces of track", "mird21", "absorbed = emitted")  # fmt: skip
        yield make("structures", f"{structure}, {source}: n z_F = dose", "Gy g", partial(hits_carry_dose, structure, source), 0.02,
                   "2 %: nuclei with their centre in the zone reach out of it, where the dose is another one",
                   "kellerer1971", "number times mean = dose")  # fmt: skip
    for name in ("Po-210", "Ac-225", "Po-212"):
        yield make("structures", f"kidney-glomerulus: {name}, tuft on itself", "Gy", partial(tuft_is_a_ball, name), 5e-3,
                   "0.5 %: statistics of 1e5 rays (0.2 %), one ratio of ranges of kidney to water for all energies",
                   "goddu1994sphere", "self dose of a ball")  # fmt: skip
    for structure, zone in (
        ("kidney-proximal-tubule", "epithelium"),
        ("salivary-acinus", "acinar_cells"),
        ("kidney-glomerulus", "tuft"),
    ):
        yield make("structures", f"{structure}, decays by mass: dose to {zone.replace('_', ' ')}", "Gy g",
                   partial(fano, structure, zone), 0.02,
                   "2 %: statistics of 1e5 rays a zone, and stopping powers per gram of the media that differ by 1 %",
                   "mird21", "the same decays per gram everywhere give one dose (Fano)")  # fmt: skip
