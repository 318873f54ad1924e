"""What was asked for, which rows answer it, which do not and why; and the guard against counting patients twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import DomainError, missing
from .counting import GRADES, OUTCOMES, Row, counted_rows
from .model import RANK, STATUSES

if TYPE_CHECKING:
    from .store import Evidence

__all__ = ["Filter", "MixedGrades", "Overlap", "Selection", "chosen", "independent", "overlaps"]

PRIORS = ("naive", "exposed", "progressed", "refractory")
ASSESSORS = ("central", "investigator", "unknown")
PARTS = ("agent", "radionuclide", "prior", "assessor", "status", "study")


class Overlap(DomainError):
    """Rows share patients: together they would count them twice."""


class MixedGrades(DomainError):
    """Rows were graded with different versions of CTCAE: grade 3 is not grade 3."""


@dataclass(frozen=True)
class Filter:
    """A question to the store; `Evidence.select` documents the fields."""

    outcome: str
    agent: str | None = None
    studies: frozenset[str] = frozenset()
    prior: str | None = None
    prior_share: float = 0.5
    assessor: str | None = None
    prefer: str = "central"
    confidence: str = "seed"
    denominator: str = "evaluable"
    role: str | None = "experimental"
    species: str | None = "human"
    pooled_studies: bool = False
    every_record: bool = False
    leave_out: frozenset[str] = frozenset()
    grade: str = "3+"
    reconstructed: bool = True

    def __post_init__(self) -> None:
        choices: tuple[tuple[str, Any, Sequence[Any]], ...] = (
            ("outcome", self.outcome, OUTCOMES),
            ("prior", self.prior, (None, *PRIORS)),
            ("assessor", self.assessor, (None, *ASSESSORS)),
            ("prefer", self.prefer, ASSESSORS[:2]),
            ("confidence", self.confidence, STATUSES),
            ("denominator", self.denominator, ("evaluable", "treated")),
            ("role", self.role, (None, "experimental", "control")),
            ("species", self.species, (None, "human", "mouse", "rat", "cells")),
            ("grade", self.grade, tuple(GRADES)),
        )
        for name, value, allowed in choices:
            if value not in allowed:
                raise missing(name, str(value), [str(a) for a in allowed if a is not None])
        share: Any = self.prior_share
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
            raise DomainError(f"prior_share is a share above 0 and up to 1, not {share!r}.")


@dataclass(frozen=True, eq=False)
class Selection:
    """Rows that answer a question, in the order of their labels.

    Attributes
    ----------
    rows : tuple of Row
        With counts.
    left_out : tuple of (Row, str)
        Rows about the same outcome that do not answer it, each with its reason.
    asked : Filter
        The question.
    release, as_of : str
        Of the store.
    """

    rows: tuple[Row, ...]
    left_out: tuple[tuple[Row, str], ...]
    asked: Filter
    release: str
    as_of: str
    store: Evidence

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def events(self) -> list[int]:
        """Numerators, ready for `pool`."""
        return [int(r.events or 0) for r in self.rows]

    @property
    def totals(self) -> list[int]:
        """Denominators."""
        return [int(r.total or 0) for r in self.rows]

    @property
    def labels(self) -> list[str]:
        """Cohorts."""
        return [r.text for r in self.rows]

    @property
    def links(self) -> list[dict[str, str]]:
        """Record, address and name of each row, for the lines of a forest plot."""
        return [{"id": r.id, "url": r.url, "label": r.text} for r in self.rows]

    @property
    def sources(self) -> list[str]:
        """What each row rests on: source, place in it, how closely it was read, the day it was known by; how the count was got."""
        return [f"{r.citation}; {r.locator}; read in: {r.status}; known by {r.date}; count: {r.how}" for r in self.rows]

    @property
    def stamp(self) -> str:
        """Release and day."""
        return f"release {self.release[:12]}, as of {self.as_of}"

    @property
    def flags(self) -> tuple[str, ...]:
        """What a reader must know before the rows are pooled."""
        told = [f"{r.text}: {flag}" for r in self.rows for flag in r.flags]
        versions = sorted({r.ctcae_version for r in self.rows if r.ctcae_version})
        if len(versions) > 1:
            told.append(f"mixed CTCAE versions: {', '.join(versions)}")
        return tuple(told)

    @property
    def overlaps(self) -> tuple[tuple[Row, Row, str], ...]:
        """Pairs of rows that share patients."""
        return overlaps(self.rows)

    def checked(self, force: bool = False) -> Selection:
        """The same selection if its rows may be pooled.

        Raises
        ------
        Overlap
            Two rows share patients; both are named. ``force=True`` pools them all the same.
        MixedGrades
            Toxicity graded with different known versions of CTCAE.
        DomainError
            There is no row.
        """
        if not self.rows:
            raise DomainError(f"No row answers the question. {_why_none(self.left_out)}")
        if force:
            return self
        shared = self.overlaps
        if shared:
            told = "; ".join(f"{a.text} ({a.extraction}) and {b.text} ({b.extraction}): {why}" for a, b, why in shared)
            raise Overlap(f"Rows share patients, who would be counted twice: {told}. Leave one out, or force it.")
        versions = sorted({r.ctcae_version for r in self.rows if r.ctcae_version not in ("", "unknown", "not_graded")})
        if len(versions) > 1:
            told = "; ".join(f"{r.text} CTCAE {r.ctcae_version}" for r in self.rows if r.ctcae_version in versions)
            raise MixedGrades(
                f"Grades of different CTCAE versions are not the same grades: {told}. Select one, or force it."
            )
        return self

    def without_overlap(self, keep: str = "largest") -> Selection:
        """Keep one row of each set that shares patients; the others move to ``left_out``.

        Parameters
        ----------
        keep : {"largest", "latest", "closest"}
            The most patients, the newest study, or the closest reading.
        """
        kept, dropped = independent(self.rows, keep)
        return replace(self, rows=kept, left_out=(*self.left_out, *dropped))

    def by(self, what: str) -> dict[str, Selection]:
        """The selection in parts.

        Parameters
        ----------
        what : {"agent", "radionuclide", "prior", "assessor", "status", "study"}
            Which rows belong together.

        Raises
        ------
        CatalogError
            Another word, with the words that are known.

        Examples
        --------
        >>> from alphatwin.evidence import evidence
        >>> {name: len(part) for name, part in evidence().select("response", agent="alpha").by("radionuclide").items()}
        {'Ac-225': 3, 'Bi-213': 1, 'Pb-212': 6}
        """
        if what not in PARTS:
            raise missing("way to part the rows", str(what), PARTS)
        names = sorted({str(getattr(r, what)) for r in self.rows})
        return {
            n: replace(self, rows=tuple(r for r in self.rows if str(getattr(r, what)) == n), left_out=()) for n in names
        }

    def pool(self, force: bool = False, **options: Any) -> Any:
        """Pool the rows: `alphatwin.pool` of their events and totals, after the guards of `checked`."""
        from .pool import pool

        ready = self.checked(force)
        return pool(ready.events, ready.totals, labels=ready.labels, rows=ready.links, **options)


def _why_none(left_out: Sequence[tuple[Row, str]]) -> str:
    if not left_out:
        return (
            "Nothing in the store has this outcome for it; see `alphatwin evidence list` and `alphatwin evidence gaps`."
        )
    return "Left out: " + "; ".join(f"{r.text} ({why})" for r, why in left_out[:6]) + "."


def chosen(store: Evidence, asked: Filter) -> Selection:
    """The rows of a store that answer a question."""
    agents = frozenset(store.agents(asked.agent)) if asked.agent is not None else None
    for name in (*asked.studies, *asked.leave_out):
        _check_name(store, name)
    kept: list[Row] = []
    left: list[tuple[Row, str]] = []
    for row in counted_rows(store, asked.outcome, asked.denominator):
        if not _about(row, asked, agents):
            continue
        why = _refused(store, row, asked)
        if why:
            left.append((row, why))
        else:
            kept.append(_graded(row, asked))
    if not asked.every_record:
        kept, others = _one_each(kept, asked.prefer)
        left.extend(others)
    order = sorted(kept, key=lambda r: (r.text, r.extraction))
    return Selection(tuple(order), tuple(left), asked, store.release, store.as_of, store)


def _check_name(store: Evidence, name: str) -> None:
    known = {s.id for s in store.rows("study")} | {c.id for c in store.rows("cohort")}
    if name not in known:
        raise missing("study or cohort", name, sorted(known))


def _about(row: Row, asked: Filter, agents: frozenset[str] | None) -> bool:
    """Whether the row belongs to what was asked at all; others are not even listed."""
    return (
        (agents is None or row.agent in agents)
        and (not asked.studies or row.study in asked.studies or row.cohort in asked.studies)
        and (asked.role is None or row.role == asked.role)
        and (asked.species is None or row.species == asked.species)
    )


def _refused(store: Evidence, row: Row, asked: Filter) -> str:
    """Why a row is not used; empty when it is."""
    if row.study in asked.leave_out or row.cohort in asked.leave_out:
        return "left out as asked"
    if row.design == "meta_analysis" and not asked.pooled_studies:
        return "a meta-analysis: it holds the patients of other studies"
    if RANK[row.status] < RANK[asked.confidence]:
        return f"read in: {row.status}"
    if asked.assessor is not None and row.assessor != asked.assessor:
        return f"assessor: {row.assessor}"
    if asked.prior is not None:
        share = store.prior_share(row.cohort, asked.prior)
        if share is None:
            return "prior therapy unknown or mixed"
        if share < asked.prior_share:
            return f"prior therapy {asked.prior} in {100 * share:.0f} %"
    if row.how == "reconstructed" and not asked.reconstructed:
        return "the count is reconstructed from a percentage"
    if row.grade and row.grade not in GRADES[asked.grade] and not _none_at_all(row, asked):
        return f"grade {row.grade} is printed, {asked.grade} is asked"
    return row.why_not


def _none_at_all(row: Row, asked: Filter) -> bool:
    """Whoever has no event of grade 3 or worse has none of grade 4 or worse."""
    return asked.grade == "4+" and row.grade == "3+" and row.events == 0


def _graded(row: Row, asked: Filter) -> Row:
    """The row, with a flag where the grade asked for is not quite the one that is printed."""
    if row.grade in ("", asked.grade):
        return row
    told = f"no event of grade {row.grade}" if _none_at_all(row, asked) else f"grade {row.grade} is printed"
    return replace(row, flags=(*row.flags, told))


def _one_each(rows: list[Row], prefer: str) -> tuple[list[Row], list[tuple[Row, str]]]:
    """The preferred record of every cohort; the others with the one that stands for them."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.cohort, []).append(row)
    kept: list[Row] = []
    others: list[tuple[Row, str]] = []
    for group in groups.values():
        best = max(group, key=lambda r: (RANK[r.status], r.assessor == prefer, r.preference))
        kept.append(best)
        others.extend(
            (r, f"another record of the cohort; {best.extraction} ({best.assessor}) is used")
            for r in group
            if r is not best
        )
    return kept, others


def overlaps(rows: Sequence[Row]) -> tuple[tuple[Row, Row, str], ...]:
    """Pairs of rows that share patients, with how that is known."""
    found = []
    for i, a in enumerate(rows):
        for b in rows[i + 1 :]:
            why = _shared(a, b)
            if why:
                found.append((a, b, why))
    return tuple(found)


def _shared(a: Row, b: Row) -> str:
    if a.cohort == b.cohort:
        return "the same cohort"
    if b.cohort in a.overlaps_with or a.cohort in b.overlaps_with:
        return "cohorts with patients in common"
    if b.study in a.overlaps_with or a.study in b.overlaps_with:
        return "studies with patients in common"
    if "meta_analysis" in (a.design, b.design) and a.emitter_class == b.emitter_class:
        return "a meta-analysis holds the patients of other studies"
    return ""


def independent(rows: Sequence[Row], keep: str = "largest") -> tuple[tuple[Row, ...], tuple[tuple[Row, str], ...]]:
    """Rows without common patients, taken greedily from the first by `keep`; and those that had to go.

    Raises
    ------
    DomainError
        ``keep`` is not one of largest, latest, closest.
    """
    rules: dict[str, Any] = {
        "largest": lambda r: (r.total or 0, r.preference),
        "latest": lambda r: (r.year or 0, r.date, r.total or 0, r.preference),
        "closest": lambda r: (r.preference, r.total or 0),
    }
    if keep not in rules:
        raise missing("rule for overlapping rows", str(keep), rules)
    kept: list[Row] = []
    dropped: list[tuple[Row, str]] = []
    for row in sorted(rows, key=rules[keep], reverse=True):
        against = next(((k, why) for k in kept if (why := _shared(k, row))), None)
        if against is None:
            kept.append(row)
        else:
            dropped.append((row, f"shares patients with {against[0].text} ({against[1]}), the {keep}"))
    order = {id(r): i for i, r in enumerate(rows)}
    return tuple(sorted(kept, key=lambda r: order[id(r)])), tuple(dropped)
