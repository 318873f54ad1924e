"""Outlines of the reference that the case asks for beside those in its folder."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..case._images_outlines import Lesion, Outlines
from ..case.images import ImagesCase
from ..errors import AlphatwinError, CaseError, suggestion
from ..imaging.nifti import read_nifti_labels
from ..imaging.regions import cortex, segment_ct, threshold_region
from ..imaging.registration import carry_labels
from ..imaging.values import Image, Labels, Study, TimePoint

__all__ = ["with_outlines"]


def with_outlines(case: ImagesCase, study: Study, place: pathlib.Path) -> Study:
    """The study with the reference's outlines complete.

    Parameters
    ----------
    case : ImagesCase
    study : Study
        Calibrated.
    place : Path
        Of the case, from which its files count.

    Returns
    -------
    Study

    Raises
    ------
    AlphatwinError
        The message begins with the place in the case.
    """
    ref = case.images.reference - 1
    asked = case.outlines
    if asked == Outlines() or ref >= len(study.points):
        return study
    point = study.points[ref]
    labels = point.labels
    if asked.labels is not None:
        given = asked.labels
        found = _at("outlines.labels", lambda: read_nifti_labels(place / given.map, given.names))
        for name, mask in found.masks.items():
            if not mask.any():
                raise CaseError(f"outlines.labels.names: no voxel of the map has the label of {name!r}.")
        labels = _together(labels, found, "outlines.labels")
    if asked.segment is not None:
        if point.ct is None:
            raise CaseError("outlines.segment: the reference has no CT.")
        ct, wanted = point.ct, asked.segment
        found = _at("outlines.segment", lambda: segment_ct(ct, wanted.regions, fast=wanted.fast))
        labels = _together(labels, found, "outlines.segment")
    for name, lesion in asked.lesions.items():
        where = f"outlines.lesions.{name}" if name.isidentifier() else "outlines.lesions"
        labels = _together(labels, _lesion(point, labels, name, lesion, where), where)
    for name, depth in asked.cortex.items():
        labels = _shell(labels, name, depth)
    points = [*study.points]
    points[ref] = replace(point, labels=labels)
    return replace(study, points=tuple(points))


def _at(where: str, work: Any) -> Any:
    try:
        return work()
    except AlphatwinError as error:
        raise type(error)(f"{where}: {error}") from None


def _together(labels: Labels | None, more: Labels, where: str) -> Labels:
    """Both on the grid of the first."""
    if labels is None:
        return more
    for name in more.masks:
        if name in labels.masks:
            raise CaseError(f"{where}: there is a region {name!r} already. Give another name, or leave that one out.")
    carried = carry_labels(more, labels.grid)
    return replace(labels, masks={**labels.masks, **carried.masks}, notes=(*labels.notes, *carried.notes))


def _known(name: str, masks: Mapping[str, Any], where: str) -> None:
    if name not in masks:
        raise CaseError(
            f"{where}: there is no region {name!r}. {suggestion(name, list(masks))}Regions: {', '.join(masks) or 'none'}."
        )


def _lesion(point: TimePoint, labels: Labels | None, name: str, lesion: Lesion, where: str) -> Labels:
    """A region by threshold on the emission image; with ``within`` about its hottest voxel and nowhere else.

    A hole in that region counts as of it: an organ may have been outlined without its lesion.
    """
    from scipy.ndimage import binary_fill_holes

    image: Image = point.emission
    method, value = lesion.threshold
    inside = None
    seed = lesion.seed_mm
    if lesion.within is not None:
        _known(lesion.within, {} if labels is None else labels.masks, f"{where}.within")
        assert labels is not None
        one = replace(labels, masks={lesion.within: labels.masks[lesion.within]}, volume_sd_mL={}, notes=())
        inside = binary_fill_holes(np.asarray(carry_labels(one, image.grid).masks[lesion.within], np.float32) >= 0.5)
        if not inside.any():
            raise CaseError(f"{where}.within: {lesion.within!r} covers no voxel of the emission image.")
        z, y, x = np.unravel_index(int(np.argmax(np.where(inside, image.array, -np.inf))), image.grid.shape)
        hottest = (image.grid.affine @ [x, y, z, 1.0])[:3]
        seed = (float(hottest[0]), float(hottest[1]), float(hottest[2]))
        image = replace(image, array=np.where(inside, image.array, 0))
    found: Labels = _at(
        where,
        lambda: threshold_region(
            image, name, seed_mm=seed, box_mm=lesion.box_mm, method=method, value=value, largest_mL=lesion.largest_mL
        ),
    )
    return found


def _shell(labels: Labels | None, name: str, depth_mm: float) -> Labels:
    """The region in two: its outer shell and what lies inside of it, with no voxel counted twice."""
    where = "outlines.cortex"
    _known(name, {} if labels is None else labels.masks, f"{where}.{name}" if name.isidentifier() else where)
    assert labels is not None
    outer, inner = f"{name}_cortex", f"{name}_medulla"
    if inner in labels.masks:
        raise CaseError(f"{where}: there is a region {inner!r} already.")
    found: Labels = _at(where, lambda: cortex(labels, name, depth_mm, outer))
    whole, shell = np.asarray(found.masks[name], np.float32), np.asarray(found.masks[outer], np.float32)
    masks = {n: m for n, m in found.masks.items() if n not in (name, outer)}
    left = whole - shell
    masks[outer] = shell
    if float(left.sum()) > 0.02 * float(whole.sum()):
        masks[inner] = left
    else:
        raise CaseError(f"{where}: {depth_mm:g} mm is all of {name}; give less than half of its thickness.")
    return replace(found, masks=masks, volume_sd_mL={n: v for n, v in found.volume_sd_mL.items() if n != name})
