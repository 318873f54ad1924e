"""A case of kidney protection: a planned course, and the ways to protect the kidneys that are to be compared."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Self

from pydantic import Field, field_validator, model_validator

from ._fields import Part, TimeH, _text_with_unit, fault
from .model import Case
from .planned import PbpkKinetics
from .reading import _PARTS, Parts, read_as

__all__ = ["DEFAULT_STRATEGIES", "ProtectCase", "StrategyChoice", "load_protect"]

MAX_STRATEGIES = 12
MAX_NAME = 26

if TYPE_CHECKING:
    DelayH = float
else:
    DelayH = _text_with_unit("time", "h", 8766.0, zero=True)


class InfusionChoice(Part):
    """An infusion that blocks uptake in the kidneys: amino acids or gelatin."""

    duration_h: TimeH = Field(default="4 h", validate_default=True, alias="duration", description="e.g. '4 h'")
    start_before_h: DelayH | None = Field(
        default=None, alias="start_before", description="time before the injection, e.g. '30 min'"
    )
    amount: float = Field(default=1.0, ge=0, le=5, description="in infusions of the label")


class ScavengerChoice(Part):
    """Doses of a drug that takes damage away: A1M or amifostine."""

    doses: int = Field(default=1, ge=1, le=14, strict=True, description="with each injection")
    first_h: DelayH = Field(default="0 h", validate_default=True, alias="first", description="after the injection")
    every_h: TimeH = Field(default="24 h", validate_default=True, alias="every", description="from dose to dose")
    amount: float = Field(default=1.0, gt=0, le=20, description="of each dose, in reference doses")
    tumour: bool = Field(
        default=False, description="true: the tumour is spared as the kidneys are (a pessimist's view)"
    )


class SplitChoice(Part):
    """The activity of a cycle in equal parts."""

    fractions: int = Field(ge=2, le=10, strict=True)
    every_h: TimeH = Field(default="24 h", validate_default=True, alias="every", description="from part to part")


class StrategyChoice(Part):
    """One way to protect the kidneys; what it does not name is not given. Empty: no protection."""

    amino_acids: InfusionChoice | None = None
    gelofusine: InfusionChoice | None = None
    a1m: ScavengerChoice | None = None
    amifostine: ScavengerChoice | None = None
    split: SplitChoice | None = None

    @model_validator(mode="after")
    def _one_scavenger(self) -> Self:
        if self.a1m is not None and self.amifostine is not None:
            raise fault(
                "a1m and amifostine act on the same term and were never given together; choose one.", "amifostine"
            )
        return self


DEFAULT_STRATEGIES: dict[str, StrategyChoice] = {
    name: StrategyChoice.model_validate(given)
    for name, given in {
        "none": {},
        "AA 4 h": {"amino_acids": {"duration": "4 h"}},
        "AA 10 h": {"amino_acids": {"duration": "10 h"}},
        "gelatin": {"gelofusine": {"duration": "4 h"}},
        "AA 4 h + gelatin": {"amino_acids": {"duration": "4 h"}, "gelofusine": {"duration": "4 h"}},
        "AA 4 h + A1M 0, 24 h": {"amino_acids": {"duration": "4 h"}, "a1m": {"doses": 2, "every": "24 h"}},
        "AA 4 h + amifostine": {"amino_acids": {"duration": "4 h"}, "amifostine": {"doses": 1}},
        "AA 4 h, split in 3": {"amino_acids": {"duration": "4 h"}, "split": {"fractions": 3, "every": "24 h"}},
    }.items()
}


class ProtectCase(Case):
    """A case with computed kinetics and named strategies of protection."""

    strategies: dict[str, StrategyChoice] = Field(
        default_factory=lambda: dict(DEFAULT_STRATEGIES), min_length=1, max_length=MAX_STRATEGIES,
        description="by name, e.g. 'AA 4 h': {amino_acids: {duration: 4 h}}; a set of eight by default",
    )  # fmt: skip
    reference: str | None = Field(
        default=None, description="the strategy that others are compared with; default: the first"
    )

    @field_validator("strategies")
    @classmethod
    def _names(cls, value: dict[str, StrategyChoice]) -> dict[str, StrategyChoice]:
        for name in value:
            if not (name.strip() and name.isprintable() and len(name) <= MAX_NAME):
                raise fault(f"a strategy has a name of 1 to {MAX_NAME} characters.", name[:MAX_NAME])
        return value

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        from ..errors import suggestion

        if not isinstance(self.kinetics, PbpkKinetics):
            raise fault(
                "protection changes the kinetics, which measured curves cannot tell; write source: pbpk and leave the "
                "measured regions out.", "kinetics", "source",
            )  # fmt: skip
        if self.kinetics.amino_acids_h is not None:
            raise fault("amino acids are named by each strategy; leave this out.", "kinetics", "amino_acids")
        if not self.kinetics.lesions:
            raise fault(
                "name at least one lesion: what protection costs the tumour is half of the answer.",
                "kinetics",
                "lesions",
            )
        if self.reference is not None and self.reference not in self.strategies:
            hint = suggestion(self.reference, self.strategies)
            raise fault(f"no strategy {self.reference!r}. {hint}There is {', '.join(self.strategies)}.", "reference")
        room = self.treatment.interval_h if self.treatment.cycles > 1 else None
        for name, one in self.strategies.items():
            last = max(_span(one.a1m), _span(one.amifostine))
            parts = 0.0 if one.split is None else (one.split.fractions - 1) * one.split.every_h
            if room is not None and last + parts >= room:
                raise fault(
                    f"its last dose comes {last + parts:g} h after the start of a cycle, and the next cycle starts after "
                    f"{room:g} h; fewer, or closer together.", "strategies", name,
                )  # fmt: skip
        return self


def _span(choice: ScavengerChoice | None) -> float:
    return 0.0 if choice is None else choice.first_h + (choice.doses - 1) * choice.every_h


_PROTECT_PARTS: Parts = {
    **_PARTS,
    (): ProtectCase,
    ("strategies", "*"): StrategyChoice,
    ("strategies", "*", "amino_acids"): InfusionChoice,
    ("strategies", "*", "gelofusine"): InfusionChoice,
    ("strategies", "*", "a1m"): ScavengerChoice,
    ("strategies", "*", "amifostine"): ScavengerChoice,
    ("strategies", "*", "split"): SplitChoice,
}


def load_protect(path: str | pathlib.Path) -> ProtectCase:
    """Read and check a case of kidney protection.

    Parameters
    ----------
    path : str or Path
        A YAML file: a case with ``kinetics: {source: pbpk, ...}``, and strategies.

    Raises
    ------
    CaseError
        Whatever is wrong with it, with its line.
    """
    return read_as(path, ProtectCase, _PROTECT_PARTS)
