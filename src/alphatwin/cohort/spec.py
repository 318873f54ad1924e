"""A cohort as a file: who is treated, with what, and how far one patient differs from another."""

from __future__ import annotations

import hashlib
import json
import math
import pathlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from .. import catalog
from ..case._fields import Part, fault
from ..case.model import AgentName, Prescription
from ..case.reading import Parts, read_as, read_mapping
from ..catalog._cohort import population
from ..catalog._pbpk import ModelParameter
from ..errors import AlphatwinError, DomainError, suggestion
from ..units import read_quantity

__all__ = ["CohortSpec", "cohort_schema", "load_cohort"]

MOST_PATIENTS = 100_000_000
_MEASURED_MARROW = "lu177-dotatate"
_ROUNDING = 1e-10  # an eigenvalue below minus this is no rounding

Positive = Annotated[float, Field(gt=0.0)]
Array = np.ndarray[Any, np.dtype[np.float64]]


class TreatmentSpec(Part):
    """What every patient gets."""

    activity: str = Field(description="per cycle, e.g. '7.4 GBq' or '120 kBq/kg'")
    cycles: int = Field(default=4, ge=1, le=12, strict=True)
    interval: str = Field(default="8 weeks", description="from one cycle to the next, e.g. '8 weeks'")
    amino_acids: bool = Field(default=True, description="whether amino acids protect the kidneys")

    @field_validator("activity")
    @classmethod
    def _activity(cls, value: str) -> str:
        Prescription.model_validate(value)
        return value

    @field_validator("interval")
    @classmethod
    def _interval(cls, value: str) -> str:
        hours = read_quantity(value, "h", "time")
        if not 7 * 24.0 <= hours <= 2 * 8766.0:
            raise ValueError(f"{value!r} is out of range; cycles lie 7 d to 2 years apart.")
        return value

    @property
    def interval_d(self) -> float:
        """Days from one cycle to the next."""
        return read_quantity(self.interval, "h", "time") / 24.0

    @property
    def activity_MBq_fixed(self) -> float | None:
        """MBq of a cycle; None where it goes by body mass."""
        given = Prescription.model_validate(self.activity)
        return given.value if given.basis == "fixed" else None

    def activity_MBq(self, body_mass_kg: Array) -> Array:
        """Activity of a cycle [sample]."""
        given = Prescription.model_validate(self.activity)
        return np.full_like(body_mass_kg, given.value) if given.basis == "fixed" else given.value * body_mass_kg


class CovariateSpec(Part):
    """Another value or spread for one covariate of the population; what is left out stays as it is."""

    value: float | None = Field(default=None, description="median, or mean of a normal covariate")
    cv: float | None = Field(
        default=None, ge=0.0, le=5.0, description="spread between patients over the value, e.g. 0.25"
    )
    low: float | None = None
    high: float | None = None


class CorrelationSpec(Part):
    """Correlation of the scores of two covariates."""

    between: tuple[str, str]
    rho: float = Field(ge=-1.0, le=1.0, description="-1 to 1")


class CovarianceSpec(Part):
    """A covariance of several covariates: of logarithms for lognormal ones, of values for normal ones."""

    of: tuple[str, ...] = Field(min_length=2, description="names of covariates")
    matrix: tuple[tuple[float, ...], ...] = Field(description="one row for each, symmetric")

    @model_validator(mode="after")
    def _square(self) -> Self:
        k = len(self.of)
        if len(set(self.of)) != k:
            raise fault("a covariate stands there twice.", "of")
        if len(self.matrix) != k or any(len(row) != k for row in self.matrix):
            raise fault(f"it must have {k} rows of {k} numbers, one for each name.", "matrix")
        m = np.array(self.matrix)
        for i in range(k):
            if m[i, i] <= 0.0:
                raise fault(f"the variance of {self.of[i]} is {m[i, i]:g}; it must be above 0.", "matrix", i)
            for j in range(i):
                if not math.isclose(m[i, j], m[j, i], rel_tol=1e-9, abs_tol=1e-12):
                    raise fault(
                        f"it is not symmetric: {self.of[i]} with {self.of[j]} is {m[i, j]:g} in one place and {m[j, i]:g} in the other.",
                        "matrix", i,
                    )  # fmt: skip
        told = not_a_covariance(m, self.of)
        if told:
            raise fault(told, "matrix")
        return self


class LesionSpec(Part):
    """Tumour of a patient: target lesions that RECIST follows, and the bulk of all others, which takes peptide too."""

    targets: int = Field(default=2, ge=1, le=5, strict=True, description="target lesions per patient")


class OutcomeSpec(Part):
    """How long patients are followed and how outcomes are read."""

    follow_up_years: float = Field(default=5.0, ge=1.0, le=20.0)
    imaging_weeks: float = Field(default=12.0, ge=4.0, le=52.0, description="from one image to the next")
    ctcae: Literal["5"] = Field(default="5", description="version of CTCAE; 6 has no grades for lymphocytes")
    marrow: Literal["auto", "measured", "model"] = Field(
        default="auto",
        description="marrow dose of the blood model: measured with the patient's own plasma, or the model's",
    )


class CohortSpec(Part):
    """A file for `alphatwin cohort`."""

    cohort: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="names the folder of the results")
    title: str = ""
    agent: AgentName
    parameters: Literal["A", "B", "C"] = Field(default="C", description="set of the whole-body model")
    population: str = Field(default="net-prrt", description="a population of the catalogue")
    size: int = Field(default=2000, ge=1, le=MOST_PATIENTS, strict=True, description="number of patients")
    seed: int = Field(default=1, ge=0, le=2**63 - 1, strict=True)
    treatment: TreatmentSpec
    lesions: LesionSpec = LesionSpec()
    covariates: dict[str, CovariateSpec] = Field(default_factory=dict)
    correlations: tuple[CorrelationSpec, ...] = ()
    covariance: CovarianceSpec | None = None
    outcome: OutcomeSpec = OutcomeSpec()

    @field_validator("agent")
    @classmethod
    def _agent_binds(cls, value: str) -> str:
        entry = catalog.agent(value)
        if entry.target != "SSTR2":
            raise ValueError(f"the whole-body model is for peptides that bind SSTR2; {entry.id} binds {entry.target}.")
        return entry.id

    @field_validator("population")
    @classmethod
    def _population_exists(cls, value: str) -> str:
        return population(value).id

    @model_validator(mode="after")
    def _marrow_was_measured(self) -> Self:
        if self.outcome.marrow == "measured" and self.agent != _MEASURED_MARROW:
            raise fault(
                f"marrow doses were measured for {_MEASURED_MARROW}, not for {self.agent}; use model.",
                "outcome",
                "marrow",
            )
        return self

    @property
    def marrow_measured(self) -> bool:
        """Whether the blood model gets the measured marrow dose."""
        return self.outcome.marrow == "measured" or (self.outcome.marrow == "auto" and self.agent == _MEASURED_MARROW)

    @model_validator(mode="after")
    def _covariates_exist(self) -> Self:
        known = list(population(self.population).values)
        for name in self.covariates:
            _known(name, known, "covariates", name)
        for i, pair in enumerate(self.correlations):
            for name in pair.between:
                _known(name, known, "correlations", i)
            if pair.between[0] == pair.between[1]:
                raise fault("a covariate goes with itself; name two.", "correlations", i)
        for name in self.covariance.of if self.covariance else ():
            _known(name, known, "covariance", "of")
        for name in self.covariates:
            try:
                self.quantity(name)
            except (AlphatwinError, ValueError) as error:
                raise fault(str(error), "covariates", name) from None
        for i, name in enumerate(self.covariance.of if self.covariance else ()):
            if population(self.population).values[name].distribution not in ("normal", "lognormal"):
                raise fault(f"{name} has a {population(self.population).values[name].distribution} distribution; "
                             "a covariance is for normal and lognormal ones. Give a correlation.", "covariance", "of", i)  # fmt: skip
        for names_of, rho in self.correlations_by_pair().items():
            if abs(rho) > (most := self._shared(names_of)) + _ROUNDING:
                raise fault(
                    f"{rho:.3g} of {' with '.join(sorted(names_of))} is more than all lesions of a patient can have: lesions differ from each "
                    f"other, which leaves at most {most:.3g}.", "covariance" if self.covariance else "correlations",
                )  # fmt: skip
        names, matrix = self.correlation_matrix()
        told = not_a_covariance(matrix, names)
        if told:
            where = "covariance" if self.covariance else "correlations"
            raise fault(f"together with those of the population they are no correlation: {told}", where)
        return self

    # --- what it means -----------------------------------------------------------------------------------------------

    @property
    def start_d(self) -> tuple[float, ...]:
        """Days on which cycles begin."""
        return tuple(self.treatment.interval_d * c for c in range(self.treatment.cycles))

    @property
    def lesion_names(self) -> tuple[str, ...]:
        """Target lesions, then the bulk."""
        return (*(f"target_{i + 1}" for i in range(self.lesions.targets)), "bulk")

    def quantity(self, name: str) -> ModelParameter:
        """A covariate with what the file changes of it."""
        q = population(self.population).values[name]
        changes: dict[str, Any] = {}
        if name in self.covariates:
            own = self.covariates[name]
            value = q.value if own.value is None else own.value
            relative = (q.u or 0.0) / q.value if q.value else 0.0
            cv = relative if own.cv is None else own.cv
            changes = {"value": value, "u": cv * abs(value)}
            changes |= {k: getattr(own, k) for k in ("low", "high") if getattr(own, k) is not None}
            if own.cv is not None and q.distribution in ("uniform", "triangular"):
                raise DomainError(f"{name} has a {q.distribution} distribution; give low and high instead of cv.")
        if self.covariance and name in self.covariance.of:
            i = self.covariance.of.index(name)
            sd = math.sqrt(self.covariance.matrix[i][i])
            value = float(changes.get("value", q.value))
            changes["u"] = value * math.sqrt(math.expm1(sd * sd)) if q.distribution == "lognormal" else sd
        if not changes:
            return q
        try:
            return ModelParameter.model_validate(
                {**q.model_dump(), **changes, "evidence": "assumed", "verified": False}
            )
        except ValueError as error:
            told = str(error).partition("Value error, ")[2].partition(" [type")[0] or str(error)
            raise DomainError(f"{told}.") from None

    def correlations_by_pair(self) -> dict[frozenset[str], float]:
        """rho of every pair of covariates that go together: the population's, then the file's."""
        pairs = {frozenset(c.between): c.rho for c in population(self.population).correlations}
        pairs |= {frozenset(c.between): c.rho for c in self.correlations}
        if self.covariance:
            m, of = np.array(self.covariance.matrix), self.covariance.of
            for i in range(len(of)):
                for j in range(i):
                    pairs[frozenset((of[i], of[j]))] = float(m[i, j] / math.sqrt(m[i, i] * m[j, j]))
        return pairs

    def correlation_matrix(self) -> tuple[tuple[str, ...], Array]:
        """Names and correlation of the patients' scores of all covariates that go together.

        A lesion's score is sqrt(r) of the patient's plus sqrt(1 - r) of its own, r the correlation of two lesions: for a lesion to
        go with a covariate by rho, the patient's part goes with it by rho/sqrt(r).
        """
        pairs = self.correlations_by_pair()
        order = list(population(self.population).values)
        names = tuple(n for n in order if any(n in pair for pair in pairs))
        matrix = np.eye(len(names))
        for pair, rho in pairs.items():
            i, j = (names.index(n) for n in pair)
            matrix[i, j] = matrix[j, i] = rho / self._shared(pair) if rho else 0.0
        return names, matrix

    def _shared(self, pair: frozenset[str]) -> float:
        """The largest correlation of two covariates that every lesion of a patient can share: 1, or sqrt(r) for each of lesions."""
        alike = population(self.population).between_lesions
        return math.sqrt(math.prod(alike[name].value for name in pair if name in alike))

    def sha256(self) -> str:
        """Hash of everything that changes a patient: not the size, not the title, but the catalogue."""
        data = self.model_dump(mode="json", exclude={"size", "title", "cohort"})
        data["catalog"] = catalog.sha256()
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        """The spec as text; `CohortSpec.from_json` reads it back equal."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> CohortSpec:
        """Back from `to_json`."""
        return cls.model_validate_json(text)


def not_a_covariance(matrix: Array, names: tuple[str, ...]) -> str:
    """Why a symmetric matrix is no covariance, or nothing when it is one."""
    if len(names) < 2:
        return ""
    values, vectors = np.linalg.eigh(matrix)
    if values[0] >= -_ROUNDING * max(1.0, float(values[-1])):
        return ""
    worst = [names[i] for i in np.argsort(-np.abs(vectors[:, 0]))[:3]]
    return (
        f"not positive semi-definite, its smallest eigenvalue is {values[0]:.3g}; no patients can differ in that way. "
        f"Look at {', '.join(worst)}."
    )


def _known(name: str, known: list[str], *place: str | int) -> None:
    if name not in known:
        raise fault(f"there is no covariate {name!r}. {suggestion(name, known)}Known: {', '.join(known)}.", *place)


_PARTS: Parts = {
    (): CohortSpec,
    ("treatment",): TreatmentSpec,
    ("lesions",): LesionSpec,
    ("covariates", "*"): CovariateSpec,
    ("correlations", "*"): CorrelationSpec,
    ("covariance",): CovarianceSpec,
    ("outcome",): OutcomeSpec,
}


def load_cohort(spec: str | pathlib.Path | Mapping[str, Any] | CohortSpec) -> CohortSpec:
    """Read and check a cohort: a YAML file, or a mapping with the same keys.

    Parameters
    ----------
    spec : str, Path, mapping or CohortSpec

    Raises
    ------
    CaseError
        One message per problem: the line, what was given, what is allowed, the nearest valid name.

    Examples
    --------
    >>> load_cohort({"cohort": "mine", "agent": "lu177-dotatate", "treatment": {"activity": "7.4 GBq"}}).treatment.cycles
    4
    >>> load_cohort("nowhere.yaml")
    Traceback (most recent call last):
    ...
    alphatwin.errors.CaseError: There is no file nowhere.yaml.
    """
    if isinstance(spec, CohortSpec):
        return spec
    if isinstance(spec, Mapping):
        return read_mapping(spec, "the cohort", CohortSpec, _PARTS)
    return read_as(spec, CohortSpec, _PARTS)


def cohort_schema() -> dict[str, Any]:
    """JSON Schema of a cohort file, for editors."""
    made: dict[str, Any] = CohortSpec.model_json_schema()
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return made
