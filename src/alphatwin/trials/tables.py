"""Decision tables: what a rule does for every number of DLTs, as rows, CSV, HTML, and the chart of letters."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DomainError, suggestion
from .designs import Bools, Ints

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DecisionTable", "RuleTable", "table_from_actions"]

COLUMNS = ("n", "escalate_if", "deescalate_if", "eliminate_if", "stop_if")
HEADINGS = {
    "n": "Patients at the level",
    "escalate_if": "Escalate if DLTs are at most",
    "deescalate_if": "De-escalate if DLTs are at least",
    "eliminate_if": "Eliminate this level and those above if DLTs are at least",
    "stop_if": "Stop the trial if, at the lowest level, DLTs are at least",
}
COLOURS = {"E": "#c8e6d0", "S": "#f4f1de", "D": "#fbd9a8", "DU": "#f2b5a7", "SUS": "#d9d9d9", "": "#ffffff"}
LETTERS = "E: escalate; S: stay; D: de-escalate; DU: de-escalate, the level and those above are eliminated"


@dataclass(frozen=True)
class DecisionTable:
    """Boundaries of a rule on (patients, DLTs) at one level, one row for each number of patients.

    Rows hold ``n``, ``escalate_if`` (DLTs at most), ``deescalate_if``, ``eliminate_if`` and ``stop_if`` (DLTs at least; the
    last at the lowest level); None where no number of DLTs does it. A column is had by its name: ``table["escalate_if"]`` or
    ``table.escalate_if``.

    Parameters
    ----------
    title : str
        The design, in words.
    n, escalate_if, deescalate_if, eliminate_if, stop_if : tuple
        The columns.
    text : str
        The rule's text, printed below the table.
    """

    title: str
    n: tuple[int, ...]
    escalate_if: tuple[int | None, ...]
    deescalate_if: tuple[int | None, ...]
    eliminate_if: tuple[int | None, ...]
    stop_if: tuple[int | None, ...]
    text: str = ""

    @property
    def rows(self) -> list[dict[str, int | None]]:
        """The table as a list of rows."""
        return [{name: getattr(self, name)[i] for name in COLUMNS} for i in range(len(self.n))]

    def __iter__(self) -> Iterator[dict[str, int | None]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.n)

    def __getitem__(self, column: str) -> tuple[int | None, ...]:
        if column not in COLUMNS:
            raise DomainError(f"No column {column!r}. {suggestion(column, COLUMNS)}Columns: {', '.join(COLUMNS)}.")
        return tuple(getattr(self, column))

    def letter(self, n: int, y: int) -> str:
        """E, S, D or DU for y DLTs in n patients at a level in the middle."""
        if n not in self.n or not 0 <= y <= n:
            raise DomainError(
                f"{y} DLTs in {n} patients is not in the table; it has {', '.join(map(str, self.n))} patients, "
                "and DLTs from 0 to the patients."
            )
        row = self.rows[self.n.index(n)]
        for name, letter in (("eliminate_if", "DU"), ("deescalate_if", "D")):
            limit = row[name]
            if limit is not None and y >= limit:
                return letter
        most = row["escalate_if"]
        return "E" if most is not None and y <= most else "S"

    @property
    def chart(self) -> list[list[str]]:
        """Letters[DLTs][row of n]; empty where there would be more DLTs than patients."""
        return [[self.letter(n, y) if y <= n else "" for n in self.n] for y in range(max(self.n) + 1)]

    def to_frame(self) -> pd.DataFrame:
        """The table as a data frame of whole numbers (``<NA>`` where nothing does it)."""
        import pandas as pd

        return pd.DataFrame({name: pd.array(list(self[name]), dtype="Int64") for name in COLUMNS})

    def to_csv(self) -> str:
        """The table as CSV text: one row for each number of patients, empty where nothing does it."""
        out = io.StringIO()
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return out.getvalue()

    def to_html(self) -> str:
        """The table, the chart of letters and the rule's text as an HTML fragment that stands alone."""
        head = "".join(f"<th>{html.escape(HEADINGS[name])}</th>" for name in COLUMNS)
        cell = "<td style='text-align:right'>{}</td>"
        body = "".join(
            "<tr>" + "".join(cell.format("–" if row[name] is None else row[name]) for name in COLUMNS) + "</tr>"
            for row in self.rows
        )
        columns = "".join(f"<th>{n}</th>" for n in self.n)
        chart = "".join(
            f"<tr><th>{y}</th>"
            + "".join(f"<td style='text-align:center;background:{COLOURS[letter]}'>{letter}</td>" for letter in letters)
            + "</tr>"
            for y, letters in enumerate(self.chart)
        )
        words = "".join(f"<p>{html.escape(part)}</p>" for part in self.text.split("\n\n") if part)
        style = "border-collapse:collapse;font:14px sans-serif"
        return (
            f"<section class='decision-table'><h2>{html.escape(self.title)}</h2>"
            f"<table border='1' cellpadding='4' style='{style}'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<table border='1' cellpadding='4' style='{style};margin-top:1em'><caption>{LETTERS}</caption>"
            f"<thead><tr><th>DLTs \\ patients</th>{columns}</tr></thead><tbody>{chart}</tbody></table>{words}</section>\n"
        )


@dataclass(frozen=True)
class RuleTable:
    """A rule that needs more than two counts, as rows: one for each outcome the rule can meet.

    Parameters
    ----------
    title : str
        The design, in words.
    columns, headings : tuple of str
        Names of the columns and what they mean, in words.
    values : tuple of tuple
        The rows; None where a column does not apply.
    text : str
        The rule's text, printed below the table.
    """

    title: str
    columns: tuple[str, ...]
    headings: tuple[str, ...]
    values: tuple[tuple[int | float | str | None, ...], ...]
    text: str = ""

    @property
    def rows(self) -> list[dict[str, int | float | str | None]]:
        """The table as a list of rows."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.values]

    def __iter__(self) -> Iterator[dict[str, int | float | str | None]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, column: str) -> tuple[int | float | str | None, ...]:
        if column not in self.columns:
            known = ", ".join(self.columns)
            raise DomainError(f"No column {column!r}. {suggestion(column, self.columns)}Columns: {known}.")
        return tuple(row[self.columns.index(column)] for row in self.values)

    def to_frame(self) -> pd.DataFrame:
        """The table as a data frame."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=list(self.columns))

    def to_csv(self) -> str:
        """The table as CSV text."""
        out = io.StringIO()
        writer = csv.DictWriter(out, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return out.getvalue()

    def to_html(self) -> str:
        """The table and the rule's text as an HTML fragment that stands alone; rows are coloured by their decision."""
        head = "".join(f"<th>{html.escape(heading)}</th>" for heading in self.headings)
        body = ""
        for row in self.rows:
            colour = COLOURS.get(str(row.get("decision", "")), "#ffffff")
            cells = "".join(f"<td style='text-align:right'>{_shown(value)}</td>" for value in row.values())
            body += f"<tr style='background:{colour}'>{cells}</tr>"
        words = "".join(f"<p>{html.escape(part)}</p>" for part in self.text.split("\n\n") if part)
        return (
            f"<section class='decision-table'><h2>{html.escape(self.title)}</h2><table border='1' cellpadding='4' "
            f"style='border-collapse:collapse;font:14px sans-serif'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"{words}</section>\n"
        )


def _shown(value: int | float | str | None) -> str:
    """A cell of a table."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else html.escape(str(value))


def table_from_actions(
    title: str, sizes: tuple[int, ...], move: Ints, eliminate: Bools, stop: Bools, text: str
) -> DecisionTable:
    """The table of a rule given as arrays over [patients, DLTs]: move (+1, 0, -1) and whether a level is eliminated.

    Parameters
    ----------
    title, text : str
        Words above and below.
    sizes : tuple of int
        The numbers of patients to list.
    move : int[patients, DLTs]
        +1 escalate, 0 stay, -1 de-escalate.
    eliminate, stop : bool[patients, DLTs]
        Whether the level is eliminated; whether the trial stops when it is the lowest.
    """

    def least(flags: Bools) -> int | None:
        found = np.flatnonzero(flags)
        return int(found[0]) if len(found) else None

    up, down, out, end = [], [], [], []
    for n in sizes:
        moves = move[n, : n + 1]
        ups = np.flatnonzero((moves > 0) & ~eliminate[n, : n + 1])
        up.append(int(ups[-1]) if len(ups) else None)
        down.append(least((moves < 0) | eliminate[n, : n + 1]))
        out.append(least(eliminate[n, : n + 1]))
        end.append(least(stop[n, : n + 1]))
    return DecisionTable(title, tuple(sizes), tuple(up), tuple(down), tuple(out), tuple(end), text)
