"""What a case of images says beyond one nuclide: windows of a chain, and another nuclide's dose."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .images import TimeActivity

__all__ = ["ALL", "PredictionRow", "RatioRow", "SurrogateResult", "WindowRow", "WindowsResult"]

ALL = "all regions together"


@dataclass(frozen=True)
class WindowRow:
    """One energy window, and the nuclides whose decays its curve gives."""

    name: str
    energy_keV: float
    shown: str
    member: str
    equilibrium: float
    cps_per_MBq: float
    crosstalk: Mapping[str, float]
    drives: tuple[str, ...]


@dataclass(frozen=True)
class RatioRow:
    """A daughter over what feeds it, at a time (of activities) or in all (`time_h` None; of decays)."""

    region: str
    time_h: float | None
    daughter: str
    parent: str
    value: float
    sd: float
    equilibrium: float
    low: float  # of the 95 % interval
    high: float

    @property
    def verdict(self) -> str:
        """What the ratio means."""
        if not math.isfinite(self.value):
            return "not seen"
        if not math.isfinite(self.low):
            return "-"
        if self.low <= self.equilibrium <= self.high:
            return "equilibrium not excluded"
        if self.region == ALL:
            return (
                "more than is fed here: check the response, or it came from outside"
                if self.low > self.equilibrium
                else "has left"
            )
        return "collects here" if self.low > self.equilibrium else "has left"


@dataclass(frozen=True, eq=False)
class WindowsResult:
    """Of a study in several energy windows."""

    carrier: str
    windows: tuple[WindowRow, ...]
    ratios: tuple[RatioRow, ...]
    courses: tuple[TimeActivity, ...]

    def summary(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "carrier": self.carrier,
            "windows": [
                {"name": w.name, "energy_keV": w.energy_keV, "nuclide": w.shown, "stands_for": w.member, "ratio_in_equilibrium": w.equilibrium,
                 "drives": list(w.drives)}
                for w in self.windows
            ],
            "ratios": [
                {"region": r.region, "time_h": r.time_h, "of": r.daughter, "to": r.parent, "ratio": _number(r.value), "sd": _number(r.sd),
                 "interval_95": [_number(r.low), _number(r.high)], "in_equilibrium": r.equilibrium, "verdict": r.verdict}
                for r in self.ratios
            ],
            "activity": [
                {"region": c.region, "nuclide": c.nuclide, "times_h": c.times_h.tolist(), "corrected_MBq": c.corrected_MBq.tolist(),
                 "sd_MBq": c.sd_MBq.tolist(), "not_seen": c.below.tolist()}
                for c in self.courses
            ],
        }  # fmt: skip


@dataclass(frozen=True)
class PredictionRow:
    """One region: the integral of the imaged nuclide and the one predicted."""

    region: str
    imaged_MBq_h: float
    predicted_MBq_h: float
    predicted_sd_MBq_h: float
    uptake_ratio: float
    uptake_sd: float
    after_last_image: float
    flagged: bool


@dataclass(frozen=True, eq=False)
class SurrogateResult:
    """Images of one nuclide, dose of another."""

    imaged: str
    imaged_MBq: float
    imaged_agent: str
    therapy: str
    therapy_MBq: float
    therapy_agent: str
    last_image_h: float
    rows: tuple[PredictionRow, ...]

    @property
    def told(self) -> str:
        """The sentence that stands on the page, in the terminal and in the dose report."""
        return (
            f"PREDICTION: {self.therapy_MBq:.4g} MBq of {self.therapy} ({self.therapy_agent}) was not imaged. Images of "
            f"{self.imaged} ({self.imaged_agent}); biology kept, physical decay exchanged."
        )

    def summary(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "prediction": self.told, "imaged": self.imaged, "imaged_MBq": self.imaged_MBq, "therapy": self.therapy,
            "therapy_MBq": self.therapy_MBq, "last_image_h": self.last_image_h,
            "regions": [
                {"name": r.region, "imaged_MBq_h": r.imaged_MBq_h, "predicted_MBq_h": r.predicted_MBq_h,
                 "predicted_sd_MBq_h": _number(r.predicted_sd_MBq_h), "uptake_ratio": r.uptake_ratio, "uptake_relative_sd": r.uptake_sd,
                 "share_after_last_image": r.after_last_image, "extrapolated_beyond_limit": r.flagged}
                for r in self.rows
            ],
        }  # fmt: skip


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
