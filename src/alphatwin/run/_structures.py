"""From an organ's mean dose to the cells that matter: its dose shared out over the zones of a structure.

For a region with N_u decays of nuclide u in the mass m, mean dose D_u,k by radiation k, and a structure that makes up
the share phi of its mass (the cortex of a kidney), a zone z gets

    D_z,u,k = D_u,k sum_s f_s,u (M_t/M) S_u,k(z <- s) / (E_u,k phi_s)

with f_s,u the share of the decays in source s, S dose per decay in a gram of the structure, E energy per decay over 1 g,
M the mass of one unit and M_t what of it is tissue of the region; phi_s is phi, and 1 for what is spread evenly over the
region. So in a structure that nothing leaves, the mass-weighted mean of the zones is D_u,k (f/phi + 1 - f) exactly: the
region's own dose, shared out. Photons reach far: every zone gets the region's photon dose. Alphas through a nucleus
follow from the same decays per gram, shell by shell of the zone, and the share of cells not hit is the mean of exp(-n)
over the shells.

Where a decay is, depends on how its nuclide came there. What the agent holds, and daughters retained at the site of its
decay, sit where the agent does; their number is a product of branching and retained fractions. The rest came through
blood as free ions and has a place of its own. Dimensions are drawn from a fixed design of geometries
(`transport.structures`), shares from their distributions.
"""

from __future__ import annotations

import math

import numpy as np

from .. import catalog, kinetics
from ..draws import Draws
from ..errors import CaseError
from ..physics import RADIATIONS
from ..physics import nuclide as nuclide_of
from ..physics.nuclides import chain_table
from ..report import Course, StructureCells, StructureResult
from ..transport.structures import EVENLY, GEOMETRIES, StructureResponse, dimensions, structure_response
from ..units import SECONDS_PER_HOUR
from ._context import Context
from ._stages import daughters_of

__all__ = ["structure_results"]

_HISTORIES = 50_000  # rays per source; relative standard error of an alpha dose below 1 %
_HISTORIES_DRAWN = 10_000  # for each drawn geometry: 1 to 2 %, small beside its spread


def structure_results(c: Context, course: Course) -> tuple[StructureResult, ...]:
    """Every structure that the case asks for, in the order of the regions."""
    return tuple(
        _of_structure(c, course, region, catalog.structure(name))
        for region, names in _wanted(c, course).items()
        for name in names
    )


def _wanted(c: Context, course: Course) -> dict[str, list[str]]:
    asked = c.case.structures
    if asked == "none":
        return {}
    if isinstance(asked, str):
        found: dict[str, list[str]] = {}
        for name, entry in catalog.entries("structure").items():
            for region in _regions_of(entry.region, course):
                found.setdefault(region, []).append(name)
        return {region: found[region] for region in course.regions if region in found} if c.human else {}
    for region in asked:
        if region not in course.regions:
            raise CaseError(
                f"structures.{region}: the case computes no dose to {region}; it has {', '.join(course.regions)}. "
                "Measure the region, or leave this out."
            )
    return {region: list(names) for region, names in asked.items()}


def _regions_of(region: str, course: Course) -> list[str]:
    """The region itself, or the one kidney that was measured."""
    if region in course.regions:
        return [region]
    return [r for r in course.regions if region == "kidneys" and r in ("kidney_left", "kidney_right")]


def _of_structure(c: Context, course: Course, region: str, entry: catalog.Structure) -> StructureResult:
    parts = course.s_values.parts(region)
    names = course.kinetics.nuclides
    decays = course.decays.decays.sel(region=parts).values * course.scale  # [sample, part, nuclide]
    mass_g = course.s_values.mass_g.sel(region=parts).values.sum(axis=1)
    held = _held(c, course, parts, decays)
    share, places = _shares(c, course, region, entry, held)
    index, responses = _responses(c, entry, names, tuple(share))
    phi = _tissue_share(c, entry)
    mean = course.dose.dose.sel(region=region).values * course.scale  # [sample, nuclide, radiation]
    # decays per gram of the structure, over decays per gram of the region, [sample, source, nuclide]
    density = np.stack([f / (1.0 if s == EVENLY else phi[:, None]) for s, f in share.items()], axis=1)
    density = density * np.array([r.tissue_g / r.mass_g.sum() for r in responses])[index][:, None, None]
    over = _over_mean(responses, index, density)
    dose = {zone: mean * over[:, i] for i, zone in enumerate(responses[0].zones)}
    total = np.maximum(mean.sum(axis=(1, 2)), 1e-300)
    mass = np.array([r.mass_g / r.mass_g.sum() for r in responses])[index]
    per_g = decays.sum(axis=1) / mass_g[:, None]
    unverified = _note(c, entry)
    c.book.say(*(f"{entry.name} ({region}): {sentence}" for sentence in places))
    return StructureResult(
        structure=entry.id,
        name=entry.name,
        region=region,
        dose_Gy=dose,
        mass_share={zone: mass[:, i] for i, zone in enumerate(responses[0].zones)},
        nuclides=tuple(names),
        radiations=RADIATIONS,
        over_mean={zone: d.sum(axis=(1, 2)) / total for zone, d in dose.items()},
        cells=_cells(entry, responses, index, density * per_g[:, None, :]),
        places=places,
        unverified=unverified,
        gaps=entry.gaps,
        sources=tuple(sorted({q.source for _, q in catalog.cited_in(entry)})),
    )


# --- where the decays are --------------------------------------------------------------------------------------------


def _held(c: Context, course: Course, parts: list[str], decays: np.ndarray) -> np.ndarray:
    """Share of the decays of each nuclide whose atoms never left the place of the agent, [sample, nuclide].

    Every retained atom decays in place: N_q = sum_p N_p branching(p -> q) retained(p -> q), from the agent's own decays.
    """
    names, constant_per_h, branching = chain_table(course.nuclide)
    model = daughters_of(c, course.agent, course.kinetics.regions)
    if not isinstance(model, kinetics.FreeDaughters):
        return np.ones((decays.shape[0], len(names)))
    half_life_s = math.log(2) / np.asarray(constant_per_h) * SECONDS_PER_HOUR
    kept = np.zeros_like(decays)
    for i, region in enumerate(parts):
        kept[:, i, 0] = decays[:, i, 0]
        for q in range(1, len(names)):
            for p in np.flatnonzero(np.asarray(branching)[q, :q] > 0):
                stays = np.array(1.0)
                if half_life_s[q] >= model.local_half_life_s:
                    pair = (str(names[p]), str(names[q]))
                    stays = np.asarray(model.retained.get((*pair, region), model.retained.get((*pair, "*"), 0.0)))
                kept[:, i, q] += branching[q, p] * stays * kept[:, i, p]
    whole = decays.sum(axis=1)
    part = kept.sum(axis=1)
    return np.asarray(np.clip(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0), 0.0, 1.0))


def _shares(
    c: Context, course: Course, region: str, entry: catalog.Structure, held: np.ndarray
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Share of the decays in each source[sample, nuclide], `EVENLY` last, and sentences that say so."""
    found: dict[str, np.ndarray] = {}
    said = []
    for of, weight in (("agent", held), ("free", 1.0 - held)):
        place = entry.placement(of, course.agent)
        if of == "free" and not np.any(weight > 1e-12):
            continue
        for source, part in _placed(c, entry, of, place.shares).items():
            found[source] = found.get(source, 0.0) + part[:, None] * weight
        who = "what the agent holds" if of == "agent" else "daughters that came through blood"
        where = "; ".join(f"{100 * q.value:.0f} % in {s.replace('_', ' ')}" for s, q in place.shares.items())
        rest = f"evenly over {region.replace('_', ' ')}"
        said.append(f"{who}: {f'{where}, the rest {rest}' if where else rest}. {place.note}".rstrip())
    if np.any(held < 1.0 - 1e-12):
        stay = ", ".join(
            f"{n} {100 * float(held[:, i].mean()):.0f} %" for i, n in enumerate(course.kinetics.nuclides) if i
        )
        said.append(f"share of decays with the agent: {stay}.")
    found[EVENLY] = np.maximum(1.0 - sum(found.values(), np.zeros_like(held)), 0.0)
    return found, tuple(said)


def _placed(
    c: Context, entry: catalog.Structure, of: str, shares: dict[str, catalog.Quantity]
) -> dict[str, np.ndarray]:
    """Sampled shares, each from 0 to 1; together at most 1. Structures of one organ share their draws."""
    draws = _draws(c)
    drawn = {
        source: np.clip(q.at_score(draws.normal(f"place {i} of {of} in {entry.region}")), 0.0, 1.0)
        for i, (source, q) in enumerate(shares.items())
    }
    total = np.maximum(sum(drawn.values(), np.zeros(draws.n)), 1.0)
    return {source: part / total for source, part in drawn.items()}


def _tissue_share(c: Context, entry: catalog.Structure) -> np.ndarray:
    draws = _draws(c)
    if entry.tissue_share is None:
        return np.ones(draws.n)
    drawn = entry.tissue_share.at_score(draws.normal(f"tissue share of {entry.region}"))
    return np.asarray(np.clip(drawn, 0.05, 1.0))


def _draws(c: Context) -> Draws:
    """Draws of the same seed that are not among the inputs of the organ's answer: none of it depends on them."""
    return Draws(c.draws.n, c.draws.seed)


# --- geometry, dose and hits -----------------------------------------------------------------------------------------


def _responses(
    c: Context, entry: catalog.Structure, names: tuple[str, ...], sources: tuple[str, ...]
) -> tuple[np.ndarray, list[StructureResponse]]:
    """Which geometry each sample has, and what each geometry answers."""
    draws = _draws(c)
    if not draws.sampled:
        return np.zeros(1, dtype=int), [structure_response(entry.id, names, sources, histories=_HISTORIES)]
    from scipy.special import ndtr

    index = np.minimum((ndtr(draws.normal(f"geometry of {entry.id}")) * GEOMETRIES).astype(int), GEOMETRIES - 1)
    return index, [
        structure_response(entry.id, names, sources, geometry=g, histories=_HISTORIES_DRAWN)
        for g in range(1, GEOMETRIES + 1)
    ]


def _over_mean(responses: list[StructureResponse], index: np.ndarray, density: np.ndarray) -> np.ndarray:
    """Dose to a zone over the region's mean, [sample, zone, nuclide, radiation]; 1 for photons."""
    s = np.stack([r.dose_Gy_g for r in responses])  # [geometry, zone, source, nuclide, radiation]
    emitted = np.stack([r.emitted_Gy_g for r in responses])
    ratio = s / np.where(emitted > 0, emitted, 1.0)[:, None, None]
    over = np.zeros((len(index), s.shape[1], s.shape[3], s.shape[4]))
    for g in np.unique(index):
        here = index == g
        over[here] = np.einsum("zsnr,isn->iznr", ratio[g], density[here])
    over[..., RADIATIONS.index("photon")] = 1.0
    return over


def _cells(
    entry: catalog.Structure, responses: list[StructureResponse], index: np.ndarray, per_g: np.ndarray
) -> dict[str, StructureCells]:
    """Hits of nuclei from the decays per gram of the structure[sample, source, nuclide]."""
    made = {}
    for i, (name, cell) in enumerate(entry.cells.items()):
        if not any(nuclide_of(n).energy_MeV("alpha") > 0 for n in responses[0].nuclides):
            continue
        n, z1, z2, missed = (np.zeros(len(index)) for _ in range(4))
        for g in np.unique(index):
            here, r = index == g, responses[g]
            shell = np.einsum("hsn,isn->ih", r.hits_g[i], per_g[here])
            n[here] = shell @ r.shell_share[i]
            missed[here] = np.exp(-shell) @ r.shell_share[i]
            z1[here] = np.einsum("h,hsn,isn->i", r.shell_share[i], r.z1_Gy_g[i], per_g[here])
            z2[here] = np.einsum("h,hsn,isn->i", r.shell_share[i], r.z2_Gy2_g[i], per_g[here])
        made[name] = StructureCells(
            zone=cell.zone,
            nucleus_diameter_um=cell.nucleus_diameter.value,
            mean_hits=n,
            not_hit=missed,
            z_frequency_mean_Gy=z1 / np.maximum(n, 1e-300),
            z_dose_mean_Gy=z2 / np.maximum(z1, 1e-300),
        )
    return made


def _note(c: Context, entry: catalog.Structure) -> tuple[str, ...]:
    """Put every number of the structure into the book; names of those that nobody has verified."""
    used: dict[str, catalog.Quantity] = dict(dimensions(entry))
    if entry.tissue_share is not None:
        used["share of the organ's mass"] = entry.tissue_share
    for place in entry.placements:
        used |= {f"share in {source}, {place.of}": q for source, q in place.shares.items()}
    for what, quantity in used.items():
        c.book.use(f"{entry.id}: {what.replace('_', ' ')}", quantity)
    c.book.cite("kellerer1971")
    return tuple(what.replace("_", " ") for what, quantity in used.items() if not quantity.verified)
