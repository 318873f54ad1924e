"""New rows out of reference lists (RIS, BibTeX) and of saved ClinicalTrials.gov records; PRISMA counts of a store.

A reference becomes a source that waits for a decision. A registry record becomes a study with its cohorts, outcomes and
adverse events, dated by the version of the record; whatever it lacks is left empty, and whatever cannot be a row is
told. Nothing is fetched: files are read that somebody saved.
"""

from __future__ import annotations

import datetime
import pathlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..catalog.bibliography import _plain
from ..errors import CatalogError
from ._registry import RegistryRecord, registry_rows
from .model import TABLES, Source, TableRow
from .reading import Tables, read_text_file

if TYPE_CHECKING:
    from .store import Evidence

__all__ = ["Import", "Prisma", "imported", "prisma"]

MAX_BYTES = 50_000_000


@dataclass(frozen=True)
class Import:
    """Rows that a file gave, and what in it could not become a row.

    Attributes
    ----------
    tables : Mapping of str to tuple of rows
    told : tuple of str
        One sentence a thing left out.
    """

    tables: Tables
    told: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self.tables.values()))


def imported(file: str | pathlib.Path, store: Evidence, agent: str | None = None, today: str | None = None) -> Import:
    """Rows out of a saved file: ``.ris``, ``.bib``, or ``.json`` of ClinicalTrials.gov (API version 2).

    Parameters
    ----------
    file : path
        The file.
    store : Evidence
        What is known already: duplicates and studies of the same registry number are found in it.
    agent : str, optional
        Id of the agent of a registry record; otherwise it is looked for in the names of the interventions.
    today : str, optional
        Day of the import, ISO; otherwise the day of the computer.

    Returns
    -------
    Import

    Raises
    ------
    CatalogError
        The file cannot be read, or the agent cannot be told.
    """
    path = pathlib.Path(file)
    day = today or datetime.date.today().isoformat()
    readers = {".ris": _ris, ".bib": _bibtex}
    kind = path.suffix.casefold()
    if kind not in (*readers, ".json"):
        raise CatalogError(f"{path.name}: a file ending in .ris, .bib or .json is read, not {path.suffix or 'one without an ending'}.")  # fmt: skip
    text = read_text_file(path, MAX_BYTES)
    if "\0" in text:
        raise CatalogError(f"{path.name} holds a zero byte: it is no text file.")
    if kind == ".json":
        return _registry(text, path.name, store, agent, day)
    entries, told = readers[kind](text, path.name)
    if not entries:
        raise CatalogError(f"{path.name} holds no reference that can be read{''.join(f'; {t}' for t in told[:3])}.")
    return _sources(entries, store, path.name, day, told)


# --- references ------------------------------------------------------------------------------------------------------


def _ris(text: str, name: str) -> tuple[list[dict[str, str]], list[str]]:
    try:
        import rispy
    except ImportError as error:
        raise CatalogError(
            "Reading RIS needs rispy, which is not installed: install alphatwin with its extra 'evidence' (alphatwin[evidence])."
        ) from error
    told = []
    if re.search(r"^TY  ?-", text, re.MULTILINE) and not re.search(r"^ER  ?-\s*\Z", text, re.MULTILINE):
        told.append("the last reference has no end (ER): the file may be cut off there")
        text += "\nER  - \n"
    try:
        found = rispy.loads(text, skip_unknown_tags=True)
    except Exception as error:  # rispy raises OSError, ParseError, ValueError and more, by version
        raise CatalogError(f"{name} is not readable RIS: {str(error)[:200]}.") from error
    entries = [
        {
            "author": "; ".join(_strings(e.get("authors") or e.get("first_authors"))),
            "title": _first(e, "title", "primary_title", "short_title"),
            "journal": _first(e, "journal_name", "secondary_title", "alternate_title3", "alternate_title1"),
            "year": _year(_first(e, "year", "publication_year", "date")),
            "doi": _first(e, "doi"),
            "url": next(iter(_strings(e.get("urls"))), "") or _first(e, "url"),
            "volume": _first(e, "volume"),
            "pages": _first(e, "start_page"),
        }
        for e in found
        if isinstance(e, Mapping)
    ]
    return entries, told


def _bibtex(text: str, name: str) -> tuple[list[dict[str, str]], list[str]]:
    import bibtexparser

    parser = bibtexparser.bparser.BibTexParser(common_strings=True, ignore_nonstandard_types=False)
    try:
        read = bibtexparser.loads(text, parser)
    except bibtexparser.bibdatabase.UndefinedString as error:
        raise CatalogError(
            f"{name}: the name {str(error)[:80]} stands without braces or quotes, and no @string says what it means."
        ) from error
    except Exception as error:  # pyparsing errors, by version
        raise CatalogError(f"{name} is not readable BibTeX: {str(error)[:200]}.") from error
    cut = [c.split(",")[0].strip()[:60] for c in read.comments if re.match(r"\s*@\w+\s*\{", c)]
    entries = [
        {
            "author": _plain(e.get("author", "")).replace(" and ", "; "),
            "title": _plain(e.get("title", "")),
            "journal": _plain(e.get("journal", "") or e.get("booktitle", "")),
            "year": _year(e.get("year", "") or e.get("date", "")),
            "doi": e.get("doi", ""),
            "url": e.get("url", ""),
            "volume": _plain(e.get("volume", "")),
            "pages": _plain(e.get("pages", "")),
        }
        for e in read.entries
    ]
    return entries, [f"the entry {c} is not closed and was left out" for c in cut]


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(v) for v in value if v] if isinstance(value, Iterable) else []


def _first(entry: Mapping[str, Any], *names: str) -> str:
    for name in names:
        value = entry.get(name)
        if value:
            return str(value[0] if isinstance(value, list) else value).strip()
    return ""


def _year(text: str) -> str:
    found = re.search(r"\b(19|20|21)\d{2}\b", str(text))
    return found[0] if found else ""


def slug(text: str, limit: int = 40) -> str:
    """A text as an id: plain small letters, digits and underscores.

    Examples
    --------
    >>> slug("Müller, 2.5 MBq/kg")
    'muller_2.5_mbq_kg'
    """
    bare = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().casefold()
    return re.sub(r"[^a-z0-9.]+", "_", bare).strip("_.")[:limit].strip("_.")


def _bare(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", unicodedata.normalize("NFKD", text).casefold())


def _clean_doi(text: str) -> str:
    found = re.search(r"10\.\d{4,9}/\S+", text)
    return found[0].rstrip(".,;)") if found else ""


def _sources(entries: list[dict[str, str]], store: Evidence, name: str, day: str, told: list[str]) -> Import:
    known = {s.id for s in store.tables["source"]}
    by_doi = {s.doi.casefold(): s.id for s in store.rows("source") if s.doi}
    titles = {_bare(s.citation): s.id for s in store.rows("source")}
    rows: list[TableRow] = []
    told = list(told)
    for i, e in enumerate(entries, start=1):
        if not e["title"]:
            told.append(f"reference {i} has no title and was left out")
            continue
        first = e["author"].split(";")[0].split(",")[0].strip() or "anonymous"
        stem = slug(f"{first} {e['year']}", 60) or f"reference_{i}"
        identity = next(
            c for c in (stem, *(f"{stem}_{n}" for n in range(2, len(entries) + len(known) + 3))) if c not in known
        )
        known.add(identity)
        doi, bare = _clean_doi(e["doi"]), _bare(e["title"])
        same = by_doi.get(doi.casefold()) if doi else None
        same = same or next((i for t, i in titles.items() if len(bare) > 25 and bare in t), None)
        where = " ".join(v for v in (e["journal"], e["year"], e["volume"] and f"{e['volume']}:{e['pages']}") if v)
        citation = ". ".join(v for v in (e["author"], e["title"].rstrip("."), where) if v)[:3900]
        url = e["url"] if re.fullmatch(r"https?://\S+", e["url"]) else ""
        rows.append(
            Source(
                id=identity, kind="journal", citation=citation, doi=doi, url=url, date=e["year"] or None, retrieved=day,
                found_by="database", decision="excluded" if same else "pending", reason="duplicate" if same else "", duplicate_of=same,
                note=f"from {name}",
            )
        )  # fmt: skip
        if doi:
            by_doi.setdefault(doi.casefold(), identity)
        titles.setdefault(_bare(citation), identity)
    if not rows:
        raise CatalogError(f"{name}: no reference has a title.")
    return Import({"source": tuple(rows)}, tuple(told))


# --- ClinicalTrials.gov ----------------------------------------------------------------------------------------------


def _registry(text: str, name: str, store: Evidence, agent: str | None, day: str) -> Import:
    import json

    from pydantic import ValidationError

    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CatalogError(f"{name} is not readable JSON: {str(error)[:200]}.") from error
    page = data.get("studies") if isinstance(data, dict) and isinstance(data.get("studies"), list) else [data]
    if not page:
        raise CatalogError(f"{name} holds no study.")
    tables: dict[str, list[TableRow]] = {table: [] for table in TABLES}
    told: list[str] = []
    for i, record in enumerate(page, start=1):
        if not isinstance(record, dict) or not isinstance(record.get("protocolSection"), dict):
            raise CatalogError(
                f"{name}, study {i}: no protocolSection. Records of ClinicalTrials.gov, API version 2, are read."
            )
        where = f"{name}, study {i}"
        try:
            made, said = registry_rows(RegistryRecord(record, where), store, agent, day)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise CatalogError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
        told.extend(said)
        for table, rows in made.items():
            tables[table].extend(rows)
    return Import({table: tuple(rows) for table, rows in tables.items() if rows}, tuple(told))


# --- PRISMA ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prisma:
    """Counts of the PRISMA 2020 flow (Page et al., BMJ 372 (2021) n71), from the sources of a store.

    Attributes
    ----------
    identified : Mapping of str to int
        Records by how they were found: database, register, citation, website, other.
    duplicates, screened, excluded, pending : int
        Records removed as duplicates, looked at, left out, waiting for a decision.
    reasons : Mapping of str to int
        Why records were left out, duplicates apart.
    reports, studies : int
        Sources that are used, and the studies they are about.
    not_read : int
        Sources known by name only, which wait until somebody opens them.
    """

    identified: Mapping[str, int]
    duplicates: int
    screened: int
    excluded: int
    reasons: Mapping[str, int]
    pending: int
    not_read: int
    reports: int
    studies: int

    @property
    def total(self) -> int:
        """All records."""
        return sum(self.identified.values())

    def text(self) -> str:
        """The flow as lines."""
        ways = ", ".join(f"{how} {n}" for how, n in self.identified.items())
        lines = [
            f"{'records identified':34s}{self.total:6d}   {ways}",
            f"{'  duplicates removed':34s}{self.duplicates:6d}",
            f"{'records screened':34s}{self.screened:6d}",
            f"{'  excluded':34s}{self.excluded:6d}",
        ]
        lines += [f"    {reason[:28]:30s}{n:6d}" for reason, n in self.reasons.items()]
        lines += [
            f"{'  waiting for a decision':34s}{self.pending:6d}   {self.not_read} never opened",
            f"{'reports included':34s}{self.reports:6d}",
            f"{'studies included':34s}{self.studies:6d}",
        ]
        return "\n".join(lines)


def prisma(store: Evidence) -> Prisma:
    """The counts of a PRISMA 2020 flow diagram, from the store itself.

    Examples
    --------
    >>> from alphatwin.evidence import evidence
    >>> flow = prisma(evidence())
    >>> flow.total == flow.duplicates + flow.excluded + flow.pending + flow.reports
    True
    """
    sources = store.rows("source")
    identified: dict[str, int] = {}
    reasons: dict[str, int] = {}
    for s in sources:
        identified[s.found_by] = identified.get(s.found_by, 0) + 1
        if s.decision == "excluded" and s.duplicate_of is None:
            reasons[s.reason] = reasons.get(s.reason, 0) + 1
    duplicates = sum(s.duplicate_of is not None for s in sources)
    used = [s.id for s in sources if s.decision == "included" and s.duplicate_of is None]
    pending = [s for s in sources if s.decision == "pending" and s.duplicate_of is None]
    about = {e.study for e in store.rows("extraction") if e.source in set(used) and e.study}
    return Prisma(
        identified=dict(sorted(identified.items())), duplicates=duplicates, screened=len(sources) - duplicates,
        excluded=sum(reasons.values()), reasons=dict(sorted(reasons.items())), pending=len(pending),
        not_read=sum(not s.verified for s in pending), reports=len(used), studies=len(about),
    )  # fmt: skip
