"""The border: text with a unit becomes a float in the unit that its name says; arrays are checked for dims and unit.

Inside alphatwin every number is a plain float and its name ends in its unit (``half_life_h``). Text such as
``"120 kBq/kg"`` is read here, by pint, and nowhere else. Units that pint would convert although they mean another
quantity (Sv for Gy, Hz for Bq) are refused.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .errors import UnitError, suggestion

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ALLOWED_UNITS", "HOURS_PER_DAY", "JOULE_PER_MEV", "SECONDS_PER_HOUR", "check_array", "read_quantity"]

SECONDS_PER_HOUR = 3600.0
HOURS_PER_DAY = 24.0
JOULE_PER_MEV = 1.602176634e-13  # exact in the SI since 2019

_ACTIVITY = ("Bq", "kBq", "MBq", "GBq", "TBq", "uCi", "mCi", "Ci")
_MASS = ("ug", "mg", "g", "kg")
_TIME = ("us", "ms", "s", "min", "h", "d", "day", "days", "week", "weeks", "month", "months", "year", "years")
_DOSE = ("mGy", "cGy", "Gy")

ALLOWED_UNITS: dict[str, tuple[str, ...]] = {
    "activity": _ACTIVITY,
    "activity per body mass": tuple(f"{a}/kg" for a in _ACTIVITY),
    "time": _TIME,
    "mass": _MASS,
    "volume": ("mm^3", "cm^3", "uL", "mL", "L"),
    "absorbed dose": _DOSE,
    "absorbed dose per activity": tuple(f"{d}/{a}" for d in _DOSE for a in ("MBq", "GBq", "kBq")),
    "density": ("g/mL", "g/cm^3", "kg/L"),
    "length": ("um", "mm", "cm", "m"),
    "amount of substance": ("pmol", "nmol", "umol"),
    "amount concentration": ("pmol/L", "nmol/L", "umol/L"),
    "percent or fraction": ("%", "1"),
    "1": ("1",),
}

_NUMBER = re.compile(r"^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*$")
_SIEVERT = re.compile(r"(^|[^A-Za-z])[munk]?Sv([^A-Za-z]|$)")


@functools.cache
def _registry() -> Any:
    import pint

    registry: Any = pint.UnitRegistry(cache_folder=None)
    registry.define("mean_month = 30.4375 day")
    return registry


def _pint_name(unit: str) -> str:
    for short, long in (("months", "mean_month"), ("month", "mean_month"), ("%", "percent")):
        unit = re.sub(rf"(?<![A-Za-z_]){short}(?![A-Za-z_])", long, unit)
    return unit.replace("^", "**")


def read_quantity(text: object, to_unit: str, kind: str, where: str = "") -> float:
    """Read a value typed by a person, such as ``"7.4 GBq"``, as a float in `to_unit`.

    Parameters
    ----------
    text : str
        A number, a space and a unit.
    to_unit : str
        The unit of the float that comes back, e.g. ``"MBq"``.
    kind : str
        What is meant: a key of ``ALLOWED_UNITS``; only its units are accepted.
    where : str
        The place in the file, for the message.

    Returns
    -------
    float

    Raises
    ------
    UnitError
        No unit, a unit that is not listed for this quantity, or a number that is not finite.

    Examples
    --------
    >>> read_quantity("7.4 GBq", "MBq", "activity")
    7400.0
    >>> read_quantity("20 Sv", "Gy", "absorbed dose")
    Traceback (most recent call last):
    ...
    alphatwin.errors.UnitError: '20 Sv' is in sievert, but an absorbed dose is meant: give it in mGy, cGy or Gy. \
A sievert carries a radiation weight inside; RBE is applied by alphatwin, once, last.
    """
    allowed = ALLOWED_UNITS[kind]
    at = f"{where}: " if where else ""
    listing = ", ".join(allowed[:-1]) + (" or " if len(allowed) > 1 else "") + allowed[-1]
    if not isinstance(text, str):
        plain = isinstance(text, int | float) and not isinstance(text, bool)
        example = f"{text if plain else 1} {to_unit if to_unit in allowed else allowed[0]}"
        raise UnitError(f"{at}{text!r} has no unit: write a number, a space and a unit ({listing}), e.g. '{example}'.")
    match = _NUMBER.match(text)
    if match is None:
        raise UnitError(f"{at}{text!r} cannot be read as {_a(kind)}: write a number, a space and one of {listing}.")
    number, unit = float(match[1]), match[2].replace("µ", "u").replace("μ", "u").replace("³", "^3")
    if not math.isfinite(number):
        raise UnitError(f"{at}{text!r} is not a finite number.")
    if "dose" in kind and _SIEVERT.search(unit):
        raise UnitError(
            f"{at}{text!r} is in sievert, but {_a(kind)} is meant: give it in {listing}. "
            "A sievert carries a radiation weight inside; RBE is applied by alphatwin, once, last."
        )
    if unit not in allowed:
        given = f"the unit {unit!r}" if unit else "no unit"
        hint = suggestion(unit, allowed) if unit else ""
        raise UnitError(f"{at}{text!r} has {given}; {_a(kind)} is given in {listing}. {hint}".rstrip())
    if unit == "%" and to_unit == "1":
        return number / 100.0  # by a factor 0.01, 95 % would become 0.9500000000000001
    ureg = _registry()
    value = float(ureg.Quantity(number, _pint_name(unit)).to(_pint_name(to_unit)).magnitude)
    if not math.isfinite(value) or (value == 0) != (number == 0):
        raise UnitError(f"{at}{text!r} is beyond the range of numbers in {to_unit}.")
    return value


def _a(kind: str) -> str:
    return ("an " if kind[0] in "aeiou" else "a ") + kind


def check_array(array: xr.DataArray, dims: Sequence[str], unit: str, name: str) -> None:
    """Refuse an array whose dims or ``units`` attribute are not the ones its name promises.

    Raises
    ------
    UnitError
        Wrong dims, a missing or different unit, or values that are not finite.
    """
    import numpy as np

    if tuple(array.dims) != tuple(dims):
        raise UnitError(f"{name} has dims {tuple(array.dims)}; expected {tuple(dims)}.")
    if array.attrs.get("units") != unit:
        raise UnitError(f"{name} has units {array.attrs.get('units')!r}; expected {unit!r}.")
    if not bool(np.isfinite(array.values).all()):
        raise UnitError(f"{name} holds values that are not finite.")
