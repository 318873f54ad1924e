"""Writing tables of the evidence store and forest plots; the rows of a report about the studies of an agent."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import OutputError

if TYPE_CHECKING:
    from ..evidence import Evidence, Row

__all__ = ["AgentEvidence", "agent_evidence", "write_parquet", "write_tables"]


def write_tables(folder: str | pathlib.Path, texts: Mapping[str, str]) -> pathlib.Path:
    """Write text files into a folder, each whole or not at all; files of other names stay.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    texts : Mapping of str to str
        Content by file name.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    place = pathlib.Path(folder)
    if place.exists() and not place.is_dir():
        raise OutputError(f"{place} is a file; give a folder.")
    made = [p for p in (place, *place.absolute().parents) if not p.exists()]
    scratch = ""
    try:
        place.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.mkdtemp(prefix=".tables.", dir=place)
        for name, text in texts.items():
            (pathlib.Path(scratch) / name).write_text(text, encoding="utf-8")
        for name in texts:
            os.replace(pathlib.Path(scratch) / name, place / name)
    except BaseException as error:
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()
        if isinstance(error, OSError):
            told = (error.strerror or str(error)).lower()
            raise OutputError(f"{place} could not be written: {told}. Nothing half-written was left.") from error
        raise
    shutil.rmtree(scratch, ignore_errors=True)
    return place


def write_parquet(folder: str | pathlib.Path, store: Evidence) -> pathlib.Path:
    """Write every table of the evidence store, and the counts derived from them, as Parquet files.

    Parameters
    ----------
    folder : path
        Made if it is not there; files of other names stay.
    store : Evidence
        As of its day. Rows that a correction took out are in their tables, and not in the counts.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        The folder cannot be written; what was there before is as it was.
    DomainError
        DuckDB (extra ``evidence``) is not installed.
    """
    from ..evidence.query import parquet_makers
    from .files import write_folder

    place = pathlib.Path(folder)
    if place.exists() and not place.is_dir():
        raise OutputError(f"{place} is a file; give a folder.")
    place = place.absolute()
    return write_folder(place.name, place.parent, parquet_makers(store))


@dataclass(frozen=True)
class AgentEvidence:
    """What the evidence store holds about an agent, for the report of a case.

    Attributes
    ----------
    lines : tuple
        One a cohort: study, cohort, year, prior therapy, and the counts of response, blood and kidney toxicity.
    conflicts, gaps : tuple of str
        One sentence each.
    release, as_of : str
        Of the store.
    """

    agent: str
    lines: tuple[EvidenceLine, ...]
    conflicts: tuple[str, ...]
    gaps: tuple[str, ...]
    release: str
    as_of: str


@dataclass(frozen=True)
class EvidenceLine:
    """One cohort of people."""

    study: str
    label: str
    year: str
    prior: str
    response: str
    blood: str
    kidney: str
    status: str
    citation: str
    url: str


_COLUMNS = {"response": "objective_response", "blood": "blood_toxicity", "kidney": "kidney_toxicity"}
_STATUS = {"seed": "review", "secondary": "second-hand", "abstract": "abstract", "full_text": "full text"}


def agent_evidence(agent: str, store: Evidence | None = None) -> AgentEvidence | None:
    """Studies of people that were given an agent; None when the store has none.

    Parameters
    ----------
    agent : str
        Id of the catalogue.
    store : Evidence, optional
        Another store than the shipped one.

    Examples
    --------
    >>> found = agent_evidence("ac225-dotatate")
    >>> [(line.study, line.response) for line in found.lines][0]
    ('ballal2020', '15/24, 63 % (41 to 81)')
    """
    from ..evidence import evidence

    known = store or evidence()
    if agent not in {a.id for a in known.rows("agent")}:
        return None
    studies = [s for s in known.studies(agent) if s.species == "human"]
    if not studies:
        return None
    best = {name: {r.cohort: r for r in known.select(o, agent=agent)} for name, o in _COLUMNS.items()}
    lines = []
    for study in studies:
        mine = dict.fromkeys(c.id for c in known.rows("cohort") if c.study == study.id and c.agent == agent)
        counted = [c for c in mine if any(c in found for found in best.values())] or list(mine)[:1]
        for name in counted:
            cohort = known.cohort(name)
            told: dict[str, str] = {}
            rows: list[Row] = []
            for column, outcome in _COLUMNS.items():
                row = best[column].get(name) or _uncounted(known, outcome, name)
                told[column] = _told(row)
                rows += [row] if row is not None and told[column] else []
            readings = dict.fromkeys(r.extraction for r in rows) or dict.fromkeys([cohort.extraction])
            read = [known.one("extraction", r) for r in readings]
            lines.append(
                EvidenceLine(
                    study=study.id, label=cohort.label, year=str(study.year or ""), prior=_prior(known, name), **told,
                    status=", ".join(dict.fromkeys(_STATUS[e.status] for e in read)), url=rows[0].url if rows else "",
                    citation="; ".join(dict.fromkeys(known.one("source", e.source).citation for e in read)),
                )
            )  # fmt: skip
    conflicts = tuple(f"{c.title}. Done here: {c.rule}." for c in known.conflicts(agent))
    people = {s.id for s in studies}
    gaps = tuple(f"{g.name}: {g.wanted}." for g in known.gaps(agent) if g.study is None or g.study in people)
    return AgentEvidence(agent, tuple(lines), conflicts, gaps, known.release, known.as_of)


def _told(row: Row | None) -> str:
    """The count of a row with its percentage and interval; where there is none, what is printed and why it is no count."""
    if row is None:
        return ""
    if row.percent is None or row.interval is None:
        return f"{row.printed}; {row.why_not}"
    low, high = row.interval
    return f"{row.events}/{row.total}, {row.percent + 1e-9:.0f} % ({100 * low:.0f} to {100 * high:.0f})"  # halves up, as printed


def _uncounted(store: Evidence, outcome: str, cohort: str) -> Row | None:
    """What is printed of a cohort where no count can be had."""
    rows = [r for r in store.counts(outcome) if r.cohort == cohort and "%" in r.printed and r.why_not]
    return rows[-1] if rows else None


def _prior(store: Evidence, cohort: str) -> str:
    status, share, _ = store.prior_of(cohort)
    return status if share in (None, 1.0) or status in ("unknown", "mixed") else f"{status} in {100 * share:.0f} %"
