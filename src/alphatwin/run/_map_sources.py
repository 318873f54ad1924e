"""The maps of a case as checked arrays: density and media, decays and activities by nuclide, labels."""

from __future__ import annotations

import math
import pathlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..case.maps import MapsCase, NuclideSource
from ..errors import AlphatwinError, CaseError
from ..imaging._map_files import MapGrid, MapHeader, check_same_grid, grid_of, read_header, read_map
from ..kinetics.images import LONGEST_PROGENY_H, VoxelCourse, activity_of_progeny, decays_of_progeny
from ..physics.hounsfield import HU_LIMITS, density_from_hu, media_from_hu
from ..physics.matter import medium as medium_of
from ..physics.nuclides import nuclide as nuclide_of
from ..transport.monte_carlo import check_memory
from ..transport.voxel_dose import BY_DENSITY, DENSITY_LIMITS

__all__ = ["MapSet", "read_maps"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_BQ = {"Bq": 1.0, "kBq": 1e3, "MBq": 1e6}
_BYTES_PER_VOXEL = 8 * 2 * 4  # of a result, for each nuclide: dose and uncertainty by radiation
_DENSE_HU = 500.0
_MOST = 1e24  # Bq or decays in a voxel: more than the atoms of a gram of any radionuclide


@dataclass(frozen=True, eq=False)
class _Listed:
    """One nuclide of the case: its images (Bq or decays per voxel) and its course."""

    name: str
    images: tuple[Array, ...]
    course: VoxelCourse


@dataclass(frozen=True, eq=False)
class MapSet:
    """Everything that the maps of a case say, on one grid."""

    grid: MapGrid
    density: Array
    media: str | dict[str, Mask] | None
    media_used: tuple[str, ...]
    listed: tuple[_Listed, ...]
    follow: bool
    labels: dict[str, Mask]
    files: dict[str, str]
    notes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The nuclides with maps of their own."""
        return tuple(one.name for one in self.listed)

    def _summed(self, own: dict[str, Array], fed: dict[str, dict[str, Array]]) -> dict[str, Array]:
        """Maps by nuclide from weights of images: the nuclides' own, and those of their followers."""
        found: dict[str, Array] = {}
        for one in self.listed:
            for name, weights in {one.name: own[one.name], **fed.get(one.name, {})}.items():
                amount = np.zeros(self.grid.shape)
                for weight, image in zip(weights, one.images, strict=True):
                    if weight > 0:
                        amount += weight * image
                found[name] = found[name] + amount if name in found else amount
        return found

    def decays(self) -> dict[str, Array]:
        """Number of decays in each voxel, by nuclide."""
        own = {one.name: one.course.decays() for one in self.listed}
        shares = decays_of_progeny(self.names)[0] if self.follow else {}
        return self._summed(own, {p: {n: v * own[p] for n, v in s.items()} for p, s in shares.items()})

    def activity(self, time_h: float) -> dict[str, Array]:
        """Activity in Bq of each voxel at a time, by nuclide."""
        courses = {one.name: one.course for one in self.listed}
        own = {one.name: one.course.activity(time_h) for one in self.listed}
        return self._summed(own, activity_of_progeny(self.names, courses, time_h) if self.follow else {})


class _Reader:
    """Reads maps of one folder onto one grid; keeps their hashes."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.headers: dict[str, MapHeader] = {}
        self.hashes: dict[str, str] = {}

    def look(self, place: str, name: str) -> MapHeader:
        try:
            if name not in self.headers:
                self.headers[name] = read_header(self.folder / name, name)
            check_same_grid(next(iter(self.headers.values())), self.headers[name])
        except CaseError as error:
            raise CaseError(f"{place}: {error}") from None
        return self.headers[name]

    def load(self, place: str, name: str) -> Array:
        try:
            found = read_map(self.look(place, name))
        except CaseError as error:
            raise CaseError(f"{place}: {error}") from None
        self.hashes[name] = found.sha256
        return found.values


def read_maps(case: MapsCase, beside: str | pathlib.Path) -> MapSet:
    """Look at every header, estimate the memory, then load and check the maps.

    Raises
    ------
    CaseError
        What a map holds cannot be used; the message begins with its place in the case.
    DomainError
        More memory is needed than there is.
    """
    reader = _Reader(pathlib.Path(beside).parent if pathlib.Path(beside).is_file() else pathlib.Path(beside))
    names, notes = _nuclides(case)
    medium = None if case.medium is None else _at("medium", case.medium)
    first = case.density.map if case.density is not None else case.ct.map if case.ct is not None else ""
    head = reader.look("density.map" if case.ct is None else "ct.map", first)
    for place, file in _files(case):
        reader.look(place, file)
    try:
        grid = grid_of(head)
    except CaseError as error:
        raise CaseError(f"{'density' if case.ct is None else 'ct'}.map: {error}") from None
    _enough_memory(case, head, names)
    density, hu, media = _matter(case, reader)
    used: tuple[str, ...]
    listed = tuple(_listed(case, reader, grid, key) for key in case.sources)
    labels, unnamed = _labels(case, reader)
    notes += unnamed
    if hu is not None:
        notes += _plausible_ct(hu, listed)
    notes += _told(case, grid, head, listed)
    if medium is not None:
        media, used = medium, (medium,)
    elif isinstance(media, dict):
        used = tuple(media)
    else:
        used = tuple(n for n, low, top in _bands() if bool(((density > low) & (density <= top)).any()))
    return MapSet(grid, density, media, used, listed, case.chain == "follow", labels, dict(reader.hashes), tuple(notes))


def _bands() -> list[tuple[str, float, float]]:
    tops = [top for _, top in BY_DENSITY]
    return [(name, low, top) for (name, top), low in zip(BY_DENSITY, [0.0, *tops[:-1]], strict=True)]


def _at(place: str, name: str) -> str:
    try:
        return str(medium_of(name).name)
    except AlphatwinError as error:
        raise type(error)(f"{place}: {error}") from None


def _nuclides(case: MapsCase) -> tuple[tuple[str, ...], list[str]]:
    """All nuclides of the case, and what is to be said about progeny."""
    named: list[str] = []
    for key in case.sources:
        try:
            name = nuclide_of(key).name
        except AlphatwinError as error:
            raise type(error)(f"sources.{key}: {error}") from None
        if name in named:
            raise CaseError(f"sources.{key}: {name} is given twice.")
        named.append(name)
    shares, slow = decays_of_progeny(tuple(named))
    followers = list(dict.fromkeys(n for s in shares.values() for n in s))
    notes = []
    if slow:
        notes.append(
            f"{', '.join(slow)} and what they lead to are left out: half-lives above {LONGEST_PROGENY_H / 8766:g} years."
        )
    if not followers:
        return tuple(named), notes
    listing = ", ".join(followers)
    if case.chain is None:
        raise CaseError(
            f"chain: {', '.join(named)} lead{'s' if len(named) == 1 else ''} to {listing}, for which there are no maps. Say "
            "chain: follow (they decay where their parent did), or chain: left_out, or give their maps under sources."
        )
    if case.chain == "follow":
        notes.append(f"{listing} decay where their parents decayed: every daughter stays in its voxel.")
        return (*named, *followers), notes
    notes.append(f"The dose of {listing} is LEFT OUT, as the case asks.")
    return tuple(named), notes


def _files(case: MapsCase) -> list[tuple[str, str]]:
    found = []
    for name, given in case.sources.items():
        if given.decays is not None:
            found.append((f"sources.{name}.decays", given.decays))
        found += [(f"sources.{name}.activity.{i}", image.map) for i, image in enumerate(given.activity or ())]
    if case.regions is not None:
        found.append(("regions.map", case.regions.map))
    return found


def _enough_memory(case: MapsCase, head: MapHeader, names: tuple[str, ...]) -> None:
    """Estimated from the headers alone, before a map is loaded."""
    maps = 3 + len(_files(case)) + 2 * len(names)
    each = 8 * maps + _BYTES_PER_VOXEL * len(names)
    if case.method.name == "convolution":
        each += 8 * 8 * 6  # padded to twice the size along each axis, 32 bits, six of them at a time
    elif case.method.name == "monte_carlo":
        each += 4 * 32 + 64 * len(names)
    check_memory(float(each) * head.voxels, f"A grid of {head.voxels} voxels with {len(names)} nuclides")


def _worst(values: Array, bad: Mask) -> str:
    z, y, x = (int(v) for v in np.argwhere(bad)[0])
    return f"{values[bad][0]:g} in voxel [x={x}, y={y}, z={z}]"


def _matter(case: MapsCase, reader: _Reader) -> tuple[Array, Array | None, str | dict[str, Mask] | None]:
    """Density in g/cm3, the CT if there is one, and media."""
    low, high = DENSITY_LIMITS
    if case.density is not None:
        rho = reader.load("density.map", case.density.map) * (1e-3 if case.density.unit == "kg/m3" else 1.0)
        bad = ~((rho >= low) & (rho <= high))
        if bool(bad.any()):
            raise CaseError(
                f"density.map: {case.density.map} is {_worst(rho, bad)} ({int(bad.sum())} such voxels); densities lie between "
                f"{low:g} (air is 0.0012) and {high:g} g/mL. Is it in {case.density.unit}, and not a CT? That goes under ct."
            )
        return rho, None, None
    assert case.ct is not None
    hu = reader.load("ct.map", case.ct.map)
    if case.ct.padding == "air":
        hu = np.where(hu < HU_LIMITS[0], -1000.0, hu)
    if case.ct.metal == "clip":
        hu = np.minimum(hu, HU_LIMITS[1])
    try:
        rho = density_from_hu(hu, case.ct.calibration)
    except AlphatwinError as error:
        raise type(error)(f"ct.map: {error} Or say ct.padding: air or ct.metal: clip.") from None
    kinds, names = media_from_hu(hu)
    return np.maximum(rho, low), hu, {name: kinds == k for k, name in enumerate(names)}


def _plausible_ct(hu: Array, listed: tuple[_Listed, ...]) -> list[str]:
    """A CT whose slope or intercept was not applied is refused where it shows; else a remark."""
    low, high = float(hu.min()), float(hu.max())
    if high - low < 10 and high > -5 and low < 1 and not np.all(hu == np.round(hu)):
        raise CaseError(
            f"ct.map: all values lie between {low:g} and {high:g}; a CT in HU spans hundreds. Was its slope applied, or is "
            "this a map of attenuation?"
        )
    weight = np.zeros(hu.shape)
    for one in listed:
        for image in one.images:
            weight += image
    total = float(weight.sum())
    dense = float(weight[hu > _DENSE_HU].sum())
    if total > 0 and dense > 0.5 * total:
        raise CaseError(
            f"ct.map: {100 * dense / total:.0f} % of the activity lies in voxels above {_DENSE_HU:g} HU, which is dense bone. "
            "Was the intercept of the CT (often -1024) applied?"
        )
    thin = float(weight[hu < -200].sum())
    notes = []
    if total > 0 and thin > 0.5 * total:
        notes.append(
            f"{100 * thin / total:.0f} % of the activity lies in air or lung (below -200 HU). Do the maps fit each other?"
        )
    if low > -900:
        missing = "no air" if low <= -200 else "neither air nor lung"
        notes.append(
            f"The CT has no value below {low:.0f} HU, so {missing} in it; its slope cannot be checked by that."
        )
    return notes


def _listed(case: MapsCase, reader: _Reader, grid: MapGrid, key: str) -> _Listed:
    """Images of one nuclide in Bq or decays per voxel, and its course."""
    given, name = case.sources[key], nuclide_of(key).name
    physical = nuclide_of(name).decay_constant_per_h
    rate = physical
    if given.effective_half_life_h is not None:
        rate = math.log(2.0) / given.effective_half_life_h
        if rate < physical * (1 - 1e-6):
            raise CaseError(
                f"sources.{key}.effective_half_life: {given.effective_half_life_h:g} h is longer than the half-life of "
                f"{name}, {math.log(2.0) / physical:.6g} h."
            )
    factor = given.scale
    times: tuple[float, ...] = ()
    if given.activity is None:
        files, before = [("decays", str(given.decays))], "rise"
    else:
        files = [(f"activity.{i}", image.map) for i, image in enumerate(given.activity)]
        times = tuple(image.time_h for image in given.activity)
        before = given.before_first or ("extrapolate" if len(times) == 1 else "rise")
        unit, _, per = str(given.unit).partition("/")
        factor *= _BQ[unit] * (math.prod(grid.voxel_mm) * 1e-3 if per else 1.0)
    images = tuple(_amount(reader, f"sources.{key}.{place}", file, factor) for place, file in files)
    if not any(bool(image.any()) for image in images) and len(case.sources) == 1:
        raise CaseError(
            f"sources.{key}: the map{'s are' if len(images) > 1 else ' is'} 0 in every voxel; there is no dose."
        )
    return _Listed(name, images, VoxelCourse(times, rate, before))


def _amount(reader: _Reader, place: str, file: str, factor: float) -> Array:
    """A map in Bq or decays per voxel."""
    values = reader.load(place, file)
    bad = ~(np.isfinite(values) & (values >= 0))
    if bool(bad.any()):
        raise CaseError(
            f"{place}: {file} is {_worst(values, bad)} ({int(bad.sum())} such voxels); give finite numbers from 0. Set what "
            "a filter made negative to 0 before."
        )
    if float(values.max()) > _MOST / factor:
        raise CaseError(
            f"{place}: {file} is {_worst(values, values > _MOST / factor)}, which is over {_MOST:g} Bq or decays, more than "
            "there are atoms. Check the unit, scale, and the slope in the file's header."
        )
    return values * factor


def _labels(case: MapsCase, reader: _Reader) -> tuple[dict[str, Mask], list[str]]:
    if case.regions is None:
        return {}, []
    values = reader.load("regions.map", case.regions.map)
    if not bool(np.isfinite(values).all()) or bool((values != np.round(values)).any()) or float(values.min()) < 0:
        raise CaseError(
            f"regions.map: {case.regions.map} holds values that are no labels; labels are whole numbers from 0."
        )
    have = {int(v) for v in np.unique(values)} - {0}
    found = {}
    for label, name in case.regions.names.items():
        if label not in have:
            listing = ", ".join(str(v) for v in sorted(have)[:20]) or "none"
            raise CaseError(
                f"regions.names: no voxel of {case.regions.map} has label {label} ({name}). Labels there: {listing}."
            )
        found[name] = values == label
    others = sorted(have - set(case.regions.names))
    told = [f"Labels without a name belong to no region: {', '.join(map(str, others[:20]))}."] if others else []
    return found, told


def _told(case: MapsCase, grid: MapGrid, head: MapHeader, listed: tuple[_Listed, ...]) -> list[str]:
    """What was assumed about the maps."""
    notes = []
    if not head.placed:
        notes.append(f"{head.name} has no orientation in its header; the size of its voxels is taken from pixdim.")
    if grid.oblique:
        notes.append(
            "The grid is oblique: edges of voxels are the lengths of the columns of the affine; nothing was resampled."
        )
    for one, given in zip(listed, case.sources.values(), strict=True):
        notes += _course_note(one, given)
    if case.ct is not None:
        notes.append(
            "Density by CT number after Schneider et al. 2000; media by limits of ours. A scanner's own calibration differs."
        )
    return notes


def _course_note(one: _Listed, given: NuclideSource) -> list[str]:
    if given.activity is None:
        return []
    kind = "effective" if given.effective_half_life_h is not None else "physical"
    tail = f"falls with the {kind} half-life of {math.log(2.0) / one.course.rate_per_h:.4g} h"
    if one.course.before_first == "extrapolate":
        return [f"{one.name}: one image; before and after it the activity of every voxel {tail}."]
    early = "rises linearly from 0" if one.course.before_first == "rise" else "is constant"
    between = ", is linear between images" if len(one.images) > 1 else ""
    return [
        f"{one.name}: the activity of every voxel {early} until the first image{between}, and {tail} after the last."
    ]
