"""NIfTI both ways: images and label maps, RAS of the file turned to the LPS of this room."""

from __future__ import annotations

import pathlib
import struct
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import ImageError
from ._files import whole_file
from .dicom import MAX_FILE_BYTES, MAX_RATIO, MAX_VOXELS, guarded, needed
from .values import Boxes, Grid, Image, Labels, Quantity

__all__ = ["read_nifti", "read_nifti_labels", "write_nifti"]

TURN = np.diag([-1.0, -1.0, 1.0, 1.0])  # RAS <-> LPS
AGREE_MM = 0.05  # corners of the two transforms of a header
SCALE_MM = {1: 1000.0, 2: 1.0, 3: 0.001}  # metre, millimetre, micrometre
MAX_LABELS = 1024


def _loaded(path: pathlib.Path) -> Any:
    """The open file, whose sizes were compared with its bytes first."""
    if path.is_dir() or not path.is_file():
        raise ImageError(f"There is no file {path.name}.")
    packed = path.stat().st_size
    if packed > MAX_FILE_BYTES:
        raise ImageError(f"{path.name} has {packed / 2**30:.1f} GiB; at most {MAX_FILE_BYTES / 2**30:.0f} are read.")
    with needed(), guarded(path.name):
        import nibabel

        from_file = nibabel.Nifti2Image if _is_second(path) else nibabel.Nifti1Image
        found = from_file.from_filename(path)
        size = int(np.prod([int(n) for n in found.shape], dtype=object)) if found.shape else 0
        if not 0 < size <= MAX_VOXELS:
            raise ImageError(f"{path.name} claims {size} voxels; between 1 and {MAX_VOXELS} are read.")
        kind = found.get_data_dtype()
        if kind.kind not in "iufb":
            raise ImageError(
                f"{path.name} holds {kind}; whole numbers or floats are read, no colours or complex numbers."
            )
        need = size * kind.itemsize
        zipped = path.suffix.casefold() == ".gz"
        if need > packed * (MAX_RATIO if zipped else 1):
            raise ImageError(
                f"{path.name} claims {need} bytes of voxels in {packed}: it is cut short or its sizes are wrong."
            )
        return found


def _is_second(path: pathlib.Path) -> bool:
    """Whether the header is NIfTI-2, by its size field; anything else is refused."""
    import gzip

    opener: Any = gzip.open if path.suffix.casefold() == ".gz" else open
    with opener(path, "rb") as file:
        start = file.read(4)
    sizes = {struct.unpack(f"{order}i", start)[0] for order in "<>"} if len(start) == 4 else set()
    if not sizes & {348, 540}:
        raise ImageError(f"{path.name} is no NIfTI file (.nii or .nii.gz).")
    return 540 in sizes


def _affine(
    found: Any, name: str, prefer: Literal["sform", "qform"] | None
) -> tuple[npt.NDArray[np.float64], list[str]]:
    """LPS affine in mm, with what had to be assumed."""
    header = found.header
    forms = {k: f(coded=True) for k, f in (("sform", header.get_sform), ("qform", header.get_qform))}
    known = {k: np.asarray(matrix, dtype=float) for k, (matrix, form) in forms.items() if form and matrix is not None}
    if not known:
        raise ImageError(f"{name} has neither sform nor qform: where left and head are is not known. Set one of them.")
    notes: list[str] = []
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
    affine = known[prefer or ("sform" if "sform" in known else "qform")]
    unit = int(header["xyzt_units"]) & 7
    if unit not in SCALE_MM:
        notes.append("the file states no unit of length: mm")
    scale = np.diag([SCALE_MM.get(unit, 1.0)] * 3 + [1.0])
    return TURN @ scale @ affine, notes


def _volume(found: Any, name: str, volume: int | None) -> npt.NDArray[np.floating]:
    """One volume as ``[z, y, x]`` in the numbers that the slope gives."""
    shape = tuple(int(n) for n in found.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
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
        cut = (slice(None),) * 3 + ((volume,) if len(shape) == 4 else ()) + (0,) * (len(found.shape) - len(shape))
        values = np.asarray(found.dataobj[cut], dtype=np.float64)
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
