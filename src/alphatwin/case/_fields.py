"""What every part of a case is made of: frozen models, text with a unit, faults that know their place."""

from __future__ import annotations

import datetime
import math
import reprlib
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

from ..units import ALLOWED_UNITS, read_quantity


def fault(text: str, *place: str | int) -> PydanticCustomError:
    """A fault deeper inside than the check that found it: the place is added to the location of the message."""
    return PydanticCustomError("fault", "{reason}", {"reason": text, "place": place})


def short(value: object) -> str:
    """A value in at most some sixty characters; never written out in full, because aliases can make it endless."""
    if isinstance(value, datetime.date):
        return str(value)
    short = reprlib.Repr()
    short.maxstring = short.maxother = 60
    short.maxlevel, short.maxdict, short.maxlist = 2, 3, 4
    text = short.repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _text_with_unit(kind: str, to_unit: str, most: float, *, zero: bool = False, signed: bool = False) -> Any:
    def read(value: object) -> float:
        if kind == "percent or fraction" and isinstance(value, int | float) and math.isfinite(value):
            raise ValueError(f"{value!r} has no unit; write it as a percentage, '{100 * value:g} %', if that is meant.")
        number = read_quantity(value, to_unit, kind)
        if (number < 0 and not signed) or (number == 0 and not zero):
            raise ValueError(f"{value!r} must be {'zero or ' if zero else ''}above zero.")
        if number > most:
            limit = f"{most:g} {to_unit}" if to_unit != "1" else f"{100 * most:g} %"
            raise ValueError(f"{value!r} is more than can be; at most {limit} is read here. Check the unit.")
        return number

    units = ALLOWED_UNITS[kind]
    return Annotated[
        float,
        BeforeValidator(read),
        WithJsonSchema(
            {
                "type": "string",
                "description": f"{kind}, as text with a unit: {', '.join(units)}",
                "examples": [f"1 {units[0]}"],
                "unit": to_unit,
            }
        ),
    ]


if TYPE_CHECKING:
    ActivityMBq = float
    MassKg = float
    MassG = float
    TimeH = float
    DoseGy = float
    DosePerActivity = float
    Density = float
    Fraction = float
    SignedFraction = float
    LengthUm = float
    HeightCm = float
    AmountNmol = float
    ConcentrationNmolPerL = float
    VolumeML = float
else:
    ActivityMBq = _text_with_unit("activity", "MBq", 1e7)
    MassKg = _text_with_unit("mass", "kg", 1e3)
    MassG = _text_with_unit("mass", "g", 1e6)
    TimeH = _text_with_unit("time", "h", 150 * 8766.0)
    DoseGy = _text_with_unit("absorbed dose", "Gy", 1e5, zero=True)
    DosePerActivity = _text_with_unit("absorbed dose per activity", "Gy/MBq", 1e4, zero=True)
    Density = _text_with_unit("density", "g/mL", 25.0)
    Fraction = _text_with_unit("percent or fraction", "1", 1.0, zero=True)
    SignedFraction = _text_with_unit("percent or fraction", "1", 1.0, signed=True)
    LengthUm = _text_with_unit("length", "um", 1e6)
    HeightCm = _text_with_unit("length", "cm", 250.0)
    AmountNmol = _text_with_unit("amount of substance", "nmol", 1e6)
    ConcentrationNmolPerL = _text_with_unit("amount concentration", "nmol/L", 1e6, zero=True)
    VolumeML = _text_with_unit("volume", "mL", 1e6)


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=False)
