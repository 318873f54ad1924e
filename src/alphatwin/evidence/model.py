"""What a row of the evidence store is: one pydantic model a table, frozen, refused when a field breaks its rule.

The tables are long: a study has cohorts, a cohort has regimens, outcomes, adverse events, times to event and doses, and
every fact row names the extraction it came from: which study was read in which source, where, by whom and how closely.
Rows are only ever appended. A wrong row stays, and a `correction` takes it out of every view.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["FACTS", "RANK", "STATUSES", "TABLES", "Status", "TableRow", "key_of", "last_day", "links", "schema"]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", max_length=120)]
Names = Annotated[tuple[Name, ...], Field(max_length=50)]
Text = Annotated[str, Field(max_length=4000)]
Count = Annotated[int, Field(ge=0, le=10_000_000)]
Positive = Annotated[float, Field(gt=0)]
Day = Annotated[str, Field(pattern=r"^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$", description="2025, 2025-10 or 2025-10-08")]  # fmt: skip
Record = Annotated[str, Field(pattern=r"^[a-z_]+:[A-Za-z0-9][A-Za-z0-9_.+-]*$", description="table:id")]
Status = Literal["seed", "secondary", "abstract", "full_text"]
STATUSES: tuple[str, ...] = get_args(Status)
RANK = {"seed": 0, "secondary": 0, "abstract": 1, "full_text": 2}  # second-hand is second-hand, whoever prints it
Prior = Literal["naive", "exposed", "progressed", "refractory", "mixed", "unknown"]
DenominatorType = Literal["enrolled", "treated", "evaluable", "subgroup", "unknown"]
Assessor = Literal["central", "investigator", "unknown"]
YesNo = Literal["yes", "no", "unknown"]
OutcomeName = Literal[
    "complete_response", "partial_response", "stable_disease", "progressive_disease", "not_evaluable",
    "objective_response", "disease_control", "assessed", "psa50", "psa_decline", "clinical_response",
    "gfr_change", "egfr_slope", "growth_inhibition", "apoptosis", "renal_function", "tumour_response",
    "completed_cycles", "other_registered",
]  # fmt: skip


class TableRow(BaseModel):
    """Frozen, no unknown columns, no infinite numbers; an empty cell is an absent value."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)
    id: Name


class Agent(TableRow):
    """A radiopharmaceutical, or the group of them that a pooled analysis is about."""

    name: Text
    radionuclide: str = Field(pattern=r"^([A-Z][a-z]?-\d{1,3}|several|none)$", description="Ac-225, several or none")
    ligand: Text = ""
    target: Text = ""
    chelator: Text = ""
    emitter_class: Literal["alpha", "beta", "auger", "mixed", "none"]


class Study(TableRow):
    """A body of patients, animals or cells that was investigated: it is not the paper that reports it."""

    title: Text
    agent: Name
    year: int | None = Field(default=None, ge=1900, le=2200)
    design: Literal["prospective", "retrospective", "pilot", "first_in_human", "dose_finding", "single_arm", "randomised",
                    "cohort", "case_report", "meta_analysis", "preclinical", "in_vitro", "review"]  # fmt: skip
    phase: Text = ""
    species: Literal["human", "mouse", "rat", "cells"] = "human"
    registry_id: Names = ()
    centre: Text = ""
    overlaps_with: Names = Field(default=(), description="studies that share patients with this one")
    note: Text = ""


class Cohort(TableRow):
    """A group of a study as one source describes it: the same cohort has one row for each extraction."""

    extraction: Name
    study: Name
    agent: Name
    label: Text
    role: Literal["experimental", "control"] = "experimental"
    prior: Prior = "unknown"
    prior_n: Count | None = Field(default=None, description="patients with that status; empty: all of them")
    prior_agent: Text = ""
    disease: Text = ""
    grade: Text = ""
    n_planned: Count | None = None
    n_enrolled: Count | None = None
    n_treated: Count | None = None
    n_evaluable: Count | None = None
    overlaps_with: Names = Field(default=(), description="cohorts that share patients with this one")
    note: Text = ""

    @model_validator(mode="after")
    def _sizes_fit(self) -> Cohort:
        sizes = [n for n in (self.n_evaluable, self.n_treated, self.n_enrolled) if n is not None]
        if sizes != sorted(sizes):
            raise ValueError("n_evaluable <= n_treated <= n_enrolled does not hold")
        if self.prior_n is not None and sizes and self.prior_n > sizes[-1]:
            raise ValueError(f"prior_n {self.prior_n} is above the cohort's {sizes[-1]}")
        return self


class Regimen(TableRow):
    """An activity with its basis: per kilogram, fixed, capped, per square metre and by dosimetry are never mixed."""

    cohort: Name
    extraction: Name
    kind: Literal["planned", "delivered", "recommended", "tolerated", "schedule"]
    basis: Literal["fixed", "per_kg", "per_m2", "dosimetry", "unknown"]
    value: Positive | None = None
    low: Positive | None = None
    high: Positive | None = None
    unit: Literal["kBq", "MBq", "GBq", "kBq/kg", "MBq/kg", "GBq/kg", "MBq/m2", "GBq/m2", "mCi"] | None = None
    sd: Positive | None = None
    cumulative: bool = False
    cap: Positive | None = None
    cap_unit: Literal["kBq", "MBq", "GBq"] | None = None
    n: Count | None = None
    cycles_planned: Count | None = None
    cycles_delivered: Count | None = Field(default=None, description="cycles given, all patients together")
    interval_weeks: Positive | None = None
    route: Text = ""
    co_medication: Text = ""
    value_as_printed: Text = ""
    note: Text = ""

    @model_validator(mode="after")
    def _typed(self) -> Regimen:
        if any(v is not None for v in (self.value, self.low, self.high)):
            if self.unit is None:
                raise ValueError("an activity has no unit")
            per = {"per_kg": "/kg", "per_m2": "/m2"}.get(self.basis, "")
            if (per and not self.unit.endswith(per)) or (not per and "/" in self.unit):
                raise ValueError(f"basis {self.basis} does not go with the unit {self.unit}")
        if (self.cap is None) != (self.cap_unit is None):
            raise ValueError("cap and cap_unit go together")
        return self


class _Counted(TableRow):
    cohort: Name
    extraction: Name
    numerator: Count | None = None
    denominator: Count | None = None
    denominator_type: DenominatorType = "unknown"
    cutoff_date: Day | None = None
    value_as_printed: Text = ""
    ci_as_printed: Text = ""
    note: Text = ""

    @model_validator(mode="after")
    def _a_part_of_the_whole(self) -> _Counted:
        if self.numerator is not None:
            if self.denominator is None:
                raise ValueError(f"numerator {self.numerator} has no denominator")
            if self.numerator > self.denominator:
                raise ValueError(f"numerator {self.numerator} is above the denominator {self.denominator}")
        if self.denominator == 0:
            raise ValueError("the denominator is zero")
        return self


class Outcome(_Counted):
    """A count, or a value with its unit, of a named outcome; assessor, confirmation and cut-off are keys."""

    name: OutcomeName
    value: float | None = None
    unit: Text = ""
    criteria: Text = ""
    criteria_version: Text = ""
    assessor: Assessor = "unknown"
    confirmed: YesNo = "unknown"
    timepoint: Text = ""
    comparator: Name | None = None

    @model_validator(mode="after")
    def _valued(self) -> Outcome:
        if self.value is not None and not self.unit:
            raise ValueError("a value has no unit")
        return self


class AdverseEvent(_Counted):
    """Patients with an event of a grade; a grade carries the version of CTCAE that gave it."""

    term: Text = Field(min_length=1, description="MedDRA preferred term, or the words of the source")
    group: Literal["hematologic", "renal", "hepatic", "salivary", "second_malignancy", "death", "other", "any"]
    grade: Literal["any", "1", "2", "3", "4", "5", "1-2", "3-4", "4-5", "3+", "serious", "dlt", "not_graded"]
    ctcae_version: Literal["3", "4", "5", "6", "unknown", "not_graded"] = "unknown"
    whole_group: bool = Field(
        default=False, description="patients with any event of the group, not with one term of it"
    )
    attribution: Literal["related", "any", "unknown"] = "unknown"
    window: Text = ""
    cumulative: YesNo = "unknown"


class TimeToEvent(TableRow):
    """A median, a hazard ratio or a survival at a landmark, with its limits as printed."""

    cohort: Name
    extraction: Name
    endpoint: Literal["pfs", "os", "survival", "delay_of_toxicity", "other"]
    median: Positive | None = None
    low: Positive | None = None
    high: Positive | None = None
    unit: Literal["days", "months", "years"] = "months"
    not_reached: bool = False
    hr: Positive | None = None
    hr_low: Positive | None = None
    hr_high: Positive | None = None
    comparator: Name | None = None
    landmark: Positive | None = Field(default=None, description="time of the landmark, in `unit`")
    landmark_low: Annotated[float, Field(ge=0, le=1)] | None = None
    landmark_high: Annotated[float, Field(ge=0, le=1)] | None = None
    n_events: Count | None = None
    assessor: Assessor = "unknown"
    cutoff_date: Day | None = None
    reconstruction: Literal["none", "landmark", "digitised"] = "none"
    value_as_printed: Text = ""
    note: Text = ""

    @model_validator(mode="after")
    def _ordered(self) -> TimeToEvent:
        for what, low, mid, high in (
            ("median", self.low, self.median, self.high),
            ("hazard ratio", self.hr_low, self.hr, self.hr_high),
        ):
            known = [v for v in (low, mid, high) if v is not None]
            if known != sorted(known):
                raise ValueError(f"the limits of the {what} do not enclose it")
        return self


class Dosimetry(TableRow):
    """A dose, a dose per activity, an uptake or an RBE; a dose says how it is weighted, or that nobody knows."""

    cohort: Name
    extraction: Name
    region: Text
    quantity: Literal["dose", "dose_per_activity", "uptake", "rbe", "energy_ratio"]
    value: float
    sd: Positive | None = None
    unit: Text = Field(min_length=1)
    weighting: Literal["absorbed", "rbe_weighted", "unknown", "not_a_dose"]
    rbe: Positive | None = None
    method: Text = ""
    value_as_printed: Text = ""
    note: Text = ""

    @model_validator(mode="after")
    def _weighted(self) -> Dosimetry:
        if self.quantity.startswith("dose") == (self.weighting == "not_a_dose"):
            raise ValueError(
                f"a {self.quantity} cannot be weighted as {self.weighting!r}: absorbed, rbe_weighted or unknown"
            )
        if self.rbe is not None and self.weighting != "rbe_weighted":
            raise ValueError("rbe is given with a dose weighted by it, and only there")
        return self


class Source(TableRow):
    """Something that can be read: paper, abstract, registry entry, news. `verified`: somebody opened it."""

    kind: Literal["review", "journal", "conference", "registry", "news", "filing", "corpus"]
    citation: Text = Field(min_length=1)
    doi: Text = Field(default="", pattern=r"^(10\.\d{4,9}/\S+)?$")
    pmid: Text = Field(default="", pattern=r"^\d*$")
    nct: Text = Field(default="", pattern=r"^(NCT\d{8})?$")
    url: Text = Field(default="", pattern=r"^(https?://\S+)?$")
    bib_key: Text = ""
    date: Day | None = None
    licence: Text = ""
    retrieved: Day | None = None
    verified: bool = False
    found_by: Literal["database", "register", "citation", "website", "other"] = "other"
    decision: Literal["included", "excluded", "pending"] = "pending"
    reason: Text = ""
    duplicate_of: Name | None = None
    note: Text = ""

    @model_validator(mode="after")
    def _decided(self) -> Source:
        if self.decision == "excluded" and not self.reason:
            raise ValueError("an excluded source has no reason")
        return self


class Extraction(TableRow):
    """One reading: a study, in a source, at a place in it, by someone, on a day, and how close to the full text."""

    study: Name | None = Field(
        default=None, description="empty for a statement about no study, of physics for instance"
    )
    source: Name
    locator: Text = Field(min_length=1)
    status: Status
    by: Text = Field(min_length=1)
    date: Day
    verified_by: Text = ""
    cites: Name | None = Field(default=None, description="the source that a second-hand source gives for this study")
    cited_as: Text = ""
    note: Text = ""


class Correction(TableRow):
    """A row that must not be used any more, why, and what stands in its place."""

    record: Record
    reason: Text = Field(min_length=1)
    replaced_by: Record | None = None
    by: Text = Field(min_length=1)
    date: Day


class Conflict(TableRow):
    """Rows that contradict each other or themselves, and what the store does about it."""

    number: int = Field(ge=1)
    title: Text
    records: Annotated[tuple[Record, ...], Field(min_length=1, max_length=50)]
    rule: Text = Field(min_length=1)
    state: Literal["open", "settled"] = "open"


class Claim(TableRow):
    """A sentence of a source that can be right or wrong, and whether somebody checked it."""

    extraction: Name
    statement: Text = Field(min_length=1)
    check_status: Literal["unchecked", "stands", "contradicted", "superseded", "unclear"]
    check: Text = ""
    superseded_by: Name | None = None


class Gap(TableRow):
    """Something wanted that no reachable source gives: named, so that nobody fills it from memory."""

    name: Text
    study: Name | None = None
    agent: Name | None = None
    wanted: Text = Field(min_length=1)
    looked_in: Text = ""
    since: Day


TABLES: dict[str, type[TableRow]] = {
    "agent": Agent,
    "study": Study,
    "source": Source,
    "extraction": Extraction,
    "cohort": Cohort,
    "regimen": Regimen,
    "outcome": Outcome,
    "adverse_event": AdverseEvent,
    "time_to_event": TimeToEvent,
    "dosimetry": Dosimetry,
    "correction": Correction,
    "conflict": Conflict,
    "claim": Claim,
    "gap": Gap,
}
FACTS = ("cohort", "regimen", "outcome", "adverse_event", "time_to_event", "dosimetry", "claim")
_LINKS: dict[str, dict[str, str]] = {
    "study": {"agent": "agent", "overlaps_with": "study"},
    "source": {"duplicate_of": "source"},
    "extraction": {"study": "study", "source": "source", "cites": "source"},
    "cohort": {"extraction": "extraction", "study": "study", "agent": "agent", "overlaps_with": "cohort"},
    "regimen": {"cohort": "cohort", "extraction": "extraction"},
    "outcome": {"cohort": "cohort", "extraction": "extraction", "comparator": "cohort"},
    "adverse_event": {"cohort": "cohort", "extraction": "extraction"},
    "time_to_event": {"cohort": "cohort", "extraction": "extraction", "comparator": "cohort"},
    "dosimetry": {"cohort": "cohort", "extraction": "extraction"},
    "claim": {"extraction": "extraction", "superseded_by": "claim"},
    "gap": {"study": "study", "agent": "agent"},
}


def links(table: str) -> dict[str, str]:
    """Columns of a table that name a row of another, and which table that is."""
    return _LINKS.get(table, {})


def key_of(table: str, row: TableRow) -> str:
    """What may stand only once in a table: the id; for a cohort, its id in one extraction.

    Examples
    --------
    >>> key_of("agent", Agent(id="x", name="X", radionuclide="none", emitter_class="none"))
    'x'
    """
    return f"{row.id}@{row.extraction}" if isinstance(row, Cohort) else row.id


def listed(model: type[TableRow], column: str) -> bool:
    """Whether a column holds several values, separated by semicolons in a CSV."""
    annotation: Any = model.model_fields[column].annotation
    return get_origin(annotation) is tuple


def last_day(day: str) -> str:
    """The last day that a date stands for: a source of "2025" is known for certain only at the end of that year.

    Examples
    --------
    >>> last_day("2025"), last_day("2024-02"), last_day("2025-10-08")
    ('2025-12-31', '2024-02-29', '2025-10-08')
    """
    import calendar

    parts = [int(p) for p in day.split("-")]
    year, month = parts[0], parts[1] if len(parts) > 1 else 12
    return day if len(parts) == 3 else f"{year:04d}-{month:02d}-{calendar.monthrange(year, month)[1]:02d}"


def schema() -> dict[str, Any]:
    """JSON Schema of every table, by name; a CSV is read as one object a line, empty cells left out.

    Returns
    -------
    dict
        ``{"$defs": {...}, "properties": {table: array of rows}}``, draft 2020-12.

    Examples
    --------
    >>> sorted(schema()["properties"])[:3]
    ['adverse_event', 'agent', 'claim']
    """
    made: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "alphatwin evidence store",
        "type": "object",
        "additionalProperties": False,
        "properties": {},
        "$defs": {},
    }
    for table, model in TABLES.items():
        own = model.model_json_schema()
        own.pop("$defs", None)
        made["$defs"][table] = own
        made["properties"][table] = {"type": "array", "items": {"$ref": f"#/$defs/{table}"}}
    return made
