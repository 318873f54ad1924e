"""Refusals shared by the designs: what was given, what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsFloat

import numpy as np
import numpy.typing as npt

from ..errors import DomainError, suggestion

__all__ = ["between", "choice", "counts", "increasing", "one_based", "whole"]


def between(name: str, value: Any, low: float = 0.0, high: float = 1.0, why: str = "") -> float:
    """A number strictly between two limits, or a refusal."""
    if isinstance(value, bool) or not isinstance(value, SupportsFloat) or not low < float(value) < high:
        reason = f" {why}" if why else ""
        raise DomainError(f"{name} is {value!r}; it must be a number above {low:g} and below {high:g}.{reason}")
    return float(value)


def whole(name: str, value: Any, low: int = 1, high: int | None = None, why: str = "") -> int:
    """A whole number of at least ``low`` (and at most ``high``), or a refusal."""
    number = value if isinstance(value, int | np.integer) and not isinstance(value, bool) else low - 1
    if number < low or (high is not None and number > high):
        allowed = f"a whole number of at least {low}" if high is None else f"a whole number from {low} to {high}"
        reason = f" {why}" if why else ""
        raise DomainError(f"{name} is {value!r}; it must be {allowed}.{reason}")
    return int(number)


def choice(name: str, value: Any, known: Sequence[str]) -> str:
    """One of the names an option knows, or a refusal with a suggestion."""
    if value not in known:
        raise DomainError(
            f"{name} is {value!r}. {suggestion(str(value), known)}It may be {', '.join(map(repr, known))}."
        )
    return str(value)


def increasing(name: str, values: Any, low: float, high: float, what: str) -> tuple[float, ...]:
    """Numbers that rise strictly and lie strictly between two limits, or a refusal that names the first that does not."""
    try:
        numbers = tuple(float(v) for v in values)
    except (TypeError, ValueError):
        raise DomainError(f"{name} is {values!r}; give a list of numbers, {what}.") from None
    if not numbers:
        raise DomainError(f"{name} is empty; give one number for each dose level, {what}.")
    for i, value in enumerate(numbers):
        if not low < value < high:
            raise DomainError(f"{name}: level {i + 1} is {value:g}; {what} lie above {low:g} and below {high:g}.")
        if i and value <= numbers[i - 1]:
            raise DomainError(
                f"{name} must rise from level to level: level {i} is {numbers[i - 1]:g}, level {i + 1} is {value:g}."
            )
    return numbers


def _is_whole(value: Any) -> bool:
    """Whether a value is a whole number: an int, a NumPy integer, a float without a fraction, or a truth value."""
    return isinstance(value, int | float | np.integer | np.floating | np.bool_) and float(value).is_integer()


def one_based(levels: Any, dlt: Any, number_of_levels: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Levels and DLTs of patients as whole numbers; a level out of range or a DLT that is not 0 or 1 is named."""
    level_list, dlt_list = list(levels), list(dlt)
    if len(level_list) != len(dlt_list):
        raise DomainError(
            f"There are {len(level_list)} levels and {len(dlt_list)} DLTs; give one of each for each patient."
        )
    for i, (level, event) in enumerate(zip(level_list, dlt_list, strict=True), start=1):
        if not _is_whole(level) or isinstance(level, bool) or not 1 <= level <= number_of_levels:
            raise DomainError(f"Patient {i}: level {level!r}; levels are counted from 1 to {number_of_levels}.")
        if not _is_whole(event) or event not in (0, 1):
            raise DomainError(f"Patient {i}: DLT is {event!r}; it must be 0 (none) or 1 (a DLT).")
    return np.array(level_list, dtype=np.int64), np.array(dlt_list, dtype=np.int64)


def counts(n: Any, y: Any, what: str = "DLTs") -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Patients and events by level as whole numbers, or a refusal that names the level."""
    n_list, y_list = list(n), list(y)
    if not n_list or len(n_list) != len(y_list):
        raise DomainError(
            f"{len(n_list)} levels of patients and {len(y_list)} of {what}; give one of each for each level."
        )
    for d, (treated, events) in enumerate(zip(n_list, y_list, strict=True), start=1):
        if not _is_whole(treated) or not _is_whole(events) or not 0 <= events <= treated:
            raise DomainError(
                f"Level {d}: {events!r} {what} in {treated!r} patients; whole numbers, {what} from 0 to the patients."
            )
    return np.array(n_list, dtype=np.int64), np.array(y_list, dtype=np.int64)
