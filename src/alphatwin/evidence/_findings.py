"""What a machine can find wrong in the store: contradictions, impossible fractions, odd activities, missing conventions.

Nothing is corrected here. A finding names the rows it is about; whether it is an error is for somebody who reads the
source, and what they find is appended as a correction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .checks import counts_behind, fraction_fits, printed
from .counting import CATEGORIES, SUMS, TOXICITY, counted_rows

if TYPE_CHECKING:
    from .store import Evidence

__all__ = ["KINDS", "Finding", "activity_MBq", "equal_at_kg", "findings"]

REFERENCE_KG = 70.0
REFERENCE_M2 = 1.8
ODD_FACTOR = 2.0  # an activity beyond twice the largest, or below half the smallest, of the others of its radionuclide
KINDS = {
    "grim": "a printed percentage that no count of its denominator gives",
    "fraction": "a fraction whose denominator is above the number of patients",
    "sum": "categories that add up to more than their denominator",
    "printed": "a printed number that is not the one computed from the counts",
    "percent": "printed percentages of parts that do not add up to 100 %",
    "definition": "a disease control rate that is a response rate",
    "citation": "a source given for a study that reports another one",
    "activity": "an activity far outside those of its radionuclide",
    "basis": "activities of one study on different bases",
    "delivered": "a planned activity that was not the one delivered",
    "assessor": "assessors that differ",
    "weighting": "a dose without its weighting",
    "overlap": "studies with patients in common",
    "claim": "a statement that was checked and does not hold, or not any more",
    "grade": "a severe event without the version of CTCAE",
}
_MBQ = {"kBq": 1e-3, "MBq": 1.0, "GBq": 1e3, "mCi": 37.0}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at: its kind, the rows, and a sentence."""

    kind: str
    records: tuple[str, ...]
    text: str


def activity_MBq(
    value: float, unit: str, body_mass_kg: float = REFERENCE_KG, body_surface_m2: float = REFERENCE_M2
) -> float:
    """An activity in MBq for a body mass and surface.

    Examples
    --------
    >>> round(activity_MBq(120, "kBq/kg", 85), 6), activity_MBq(10.2, "MBq")
    (10.2, 10.2)
    """
    stem, _, per = unit.partition("/")
    return value * _MBQ[stem] * {"": 1.0, "kg": body_mass_kg, "m2": body_surface_m2}[per]


def equal_at_kg(per_kg: Any, fixed: Any) -> float:
    """Body mass at which an activity per kilogram equals a fixed one.

    Examples
    --------
    >>> from alphatwin.evidence import evidence
    >>> store = evidence()
    >>> a, b = (store.record(f"regimen:action1_part1.{i}.activity") for i in (1, 3))
    >>> round(equal_at_kg(a, b), 6)
    85.0
    """
    return activity_MBq(fixed.value, fixed.unit) / activity_MBq(per_kg.value, per_kg.unit, 1.0)


def findings(store: Evidence) -> tuple[Finding, ...]:
    """Everything the checks find in a store, in the order of ``KINDS``.

    Parameters
    ----------
    store : Evidence
        A store, with the rows of a user's folder where one was added.

    Returns
    -------
    tuple of Finding

    Examples
    --------
    >>> from alphatwin.evidence import evidence
    >>> [f.text for f in findings(evidence()) if f.kind == "fraction"][0]
    '24/34 is printed, and only 32 patients were treated'
    """
    found = [
        *_counts(store), *_sums(store), *_typed(store), *_definition(store), *_citations(store), *_activities(store), *_bases(store),
        *_delivered(store), *_assessors(store), *_weightings(store), *_overlaps(store), *_claims(store), *_grades(store),
    ]  # fmt: skip
    order = {kind: i for i, kind in enumerate(KINDS)}
    return tuple(sorted(found, key=lambda f: (order[f.kind], f.records)))


def _pooled(store: Evidence, row: Any) -> bool:
    return bool(store.one("study", store.cohort(row.cohort).study).design == "meta_analysis")


def _counts(store: Evidence) -> Iterator[Finding]:
    for table in ("outcome", "adverse_event"):
        for r in store.rows(table, corrected=True):
            name, told = f"{table}:{r.id}", printed(r.value_as_printed)
            cohort = store.cohort(r.cohort, r.extraction)
            size = max((n for n in (cohort.n_enrolled, cohort.n_treated) if n is not None), default=None)
            k, n = (r.numerator, r.denominator) if r.numerator is not None else (told.events, told.total)
            if (
                size is not None
                and k is not None
                and n is not None
                and not fraction_fits(k, n, size)
                and r.denominator_type != "subgroup"
            ):
                yield Finding("fraction", (name,), f"{k}/{n} is printed, and only {size} patients were treated")
            if told.percent and r.denominator and not _pooled(store, r):
                fits = counts_behind(told.percent, r.denominator)
                if not fits:
                    yield Finding("grim", (name,), f"no count of {r.denominator} gives {told.percent} %")
                elif r.numerator is not None and r.numerator not in fits:
                    yield Finding("printed", (name,), f"{r.numerator}/{r.denominator} is not {told.percent} %")


def _record(row: Any) -> tuple[Any, ...]:
    return row.cohort, row.extraction, row.assessor, row.confirmed, row.cutoff_date


def _groups(store: Evidence) -> dict[tuple[Any, ...], dict[str, Any]]:
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for r in store.rows("outcome", corrected=True):
        groups.setdefault(_record(r), {})[r.name] = r
    return groups


def _typed(store: Evidence) -> Iterator[Finding]:
    """A response or control rate whose count is not the sum of its categories in the same record."""
    groups = _groups(store)
    for r in store.rows("outcome", corrected=True):
        if r.name not in SUMS or r.numerator is None:
            continue
        found = groups[_record(r)]
        parts = [
            p
            for c in SUMS[r.name]
            if (p := found.get(c)) and p.numerator is not None and p.denominator == r.denominator
        ]
        counted = sum(p.numerator for p in parts)
        if counted > r.numerator or (len(parts) == len(SUMS[r.name]) and counted != r.numerator):
            text = f"{r.numerator}/{r.denominator} is given; its categories add up to {counted}/{r.denominator}"
            yield Finding("printed", (f"outcome:{r.id}", *(f"outcome:{p.id}" for p in parts)), text)


def _sums(store: Evidence) -> Iterator[Finding]:
    for found in _groups(store).values():
        parts = [found[c] for c in CATEGORIES if c in found and found[c].numerator is not None]
        names = tuple(f"outcome:{r.id}" for r in parts)
        totals = {r.denominator for r in parts}
        if len(totals) != 1:
            continue
        (total,) = totals
        counted = sum(r.numerator for r in parts)
        if counted > total:
            yield Finding("sum", names, f"{' + '.join(str(r.numerator) for r in parts)} = {counted} of {total}")
        shares = [float(p) for r in parts if r.numerator and (p := printed(r.value_as_printed).percent)]
        if counted == total and len(shares) == sum(r.numerator > 0 for r in parts) and shares and sum(shares) != 100:
            told = " + ".join(f"{s:g}" for s in shares)
            yield Finding("percent", names, f"{told} = {sum(shares):g} %: rounded parts; the counts add up to {total}")
    for outcome in SUMS:
        for row in counted_rows(store, outcome):
            told_row = printed(row.printed)
            if row.how != "counted" or row.total is None or row.events is None:
                continue
            other_percent = told_row.percent and row.events not in counts_behind(told_row.percent, row.total)
            if other_percent or told_row.events not in (None, row.events):
                text = f"{row.printed} is printed; the counts give {row.events}/{row.total}"
                yield Finding("printed", row.records, text)


def _definition(store: Evidence) -> Iterator[Finding]:
    for found in _groups(store).values():
        cr, pr, dcr = (found.get(n) for n in ("complete_response", "partial_response", "disease_control"))
        if (
            cr is None
            or pr is None
            or dcr is None
            or "stable_disease" in found
            or cr.numerator is None
            or pr.numerator is None
        ):
            continue
        percent = printed(dcr.value_as_printed).percent
        if percent and cr.numerator + pr.numerator in counts_behind(percent, cr.denominator):
            records = tuple(f"outcome:{r.id}" for r in (cr, pr, dcr))
            yield Finding("definition", records, f"DCR {percent} % is CR + PR ({cr.numerator + pr.numerator}/{cr.denominator}): an ORR; SD is missing")  # fmt: skip


def _citations(store: Evidence) -> Iterator[Finding]:
    about: dict[str, set[str]] = {}
    for e in store.rows("extraction"):
        if e.study and e.status in ("abstract", "full_text"):
            about.setdefault(e.source, set()).add(e.study)
    for e in store.rows("extraction"):
        if e.cites and e.study and about.get(e.cites) and e.study not in about[e.cites]:
            other = ", ".join(sorted(about[e.cites]))
            yield Finding("citation", (f"extraction:{e.id}",), f"{e.source} gives {e.cites} for {e.study}; that source reports {other}")  # fmt: skip


def _human_activities(store: Evidence) -> Iterator[tuple[Any, str, str, float, float]]:
    """Regimen, study, radionuclide and range in MBq of every single activity given to, or planned for, people."""
    for r in store.rows("regimen"):
        values = [v for v in (r.low, r.value, r.high) if v is not None]
        cohort = store.cohort(r.cohort, r.extraction)
        if not values or r.cumulative or store.one("study", cohort.study).species != "human":
            continue
        radionuclide = store.one("agent", cohort.agent).radionuclide
        low, high = (activity_MBq(v, r.unit) for v in (min(values), max(values)))
        if r.cap is not None:
            high = min(high, activity_MBq(r.cap, r.cap_unit))
        yield r, cohort.study, radionuclide, low, high


def _activities(store: Evidence) -> Iterator[Finding]:
    every = list(_human_activities(store))
    for r, study, nuclide, low, high in every:
        others = [(lo, hi) for _, s, n, lo, hi in every if n == nuclide and s != study]
        if len({s for _, s, n, _, _ in every if n == nuclide and s != study}) < 2:
            continue  # one other study is no range
        least, most = min(lo for lo, _ in others), max(hi for _, hi in others)
        if high > ODD_FACTOR * most or low < least / ODD_FACTOR:
            odd = high if high > ODD_FACTOR * most else low
            text = f"{r.value_as_printed or r.value} is {odd:.4g} MBq at {REFERENCE_KG:g} kg; other studies of {nuclide}: {least:.4g} to {most:.4g} MBq"
            yield Finding("activity", (f"regimen:{r.id}",), text)


def _bases(store: Evidence) -> Iterator[Finding]:
    """Recommended activities of one trial, per kilogram and fixed."""
    trials: dict[tuple[str, ...], list[Any]] = {}
    for r in store.rows("regimen"):
        if r.kind in ("recommended", "planned") and r.value is not None:
            study = store.one("study", store.cohort(r.cohort, r.extraction).study)
            trials.setdefault(study.registry_id or (study.id,), []).append(r)
    for rows in trials.values():
        kilograms = [r for r in rows if r.basis == "per_kg" and r.kind == "recommended"]
        fixed = [r for r in rows if r.basis == "fixed" and r.kind == "recommended"]
        for a in kilograms:
            for b in fixed:
                text = f"{a.value:g} {a.unit} and {b.value:g} {b.unit} agree at {equal_at_kg(a, b):.3g} kg only"
                yield Finding("basis", (f"regimen:{a.id}", f"regimen:{b.id}"), text)


def _delivered(store: Evidence) -> Iterator[Finding]:
    """A delivered activity that is none of the planned levels of its trial."""
    trials: dict[str, dict[str, list[Any]]] = {}
    for r in store.rows("regimen"):
        if r.value is not None and r.basis == "fixed" and r.kind in ("planned", "delivered"):
            study = store.cohort(r.cohort, r.extraction).study
            trials.setdefault(study, {}).setdefault(r.kind, []).append(r)
    for kinds in trials.values():
        plan = {round(activity_MBq(p.value, p.unit), 6): p for p in kinds.get("planned", [])}
        for r in kinds.get("delivered", []):
            given = activity_MBq(r.value, r.unit)
            if plan and round(given, 6) not in plan:
                near = min(plan, key=lambda v: abs(v - given))
                text = f"{given:g} MBq was delivered; the nearest planned level is {near:g} MBq"
                yield Finding("delivered", (f"regimen:{plan[near].id}", f"regimen:{r.id}"), text)


def _assessors(store: Evidence) -> Iterator[Finding]:
    by: dict[tuple[str, str, str], list[Any]] = {}
    for row in counted_rows(store, "objective_response"):
        if row.percent is not None:
            by.setdefault((row.cohort, row.extraction, row.cutoff_date), []).append(row)
    for (cohort, _, _), rows in by.items():
        central = [r for r in rows if r.assessor == "central"]
        local = [r for r in rows if r.assessor == "investigator"]
        for a in central:
            for b in local:
                gap = b.percent - a.percent
                if gap:
                    text = (
                        f"{cohort}: {a.events}/{a.total} central, {b.events}/{b.total} investigator, {gap:+.1f} points"
                    )
                    yield Finding("assessor", (*a.records, *b.records), text)


def _weightings(store: Evidence) -> Iterator[Finding]:
    for r in store.rows("dosimetry"):
        if r.weighting == "unknown":
            yield Finding("weighting", (f"dosimetry:{r.id}",), f"{r.value:g} {r.unit} to {r.region}: absorbed or weighted by an RBE is not stated")  # fmt: skip


def _overlaps(store: Evidence) -> Iterator[Finding]:
    seen: set[frozenset[str]] = set()
    for s in store.rows("study"):
        for other in s.overlaps_with:
            pair = frozenset((s.id, other))
            if pair not in seen:
                seen.add(pair)
                yield Finding("overlap", (f"study:{s.id}", f"study:{other}"), f"{s.id} and {other} share patients")


def _claims(store: Evidence) -> Iterator[Finding]:
    for c in store.rows("claim"):
        if c.check_status in ("contradicted", "superseded"):
            yield Finding("claim", (f"claim:{c.id}",), f"{c.check_status}: {c.statement}")


def _grades(store: Evidence) -> Iterator[Finding]:
    for outcome in TOXICITY:
        for row in counted_rows(store, outcome):
            if row.events is not None and row.ctcae_version == "unknown":
                yield Finding("grade", row.records, f"{row.text}: grade {row.grade} without the version of CTCAE")
