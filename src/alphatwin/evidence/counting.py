"""From rows as printed to counts: what was counted, printed, or can be reconstructed, and what stays unknown.

A response rate is CR + PR over the patients; disease control adds SD. Where a source gives the categories, the sums are
made here; where it prints k/n, that is a count; where it prints a percentage and a denominator, the count is taken if
only one fits. Nothing else becomes a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import DomainError, suggestion
from .checks import clopper_pearson, counts_behind, printed, wilson
from .model import RANK

if TYPE_CHECKING:
    from .store import Evidence

__all__ = ["ALIASES", "OUTCOMES", "Row", "counted_rows", "outcome_name"]

CATEGORIES = ("complete_response", "partial_response", "stable_disease", "progressive_disease")
SUMS = {"objective_response": CATEGORIES[:2], "disease_control": CATEGORIES[:3]}
TOXICITY = {"blood_toxicity": "hematologic", "kidney_toxicity": "renal"}
GRADES = {"3+": ("3+", "3-4"), "4+": ("4-5",)}  # what a source prints, by what is asked
SEVERE = ("3", "4", "5", "3+", "3-4", "4-5")
OUTCOMES = (*SUMS, *TOXICITY, *CATEGORIES, "psa50", "psa_decline", "assessed", "completed_cycles")
ALIASES = {
    "response": "objective_response", "orr": "objective_response", "objective-response": "objective_response",
    "control": "disease_control", "dcr": "disease_control", "disease-control": "disease_control",
    "blood": "blood_toxicity", "heme": "blood_toxicity", "haematological": "blood_toxicity", "hematologic": "blood_toxicity",
    "haematologic": "blood_toxicity", "marrow": "blood_toxicity",
    "kidney": "kidney_toxicity", "renal": "kidney_toxicity", "kidneys": "kidney_toxicity",
}  # fmt: skip
TIMES = ("pfs", "os", "survival")
_HOW = {"counted": 2, "printed": 1, "reconstructed": 0, "unknown": -1}


def outcome_name(asked: Any) -> str:
    """The outcome that a word stands for.

    Raises
    ------
    DomainError
        The outcome is not named, not known, or a time to event.

    Examples
    --------
    >>> outcome_name("response"), outcome_name("kidney")
    ('objective_response', 'kidney_toxicity')
    """
    name = asked.strip().casefold().replace(" ", "_") if isinstance(asked, str) else ""
    name = ALIASES.get(name, name)
    if name in OUTCOMES:
        return name
    known = ", ".join(OUTCOMES)
    if not name or name == "toxicity":
        raise DomainError(
            f"Name the outcome: blood and kidney toxicity, response and control are different numbers. Known: {known}."
        )
    if name in TIMES:
        raise DomainError(
            f"{asked!r} is a time to event: medians are not pooled like counts. See the table time_to_event, and pool restricted mean "
            "survival times."
        )
    raise DomainError(f"There is no outcome {asked!r}. {suggestion(name, (*OUTCOMES, *ALIASES))}Known: {known}.")


@dataclass(frozen=True, slots=True)
class Row:
    """One count of one cohort, with everything it stands on: where it was read, by whom it was assessed, how it was got.

    ``events`` and ``total`` are None where nobody can know them; ``why_not`` then says why, and ``candidates`` lists
    the counts that fit the printed percentage.
    """

    outcome: str
    study: str
    year: int | None
    cohort: str
    label: str
    agent: str
    radionuclide: str
    emitter_class: str
    species: str
    role: str
    design: str
    events: int | None
    total: int | None
    denominator_type: str
    how: str
    candidates: tuple[int, ...]
    printed: str
    assessor: str
    confirmed: str
    cutoff_date: str
    criteria: str
    grade: str
    ctcae_version: str
    prior: str
    prior_share: float | None
    records: tuple[str, ...]
    extraction: str
    status: str
    source: str
    citation: str
    locator: str
    date: str
    url: str
    flags: tuple[str, ...] = ()
    why_not: str = ""
    overlaps_with: tuple[str, ...] = field(default=(), repr=False)

    @property
    def id(self) -> str:
        """The record that the count was read from, or its first one where it is a sum."""
        return self.records[0]

    @property
    def fraction(self) -> float | None:
        """Events over total."""
        return self.events / self.total if self.events is not None and self.total else None

    @property
    def percent(self) -> float | None:
        """Percentage, computed from the counts."""
        return None if self.fraction is None else 100 * self.fraction

    @property
    def interval(self) -> tuple[float, float] | None:
        """Exact 95 % interval (Clopper-Pearson), as fractions."""
        return None if self.events is None or self.total is None else clopper_pearson(self.events, self.total)

    @property
    def wilson(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval, as fractions."""
        return None if self.events is None or self.total is None else wilson(self.events, self.total)

    @property
    def text(self) -> str:
        """Study and cohort as a label of a plot."""
        return self.study if self.cohort == self.study else self.cohort

    @property
    def preference(self) -> tuple[Any, ...]:
        """Which of several records of a cohort is used: read closest, central, confirmed, cut-off stated, counted, newest."""
        return (
            RANK[self.status],
            self.events is not None,
            {"central": 2, "investigator": 1, "unknown": 0}[self.assessor],
            self.confirmed == "yes",
            bool(self.cutoff_date),
            _HOW[self.how],
            self.date,
            self.extraction,
        )


def counted_rows(store: Evidence, outcome: str, denominator: str = "evaluable") -> Iterator[Row]:
    """Every record of an outcome in a store, one row each, with its count or the reason why there is none.

    Parameters
    ----------
    store : Evidence
        Where to look.
    outcome : str
        A canonical name of ``OUTCOMES``.
    denominator : {"evaluable", "treated"}
        Over whom: as the source counts (patients evaluable), or all treated, where those not evaluable count as
        without a response.
    """
    if outcome in TOXICITY:
        yield from _toxicity(store, outcome, denominator)
        return
    sums = _sums(store, outcome) if outcome in SUMS else {}
    taken: set[tuple[Any, ...]] = set()
    for key, (rows, counts, total) in sums.items():
        said = [r for r in store.rows("outcome") if r.name == outcome and _key(r) == key]
        text = next((r.value_as_printed for r in said if r.value_as_printed), "")
        taken.update(("outcome", r.id) for r in said)
        yield _made(
            store, rows[0], outcome, sum(counts), total, "counted", text, [r.id for r in (*rows, *said)], denominator
        )
    for r in store.rows("outcome"):
        if r.name == outcome and ("outcome", r.id) not in taken:
            yield _single(store, r, outcome, denominator)


def _key(r: Any) -> tuple[Any, ...]:
    return (r.cohort, r.extraction, r.assessor, r.confirmed, r.cutoff_date)


def _sums(store: Evidence, outcome: str) -> dict[tuple[Any, ...], tuple[list[Any], list[int], int]]:
    """Sums of categories, by key; a category that is not given is zero only when the others add up to the whole."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for r in store.rows("outcome"):
        if r.name in CATEGORIES and r.numerator is not None:
            groups.setdefault(_key(r), {})[r.name] = r
    made = {}
    for key, found in groups.items():
        totals = {r.denominator for r in found.values()}
        if len(totals) != 1:
            continue
        (total,) = totals
        complete = sum(r.numerator for r in found.values()) == total
        parts = SUMS[outcome]
        if not all(p in found for p in parts) and not complete:
            continue
        rows = [found[c] for c in CATEGORIES if c in found]
        made[key] = (rows, [found[p].numerator for p in parts if p in found], total)
    return made


def _single(store: Evidence, r: Any, outcome: str, denominator: str) -> Row:
    """A record that gives the outcome itself: as a count, or as a percentage."""
    told = printed(r.value_as_printed)
    if r.numerator is not None:
        return _made(store, r, outcome, r.numerator, r.denominator, "printed", r.value_as_printed, [r.id], denominator)
    if store.one("study", store.cohort(r.cohort, r.extraction).study).design == "meta_analysis":
        why = "a pooled estimate, not a count"
        return _made(
            store, r, outcome, None, r.denominator, "unknown", r.value_as_printed, [r.id], denominator, why=why
        )
    if r.denominator is None:
        why = "the denominator is not stated" if told.percent else "no count is given"
        return _made(store, r, outcome, None, None, "unknown", r.value_as_printed, [r.id], denominator, why=why)
    if not told.percent:
        return _made(
            store,
            r,
            outcome,
            None,
            r.denominator,
            "unknown",
            r.value_as_printed,
            [r.id],
            denominator,
            why="no count is given",
        )
    fits = counts_behind(told.percent, r.denominator)
    if len(fits) == 1:
        return _made(
            store,
            r,
            outcome,
            fits[0],
            r.denominator,
            "reconstructed",
            r.value_as_printed,
            [r.id],
            denominator,
            fits=fits,
        )
    why = (
        f"{told.percent} % of {r.denominator} fits {len(fits)} counts ({fits[0]} to {fits[-1]})"
        if fits
        else f"no count of {r.denominator} gives {told.percent} %"
    )
    return _made(
        store, r, outcome, None, r.denominator, "unknown", r.value_as_printed, [r.id], denominator, fits=fits, why=why
    )


def _toxicity(store: Evidence, outcome: str, denominator: str) -> Iterator[Row]:
    """Severe events of a group of organs; `grade` and `whole_group` decide later which of them answer the question."""
    for r in store.rows("adverse_event"):
        if r.group == TOXICITY[outcome] and r.grade in SEVERE:
            yield _single(store, r, outcome, denominator)


def _made(store: Evidence, r: Any, outcome: str, events: int | None, total: int | None, how: str, text: str, ids: list[str],
          denominator: str, fits: tuple[int, ...] = (), why: str = "") -> Row:  # fmt: skip
    cohort = store.cohort(r.cohort, r.extraction)
    study, agent = store.one("study", cohort.study), store.one("agent", cohort.agent)
    extraction = store.one("extraction", r.extraction)
    source = store.one("source", extraction.source)
    kind, flags = r.denominator_type, []
    if denominator == "treated" and events is not None and kind == "evaluable":
        treated = store.size_of(r.cohort)
        if treated is None:
            flags.append("number treated not known: evaluable used")
        elif treated != total:
            total, kind = treated, "treated"
    prior, share, prior_status = store.prior_of(r.cohort)
    if prior_status and RANK[prior_status] < RANK[extraction.status]:
        flags.append(f"prior therapy known from {prior_status} only")
    grade = getattr(r, "grade", "")
    version = getattr(r, "ctcae_version", "") if grade else ""
    if grade and version in ("unknown", "not_graded"):
        flags.append("CTCAE version unknown")
    if grade and not r.whole_group and not why:
        events, why = None, f"{r.term}: one event of the group, not any of it"
    table = "adverse_event" if grade else "outcome"
    criteria = " ".join(v for v in (getattr(r, "criteria", ""), getattr(r, "criteria_version", "")) if v)
    return Row(
        outcome=outcome, study=study.id, year=study.year, cohort=r.cohort, label=cohort.label, agent=agent.id, radionuclide=agent.radionuclide,
        emitter_class=agent.emitter_class, species=study.species, role=cohort.role, design=study.design,
        events=events, total=total, denominator_type=kind, how=how, candidates=fits or ((events,) if events is not None else ()),
        printed=text, assessor=getattr(r, "assessor", "unknown"), confirmed=getattr(r, "confirmed", "unknown"), cutoff_date=r.cutoff_date or "",
        criteria=criteria or getattr(r, "term", ""), grade=grade, ctcae_version=version, prior=prior, prior_share=share,
        records=tuple(f"{table}:{i}" for i in ids), extraction=r.extraction, status=extraction.status, source=source.id, citation=source.citation,
        locator=extraction.locator, date=store.known_on(r.extraction), url=link_of(source),
        flags=tuple(flags), why_not=why, overlaps_with=(*store.overlaps_of(r.cohort), *study.overlaps_with),
    )  # fmt: skip


def link_of(source: Any) -> str:
    """Where a source can be opened: DOI, address, registry entry; empty when none is known."""
    if source.doi:
        return f"https://doi.org/{source.doi}"
    if source.url:
        return str(source.url)
    return f"https://clinicaltrials.gov/study/{source.nct}" if source.nct else ""
