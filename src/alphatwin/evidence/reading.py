"""From CSV text to checked rows, and the hash of what they say.

A CSV has one row a line, the columns of its table in any order, UTF-8, empty cells for absent values, semicolons inside
the cells that list several names. Whatever is wrong is refused with the table, the line and the column.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import CatalogError, suggestion
from .model import FACTS, TABLES, Cohort, TableRow, key_of, links, listed

__all__ = ["canonical", "check_links", "content_hash", "csv_text", "read_folder", "read_table", "read_text_file"]

MAX_BYTES = 20_000_000
MAX_ROWS = 100_000
MAX_CELL = 10_000
Tables = Mapping[str, tuple[TableRow, ...]]


def read_text_file(file: pathlib.Path, limit: int = MAX_BYTES) -> str:
    """The text of a file, or a refusal that says why: absent, too large, not UTF-8."""
    try:
        size = file.stat().st_size
        if size > limit:
            raise CatalogError(
                f"{file.name} has {size / 1e6:.0f} MB; at most {limit / 1e6:.0f} MB are read. Split it by study."
            )
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CatalogError(f"{file.name} is not UTF-8 (byte {error.start}); save it as UTF-8 and try again.") from error
    except OSError as error:
        raise CatalogError(f"{file.name} cannot be read: {(error.strerror or str(error)).lower()}.") from error


def read_table(table: str, text: str, where: str = "") -> tuple[TableRow, ...]:
    """The rows of one CSV.

    Parameters
    ----------
    table : str
        Name of the table, a key of ``TABLES``.
    text : str
        The CSV.
    where : str
        What to call it in messages.

    Raises
    ------
    CatalogError
        With the line and the column.

    Examples
    --------
    >>> read_table("agent", "id,name,radionuclide,emitter_class\\nx,X,Ac-225,gamma\\n")
    Traceback (most recent call last):
    ...
    alphatwin.errors.CatalogError: agent.csv, line 2 (x), emitter_class: Input should be 'alpha', 'beta', 'auger', ...
    """
    from pydantic import ValidationError

    model, name = TABLES[table], where or f"{table}.csv"
    rows: list[TableRow] = []
    for line, cells in _cells(model, text, name):
        try:
            rows.append(model.model_validate(cells))
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            column = ".".join(str(p) for p in first["loc"][:1])
            said = str(first["msg"]).removeprefix("Value error, ")
            given = first.get("input")
            shown = f" (given {str(given)[:60]!r})" if isinstance(given, str | int | float) else ""
            place = f"{name}, line {line}{_called(cells)}{', ' + column if column else ''}"
            raise CatalogError(f"{place}: {said}{shown}.") from error
    return tuple(rows)


def _called(cells: Mapping[str, Any]) -> str:
    return f" ({str(cells['id'])[:60]})" if cells.get("id") else ""


def _cells(model: type[TableRow], text: str, name: str) -> Iterable[tuple[int, dict[str, Any]]]:
    """Line number and non-empty cells of every row."""
    if "\0" in text:
        raise CatalogError(f"{name} holds a zero byte: it is not a CSV.")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [column.strip() for column in next(reader, [])]
        _check_header(model, header, name)
        several = {column for column in header if listed(model, column)}
        count = 0
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            count += 1
            if count > MAX_ROWS:
                raise CatalogError(f"{name} has more than {MAX_ROWS} rows; split it by study.")
            if len(values) != len(header):
                raise CatalogError(
                    f"{name}, line {reader.line_num}: {len(values)} cells under {len(header)} columns. "
                    "A comma inside a cell needs quotes around the cell."
                )
            row: dict[str, Any] = {}
            for column, value in zip(header, values, strict=True):
                if len(value) > MAX_CELL:
                    raise CatalogError(f"{name}, line {reader.line_num}, {column}: a cell of {len(value)} characters.")
                if value.strip():
                    row[column] = (
                        tuple(v.strip() for v in value.split(";") if v.strip()) if column in several else value
                    )
            yield reader.line_num, row
    except csv.Error as error:
        raise CatalogError(f"{name}, line {reader.line_num}: not a readable CSV ({error}).") from error


def _check_header(model: type[TableRow], header: list[str], name: str) -> None:
    known = list(model.model_fields)
    if not header or header == [""]:
        raise CatalogError(f"{name} is empty; its first line names the columns: {', '.join(known)}.")
    for column in header:
        if column not in known:
            raise CatalogError(
                f"{name} has a column {column!r}. {suggestion(column, known)}Columns: {', '.join(known)}."
            )
        if header.count(column) > 1:
            raise CatalogError(f"{name} has the column {column!r} {header.count(column)} times.")
    needed = [c for c, f in model.model_fields.items() if f.is_required() and c not in header]
    if needed:
        raise CatalogError(f"{name} lacks the column{'s' * (len(needed) > 1)} {', '.join(needed)}.")


def read_folder(folder: str | pathlib.Path) -> dict[str, tuple[TableRow, ...]]:
    """Every table in a folder of CSVs named after the tables.

    Raises
    ------
    CatalogError
        The folder is not there, holds no table, or a file in it is refused.
    """
    place = pathlib.Path(folder)
    if not place.is_dir():
        raise CatalogError(f"There is no folder {place}; give one with {', '.join(TABLES)} as CSV files (any of them).")
    found: dict[str, tuple[TableRow, ...]] = {}
    for file in sorted(place.glob("*.csv")):
        if file.stem not in TABLES:
            raise CatalogError(
                f"{file.name} is no table of the evidence store. {suggestion(file.stem, TABLES)}Tables: {', '.join(TABLES)}."
            )
        found[file.stem] = read_table(file.stem, read_text_file(file), file.name)
    if not found:
        raise CatalogError(f"{place} holds no CSV; its files are named after the tables: {', '.join(TABLES)}.")
    return found


def check_links(tables: Tables) -> None:
    """Every id stands once, and every name that points at a row of another table points at one that is there.

    Raises
    ------
    CatalogError
        With the table, the row and the column.
    """
    known: dict[str, set[str]] = {table: set() for table in TABLES}
    for table, rows in tables.items():
        keys: set[str] = set()
        for row in rows:
            key = key_of(table, row)
            if key in keys:
                raise CatalogError(
                    f"{table} {key} stands twice. Rows are only appended: give the new one an id of its own, and take the old one out "
                    "with a row in correction.csv."
                )
            keys.add(key)
            known[table].add(row.id)
    described = {(row.id, row.extraction) for row in tables.get("cohort", ()) if isinstance(row, Cohort)}
    for table, rows in tables.items():
        for row in rows:
            for column, target in links(table).items():
                value = getattr(row, column)
                for name in value if isinstance(value, tuple) else (value,):
                    if name is not None and name not in known[target]:
                        raise CatalogError(
                            f"{table} {row.id}, {column}: there is no {target} {name!r}. {suggestion(name, known[target])}".rstrip()
                        )
            for name in _records(row):
                target, _, key = name.partition(":")
                if target not in known or key not in known[target]:
                    near = suggestion(key, known.get(target, ()))
                    raise CatalogError(f"{table} {row.id}: there is no row {name}. {near}".rstrip())
            cohort, extraction = getattr(row, "cohort", None), getattr(row, "extraction", "")
            if table in FACTS and cohort is not None and (cohort, extraction) not in described:
                raise CatalogError(
                    f"{table} {row.id}: extraction {extraction} does not describe the cohort {cohort}. "
                    "Add a row for it to cohort.csv: who they were belongs to what happened to them."
                )
    _check_one_record(tables)


def _records(row: Any) -> tuple[str, ...]:
    one = tuple(v for v in (getattr(row, "record", None), getattr(row, "replaced_by", None)) if v)
    return (*one, *getattr(row, "records", ()))


def _check_one_record(tables: Tables) -> None:
    """One count for a cohort, source, outcome, assessor, confirmation, cut-off and time."""
    source = {e.id: getattr(e, "source", "") for e in tables.get("extraction", ())}
    seen: dict[tuple[Any, ...], str] = {}
    for row in tables.get("outcome", ()):
        r: Any = row
        if r.denominator is None:
            continue
        key = (r.cohort, source.get(r.extraction), r.name, r.assessor, r.confirmed, r.cutoff_date, r.timepoint)
        if key in seen:
            raise CatalogError(
                f"outcome {r.id} and {seen[key]} are the same record: cohort {r.cohort}, {r.name}, assessor {r.assessor}, confirmed "
                f"{r.confirmed}, cut-off {r.cutoff_date or 'not stated'}. Say what sets them apart, or correct one of them."
            )
        seen[key] = r.id


def canonical(tables: Tables) -> bytes:
    """The content of the tables as bytes that do not depend on the order of rows or columns, or on quoting."""
    lines = [
        json.dumps([table, row.model_dump(mode="json", exclude_defaults=True)], sort_keys=True, ensure_ascii=False)
        for table in sorted(tables)
        for row in sorted(tables[table], key=lambda row, t=table: key_of(t, row))  # type: ignore[misc]
    ]
    return "\n".join(lines).encode("utf-8")


def content_hash(tables: Tables) -> str:
    """SHA-256 over the canonical bytes: the name of a release."""
    return hashlib.sha256(canonical(tables)).hexdigest()


def cell(value: Any) -> str:
    """A value as it stands in a CSV."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ";".join(value)
    return repr(value) if isinstance(value, float) else str(value)


def csv_text(table: str, rows: Iterable[TableRow]) -> str:
    """Rows of a table as CSV, columns in the order of the schema.

    Examples
    --------
    >>> rows = read_table("agent", "id,name,radionuclide,emitter_class\\nx,X,Ac-225,alpha\\n")
    >>> print(csv_text("agent", rows), end="")
    id,name,radionuclide,ligand,target,chelator,emitter_class
    x,X,Ac-225,,,,alpha
    """
    columns = list(TABLES[table].model_fields)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(getattr(row, column)) for column in columns] for row in rows)
    return buffer.getvalue()
