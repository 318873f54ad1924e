"""What a user hands to the cell scale: one reading of numbers, names and switches, before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DomainError, suggestion

__all__ = ["number", "numbers", "one_of", "switch", "whole"]

Array = npt.NDArray[np.float64]


def number(value: object) -> float:
    """The value as a float; nan, which no range holds, for text, a truth value, None or more than one number.

    Examples
    --------
    >>> number(5), number("5 um"), number(True), number([5.0])
    (5.0, nan, nan, nan)
    """
    given: Any = value
    try:
        if isinstance(value, bool | np.bool_ | str | bytes) or np.ndim(given) != 0:
            return float("nan")
        return float(given)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def numbers(what: str, value: object) -> Array:
    """The value as an array of floats, of any shape; infinities pass, what is no number does not.

    Raises
    ------
    DomainError
        Text, truth values, None, complex or ragged input, nan.
    """
    try:
        given = np.asarray(value)
        hidden = isinstance(value, list | tuple) and any(isinstance(v, bool) for v in value)  # NumPy reads True as 1
        if hidden or given.dtype.kind not in "iuf":
            raise TypeError
        array = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DomainError(f"{what} given as {value!r}; give a number or an array of numbers.") from error
    if bool(np.any(np.isnan(array))):
        raise DomainError(f"{what} holds nan; every value must be a number.")
    return array


def whole(value: object) -> int:
    """The value as an int where it is a whole number (2e6 is one), else -1, which no range here holds.

    Examples
    --------
    >>> whole(2e6), whole(1.5), whole("7"), whole(True)
    (2000000, -1, -1, -1)
    """
    read = number(value)
    return int(read) if np.isfinite(read) and read == int(read) else -1


def switch(what: str, value: object, hint: str = "") -> bool:
    """The value where it is True or False.

    Raises
    ------
    DomainError
        Anything else: a number in this place is a number meant for another one.
    """
    if not isinstance(value, bool | np.bool_):
        raise DomainError(f"{what} given as {value!r}; it is True or False. {hint}".rstrip())
    return bool(value)


def one_of(kind: str, name: object, known: Sequence[str]) -> str:
    """The name itself when it is known.

    Raises
    ------
    DomainError
        With what there is, and the nearest spelling.
    """
    if not isinstance(name, str) or name not in known:
        raise DomainError(f"No {kind} {name!r}; there is {', '.join(known)}. {suggestion(str(name), known)}".rstrip())
    return name
