"""Regions from DICOM: contours (RTSTRUCT) drawn into voxels with fractional edges, and segmentations (SEG).

A contour is a polygon on a plane. `covered` gives the share of every pixel inside a set of polygons by the even-odd rule, so
that holes, islands and keyhole cuts need no special case; along the normal a contour stands for a slab that reaches half-way
to its neighbours, and a voxel gets the share of its height that the slabs cover. The volume drawn is kept on any spacing of slices.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..errors import ImageError, suggestion
from .dicom import Header, Identity, guarded, opened, pixels, plain_region, shape_of, shown
from .series import SeriesFound, axes_of, pixel_mm, position_of
from .values import Box, Boxes, Grid, Labels, Mask

__all__ = ["covered", "read_rtstruct", "read_seg"]

LINES = 16  # scan lines per pixel: edges are exact along x, and to 1/32 of a pixel along y
MAX_POINTS = 5_000_000
MAX_PLANES = 5_000
SAME_PLANE_MM = 0.05


# --- rasterising -----------------------------------------------------------------------------------------------------


def covered(
    polygons: Sequence[npt.ArrayLike], shape: tuple[int, int], *, lines: int = LINES
) -> npt.NDArray[np.float32]:
    """Share of each pixel inside polygons, by the even-odd rule over all of them together.

    Parameters
    ----------
    polygons : sequence of array[n, 2]
        Corners ``(x, y)`` in pixel indices: pixel ``(i, j)`` is the square of side 1 around ``(i, j)``.
    shape : tuple of int
        ``(rows, columns)``.
    lines : int
        Scan lines per pixel; along a line the crossing points are exact.

    Returns
    -------
    array[rows, columns]
        Shares between 0 and 1; what lies outside of the raster is cut off.

    Examples
    --------
    >>> covered([[(0.5, 0.5), (2.0, 0.5), (2.0, 1.5), (0.5, 1.5)]], (2, 4)).tolist()
    [[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.5, 0.0]]
    """
    rows, columns = shape
    share = np.zeros(rows * (columns + 2))
    starts, ends = [], []
    for polygon in polygons:
        corners = np.asarray(polygon, dtype=float)
        if corners.ndim == 2 and len(corners) >= 3:
            starts.append(corners)
            ends.append(np.roll(corners, -1, axis=0))
    if not starts:
        return np.zeros(shape, np.float32)
    (x0, y0), (x1, y1) = np.concatenate(starts).T, np.concatenate(ends).T
    # scan line s lies at y = (s + 0.5) / lines - 0.5; an edge crosses those in [lower, upper)
    scan0, scan1 = (y0 + 0.5) * lines - 0.5, (y1 + 0.5) * lines - 0.5
    first = np.clip(np.ceil(np.minimum(scan0, scan1)), 0, rows * lines).astype(np.int64)
    last = np.clip(np.ceil(np.maximum(scan0, scan1)), 0, rows * lines).astype(np.int64)
    count = last - first
    edge = np.repeat(np.arange(len(count)), count)
    line = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    x = x0[edge] + (line - scan0[edge]) * (x1[edge] - x0[edge]) / (scan1[edge] - scan0[edge])
    order = np.lexsort((x, line))
    line, x = line[order], np.clip(x[order] + 0.5, 0.0, columns)
    begin = np.searchsorted(line, line)  # rank on its own line: even opens, odd closes
    sign = 1.0 - 2.0 * ((np.arange(len(line)) - begin) % 2)
    pixel = np.floor(x).astype(np.int64)
    at = (line // lines) * (columns + 2) + pixel
    part = 1.0 - (x - pixel)
    share += np.bincount(at, sign * part, len(share)) + np.bincount(at + 1, sign * (1.0 - part), len(share))
    total = np.cumsum(share.reshape(rows, columns + 2), axis=1)[:, :columns] / lines
    return np.clip(total, 0.0, 1.0).astype(np.float32)


def _slabs(heights: npt.NDArray[np.float64], usual: float) -> list[tuple[float, float]]:
    """Lower and upper side of the slab of each plane, in the unit of ``heights`` (sorted).

    Half-way to a neighbour; where a neighbour is more than 1.5 spacings away the region is two pieces, and the slab ends
    half a spacing out.
    """
    steps = np.diff(heights)
    usual = float(np.min(steps)) if steps.size else usual
    half = [min(s, usual) / 2 if s > 1.5 * usual else s / 2 for s in steps]
    below, above = [usual / 2, *half], [*half, usual / 2]
    return [(h - b, h + a) for h, b, a in zip(heights, below, above, strict=True)]


def _drawn(
    planes: dict[float, list[npt.NDArray[np.float64]]], shape: tuple[int, int, int], usual: float
) -> tuple[Box, npt.NDArray[np.float32]] | None:
    """The box of a region and its mask there, from its polygons by plane in voxel indices; None where all lies outside."""
    heights = np.array(sorted(planes))
    slabs = _slabs(heights, usual)
    corners = np.concatenate([polygon for polygons in planes.values() for polygon in polygons])
    least = np.array([slabs[0][0], *corners.min(axis=0)[::-1]])
    most = np.array([max(high for _, high in slabs), *corners.max(axis=0)[::-1]])
    low = np.maximum(np.floor(least + 0.5), 0).astype(np.int64)
    high = np.minimum(np.ceil(most + 0.5).astype(np.int64), shape)
    if (high <= low).any():
        return None
    mask = np.zeros(tuple(high - low), np.float32)
    for height, (bottom, top) in zip(heights, slabs, strict=True):
        first, last = max(int(np.floor(bottom + 0.5)), low[0]), min(int(np.ceil(top - 0.5)), high[0] - 1)
        polygons = planes[float(height)]
        around = np.concatenate(polygons)
        left, start = np.maximum(np.floor(around.min(axis=0) + 0.5).astype(np.int64), low[:0:-1])
        right, end = np.minimum(np.ceil(around.max(axis=0) + 0.5).astype(np.int64), high[:0:-1])
        if first > last or right <= left or end <= start:
            continue
        flat = covered([p - (left, start) for p in polygons], (end - start, right - left))
        rows, columns = slice(start - low[1], end - low[1]), slice(left - low[2], right - low[2])
        for k in range(first, last + 1):
            overlap = min(top, k + 0.5) - max(bottom, k - 0.5)
            if overlap > 1e-9:
                mask[k - low[0], rows, columns] += np.float32(overlap) * flat
    if not mask.any():
        return None
    box = slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])), slice(int(low[2]), int(high[2]))
    return box, np.clip(mask, 0.0, 1.0, out=mask)


# --- RTSTRUCT --------------------------------------------------------------------------------------------------------


def read_rtstruct(
    path: str | pathlib.Path | SeriesFound, grid: Grid, *, frame_of_reference: str | None = None,
    regions: Sequence[str] | None = None,
) -> Labels:  # fmt: skip
    """Draw the contours of a structure set into the voxels of a grid.

    Parameters
    ----------
    path : path or SeriesFound
        The RTSTRUCT object.
    grid : Grid
        Of the image they were drawn on, or another one whose slices are parallel to the contours.
    frame_of_reference : str, optional
        Of the image; contours of another frame of reference are refused.
    regions : sequence of str, optional
        Only these.

    Returns
    -------
    Labels
        Share of each voxel inside each region, float32.

    Raises
    ------
    ImageError
        Contours of another frame of reference, not parallel to the slices, not flat, or wholly outside of the grid; an
        unknown region.
    """
    header = opened(path.files[0] if isinstance(path, SeriesFound) else path)
    if header.modality != "RTSTRUCT":
        raise ImageError(f"{header.name} is of modality {shown(header.modality)}, not RTSTRUCT.")
    names = _names(header)
    wanted = _chosen(list(names.values()), regions, header.name)
    to_index: npt.NDArray[np.float64] = np.asarray(np.linalg.inv(grid.affine), dtype=np.float64)
    masks: dict[str, tuple[Box, Mask]] = {}
    notes: list[str] = []
    frames: set[str] = set()
    references = {
        i.whole("ROINumber"): i.text("ReferencedFrameOfReferenceUID") for i in header.items("StructureSetROISequence")
    }
    points = 0
    for roi in header.items("ROIContourSequence"):
        number = roi.whole("ReferencedROINumber")
        name = names.get(number)
        if name is None:
            raise ImageError(f"{header.name} has contours of a region that its list of regions does not name.")
        if name not in wanted:
            continue
        frame = references.get(number) or ""
        if frame_of_reference is not None and frame != frame_of_reference:
            raise ImageError(
                f"The contours of {name!r} in {header.name} belong to another frame of reference than the image: read them on "
                "the image they were drawn on."
            )
        frames.add(frame)
        planes, usual, skipped, many = _planes(roi, to_index, grid, name)
        points += many
        if points > MAX_POINTS:
            raise ImageError(f"{header.name} has more than {MAX_POINTS} contour points.")
        if skipped:
            notes.append(f"{name}: {skipped} points or open lines were left out")
        if not planes:
            notes.append(f"{name}: no closed contour")
            continue
        if len(planes) == 1 and usual == 1.0:
            notes.append(f"{name}: on one plane only, taken as one slice thick ({grid.voxel_mm[0]:.2f} mm)")
        steps = np.diff(list(planes))
        if steps.size and steps.max() > 1.5 * steps.min():
            notes.append(
                f"{name}: drawn with gaps of up to {steps.max() * grid.voxel_mm[0]:.1f} mm, which are left empty"
            )
        drawn = _drawn(planes, grid.shape, usual)
        if drawn is None:
            raise ImageError(f"The contours of {name!r} lie outside of the image: they belong to another one.")
        masks[name] = drawn
    if not masks:
        raise ImageError(f"{header.name} has no closed contour{' of the regions asked for' if regions else ''}.")
    if len(frames) > 1:
        raise ImageError(f"{header.name} has contours in {len(frames)} frames of reference: choose with regions=.")
    return Labels(Boxes(grid.shape, masks), grid, frames.pop() or None, source="RTSTRUCT", notes=tuple(notes))


def _names(header: Header) -> dict[int | None, str]:
    """Names of the regions by number without their patient's, doubled ones counted."""
    names: dict[int | None, str] = {}
    words = Identity.of(header, b"name").words
    for item in header.items("StructureSetROISequence"):
        number, name = (
            item.whole("ROINumber"),
            " ".join(item.texts("ROIName")).strip("\0 ") or f"region {len(names) + 1}",
        )
        name = plain_region(name, words)
        if number is None or number in names:
            raise ImageError(f"{header.name} has a region without a number, or two with the same.")
        taken = set(names.values())
        names[number] = (
            name
            if name not in taken
            else next(f"{name} ({k})" for k in range(2, 10_000) if f"{name} ({k})" not in taken)
        )
    return names


def _chosen(names: Sequence[str], regions: Sequence[str] | None, file: str) -> set[str]:
    if regions is None:
        return set(names)
    for name in regions:
        if name not in names:
            raise ImageError(
                f"{file} has no region {name!r}. {suggestion(name, names)}There are: {', '.join(names) or 'none'}."
            )
    return set(regions)


def _planes(
    roi: Header, to_index: npt.NDArray[np.float64], grid: Grid, name: str
) -> tuple[dict[float, list[npt.NDArray[np.float64]]], float, int, int]:
    """Polygons of a region by height, in voxel indices; the height of a lone slab; lines left out; points."""
    found: list[tuple[float, npt.NDArray[np.float64]]] = []
    skipped = many = 0
    usual = 1.0
    for contour in roi.items("ContourSequence"):
        kind = contour.text("ContourGeometricType").upper()
        if kind not in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "CLOSED_PLANAR_XOR"):
            skipped += 1
            continue
        flat = contour.floats("ContourData")
        if len(flat) % 3 or len(flat) < 9:
            raise ImageError(
                f"A contour of {name!r} has {len(flat)} numbers; a polygon has three for each of its corners."
            )
        index = np.reshape(flat, (-1, 3)) @ to_index[:3, :3].T + to_index[:3, 3]
        many += len(index)
        if np.abs(index).max() > 1e6:
            raise ImageError(f"A contour of {name!r} lies far outside of the image.")
        height = float(index[:, 2].mean())
        if np.ptp(index[:, 2]) * grid.voxel_mm[0] > 0.1:
            raise ImageError(
                f"A contour of {name!r} is not parallel to the slices of the image: read it on the image it was drawn on, then "
                "resample the region."
            )
        if thick := contour.number("ContourSlabThickness"):
            usual = abs(thick) / grid.voxel_mm[0]
        found.append((height, index[:, :2]))
    planes: dict[float, list[npt.NDArray[np.float64]]] = {}
    key = -np.inf
    for height, polygon in sorted(found, key=lambda pair: pair[0]):
        key = key if (height - key) * grid.voxel_mm[0] < SAME_PLANE_MM else height
        planes.setdefault(key, []).append(polygon)
    if len(planes) > MAX_PLANES:
        raise ImageError(f"The contours of {name!r} lie on {len(planes)} planes; at most {MAX_PLANES} are read.")
    return planes, usual, skipped, many


# --- SEG -------------------------------------------------------------------------------------------------------------


def read_seg(
    path: str | pathlib.Path | SeriesFound, grid: Grid | None = None, *, frame_of_reference: str | None = None,
    regions: Sequence[str] | None = None,
) -> Labels:  # fmt: skip
    """Read a segmentation: BINARY, FRACTIONAL (occupancy or probability) or LABELMAP; segments may overlap.

    Parameters
    ----------
    path : path or SeriesFound
        The SEG object.
    grid : Grid, optional
        Of the image it was drawn on: frames are put on their slices, absent ones stay empty, flipped axes are turned.
        Without it the frames' own grid is used.
    frame_of_reference : str, optional
        Of the image; a segmentation of another one is refused.
    regions : sequence of str, optional
        Only these segments, by label.

    Returns
    -------
    Labels
        bool for BINARY and LABELMAP, float32 shares for FRACTIONAL.

    Raises
    ------
    ImageError
        Another frame of reference, a grid that is not this one's, frames without a place or a segment, hostile sizes.
    """
    header = opened(path.files[0] if isinstance(path, SeriesFound) else path, pixel_data=True)
    if header.modality != "SEG":
        raise ImageError(f"{header.name} is of modality {shown(header.modality)}, not SEG.")
    frame = header.text("FrameOfReferenceUID")
    if frame_of_reference is not None and frame != frame_of_reference:
        raise ImageError(f"{header.name} belongs to another frame of reference than the image.")
    kind = header.text("SegmentationType").upper()
    if kind not in ("BINARY", "FRACTIONAL", "LABELMAP"):
        raise ImageError(
            f"{header.name} is a segmentation of type {shown(kind)}; BINARY, FRACTIONAL, LABELMAP are read."
        )
    labels = _segments(header)
    wanted = _chosen(list(labels.values()), regions, header.name)
    places, numbers = _frames(header, kind)
    stored = pixels(header)
    own = grid if grid is not None else _own_grid(header, places)
    top = float(header.whole("MaximumFractionalValue") or 0)
    if kind == "FRACTIONAL" and not top > 0:
        raise ImageError(f"{header.name} is fractional without MaximumFractionalValue.")
    dtype = np.float32 if kind == "FRACTIONAL" else np.bool_
    if len(wanted) * int(np.prod(own.shape)) > 2**31:
        raise ImageError(f"{header.name} has {len(wanted)} segments on a large grid: choose with regions=.")
    masks: dict[str, Mask] = {n: np.zeros(own.shape, dtype) for n in labels.values() if n in wanted}
    to_own = np.linalg.inv(own.affine)
    for k, place in enumerate(places):
        values = stored[k]
        for number in np.unique(values[values > 0]) if kind == "LABELMAP" else [numbers[k]]:
            name = labels.get(int(number))
            if name is None:
                raise ImageError(f"{header.name} has a frame of segment {int(number)}, which is not described.")
            if name not in wanted:
                continue
            chosen = (values == number) if kind == "LABELMAP" else values
            _put(masks[name], chosen, to_own @ place, top if kind == "FRACTIONAL" else 1.0, header.name)
    notes = (
        ("shares are probabilities, not volumes",) if header.text("SegmentationFractionalType") == "PROBABILITY" else ()
    )
    boxes = Boxes.of(own.shape, ((name, masks.pop(name)) for name in list(masks)))  # each let go of when it is cut
    return Labels(boxes, own, frame or None, source=f"SEG {kind}", notes=notes)


def _segments(header: Header) -> dict[int, str]:
    labels: dict[int, str] = {}
    words = Identity.of(header, b"name").words
    for item in header.items("SegmentSequence"):
        number, name = item.whole("SegmentNumber"), item.text("SegmentLabel") or f"segment {len(labels) + 1}"
        name = plain_region(name, words)
        if number is None or number in labels:
            raise ImageError(f"{header.name} has a segment without a number, or two with the same.")
        taken = set(labels.values())
        labels[number] = (
            name
            if name not in taken
            else next(f"{name} ({k})" for k in range(2, 10_000) if f"{name} ({k})" not in taken)
        )
    labels.pop(0, None)  # the background of a label map
    if not labels:
        raise ImageError(f"{header.name} describes no segment.")
    return labels


def _functional(header: Header, frame: Header, group: str) -> Header | None:
    """The item of a functional group, of the frame or shared by all."""
    for owner in (frame, *header.items("SharedFunctionalGroupsSequence")[:1]):
        if items := owner.items(group):
            return items[0]
    return None


def _frames(header: Header, kind: str) -> tuple[list[npt.NDArray[np.float64]], list[int]]:
    """For each frame its affine (column, row, 0, 1 to LPS mm) and its segment."""
    items = header.items("PerFrameFunctionalGroupsSequence")
    if len(items) != shape_of(header)[2]:
        raise ImageError(f"{header.name} describes {len(items)} frames and holds {shape_of(header)[2]}.")
    places, numbers = [], []
    for frame in items:
        plane, turned, measures = (
            _functional(header, frame, group)
            for group in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
        )
        if plane is None or turned is None or measures is None:
            raise ImageError(f"{header.name} has a frame without position, orientation or spacing.")
        along, down = axes_of(turned)
        rows, columns = pixel_mm(measures)
        affine = np.eye(4)
        affine[:3, 0], affine[:3, 1], affine[:3, 2] = along * columns, down * rows, np.cross(along, down)
        affine[:3, 3] = position_of(plane)
        places.append(affine)
        segment = _functional(header, frame, "SegmentIdentificationSequence")
        number = segment.whole("ReferencedSegmentNumber") if segment is not None else None
        if number is None and kind != "LABELMAP":
            raise ImageError(f"{header.name} has a frame without a segment.")
        numbers.append(number or 0)
    return places, numbers


def _own_grid(header: Header, places: Sequence[npt.NDArray[np.float64]]) -> Grid:
    """Grid over all frames; slices without a frame are filled in where the stated spacing allows."""
    rows, columns, _ = shape_of(header)
    if any(np.abs(p[:3, :3] - places[0][:3, :3]).max() > 1e-4 for p in places):
        raise ImageError(f"The frames of {header.name} differ in orientation or spacing.")
    normal = places[0][:3, 2]
    positions = np.array([p[:3, 3] for p in places])
    heights = positions @ normal
    order = np.argsort(heights)
    _, first = np.unique(np.round(heights[order], 3), return_index=True)
    distinct = positions[order[first]]
    with guarded(header.name):
        shared = header.items("SharedFunctionalGroupsSequence")
        measures = next((m for g in shared for m in g.items("PixelMeasuresSequence")), None)
    stated = measures.number("SpacingBetweenSlices") if measures is not None else None
    steps = np.diff(distinct @ normal)
    spacing = abs(stated) if stated else (float(steps.min()) if steps.size else None)
    if not spacing:
        raise ImageError(f"{header.name} has one slice and no SpacingBetweenSlices: supply the grid of its image.")
    index = (distinct - distinct[0]) @ normal / spacing
    if np.abs(index - np.round(index)).max() > 0.05 or index[-1] > 10_000:
        raise ImageError(
            f"The frames of {header.name} do not lie on slices {spacing:g} mm apart: supply the grid of its image."
        )
    affine = places[0].copy()
    affine[:3, 2] = normal * spacing
    affine[:3, 3] = distinct[0]
    count = round(float(index[-1])) + 1
    if count * rows * columns > 2**28:
        raise ImageError(f"{header.name} spans {count} slices of {rows} x {columns}: too large.")
    return Grid((count, rows, columns), affine)


def _put(
    mask: npt.NDArray[np.generic],
    values: npt.NDArray[np.generic],
    to_index: npt.NDArray[np.float64],
    top: float,
    name: str,
) -> None:
    """Write the pixels of one frame to their voxels."""
    row, column = np.nonzero(values)
    if not row.size:
        return
    where = np.stack([column, row, np.zeros_like(row), np.ones_like(row)]).astype(float)
    index = (to_index @ where)[:3]
    near = np.rint(index).astype(np.int64)
    turn = to_index[:3, :2]
    if np.abs(index - near).max() > 0.05 or np.abs(np.abs(turn).max(axis=0) - 1).max() > 0.01:
        raise ImageError(
            f"{name} lies on another grid than the image: read it on its own grid (grid=None), then resample it."
        )
    if (near < 0).any() or (near >= np.array(mask.shape)[::-1, None]).any():
        raise ImageError(f"{name} reaches outside of the image.")
    x, y, z = near
    share = values[row, column].astype(np.float64) / top
    if share.max() > 1:
        raise ImageError(f"{name} has shares above MaximumFractionalValue.")
    mask[z, y, x] = share if mask.dtype != np.bool_ else True


# --- for the table of a folder ---------------------------------------------------------------------------------------


def described(found: SeriesFound, header: Header) -> SeriesFound:
    """Names, frame of reference and what it was drawn on, of contours, segmentations and registrations."""
    refers: set[str] = set()
    frame = found.frame_of_reference
    regions: tuple[str, ...] = ()
    if found.kind == "RTSTRUCT":
        regions = tuple(_names(header).values())
        frames = {i.text("ReferencedFrameOfReferenceUID") for i in header.items("StructureSetROISequence")} - {""}
        frame = frames.pop() if len(frames) == 1 else frame
        for item in header.items("ReferencedFrameOfReferenceSequence"):
            for study in item.items("RTReferencedStudySequence"):
                refers |= {s.text("SeriesInstanceUID") for s in study.items("RTReferencedSeriesSequence")}
    elif found.kind == "SEG":
        regions = tuple(_segments(header).values())
        refers |= {s.text("SeriesInstanceUID") for s in header.items("ReferencedSeriesSequence")}
    elif header.has("DeformableRegistrationSequence"):
        raise ImageError(f"{header.name} is a deformable registration: only rigid and affine ones are read.")
    return replace(found, regions=regions, frame_of_reference=frame, refers_to=frozenset(refers - {""}))
