"""Absorbed dose in voxels from a map of decays: local deposition, convolution with kernels, or full Monte Carlo.

One call, `voxel_dose`, and three methods. Recoils are local in all of them, and so are alphas in voxels from 0.5 mm. In
smaller voxels convolution and Monte Carlo follow alphas like electrons; ``"local"`` is refused.

- ``"local"``: charged particles stop in the voxel they are born in; photons are left out.
- ``"convolution"``: kernels of the surrounding medium at its own density, made by the Monte Carlo, laid over the map by
  FFT (`_voxel_convolution`). Electrons: the energy laid down is kept and divided by the voxel's mass, so D = E/(rho V).
  Photons: the dose of a uniform medium is kept, because the fluence far from a source, and with it the dose, hardly
  depends on the density of the voxel that receives it; less what would have been scattered back from outside the body.
  Bremsstrahlung past the electrons' range is laid on like photons where it counts for 2 % of the photon energy or more.
- ``"monte_carlo"``: every voxel with its own density and medium, in vacuum; batches until the uncertainty asked for.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from .._jit import source_sha256
from ..errors import DomainError, suggestion
from ..physics import RADIATIONS
from ..physics.matter import Material
from ..physics.matter import medium as material_of
from ..physics.nuclides import Nuclide
from ..physics.nuclides import nuclide as nuclide_of
from ..units import JOULE_PER_MEV
from . import _mc_histories as mc
from . import monte_carlo as kernels
from ._mc_cuda import check_device, device_name
from ._mc_tables import medium_tables, stack_media
from ._voxel_batches import batches
from ._voxel_convolution import BODY_DENSITY, convolve
from ._voxel_errors import smoothed_variance

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["VoxelProgress", "VoxelTally", "voxel_dose"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Method = Literal["local", "convolution", "monte_carlo"]

METHODS = ("local", "convolution", "monte_carlo")
DENSITY_LIMITS = (0.001, 5.0)
# Assumption of ours where no media are given: upper limits of density in g/cm3
BY_DENSITY = (("air", 0.05), ("lung", 0.7), ("soft-tissue", 1.15), ("bone-cortical", DENSITY_LIMITS[1]))
_COST = {"alpha": 0.5, "electron": 1.0, "photon": 0.7}  # of one history, roughly; it only decides what is followed next


@dataclass(frozen=True, eq=False)
class VoxelTally:
    """What a Monte Carlo has summed so far; give it back as `resume` to go on to the identical result.

    Attributes
    ----------
    key : str
        SHA-256 of everything that was asked, so that a tally meets its own problem only.
    streams : tuple of (str, str)
        Nuclide and radiation of each row.
    batches : tuple of int
        Batches done per stream.
    first, second : Array[stream, voxel]
        Sums of MeV and of its variance over histories.
    code : str
        SHA-256 of alphatwin's own sources: histories of two versions are not the same, and their sums do not go together.
    """

    key: str
    streams: tuple[tuple[str, str], ...]
    batches: tuple[int, ...]
    first: Array
    second: Array
    code: str = ""


@dataclass(frozen=True, eq=False)
class VoxelProgress:
    """What the `progress` callback is told after each batch: how good it is, how much is left, and the tally itself."""

    batches: int
    histories: int
    relative_uncertainty: float
    target: float
    tally: VoxelTally

    @property
    def batches_left(self) -> int:
        """Estimate: the uncertainty falls with the square root of the batches."""
        if not math.isfinite(self.relative_uncertainty):
            return 1
        return max(0, math.ceil(self.batches * ((self.relative_uncertainty / self.target) ** 2 - 1)))


@dataclass(frozen=True, eq=False)
class _Grid:
    """A checked request: decays per nuclide, density, media, voxel edges (z, y, x) in mm."""

    decays: dict[str, Array]
    density: Array
    media: npt.NDArray[np.int8]
    names: tuple[str, ...]
    edges: tuple[float, float, float]

    @property
    def volume_cm3(self) -> float:
        return math.prod(self.edges) * 1e-3

    def gray(self, energy_MeV: Array) -> Array:
        """Dose of energy laid down in each voxel."""
        return energy_MeV * JOULE_PER_MEV / (self.density * self.volume_cm3 * 1e-3)


def voxel_dose(
    decays: npt.ArrayLike | Mapping[str, npt.ArrayLike],
    density: npt.ArrayLike,
    voxel_mm: float | Sequence[float],
    nuclide: str | None = None,
    *,
    method: Method = "convolution",
    media: str | Mapping[str, npt.ArrayLike] | None = None,
    uncertainty: float = 0.02,
    region: npt.ArrayLike | None = None,
    seed: int = 1,
    batch_histories: int | None = None,
    max_batches: int = 1000,
    progress: Callable[[VoxelProgress], None] | None = None,
    resume: VoxelTally | None = None,
    client: Any = None,
    device: str = "cpu",
) -> xr.DataArray:
    """Absorbed dose in every voxel, split by nuclide and radiation.

    Parameters
    ----------
    decays : array[z, y, x] or mapping of nuclide to such an array
        Number of decays in each voxel. Daughters are nuclides of their own, with their own map. Activities in Bq in place of
        decays give the dose rate, in Gy/s.
    density : array[z, y, x]
        g/cm3, 0.001 to 5.
    voxel_mm : float or (z, y, x)
        Edges of a voxel, mm; at least 0.5 mm for alpha emitters with ``"local"``.
    nuclide : str
        For a single array of decays.
    method : {"convolution", "local", "monte_carlo"}
    media : str or mapping of medium to mask, optional
        One catalogue medium everywhere, or masks that cover each voxel once. Default: by density, air up to 0.05 g/cm3,
        lung to 0.7, soft tissue to 1.15, cortical bone above (limits are an assumption of ours).
    uncertainty : float
        Monte Carlo stops once the relative standard error, root mean square over `region`, is below this; 0.0005 to 0.5.
    region : array[z, y, x] of bool, optional
        Default: voxels whose locally absorbed dose is at least half the largest.
    seed : int
    batch_histories : int, optional
        Emissions per batch; default: half the number of voxels, from 200 000 to 2 000 000.
    max_batches : int
        Where to stop at the latest; ``attrs["uncertainty_reached"]`` tells whether the goal was met.
    progress : callable, optional
        Called with a `VoxelProgress` after each batch.
    resume : VoxelTally, optional
        From an interrupted run of the same request.
    client : dask.distributed.Client, optional
        Its workers follow the batches; the same bits as without.
    device : {"cpu", "cuda"}
        Where the Monte Carlo runs. ``"cuda"`` is an NVIDIA GPU: the same histories, equal up to rounding (docs/gpu.md).

    Returns
    -------
    xarray.DataArray
        ``[z, y, x, nuclide, radiation]`` in Gy; z, y, x are voxel centres in mm from the corner of the grid. The
        coordinate ``uncertainty`` (same dims) is one standard error; 0 where the method has none. Monte Carlo has a second
        coordinate, ``few_hits``: True where fewer than 20 histories (by weight) arrived; there the variance is the mean of
        the neighbourhood's, see `_voxel_errors`.
        ``attrs["progeny_left_out"]`` names radioactive progeny for which no decays were given.

    Raises
    ------
    DomainError
        Maps of different shapes, decays that are negative or no numbers, a density outside its limits, masks that overlap,
        local alphas in voxels below 0.5 mm, too little memory, a tally of another request, an
        unknown device, a GPU for another method or together with a client.
    AlphatwinError
        ``device="cuda"`` without a GPU, its driver or the extra ``cuda``.
    CatalogError
        An unknown nuclide or medium.

    Examples
    --------
    >>> import numpy as np
    >>> decays = np.zeros((5, 5, 5)); decays[2, 2, 2] = 1e9
    >>> dose = voxel_dose(decays, np.ones((5, 5, 5)), 3.0, "Lu-177", method="local")
    >>> round(float(dose.sel(radiation="electron").max()), 3)
    0.878
    """
    if method not in METHODS:
        hint = suggestion(str(method), METHODS)
        raise DomainError(f"No method {method!r}; there is {', '.join(METHODS)}. {hint}".rstrip())
    check_device(device, method, client)
    grid = _checked(decays, density, voxel_mm, nuclide, media)
    seed = kernels.check_seed(seed)
    if method == "local":
        for name in grid.decays:
            kernels.check_alphas(nuclide_of(name), grid.edges)
        return _array(grid, method, _local(grid, ("alpha", "recoil", "electron")), {}, {"seed": seed})
    dose = _at_rest(grid)
    if method == "convolution":
        dose.update(_convolution(grid, seed))
        return _array(grid, method, dose, {}, {"seed": seed})
    options = _Options(
        kernels._number(uncertainty, "uncertainty"), _region(grid, region), seed, _batch(grid, batch_histories),
        kernels.check_whole(max_batches, "max_batches", 1, 10**6), progress, resume, client, device,
    )  # fmt: skip
    more, errors, few, told = _monte_carlo(grid, dose, options)
    return _array(grid, method, dose | more, errors, told, few)


# --- checks ----------------------------------------------------------------------------------------------------------


def _map(values: Any, name: str) -> Array:
    if {"x", "y", "z"} == set(getattr(values, "dims", ())):  # named axes tell their order themselves
        values = values.transpose("z", "y", "x")
    try:
        if np.iscomplexobj(values):
            raise TypeError("it holds complex ones")
        given = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise DomainError(f"{name} cannot be read as an array of numbers: {error}.") from error
    if given.ndim != 3 or given.size == 0:
        raise DomainError(f"{name} has shape {given.shape}; expected [z, y, x].")
    return given


def _at(mask: npt.NDArray[np.bool_]) -> str:
    z, y, x = (int(v) for v in np.argwhere(mask)[0])
    return f"[z={z}, y={y}, x={x}]"


def _checked(decays: Any, density: Any, voxel_mm: Any, nuclide: str | None, media: Any) -> _Grid:
    edges = kernels.check_voxel_mm(voxel_mm)
    number = len(decays) if isinstance(decays, Mapping) else 1
    voxels = int(getattr(density, "size", 0))  # before anything is copied
    kernels.check_memory(voxels * 8 * (4 + 2 * len(RADIATIONS) * number), f"A grid of {voxels} voxels")
    rho = _map(density, "density")
    maps = _decay_maps(decays, nuclide)
    for name, values in maps.items():
        if values.shape != rho.shape:
            raise DomainError(
                f"decays of {name} have shape {values.shape}, density has {rho.shape}; both are [z, y, x] of one grid. "
                "Resample one of them."
            )
        bad = ~(np.isfinite(values) & (values >= 0))
        if bool(bad.any()):
            raise DomainError(
                f"decays of {name} are {values[bad][0]:g} in voxel {_at(bad)}; give finite numbers from 0."
            )
    if not any(bool(values.any()) for values in maps.values()):
        raise DomainError(f"decays of {', '.join(maps)} are 0 in every voxel; there is no dose.")
    low, high = DENSITY_LIMITS
    bad = ~((rho >= low) & (rho <= high))
    if bool(bad.any()):
        raise DomainError(
            f"density is {rho[bad][0]:g} g/cm3 in voxel {_at(bad)}; densities lie between {low:g} (air is 0.0012) and "
            f"{high:g} g/cm3. Is it in g/cm3, and not in Hounsfield units or kg/m3?"
        )
    kinds, names = _media(media, rho)
    return _Grid(maps, rho, kinds, names, edges)


def _decay_maps(decays: Any, nuclide: str | None) -> dict[str, Array]:
    if isinstance(decays, Mapping):
        if nuclide is not None:
            raise DomainError("decays are given by nuclide already; leave the argument nuclide out.")
        if not decays:
            raise DomainError("decays hold no nuclide.")
        named = [(nuclide_of(n).name, _map(v, f"decays of {n}")) for n, v in decays.items()]
        if len({n for n, _ in named}) != len(named):
            raise DomainError(f"A nuclide is given twice: {', '.join(n for n, _ in named)}.")
        return dict(named)
    if nuclide is None:
        raise DomainError(
            "Name the nuclide of the decays, e.g. nuclide='Lu-177', or give a mapping of nuclide to array."
        )
    return {nuclide_of(nuclide).name: _map(decays, "decays")}


def _media(media: Any, rho: Array) -> tuple[npt.NDArray[np.int8], tuple[str, ...]]:
    """Number of the medium in each voxel, and the names."""
    if media is None:
        limits = np.array([top for _, top in BY_DENSITY[:-1]])
        kind = np.searchsorted(limits, rho, side="left").astype(np.int8)
        used = np.unique(kind)
        names = tuple(BY_DENSITY[int(k)][0] for k in used)
        return np.searchsorted(used, kind).astype(np.int8), names
    if isinstance(media, str):
        return np.zeros(rho.shape, dtype=np.int8), (material_of(media).name,)
    if not isinstance(media, Mapping) or not media:
        raise DomainError(f"media given as {type(media).__name__}; give one medium or a mapping of medium to mask.")
    kind = np.full(rho.shape, -1, dtype=np.int8)
    names_ = []
    for number, (name, mask) in enumerate(media.items()):
        names_.append(material_of(name).name)
        where = np.asarray(mask)
        if where.shape != rho.shape or where.dtype != bool:
            raise DomainError(
                f"The mask of {name} is {where.dtype} of shape {where.shape}; expected bool of {rho.shape}."
            )
        if bool((kind[where] >= 0).any()):
            raise DomainError(f"The mask of {name} overlaps another one in voxel {_at(where & (kind >= 0))}.")
        kind[where] = number
    if bool((kind < 0).any()):
        raise DomainError(f"No medium is given for voxel {_at(kind < 0)}; the masks must cover the grid.")
    return kind, tuple(names_)


def _region(grid: _Grid, region: Any) -> npt.NDArray[np.bool_]:
    if region is None:
        local = sum(_local(grid, ("alpha", "recoil", "electron")).values(), np.zeros(grid.density.shape))
        if not bool(local.any()):  # photons alone
            local = sum(grid.decays.values(), np.zeros(grid.density.shape))
        return np.asarray(local >= 0.5 * local.max())
    mask = np.asarray(region)
    if mask.dtype != bool or mask.shape != grid.density.shape or not bool(mask.any()):
        raise DomainError(
            f"region is {mask.dtype} of shape {mask.shape}; expected a bool of {grid.density.shape}, not all False."
        )
    return mask


def _batch(grid: _Grid, histories: int | None) -> int:
    if histories is None:
        return int(np.clip(grid.density.size // 4 * 2, 200_000, 2_000_000))
    return kernels.check_histories(histories)


# --- local and convolution -------------------------------------------------------------------------------------------


def _local(grid: _Grid, radiations: Sequence[str]) -> dict[tuple[str, str], Array]:
    """Dose[nuclide, radiation] of what stops where it is born."""
    found = {}
    for name, decays in grid.decays.items():
        for radiation in radiations:
            energy = nuclide_of(name).energy_MeV(radiation)
            if energy > 0:
                found[name, radiation] = grid.gray(decays * energy)
    return found


def _at_rest(grid: _Grid) -> dict[tuple[str, str], Array]:
    """Dose[nuclide, radiation] of recoils, and of the alphas that are local in voxels of this size."""
    dose = _local(grid, ("alpha", "recoil"))
    return {k: d for k, d in dose.items() if k[1] == "recoil" or kernels.alphas_are_local(nuclide_of(k[0]), grid.edges)}


def _convolution(grid: _Grid, seed: int) -> dict[tuple[str, str], Array]:
    """Dose[nuclide, radiation] of what moves, with kernels of the medium that holds most active voxels."""
    active = sum(grid.decays.values(), np.zeros(grid.density.shape)) > 0
    counts = np.bincount(grid.media[active].ravel(), minlength=len(grid.names))
    return convolve(grid.decays, grid.density, material_of(grid.names[int(counts.argmax())]), grid.edges, seed)


# --- Monte Carlo -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Options:
    uncertainty: float
    region: npt.NDArray[np.bool_]
    seed: int
    histories: int
    max_batches: int
    progress: Callable[[VoxelProgress], None] | None
    resume: VoxelTally | None
    client: Any = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        if not 0.0005 <= self.uncertainty <= 0.5:
            raise DomainError(
                f"uncertainty given as {self.uncertainty:g}; give a part of the dose, from 0.0005 to 0.5."
            )


@dataclass(frozen=True, eq=False)
class _Stream:
    """One radiation of one nuclide: what is followed, what stays at once, how many decays and histories' worth."""

    nuclide: str
    radiation: str
    source: mc.Source
    local_MeV: float
    weight: float  # emissions in all: yield of the lines that are followed times the decays of the map
    electrons: int


def _streams(grid: _Grid, materials: Sequence[Material], stop_cm: float) -> list[_Stream]:
    found = []
    for name, decays in grid.decays.items():
        voxels = np.flatnonzero(decays)
        if not len(voxels):  # a daughter that decays nowhere
            continue
        amount = decays.ravel()[voxels]
        thinnest = float(grid.density.ravel()[voxels].min())
        for radiation in _moving(nuclide_of(name), grid.edges):
            kind, energy, yields = kernels.lines_of(nuclide_of(name), radiation)
            if not len(energy):
                continue
            local = np.zeros(len(energy), dtype=bool)
            if radiation == "electron":
                each = [m.csda_range_g_per_cm2("electron", np.clip(energy, 1.001e-3, None)) for m in materials]
                local = (np.min(each, axis=0) <= stop_cm * thinnest) & (kind == 1)
            if bool(local.all()):
                local[np.argmax(energy)] = False
            mode = mc.ANALOGUE
            if radiation == "photon" and _kerma_is_local(energy, yields, materials, grid):
                mode = mc.TRACKS
            made = mc.source(kind[~local], energy[~local], yields[~local], voxels, amount)
            weight = float(yields[~local].sum() * amount.sum())
            found.append(_Stream(name, radiation, made, float((energy * yields)[local].sum()), weight, mode))
    return found


def _moving(decaying: Nuclide, edges: tuple[float, float, float]) -> tuple[str, ...]:
    """Radiations that are followed."""
    return ("electron", "photon") if kernels.alphas_are_local(decaying, edges) else ("alpha", "electron", "photon")


def _kerma_is_local(energy: Array, yields: Array, materials: Sequence[Material], grid: _Grid) -> bool:
    """Whether the electrons' range is small against a voxel of the body, so that track-length kerma may be taken.

    The body are the voxels above `BODY_DENSITY`: air round it or in it, whatever its amount, decides nothing.
    """
    body = grid.density[grid.density > BODY_DENSITY]
    typical = float(np.median(body if body.size else grid.density))
    reach = float(energy * yields @ _compton_range(energy, materials) / float(energy @ yields))
    return reach < 0.25 * min(grid.edges) / 10 * typical


def _compton_range(energy: Array, materials: Sequence[Material]) -> Array:
    """CSDA range (g/cm2) of an electron with the largest Compton energy, 2 k E/(1 + 2 k), k = E/m c^2."""
    k = energy / 0.51099895069
    top = np.clip(2 * k * energy / (1 + 2 * k), 1.001e-3, None)
    return np.asarray(np.max([m.csda_range_g_per_cm2("electron", top) for m in materials], axis=0))


def _key(grid: _Grid, options: _Options) -> str:
    digest = hashlib.sha256()
    for name, decays in grid.decays.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(decays).tobytes())
    digest.update(np.ascontiguousarray(grid.density).tobytes())
    digest.update(np.ascontiguousarray(grid.media).tobytes())
    digest.update(repr((grid.names, grid.edges, grid.density.shape, options.seed, options.histories)).encode())
    if options.device != "cpu":  # equal up to rounding only, so not to be gone on with elsewhere
        digest.update(options.device.encode())
    return digest.hexdigest()


def _monte_carlo(
    grid: _Grid, fixed: Mapping[tuple[str, str], Array], options: _Options
) -> tuple[dict[tuple[str, str], Array], dict[tuple[str, str], Array], dict[tuple[str, str], Mask], dict[str, Any]]:
    """Dose and standard error of all that moves, and what to tell about the run.

    The next batch goes to the stream whose next batch takes most variance off the region's dose for its cost: a rule of
    the results alone, so the order of batches, and every bit, is the same each time.
    """
    materials = [material_of(n) for n in grid.names]
    stop_cm = kernels.STOP_FRACTION * min(grid.edges) / 10
    z, y, x = (e / 10 for e in grid.edges)
    lanes = mc.lanes_of(grid.density.size)
    kernels.check_memory(
        grid.density.size * (lanes * mc.BYTES_PER_VOXEL + 64 * len(grid.decays)),
        f"A Monte Carlo of {grid.density.shape} voxels",
    )
    world = mc.grid_world(grid.density, grid.media, (z, y, x), stack_media([medium_tables(m) for m in materials]))
    streams = _streams(grid, materials, stop_cm)
    known = sum(fixed.values(), np.zeros(grid.density.shape))
    for s in streams:
        known = known + grid.gray(grid.decays[s.nuclide] * s.local_MeV)
    tally = _start(grid, options, streams)
    region, per_gray = options.region.ravel(), (grid.gray(np.ones(grid.density.shape))).ravel()
    reached, relative = not streams, 0.0
    with batches(options.client, world, streams, stop_cm, options.histories, options.seed, options.device) as sums_of:
        while streams:
            relative, shares = _state(tally, streams, options, known.ravel()[region], per_gray[region], region)
            reached = relative <= options.uncertainty
            if reached or sum(tally.batches) >= max(options.max_batches, len(streams)):
                break
            i = _next(tally.batches, streams, shares)
            tally = _added(tally, i, sums_of(i, tally.batches[i], _foreseen(tally.batches, streams, shares)))
            if options.progress is not None:
                relative, _ = _state(tally, streams, options, known.ravel()[region], per_gray[region], region)
                done = sum(tally.batches)
                options.progress(VoxelProgress(done, done * options.histories, relative, options.uncertainty, tally))
    dose, errors, few = {}, {}, {}
    for i, s in enumerate(streams):
        scale = s.weight / (tally.batches[i] * options.histories)
        local = grid.gray(grid.decays[s.nuclide] * s.local_MeV)
        dose[s.nuclide, s.radiation] = grid.gray((tally.first[i] * scale).reshape(grid.density.shape)) + local
        to_gray = grid.gray(np.full(grid.density.shape, scale))
        variance, few[s.nuclide, s.radiation] = smoothed_variance(
            tally.first[i].reshape(to_gray.shape) * to_gray, tally.second[i].reshape(to_gray.shape) * to_gray**2
        )
        errors[s.nuclide, s.radiation] = np.sqrt(variance)
    told: dict[str, Any] = {
        "seed": options.seed,
        "histories": sum(tally.batches) * options.histories,
        "batches": sum(tally.batches),
        "relative_uncertainty": relative,
        "uncertainty_reached": int(reached),
    }
    if options.device == "cuda":
        told["device"] = device_name()
    return dose, errors, few, told


def _start(grid: _Grid, options: _Options, streams: Sequence[_Stream]) -> VoxelTally:
    names = tuple((s.nuclide, s.radiation) for s in streams)
    key = _key(grid, options)
    if options.resume is not None:
        if not isinstance(options.resume, VoxelTally):
            raise DomainError(
                f"resume given as {type(options.resume).__name__}; give the tally of a `VoxelProgress`, a VoxelTally."
            )
        if options.resume.key != key or options.resume.streams != names:
            raise DomainError(
                "The tally to resume from belongs to another request: maps, media, voxel size, nuclides, seed, "
                "batch_histories and device must be the same."
            )
        if options.resume.code != source_sha256():
            raise DomainError(
                f"The tally to resume from was made by another version of alphatwin (code {options.resume.code[:12] or 'unknown'}, "
                f"here {source_sha256()[:12]}), and sums of two versions are not added up. Go on with that version, or begin anew."
            )
        return options.resume
    first, second = np.zeros((2, len(streams), grid.density.size))
    return VoxelTally(key, names, (0,) * len(streams), first, second, source_sha256())


def _next(done: Sequence[int], streams: Sequence[_Stream], shares: Sequence[float]) -> int:
    """The stream whose next batch takes most variance off for its cost; each has one batch first."""
    if min(done) == 0:
        return list(done).index(0)
    gain = [v / (n + 1) / _COST[s.radiation] for s, v, n in zip(streams, shares, done, strict=True)]
    return int(np.argmax(gain))


def _foreseen(done: Sequence[int], streams: Sequence[_Stream], shares: Sequence[float]) -> Iterator[tuple[int, int]]:
    """Stream and number of the batches that will probably be wanted next, for workers that would else wait."""
    now, left = list(done), list(shares)
    while True:
        i = _next(now, streams, left)
        yield i, now[i]
        if now[i]:
            left[i] *= now[i] / (now[i] + 1)  # as its variance will fall
        now[i] += 1


def _added(tally: VoxelTally, i: int, sums: tuple[Array, Array]) -> VoxelTally:
    first, second = tally.first.copy(), tally.second.copy()
    first[i] += sums[0]
    second[i] += sums[1]
    batches_ = tuple(n + (k == i) for k, n in enumerate(tally.batches))
    return replace(tally, batches=batches_, first=first, second=second)


def _state(
    tally: VoxelTally, streams: Sequence[_Stream], options: _Options, known: Array, per_gray: Array, region: Any
) -> tuple[float, list[float]]:
    """Relative standard error of the dose, root mean square over the region; mean relative variance of each stream."""
    dose, variances = known.copy(), []
    for i, s in enumerate(streams):
        n = tally.batches[i]
        if n == 0:
            variances.append(np.full(known.shape, np.inf))
            continue
        scale = s.weight / (n * options.histories) * per_gray
        dose += tally.first[i][region] * scale
        variances.append(tally.second[i][region] * scale**2)
    if min(tally.batches, default=1) == 0:
        return math.inf, [math.inf] * len(streams)
    hit = dose > 0  # a voxel that nothing has reached yet counts as 100 % uncertain
    shares = [float(np.sum(v[hit] / dose[hit] ** 2) + np.count_nonzero(~hit)) / hit.size for v in variances]
    return math.sqrt(sum(shares)), shares


# --- result ----------------------------------------------------------------------------------------------------------


def _array(
    grid: _Grid,
    method: str,
    dose: Mapping[tuple[str, str], Array],
    errors: Mapping[tuple[str, str], Array],
    told: Mapping[str, Any],
    few: Mapping[tuple[str, str], Mask] | None = None,
) -> xr.DataArray:
    import xarray as xr

    names = list(grid.decays)
    missing = sorted({n for name in names for n in nuclide_of(name).chain} - set(names))
    values = np.zeros((*grid.density.shape, len(names), len(RADIATIONS)))
    spread = np.zeros_like(values)
    for (name, radiation), given in dose.items():
        values[..., names.index(name), RADIATIONS.index(radiation)] = given
    for (name, radiation), given in errors.items():
        spread[..., names.index(name), RADIATIONS.index(radiation)] = given
    dims = ("z", "y", "x", "nuclide", "radiation")
    found = xr.DataArray(
        values,
        dims=dims,
        coords={
            **{a: (np.arange(n) + 0.5) * e for a, n, e in zip("zyx", grid.density.shape, grid.edges, strict=True)},
            "nuclide": names,
            "radiation": list(RADIATIONS),
            "uncertainty": (dims, spread),
        },
        attrs={
            "units": "Gy",
            "long_name": "absorbed dose",
            "method": method,
            "media": ", ".join(grid.names),
            **told,
            "progeny_left_out": ", ".join(missing),
        },
    )
    for axis in "zyx":
        found[axis].attrs.update(units="mm", long_name=f"voxel centre along {axis}")
    if few is not None:
        flags = np.zeros(values.shape, dtype=bool)
        for (name, radiation), flag in few.items():
            flags[..., names.index(name), RADIATIONS.index(radiation)] = flag
        found = found.assign_coords(few_hits=(dims, flags))
    return found
