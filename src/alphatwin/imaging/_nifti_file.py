"""One NIfTI file as it stands: header before voxels, sizes to compare, transforms in mm. `nifti` and `_map_files` read through it.

Faults of a file come out as the library raises them; who reads decides how they are told. Nothing is printed.
"""

from __future__ import annotations

import math
import pathlib
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .dicom import MAX_RATIO, quiet

__all__ = ["NiftiFile", "NotNifti", "open_nifti"]

SCALE_MM = {1: 1000.0, 2: 1.0, 3: 0.001}  # metre, millimetre, micrometre


class NotNifti(ValueError):
    """The file has no NIfTI header."""


@dataclass(frozen=True, eq=False)
class NiftiFile:
    """A file whose header was read.

    Attributes
    ----------
    shape : tuple of int
        Without sides of one voxel after the third.
    dtype : numpy.dtype
        As stored, before the slope.
    forms : dict of str to array[4, 4]
        ``sform`` and ``qform`` where their code is not 0: voxel (i, j, k) to RAS mm.
    affine : array[4, 4]
        Of the two the first that there is, else what the sizes of a voxel give.
    unit_stated : bool
        Whether the header says a unit of length; mm is taken otherwise.
    needed, room : int
        Bytes that the header announces, and the most that the file can hold.
    """

    path: pathlib.Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    forms: dict[str, npt.NDArray[np.float64]]
    affine: npt.NDArray[np.float64]
    unit_stated: bool
    needed: int
    room: int
    _image: Any

    def values(self, volume: int | None = None) -> npt.NDArray[np.float64]:
        """The voxels [i, j, k], scaled as the header says; of a series, one volume."""
        whole = len(self._image.shape)
        cut = (slice(None),) * min(3, len(self.shape)) + ((volume or 0,) if len(self.shape) > 3 else ())
        with quiet():
            return np.asarray(self._image.dataobj[cut + (0,) * (whole - len(cut))], dtype=np.float64)


def _is_second(path: pathlib.Path) -> bool:
    """Whether the header is NIfTI-2, by its size field."""
    import gzip

    opener: Any = gzip.open if path.suffix.casefold() == ".gz" else open
    with opener(path, "rb") as file:
        start = file.read(4)
    sizes = {struct.unpack(f"{order}i", start)[0] for order in "<>"} if len(start) == 4 else set()
    if not sizes & {348, 540}:
        raise NotNifti("it has no NIfTI header")
    return 540 in sizes


def open_nifti(path: pathlib.Path) -> NiftiFile:
    """Read the header of a file, and nothing else of it.

    Raises
    ------
    NotNifti
        Another kind of file.
    Exception
        Whatever the library raises over a broken one.
    """
    import nibabel

    with quiet():
        kind = nibabel.Nifti2Image if _is_second(path) else nibabel.Nifti1Image
        image = kind.from_filename(path)
        header = image.header
        shape = tuple(int(n) for n in image.shape)
        while len(shape) > 3 and shape[-1] == 1:
            shape = shape[:-1]
        unit = int(header["xyzt_units"]) & 7
        scale = np.diag([SCALE_MM.get(unit, 1.0)] * 3 + [1.0])
        both = {"sform": header.get_sform(coded=True), "qform": header.get_qform(coded=True)}
        forms = {
            name: scale @ np.asarray(matrix, dtype=float)
            for name, (matrix, code) in both.items()
            if code and matrix is not None
        }
        size, dtype, offset = path.stat().st_size, header.get_data_dtype(), float(image.dataobj.offset)
        if not 0 <= offset < 1e7:
            raise ValueError("the place of its voxels is none")
        needed = (math.prod(shape) if shape else 0) * dtype.itemsize + int(offset)
        room = size * MAX_RATIO if path.suffix.casefold() == ".gz" else size
        affine = next(iter(forms.values()), scale @ np.asarray(image.affine, dtype=float))
    return NiftiFile(path, shape, dtype, forms, affine, unit in SCALE_MM, needed, room, image)
