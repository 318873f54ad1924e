"""Where the patient is in the images: the body, what lies outside of it, and regions that an edge cuts.

A CT shorter than the SPECT leaves activity beyond it that is of no region and of no known body. It counts in none. Blur carries
activity across the edge of the CT both ways. So every region that the edge cuts, and the rest of the body, goes on beyond it for
one width of the blur as a source of its own, a zone z with the shape it has at the edge and an activity that is solved for with all
others: ``M_r = sum_s T_rs A_s + sum_z T_rz A_z`` and ``M_z`` alike. Where the body ends with the CT, as that of a phantom, A_z comes out as zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..imaging.activity import BODIES, is_body
from ..imaging.registration import carry_labels
from ..imaging.values import Grid, Image, Labels
from ..report.images import CUT_FIRST

__all__ = ["OUTSIDE", "REST", "Edge", "body_name", "body_of", "cut_regions", "edge_of", "rest_of", "told_outside"]

Array = npt.NDArray[np.float64]
Share = npt.NDArray[np.float32]
OUTSIDE = "outside the body"
REST = "rest of body"
BEYOND = " beyond the CT"
BODY_HU = -300.0
FWHM = 2 * math.sqrt(2 * math.log(2))
REACH = 5.0  # standard deviations of the blur, beyond which nothing of the body is seen
INSIDE = 0.5
ALL = 0.999  # a voxel is wholly in the CT, up to rounding
LEAST = 0.01  # of a region or an image, before it is told
MUCH = 0.1  # of an image's activity outside, before it is told first


def body_name(regions: Sequence[str]) -> str | None:
    """The region that is the outline of the patient; of two, body comes before external.

    Examples
    --------
    >>> body_name(["liver", "External", "BODY"]), body_name(["liver"])
    ('BODY', None)
    """
    found = [n for n in regions if is_body(n)]
    return min(found, key=lambda n: BODIES.index(n.strip().casefold()), default=None)


def body_of(ct: Image | None, labels: Labels, grid: Grid) -> Share:
    """Share of each voxel that is patient: the region ``body``, else the largest piece of the CT above -300 HU, filled."""
    from scipy import ndimage

    if (name := body_name(list(labels.masks))) is not None:
        return np.asarray(carry_labels(labels.only([name]), grid).masks[name], np.float32)
    if ct is None:
        return np.ones(grid.shape, np.float32)
    pieces, count = ndimage.label(ct.array > BODY_HU)
    if not count:
        return np.ones(grid.shape, np.float32)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    body = np.stack([ndimage.binary_fill_holes(s) for s in pieces == int(sizes.argmax())])
    return np.asarray(carry_labels(Labels({"body": body}, ct.grid), grid).masks["body"], np.float32)


def rest_of(body: Share, regions: Sequence[Share]) -> Share:
    """Share of each voxel that is body and no region."""
    taken = np.sum(np.stack(regions), axis=0, dtype=np.float32)
    return np.asarray(np.maximum(body - taken, 0), np.float32)


@dataclass(frozen=True, eq=False)
class Edge:
    """What lies outside of the body on the grid of the reference's emission image.

    Attributes
    ----------
    zones : dict of str to array[z, y, x]
        What goes on beyond the edge of the CT, of each region that it cuts.
    far : array[z, y, x]
        Share of each voxel in none of them and no region: beyond the CT, or farther from the body than its blur reaches.
    """

    zones: Mapping[str, Share]
    far: Share

    @property
    def hidden(self) -> Share:
        """All that is outside."""
        return np.asarray(sum(self.zones.values(), self.far), np.float32)

    @property
    def masks(self) -> dict[str, Share]:
        """Zones and the rest of what is outside, by name."""
        return {**self.zones, OUTSIDE: self.far}


def edge_of(
    body: Share, covered: Share, regions: Mapping[str, Share], rest: str, grid: Grid, fwhm_mm: float
) -> Edge | None:
    """What lies outside of the body; None where nothing does, or nothing is known of the body.

    Parameters
    ----------
    body, covered : array[z, y, x]
        Share of each voxel in the patient, and in the CT.
    regions : mapping of str to array[z, y, x]
        Without the rest of the body, which is called `rest`.
    grid : Grid
    fwhm_mm : float
        Of the blur.
    """
    from scipy.ndimage import distance_transform_edt

    patient = body >= INSIDE
    if patient.all() or not patient.any():
        return None
    near = distance_transform_edt(~patient, sampling=grid.voxel_mm) <= REACH * fwhm_mm / FWHM
    taken = np.sum(np.stack(list(regions.values())), axis=0, dtype=np.float32)
    outside = np.clip(1 - np.where(near, covered, 0) - taken, 0, 1).astype(np.float32)
    outside[outside < 1e-6] = 0
    if not outside.any():
        return None
    whole = covered >= ALL
    zones: dict[str, Share] = {}
    if whole.any() and (near & ~whole).any():
        depth, at = distance_transform_edt(~whole, sampling=grid.voxel_mm, return_indices=True)
        beyond = ~whole & (depth <= max(fwhm_mm, 2 * max(grid.voxel_mm)))
        ends = tuple(at[:, beyond])
        for name, share in {**regions, rest: rest_of(body, list(regions.values()))}.items():
            zone = np.zeros(grid.shape, np.float32)
            zone[beyond] = share[ends] * outside[beyond]
            if float(zone.sum(dtype=float)) >= 1:  # voxels
                zones[f"{name}{BEYOND}"] = zone
    far = np.maximum(outside - sum(zones.values(), np.zeros_like(outside)), 0)
    return Edge(zones, np.asarray(far, np.float32))


def covered_by(source: Grid | None, grid: Grid) -> Share:
    """Share of each voxel of a grid that lies in another one, by eight points in each; all of it where there is none."""
    made = np.zeros(grid.shape, np.float32)
    if source is None:
        return made + 1
    to_source = np.linalg.inv(source.affine) @ grid.affine
    z, y, x = np.indices(grid.shape, dtype=np.float32)
    for dz, dy, dx in np.ndindex(2, 2, 2):
        inside = np.ones(grid.shape, bool)
        for axis, n in enumerate(source.shape[::-1]):
            a, b, c, start = to_source[axis]
            at = a * (x + dx / 2 - 0.25) + b * (y + dy / 2 - 0.25) + c * (z + dz / 2 - 0.25) + start
            inside &= (at >= -0.5) & (at <= n - 0.5)
        made += inside / np.float32(8)
    return made


def cut_regions(
    outlines: Labels, sets: Sequence[Labels], times_h: Sequence[float], covered: Share, shares: Mapping[str, Share]
) -> dict[str, str]:
    """Of each region that an edge cuts, which one and how much of it is left.

    Parameters
    ----------
    outlines : Labels
        As they were drawn.
    sets : sequence of Labels
        The same on the emission image of each time.
    times_h : sequence of float
    covered : array[z, y, x]
        Share of each voxel of the reference in the CT.
    shares : mapping of region to array[z, y, x]
        On the same grid.
    """
    made = {}
    for name, share in shares.items():
        told: list[str] = []
        beyond = float(np.sum(share * (1 - covered), dtype=float)) > LEAST * float(share.sum(dtype=float))
        drawn_elsewhere = not any(outlines.grid.same_as(s.grid) for s in sets)
        if beyond or (drawn_elsewhere and _at_edge(outlines, name)):
            told.append("cut by the edge of the CT")
        cut = [k for k, s in enumerate(sets) if _at_edge(s, name)]
        if cut:
            held = min(sets[k].volume_mL(name) / outlines.volume_mL(name) for k in cut)
            when = "" if len(cut) == len(sets) else f" at {', '.join(f'{times_h[k]:.4g}' for k in cut)} h"
            left = f", which holds {100 * held:.0f} % of it" if held < 1 - LEAST else ""
            told.append(f"cut by the edge of the image{when}{left}")
        if told:
            made[name] = "; ".join(told)
    return made


def _at_edge(labels: Labels, name: str) -> bool:
    """Whether a region fills half of a voxel at the edge of its grid."""
    box, part = labels.box(name), labels.within(name, labels.box(name))
    for axis, (side, n) in enumerate(zip(box, part.shape, strict=True)):
        ends = [0] if side.start == 0 else []
        ends += [n - 1] if side.stop == labels.grid.shape[axis] else []
        if any(bool((np.take(part, e, axis=axis) >= INSIDE).any()) for e in ends):
            return True
    return False


def told_outside(body_MBq: Array, all_MBq: Array) -> tuple[str, ...]:
    """What the report says of activity outside; nothing where there is none."""
    share = 1 - np.divide(body_MBq, all_MBq, out=np.ones_like(body_MBq), where=all_MBq > 0)
    if not (share >= LEAST).any():
        return ()
    first = CUT_FIRST if (share > MUCH).any() else "Activity outside of CT and body"
    advice = " Look whether the CT shows all that the images show." if (share > MUCH).any() else ""
    parts = ", ".join(f"{100 * max(v, 0.0):.2g}" for v in share)
    return (f"{first}: {parts} % of that in the images. It counts in no region and has no dose.{advice}",)
