"""The evidence store: tables of checked rows as of a day, and the questions that can be asked of them."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import CatalogError, DomainError, missing
from .counting import Row, counted_rows, outcome_name
from .model import RANK, TABLES, Cohort, TableRow, last_day
from .reading import Tables, check_links, content_hash, csv_text, read_folder, read_table

if TYPE_CHECKING:
    import pandas as pd

    from .selection import Selection

__all__ = ["Evidence", "evidence", "joined"]

_IMPLIES = {
    "refractory": ("refractory", "progressed", "exposed"),
    "progressed": ("progressed", "exposed"),
    "exposed": ("exposed",),
    "naive": ("naive",),
    "mixed": (),
    "unknown": (),
}


@dataclass(frozen=True, eq=False)
class Evidence:
    """Every table of the store, as it was known on a day.

    Made by `evidence`. Nothing in it changes; ``at_day`` gives another view of the same release.

    Attributes
    ----------
    tables : Mapping of str to tuple of rows
        What was read, corrected rows included.
    release : str
        SHA-256 over the content of all tables.
    as_of : str
        The day of the view: what was printed later is not in it.
    """

    tables: Mapping[str, tuple[TableRow, ...]] = field(repr=False)
    release: str
    as_of: str
    newest: str = field(repr=False)

    # --- tables --------------------------------------------------------------------------------------------------

    @functools.cached_property
    def _visible(self) -> Mapping[str, tuple[Any, ...]]:
        return MappingProxyType(_view(self.tables, self.as_of))

    @functools.cached_property
    def _by_id(self) -> Mapping[str, Mapping[str, Any]]:
        return {table: {row.id: row for row in rows} for table, rows in self._visible.items()}

    @functools.cached_property
    def _cohorts(self) -> Mapping[str, tuple[Cohort, ...]]:
        made: dict[str, list[Cohort]] = {}
        for row in self._visible["cohort"]:
            made.setdefault(row.id, []).append(row)
        return {key: tuple(rows) for key, rows in made.items()}

    @functools.cached_property
    def corrected(self) -> Mapping[str, str]:
        """Records that a correction took out of use, with the reason."""
        rows: Any = self.tables["correction"]
        return {row.record: row.reason for row in rows}

    def rows(self, table: str, corrected: bool = False) -> tuple[Any, ...]:
        """The rows of a table as of the day, without those that a correction took out.

        Raises
        ------
        CatalogError
            There is no such table.

        Examples
        --------
        >>> from alphatwin.evidence import evidence
        >>> evidence().rows("conflict")[0].number
        1
        """
        if table not in TABLES:
            raise missing("table", table, TABLES)
        found = self._visible[table]
        return found if corrected else tuple(r for r in found if f"{table}:{r.id}" not in self.corrected)

    def one(self, table: str, name: str) -> Any:
        """The row with this id; a miss suggests others."""
        if table not in TABLES:
            raise missing("table", table, TABLES)
        if name not in self._by_id[table]:
            raise missing(table, name, self._by_id[table])
        return self._by_id[table][name]

    def record(self, name: str) -> Any:
        """The row that ``table:id`` names.

        Examples
        --------
        >>> from alphatwin.evidence import evidence
        >>> evidence().record("outcome:ballal2020.1.pr").numerator
        15
        """
        table, _, key = name.partition(":")
        return self.one(table, key)

    def table(self, name: str, corrected: bool = True) -> pd.DataFrame:
        """A table as a pandas frame, columns in the order of the schema; as of the day of this view.

        Parameters
        ----------
        name : str
            agent, study, source, extraction, cohort, regimen, outcome, adverse_event, time_to_event, dosimetry,
            correction, conflict, claim or gap.
        corrected : bool
            Whether rows that a correction took out are shown.

        Examples
        --------
        >>> from alphatwin.evidence import evidence
        >>> len(evidence().table("conflict"))
        16
        """
        from .query import frame

        return frame(name, self.rows(name, corrected))

    # --- cohorts -------------------------------------------------------------------------------------------------

    def cohort(self, name: str, extraction: str | None = None) -> Cohort:
        """A cohort as an extraction describes it; without one, as the closest reading does."""
        if name not in self._cohorts:
            raise missing("cohort", name, self._cohorts)
        found = self._cohorts[name]
        own = [c for c in found if c.extraction == extraction]
        return own[0] if own else max(found, key=self._closeness)

    def _closeness(self, row: Any) -> tuple[int, str]:
        return RANK[self.one("extraction", row.extraction).status], self.known_on(row.extraction)

    def overlaps_of(self, name: str) -> tuple[str, ...]:
        """Cohorts that share patients with this one, as any extraction says."""
        return tuple(dict.fromkeys(other for row in self._cohorts[name] for other in row.overlaps_with))

    def known_on(self, extraction: str) -> str:
        """Day from which a reading can be known."""
        row = self.one("extraction", extraction)
        return known_on(row, {row.source: _seen(self.one("source", row.source))})

    def size_of(self, name: str) -> int | None:
        """Patients treated, as the closest readings say; the largest of them where they differ."""
        known = [c for c in self._cohorts[name] if c.n_treated is not None]
        closest = max((self._closeness(c)[0] for c in known), default=0)
        return max((int(c.n_treated or 0) for c in known if self._closeness(c)[0] == closest), default=None)

    def prior_of(self, name: str) -> tuple[str, float | None, str]:
        """Earlier therapy of a cohort: status, share of patients with it, and how closely that was read."""
        best: tuple[str, float | None, str] = ("unknown", None, "")
        for row in self._cohorts[name]:
            if row.prior == "unknown":
                continue
            found = (row.prior, _share(row), str(self.one("extraction", row.extraction).status))
            if (found[1] or 0.0, RANK[found[2]]) > (best[1] or 0.0, RANK.get(best[2], -1)) or not best[2]:
                best = found
        return best

    def prior_share(self, name: str, status: str) -> float | None:
        """Share of a cohort's patients that have had earlier therapy of this status; None when nobody says.

        Whoever is refractory has progressed, and whoever has progressed was exposed.

        Examples
        --------
        >>> from alphatwin.evidence import evidence
        >>> round(evidence().prior_share("yadav2022", "exposed"), 3), round(evidence().prior_share("yadav2022", "progressed"), 3)
        (0.778, 0.333)
        """
        shares = [_share(row) for row in self._cohorts[name] if status in _IMPLIES[row.prior]]
        known = [s for s in shares if s is not None]
        if known:
            return max(known)
        opposite = any(row.prior in _IMPLIES and row.prior not in ("mixed", "unknown") for row in self._cohorts[name])
        return 0.0 if opposite and not shares else None

    # --- questions -----------------------------------------------------------------------------------------------

    def at_day(self, day: str) -> Evidence:
        """The same release as it would have been seen on an earlier day.

        Raises
        ------
        DomainError
            The day is not a date.
        """
        return Evidence(self.tables, self.release, _checked_day(day, self.newest), self.newest)

    def agents(self, asked: str) -> tuple[str, ...]:
        """Agents that a word stands for: an id, a radionuclide, a ligand, or a class of emitter.

        Raises
        ------
        CatalogError
            Nothing is called so, with the nearest names.

        Examples
        --------
        >>> from alphatwin.evidence import evidence
        >>> evidence().agents("Ac-225")
        ('ac225-dotatate', 'ac225-dotatoc', 'ac225-psma')
        """
        want = str(asked).strip().casefold()
        every = self.rows("agent")
        found = tuple(
            a.id for a in every if want in {a.id.casefold(), a.radionuclide.casefold(), a.ligand.casefold(), a.emitter_class, a.name.casefold()}
        )  # fmt: skip
        if not found or not want:
            names = [n for a in every for n in (a.id, a.radionuclide, a.ligand, a.emitter_class) if n]
            raise missing("agent of the evidence store", str(asked), dict.fromkeys(names))
        return found

    def studies(self, agent: str | None = None, species: str | None = None) -> tuple[Any, ...]:
        """Studies, all or those with a cohort of an agent.

        Parameters
        ----------
        agent : str, optional
            As for `agents`.
        species : str, optional
            human, mouse, rat or cells.

        Examples
        --------
        >>> from alphatwin.evidence import evidence
        >>> [s.id for s in evidence().studies(agent="at211-mabg")]
        ['fmu_mabg']
        """
        wanted = set(self.agents(agent)) if agent is not None else None
        with_cohort = {c.study for c in self.rows("cohort") if wanted is None or c.agent in wanted}
        return tuple(
            s
            for s in self.rows("study")
            if (wanted is None or s.agent in wanted or s.id in with_cohort)
            and (species is None or s.species == species)
        )

    def conflicts(self, agent: str | None = None) -> tuple[Any, ...]:
        """Rows that contradict each other, and what the store does about it; all, or those about an agent."""
        found = sorted(self.rows("conflict"), key=lambda c: int(c.number))
        if agent is None:
            return tuple(found)
        about = {s.id for s in self.studies(agent)}
        return tuple(c for c in found if any(self.study_of(r) in about for r in c.records))

    def gaps(self, agent: str | None = None) -> tuple[Any, ...]:
        """What no reachable source gives; all, or for an agent."""
        if agent is None:
            return self.rows("gap")
        about, wanted = {s.id for s in self.studies(agent)}, set(self.agents(agent))
        return tuple(g for g in self.rows("gap") if g.study in about or g.agent in wanted)

    def claims(self, status: str | None = None) -> tuple[Any, ...]:
        """Sentences of sources with the state of their check, as of the day.

        Examples
        --------
        >>> from alphatwin.evidence import evidence
        >>> evidence().claims("contradicted")[0].statement
        '213Bi emits one alpha particle and no beta particles'
        """
        return tuple(c for c in self.rows("claim") if status is None or c.check_status == status)

    def study_of(self, record: str) -> str | None:
        """The study that a record is about."""
        row = self.record(record)
        if record.startswith("study:"):
            return str(row.id)
        if getattr(row, "study", None):
            return str(row.study)
        extraction = getattr(row, "extraction", None)
        return self.one("extraction", extraction).study if extraction else None

    def select(
        self,
        outcome: str,
        *,
        agent: str | None = None,
        study: str | Iterable[str] | None = None,
        prior: str | None = None,
        prior_share: float = 0.5,
        assessor: str | None = None,
        prefer: str = "central",
        confidence: str = "seed",
        denominator: str = "evaluable",
        role: str | None = "experimental",
        species: str | None = "human",
        pooled_studies: bool = False,
        every_record: bool = False,
        leave_out: Iterable[str] = (),
        grade: str = "3+",
        reconstructed: bool = True,
        as_of: str | None = None,
    ) -> Selection:
        """Rows of one outcome, with counts ready to be pooled, and the rows that cannot be with the reason.

        Parameters
        ----------
        outcome : str
            response, control, blood or kidney toxicity (grade 3 or worse), or another name of ``OUTCOMES``.
        agent : str, optional
            Agent, radionuclide, ligand or class of emitter (``"alpha"``).
        study : str or several, optional
            Only these.
        prior : {"naive", "exposed", "progressed", "refractory"}, optional
            Cohorts in which at least ``prior_share`` of the patients have that status.
        prior_share : float
            0 to 1; 1 asks for cohorts where it holds for all.
        assessor : {"central", "investigator", "unknown"}, optional
            Only records of that assessor.
        prefer : {"central", "investigator"}
            Which one is used where a cohort has both.
        confidence : {"seed", "secondary", "abstract", "full_text"}
            Read at least so closely; seed and secondary are one level.
        denominator : {"evaluable", "treated"}
            Over whom.
        role : str or None
            experimental, control, or None for both.
        species : str or None
            human by default.
        pooled_studies : bool
            Whether meta-analyses are rows too: they hold the patients of others.
        every_record : bool
            All records of a cohort instead of the one that is preferred.
        leave_out : iterable of str
            Studies or cohorts to leave out.
        grade : {"3+", "4+"}
            Of blood and kidney toxicity.
        reconstructed : bool
            Whether a count that only a percentage and its denominator give is used.
        as_of : str, optional
            A day; what was printed later is not seen.

        Returns
        -------
        Selection

        Raises
        ------
        DomainError, CatalogError
            An argument is none of those named above.

        Examples
        --------
        >>> from alphatwin.evidence import evidence
        >>> found = evidence().select("response", agent="Ac-225", prior="exposed", confidence="abstract")
        >>> [(r.cohort, r.events, r.total) for r in found]
        [('demirci2023', 4, 9), ('yadav2022', 4, 8)]
        """
        from .selection import Filter, chosen

        view = self if as_of is None else self.at_day(as_of)
        only = frozenset((study,) if isinstance(study, str) else study or ())
        asked = Filter(
            outcome=outcome_name(outcome), agent=agent, studies=only, prior=prior, prior_share=prior_share, assessor=assessor, prefer=prefer,
            confidence=confidence, denominator=denominator, role=role, species=species, pooled_studies=pooled_studies, every_record=every_record, grade=grade, reconstructed=reconstructed,
            leave_out=frozenset((leave_out,) if isinstance(leave_out, str) else leave_out),
        )  # fmt: skip
        return chosen(view, asked)

    def counts(self, outcome: str, denominator: str = "evaluable") -> Iterator[Row]:
        """Every record of an outcome, unfiltered, counts derived."""
        return counted_rows(self, outcome_name(outcome), denominator)

    def query(self, sql: str) -> pd.DataFrame:
        """A question in SQL over the tables and the view ``counts``; read-only, no file can be reached.

        Raises
        ------
        DomainError
            DuckDB is not installed (extra ``evidence``), or it refuses the question.

        Examples
        --------
        >>> from alphatwin.evidence import evidence
        >>> int(evidence().query("SELECT count(*) AS n FROM conflict")["n"][0])
        16
        """
        from .query import query

        return query(self, sql)

    def csv(self) -> dict[str, str]:
        """Every table as CSV text, by name: what `evidence(extra=...)` reads back."""
        return {table: csv_text(table, rows) for table, rows in self.tables.items()}

    @property
    def stamp(self) -> str:
        """Release and day, to stand on whatever is shown."""
        return f"release {self.release[:12]}, as of {self.as_of}"


def _share(row: Cohort) -> float | None:
    size = row.n_treated or row.n_enrolled
    if row.prior_n is None:
        return 1.0
    return row.prior_n / size if size else None


def _checked_day(day: str, newest: str) -> str:
    import datetime

    try:
        text = last_day(str(day))
        return datetime.date.fromisoformat(text).isoformat()
    except (ValueError, IndexError) as error:
        raise DomainError(f"{day!r} is not a day; write 2025, 2025-10 or 2025-10-08 (newest row: {newest}).") from error


def _view(tables: Mapping[str, tuple[TableRow, ...]], as_of: str) -> dict[str, tuple[Any, ...]]:
    """What was known on a day: sources printed by then, what was read in them, and the claims as they stood."""
    dates: dict[str, str] = {s.id: _seen(s) for s in tables["source"]}
    readings: list[Any] = [e for e in tables["extraction"] if known_on(e, dates) <= as_of]
    read = {e.id for e in readings}
    made: dict[str, tuple[Any, ...]] = {}
    for table, rows in tables.items():
        if table == "source":
            made[table] = tuple(s for s in rows if dates[s.id] <= as_of)
        elif table == "extraction":
            made[table] = tuple(readings)
        elif "extraction" in TABLES[table].model_fields:
            made[table] = tuple(r for r in rows if getattr(r, "extraction", "") in read)
        else:
            made[table] = rows
    claims = {c.id for c in made["claim"]}
    made["claim"] = tuple(
        c.model_copy(update={"check_status": "unchecked", "check": "", "superseded_by": None})
        if c.check_status == "superseded" and c.superseded_by not in claims
        else c
        for c in made["claim"]
    )
    there = {e.study for e in readings} | {c.study for c in made["cohort"]}
    made["study"] = tuple(s for s in tables["study"] if s.id in there)
    made["gap"] = tuple(
        g for g in tables["gap"] if getattr(g, "study", None) is None or getattr(g, "study", "") in there
    )
    seen = {f"{table}:{row.id}" for table, rows in made.items() for row in rows}
    made["conflict"] = tuple(c for c in tables["conflict"] if all(r in seen for r in getattr(c, "records", ())))
    made["correction"] = tuple(c for c in tables["correction"] if getattr(c, "record", "") in seen)
    return made


def _seen(source: Any) -> str:
    """Day from which a source is known: the last that its date stands for, but not after somebody had it."""
    days = [
        day for day in (source.date and last_day(source.date), source.retrieved and last_day(source.retrieved)) if day
    ]
    return min(days, default="0000-01-01")


def known_on(extraction: Any, dates: Mapping[str, str]) -> str:
    """Day from which a reading can be known: that of its source, but not after the reading itself."""
    own = last_day(extraction.date)
    day = dates.get(extraction.source, "")
    return min(day, own) if day > "0000-01-01" else own


@functools.cache
def _shipped() -> Evidence:
    from ..catalog import evidence_tables

    texts = evidence_tables()
    return _assembled({table: read_table(table, texts[table]) if table in texts else () for table in TABLES})


def _assembled(tables: dict[str, tuple[TableRow, ...]]) -> Evidence:
    check_links(tables)
    days = [
        getattr(row, day) for table, day in (("extraction", "date"), ("source", "retrieved")) for row in tables[table]
    ]
    newest = max((last_day(day) for day in days if day), default="1900-01-01")
    return Evidence(MappingProxyType(tables), content_hash(tables), newest, newest)


def joined(store: Evidence, added: Tables) -> Evidence:
    """A store with more rows, checked as one.

    Raises
    ------
    CatalogError
        A row stands twice, or names one that is not there.
    """
    return _assembled({table: (*store.tables[table], *added.get(table, ())) for table in TABLES})


def evidence(extra: str | pathlib.Path | None = None, as_of: str | None = None) -> Evidence:
    """The evidence store: every study that is known here, with its conflicts and its gaps.

    Parameters
    ----------
    extra : path, optional
        A folder of CSVs named after the tables, whose rows are added; they may correct rows of the store, never
        change them.
    as_of : str, optional
        A day; what was printed later is not seen.

    Returns
    -------
    Evidence

    Raises
    ------
    CatalogError
        A row of the folder is refused, with its line and column.

    Examples
    --------
    >>> store = evidence()
    >>> len(store.rows("conflict")), [r.name for r in store.gaps(agent="at211-mabg")]
    (16, ['211At-MABG'])
    """
    store = _shipped()
    if extra is not None:
        added = read_folder(extra)
        try:
            store = joined(store, added)
        except CatalogError as error:
            raise CatalogError(f"{extra}: {error}") from error
    return store if as_of is None else store.at_day(as_of)
