"""What a number of the biology may be: one check, one wording."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DomainError

__all__ = ["Floats", "checked", "read_only"]

Floats = NDArray[np.float64]


def checked(name: str, value: ArrayLike, *, above: float | None = None, at_least: float | None = None) -> Floats:
    """The value as a float array; DomainError when it is not finite or not in its range."""
    try:
        given = np.asarray(value)
        if given.dtype.kind in "USb":  # NumPy would read "100" and True as numbers; neither carries a unit
            raise TypeError
        array = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DomainError(f"{name} is {value!r}; it must be a number or an array of numbers.") from error
    if array.size == 0:
        raise DomainError(f"{name} is empty; it needs at least one value.")
    if not np.isfinite(array).all():
        bad = array[~np.isfinite(array)].flat[0]
        raise DomainError(f"{name} holds {bad:g}; every value must be a finite number.")
    low = float(array.min())
    if above is not None and low <= above:
        raise DomainError(f"{name} holds {low:g}; it must be above {above:g}.")
    if at_least is not None and low < at_least:
        raise DomainError(f"{name} holds {low:g}; it must be {at_least:g} or more.")
    return array


def read_only(array: Any) -> Floats:
    """A copy of the array that refuses to be written to."""
    copy = np.array(array, dtype=np.float64)
    copy.flags.writeable = False
    return copy
