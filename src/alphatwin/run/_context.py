"""What every stage of one evaluation shares: the case, the draws, the choices, and the book of what was used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .. import biology, catalog, transport
from ..draws import Draws
from ..report import Course, Input
from ..transport.saf_files import FractionSet

if TYPE_CHECKING:
    from ..case import Case

__all__ = ["Book", "Context", "Evaluation", "Recorder"]


class Recorder(Draws):
    """Draws that remember which inputs asked for scores, in the order they asked."""

    @property
    def names(self) -> list[str]:
        """Names of the inputs that asked, in order."""
        names: list[str] = self.__dict__.setdefault("_names", [])
        return names

    def normal(self, name: str) -> np.ndarray:
        """Scores z[sample] of one input; see `Draws.normal`."""
        if name not in self.names:
            self.names.append(name)
        return super().normal(name)


@dataclass
class Book:
    """What one evaluation used and assumed; local to it, frozen into the report at the end."""

    _inputs: dict[str, Input] = field(default_factory=dict)
    _sentences: dict[str, None] = field(default_factory=dict)
    _sources: set[str] = field(default_factory=set)

    def use(self, name: str, entry: catalog.Cited) -> None:
        """Note a published number, and its source."""
        self._inputs[name] = Input.of(name, entry)
        self._sources.add(entry.source)

    def cite(self, *keys: str) -> None:
        """Note sources."""
        self._sources.update(k for k in keys if k)

    def say(self, *sentences: str) -> None:
        """Note assumptions, each once."""
        self._sentences.update(dict.fromkeys(s for s in sentences if s))

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Published numbers, in the order of use."""
        return tuple(self._inputs.values())

    @property
    def sentences(self) -> tuple[str, ...]:
        """Assumptions, in the order they were made."""
        return tuple(self._sentences)

    @property
    def sources(self) -> tuple[str, ...]:
        """Bibliography keys, sorted."""
        return tuple(sorted(self._sources))


@dataclass(frozen=True)
class Context:
    """One evaluation: the same stages serve samples, the point estimate, one input at a time, and other choices."""

    case: Case
    draws: Draws
    rbe_reference: Literal["low_dose", "2_gy_fractions"] = "low_dose"
    marrow: transport.MarrowModel = field(default_factory=transport.MarrowModel)
    freed_are_lost: bool = False
    fractions: FractionSet | None = None  # of the user's files, where the case names some
    book: Book = field(default_factory=Book)

    def variant(self, draws: Draws, **changes: Any) -> Context:
        """The same with other draws or choices, and a book of its own."""
        return replace(self, draws=draws, book=Book(), **changes)

    def score(self, name: str) -> np.ndarray:
        """Standard-normal scores z[sample] of an uncertain input."""
        return self.draws.normal(name)

    def factor(self, name: str, relative_sd: float, keep_mean: bool = False) -> np.ndarray:
        """Lognormal factors of an uncertain input: median 1, or mean 1 over samples with `keep_mean`."""
        s = float(np.sqrt(np.log1p(relative_sd**2)))
        shift = 0.5 * s * s if keep_mean and self.draws.sampled else 0.0
        return np.asarray(np.exp(s * self.score(name) - shift))

    @property
    def human(self) -> bool:
        """Whether the reference anatomy is a person: limits and free-ion models of man hold for nobody else."""
        return catalog.anatomy(self.case.patient.anatomy).species == "human"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What the stages made, before it is put into a report."""

    course: Course
    carrier: Mapping[str, tuple[np.ndarray, np.ndarray]]
    ledgers: Mapping[str, biology.Ledger]
    ntcp: Mapping[str, tuple[str, np.ndarray]]
    next_cycle: biology.NextActivity | None
    planned_limit: biology.NextActivity | None

    def answer(self, tissue: str) -> np.ndarray:
        """The number the report turns on: what the tissue's ledger counts, or its BED."""
        if tissue in self.ledgers:
            return np.asarray(self.ledgers[tissue].total_Gy())
        return np.asarray(self.course.effect.bed.sel(region=tissue).values)
