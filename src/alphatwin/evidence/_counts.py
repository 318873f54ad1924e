"""Counts as they come in: checked row by row, so that a refusal names the row."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DomainError
from .checks import MAX_TOTAL

__all__ = ["Counts", "confidence", "counts", "row_name", "same_length", "unique"]


@dataclass(frozen=True)
class Counts:
    """Events out of totals, one pair a study, with the label and the source row of each.

    Parameters
    ----------
    events, totals : tuple of int
        Patients with the outcome, and patients it was looked for in.
    labels : tuple of str
        Names that a person reads; no two are equal.
    ids, urls : tuple of str
        The source row that each pair comes from and its address; empty where not given.
    """

    events: tuple[int, ...]
    totals: tuple[int, ...]
    labels: tuple[str, ...]
    ids: tuple[str, ...]
    urls: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.events)

    @property
    def x(self) -> np.ndarray:
        """Events as floats."""
        return np.array(self.events, dtype=float)

    @property
    def n(self) -> np.ndarray:
        """Totals as floats."""
        return np.array(self.totals, dtype=float)

    @property
    def all_or_none(self) -> bool:
        """Whether no study has an event, or every patient of every study has one: no random-effects fit exists."""
        return sum(self.events) in (0, sum(self.totals))

    def take(self, keep: Sequence[int]) -> Counts:
        """The rows of these numbers, in this order."""
        return Counts(
            *(tuple(getattr(self, f)[i] for i in keep) for f in ("events", "totals", "labels", "ids", "urls"))
        )


def row_name(index: int, labels: Sequence[str]) -> str:
    """How a refusal names a row: its number from 1, and its label where one was given.

    Examples
    --------
    >>> row_name(1, ["A", "B"])
    "row 2 ('B')"
    """
    return f"row {index + 1} ({labels[index]!r})" if index < len(labels) and labels[index] else f"row {index + 1}"


def same_length(what: Mapping[str, int]) -> None:
    """Refuse columns of different lengths.

    Raises
    ------
    DomainError
        They differ; the message gives the length of each.
    """
    if len(set(what.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in what.items())
        raise DomainError(f"The columns differ in length: {told}. Give one value a study in each.")


def unique(labels: Sequence[str], what: str = "study") -> None:
    """Refuse a study that stands twice.

    Raises
    ------
    DomainError
        Two labels are equal; the message names both rows.
    """
    seen: dict[str, int] = {}
    for i, label in enumerate(labels):
        if label in seen:
            raise DomainError(
                f"Rows {seen[label] + 1} and {i + 1} are both {label!r}: a {what} pooled twice. Keep one of them, or give "
                "cohorts with different patients different labels."
            )
        seen[label] = i


def confidence(level: Any) -> float:
    """A confidence level between 0 and 1.

    Raises
    ------
    DomainError
        It is not a number above 0 and below 1.
    """
    if isinstance(level, bool) or not isinstance(level, numbers.Real) or not 0 < float(level) < 1:
        hint = ""
        if isinstance(level, numbers.Real) and 1 < float(level) < 100:
            hint = f" Did you mean {float(level) / 100:g}?"
        raise DomainError(f"The confidence level is {level!r}; it is a share above 0 and below 1, such as 0.95.{hint}")
    return float(level)


def _whole(value: Any, what: str, where: str) -> int:
    """One count; text, bools, fractions and gaps are refused with their row."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real | np.number):
        raise DomainError(f"{where}: {what} is {value!r}; give a whole number.")
    number = float(value)
    if not math.isfinite(number):
        raise DomainError(f"{where}: {what} is {number}; a study without this count cannot be pooled, leave it out.")
    if number != round(number):
        raise DomainError(
            f"{where}: {what} is {number:g}; give a whole number of patients, not a share or a percentage."
        )
    if number < 0:
        raise DomainError(f"{where}: {what} is {number:g}; a count is 0 or more.")
    return int(number)


def _column(values: Any, what: str) -> list[Any]:
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__iter__"):
        raise DomainError(f"{what} is {values!r}; give a list with one value a study.")
    return list(values)


def _sources(rows: Any, count: int) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Labels, ids and addresses out of the source rows, which are ids or mappings or objects with such fields."""
    if rows is None:
        return ("",) * count, ("",) * count, ("",) * count
    given = _column(rows, "rows")
    same_length({"events": count, "rows": len(given)})

    def field(row: Any, *names: str) -> str:
        for name in names:
            value = row.get(name) if isinstance(row, Mapping) else getattr(row, name, None)
            if value is not None and value != "":
                return str(value)
        return ""

    return (
        tuple("" if isinstance(r, str | int) else field(r, "label", "study", "study_id") for r in given),
        tuple(str(r) if isinstance(r, str | int) else field(r, "id", "row_id", "record", "key") for r in given),
        tuple("" if isinstance(r, str | int) else field(r, "url", "link", "address") for r in given),
    )


def counts(events: Any, totals: Any, labels: Any = None, rows: Any = None) -> Counts:
    """Check the counts of a synthesis and give them names.

    Parameters
    ----------
    events, totals : sequence of int, length k
        Patients with the outcome and patients in all; whole numbers (8 or 8.0).
    labels : sequence of str, optional
        Names of the studies; ``row 1``, ``row 2`` and so on otherwise.
    rows : sequence, optional
        Source row of each: its id, or a mapping or object with ``id``, ``url``, ``label``.

    Raises
    ------
    DomainError
        Lengths differ, a total is 0, events exceed a total, a number is not whole or not finite, or a label stands
        twice; the message names the row.

    Examples
    --------
    >>> counts([8, 24], [10, 24], ["A", "B"]).totals
    (10, 24)
    >>> counts([8, 25], [10, 24], ["A", "B"])
    Traceback (most recent call last):
    ...
    alphatwin.errors.DomainError: row 2 ('B'): 25 events in 24 patients; events cannot exceed the total.
    """
    x, n = _column(events, "events"), _column(totals, "totals")
    same_length({"events": len(x), "totals": len(n)})
    if not x:
        raise DomainError("There is no study to pool: events and totals are empty.")
    read, ids, urls = _sources(rows, len(x))
    if labels is not None:
        given = _column(labels, "labels")
        same_length({"events": len(x), "labels": len(given)})
        read = tuple(str(label) for label in given)
    unique([label for label in read if label])
    names = tuple(label or f"row {i + 1}" for i, label in enumerate(read))
    whole_x: list[int] = []
    whole_n: list[int] = []
    for i, (a, b) in enumerate(zip(x, n, strict=True)):
        where = row_name(i, read)
        total = _whole(b, "the total", where)
        if total == 0:
            raise DomainError(f"{where}: the total is 0; a study without patients cannot be pooled, leave it out.")
        if total > MAX_TOTAL:
            raise DomainError(f"{where}: a total of {total} is more than {MAX_TOTAL} patients; look for a slip.")
        count = _whole(a, "the number of events", where)
        if count > total:
            raise DomainError(f"{where}: {count} events in {total} patients; events cannot exceed the total.")
        whole_x.append(count)
        whole_n.append(total)
    unique([i for i in ids if i], "source row")
    return Counts(tuple(whole_x), tuple(whole_n), names, ids, urls)
