"""Rows as text: a table of 80 columns, and a long form that gives every reason and source."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Sequence

from .. import catalog
from ._rows import GROUPS, Row

__all__ = ["WIDTH", "as_text", "report_text"]

WIDTH = 80
_QUANTITY = 39
_HEAD = f"{'quantity, unit':{_QUANTITY}}{'published':>11}{'ours':>11}{'diff %':>7}{'tol %':>7}{'pass':>5}"


def _number(value: float, digits: int = 5, like: str = "") -> str:
    """A short number, with an exponent where the number beside it has one."""
    text = f"{value:.{digits - 1}e}" if "e" in like else f"{value:.{digits}g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def _percent(value: float, sign: bool = False) -> str:
    value *= 100.0
    if abs(value) >= 1e4:
        return _number(value, 1)
    if abs(value) < 5e-4:
        return "0" if sign or value == 0 else _number(value, 1)
    return f"{value:{'+' if sign else ''}.3f}" if abs(value) < 10 else f"{value:{'+' if sign else ''}.1f}"


def _label(row: Row) -> str:
    return f"{'' if row.verified else '*'}{row.quantity}" + ("" if row.unit == "1" else f", {row.unit}")


def _lines(row: Row) -> Iterator[str]:
    numbers = f"{row.printed or _number(row.published):>11}{_number(row.ours, like=row.printed):>11}"
    numbers += f"{_percent(row.difference, sign=True):>7}{_percent(row.tolerance):>7}"
    unbroken = _label(row).removesuffix(row.unit) + row.unit.replace(" ", "\0") if row.unit != "1" else _label(row)
    label = textwrap.wrap(unbroken, _QUANTITY - 1, subsequent_indent="  ", break_long_words=False)
    *above, last = (line.replace("\0", " ") for line in label)
    yield from above
    yield f"{last:{_QUANTITY}}{numbers}{row.verdict:>5}"


def _verdict(rows: Sequence[Row]) -> str:
    count = {v: sum(row.verdict == v for row in rows) for v in ("ok", "MISS", "miss")}
    told = f"{count['ok']} passed, {count['MISS']} failed"
    return told + (f", {count['miss']} missed and documented" if count["miss"] else "")


def as_text(rows: Sequence[Row]) -> str:
    """A table of at most 80 columns: groups, published value, ours, difference, tolerance, verdict; then the sources.

    A line that is missed says MISS. A star marks a published value that nobody could read in its source.
    """
    out: list[str] = []
    for group, members in itertools.groupby(rows, key=lambda row: row.group):
        title = GROUPS.get(group, "")
        out += [f"{group}: {title}" if title else group, _HEAD, "-" * WIDTH]
        for row in members:
            out += _lines(row)
        out.append("")
    if any(not row.verified for row in rows):
        out += ["* The published value could not be read in its source.", ""]
    out += ["Sources", *_sources(rows), ""]
    known = [row for row in rows if row.verdict == "miss"]
    if known:
        out += ["Misses that are documented"]
        out += [
            line
            for row in known
            for line in textwrap.wrap(f"{row.quantity}: {row.known_miss}", WIDTH, subsequent_indent="  ")
        ] + [""]
    missed = [row for row in rows if row.verdict == "MISS"]
    if missed:
        out += [line for row in missed for line in textwrap.wrap(f"MISS {row.group}: {row.quantity}", WIDTH)] + [""]
    return "\n".join([*out, _verdict(rows)])


def _sources(rows: Sequence[Row]) -> Iterator[str]:
    for key in sorted({row.source for row in rows} | {row.tolerance_source for row in rows} - {""}):
        yield from textwrap.wrap(
            f"[{key}] {catalog.source(key).text}", WIDTH, subsequent_indent="  ", break_on_hyphens=False
        )


def report_text(rows: Sequence[Row]) -> str:
    """Every row with its source, place, tolerance and the reason for it, at most 80 columns wide."""
    out: list[str] = []
    for row in rows:
        out += textwrap.wrap(f"{row.group}: {_label(row)}", WIDTH)
        facts = (
            f"published {row.printed or _number(row.published, 9)}, ours {_number(row.ours, 9)}, difference "
            f"{_percent(row.difference, sign=True)} %: {'passed' if row.verdict == 'ok' else row.verdict}",
            f"tolerance {_percent(row.tolerance)} %: {row.tolerance_reason}"
            + (f" [{row.tolerance_source}]" if row.tolerance_source else ""),
            f"source [{row.source}], {row.locator}{'' if row.verified else '; not read in the source'}",
            row.note,
            f"documented miss: {row.known_miss}" if row.known_miss else "",
        )
        for fact in filter(None, facts):
            out += textwrap.wrap(fact, WIDTH, initial_indent="  ", subsequent_indent="    ")
    return "\n".join([*out, "", _verdict(rows)])
