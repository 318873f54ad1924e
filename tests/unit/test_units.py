"""The border: text with a unit becomes a float in the unit that its name says."""

import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin.errors import UnitError
from alphatwin.units import ALLOWED_UNITS, HOURS_PER_DAY, JOULE_PER_MEV, SECONDS_PER_HOUR, check_array, read_quantity

TARGET = {
    "activity": "MBq",
    "activity per body mass": "MBq/kg",
    "time": "h",
    "mass": "g",
    "volume": "mL",
    "absorbed dose": "Gy",
    "absorbed dose per activity": "Gy/MBq",
    "density": "g/mL",
    "length": "um",
    "amount of substance": "nmol",
    "amount concentration": "nmol/L",
    "percent or fraction": "1",
    "1": "1",
}
# one unit in the target unit, worked out by hand; curie is 3.7e10 Bq by definition, a month is a twelfth of 365.25 d
FACTORS = {
    "activity": {"Bq": 1e-6, "kBq": 1e-3, "MBq": 1, "GBq": 1e3, "TBq": 1e6, "uCi": 0.037, "mCi": 37, "Ci": 37000},
    "mass": {"ug": 1e-6, "mg": 1e-3, "g": 1, "kg": 1000},
    "time": {"us": 1e-6 / 3600, "ms": 1e-3 / 3600, "s": 1 / 3600, "min": 1 / 60, "h": 1, "d": 24, "day": 24, "days": 24, "week": 168,
             "weeks": 168, "month": 730.5, "months": 730.5, "year": 8766, "years": 8766},
    "absorbed dose": {"mGy": 1e-3, "cGy": 1e-2, "Gy": 1},
    "volume": {"mm^3": 1e-3, "cm^3": 1, "uL": 1e-3, "mL": 1, "L": 1000},
    "density": {"g/mL": 1, "g/cm^3": 1, "kg/L": 1},
    "length": {"um": 1, "mm": 1e3, "cm": 1e4, "m": 1e6},
    "amount of substance": {"pmol": 1e-3, "nmol": 1, "umol": 1e3},
    "amount concentration": {"pmol/L": 1e-3, "nmol/L": 1, "umol/L": 1e3},
    "percent or fraction": {"%": 0.01, "1": 1},
    "1": {"1": 1},
}  # fmt: skip
FACTORS["activity per body mass"] = {f"{u}/kg": f for u, f in FACTORS["activity"].items()}
FACTORS["absorbed dose per activity"] = {
    f"{d}/{a}": x / FACTORS["activity"][a] for d, x in FACTORS["absorbed dose"].items() for a in ("MBq", "GBq", "kBq")
}
EVERY = [(kind, unit) for kind, units in ALLOWED_UNITS.items() for unit in units]


@pytest.mark.parametrize(("kind", "unit"), EVERY)
def test_every_allowed_unit_by_hand(kind, unit):
    assert read_quantity(f"1 {unit}", TARGET[kind], kind) == pytest.approx(FACTORS[kind][unit], rel=1e-12)


def test_the_table_by_hand_is_whole():
    assert {kind: set(units) for kind, units in FACTORS.items()} == {
        kind: set(units) for kind, units in ALLOWED_UNITS.items()
    }


@given(st.floats(1e-9, 1e9), st.sampled_from(EVERY))
@settings(max_examples=200, deadline=None)
def test_reading_is_linear_in_the_number(number, kind_unit):
    kind, unit = kind_unit
    one = read_quantity(f"1 {unit}", TARGET[kind], kind)
    assert read_quantity(f"{number!r} {unit}", TARGET[kind], kind) == pytest.approx(number * one, rel=1e-12)
    assert read_quantity(f"-{number!r} {unit}", TARGET[kind], kind) == pytest.approx(-number * one, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "value"),
    [("7.4 GBq", 7400), ("7.4GBq", 7400), ("  7.4   GBq ", 7400), ("7.4e0 GBq", 7400), ("+7.4 GBq", 7400), (".5 MBq", 0.5), ("5. MBq", 5),
     ("1E3 kBq", 1), ("37 µCi", 1.369), ("37 μCi", 1.369), ("37 uCi", 1.369)],
)  # fmt: skip
def test_ways_to_write_an_activity(text, value):
    assert read_quantity(text, "MBq", "activity") == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("percent", range(101))
def test_percent_is_exact(percent):
    assert read_quantity(f"{percent} %", "1", "percent or fraction") == percent / 100


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        (7.4, "activity", ["no unit", "7.4 MBq"]),
        (True, "activity", ["no unit"]),
        (None, "activity", ["no unit"]),
        ([1], "activity", ["no unit"]),
        ("7.4", "activity", ["no unit", "GBq"]),
        ("", "activity", ["cannot be read"]),
        ("GBq", "activity", ["cannot be read"]),
        ("7,4 GBq", "activity", ["',4 GBq'"]),
        ("7.4 GBq 3", "activity", ["'GBq 3'"]),
        ("7.4 gbq", "activity", ["Did you mean GBq"]),
        ("7.4 mbq", "activity", ["MBq"]),
        ("7.4 Hz", "activity", ["'Hz'", "an activity is given in"]),
        ("7.4 1/s", "activity", ["'1/s'"]),
        ("7.4 rutherford", "activity", ["'rutherford'"]),
        ("20 Sv", "absorbed dose", ["sievert", "mGy, cGy or Gy", "RBE"]),
        ("20 mSv", "absorbed dose", ["sievert"]),
        ("2 mSv/MBq", "absorbed dose per activity", ["sievert", "mGy/MBq"]),
        ("2 Gy/mSv", "absorbed dose per activity", ["sievert"]),
        ("20 J/kg", "absorbed dose", ["'J/kg'"]),
        ("20 rad", "absorbed dose", ["'rad'"]),
        ("1e999 GBq", "activity", ["not a finite number"]),
        ("1e308 TBq", "activity", ["beyond the range"]),
        ("1e-320 Bq", "activity", ["beyond the range"]),
        ("nan GBq", "activity", ["cannot be read"]),
        ("inf GBq", "activity", ["cannot be read"]),
        ("1 GBq; import os", "activity", ["GBq; import os"]),
        ("__import__('os')", "activity", ["cannot be read"]),
        ("3 m", "time", ["'m'", "a time"]),
        ("3 M", "time", ["'M'"]),
        ("70 lb", "mass", ["'lb'", "kg"]),
    ],
)
def test_refusals_say_what_is_allowed(text, kind, expected):
    with pytest.raises(UnitError) as caught:
        read_quantity(text, TARGET[kind], kind)
    for part in expected:
        assert part in str(caught.value)
    with pytest.raises(UnitError, match=r"^treatment: "):
        read_quantity(text, TARGET[kind], kind, where="treatment")


@given(st.text(max_size=20))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_finite_number_or_a_unit_error(text):
    try:
        value = read_quantity(text, "MBq", "activity")
    except UnitError:
        value = 0.0
    assert math.isfinite(value)


def test_constants():
    assert JOULE_PER_MEV == 1.602176634e-13  # SI brochure, 9th edition: e is exact
    assert (SECONDS_PER_HOUR, HOURS_PER_DAY) == (3600, 24)


def test_check_array():
    good = xr.DataArray(np.ones((2, 3)), dims=("sample", "region"), attrs={"units": "Gy"})
    check_array(good, ("sample", "region"), "Gy", "dose")
    with pytest.raises(UnitError, match=r"dose has dims .*expected"):
        check_array(good.T, ("sample", "region"), "Gy", "dose")
    with pytest.raises(UnitError, match="units 'Gy'; expected 'MBq'"):
        check_array(good, ("sample", "region"), "MBq", "dose")
    with pytest.raises(UnitError, match="units None"):
        check_array(good.drop_attrs(), ("sample", "region"), "Gy", "dose")
    for bad in (math.nan, math.inf):
        with pytest.raises(UnitError, match="not finite"):
            check_array(good.where(good.region != 1, bad).assign_attrs(good.attrs), ("sample", "region"), "Gy", "dose")
