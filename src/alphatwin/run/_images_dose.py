"""Dose of voxels and regions from maps of decays, BED by voxel, and what is uncertain about them.

Edges of regions cut through voxels, and a voxel that is half tissue of low activity halves the dose of what is hot in it. So
the mean of a region does not come from the dose map alone: charged particles bring the region the energy of its own decays,

    D_r = [phi_r sum_q E_q N_rq + sum_v s_v rho_v V D_photon,v] / m_r,   phi_r = sum_v s_v (energy absorbed in v) / sum_v s_v (emitted)

with N_rq the decays of the region's curve, E_q the energy of charged particles for a decay, s_v the share of voxel v in the
region and m_r its mass. phi_r is what transport between voxels changes; 1 for local deposition.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ..biology.effectiveness import HighLET, bed, eqd2
from ..biology.protraction import lea_catcheside
from ..case.images import BiologyOptions, ImagesCase, Tissue
from ..dose.volume import dose_to_volume
from ..errors import AlphatwinError
from ..imaging.activity import DecayMaps
from ..imaging.quantify import CurveSamples
from ..imaging.registration import resample
from ..imaging.values import Grid, Image
from ..physics.hounsfield import HU_LIMITS, density_from_hu, media_from_hu
from ..report.images import RegionResult
from ..transport.voxel_dose import voxel_dose

__all__ = ["Effects", "VoxelDoses", "effects_of", "region_results", "tissue_map", "voxel_doses"]

Array = npt.NDArray[np.float64]
Shares = Mapping[str, npt.NDArray[np.float32]]
CHARGED = ("alpha", "recoil", "electron")
HIGH_LET = ("alpha", "recoil")
INSIDE = 0.5


@dataclass(frozen=True, eq=False)
class VoxelDoses:
    """Dose of every voxel, Gy: ``total``, by nuclide and radiation (``found``), and one standard uncertainty."""

    found: Any
    total: Array
    low_let: Array
    high_let: Array
    sd: Array
    monte_carlo: bool


@dataclass(frozen=True, eq=False)
class Effects:
    """BED and EQD2 of every voxel, Gy, and G of each region."""

    bed: Array
    eqd2: Array
    g: Mapping[str, float]


def tissue_map(ct: Image | None, grid: Grid, body: npt.NDArray[np.float32]) -> tuple[Array, dict[str, Any], Array, str]:
    """Density (g/cm3), masks of media, HU on a grid, and what was assumed."""
    if ct is None:
        density = np.where(body >= INSIDE, 1.04, 0.0012)
        told = "There is no CT: the body is soft tissue of 1.04 g/cm3, by its outline."
        return (
            density,
            {"soft-tissue": body >= INSIDE, "air": body < INSIDE},
            np.where(body >= INSIDE, 40.0, -1000.0),
            told,
        )
    hu = np.clip(np.asarray(resample(ct, grid).array, dtype=float), *HU_LIMITS)
    kinds, names = media_from_hu(hu)
    told = (
        "Density by CT number after Schneider et al. 2000; media by limits of ours. A scanner's own calibration differs. "
        "Beyond the CT is air."
    )
    return density_from_hu(hu), {name: kinds == i for i, name in enumerate(names)}, hu, told


def voxel_doses(
    case: ImagesCase, maps: DecayMaps, density: Array, media: Mapping[str, Any], grid: Grid,
    shares: Shares, curves: Mapping[str, CurveSamples], progress: Callable[[str], None], fate_sd: Mapping[str, float],
) -> VoxelDoses:  # fmt: skip
    """Dose by the method of the case; `fate_sd` is the relative uncertainty of a region's dose from where daughters go."""
    method = case.method
    decays = {q: np.asarray(image.array, dtype=float) for q, image in maps.items()}
    decays = {q: a for q, a in decays.items() if bool(a.any())}
    more: dict[str, Any] = {}
    if method.name == "monte_carlo":
        region = None
        if method.region is not None:
            region = shares[method.region] >= INSIDE
        more = {
            "uncertainty": 0.02 if method.uncertainty is None else method.uncertainty, "region": region,
            "max_batches": method.max_batches, "batch_histories": method.batch_histories,
            "progress": lambda now: progress(f"dose: batch {now.batches}, {100 * now.relative_uncertainty:.2g} % of {100 * now.target:g} %"),
        }  # fmt: skip
    try:
        found = voxel_dose(
            decays, density, grid.voxel_mm, method=method.name, media=media, seed=case.options.seed, **more
        )
    except AlphatwinError as error:
        raise type(error)(f"method: {error}") from None
    total = np.asarray(found.sum(("nuclide", "radiation")).values)
    heavy = np.asarray(found.sel(radiation=list(HIGH_LET)).sum(("nuclide", "radiation")).values)
    return VoxelDoses(
        found,
        total,
        np.maximum(total - heavy, 0.0),
        heavy,
        _sd(maps, found, total, shares, {n: math.hypot(_relative(curves[n]), fate_sd[n]) for n in shares}),
        method.name == "monte_carlo",
    )


def _sd(maps: DecayMaps, found: Any, total: Array, shares: Shares, relative_sd: Mapping[str, float]) -> Array:
    """Noise of the voxel's decays, what its region shares (curve, fates of daughters), and the Monte Carlo's own."""
    parent = next(iter(maps.values()))
    noise = np.zeros_like(total)
    if parent.sigma is not None:
        none = np.where(
            parent.sigma > 0, 1.0, 0.0
        )  # a voxel that came out below zero: all of what its neighbours give it
        noise = np.divide(parent.sigma, parent.array, out=none, where=parent.array > 0)
    owner = np.argmax(np.stack(list(shares.values())), axis=0)
    common = np.array([relative_sd[name] for name in shares])[owner]
    statistical = np.einsum("zyxnr,zyxnr->zyx", found["uncertainty"].values, found["uncertainty"].values)
    return np.asarray(np.sqrt(total**2 * (np.minimum(noise, 1.0) ** 2 + common**2) + statistical))


def _relative(curve: CurveSamples) -> float:
    made = curve.sd / curve.curve.time_integrated_activity_MBq_h
    return made if math.isfinite(made) else 0.0


# --- regions ---------------------------------------------------------------------------------------------------------


def region_results(
    maps: DecayMaps, doses: VoxelDoses, effects: Effects | None, density: Array, grid: Grid, shares: Shares,
    curves: Mapping[str, CurveSamples], drawn: xr.DataArray, biology: BiologyOptions | None, densities: Mapping[str, float], cut: Mapping[str, str] = {},
) -> tuple[RegionResult, ...]:  # fmt: skip
    """Doses of the regions, with their samples; `drawn` are the decays[sample, region, nuclide], `densities` means on a finer CT."""
    nuclides = [str(n) for n in doses.found["nuclide"].values]
    radiations = [str(r) for r in doses.found["radiation"].values]
    mass_voxel = density * grid.voxel_mL
    charged = [radiations.index(r) for r in CHARGED]
    nominal = {n: maps.region_decays[n] for n in shares}
    whole = {q: sum(nominal[n][q] for n in shares) for q in nuclides}
    photons_scale = np.asarray(
        drawn.sel(nuclide=nuclides, region=list(shares)).sum(("nuclide", "region")).values
    ) / sum(whole.values())
    values = np.asarray(doses.found.values)
    energy = values[..., charged].sum(axis=-1) * mass_voxel[..., None]  # [z, y, x, nuclide], Gy g
    made = []
    for name, share in shares.items():
        in_map = float(np.sum(share * mass_voxel))
        volume = float(share.sum(dtype=float)) * grid.voxel_mL
        mass = volume * densities[name] if name in densities else in_map
        parts: dict[str, dict[str, float]] = {}
        samples = np.zeros(len(photons_scale))
        lighter = np.asarray(curves[name].volume_mL / curves[name].nominal_volume_mL)
        for i, q in enumerate(nuclides):
            decays = np.asarray(maps[q].array, float)
            per_decay = float(energy[..., i].sum()) / float(decays.sum())
            emitted = float(np.sum(share * decays)) * per_decay
            phi = float(np.sum(share * energy[..., i])) / emitted if emitted > 0 else 1.0
            own = phi * per_decay * nominal[name][q] / mass
            split = np.einsum("zyx,zyxr->r", share * mass_voxel, values[..., i, :])
            in_charged = float(split[charged].sum())
            part = {
                r: own * float(split[k]) / in_charged if k in charged and in_charged > 0 else float(split[k]) / in_map
                for k, r in enumerate(radiations)
            }
            parts[q] = {r: v for r, v in part.items() if v > 0}
            ratio = (
                np.asarray(drawn.sel(nuclide=q, region=name).values) / nominal[name][q] if nominal[name][q] > 0 else 1.0
            )
            samples += own * ratio / lighter + part["photon"] * photons_scale
        mean = sum(sum(p.values()) for p in parts.values())
        inside = share >= INSIDE
        voxels = doses.total[inside]
        high, mid, low = (
            (float(v) for v in dose_to_volume(voxels, [0.98, 0.5, 0.02])) if voxels.size else (math.nan,) * 3
        )
        tissue = None if biology is None else biology.tissues.get(name, biology.tissues["*"])
        made.append(RegionResult(
            name=name, volume_mL=volume, volume_sd_mL=curves[name].volume_sd_mL, mass_g=mass,
            time_integrated_activity_MBq_h=curves[name].curve.time_integrated_activity_MBq_h,
            time_integrated_activity_sd_MBq_h=curves[name].sd, effective_half_life_h=curves[name].curve.effective_half_life_h,
            model=curves[name].curve.model, budget=dict(curves[name].budget), mean_Gy=mean, samples_Gy=samples,
            voxel_mean_Gy=float(voxels.mean()) if voxels.size else math.nan, d98_Gy=high, d50_Gy=mid, d2_Gy=low,
            by_nuclide_radiation_Gy=parts, cut=cut.get(name, ""), **_effect(effects, tissue, name, inside, doses, mean, biology),
        ))  # fmt: skip
    return tuple(made)


def _effect(
    effects: Effects | None, tissue: Tissue | None, name: str, inside: npt.NDArray[np.bool_], doses: VoxelDoses,
    mean_Gy: float, biology: BiologyOptions | None,
) -> dict[str, Any]:  # fmt: skip
    """Mean BED and EQD2, and the equivalent uniform BED ``-ln(mean exp(-alpha BED))/alpha`` (O'Donoghue 1999).

    The voxels of the region are scaled first, so that their mean dose is that of the region, which the edges do not lower.
    """
    if effects is None or tissue is None or biology is None or not inside.any():
        return {"bed_Gy": None, "eqd2_Gy": None, "g": None, "eubed_Gy": None}
    voxel_mean = float(doses.total[inside].mean())
    scale = mean_Gy / voxel_mean if voxel_mean > 0 else 1.0
    low, high = doses.low_let[inside] * scale, doses.high_let[inside] * scale
    values = np.asarray(bed(low, high, effects.g[name], tissue.alpha_beta_Gy, HighLET(biology.rbe)))
    uniform = None
    if tissue.alpha_per_Gy is not None:
        least = float(values.min())  # taken out, so that no exponential underflows
        uniform = (
            least - math.log(float(np.mean(np.exp(-tissue.alpha_per_Gy * (values - least))))) / tissue.alpha_per_Gy
        )
    equal = float(np.mean(eqd2(values, tissue.alpha_beta_Gy)))
    return {"bed_Gy": float(values.mean()), "eqd2_Gy": equal, "g": effects.g[name], "eubed_Gy": uniform}


def within_body(
    doses: VoxelDoses, effects: Effects | None, density: Array, grid: Grid, shares: Shares
) -> tuple[VoxelDoses, Effects | None, tuple[str, ...]]:
    """Maps without dose in voxels that are less than half patient, and a note of the energy that was there.

    Light voxels of air at the skin and at the ends of the CT get little energy and a large dose, which is nobody's.
    """
    air = np.sum(np.stack(list(shares.values())), axis=0, dtype=float) < INSIDE
    joule = doses.total * density * grid.voxel_mL * 1e-3
    whole, lost = float(joule.sum()), float(joule[air].sum())
    if not lost > 0:
        return doses, effects, ()
    told = (
        f"Voxels that are less than half patient have no dose in the maps: {lost:.2g} J, {100 * lost / whole:.2g} % of all energy, was "
        f"there (up to {doses.total[air].max():.3g} Gy, in air). Means of regions keep what is theirs of it."
    )
    kept = replace(
        doses, total=np.where(air, 0.0, doses.total), low_let=np.where(air, 0.0, doses.low_let),
        high_let=np.where(air, 0.0, doses.high_let), sd=np.where(air, 0.0, doses.sd),
    )  # fmt: skip
    if effects is not None:
        effects = replace(effects, bed=np.where(air, 0.0, effects.bed), eqd2=np.where(air, 0.0, effects.eqd2))
    return kept, effects, (told,)


def effects_of(
    biology: BiologyOptions | None, doses: VoxelDoses, shares: Shares, curves: Mapping[str, CurveSamples]
) -> Effects | None:
    """BED and EQD2 of every voxel with tissue and time course of the region that has the largest share of it."""
    if biology is None:
        return None
    owner = np.argmax(np.stack(list(shares.values())), axis=0)
    tissues = [biology.tissues.get(name, biology.tissues["*"]) for name in shares]
    g = {}
    for name, tissue in zip(shares, tissues, strict=True):
        amplitude, rate = curves[name].curve.exponentials()
        g[name] = float(lea_catcheside(amplitude, rate, tissue.repair_half_time_h))
    alpha_beta = np.array([t.alpha_beta_Gy for t in tissues])[owner]
    made = bed(doses.low_let, doses.high_let, np.array([g[n] for n in shares])[owner], alpha_beta, HighLET(biology.rbe))
    return Effects(np.asarray(made), np.asarray(eqd2(made, alpha_beta)), g)
