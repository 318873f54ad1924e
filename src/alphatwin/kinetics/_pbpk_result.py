"""What a run of the whole-body model becomes: regions from states, daughters in place, dose, notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import catalog
from ..errors import DomainError, suggestion
from ..physics import nuclide as nuclide_of
from ..transport.spheres import RegionMass, self_s_values
from .compiler import Solution

if TYPE_CHECKING:
    import xarray as xr

    from .pbpk import PBPK

__all__ = ["SITES", "PBPKResult", "born_per_decay", "notes_of", "parent_of", "result_of", "sites_of"]

Array = npt.NDArray[np.float64]

SITES = ("plasma", "interstitium", "surface", "internalised", "tubule")  # where in a region the carrier decays
_SITE_OF = {"v": "plasma", "i": "interstitium", "b": "surface", "n": "internalised", "m": "internalised", "t": "tubule"}
_MEDIA = {"kidneys": "kidney", "liver": "liver", "spleen": "spleen", "red_marrow": "red-marrow", "heart": "muscle"}


@dataclass(frozen=True, eq=False)
class PBPKResult:
    """What became of the peptide.

    Attributes
    ----------
    activity : DataArray[sample, region, nuclide, time]
        MBq. Regions: kidneys, liver, spleen, further organs of the agent (salivary_glands, heart, adrenals, ...),
        red_marrow, remainder and the lesions by name; of radium, its compartments.
    time_integrated_activity : DataArray[sample, region, nuclide]
        MBq h, to the end of all decay.
    absorbed_dose_Gy_per_GBq : DataArray[sample, region]
        Self dose of regions as spheres, all radiations added without weight; the remainder has none.
    excreted_fraction : DataArray[sample, time]
        Share of the given peptide that has left the body (decay not counted).
    peptide : DataArray[sample, region, time]
        Total peptide, nmol.
    megalin_share : DataArray[sample]
        Share of the kidneys' decays in what megalin took up.
    notes : tuple of str
    sources : tuple of str
    """

    activity: xr.DataArray
    time_integrated_activity: xr.DataArray
    absorbed_dose_Gy_per_GBq: xr.DataArray
    excreted_fraction: xr.DataArray
    peptide: xr.DataArray
    megalin_share: xr.DataArray
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def effective_half_life_h(self, region: str, between_h: tuple[float, float] = (24.0, 168.0)) -> Array:
        """Effective half-life [sample] of the parent in a region, from its activity at two times within the curve.

        Raises
        ------
        DomainError
            An unknown region, or times outside the curve.
        """
        regions = [str(r) for r in self.activity["region"].values]
        if region not in regions:
            raise DomainError(f"No region {region!r}. {suggestion(region, regions)}Known: {', '.join(regions)}.")
        t = self.activity["time"].values
        a, b = between_h
        if not max(t[0], 0.0) <= a < b <= t[-1] or a == 0:
            raise DomainError(
                f"The curve runs from {t[0]:g} to {t[-1]:g} h; between_h = {between_h} does not lie in it."
            )
        use = (t > 0) & (t >= t[t <= a][-1]) & (t <= t[t >= b][0])
        curve = np.log(self.activity.sel(region=region).values[:, 0, use])
        ends = [np.array([np.interp(x, t[use], row) for row in curve]) for x in (a, b)]
        return np.asarray(np.log(2) * (b - a) / (ends[0] - ends[1]))


def _by_region(model: PBPK, values: Mapping[str, Any], of: Callable[[str], Array]) -> dict[str, Array]:
    """Amounts (or integrals) of the reported regions from those of the model's; `of` gives one by its name."""
    if model.entry.transfers:
        return {r: of(r) for r in model.regions}
    share = np.asarray(values["V_marrow"] / values["V_plasma"], dtype=float)
    plasma = of("plasma")
    share = share.reshape(-1, *(1,) * (plasma.ndim - 1)) if share.ndim else share
    named = {r: of(r) for r in model.regions if r not in ("red_marrow", "remainder", *model.lesions)}
    named |= {"red_marrow": plasma * share, "remainder": plasma * (1 - share) + of("rest")}
    return named | {name: of(name) for name in model.lesions}


def _given_nmol(values: Mapping[str, Any], n: int) -> Array:
    """What was given, in the unit of the model's amounts."""
    return np.broadcast_to(np.asarray(values.get("peptide_nmol", 1.0), dtype=float), (n,))


def _amounts(model: PBPK, solution: Solution, values: Mapping[str, Any]) -> tuple[list[str], Array]:
    """Regions, and the peptide in them [sample, region, time], nmol."""
    groups = model.groups

    def of(region: str) -> Array:
        return np.asarray(sum(solution[s][:, :-1] for s in groups[region]))

    amounts = _by_region(model, values, of)
    return list(amounts), np.stack(list(amounts.values()), axis=1)


def parent_of(
    model: PBPK, solution: Solution, values: Mapping[str, Any], activity: Array, grid_h: Array
) -> tuple[list[str], Array, Array]:
    """Regions; the parent's activity [sample, region, time], MBq; its time integral [sample, region], MBq h."""
    regions, amounts = _amounts(model, solution, values)
    per_nmol = activity / _given_nmol(values, len(activity))
    decay = np.exp(-nuclide_of(model.nuclide).decay_constant_per_h * grid_h)
    integrals = _by_region(model, values, lambda r: solution[f"int_{r}"][:, -1])
    tia = np.stack([integrals[r] for r in regions], axis=1) * per_nmol[:, None] / 60.0
    return regions, amounts * per_nmol[:, None, None] * decay, tia


def sites_of(model: PBPK, solution: Solution, values: Mapping[str, Any]) -> xr.DataArray:
    """Share [sample, region, site] of the carrier's decays in a region that happen at each site."""
    import xarray as xr

    n = len(solution.values)
    shares = np.zeros((n, len(model.regions), len(SITES)))

    def add(region: str, site: str, amount: Array) -> None:
        shares[:, model.regions.index(region), SITES.index(site)] += np.maximum(amount, 0.0)

    for region in model.regions:
        if region not in ("red_marrow", "remainder"):
            for state in model.groups[region]:
                add(region, _SITE_OF[state.rpartition("_")[2]], solution[f"int_{state}"][:, -1])
    marrow_i = values["interstitium_per_plasma_red_marrow"]
    add("red_marrow", "plasma", np.broadcast_to(1.0 / (1.0 + np.asarray(marrow_i, dtype=float)), (n,)))
    add("red_marrow", "interstitium", np.broadcast_to(marrow_i / (1.0 + np.asarray(marrow_i, dtype=float)), (n,)))
    central = solution["int_plasma"][:, -1] / values["V_plasma"]  # per litre
    lungs_i = values["plasma_share_lungs"] * values["V_p"] * values["interstitium_per_plasma_lungs"]
    add("remainder", "interstitium", central * lungs_i + solution["int_rest_i"][:, -1])
    if "rest_n" in model.groups["rest"]:
        add("remainder", "internalised", solution["int_rest_n"][:, -1])
    vessels = central * (values["V_plasma"] - values["V_marrow"] - lungs_i)
    add("remainder", "plasma", vessels + solution["int_rest_v"][:, -1])
    total = shares.sum(axis=2, keepdims=True)
    np.divide(shares, total, out=shares, where=total > 0)
    return xr.DataArray(
        shares, dims=("sample", "region", "site"), coords={"region": list(model.regions), "site": list(SITES)},
        attrs={"units": "1", "long_name": "share of the carrier's decays in the region"},
    )  # fmt: skip


def result_of(
    model: PBPK, solution: Solution, values: Mapping[str, Any], activity: Array, times: Array, grid: Array
) -> PBPKResult:
    import xarray as xr

    chain = nuclide_of(model.nuclide).chain
    regions, parent, tia = parent_of(model, solution, values, activity, grid)
    given = _given_nmol(values, len(activity))
    pick = np.searchsorted(grid, times)
    curves = _in_place(chain, parent, grid)[..., pick]
    born = born_per_decay(chain)
    axes = {"region": regions, "nuclide": list(chain)}
    clock = {"time": ("time", times, {"units": "h"})}
    total = xr.DataArray(
        tia[:, :, None] * born, dims=("sample", "region", "nuclide"), coords=axes,
        attrs={"units": "MBq h", "long_name": "time-integrated activity"},
    )  # fmt: skip
    out = solution["excreted"][:, :-1][:, pick] / given[:, None]
    megalin = np.zeros(len(activity))
    if "int_megalin" in solution.states:
        kidneys = solution["int_kidneys"][:, -1]
        np.divide(solution["int_megalin"][:, -1], kidneys, out=megalin, where=kidneys > 0)
    return PBPKResult(
        activity=xr.DataArray(
            curves,
            dims=("sample", "region", "nuclide", "time"),
            coords=axes | clock,
            attrs={"units": "MBq", "long_name": "activity"},
        ),
        time_integrated_activity=total,
        absorbed_dose_Gy_per_GBq=_dose(model, values, total, activity),
        excreted_fraction=xr.DataArray(
            out,
            dims=("sample", "time"),
            coords=clock,
            attrs={"units": "1", "long_name": "peptide that left the body, share of what was given"},
        ),
        peptide=xr.DataArray(
            _amounts(model, solution, values)[1][..., pick],
            dims=("sample", "region", "time"),
            coords={"region": regions} | clock,
            attrs={"units": "nmol", "long_name": "peptide, labelled and unlabelled"},
        ),
        megalin_share=xr.DataArray(
            megalin, dims=("sample",), attrs={"units": "1", "long_name": "share of megalin in the kidneys' decays"}
        ),
        notes=model.notes,
        sources=model.sources,
    )


def notes_of(model: PBPK, chain: tuple[str, ...]) -> tuple[str, ...]:
    told = [
        "Predicted from a population's parameters, not measured in this patient.",
        "Self dose only: none from other regions.",
    ]
    if "red_marrow" in model.regions:
        told.append("Red marrow from its blood alone: metastases in bone are not in it.")
    if len(chain) > 1:
        told.append("Daughters decay where their parent decays; the dose adds all radiations without RBE.")
    if model.entry.transfers:
        told.append("No dose to regions whose mass is not known, endosteum and gut among them.")
    if model.entry.stands_for and model.entry.stands_for not in model.agent:
        told.append(f"Kinetics of {model.entry.stands_for} stand for {model.agent}.")
    return tuple(told)


def _dose(model: PBPK, values: Mapping[str, Any], tia: xr.DataArray, activity: Array) -> xr.DataArray:
    import xarray as xr

    n = len(activity)
    masses = {}
    for name in model.dosed:
        litres = values[f"L_{name}"] if name in model.lesions else values[f"volume_{name}_L"]
        medium = _MEDIA.get(name, "soft-tissue")
        grams = np.broadcast_to(np.asarray(litres, dtype=float) * 1000.0 * catalog.medium(medium).density.value, (n,))
        masses[name] = RegionMass(grams, medium, "volume of the model x density")
    chain = [str(v) for v in tia["nuclide"].values]
    s = self_s_values(masses, chain).s.sum("radiation")
    per_gbq = np.zeros((n, len(masses)))
    for i, name in enumerate(masses):
        own = s.sel(target=name, source=name).values
        per_gbq[:, i] = (tia.sel(region=name).values * 3.6e9 * own).sum(axis=1) / activity * 1000.0
    return xr.DataArray(
        per_gbq, dims=("sample", "region"), coords={"region": list(masses)},
        attrs={"units": "Gy/GBq", "long_name": "absorbed dose per administered activity, self dose"},
    )  # fmt: skip


def _branches(chain: Sequence[str]) -> list[list[tuple[int, float]]]:
    """For each member: (parent, branching) of those that feed it."""
    feeds: list[list[tuple[int, float]]] = [[] for _ in chain]
    for p, name in enumerate(chain):
        for daughter, share in nuclide_of(name).progeny.items():
            if daughter in chain:
                feeds[chain.index(daughter)].append((p, float(share)))
    return feeds


def born_per_decay(chain: Sequence[str]) -> Array:
    """Decays of each member per decay of the first, when none is lost."""
    born = np.zeros(len(chain))
    born[0] = 1.0
    for q, feeds in enumerate(_branches(chain)):
        if q:
            born[q] = sum(share * born[p] for p, share in feeds)
    return born


def _in_place(chain: Sequence[str], parent: Array, grid_h: Array) -> Array:
    """Activity [sample, region, nuclide, grid] of a chain that stays where its parent is.

    dA_q/dt = lambda_q (sum_p b_pq A_p - A_q), exact for an A_p that is straight between grid points.
    """
    out = np.zeros((*parent.shape[:2], len(chain), parent.shape[2]))
    out[:, :, 0] = parent
    for q, feeds in enumerate(_branches(chain)):
        if not feeds:
            continue
        fed = np.zeros_like(parent)
        for p, share in feeds:
            fed += share * out[:, :, p]
        x = nuclide_of(chain[q]).decay_constant_per_h * np.diff(grid_h)
        gone = -np.expm1(-x)
        mean = np.where(x > 1e-6, gone / np.maximum(x, 1e-300), 1 - x / 2)
        for j in range(len(x)):
            a = (
                out[:, :, q, j] * (1 - gone[j])
                + fed[..., j] * (mean[j] - (1 - gone[j]))
                + fed[..., j + 1] * (1 - mean[j])
            )
            out[:, :, q, j + 1] = a
    return out
