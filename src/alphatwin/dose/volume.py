"""Dose-volume histograms and the doses read from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import DomainError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["dose_to_volume", "dvh"]

Array = npt.NDArray[np.float64]


def _inside(dose: npt.ArrayLike, region: npt.ArrayLike | None) -> Array:
    values = np.asarray(dose, dtype=float)
    if region is not None:
        mask = np.asarray(region)
        if mask.dtype != bool or mask.shape != values.shape:
            raise DomainError(f"region is {mask.dtype} of shape {mask.shape}; expected a bool of {values.shape}.")
        values = values[mask]
    values = values.ravel()
    if not values.size or not bool(np.isfinite(values).all()) or float(values.min()) < 0:
        raise DomainError("A histogram needs at least one voxel, and doses that are finite and not negative.")
    return values


def dvh(
    dose: npt.ArrayLike, region: npt.ArrayLike | None = None, *, voxel_mL: float = 1.0, points: int = 200
) -> xr.DataArray:
    """Cumulative dose-volume histogram: the volume that gets at least a dose.

    Parameters
    ----------
    dose : array
        Gy in each voxel; all voxels of one size.
    region : array of bool, optional
        Voxels that count; all by default.
    voxel_mL : float
        Volume of one voxel.
    points : int
        Doses from 0 to the largest, 2 to 100 000.

    Returns
    -------
    xarray.DataArray
        ``[dose]``, the share of the volume with at least that dose (ICRU Report 83, 2010), from 1 at 0 Gy. The coordinate
        ``volume_mL`` is the same in mL.

    Raises
    ------
    DomainError
        No voxel, a dose that is negative or not finite, a value outside its limits.

    Examples
    --------
    >>> h = dvh([1.0, 2.0, 3.0, 4.0], points=5)
    >>> h["dose"].values.tolist(), h.values.tolist()
    ([0.0, 1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 0.75, 0.5, 0.25])
    """
    import xarray as xr

    values = np.sort(_inside(dose, region))
    if int(points) != points or not 2 <= points <= 100_000:
        raise DomainError(f"points given as {points!r}; give a whole number from 2 to 100000.")
    if not (np.isfinite(voxel_mL) and voxel_mL > 0):
        raise DomainError(f"voxel_mL given as {voxel_mL!r}; give a volume above 0.")
    at = np.linspace(0.0, float(values[-1]), int(points))
    share = 1.0 - np.searchsorted(values, at, side="left") / values.size
    found = xr.DataArray(
        share,
        dims="dose",
        coords={"dose": at, "volume_mL": ("dose", share * values.size * voxel_mL)},
        attrs={"units": "1", "long_name": "share of the volume with at least this dose", "voxels": int(values.size)},
    )
    found["dose"].attrs.update(units="Gy", long_name="absorbed dose")
    return found


def dose_to_volume(dose: npt.ArrayLike, share: Any, region: npt.ArrayLike | None = None) -> Any:
    """The least dose in the hottest part of a volume: D98 for a share of 0.98, D2 for 0.02.

    Parameters
    ----------
    dose : array
        Gy in each voxel.
    share : float or sequence
        Part of the volume, 0 to 1.
    region : array of bool, optional

    Returns
    -------
    float or array
        Gy; between voxels linear, so D50 is the median (ICRU Report 83).

    Raises
    ------
    DomainError

    Examples
    --------
    >>> float(dose_to_volume([1.0, 2.0, 3.0], 0.5))
    2.0
    """
    part = np.asarray(share, dtype=float)
    if not bool(((part >= 0) & (part <= 1)).all()):
        raise DomainError(f"share given as {share!r}; a part of the volume lies between 0 and 1.")
    return np.quantile(_inside(dose, region), 1.0 - part)
