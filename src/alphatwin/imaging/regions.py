"""Regions beyond those that were drawn: lesions by threshold, the cortex of a kidney, TotalSegmentator; and how well
a volume is known.

Sources: Gear 2018 (uncertainty of a volume), Boellaard 2015 (thresholds that take the background into account),
Wasserthal 2023 (TotalSegmentator). docs/image-kinetics.md has the limits.
"""

from __future__ import annotations

import math
import pathlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..errors import ImageError, missing
from ..physics.hounsfield import HU_LIMITS, density_from_hu
from .nifti import read_nifti, write_nifti
from .values import Grid, Image, Labels, Mask

__all__ = [
    "TOTALSEGMENTATOR_NAMES",
    "cortex",
    "mean_densities",
    "segment_ct",
    "threshold_region",
    "volume_sd_mL",
    "with_volume_sd",
]

Array = npt.NDArray[np.float64]
SEARCH_MM = 15.0  # about a seed, for the hottest voxel
SHELL_MM = (6.0, 18.0)  # from the region's edge, where the background is taken
MOST_ROUNDS = 50
AROUND = 5  # voxels round a region, and round a slab, that the smoothing of its surface reaches
SLAB = 32  # slices at a time
TOTALSEGMENTATOR_NAMES: Mapping[str, tuple[str, ...]] = {
    "adrenals": ("adrenal_gland_left", "adrenal_gland_right"),
    "brain": ("brain",),
    "colon": ("colon",),
    "gallbladder": ("gallbladder",),
    "heart": ("heart",),
    "kidney_left": ("kidney_left",),
    "kidney_right": ("kidney_right",),
    "liver": ("liver",),
    "lungs": (
        "lung_upper_lobe_left",
        "lung_lower_lobe_left",
        "lung_upper_lobe_right",
        "lung_middle_lobe_right",
        "lung_lower_lobe_right",
    ),
    "oesophagus": ("esophagus",),
    "pancreas": ("pancreas",),
    "prostate": ("prostate",),
    "small_intestine": ("duodenum", "small_bowel"),
    "spleen": ("spleen",),
    "stomach": ("stomach",),
    "thyroid": ("thyroid_gland",),
    "urinary_bladder": ("urinary_bladder",),
}


def threshold_region(
    image: Image,
    name: str,
    *,
    seed_mm: Sequence[float] | None = None,
    box_mm: tuple[Sequence[float], Sequence[float]] | None = None,
    method: Literal["fraction", "absolute", "adaptive"] = "fraction",
    value: float | None = None,
    largest_mL: float = 500.0,
) -> Labels:
    """A region of an emission image: the connected voxels above a threshold about the hottest one.

    Parameters
    ----------
    image : Image
    name : str
        Of the region.
    seed_mm : (x, y, z), optional
        A place in it, LPS mm; the hottest voxel within 15 mm is taken.
    box_mm : two places (x, y, z), optional
        Opposite corners, LPS mm, in place of a seed; the region stays inside.
    method : {"fraction", "absolute", "adaptive"}
        ``fraction``: `value` times the hottest voxel (default 0.42). ``absolute``: `value` in the image's unit.
        ``adaptive``: ``B + value (P - B)`` (default 0.5), P the mean of the 27 voxels about the hottest, B the median
        of a shell 6 to 18 mm outside of the region, found by repetition: the edge of an object that is wide
        against the resolution lies where the blurred image is half-way between P and B.
    value : float, optional
    largest_mL : float
        A larger region is refused: the threshold leaked into its surroundings.

    Returns
    -------
    Labels
        One mask on the image's grid; `notes` say the threshold.

    Raises
    ------
    ImageError
        Neither seed nor box, a place outside of the image, nothing above the threshold, a leak.
    """
    if (seed_mm is None) == (box_mm is None):
        raise ImageError("Give either seed_mm or box_mm.")
    allowed = _within(image.grid, seed_mm, box_mm)
    array = np.asarray(image.array, dtype=float)
    hottest = np.unravel_index(int(np.argmax(np.where(allowed, array, -np.inf))), array.shape)
    top = float(array[hottest])
    if not top > 0:
        raise ImageError(f"There is nothing above zero at the place given for {name!r}.")
    inside = allowed if box_mm is not None else np.ones_like(allowed)
    if method == "adaptive":
        mask, threshold, said = _adaptive(image, inside, hottest, 0.5 if value is None else value, name)
    elif method == "fraction":
        share = 0.42 if value is None else value
        if not 0 < share < 1:
            raise ImageError(f"A fraction of the maximum lies between 0 and 1; given was {share!r}.")
        threshold, said = share * top, f"{share:g} of the maximum {top:.4g} {image.unit}"
        mask = _connected(array, inside, hottest, threshold)
    elif method == "absolute":
        if value is None or not 0 < value <= top:
            raise ImageError(
                f"An absolute threshold lies between 0 and the maximum {top:.4g} {image.unit}; given was {value!r}."
            )
        threshold, said = value, "given"
        mask = _connected(array, inside, hottest, threshold)
    else:
        raise ImageError(f"No threshold method {method!r}; allowed are fraction, absolute and adaptive.")
    volume = float(mask.sum()) * image.grid.voxel_mL
    if volume > largest_mL:
        raise ImageError(
            f"{name!r} grew to {volume:.0f} mL, above {largest_mL:g} mL: the threshold of {threshold:.4g} {image.unit} leaks into its "
            "surroundings. Raise it, or give a box."
        )
    notes = [f"{name}: voxels above {threshold:.4g} {image.unit} ({said})."]
    if box_mm is not None and _touches(mask, inside):
        notes.append(f"{name} touches the side of its box: it may go on beyond.")
    return Labels({name: mask}, image.grid, image.frame_of_reference, source="threshold", notes=tuple(notes))


def _centres(grid: Grid) -> tuple[Array, Array, Array]:
    """Places of the voxels' centres, LPS mm: x, y, z, each [z, y, x]."""
    z, y, x = np.indices(grid.shape, dtype=float)
    a = grid.affine
    return tuple(a[i, 0] * x + a[i, 1] * y + a[i, 2] * z + a[i, 3] for i in range(3))


def _within(
    grid: Grid, seed_mm: Sequence[float] | None, box_mm: tuple[Sequence[float], Sequence[float]] | None
) -> npt.NDArray[np.bool_]:
    places = _centres(grid)
    given = (seed_mm,) if seed_mm is not None else (box_mm or ())
    if any(len(p) != 3 or not np.isfinite(np.asarray(p, dtype=float)).all() for p in given) or not given:
        raise ImageError("A place is three numbers: x, y, z in mm (left, back, head).")
    if seed_mm is not None:
        away = np.sqrt(sum((p - s) ** 2 for p, s in zip(places, seed_mm, strict=True)))
        found = np.asarray(away <= max(SEARCH_MM, float(away.min())))
        index = (np.linalg.inv(grid.affine) @ [*seed_mm, 1.0])[:3][::-1]
        if not all(-0.5 <= i <= n - 0.5 for i, n in zip(index, grid.shape, strict=True)):
            raise ImageError(f"The seed {tuple(float(s) for s in seed_mm)} mm lies outside of the image.")
        return found
    assert box_mm is not None
    low, high = np.minimum(*map(np.asarray, box_mm)), np.maximum(*map(np.asarray, box_mm))
    found = np.ones(grid.shape, dtype=bool)
    for p, a, b in zip(places, low, high, strict=True):
        found &= (p >= a) & (p <= b)
    if not found.any():
        raise ImageError("No voxel of the image lies in this box.")
    return found


def _connected(
    array: Array, inside: npt.NDArray[np.bool_], at: tuple[np.intp, ...], threshold: float
) -> npt.NDArray[np.bool_]:
    from scipy import ndimage

    pieces, _ = ndimage.label((array >= threshold) & inside)
    return np.asarray(pieces == pieces[at]) if pieces[at] else np.zeros(array.shape, dtype=bool)


def _adaptive(
    image: Image, inside: npt.NDArray[np.bool_], at: tuple[np.intp, ...], share: float, name: str
) -> tuple[npt.NDArray[np.bool_], float, str]:
    from scipy import ndimage

    if not 0 < share < 1:
        raise ImageError(f"The share between background and peak lies between 0 and 1; given was {share!r}.")
    array = np.asarray(image.array, dtype=float)
    cube = tuple(slice(max(0, int(i) - 1), int(i) + 2) for i in at)
    peak = float(array[cube].mean())
    threshold, background = 0.5 * peak, 0.0
    mask = _connected(array, inside, at, threshold)
    seen = {threshold}
    for _ in range(MOST_ROUNDS):
        away = ndimage.distance_transform_edt(~mask, sampling=image.grid.voxel_mm)
        shell = (away > SHELL_MM[0]) & (away <= SHELL_MM[1])
        if not shell.any():
            raise ImageError(f"There is no background about {name!r}: its region fills the image. Give a box.")
        background = float(np.median(array[shell]))
        onward = background + share * (peak - background)
        if onward in seen or not onward < array[at]:
            break
        seen.add(onward)
        threshold, mask = onward, _connected(array, inside, at, onward)
    said = f"{share:g} of the way from the background {background:.4g} to the peak {peak:.4g} {image.unit}"
    return mask, threshold, said


def _touches(mask: npt.NDArray[np.bool_], box: npt.NDArray[np.bool_]) -> bool:
    from scipy import ndimage

    return bool((mask & ~ndimage.binary_erosion(box, iterations=1)).any())


def cortex(labels: Labels, region: str, thickness_mm: float, name: str | None = None) -> Labels:
    """The outer shell of a region, as a stand-in for the cortex of a kidney.

    The share of a voxel whose centre lies at depth h below the surface is ``clip((thickness - h)/side + 1/2, 0, 1)``
    of its share of the region. The Euclidean distance transform gives the way a to the nearest voxel centre outside, which
    lies beyond the surface by a gap g. Centres are as dense as 1/side^3 and the cap of height g that holds none has the
    volume pi a g^2, so g is ``sqrt(side^3/a)/2`` on the mean, and h = a - g.

    Parameters
    ----------
    labels : Labels
    region : str
    thickness_mm : float
        Adult renal cortex: about 6 to 10 mm.
    name : str, optional
        Of the new region; default ``<region>_cortex``.

    Returns
    -------
    Labels
        With the shell added; the region itself is kept.

    Notes
    -----
    A shell is not an anatomical segmentation: it also runs along the hilum, and a pelvis inside of the contour counts as
    medulla.
    """
    if region not in labels.masks:
        raise missing("region", region, labels.masks)
    if not (math.isfinite(thickness_mm) and thickness_mm > 0):
        raise ImageError(f"thickness_mm is {thickness_mm!r}; it must be above zero.")
    from scipy import ndimage

    called = name or f"{region}_cortex"
    if called in labels.masks:
        raise ImageError(f"There is a region {called!r} already; give another name.")
    share = np.asarray(labels.masks[region], dtype=float)
    padded = np.pad(share, 1) >= 0.5
    side = float(np.cbrt(np.prod(labels.grid.voxel_mm)))
    away = ndimage.distance_transform_edt(padded, sampling=labels.grid.voxel_mm)[1:-1, 1:-1, 1:-1]
    depth = away - 0.5 * np.sqrt(side**3 / np.maximum(away, side))
    shell = share * np.clip((thickness_mm - depth) / side + 0.5, 0, 1)
    volume = float(share.sum()) * labels.grid.voxel_mL
    kept = float(shell.sum()) * labels.grid.voxel_mL
    notes = [
        *labels.notes,
        f"{called}: the outer {thickness_mm:g} mm of {region}, {kept:.1f} of {volume:.1f} mL; a shell, not anatomy.",
    ]
    if kept > 0.98 * volume:
        notes.append(f"{called} is all of {region}: it is thicker than half of it.")
    return replace(labels, masks={**labels.masks, called: shell.astype(np.float32)}, notes=tuple(notes))


def _surface_mm2(share: Mask, grid: Grid) -> float:
    """Area of the surface: the integral of the slope of the mask, smoothed by one voxel (coarea formula)."""
    from scipy import ndimage

    total, n = 0.0, share.shape[0] + 2 * AROUND
    for first in range(0, n, SLAB):  # a whole organ of a fine CT takes gigabytes at once
        low, high = max(first - AROUND, 0), min(first + SLAB + AROUND, n)
        part = np.asarray(share[max(low - AROUND, 0) : max(high - AROUND, 0)], dtype=float)
        above = max(AROUND - low, 0), max(high - max(low, AROUND) - len(part), 0)
        smooth = ndimage.gaussian_filter(np.pad(part, (above, (AROUND, AROUND), (AROUND, AROUND))), 1.0)
        slopes = np.gradient(smooth, *grid.voxel_mm)
        length = np.sqrt(slopes[0] ** 2 + slopes[1] ** 2 + slopes[2] ** 2)
        total += float(length[first - low : first - low + min(SLAB, n - first)].sum())
    return total * grid.voxel_mL * 1000.0


def volume_sd_mL(labels: Labels, region: str, *, fwhm_mm: float = 0.0, contour_sd_mm: float = 0.0) -> float:
    """Standard uncertainty of a region's volume, mL.

    An edge is known within its voxel (side a, rectangular: a^2/12) and within the resolution of the image it was
    drawn on (Gaussian: FWHM^2/(8 ln 2)). A diameter d has two edges, and a volume goes with its cube (Gear 2018)::

        u(d)^2 = a^2/6 + FWHM^2/(4 ln 2),     u(V)/V = 3 u(d)/d,     d = (6 V/pi)^(1/3)

    A contour that is too wide or too narrow everywhere by ``contour_sd_mm`` adds ``S contour_sd_mm`` in quadrature,
    S the area of the surface: for organs, whose shape is no sphere and whose error is the reader's.

    Parameters
    ----------
    labels : Labels
    region : str
    fwhm_mm : float
        Resolution of the image that the region was drawn on (a CT: below its voxel; give 0).
    contour_sd_mm : float

    Returns
    -------
    float

    Raises
    ------
    ImageError
        An empty region, a negative width.
    CatalogError
        No such region.
    """
    if region not in labels.masks:
        raise missing("region", region, labels.masks)
    for value, what in ((fwhm_mm, "fwhm_mm"), (contour_sd_mm, "contour_sd_mm")):
        if not (math.isfinite(value) and value >= 0):
            raise ImageError(f"{what} is {value!r}; it must not be negative.")
    volume = labels.volume_mL(region)
    if not volume > 0:
        raise ImageError(f"Region {region!r} has no voxel.")
    side = float(np.cbrt(np.prod(labels.grid.voxel_mm)))
    diameter = (6.0 * volume * 1000.0 / math.pi) ** (1 / 3)
    edge = math.sqrt(side**2 / 6 + fwhm_mm**2 / (4 * math.log(2)))
    drawn = 3.0 * volume * edge / diameter
    shifted = 0.0
    if contour_sd_mm > 0:
        shifted = _surface_mm2(labels.masks[region], labels.grid) * contour_sd_mm / 1000.0
    return math.hypot(drawn, shifted)


def with_volume_sd(
    labels: Labels, *, fwhm_mm: float | Mapping[str, float] = 0.0, contour_sd_mm: float | Mapping[str, float] = 0.0
) -> Labels:
    """The labels with `Labels.volume_sd_mL` of every region by `volume_sd_mL`; mappings name regions, the rest gets 0."""
    made = {}
    for name in labels.masks:
        width = fwhm_mm.get(name, 0.0) if isinstance(fwhm_mm, Mapping) else fwhm_mm
        shift = contour_sd_mm.get(name, 0.0) if isinstance(contour_sd_mm, Mapping) else contour_sd_mm
        if labels.volume_mL(name) > 0:
            made[name] = volume_sd_mL(labels, name, fwhm_mm=width, contour_sd_mm=shift)
    return replace(labels, volume_sd_mL={**labels.volume_sd_mL, **made})


def segment_ct(
    ct: Image,
    regions: Sequence[str],
    *,
    fast: bool = False,
    timeout_s: float = 3600.0,
    command: str = "TotalSegmentator",
) -> Labels:
    """Organs on a CT by TotalSegmentator, where the user has installed it.

    Runs the tool's command on a NIfTI in a folder that is removed afterwards. The tool fetches its weights itself, the
    first time; they and some of its tasks have licences of their own.

    Parameters
    ----------
    ct : Image
        In HU.
    regions : sequence of str
        Our names (`TOTALSEGMENTATOR_NAMES`) or the tool's own.
    fast : bool
        The tool's 3 mm model.
    timeout_s : float
    command : str
        Name or path of the program.

    Returns
    -------
    Labels
        On the CT's grid.

    Raises
    ------
    ImageError
        Not installed, failed, too slow, or a mask that is missing.
    """
    import shutil
    import subprocess
    import tempfile

    if ct.quantity != "hu":
        raise ImageError(f"TotalSegmentator works on a CT in HU; this image is {ct.quantity}.")
    if isinstance(regions, str) or not regions:
        raise ImageError("regions is a list of names, such as ['kidney_left', 'liver'].")
    for region in regions:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", region):
            raise missing("region", region, TOTALSEGMENTATOR_NAMES)
    program = shutil.which(command)
    if program is None:
        raise ImageError(
            "TotalSegmentator is not installed: pip install TotalSegmentator (large; its weights are fetched at its first use). "
            "Or give contours, a SEG or a NIfTI label map."
        )
    theirs = {region: TOTALSEGMENTATOR_NAMES.get(region, (region,)) for region in regions}
    wanted = sorted({part for parts in theirs.values() for part in parts})
    with tempfile.TemporaryDirectory(prefix="alphatwin-") as place:
        folder = pathlib.Path(place)
        write_nifti(ct, folder / "ct.nii.gz")
        asked = [
            program,
            "-i",
            str(folder / "ct.nii.gz"),
            "-o",
            str(folder / "out"),
            *(["--fast"] if fast else []),
            "--roi_subset",
            *wanted,
        ]
        try:
            done = subprocess.run(  # noqa: S603 - a list, no shell; every word was checked above
                asked, check=False, capture_output=True, timeout=timeout_s, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            raise ImageError(
                f"TotalSegmentator took longer than {timeout_s:g} s. Give timeout_s, or fast=True."
            ) from None
        except OSError as error:
            raise ImageError(
                f"TotalSegmentator could not be started: {(error.strerror or 'unknown').lower()}."
            ) from None
        if done.returncode:
            last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise ImageError(f"TotalSegmentator failed (exit {done.returncode}): {last[0][:200].replace(place, '')}")
        masks: dict[str, npt.NDArray[np.generic]] = {}
        for region, parts in theirs.items():
            masks[region] = np.any([_their_mask(folder / "out" / f"{part}.nii.gz", ct.grid) for part in parts], axis=0)
    empty = [region for region, mask in masks.items() if not mask.any()]
    notes = ["Segmented by TotalSegmentator (Wasserthal 2023): look at it before use."]
    notes += [f"{region}: TotalSegmentator found none of it in this CT." for region in empty]
    return Labels(masks, ct.grid, ct.frame_of_reference, source="TotalSegmentator", notes=tuple(notes))


def _their_mask(path: pathlib.Path, grid: Grid) -> npt.NDArray[np.bool_]:
    if not path.is_file():
        raise ImageError(
            f"TotalSegmentator has no region {path.name.removesuffix('.nii.gz')!r}. See its list of classes."
        )
    found = read_nifti(path, "other")  # an organ that is not there is a mask of zeros
    if not found.grid.same_as(grid, 0.05):
        raise ImageError(f"The mask {path.name} is not on the CT's grid.")
    return np.asarray(found.array > 0.5)


def mean_densities(labels: Labels, ct: Image, regions: Sequence[str]) -> dict[str, float]:
    """Mean density of each region inside its outline, at the resolution of the CT it was drawn on.

    On the wider voxels of an emission image the CT of an edge is mixed with what lies outside: a kidney in fat loses 3 % of its
    mass on voxels of 5 mm. As in `region_shares`, where regions overlap the smaller one has the voxel.

    Parameters
    ----------
    labels : Labels
        On the grid of the CT.
    ct : Image
        In HU.
    regions : sequence of str
        Those that share the body; others are left out of account.

    Returns
    -------
    dict of str to float
        g/cm3, by CT number after Schneider et al. 2000.

    Raises
    ------
    ImageError
        Another grid, a region without a voxel of its own.
    CatalogError
        An unknown region.
    """
    if not labels.grid.same_as(ct.grid):
        raise ImageError(
            "These regions were not drawn on this CT: their grids differ. Carry them first (carry_labels)."
        )
    for name in regions:
        if name not in labels.masks:
            raise missing("region", name, labels.masks)
    made = {}
    ordered = sorted(regions, key=labels.volume_mL)
    for i, name in enumerate(ordered):
        seen = [np.flatnonzero(labels.masks[name].any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
        if not all(len(s) for s in seen):
            raise ImageError(f"The region {name!r} has no voxel.")
        box = tuple(slice(int(s[0]), int(s[-1]) + 1) for s in seen)
        left = np.ones(labels.masks[name][box].shape)
        for smaller in ordered[:i]:
            left -= np.minimum(labels.masks[smaller][box].astype(float), left)
        share = np.minimum(labels.masks[name][box].astype(float), left)
        if not share.any():
            raise ImageError(f"The region {name!r} has no voxel of its own: smaller ones cover it.")
        density = density_from_hu(np.clip(ct.array[box].astype(float), *HU_LIMITS))
        made[name] = float((share * density).sum() / share.sum())
    return {name: made[name] for name in regions}
