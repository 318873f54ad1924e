"""CT numbers to densities and media.

Density by the piecewise linear calibration of Schneider, Bortfeld & Schlegel (Phys Med Biol 45:459, 2000), which rests on
the stoichiometric calibration of Schneider, Pedroni & Lomax (Phys Med Biol 41:111, 1996) and on 71 human tissues. Media
are those of the catalogue that lie nearest; their limits in HU are an assumption of ours: air to -950, lung to -120,
adipose to -53, soft tissue to 200, compact bone to 1000, cortical bone above. A scanner's own calibration differs by
1-2 % in soft tissue and up to 5 % in bone.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from .. import catalog
from ..errors import DomainError, suggestion

__all__ = ["CALIBRATIONS", "HU_LIMITS", "density_from_hu", "hu_from_density", "media_from_hu"]

CALIBRATIONS = ("schneider2000",)
HU_LIMITS = (-1100.0, 3100.0)
MEDIA = (("air", -950.0), ("lung", -120.0), ("adipose", -53.0), ("soft-tissue", 200.0), ("bone-compact", 1000.0), ("bone-cortical", HU_LIMITS[1]))  # fmt: skip


@functools.cache
def _points(calibration: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    if calibration not in CALIBRATIONS:
        hint = suggestion(str(calibration), CALIBRATIONS)
        raise DomainError(f"No CT calibration {calibration!r}. {hint}There is {', '.join(CALIBRATIONS)}.")
    values = catalog.parameters(f"hounsfield-{calibration}").values
    pairs = sorted((float(key.removeprefix("at_").replace("minus_", "-")), q.value) for key, q in values.items())
    hu, rho = np.array(pairs).T
    return hu, rho


def density_from_hu(hu: npt.ArrayLike, calibration: str = "schneider2000") -> npt.NDArray[np.float64]:
    """Mass density of tissue from its CT number.

    Parameters
    ----------
    hu : array
        Hounsfield units, -1100 to 3100; below -1000 it is air, above 3000 the last density.
    calibration : {"schneider2000"}

    Returns
    -------
    array
        g/cm3, same shape.

    Raises
    ------
    DomainError
        A value outside the range: the slope or the intercept of the CT has not been applied, or it is padding or metal.

    Examples
    --------
    >>> density_from_hu([-1000, 0, 40, 1000]).round(3).tolist()
    [0.001, 1.017, 1.051, 1.609]
    """
    values = np.asarray(hu, dtype=float)
    low, high = HU_LIMITS
    bad = ~((values >= low) & (values <= high))
    if bool(bad.any()):
        worst = values[bad][0]
        raise DomainError(
            f"CT holds {worst:g} HU; tissue lies between {low:g} and {high:g}. Were slope and intercept of the CT applied? "
            "Padding round the field of view is often -2000 to -3024 (set it to -1000), metal lies above 3100."
        )
    return np.asarray(np.interp(values, *_points(calibration)))


def hu_from_density(density: npt.ArrayLike, calibration: str = "schneider2000") -> npt.NDArray[np.float64]:
    """CT number whose tissue has a mass density, for pictures of made-up patients.

    The calibration falls at 100 HU, where soft tissue gives way to bone: densities that both have are given that of soft
    tissue.

    Parameters
    ----------
    density : array
        g/cm3, from that of air to that of the densest bone.
    calibration : {"schneider2000"}

    Returns
    -------
    array
        Hounsfield units; `density_from_hu` gives the density back.

    Raises
    ------
    DomainError
        A density that the calibration does not reach.

    Examples
    --------
    >>> hu_from_density([0.00121, 1.05, 1.4]).round(1).tolist()
    [-1000.0, 39.5, 647.6]
    """
    values = np.asarray(density, dtype=float)
    hu, rho = _points(calibration)
    bad = ~((values >= rho[0]) & (values <= rho[-1]))
    if bool(bad.any()):
        raise DomainError(
            f"No CT number has {values[bad][0]:g} g/cm3; densities go from {rho[0]:g} to {rho[-1]:g} g/cm3."
        )
    fall = int(np.argmax(np.diff(rho) < 0))  # the last point of soft tissue
    soft = np.interp(values, rho[: fall + 1], hu[: fall + 1])
    return np.asarray(np.where(values <= rho[fall], soft, np.interp(values, rho[fall + 1 :], hu[fall + 1 :])))


def media_from_hu(hu: npt.ArrayLike) -> tuple[npt.NDArray[np.int8], tuple[str, ...]]:
    """Nearest medium of the catalogue by CT number.

    Parameters
    ----------
    hu : array
        Hounsfield units.

    Returns
    -------
    kinds : array of int8
        Number of the medium in each voxel.
    names : tuple of str
        The media that occur.

    Examples
    --------
    >>> kinds, names = media_from_hu([-1000.0, 40.0, 1500.0])
    >>> kinds.tolist(), names
    ([0, 1, 2], ('air', 'soft-tissue', 'bone-cortical'))
    """
    kind = np.searchsorted([top for _, top in MEDIA[:-1]], np.asarray(hu, dtype=float), side="left")
    used = np.unique(kind)
    return np.searchsorted(used, kind).astype(np.int8), tuple(MEDIA[int(k)][0] for k in used)
