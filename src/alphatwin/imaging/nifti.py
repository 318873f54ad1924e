"""NIfTI both ways: images and label maps, RAS of the file turned to the LPS of this room."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..errors import ImageError
from ._files import whole_file
from ._nifti_file import NiftiFile, NotNifti, open_nifti
from .dicom import MAX_FILE_BYTES, MAX_VOXELS, guarded, needed
from .values import Boxes, Grid, Image, Labels, Quantity

__all__ = ["read_nifti", "read_nifti_labels", "write_nifti"]

TURN = np.diag([-1.0, -1.0, 1.0, 1.0])  # RAS <-> LPS
AGREE_MM = 0.05  # corners of the two transforms of a header
MAX_LABELS = 1024


def _loaded(path: pathlib.Path) -> NiftiFile:
    """The file, whose sizes were compared with its bytes first."""
    if path.is_dir() or not path.is_file():
        raise ImageError(f"There is no file {path.name}.")
    packed = path.stat().st_size
    if packed > MAX_FILE_BYTES:
        raise ImageError(f"{path.name} has {packed / 2**30:.1f} GiB; at most {MAX_FILE_BYTES / 2**30:.0f} are read.")
    with needed(), guarded(path.name):
        try:
            found = open_nifti(path)
        except NotNifti:
            raise ImageError(f"{path.name} is no NIfTI file (.nii or .nii.gz).") from None
    size = math.prod(found.shape) if found.shape else 0
    if not 0 < size <= MAX_VOXELS:
        raise ImageError(f"{path.name} claims {size} voxels; between 1 and {MAX_VOXELS} are read.")
    if found.dtype.kind not in "iufb":
        raise ImageError(
            f"{path.name} holds {found.dtype}; whole numbers or floats are read, no colours or complex numbers."
        )
    if found.needed > found.room:
        raise ImageError(
            f"{path.name} claims {found.needed} bytes of voxels in {packed}: it is cut short or its sizes are wrong."
        )
    return found


def _affine(
    found: NiftiFile, name: str, prefer: Literal["sform", "qform"] | None
) -> tuple[npt.NDArray[np.float64], list[str]]:
    """LPS affine in mm, with what had to be assumed."""
    known = found.forms
    if not known:
        raise ImageError(f"{name} has neither sform nor qform: where left and head are is not known. Set one of them.")
    if prefer is not None and prefer not in known:
        raise ImageError(f"{name} has no {prefer}; it has {', '.join(known)}.")
    if len(known) == 2 and prefer is None:
        side = [n - 1 for n in found.shape[:3]]
        corners = np.array([[x, y, z, 1] for x in (0, side[0]) for y in (0, side[1]) for z in (0, side[2])], float).T
        apart = float(np.abs((known["sform"] - known["qform"]) @ corners)[:3].max())
        if apart > AGREE_MM:
            raise ImageError(
                f"sform and qform of {name} differ by up to {apart:.2f} mm: choose with prefer='sform' or 'qform'."
            )
    notes = [] if found.unit_stated else ["the file states no unit of length: mm"]
    return TURN @ (known[prefer] if prefer else found.affine), notes


def _volume(found: NiftiFile, name: str, volume: int | None) -> npt.NDArray[np.floating]:
    """One volume as ``[z, y, x]`` in the numbers that the slope gives."""
    shape = found.shape
    if len(shape) == 4:
        if volume is None:
            raise ImageError(f"{name} holds {shape[3]} volumes: choose one with volume=0 to {shape[3] - 1}.")
        if not 0 <= volume < shape[3]:
            raise ImageError(f"{name} holds volumes 0 to {shape[3] - 1}; volume={volume} was asked for.")
    elif len(shape) != 3:
        raise ImageError(f"{name} has {len(shape)} sides; images have three.")
    elif volume not in (None, 0):
        raise ImageError(f"{name} holds one volume; volume={volume} was asked for.")
    with guarded(name):
        values = found.values(volume)
    if not np.isfinite(values).all():
        raise ImageError(f"{name} has {int((~np.isfinite(values)).sum())} voxels that are not finite: set them first.")
    return np.ascontiguousarray(values.transpose(2, 1, 0))


def read_nifti(
    path: str | pathlib.Path, quantity: Quantity, *, modality: str = "OT", volume: int | None = None,
    prefer: Literal["sform", "qform"] | None = None,
) -> Image:  # fmt: skip
    """Read a NIfTI image (``.nii``, ``.nii.gz``).

    NIfTI says neither what its numbers are nor when they were acquired: ``quantity`` must be given, and times come from the
    injection record.

    Parameters
    ----------
    path : path
        The file.
    quantity : str
        What the numbers are, in the unit of `Image`: ``hu``, ``counts``, ``activity_concentration`` (MBq/mL), ...
    modality : str
        ``CT``, ``NM``, ``PT`` or ``OT``.
    volume : int, optional
        Which volume of a series of them (from 0).
    prefer : {"sform", "qform"}, optional
        Which transform holds where the two differ.

    Returns
    -------
    Image
        Float32, ``[z, y, x]``, LPS.

    Raises
    ------
    ImageError
        No transform, two that differ, several volumes, sheared axes, numbers that are not finite, damaged files.
    """
    path = pathlib.Path(path)
    found = _loaded(path)
    with guarded(path.name):
        affine, notes = _affine(found, path.name, prefer)
    array = _volume(found, path.name, volume)
    if array.size and np.abs(array).max() > np.finfo(np.float32).max:
        raise ImageError(f"{path.name} has numbers too large to be kept.")
    grid = Grid((array.shape[0], array.shape[1], array.shape[2]), affine)
    return Image(array.astype(np.float32), grid, quantity, modality, source="NIfTI", notes=tuple(notes))


def read_nifti_labels(
    path: str | pathlib.Path, names: Mapping[int, str] | None = None, *, prefer: Literal["sform", "qform"] | None = None
) -> Labels:
    """Read a label map: whole numbers, 0 is no region.

    Parameters
    ----------
    path : path
        The file.
    names : dict of int to str, optional
        Names of the numbers; those not named are left out. Without it every number is a region ``label 5``.
    prefer : {"sform", "qform"}, optional
        As in `read_nifti`.

    Returns
    -------
    Labels
        A bool mask for each region, empty where the number does not occur.

    Raises
    ------
    ImageError
        Numbers that are not whole, more than 1024 of them, no label at all, and as `read_nifti`.
    """
    path = pathlib.Path(path)
    found = _loaded(path)
    with guarded(path.name):
        affine, notes = _affine(found, path.name, prefer)
    array = _volume(found, path.name, None)
    present = np.unique(array)
    if (present != np.round(present)).any():
        raise ImageError(f"{path.name} holds numbers that are not whole: it is an image, not a label map.")
    numbers = [int(v) for v in present if v != 0]
    if not numbers or len(numbers) > MAX_LABELS:
        raise ImageError(f"{path.name} holds {len(numbers)} labels; a label map has between 1 and {MAX_LABELS}.")
    wanted = {n: f"label {n}" for n in numbers} if names is None else {int(n): name for n, name in names.items()}
    if len(set(wanted.values())) < len(wanted):
        raise ImageError("Two labels have the same name.")
    grid = Grid((array.shape[0], array.shape[1], array.shape[2]), affine)
    masks = Boxes.of(grid.shape, ((name, array == n) for n, name in wanted.items()))
    return Labels(masks, grid, source="NIfTI", notes=tuple(notes))


def write_nifti(what: Image | Labels, path: str | pathlib.Path) -> pathlib.Path:
    """Write an image as float32, or regions as a label map (numbers in order of the masks, from 1).

    Parameters
    ----------
    what : Image or Labels
        Regions must not overlap, and are whole voxels: a share of one half or more is inside.
    path : path
        ``.nii`` or ``.nii.gz``; the folder exists, an existing file is replaced in one step.

    Returns
    -------
    pathlib.Path
        The file; its header holds no word about the patient.

    Raises
    ------
    ImageError
        Regions that overlap, or another ending.
    OutputError
        The file cannot be written.
    """
    path = pathlib.Path(path)
    if not path.name.casefold().endswith((".nii", ".nii.gz")):
        raise ImageError(f"A NIfTI file ends with .nii or .nii.gz; {path.name} does not.")
    with needed():
        import nibabel
    if isinstance(what, Image):
        values: npt.NDArray[np.generic] = np.asarray(what.array, np.float32)
    else:
        masks = [m if m.dtype == np.bool_ else np.asarray(m, dtype=float) >= 0.5 for m in what.masks.values()]
        if not masks or len(masks) > MAX_LABELS:
            raise ImageError(f"A label map holds between 1 and {MAX_LABELS} regions; given were {len(masks)}.")
        values = np.zeros(what.grid.shape, np.int16)
        for number, mask in enumerate(masks, 1):
            if (values[mask] != 0).any():
                name = list(what.masks)[number - 1]
                raise ImageError(
                    f"Region {name!r} overlaps another one: a label map cannot hold both. Write them one by one."
                )
            values[mask] = number
    out = nibabel.Nifti1Image(values.transpose(2, 1, 0), TURN @ what.grid.affine)
    out.header.set_xyzt_units("mm")
    out.set_sform(TURN @ what.grid.affine, 1)
    out.set_qform(TURN @ what.grid.affine, 1)
    whole_file(path, out.to_filename)
    return path
