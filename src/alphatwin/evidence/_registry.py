"""A saved ClinicalTrials.gov record (API version 2) as rows: groups, outcome measures, adverse events.

The record is one object with `protocolSection` and, where results are posted, `resultsSection`; any part may be absent
or of another type than expected, so every step asks before it looks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import CatalogError, suggestion
from .model import AdverseEvent, Cohort, Extraction, Outcome, Source, Study, TableRow, TimeToEvent

if TYPE_CHECKING:
    from .store import Evidence

__all__ = ["RegistryRecord", "registry_rows"]

_OUTCOMES = (
    (r"disease control|clinical benefit rate", "disease_control"),
    (r"objective response|overall response|\borr\b|best overall response", "objective_response"),
    (r"complete (response|remission)", "complete_response"),
    (r"partial (response|remission)", "partial_response"),
    (r"stable disease", "stable_disease"),
    (r"progressive disease|disease progression", "progressive_disease"),
    (r"not evaluable|unevaluable", "not_evaluable"),
    (r"psa.{0,12}50", "psa50"),
)
_CATEGORIES = (
    (r"^(cr|complete (response|remission))\b", "complete_response"),
    (r"^(pr|partial (response|remission))\b", "partial_response"),
    (r"^(sd|stable disease)\b", "stable_disease"),
    (r"^(pd|progressive disease)\b", "progressive_disease"),
    (r"^(ne|not evaluable)\b", "not_evaluable"),
)
_GROUPS = (
    (r"blood and lymphatic", "hematologic"),
    (r"renal and urinary", "renal"),
    (r"hepatobiliary", "hepatic"),
    (r"neoplasms", "second_malignancy"),
)
_HEMATOLOGIC = r"neutro|platelet|thrombocyt|an[a]?emia|h[a]?emoglobin|lympho|leukop|white blood|marrow"
_RENAL = r"creatinine|renal|kidney|glomerular"
_TIMES = {"day": "days", "month": "months", "year": "years"}


def _get(data: Any, *path: str) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _objects(data: Any, *path: str) -> list[Mapping[str, Any]]:
    found = _get(data, *path)
    return [x for x in found if isinstance(x, Mapping)] if isinstance(found, list) else []


def _text(data: Any, *path: str, limit: int = 3900) -> str:
    found = _get(data, *path)
    return (
        " ".join(str(found).split())[:limit]
        if isinstance(found, str | int | float) and not isinstance(found, bool)
        else ""
    )


def _number(text: Any) -> float | None:
    try:
        value = float(str(text).replace(",", "").strip())
    except ValueError:
        return None
    return value if abs(value) < 1e9 else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number == int(number) and number >= 0 else None


def _day(*candidates: str) -> str | None:
    return next((c for c in candidates if re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", c)), None)


@dataclass
class RegistryRecord:
    """The record, what it is called in messages, and what was left out of it."""

    data: Mapping[str, Any]
    where: str
    told: list[str] = field(default_factory=list)

    def protocol(self, *path: str) -> Any:
        """A part of the protocol section."""
        return _get(self.data, "protocolSection", *path)

    @property
    def nct(self) -> str:
        """The registry number."""
        found = _text(self.protocol("identificationModule"), "nctId")
        if not re.fullmatch(r"NCT\d{8}", found):
            raise CatalogError(
                f"{self.where}: identificationModule.nctId is {found or 'absent'!r}; NCT and eight digits are expected."
            )
        return found


def registry_rows(
    record: RegistryRecord, store: Evidence, agent: str | None, day: str
) -> tuple[dict[str, list[TableRow]], list[str]]:
    """The rows of one record, by table, and what could not be one."""
    from .importing import slug

    nct = record.nct
    identity = nct.casefold()
    status = record.protocol("statusModule")
    version = _day(_text(status, "lastUpdatePostDateStruct", "date"), _text(status, "lastUpdateSubmitDate"),
                   _text(record.data, "derivedSection", "miscInfoModule", "versionHolder"), day)  # fmt: skip
    stamp = (version or day).replace("-", "")
    if any(s.id == f"{identity}.{stamp}" for s in store.tables["source"]):
        raise CatalogError(f"{record.where}: {nct} in its version of {version} is in the store already.")
    title = _text(record.protocol("identificationModule"), "briefTitle") or nct
    known = _agent(record, store, agent)
    same = tuple(s.id for s in store.rows("study") if nct in s.registry_id and s.id != identity)
    source = Source(id=f"{identity}.{stamp}", kind="registry", citation=f"ClinicalTrials.gov {nct}: {title}"[:3900], nct=nct,
                    url=f"https://clinicaltrials.gov/study/{nct}", date=version, retrieved=day, verified=True, found_by="register",
                    decision="included")  # fmt: skip
    rows: dict[str, list[TableRow]] = {
        "source": [source],
        "study": [] if any(s.id == identity for s in store.rows("study")) else [_study(record, identity, title, known, nct, same)],
        "extraction": [
            Extraction(id=f"{identity}.{stamp}", study=identity, source=source.id, locator="posted results", status="secondary",
                       by="import of a saved registry record", date=day, note="posted by the sponsor; nobody has compared it with a publication")
        ],
        "cohort": [], "outcome": [], "adverse_event": [], "time_to_event": [],
    }  # fmt: skip
    made = _Made(record, identity, f"{identity}.{stamp}", known, slug, rows)
    made.outcomes()
    made.adverse_events()
    made.cohorts()
    if not _get(record.data, "resultsSection"):
        record.told.append(f"{nct} has no posted results")
    return {table: found for table, found in rows.items() if found}, record.told


def _study(record: RegistryRecord, identity: str, title: str, agent: str, nct: str, same: tuple[str, ...]) -> Study:
    start = _text(record.protocol("statusModule"), "startDateStruct", "date")[:4]
    design = record.protocol("designModule")
    phases = _get(design, "phases")
    randomised = _text(design, "designInfo", "allocation").upper() == "RANDOMIZED"
    return Study(
        id=identity, title=title, agent=agent, year=int(start) if re.fullmatch(r"(19|20|21)\d\d", start) else None, design="randomised" if randomised else "single_arm",
        phase=", ".join(str(p) for p in phases)[:200] if isinstance(phases, list) else "", registry_id=(nct,), overlaps_with=same,
        note=f"status {_text(record.protocol('statusModule'), 'overallStatus') or 'not given'}",
    )  # fmt: skip


def _agent(record: RegistryRecord, store: Evidence, asked: str | None) -> str:
    known = {a.id: a for a in store.rows("agent")}
    if asked is not None:
        if asked not in known:
            raise CatalogError(
                f"There is no agent {asked!r} in the store. {suggestion(asked, known)}Agents: {', '.join(known)}."
            )
        return asked
    names = [_text(i, "name") for i in _objects(record.protocol("armsInterventionsModule"), "interventions")]
    told = re.sub(r"[^a-z0-9]", "", " ".join(names).casefold())
    fits: list[str] = []
    for a in known.values():
        symbol, _, mass = a.radionuclide.partition("-")
        if mass and a.ligand and re.sub(r"[^a-z0-9]", "", a.ligand.casefold()) in told:
            element = symbol.casefold()
            if f"{mass}{element}" in told or f"{element}{mass}" in told:
                fits.append(a.id)
    if len(fits) != 1:
        raise CatalogError(
            f"{record.where}: the agent cannot be told from {', '.join(n for n in names if n) or 'no intervention'}. Name it with --agent: "
            f"{', '.join(known)}."
        )
    return fits[0]


@dataclass
class _Made:
    """Rows in the making: groups of the record become cohorts when a row is about them."""

    record: RegistryRecord
    identity: str
    extraction: str
    agent: str
    slug: Any
    rows: dict[str, list[TableRow]]
    groups: dict[str, tuple[str, int]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def group(self, title: str, size: int | None) -> str:
        """Id of the cohort of a group; groups with the same title are the same cohort."""
        name = f"{self.identity}.{self.slug(title or 'all participants') or 'group'}"
        old = self.groups.get(name, (title, 0))
        self.groups[name] = (old[0] or title, max(old[1], size or 0))
        return name

    def unique(self, stem: str) -> str:
        """An id that no other row of the import has."""
        stem = f"{self.extraction}.{stem}"[:110]
        name, n = stem, 2
        while name in self.used:
            name, n = f"{stem}_{n}", n + 1
        self.used.add(name)
        return name

    def cohorts(self) -> None:
        """Rows of the groups that were met, all of them sharing the patients of the study with nobody else."""
        conditions = _get(self.record.protocol("conditionsModule"), "conditions")
        disease = ", ".join(str(c) for c in conditions[:5]) if isinstance(conditions, list) else ""
        parts = list(self.groups)
        for name, (title, size) in self.groups.items():
            whole = size and any(o != name and self.groups[o][1] and self.groups[o][1] < size for o in parts)
            shared = tuple(o for o in parts if o != name and (whole or self._within(name, o)))[:50]
            self.rows["cohort"].append(
                Cohort(id=name, extraction=self.extraction, study=self.identity, agent=self.agent, label=title[:300] or "all participants",
                       disease=disease[:300], n_treated=size or None, overlaps_with=shared,
                       note="groups of a record may hold the same participants" if shared else "")
            )  # fmt: skip

    def _within(self, name: str, other: str) -> bool:
        return bool(self.groups[name][1] and self.groups[other][1] > self.groups[name][1])

    # --- outcome measures ----------------------------------------------------------------------------------------

    def outcomes(self) -> None:
        """Every measurement of every outcome measure."""
        measures = _objects(self.record.data, "resultsSection", "outcomeMeasuresModule", "outcomeMeasures")
        for measure in measures:
            titles = {_text(g, "id"): _text(g, "title", limit=300) for g in _objects(measure, "groups")}
            whole = _denominators(measure)
            for each in _objects(measure, "classes"):
                sizes = {**whole, **_denominators(each)}
                for category in _objects(each, "categories"):
                    label = " ".join(v for v in (_text(each, "title"), _text(category, "title")) if v)
                    for m in _objects(category, "measurements"):
                        self._measurement(measure, label, m, titles, sizes)

    def _measurement(
        self, measure: Any, label: str, m: Any, titles: Mapping[str, str], sizes: Mapping[str, int]
    ) -> None:
        group = _text(m, "groupId")
        title = _text(measure, "title", limit=1000)
        if group not in titles:
            self.record.told.append(f"{title}: a measurement of the unknown group {group or '(none)'} was left out")
            return
        value = _number(_get(m, "value"))
        if value is None:
            self.record.told.append(
                f"{title}, {titles[group]}: {_text(m, 'value') or 'no value'} is no number and was left out"
            )
            return
        n = sizes.get(group)
        unit = _text(measure, "unitOfMeasure", limit=100) or "as posted"
        span = [_text(m, "lowerLimit"), _text(m, "upperLimit")]
        limits = f"{span[0]}-{span[1]}" if all(span) else ""
        if self._median(measure, title, unit, value, span, group, titles, n):
            return
        told = f"{title} {label}".casefold()
        name = _named(_CATEGORIES, label.casefold()) or _named(_OUTCOMES, told) or "other_registered"
        counts = (
            _text(measure, "paramType").upper() in ("COUNT_OF_PARTICIPANTS", "NUMBER")
            and "participant" in unit.casefold()
        )
        percent = "percent" in unit.casefold() or "%" in unit
        common: dict[str, Any] = {
            "id": self.unique(self.slug(f"{name} {group}", 60)), "cohort": self.group(titles[group], n), "extraction": self.extraction, "name": name,
            "assessor": "central" if re.search(r"central|independent|bicr", told) else "investigator" if "investigator" in told else "unknown",
            "confirmed": "yes" if re.search(r"\bconfirmed", told) else "unknown", "timepoint": _text(measure, "timeFrame", limit=500),
            "ci_as_printed": limits, "note": f"{title}; {label}"[:1500] if label else title,
            "criteria": "RECIST" if "recist" in told else "", "criteria_version": "1.1" if "1.1" in told else "",
        }  # fmt: skip
        k = _whole(value)
        if counts and not percent and k is not None and n and k <= n:
            row = Outcome(
                **common, numerator=k, denominator=n, denominator_type="unknown", value_as_printed=_text(m, "value")
            )
        elif percent and 0 <= value <= 100:
            row = Outcome(**common, denominator=n or None, value_as_printed=f"{_text(m, 'value')}%")
        else:
            row = Outcome(**{**common, "name": name if name == "other_registered" else "other_registered"}, value=value, unit=unit,
                          value_as_printed=_text(m, "value"))  # fmt: skip
        self.rows["outcome"].append(row)

    def _median(
        self,
        measure: Any,
        title: str,
        unit: str,
        value: float,
        span: list[str],
        group: str,
        titles: Mapping[str, str],
        n: int | None,
    ) -> bool:
        """A median survival or progression-free time; True when it became a row."""
        told = title.casefold()
        endpoint: Any = (
            "pfs" if "progression" in told and "free" in told else "os" if "overall survival" in told else ""
        )
        time: Any = next((name for stem, name in _TIMES.items() if stem in unit.casefold()), "")
        if not endpoint or not time or _text(measure, "paramType").upper() != "MEDIAN" or value <= 0:
            return False
        low, high = (x if x and x > 0 else None for x in map(_number, span))
        known = [x for x in (low, value, high) if x is not None]
        if known != sorted(known):
            low = high = None
        self.rows["time_to_event"].append(
            TimeToEvent(id=self.unique(f"{endpoint}_{self.slug(group)}"), cohort=self.group(titles[group], n), extraction=self.extraction,
                        endpoint=endpoint, median=value, low=low, high=high, unit=time, value_as_printed=f"{value:g} ({span[0]}-{span[1]})",
                        note=title)
        )  # fmt: skip
        return True

    # --- adverse events ------------------------------------------------------------------------------------------

    def adverse_events(self) -> None:
        """Totals of the groups and every event of every group."""
        module = _get(self.record.data, "resultsSection", "adverseEventsModule")
        window = _text(module, "timeFrame", limit=500)
        titles = {_text(g, "id"): _text(g, "title", limit=300) for g in _objects(module, "eventGroups")}
        for g in _objects(module, "eventGroups"):
            for kind, term, group, grade in (
                ("deaths", "death of any cause", "death", "5"),
                ("serious", "any", "any", "serious"),
                ("other", "any not serious", "any", "any"),
            ):
                self._event(
                    _text(g, "id"),
                    titles,
                    term,
                    group,
                    grade,
                    _get(g, f"{kind}NumAffected"),
                    _get(g, f"{kind}NumAtRisk"),
                    window,
                    kind,
                )
        for kind, grade in (("seriousEvents", "serious"), ("otherEvents", "any")):
            for event in _objects(module, kind):
                term, system = _text(event, "term", limit=500), _text(event, "organSystem", limit=500)
                if not term:
                    self.record.told.append(f"an event of {kind} has no term and was left out")
                    continue
                group = _organ(term.casefold(), system.casefold())
                for s in _objects(event, "stats"):
                    self._event(_text(s, "groupId"), titles, term, group, grade, _get(s, "numAffected"), _get(s, "numAtRisk"), window,
                                self.slug(f"{grade} {term}", 60), system)  # fmt: skip

    def _event(
        self,
        group_id: str,
        titles: Mapping[str, str],
        term: str,
        group: Any,
        grade: Any,
        k: Any,
        n: Any,
        window: str,
        tail: str,
        system: str = "",
    ) -> None:
        affected, at_risk = _whole(k), _whole(n)
        if affected is None or not at_risk:
            return
        if group_id not in titles or affected > at_risk:
            self.record.told.append(f"{term}, group {group_id or '(none)'}: {affected} of {at_risk} was left out")
            return
        self.rows["adverse_event"].append(
            AdverseEvent(id=self.unique(f"{tail}_{self.slug(group_id)}"), cohort=self.group(titles[group_id], at_risk), extraction=self.extraction,
                         term=term, group=group, grade=grade, numerator=affected, denominator=at_risk, denominator_type="treated",
                         window=window, attribution="any", note=system)
        )  # fmt: skip


def _denominators(data: Any) -> dict[str, int]:
    """Participants of each group: the denominators whose unit is participants, else the first ones."""
    found = _objects(data, "denoms")
    chosen = [d for d in found if "participant" in _text(d, "units").casefold()] or found[:1]
    return {_text(c, "groupId"): n for d in chosen for c in _objects(d, "counts") if (n := _whole(_get(c, "value")))}


def _named(patterns: tuple[tuple[str, str], ...], told: str) -> str:
    return next((name for pattern, name in patterns if re.search(pattern, told)), "")


def _organ(term: str, system: str) -> str:
    if re.search(_HEMATOLOGIC, term):
        return "hematologic"
    if re.search(_RENAL, term):
        return "renal"
    return _named(_GROUPS, system) or "other"
