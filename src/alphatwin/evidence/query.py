"""The tables as frames, as a DuckDB database that can only be read, and as what `report` writes into Parquet files.

A question runs in a database in memory that holds nothing but the tables: before it starts, access to files, network,
extensions and the caller's variables is switched off and the configuration is locked.
"""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..errors import DomainError
from .counting import OUTCOMES, Row
from .model import TABLES, TableRow

if TYPE_CHECKING:
    import pandas as pd

    from .store import Evidence

__all__ = ["COUNTS", "frame", "parquet_makers", "query"]

COUNTS = ("outcome", "study", "cohort", "agent", "radionuclide", "emitter_class", "species", "role", "design", "events", "total",
          "percent", "exact_low", "exact_high", "wilson_low", "wilson_high", "denominator_type", "how", "printed", "assessor", "confirmed",
          "cutoff_date", "criteria", "grade", "ctcae_version", "prior", "prior_share", "extraction", "status", "source", "locator", "date",
          "flags", "why_not")  # fmt: skip
MAX_SQL = 20_000
MAX_SECONDS = 60.0
GRACE_SECONDS = 5.0
MAX_BYTES = 100_000_000
MAX_ROWS = 100_000
_KINDS = {"int": "Int64", "float": "Float64", "bool": "boolean"}


def _kind(table: str, column: str) -> str:
    text = str(TABLES[table].model_fields[column].annotation)
    return next(
        (pandas for name, pandas in _KINDS.items() if name in text.replace("Literal", "").split("Field")[0].lower()),
        "string",
    )


def frame(table: str, rows: Iterable[TableRow]) -> pd.DataFrame:
    """Rows as a pandas frame with typed columns; lists joined by semicolons, absent values as missing."""
    import pandas as pd

    columns = list(TABLES[table].model_fields)
    data: dict[str, list[Any]] = {c: [] for c in columns}
    for row in rows:
        for column in columns:
            value = getattr(row, column)
            data[column].append(";".join(value) if isinstance(value, tuple) else None if value == "" else value)
    return pd.DataFrame({c: pd.array(v, dtype=_kind(table, c)) for c, v in data.items()})  # type: ignore[call-overload]


def counts_frame(store: Evidence) -> pd.DataFrame:
    """Every record of every counted outcome, with the count, percentage and intervals computed from it."""
    import pandas as pd

    data: dict[str, list[Any]] = {c: [] for c in COUNTS}
    for outcome in OUTCOMES:
        for row in store.counts(outcome):
            for column in COUNTS:
                data[column].append(_count_cell(row, column))
    kinds = dict.fromkeys(("events", "total"), "Int64")
    kinds |= dict.fromkeys(
        ("percent", "exact_low", "exact_high", "wilson_low", "wilson_high", "prior_share"), "Float64"
    )
    return pd.DataFrame({c: pd.array(v, dtype=kinds.get(c, "string")) for c, v in data.items()})  # type: ignore[call-overload]


def _count_cell(row: Row, column: str) -> Any:
    if column in ("exact_low", "exact_high", "wilson_low", "wilson_high"):
        which, end = column.split("_")
        limits = row.interval if which == "exact" else row.wilson
        return None if limits is None else limits[end == "high"]
    value = getattr(row, column)
    return "; ".join(value) if isinstance(value, tuple) else None if value == "" else value


def _database(store: Evidence) -> Any:
    """A DuckDB connection that holds the tables and can reach nothing else."""
    try:
        import duckdb
    except ImportError as error:
        raise DomainError(
            "Questions in SQL and Parquet files need DuckDB, which is not installed: install alphatwin with its extra 'evidence' "
            "(alphatwin[evidence])."
        ) from error
    connection = duckdb.connect(":memory:", config={"threads": 2, "memory_limit": "1GB"})
    frames = {table: frame(table, store.rows(table, corrected=True)) for table in TABLES}
    frames["counts"] = counts_frame(store)
    for name, data in frames.items():
        connection.register("given", data)
        connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM given')  # noqa: S608  (names of our own tables)
        connection.unregister("given")
    return connection


def _lock(connection: Any) -> None:
    for setting in ("enable_external_access=false", "python_enable_replacements=false", "autoinstall_known_extensions=false",
                    "autoload_known_extensions=false", "lock_configuration=true"):  # fmt: skip
        connection.execute(f"SET {setting}")


def query(store: Evidence, sql: Any) -> pd.DataFrame:
    """Ask a question in SQL; see `Evidence.query`."""
    if not isinstance(sql, str) or not sql.strip():
        raise DomainError(f"Ask a question in SQL over the tables {', '.join((*TABLES, 'counts'))}.")
    if len(sql) > MAX_SQL:
        raise DomainError(f"The question has {len(sql)} characters; at most {MAX_SQL} are read.")
    connection = _database(store)
    import duckdb

    asking: threading.Thread | None = None
    try:
        _lock(connection)
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type not in _reading(duckdb):
            raise DomainError(
                "Only one question at a time, and only to read: SELECT, WITH, DESCRIBE, SHOW or SUMMARIZE. Rows are added in a folder of CSVs."
            )
        connection.execute("BEGIN TRANSACTION READ ONLY")
        made: list[Any] = []
        asking = threading.Thread(target=_ask, args=(connection, statements[0], made), name="question", daemon=True)
        asking.start()
        asking.join(MAX_SECONDS)
        if asking.is_alive():
            connection.interrupt()
            asking.join(GRACE_SECONDS)  # some functions of DuckDB hear nothing until they are through
        if asking.is_alive() or isinstance(made[0], duckdb.InterruptException):
            raise DomainError(f"The question took longer than {MAX_SECONDS:g} s and was stopped; ask for less at once.")
        if isinstance(made[0], BaseException):
            raise made[0]
        found, more = made[0]
    except duckdb.Error as error:
        first = str(error).strip().splitlines()
        told = " ".join(line.strip() for line in first if line.strip() and not set(line.strip()) <= {"^"})
        raise DomainError(f"DuckDB: {told[:600]} Tables: {', '.join((*TABLES, 'counts'))}.") from error
    finally:
        if asking is None or not asking.is_alive():
            connection.close()
    if more:
        raise DomainError(f"The answer has more than {len(found)} rows; add a LIMIT or a WHERE.")
    size = int(found.memory_usage(deep=True).sum())
    if size > MAX_BYTES:
        raise DomainError(
            f"The answer has {size / 1e6:.0f} MB; at most {MAX_BYTES / 1e6:.0f} MB are given. Ask for less."
        )
    return found  # type: ignore[no-any-return]


def _ask(connection: Any, statement: Any, made: list[Any]) -> None:
    """Run a statement and leave the answer, or what it failed with, in a list."""
    try:
        answer = connection.execute(statement)
        made.append((answer.fetch_df_chunk(MAX_ROWS // 2048), len(answer.fetch_df_chunk(1))))
    except BaseException as error:
        made.append(error)


def _reading(duckdb: Any) -> tuple[Any, ...]:
    kinds = duckdb.StatementType
    return tuple(getattr(kinds, name) for name in ("SELECT", "EXPLAIN", "PRAGMA", "RELATION") if hasattr(kinds, name))


def parquet_makers(store: Evidence) -> dict[str, Callable[[pathlib.Path], object]]:
    """What makes each table, and the counts, as a Parquet file of a given name; `report.write_parquet` writes them.

    The release and the day stand in the metadata of each file.
    """
    connection = _database(store)

    def maker(name: str) -> Callable[[pathlib.Path], object]:
        about = f"KV_METADATA {{release: '{store.release}', as_of: '{store.as_of}'}}"

        def make(file: pathlib.Path) -> object:
            place = str(file).replace("'", "''")
            return connection.execute(f"COPY \"{name}\" TO '{place}' (FORMAT parquet, {about})")

        return make

    return {f"{name}.parquet": maker(name) for name in (*TABLES, "counts")}
