"""Where the daughters decay in a case of images: the pools of `kinetics.daughters`, with the regions of the images.

The rules are those of the plain case. A region keeps of the daughters what the catalogue says of its site of decay, by
the organ that its name, or ``daughters.organs``, gives it; the rest is a free ion in plasma, which organs take up by
the catalogue's shares. Two things are of images. Several regions of one organ share its uptake by mass; a kidney
without its other side has half. And images need not show the whole body: with m_rest the mass of the rest in the images,

    f = min(1, m_rest / (M_body - sum of the masses of the regions))

of what goes to soft tissue and to the blood that no region holds is in the images; 1 - f decays outside them. Of
activity outside the images nothing is known: what is freed there and would come in is missing.

Inside a region daughters are spread as the parent is. Doses of the other ends (in place; freed and lost) follow from the
decays: N'/N of each nuclide in the region for charged particles, N'/N in all regions together for photons.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from .. import catalog
from ..case.images import ImageDaughters, ImagesCase
from ..draws import Draws
from ..errors import AlphatwinError, CaseError, CatalogError, suggestion
from ..imaging.activity import DecayMaps
from ..imaging.quantify import CurveSamples
from ..kinetics import PLASMA, FreeDaughters, InPlace, Kinetics, chain_kinetics, free_daughters_from_catalog, integrate
from ..physics.nuclides import nuclide as nuclide_of
from ..report.images import RegionResult
from ..report.images_alpha import NO_ORGAN, DaughterRow, Daughters
from ..units import JOULE_PER_MEV
from ._images_activity import REST
from ._stages import blood_shares

__all__ = ["DaughterChains", "daughter_chains", "daughter_ends", "free_fates", "organs_of", "shared_chain"]

Array = npt.NDArray[np.float64]
Parents = Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]]
OUTSIDE = "body outside the images"
BLOOD_OUTSIDE = "blood outside the images"
ANY = "any agent"
LESIONS = (
    "lesion",
    "tumour",
    "tumor",
    "metastasis",
    "metastases",
)  # how names of what holds the agent inside its cells begin


@dataclass(frozen=True, eq=False)
class DaughterChains:
    """The chain in every region for the fate that the case asks for, and for the others.

    Attributes
    ----------
    model : {"free", "in_place"}
    entry : str
        Agent of the catalogue, or "any agent".
    organs : mapping of region to organ
    nominal : Kinetics
        Of `model`, point estimate.
    sampled : Kinetics
        The same, with curves and fates drawn.
    ends : mapping of "in_place", "free", "lost" to Kinetics
        Point estimates; empty for a chain without alphas or daughters.
    fate_sd : mapping of region to float
        Relative standard uncertainty of the energy of the region's decays from the fates alone.
    untold : str
    notes, unverified, sources : tuple of str
    """

    model: Literal["free", "in_place"]
    entry: str
    organs: Mapping[str, str]
    nominal: Kinetics
    sampled: Kinetics
    ends: Mapping[str, Kinetics]
    fate_sd: Mapping[str, float]
    untold: str = ""
    notes: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


def organs_of(regions: Sequence[str], given: Mapping[str, str], lesions: Collection[str] = ()) -> dict[str, str]:
    """Organ of the catalogue that each region is, by `given` or its own name in small letters with underscores.

    A region of `lesions`, or whose name begins as that of a lesion does (`LESIONS`), is a tumour where `given` says nothing.

    Examples
    --------
    >>> organs_of(("Kidney Left", "Lesion_liver", "node", "rest of body"), {"node": "tumour"})
    {'Kidney Left': 'kidney_left', 'Lesion_liver': 'tumour', 'node': 'tumour', 'rest of body': 'remainder'}
    >>> organs_of(("lesion_1", "node"), {"lesion_1": "other"}, ("node",))
    {'lesion_1': 'other', 'node': 'tumour'}
    """
    for name in given:
        if name not in regions or name == REST:
            known = [r for r in regions if r != REST]
            raise CaseError(
                f"daughters.organs.{name}: there is no such region. {suggestion(name, known)}Regions: {', '.join(known)}."
            )
    made = {r: re.sub(r"[\s-]+", "_", r.strip().lower()) for r in regions}
    made = {r: "tumour" if r in lesions or _is_lesion(o) else o for r, o in made.items()}
    made = {r: given.get(r, o) for r, o in made.items()}
    return {r: "remainder" if r == REST else "other" if o == "remainder" else o for r, o in made.items()}


def _is_lesion(name: str) -> bool:
    """Whether a name begins as that of a lesion; ``tumour`` with a name of its own is one already."""
    return name.startswith(LESIONS) and name.split("_")[0] != "tumour"


def _entry(agent: str, nuclide: str) -> str:
    """The catalogue's agent of this name and nuclide, or `ANY`."""
    text = agent.strip().lower()
    parts = re.fullmatch(r"\[?(\d{1,3}m?)\]?-?([a-z]{1,2})-(.+)", text)
    known = catalog.entries("agent")
    for name in (text, f"{parts[2]}{parts[1]}-{parts[3]}" if parts else text):
        if name in known and catalog.agent(name).nuclide == nuclide:
            return name
    return ANY


def _shares_by_mass(
    organs: Mapping[str, str], mass_g: Mapping[str, float], inside: float
) -> dict[str, dict[str, float]]:
    """Share of each region in what goes to its organ; of soft tissue, `inside` of it lies in the images."""
    made: dict[str, dict[str, float]] = {"remainder": {REST: inside}}
    if inside < 1:
        made["remainder"][OUTSIDE] = 1.0 - inside
    groups: dict[str, list[str]] = {}
    for region, organ in organs.items():
        if region != REST:
            groups.setdefault(organ, []).append(region)
    sides = {side: groups.pop(side) for side in ("kidney_left", "kidney_right") if side in groups}
    if sides and "kidneys" in groups:
        raise CaseError(
            "daughters: there are regions of both kidneys together and of one: the kidneys would count twice. Choose by images.regions."
        )
    weights = {side: sum(mass_g[r] for r in members) for side, members in sides.items()}
    whole = sum(weights.values()) if len(sides) == 2 else 2 * sum(weights.values())
    if sides:
        made["kidneys"] = {r: mass_g[r] / whole for members in sides.values() for r in members}
        if len(sides) == 1:  # the other half goes to the side that was not measured
            made["kidneys"]["kidney_right" if "kidney_left" in sides else "kidney_left"] = 0.5
    for organ, members in groups.items():
        total = sum(mass_g[r] for r in members)
        made[organ] = {r: mass_g[r] / total for r in members}
    for region, organ in organs.items():  # a lesion that has the name of an organ is not fed as that organ
        if region != organ:
            made.setdefault(region, {f"{region} without outline": 1.0})
    return made


def free_fates(
    entry: str, nuclide: str, organs: Mapping[str, str], mass_g: Mapping[str, float], inside: float, options: ImageDaughters, draws: Draws,
) -> FreeDaughters:  # fmt: skip
    """Fates of the catalogue for the regions of the images.

    Parameters
    ----------
    entry : str
        Agent of the catalogue; any other text takes the general entry.
    nuclide : str
    organs : mapping of region to organ
    mass_g : mapping of region to g
    inside : float
        Share of the soft tissue without regions that the images show.
    options : ImageDaughters
    draws : Draws
    """
    made = free_daughters_from_catalog(
        entry, nuclide, tuple(dict.fromkeys(organs.values())), draws.normal,
        uptake_split=_shares_by_mass(organs, mass_g, inside), retained=options.retained,
    )  # fmt: skip
    of_regions = {
        (p, q, region): value
        for (p, q, site), value in made.retained.items()
        for region, organ in organs.items()
        if organ == site
    }
    return replace(made, retained={**made.retained, **of_regions})


def shared_chain(
    parents: Parents, nuclide: str, fates: InPlace | FreeDaughters, organs: Mapping[str, str], mass_g: Mapping[str, float],
    inside: float, anatomy: str, n: int,
) -> Kinetics:  # fmt: skip
    """The chain in every region; freed daughters in circulating blood shared out by reference blood volume.

    Several regions of an organ share its blood by mass; of the blood that no region holds, `inside` is in the rest.
    """
    chain = chain_kinetics(parents, nuclide, fates, n=n)
    if PLASMA not in chain.regions:
        return chain
    by_organ = blood_shares(anatomy, tuple(dict.fromkeys(organs.values())))
    if by_organ is None:
        return chain
    total = {organ: sum(mass_g[r] for r, o in organs.items() if o == organ) for organ in by_organ}
    shares = {
        r: by_organ[o] * (inside if r == REST else mass_g[r] / total[o]) for r, o in organs.items() if o in by_organ
    }
    chain = chain.shared_out(PLASMA, shares)
    names = [BLOOD_OUTSIDE if r == PLASMA else r for r in chain.regions]
    return replace(chain, amplitude=chain.amplitude.assign_coords(region=names))


def daughter_chains(
    case: ImagesCase, nuclide: str, curves: Mapping[str, CurveSamples], mass_g: Mapping[str, float], draws: Draws, agent: str | None = None,
) -> DaughterChains:  # fmt: skip
    """Decide what the daughters do, and solve the chain for it and for the other ends.

    Parameters
    ----------
    case : ImagesCase
    nuclide : str
        Of the curves.
    curves : mapping of region to CurveSamples
    mass_g : mapping of region to g
    draws : Draws
    agent : str, optional
        Whose retained fractions are taken; default: that of the case.
    """
    chain = nuclide_of(nuclide).chain
    alpha = nuclide_of(nuclide).energy_MeV("alpha", chain=True) > 0
    options = case.daughters or ImageDaughters(model="free" if alpha else "in_place")
    organs = organs_of(tuple(curves), options.organs, case.outlines.lesions)
    if len(chain) > 1 and PLASMA in curves and (alpha or options.model == "free"):
        raise CaseError(
            f"daughters: a region is called {PLASMA}, which is where free daughters are in plasma, all over the body. Give the outline "
            "another name, or leave it out by images.regions."
        )
    nominal: Parents = {r: c.curve.exponentials() for r, c in curves.items()}
    drawn: Parents = {r: (c.amplitudes_MBq, c.rates_per_h) for r, c in curves.items()}
    n = len(next(iter(curves.values())).amplitudes_MBq)
    if len(chain) == 1 or not (alpha or options.model == "free"):
        one = chain_kinetics(nominal, nuclide, InPlace())
        many = chain_kinetics(drawn, nuclide, InPlace(), n=n)
        said = ("Daughters decay where their parent did.",) if len(chain) > 1 else ()
        return DaughterChains("in_place", ANY, organs, one, many, {}, dict.fromkeys(curves, 0.0), notes=said)
    entry, inside = _entry(case.agent if agent is None else agent, nuclide), _inside(mass_g, options.anatomy)

    def solved(parents: Parents, fates: InPlace | FreeDaughters, count: int) -> Kinetics:
        return shared_chain(parents, nuclide, fates, organs, mass_g, inside, options.anatomy, count)

    ends, untold, fates = {"in_place": solved(nominal, InPlace(), 1)}, "", None
    try:
        fates = free_fates(entry, nuclide, organs, mass_g, inside, options, Draws(1))
        ends["free"] = solved(nominal, fates, 1)
        ends["lost"] = solved(nominal, replace(fates, uptake={symbol: {} for symbol in fates.uptake}), 1)
    except AlphatwinError as error:
        if options.model == "free":
            raise type(error)(f"daughters: {error}") from None
        untold = str(error) if isinstance(error, CatalogError) else "the free model cannot be solved for these curves."
    if options.model == "in_place" or fates is None:
        many, notes = chain_kinetics(drawn, nuclide, InPlace(), n=n), ("Daughters decay where their parent did.",)
        still = dict.fromkeys(curves, 0.0)
        return DaughterChains("in_place", entry, organs, ends["in_place"], many, ends, still, untold, notes)
    own = Draws(n, draws.seed)
    sampled = free_fates(entry, nuclide, organs, mass_g, inside, options, own)
    spread = solved(nominal, sampled, n)
    return DaughterChains(
        "free", entry, organs, ends["free"], solved(drawn, sampled, n), ends, _energy_sd(spread, tuple(curves)), untold,
        _said(entry, organs, inside, fates, options), _unverified(fates), fates.sources,
    )  # fmt: skip


def _inside(mass_g: Mapping[str, float], anatomy: str) -> float:
    """Share of the body without regions that the images show."""
    body = catalog.anatomy(anatomy).body_mass
    whole = body.value * (1000.0 if body.unit == "kg" else 1.0)
    left = whole - sum(m for r, m in mass_g.items() if r != REST)
    return min(1.0, mass_g[REST] / left) if left > 0 else 1.0


def _energy_sd(chain: Kinetics, regions: Sequence[str]) -> dict[str, float]:
    decays = integrate(chain).decays
    energy = np.array([_charged_MeV(str(q)) for q in decays["nuclide"].values])
    made = {r: decays.sel(region=r).values @ energy for r in regions}
    return {r: float(np.std(v, ddof=1) / np.mean(v)) if len(v) > 1 and np.mean(v) > 0 else 0.0 for r, v in made.items()}


def _charged_MeV(nuclide: str) -> float:
    """Mean energy of alphas, recoils and electrons of one decay."""
    return float(sum(nuclide_of(nuclide).energy_MeV(r) for r in ("alpha", "recoil", "electron")))


def _said(
    entry: str, organs: Mapping[str, str], inside: float, fates: FreeDaughters, options: ImageDaughters
) -> tuple[str, ...]:
    known = {*catalog.anatomy(options.anatomy).regions, "kidney_left", "kidney_right", "remainder"}
    other = [r for r, o in organs.items() if o not in known and not o.startswith("tumour")]
    said = [
        f"Retained fractions: {entry}." if entry != ANY else "Retained fractions: those of any agent, for the case names none of the catalogue with this nuclide.",
        f"Blood volumes and body mass: {options.anatomy}. The images show {100 * inside:.0f} % of the body without the regions; "
        "daughters that are freed outside the images, and would come in, are not counted.",
    ]  # fmt: skip
    if lesions := [r for r, o in organs.items() if o.startswith("tumour") and r not in options.organs]:
        said.append(
            f"Taken as tumours, whose cells hold the agent inside, by name or as lesions of the case: {', '.join(lesions)}. Where that "
            "is wrong, say daughters: {organs: {" + lesions[0] + ": other}}."
        )
    if other:
        said.append(
            f"{NO_ORGAN}, so a parent in them counts as outside of cells, and they take up no free ion: {', '.join(other)}. "
            "Where that is wrong, say what they are, e.g. daughters: {organs: {" + other[0] + ": tumour}}."
        )
    return (*said, *(n for n in fates.notes if "shared equally" not in n and not n.startswith("Retained fractions")))


def _unverified(fates: FreeDaughters) -> tuple[str, ...]:
    if not fates.unverified:
        return ()
    return (f"Where freed daughters go rests on numbers that nobody has verified: {', '.join(fates.unverified)}.",)


# --- what another fate would mean ------------------------------------------------------------------------------------


def daughter_ends(
    chains: DaughterChains, maps: DecayMaps, regions: Sequence[RegionResult], names: Sequence[str]
) -> Daughters | None:
    """Mean dose of each region for each fate; None for a chain without alphas or daughters.

    Parameters
    ----------
    chains : DaughterChains
    maps : DecayMaps
        Of the case's own fate.
    regions : sequence of RegionResult
        Doses of the same.
    names : sequence of str
        Regions with voxels.
    """
    if not chains.ends:
        return None
    found: dict[str, dict[str, float]] = {}
    here = integrate(chains.nominal).decays.isel(sample=0)
    for end, chain in chains.ends.items():
        there = integrate(chain).decays.isel(sample=0)
        found[end] = {}
        for r in regions:
            total = 0.0
            for q in (str(x) for x in there["nuclide"].values):
                old, new = (float(d.sel(region=r.name, nuclide=q)) for d in (here, there))
                all_old, all_new = (float(d.sel(region=list(names), nuclide=q).sum()) for d in (here, there))
                part = r.by_nuclide_radiation_Gy.get(q, {})
                charged = sum(v for kind, v in part.items() if kind != "photon")
                total += charged * new / old if old > 0 else new * _charged_MeV(q) * JOULE_PER_MEV / (r.mass_g * 1e-3)
                total += part.get("photon", 0.0) * all_new / all_old if all_old > 0 else 0.0
            found[end][r.name] = total
    rows = tuple(
        DaughterRow(
            r.name, chains.organs[r.name], found["in_place"][r.name], found.get("free", {}).get(r.name),
            found.get("lost", {}).get(r.name), chains.fate_sd[r.name],
        )
        for r in regions
    )  # fmt: skip
    decays = {name: dict(maps.region_decays[name]) for name in names} | {k: dict(v) for k, v in maps.elsewhere.items()}
    return Daughters(chains.model, chains.entry, rows, decays, chains.untold)
